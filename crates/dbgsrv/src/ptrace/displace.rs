//! Carrying an instruction to another place, where it does what it did at its own: so a thread can
//! execute what is under a trap instruction, and nobody else has to wait. Pure; it knows the CPU's
//! instructions, and nothing of threads.
//!
//! ```text
//!   an ordinary instruction      instruction | jmp next
//!   jmp, jcc to an address       jcc target  | jmp next
//!   loop, jrcxz (8 bits only)    loop +5     | jmp next | jmp target
//!   call                         push [return address] | jmp target | ... | return address
//!   ret, jmp by register         instruction
//! ```
//!
//! Operands relative to the instruction's address are made relative to the new one. What cannot be
//! carried is executed in its own place: what enters the kernel, traps, or is out of reach.

use dbgbase::{Address, Arch};
use iced_x86::{
    Code, ConstantOffsets, Decoder, DecoderOptions, FlowControl, Instruction, Register,
};

/// How many bytes a carried instruction takes, with all that belongs to it.
pub(super) const SLOT_LEN: usize = 32;
/// The most bytes of an instruction.
pub(super) const INSTRUCTION_LEN_MAX: usize = 15;
/// Where a slot keeps the address that a call pushes.
const RETURN_OFFSET: usize = 24;
/// The length of `push [rip + n]`.
const PUSH_LEN: usize = 6;
/// The length of `jmp` with 32 bits.
const JUMP_LEN: usize = 5;

/// How far an instruction is when a thread stands at a byte of its slot where an instruction
/// begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Nothing has happened, or one of its repetitions.
    Before,
    /// Nothing has happened, but that the address a call returns to is on the stack.
    Pushed,
    /// It is done, and the one behind it is next.
    Next,
    /// It is done, and has jumped to its target.
    Target,
}

/// What becomes of a thread that stands in a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct WayOut {
    /// Where it goes on.
    pub(super) pc: Address,
    /// What is added to its stack pointer.
    pub(super) sp_offset: u64,
    /// How far the instruction is.
    pub(super) progress: Progress,
}

/// An instruction that has been carried to a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Displaced {
    /// The slot's bytes.
    pub(super) code: [u8; SLOT_LEN],
    /// The instruction as it stands at its own place; the first bytes count.
    pub(super) instruction: [u8; INSTRUCTION_LEN_MAX],
    /// What has to be known to lead a thread out.
    pub(super) outline: Outline,
}

/// What has to be known of a slot to lead a thread out of it.
///
/// ```text
///   as words of the journal
///   word 0, bytes 0 to 6: instruction's length, then offset and progress (0: none) of each place
///   word 1: the target       word 2: a checksum of the slot's bytes
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outline {
    /// How many bytes the instruction has.
    pub(super) instruction_len: u8,
    /// Where it jumps to, if it jumps to an address.
    target: Address,
    /// Where in the slot instructions begin, and how far the displaced one is there.
    places: [Option<(u8, Progress)>; 3],
    /// Tells the slot's bytes from others.
    checksum: u64,
}

impl Outline {
    /// Where a thread goes on that stands at this byte of the slot of this site.
    pub(super) fn way_out(&self, site: Address, offset: u64) -> Option<WayOut> {
        let place = self.places.iter().flatten().find(|(at, _)| u64::from(*at) == offset)?;
        let progress = place.1;
        let (pc, sp_offset) = match progress {
            Progress::Before => (site, 0),
            Progress::Pushed => (site, 8),
            Progress::Next => (site.wrapping_offset(i64::from(self.instruction_len)), 0),
            Progress::Target => (self.target, 0),
        };
        Some(WayOut { pc, sp_offset, progress })
    }

    /// Whether these are the slot's bytes.
    pub(super) fn is_of(&self, code: &[u8; SLOT_LEN]) -> bool {
        checksum(code) == self.checksum
    }

    /// As words of the journal.
    pub(super) fn to_words(self) -> [u64; 3] {
        let place = |place: Option<(u8, Progress)>| match place {
            Some((offset, progress)) => [offset, progress as u8 + 1],
            None => [0, 0],
        };
        let [[a, b], [c, d], [e, f]] = self.places.map(place);
        let head = u64::from_le_bytes([self.instruction_len, a, b, c, d, e, f, 0]);
        [head, self.target.value(), self.checksum]
    }

