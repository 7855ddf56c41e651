//! The stubs, each behind a link of a chosen delay.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use dbgbase::Pid;
use testkit::{Guard, Process, Relay, Server, free_port};

use crate::debuggers::Debugger;

/// What a debugger speaks to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stub {
    /// The bridge, on the debugger's side of the link.
    Bridge,
    /// gdb's own, on the other side.
    Gdbserver,
    /// lldb's own.
    LldbServer,
}

/// A stub that waits for a debugger.
pub(crate) struct Served {
    /// The debugger's command that reaches it.
    pub(crate) connect: String,
    /// The link.
    pub(crate) relay: Relay,
    /// What is to end with it.
    _processes: Vec<Process>,
    _server: Option<Server>,
}

impl Stub {
    pub(crate) const ALL: [Stub; 3] = [Stub::Bridge, Stub::Gdbserver, Stub::LldbServer];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Stub::Bridge => "dbggdb",
            Stub::Gdbserver => "gdbserver",
            Stub::LldbServer => "lldb-server",
        }
    }

    /// Starts it for a debugger; that of lldb is attached to `pid` already.
    pub(crate) fn serve(
        self,
        guard: &Guard,
        pid: Pid,
        debugger: Debugger,
        delay: Duration,
    ) -> Served {
        match self {
            Stub::Bridge => bridge(guard, pid, debugger, delay),
            Stub::Gdbserver => {
                let port = free_port();
                let place = format!("127.0.0.1:{port}");
                let stub = quiet(guard, "gdbserver", &["--multi", &place]);
                behind_relay(stub, port, delay, "target extended-remote")
            }
            Stub::LldbServer => {
                let port = free_port();
                let place = format!("127.0.0.1:{port}");
                let pid = pid.to_string();
                let stub = quiet(guard, "lldb-server", &["gdbserver", &place, "--attach", &pid]);
                behind_relay(stub, port, delay, "gdb-remote")
            }
        }
    }
}

fn bridge(guard: &Guard, pid: Pid, debugger: Debugger, delay: Duration) -> Served {
    let server = Server::tcp(guard, testkit::programs::dbgsrv());
    let text = server.endpoint().to_string();
    let port = text.rsplit_once("port=").expect("a port").1.parse().expect("a port");
    let relay = Relay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), delay);
    let premote = format!("tcp:server=127.0.0.1,port={}", relay.address().port());
    let program = env!("CARGO_BIN_EXE_dbggdb");
    // At a port like the others: through a pipe gdb reads byte by byte, which takes it longer.
    let pid = pid.to_string();
    let mut words = vec!["-premote", &premote, "-listen", ":0"];
    if debugger == Debugger::Lldb {
        words.extend(["-p", &pid]);
    }
    let mut bridge = guard.start(program, &words);
    let line = bridge.read_line();
    let place = line.trim().rsplit(' ').next().expect("a place");
    let command = match debugger {
        Debugger::Gdb => "target extended-remote",
        Debugger::Lldb => "gdb-remote",
    };
    Served {
        connect: format!("{command} {place}"),
        relay,
        _processes: vec![bridge],
        _server: Some(server),
    }
}

fn behind_relay(stub: Process, port: u16, delay: Duration, connect: &str) -> Served {
    let relay = Relay::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), delay);
    let connect = format!("{connect} {}", relay.address());
    Served { connect, relay, _processes: vec![stub], _server: None }
}

/// A stub whose remarks nobody wants to read.
fn quiet(guard: &Guard, program: &str, arguments: &[&str]) -> Process {
    let mut command = guard.command(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    Process::spawn(&mut command)
}
