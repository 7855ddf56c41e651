//! Verbs that find, start, take and leave processes.

use super::description::{ContainerDescription, NamespaceDescription};

/// The most processes one [`ListProcessesReply`] holds. Long arguments make it fewer.
pub const PROCESSES_MAX: usize = 1024;
/// The most bytes of one process's arguments that are listed; the rest is cut.
pub const ARGUMENTS_LEN_MAX: usize = 4096;

/// Lists the processes of the server's machine.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ListProcesses {
    /// Only processes with an id above this one: the last of the previous reply, or 0 to begin.
    #[prost(uint32, tag = "1")]
    pub after: u32,
    /// Only this process, or 0 for all.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// Whether to fill in executable, arguments, namespaces and debugger, which cost the server
    /// more.
    #[prost(bool, tag = "3")]
    pub details: bool,
}

/// Processes in ascending order of their ids.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListProcessesReply {
    /// At most [`PROCESSES_MAX`].
    #[prost(message, repeated, tag = "1")]
    pub processes: Vec<ProcessDescription>,
    /// Whether there are more; ask again with `after`.
    #[prost(bool, tag = "2")]
    pub more: bool,
}

/// One process of the server's machine.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ProcessDescription {
    /// Its id.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// Its parent's id.
    #[prost(uint32, tag = "2")]
    pub parent: u32,
    /// The name of its executable file, or the kernel's short name where that cannot be read.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The path of its executable; empty if unknown or not asked for.
    #[prost(bytes = "vec", tag = "4")]
    pub executable: Vec<u8>,
    /// Its arguments, beginning with argument 0; empty if unknown or not asked for.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub arguments: Vec<Vec<u8>>,
    /// Its effective user id.
    #[prost(uint32, tag = "6")]
    pub uid: u32,
    /// That user's name; the number in digits if it has none.
    #[prost(string, tag = "7")]
    pub user: String,
    /// How many threads it has.
    #[prost(uint32, tag = "8")]
    pub threads: u32,
    /// When it started, in clock ticks since the machine did (proc_pid_stat(5), `starttime`).
    #[prost(uint64, tag = "9")]
    pub start_time: u64,
    /// Who debugs it, or 0.
    #[prost(uint32, tag = "10")]
    pub tracer: u32,
    /// Its session id (credentials(7)).
    #[prost(uint32, tag = "11")]
    pub session: u32,
    /// Its state's letter (proc_pid_stat(5)).
    #[prost(uint32, tag = "12")]
    pub state: u32,
    /// Those of its namespaces in which the server is not; none if not asked for.
    #[prost(message, repeated, tag = "13")]
    pub namespaces: Vec<NamespaceDescription>,
    /// The container that it is in, if its control group tells of one.
    #[prost(message, optional, tag = "14")]
    pub container: Option<ContainerDescription>,
    /// Who debugs it, in words; empty if nobody does or it was not asked for.
    #[prost(string, tag = "15")]
    pub debugger: String,
    /// When it started, in milliseconds since 1970.
    #[prost(uint64, tag = "16")]
    pub started_ms: u64,
}

/// What a launched program has for standard input, output and error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum Terminal {
    /// Nothing: /dev/null.
    None = 0,
    /// The session process's own: only on an embedded server, whose terminal is the user's.
    Shared = 1,
    /// A pseudo-terminal of its own (pty(7)), whose other side is the client's.
    Pty = 2,
}

/// Starts a program and makes it a target. Its first stop is announced by an event.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Launch {
    /// The program. Without a slash it is looked for along the server's PATH.
    #[prost(bytes = "vec", tag = "1")]
    pub program: Vec<u8>,
    /// Its arguments, beginning with argument 0. Any bytes but NUL. Empty: the program's name
    /// alone.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub arguments: Vec<Vec<u8>>,
    /// Where it starts; empty for the server's own directory.
    #[prost(bytes = "vec", tag = "3")]
    pub directory: Vec<u8>,
    /// `NAME=VALUE` entries that are added to the server's own environment or replace its entries.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub environment: Vec<Vec<u8>>,
    /// What its standard streams are.
    #[prost(enumeration = "Terminal", tag = "5")]
    pub terminal: i32,
    /// How many rows its pseudo-terminal has; 0 for 24.
    #[prost(uint32, tag = "6")]
    pub rows: u32,
    /// How many columns; 0 for 80.
    #[prost(uint32, tag = "7")]
    pub columns: u32,
    /// Whether the server's implicit command line is started in place of program and arguments.
    #[prost(bool, tag = "8")]
    pub implicit: bool,
    /// Whether its first stop is before its very first instruction, the dynamic linker's if it has
    /// one; otherwise that comes once its libraries are mapped.
    #[prost(bool, tag = "9")]
    pub at_exec: bool,
    /// Whether it and the programs that it executes are to be mapped at the same addresses each
    /// time (personality(2), `ADDR_NO_RANDOMIZE`).
    #[prost(bool, tag = "10")]
    pub fixed_addresses: bool,
    /// Names whose entries of the server's own environment are left out.
    #[prost(bytes = "vec", repeated, tag = "11")]
    pub unset: Vec<Vec<u8>>,
    /// Whether all of the server's own environment is left out.
    #[prost(bool, tag = "12")]
    pub clear_environment: bool,
}

/// The program has been loaded.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct LaunchReply {
    /// What the session calls it.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Its process id.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// Of an implicit command line: its words, the program first. Otherwise empty.
    #[prost(bytes = "vec", repeated, tag = "3")]
    pub words: Vec<Vec<u8>>,
    /// Whether its addresses are the same each time, for whatever reason.
    #[prost(bool, tag = "4")]
    pub fixed_addresses: bool,
}

/// Makes a running process a target: all its threads, also those born meanwhile. The stop follows
/// as an event.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Attach {
    /// Which process.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
}

/// The process is a target.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AttachReply {
    /// What the session calls it.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// Leaves a target as it was found: sites removed, threads running. Works on a running target too.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Detach {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The target is left and runs.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct DetachReply {}

/// Ends a target by SIGKILL. Its exit is announced by an event before the reply.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Kill {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The target has ended.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct KillReply {}

/// Leaves a target stopped, for whoever claims it. It must stand still. The client's sites are
/// removed; its session stays, without a client, until the target is claimed or has ended.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Abandon {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The target is left, and stands still.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AbandonReply {}

/// Takes over a target that was abandoned in a session of the same server. A client that takes over
/// from another session must not have had targets before. The stop follows as an event.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Claim {
    /// Which process.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
}

/// The process is a target.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClaimReply {
    /// What the session calls it.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Whether it was launched for debugging; otherwise it was attached to.
    #[prost(bool, tag = "2")]
    pub created: bool,
    /// What to show from now on to take the session up again, instead of the Welcome's
    /// `resume_token`; empty if that cannot be.
    #[prost(bytes = "vec", tag = "3")]
    pub resume_token: Vec<u8>,
}
