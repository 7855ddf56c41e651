//! From a program's file to its initial break, and what keeps it from there.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use dbgbase::{Address, ExitStatus, Pid, StopReason};
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::process::{Launch, LaunchReply, Terminal};
use dbgwire::verbs::resume::ThreadAction;
use dbgwire::verbs::server::ServerInfo;
use dbgwire::{ErrorCode, Fault};
use testkit::{Client, Event, Stop, Target, Testee, memory_file};

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
    client.resume(Target { id: target, pid }, &[all]);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    let mut expected = b"zero\n".to_vec();
    expected.extend([&strange[..], b"\n\n"].concat());
    expected.extend(guard.directory().as_os_str().as_encoded_bytes());
    expected.extend(b"\nhello there\n/nowhere\n");
    assert_eq!(std::fs::read(file).expect("the script has written it"), expected);
}

/// Launches a testee with these wishes and waits for its first stop.
fn start_with(client: &mut Client, testee: &Testee, wishes: Launch) -> (LaunchReply, Stop) {
    let program = testee.path().as_os_str().as_encoded_bytes().to_vec();
    let arguments = vec![program.clone(), b"3".to_vec()];
    let reply = client.call(&Launch { program, arguments, ..wishes }).expect("it can be launched");
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::InitialBreak);
    (reply, stop)
}

fn target_of(reply: &LaunchReply) -> Target {
    Target { id: reply.target, pid: Pid::new(reply.pid) }
}

#[test]
fn a_program_can_be_stopped_before_its_first_instruction() {
    let (_guard, _server, mut client) = begin();
    let wishes = || Launch { at_exec: true, ..Launch::default() };
    for flags in [&["-pie", "-fPIE"][..], &["-no-pie"], &["-static"]] {
        let testee = Testee::build("count", flags);
        let (reply, first) = start_with(&mut client, &testee, wishes());
        let target = target_of(&reply);
        let constructed = address_of(&testee, &first, "constructed");
        let main = address_of(&testee, &first, "main");
        let auxv = std::fs::read(format!("/proc/{}/auxv", target.pid)).expect("it is ours");
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("8 bytes"));
        let entries = auxv.chunks_exact(16).map(|entry| (word(&entry[..8]), word(&entry[8..])));
        let linker = entries.into_iter().find(|(key, _)| *key == 7).map_or(0, |(_, base)| base);
        if linker == 0 {
            assert_eq!(first.pc(), address_of(&testee, &first, "_start"));
        } else {
            // Its header says where it begins, and the stack is as the kernel has made it.
            let bytes = client.read(target, Address::new(linker + 24), 8);
            assert_eq!(first.pc().value(), linker + word(&bytes), "{flags:?}");
            assert_eq!(first.modules().len(), 3, "the program, the linker, the kernel's");
        }
        assert_eq!(client.read(target, first.registers().sp(), 8), [2, 0, 0, 0, 0, 0, 0, 0]);
        // Breakpoints are set before it begins, and libraries are told of as they come.
        assert_eq!(client.read_u64(target, constructed), 0, "a constructor has run");
        client.insert(target, 1, main);
        client.go(target);
        let mut lists = Vec::new();
        let stop = loop {
            match client.wait_event() {
                Event::ModulesChanged(changed) => lists.push(changed.modules),
                Event::Stopped(stop) => break stop,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((stop.sites(), stop.pc()), (vec![1], main), "{flags:?}");
        lists.extend(stop.event.modules.clone().map(|modules| modules.modules));
        let is_libc =
            |module: &ModuleDescription| String::from_utf8_lossy(&module.path).contains("/libc.so");
        let is_told = lists.last().is_some_and(|list| list.iter().any(is_libc));
        assert_eq!(is_told, linker != 0, "{flags:?}");
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "{flags:?}");
    }
}

