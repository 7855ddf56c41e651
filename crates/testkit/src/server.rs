//! A real process server for one test: the program itself, at a pipe or a port that no other test
//! uses. It knows how to reach it, not what it says.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dbgbase::Pid;
use dbglink::{ClientEndpoint, Link, RunDir};

use crate::process_guard::{Guard, Process};
use crate::{Client, DEADLINE, procfs, until};

/// The name of the pipe. Each test has a run directory of its own.
const PIPE: &str = "test";

/// A process server. It is killed and reaped when it is dropped; its sessions end with the links of
/// their clients.
pub struct Server {
    process: Process,
    run_dir: PathBuf,
    endpoint: ClientEndpoint,
}

impl Server {
    /// A server at a pipe in a run directory of its own. `program` is
    /// `env!("CARGO_BIN_EXE_dbgsrv")`, which only the tests of that crate know.
    #[track_caller]
    pub fn npipe(guard: &Guard, program: impl AsRef<OsStr>) -> Server {
        Server::npipe_with(guard, program, |_| ())
    }

    /// The same with a command that is changed before it is started.
    #[track_caller]
    pub fn npipe_with(
        guard: &Guard,
        program: impl AsRef<OsStr>,
        change: impl FnOnce(&mut Command),
    ) -> Server {
        let run_dir = guard.directory().join("run");
        let mut command = guard.command(program);
        command.args(["-t", &format!("npipe:pipe={PIPE}")]).env("DBGSRV_RUN_DIR", &run_dir);
        change(&mut command);
        let process = Process::spawn(&mut command);
        let endpoint = format!("npipe:server=localhost,pipe={PIPE}");
        Server { process, run_dir, endpoint: endpoint.parse().expect("a pipe's endpoint") }
    }

    /// A server at a TCP port that the system chooses.
    #[track_caller]
    pub fn tcp(guard: &Guard, program: impl AsRef<OsStr>) -> Server {
        Server::tcp_with(guard, program, "")
    }

    /// The same with further parameters, as `,unprotected`.
    #[track_caller]
    pub fn tcp_with(guard: &Guard, program: impl AsRef<OsStr>, parameters: &str) -> Server {
        let transport = format!("tcp:port=0{parameters}");
        Server::at_port(guard, program, &transport, "tcp:server=localhost", |_| ())
    }

    /// A server of any transport with ports, at one that the system chooses. `client` is the string
    /// of its clients without the port.
    #[track_caller]
    pub fn at_port(
        guard: &Guard,
        program: impl AsRef<OsStr>,
        transport: &str,
        client: &str,
        change: impl FnOnce(&mut Command),
    ) -> Server {
        let run_dir = guard.directory().join("run");
        let mut command = guard.command(program);
        command.args(["-t", transport]).env("DBGSRV_RUN_DIR", &run_dir);
        change(&mut command);
        let process = Process::spawn(&mut command);
        let port = until("the server's port", || procfs::listening_port(process.pid()));
        let endpoint = format!("{client},port={port}").parse().expect("a port's endpoint");
        Server { process, run_dir, endpoint }
    }

    /// A client that has been welcomed.
    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::open(self.link())
    }

    /// A link on which nothing has been said.
    #[track_caller]
    pub fn link(&self) -> Link {
        let run_dir = RunDir::at(&self.run_dir);
        until("the server to listen", || dbglink::connect(&self.endpoint, &run_dir, DEADLINE).ok())
    }

    /// The listener's process.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// The listener's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The processes of its sessions.
    pub fn sessions(&self) -> Vec<Pid> {
        let parent = self.pid().to_string();
        let is_child =
            |pid: &Pid| procfs::status(*pid, (*pid).into(), "PPid").as_ref() == Some(&parent);
        procfs::pids().into_iter().filter(is_child).collect()
    }

    /// Waits until it has nobody to serve, and has noticed.
    #[track_caller]
    pub fn wait_until_idle(&self) {
        let is_idle = || self.sessions().is_empty() && procfs::tids(self.pid()).len() == 1;
        until("the server to be idle", || is_idle().then_some(()));
    }

    /// Its files that are still there, after it has ended.
    pub fn files_left(&self) -> Vec<PathBuf> {
        let is_left = |entry: &std::fs::DirEntry| {
            let name = entry.file_name();
            entry.path().is_file() && name != ".lock" || name == PIPE
        };
        let folders = [self.run_dir.clone(), self.run_dir.join("registry")];
        let entries = folders.iter().flat_map(std::fs::read_dir).flatten().flatten();
        entries.filter(is_left).map(|entry| entry.path()).collect()
    }

    /// The run directory, for `DBGSRV_RUN_DIR` of its clients.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Where clients connect.
    pub fn endpoint(&self) -> &ClientEndpoint {
        &self.endpoint
    }

    /// Where a server at a port of this machine is.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        let text = self.endpoint.to_string();
        let port = text.rsplit_once("port=").and_then(|(_, port)| port.parse().ok());
        SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("a server at a port")))
    }

    /// The socket file of a server at a pipe.
    pub fn socket_path(&self) -> PathBuf {
        self.run_dir.join(PIPE)
    }
}

/// A session process without a listener, as a local debugger starts one, with its journal.
pub struct Embedded {
    process: Process,
    journal: OwnedFd,
}

impl Embedded {
    /// A session process and its client. `program` is as for [`Server::npipe`], and `journal` an
    /// empty journal, of which a duplicate is kept. The session's standard output is the test's to
    /// read.
    #[track_caller]
    pub fn start(
        guard: &Guard,
        program: impl AsRef<OsStr>,
        journal: OwnedFd,
    ) -> (Embedded, Client) {
        Embedded::start_by(guard, &[], program, journal)
    }

    /// The same, started by a program that executes its arguments, as `["setpriv", "--reuid=1"]`.
    #[track_caller]
    pub fn start_by(
        guard: &Guard,
        starter: &[&str],
        program: impl AsRef<OsStr>,
        journal: OwnedFd,
    ) -> (Embedded, Client) {
        let (link, theirs) = Link::pair().expect("a socket pair");
        let kept = journal.try_clone().expect("a descriptor");
        // A shell gives the descriptors the numbers that the command line names, so that no process
        // that another test starts in this moment inherits them.
        let script = r#"exec "$@" @session 3 4 - 1 1 - - 0 3<&0 4>&2 </dev/null 2>/dev/null"#;
        let mut command = guard.command("sh");
        command.args(["-c", script, "sh"]).args(starter).arg(program.as_ref());
        command.stdin(theirs.into_fd().expect("nobody shares it"));
        command.stdout(Stdio::piped()).stderr(journal);
        let process = Process::spawn(&mut command);
        // The command holds the other end of the link, too, as long as it lives.
        drop(command);
        (Embedded { process, journal: kept }, Client::open(link))
    }

    /// The session's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The journal's descriptor.
    pub fn journal(&self) -> OwnedFd {
        self.journal.try_clone().expect("a descriptor")
    }
}
