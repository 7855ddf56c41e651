//! What a process is: all that its machine says of it, as plain values. It asks the server and
//! understands nothing of it; the names of numbers are the front ends' business.

use dbgbase::{Pid, Tid};
use dbgwire::verbs::description as wire;
use dbgwire::verbs::description::DescribeProcess;

use crate::{Engine, Error, ErrorKind, ProcessDescription};

/// What can be asked of a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ProcessPart {
    /// The environment that it was given when it began.
    Environment,
    /// The auxiliary vector.
    Auxiliary,
    /// Open descriptors.
    Descriptors,
    /// Limits of resources.
    Limits,
    /// Threads with their times.
    Threads,
    /// Namespaces.
    Namespaces,
    /// The control group.
    ControlGroup,
    /// Ids, capabilities, and what else says what it may do.
    Security,
    /// Its directories and its executable.
    Places,
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

    fn on_wire(self) -> wire::ProcessPart {
        match self {
            ProcessPart::Environment => wire::ProcessPart::Environment,
            ProcessPart::Auxiliary => wire::ProcessPart::Auxiliary,
            ProcessPart::Descriptors => wire::ProcessPart::Descriptors,
            ProcessPart::Limits => wire::ProcessPart::Limits,
            ProcessPart::Threads => wire::ProcessPart::Threads,
            ProcessPart::Namespaces => wire::ProcessPart::Namespaces,
            ProcessPart::ControlGroup => wire::ProcessPart::ControlGroup,
            ProcessPart::Security => wire::ProcessPart::Security,
            ProcessPart::Places => wire::ProcessPart::Places,
        }
    }
}

/// Why a part of a description is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartError {
    /// Which part.
    pub part: ProcessPart,
    /// The error number of the server's system (errno(3)); EACCES where attaching would be refused,
    /// too.
    pub errno: i32,
}

/// All that a machine says of one of its processes, as far as it was asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct ProcessDetails {
    /// What a list with details says of it.
    pub process: ProcessDescription,
    /// When the server looked, in milliseconds since 1970 by its machine's clock.
    pub now_ms: u64,
    /// Its id in each pid namespace that it is in, from the server's inwards.
    pub pids: Vec<Pid>,
    /// Parts that could not be told. They are empty below.
    pub errors: Vec<PartError>,
    /// Parts of which there is more than was told.
    pub cut: Vec<ProcessPart>,
    /// `NAME=VALUE` entries.
    pub environment: Vec<Vec<u8>>,
    /// Keys and values of the auxiliary vector (getauxval(3)).
    pub auxiliary: Vec<(u64, u64)>,
    /// Open descriptors, in ascending order.
    pub descriptors: Vec<Descriptor>,
    /// Limits of resources, in the kernel's order.
    pub limits: Vec<ResourceLimit>,
    /// Threads, in ascending order of their ids.
    pub threads: Vec<ThreadStatus>,
    /// Namespaces, by their kinds' names.
    pub namespaces: Vec<Namespace>,
    /// The path of its control group.
    pub control_group: Vec<u8>,
    /// What it may do.
    pub security: Option<ProcessSecurity>,
    /// Where it is.
    pub places: Option<ProcessPlaces>,
}

/// An open descriptor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Descriptor {
    /// Its number.
    pub number: u32,
    /// A path, or a kind and an inode as `socket:[4711]`.
    pub target: Vec<u8>,
    /// The flags of open(2).
    pub flags: u32,
    /// Where it reads or writes next.
    pub offset: u64,
}

/// A limit of a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceLimit {
    /// What is limited, as `open files`.
    pub name: String,
    /// In which unit; empty if it has none.
    pub unit: String,
    /// What holds now; `None` is unlimited.
    pub soft: Option<u64>,
    /// How far that may be raised; `None` is unlimited.
    pub hard: Option<u64>,
}

/// A thread with its times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ThreadStatus {
    /// Its id.
    pub tid: Tid,
    /// Its name.
    pub name: String,
    /// Its state's letter (proc_pid_stat(5)).
    pub state: char,
    /// How long it has run in user mode, in microseconds.
    pub user_us: u64,
    /// How long it has run in the kernel, in microseconds.
    pub system_us: u64,
    /// When it started, in milliseconds since 1970 by the machine's clock.
    pub started_ms: u64,
    /// The CPU on which it ran last.
    pub cpu: u32,
    /// Its scheduling policy (sched(7)).
    pub policy: u32,
    /// Its priority under a real-time policy.
    pub realtime_priority: u32,
    /// Its nice value.
    pub nice: i32,
}

