//! A target in another pid and mount namespace than the server: it is listed, described, attached
//! to and debugged with the ids by which the server knows it, and the files that it sees itself.

use std::path::Path;

use dbgbase::{ExitStatus, Pid, StopReason, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::description::{DescribeProcess, DescribeProcessReply};
use dbgwire::verbs::file::{FileAccess, OpenFile, ReadFile};
use dbgwire::verbs::inject::InjectSyscall;
use dbgwire::verbs::memory::Range;
use dbgwire::verbs::process::{ListProcesses, ProcessDescription};
use dbgwire::verbs::resume::{ChildPolicy, SetEvents};
use testkit::{Client, Event, Guard, Process, Target, Testee, procfs, until};

use crate::{address_of, begin};

/// A program in new namespaces. It is a file that only exists there.
struct Inside {
    /// unshare(1), which passes its child's exit status on.
    outer: Process,
    /// The program's id outside.
    pid: Pid,
    /// Its directory, which is empty outside.
    directory: String,
    /// Its path inside.
    path: String,
}

impl Inside {
    /// The program is the first process of its pid namespace, or a child of that one.
    fn start(guard: &Guard, testee: &Testee, is_first: bool, arguments: &[&str]) -> Inside {
        // The copy has another name than the original, and no file of this name is outside.
        let script = r#"mount -t tmpfs none "$1" && cp "$2" "$1/inner" && cd "$1" || exit 99
            program="$1/inner"; is_first=$3; shift 3
            if [ "$is_first" = true ]; then exec "$program" "$@"; fi
            "$program" "$@" <&3 3<&- & wait $!"#;
        let directory = guard.directory().join("inside");
        std::fs::create_dir(&directory).expect("a folder");
        let directory = directory.to_str().expect("UTF-8").to_owned();
        let mut words = vec!["--pid", "--mount", "--fork", "--mount-proc", "--kill-child"];
        words.extend((!rustix::process::geteuid().is_root()).then_some("--map-root-user"));
        let (program, is_first) = (testee.path().to_str().expect("UTF-8"), is_first.to_string());
        // Of what runs in the background, a shell replaces the input by nothing.
        words.extend(["sh", "-c", "exec 3<&0; exec sh -c \"$0\" \"$@\"", script, "sh"]);
        words.extend([directory.as_str(), program, &is_first]);
        words.extend(arguments);
        let mut outer = guard.start("unshare", &words);
        assert_eq!(outer.read_line(), "ready");
        let path = format!("{directory}/inner");
        let is_it = |pid: &Pid| {
            let link = std::fs::read_link(format!("/proc/{pid}/exe"));
            link.is_ok_and(|link| link == Path::new(&path))
        };
        let pid = guard.processes().into_iter().find(is_it).expect("it runs");
        Inside { outer, pid, directory, path }
    }

    fn end(mut self, status: u8) {
        self.outer.close_input();
        assert_eq!(self.outer.wait(), ExitStatus::Exited(status));
        // For the next one.
        std::fs::remove_dir(&self.directory).expect("an empty folder");
    }
}

fn listed(client: &mut Client, pid: Pid) -> ProcessDescription {
    let request = ListProcesses { after: 0, pid: pid.value(), details: true };
    let mut reply = client.call(&request).expect("a list");
    reply.processes.remove(0)
}

fn described(client: &mut Client, pid: Pid) -> DescribeProcessReply {
    let request = DescribeProcess { pid: pid.value(), parts: u32::MAX, from: 0 };
    client.call(&request).expect("it may be looked at")
}

/// The target's own file, through the server.
fn read_start(client: &mut Client, target: Target, path: &[u8]) -> Vec<u8> {
    let access = FileAccess::Read as i32;
    let request =
        OpenFile { path: path.to_vec(), target: target.id, access, ..OpenFile::default() };
    let file = client.call(&request).expect("it exists there").file;
    let ranges = vec![Range { address: 0, len: 4 }];
    let id = client.send(&ReadFile { file, ranges }, Vec::new());
    client.answer::<ReadFile>(id).expect("it is read").1.to_vec()
}

#[test]
fn a_target_in_other_namespaces_is_listed_and_described() {
    let (guard, _server, mut client) = begin();
    for is_first in [true, false] {
        let testee = Testee::build("waits", &[]);
        let inside = Inside::start(&guard, &testee, is_first, &["3", "two words"]);
        let process = listed(&mut client, inside.pid);
        assert_eq!(process.executable, inside.path.as_bytes());
        assert_eq!((process.name.as_str(), process.threads), ("inner", 3));
        assert_eq!(process.arguments[1..], [b"3".to_vec(), b"two words".to_vec()]);
        let kinds: Vec<&str> = process.namespaces.iter().map(|each| each.kind.as_str()).collect();
        for kind in ["mnt", "pid"] {
            assert!(kinds.contains(&kind), "{kinds:?}");
        }
        let details = described(&mut client, inside.pid);
        assert_eq!(details.faults, []);
        // The shell that waits for it is the first one there.
        assert_eq!(details.pids.first(), Some(&inside.pid.value()));
        assert_eq!((details.pids.len(), details.pids[1] == 1), (2, is_first), "{details:?}");
        let tids: Vec<u32> = procfs::tids(inside.pid).iter().map(|tid| tid.value()).collect();
        assert_eq!(details.threads.iter().map(|each| each.tid).collect::<Vec<_>>(), tids);
        let other = |kind: &str| {
            let found = details.namespaces.iter().find(|each| each.kind == kind);
            found.is_some_and(|found| !found.is_servers)
        };
        assert_eq!((other("pid"), other("mnt"), other("net")), (true, true, false));
        let places = details.places.expect("they may be seen");
        assert_eq!(places.executable, inside.path.as_bytes());
        assert_eq!(places.working_directory, inside.directory.as_bytes());
        // What it has mapped is read where it sees it, not where the server would.
        let own = guard.output("readelf", &["--notes", testee.path().to_str().expect("UTF-8")]);
        let id: String = places.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!id.is_empty() && own.contains(&id), "{id:?} is not in {own}");
        inside.end(0);
    }
}

