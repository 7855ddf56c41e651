//! Each request that uses the server's rights, as it is written down: what was done, where, how
//! much, to which process and with what result; and by what clients have shown who they are.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use dbgbase::{ExitStatus, Pid, Signal, StopReason};
use dbgwire::handshake::Hello;
use dbgwire::message;
use dbgwire::verbs::bulk::{CopyMemory, FillMemory};
use dbgwire::verbs::inject::{
    AllocateMemory, CallFunction, FreeMemory, InjectSyscall, ProtectMemory,
};
use dbgwire::verbs::process::Abandon;
use dbgwire::verbs::resume::{ChildPolicy, SIGNAL_INFO_LEN, SendSignal, SetEvents};
use dbgwire::verbs::resume::{ReadSignalInfo, WriteSignalInfo};
use dbgwire::version::Capabilities;
use testkit::{Client, Guard, Relay, Server, Testee};

use crate::audit::{events, server, value, wait_for};
use crate::inject::{SYS_READ, ready, wait_for_call};
use crate::refusals::{OURS, for_everybody, run_as};
use crate::{PROGRAM, address_of};

/// The only line of this name: it says these things, and about which process.
#[track_caller]
fn assert_told(trail: &Path, name: &str, pid: Pid, values: &[(&str, &str)]) {
    let found = wait_for(trail, name, 1);
    let [line] = found.as_slice() else { panic!("{found:#?}") };
    for (name, expected) in values.iter().chain(&[("result", "done"), ("session", "1")]) {
        assert_eq!(value(line, name), Some(*expected), "{line}");
    }
    assert_eq!(value(line, "pid"), Some(pid.to_string().as_str()), "{line}");
    assert!(value(line, "started").is_some() && value(line, "program").is_some(), "{line}");
}

#[test]
fn what_is_done_to_memory_and_threads_is_told() {
    let guard = Guard::new();
    let (server, trail) = server(&guard);
    let mut client = server.connect();
    let (process, testee) = ready(&guard, "borrowed", &["blocked"]);
    wait_for_call(&process, SYS_READ);
    let (target, stop) = client.attach(process.pid());
    let [add, turns, limit] =
        ["add", "turns", "limit"].map(|name| address_of(&testee, &stop, name).value());
    let id = target.id;
    let fill = FillMemory { target: id, address: turns, len: 8 };
    let id_of_fill = client.send(&fill, Bytes::from_static(b"mysecret"));
    client.answer::<FillMemory>(id_of_fill).expect("it is there");
    client.call(&CopyMemory { target: id, from: turns, to: limit, len: 4 }).expect("both are");
    let call = CallFunction {
        target: id,
        address: add,
        arguments: vec![2, 40],
        ..CallFunction::default()
    };
    assert_eq!(client.call(&call).expect("it returns").integer, 42);
    let getpid = InjectSyscall { target: id, number: 39, ..InjectSyscall::default() };
    client.call(&getpid).expect("it can be made");
    let allocate = AllocateMemory { target: id, len: 4096, protection: 3, ..Default::default() };
    let memory = client.call(&allocate).expect("it can be mapped").address;
    let protect = ProtectMemory {
        target: id,
        address: memory,
        len: 4096,
        protection: 1,
        ..Default::default()
    };
    client.call(&protect).expect("it is mapped");
    let free = FreeMemory { target: id, address: memory, len: 4096, ..FreeMemory::default() };
    client.call(&free).expect("it is mapped");
    client.detach(target);
    let pid = process.pid();
    let [add, turns, limit, memory] = [add, turns, limit, memory].map(|at| format!("{at:#x}"));
    for (name, values) in [
        ("fill-memory", &[("at", turns.as_str()), ("len", "8")][..]),
        ("copy-memory", &[("from", turns.as_str()), ("at", limit.as_str()), ("len", "4")]),
        ("call-function", &[("at", add.as_str())]),
        ("inject-syscall", &[("number", "39")]),
        ("allocate-memory", &[("len", "4096")]),
        ("protect-memory", &[("at", memory.as_str()), ("len", "4096"), ("protection", "1")]),
        ("free-memory", &[("at", memory.as_str()), ("len", "4096")]),
    ] {
        assert_told(&trail, name, pid, values);
    }
    let text = std::fs::read_to_string(&trail).expect("it is there");
    assert!(!text.contains("mysecret"), "{text}");
}

#[test]
fn signals_are_told_of_whichever_way_they_are_given() {
    let guard = Guard::new();
    let (server, trail) = server(&guard);
    let mut client = server.connect();
    let (target, stop) = client.start(&Testee::build("spin", &[]), &[]);
    let tid = stop.tid().value();
    let usr1 = u32::from(Signal::SIGUSR1.number().unsigned_abs() as u8);
    client.call(&SendSignal { target: target.id, tid, signal: usr1 }).expect("it lives");
    client.go(target);
    let stop = client.wait_stop();
    assert!(matches!(stop.reason(), StopReason::Signal { .. }), "{:?}", stop.reason());
    let id = client.send(&ReadSignalInfo { target: target.id, tid }, Bytes::new());
    let (_, info) = client.answer::<ReadSignalInfo>(id).expect("there is one");
    assert_eq!(info.len(), SIGNAL_INFO_LEN);
    let id = client.send(&WriteSignalInfo { target: target.id, tid }, info);
    client.answer::<WriteSignalInfo>(id).expect("there is one");
    // Another one than that with which it stopped.
    client.go_with_signal(target, stop.tid(), Signal::SIGKILL);
    assert_eq!(client.wait_exit(), ExitStatus::Killed(Signal::SIGKILL));
    let pid = target.pid;
    assert_told(&trail, "signal", pid, &[("signal", &usr1.to_string())]);
    assert_told(&trail, "write-signal-info", pid, &[("tid", &tid.to_string())]);
    assert_told(&trail, "resume-with-signal", pid, &[("signal", "9")]);
}

