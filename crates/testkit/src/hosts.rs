//! Two machines of a test's own: each a network and a mount namespace with a name, joined by a
//! cable that can be cut. It knows how to start programs there, not which.
//!
//! ```text
//!   box 10.77.0.1, fd77::1 ══ cable ══ me 10.77.0.2, fd77::2
//! ```

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use dbgbase::ExitStatus;

use crate::process_guard::{Guard, Process};
use crate::{is_root_for, until};

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

    /// The sockets with this port in this state (proc_pid_net(5)).
    fn count(&self, port: u16, state: &str) -> usize {
        let place = format!(":{port:04X}");
        let is_it = |line: &&str| {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            let ends = columns.get(1..3).unwrap_or_default();
            ends.iter().any(|end| end.ends_with(&place)) && columns.get(3) == Some(&state)
        };
        let of = |table: &str| {
            let path = format!("/proc/{}/net/{table}", self.holder.pid());
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.lines().filter(is_it).count()
        };
        of("tcp") + of("tcp6")
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let what = format!("{command:?}");
    assert_eq!(Process::spawn(command).wait(), ExitStatus::Exited(0), "{what}");
}
