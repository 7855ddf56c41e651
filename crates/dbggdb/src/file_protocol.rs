//! Numbers of the protocol's own for files: flags, errors, and the layout of `struct stat`. They
//! are the same on all machines, and differ from Linux's. Pure.
//!
//! **Source**: GDB manual, "Protocol-specific Representation of Datatypes" and "Constants".

use dbgeng::client::CallError;
use dbgwire::ErrorCode;
use dbgwire::verbs::file::{FileAccess, FileStatus};

/// A name is not there.
pub(crate) const ENOENT: u32 = 2;
/// There is no such descriptor.
pub(crate) const EBADF: u32 = 9;
/// It is not allowed.
pub(crate) const EACCES: u32 = 13;
/// An argument makes no sense.
pub(crate) const EINVAL: u32 = 22;
/// Too many files are open.
pub(crate) const EMFILE: u32 = 24;
/// Anything else.
const EUNKNOWN: u32 = 9999;

/// How a file is to be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OpenFlags {
    /// Reading or writing, or both.
    pub(crate) access: FileAccess,
    /// Every write goes to the end.
    pub(crate) append: bool,
    /// It is made if it is not there.
    pub(crate) create: bool,
    /// What it holds is cut away.
    pub(crate) truncate: bool,
    /// One that exists is an error.
    pub(crate) exclusive: bool,
}

impl OpenFlags {
    /// Reads the flags of a packet. `None` if one is not known.
    pub(crate) fn parse(flags: u64) -> Option<OpenFlags> {
        /// LLDB's wishes that a file does not block and goes with an exec, as all do here.
        const OF_LLDB: u64 = 0x5000_0000;
        let flags = flags & !OF_LLDB;
        let access = match flags & 3 {
            0 => FileAccess::Read,
            1 => FileAccess::Write,
            2 => FileAccess::ReadWrite,
            _ => return None,
        };
        let has = |flag| flags & flag != 0;
        (flags & !0xe0b == 0).then(|| OpenFlags {
            access,
            append: has(0x8),
            create: has(0x200),
            truncate: has(0x400),
            exclusive: has(0x800),
        })
    }

    /// Whether it only looks.
    pub(crate) fn is_reading(&self) -> bool {
        self.access == FileAccess::Read && !(self.append || self.create || self.truncate)
    }
}

/// The protocol's number for why a request of a file was refused.
pub(crate) fn errno(error: &CallError) -> u32 {
    let CallError::Refused(fault) = error else { return EUNKNOWN };
    match fault.errno {
        Some(errno) => from_system(errno),
        None => match fault.code {
            ErrorCode::NoSuchFile => ENOENT,
            ErrorCode::NotPermitted => EACCES,
            ErrorCode::LimitReached => EMFILE,
            ErrorCode::Malformed | ErrorCode::Unsupported | ErrorCode::NoSuchTarget => EINVAL,
            _ => EUNKNOWN,
        },
    }
}

/// The protocol's number for one of Linux. All but one that it has are the same.
fn from_system(errno: i32) -> u32 {
    const ENAMETOOLONG: i32 = 36;
    match errno {
        1 | 2 | 4 | 9 | 13 | 14 | 16 | 17 | 19..=24 | 27..=30 => errno.cast_unsigned(),
        ENAMETOOLONG => 91,
        _ => EUNKNOWN,
    }
}

/// How long the protocol's `struct stat` is.
pub(crate) const STAT_LEN: usize = 64;

/// A file's status in the protocol's layout. Its numbers are big-endian; what does not fit into
/// their 32 bits is cut.
///
/// ```text
///   0 device   4 inode   8 mode   12 links   16 uid   20 gid   24 special device
///   28 size (8 bytes)   36 block size (8)   44 blocks (8)   52 accessed   56 modified   60 changed
/// ```
pub(crate) fn stat(status: &FileStatus) -> [u8; STAT_LEN] {
    /// Kind and permissions.
    const MODE_MASK: u32 = 0o170_777;
    let mut bytes = Vec::with_capacity(STAT_LEN);
    let short = |bytes: &mut Vec<u8>, value: u64| bytes.extend((value as u32).to_be_bytes());
    let long = |bytes: &mut Vec<u8>, value: u64| bytes.extend(value.to_be_bytes());
    short(&mut bytes, status.device);
    short(&mut bytes, status.inode);
    short(&mut bytes, u64::from(status.mode & MODE_MASK));
    short(&mut bytes, status.links);
    short(&mut bytes, u64::from(status.uid));
    short(&mut bytes, u64::from(status.gid));
    short(&mut bytes, status.special_device);
    long(&mut bytes, status.size);
    long(&mut bytes, status.block_size);
    long(&mut bytes, status.blocks);
    short(&mut bytes, status.accessed_s.cast_unsigned());
    short(&mut bytes, status.modified_s.cast_unsigned());
    short(&mut bytes, status.changed_s.cast_unsigned());
    bytes.try_into().unwrap_or([0; STAT_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_the_protocols_and_not_the_systems() {
        let flags = OpenFlags::parse(0x601).expect("O_WRONLY | O_CREAT | O_TRUNC");
        assert_eq!(flags.access, FileAccess::Write);
        assert!(flags.create && flags.truncate && !flags.exclusive && !flags.append);
        assert!(!flags.is_reading());
        assert!(OpenFlags::parse(0).expect("O_RDONLY").is_reading());
        assert!(!OpenFlags::parse(0x200).expect("O_CREAT").is_reading());
        assert_eq!(OpenFlags::parse(3), None);
        assert_eq!(OpenFlags::parse(0x1000), None);
        assert_eq!(OpenFlags::parse(0x4000_0601), Some(flags));
    }

    #[test]
    fn a_status_has_its_numbers_where_the_manual_has_them() {
        let status = FileStatus {
            device: 0x1_0000_0001,
            inode: 2,
            mode: 0o106_755,
            links: 4,
            uid: 5,
            gid: 6,
            special_device: 7,
            size: 0x8_0000_0000,
            block_size: 4096,
            blocks: 10,
            accessed_s: 11,
            modified_s: 12,
            changed_s: 13,
            ..FileStatus::default()
        };
        let expected = concat!(
            "00000001",
            "00000002",
            "000081ed",
            "00000004",
            "00000005",
            "00000006",
            "00000007",
            "0000000800000000",
            "0000000000001000",
            "000000000000000a",
            "0000000b",
            "0000000c",
            "0000000d"
        );
        // 0o106755 without the bits of set-user-ID and set-group-ID is 0o100755.
        assert_eq!(crate::hex::encode(&stat(&status)), expected);
    }

    #[test]
    fn numbers_of_errors_are_the_protocols() {
        assert_eq!(from_system(2), ENOENT);
        assert_eq!(from_system(36), 91);
        assert_eq!(from_system(40), EUNKNOWN);
    }
}
