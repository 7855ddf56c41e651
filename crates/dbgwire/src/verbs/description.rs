//! The verb that tells what one process is: all that the system says of it, in one answer. It knows
//! no target; what a session does with a process is in `process`.

use super::process::ProcessDescription;

/// The most bytes of environment entries that one [`DescribeProcessReply`] holds.
pub const ENVIRONMENT_LEN_MAX: usize = 1024 * 1024;
/// The most entries of one list in it, and with [`POINTED_LEN_MAX`] the most descriptors.
pub const DESCRIBED_MAX: usize = 8192;
/// The most bytes of what its descriptors point to.
pub const POINTED_LEN_MAX: usize = 1024 * 1024;

/// What can be told of a process. Its bit in [`DescribeProcess::parts`] is the one with this
/// number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum ProcessPart {
    /// Never sent; what a message without the field reads as.
    Unspecified = 0,
    /// The environment that it was given.
    Environment = 1,
    /// The auxiliary vector.
    Auxiliary = 2,
    /// Open descriptors.
    Descriptors = 3,
    /// Limits of resources.
    Limits = 4,
    /// Threads with their times.
    Threads = 5,
    /// Namespaces.
    Namespaces = 6,
    /// The control group.
    ControlGroup = 7,
    /// Ids, capabilities, and what else says what it may do.
    Security = 8,
    /// Its directories and its executable.
    Places = 9,
}

impl ProcessPart {
    /// Every part.
    pub const ALL: [ProcessPart; 9] = [
        ProcessPart::Environment,
        ProcessPart::Auxiliary,
        ProcessPart::Descriptors,
        ProcessPart::Limits,
        ProcessPart::Threads,
        ProcessPart::Namespaces,
        ProcessPart::ControlGroup,
        ProcessPart::Security,
        ProcessPart::Places,
    ];

    /// Its bit.
    pub const fn bit(self) -> u32 {
        1 << self as i32
    }
}

/// Tells what a process is. It need not be a target.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct DescribeProcess {
    /// Which process.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// Which parts: the bits of [`ProcessPart`]. Those that the server does not know are passed
    /// over.
    #[prost(uint32, tag = "2")]
    pub parts: u32,
    /// Only descriptors and threads from this number on: 0 to begin, then the one behind the last
    /// of a list that was cut.
    #[prost(uint32, tag = "3")]
    pub from: u32,
}

/// What a process is, as far as it was asked for and may be told.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DescribeProcessReply {
    /// What a list with details says of it.
    #[prost(message, optional, tag = "1")]
    pub process: Option<ProcessDescription>,
    /// Parts that cannot be told, or not wholly.
    #[prost(message, repeated, tag = "2")]
    pub faults: Vec<PartFault>,
    /// Parts of which there is more than the limits let through: their bits.
    #[prost(uint32, tag = "3")]
    pub cut: u32,
    /// `NAME=VALUE` entries, as the process was given them when it began (proc_pid_environ(5)).
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub environment: Vec<Vec<u8>>,
    /// The auxiliary vector without its end (getauxval(3)).
    #[prost(message, repeated, tag = "5")]
    pub auxiliary: Vec<AuxiliaryEntry>,
    /// Open descriptors, in ascending order.
    #[prost(message, repeated, tag = "6")]
    pub descriptors: Vec<DescriptorDescription>,
    /// Limits of resources, in the kernel's order.
    #[prost(message, repeated, tag = "7")]
    pub limits: Vec<ResourceLimit>,
    /// Threads, in ascending order.
    #[prost(message, repeated, tag = "8")]
    pub threads: Vec<ThreadStatus>,
    /// Namespaces, by their kinds' names.
    #[prost(message, repeated, tag = "9")]
    pub namespaces: Vec<NamespaceDescription>,
    /// The path of its control group, of the unified hierarchy if it is in one (cgroups(7)).
    #[prost(bytes = "vec", tag = "10")]
    pub control_group: Vec<u8>,
    /// What it may do.
    #[prost(message, optional, tag = "11")]
    pub security: Option<ProcessSecurity>,
    /// Its directories and its executable.
    #[prost(message, optional, tag = "12")]
    pub places: Option<ProcessPlaces>,
    /// When the server looked, in milliseconds since 1970 by its machine's clock: what lies between
    /// a start and this is how long it has been.
    #[prost(uint64, tag = "13")]
    pub now_ms: u64,
    /// Its id in each pid namespace that it is in, from the server's inwards (`NSpid` of
    /// proc_pid_status(5)): more than one if it is in another than the server.
    #[prost(uint32, repeated, tag = "14")]
    pub pids: Vec<u32>,
}

/// A part that cannot be told.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PartFault {
    /// Which.
    #[prost(enumeration = "ProcessPart", tag = "1")]
    pub part: i32,
    /// Why: the system's error number (errno(3)).
    #[prost(int32, tag = "2")]
    pub errno: i32,
}

/// An entry of an auxiliary vector.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AuxiliaryEntry {
    /// What it is: a number of `<elf.h>`, `AT_…`.
    #[prost(uint64, tag = "1")]
    pub key: u64,
    /// Its value.
    #[prost(uint64, tag = "2")]
    pub value: u64,
}

