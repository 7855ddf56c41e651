//! What a process is and has, as `!peb`, `!handle`, `!runaway` and `.tlist -v` tell it: compared
//! with what the program was given, and with what /proc says.

use std::process::Stdio;

use dbgbase::{ExitStatus, Pid};
use testkit::{Guard, Process, Testee, procfs, until};

use crate::console::Console;

/// Waits in three threads, in an environment and a directory that the test knows.
struct Scene {
    guard: Guard,
    testee: Testee,
    process: Process,
    cdb: Console,
}

impl Scene {
    fn new() -> Scene {
        let guard = Guard::new();
        let testee = Testee::build("waits", &[]);
        let mut command = guard.command(testee.path());
        let (name, value) = guard.entry().split_once('=').expect("an entry");
        command.arg("3").arg("two words").env_clear().env(name, value);
        command.env("PLAIN", "1=2").env("EMPTY", "").env("ESCAPE", "\x1b[2J");
        command.current_dir(guard.directory()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(&mut command);
        assert_eq!(process.read_line(), "ready");
        let cdb = Console::start(&guard, &["-p", &process.pid().to_string()]);
        Scene { guard, testee, process, cdb }
    }

    fn end(self) {
        let Scene { mut process, cdb, .. } = self;
        let (_, status) = cdb.finish("qd");
        assert_eq!(status, 0);
        process.close_input();
        assert_eq!(process.wait(), ExitStatus::Exited(0));
    }
}

/// The value behind a name in `!peb`.
#[track_caller]
fn value<'t>(text: &'t str, name: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    line.unwrap_or_else(|| panic!("{name} is not in {text}")).trim()
}

#[test]
fn a_process_is_described() {
    let mut scene = Scene::new();
    let pid = scene.process.pid();
    let text = scene.cdb.command("!peb");
    assert!(text.starts_with(&format!("Process 0n{pid} (waits")), "{text}");
    assert_eq!(value(&text, "Parent:"), format!("0n{}", std::process::id()));
    assert_eq!(value(&text, "Threads:"), "3");
    let path = scene.testee.path().display().to_string();
    assert_eq!(value(&text, "CommandLine:"), format!("{path} 3 \"two words\""));
    assert_eq!(value(&text, "ImageFile:"), path);
    let notes = scene.guard.output("readelf", &["--notes", &path]);
    assert!(notes.contains(&format!("Build ID: {}\n", value(&text, "BuildId:"))), "{text}");
    let directory = std::fs::canonicalize(scene.guard.directory()).expect("it exists");
    assert_eq!(value(&text, "CurrentDirectory:"), directory.display().to_string());
    assert_eq!(value(&text, "RootDirectory:"), "/");
    assert_eq!(value(&text, "Namespaces:"), "the process server's");
    assert!(!text.contains("IdInNamespace"), "{text}");
    let uid = rustix::process::geteuid();
    assert!(value(&text, "Users:").starts_with(&format!("real {uid}, effective {uid}, ")));
    assert_eq!(value(&text, "Seccomp:"), "none");
    // It is debugged by the server that this cdb has started for itself.
    let tracer = procfs::tracer(pid, scene.process.leader()).expect("it lives");
    assert!(value(&text, "DebuggedBy:").starts_with(&format!("0n{tracer}")), "{text}");
    let limits = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let soft = limits.current.map_or("unlimited".to_owned(), |limit| limit.to_string());
    assert_eq!(value(&text, "open files").split(' ').next(), Some(soft.as_str()), "{text}");
    assert_eq!(value(&text, "AT_PAGESZ"), "4096");
    assert_eq!(value(&text, "AT_UID"), rustix::process::getuid().to_string());
    // Addresses come with symbols, and pointers to text with the text.
    assert!(value(&text, "AT_ENTRY").ends_with("!_start"), "{text}");
    assert!(value(&text, "AT_EXECFN").ends_with(&format!(" \"{path}\"")), "{text}");
    let environment: Vec<&str> =
        text.lines().skip_while(|line| line.trim() != "Environment:").skip(1).collect();
    for entry in ["PLAIN=1=2", "EMPTY=", "ESCAPE=\\u{1b}[2J", scene.guard.entry()] {
        assert!(environment.contains(&format!("        {entry}").as_str()), "{environment:?}");
    }
    assert_eq!(environment.len(), 4);
    assert_eq!(scene.cdb.command("!envvar PLAIN").trim(), "PLAIN = 1=2");
    assert_eq!(scene.cdb.command("!envvar EMPTY").trim(), "EMPTY =");
    let none = scene.cdb.command("!envvar PLAI");
    assert_eq!(none, "The environment has no variable PLAI\n");
    assert!(scene.cdb.command("!envvar").contains("Syntax error"));
    assert!(scene.cdb.command("!peb 1").contains("Extra character error"));
    scene.end();
}

