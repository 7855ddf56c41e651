//! Two machines within this one: each has a network of its own, and a cable lies between them. The
//! far one has a host name, processes, a `/run` and a `/usr/local/bin` of its own, and a real sshd;
//! the near one has the ssh configuration of somebody who may log in there. It knows how to start
//! programs on both, not which.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dbgbase::Pid;

use crate::process_guard::{Guard, Process};
use crate::{is_root_for, procfs, until};

/// The far machine's address, of a network for examples (RFC 5737), and the near one's.
const FAR: &str = "192.0.2.2";
const NEAR: &str = "192.0.2.1";
/// What the key of [`TwoMachines::LOCKED`] is locked by.
pub const PASSPHRASE: &str = "open sesame";

/// Until the cable is there, and from then on as sshd.
const FAR_SCRIPT: &str = r#"set -e
mount -t tmpfs -o mode=0755 none /run
mount -t tmpfs -o mode=0755 none /usr/local/bin
mkdir /run/sshd
hostname far
ip link set lo up
echo ready
read -r cable
ip address add "$2/24" dev "$cable"
ip link set "$cable" up
exec /usr/sbin/sshd -D -e -f "$1""#;

/// The two machines. Both end, with all that runs there, when this is dropped.
pub struct TwoMachines {
    near: Process,
    far: Process,
    directory: PathBuf,
}

impl TwoMachines {
    /// The far machine, as `server=` names it.
    pub const FAR: &str = "far";
    /// The same, for somebody whose key has a passphrase.
    pub const LOCKED: &str = "locked";
    /// The same, for somebody whom it does not know.
    pub const DENIED: &str = "denied";
    /// The same, for somebody who does not know it.
    pub const STRANGER: &str = "stranger";
    /// The same, for somebody whose shell says something before it does what it is told.
    pub const TALKATIVE: &str = "talkative";
    /// A port of it at which nobody listens.
    pub const CLOSED: &str = "closed";

    /// Two new ones. `None` if there are none as this is not root, and what needs it is left out
    /// ([`is_root_for`]).
    #[track_caller]
    pub fn new(guard: &Guard) -> Option<TwoMachines> {
        if !is_root_for("a machine with a network and processes of its own") {
            return None;
        }
        let directory = guard.directory().join("ssh");
        fs::create_dir(&directory).expect("one for each test");
        configure(guard, &directory);
        let mut command = guard.command("unshare");
        let script = "ip link set lo up && echo ready && exec cat";
        command.args(["--net", "--", "sh", "-c", script]);
        let mut near = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        assert_eq!(near.read_line(), "ready");
        let mut command = guard.command("unshare");
        command.args(["--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc"]);
        command.args(["--kill-child", "--", "sh", "-c", FAR_SCRIPT, "sh"]);
        command.arg(directory.join("sshd_config")).arg(FAR);
        command.env_remove("DBGSRV_RUN_DIR").env_remove("XDG_RUNTIME_DIR");
        let log = fs::File::create(directory.join("log")).expect("own directory");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut far = Process::spawn(&mut command);
        assert_eq!(far.read_line(), "ready");
        let mut machines = TwoMachines { near, far, directory };
        machines.connect(guard);
        Some(machines)
    }

    /// Lays the cable, and waits for sshd.
    #[track_caller]
    fn connect(&mut self, guard: &Guard) {
        let far = self.far.pid().to_string();
        let address = format!("{NEAR}/24");
        for words in [
            &["link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &far][..],
            &["address", "add", &address, "dev", "cable"],
            &["link", "set", "cable", "up"],
        ] {
            let status = self.near(guard, "ip").args(words).status().expect("it starts");
            assert!(status.success(), "ip {words:?}: {status}");
        }
        self.far.write_line("cable");
        let is_there = || {
            let mut ssh = self.near(guard, "ssh");
            let output = ssh.args([TwoMachines::FAR, "true"]).output().expect("it starts");
            output.status.success().then_some(())
        };
        until("sshd on the far machine", is_there);
    }

    /// A command on the near machine. Its `ssh` is that of somebody who may log in on the far one.
    pub fn near(&self, guard: &Guard, program: impl AsRef<OsStr>) -> Command {
        let mut command = guard.command("nsenter");
        command.args(["--target", &self.near.pid().to_string(), "--net", "--"]).arg(program);
        command.env("PATH", self.path());
        command
    }

    /// The `PATH` of the near machine.
    pub fn path(&self) -> std::ffi::OsString {
        let others = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.directory.clone());
        std::env::join_paths(folders.chain(std::env::split_paths(&others))).expect("paths")
    }

