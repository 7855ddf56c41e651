//! What a thread is put back to after it has done something for the debugger: how it is taken down,
//! kept in the journal, and put back, by the session or by who repairs its targets.
//!
//! ```text
//!   a context as words, in journal entries one after the other
//!   +------+----+-------------+--------------+------------+-----+-----------+--------------------+
//!   | mark | at | signal mask | rseq address | rseq value | len | registers | extended registers |
//!   +------+----+-------------+--------------+------------+-----+-----------+--------------------+
//!   mark 1: at is the address of the system call's instruction
//!   mark 2: at is the stack pointer with which the function was called
//!   len: how many bytes of extended registers there are; the last word is filled up
//! ```

use std::fs::File;
use std::os::unix::fs::FileExt;

use dbgbase::{Address, Arch, GeneralRegisters, Pid, Tid};
use rustix::io::Errno;

use super::super::registers::extended_set;
use super::super::sys;
use super::super::target::Target;
use super::convention::{self, Convention, Interrupted};
use crate::journal::{CONTEXT_WORDS, Entry, EntryIndex, Journal, JournalFull};

/// How a thread that is still doing something for the debugger can be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::ptrace) enum Mark {
    /// It makes a system call: its pc is at this instruction or behind it.
    Call(Address),
    /// It executes a function that was called with this stack pointer, which only its return
    /// raises.
    Function(Address),
}

/// The state a thread is put back to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::ptrace) struct Context {
    pub(super) mark: Mark,
    pub(super) registers: GeneralRegisters,
    pub(super) mask: u64,
    /// As [`sys::register_set`] gives them; empty if they cannot change.
    pub(super) extended: Vec<u8>,
    /// Where the thread notes its restartable sequence, and the note, if it is in one: the kernel
    /// clears that when it sees the thread outside, and would then not begin it anew.
    rseq: Option<(Address, u64)>,
}

/// How far a return raises the stack pointer.
const POINTER_LEN: i64 = 8;
const MARK_CALL: u64 = 1;
const MARK_FUNCTION: u64 = 2;

impl Context {
    /// Takes down the state of a stopped thread.
    pub(super) fn take(target: &Target, tid: Tid, mark: Mark) -> Result<Context, Errno> {
        let registers = sys::registers(tid, target.arch)?;
        let mask = sys::signal_mask(tid)?;
        let extended = match mark {
            // The kernel leaves them alone.
            Mark::Call(_) => Vec::new(),
            Mark::Function(_) => sys::register_set(tid, extended_set(target.arch))?,
        };
        let note = sys::rseq_note(tid);
        let read = |at: Address| {
            let mut word = [0; 8];
            target.memory.lock().peek(at, &mut word).ok()?;
            Some((at, u64::from_le_bytes(word))).filter(|(_, note)| *note != 0)
        };
        Ok(Context { mark, registers, mask, extended, rseq: note.and_then(read) })
    }

    /// Puts a stopped thread back, but for its signal mask. It must not be inside a system call.
    /// `has_lost_notes` says that another call has taken the place of the kernel's notes on its
    /// own.
    ///
    /// **Errors**: ESRCH if it has just been killed.
    pub(super) fn put_back(
        &self,
        target: &Target,
        tid: Tid,
        has_lost_notes: bool,
    ) -> Result<(), Errno> {
        let now = sys::registers(tid, target.arch)?;
        let has_lost_notes = has_lost_notes || is_by_notes(&now);
        self.put_registers_back(tid, has_lost_notes, self.first_number(target))?;
        if let Some((at, note)) = self.rseq {
            // The thread has read and written there itself.
            let _ = target.memory.lock().poke(at, &note.to_le_bytes());
        }
        Ok(())
    }

    /// The number of the thread's own call, if the code tells it.
    pub(super) fn first_number(&self, target: &Target) -> Option<u64> {
        let convention = convention::of(target.arch)?;
        let len = convention.instruction.len() + Convention::CODE_LEN;
        let mut code = [0; Convention::CODE_LEN];
        let at = self.registers.pc().checked_sub(len as u64)?;
        (target.memory.read_head(at, &mut code) == code.len()).then_some(())?;
        convention.number_in(&code)
    }

