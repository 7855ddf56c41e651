//! The controlling terminal, lent to ssh while it may have to ask for a password there. ssh has a
//! process group of its own, so that the keys which interrupt a target do not end the link; until
//! the link is up it is that group which is in the terminal's foreground.

use std::fs::File;

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, getpgrp, kill_process_group};
use rustix::termios::{
    OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp,
};

/// A key that is none (termios(3), `_POSIX_VDISABLE`).
const NO_KEY: u8 = 0;

/// The terminal of a process that is in its foreground.
pub(super) struct Terminal {
    tty: File,
    own: Pid,
    modes: Termios,
}

/// Who has a terminal.
pub(super) enum Whose {
    /// This process.
    Ours(Box<Terminal>),
    /// Another process group is in the foreground of this process's terminal.
    Others,
    /// There is none.
    Nobodys,
}

impl Terminal {
    /// The controlling terminal of this process.
    pub(super) fn find() -> Whose {
        let Ok(tty) = File::options().read(true).write(true).open("/dev/tty") else {
            return Whose::Nobodys;
        };
        match (tcgetpgrp(&tty), tcgetattr(&tty)) {
            (Ok(foreground), Ok(modes)) if foreground == getpgrp() => {
                Whose::Ours(Box::new(Terminal { tty, own: foreground, modes }))
            }
            _ => Whose::Others,
        }
    }

    /// Puts another process group in the foreground, until the loan is dropped.
    pub(super) fn lend(self, to: Pid) -> Loan {
        let mut modes = self.modes.clone();
        // Nobody would be there to wake it.
        modes.special_codes[SpecialCodeIndex::VSUSP] = NO_KEY;
        unhindered(|| {
            let _ = tcsetattr(&self.tty, OptionalActions::Now, &modes);
            let _ = tcsetpgrp(&self.tty, to);
        });
        // It may have wanted the terminal a moment too early, and been stopped.
        let _ = kill_process_group(to, rustix::process::Signal::CONT);
        Loan { terminal: self, to }
    }
}

/// A terminal that another process group has.
pub(super) struct Loan {
    terminal: Terminal,
    to: Pid,
}

impl Drop for Loan {
    fn drop(&mut self) {
        let Terminal { tty, own, modes } = &self.terminal;
        unhindered(|| {
            // Whoever else has it by now took it for a reason.
            if tcgetpgrp(tty) == Ok(self.to) {
                let _ = tcsetpgrp(tty, *own);
                let _ = tcsetattr(tty, OptionalActions::Now, modes);
            }
        });
    }
}

/// Does something to a terminal without being stopped for it: who is not in the foreground would
/// be, by SIGTTOU, unless it blocks that (tcsetpgrp(3)). It is blocked here only, as programs that
/// are started would inherit that.
fn unhindered(change: impl FnOnce()) {
    let ttou = SigSet::from(Signal::SIGTTOU);
    let was_blocked = SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(Signal::SIGTTOU));
    if ttou.thread_block().is_err() {
        return;
    }
    change();
    if !was_blocked {
        let _ = ttou.thread_unblock();
    }
}
