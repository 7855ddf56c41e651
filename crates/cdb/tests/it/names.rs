//! Names that symbol tables do not have, or have several times: in expressions, for breakpoints and
//! in lists; and the index of them, which is kept.

use testkit::{Guard, Testee};

use crate::console::Console;

/// The program `names`, of two files.
fn names() -> Testee {
    let other = Testee::build("names_other", &["-O0", "-c"]);
    Testee::build("names", &["-O0", other.path().to_str().expect("a path in the target folder")])
}

fn start(guard: &Guard) -> Console {
    Console::start(guard, &[names().path().to_str().expect("a path in the target folder")])
}

/// The value that `?` shows.
fn value(cdb: &mut Console, expression: &str) -> u64 {
    let shown = cdb.command(&format!("? {expression}"));
    let hex = shown.trim().rsplit(" = ").next().map(|hex| hex.replace('`', ""));
    let value = hex.and_then(|hex| u64::from_str_radix(&hex, 16).ok());
    value.unwrap_or_else(|| panic!("{expression}: {shown}"))
}

#[test]
fn statics_and_globals_have_addresses_in_expressions() {
    let guard = Guard::new();
    let mut cdb = start(&guard);
    for (name, expected) in [("shared", 3), ("calls", 5), ("seen", 7)] {
        assert_eq!(value(&mut cdb, &format!("dwo({name})")), expected, "{name}");
    }
    let shown = cdb.command("dd calls L1");
    assert!(shown.trim_end().ends_with("  00000005"), "{shown}");
    let listed = cdb.command("lm");
    let module = listed
        .lines()
        .find_map(|row| row.split_whitespace().find(|word| word.starts_with("names")));
    let module = module.expect("the program").to_owned();
    cdb.command("bp counter; g; gu");
    assert_eq!(value(&mut cdb, &format!("dwo({module}!calls)")), 6);
    cdb.finish("q");
}

#[test]
fn a_function_without_code_of_its_own_has_breakpoints_where_it_was_inlined() {
    let guard = Guard::new();
    let mut cdb = start(&guard);
    assert_eq!(cdb.command("bp thrice").trim(), "", "there is one copy");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    let stack = cdb.command("k");
    assert!(stack.contains("!thrice") && stack.contains("!main+0x"), "{stack}");
    cdb.finish("q");
}
