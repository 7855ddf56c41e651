//! Libraries that come and go while the program runs: breakpoints in them, what is told, and whose
//! files they are.

use testkit::{Guard, OwnFiles, Root, Server, Testee, programs};

use crate::console::Console;
use crate::remote::{premote, without_files};

/// cdb at a program that does this with the library `plugin`.
fn begin(guard: &Guard, what: &[&str]) -> Console {
    let plugin = Testee::build("plugin", &["-shared", "-fPIC"]);
    let program = Testee::build("loads", &[]);
    let paths = [program.path(), plugin.path()].map(|path| path.to_str().expect("text"));
    Console::start(guard, &[&paths[..], what].concat())
}

#[test]
fn a_breakpoint_stops_the_constructor_each_time_the_library_is_loaded() {
    let guard = Guard::new();
    let mut cdb = begin(&guard, &["o", "w", "c", "g", "o", "w", "c", "o", "c"]);
    cdb.command("bu plugin_begin");
    assert!(cdb.command("bl").contains(" 0 eu "));
    let mut places = Vec::new();
    for round in 0..3 {
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        let place = cdb.command("? plugin_begin");
        // Each is told as it happens, also of one that comes back to its place.
        assert_eq!(stop.matches("ModLoad: ").count(), 1, "{stop}");
        assert_eq!(stop.matches("Unload module ").count(), usize::from(round > 0), "{stop}");
        let state = cdb.command("dd plugin_state L1");
        assert!(state.trim().ends_with("  00000001"), "the constructor has begun: {state}");
        let stack = cdb.command("k");
        assert!(stack.contains("!construct+0x") && stack.contains("!main+0x"), "{stack}");
        places.push(place);
    }
    assert_ne!(places[0], places[1], "something lies where it was");
    let end = cdb.command("g");
    assert!(end.contains("exited with status 5"), "{end}");
    cdb.finish("q");
}

/// Nothing stops in between, so nobody but the server learns that the library was gone.
#[test]
fn a_breakpoint_at_an_address_is_there_again_when_the_library_is() {
    let guard = Guard::new();
    let mut cdb = begin(&guard, &["o", "w", "c", "o", "w", "c", "o", "c", "o", "w"]);
    cdb.command("bu plugin_work");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    let place = cdb.command("? plugin_work");
    assert_eq!(cdb.command("bc *; bp plugin_work"), "");
    for _ in 0..2 {
        let stop = cdb.command("g");
        assert!(stop.contains("!plugin_work") && stop.contains("Breakpoint 0 hit"), "{stop}");
        assert_eq!(cdb.command("? plugin_work"), place, "it is where it was");
    }
    let end = cdb.command("g");
    assert!(end.contains("exited with status 5"), "{end}");
    cdb.finish("q");
}

#[test]
fn loading_and_unloading_stop_targets_if_it_is_asked_for() {
    let guard = Guard::new();
    let mut cdb = begin(&guard, &["o", "w", "c", "o", "c"]);
    // Of another library it is only told.
    cdb.command("sxe ld:nosuch*; sxe ud");
    assert!(cdb.command("sx").contains("(only for nosuch*)\n"));
    let stop = cdb.command("g");
    assert_eq!(stop.matches("ModLoad: ").count(), 1, "{stop}");
    assert!(stop.contains("Unload module "), "{stop}");
    assert_eq!(cdb.prompt, "0:000");
    cdb.command("sxe -c \".echo loaded\" ld:PLUGIN*; sxi ud");
    let stop = cdb.command("g");
    assert!(stop.contains("ModLoad: ") && stop.contains("loaded\n"), "{stop}");
    let state = cdb.command("dd plugin_state L1");
    assert!(state.trim().ends_with("  00000001"), "its constructor has not run: {state}");
    let end = cdb.command("sxr; sxi ld; sxi ud; g");
    assert!(!end.contains("nload") && end.contains("exited with status "), "{end}");
    assert!(cdb.command("sxe ld:").contains("^ Syntax error"));
    cdb.finish("q");
}

