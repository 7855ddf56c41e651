//! x86-64 by iced-x86, dressed as WinDbg does it: Microsoft's operand order and sizes, lower case,
//! `10h`, and names in front of addresses. It knows nothing of other CPUs.

use dbgbase::Address;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, FormatterOutput, FormatterTextKind,
    MasmFormatter, MemorySizeOptions, Mnemonic, NumberKind, OpKind,
};

use super::{INSTRUCTION_LEN_MAX_BYTES, Instruction, InstructionKind, InstructionText};

/// `None` if there are no bytes.
pub(super) fn decode(bytes: &[u8], address: Address) -> Option<Instruction> {
    let head = bytes.get(..INSTRUCTION_LEN_MAX_BYTES).unwrap_or(bytes);
    let decoded = iced(head, address);
    let len = if decoded.is_invalid() { 1 } else { decoded.len() };
    let own = head.get(..len)?;
    let mut kept = [0; INSTRUCTION_LEN_MAX_BYTES];
    kept.iter_mut().zip(own).for_each(|(slot, byte)| *slot = *byte);
    let is_near = decoded.op0_kind() == OpKind::NearBranch64;
    let is_fixed = decoded.is_ip_rel_memory_operand();
    Some(Instruction {
        address,
        bytes: kept,
        len_bytes: own.len() as u8,
        kind: kind_of(&decoded),
        target: is_near.then(|| Address::new(decoded.near_branch_target())),
        data_address: is_fixed.then(|| Address::new(decoded.ip_rel_memory_address())),
    })
}

fn iced(bytes: &[u8], address: Address) -> iced_x86::Instruction {
    Decoder::with_ip(64, bytes, address.value(), DecoderOptions::NONE).decode()
}

fn kind_of(instruction: &iced_x86::Instruction) -> InstructionKind {
    if instruction.is_invalid() {
        return InstructionKind::Invalid;
    }
    match instruction.mnemonic() {
        Mnemonic::Syscall | Mnemonic::Sysenter => return InstructionKind::SystemCall,
        Mnemonic::Int3 => return InstructionKind::Trap,
        // The one way into the kernel of 32-bit code, which 64-bit code may use as well.
        Mnemonic::Int if instruction.immediate8() == 0x80 => return InstructionKind::SystemCall,
        Mnemonic::Hlt => return InstructionKind::Exception,
        _ => {}
    }
    match instruction.flow_control() {
        FlowControl::Call | FlowControl::IndirectCall => InstructionKind::Call,
        FlowControl::Return => InstructionKind::Return,
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => InstructionKind::Jump,
        FlowControl::ConditionalBranch | FlowControl::XbeginXabortXend => {
            match instruction.op0_kind() {
                OpKind::NearBranch64 => InstructionKind::ConditionalJump,
                _ => InstructionKind::Other,
            }
        }
        FlowControl::Interrupt | FlowControl::Exception => InstructionKind::Exception,
        FlowControl::Next => {
            let repeats = instruction.has_rep_prefix() || instruction.has_repne_prefix();
            match instruction.is_string_instruction() && repeats {
                true => InstructionKind::StringRepeat,
                false => InstructionKind::Other,
            }
        }
    }
}

pub(super) fn text(
    instruction: &Instruction,
    name_of: &dyn Fn(Address) -> Option<String>,
) -> InstructionText {
    if instruction.kind == InstructionKind::Invalid {
        return InstructionText { mnemonic: "???".to_owned(), operands: String::new() };
    }
    let decoded = iced(instruction.bytes(), instruction.address);
    let mut formatter = MasmFormatter::new();
    let options = formatter.options_mut();
    options.set_memory_size_options(MemorySizeOptions::Always);
    options.set_show_branch_size(false);
    options.set_rip_relative_addresses(false);
    let mut mnemonic = String::new();
    formatter.format_mnemonic(&decoded, &mut mnemonic);
    let mut operands = Operands { text: String::new(), instruction, name_of };
    formatter.format_all_operands(&decoded, &mut operands);
    let mut operands = operands.text;
    if operands.is_empty() && decoded.is_string_instruction() {
        spell_out_string_operands(&decoded, &mut mnemonic, &mut operands);
    }
    InstructionText { mnemonic, operands }
}

/// WinDbg writes `movs byte ptr [rdi],byte ptr [rsi]` where the formatter writes `movsb`.
fn spell_out_string_operands(
    decoded: &iced_x86::Instruction,
    mnemonic: &mut String,
    operands: &mut String,
) {
    let size = match decoded.memory_size().size() {
        1 => "byte",
        2 => "word",
        4 => "dword",
        8 => "qword",
        _ => return,
    };
    let places: Vec<String> = decoded
        .op_kinds()
        .filter_map(|kind| match kind {
            OpKind::MemorySegRSI => Some("rsi"),
            OpKind::MemorySegESI => Some("esi"),
            OpKind::MemoryESRDI => Some("rdi"),
            OpKind::MemoryESEDI => Some("edi"),
            _ => None,
        })
        .map(|register| format!("{size} ptr [{register}]"))
        .collect();
    // The last letter of the mnemonic is the size.
    mnemonic.pop();
    *operands = places.join(",");
}

/// Collects the operands and puts names where the formatter writes addresses.
struct Operands<'a> {
    text: String,
    instruction: &'a Instruction,
    name_of: &'a dyn Fn(Address) -> Option<String>,
}

impl FormatterOutput for Operands<'_> {
    fn write(&mut self, text: &str, _: FormatterTextKind) {
        self.text.push_str(text);
    }

    fn write_number(
        &mut self,
        decoded: &iced_x86::Instruction,
        _: u32,
        operand: Option<u32>,
        text: &str,
        value: u64,
        _: NumberKind,
        _: FormatterTextKind,
    ) {
        let operand_kind = operand.and_then(|operand| decoded.try_op_kind(operand).ok());
        let fixed = match operand_kind {
            Some(OpKind::NearBranch64) => self.instruction.target,
            Some(OpKind::Memory) => self.instruction.data_address,
            _ => None,
        };
        match fixed.filter(|address| address.value() == value) {
            Some(address) => {
                let named = (self.name_of)(address).map(|name| format!("{name} ({address})"));
                self.text.push_str(&named.unwrap_or_else(|| address.to_string()));
            }
            None => self.text.push_str(text),
        }
    }
}
