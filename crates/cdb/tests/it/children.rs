//! Processes that targets make, debugged too: with `-o` and `.childdbg`.

use dbgbase::Pid;
use testkit::{Guard, Testee, until};

use crate::console::Console;

fn path(testee: &str) -> String {
    let testee = Testee::build(testee, &[]);
    testee.path().to_str().expect("a path in the target folder").to_owned()
}

/// The ids that `|` shows, with how the debugger came to them.
#[track_caller]
fn processes(cdb: &mut Console) -> Vec<(Pid, String)> {
    let list = cdb.command("|");
    let process = |line: &str| {
        let mut columns = line.split('\t').skip(1);
        let pid = columns.next()?.strip_prefix("id: ")?;
        let pid = Pid::new(u32::from_str_radix(pid, 16).ok()?);
        Some((pid, columns.next()?.to_owned()))
    };
    list.lines().map(|line| process(line).unwrap_or_else(|| panic!("{list}"))).collect()
}

fn is_there(pid: Pid) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

/// Lets everything run to its end, in whatever order.
fn run_to_end(cdb: &mut Console) -> String {
    let mut told = String::new();
    while cdb.prompt != "NoTarget" {
        told += &cdb.command("g");
    }
    told
}

#[track_caller]
fn exited(told: &str, pid: Pid, status: u8) {
    assert!(told.contains(&format!("Process {pid} exited with status {status}\n")), "{told}");
}

#[test]
fn a_forked_child_stops_before_it_does_anything() {
    let guard = Guard::new();
    let mut cdb = Console::start(&guard, &["-o", &path("children"), "fork"]);
    cdb.command("bp work");
    assert!(cdb.command("g").contains("Breakpoint 0 hit"));
    // The parent's next call may come before the child's birth is told.
    let mut stop = cdb.command("g");
    if stop.contains("Breakpoint 0 hit") {
        stop = cdb.command("g");
    }
    assert!(stop.contains("): Create process\n"), "{stop}");
    assert_eq!(cdb.prompt, "1:000");
    let list = processes(&mut cdb);
    let origins: Vec<&str> = list.iter().map(|(_, origin)| origin.as_str()).collect();
    assert_eq!(origins, ["create", "child"]);
    // It has none of its parent's breakpoints, and may have its own.
    cdb.command("bp1 work 0n1000");
    assert!(cdb.command("bl").contains(" 1:**** "));
    let told = run_to_end(&mut cdb);
    assert_eq!(told.matches("Breakpoint 1 hit").count(), 1, "{told}");
    // Both have counted their calls.
    exited(&told, list[0].0, 0);
    exited(&told, list[1].0, 0);
    cdb.finish("q");
}

#[test]
fn a_child_that_executes_a_program_begins_as_a_launched_one() {
    for how in ["vfork", "spawn"] {
        let guard = Guard::new();
        let mut cdb = Console::start(&guard, &["-o", &path("children"), how]);
        let stop = cdb.command("g");
        assert!(stop.contains("): Initial breakpoint: the program is loaded\n"), "{how}: {stop}");
        assert!(stop.contains("ModLoad: ") && !stop.contains("A new program"), "{how}: {stop}");
        assert_eq!(cdb.prompt, "1:000", "{how}");
        let list = processes(&mut cdb);
        assert_eq!(list[1].1, "child", "{how}");
        cdb.command("bp work");
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{how}: {stop}");
        let told = run_to_end(&mut cdb);
        exited(&told, list[0].0, 0);
        exited(&told, list[1].0, 0);
        cdb.finish("q");
    }
}

#[test]
fn a_static_child_stops_where_it_begins() {
    let guard = Guard::new();
    let minimal = Testee::build("minimal", &[]);
    let script = format!("{} ; exit 7", minimal.path().to_str().expect("a path"));
    let mut cdb = Console::start(&guard, &["-o", "sh", "-c", &script]);
    // Either the shell forks, or borrows its memory for the child.
    let mut stop = cdb.command("g");
    if stop.contains("): Create process\n") {
        cdb.command("sxe exec");
        stop = cdb.command("g");
        assert!(stop.contains("A new program was executed\n"), "{stop}");
    } else {
        assert!(stop.contains("Initial breakpoint"), "{stop}");
    }
    assert_eq!(cdb.prompt, "1:000");
    assert!(cdb.command("|").contains("minimal"), "{stop}");
    let list = processes(&mut cdb);
    let told = run_to_end(&mut cdb);
    exited(&told, list[0].0, 7);
    cdb.finish("q");
}

