//! What becomes of targets when something else ends: the client, the session, the server.

use std::time::Duration;

use bytes::Bytes;
use dbgbase::{ExitStatus, Pid, Signal, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::inject::InjectSyscall;
use dbgwire::verbs::process::ListProcesses;
use dbgwire::verbs::server::{EndServer, Ping, ServerInfo};
use dbgwire::verbs::site::Site;
use dbgwire::version::Capabilities;
use testkit::footprint::changed_code;
use testkit::{
    Client, Event, Guard, Process, Server, Testee, memory_file, procfs, send_signal, site, until,
};

use crate::{PROGRAM, address_of, begin};

/// An attached and a launched target, both with a site that is hit all the time.
struct Scene {
    attached: Process,
    launched: Pid,
    total: dbgbase::Address,
}

/// Attaches to one process and launches another; both run over sites that nobody is told of.
fn set_up(guard: &Guard, client: &mut Client) -> Scene {
    let testee = Testee::build("threads", &[]);
    let mut attached = guard.start(testee.path(), &["4", "0"]);
    assert_eq!(attached.read_line(), "ready");
    let (target, stop) = client.attach(attached.pid());
    let hit = address_of(&testee, &stop, "hit");
    client.insert_site(target, Site { tid: 1, ..site(1, hit) });
    client.go(target);
    let spin = Testee::build("spin", &[]);
    let (other, other_stop) = client.start(&spin, &[]);
    client.insert_site(other, Site { tid: 1, ..site(1, address_of(&spin, &other_stop, "turn")) });
    client.go(other);
    Scene { attached, launched: other.pid, total: address_of(&testee, &stop, "total") }
}

impl Scene {
    /// The attached process runs on, clean; the launched one is gone.
    #[track_caller]
    fn assert_left(mut self) {
        let pid = self.attached.pid();
        let is_free = || procfs::tids(pid).iter().all(|tid| procfs::tracer(pid, *tid) == Some(0));
        until("the attached process to be left", || is_free().then_some(()));
        assert_eq!(changed_code(pid), []);
        let counted = memory_file::read_u64(pid, self.total);
        until("it to run", || (memory_file::read_u64(pid, self.total) > counted).then_some(()));
        self.attached.close_input();
        assert_eq!(self.attached.wait(), ExitStatus::Exited(0));
        until("the launched process to end", || (!procfs::is_alive(self.launched)).then_some(()));
    }
}

#[test]
fn a_client_that_goes_leaves_nothing_behind() {
    let (guard, _server, mut client) = begin();
    let scene = set_up(&guard, &mut client);
    drop(client);
    scene.assert_left();
}

#[test]
fn a_client_that_goes_at_a_stop_leaves_nothing_behind() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("threads", &[]);
    let mut process = guard.start(testee.path(), &["4", "0"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    client.insert(target, 1, address_of(&testee, &stop, "hit"));
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1]);
    let launched = client.start(&Testee::build("spin", &[]), &[]).0.pid;
    let total = address_of(&testee, &stop, "total");
    drop(client);
    Scene { attached: process, launched, total }.assert_left();
}

#[test]
fn a_session_that_is_asked_to_end_says_so_and_leaves_nothing_behind() {
    let (guard, _server, mut client) = begin();
    let scene = set_up(&guard, &mut client);
    let session = client.call(&ServerInfo {}).expect("it answers").pid;
    send_signal(Pid::new(session), Signal::SIGTERM);
    let Event::Ending(reason) = client.wait_event() else { panic!("the end is not told") };
    assert_eq!(reason, "the process server is ending");
    client.wait_end();
    scene.assert_left();
}

#[test]
fn the_server_is_ended_by_a_client() {
    let (guard, mut server, mut client) = begin();
    let scene = set_up(&guard, &mut client);
    assert!(client.welcome().capabilities().has(Capabilities::END_SERVER));
    let mut other = server.connect();
    let silent = server.link();
    assert!(server.socket_path().exists());
    other.call(&EndServer {}).expect("it can be ended");
    for client in [&mut client, &mut other] {
        assert!(matches!(client.wait_event(), Event::Ending(_)));
        client.wait_end();
    }
    assert_eq!(server.process().wait(), ExitStatus::Exited(0));
    assert!(!server.socket_path().exists());
    drop(silent);
    scene.assert_left();
}

