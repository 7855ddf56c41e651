//! The list against what is known to run.

use std::path::Path;
use std::process::{Command, Stdio};

use dbgbase::{ExitStatus, Pid, Signal, Tid};
use dbglink::{RunDir, user_name};
use testkit::{Client, Guard, PrivateRun, Process, Server, Testee, procfs, programs, until};

use crate::PROGRAM;

/// The lines of one list, without the times.
#[derive(Debug)]
struct List {
    servers: Vec<Vec<String>>,
    sessions: Vec<Vec<String>>,
    text: String,
}

/// Takes a list, which must succeed.
#[track_caller]
fn list(mut command: Command) -> List {
    let output = command.arg("list").stderr(Stdio::piped()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    let text = String::from_utf8(output.stdout).expect("text");
    let (servers, sessions) = text.split_once("\n\n").unwrap_or((&text, ""));
    List { servers: rows(servers), sessions: rows(sessions), text: text.clone() }
}

/// The cells of a table's rows by the places of its headings, without the columns of times.
fn rows(table: &str) -> Vec<Vec<String>> {
    let mut lines = table.lines();
    let heading = lines.next().unwrap_or_default();
    let starts: Vec<usize> = heading
        .match_indices(|letter: char| letter.is_ascii_uppercase())
        .map(|(index, _)| index)
        .filter(|index| *index == 0 || heading[..*index].ends_with("  "))
        .collect();
    let cells = |line: &str| {
        let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
        let cell = |(start, end): (&usize, usize)| {
            let name = heading.get(*start..end.min(heading.len())).unwrap_or_default();
            let cell = line.get(*start..end.min(line.len())).unwrap_or_default().trim();
            (!name.starts_with("SINCE")).then(|| cell.to_owned())
        };
        starts.iter().zip(ends).filter_map(cell).collect()
    };
    lines.map(cells).collect()
}

fn list_in(guard: &Guard, run_dir: &Path) -> List {
    let mut command = guard.command(PROGRAM);
    command.env("DBGSRV_RUN_DIR", run_dir);
    list(command)
}

fn me() -> String {
    user_name(rustix::process::geteuid().as_raw())
}

fn target(pid: Pid) -> String {
    let name = procfs::status(pid, Tid::from(pid), "Name").expect("it lives");
    format!("{pid} ({name})")
}

/// A second server in the run directory of a first one.
fn serve(guard: &Guard, run_dir: &Path, transport: &str) -> Process {
    let mut command = guard.command(programs::dbgsrv());
    Process::spawn(command.args(["-t", transport]).env("DBGSRV_RUN_DIR", run_dir))
}

#[test]
fn where_there_is_no_server_that_is_said() {
    let guard = Guard::new();
    assert_eq!(list_in(&guard, guard.directory()).text, "No process server was found.\n");
    let nowhere = guard.directory().join("nowhere");
    assert_eq!(list_in(&guard, &nowhere).text, "No process server was found.\n");
}

#[test]
fn servers_sessions_and_targets_are_listed_while_they_live() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    let mut client = server.connect();
    let mut hidden = serve(&guard, server.run_dir(), "npipe:pipe=secret,hidden");
    let endpoint = "npipe:server=.,pipe=secret".parse().expect("a pipe");
    let run_dir = RunDir::at(server.run_dir());
    let connect = || dbglink::connect(&endpoint, &run_dir, testkit::DEADLINE).ok();
    let mut other = Client::open(until("the hidden server to listen", connect));

    let mut waits = guard.start(Testee::build("waits", &[]).path(), &["3"]);
    assert_eq!(waits.read_line(), "ready");
    let (attached, _) = client.attach(waits.pid());
    let (created, _) = client.start(&Testee::build("spin", &[]), &[]);
    client.go(created);

    let listed = list_in(&guard, server.run_dir());
    let (first, second) = (server.pid().to_string(), hidden.pid().to_string());
    let mut servers = listed.servers.clone();
    servers.sort_by_key(|row| row[2].clone());
    assert_eq!(
        servers,
        [
            [&second, &me(), "hidden", "npipe:Pipe=secret,Hidden"],
            [&first, &me(), "yes", "npipe:Pipe=test"],
        ]
    );
    let this = format!("process {}", std::process::id());
    let mut targets = [attached.pid, created.pid];
    targets.sort();
    let targets = targets.map(target).join(", ");
    // The hidden server's number and the other's are those of separate series.
    let of_first = [&first, "1", &me(), &this, &targets];
    let of_second = [&second, "1", &me(), &this, "-"];
    assert_eq!(listed.sessions.len(), 2, "{}", listed.text);
    assert!(listed.sessions.iter().any(|row| *row == of_first), "{}", listed.text);
    assert!(listed.sessions.iter().any(|row| *row == of_second), "{}", listed.text);

    client.detach(attached);
    let fault = other.try_attach(created.pid).expect_err("it is debugged");
    let session = format!("by session 1 of {} (process server {first})", me());
    assert!(fault.detail.ends_with(&session), "{}", fault.detail);
    let listed = list_in(&guard, server.run_dir());
    let of_first = [&first, "1", &me(), &this, &target(created.pid)];
    assert!(listed.sessions.iter().any(|row| *row == of_first), "{}", listed.text);

    drop(client);
    until("the session to end", || {
        let listed = list_in(&guard, server.run_dir());
        (listed.sessions == [of_second.map(str::to_owned)]).then_some(())
    });
    hidden.signal(Signal::SIGTERM);
    assert_eq!(hidden.wait(), ExitStatus::Exited(0));
    let listed = list_in(&guard, server.run_dir());
    assert_eq!(listed.servers.len(), 1, "{}", listed.text);
    assert!(listed.text.ends_with("\n\nNo session is open.\n"), "{}", listed.text);
    drop(other);
}

