//! Stopping threads at the entry into system calls and at the exit from them. It knows which calls
//! a client wants; of what a call does it knows nothing.

use std::collections::HashSet;

use dbgbase::{StopReason, TargetId, Tid};
use dbgwire::verbs::resume::{CatchSyscalls, SYSCALLS_MAX};
use dbgwire::{ErrorCode, Fault};

use super::sys::{self, SyscallStop};
use super::tracer::Tracer;

/// Which system calls a client wants to stop at.
#[derive(Clone, Debug, Default)]
pub(super) enum Caught {
    /// None.
    #[default]
    None,
    /// Every one.
    All,
    /// Those with these numbers.
    Some(HashSet<u64>),
}

impl Caught {
    /// Whether threads have to stop at calls at all.
    pub(super) fn any(&self) -> bool {
        !matches!(self, Caught::None)
    }

    fn wants(&self, number: u64) -> bool {
        match self {
            Caught::None => false,
            Caught::All => true,
            Caught::Some(numbers) => numbers.contains(&number),
        }
    }
}

impl Tracer {
    /// Says which calls of a target that stands still are caught from now on.
    pub(super) fn catch_syscalls(&mut self, request: &CatchSyscalls) -> Result<(), Fault> {
        let count = request.numbers.len();
        if count > SYSCALLS_MAX {
            let detail = format!("{count} system calls; the limit is {SYSCALLS_MAX}");
            return Err(Fault::new(ErrorCode::TooLarge, detail));
        }
        let target = self.stopped(TargetId::new(request.target))?;
        target.caught = match (request.all, request.numbers.as_slice()) {
            (true, _) => Caught::All,
            (false, []) => Caught::None,
            (false, numbers) => Caught::Some(numbers.iter().copied().collect()),
        };
        // A kernel that cannot say what a stop is could only guess.
        let known = target.threads.keys().next().map(|tid| sys::syscall_stop(*tid));
        if target.caught.any() && matches!(known, Some(Err(rustix::io::Errno::IO))) {
            target.caught = Caught::None;
            let detail = "this kernel does not tell of system calls; Linux 5.3 is the first";
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        }
        Ok(())
    }

    /// A thread is at the entry into a system call, or at the exit from it.
    pub(super) fn take_syscall(&mut self, id: TargetId, tid: Tid) {
        self.take_syscall_in_call(id, tid);
        let Some(target) = self.targets.get_mut(&id) else { return };
        let Some(thread) = target.threads.get_mut(&tid) else { return };
        let number = match sys::syscall_stop(tid) {
            Ok(SyscallStop::Entry { number }) => {
                thread.in_syscall = Some(number);
                number
            }
            Ok(SyscallStop::Exit) => match thread.in_syscall.take() {
                Some(number) => number,
                // It was in the call before anything was caught.
                None => return,
            },
            Ok(SyscallStop::None) | Err(_) => return,
        };
        if !target.caught.wants(number) {
            return;
        }
        let is_entry = thread.in_syscall.is_some();
        let reason = match is_entry {
            true => StopReason::SyscallEntry { number },
            false => StopReason::SyscallExit { number },
        };
        self.report(id, tid, reason);
    }
}