#[test]
fn the_server_is_ended_by_a_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (guard, mut server, mut client) = begin();
        let scene = set_up(&guard, &mut client);
        server.process().signal(signal);
        assert!(matches!(client.wait_event(), Event::Ending(_)));
        client.wait_end();
        assert_eq!(server.process().wait(), ExitStatus::Exited(0), "{signal}");
        assert!(!server.socket_path().exists());
        scene.assert_left();
    }
}

#[test]
fn a_client_that_takes_nothing_does_not_hold_up_the_end() {
    use dbgwire::verbs::memory::{Range, ReadMemory};
    let (guard, mut server, mut client) = begin();
    let scene = set_up(&guard, &mut client);
    let reads = ReadMemory {
        target: 1,
        ranges: vec![Range { address: scene.total.value() & !0xfff, len: 4096 }; 200],
    };
    // More answers than a socket holds, none of which is ever read.
    for _ in 0..20 {
        client.send(&reads, Vec::new());
    }
    server.process().signal(Signal::SIGTERM);
    assert_eq!(server.process().wait(), ExitStatus::Exited(0));
    scene.assert_left();
}

#[test]
fn sessions_outlive_a_listener_that_is_killed() {
    let (guard, mut server, mut client) = begin();
    let scene = set_up(&guard, &mut client);
    server.process().signal(Signal::SIGKILL);
    assert_eq!(server.process().wait(), ExitStatus::Killed(Signal::SIGKILL));
    assert_eq!(client.pending_events(), []);
    drop(client);
    scene.assert_left();
}