    fn put_registers_back(
        &self,
        tid: Tid,
        has_lost_notes: bool,
        first: Option<u64>,
    ) -> Result<(), Errno> {
        let mut registers = self.registers;
        let arch = registers.arch();
        if let Some(convention) = convention::of(arch)
            && has_lost_notes
        {
            convention::do_without_notes(&mut registers, convention, first);
        }
        sys::set_registers(tid, &registers)?;
        if !self.extended.is_empty() {
            let mut extended = self.extended.clone();
            sys::set_register_set(tid, extended_set(arch), &mut extended)?;
        }
        Ok(())
    }

    /// Puts a stopped thread's signal mask back.
    ///
    /// **Errors**: ESRCH if it has just been killed.
    pub(super) fn put_mask_back(&self, tid: Tid) -> Result<(), Errno> {
        sys::set_signal_mask(tid, self.mask)
    }

    /// Puts everything of a thread back whose session was killed, if it is still doing what it was
    /// made to do. Whether it was.
    pub(in crate::ptrace) fn repair(&self, pid: Pid, tid: Tid) -> bool {
        let arch = self.registers.arch();
        let Ok(now) = sys::registers(tid, arch) else { return false };
        if !self.is_under_way(&now) {
            return false;
        }
        // What a function has done before, nobody knows any more.
        let may_have_lost_notes =
            matches!(self.mark, Mark::Function(_)) && !convention::is_gone_on_with(&self.registers);
        let has_lost_notes = may_have_lost_notes || is_by_notes(&now);
        // These fail only for a thread that has just been killed.
        let _ = self.put_registers_back(tid, has_lost_notes, None);
        let _ = self.put_mask_back(tid);
        if let Some((at, note)) = self.rseq
            && let Ok(memory) = File::options().write(true).open(format!("/proc/{pid}/mem"))
        {
            let _ = memory.write_all_at(&note.to_le_bytes(), at.value());
        }
        true
    }

    fn is_under_way(&self, now: &GeneralRegisters) -> bool {
        let Some(convention) = convention::of(now.arch()) else { return false };
        match self.mark {
            Mark::Call(at) => {
                let behind = at.wrapping_offset(convention.instruction.len() as i64);
                [at, behind].contains(&now.pc())
            }
            // Its return address is taken off the stack as it returns.
            Mark::Function(sp) => now.sp() <= sp.wrapping_offset(POINTER_LEN),
        }
    }

    /// Writes it into the journal.
    ///
    /// **Errors**: [`JournalFull`], with nothing written.
    pub(super) fn journal(
        &self,
        journal: &mut Journal,
        (pid, start_time): (Pid, u64),
        tid: Tid,
    ) -> Result<Vec<EntryIndex>, JournalFull> {
        let words = self.to_words();
        let parts = words.chunks(CONTEXT_WORDS);
        let count = parts.len() as u16;
        let mut entries = Vec::with_capacity(parts.len());
        for (part, chunk) in parts.enumerate() {
            let mut words = [0; CONTEXT_WORDS];
            for (word, value) in words.iter_mut().zip(chunk) {
                *word = *value;
            }
            let part = part as u16;
            match journal.add(Entry::Context { pid, start_time, tid, part, count, words }) {
                Ok(entry) => entries.push(entry),
                Err(full) => {
                    entries.into_iter().for_each(|entry| journal.remove(entry));
                    return Err(full);
                }
            }
        }
        Ok(entries)
    }

    fn to_words(&self) -> Vec<u64> {
        let (mark, at) = match self.mark {
            Mark::Call(at) => (MARK_CALL, at.value()),
            Mark::Function(sp) => (MARK_FUNCTION, sp.value()),
        };
        let (rseq, note) = self.rseq.map_or((0, 0), |(rseq, note)| (rseq.value(), note));
        let len = self.extended.len() as u64;
        let mut words = vec![mark, at, self.mask, rseq, note, len];
        words.extend(self.registers.values());
        words.extend(self.extended.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(byte, value)| *byte = *value);
            u64::from_le_bytes(word)
        }));
        words
    }

    fn from_words(arch: Arch, words: &[u64]) -> Option<Context> {
        let [mark, at, mask, rseq, note, len, rest @ ..] = words else { return None };
        let mark = match *mark {
            MARK_CALL => Mark::Call(Address::new(*at)),
            MARK_FUNCTION => Mark::Function(Address::new(*at)),
            _ => return None,
        };
        let (registers, rest) = rest.split_at_checked(arch.general_registers().len())?;
        let mut extended: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
        extended.truncate(usize::try_from(*len).ok()?);
        Some(Context {
            mark,
            registers: GeneralRegisters::from_values(arch, registers)?,
            mask: *mask,
            extended,
            rseq: (*note != 0).then_some((Address::new(*rseq), *note)),
        })
    }
}

