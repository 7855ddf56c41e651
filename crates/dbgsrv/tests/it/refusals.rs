//! Processes that may not be attached to: each refusal names the rule that applied and the way out.
//! The server is an ordinary user's here where the tests may become one, as root may. Yama is not
//! among it, because few kernels have it at a level that forbids anything: what is said of it is
//! tested beside the decision.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use dbgbase::{ExitStatus, Pid, Tid};
use dbgsrv::journal::Journal;
use dbgwire::verbs::server::ServerInfo;
use dbgwire::{ErrorCode, Fault};
use rustix::process::{Resource, Rlimit, prlimit};
use testkit::{Client, Embedded, Event, Guard, Process, Testee, is_root_for, procfs, until};

use crate::{PROGRAM, begin};

/// The user of the server, another one, and their groups.
pub(crate) const OURS: &str = "12345";
const THEIRS: &str = "54321";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What makes a program run as this user and group, if the tests may.
pub(crate) fn run_as<'a>(user: &'a str, group: &'a str) -> Vec<String> {
    let options = [format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".into()];
    let setpriv = std::iter::once("setpriv".to_owned()).chain(options);
    if is_root() { setpriv.collect() } else { Vec::new() }
}

/// A copy of a program that everybody may execute.
pub(crate) fn for_everybody(guard: &Guard, program: &Path) -> PathBuf {
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(guard.directory(), open).expect("own directory");
    let copy = guard.directory().join(program.file_name().expect("a file"));
    if !copy.exists() {
        // By another process, so that no program that is started meanwhile holds it open.
        let paths = [program, &copy].map(|path| path.to_str().expect("UTF-8"));
        guard.output("cp", &paths);
    }
    copy
}

/// A session of a server that is started so, as the ordinary user.
pub(crate) fn serve(guard: &Guard, starter: &[&str]) -> (Embedded, Client) {
    let ordinary = run_as(OURS, OURS);
    let starter: Vec<&str> =
        ordinary.iter().map(String::as_str).chain(starter.iter().copied()).collect();
    serve_by(guard, &starter)
}

fn serve_by(guard: &Guard, starter: &[&str]) -> (Embedded, Client) {
    let program = for_everybody(guard, Path::new(PROGRAM));
    let journal = Journal::create().expect("a journal");
    let journal = journal.as_fd().try_clone_to_owned().expect("a descriptor");
    Embedded::start_by(guard, starter, program, journal)
}

/// A program that is started so and has said that it is ready.
pub(crate) fn start_by(
    guard: &Guard,
    starter: &[String],
    program: &Path,
    arguments: &[&str],
) -> Process {
    let program = for_everybody(guard, program);
    let mut words = starter.iter().map(String::as_str).chain(program.to_str());
    let mut command = guard.command(words.next().expect("at least the program"));
    command.args(words).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    assert_eq!(process.read_line(), "ready");
    process
}

/// The process is refused with this code, and for what all these words say.
#[track_caller]
pub(crate) fn assert_refused(
    client: &mut Client,
    pid: Pid,
    code: ErrorCode,
    words: &[&str],
) -> Fault {
    let fault = client.try_attach(pid).expect_err("refused");
    assert_eq!(fault.code, code, "{}", fault.detail);
    for word in words {
        assert!(fault.detail.contains(word), "{word:?} is not in: {}", fault.detail);
    }
    assert_let_go(pid);
    assert_eq!(client.pending_events(), []);
    fault
}

/// Nobody traces any thread of the process.
#[track_caller]
fn assert_let_go(pid: Pid) {
    let is_free = |tid: Tid| procfs::tracer(pid, tid).is_none_or(|tracer| tracer == 0);
    until("its threads to be free", || procfs::tids(pid).into_iter().all(is_free).then_some(()));
}

/// The process can be attached to, and left.
#[track_caller]
fn assert_attachable(client: &mut Client, pid: Pid) {
    let (target, _) = client.attach(pid);
    client.detach(target);
    assert_let_go(pid);
}