#[test]
fn sessions_do_not_see_each_others_targets() {
    let (_guard, server, mut client) = begin();
    let mut other = server.connect();
    assert_ne!(client.welcome().session, other.welcome().session);
    let testee = Testee::build("count", &[]);
    let (first, stop) = client.start(&testee, &["20"]);
    let (second, other_stop) = other.start(&testee, &["20"]);
    assert_eq!((first.id, second.id), (1, 1));
    assert_ne!(first.pid, second.pid);
    client.insert(first, 1, address_of(&testee, &stop, "work"));
    other.insert(second, 1, address_of(&testee, &other_stop, "work"));
    for _ in 0..20 {
        client.go(first);
        other.go(second);
        assert_eq!(client.wait_stop().sites(), [1]);
        assert_eq!(other.wait_stop().sites(), [1]);
    }
    drop(client);
    other.go(second);
    assert_eq!(other.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_number_is_not_given_again_before_it_is_answered() {
    let (_guard, server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("spin", &[]), &[]);
    // It blocks in the target for as long as it may.
    let poll = InjectSyscall { target: target.id, number: 7, ..InjectSyscall::default() };
    let poll = InjectSyscall { arguments: vec![0, 0, 60_000], patience_ms: 60_000, ..poll };
    let id = client.send(&poll, Vec::new());
    let again = dbgwire::message::request(id, &Ping {}, Bytes::new()).expect("it is small");
    client.send_raw(&again.head);
    let Event::Ending(reason) = client.wait_event() else { panic!("another event") };
    assert_eq!(reason, format!("request {id} is sent again before it is answered"));
    client.wait_end();
    server.wait_until_idle();
}

#[test]
fn a_server_listens_at_a_port_as_well() {
    let guard = Guard::new();
    let server = Server::tcp(&guard, PROGRAM);
    let mut client = server.connect();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["3"]);
    client.insert(target, 1, address_of(&testee, &stop, "work"));
    for _ in 0..3 {
        client.go(target);
        assert_eq!(client.wait_stop().sites(), [1]);
    }
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    let scene = set_up(&guard, &mut client);
    drop(client);
    scene.assert_left();
}

#[test]
fn the_server_says_who_it_is() {
    let (_guard, server, mut client) = begin();
    let info = client.call(&ServerInfo {}).expect("it answers");
    assert_eq!(info.arch, std::env::consts::ARCH);
    assert_eq!(info.version, env!("CARGO_PKG_VERSION"));
    assert_eq!(info.uid, rustix::process::geteuid().as_raw());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    assert_eq!(info.machine, host.trim());
    assert_ne!(info.pid, server.pid().value(), "each session is a process of its own");
    let session = Pid::new(info.pid);
    assert_eq!(procfs::status(session, Tid::from(session), "PPid"), Some(server.pid().to_string()));
    assert!(info.cpus >= 1 && info.uptime_ms > 0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    assert!(now.abs_diff(info.clock_s) <= Duration::from_secs(60).as_secs());
}

#[test]
fn processes_are_listed_with_what_is_known_of_them() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path(), &["3"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid().value();
    let one = ListProcesses { after: 0, pid, details: true };
    let reply = client.call(&one).expect("it answers");
    let found = &reply.processes[0];
    assert_eq!((reply.processes.len(), reply.more), (1, false));
    assert_eq!((found.pid, found.parent), (pid, std::process::id()));
    let path = testee.path().as_os_str().as_encoded_bytes();
    assert_eq!(found.executable, path);
    assert_eq!(found.arguments, [path, b"3"]);
    assert_eq!(Some(found.name.as_str()), testee.path().file_name().and_then(|name| name.to_str()));
    assert_eq!((found.threads, found.tracer), (3, 0));
    let (target, _) = client.attach(process.pid());
    let reply = client.call(&one).expect("it answers");
    assert_ne!(reply.processes[0].tracer, 0);
    client.detach(target);
    // A page of them begins shortly before ours, however many there are.
    let all = ListProcesses { after: pid - 1, pid: 0, details: false };
    let all = client.call(&all).expect("it answers").processes;
    assert!(all.is_sorted_by_key(|process| process.pid));
    assert!(all.iter().any(|process| process.pid == pid && process.arguments.is_empty()));
    let rest = ListProcesses { after: pid, pid: 0, details: false };
    let rest = client.call(&rest).expect("it answers").processes;
    assert!(rest.iter().all(|process| process.pid > pid));
    let nobody = ListProcesses { after: 0, pid: u32::MAX >> 1, details: false };
    assert_eq!(client.call(&nobody).expect("it answers").processes, []);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_session_without_a_server_cannot_end_one() {
    let guard = Guard::new();
    let journal = dbgsrv::journal::Journal::create().expect("a journal");
    let journal = std::os::fd::AsFd::as_fd(&journal).try_clone_to_owned().expect("a descriptor");
    let (mut session, mut client) = testkit::Embedded::start(&guard, PROGRAM, journal);
    assert!(!client.welcome().capabilities().has(Capabilities::END_SERVER));
    let fault = client.call(&EndServer {}).expect_err("there is none");
    assert_eq!(fault.code, ErrorCode::Unsupported);
    let scene = set_up(&guard, &mut client);
    drop(client);
    assert_eq!(session.process().wait(), ExitStatus::Exited(0));
    scene.assert_left();
}

#[test]
fn a_program_may_share_the_terminal_of_an_embedded_session() {
    use dbgwire::verbs::process::{Launch, Terminal};
    let guard = Guard::new();
    let journal = dbgsrv::journal::Journal::create().expect("a journal");
    let journal = std::os::fd::AsFd::as_fd(&journal).try_clone_to_owned().expect("a descriptor");
    let (mut session, mut client) = testkit::Embedded::start(&guard, PROGRAM, journal);
    assert!(client.welcome().capabilities().has(Capabilities::SHARED_TERMINAL));
    let request = Launch {
        program: b"echo".to_vec(),
        arguments: vec![b"echo".to_vec(), b"hello".to_vec()],
        directory: Vec::new(),
        environment: Vec::new(),
        terminal: Terminal::Shared as i32,
        ..Launch::default()
    };
    let reply = client.call(&request).expect("it has a terminal to share");
    let target = testkit::Target { id: reply.target, pid: Pid::new(reply.pid) };
    client.wait_stop();
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    assert_eq!(session.process().read_line(), "hello");
}
