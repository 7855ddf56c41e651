//! What a process is, in one answer: everything of a process of one's own, what may be seen of
//! another's, and lists that do not outgrow a frame.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use dbgbase::{ExitStatus, Pid, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::description::{
    DESCRIBED_MAX, DescribeProcess, DescribeProcessReply, ProcessPart,
};
use dbgwire::verbs::process::{ARGUMENTS_LEN_MAX, ListProcesses, ProcessDescription};
use testkit::{Client, Guard, Testee, procfs, until};

use crate::begin;
use crate::refusals::serve;

const EVERYTHING: u32 = u32::MAX;

#[track_caller]
fn describe(client: &mut Client, pid: Pid, parts: u32, from: u32) -> DescribeProcessReply {
    let before = client.round_trips();
    let request = DescribeProcess { pid: pid.value(), parts, from };
    let reply = client.call(&request).expect("it may be looked at");
    assert_eq!(client.round_trips() - before, 1);
    reply
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64
}

/// The priority of this process, which those that it starts inherit.
fn nice() -> i32 {
    rustix::process::getpriority_process(None).expect("a priority")
}

#[test]
fn a_process_of_ones_own_is_described_wholly() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut command = guard.command(testee.path());
    command.args(["3", "two words"]).env_clear().env("A", "1").env("EMPTY", "");
    let (name, value) = guard.entry().split_once('=').expect("an entry");
    command.env(name, value).current_dir(guard.directory());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let born_ms = now_ms();
    let mut process = testkit::Process::spawn(&mut command);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let sleeps = || procfs::tids(pid).iter().all(|tid| procfs::state(pid, *tid) == Some('S'));
    until("its threads to sleep", || sleeps().then_some(()));
    let reply = describe(&mut client, pid, EVERYTHING, 0);
    assert_eq!((reply.faults.len(), reply.cut), (0, 0), "{:?}", reply.faults);
    // What it was given.
    let environment: BTreeSet<&[u8]> = reply.environment.iter().map(Vec::as_slice).collect();
    let given = [&b"A=1"[..], b"EMPTY=", guard.entry().as_bytes()];
    assert_eq!(environment, BTreeSet::from(given));
    let value_of =
        |key| reply.auxiliary.iter().find(|entry| entry.key == key).map(|entry| entry.value);
    assert_eq!(value_of(6), Some(4096)); // AT_PAGESZ
    assert_eq!(value_of(11), Some(u64::from(rustix::process::getuid().as_raw()))); // AT_UID
    assert_eq!(value_of(0), None);
    // What it has.
    let descriptors = reply.descriptors.iter().map(|descriptor| {
        format!("{} -> {}", descriptor.number, String::from_utf8_lossy(&descriptor.target))
    });
    assert_eq!(descriptors.collect::<Vec<_>>(), procfs::descriptors(pid));
    assert_eq!(reply.descriptors[1].flags & 3, 1, "it is written to");
    let limit = reply.limits.iter().find(|limit| limit.name == "open files").expect("a limit");
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert_eq!((limit.soft, limit.hard, limit.unit.as_str()), (own.current, own.maximum, "files"));
    let tids: Vec<u32> = procfs::tids(pid).iter().map(|tid| tid.value()).collect();
    assert_eq!(reply.threads.iter().map(|thread| thread.tid).collect::<Vec<_>>(), tids);
    for thread in &reply.threads {
        assert_eq!(Some(&thread.name), procfs::thread_name(pid, Tid::new(thread.tid)).as_ref());
        assert_eq!((thread.state, thread.nice, thread.policy), (u32::from('S'), nice(), 0));
        // Clock ticks are of 10 ms.
        assert!((born_ms.saturating_sub(10)..=now_ms()).contains(&thread.started_ms));
    }
    // Where it is.
    assert!(reply.namespaces.len() >= 7);
    assert!(reply.namespaces.iter().all(|namespace| namespace.is_servers));
    assert!(reply.control_group.starts_with(b"/"));
    let security = reply.security.as_ref().expect("it may be seen");
    assert_eq!(security.uids, [rustix::process::geteuid().as_raw(); 4]);
    assert_eq!((security.seccomp, security.no_new_privileges), (0, false));
    let places = reply.places.as_ref().expect("they may be seen");
    assert_eq!(places.executable, testee.path().as_os_str().as_encoded_bytes());
    let directory = std::fs::canonicalize(guard.directory()).expect("it exists");
    assert_eq!(places.working_directory, directory.as_os_str().as_encoded_bytes());
    assert_eq!(places.root, b"/");
    let notes = guard.output("readelf", &["--notes", &testee.path().display().to_string()]);
    let build_id: String = places.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(notes.contains(&format!("Build ID: {build_id}\n")), "{build_id} is not in {notes}");
    // Which it is.
    let listed = reply.process.expect("always");
    assert_eq!((listed.pid, listed.threads), (pid.value(), 3));
    assert_eq!(listed.arguments[1..], [b"3".to_vec(), b"two words".to_vec()]);
    assert!((born_ms.saturating_sub(10)..=now_ms()).contains(&listed.started_ms));
    assert_eq!((listed.namespaces, listed.container, listed.debugger.as_str()), (vec![], None, ""));
    // Only what is asked for.
    let reply = describe(&mut client, pid, ProcessPart::Limits.bit(), 0);
    assert!(!reply.limits.is_empty() && reply.threads.is_empty() && reply.environment.is_empty());
    assert!(reply.security.is_none() && reply.places.is_none());
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn times_of_threads_grow_as_they_run() {
    let (guard, _server, mut client) = begin();
    let process = guard.start(Testee::build("spin", &[]).path(), &[]);
    let parts = ProcessPart::Threads.bit();
    let ran =
        |reply: &DescribeProcessReply| reply.threads.iter().any(|each| each.user_us >= 20_000);
    until("two clock ticks", || ran(&describe(&mut client, process.pid(), parts, 0)).then_some(()));
    // By the machine's clock, as the dates of starts are.
    let before_ms = now_ms();
    let looked_ms = describe(&mut client, process.pid(), parts, 0).now_ms;
    assert!((before_ms - 2..=now_ms() + 1).contains(&looked_ms), "{before_ms}, {looked_ms}");
}