#[test]
fn a_target_whose_leader_has_ended_is_listed() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    let mut client = server.connect();
    let mut process = guard.start(Testee::build("leader_ends", &[]).path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    until("the leader to end", || (procfs::state(pid, Tid::from(pid)) == Some('Z')).then_some(()));
    let (attached, _) = client.attach(pid);
    let listed = list_in(&guard, server.run_dir());
    let targets = listed.sessions.first().and_then(|row| row.last());
    assert_eq!(targets, Some(&target(pid)), "{}", listed.text);
    client.detach(attached);
    process.close_input();
    process.wait();
}

#[test]
fn everybody_sees_the_machines_servers_and_the_own_ones() {
    let guard = Guard::new();
    let room = PrivateRun::new(&guard);
    let start =
        |mut command: Command, transport: &str| Process::spawn(command.args(["-t", transport]));
    let dbgsrv = programs::dbgsrv();
    let of_root = start(room.command(&guard, &dbgsrv), "npipe:pipe=of_root");
    let hidden = start(room.command(&guard, &dbgsrv), "npipe:pipe=secret,hidden");
    let count = || list(room.command(&guard, PROGRAM)).servers.len();
    until("two servers", || (count() == 2).then_some(()));
    // Only root can become nobody.
    let Some((command, run_dir)) = room.command_as_nobody(&guard, &dbgsrv) else { return };
    let own = start(command, "tcp:port=0");
    let as_nobody = || {
        let mut command = room.command(&guard, "setpriv");
        command.args(["--reuid=65534", "--clear-groups", "--", PROGRAM]);
        command.env("XDG_RUNTIME_DIR", run_dir.parent().expect("a session's folder"));
        list(command)
    };
    until("its entry", || (as_nobody().servers.len() == 2).then_some(()));
    let pids_and_listed = |list: &List| {
        let cells = |row: &Vec<String>| (row[0].clone(), row[2].clone());
        let mut rows: Vec<(String, String)> = list.servers.iter().map(cells).collect();
        rows.sort();
        rows
    };
    let expected = |rows: &[(&Process, &str)]| {
        let row = |(process, listed): &(&Process, &str)| {
            (process.pid().to_string(), (*listed).to_owned())
        };
        let mut rows: Vec<(String, String)> = rows.iter().map(row).collect();
        rows.sort();
        rows
    };
    let seen = pids_and_listed(&as_nobody());
    assert_eq!(seen, expected(&[(&of_root, "yes"), (&own, "unelevated")]));
    let seen = pids_and_listed(&list(room.command(&guard, PROGRAM)));
    assert_eq!(seen, expected(&[(&of_root, "yes"), (&hidden, "hidden")]));
}

#[test]
fn a_registry_that_is_not_trusted_is_said() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(server.run_dir(), open).expect("own directory");
    let mut command = guard.command(PROGRAM);
    let output = command.arg("list").env("DBGSRV_RUN_DIR", server.run_dir()).output();
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("dbgsrvctl: run directory") && said.contains("777"), "{said}");
    assert_eq!(output.stdout, b"No process server was found.\n");
}
