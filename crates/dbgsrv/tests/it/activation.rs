//! Servers that a service manager starts: with a socket that it has opened, and told how they are.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::{Command, Stdio};

use dbgbase::{ExitStatus, Pid, Signal};
use dbglink::{ClientEndpoint, RunDir};
use dbgwire::verbs::process::Launch;
use dbgwire::verbs::server::ServerInfo;
use rustix::io::FdFlags;
use testkit::{Client, DEADLINE, Guard, Process, Testee, until};

use crate::PROGRAM;

/// A command that runs dbgsrv as a service manager does, with these descriptors from 3 on. They are
/// the command's standard input and error at first, and a shell moves them, so that no process that
/// another test starts in this moment inherits them.
pub(crate) fn handing(guard: &Guard, sockets: Vec<OwnedFd>, transport: &str) -> Command {
    let count = sockets.len();
    let script = "exec 3<&0 4<&2 </dev/null; [ $0 -lt 2 ] && exec 4<&-; [ $0 -lt 1 ] && exec 3<&-; \
                  export LISTEN_PID=${LISTEN_PID-$$}; exec \"$@\" 2>&1";
    let mut command = guard.command("sh");
    command.args(["-c", script, &count.to_string()]).args([PROGRAM, "-t", transport]);
    command.env("LISTEN_FDS", count.to_string()).env("LISTEN_FDNAMES", "one:two");
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    command.stdout(Stdio::piped());
    let mut sockets = sockets.into_iter();
    command.stdin(sockets.next().map_or_else(Stdio::null, Stdio::from));
    command.stderr(sockets.next().map_or_else(Stdio::null, Stdio::from));
    command
}

/// A client of this string.
fn client(guard: &Guard, endpoint: &str) -> Client {
    let endpoint: ClientEndpoint = endpoint.parse().expect("an endpoint");
    let run_dir = RunDir::at(guard.directory().join("run"));
    Client::open(dbglink::connect(&endpoint, &run_dir, DEADLINE).expect("it listens"))
}

/// What a server that does not want to begin says.
fn complaint(mut command: Command) -> String {
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stdout).expect("text")
}

fn tcp() -> (OwnedFd, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are ports");
    let port = listener.local_addr().expect("an address").port();
    (listener.into(), port)
}

#[test]
fn a_port_that_is_handed_over_is_served() {
    let guard = Guard::new();
    for rest in ["", ",password=sesame7"] {
        let (socket, port) = tcp();
        // It waits in the queue before there is a server.
        let early = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a queue");
        let transport = format!("tcp:port=0{rest}");
        let mut server = Process::spawn(&mut handing(&guard, vec![socket], &transport));
        let mut client = client(&guard, &format!("tcp:server=127.0.0.1,port={port}{rest}"));
        let info = client.call(&ServerInfo {}).expect("it answers");
        // Neither a session nor what it launches has any of it.
        let testee = Testee::build("waits", &[]);
        let program = testee.path().as_os_str().as_encoded_bytes().to_vec();
        let launch = Launch { program, arguments: Vec::new(), ..Launch::default() };
        let launched = client.call(&launch).expect("it starts");
        for pid in [info.pid, launched.pid] {
            let entries = std::fs::read(format!("/proc/{pid}/environ")).expect("it lives");
            let has = |text: &[u8]| entries.windows(text.len()).any(|window| window == text);
            assert!(!has(b"LISTEN_") && !has(b"NOTIFY_SOCKET"), "{pid}");
            for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").flatten() {
                let number: i32 = entry.file_name().to_str().expect("text").parse().expect("it");
                let target = std::fs::read_link(entry.path()).unwrap_or_default();
                let is_listener = target == listener_of(server.pid());
                assert!(!is_listener, "{pid} has the listening socket as {number}");
            }
        }
        drop((client, early));
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), ExitStatus::Exited(0), "{}", server.read_rest());
    }
}

/// What the descriptor that was handed over to a server is.
fn listener_of(server: Pid) -> std::path::PathBuf {
    std::fs::read_link(format!("/proc/{server}/fd/3")).expect("it keeps its number")
}