#[test]
fn another_users_process_shows_what_may_be_seen() {
    let guard = Guard::new();
    let (_session, mut client) = serve(&guard, &[]);
    // The first process is root's, as a rule, and the server an ordinary user's.
    let reply = describe(&mut client, Pid::new(1), EVERYTHING, 0);
    const EACCES: i32 = 13;
    let faults: Vec<(i32, i32)> =
        reply.faults.iter().map(|fault| (fault.part, fault.errno)).collect();
    let closed = [
        ProcessPart::Environment,
        ProcessPart::Auxiliary,
        ProcessPart::Descriptors,
        ProcessPart::Namespaces,
        ProcessPart::Places,
    ];
    assert_eq!(faults, closed.map(|part| (part as i32, EACCES)));
    assert!(!reply.limits.is_empty() && !reply.threads.is_empty());
    assert!(reply.environment.is_empty() && reply.places.is_none());
    assert_eq!(reply.security.expect("everybody may see it").uids, [0; 4]);
    assert_eq!(reply.process.expect("always").pid, 1);
}

#[test]
fn there_must_be_such_a_process() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("waits", &[]).path(), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let tids = procfs::tids(process.pid());
    let thread = tids.iter().find(|tid| **tid != process.leader()).expect("two threads").value();
    for pid in [0, u32::MAX, u32::MAX >> 1, thread] {
        let request = DescribeProcess { pid, parts: EVERYTHING, from: 0 };
        let fault = client.call(&request).expect_err("no process");
        assert_eq!(fault.code, ErrorCode::NoSuchProcess, "{}", fault.detail);
    }
}

#[test]
fn a_process_that_has_ended_or_a_thread_of_the_kernel_has_little_to_show() {
    let (guard, _server, mut client) = begin();
    let mut parent = guard.start(Testee::build("children", &[]).path(), &["zombie"]);
    let zombie = Pid::new(parent.read_line().parse().expect("the child's id"));
    let reply = describe(&mut client, zombie, EVERYTHING, 0);
    assert_eq!(reply.process.expect("always").state, u32::from('Z'));
    assert_eq!(reply.environment.len() + reply.descriptors.len(), 0);
    assert_eq!(reply.threads.len(), 1);
    let reply = describe(&mut client, Pid::new(2), EVERYTHING, 0);
    if reply.process.is_some_and(|process| process.name == "kthreadd") {
        assert!(reply.environment.is_empty() && reply.auxiliary.is_empty());
    }
}

