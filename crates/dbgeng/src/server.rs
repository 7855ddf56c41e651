//! The process server at the other end, and the processes of its machine, as plain values. It knows
//! what the server says of itself; it does not know targets.

use std::sync::Arc;

use dbgbase::x86_64::extended::ExtendedRegister;
use dbgbase::x86_64::xsave::XsaveLayout;
use dbgbase::{Arch, Pid};

use crate::description::{Container, Namespace, state};

/// Who the server is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerDescription {
    /// The machine's name, uname(2) `nodename`.
    pub machine: String,
    /// The system's name and release, as `Linux 6.1.0`.
    pub system: String,
    /// The machine's CPU.
    pub arch: Arch,
    /// The server's version, as `0.1.0`.
    pub version: String,
    /// The id of the session process on the server's machine.
    pub pid: Pid,
    /// The effective user id the session acts with.
    pub uid: u32,
    /// How many CPUs are online.
    pub cpus: u32,
    /// Milliseconds since the machine started, at the time of the connection.
    pub uptime_ms: u64,
    /// Seconds since 1970 by the machine's clock, at the time of the connection.
    pub clock_s: u64,
    /// What the server calls this session.
    pub session: u32,
    /// Where the machine's XSAVE area has which registers; empty on other CPUs.
    pub(crate) xsave: Arc<XsaveLayout>,
    pub(crate) capabilities: dbgwire::version::Capabilities,
}

impl ServerDescription {
    /// Whether the machine has an extended register.
    ///
    /// **Cost**: none.
    pub fn has_register(&self, register: ExtendedRegister) -> bool {
        register.is_in(&self.xsave)
    }

    /// Whether launched programs can share the client's terminal: true only of an embedded server.
    ///
    /// **Cost**: none.
    pub fn shares_terminal(&self) -> bool {
        self.capabilities.has(dbgwire::version::Capabilities::SHARED_TERMINAL)
    }

    /// Whether launched programs can have a pseudo-terminal whose other side is the client's.
    ///
    /// **Cost**: none.
    pub fn has_pty(&self) -> bool {
        self.capabilities.has(dbgwire::version::Capabilities::PTY)
    }

    /// Whether the server can be ended by its clients.
    ///
    /// **Cost**: none.
    pub fn can_end_server(&self) -> bool {
        self.capabilities.has(dbgwire::version::Capabilities::END_SERVER)
    }
}

/// One process of the server's machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessDescription {
    /// Its id.
    pub pid: Pid,
    /// Its parent's id; 0 if it has none.
    pub parent: Pid,
    /// The name of its executable file, or the kernel's short name where that cannot be read.
    pub name: String,
    /// The path of its executable; empty if unknown or not asked for.
    pub executable: Vec<u8>,
    /// Its arguments, beginning with argument 0; empty if unknown or not asked for.
    pub arguments: Vec<Vec<u8>>,
    /// Its effective user id.
    pub uid: u32,
    /// That user's name; the number in digits if it has none.
    pub user: String,
    /// How many threads it has.
    pub threads: u32,
    /// When it started, in clock ticks since the machine did (proc_pid_stat(5), `starttime`).
    pub start_time: u64,
    /// Who debugs it, if anyone does.
    pub tracer: Option<Pid>,
    /// Its session id (credentials(7)).
    pub session: u32,
    /// Its state's letter (proc_pid_stat(5)).
    pub state: char,
    /// Those of its namespaces in which the server is not; empty if unknown or not asked for.
    pub namespaces: Vec<Namespace>,
    /// The container that it is in, if its control group tells of one.
    pub container: Option<Container>,
    /// Who debugs it, in words; empty for nobody, or if not asked for.
    pub debugger: String,
    /// When it started, in milliseconds since 1970 by the machine's clock.
    pub started_ms: u64,
}

impl From<dbgwire::verbs::process::ProcessDescription> for ProcessDescription {
    fn from(wire: dbgwire::verbs::process::ProcessDescription) -> ProcessDescription {
        ProcessDescription {
            pid: Pid::new(wire.pid),
            parent: Pid::new(wire.parent),
            name: wire.name,
            executable: wire.executable,
            arguments: wire.arguments,
            uid: wire.uid,
            user: wire.user,
            threads: wire.threads,
            start_time: wire.start_time,
            tracer: Some(wire.tracer).filter(|tracer| *tracer != 0).map(Pid::new),
            session: wire.session,
            state: state(wire.state),
            namespaces: wire.namespaces.into_iter().map(Namespace::from).collect(),
            container: wire.container.map(Container::from),
            debugger: wire.debugger,
            started_ms: wire.started_ms,
        }
    }
}
