//! From a program's file to its initial break, and what keeps it from there.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use dbgbase::{Address, ExitStatus, Pid, StopReason};
use dbgwire::verbs::process::{Launch, Terminal};
use dbgwire::verbs::resume::ThreadAction;
use dbgwire::verbs::server::ServerInfo;
use dbgwire::{ErrorCode, Fault};
use testkit::{Testee, memory_file};

use crate::{address_of, begin};

#[test]
fn the_initial_break_comes_before_any_code_of_the_program() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (target, stop) = client.start(&testee, &["3"]);
    assert_eq!(stop.tid().value(), target.pid.value());
    assert_eq!(stop.event.stop, 1);
    let names: Vec<String> = stop
        .modules()
        .iter()
        .map(|module| String::from_utf8_lossy(&module.path).into_owned())
        .collect();
    assert_eq!(names[0], testee.path().display().to_string());
    for library in ["/libc.so", "/ld-linux", "[vdso]"] {
        assert!(names.iter().any(|name| name.contains(library)), "{library} in {names:?}");
    }
    let constructed = address_of(&testee, &stop, "constructed");
    assert_eq!(client.read_u64(target, constructed), 0, "a constructor has run");
    let construct = address_of(&testee, &stop, "construct");
    client.insert(target, 1, construct);
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!((stop.sites(), stop.pc()), (vec![1], construct));
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn static_programs_stop_before_their_first_instruction() {
    let (_guard, _server, mut client) = begin();
    let variants: [(&str, &[&str]); 3] =
        [("minimal", &[]), ("count", &["-static"]), ("count", &["-static-pie"])];
    for (name, flags) in variants {
        let testee = Testee::build(name, flags);
        let (target, stop) = client.start(&testee, &["3"]);
        assert_eq!(stop.pc(), address_of(&testee, &stop, "_start"), "{name} {flags:?}");
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{name} {flags:?}");
    }
}

#[test]
fn programs_are_found_where_they_are_loaded() {
    let (_guard, _server, mut client) = begin();
    for flags in [&["-no-pie"][..], &["-pie", "-fPIE"]] {
        let testee = Testee::build("count", flags);
        let (target, stop) = client.start(&testee, &["3"]);
        let is_fixed = flags == ["-no-pie"];
        assert_eq!(stop.bias().value() == 0, is_fixed, "{flags:?}");
        let main = address_of(&testee, &stop, "main");
        client.insert(target, 1, main);
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!((stop.sites(), stop.pc()), (vec![1], main), "{flags:?}");
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{flags:?}");
    }
}

#[test]
fn arguments_directory_and_environment_arrive_as_given() {
    let (guard, _server, mut client) = begin();
    let file = guard.directory().join("out");
    let script = r#"printf '%s\n' "$0" "$1" "$2" "$PWD" "$GREETING" "$PATH" > out"#;
    let strange = b"a b\t\xff'\"$".to_vec();
    let request = Launch {
        program: b"sh".to_vec(),
        arguments: vec![
            b"sh".to_vec(),
            b"-c".to_vec(),
            script.into(),
            b"zero".to_vec(),
            strange.clone(),
            Vec::new(),
        ],
        directory: guard.directory().as_os_str().as_encoded_bytes().to_vec(),
        environment: vec![b"GREETING=hello there".to_vec(), b"PATH=/nowhere".to_vec()],
        terminal: Terminal::None as i32,
        ..Launch::default()
    };
    let target = client.call(&request).expect("sh is found along the server's own PATH").target;
    let stop = client.wait_stop();
    assert_eq!(stop.event.target, target);
    let run = dbgwire::verbs::resume::RunKind::Continue as i32;
    let all = ThreadAction { tid: 0, run, ..ThreadAction::default() };
    let pid = Pid::new(stop.event.tid);
    client.resume(testkit::Target { id: target, pid }, &[all]);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    let mut expected = b"zero\n".to_vec();
    expected.extend([&strange[..], b"\n\n"].concat());
    expected.extend(guard.directory().as_os_str().as_encoded_bytes());
    expected.extend(b"\nhello there\n/nowhere\n");
    assert_eq!(std::fs::read(file).expect("the script has written it"), expected);
}

#[test]
fn a_launched_program_begins_as_under_a_shell() {
    let (_guard, _server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("exits", &[]), &["0"]);
    let leader = dbgbase::Tid::from(target.pid);
    for field in ["SigBlk", "SigIgn", "SigCgt"] {
        let set = testkit::procfs::status(target.pid, leader, field).expect("it lives");
        let set = u64::from_str_radix(&set, 16).expect("a hexadecimal number");
        // Bits count from 0, signals from 1. 32 and 33 are the C library's, which no program sets.
        assert_eq!(set & !(0b11 << 31), 0, "{field}");
    }
    let null = ["0 -> /dev/null", "1 -> /dev/null", "2 -> /dev/null"];
    assert_eq!(testkit::procfs::descriptors(target.pid), null);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn only_the_session_is_spared_when_memory_is_short() {
    let (_guard, server, mut client) = begin();
    let (target, _) = client.start(&Testee::build("exits", &[]), &["0"]);
    let session = client.call(&ServerInfo {}).expect("it answers").pid;
    let score =
        |pid: Pid| std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).expect("it lives");
    let listener = score(server.pid());
    let own =
        testkit::procfs::status(server.pid(), server.pid().into(), "CapEff").expect("it lives");
    // CAP_SYS_RESOURCE of capabilities(7).
    let may_lower = u64::from_str_radix(&own, 16).expect("hexadecimal") & 1 << 24 != 0;
    assert_eq!(score(Pid::new(session)), if may_lower { "-1000\n" } else { &listener });
    assert_eq!(score(target.pid), listener);
    client.kill(target);
}

