//! How system calls are made on each CPU, and functions called: as data, for the CPUs of which it
//! is known. Another CPU is one more of each table. It makes no calls.
//!
//! Source: System V ABI, AMD64 supplement, 3.2 and A.2.1; syscall(2).

use dbgbase::{Address, Arch, GeneralRegisters, RegisterId, x86_64};

/// The convention of one CPU.
pub(super) struct Convention {
    /// The instruction that enters the kernel.
    pub(super) instruction: &'static [u8],
    /// Where instructions may begin.
    pub(super) alignment: u64,
    /// Which register has the call's number.
    pub(super) number: RegisterId,
    /// Which registers have its arguments.
    pub(super) arguments: [RegisterId; 6],
    /// Which register has its result.
    pub(super) result: RegisterId,
    /// Numbers that are never injected, with their names and the reasons.
    refused: &'static [(u64, &'static str, &'static str)],
    /// Bits of a number that choose another table of calls.
    foreign: u64,
    /// The number of restart_syscall(2).
    pub(super) restart: u64,
    /// The calls that end a thread, or the process.
    pub(super) exits: &'static [u64],
    /// The calls that leave notes when they are interrupted.
    noting: &'static [u64],
    /// Those of them that take the place of other notes as soon as they begin.
    noting_at_once: &'static [u64],
    /// The number of mmap(2), munmap(2) and mprotect(2).
    pub(super) map: u64,
    /// See `map`.
    pub(super) unmap: u64,
    /// See `map`.
    pub(super) protect: u64,
}

const MAKES_A_PROCESS: &str = "it makes a process or a thread that nobody expects";
const REPLACES: &str = "it replaces the program";
const ENDS: &str = "it ends the thread";

/// x86-64.
const X86_64: Convention = Convention {
    instruction: &[0x0f, 0x05],
    alignment: 1,
    number: x86_64::RAX,
    arguments: [x86_64::RDI, x86_64::RSI, x86_64::RDX, x86_64::R10, x86_64::R8, x86_64::R9],
    result: x86_64::RAX,
    refused: &[
        (15, "rt_sigreturn", "it takes all registers from the stack"),
        (56, "clone", MAKES_A_PROCESS),
        (57, "fork", MAKES_A_PROCESS),
        (58, "vfork", MAKES_A_PROCESS),
        (59, "execve", REPLACES),
        (60, "exit", ENDS),
        (219, "restart_syscall", "it continues what the thread itself was waiting for"),
        (231, "exit_group", "it ends the process"),
        (322, "execveat", REPLACES),
        (435, "clone3", MAKES_A_PROCESS),
    ],
    foreign: 0xffff_ffff_4000_0000,
    restart: 219,
    exits: &[60, 231],
    // poll, nanosleep, futex, clock_nanosleep: who sets a restart block in the kernel.
    noting: &[7, 35, 202, 230],
    noting_at_once: &[35, 230],
    map: 9,
    unmap: 11,
    protect: 10,
};

/// The convention of a CPU, if it is known.
pub(super) fn of(arch: Arch) -> Option<&'static Convention> {
    match arch {
        Arch::X86_64 => Some(&X86_64),
        _ => None,
    }
}

impl Convention {
    /// Why a system call is never injected: its name and the reason.
    pub(super) fn refusal(&self, number: u64) -> Option<(&'static str, &'static str)> {
        if number & self.foreign != 0 {
            return Some(("that number", "it is of another table of system calls"));
        }
        let row = self.refused.iter().find(|(refused, _, _)| *refused == number)?;
        Some((row.1, row.2))
    }

    /// Whether a call takes the place of the kernel's notes on another one as soon as it begins.
    pub(super) fn leaves_notes_at_once(&self, number: u64) -> bool {
        self.noting_at_once.contains(&number)
    }

    /// Whether a call, when it is interrupted, takes the place of the kernel's notes on another
    /// one.
    pub(super) fn leaves_notes(&self, number: u64) -> bool {
        self.noting.contains(&number)
    }

    /// Turns registers into those of a thread that is about to make a call. Nothing of what the
    /// thread was doing is in them: no interrupted call that the kernel would begin anew, no step.
    pub(super) fn prepare(
        &self,
        registers: &mut GeneralRegisters,
        number: u64,
        arguments: [u64; 6],
    ) {
        forget_call(registers);
        registers.set(self.number, number);
        for (register, value) in self.arguments.iter().zip(arguments) {
            registers.set(*register, value);
        }
        if registers.arch() == Arch::X86_64 {
            let flags = registers.get(x86_64::EFLAGS) & !x86_64::TRAP_FLAG;
            registers.set(x86_64::EFLAGS, flags);
        }
    }

    /// The result of the call that has just been made.
    pub(super) fn result(&self, registers: &GeneralRegisters) -> u64 {
        registers.get(self.result)
    }
}

/// Says that the registers belong to no system call: the kernel then begins none anew, and at the
/// entry into one it leaves that out.
pub(super) fn forget_call(registers: &mut GeneralRegisters) {
    if registers.arch() == Arch::X86_64 {
        registers.set(x86_64::ORIG_RAX, u64::MAX);
    }
}

