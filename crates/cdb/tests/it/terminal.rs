//! Programs on terminals of their own, on another machine: what they write is shown, what is typed
//! reaches them. The user's terminal is a real one too.

use std::process::Command;

use testkit::{Guard, Server, Testee, programs};

use crate::console::Console;
use crate::person::Person;

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
    assert_eq!(person.wait(), Some(0));
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
    person.resize(40, 90);
    person.press_enter_until("40 90");
    person.type_in("\x03");
    person.wait_for("> ");
    person.type_in("q\r");
    assert_eq!(person.wait(), Some(0));
}
