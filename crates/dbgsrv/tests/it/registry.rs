//! Which servers others find: those that live, from their first client's moment to their end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dbgbase::{ExitStatus, Pid, Signal};
use dbglink::registry::{Registry, ServerEntry, SessionLine};
use dbglink::{RunDir, user_name};
use dbgwire::verbs::server::ServerInfo;
use testkit::{Guard, PrivateRun, Process, Server, until};

use crate::{PROGRAM, begin};

/// The servers that everybody finds in this run directory, hidden ones too.
#[track_caller]
fn servers(run_dir: &Path) -> Vec<ServerEntry> {
    Registry::of_machine(&RunDir::at(run_dir)).servers().expect("it can be read")
}

/// A server with this transport, once it is listed.
#[track_caller]
fn serve(guard: &Guard, transport: &str) -> (Process, ServerEntry) {
    let run_dir = guard.directory().join("run");
    let mut command = guard.command(PROGRAM);
    let process = Process::spawn(command.args(["-t", transport]).env("DBGSRV_RUN_DIR", &run_dir));
    let entry = until("the server to be listed", || {
        servers(&run_dir).into_iter().find(|entry| entry.pid == process.pid())
    });
    (process, entry)
}

#[test]
fn a_server_is_listed_from_its_first_client_to_its_end() {
    let (_guard, mut server, client) = begin();
    let found = servers(server.run_dir());
    let [entry] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((entry.endpoint.as_str(), entry.is_hidden), ("npipe:Pipe=test", false));
    assert_eq!((entry.pid, entry.uid), (server.pid(), rustix::process::geteuid().as_raw()));
    server.process().signal(Signal::SIGTERM);
    assert_eq!(server.process().wait(), ExitStatus::Exited(0));
    assert_eq!(servers(server.run_dir()), []);
    let left = std::fs::read_dir(server.run_dir().join("registry")).expect("it stays");
    assert_eq!(left.count(), 1, "its lock");
    drop(client);
}

/// A session process lives on and must not keep the entry alive.
#[test]
fn a_killed_server_is_not_listed_and_the_next_one_tidies_up() {
    let (guard, mut server, client) = begin();
    let registry = server.run_dir().join("registry");
    let entry = registry.join(format!("{}.server", server.pid()));
    server.process().signal(Signal::SIGKILL);
    assert_eq!(server.process().wait(), ExitStatus::Killed(Signal::SIGKILL));
    assert!(entry.exists());
    assert_eq!(servers(server.run_dir()), []);
    let (_next, listed) = serve(&guard, "npipe:pipe=test");
    assert_eq!(servers(server.run_dir()), [listed]);
    assert!(!entry.exists());
    drop(client);
}

#[test]
fn names_and_ports_are_listed_as_they_are_in_use() {
    let guard = Guard::new();
    let (process, entry) = serve(&guard, "npipe:pipe=srv_%d_%x");
    let pid = process.pid().value();
    // The listener is its process's first thread.
    assert_eq!(entry.endpoint, format!("npipe:Pipe=srv_{pid}_{pid:x}"));
    let (_process, entry) = serve(&guard, "npipe:pipe=secret,hidden");
    assert!(entry.is_hidden);
}

/// **Source**: "Activating a Process Server", the example of a range of ports.
#[test]
fn a_range_of_ports_is_listed_from_the_one_in_use() {
    let guard = Guard::new();
    let (_busy, low) = two_busy_ports();
    let last = low + 9;
    let (_process, entry) = serve(&guard, &format!("tcp:port={low}:{last}"));
    let range = entry.endpoint.strip_prefix("tcp:Port=").and_then(|range| range.split_once(':'));
    let (first, end) = range.expect("a range");
    // Other tests may take the third.
    let first: u16 = first.parse().expect("a port");
    assert!(first >= low + 2 && first < last, "{}", entry.endpoint);
    assert_eq!(end, last.to_string());
}

/// Two ports in a row that are in use, and the first one's number, with eight more behind them.
fn two_busy_ports() -> ([std::net::TcpListener; 2], u16) {
    let bind = |port| std::net::TcpListener::bind(("0.0.0.0", port)).ok();
    until("two ports in a row", || {
        let first = bind(0)?;
        let low = first.local_addr().ok()?.port();
        let second = bind(low.checked_add(1)?)?;
        (low < u16::MAX - 9).then_some(([first, second], low))
    })
}