#[test]
fn children_run_on_unless_it_is_asked_for_them() {
    let guard = Guard::new();
    let mut cdb = Console::start(&guard, &[&path("children"), "fork"]);
    assert_eq!(cdb.command(".childdbg"), "Processes created by targets will not be debugged\n");
    assert_eq!(cdb.command(".childdbg 1"), "Processes created by targets will be debugged\n");
    assert!(cdb.command("g").contains("): Create process\n"));
    let list = processes(&mut cdb);
    let told = run_to_end(&mut cdb);
    for (pid, _) in list {
        exited(&told, pid, 0);
    }
    assert_eq!(cdb.command(".childdbg 0"), "Processes created by targets will not be debugged\n");
    cdb.command(".restart");
    let end = cdb.command("g");
    assert!(end.contains("exited with status 0"), "{end}");
    assert_eq!(cdb.prompt, "NoTarget", "there was no other");
    assert!(cdb.command(".childdbg x").contains("Couldn't resolve"));
    cdb.finish("q");
}

#[test]
fn filters_say_whether_children_stop() {
    let guard = Guard::new();
    let mut cdb = Console::start(&guard, &["-o", "-g", &path("children"), "fork"]);
    // With -g nobody stops at a beginning, and nothing is told of children.
    assert!(!cdb.banner.contains("Create process"), "{}", cdb.banner);
    let end = cdb.banner.clone() + &run_to_end(&mut cdb);
    assert_eq!(end.matches(" exited with status 0\n").count(), 2, "{end}");
    // cpr on its own, with a command.
    cdb.command("sxn -c \".echo born\" cpr; sxi epr");
    cdb.command(".restart");
    let end = cdb.command("g");
    assert!(end.contains("): Create process\nborn\n"), "{end}");
    assert!(!end.contains("exited"), "{end}");
    assert_eq!(cdb.prompt, "NoTarget");
    cdb.command("sxe cpr; sxn epr");
    cdb.command(".restart");
    let stop = cdb.command("g");
    assert!(stop.contains("): Create process\nborn\n"), "{stop}");
    assert_eq!(cdb.prompt, "1:000");
    let end = cdb.command("g");
    assert_eq!(end.matches(" exited with status 0\n").count(), 2, "{end}");
    cdb.finish("q");
}

/// A parent and a child that wait, both debugged.
fn waiting(guard: &Guard) -> (testkit::Process, Console, Pid) {
    let testee = Testee::build("children", &[]);
    let mut parent = guard.start(testee.path(), &["waiting"]);
    assert_eq!(parent.read_line(), "ready");
    let mut cdb = Console::start(guard, &["-o", "-p", &parent.pid().to_string()]);
    parent.write_line("");
    let stop = cdb.command("g");
    assert!(stop.contains("): Create process\n"), "{stop}");
    let list = processes(&mut cdb);
    assert_eq!(list[1].1, "child");
    (parent, cdb, list[1].0)
}

#[test]
fn quitting_ends_all_and_detaching_leaves_all() {
    let guard = Guard::new();
    let (mut parent, cdb, child) = waiting(&guard);
    let (_, status) = cdb.finish("qd");
    assert_eq!(status, 0);
    assert!(is_there(parent.pid()) && is_there(child));
    assert_eq!(parent.read_line(), child.to_string());
    parent.close_input();
    until("both to end by themselves", || (!is_there(child)).then_some(()));
    drop(parent);

    let (parent, cdb, child) = waiting(&guard);
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0);
    until("both to be ended", || (!is_there(child)).then_some(()));
    until("both to be ended", || parent.has_ended().then_some(()));
}

#[test]
fn one_of_several_is_left_or_ended() {
    let guard = Guard::new();
    let (mut parent, mut cdb, child) = waiting(&guard);
    assert_eq!(cdb.command(".detach"), "Detached\n");
    assert_eq!(cdb.prompt, "0:000");
    assert_eq!(processes(&mut cdb).len(), 1);
    cdb.type_line("g");
    assert_eq!(parent.read_line(), child.to_string());
    let stop = cdb.break_in();
    assert!(stop.contains("Break-in"), "{stop}");
    cdb.finish("qd");
    parent.close_input();
    until("the child to end", || (!is_there(child)).then_some(()));
    drop(parent);

    let (parent, mut cdb, child) = waiting(&guard);
    // Both run together, and are stopped together.
    cdb.type_line("g");
    let stop = cdb.break_in();
    assert!(stop.contains("Break-in"), "{stop}");
    assert_eq!(processes(&mut cdb).len(), 2);
    cdb.command("|1s");
    assert!(cdb.command(".kill").starts_with("Terminated."));
    assert_eq!(cdb.prompt, "0:000");
    cdb.finish("qd");
    until("the child to be a zombie or gone", || {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    });
    assert!(!parent.has_ended());
}
