//! Verbs that read and write registers. The target stands still.

/// The most bytes of registers that one [`ReadRegistersReply`] holds; threads that do not fit are
/// left for another request. At least one thread always fits.
pub const REGISTERS_LEN_MAX: usize = 4 * 1024 * 1024;

/// The most bytes of stacks that one [`ReadRegistersReply`] has in its tail; stacks that do not fit
/// are left out.
pub const STACKS_LEN_MAX: u32 = 1024 * 1024;

/// Reads the registers of many threads at once, and with them what a list of stacks begins with.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadRegisters {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which threads; none for all.
    #[prost(uint32, repeated, tag = "2")]
    pub tids: Vec<u32>,
    /// Whether the extended registers are wanted: floating point, vectors.
    #[prost(bool, tag = "3")]
    pub extended: bool,
    /// Whether the debug registers are wanted.
    #[prost(bool, tag = "4")]
    pub debug: bool,
    /// How many bytes of each thread's stack are wanted, from its stack pointer on, beside those
    /// below it, of which there are at most 639; 0 for none. At most [`STACKS_LEN_MAX`] with these.
    #[prost(uint32, tag = "5")]
    pub stack_len: u32,
    /// Whether the threads' names are wanted.
    #[prost(bool, tag = "6")]
    pub names: bool,
}

/// The registers, in the order of the request or of the thread list.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadRegistersReply {
    /// One entry for each thread that still exists, of [`REGISTERS_LEN_MAX`] bytes altogether. The
    /// tail has their stacks, one behind the other.
    #[prost(message, repeated, tag = "1")]
    pub threads: Vec<ThreadRegisters>,
    /// Whether threads are missing because they did not fit; ask for them by their ids.
    #[prost(bool, tag = "2")]
    pub more: bool,
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
    /// On x86_64 the head of the XSAVE area in its standard form, up to the last component that is
    /// not in its initial state; on aarch64 `struct user_fpsimd_state`. Empty if not wanted, or if
    /// it cannot be read.
    #[prost(bytes = "vec", tag = "3")]
    pub extended: Vec<u8>,
    /// On x86_64 DR0 to DR3, DR6, DR7. Empty if not wanted, or if the CPU has none.
    #[prost(fixed64, repeated, tag = "4")]
    pub debug: Vec<u64>,
    /// Where the bytes of its stack begin that the tail has.
    #[prost(fixed64, tag = "5")]
    pub stack_start: u64,
    /// How many these are; 0 if they were not wanted, cannot be read, or did not fit.
    #[prost(uint32, tag = "6")]
    pub stack_len: u32,
    /// Its name; empty if not wanted.
    #[prost(string, tag = "7")]
    pub name: String,
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
    /// Which bytes of what [`ThreadRegisters::extended`] holds.
    #[prost(message, repeated, tag = "4")]
    pub extended: Vec<ExtendedPatch>,
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

/// Bytes of a thread's extended registers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ExtendedPatch {
    /// Where in the area they begin.
    #[prost(uint32, tag = "1")]
    pub offset: u32,
    /// What is there afterwards.
    #[prost(bytes = "vec", tag = "2")]
    pub bytes: Vec<u8>,
}

/// The registers are written.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteRegistersReply {}
