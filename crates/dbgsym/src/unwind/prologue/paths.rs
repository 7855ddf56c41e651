//! What has been done to the stack when an instruction of a function is reached: along any path to
//! it, as compilers see to it that all paths agree. It knows only code.

use std::collections::{HashSet, VecDeque};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::{StackEffect, is_adjustment, preserved, writes_to};

/// Functions without call frame information that are longer are not followed further.
const INSTRUCTIONS_MAX: usize = 4096;

/// The effect of the instructions of `code`, a function from its first one on, before the one at
/// `target_bytes`. `None` if no path leads there, or neither pointer to the stack is known.
pub(super) fn effect_at(code: &[u8], target_bytes: usize) -> Option<StackEffect> {
    let mut open = VecDeque::from([(0, StackEffect::at_entry())]);
    let mut seen = HashSet::from([0]);
    while let Some((at, mut effect)) = open.pop_front() {
        if at == target_bytes {
            if effect.depth_bytes.is_some() {
                effect.frame_pointer_depth_bytes = None;
            }
            let is_known = effect.depth_bytes.or(effect.frame_pointer_depth_bytes).is_some();
            return is_known.then_some(effect);
        }
        let Some(rest) = code.get(at..).filter(|rest| !rest.is_empty()) else { continue };
        let instruction = Decoder::with_ip(64, rest, at as u64, DecoderOptions::NONE).decode();
        if instruction.is_invalid() || seen.len() > INSTRUCTIONS_MAX {
            continue;
        }
        effect.execute(&instruction);
        let next = Some(instruction.next_ip());
        let target = Some(instruction.near_branch_target());
        let ways = match instruction.flow_control() {
            FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => [next, None],
            FlowControl::ConditionalBranch => [next, target],
            FlowControl::UnconditionalBranch => [target, None],
            _ => [None, None],
        };
        for way in ways.into_iter().flatten().filter_map(|way| usize::try_from(way).ok()) {
            if way <= code.len() && seen.insert(way) {
                open.push_back((way, effect.clone()));
            }
        }
    }
    None
}

impl StackEffect {
    /// Does what an instruction does, if it goes on within the function.
    fn execute(&mut self, instruction: &Instruction) {
        let (first, second) = (instruction.op0_register(), instruction.op1_register());
        match instruction.mnemonic() {
            // Callees leave the stack as it is.
            Mnemonic::Call => {}
            Mnemonic::Mov if (first, second) == (Register::RBP, Register::RSP) => {
                self.frame_pointer_depth_bytes = self.depth_bytes;
            }
            Mnemonic::Mov if (first, second) == (Register::RSP, Register::RBP) => {
                self.depth_bytes = self.frame_pointer_depth_bytes;
            }
            Mnemonic::Leave => {
                self.depth_bytes = self.frame_pointer_depth_bytes;
                self.pop(Register::RBP);
            }
            Mnemonic::Push if instruction.stack_pointer_increment() == -8 => self.push(first),
            Mnemonic::Pop if instruction.stack_pointer_increment() == 8 => self.pop(first),
            Mnemonic::Sub if is_adjustment(instruction) => self.sink(immediate(instruction)),
            Mnemonic::Add if is_adjustment(instruction) => self.rise(immediate(instruction)),
            Mnemonic::Lea if first == Register::RSP && is_plain_memory(instruction) => {
                let from = match instruction.memory_base() {
                    Register::RSP => self.depth_bytes,
                    Register::RBP => self.frame_pointer_depth_bytes,
                    _ => None,
                };
                let by = instruction.memory_displacement64() as i64;
                self.depth_bytes = from.and_then(|depth| depth.checked_sub(by));
            }
            _ => {
                let moves = instruction.stack_pointer_increment() != 0;
                if moves || writes_to(instruction, Register::RSP) {
                    self.depth_bytes = None;
                }
                if writes_to(instruction, Register::RBP) {
                    self.frame_pointer_depth_bytes = None;
                }
            }
        }
    }

    /// The register has the caller's value again, if that is what was on top.
    fn pop(&mut self, register: Register) {
        let top = self.depth_bytes;
        if let Some(id) = preserved(register) {
            self.saved.retain(|(known, depth)| *known != id || Some(*depth) != top);
        }
        self.rise(8);
        match register {
            Register::RSP => self.depth_bytes = None,
            Register::RBP => self.frame_pointer_depth_bytes = None,
            _ => {}
        }
    }

    /// The stack pointer moves up.
    fn rise(&mut self, by_bytes: i64) {
        self.depth_bytes = self.depth_bytes.and_then(|depth| depth.checked_sub(by_bytes));
    }
}

fn immediate(instruction: &Instruction) -> i64 {
    instruction.try_immediate(1).unwrap_or(0) as i64
}

fn is_plain_memory(instruction: &Instruction) -> bool {
    instruction.op1_kind() == OpKind::Memory && instruction.memory_index() == Register::None
}