#[test]
fn the_first_steps_of_a_program_can_be_watched() {
    let (_guard, _server, mut client) = begin();
    let wishes = Launch { at_exec: true, ..Launch::default() };
    let (reply, first) = start_with(&mut client, &Testee::build("count", &[]), wishes);
    let target = target_of(&reply);
    let mut places = vec![first.pc()];
    for _ in 0..50 {
        client.step(target, first.tid());
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::Step);
        places.push(stop.pc());
    }
    let linker = first
        .modules()
        .iter()
        .find(|module| (module.base..module.base + module.size).contains(&first.pc().value()));
    let linker = linker.expect("it begins in the linker");
    let span = linker.base..linker.base + linker.size;
    assert!(places.iter().all(|place| span.contains(&place.value())), "{places:?}");
    places.dedup();
    assert!(places.len() > 40, "{places:?}");
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn addresses_can_be_the_same_each_time() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("count", &["-pie", "-fPIE"]);
    // Not everywhere: containers may forbid it.
    let may = guard.output("sh", &["-c", "setarch -R true 2> /dev/null && echo yes || echo no"]);
    let may = may == "yes\n";
    let mut seen = Vec::new();
    for _ in 0..3 {
        let wishes = Launch { fixed_addresses: true, ..Launch::default() };
        let (reply, stop) = start_with(&mut client, &testee, wishes);
        assert_eq!(reply.fixed_addresses, may);
        let places = stop.modules().iter().map(|module| module.base);
        // The stack as well; what is written on it depends on the environment alone.
        seen.push((places.collect::<Vec<u64>>(), stop.registers().sp()));
        client.kill(target_of(&reply));
    }
    assert_eq!(seen.windows(2).all(|pair| pair[0] == pair[1]), may, "{seen:x?}");
    let (reply, stop) = start_with(&mut client, &testee, Launch::default());
    assert!(!reply.fixed_addresses);
    assert_ne!(stop.registers().sp(), seen[0].1);
    client.kill(target_of(&reply));
}

#[test]
fn fixed_addresses_outlive_an_exec() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("executes", &[]);
    let program = testee.path().as_os_str().as_encoded_bytes().to_vec();
    let arguments = vec![program.clone(), b"main".to_vec()];
    let launch = Launch { program, arguments, fixed_addresses: true, ..Launch::default() };
    let reply = client.call(&launch).expect("it can be launched");
    let target = target_of(&reply);
    let first = client.wait_stop();
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::Exec);
    let bases = |stop: &Stop| {
        let mut bases: Vec<u64> = stop.modules().iter().map(|module| module.base).collect();
        bases.sort_unstable();
        bases
    };
    let before = bases(&first);
    let is_same = bases(&stop).iter().all(|base| before.contains(base));
    assert_eq!(is_same, reply.fixed_addresses, "{before:x?}");
    client.kill(target);
}

/// The environment that a program was given, sorted.
fn environment_of(client: &mut Client, wishes: Launch) -> Vec<String> {
    let (reply, _) = start_with(client, &Testee::build("count", &[]), wishes);
    let target = target_of(&reply);
    let bytes = std::fs::read(format!("/proc/{}/environ", target.pid)).expect("it is ours");
    client.kill(target);
    let entries = bytes.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    let mut entries: Vec<String> =
        entries.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect();
    entries.sort();
    entries
}

#[test]
fn entries_of_the_server_s_environment_can_be_left_out() {
    let (_guard, _server, mut client) = begin();
    let all = environment_of(&mut client, Launch::default());
    let has = |entries: &[String], name: &str| {
        entries.iter().filter(|entry| entry.split('=').next() == Some(name)).count()
    };
    assert_eq!((has(&all, "PATH"), has(&all, "HOME")), (1, 1), "{all:?}");
    // What is left out and given anew is given.
    let unset = ["PATH", "HOME", "NOT_THERE", ""].map(|name| name.as_bytes().to_vec()).to_vec();
    let environment = vec![b"HOME=/here".to_vec(), b"MORE=a=b".to_vec()];
    let wishes = Launch { unset, environment: environment.clone(), ..Launch::default() };
    let changed = environment_of(&mut client, wishes);
    let mut expected: Vec<String> = all
        .iter()
        .filter(|entry| !entry.starts_with("PATH=") && !entry.starts_with("HOME="))
        .cloned()
        .chain(["HOME=/here".to_owned(), "MORE=a=b".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(changed, expected);
    let wishes = Launch { clear_environment: true, environment, ..Launch::default() };
    assert_eq!(environment_of(&mut client, wishes), ["HOME=/here", "MORE=a=b"]);
    let wishes = Launch { clear_environment: true, ..Launch::default() };
    assert_eq!(environment_of(&mut client, wishes), [""; 0]);
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
