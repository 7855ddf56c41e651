//! Verbs that let a target run and stop it.

use super::site::Site;

/// What one thread is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum RunKind {
    /// Stay where it is.
    Stay = 0,
    /// Run.
    Continue = 1,
    /// Execute one instruction, then stop the target.
    Step = 2,
}

/// A thread and what it is to do.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ThreadAction {
    /// Which thread, or 0 for every thread that no other action names.
    #[prost(uint32, tag = "1")]
    pub tid: u32,
    /// What it does.
    #[prost(enumeration = "RunKind", tag = "2")]
    pub run: i32,
    /// A signal it is given as it runs on, or 0. The signal that it stopped with is dropped unless
    /// it is repeated here.
    #[prost(uint32, tag = "3")]
    pub signal: u32,
}

/// Changes sites, then lets threads run. If one site cannot be inserted nothing runs and none is
/// changed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Resume {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// The stop to run on from, so that a repeated request runs nothing twice; 0 for any.
    #[prost(uint64, tag = "2")]
    pub stop: u64,
    /// What threads do; threads that no action covers stay.
    #[prost(message, repeated, tag = "3")]
    pub actions: Vec<ThreadAction>,
    /// Sites to insert first; at most `SITES_MAX`. Their ids have not been used in this target
    /// before.
    #[prost(message, repeated, tag = "4")]
    pub insert: Vec<Site>,
    /// Sites to remove then; at most `SITES_MAX`.
    #[prost(uint32, repeated, tag = "5")]
    pub remove: Vec<u32>,
}

/// The threads run. (Their next stop may be announced before this reply arrives.)
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ResumeReply {}

/// Stops a running target. The stop is announced by an event; if something else stops the target
/// first, by that event alone. Does nothing to a target that stands still.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Interrupt {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The stop is under way.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct InterruptReply {}

/// Sends a signal to a target, as kill(2) and tgkill(2) do, whether it runs or stands still. What
/// becomes of it is what becomes of every signal: the client is told, or it is delivered.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SendSignal {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread; 0 for the process as a whole.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// The signal's number.
    #[prost(uint32, tag = "3")]
    pub signal: u32,
}

/// The signal is on its way.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SendSignalReply {}
