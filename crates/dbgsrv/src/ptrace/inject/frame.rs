//! What a thread's stack and its registers look like when a called function begins, where that
//! returns to, and whether it can be called there at all. It lets nothing run.

use dbgbase::{Address, GeneralRegisters, Tid};
use dbgwire::verbs::inject::{CALL_BYTES_LEN_MAX, CallFunction, FUNCTION_ARGUMENTS_MAX};
use dbgwire::{ErrorCode, Fault};

use super::super::procfs::{self, Mapping};
use super::super::sys;
use super::super::target::Target;
use super::call::unblocked;
use super::convention::Calling;

/// Bits of a mapping's protection.
const READABLE: u32 = 1;
const EXECUTABLE: u32 = 4;

/// What lies on the stack when the function begins.
pub(super) struct Frame {
    /// Where.
    pub(super) sp: Address,
    /// The bytes.
    pub(super) bytes: Vec<u8>,
    /// The arguments, with addresses where they were positions.
    pub(super) arguments: Vec<u64>,
}

impl Frame {
    /// ```text
    ///   sp ─► return address | arguments that have no register | padding | tail | red zone ...
    /// ```
    pub(super) fn new(
        own: &GeneralRegisters,
        calling: &Calling,
        return_address: Address,
        request: &CallFunction,
        tail: &[u8],
    ) -> Result<Frame, Fault> {
        let no_room = || {
            let detail = format!("the stack pointer {} leaves no room for a call", own.sp());
            Fault::new(ErrorCode::Unwritable, detail)
        };
        let align = |at: u64| at - at % calling.stack_alignment;
        let below = |at: u64, len: u64| at.checked_sub(len).map(align).ok_or_else(no_room);
        let in_registers = calling.arguments.len();
        let on_stack = request.arguments.len().saturating_sub(in_registers) as u64;
        let tail_at = below(own.sp().value(), calling.red_zone + tail.len() as u64)?;
        let arguments_at = below(tail_at, on_stack * 8)?;
        let sp = arguments_at.checked_sub(8).ok_or_else(no_room)?;
        let mut arguments = request.arguments.clone();
        for index in &request.in_tail {
            if let Some(argument) = arguments.get_mut(*index as usize) {
                *argument = argument.wrapping_add(tail_at);
            }
        }
        let mut bytes = return_address.value().to_le_bytes().to_vec();
        for argument in arguments.iter().skip(in_registers) {
            bytes.extend(argument.to_le_bytes());
        }
        bytes.resize((tail_at - sp) as usize, 0);
        bytes.extend(tail);
        Ok(Frame { sp: Address::new(sp), bytes, arguments })
    }
}

/// What the frames of a thread hold when it is sent to a function. One that leaves its frame, as by
/// pthread_exit(3), puts others over them, and does not come back.
pub(super) struct Stack {
    sp: Address,
    bytes: Vec<u8>,
    /// Whether nothing else lies above. Threads have their own variables there.
    is_alone: bool,
}

impl Stack {
    /// Takes down what lies above a stack pointer.
    pub(super) fn take(target: &Target, sp: Address) -> Stack {
        /// Deeper stacks are not kept whole.
        const LEN_MAX: u64 = 256 * 1024;
        let maps = procfs::parse_maps(&procfs::read_shared(target.pid, "maps"));
        let mapping = maps.iter().find(|mapping| mapping.range.contains(sp));
        let len = mapping.map_or(0, |mapping| mapping.range.end().value() - sp.value());
        let mut bytes = vec![0; len.min(LEN_MAX) as usize];
        let count = target.memory.read_head(sp, &mut bytes);
        bytes.truncate(count);
        let is_alone = mapping.is_some_and(|mapping| mapping.name == b"[stack]");
        Stack { sp, bytes, is_alone }
    }

    /// Puts the frames back if the function has left its own: it stands above that, or its return
    /// address is overwritten.
    pub(super) fn put_back(&self, target: &Target, tid: Tid, (to, sp_after): (Address, Address)) {
        let Ok(sp) = sys::registers(tid, target.arch).map(|registers| registers.sp()) else {
            return; // It has just been killed.
        };
        let mut word = [0; 8];
        let at = sp_after.wrapping_offset(-8);
        let is_whole = target.memory.read_head(at, &mut word) == word.len()
            && u64::from_le_bytes(word) == to.value();
        if is_whole && sp <= sp_after {
            return;
        }
        let gone = sp.offset_from(self.sp).unwrap_or(0) as usize;
        let len = if self.is_alone { self.bytes.len() } else { gone.min(self.bytes.len()) };
        // They were read there.
        let _ = target.memory.lock().poke(self.sp, self.bytes.get(..len).unwrap_or_default());
    }
}

