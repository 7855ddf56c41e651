//! Targets that execute a set-user-ID program. While a process is traced, the kernel gives it the
//! program's user only if the tracer has CAP_SYS_PTRACE: execve(2) and ptrace(2) say that the bit
//! is ignored, and leave that out; `ptracer_capable` in the kernel's `security/commoncap.c` has it.
//! Only root may make such programs, so the tests need it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use dbgbase::{ExitStatus, Pid, StopReason};
use dbgwire::ErrorCode;
use dbgwire::verbs::description::{DescribeProcess, DescribeProcessReply, ProcessPart};
use dbgwire::verbs::site::InsertSites;
use testkit::{Client, Guard, Process, Stop, Target, Testee, is_root_for, site};

use crate::refusals::{OURS, assert_refused, for_everybody, run_as, serve};
use crate::{address_of, begin};

/// `AT_SECURE` of `<elf.h>`.
const AT_SECURE: u64 = 23;
/// A program of which one function is called all the time.
const PROGRAM: &str = "spin";

/// Root's copy of a program, which runs as root whoever executes it.
fn roots(guard: &Guard, testee: &Testee) -> PathBuf {
    let copy = for_everybody(guard, testee.path());
    let path = copy.to_str().expect("UTF-8");
    guard.output("chmod", &["4755", path]);
    copy
}

/// A shell of the ordinary user's that executes the program when a line comes.
fn shell(guard: &Guard, program: &Path) -> Process {
    let script = "echo ready; read line; exec \"$0\"";
    let starter = run_as(OURS, OURS);
    let mut command = guard.command(&starter[0]);
    command.args(&starter[1..]).args(["sh", "-c", script]).arg(program);
    let mut process = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
    assert_eq!(process.read_line(), "ready");
    process
}

/// As whom a process runs: real, effective and saved user, and whether it was told to be careful.
fn identity(client: &mut Client, pid: Pid) -> (Vec<u32>, Option<u64>, DescribeProcessReply) {
    let parts = [ProcessPart::Security, ProcessPart::Auxiliary, ProcessPart::Places];
    let parts = parts.into_iter().fold(0, |bits, part| bits | part.bit());
    let request = DescribeProcess { pid: pid.value(), parts, from: 0 };
    let reply = client.call(&request).expect("it may be looked at");
    let uids = reply.security.as_ref().map(|security| security.uids.clone()).unwrap_or_default();
    let secure = reply.auxiliary.iter().find(|entry| entry.key == AT_SECURE);
    let secure = secure.map(|entry| entry.value);
    (uids.into_iter().take(3).collect(), secure, reply)
}

/// Attaches to the shell, and lets it execute the program: the stop in front of its first
/// instruction.
fn execute(client: &mut Client, process: &mut Process) -> (Target, Stop) {
    let (target, _) = client.attach(process.pid());
    client.go(target);
    process.write_line("");
    let stop = client.wait_stop();
    assert_eq!((stop.reason(), stop.tid()), (StopReason::Exec, process.leader()));
    (target, stop)
}

/// The target is as well debugged as any other: to a site, a step further, and to its end.
fn debug(client: &mut Client, process: &mut Process, testee: &Testee, target: Target) {
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.reason(), StopReason::InitialBreak);
    client.insert(target, 1, address_of(testee, &stop, "turn"));
    for _ in 0..3 {
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!((stop.sites(), stop.tid()), (vec![1], process.leader()));
    }
    client.step(target, process.leader());
    assert_eq!(client.wait_stop().reason(), StopReason::Step);
    client.write(target, address_of(testee, &stop, "limit"), &[0; 8]).expect("a variable");
    client.remove(target, &[1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(3));
    assert_eq!(process.wait(), ExitStatus::Exited(3));
}

