//! The terminal that debugger and debuggee share: its modes, and which of the two is in its
//! foreground. Each finds it as it left it when it is its turn. It knows neither commands nor
//! events.

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Pid, getpgrp};
use rustix::stdio::stdin;
use rustix::termios::{
    OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp,
};

/// The terminal of standard input, as two parties want it.
pub(crate) struct SharedTerminal {
    /// As the debugger found it when it started.
    own: Settings,
    /// As the debuggee had it when it stopped last.
    debuggee: Option<Settings>,
}

/// What a terminal remembers.
struct Settings {
    modes: Termios,
    /// The process group that may read and is sent the signals of keys.
    foreground: Pid,
}

impl SharedTerminal {
    /// The terminal of standard input, if that is one and this program is in its foreground.
    pub(crate) fn of_stdin() -> Option<SharedTerminal> {
        let own = isatty(stdin()).then(current).flatten()?;
        let is_ours = own.foreground == getpgrp();
        is_ours.then_some(SharedTerminal { own, debuggee: None })
    }

    /// The debuggee's turn.
    pub(crate) fn give(&self) {
        if let Some(settings) = &self.debuggee {
            set(settings);
        }
    }

    /// The debugger's turn.
    pub(crate) fn take(&mut self) {
        self.debuggee = current();
        set(&self.own);
    }
}

fn current() -> Option<Settings> {
    Some(Settings { modes: tcgetattr(stdin()).ok()?, foreground: tcgetpgrp(stdin()).ok()? })
}

/// Puts settings in force. A terminal or process group that is gone is left alone: whoever reads
/// next notices.
///
/// Who is not in the foreground is stopped by SIGTTOU for this, unless it blocks the signal
/// (tcsetpgrp(3)); it is blocked here only, as programs that are started would inherit that.
fn set(settings: &Settings) {
    let ttou = SigSet::from(Signal::SIGTTOU);
    let was_blocked = SigSet::thread_get_mask().is_ok_and(|mask| mask.contains(Signal::SIGTTOU));
    if ttou.thread_block().is_err() {
        return;
    }
    let _ = tcsetpgrp(stdin(), settings.foreground);
    let _ = tcsetattr(stdin(), OptionalActions::Drain, &settings.modes);
    if !was_blocked {
        let _ = ttou.thread_unblock();
    }
}
