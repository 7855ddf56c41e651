//! Places at which a test may look on, or end the process, between two steps that must not be torn
//! apart. In a server nothing is behind them.

/// A step that has just been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Step {
    /// A site's entry is in the journal; its bytes are still the program's.
    SiteJournaled,
    /// A site's trap instruction is in memory.
    SiteArmed,
    /// A site's trap instruction is out of memory while a thread steps off it.
    SiteLifted,
    /// A slot's entry is in the journal; nothing is in the slot.
    SlotJournaled,
    /// An instruction is in a slot.
    SlotWritten,
    /// A slot is empty again; its entry is still in the journal.
    SlotEmptied,
    /// A site's bytes are the program's again for good; its entry is still in the journal.
    SiteRestored,
    /// A site's entry is gone.
    SiteForgotten,
    /// A thread has been let go for one instruction off a site.
    SteppedOff,
    /// A target's threads have been let go to run.
    Resumed,
}

/// What is called after each [`Step`].
pub type Probe = Option<Box<dyn FnMut(Step) + Send>>;