/// Checks that there is code to call, and that the return can be noticed and harms nothing. Where
/// the function is to return to.
pub(super) fn check_places(
    target: &Target,
    tid: Tid,
    address: Address,
    calling: &Calling,
) -> Result<Address, Fault> {
    let maps = procfs::parse_maps(&procfs::read_shared(target.pid, "maps"));
    let at = |address: Address| maps.iter().find(move |mapping| mapping.range.contains(address));
    if at(address).is_none_or(|mapping| mapping.protection & EXECUTABLE == 0) {
        let detail = format!("there is no code at {address}");
        return Err(Fault::new(ErrorCode::Unreadable, detail));
    }
    let unable = |why: &str| {
        let detail = format!("thread {tid} cannot be made to call a function: {why}");
        Err(Fault::new(ErrorCode::Unsupported, detail))
    };
    let return_address = place_to_return_to(&maps).unwrap_or(calling.return_address);
    if at(return_address).is_some_and(|mapping| mapping.protection & EXECUTABLE != 0) {
        return unable("there is no place to which it could return to be noticed");
    }
    let status = procfs::read(target.pid, &format!("task/{tid}/status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let field = |key| procfs::status_field(&status, key).unwrap_or_default();
    if field("x86_Thread_features").split(' ').any(|feature| feature == "shstk") {
        return unable("it has a shadow stack, which knows nothing of the call");
    }
    let ignored = u64::from_str_radix(field("SigIgn"), 16).unwrap_or(0);
    if ignored & unblocked() != 0 {
        return unable("its process ignores SIGSEGV or SIGTRAP, by which it is watched");
    }
    Ok(return_address)
}

/// Where a function is to return to: memory that can be read and not executed, so that the return
/// is a fault, and who walks up the stack meanwhile finds its end there and none. The head of an
/// image is such a place, as no function lies before it: bytes 8 to 15 are zero (ELF, "ELF
/// Identification").
fn place_to_return_to(maps: &[Mapping]) -> Option<Address> {
    const PADDING: u64 = 8;
    let is_readable = |mapping: &&Mapping| mapping.protection & (READABLE | EXECUTABLE) == READABLE;
    let is_head = |mapping: &&Mapping| mapping.offset == 0 && mapping.name.starts_with(b"/");
    let is_stack = |mapping: &&Mapping| mapping.name == b"[stack]";
    let readable = || maps.iter().filter(is_readable);
    let found = readable().find(is_head).or_else(|| readable().find(is_stack))?;
    found.range.start().checked_add(PADDING)
}

/// Checks a request by itself.
pub(super) fn check(request: &CallFunction, tail_len: usize) -> Result<(), Fault> {
    let count = request.arguments.len();
    if count > FUNCTION_ARGUMENTS_MAX {
        let detail = format!("{count} arguments; the limit is {FUNCTION_ARGUMENTS_MAX}");
        return Err(Fault::new(ErrorCode::TooLarge, detail));
    }
    if tail_len > CALL_BYTES_LEN_MAX {
        let detail = format!("{tail_len} bytes for arguments; the limit is {CALL_BYTES_LEN_MAX}");
        return Err(Fault::new(ErrorCode::TooLarge, detail));
    }
    let is_wrong = |index: &&u32| {
        let position = request.arguments.get(**index as usize);
        position.is_none_or(|position| *position > tail_len as u64)
    };
    if let Some(index) = request.in_tail.iter().find(is_wrong) {
        let detail = format!("argument {index} is no position in the {tail_len} bytes of the tail");
        return Err(Fault::new(ErrorCode::Malformed, detail));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptrace::inject::convention;
    use dbgbase::{Arch, x86_64};

    fn frame(sp: u64, arguments: Vec<u64>, in_tail: Vec<u32>, tail: &[u8]) -> Frame {
        let mut own = GeneralRegisters::zeroed(Arch::X86_64);
        own.set(x86_64::RSP, sp);
        let calling = convention::calling(Arch::X86_64).expect("it is known");
        let request = CallFunction { arguments, in_tail, ..CallFunction::default() };
        Frame::new(&own, calling, Address::new(0x4008), &request, tail).expect("there is room")
    }

    #[test]
    fn the_stack_is_aligned_and_the_red_zone_kept() {
        for sp in 0x7000..0x7020 {
            for count in 0..10 {
                let frame = frame(sp, vec![1; count], Vec::new(), b"x");
                let (at, len) = (frame.sp.value(), frame.bytes.len() as u64);
                assert_eq!((at + 8) % 16, 0, "AMD64 ABI, 3.2.2");
                assert!(at + len <= sp - 128);
                assert_eq!(frame.bytes.last(), Some(&b'x'));
            }
        }
    }

    #[test]
    fn arguments_beyond_the_sixth_are_on_the_stack() {
        let frame = frame(0x7000, vec![1, 2, 3, 4, 5, 6, 7, 8], Vec::new(), b"");
        let word = |index: usize| {
            let bytes = frame.bytes[index * 8..][..8].try_into().expect("eight bytes");
            u64::from_le_bytes(bytes)
        };
        assert_eq!([word(0), word(1), word(2)], [0x4008, 7, 8]);
    }

    #[test]
    fn positions_in_the_tail_become_addresses() {
        let frame = frame(0x7000, vec![0, 0, 6], vec![1, 2], b"hello\0there\0");
        let at = frame.arguments[1];
        assert_eq!(frame.arguments, [0, at, at + 6]);
        let offset = (at - frame.sp.value()) as usize;
        assert_eq!(&frame.bytes[offset..], b"hello\0there\0");
    }

    #[test]
    fn a_stack_at_the_beginning_of_memory_has_no_room() {
        let own = GeneralRegisters::zeroed(Arch::X86_64);
        let calling = convention::calling(Arch::X86_64).expect("it is known");
        let frame = Frame::new(&own, calling, Address::new(0), &CallFunction::default(), b"");
        assert_eq!(frame.err().map(|fault| fault.code), Some(ErrorCode::Unwritable));
    }
}
