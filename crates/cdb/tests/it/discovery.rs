//! `-QR`: who is listed, who is not, and what is said otherwise. Servers of root are started in a
//! namespace in which nobody else's are.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use dbgbase::Signal;
use testkit::{Guard, PrivateRun, Process, free_port, programs, until};

use crate::console::Console;

const CDB: &str = env!("CARGO_BIN_EXE_cdb");

fn run(command: &mut Command) -> Output {
    command.stderr(Stdio::piped()).output().expect("it starts")
}

/// What `cdb -QR HOST` prints.
#[track_caller]
fn list(mut cdb: Command, host: &str) -> String {
    let output = run(cdb.args(["-QR", host]));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "-QR {host}");
    String::from_utf8(output.stdout).expect("text")
}

/// The same with a run directory of the test's own.
#[track_caller]
fn list_in(guard: &Guard, run_dir: &Path, host: &str) -> String {
    let mut cdb = guard.command(CDB);
    cdb.env("DBGSRV_RUN_DIR", run_dir);
    list(cdb, host)
}

/// A server in a run directory of the test's own, once a listing shows `line`.
#[track_caller]
fn serve(guard: &Guard, run_dir: &Path, transport: &str, line: &str) -> Process {
    let mut command = guard.command(programs::dbgsrv());
    command.args(["-t", transport]).env("DBGSRV_RUN_DIR", run_dir);
    let server = Process::spawn(&mut command);
    let line = line.replace("PID", &server.pid().to_string());
    let line = line.replace("TID", &format!("{:x}", server.pid().value()));
    let is_shown = || list_in(guard, run_dir, "localhost").lines().any(|found| found == line);
    until(&line, || is_shown().then_some(()));
    server
}

/// **Source**: "Process Server Examples", the second.
#[test]
fn a_server_is_found_and_connected_to_by_what_is_listed() {
    let guard = Guard::new();
    let room = PrivateRun::new(&guard);
    let list = |host: &str| list(room.command(&guard, CDB), host);
    assert_eq!(list("localhost"), "Servers on localhost:\nNo server was found.\n");
    let mut command = room.command(&guard, programs::dbgsrv());
    let mut server = Process::spawn(command.args(["-t", "npipe:pipe=AnotherPipe"]));
    let expected = "Servers on localhost:\nRemote Process Server - npipe:Pipe=AnotherPipe\n";
    until("the server to be listed", || (list("localhost") == expected).then_some(()));
    let nodename = rustix::system::uname();
    let nodename = nodename.nodename().to_str().expect("text");
    for host in [".", "127.0.0.1", "::1", r"\\localhost", nodename, &format!(r"\\{nodename}")] {
        assert_eq!(list(host), expected.replacen("localhost", host, 1));
    }
    let line = expected.lines().nth(1).and_then(|line| line.split_once(" - "));
    let (transport, parameters) =
        line.and_then(|(_, listed)| listed.split_once(':')).expect("a transport");
    let mut command = room.command(&guard, CDB);
    let premote = format!("{transport}:server={nodename},{parameters}");
    command.args(["-premote", &premote, "-v", "/bin/true"]);
    let mut cdb = Console::spawn(command);
    assert_eq!(cdb.prompt, "0:000", "{}", cdb.banner);
    cdb.type_line(".endpsrv");
    server.wait();
    assert_eq!(list("localhost"), "Servers on localhost:\nNo server was found.\n");
}