#[test]
fn descriptors_are_listed_and_chosen() {
    let mut scene = Scene::new();
    let listed = scene.cdb.command("!handle");
    let open = procfs::descriptors(scene.process.pid());
    assert!(listed.contains(&format!("\n{} Handles\n", open.len())), "{listed}");
    for line in &open {
        let (number, target) = line.split_once(" -> ").expect("a link");
        let begin = format!("Handle 0n{number}\n  Type          ");
        let behind = listed.split_once(&begin).expect("it is listed").1;
        assert_eq!(behind.lines().nth(1), Some(format!("  Name          {target}").as_str()));
    }
    let input = scene.cdb.command("!handle 0");
    assert!(input.starts_with("Handle 0n0\n  Type          Pipe\n"), "{input}");
    assert!(input.contains("\n  GrantedAccess O_RDONLY\n  Name          pipe:["), "{input}");
    let output = scene.cdb.command("!handle 0n1 2");
    assert_eq!(output, "Handle 0n1\n  GrantedAccess O_WRONLY\n");
    let pipes = scene.cdb.command("!handle -1 0 pipe");
    assert!(pipes.starts_with("Handle 0n0\nHandle 0n1\n"), "{pipes}");
    assert_eq!(pipes.matches("Handle 0n").count(), open.iter().filter(is_pipe).count());
    assert_eq!(scene.cdb.command("!handle 1000"), "Descriptor 0n4096 is not open\n");
    assert_eq!(scene.cdb.command("!handle 0 1 Socket"), "Descriptor 0n0 is no open Socket\n");
    assert!(scene.cdb.command("!handle 0 1 Pipe x").contains("Extra character error"));
    assert!(scene.cdb.command("!handle x!y").contains("Couldn't resolve"), "a bad expression");
    scene.end();
}

fn is_pipe(line: &&String) -> bool {
    line.contains("-> pipe:[")
}

/// The rows of one table of `!runaway`: id, milliseconds, name.
fn rows(text: &str, heading: &str) -> Vec<(String, u64, String)> {
    let table = text.lines().skip_while(|line| line.trim() != heading).skip(2);
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let id = words.next()?.to_owned();
        let days: u64 = words.next()?.parse().ok()?;
        let clock = words.nth(1)?;
        let parts: Vec<u64> =
            clock.split([':', '.']).filter_map(|part| part.parse().ok()).collect();
        let [hours, minutes, seconds, milliseconds] = parts[..] else { return None };
        let time = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
        Some((id, time * 1000 + milliseconds, words.collect::<Vec<_>>().join(" ")))
    };
    table.map_while(row).collect()
}

/// One thread takes all the time, and is first.
#[test]
fn a_thread_that_runs_away_is_seen() {
    let guard = Guard::new();
    let script = "import threading, sys\n\
        def idle(): sys.stdin.read()\n\
        def busy():\n  print('ready', flush=True)\n  while True: pass\n\
        threading.Thread(target=idle, daemon=True).start()\n\
        threading.Thread(target=busy, daemon=True).start()\n\
        threading.Event().wait()";
    let mut process = guard.start("python3", &["-c", script]);
    assert_eq!(process.read_line(), "ready");
    let busiest = || {
        let ticks = |tid: &dbgbase::Tid| {
            let stat = std::fs::read_to_string(format!("/proc/{}/task/{tid}/stat", process.pid()));
            let stat = stat.expect("it lives");
            let fields = stat.rsplit_once(')').expect("a name").1;
            fields.split_whitespace().nth(11).and_then(|ticks| ticks.parse::<u64>().ok())
        };
        let tids = procfs::tids(process.pid());
        let mut times: Vec<_> = tids.iter().map(|tid| (ticks(tid), *tid)).collect();
        times.sort_unstable();
        let [.., (second, _), (first, tid)] = times[..] else { return None };
        (first > second.map(|ticks| ticks + 20)).then_some(tid)
    };
    let busy = until("a thread to run away", busiest);
    let mut cdb = Console::start(&guard, &["-p", &process.pid().to_string()]);
    let text = cdb.command("!runaway");
    let user = rows(&text, "User Mode Time");
    assert_eq!(user.len(), 3, "{text}");
    assert!(user[0].0.ends_with(&format!(":{busy:x}")), "{busy}: {text}");
    assert!(user[0].1 > user[1].1 && user.is_sorted_by(|one, next| one.1 >= next.1), "{text}");
    let all = cdb.command("!runaway 7");
    assert_eq!(rows(&all, "User Mode Time"), user, "it stands still");
    let kernel = rows(&all, "Kernel Mode Time");
    let elapsed = rows(&all, "Elapsed Time");
    assert_eq!((kernel.len(), elapsed.len()), (3, 3), "{all}");
    assert!(elapsed.iter().all(|row| row.1 >= user[0].1), "{all}");
    // Numbers are those of ~.
    let (number, tid) = user[0].0.split_once(':').expect("a number");
    let id = format!("Id: {:x}.{tid} ", process.pid().value());
    assert!(cdb.command(&format!("~{number}")).contains(&id));
    cdb.command(&format!("~{number}s"));
    let times = cdb.command(".ttime");
    assert!(times.starts_with("Created: ") && times.lines().count() == 3, "{times}");
    let shown = times.lines().nth(2).and_then(|line| line.strip_prefix("User:    "));
    assert!(text.contains(shown.expect("the time")), "{times}");
    assert_eq!(cdb.command("!runaway 8"), "Flags of !runaway are 1, 2 and 4, added up\n");
    assert!(cdb.command("!runaway 1 2").contains("Extra character error"));
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0);
    process.wait();
}

