//! cdb and a process server that is a program of its own: at a pipe, at a port, several clients at
//! once, and a client that has none of the program's files.

use testkit::{Guard, Server, Testee, programs};

use crate::console::Console;

/// The number of read(2) on x86-64.
const SYS_READ: u64 = 0;

pub(crate) fn premote(guard: &Guard, server: &Server, rest: &[&str]) -> std::process::Command {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.env("DBGSRV_RUN_DIR", server.run_dir());
    command.args(["-premote", &server.endpoint().to_connect_string()]).args(rest);
    command
}

fn debug_depths(cdb: &mut Console) {
    cdb.command("bp inner");
    for _ in 0..3 {
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        let stack = cdb.command("kn");
        for name in ["!inner", "!middle", "!outer", "!main", "!_start"] {
            assert!(stack.contains(name), "{stack}");
        }
    }
    let end = cdb.command("g");
    assert!(end.contains("exited") && end.contains("19"), "{end}");
}

#[test]
fn a_program_is_debugged_at_a_pipe_and_at_a_port() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let at_pipe = Server::npipe(&guard, programs::dbgsrv());
    let at_port = Server::tcp(&guard, programs::dbgsrv());
    for server in [at_pipe, at_port] {
        drop(server.connect());
        let mut cdb = Console::spawn(premote(&guard, &server, &[program]));
        debug_depths(&mut cdb);
        let (_, status) = cdb.finish("q");
        assert_eq!(status, 0);
        // The server is there for the next one.
        drop(server.connect());
    }
}

#[test]
fn two_clients_do_not_disturb_each_other() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let mut first = Console::spawn(premote(&guard, &server, &[program]));
    let mut second = Console::spawn(premote(&guard, &server, &[program]));
    first.command("bp inner");
    let stop = first.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    debug_depths(&mut second);
    second.kill();
    let stack = first.command("k");
    assert!(stack.contains("!main"), "{stack}");
    first.finish("q");
}

#[test]
fn endpsrv_ends_the_server() {
    let guard = Guard::new();
    let mut server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let mut cat = guard.start("/bin/cat", &[]);
    let mut cdb = Console::spawn(premote(&guard, &server, &["-p", &cat.pid().to_string()]));
    assert_eq!(cdb.prompt, "0:000", "{}", cdb.banner);
    cdb.type_line(".endpsrv");
    server.process().wait();
    assert!(!server.socket_path().exists());
    // What was attached to goes on.
    cat.write_line("alive");
    assert_eq!(cat.read_line(), "alive");
}

/// The same client in a mount namespace of its own, in which the folder of the program is empty.
pub(crate) fn without_files(
    guard: &Guard,
    server: &Server,
    testee: &Testee,
    direct: &std::process::Command,
) -> std::process::Command {
    let mut command = guard.command("unshare");
    command.env("DBGSRV_RUN_DIR", server.run_dir());
    let is_root = rustix::process::geteuid().is_root();
    command.args(if is_root { &["--mount"][..] } else { &["--map-root-user", "--mount"][..] });
    let script = "mount -t tmpfs none \"$1\" && test ! -e \"$2\" && shift 2 && exec \"$@\"";
    let folder = testee.path().parent().expect("a folder");
    command.args(["--", "sh", "-c", script, "sh"]).args([folder, testee.path()]);
    command.arg(direct.get_program()).args(direct.get_args());
    command
}

/// The client gets what it needs to know of the program from the server.
#[test]
fn a_client_without_the_programs_files_still_knows_its_names() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let direct = premote(&guard, &server, &[program]);
    let mut cdb = Console::spawn(without_files(&guard, &server, &testee, &direct));
    debug_depths(&mut cdb);
    cdb.finish("q");
}

#[test]
fn a_process_is_abandoned_and_taken_over() {
    let guard = Guard::new();
    let testee = Testee::build("ticks", &[]);
    let mut process = guard.start(testee.path(), &["1"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid().to_string();
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let mut first = Console::spawn(premote(&guard, &server, &["-p", &pid]));
    first.command("bp tick");
    process.write_line("");
    let stop = first.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    assert_eq!(first.command(".abandon"), "Abandoned\n");
    let listed = first.command(".tlist ticks*");
    assert!(listed.contains(&pid), "{listed}");
    let refused = first.command(&format!(".attach 0n{pid};g"));
    assert!(refused.contains("take it over instead"), "{refused}");
    // Who has left it may take it back.
    let back = first.command(&format!(".attach -e 0n{pid};g"));
    assert!(back.contains("tick"), "{back}");
    first.command(".abandon");
    let (_, status) = first.finish("q");
    assert_eq!(status, 0);
    // Its session may not have noticed at once that the first debugger is gone.
    let output = testkit::until("the process to be taken over", || {
        let mut command = premote(&guard, &server, &["-pe", "-p", &pid, "-c", "r rip;qd"]);
        let output = command.stdin(std::process::Stdio::null()).output().expect("it runs");
        output.status.success().then_some(output)
    });
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("rip="), "{text}");
    assert_eq!(process.read_line(), "ticked 1");
    let mut command = premote(&guard, &server, &["-pe", "-p", &pid]);
    let output = command.stdin(std::process::Stdio::null()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("nobody debugs it, so it can be attached to"), "{text}");
    assert!(!output.status.success());
    process.close_input();
    assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(0));
}