#[test]
fn twenty_servers_at_once_are_all_listed() {
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    let mut started: Vec<Process> = (0..20)
        .map(|number| {
            let mut command = guard.command(PROGRAM);
            command.args(["-t", &format!("npipe:pipe=server{number}")]);
            Process::spawn(command.env("DBGSRV_RUN_DIR", &run_dir))
        })
        .collect();
    let expected: BTreeSet<Pid> = started.iter().map(Process::pid).collect();
    let pids = || servers(&run_dir).iter().map(|entry| entry.pid).collect::<BTreeSet<Pid>>();
    until("twenty servers", || (pids() == expected).then_some(()));
    for process in &mut started {
        process.signal(Signal::SIGTERM);
    }
    for process in &mut started {
        assert_eq!(process.wait(), ExitStatus::Exited(0));
    }
    assert_eq!(pids(), BTreeSet::new());
}

#[test]
fn a_server_that_cannot_be_listed_works_silently() {
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    std::fs::create_dir(&run_dir).expect("own directory");
    std::fs::write(run_dir.join("registry"), "in the way").expect("own directory");
    let mut command = guard.command("sh");
    command.args(["-c", r#"exec "$0" "$@" 2>&1"#, PROGRAM, "-t", "npipe:pipe=test"]);
    command.env("DBGSRV_RUN_DIR", &run_dir).stdout(std::process::Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let endpoint = "npipe:server=localhost,pipe=test".parse().expect("a pipe");
    let run_dir = RunDir::at(run_dir);
    let connect = || dbglink::connect(&endpoint, &run_dir, testkit::DEADLINE).ok();
    let client = testkit::Client::open(until("the server to listen", connect));
    drop(client);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), ExitStatus::Exited(0));
    assert_eq!(process.read_rest(), "");
}

/// What ps(1) shows of a session.
#[test]
fn a_session_process_says_whose_it_is() {
    let guard = Guard::new();
    let at_pipe = Server::npipe(&guard, PROGRAM);
    let at_port = Server::tcp(&guard, PROGRAM);
    let user = user_name(rustix::process::geteuid().as_raw());
    for (server, peer) in
        [(&at_pipe, format!("process {}", std::process::id())), (&at_port, "127.0.0.1:".to_owned())]
    {
        let mut client = server.connect();
        let session = Pid::new(client.call(&ServerInfo {}).expect("it answers").pid);
        let line = std::fs::read(format!("/proc/{session}/cmdline")).expect("it lives");
        let line = SessionLine::parse(&line).expect("a session");
        assert_eq!((line.number, line.has_server), (client.welcome().session, true));
        assert_eq!(line.user.as_deref(), Some(user.as_str()));
        let found = line.peer.expect("it is known");
        let is_loopback = found.starts_with("[::1]:") && peer.ends_with(':');
        assert!(found.starts_with(&peer) || is_loopback, "{found}");
    }
}

/// The machine's registry is in `/run`, which only root may write to.
#[test]
fn elevated_servers_are_in_the_registry_of_the_machine() {
    let guard = Guard::new();
    let room = PrivateRun::new(&guard);
    let mut command = room.command(&guard, PROGRAM);
    let mut server = Process::spawn(command.args(["-t", "npipe:pipe=elevated"]));
    let see = |path: &str| -> PathBuf { format!("/proc/{}/root{path}", server.pid()).into() };
    let registry = see("/run/dbgsrv/registry");
    let entry = registry.join(format!("{}.server", server.pid()));
    until("its entry", || entry.exists().then_some(()));
    let mode = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).expect("it exists").mode() & 0o777
    };
    assert_eq!((mode(&registry), mode(&entry)), (0o755, 0o644));
    // One that is not elevated does not come there, and works.
    if let Some((mut command, mine)) = room.command_as_nobody(&guard, PROGRAM) {
        let mut unelevated = Process::spawn(command.args(["-t", "npipe:pipe=unelevated"]));
        let own = mine.join(format!("registry/{}.server", unelevated.pid()));
        until("its entry", || own.exists().then_some(()));
        assert_eq!(std::fs::read_dir(&registry).expect("it exists").count(), 2);
        unelevated.signal(Signal::SIGTERM);
        assert_eq!(unelevated.wait(), ExitStatus::Exited(0));
        assert!(!own.exists());
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
}

/// Whoever owns the directory could put another server in the place of this one.
#[test]
fn a_run_directory_of_another_user_is_not_trusted() {
    // One of root's would be fine for everybody else.
    if !testkit::is_root_for("a directory that is given away") {
        return;
    }
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    std::fs::create_dir(&run_dir).expect("own directory");
    std::os::unix::fs::chown(&run_dir, Some(65_534), None).expect("root may");
    let mut command = guard.command(PROGRAM);
    command.args(["-t", "npipe:pipe=test"]).env("DBGSRV_RUN_DIR", &run_dir);
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let fault = format!("run directory {}: belongs to uid 65534", run_dir.display());
    assert!(said.contains(&fault), "{said}");
}
