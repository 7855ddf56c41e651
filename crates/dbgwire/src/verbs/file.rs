//! Verbs that move files between the server's machine and the client.

use super::memory::Range;

/// The most files one session has open.
pub const OPEN_FILES_MAX: usize = 64;
/// The most bytes one [`ReadFile`] asks for altogether, and one [`WriteFile`] carries.
pub const TRANSFER_LEN_MAX: u32 = 4 * 1024 * 1024;

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum FileAccess {
    /// Reading.
    Read = 0,
    /// Writing a new file; one that exists is an error.
    CreateNew = 1,
    /// Writing from the start, whether it exists or not.
    Replace = 2,
}

/// Opens a file of the server's machine.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct OpenFile {
    /// Its absolute path.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    /// In whose mount namespace the path is looked up: a target's, or 0 for the server's own.
    #[prost(uint32, tag = "2")]
    pub target: u32,
    /// What for.
    #[prost(enumeration = "FileAccess", tag = "3")]
    pub access: i32,
    /// The mode bits of a file that is made (open(2)).
    #[prost(uint32, tag = "4")]
    pub mode: u32,
}

/// The file is open until it is closed or the session ends.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct OpenFileReply {
    /// The handle.
    #[prost(uint32, tag = "1")]
    pub file: u32,
    /// How many bytes it has.
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// When it was last changed, seconds since 1970.
    #[prost(int64, tag = "3")]
    pub modified_s: i64,
}

/// Reads ranges of an open file; their `address` counts from its start.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadFile {
    /// The handle.
    #[prost(uint32, tag = "1")]
    pub file: u32,
    /// At most [`RANGES_MAX`](super::memory::RANGES_MAX), of at most [`TRANSFER_LEN_MAX`] bytes
    /// altogether.
    #[prost(message, repeated, tag = "2")]
    pub ranges: Vec<Range>,
}

/// The bytes, in the tail, one range's behind the other's.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadFileReply {
    /// For each range how many bytes there are; less than asked for only at the file's end.
    #[prost(uint32, repeated, tag = "1")]
    pub lengths: Vec<u32>,
}

/// Writes the tail's bytes into an open file.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteFile {
    /// The handle.
    #[prost(uint32, tag = "1")]
    pub file: u32,
    /// Where the first byte goes, counted from the file's start.
    #[prost(uint64, tag = "2")]
    pub offset: u64,
}

/// All bytes are written.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteFileReply {}

/// Closes an open file.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CloseFile {
    /// The handle.
    #[prost(uint32, tag = "1")]
    pub file: u32,
}

/// The handle is free again.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CloseFileReply {}
