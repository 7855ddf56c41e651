//! Libraries that come and go while the program runs: breakpoints in them, and what is told.

use testkit::{Guard, Testee};

use crate::console::Console;

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
        // What has come back to its place is no news.
        let is_elsewhere = places.last() != Some(&place);
        assert_eq!(stop.matches("ModLoad: ").count(), usize::from(is_elsewhere), "{stop}");
        let is_gone = is_elsewhere && round > 0;
        assert_eq!(stop.matches("Unload module ").count(), usize::from(is_gone), "{stop}");
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

#[test]
fn a_break_in_shows_what_was_loaded_meanwhile() {
    let guard = Guard::new();
    let mut cdb = begin(&guard, &["o", "s"]);
    cdb.type_line("g");
    cdb.read_until("ready\n");
    let stop = cdb.break_in();
    assert!(stop.contains("plugin-") && stop.contains("ModLoad: "), "{stop}");
    assert!(cdb.command("x *!plugin_work").contains("plugin_work"));
    cdb.finish("q");
}