#[test]
fn hidden_calling_and_unelevated_servers_are_not_listed() {
    let guard = Guard::new();
    let room = PrivateRun::new(&guard);
    let start =
        |mut command: Command, transport: &str| Process::spawn(command.args(["-t", transport]));
    let dbgsrv = programs::dbgsrv();
    let _hidden = start(room.command(&guard, &dbgsrv), "npipe:pipe=secret,hidden");
    let nobodys = room.command_as_nobody(&guard, &dbgsrv);
    let nobodys = nobodys.map(|(command, run_dir)| (start(command, "tcp:port=0"), run_dir));
    let connect = |pipe: &str| {
        let mut cdb = room.command(&guard, CDB);
        cdb.args(["-premote", &format!("npipe:server=.,pipe={pipe}"), "-c", "q", "/bin/true"]);
        run(&mut cdb).status.success().then_some(())
    };
    until("the hidden server to work", || connect("secret"));
    // It has called its client, and nobody else can connect to it.
    let call = format!("tcp:clicon=localhost,port={}", free_port());
    let calling = start(room.command(&guard, &dbgsrv), &call);
    let mut cdb = room.command(&guard, CDB);
    cdb.args(["-premote", &call, "/bin/true"]);
    let called = Console::spawn(cdb);
    assert_eq!(called.prompt, "0:000", "{}", called.banner);
    if let Some((server, run_dir)) = &nobodys {
        let entry = run_dir.join(format!("registry/{}.server", server.pid()));
        until("the other server's entry", || entry.exists().then_some(()));
    }
    let _shown = start(room.command(&guard, &dbgsrv), "npipe:pipe=shown");
    until("the shown server to work", || connect("shown"));
    let listed = list(room.command(&guard, CDB), "localhost");
    assert_eq!(listed, "Servers on localhost:\nRemote Process Server - npipe:Pipe=shown\n");
    assert!(!calling.has_ended(), "it serves");
    called.finish("q");
}

#[test]
fn a_killed_server_is_not_listed() {
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    let first = "Remote Process Server - npipe:Pipe=first";
    let mut killed = serve(&guard, &run_dir, "npipe:pipe=first", first);
    killed.signal(Signal::SIGKILL);
    killed.wait();
    let none = "Servers on localhost:\nNo server was found.\n";
    assert_eq!(list_in(&guard, &run_dir, "localhost"), none);
    // Connecting to it says what is the matter.
    let mut cdb = guard.command(CDB);
    cdb.args(["-premote", "npipe:server=localhost,pipe=first", "/bin/true"]);
    let output = run(cdb.env("DBGSRV_RUN_DIR", &run_dir));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("its server has ended"), "{said}");
}

/// **Source**: "Activating a Process Server": codes in names, ranges of ports.
#[test]
fn names_and_ports_are_shown_as_they_are_in_use() {
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    let line = "Remote Process Server - npipe:Pipe=srv_PID_TID";
    let _named = serve(&guard, &run_dir, "npipe:pipe=srv_%d_%x", line);
    let busy = std::net::TcpListener::bind("0.0.0.0:0").expect("a port");
    let low = busy.local_addr().expect("it has one").port();
    let high = low.saturating_add(9);
    let mut command = guard.command(programs::dbgsrv());
    command.args(["-t", &format!("tcp:port={low}:{high}")]).env("DBGSRV_RUN_DIR", &run_dir);
    let _ranged = Process::spawn(&mut command);
    let start = "Remote Process Server - tcp:Port=";
    let range = until("the server to be listed", || {
        let listed = list_in(&guard, &run_dir, "localhost");
        listed.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned))
    });
    let (first, last) = range.split_once(':').expect("a range");
    assert!(first.parse::<u16>().expect("a port") > low, "{range}");
    assert_eq!(last, high.to_string());
}

#[test]
fn other_machines_and_other_options_are_refused() {
    let guard = Guard::new();
    for (arguments, code, named) in [
        (&["-QR", r"\\no-such-machine"][..], 1, "ssh no-such-machine cdb -QR localhost"),
        (&["-QR", "192.0.2.1"], 1, "only this machine"),
        (&["-QR", "*"], 1, "only this machine"),
        (&["-QR"], 2, "-QR needs HOST"),
        (&["-QR", "localhost", "-g"], 2, "-QR must stand alone"),
        (&["-premote", "npipe:server=.,pipe=x", "-QR", "localhost"], 2, "-QR must stand alone"),
    ] {
        let mut cdb = guard.command(CDB);
        let output = run(cdb.args(arguments).env("DBGSRV_RUN_DIR", guard.directory()));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

#[test]
fn a_registry_that_others_could_write_is_not_believed() {
    let guard = Guard::new();
    let run_dir = guard.directory().join("run");
    let line = "Remote Process Server - npipe:Pipe=x";
    let _server = serve(&guard, &run_dir, "npipe:pipe=x", line);
    let registry = run_dir.join("registry");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&registry, open).expect("own directory");
    let mut cdb = guard.command(CDB);
    let output = run(cdb.args(["-QR", "localhost"]).env("DBGSRV_RUN_DIR", &run_dir));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]));
    assert!(said.contains("registry") && said.contains("777"), "{said}");
}
