//! A person at a real terminal, who sees what a program shows there, and types. It knows no
//! program.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, SpecialCodeIndex, Winsize, tcgetattr, tcsetwinsize};
use testkit::Guard;

/// A person at a terminal.
pub(crate) struct Person {
    master: File,
    slave: OwnedFd,
    cdb: Child,
    /// What has been shown and not waited for.
    pub(crate) seen: String,
}

impl Person {
    /// Who starts a program on a terminal of this size.
    #[track_caller]
    pub(crate) fn start(guard: &Guard, program: &Command, rows: u16, columns: u16) -> Person {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let master = master.expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let slave = File::options().read(true).write(true).open(name).expect("a terminal");
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a terminal");
        let end = || Stdio::from(slave.try_clone().expect("a descriptor"));
        // A session of its own makes it the terminal's.
        let mut command = guard.command("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        let set = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.envs(set).stdin(end()).stdout(end()).stderr(end());
        let cdb = command.spawn().expect("it starts");
        Person { master: File::from(master), slave: OwnedFd::from(slave), cdb, seen: String::new() }
    }

    /// Types.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("it reads");
    }

    /// Presses Enter again and again, until this is shown.
    #[track_caller]
    pub(crate) fn press_enter_until(&mut self, text: &str) {
        testkit::until(text, || {
            self.type_in("\r");
            self.look();
            self.seen.contains(text).then_some(())
        });
    }

    /// Reads what is shown within a moment.
    fn look(&mut self) {
        let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        if rustix::event::poll(&mut fds, Some(&moment)) == Ok(1) {
            let mut bytes = [0; 4096];
            let count = self.master.read(&mut bytes).unwrap_or(0);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Reads until this is shown; what has been shown up to it is done with.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        testkit::until(&format!("{text:?} in {:?}", self.seen), || {
            self.look();
            let end = self.seen.find(text)? + text.len();
            Some(self.seen.drain(..end).collect())
        })
    }

    /// Waits until what is typed goes to the program: Ctrl+\ is a key like others then.
    #[track_caller]
    pub(crate) fn wait_for_program(&self) {
        testkit::until("the keys to be the program's", || {
            let modes = tcgetattr(self.slave.as_fd()).expect("a terminal");
            (modes.special_codes[SpecialCodeIndex::VQUIT] == 0).then_some(())
        });
    }

    /// Whether the terminal shows what is typed.
    pub(crate) fn echoes(&self) -> bool {
        let modes = tcgetattr(self.slave.as_fd()).expect("a terminal");
        modes.local_modes.contains(LocalModes::ECHO)
    }

    /// Changes the terminal's size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).expect("a terminal");
    }

    /// The exit status of the program.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.cdb.wait().expect("a child").code()
    }
}
