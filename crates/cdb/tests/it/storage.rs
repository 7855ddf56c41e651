//! Variables that each thread has for itself, of the program and of libraries, with both C
//! libraries.

use testkit::{Guard, Testee};

use crate::console::Console;

/// What makes gcc use musl.
const MUSL: &str = "-specs=/usr/lib/x86_64-linux-musl/musl-gcc.specs";

/// cdb at the place where both threads have told where their variables are.
fn begin(guard: &Guard, flags: &[&str]) -> Console {
    let library = |name: &str| {
        let (name, place) = (format!("-DNAME={name}"), format!("-DPLACE={name}_place"));
        Testee::build("storage_library", &[&["-shared", "-fPIC", &name, &place], flags].concat())
    };
    let (early, late) = (library("early"), library("late"));
    let early = early.path().to_str().expect("a path in the target folder");
    // The library is named behind what needs it.
    let linked = ["-Wl,--no-as-needed", early, "-pthread", "-ldl"];
    let program = Testee::build("storage", &[flags, &linked].concat());
    let paths = [program.path(), late.path()].map(|path| path.to_str().expect("text"));
    let mut cdb = Console::start(guard, &paths);
    cdb.command("bp ready");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    cdb
}

#[track_caller]
fn evaluate(cdb: &mut Console, expression: &str) -> String {
    let shown = cdb.command(&format!("? {expression}"));
    shown.trim_end().rsplit_once(" = ").unwrap_or_else(|| panic!("{shown}")).1.to_owned()
}

fn each_thread_has_its_own(flags: &[&str], late_is_lazy: bool) {
    let guard = Guard::new();
    let mut cdb = begin(&guard, flags);
    for (thread, names) in [(0, &["own", "early"][..]), (1, &["own", "early", "late"])] {
        cdb.command(&format!("~{thread}s"));
        for (index, name) in names.iter().enumerate() {
            let told = evaluate(&mut cdb, &format!("poi(places+0n{})", 24 * thread + 8 * index));
            assert_eq!(evaluate(&mut cdb, name), told, "{flags:?}: {name} of thread {thread}");
            let value = if *name == "own" { 11 + thread as i32 } else { 34 };
            let shown = cdb.command(&format!("dt {name}"));
            let expected = format!("Global var @ 0x{told} Type int\n0n{value}\n");
            assert_eq!(shown, expected, "{flags:?}: thread {thread}");
            let listed = cdb.command(&format!("x *!{name}"));
            assert!(listed.contains(&told), "{flags:?}: thread {thread}: {listed}");
        }
    }
    cdb.command("~0s");
    let late = cdb.command("? late");
    if late_is_lazy {
        assert!(late.contains("Variable not in memory at 'late'"), "{flags:?}: {late}");
    } else {
        assert!(late.starts_with("Evaluate expression: "), "{flags:?}: {late}");
    }
    // Those of a function are among its variables.
    let inside = cdb.command("dv");
    assert!(inside.ends_with(" inside = 0n7\n"), "{flags:?}: {inside}");
    let bytes = cdb.command("dd inside L1");
    assert!(bytes.ends_with("  00000007\n"), "{flags:?}: {bytes}");
    cdb.finish("q");
}

#[test]
fn each_thread_has_its_own_with_glibc() {
    each_thread_has_its_own(&[], true);
}

#[test]
fn each_thread_has_its_own_with_musl() {
    // musl gives every thread its block when a library is loaded.
    each_thread_has_its_own(&[MUSL], false);
}