#[test]
fn a_list_with_details_tells_who_debugs_what() {
    let mut scene = Scene::new();
    let pid = scene.process.pid();
    let text = scene.cdb.command(".tlist -v -c");
    let path = scene.testee.path().display().to_string();
    assert!(text.starts_with(&format!("{:>9} Session: ", format!("0n{pid}"))), "{text}");
    let name = path.rsplit('/').next().expect("a name");
    assert!(text.lines().next().is_some_and(|line| line.ends_with(&format!(" {name}"))), "{text}");
    assert!(text.contains(&format!(" Command Line: {path} 3 \"two words\"\n")), "{text}");
    let parent = format!(" Parent: 0n{} Threads: 3 State: t Started: ", std::process::id());
    assert!(text.contains(&parent), "{text}");
    assert!(text.contains(&format!("\n          Executable: {path}\n")), "{text}");
    let tracer = procfs::tracer(pid, scene.process.leader()).expect("it lives");
    let debugger = format!("\n          Debugged by: 0n{tracer}, by ");
    assert!(text.contains(&debugger), "{text}");
    assert!(!text.contains("Namespaces: "), "{text}");
    scene.end();
}

/// Without a target, there is nothing to describe, and lists still work.
#[test]
fn a_dormant_debugger_says_that_nothing_is_debugged() {
    let guard = Guard::new();
    let mut cdb = Console::start(&guard, &["/bin/true"]);
    cdb.command("g");
    for command in ["!peb", "!handle", "!runaway", ".ttime", "!envvar PATH"] {
        assert_eq!(cdb.command(command), "Nothing is being debugged\n", "{command}");
    }
    let me = Pid::new(std::process::id());
    assert!(cdb.command(".tlist -v").contains(&format!(" 0n{me} Session: ")));
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0);
}

#[test]
fn a_program_without_its_owners_rights_is_told_of() {
    if !testkit::is_root_for("files that are given away") {
        return;
    }
    let guard = Guard::new();
    let testee = Testee::build("exits", &[]);
    let copy = guard.directory().join("promises");
    let copy = copy.to_str().expect("UTF-8");
    guard.output("cp", &[testee.path().to_str().expect("UTF-8"), copy]);
    guard.output("chown", &["54321", copy]);
    guard.output("chmod", &["4755", copy]);
    let told = "A new program was executed\nIt runs as user 0, not 54321 as its file says: it may \
        gain no privileges (no_new_privs)\n";
    for (arguments, is_told) in [(&["--no-new-privs"][..], true), (&["--clear-groups"], false)] {
        let words = [&["setpriv"], arguments, &[copy, "7"]].concat();
        let mut cdb = Console::start(&guard, &words);
        let end = cdb.command("g");
        assert!(end.contains("A new program was executed") && end.contains("status 7"), "{end}");
        assert_eq!(end.contains(told), is_told, "{end}");
        let (_, status) = cdb.finish("q");
        assert_eq!(status, 0);
    }
}

#[test]
fn a_terminal_is_not_told_what_to_do_by_names() {
    let guard = Guard::new();
    let mut process = guard.start(Testee::build("liar", &[]).path(), &["name"]);
    assert_eq!(process.read_line(), "ready");
    let mut cdb = Console::start(&guard, &["-p", &process.pid().to_string()]);
    let text = cdb.command("~");
    assert!(text.contains("\\u{1b}[7m(x) y"), "{text:?}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let (_, status) = cdb.finish("qd");
    assert_eq!(status, 0);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}