/// The threads' ids are the server's, whatever the program thinks of them; files are the program's.
#[test]
fn a_target_in_other_namespaces_is_debugged() {
    let (guard, _server, mut client) = begin();
    for is_first in [true, false] {
        let testee = Testee::build("spin", &[]);
        let inside = Inside::start(&guard, &testee, is_first, &[]);
        let (target, stop) = client.attach(inside.pid);
        assert_eq!(stop.tid(), Tid::from(inside.pid));
        assert_eq!(client.tids(target), procfs::tids(inside.pid));
        let paths: Vec<&[u8]> =
            stop.modules().iter().map(|module| module.path.as_slice()).collect();
        assert!(paths.contains(&inside.path.as_bytes()), "{paths:?}");
        assert_eq!(read_start(&mut client, target, inside.path.as_bytes()), b"\x7fELF");
        let path = inside.path.as_bytes().to_vec();
        let outside = OpenFile { path, target: 0, ..OpenFile::default() };
        let fault = client.call(&outside).expect_err("it is not there");
        assert_eq!(fault.code, ErrorCode::NoSuchFile);
        let turn = address_of(&testee, &stop, "turn");
        client.insert(target, 1, turn);
        for _ in 0..3 {
            client.go(target);
            let stop = client.wait_stop();
            assert_eq!((stop.tid(), stop.sites()), (Tid::from(inside.pid), vec![1]));
        }
        client.step(target, Tid::from(inside.pid));
        assert_eq!(client.wait_stop().reason(), StopReason::Step);
        client.remove(target, &[1]);
        client.go(target);
        client.interrupt(target);
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::Interrupted);
        // To itself it is another number.
        let getpid = InjectSyscall {
            target: target.id,
            tid: inside.pid.value(),
            number: 39,
            patience_ms: 10_000,
            ..InjectSyscall::default()
        };
        let inner = described(&mut client, inside.pid).pids[1];
        assert_eq!(client.call(&getpid).expect("it stands still").result, u64::from(inner));
        assert_eq!(inner == 1, is_first);
        // It runs on by itself, and ends when it is told to.
        client.detach(target);
        let leader = Tid::from(inside.pid);
        until("it to run on", || (procfs::state(inside.pid, leader) == Some('R')).then_some(()));
        let (target, stop) = client.attach(inside.pid);
        client.write(target, address_of(&testee, &stop, "limit"), &[0; 8]).expect("a variable");
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(3));
        inside.end(3);
    }
}

/// A child is told by the id that the server knows it by; its parent knows another.
#[test]
fn a_child_in_other_namespaces_is_followed() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let mut inside = Inside::start(&guard, &testee, true, &["waiting"]);
    let (parent, _) = client.attach(inside.pid);
    let children = ChildPolicy::Follow as i32;
    let events = SetEvents { target: parent.id, children, ..SetEvents::default() };
    client.call(&events).expect("events");
    client.go(parent);
    inside.outer.write_line("");
    let Event::Created(event) = client.wait_event() else { panic!("a child is made") };
    let child = Target { id: event.target, pid: Pid::new(event.pid) };
    let stop = client.wait_stop();
    assert_eq!((stop.reason(), stop.tid()), (StopReason::Born, Tid::from(child.pid)));
    let told = inside.outer.read_line();
    let process = described(&mut client, child.pid);
    let pids = [child.pid.value(), told.parse().expect("the id inside")];
    assert_eq!(process.pids, pids);
    assert_eq!(process.process.expect("always").parent, inside.pid.value());
    client.go(child);
    client.detach(child);
    client.detach(parent);
    inside.end(0);
}