/// A leader that has ended shows nothing; the threads that live do.
#[test]
fn a_process_whose_leader_has_ended_is_described() {
    let (guard, _server, mut client) = begin();
    let mut process = guard.start(Testee::build("leader_ends", &[]).path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let reply = describe(&mut client, process.pid(), EVERYTHING, 0);
    assert!(!reply.environment.is_empty() && !reply.descriptors.is_empty());
    assert!(reply.places.is_some_and(|places| !places.executable.is_empty()));
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(6));
}

#[test]
fn more_descriptors_than_fit_come_in_several_answers() {
    let (guard, _server, mut client) = begin();
    let count = DESCRIBED_MAX as u32 + 500;
    let script = format!(
        "import os, resource, sys\n\
         resource.setrlimit(resource.RLIMIT_NOFILE, ({count}, {count}))\n\
         for number in range(3, {count}): os.dup2(0, number)\n\
         print('ready', flush=True); sys.stdin.read()"
    );
    let mut process = guard.start("python3", &["-c", &script]);
    assert_eq!(process.read_line(), "ready");
    let parts = ProcessPart::Descriptors.bit();
    let first = describe(&mut client, process.pid(), parts, 0);
    assert_eq!((first.descriptors.len(), first.cut), (DESCRIBED_MAX, parts));
    let next = first.descriptors.last().expect("many").number + 1;
    let second = describe(&mut client, process.pid(), parts, next);
    assert_eq!(second.cut, 0);
    let both = [first.descriptors, second.descriptors].concat();
    let numbers: Vec<u32> = both.iter().map(|descriptor| descriptor.number).collect();
    assert_eq!(numbers, (0..count).collect::<Vec<u32>>());
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

/// Every process once, with answers that a frame holds. Each takes a few bytes more on the wire for
/// every argument, however short.
#[test]
fn a_thousand_processes_with_long_arguments_are_listed() {
    let (guard, _server, mut client) = begin();
    let arguments = vec![""; ARGUMENTS_LEN_MAX];
    let arguments: Vec<&str> = ["1100"].into_iter().chain(arguments).collect();
    let mut process = guard.start(Testee::build("crowd", &[]).path(), &arguments);
    assert_eq!(process.read_line(), "ready");
    let mut listed: Vec<ProcessDescription> = Vec::new();
    loop {
        let after = listed.last().map_or(0, |last| last.pid);
        let request = ListProcesses { after, pid: 0, details: true };
        let reply = client.call(&request).expect("it fits a frame");
        listed.extend(reply.processes);
        if !reply.more {
            break;
        }
    }
    assert!(listed.is_sorted_by(|one, next| one.pid < next.pid));
    let crowd = listed.iter().filter(|each| each.parent == process.pid().value());
    let lengths: Vec<usize> = crowd.map(|each| each.arguments.len()).collect();
    assert_eq!(lengths.len(), 1100);
    assert!(lengths.iter().all(|len| *len > ARGUMENTS_LEN_MAX / 2), "{:?}", lengths.first());
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_list_tells_of_namespaces_and_debuggers() {
    let (guard, server, mut client) = begin();
    let mut command = guard.command("unshare");
    let mapped = (!rustix::process::geteuid().is_root()).then_some("--map-root-user");
    let testee = Testee::build("waits", &[]);
    command.args(mapped).args(["--uts", "--"]).arg(testee.path());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut process = testkit::Process::spawn(&mut command);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let mut other = server.connect();
    let (target, _) = other.attach(pid);
    let mut list = |details| {
        let request = ListProcesses { after: 0, pid: pid.value(), details };
        let mut reply = client.call(&request).expect("a list");
        reply.processes.remove(0)
    };
    let plain = list(false);
    assert!(plain.namespaces.is_empty() && plain.debugger.is_empty() && plain.tracer != 0);
    assert!(plain.started_ms > 0);
    let detailed = list(true);
    let kinds: Vec<&str> = detailed.namespaces.iter().map(|each| each.kind.as_str()).collect();
    assert!(kinds.contains(&"uts") && !kinds.contains(&"mnt"), "{kinds:?}");
    let session = other.welcome().session;
    assert!(detailed.debugger.starts_with(&format!("by session {session} of ")));
    other.detach(target);
    assert_eq!(list(true).debugger, "");
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}
