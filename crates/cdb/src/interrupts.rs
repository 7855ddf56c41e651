//! Ctrl+C while targets run or a command works, and changes of the terminal's size: the signals
//! become wishes for the engine, on a thread of its own, as a signal handler may do next to
//! nothing.

use std::io;
use std::thread;

use dbgeng::{Interrupter, TerminalInput};
use rustix::stdio::stdout;
use rustix::termios::tcgetwinsize;
use signal_hook::consts::{SIGINT, SIGWINCH};
use signal_hook::iterator::Signals;

/// From now on SIGINT does not end this program but interrupts the engine, and terminals of targets
/// have the size of the user's, if there is one.
///
/// **Errors**: those of sigaction(2) and of starting a thread.
pub(crate) fn forward(interrupter: Interrupter, terminal: TerminalInput) -> io::Result<()> {
    tell_size(&terminal);
    let mut signals = Signals::new([SIGINT, SIGWINCH])?;
    thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGWINCH => tell_size(&terminal),
                _ => interrupter.interrupt(),
            }
        }
    })?;
    Ok(())
}

fn tell_size(terminal: &TerminalInput) {
    if let Ok(size) = tcgetwinsize(stdout()) {
        terminal.resize(size.ws_row, size.ws_col);
    }
}
