//! `IcfEnable`: real rules of nftables in a network of the test's own, and firewalld as far as its
//! command line goes.

use std::process::{Command, Stdio};

use dbgbase::{ExitStatus, Pid, Signal};
use testkit::{Guard, Process};

use crate::PROGRAM;

/// Lets nothing in but answers, in two tables, and lets everything in, in a third.
const RULES: &str = "
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop;
        tcp sport 4711 accept
    }
}
table ip other {
    chain guard {
        type filter hook input priority 10;
        tcp sport 4711 accept
        tcp dport 1-65535 drop
    }
}
table ip6 open {
    chain x {
        type filter hook input priority 0; policy accept;
    }
}
";

/// Brings up the loopback interface of a new network: SIOCGIFFLAGS, SIOCSIFFLAGS of netdevice(7).
const UP: &str = "
import fcntl, socket, struct
s = socket.socket()
fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 1))
";

/// A command in a network of its own, which filters what comes in by these rules.
fn filtered(guard: &Guard, rules: &str, program: &str) -> Command {
    let script = "python3 -c \"$1\" && printf %s \"$2\" | nft -f - && shift 2 && exec \"$@\"";
    let mut command = guard.command("unshare");
    command.args(["--net", "--", "sh", "-c", script, "sh", UP, rules, program]);
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    command
}

/// What a command prints in the network of a process.
fn output_in(guard: &Guard, pid: Pid, words: &[&str]) -> String {
    let mut command = guard.command("nsenter");
    let output = command.args(["--target", &pid.to_string(), "--net", "--"]).args(words).output();
    let output = output.expect("it starts");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// Whether a connection to a port of this machine is let through, in the network of a process.
fn is_open(guard: &Guard, pid: Pid, port: u16) -> bool {
    let script = format!(
        "import socket\ns = socket.socket()\ns.settimeout(2)\n\
         print(s.connect_ex(('127.0.0.1', {port})))"
    );
    output_in(guard, pid, &["python3", "-c", &script]).trim() == "0"
}

#[test]
fn a_port_is_opened_where_it_is_filtered() {
    if !testkit::is_root_for("a firewall") {
        return;
    }
    let guard = Guard::new();
    for (parameter, is_opened) in [("", false), (",IcfEnable", true)] {
        let mut command = filtered(&guard, RULES, PROGRAM);
        command.args(["-t", &format!("tcp:port=4711{parameter}"), "-audit", "none"]);
        let notify = guard.directory().join("notify");
        let _ = std::fs::remove_file(&notify);
        let ready = std::os::unix::net::UnixDatagram::bind(&notify).expect("a new one");
        ready.set_read_timeout(Some(testkit::DEADLINE)).expect("a time");
        let mut server = Process::spawn(command.env("NOTIFY_SOCKET", &notify));
        ready.recv(&mut [0; 512]).expect("it is ready");
        assert_eq!(is_open(&guard, server.pid(), 4711), is_opened);
        let rules = output_in(&guard, server.pid(), &["nft", "list", "ruleset"]);
        let rule = "tcp dport 4711 accept comment \"dbgsrv IcfEnable\"";
        assert_eq!(rules.matches(rule).count(), if is_opened { 3 } else { 0 }, "{rules}");
        if is_opened {
            // A second server at the port finds the door open, and only the port taken.
            let again = ["dbgsrv", "-t", "tcp:port=4712,IcfEnable"];
            let mut words = vec!["env", "NOTIFY_SOCKET=", "timeout", "-s", "TERM", "2", PROGRAM];
            words.extend(&again[1..]);
            output_in(&guard, server.pid(), &words);
            output_in(&guard, server.pid(), &words);
            let rules = output_in(&guard, server.pid(), &["nft", "list", "ruleset"]);
            assert_eq!(rules.matches("dbgsrv IcfEnable").count(), 6, "{rules}");
        }
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait(), ExitStatus::Exited(0));
    }
}

#[test]
fn who_may_not_open_it_is_told_and_does_not_begin() {
    if !testkit::is_root_for("a user without privileges") {
        return;
    }
    let guard = Guard::new();
    let mut command = filtered(&guard, RULES, "setpriv");
    command.args(["--reuid=65534", "--clear-groups", "--inh-caps=-all", "--", PROGRAM]);
    command.args(["-t", "tcp:port=4711,IcfEnable", "-audit", "none"]);
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("IcfEnable: the firewall cannot be opened for tcp port 4711"), "{said}");
    assert!(said.contains("leave IcfEnable out"), "{said}");
}

#[test]
fn firewalld_is_asked_where_it_runs() {
    let guard = Guard::new();
    let folder = guard.directory().join("bin");
    std::fs::create_dir(&folder).expect("a new one");
    let heard = guard.directory().join("heard");
    let script = |last: &str| format!("#!/bin/sh\necho \"$*\" >> {}\n{last}\n", heard.display());
    let program = folder.join("firewall-cmd");
    let run = |last: &str| {
        std::fs::write(&program, script(last)).expect("a program");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).expect("its mode");
        let mut command = guard.command(PROGRAM);
        command.args(["-t", "tcp:port=0,IcfEnable", "-audit", "none"]);
        command.env("DBGSRV_RUN_DIR", guard.directory().join("run"));
        command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
        command.stderr(Stdio::piped());
        command
    };
    let output = run("case $1 in --state) ;; *) echo 'no rights' >&2; exit 1;; esac").output();
    let output = output.expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("firewall-cmd: no rights"), "{said}");
    let heard = std::fs::read_to_string(&heard).expect("it was asked");
    let lines: Vec<&str> = heard.lines().collect();
    let ["--state", asked] = lines.as_slice() else { panic!("{heard}") };
    let port = asked.strip_prefix("--quiet --add-port=").and_then(|it| it.strip_suffix("/tcp"));
    assert!(port.and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0), "{asked}");
}

#[test]
fn a_pipe_needs_no_opening_and_says_so() {
    let guard = Guard::new();
    let mut command = guard.command(PROGRAM);
    command.args(["-t", "npipe:pipe=door,IcfEnable", "-audit", "none"]);
    command.env("DBGSRV_RUN_DIR", guard.directory().join("run")).stderr(Stdio::piped());
    command.stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut line = String::new();
    let stderr = child.stderr.take().expect("a pipe");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stderr), &mut line).expect("a line");
    assert!(line.contains("IcfEnable") && line.contains("a unix socket"), "{line}");
    child.kill().expect("it serves");
    child.wait().expect("it is ours");
}
