//! Programs on terminals of their own, on another machine: what they write is shown, what is typed
//! reaches them. The user's terminal is a real one too.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, SpecialCodeIndex, Winsize, tcgetattr, tcsetwinsize};
use testkit::{Guard, Server, Testee, programs};

use crate::console::Console;

fn premote(guard: &Guard, server: &Server, rest: &[&str]) -> Command {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.env("DBGSRV_RUN_DIR", server.run_dir()).env("TERM", "dumb");
    command.env("XDG_STATE_HOME", guard.directory());
    command.args(["-premote", &server.endpoint().to_connect_string()]).args(rest);
    command
}

fn server(guard: &Guard) -> Server {
    let server = Server::npipe(guard, programs::dbgsrv());
    drop(server.connect());
    server
}

#[test]
fn output_comes_before_the_stop_that_follows_it() {
    let guard = Guard::new();
    let server = server(&guard);
    let mut cdb =
        Console::spawn(premote(&guard, &server, &["sh", "-c", "echo one; echo two; exit 3"]));
    let end = cdb.command("g");
    let [one, two, exited] = ["one", "two", "exited"].map(|word| end.find(word).expect("shown"));
    assert!(one < two && two < exited, "{end}");
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0);
}

#[test]
fn an_unfinished_line_does_not_swallow_the_prompt() {
    let guard = Guard::new();
    let server = server(&guard);
    let mut cdb = Console::spawn(premote(&guard, &server, &["sh", "-c", "printf unfinished"]));
    let end = cdb.command("g");
    assert!(end.contains("unfinished\n"), "{end}");
    cdb.finish("q");
}

/// A person at a terminal.
struct Person {
    master: File,
    slave: OwnedFd,
    cdb: Child,
    seen: String,
}

impl Person {
    fn start(guard: &Guard, program: &Command, rows: u16, columns: u16) -> Person {
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

    fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("it reads");
    }

    /// Presses Enter again and again, until this is shown.
    #[track_caller]
    fn press_enter_until(&mut self, text: &str) {
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
    fn wait_for(&mut self, text: &str) -> String {
        testkit::until(&format!("{text:?} in {:?}", self.seen), || {
            self.look();
            let end = self.seen.find(text)? + text.len();
            Some(self.seen.drain(..end).collect())
        })
    }

    /// Waits until what is typed goes to the program: Ctrl+\ is a key like others then.
    #[track_caller]
    fn wait_for_program(&self) {
        testkit::until("the keys to be the program's", || {
            let modes = tcgetattr(self.slave.as_fd()).expect("a terminal");
            (modes.special_codes[SpecialCodeIndex::VQUIT] == 0).then_some(())
        });
    }

    fn echoes(&self) -> bool {
        let modes = tcgetattr(self.slave.as_fd()).expect("a terminal");
        modes.local_modes.contains(LocalModes::ECHO)
    }
}

#[test]
fn typing_reaches_the_program_and_the_prompt_again() {
    let guard = Guard::new();
    let server = server(&guard);
    let testee = Testee::build("ticks", &[]);
    let path = testee.path().to_str().expect("UTF-8");
    let mut person = Person::start(&guard, &premote(&guard, &server, &[path, "0"]), 30, 100);
    person.wait_for("> ");
    person.type_in("g\r");
    person.wait_for("ready");
    assert!(!person.echoes(), "that terminal echoes, not this one");
    person.type_in("\r");
    person.wait_for("ticked 1");
    person.type_in("abc\r");
    let shown = person.wait_for("ticked 2");
    assert_eq!(shown.matches("abc").count(), 1, "{shown}");
    // Ctrl+C breaks into the debugger.
    person.type_in("\x03");
    person.wait_for("Break");
    person.wait_for("> ");
    person.type_in("bp tick\r");
    person.wait_for("> ");
    person.type_in("g\r");
    person.wait_for_program();
    person.type_in("\r");
    person.wait_for("Breakpoint 0 hit");
    person.wait_for("> ");
    person.type_in("bc *;g\r");
    person.wait_for("ticked 3");
    // Ctrl+D is the program's.
    person.type_in("\x04");
    person.wait_for("exited");
    person.wait_for("> ");
    person.type_in("q\r");
    assert_eq!(person.cdb.wait().expect("a child").code(), Some(0));
    assert!(person.echoes(), "the terminal is as it was");
}

#[test]
fn the_terminal_has_the_size_of_the_users() {
    let guard = Guard::new();
    let server = server(&guard);
    let script = "while stty size; do read x || exit 0; done";
    let mut person =
        Person::start(&guard, &premote(&guard, &server, &["bash", "-c", script]), 31, 101);
    person.wait_for("> ");
    person.type_in("g\r");
    person.wait_for("31 101");
    let size = Winsize { ws_row: 40, ws_col: 90, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&person.master, size).expect("a terminal");
    person.press_enter_until("40 90");
    person.type_in("\x03");
    person.wait_for("> ");
    person.type_in("q\r");
    assert_eq!(person.cdb.wait().expect("a child").code(), Some(0));
}