    /// From words of the journal.
    pub(super) fn from_words([head, target, checksum]: [u64; 3]) -> Outline {
        let [instruction_len, a, b, c, d, e, f, _] = head.to_le_bytes();
        let progress = |number: u8| match number {
            1 => Some(Progress::Before),
            2 => Some(Progress::Pushed),
            3 => Some(Progress::Next),
            4 => Some(Progress::Target),
            _ => None,
        };
        let place = |(offset, number)| progress(number).map(|progress| (offset, progress));
        Outline {
            instruction_len,
            target: Address::new(target),
            places: [(a, b), (c, d), (e, f)].map(place),
            checksum,
        }
    }
}

/// FNV-1a of 64 bits.
fn checksum(code: &[u8; SLOT_LEN]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    code.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Carries the instruction that `code` begins with from `site` to `slot`. With a shadow stack no
/// call can be carried. `None` if it has to be executed in its own place.
pub(super) fn displace(
    arch: Arch,
    code: &[u8],
    site: Address,
    slot: Address,
    has_shadow_stack: bool,
) -> Option<Displaced> {
    if arch != Arch::X86_64 {
        return None;
    }
    let mut decoder = Decoder::with_ip(64, code, site.value(), DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return None;
    }
    let mut carrier = Carrier {
        instruction,
        offsets: decoder.get_constant_offsets(&instruction),
        bytes: code.get(..instruction.len())?,
        slot,
        displaced: Displaced {
            code: [0; SLOT_LEN],
            instruction: [0; INSTRUCTION_LEN_MAX],
            outline: Outline {
                instruction_len: instruction.len() as u8,
                target: Address::ZERO,
                places: [None; 3],
                checksum: 0,
            },
        },
        len: 0,
    };
    carrier.displaced.instruction.get_mut(..instruction.len())?.copy_from_slice(carrier.bytes);
    match instruction.flow_control() {
        FlowControl::Next => carrier.ordinary()?,
        FlowControl::UnconditionalBranch => carrier.jump()?,
        FlowControl::ConditionalBranch => carrier.branch()?,
        FlowControl::Return => carrier.leaving(&[Code::Retnq, Code::Retnq_imm16])?,
        FlowControl::IndirectBranch => carrier.leaving(&[Code::Jmp_rm64])?,
        FlowControl::Call if !has_shadow_stack => carrier.call()?,
        FlowControl::IndirectCall if !has_shadow_stack => carrier.indirect_call()?,
        _ => return None,
    }
    let code = carrier.displaced.code;
    carrier.displaced.outline.checksum = checksum(&code);
    Some(carrier.displaced)
}

/// An instruction on its way.
struct Carrier<'a> {
    instruction: Instruction,
    offsets: ConstantOffsets,
    bytes: &'a [u8],
    slot: Address,
    displaced: Displaced,
    /// How much of the slot is written.
    len: usize,
}

