//! Clients that have to show who they are: a login process stands between them and their sessions,
//! which do not notice. The server is `examples/doorkeeper.rs`.

use std::io::{Read, Write};
use std::os::fd::AsFd;

use dbgbase::{ExitStatus, Pid, Signal};
use dbglink::{Link, RunDir};
use dbgwire::verbs::server::ServerInfo;
use testkit::footprint::changed_code;
use testkit::{Client, Guard, Process, Testee, memory_file, procfs, send_signal, until};

use crate::address_of;

/// The server that asks.
struct Doorkeeper {
    process: Process,
    run_dir: RunDir,
}

impl Doorkeeper {
    fn start(guard: &Guard) -> Doorkeeper {
        let run_dir = guard.directory().join("run");
        let mut command = guard.command(testkit::programs::doorkeeper());
        command.arg("door").env("DBGSRV_RUN_DIR", &run_dir);
        Doorkeeper { process: Process::spawn(&mut command), run_dir: RunDir::at(run_dir) }
    }

    fn link(&self) -> Link {
        let endpoint = "npipe:server=localhost,pipe=door".parse().expect("an endpoint");
        let connect = || dbglink::connect(&endpoint, &self.run_dir, testkit::DEADLINE).ok();
        until("the server to listen", connect)
    }

    /// A client that has said the right words.
    fn client(&self) -> Client {
        let link = self.link();
        let copy = Link::from(link.as_fd().try_clone_to_owned().expect("a descriptor"));
        let (mut reader, mut writer) = copy.split();
        writer.write_all(b"let me in as alice\n").expect("it reads");
        let mut answer = [0; 8];
        reader.read_exact(&mut answer).expect("it answers");
        assert_eq!(&answer, b"welcome\n");
        Client::open(link)
    }

    /// The processes that the server has started, with this first argument.
    fn children(&self, mark: &str) -> Vec<Pid> {
        let parent = self.process.pid().to_string();
        let is_child = |pid: &Pid| {
            procfs::status(*pid, (*pid).into(), "PPid").as_ref() == Some(&parent)
                && std::fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.split(|byte| *byte == 0).nth(1) == Some(mark.as_bytes()))
        };
        procfs::pids().into_iter().filter(is_child).collect()
    }

    fn end(mut self) {
        self.process.signal(Signal::SIGTERM);
        assert_eq!(self.process.wait(), ExitStatus::Exited(0));
    }
}

/// What a peer reads until its link ends.
fn read_to_end(link: Link) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A link that is reset has ended, too.
    let _ = link.split().0.read_to_end(&mut bytes);
    bytes
}

#[test]
fn who_is_let_in_debugs_as_anybody_else() {
    let guard = Guard::new();
    let door = Doorkeeper::start(&guard);
    let mut client = door.client();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["3"]);
    client.insert(target, 1, address_of(&testee, &stop, "work"));
    for _ in 0..3 {
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [1]);
    }
    let session = Pid::new(client.call(&ServerInfo {}).expect("it answers").pid);
    let line = std::fs::read(format!("/proc/{session}/cmdline")).expect("it lives");
    assert!(line.split(|byte| *byte == 0).any(|word| word == b"alice"), "ps shows the user");
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    drop(client);
    let is_gone = || door.children("@login").is_empty() && !procfs::is_alive(session);
    until("both processes to end", || is_gone().then_some(()));
    door.end();
}

#[test]
fn who_is_not_let_in_reaches_no_session() {
    let guard = Guard::new();
    let door = Doorkeeper::start(&guard);
    let long = [b'x'; 100];
    for words in [&b"open sesame\n"[..], b"let me in as \n", b"\xff\n", &long] {
        let link = door.link();
        let copy = Link::from(link.as_fd().try_clone_to_owned().expect("a descriptor"));
        copy.split().1.write_all(words).expect("it reads");
        let answer = read_to_end(link);
        assert!(answer.is_empty() || answer == b"welcome\n", "{answer:?}");
        assert_eq!(door.children("@session"), []);
    }
    drop(door.client());
    door.end();
}

#[test]
fn who_says_nothing_is_not_waited_for_and_keeps_nobody_out() {
    let guard = Guard::new();
    let door = Doorkeeper::start(&guard);
    let silent: Vec<Link> = (0..20).map(|_| door.link()).collect();
    assert!(door.children("@login").len() <= 5, "at most four at once, and the next");
    let mut client = door.client();
    client.call(&ServerInfo {}).expect("it answers");
    for link in silent {
        assert_eq!(read_to_end(link), b"");
    }
    client.call(&ServerInfo {}).expect("who was let in stays");
    drop(client);
    door.end();
}

#[test]
fn a_login_process_that_dies_is_a_lost_link() {
    let guard = Guard::new();
    let door = Doorkeeper::start(&guard);
    let mut client = door.client();
    let logins = door.children("@login");
    assert_eq!(logins.len(), 1);
    let mut other = door.client();
    let testee = Testee::build("spin", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let turns = address_of(&testee, &stop, "turns");
    client.insert(target, 1, address_of(&testee, &stop, "turn"));
    send_signal(logins[0], Signal::SIGKILL);
    client.wait_end();
    let pid = process.pid();
    let is_free = || procfs::tracer(pid, pid.into()) == Some(0);
    until("the process to be left", || is_free().then_some(()));
    assert_eq!(changed_code(pid), []);
    let counted = memory_file::read_u64(pid, turns);
    until("it to run", || (memory_file::read_u64(pid, turns) > counted).then_some(()));
    other.call(&ServerInfo {}).expect("others do not notice");
    drop(other);
    door.end();
}

#[test]
fn a_session_that_dies_ends_the_link() {
    let guard = Guard::new();
    let door = Doorkeeper::start(&guard);
    let mut client = door.client();
    let session = Pid::new(client.call(&ServerInfo {}).expect("it answers").pid);
    send_signal(session, Signal::SIGKILL);
    client.wait_end();
    until("the login process to end", || door.children("@login").is_empty().then_some(()));
    drop(door.client());
    door.end();
}
