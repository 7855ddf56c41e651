//! Ctrl+C while targets run or a command works: the signal becomes a wish for the engine, on a
//! thread of its own, as a signal handler may do next to nothing.

use std::io;
use std::thread;

use dbgeng::Interrupter;
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

/// From now on SIGINT does not end this program but interrupts the engine.
///
/// **Errors**: those of sigaction(2) and of starting a thread.
pub(crate) fn forward(interrupter: Interrupter) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT])?;
    thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
        for _ in signals.forever() {
            interrupter.interrupt();
        }
    })?;
    Ok(())
}
