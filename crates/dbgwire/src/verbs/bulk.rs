//! Verbs that work through much of a target's memory and send only what came of it: searching,
//! filling, comparing, copying. They work whether the target runs or not.

/// The most bytes of a pattern of [`SearchMemory`] or [`FillMemory`].
pub const PATTERN_LEN_MAX: usize = 4096;
/// The most hits in one [`SearchMemoryReply`].
pub const HITS_MAX: u32 = 65_536;
/// The longest string that [`SearchMemory`] tells as one; what is longer comes in several.
pub const STRING_LEN_MAX: usize = 4096;
/// The most bytes of strings in one [`SearchMemoryReply`]. The last one may go beyond it.
pub const STRINGS_LEN_MAX: usize = 1024 * 1024;
/// The most bytes that one [`SearchMemory`] or [`CompareMemory`] looks at.
pub const SCAN_LEN_MAX: u64 = 256 * 1024 * 1024;
/// The most bytes that one [`FillMemory`] or [`CopyMemory`] writes.
pub const BULK_WRITE_LEN_MAX: u32 = 16 * 1024 * 1024;
/// The most differences in one [`CompareMemoryReply`].
pub const DIFFERENCES_MAX: u32 = 65_536;

/// What a search looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum SearchKind {
    /// The bytes of a pattern.
    Pattern = 0,
    /// Strings of printable ASCII characters, whatever they are.
    Ascii = 1,
    /// The same of 16-bit characters, at even addresses.
    Utf16 = 2,
}

/// Searches a range. Sites of the debugger are hidden: the program's own bytes are searched.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SearchMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// The first address.
    #[prost(fixed64, tag = "2")]
    pub start: u64,
    /// The first address behind the range. A hit lies in it as a whole.
    #[prost(fixed64, tag = "3")]
    pub end: u64,
    /// What for.
    #[prost(enumeration = "SearchKind", tag = "4")]
    pub kind: i32,
    /// The bytes of the pattern, 1 to [`PATTERN_LEN_MAX`].
    #[prost(bytes = "vec", tag = "5")]
    pub pattern: Vec<u8>,
    /// Which of their bits count; as many bytes as the pattern has, or none if all do.
    #[prost(bytes = "vec", tag = "6")]
    pub mask: Vec<u8>,
    /// Only hits at multiples of this; 0 as 1.
    #[prost(uint32, tag = "7")]
    pub alignment: u32,
    /// No more hits than this, at most [`HITS_MAX`]; 0 as `HITS_MAX`.
    #[prost(uint32, tag = "8")]
    pub hits_max: u32,
    /// Only in regions with all of this protection, as in `Region`.
    #[prost(uint32, tag = "9")]
    pub protection: u32,
    /// Only strings of at least as many characters; 0 as 1.
    #[prost(uint32, tag = "10")]
    pub len_min: u32,
}

/// What was found. The tail has the strings' bytes, one's behind the other's.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SearchMemoryReply {
    /// Where, in ascending order.
    #[prost(fixed64, repeated, tag = "1")]
    pub hits: Vec<u64>,
    /// How many bytes each string has; empty for a pattern.
    #[prost(uint32, repeated, tag = "2")]
    pub lengths: Vec<u32>,
    /// From where the search is to go on; the range's end if it is done.
    #[prost(fixed64, tag = "3")]
    pub next: u64,
}

/// Writes the tail's bytes over and over. Sites of the debugger stay armed.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FillMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Where the first byte goes.
    #[prost(fixed64, tag = "2")]
    pub address: u64,
    /// How many bytes are written, at most [`BULK_WRITE_LEN_MAX`].
    #[prost(uint32, tag = "3")]
    pub len: u32,
}

/// How far it got.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FillMemoryReply {
    /// How many bytes of the head were written; less than asked for only at an unmapped byte.
    #[prost(uint32, tag = "1")]
    pub written: u32,
}

/// Compares two ranges of a target.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CompareMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Where the one begins.
    #[prost(fixed64, tag = "2")]
    pub one: u64,
    /// Where the other begins.
    #[prost(fixed64, tag = "3")]
    pub other: u64,
    /// How many bytes are compared.
    #[prost(uint64, tag = "4")]
    pub len: u64,
    /// No more differences than this, at most [`DIFFERENCES_MAX`]; 0 as `DIFFERENCES_MAX`.
    #[prost(uint32, tag = "5")]
    pub differences_max: u32,
}

/// Where they differ. The tail has two bytes for each difference: the one's, the other's.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CompareMemoryReply {
    /// The distance of each byte that differs from the range's first, in ascending order.
    #[prost(uint64, repeated, tag = "1")]
    pub offsets: Vec<u64>,
    /// How many bytes were compared; 0 if not even the first can be read on both sides.
    #[prost(uint64, tag = "2")]
    pub compared: u64,
}

/// Copies bytes inside a target; the ranges may overlap. Sites of the debugger stay armed.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CopyMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Where the bytes are.
    #[prost(fixed64, tag = "2")]
    pub from: u64,
    /// Where they go.
    #[prost(fixed64, tag = "3")]
    pub to: u64,
    /// How many, at most [`BULK_WRITE_LEN_MAX`].
    #[prost(uint32, tag = "4")]
    pub len: u32,
}

/// How far it got.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CopyMemoryReply {
    /// How many bytes of the head were copied; less than asked for only at an unmapped byte.
    #[prost(uint32, tag = "1")]
    pub written: u32,
}