/// Whether a thread that is about to end has asked for that itself, by a system call in which these
/// registers say that it is. Where that is not known, it has.
pub(in crate::ptrace) fn ends_itself(registers: &GeneralRegisters) -> bool {
    of(registers.arch()).is_none_or(|convention| {
        registers.arch() != Arch::X86_64
            || convention.exits.contains(&registers.get(x86_64::ORIG_RAX))
    })
}

/// How functions are called on one CPU.
pub(super) struct Calling {
    /// Which registers have the first arguments.
    pub(super) arguments: &'static [RegisterId],
    /// Which registers have a result, its lower half first.
    pub(super) results: [RegisterId; 2],
    /// Where, in the extended registers as ptrace(2) shows them, the first vector register lies.
    pub(super) vector: std::ops::Range<usize>,
    /// How far below the stack pointer a function may have put things.
    pub(super) red_zone: u64,
    /// What the stack pointer is a multiple of before the return address is put there.
    pub(super) stack_alignment: u64,
    /// Where a function returns to if nothing better is found: no program has anything mapped
    /// there.
    pub(super) return_address: Address,
}

/// System V ABI, AMD64 supplement, 3.2. The return address is the last page of the lower half of
/// the address space, which the kernel keeps free (`TASK_SIZE_MAX` of `<asm/page_64_types.h>`).
const CALLING_X86_64: Calling = Calling {
    arguments: &[x86_64::RDI, x86_64::RSI, x86_64::RDX, x86_64::RCX, x86_64::R8, x86_64::R9],
    results: [x86_64::RAX, x86_64::RDX],
    vector: 160..176,
    red_zone: 128,
    stack_alignment: 16,
    return_address: Address::new(0x7fff_ffff_f000),
};

/// How functions are called on a CPU, if that is known.
pub(super) fn calling(arch: Arch) -> Option<&'static Calling> {
    match arch {
        Arch::X86_64 => Some(&CALLING_X86_64),
        _ => None,
    }
}

impl Calling {
    /// Turns registers into those of a thread that has just been sent to a function at `address`,
    /// with its return address at `sp`. The direction flag is clear, and no vector register is said
    /// to have an argument (AMD64 ABI, 3.2.1 and 3.2.3).
    pub(super) fn prepare(
        &self,
        registers: &mut GeneralRegisters,
        address: Address,
        sp: Address,
        arguments: &[u64],
    ) {
        forget_call(registers);
        for (register, value) in self.arguments.iter().zip(arguments) {
            registers.set(*register, *value);
        }
        registers.set(registers.arch().sp(), sp.value());
        registers.set_pc(address);
        if registers.arch() == Arch::X86_64 {
            /// Bit 10 of the flags (Intel SDM volume 1, 3.4.3.2).
            const DIRECTION_FLAG: u64 = 0x400;
            let flags = registers.get(x86_64::EFLAGS) & !(x86_64::TRAP_FLAG | DIRECTION_FLAG);
            registers.set(x86_64::EFLAGS, flags);
            registers.set(x86_64::RAX, 0);
        }
    }

    /// Turns extended registers into those with which a function begins: the stack of the x87 is
    /// empty (AMD64 ABI, 3.2.1).
    pub(super) fn prepare_extended(&self, arch: Arch, area: &mut [u8]) {
        /// Where the tags are (Intel SDM volume 1, table 10-2).
        const TAGS: usize = 4;
        if arch == Arch::X86_64
            && let Some(tags) = area.get_mut(TAGS)
        {
            *tags = 0;
        }
    }
}

/// What the kernel made of the interrupted call that these registers belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Interrupted {
    /// They belong to none that is begun anew.
    No,
    /// It is begun anew, with the same arguments.
    Anew,
    /// It is gone on with by the notes that the kernel has of it, one set for each thread.
    ByNotes {
        /// The call's number.
        number: u64,
    },
}

/// `-ERESTART_RESTARTBLOCK` and `-ERESTARTNOINTR` of the kernel's `<linux/errno.h>`.
const BY_NOTES: i64 = -516;
const ANEW: i64 = -513;
/// `-EINTR`.
const INTERRUPTED: i64 = -4;

/// What becomes of the system call that a stopped thread was in (signal(7), "Interruption of system
/// calls").
pub(super) fn interrupted(registers: &GeneralRegisters) -> Interrupted {
    if registers.arch() != Arch::X86_64 || (registers.get(x86_64::ORIG_RAX) as i64) < 0 {
        return Interrupted::No;
    }
    match registers.get(x86_64::RAX) as i64 {
        BY_NOTES => Interrupted::ByNotes { number: registers.get(x86_64::ORIG_RAX) },
        -514..=-512 => Interrupted::Anew,
        _ => Interrupted::No,
    }
}