/// An open descriptor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DescriptorDescription {
    /// Its number.
    #[prost(uint32, tag = "1")]
    pub number: u32,
    /// What its link in /proc points to: a path, or a kind and an inode as `socket:[4711]`.
    #[prost(bytes = "vec", tag = "2")]
    pub target: Vec<u8>,
    /// How it was opened: the flags of open(2), `O_CLOEXEC` too.
    #[prost(uint32, tag = "3")]
    pub flags: u32,
    /// Where it reads or writes next.
    #[prost(uint64, tag = "4")]
    pub offset: u64,
}

/// A limit of a resource (getrlimit(2)).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ResourceLimit {
    /// What is limited, in the kernel's words, as `open files`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// In which unit; empty if it has none.
    #[prost(string, tag = "2")]
    pub unit: String,
    /// What holds now; `None` is unlimited.
    #[prost(uint64, optional, tag = "3")]
    pub soft: Option<u64>,
    /// How far that may be raised; `None` is unlimited.
    #[prost(uint64, optional, tag = "4")]
    pub hard: Option<u64>,
}

/// A thread with its times.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ThreadStatus {
    /// Its id.
    #[prost(uint32, tag = "1")]
    pub tid: u32,
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Its state's letter (proc_pid_stat(5)).
    #[prost(uint32, tag = "3")]
    pub state: u32,
    /// How long it has run in user mode, in microseconds.
    #[prost(uint64, tag = "4")]
    pub user_us: u64,
    /// How long it has run in the kernel, in microseconds.
    #[prost(uint64, tag = "5")]
    pub system_us: u64,
    /// When it started, in milliseconds since 1970.
    #[prost(uint64, tag = "6")]
    pub started_ms: u64,
    /// The CPU on which it ran last.
    #[prost(uint32, tag = "7")]
    pub cpu: u32,
    /// Its scheduling policy (sched(7)).
    #[prost(uint32, tag = "8")]
    pub policy: u32,
    /// Its priority under a real-time policy.
    #[prost(uint32, tag = "9")]
    pub realtime_priority: u32,
    /// Its nice value, -20 to 19.
    #[prost(int32, tag = "10")]
    pub nice: i32,
}

/// A namespace of a process (namespaces(7)).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NamespaceDescription {
    /// Its kind, as its link in /proc is called: `mnt`, `pid_for_children`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Which: the inode that stands for it.
    #[prost(uint64, tag = "2")]
    pub inode: u64,
    /// Whether the server is in the same one.
    #[prost(bool, tag = "3")]
    pub is_servers: bool,
}

/// The container that a process is in.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ContainerDescription {
    /// Who made it, as `docker`; `container` if its control group does not say.
    #[prost(string, tag = "1")]
    pub engine: String,
    /// What that calls it: an id of 64 digits, or a name.
    #[prost(string, tag = "2")]
    pub id: String,
}

/// What a process may do (credentials(7), capabilities(7), seccomp(2)).
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProcessSecurity {
    /// Real, effective, saved and file-system user id.
    #[prost(uint32, repeated, tag = "1")]
    pub uids: Vec<u32>,
    /// The same of its group.
    #[prost(uint32, repeated, tag = "2")]
    pub gids: Vec<u32>,
    /// Its supplementary groups.
    #[prost(uint32, repeated, tag = "3")]
    pub groups: Vec<u32>,
    /// Capabilities, a bit each: inheritable ones.
    #[prost(uint64, tag = "4")]
    pub inheritable: u64,
    /// Permitted ones.
    #[prost(uint64, tag = "5")]
    pub permitted: u64,
    /// Effective ones.
    #[prost(uint64, tag = "6")]
    pub effective: u64,
    /// Those in the bounding set.
    #[prost(uint64, tag = "7")]
    pub bounding: u64,
    /// Ambient ones.
    #[prost(uint64, tag = "8")]
    pub ambient: u64,
    /// Its seccomp mode: 0 for none, 1 for strict, 2 for filters.
    #[prost(uint32, tag = "9")]
    pub seccomp: u32,
    /// How many seccomp filters it has.
    #[prost(uint32, tag = "10")]
    pub filters: u32,
    /// Whether executing a file gives it nothing new (`PR_SET_NO_NEW_PRIVS`).
    #[prost(bool, tag = "11")]
    pub no_new_privileges: bool,
    /// Whether it is dumpable (`PR_SET_DUMPABLE`); `None` if that cannot be told, as of a process
    /// of root.
    #[prost(bool, optional, tag = "12")]
    pub dumpable: Option<bool>,
}

/// Where a process is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProcessPlaces {
    /// Its working directory.
    #[prost(bytes = "vec", tag = "1")]
    pub working_directory: Vec<u8>,
    /// Its root directory.
    #[prost(bytes = "vec", tag = "2")]
    pub root: Vec<u8>,
    /// Its executable.
    #[prost(bytes = "vec", tag = "3")]
    pub executable: Vec<u8>,
    /// The executable's build-id; empty if it has none.
    #[prost(bytes = "vec", tag = "4")]
    pub build_id: Vec<u8>,
    /// The executable's permissions: the bits of chmod(2), with set-user-ID and set-group-ID.
    #[prost(uint32, tag = "5")]
    pub mode: u32,
    /// Whose file the executable is.
    #[prost(uint32, tag = "6")]
    pub owner: u32,
    /// The group of the executable's file.
    #[prost(uint32, tag = "7")]
    pub group: u32,
}