/// A namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Namespace {
    /// Its kind, as `mnt`.
    pub kind: String,
    /// The inode that stands for it.
    pub inode: u64,
    /// Whether the server is in the same one.
    pub is_servers: bool,
}

/// A container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    /// Who made it, as `docker`; `container` if that is not known.
    pub engine: String,
    /// What that calls it.
    pub id: String,
}

/// What a process may do. Sets of capabilities have a bit for each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSecurity {
    /// Real, effective, saved and file-system user id.
    pub uids: Vec<u32>,
    /// The same of its group.
    pub gids: Vec<u32>,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
    /// Inheritable capabilities.
    pub inheritable: u64,
    /// Permitted ones.
    pub permitted: u64,
    /// Effective ones.
    pub effective: u64,
    /// Those in the bounding set.
    pub bounding: u64,
    /// Ambient ones.
    pub ambient: u64,
    /// Its seccomp mode: 0 for none, 1 for strict, 2 for filters.
    pub seccomp: u32,
    /// How many seccomp filters it has.
    pub filters: u32,
    /// Whether executing a file gives it nothing new.
    pub no_new_privileges: bool,
    /// Whether it is dumpable, if that can be told.
    pub dumpable: Option<bool>,
}

/// Where a process is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessPlaces {
    /// Its working directory.
    pub working_directory: Vec<u8>,
    /// Its root directory.
    pub root: Vec<u8>,
    /// Its executable.
    pub executable: Vec<u8>,
    /// The executable's build-id.
    pub build_id: Vec<u8>,
    /// The executable's permissions: the bits of chmod(2).
    pub mode: u32,
    /// Whose file the executable is.
    pub owner: u32,
    /// The group of the executable's file.
    pub group: u32,
}

impl Engine {
    /// All that the server's machine says of a process, which need not be debugged.
    ///
    /// **Shape**: parts that may not be seen are in `errors`, and empty.
    /// **Errors**: `NoSuchProcess`, `NotPermitted` for one that is hidden, `Unsupported` from a
    /// server that does not know the request; those of the connection.
    /// **Cost**: one round trip; one more for every 8,192 descriptors or threads.
    pub fn describe_process(
        &self,
        pid: Pid,
        parts: &[ProcessPart],
    ) -> Result<ProcessDetails, Error> {
        self.check_connected()?;
        let bits = parts.iter().fold(0, |bits, part| bits | part.on_wire().bit());
        let mut details = self.describe_from(pid, bits, 0)?;
        let last = |details: &ProcessDetails| details.descriptors.last().map(|last| last.number);
        self.describe_rest(&mut details, ProcessPart::Descriptors, last)?;
        let last = |details: &ProcessDetails| details.threads.last().map(|last| last.tid.value());
        self.describe_rest(&mut details, ProcessPart::Threads, last)?;
        Ok(details)
    }

    /// Asks for what was cut of a part, whose entries have ascending numbers.
    fn describe_rest(
        &self,
        details: &mut ProcessDetails,
        part: ProcessPart,
        last: impl Fn(&ProcessDetails) -> Option<u32>,
    ) -> Result<(), Error> {
        let pid = details.process.pid;
        while details.cut.contains(&part)
            && let Some(from) = last(details).and_then(|last| last.checked_add(1))
        {
            let more = self.describe_from(pid, part.on_wire().bit(), from)?;
            if !more.cut.contains(&part) {
                details.cut.retain(|cut| *cut != part);
            }
            // A server that does not move on is not asked for ever.
            if last(&more).is_none_or(|last| last < from) {
                break;
            }
            details.descriptors.extend(more.descriptors);
            details.threads.extend(more.threads);
        }
        Ok(())
    }

    fn describe_from(&self, pid: Pid, parts: u32, from: u32) -> Result<ProcessDetails, Error> {
        let request = DescribeProcess { pid: pid.value(), parts, from };
        let reply = self.client.call(&request)?;
        ProcessDetails::new(reply).ok_or_else(|| {
            let message = format!("the server describes process {pid} without saying what it is");
            Error::new(ErrorKind::Internal, message)
        })
    }
}

