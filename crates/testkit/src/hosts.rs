//! Two machines of a test's own: each a network and a mount namespace with a name, joined by a
//! cable that can be cut. It knows how to start programs there, not which.
//!
//! ```text
//!   box 10.77.0.1, fd77::1 ══ cable ══ me 10.77.0.2, fd77::2
//! ```

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use dbgbase::{ExitStatus, Pid};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use crate::process_guard::{Guard, Process};
use crate::{is_root_for, procfs, until};

/// The end of the cable, on either machine.
const DEVICE: &str = "cable";
/// What both call each other.
const NAMES: &str = "127.0.0.1 localhost\n10.77.0.1 box\n10.77.0.2 me\nfd77::1 box6\nfd77::2 me6\n";

/// A machine. It ends with its last process; this holds one.
pub struct Host {
    holder: Process,
}

impl Host {
    /// The machines `box` and `me`. `None` if there are none as this is not root, and what
    /// needs it is left out ([`is_root_for`]).
    ///
    /// **Panics** if they cannot be made or joined.
    #[track_caller]
    pub fn pair(guard: &Guard) -> Option<(Host, Host)> {
        if !is_root_for("machines with networks of their own") {
            return None;
        }
        let names = guard.directory().join("hosts");
        std::fs::write(&names, NAMES).expect("a file");
        let hosts = [(); 2].map(|()| Host::new(guard, &names));
        let ends = hosts.each_ref().map(|host| host.holder.pid().to_string());
        let mut cable = guard.command("ip");
        cable.args(["link", "add", DEVICE, "netns", &ends[0], "type", "veth"]);
        run(cable.args(["peer", "name", DEVICE, "netns", &ends[1]]));
        for (host, number) in hosts.iter().zip(["1", "2"]) {
            let v6 = format!("fd77::{number}/64");
            let v4 = format!("10.77.0.{number}/24");
            run(host.command(guard, "ip").args(["address", "add", &v4, "dev", DEVICE]));
            let add = ["-6", "address", "add", &v6, "dev", DEVICE, "nodad"];
            run(host.command(guard, "ip").args(add));
            host.set_cable(guard, true);
        }
        let [server, client] = hosts;
        Some((server, client))
    }

    #[track_caller]
    fn new(guard: &Guard, names: &Path) -> Host {
        let mut command = guard.command("unshare");
        let script = "mount -t tmpfs -o mode=0755 none /run && mount --bind \"$1\" /etc/hosts \
                      && ip link set lo up && echo ready && exec cat";
        command.args(["--net", "--mount", "--", "sh", "-c", script, "sh"]).arg(names);
        let mut holder = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        assert_eq!(holder.read_line(), "ready");
        Host { holder }
    }

    /// A command whose process is on this machine.
    pub fn command(&self, guard: &Guard, program: impl AsRef<OsStr>) -> Command {
        let mut command = guard.command("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--net", "--mount"]);
        command.env_remove("DBGSRV_RUN_DIR").env_remove("XDG_RUNTIME_DIR");
        command.arg("--").arg(program);
        command
    }

    /// Empties a folder, as this machine sees it.
    ///
    /// **Panics** if that cannot be.
    #[track_caller]
    pub fn hide(&self, guard: &Guard, folder: &Path) {
        run(self.command(guard, "mount").args(["-t", "tmpfs", "none"]).arg(folder));
    }

    /// Plugs the cable in, or pulls it out: nobody is told, and what is sent is lost.
    ///
    /// **Panics** if that cannot be.
    #[track_caller]
    pub fn set_cable(&self, guard: &Guard, is_in: bool) {
        let state = if is_in { "up" } else { "down" };
        run(self.command(guard, "ip").args(["link", "set", DEVICE, state]));
    }

    /// Waits until somebody listens at a port.
    #[track_caller]
    pub fn wait_for_listener(&self, port: u16) {
        until("somebody to listen", || (self.count(port, "0A") > 0).then_some(()));
    }

    /// How many connections there are to or from a port of this machine, or of the other one.
    pub fn connections(&self, port: u16) -> usize {
        self.count(port, "01")
    }

    /// The sockets of these connections, which a program of the test holds as well.
    ///
    /// **Panics** if they cannot be had.
    #[track_caller]
    pub fn sockets(&self, guard: &Guard, port: u16) -> Vec<OwnedFd> {
        let inodes = self.inodes(port, "01");
        let names: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
        let mut sockets = BTreeMap::new();
        for pid in guard.processes() {
            for descriptor in procfs::descriptors(pid) {
                let Some((number, name)) = descriptor.split_once(" -> ") else { continue };
                if names.iter().any(|wanted| wanted == name) && !sockets.contains_key(name) {
                    let number = number.parse().expect("a descriptor");
                    sockets.insert(name.to_owned(), duplicate(pid, number));
                }
            }
        }
        sockets.into_values().collect()
    }

    fn count(&self, port: u16, state: &str) -> usize {
        self.inodes(port, state).len()
    }

    /// The inodes of the sockets with this port in this state (proc_pid_net(5)).
    fn inodes(&self, port: u16, state: &str) -> Vec<String> {
        let place = format!(":{port:04X}");
        let inode = |line: &str| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            let is_there = columns.get(1..3)?.iter().any(|end| end.ends_with(&place));
            let is_it = is_there && *columns.get(3)? == state;
            is_it.then_some((*columns.get(9)?).to_owned())
        };
        let of = |table: &str| {
            let path = format!("/proc/{}/net/{table}", self.holder.pid());
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.lines().filter_map(inode).collect::<Vec<String>>()
        };
        [of("tcp"), of("tcp6")].concat()
    }
}

/// A descriptor of another process (pidfd_getfd(2)).
#[track_caller]
fn duplicate(pid: Pid, number: i32) -> OwnedFd {
    let pid = rustix::process::Pid::from_raw(pid.value().cast_signed()).expect("a process id");
    let process = pidfd_open(pid, PidfdFlags::empty()).expect("it lives");
    pidfd_getfd(process, number, PidfdGetfdFlags::empty()).expect("root may")
}

#[track_caller]
fn run(command: &mut Command) {
    let what = format!("{command:?}");
    assert_eq!(Process::spawn(command).wait(), ExitStatus::Exited(0), "{what}");
}