#[test]
fn what_cannot_be_launched_is_explained_and_harms_nothing() {
    let (guard, _server, mut client) = begin();
    let text = guard.directory().join("text");
    std::fs::write(&text, "no program\n").expect("a file");
    let broken = guard.directory().join("broken");
    std::fs::write(&broken, b"\x7fELF\x02\x01\x01 and then nothing sensible").expect("a file");
    std::fs::set_permissions(&broken, Permissions::from_mode(0o755)).expect("our file");
    let missing = guard.directory().join("missing");
    let cases = [
        (missing.as_path(), libc_errno("ENOENT"), "there is no such file"),
        (text.as_path(), libc_errno("EACCES"), "it is not executable"),
        (guard.directory(), libc_errno("EISDIR"), "it is a directory"),
        (broken.as_path(), libc_errno("ENOEXEC"), "no program this system can execute"),
    ];
    for (path, errno, words) in cases {
        let fault = client.launch(path, &[]).expect_err("no program");
        let Fault { code, errno: found, detail } = fault;
        assert_eq!((code, found), (ErrorCode::LaunchFailed, Some(errno)), "{detail}");
        let name = path.display().to_string();
        assert!(detail.contains(&name) && detail.contains(words), "{detail}");
    }
    let unknown = client.launch("no-such-program-anywhere".as_ref(), &[]).expect_err("not there");
    assert_eq!(unknown.code, ErrorCode::LaunchFailed);
    let nul = client.launch(Testee::build("exits", &[]).path(), &["a\0b"]).expect_err("a NUL");
    assert_eq!(nul.code, ErrorCode::LaunchFailed);
    assert_eq!(client.pending_events(), []);
    // The session goes on, and so does the server.
    let (target, _) = client.start(&Testee::build("exits", &[]), &["4"]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(4));
}

#[test]
fn a_missing_directory_is_named() {
    let (_guard, _server, mut client) = begin();
    let request = Launch {
        program: Testee::build("exits", &[]).path().as_os_str().as_encoded_bytes().to_vec(),
        arguments: Vec::new(),
        directory: b"/no/such/directory".to_vec(),
        environment: Vec::new(),
        terminal: Terminal::None as i32,
        ..Launch::default()
    };
    let fault = client.call(&request).expect_err("no directory");
    assert_eq!(fault.code, ErrorCode::LaunchFailed);
    assert!(fault.detail.contains("/no/such/directory"), "{}", fault.detail);
}

#[test]
fn a_server_without_a_terminal_shares_none() {
    let (_guard, _server, mut client) = begin();
    let request = Launch {
        program: b"true".to_vec(),
        arguments: Vec::new(),
        directory: Vec::new(),
        environment: Vec::new(),
        terminal: Terminal::Shared as i32,
        ..Launch::default()
    };
    let fault = client.call(&request).expect_err("no terminal");
    assert_eq!(fault.code, ErrorCode::Unsupported);
}

#[test]
fn an_interruption_does_not_hide_the_initial_break() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    for _ in 0..20 {
        let target = client.launch(testee.path(), &["3"]).expect("it can be launched");
        client.interrupt(target);
        let mut stop = client.wait_stop();
        if stop.reason() == StopReason::Interrupted {
            client.go(target);
            stop = client.wait_stop();
        }
        assert_eq!(stop.reason(), StopReason::InitialBreak);
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    }
}

#[test]
fn one_session_has_several_targets() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("count", &[]);
    let (first, first_stop) = client.start(&testee, &["3"]);
    let (second, second_stop) = client.start(&testee, &["4"]);
    assert_ne!(first.id, second.id);
    assert_eq!((first_stop.event.stop, second_stop.event.stop), (1, 2));
    let work = address_of(&testee, &second_stop, "work");
    client.insert(second, 1, work);
    client.go(first);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    for _ in 0..4 {
        client.go(second);
        assert_eq!(client.wait_stop().event.target, second.id);
    }
    client.go(second);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn stops_bring_code_and_stack() {
    let (_guard, _server, mut client) = begin();
    let (target, stop) = client.start(&Testee::build("count", &[]), &["1"]);
    let registers = stop.registers();
    let (pc, sp) = (registers.pc(), registers.sp());
    assert_eq!(stop.window(pc, 192), Some(&client.read(target, pc, 192)[..]));
    let stack = stop.window(sp, 512).expect("the stack's top");
    assert_eq!(stack, memory_file::read(target.pid, sp, 512));
    let red_zone = Address::new(sp.value() - 128);
    assert!(stop.window(red_zone, 128).is_some());
    client.kill(target);
}

fn libc_errno(name: &str) -> i32 {
    use rustix::io::Errno;
    let errno = match name {
        "ENOENT" => Errno::NOENT,
        "EACCES" => Errno::ACCESS,
        "EISDIR" => Errno::ISDIR,
        _ => Errno::NOEXEC,
    };
    errno.raw_os_error()
}