impl ProcessDetails {
    fn new(reply: wire::DescribeProcessReply) -> Option<ProcessDetails> {
        let part =
            |number: i32| ProcessPart::ALL.into_iter().find(|part| part.on_wire() as i32 == number);
        let error = |fault: wire::PartFault| {
            Some(PartError { part: part(fault.part)?, errno: fault.errno })
        };
        let is_cut = |part: &ProcessPart| reply.cut & part.on_wire().bit() != 0;
        Some(ProcessDetails {
            process: reply.process?.into(),
            now_ms: reply.now_ms,
            pids: reply.pids.into_iter().map(Pid::new).collect(),
            errors: reply.faults.into_iter().filter_map(error).collect(),
            cut: ProcessPart::ALL.into_iter().filter(is_cut).collect(),
            environment: reply.environment,
            auxiliary: reply.auxiliary.into_iter().map(|entry| (entry.key, entry.value)).collect(),
            descriptors: reply.descriptors.into_iter().map(Descriptor::from).collect(),
            limits: reply.limits.into_iter().map(ResourceLimit::from).collect(),
            threads: reply.threads.into_iter().map(ThreadStatus::from).collect(),
            namespaces: reply.namespaces.into_iter().map(Namespace::from).collect(),
            control_group: reply.control_group,
            security: reply.security.map(ProcessSecurity::from),
            places: reply.places.map(ProcessPlaces::from),
        })
    }

    /// Why a part is not there.
    pub fn error_of(&self, part: ProcessPart) -> Option<i32> {
        self.errors.iter().find(|error| error.part == part).map(|error| error.errno)
    }
}

/// The letter of a state.
pub(crate) fn state(number: u32) -> char {
    char::from_u32(number).filter(char::is_ascii_alphabetic).unwrap_or('?')
}

impl From<wire::DescriptorDescription> for Descriptor {
    fn from(wire: wire::DescriptorDescription) -> Descriptor {
        let wire::DescriptorDescription { number, target, flags, offset } = wire;
        Descriptor { number, target, flags, offset }
    }
}

impl From<wire::ResourceLimit> for ResourceLimit {
    fn from(wire: wire::ResourceLimit) -> ResourceLimit {
        let wire::ResourceLimit { name, unit, soft, hard } = wire;
        ResourceLimit { name, unit, soft, hard }
    }
}

impl From<wire::ThreadStatus> for ThreadStatus {
    fn from(wire: wire::ThreadStatus) -> ThreadStatus {
        ThreadStatus {
            tid: Tid::new(wire.tid),
            name: wire.name,
            state: state(wire.state),
            user_us: wire.user_us,
            system_us: wire.system_us,
            started_ms: wire.started_ms,
            cpu: wire.cpu,
            policy: wire.policy,
            realtime_priority: wire.realtime_priority,
            nice: wire.nice,
        }
    }
}

impl From<wire::NamespaceDescription> for Namespace {
    fn from(wire: wire::NamespaceDescription) -> Namespace {
        let wire::NamespaceDescription { kind, inode, is_servers } = wire;
        Namespace { kind, inode, is_servers }
    }
}

impl From<wire::ContainerDescription> for Container {
    fn from(wire: wire::ContainerDescription) -> Container {
        Container { engine: wire.engine, id: wire.id }
    }
}

impl From<wire::ProcessSecurity> for ProcessSecurity {
    fn from(wire: wire::ProcessSecurity) -> ProcessSecurity {
        ProcessSecurity {
            uids: wire.uids,
            gids: wire.gids,
            groups: wire.groups,
            inheritable: wire.inheritable,
            permitted: wire.permitted,
            effective: wire.effective,
            bounding: wire.bounding,
            ambient: wire.ambient,
            seccomp: wire.seccomp,
            filters: wire.filters,
            no_new_privileges: wire.no_new_privileges,
            dumpable: wire.dumpable,
        }
    }
}

impl From<wire::ProcessPlaces> for ProcessPlaces {
    fn from(wire: wire::ProcessPlaces) -> ProcessPlaces {
        ProcessPlaces {
            working_directory: wire.working_directory,
            root: wire.root,
            executable: wire.executable,
            build_id: wire.build_id,
            mode: wire.mode,
            owner: wire.owner,
            group: wire.group,
        }
    }
}