fn end(mut process: Process) {
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn another_users_process_is_refused() {
    let guard = Guard::new();
    let (_session, mut client) = serve(&guard, &[]);
    // The first process is root's, as a rule.
    let words =
        ["its user id is 0 and this server's ", "setcap cap_sys_ptrace,cap_dac_override=ep /"];
    assert_refused(&mut client, Pid::new(1), ErrorCode::NotPermitted, &words);
    if !is_root_for("processes of two users") {
        return;
    }
    let waits = Testee::build("waits", &[]);
    let process = start_by(&guard, &run_as(THEIRS, THEIRS), waits.path(), &["3"]);
    let remedy = "run a server as that user: setpriv --reuid=54321 --regid=54321 --init-groups";
    let words = ["its user id is 54321 and this server's 12345", remedy];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    // What was said helps.
    let theirs = run_as(THEIRS, THEIRS);
    let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
    let (_other_session, mut other) = serve_by(&guard, &theirs);
    assert_attachable(&mut other, process.pid());
    end(process);
    let process = start_by(&guard, &run_as(OURS, THEIRS), waits.path(), &[]);
    let remedy = "setpriv --reuid=12345 --regid=54321";
    let words = ["its group id is 54321 and this server's 12345", remedy];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    end(process);
    let mixed = ["setpriv", "--ruid=12345", "--euid=54321", "--regid=12345", "--clear-groups"];
    let process = start_by(&guard, &mixed.map(str::to_owned), waits.path(), &[]);
    let ids = "its user ids are 12345, 54321 and 54321 (real, effective, saved) and this server's";
    let words = [ids, "setcap cap_sys_ptrace,cap_dac_override=ep"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    end(process);
}

#[test]
fn the_capability_opens_what_it_is_said_to_open() {
    if !is_root_for("capabilities of a program's file") {
        return;
    }
    let guard = Guard::new();
    let program = for_everybody(&guard, Path::new(PROGRAM));
    let program = program.to_str().expect("UTF-8");
    let waits = Testee::build("waits", &[]);
    let roots = start_by(&guard, &[], waits.path(), &["3"]);
    guard.output("setcap", &["cap_sys_ptrace=ep", program]);
    let (_session, mut client) = serve(&guard, &[]);
    let both = "setcap cap_sys_ptrace,cap_dac_override=ep /";
    let words = ["only its owner may open its memory, /proc/PID/mem", both];
    assert_refused(&mut client, roots.pid(), ErrorCode::NotPermitted, &words);
    guard.output("setcap", &["cap_sys_ptrace,cap_dac_override=ep", program]);
    let (_session, mut client) = serve(&guard, &[]);
    assert_attachable(&mut client, roots.pid());
    let shut = start_by(&guard, &run_as(OURS, OURS), Testee::build("shuts", &[]).path(), &[]);
    assert_attachable(&mut client, shut.pid());
    end(roots);
    end(shut);
}

#[test]
fn a_process_that_is_not_dumpable_is_refused() {
    let guard = Guard::new();
    let (_session, mut client) = serve(&guard, &[]);
    let testee = Testee::build("shuts", &[]);
    let process = start_by(&guard, &run_as(OURS, OURS), testee.path(), &[]);
    let words = ["it is not dumpable", "setcap cap_sys_ptrace,cap_dac_override=ep"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    end(process);
}

#[test]
fn a_remedy_is_one_that_works_for_this_server() {
    let guard = Guard::new();
    let testee = Testee::build("shuts", &[]);
    let process = start_by(&guard, &run_as(OURS, OURS), testee.path(), &[]);
    let (_session, mut client) = serve(&guard, &["setpriv", "--no-new-privs"]);
    let words = ["it is not dumpable", "start the server without no_new_privs", "setcap"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    if is_root_for("a server with fewer capabilities") {
        let lesser = ["setpriv", "--bounding-set=-sys_ptrace", "--reuid=12345", "--regid=12345"];
        let (_session, mut client) = serve_by(&guard, &[&lesser[..], &["--clear-groups"]].concat());
        let words = ["it is not dumpable", "--cap-add=SYS_PTRACE"];
        assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    }
    end(process);
}

#[test]
fn a_process_with_more_capabilities_is_refused() {
    if !is_root_for("capabilities of a process") {
        return;
    }
    let guard = Guard::new();
    let waits = Testee::build("waits", &[]);
    let capable = ["--inh-caps=+net_raw", "--ambient-caps=+net_raw"].map(str::to_owned);
    let starter = [run_as(OURS, OURS), capable.to_vec()].concat();
    let process = start_by(&guard, &starter, waits.path(), &[]);
    let (_session, mut client) = serve(&guard, &[]);
    let lacks = "it has capabilities that this server lacks (cap_net_raw)";
    let words = [lacks, "give the server those: setcap cap_net_raw=ep /"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    // What was said helps.
    let program = for_everybody(&guard, Path::new(PROGRAM));
    guard.output("setcap", &["cap_net_raw=ep", program.to_str().expect("UTF-8")]);
    let (_other_session, mut other) = serve(&guard, &[]);
    assert_attachable(&mut other, process.pid());
    end(process);
    // Root is nobody special without the capability.
    let process = start_by(&guard, &[], waits.path(), &[]);
    let (_session, mut client) = serve_by(&guard, &["setpriv", "--bounding-set=-sys_ptrace"]);
    let lacks = "it has capabilities that this server lacks (cap_sys_ptrace)";
    let words = [lacks, "--cap-add=SYS_PTRACE"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    end(process);
}

#[test]
fn a_process_outside_of_the_servers_user_namespace_is_refused() {
    let guard = Guard::new();
    let waits = Testee::build("waits", &[]);
    let process = start_by(&guard, &run_as(OURS, OURS), waits.path(), &[]);
    let (_session, mut client) = serve(&guard, &["unshare", "--user", "--map-current-user"]);
    let words = ["it lives in another user namespace", "run a server in that namespace, or in"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    let (_session, mut client) = serve(&guard, &["unshare", "--user", "--map-root-user"]);
    let reach = "it lives in another user namespace, where this server's CAP_SYS_PTRACE does not";
    let words = [reach, "run a server in that namespace, or in the one around it"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    end(process);
    // Whose namespace it is may look into it.
    let starter = [run_as(OURS, OURS), ["unshare", "--user"].map(str::to_owned).to_vec()].concat();
    let process = start_by(&guard, &starter, waits.path(), &[]);
    let (_session, mut client) = serve(&guard, &[]);
    assert_attachable(&mut client, process.pid());
    end(process);
}

#[test]
fn a_filter_over_the_server_is_named() {
    let guard = Guard::new();
    let process = start_by(&guard, &[], Testee::build("waits", &[]).path(), &[]);
    let filters = Testee::build("filters", &[]);
    let (_session, mut client) = serve_by(&guard, &[filters.path().to_str().expect("UTF-8")]);
    let words = ["a system-call filter (seccomp)", "start the server outside of that filter"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    let fault = client.launch(Testee::build("waits", &[]).path(), &[]).expect_err("the same rule");
    assert_eq!(fault.code, ErrorCode::NotPermitted);
    assert!(fault.detail.contains("(seccomp)"), "{}", fault.detail);
    end(process);
}

#[test]
fn a_process_that_proc_hides_is_told_from_none() {
    if !is_root_for("/proc mounted in another way") {
        return;
    }
    let guard = Guard::new();
    let process = start_by(&guard, &[], Testee::build("waits", &[]).path(), &[]);
    let script = "mount -t proc -o hidepid=2 proc /proc && exec \"$@\"";
    let private = ["unshare", "--mount", "sh", "-c", script, "sh", "setpriv", "--reuid=12345"];
    let starter = [&private[..], &["--regid=12345", "--clear-groups"]].concat();
    let (_session, mut client) = serve_by(&guard, &starter);
    let words = ["it exists, and /proc hides it", "hidepid"];
    assert_refused(&mut client, process.pid(), ErrorCode::NotPermitted, &words);
    let nobody = Pid::new(u32::MAX >> 1);
    assert_refused(&mut client, nobody, ErrorCode::NoSuchProcess, &["there is no process"]);
    end(process);
}

#[test]
fn a_process_of_which_another_debugger_has_a_thread_is_let_go() {
    let (guard, _server, mut client) = begin();
    let process = start_by(&guard, &[], Testee::build("waits", &[]).path(), &["20"]);
    let tids = procfs::tids(process.pid());
    for taken in [tids[1], tids[19]] {
        let taken_id = taken.to_string();
        let seizes = Testee::build("seizes", &[]);
        let mut other = guard.start(seizes.path(), &[&taken_id]);
        assert_eq!(other.read_line(), "ready");
        let fault = client.try_attach(process.pid()).expect_err("one thread is not to be had");
        assert_eq!(fault.code, ErrorCode::AlreadyTraced, "{}", fault.detail);
        let by = format!("by process {}", other.pid());
        assert!(fault.detail.contains(&by), "{}", fault.detail);
        for tid in &tids {
            let tracer = if *tid == taken { other.pid().value() } else { 0 };
            until("the others to be free", || {
                (procfs::tracer(process.pid(), *tid) == Some(tracer)).then_some(())
            });
        }
        end(other);
        assert_eq!(client.pending_events(), []);
        assert_attachable(&mut client, process.pid());
    }
    end(process);
}

/// Wherever the descriptors run out, the attempt fails with that, and nothing is held.
#[test]
fn a_server_without_descriptors_says_so() {
    let (guard, _server, mut client) = begin();
    let process = start_by(&guard, &[], Testee::build("waits", &[]).path(), &["3"]);
    let session = client.call(&ServerInfo {}).expect("it answers").pid;
    let session = rustix::process::Pid::from_raw(session.cast_signed()).expect("a process id");
    let mut refusals = 0;
    for current in 3..64 {
        let limit = Rlimit { current: Some(current), maximum: Some(1024) };
        prlimit(Some(session), Resource::Nofile, limit).expect("our own process");
        let Err(fault) = client.try_attach(process.pid()) else { break };
        assert_eq!(fault.code, ErrorCode::LimitReached, "{}", fault.detail);
        assert_let_go(process.pid());
        assert_eq!(client.pending_events(), []);
        refusals += 1;
    }
    assert!((1..61).contains(&refusals), "{refusals} refusals");
    client.wait_stop();
    drop(client);
    assert_let_go(process.pid());
    end(process);
}

#[test]
fn a_target_that_becomes_a_32_bit_program_is_let_go() {
    let (guard, _server, mut client) = begin();
    let narrow = Testee::build("narrow", &["-m32"]);
    let script = "echo ready; read line; exec \"$0\"";
    let mut process = guard.start("sh", &["-c", script, narrow.path().to_str().expect("UTF-8")]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    client.go(target);
    process.write_line("go");
    let left = |event: Event| match event {
        Event::Left { target, why } => (target, why),
        other => panic!("another event: {other:?}"),
    };
    let (id, why) = left(client.wait_event());
    assert_eq!(id, target.id);
    assert!(why.contains("a 32-bit program; this server debugs 64-bit ones"), "{why}");
    assert_eq!(process.read_line(), "ready");
    assert_let_go(process.pid());
    let fault = client.call(&dbgwire::verbs::thread::ListThreads { target: id });
    assert_eq!(fault.expect_err("no target any more").code, ErrorCode::NoSuchTarget);
    end(process);
    // One that was launched runs on as well.
    let script = "exec \"$0\" </dev/null";
    let arguments = ["-c", script, narrow.path().to_str().expect("UTF-8")];
    let target = client.launch(Path::new("/bin/sh"), &arguments).expect("launched");
    client.wait_stop();
    client.go(target);
    let (id, _) = left(client.wait_event());
    assert_eq!(id, target.id);
    until("its end", || (!procfs::is_alive(target.pid)).then_some(()));
}
