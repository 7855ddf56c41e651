//! What is written of who was let in and what was done: where it goes, that it is one line for
//! each, and what no line holds.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dbgbase::{ExitStatus, Pid, RegisterId, Signal};
use dbglink::{ClientEndpoint, RunDir};
use dbgwire::verbs::file::{OpenFile, RemoveFile};
use dbgwire::verbs::process::{Abandon, Claim};
use dbgwire::verbs::server::{EndServer, ServerInfo};
use testkit::{Client, DEADLINE, Guard, PrivateRun, Process, Server, Testee, until};

use crate::{PROGRAM, address_of};

/// A server that writes to a file in the test's folder.
pub(crate) fn server(guard: &Guard) -> (Server, PathBuf) {
    let trail = guard.directory().join("trail");
    let place = trail.clone();
    let server = Server::npipe_with(guard, PROGRAM, |command| {
        command.arg("-audit").arg(place);
    });
    (server, trail)
}

/// What happened, without time and process.
pub(crate) fn events(trail: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(trail).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'));
    let event = |line: &str| {
        let (head, event) = line.split_once("]: ").expect("a head");
        let (time, name) = head.split_once(' ').expect("a time");
        assert!(time.len() == 24 && time.ends_with('Z') && time.contains('T'), "{time}");
        assert!(name.starts_with("dbgsrv["), "{name}");
        event.to_owned()
    };
    text.lines().map(event).collect()
}

/// The events of this name, once there are so many.
#[track_caller]
pub(crate) fn wait_for(trail: &Path, name: &str, count: usize) -> Vec<String> {
    until(name, || {
        let all = events(trail);
        let is_it = |event: &&String| event.split(' ').next() == Some(name);
        let found: Vec<String> = all.iter().filter(is_it).cloned().collect();
        (found.len() >= count).then_some(found)
    })
}

pub(crate) fn value<'a>(event: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = event.split_once(&format!(" {name}="))?;
    match behind.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => behind.split(' ').next(),
    }
}

/// When a process started, in clock ticks (proc_pid_stat(5), field 22).
fn start_time(pid: Pid) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    fields.split_ascii_whitespace().nth(19).expect("the field").to_owned()
}

