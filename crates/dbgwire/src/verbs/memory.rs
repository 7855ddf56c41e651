//! Verbs that read, write and map a target's memory. They work whether it runs or not.

/// The most ranges in one [`ReadMemory`].
pub const RANGES_MAX: usize = 1024;
/// The most bytes one [`ReadMemory`] asks for altogether.
pub const READ_LEN_MAX: u32 = 4 * 1024 * 1024;
/// The most bytes one [`WriteMemory`] carries.
pub const WRITE_LEN_MAX: usize = 4 * 1024 * 1024;
/// The most regions in one [`ListRegionsReply`].
pub const REGIONS_MAX: usize = 8192;

/// A run of bytes.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Range {
    /// The first byte's address.
    #[prost(fixed64, tag = "1")]
    pub address: u64,
    /// How many bytes.
    #[prost(uint32, tag = "2")]
    pub len: u32,
}

/// Reads many ranges at once. Sites of the debugger are hidden: the program's own bytes are shown.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// At most [`RANGES_MAX`], of at most [`READ_LEN_MAX`] bytes altogether.
    #[prost(message, repeated, tag = "2")]
    pub ranges: Vec<Range>,
}

/// The bytes, in the tail, one range's behind the other's.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadMemoryReply {
    /// For each range how many bytes of its head could be read.
    #[prost(uint32, repeated, tag = "1")]
    pub lengths: Vec<u32>,
}

/// Writes the tail's bytes, also into read-only pages. Sites of the debugger stay armed.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Where the first byte goes.
    #[prost(fixed64, tag = "2")]
    pub address: u64,
}

/// How far the write got.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteMemoryReply {
    /// How many bytes of the head were written; less than asked for only at an unmapped byte.
    #[prost(uint32, tag = "1")]
    pub written: u32,
}

/// Lists what is mapped.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ListRegions {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Only regions that end above this address; 0 to begin.
    #[prost(fixed64, tag = "2")]
    pub from: u64,
}

/// Regions in ascending order.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListRegionsReply {
    /// At most [`REGIONS_MAX`].
    #[prost(message, repeated, tag = "1")]
    pub regions: Vec<Region>,
    /// Whether there are more; ask again from the last one's end.
    #[prost(bool, tag = "2")]
    pub more: bool,
}

/// One mapping (proc_pid_maps(5)).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Region {
    /// Its first address.
    #[prost(fixed64, tag = "1")]
    pub start: u64,
    /// The first address behind it.
    #[prost(fixed64, tag = "2")]
    pub end: u64,
    /// 1 readable, 2 writable, 4 executable, 8 shared; added up.
    #[prost(uint32, tag = "3")]
    pub protection: u32,
    /// Where in its file it begins.
    #[prost(uint64, tag = "4")]
    pub offset: u64,
    /// Its file's path, or a name in brackets, or nothing.
    #[prost(bytes = "vec", tag = "5")]
    pub name: Vec<u8>,
}