#[test]
fn what_is_typed_who_is_followed_and_what_is_left_is_told() {
    let guard = Guard::new();
    let (server, trail) = server(&guard);
    let mut client = server.connect();
    let (target, _) = client.start_on_terminal("/bin/cat", &[]);
    client.go(target);
    client.type_in(target, b"mysecret\n").expect("it has a terminal");
    client.read_terminal_until("mysecret\r\nmysecret\r\n");
    assert_told(&trail, "write-terminal", target.pid, &[("len", "9")]);
    client.kill(target);
    let (parent, _) = client.start(&Testee::build("children", &[]), &["fork"]);
    let children = ChildPolicy::Follow as i32;
    let follow = SetEvents { target: parent.id, children, ..SetEvents::default() };
    client.call(&follow).expect("events");
    client.go(parent);
    let followed = wait_for(&trail, "follow", 1);
    assert_eq!(value(&followed[0], "parent"), Some(parent.pid.to_string().as_str()));
    let child = value(&followed[0], "pid").and_then(|pid| pid.parse().ok()).map(Pid::new);
    assert_told(&trail, "follow", child.expect("a number"), &[]);
    drop(client);
    wait_for(&trail, "end-session", 1);
    let mut client = server.connect();
    let (process, _) = ready(&guard, "waits", &["3"]);
    let (target, _) = client.attach(process.pid());
    client.call(&Abandon { target: target.id }).expect("it stands still");
    let left = wait_for(&trail, "abandon", 1);
    assert_eq!(value(&left[0], "pid"), Some(process.pid().to_string().as_str()), "{left:?}");
    let text = std::fs::read_to_string(&trail).expect("it is there");
    assert!(!text.contains("mysecret"), "{text}");
}

#[test]
fn a_client_that_comes_again_is_told_of() {
    let guard = Guard::new();
    let trail = guard.directory().join("trail");
    let place = trail.clone();
    let server =
        Server::at_port(&guard, PROGRAM, "tcp:port=0", "tcp:server=localhost", |command| {
            command.args(["-lease", "60", "-audit"]).arg(place);
        });
    let relay = Relay::start(server.address(), Duration::ZERO);
    let link = || std::net::TcpStream::connect(relay.address()).expect("it listens").into();
    let hello = Hello { capabilities: Capabilities::RESUME.0, ..Hello::new("testkit") };
    let mut client = Client::try_open(link(), &hello).expect("welcome");
    relay.cut();
    client.come_back(link()).expect("its session waits");
    client.try_attach(Pid::new(4_000_000)).expect_err("there is none");
    let attach = wait_for(&trail, "attach", 1);
    // Its new link had a session process first, which ends when it has handed it over.
    let is_other = |line: &&String| !line.starts_with("end-session ");
    let all = events(&trail);
    let names: Vec<&str> =
        all.iter().filter(is_other).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["begin-server", "login", "login", "come-back", "attach"], "{all:#?}");
    let came = wait_for(&trail, "come-back", 1);
    assert_eq!(value(&came[0], "result"), Some("done"));
    assert_eq!(value(&came[0], "session"), value(&attach[0], "session"));
    client.send_raw(&message::farewell());
    server.wait_until_idle();
}

/// How clients of a server with these parameters, started so, have shown who they are.
#[track_caller]
fn shown(guard: &Guard, starter: &[String], parameters: &str) -> String {
    let program = for_everybody(guard, Path::new(PROGRAM));
    // Whoever runs the server may write there.
    let folder = guard.directory().join(format!("trails{}", starter.len()));
    std::fs::create_dir(&folder).expect("own directory");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&folder, open).expect("own directory");
    let trail = folder.join("trail");
    let transport = format!("tcp:port=0{parameters}");
    let server = Server::at_port(guard, PROGRAM, &transport, "tcp:server=localhost", |command| {
        let words: Vec<String> =
            command.get_args().map(|word| word.to_str().expect("text").to_owned()).collect();
        let mut all = starter.iter().map(Path::new).chain([program.as_path()]);
        *command = guard.command(all.next().expect("a program"));
        command.args(all).args(words).env("DBGSRV_RUN_DIR", folder.join("run"));
        command.arg("-audit").arg(&trail);
    });
    drop(server.connect());
    let logins = wait_for(&trail, "login", 1);
    let how = value(&logins[0], "how").map(str::to_owned);
    server.wait_until_idle();
    how.unwrap_or_else(|| panic!("{logins:?}"))
}

#[test]
fn who_need_not_show_anything_is_told_apart() {
    let guard = Guard::new();
    assert_eq!(shown(&guard, &[], ",unprotected"), "unprotected");
    if !testkit::is_root_for("somebody else's server") {
        return;
    }
    assert_eq!(shown(&guard, &run_as(OURS, OURS), ""), "root");
}
