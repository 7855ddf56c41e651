//! Verbs about threads.

/// Lists a target's threads.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ListThreads {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The threads in the order the session met them, the leader first.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListThreadsReply {
    /// All of them.
    #[prost(message, repeated, tag = "1")]
    pub threads: Vec<ThreadDescription>,
}

/// One thread.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ThreadDescription {
    /// Its id.
    #[prost(uint32, tag = "1")]
    pub tid: u32,
    /// Its name, at most 15 bytes (prctl(2), `PR_SET_NAME`).
    #[prost(string, tag = "2")]
    pub name: String,
    /// How often it has been suspended and not taken back.
    #[prost(uint32, tag = "3")]
    pub suspends: u32,
    /// Whether it is frozen.
    #[prost(bool, tag = "4")]
    pub frozen: bool,
}

/// How a thread's hold changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum HoldChange {
    /// One suspend more.
    Suspend = 0,
    /// One suspend less; none is no error.
    Resume = 1,
    /// Frozen, whatever its count.
    Freeze = 2,
    /// Not frozen.
    Unfreeze = 3,
}

/// Changes which threads of a target that stands still run when it is resumed. A thread that is
/// suspended or frozen stays where it is, whatever a resume says. Detaching takes all holds back.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HoldThreads {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which threads; none for all.
    #[prost(uint32, repeated, tag = "2")]
    pub tids: Vec<u32>,
    /// What changes.
    #[prost(enumeration = "HoldChange", tag = "3")]
    pub change: i32,
}

/// The holds are changed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HoldThreadsReply {
    /// The suspend counts from then on, in the order of the request or of the thread list.
    #[prost(uint32, repeated, tag = "1")]
    pub suspends: Vec<u32>,
}