/// Whether the call that these registers belong to was gone on with once already: its number is not
/// among them.
pub(super) fn is_gone_on_with(registers: &GeneralRegisters) -> bool {
    let convention = of(registers.arch());
    let restart = convention.map(|convention| convention.restart);
    matches!(interrupted(registers), Interrupted::ByNotes { number } if Some(number) == restart)
}

/// Whether a result says that the call was interrupted and is not begun anew.
pub(super) fn is_interruption(result: u64) -> bool {
    result as i64 == INTERRUPTED
}

/// The notes by which the kernel would have gone on with a thread's call are those of another call
/// now: it is begun anew instead, with its first arguments. Of a call that was gone on with once
/// already, the number is in the notes only; `first` is what else is known of it. If nothing is, it
/// fails as if a handler had interrupted it.
pub(super) fn do_without_notes(
    registers: &mut GeneralRegisters,
    convention: &Convention,
    first: Option<u64>,
) {
    let Interrupted::ByNotes { number } = interrupted(registers) else { return };
    let result = if number != convention.restart {
        ANEW
    } else if let Some(first) = first
        && registers.arch() == Arch::X86_64
    {
        registers.set(x86_64::ORIG_RAX, first);
        ANEW
    } else {
        INTERRUPTED
    };
    registers.set(convention.result, result as u64);
}

impl Convention {
    /// How much code in front of the instruction that enters the kernel tells the call's number.
    pub(super) const CODE_LEN: usize = 5;

    /// The number that the code in front of the instruction that enters the kernel sets, if it is
    /// one of a call that leaves notes.
    pub(super) fn number_in(&self, code: &[u8; Convention::CODE_LEN]) -> Option<u64> {
        match *code {
            // mov $number, %eax
            [0xb8, low, high, 0, 0] if self.instruction == X86_64.instruction => {
                let number = u64::from(u16::from_le_bytes([low, high]));
                Some(number).filter(|number| self.noting.contains(number))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(number: u64, result: i64) -> GeneralRegisters {
        let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
        registers.set(x86_64::ORIG_RAX, number);
        registers.set(x86_64::RAX, result as u64);
        registers
    }

    #[test]
    fn what_becomes_of_an_interrupted_call_is_seen() {
        assert_eq!(interrupted(&inside(35, BY_NOTES)), Interrupted::ByNotes { number: 35 });
        assert_eq!(interrupted(&inside(0, -512)), Interrupted::Anew);
        assert_eq!(interrupted(&inside(0, -514)), Interrupted::Anew);
        assert_eq!(interrupted(&inside(0, -515)), Interrupted::No, "ENOIOCTLCMD");
        assert_eq!(interrupted(&inside(0, -4)), Interrupted::No);
        assert_eq!(interrupted(&inside(u64::MAX, BY_NOTES)), Interrupted::No);
    }

    #[test]
    fn a_call_whose_notes_are_lost_is_begun_anew() {
        let mut registers = inside(35, BY_NOTES);
        do_without_notes(&mut registers, &X86_64, None);
        assert_eq!(interrupted(&registers), Interrupted::Anew);
        let mut registers = inside(X86_64.restart, BY_NOTES);
        do_without_notes(&mut registers, &X86_64, Some(7));
        assert_eq!(registers, inside(7, ANEW));
        let mut registers = inside(X86_64.restart, BY_NOTES);
        do_without_notes(&mut registers, &X86_64, None);
        assert_eq!(registers.get(x86_64::RAX) as i64, INTERRUPTED);
        let mut registers = inside(0, -512);
        do_without_notes(&mut registers, &X86_64, None);
        assert_eq!(registers, inside(0, -512));
    }

    #[test]
    fn the_number_of_a_call_is_in_front_of_it() {
        assert_eq!(X86_64.number_in(&[0xb8, 7, 0, 0, 0]), Some(7));
        assert_eq!(X86_64.number_in(&[0xb8, 230, 0, 0, 0]), Some(230));
        assert_eq!(X86_64.number_in(&[0xb8, 0, 0, 0, 0]), None, "read leaves no notes");
        assert_eq!(X86_64.number_in(&[0xb9, 7, 0, 0, 0]), None);
    }

    #[test]
    fn calls_that_cannot_be_undone_are_refused() {
        for number in [15, 56, 57, 58, 59, 60, 219, 231, 322, 435, 0x4000_0027, 1 << 40] {
            assert!(X86_64.refusal(number).is_some(), "{number}");
        }
        for number in [0, 9, 39, 202] {
            assert_eq!(X86_64.refusal(number), None, "{number}");
        }
    }

    #[test]
    fn nothing_of_the_thread_s_own_call_is_in_the_prepared_registers() {
        let mut registers = inside(35, BY_NOTES);
        registers.set(x86_64::EFLAGS, 0x346);
        X86_64.prepare(&mut registers, 9, [1, 2, 3, 4, 5, 6]);
        assert_eq!(registers.get(x86_64::RAX), 9);
        assert_eq!(registers.get(x86_64::R10), 4);
        assert_eq!(registers.get(x86_64::EFLAGS), 0x246);
        assert_eq!(interrupted(&registers), Interrupted::No);
    }
}
