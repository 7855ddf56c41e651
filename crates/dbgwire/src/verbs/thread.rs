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
}
