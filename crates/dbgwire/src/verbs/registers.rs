//! Verbs that read and write registers. The target stands still.

/// Reads the registers of many threads at once.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadRegisters {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which threads; none for all.
    #[prost(uint32, repeated, tag = "2")]
    pub tids: Vec<u32>,
}

/// The registers, in the order of the request or of the thread list.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadRegistersReply {
    /// One entry for each thread that still exists.
    #[prost(message, repeated, tag = "1")]
    pub threads: Vec<ThreadRegisters>,
}

/// One thread's registers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ThreadRegisters {
    /// Which thread.
    #[prost(uint32, tag = "1")]
    pub tid: u32,
    /// The general registers in the order of the CPU's table.
    #[prost(fixed64, repeated, tag = "2")]
    pub general: Vec<u64>,
}

/// Writes registers of one thread. All or none are written.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WriteRegisters {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// Which registers.
    #[prost(message, repeated, tag = "3")]
    pub values: Vec<RegisterValue>,
}

/// A register and its value.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RegisterValue {
    /// Its index in the CPU's table.
    #[prost(uint32, tag = "1")]
    pub register: u32,
    /// Its new value.
    #[prost(fixed64, tag = "2")]
    pub value: u64,
}

/// The registers are written.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteRegistersReply {}