/// Whether the kernel has notes now of the call that these registers belong to.
fn is_by_notes(registers: &GeneralRegisters) -> bool {
    matches!(convention::interrupted(registers), Interrupted::ByNotes { .. })
}

/// Parts of contexts as they are read from a journal, to be put together.
#[derive(Default)]
pub(in crate::ptrace) struct Parts {
    parts: Vec<(Tid, u16, u16, [u64; CONTEXT_WORDS])>,
}

impl Parts {
    /// Takes note of one.
    pub(in crate::ptrace) fn add(
        &mut self,
        tid: Tid,
        part: u16,
        count: u16,
        words: [u64; CONTEXT_WORDS],
    ) {
        self.parts.push((tid, part, count, words));
    }

    /// The contexts of which every part is there.
    pub(in crate::ptrace) fn contexts(mut self, arch: Arch) -> Vec<(Tid, Context)> {
        self.parts.sort_unstable();
        self.parts
            .chunk_by(|one, next| one.0 == next.0)
            .filter(|parts| parts.iter().all(|(_, _, count, _)| usize::from(*count) == parts.len()))
            .filter_map(|parts| {
                let words: Vec<u64> =
                    parts.iter().flat_map(|(_, _, _, words)| words.iter().copied()).collect();
                Some((parts.first()?.0, Context::from_words(arch, &words)?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::x86_64;

    fn context() -> Context {
        let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
        for index in 0..x86_64::GENERAL_COUNT {
            registers.set(dbgbase::RegisterId::new(index as u16), 0x100 + index as u64);
        }
        let rseq = Some((Address::new(0x7000), 0x5000));
        let mark = Mark::Call(Address::new(0x4000));
        Context { mark, registers, mask: 0x8000_0000, extended: vec![7; 37], rseq }
    }

    /// What is in a journal of this process, put together.
    fn read(journal: &Journal) -> Vec<(Tid, Context)> {
        let mut parts = Parts::default();
        for entry in journal.entries() {
            if let Entry::Context { tid, part, count, words, .. } = entry {
                parts.add(tid, part, count, words);
            }
        }
        parts.contexts(Arch::X86_64)
    }

    #[test]
    fn contexts_are_read_from_the_journal_as_they_were_written() {
        let mut journal = Journal::create().expect("a journal");
        let process = (Pid::new(42), 7);
        let (one, other) = (Tid::new(42), Tid::new(43));
        let mut entries = context().journal(&mut journal, process, one).expect("room");
        context().journal(&mut journal, process, other).expect("room");
        assert_eq!(read(&journal), [(one, context()), (other, context())]);
        journal.remove(entries.remove(1));
        assert_eq!(read(&journal), [(other, context())], "one that is not whole is none");
    }

    #[test]
    fn a_function_is_left_when_its_return_address_is() {
        let context = Context { mark: Mark::Function(Address::new(0x7000)), ..context() };
        let mut now = GeneralRegisters::zeroed(Arch::X86_64);
        for (sp, is_under_way) in [(0x6000, true), (0x7000, true), (0x7008, true), (0x7080, false)]
        {
            now.set(x86_64::RSP, sp);
            assert_eq!(context.is_under_way(&now), is_under_way, "{sp:#x}");
        }
    }

    #[test]
    fn only_a_thread_that_is_still_at_it_is_put_back() {
        let mut now = GeneralRegisters::zeroed(Arch::X86_64);
        for (pc, is_under_way) in [(0x4000, true), (0x4002, true), (0x4001, false), (0, false)] {
            now.set_pc(Address::new(pc));
            assert_eq!(context().is_under_way(&now), is_under_way, "{pc:#x}");
        }
    }
}