    /// A command on the far machine, as root.
    pub fn far(&self, guard: &Guard, program: impl AsRef<OsStr>) -> Command {
        let pid = self.far.pid();
        let mut command = guard.command("nsenter");
        command.args(["--target", &pid.to_string(), "--net", "--mount", "--uts"]);
        command.arg(format!("--pid=/proc/{pid}/ns/pid_for_children")).arg("--").arg(program);
        command.env_remove("DBGSRV_RUN_DIR").env_remove("XDG_RUNTIME_DIR");
        command
    }

    /// Puts a program into a folder of the far machine: where its users' shells look for programs,
    /// or another one below `/run`.
    #[track_caller]
    pub fn install(&self, guard: &Guard, program: &Path, folder: &str) {
        let mut command = self.far(guard, "sh");
        let script = r#"mkdir -p "$2" && cp --remove-destination "$1" "$2""#;
        command.args(["-c", script, "sh"]).arg(program).arg(folder);
        assert!(command.status().expect("it starts").success(), "{folder}");
    }

    /// The processes of the far machine that have been started by this command line.
    pub fn far_processes(&self, guard: &Guard, words: &[&str]) -> Vec<Pid> {
        let wanted: Vec<u8> =
            words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        let is_it =
            |pid: &Pid| fs::read(procfs::path(*pid, "cmdline")).is_ok_and(|line| line == wanted);
        guard.processes().into_iter().filter(is_it).collect()
    }
}

/// Writes the keys and configurations of both sides.
fn configure(guard: &Guard, directory: &Path) {
    let file = |name: &str| directory.join(name).to_str().expect("a path of text").to_owned();
    let write = |name: &str, text: &str, mode: u32| {
        let mut file = fs::File::create(directory.join(name)).expect("own directory");
        file.write_all(text.as_bytes()).expect("a file");
        file.set_permissions(fs::Permissions::from_mode(mode)).expect("own file");
    };
    let new_key = |name: &str, passphrase: &str| -> String {
        let words = ["-q", "-t", "ed25519", "-C", name, "-N", passphrase, "-f", &file(name)];
        guard.output("ssh-keygen", &words);
        fs::read_to_string(file(&format!("{name}.pub"))).expect("a public key")
    };
    let host = new_key("host", "");
    let talk = r#"command="echo Welcome to far; exec sh -c \"$SSH_ORIGINAL_COMMAND\"" "#;
    let talkative = format!("{talk}{}", new_key("talkative", ""));
    let known = [new_key("known", ""), new_key("locked", PASSPHRASE), talkative].concat();
    new_key("unknown", "");
    write("authorized", &known, 0o600);
    write("known_hosts", &format!("far {host}"), 0o600);
    write("no_hosts", "", 0o600);
    let (name, value) = guard.entry().split_once('=').unwrap_or_default();
    // What it starts is known to be the test's.
    let sshd = format!(
        "ListenAddress {FAR}\nHostKey {}\nAuthorizedKeysFile {}\nSetEnv {name}={value}\n\
         StrictModes no\nUsePAM no\nPidFile none\nUseDNS no\nPermitRootLogin yes\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\n",
        file("host"),
        file("authorized"),
    );
    write("sshd_config", &sshd, 0o600);
    let mut ssh = String::new();
    for (alias, key, hosts, port) in [
        (TwoMachines::FAR, "known", "known_hosts", 22),
        (TwoMachines::LOCKED, "locked", "known_hosts", 22),
        (TwoMachines::TALKATIVE, "talkative", "known_hosts", 22),
        (TwoMachines::DENIED, "unknown", "known_hosts", 22),
        (TwoMachines::STRANGER, "known", "no_hosts", 22),
        (TwoMachines::CLOSED, "known", "known_hosts", 1),
    ] {
        ssh += &format!(
            "Host {alias}\nIdentityFile {}\nUserKnownHostsFile {}\nPort {port}\n",
            file(key),
            file(hosts)
        );
    }
    ssh += &format!(
        "Host *\nHostName {FAR}\nHostKeyAlias far\nUser root\nIdentitiesOnly yes\n\
         IdentityAgent none\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n\
         UpdateHostKeys no\n"
    );
    write("ssh_config", &ssh, 0o600);
    let config = file("ssh_config");
    write("ssh", &format!("#!/bin/sh\nexec /usr/bin/ssh -F '{config}' \"$@\"\n"), 0o755);
}