impl Carrier<'_> {
    fn ordinary(&mut self) -> Option<()> {
        self.place(Progress::Before)?;
        self.copy(self.bytes.to_vec())?;
        self.place(Progress::Next)?;
        self.jump_to(self.instruction.next_ip())
    }

    /// What leads elsewhere by itself, if it is one of these.
    fn leaving(&mut self, known: &[Code]) -> Option<()> {
        if !known.contains(&self.instruction.code()) {
            return None;
        }
        self.place(Progress::Before)?;
        self.copy(self.bytes.to_vec())
    }

    fn jump(&mut self) -> Option<()> {
        if !matches!(self.instruction.code(), Code::Jmp_rel8_64 | Code::Jmp_rel32_64) {
            return None;
        }
        self.place(Progress::Before)?;
        self.jump_to(self.instruction.near_branch64())
    }

    fn branch(&mut self) -> Option<()> {
        let (next, target) = (self.instruction.next_ip(), self.instruction.near_branch64());
        self.displaced.outline.target = Address::new(target);
        self.place(Progress::Before)?;
        if self.instruction.is_jcc_short_or_near() {
            // The near form has the condition in the low four bits of its second byte.
            let condition = match *self.bytes.get(self.bytes.len().checked_sub(2)?)? {
                short @ 0x70..=0x7f if self.instruction.is_jcc_short() => short & 0xf,
                _ => self.bytes.get(self.bytes.len().checked_sub(5)?)? & 0xf,
            };
            let rel = self.relative(target, 6)?;
            self.write(&[0x0f, 0x80 | condition])?;
            self.write(&rel)?;
            self.place(Progress::Next)?;
            return self.jump_to(next);
        }
        if !(self.instruction.is_loop()
            || self.instruction.is_loopcc()
            || self.instruction.is_jcx_short())
        {
            return None;
        }
        let (_, head) = self.bytes.split_last()?;
        self.write(&[head, &[JUMP_LEN as u8]].concat())?;
        self.place(Progress::Next)?;
        self.jump_to(next)?;
        self.place(Progress::Target)?;
        self.jump_to(target)
    }

    fn call(&mut self) -> Option<()> {
        if self.instruction.code() != Code::Call_rel32_64 {
            return None;
        }
        let target = self.instruction.near_branch64();
        self.displaced.outline.target = Address::new(target);
        self.push_return()?;
        self.place(Progress::Target)?;
        self.jump_to(target)
    }

    fn indirect_call(&mut self) -> Option<()> {
        let instruction = &self.instruction;
        // The push has moved rsp when the operand is read.
        let reads_sp = instruction.op0_register() == Register::RSP
            || instruction.memory_base() == Register::RSP;
        if instruction.code() != Code::Call_rm64 || reads_sp {
            return None;
        }
        let mut jump = self.bytes.to_vec();
        let opcode = jump.iter().position(|byte| !is_prefix(*byte))?;
        if jump.get(opcode) != Some(&0xff) {
            return None;
        }
        // FF /2 is the call, FF /4 the jump.
        let modrm = jump.get_mut(opcode + 1)?;
        *modrm = *modrm & !0x38 | 4 << 3;
        self.push_return()?;
        self.place(Progress::Pushed)?;
        self.copy(jump)
    }

    /// Writes `push [rip + n]`, and behind all code the address that is pushed.
    fn push_return(&mut self) -> Option<()> {
        self.place(Progress::Before)?;
        let distance = (RETURN_OFFSET - PUSH_LEN) as u32;
        self.write(&[0xff, 0x35])?;
        self.write(&distance.to_le_bytes())?;
        let place = self.displaced.code.get_mut(RETURN_OFFSET..RETURN_OFFSET + 8)?;
        place.copy_from_slice(&self.instruction.next_ip().to_le_bytes());
        Some(())
    }

    /// Takes note that an instruction of the slot begins here.
    fn place(&mut self, progress: Progress) -> Option<()> {
        let place = self.displaced.outline.places.iter_mut().find(|place| place.is_none())?;
        *place = Some((self.len as u8, progress));
        Some(())
    }

    /// Writes the instruction, with its relative operand made relative to the new place.
    fn copy(&mut self, mut bytes: Vec<u8>) -> Option<()> {
        if self.instruction.is_ip_rel_memory_operand() {
            let (at, size) = (self.offsets.displacement_offset(), self.offsets.displacement_size());
            if self.instruction.memory_base() != Register::RIP || size != 4 {
                return None;
            }
            let target = self.instruction.ip_rel_memory_address();
            let rel = self.relative(target, bytes.len())?;
            bytes.get_mut(at..at + 4)?.copy_from_slice(&rel);
        }
        self.write(&bytes)
    }

    fn jump_to(&mut self, target: u64) -> Option<()> {
        let rel = self.relative(target, JUMP_LEN)?;
        self.write(&[0xe9])?;
        self.write(&rel)
    }

    /// The 32 bits by which an instruction of `len` bytes that begins here reaches an address.
    fn relative(&self, target: u64, len: usize) -> Option<[u8; 4]> {
        let end = self.slot.value().checked_add((self.len + len) as u64)?;
        let distance = i32::try_from(target.wrapping_sub(end) as i64).ok()?;
        Some(distance.to_le_bytes())
    }

    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.displaced.code.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }
}

/// Whether a byte before the opcode is a prefix (Intel SDM volume 2, 2.1.1 and 2.2.1), REX among
/// them.
fn is_prefix(byte: u8) -> bool {
    matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf2 | 0xf3)
}

#[cfg(test)]
#[path = "displace/tests.rs"]
mod tests;