/// ptrace must not make anybody root: under an ordinary user's server the bit is ignored. That is
/// told, and the program stays what it became when it is no longer traced.
#[test]
fn a_setuid_program_gets_nothing_from_an_ordinary_users_server() {
    if !is_root_for("a setuid program of root under another user") {
        return;
    }
    let guard = Guard::new();
    let testee = Testee::build(PROGRAM, &[]);
    let program = roots(&guard, &testee);
    let (_session, mut client) = serve(&guard, &[]);
    let ours: u32 = OURS.parse().expect("a number");
    let mut process = shell(&guard, &program);
    let (target, _) = execute(&mut client, &mut process);
    let (uids, secure, reply) = identity(&mut client, process.pid());
    assert_eq!(uids, [ours; 3]);
    // Kernels differ in whether the loader is told to be careful nevertheless.
    assert!(secure.is_some());
    assert_eq!(reply.faults, []);
    let places = reply.places.expect("they may be seen");
    assert_eq!((places.mode, places.owner), (0o4755, 0), "the program would be root's");
    assert_eq!(places.executable, program.as_os_str().as_encoded_bytes());
    debug(&mut client, &mut process, &testee, target);
    // Let go, it is no more than it was.
    let mut process = shell(&guard, &program);
    let (target, _) = execute(&mut client, &mut process);
    client.detach(target);
    assert_eq!(process.read_line(), "ready");
    assert_eq!(identity(&mut client, process.pid()).0, [ours; 3]);
    let (target, _) = client.attach(process.pid());
    client.kill(target);
    process.wait();
}

/// With the capability, the tracer could be root anyway: the program gets what it is given.
#[test]
fn a_setuid_program_is_debugged_as_root_by_a_server_that_may() {
    if !is_root_for("a setuid program of root under another user") {
        return;
    }
    let (guard, _server, mut client) = begin();
    let testee = Testee::build(PROGRAM, &[]);
    let program = roots(&guard, &testee);
    let ours: u32 = OURS.parse().expect("a number");
    let mut process = shell(&guard, &program);
    let (target, _) = execute(&mut client, &mut process);
    let (uids, secure, reply) = identity(&mut client, process.pid());
    assert_eq!((uids.as_slice(), secure), (&[ours, 0, 0][..], Some(1)));
    assert_eq!(reply.faults, []);
    debug(&mut client, &mut process, &testee, target);
}

/// One that executed the program untraced is root's, and closed to the ordinary user's server.
#[test]
fn a_setuid_program_that_runs_already_is_refused() {
    if !is_root_for("a setuid program of root under another user") {
        return;
    }
    let guard = Guard::new();
    let testee = Testee::build(PROGRAM, &[]);
    let program = roots(&guard, &testee);
    let (_session, mut client) = serve(&guard, &[]);
    let mut process = shell(&guard, &program);
    process.write_line("");
    assert_eq!(process.read_line(), "ready");
    let words = ["its user ids are 12345, 0 and 0 (real, effective, saved) and this server's"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    process.signal(dbgbase::Signal::SIGKILL);
    process.wait();
}

/// A file that may be executed and not read makes its process closed, also to who traces it. The
/// program runs as it would; whoever debugs it is told that it cannot be looked into.
#[test]
fn a_program_that_may_not_be_read_runs_under_an_ordinary_users_server() {
    if !is_root_for("a program that others may execute and not read") {
        return;
    }
    let guard = Guard::new();
    let testee = Testee::build("exits", &[]);
    let program = for_everybody(&guard, testee.path());
    guard.output("chmod", &["0711", program.to_str().expect("UTF-8")]);
    let (_session, mut client) = serve(&guard, &[]);
    let mut process = shell(&guard, &program);
    let (target, stop) = execute(&mut client, &mut process);
    assert!(stop.modules().is_empty());
    let (uids, _, reply) = identity(&mut client, process.pid());
    assert_eq!(
        (uids[0].to_string(), reply.security.expect("told").dumpable),
        (OURS.into(), Some(false))
    );
    let closed: Vec<(i32, i32)> =
        reply.faults.iter().map(|fault| (fault.part, fault.errno)).collect();
    const EACCES: i32 = 13;
    let parts = [ProcessPart::Auxiliary, ProcessPart::Places];
    assert_eq!(closed, parts.map(|part| (part as i32, EACCES)));
    let pc = client.registers(target, process.leader()).pc();
    let armed = client.call(&InsertSites { target: target.id, sites: vec![site(1, pc)] });
    assert_eq!(armed.expect("it stands still").faults.len(), 1, "nothing can be armed");
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}