#[test]
fn a_step_over_what_loads_a_library_is_not_cut_short_by_the_news() {
    let guard = Guard::new();
    let mut cdb = begin(&guard, &["o", "w", "c"]);
    cdb.command("sxe ld:nosuch*; bp load");
    cdb.command("g");
    let mut told = String::new();
    while !told.contains("ModLoad: ") {
        told = cdb.command("p");
        assert!(told.contains("!load+0x"), "{told}");
    }
    // The same with an event that has a command and no stop.
    cdb.command("sxi -c \".echo unloaded\" ud; bc *; bp unload; g");
    told.clear();
    while !told.contains("unloaded\n") {
        told = cdb.command("p");
        assert!(told.contains("!unload+0x"), "{told}");
    }
    cdb.finish("q");
}

#[test]
fn a_break_in_shows_what_was_loaded_meanwhile() {
    let guard = Guard::new();
    let mut cdb = begin(&guard, &["o", "s"]);
    cdb.type_line("g");
    cdb.read_until("ready\n");
    let stop = cdb.break_in();
    assert!(stop.contains("plugin-") && stop.contains("ModLoad: "), "{stop}");
    assert!(cdb.command("lm").contains("plugin"));
    assert!(cdb.command("x *!plugin_work").contains("plugin_work"));
    cdb.finish("q");
}

#[test]
fn what_is_gone_at_a_break_in_is_listed_no_more() {
    let guard = Guard::new();
    let mut cdb = begin(&guard, &["o", "w", "c", "s"]);
    cdb.command("bp plugin_work");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    assert!(cdb.command("lm").contains("plugin"));
    cdb.command("bc 0");
    cdb.type_line("g");
    cdb.read_until("ready\n");
    let stop = cdb.break_in();
    assert!(stop.contains("Unload module "), "{stop}");
    assert!(!cdb.command("lm").contains("plugin"));
    cdb.finish("q");
}

#[test]
fn names_are_found_in_files_that_only_the_program_sees() {
    let [program, plugin] =
        [Testee::build("loads", &[]), Testee::build("plugin", &["-shared", "-fPIC"])];
    for root in [Root::Namespace, Root::Directory] {
        let guard = Guard::new();
        let does = ["o", "s", "w", "c", "o", "w"];
        let mut own = OwnFiles::start(&guard, root, [&program, &plugin], &does);
        let mut cdb = Console::start(&guard, &["-p", &own.process.pid().to_string()]);
        assert!(cdb.banner.contains(&own.own_path(root, "plugin")), "{}", cdb.banner);
        cdb.command("bp plugin_work; bu plugin_begin");
        own.process.close_input();
        for name in ["plugin_work", "plugin_begin", "plugin_work"] {
            let stop = cdb.command("g");
            assert!(stop.contains(&format!("!{name}")) && stop.contains("hit"), "{stop}");
            let stack = cdb.command("k");
            assert!(stack.contains("!main+0x") && stack.contains("libc_so!"), "{stack}");
        }
        let end = cdb.command("g");
        assert!(end.contains("exited with status 5"), "{end}");
        cdb.finish("q");
    }
}

/// The client sees no file of the program, and the program itself neither any more.
#[test]
fn a_program_that_has_left_its_files_behind_still_has_names() {
    let guard = Guard::new();
    let [program, plugin] =
        [Testee::build("loads", &[]), Testee::build("plugin", &["-shared", "-fPIC"])];
    let [path, library] = [&program, &plugin].map(|testee| testee.path().to_str().expect("text"));
    let mut process =
        guard.start("unshare", &["--map-root-user", path, library, "o", "j", "s", "w"]);
    assert_eq!(process.read_line(), "ready");
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let pid = process.pid().to_string();
    let direct = premote(&guard, &server, &["-p", &pid]);
    let mut cdb = Console::spawn(without_files(&guard, &server, &program, &direct));
    cdb.command("bp plugin_work");
    process.close_input();
    let stop = cdb.command("g");
    assert!(stop.contains("!plugin_work") && stop.contains("hit"), "{stop}");
    let stack = cdb.command("k");
    assert!(stack.contains("!work+0x") && stack.contains("!main+0x"), "{stack}");
    let end = cdb.command("g");
    assert!(end.contains("exited with status 5"), "{end}");
    cdb.finish("q");
}
