//! Breaking in from another thread. It only leaves a wish and wakes the engine; the engine acts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::client::Nudger;

/// Breaks into running targets and ends long operations of the engine.
///
/// **Threads**: any, at any time; not from a signal handler, as it takes a lock.
#[derive(Clone)]
pub struct Interrupter {
    pub(crate) wanted: Arc<AtomicBool>,
    pub(crate) nudger: Nudger,
}

impl Interrupter {
    /// Running targets are stopped, as soon as the engine waits for events; a long operation is
    /// cancelled. If the engine does neither, the wish stays until it does, or until
    /// [`Engine::take_interrupt`](crate::Engine::take_interrupt).
    ///
    /// **Cost**: none.
    pub fn interrupt(&self) {
        self.wanted.store(true, Ordering::Release);
        self.nudger.nudge();
    }
}