#[test]
fn what_a_client_does_is_written() {
    let guard = Guard::new();
    let (server, trail) = server(&guard);
    let mut client = server.connect();
    let mode = std::fs::metadata(&trail).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let testee = Testee::build("spin", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let turns = address_of(&testee, &stop, "turns");
    client.write(target, turns, b"mysecret").expect("it is there");
    client.set_register(target, stop.tid(), RegisterId::new(0), 7);
    client.detach(target);
    let (target, _) = client.start(&testee, &["an-argument"]);
    client.kill(target);
    client.try_attach(Pid::new(4_000_000)).expect_err("there is none");
    let missing = guard.directory().join("missing");
    let path = missing.as_os_str().as_encoded_bytes().to_vec();
    client.call(&OpenFile { path: path.clone(), ..OpenFile::default() }).expect_err("no file");
    client.call(&RemoveFile { path, target: 0 }).expect_err("no file");
    drop(client);
    wait_for(&trail, "end-session", 1);
    let all = events(&trail);
    let names: Vec<&str> = all.iter().filter_map(|event| event.split(' ').next()).collect();
    let expected = [
        "begin-server",
        "login",
        "attach",
        "write-memory",
        "write-registers",
        "detach",
        "launch",
        "kill",
        "attach",
        "open-file",
        "remove-file",
        "end-session",
    ];
    assert_eq!(names, expected, "{all:#?}");
    assert_eq!(value(&all[0], "at"), Some("npipe:pipe=test"));
    assert_eq!(value(&all[1], "client"), Some(format!("process {}", std::process::id()).as_str()));
    assert_eq!(value(&all[1], "how"), Some("same user"));
    let pid = process.pid().to_string();
    let program = testee.path().to_str().expect("text");
    for (index, event) in all.iter().enumerate().skip(2) {
        assert_eq!(value(event, "session"), Some("1"), "{event}");
        assert_eq!(value(event, "user"), value(&all[1], "user"), "{event}");
        if (2..=5).contains(&index) {
            assert_eq!(value(event, "pid"), Some(pid.as_str()), "{event}");
            let started = start_time(process.pid());
            assert_eq!(value(event, "started"), Some(started.as_str()), "{event}");
        }
        if (2..=7).contains(&index) {
            assert_eq!(value(event, "program"), Some(program), "{event}");
            assert!(event.ends_with(" result=done"), "{event}");
        }
    }
    assert_eq!(value(&all[3], "len"), Some("8"));
    assert_eq!(value(&all[3], "at"), Some(format!("{:#x}", turns.value()).as_str()));
    assert_eq!(value(&all[8], "result"), Some("NoSuchProcess"));
    assert_eq!(value(&all[9], "path"), missing.to_str());
    assert_eq!(value(&all[9], "access"), Some("read"));
    let text = std::fs::read_to_string(&trail).expect("it is there");
    assert!(!text.contains("mysecret") && !text.contains("an-argument"), "{text}");
}

#[test]
fn a_program_cannot_write_lines_by_its_name() {
    let guard = Guard::new();
    let (server, trail) = server(&guard);
    let testee = Testee::build("spin", &[]);
    let name = "x\n2026-01-01T00:00:00.000Z dbgsrv[1]: login result=\"let in\"\u{1b}[2J";
    let program = guard.directory().join(name.replace('/', "_"));
    std::fs::copy(testee.path(), &program).expect("a copy");
    let mut client = server.connect();
    let target = client.launch(&program, &[]).expect("it starts");
    client.wait_stop();
    client.kill(target);
    drop(client);
    wait_for(&trail, "end-session", 1);
    let launches = wait_for(&trail, "launch", 1);
    assert_eq!(events(&trail).len(), 5, "{:#?}", events(&trail));
    assert!(
        launches[0].contains("/x\\x0a2026-01-01T00:00:00.000Z dbgsrv[1]: login result=\\\"let")
    );
    assert!(!std::fs::read_to_string(&trail).expect("it").contains('\u{1b}'));
}

#[test]
fn a_file_that_is_renamed_is_left_by_sessions_too() {
    let guard = Guard::new();
    let (server, trail) = server(&guard);
    let mut client = server.connect();
    client.try_attach(Pid::new(4_000_000)).expect_err("there is none");
    let old = guard.directory().join("trail.1");
    std::fs::rename(&trail, &old).expect("it is there");
    client.try_attach(Pid::new(4_000_001)).expect_err("there is none");
    assert_eq!(wait_for(&trail, "attach", 1).len(), 1);
    assert_eq!(wait_for(&old, "attach", 1).len(), 1);
    drop(client);
    wait_for(&trail, "end-session", 1);
}

#[test]
fn who_has_shown_what_is_written_and_no_password() {
    const PASSWORD: &str = "Zw83kdLq0x1B";
    let guard = Guard::new();
    let trail = guard.directory().join("trail");
    let transport = format!("tcp:port=0,password={PASSWORD}");
    let place = trail.clone();
    let server = Server::at_port(&guard, PROGRAM, &transport, "tcp:server=localhost", |command| {
        command.arg("-audit").arg(place);
    });
    let string = server.endpoint().to_connect_string();
    let connect = |password: &str| {
        let endpoint: ClientEndpoint =
            format!("{string},password={password}").parse().expect("an endpoint");
        dbglink::connect(&endpoint, &RunDir::of_this_user(), DEADLINE)
    };
    connect("wrong").expect_err("it is wrong");
    let mut client = Client::open(connect(PASSWORD).expect("it is right"));
    client.call(&EndServer {}).expect("it may");
    drop(client);
    wait_for(&trail, "end-server", 1);
    let logins = wait_for(&trail, "login", 2);
    assert_eq!(value(&logins[0], "result"), Some("turned away"));
    assert_eq!(value(&logins[0], "why"), Some("the password is wrong; error 0x80004005"));
    assert_eq!(value(&logins[1], "how"), Some("password"));
    assert_eq!(value(&logins[1], "result"), Some("let in"));
    for login in &logins {
        assert_eq!(value(login, "transport"), Some("tcp"));
        let peer = value(login, "client").expect("an address");
        assert!(peer.starts_with("127.0.0.1:") || peer.starts_with("[::1]:"), "{peer}");
    }
    assert_eq!(wait_for(&trail, "ask-for-end", 1).len(), 1);
    assert_eq!(wait_for(&trail, "end-server", 1), ["end-server why=\"asked for\""]);
    assert!(!std::fs::read_to_string(&trail).expect("it is there").contains(PASSWORD));
}

#[test]
fn a_client_that_changes_sessions_can_be_followed() {
    let guard = Guard::new();
    let (server, trail) = server(&guard);
    let testee = Testee::build("spin", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let mut client = server.connect();
    let (target, _) = client.attach(process.pid());
    client.call(&Abandon { target: target.id }).expect("it stands still");
    drop(client);
    let pid = process.pid().value();
    let mut other = until("the process to be kept", || {
        let mut other = server.connect();
        other.call(&Claim { pid }).ok().map(|_| other)
    });
    other.call(&ServerInfo {}).expect("it answers");
    let over = wait_for(&trail, "hand-over", 1);
    assert_eq!(value(&over[0], "pid"), Some(pid.to_string().as_str()));
    assert_ne!(value(&over[0], "session"), Some("1"));
    assert!(value(&over[0], "client").is_some());
    let claims = wait_for(&trail, "claim", 1);
    let claim = claims.last().expect("one");
    assert_eq!(value(claim, "session"), Some("1"));
    assert_eq!(value(claim, "handed-over-with"), Some(pid.to_string().as_str()));
    assert_eq!((value(claim, "client"), value(claim, "result")), (None, Some("done")));
}

#[test]
fn nothing_is_written_where_nothing_is_wanted() {
    let guard = Guard::new();
    let server = Server::npipe_with(&guard, PROGRAM, |command| {
        command.args(["-audit", "none"]).env("DBGSRV_AUDIT", guard.directory().join("trail"));
    });
    let mut client = server.connect();
    let info = client.call(&ServerInfo {}).expect("it answers");
    client.try_attach(Pid::new(4_000_000)).expect_err("there is none");
    let environment = std::fs::read(format!("/proc/{}/environ", info.pid)).expect("it lives");
    assert!(!environment.windows(12).any(|window| window == b"DBGSRV_AUDIT"));
    drop(client);
    assert!(!guard.directory().join("trail").exists());
}

#[test]
fn a_place_that_is_none_keeps_the_server_from_starting() {
    let guard = Guard::new();
    for (place, said) in [
        ("/nonexistent/trail", "cannot write the audit trail /nonexistent/trail: No such file"),
        ("/dev/null", "it is no regular file"),
    ] {
        let mut command = guard.command(PROGRAM);
        command.args(["-t", "npipe:pipe=test", "-audit", place]);
        let output = command.env("DBGSRV_RUN_DIR", guard.directory().join("run")).output();
        let output = output.expect("it starts");
        assert_eq!(output.status.code(), Some(1));
        let heard = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(heard.contains(said) && heard.contains("-audit"), "{heard}");
    }
}

/// Takes messages as the journal does, and prints each as one line.
const JOURNAL: &str = "
import os, socket
os.makedirs('/run/systemd/journal')
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind('/run/systemd/journal/socket')
print('ready', flush=True)
while True:
    message = journal.recv(65536)
    if message:
        print(message.decode().replace('\\n', '|'), flush=True)
";

#[test]
fn where_there_is_a_journal_it_is_told() {
    let guard = Guard::new();
    let run = PrivateRun::new(&guard);
    let mut command = run.command(&guard, "python3");
    command.args(["-c", JOURNAL]).stdout(std::process::Stdio::piped());
    let mut journal = Process::spawn(&mut command);
    assert_eq!(journal.read_line(), "ready");
    let mut command = run.command(&guard, PROGRAM);
    command.args(["-t", "tcp:port=0"]);
    let mut server = Process::spawn(&mut command);
    let begun = journal.read_line();
    assert!(begun.starts_with("MESSAGE=begin-server at=\"tcp:port="), "{begun}");
    let port: u16 = begun
        .split_once("port=")
        .and_then(|(_, behind)| behind.split('"').next()?.parse().ok())
        .expect("the port in use");
    let endpoint: ClientEndpoint =
        format!("tcp:server=127.0.0.1,port={port}").parse().expect("an endpoint");
    let link = dbglink::connect(&endpoint, &RunDir::of_this_user(), DEADLINE);
    let mut client = Client::open(link.expect("it listens"));
    let login = journal.read_line();
    for field in ["|SYSLOG_IDENTIFIER=dbgsrv|", "|PRIORITY=6|", "|DBGSRV_EVENT=login|"] {
        assert!(login.contains(field), "{login}");
    }
    assert!(login.contains("|DBGSRV_RESULT=let in|"), "{login}");
    client.try_attach(Pid::new(4_000_000)).expect_err("there is none");
    let attach = journal.read_line();
    for field in ["|PRIORITY=4|", "|DBGSRV_EVENT=attach|", "|DBGSRV_SESSION=1|"] {
        assert!(attach.contains(field), "{attach}");
    }
    // A journal that is gone stops nobody.
    journal.signal(Signal::SIGKILL);
    journal.wait();
    client.try_attach(Pid::new(4_000_000)).expect_err("there is none");
    drop(client);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
}
