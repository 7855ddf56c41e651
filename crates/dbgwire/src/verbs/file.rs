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
    /// Writing one that exists, which keeps what is not written over.
    Write = 3,
    /// Reading and writing one that exists, in the same way.
    ReadWrite = 4,
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
    /// Besides what `access` says: every write goes to the file's end (`O_APPEND`).
    #[prost(bool, tag = "5")]
    pub append: bool,
    /// Besides: the file is made if there is none (`O_CREAT`).
    #[prost(bool, tag = "6")]
    pub create: bool,
    /// Besides: what it holds is cut away (`O_TRUNC`). Not for reading alone.
    #[prost(bool, tag = "7")]
    pub truncate: bool,
    /// Besides: one that exists is an error (`O_EXCL`). Only for a file that may be made.
    #[prost(bool, tag = "8")]
    pub exclusive: bool,
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
    /// All that [`StatFile`] would say of it.
    #[prost(message, optional, tag = "4")]
    pub status: Option<FileStatus>,
}

/// What stat(2) says of a file, its numbers as Linux has them on the server's machine.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FileStatus {
    /// The device that it is on.
    #[prost(uint64, tag = "1")]
    pub device: u64,
    /// Its number there.
    #[prost(uint64, tag = "2")]
    pub inode: u64,
    /// Its kind and permissions (inode(7)).
    #[prost(uint32, tag = "3")]
    pub mode: u32,
    /// How many names it has.
    #[prost(uint64, tag = "4")]
    pub links: u64,
    /// Whose it is, as the server's user namespace counts.
    #[prost(uint32, tag = "5")]
    pub uid: u32,
    /// Which group's it is.
    #[prost(uint32, tag = "6")]
    pub gid: u32,
    /// Which device it is, if it is one.
    #[prost(uint64, tag = "7")]
    pub special_device: u64,
    /// How many bytes it has. Many files of /proc say 0, and have some.
    #[prost(uint64, tag = "8")]
    pub size: u64,
    /// How many bytes are best read or written at once.
    #[prost(uint64, tag = "9")]
    pub block_size: u64,
    /// How much room it takes, in units of 512 bytes.
    #[prost(uint64, tag = "10")]
    pub blocks: u64,
    /// When it was last read, seconds since 1970.
    #[prost(int64, tag = "11")]
    pub accessed_s: i64,
    /// When its bytes were last changed.
    #[prost(int64, tag = "12")]
    pub modified_s: i64,
    /// When its bytes or what this message says were last changed.
    #[prost(int64, tag = "13")]
    pub changed_s: i64,
    /// How many nanoseconds behind `accessed_s`.
    #[prost(uint32, tag = "14")]
    pub accessed_ns: u32,
    /// How many nanoseconds behind `modified_s`.
    #[prost(uint32, tag = "15")]
    pub modified_ns: u32,
    /// How many nanoseconds behind `changed_s`.
    #[prost(uint32, tag = "16")]
    pub changed_ns: u32,
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

/// Writes the tail's bytes into an open file. Into one that was opened to append they go to its
/// end, and twice if this is sent twice.
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

/// Says what a file is, of any kind: an open one, or the one at a path.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StatFile {
    /// The handle of an open file, or 0 for the one at `path`.
    #[prost(uint32, tag = "1")]
    pub file: u32,
    /// Without a handle: its absolute path.
    #[prost(bytes = "vec", tag = "2")]
    pub path: Vec<u8>,
    /// In whose mount namespace the path is looked up, as for [`OpenFile`].
    #[prost(uint32, tag = "3")]
    pub target: u32,
    /// Whether a symbolic link at the path's end is what is asked about, and not what it leads to.
    #[prost(bool, tag = "4")]
    pub keep_link: bool,
}

/// What it is.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct StatFileReply {
    /// Always there.
    #[prost(message, optional, tag = "1")]
    pub status: Option<FileStatus>,
}

/// Reads where a symbolic link leads, also one of /proc.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadLink {
    /// Its absolute path.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    /// In whose mount namespace the path is looked up, as for [`OpenFile`].
    #[prost(uint32, tag = "2")]
    pub target: u32,
}

/// Where it leads.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadLinkReply {
    /// The link's text, which need not be a path.
    #[prost(bytes = "vec", tag = "1")]
    pub text: Vec<u8>,
}

/// Removes a file's name (unlink(2)): any kind of file but a directory.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct RemoveFile {
    /// Its absolute path.
    #[prost(bytes = "vec", tag = "1")]
    pub path: Vec<u8>,
    /// In whose mount namespace the path is looked up, as for [`OpenFile`].
    #[prost(uint32, tag = "2")]
    pub target: u32,
}

/// The name is gone.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct RemoveFileReply {}
