//! A mount namespace of a test's own in which `/run` is empty, so that servers of root can be where
//! they are without being seen outside. It knows how to start programs there, not which.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::is_root_for;
use crate::process_guard::{Guard, Process};

/// A user who owns nothing.
const NOBODY: u32 = 65534;

/// The namespace. It ends with its last process; this holds one.
pub struct PrivateRun {
    holder: Process,
}

impl PrivateRun {
    /// A new one. Whoever is not root becomes root in a user namespace of its own.
    #[track_caller]
    pub fn new(guard: &Guard) -> PrivateRun {
        let mut command = guard.command("unshare");
        if !is_root() {
            command.arg("--map-root-user");
        }
        let script = "mount -t tmpfs -o mode=0755 none /run && echo ready && exec cat";
        command.args(["--mount", "--", "sh", "-c", script]);
        let mut holder = Process::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        assert_eq!(holder.read_line(), "ready");
        PrivateRun { holder }
    }

    /// A command whose process is in the namespace, as root and without a run directory of its own.
    pub fn command(&self, guard: &Guard, program: impl AsRef<OsStr>) -> Command {
        let mut command = guard.command("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--mount"]);
        if !is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.env_remove("DBGSRV_RUN_DIR").env_remove("XDG_RUNTIME_DIR");
        command.arg("--").arg(program);
        command
    }

    /// The same as a user without privileges, with the run directory of that user: a new one in
    /// the test's folder. `None` if there is none as this is not root, and what needs it is left
    /// out ([`is_root_for`]).
    pub fn command_as_nobody(
        &self,
        guard: &Guard,
        program: impl AsRef<OsStr>,
    ) -> Option<(Command, PathBuf)> {
        if !is_root_for("a user without privileges") {
            return None;
        }
        let session = guard.directory().join("nobody");
        std::fs::create_dir(&session).expect("one for each test");
        std::os::unix::fs::chown(&session, Some(NOBODY), Some(NOBODY)).expect("root may");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(guard.directory(), open).expect("own directory");
        let mut command = self.command(guard, "setpriv");
        command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")]);
        command.args(["--clear-groups", "--"]).arg(program).env("XDG_RUNTIME_DIR", &session);
        Some((command, session.join("dbgsrv")))
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