#[test]
fn the_prompt_stays_connected_when_targets_are_gone() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let testee = Testee::build("exits", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let ticks = Testee::build("ticks", &[]);
    let mut process = guard.start(ticks.path(), &["0"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let mut cdb = Console::spawn(premote(&guard, &server, &[program, "5"]));
    for _ in 0..3 {
        assert!(cdb.command("g").contains("exited"));
        assert_eq!(cdb.prompt, "NoTarget");
        for command in ["k", "r", "g", "p", "u", ".detach", ".kill", ".abandon", "~m"] {
            let said = cdb.command(command);
            assert!(said.lines().count() == 1 && !said.contains("exited"), "{command}: {said}");
        }
        assert!(cdb.command(".tlist ticks*").contains(&format!("0n{pid} ")));
        cdb.command(&format!(".attach 0n{pid}"));
        assert!(cdb.command("g").contains("ticks"), "it is attached to");
        assert_eq!(cdb.command(".detach"), "Detached\n");
        assert_eq!(cdb.prompt, "NoTarget");
        cdb.command(".create /nonexistent/app");
        let wrong = cdb.command("g");
        assert!(wrong.contains("there is no such file on the server's machine"), "{wrong}");
        let again = cdb.command("g");
        assert!(!again.contains("/nonexistent"), "it is not tried again: {again}");
        cdb.command(&format!(".create {program} 5"));
        cdb.command("g");
        cdb.command(".restart");
        cdb.command(".kill");
        cdb.command(".restart");
    }
    assert!(cdb.command(".endpsrv").contains("Server told to exit"));
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0, "the server is gone because it was told to");
    process.close_input();
    process.wait();
}

#[test]
fn a_lost_server_is_told_once_and_ends_with_a_status() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let ticks = Testee::build("ticks", &[]);
    let program = ticks.path().to_str().expect("a path in the target folder");
    let mut cdb = Console::spawn(premote(&guard, &server, &[program, "0"]));
    let parent = server.pid().to_string();
    let is_session = |pid: &dbgbase::Pid| {
        testkit::procfs::status(*pid, (*pid).into(), "PPid").as_ref() == Some(&parent)
    };
    cdb.type_line("g");
    let is_ticks = |pid: &dbgbase::Pid| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == ticks.path())
    };
    let runs = |pid: &dbgbase::Pid| {
        is_ticks(pid) && testkit::procfs::is_sleeping_in(*pid, (*pid).into(), SYS_READ)
    };
    testkit::until("it to run", || guard.processes().into_iter().find(runs));
    let sessions = testkit::procfs::pids().into_iter().filter(is_session);
    for pid in sessions {
        testkit::send_signal(pid, dbgbase::Signal::SIGKILL);
    }
    let told = cdb.read_to_prompt();
    assert!(told.contains("The connection to the process server is lost"), "{told}");
    assert_eq!(cdb.prompt, "NoTarget");
    for command in [".tlist", ".attach 0n1;g"] {
        let said = cdb.command(command);
        assert!(said.contains("connect") || said.contains("lost"), "{command}: {said}");
    }
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 1);
    for pid in guard.processes() {
        if is_ticks(&pid) {
            testkit::send_signal(pid, dbgbase::Signal::SIGKILL);
        }
    }
}

/// A port is open to all, so the server asks the system who has come.
#[test]
fn a_port_without_a_password_is_for_the_servers_user_and_root() {
    use std::os::unix::process::CommandExt as _;

    let guard = Guard::new();
    let testee = Testee::build("exits", &[]);
    let program = testee.path().to_str().expect("a path in the target folder");
    // Only root can play somebody else; others see that they are let in themselves.
    let is_root = rustix::process::geteuid().is_root();
    for (option, is_served) in [("", !is_root), (",unprotected", true)] {
        let server = Server::tcp_with(&guard, programs::dbgsrv(), option);
        let mut command = premote(&guard, &server, &["-c", "q", program]);
        if is_root {
            command.uid(65534).gid(65534);
        }
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), is_served, "{option}: {text}");
        if !is_served {
            assert!(text.contains("serves uid 0, as which it runs, and root; you are uid 65534"));
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}