#[test]
fn a_pipe_that_is_handed_over_is_served_and_kept() {
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    std::fs::create_dir(&run_dir).expect("a new one");
    let path = run_dir.join("door");
    let socket = OwnedFd::from(UnixListener::bind(&path).expect("a new one"));
    let kept = socket.try_clone().expect("a descriptor");
    for _ in 0..2 {
        let socket = kept.try_clone().expect("a descriptor");
        let mut server = Process::spawn(&mut handing(&guard, vec![socket], "npipe:pipe=door"));
        let mut client = client(&guard, "npipe:server=.,pipe=door");
        client.call(&ServerInfo {}).expect("it answers");
        drop(client);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), ExitStatus::Exited(0), "{}", server.read_rest());
        assert!(path.exists(), "it is the manager's");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let guard = Guard::new();
    let one = |transport: &str| complaint(handing(&guard, vec![tcp().0], transport));
    let said = one("tcp:port=1");
    assert!(said.contains("is at tcp port") && said.contains("is tcp:port=1\n"), "{said}");
    let said = one("tcp:port=1,clicon=localhost");
    assert!(said.contains("waits nowhere"), "{said}");
    let said = one("stdio");
    assert!(said.contains("waits nowhere"), "{said}");
    let said = one("npipe:pipe=door");
    assert!(said.contains("is at tcp port") && said.contains("run/door"), "{said}");
    let elsewhere = UnixListener::bind(guard.directory().join("door")).expect("a new one");
    let said = complaint(handing(&guard, vec![elsewhere.into()], "npipe:pipe=door"));
    assert!(said.contains("/door, and clients look for the pipe at "), "{said}");
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are ports");
    let said = complaint(handing(&guard, vec![datagrams.into()], "tcp:port=0"));
    assert!(said.contains("does not wait for connections"), "{said}");
    let file = std::fs::File::open("/dev/null").expect("it is there");
    let said = complaint(handing(&guard, vec![file.into()], "tcp:port=0"));
    assert!(said.contains("does not wait for connections"), "{said}");
    let said = complaint(handing(&guard, vec![tcp().0, tcp().0], "tcp:port=0"));
    assert!(said.contains("2 sockets are handed over (one, two)"), "{said}");
    let mut more = handing(&guard, vec![tcp().0], "tcp:port=0");
    let said = complaint({
        more.env("LISTEN_FDS", "2");
        more
    });
    assert!(said.contains("LISTEN_FDS says that 2") && said.contains("4 is not open"), "{said}");
    let mut wrong = handing(&guard, Vec::new(), "tcp:port=0");
    let said = complaint({
        wrong.env("LISTEN_FDS", "many");
        wrong
    });
    assert!(said.contains("LISTEN_FDS=many is not a number"), "{said}");
}

#[test]
fn what_is_handed_to_somebody_else_is_closed() {
    let guard = Guard::new();
    let (socket, port) = tcp();
    let mut command = handing(&guard, vec![socket], "npipe:pipe=door");
    command.env("LISTEN_PID", "1");
    let mut server = Process::spawn(&mut command);
    drop(command);
    let endpoint: ClientEndpoint = "npipe:server=.,pipe=door".parse().expect("an endpoint");
    let run_dir = RunDir::at(guard.directory().join("run"));
    let connect = || dbglink::connect(&endpoint, &run_dir, DEADLINE).ok();
    let mut client = Client::open(until("the server to listen", connect));
    // It has prepared for its end by then.
    client.call(&ServerInfo {}).expect("it answers");
    drop(client);
    let refused = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    assert_eq!(refused.expect_err("closed").kind(), std::io::ErrorKind::ConnectionRefused);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
}

/// The next message to a service manager that holds `word`.
fn told(manager: &UnixDatagram, word: &str) -> String {
    manager.set_read_timeout(Some(DEADLINE)).expect("a time");
    let mut bytes = vec![0; 4096];
    loop {
        let len = manager.recv(&mut bytes).expect("it is told");
        let text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        assert!(text.ends_with('\n'), "{text:?}");
        if text.contains(word) {
            return text;
        }
    }
}

#[test]
fn a_service_manager_is_told_how_the_server_is() {
    let guard = Guard::new();
    let path = guard.directory().join("notify");
    let abstract_name = format!("dbgsrv-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&abstract_name).expect("a name");
    let places = [
        (UnixDatagram::bind(&path), path.display().to_string()),
        (UnixDatagram::bind_addr(&address), format!("@{abstract_name}")),
    ];
    for (manager, place) in places {
        let manager = manager.expect("a new one");
        rustix::io::fcntl_setfd(&manager, FdFlags::CLOEXEC).expect("it is open");
        let (socket, port) = tcp();
        let mut command = handing(&guard, vec![socket], "tcp:port=0");
        let mut server = Process::spawn(command.env("NOTIFY_SOCKET", &place));
        drop(command);
        let ready = told(&manager, "READY=1");
        assert!(ready.contains(&format!("MAINPID={}\n", server.pid())), "{ready}");
        let listening = format!("STATUS=listening at tcp:port={port}; no session\n");
        assert!(ready.contains(&listening), "{ready}");
        let client = client(&guard, &format!("tcp:server=127.0.0.1,port={port}"));
        assert!(told(&manager, "STATUS=").contains("; 1 session\n"));
        drop(client);
        assert!(told(&manager, "STATUS=").contains("; no session\n"));
        server.signal(Signal::SIGTERM);
        told(&manager, "STOPPING=1\n");
        assert_eq!(server.wait(), ExitStatus::Exited(0), "{}", server.read_rest());
        assert!(manager.as_raw_fd() > 2);
    }
}

#[test]
fn a_service_manager_that_cannot_be_told_is_complained_of() {
    let guard = Guard::new();
    let mut command = handing(&guard, Vec::new(), "tcp:port=0");
    let said = complaint({
        command.env("NOTIFY_SOCKET", "vsock:2:4711");
        command
    });
    assert!(said.contains("the service manager at vsock:2:4711"), "{said}");
}
