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

/// The program's name in expressions.
fn module(cdb: &mut Console) -> String {
    let listed = cdb.command("lm1m");
    listed.lines().next().expect("the program comes first").to_owned()
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
    let module = module(&mut cdb);
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

/// The parts of lines behind addresses, which differ from run to run.
fn behind_addresses(shown: &str) -> Vec<&str> {
    shown.lines().filter_map(|row| Some(row.split_once('`')?.1.get(9..)?.trim())).collect()
}

#[test]
fn a_name_that_means_several_functions_is_refused_with_what_they_are() {
    let guard = Guard::new();
    let mut cdb = start(&guard);
    for command in ["bp helper", "bu helper", "bp twice"] {
        let refused = cdb.command(command);
        let name = command.rsplit(' ').next().expect("a name");
        let end = format!("Ambiguous symbol error at '{name}'; bm sets a breakpoint at each\n");
        assert!(refused.ends_with(&end), "{refused}");
        assert_eq!(refused.matches("Matched: ").count(), 2, "{refused}");
        if name == "helper" {
            let [first, second] = ["names.c @", "names_other.c @"].map(|file| refused.find(file));
            assert!(first.is_some() && first < second, "files tell them apart: {refused}");
            assert_eq!(refused.matches("!helper (int) [").count(), 2, "{refused}");
        } else {
            assert_eq!(refused.matches("!twice (inlined) [").count(), 2, "{refused}");
        }
    }
    assert_eq!(cdb.command("bl").trim(), "");
    cdb.finish("q");
}

#[test]
fn all_that_matches_gets_breakpoints() {
    let guard = Guard::new();
    let mut cdb = start(&guard);
    let module = module(&mut cdb);
    let set = cdb.command(&format!("bm {module}!*er"));
    let wanted = [
        format!("@!\"{module}!counter\""),
        format!("@!\"{module}!helper\" and 1 more"),
        format!("@!\"{module}!other\""),
    ];
    let mut rows = behind_addresses(&set);
    rows.sort_unstable();
    assert_eq!(rows, wanted, "{set}");
    let set = cdb.command(&format!("bc *; bm /d {module}!helper"));
    let helper = format!("@!\"{module}!helper\"");
    assert_eq!(behind_addresses(&set), [helper.as_str(), &helper], "{set}");
    let kept = cdb.command(".bpcmds");
    assert!(kept.starts_with("bp0 0x") && kept.contains("\nbp1 0x"), "{kept}");
    // Options, passes and commands are those of bp.
    cdb.command("bc *; bm /1 twice 2 \".echo twice\"");
    let list = cdb.command("bl");
    assert!(list.contains("0002 (0002)") && list.contains(" /1 \".echo twice\""), "{list}");
    let stop = cdb.command("bm counter; g");
    assert!(stop.contains("Breakpoint 1 hit"), "passed the copy in helper: {stop}");
    let stop = cdb.command("g");
    assert!(stop.starts_with("twice\n") && stop.contains("!main+0x"), "{stop}");
    for command in ["bm nosuch*", "bm shared"] {
        let none = cdb.command(command);
        assert!(none.contains("no breakpoints set; bm /a takes data as well"), "{none}");
    }
    let data = cdb.command("bm /a shared");
    assert_eq!(behind_addresses(&data), [format!("@!\"{module}!shared\"")], "{data}");
    assert!(cdb.command("bm").contains("^ Syntax error"));
    assert!(cdb.command("bm /x f").contains("The option /x of bm is not available"));
    cdb.finish("q");
}

#[test]
fn overloads_and_instances_are_told_apart_by_parameters_and_arguments() {
    let guard = Guard::new();
    let program = Testee::build("overloads", &["-O0"]);
    let mut cdb = Console::start(&guard, &[program.path().to_str().expect("text")]);
    let module = module(&mut cdb);
    for name in ["pick", "shapes::twice", "shapes::Box::grow"] {
        let refused = cdb.command(&format!("bp {name}"));
        assert!(refused.contains(&format!("Ambiguous symbol error at '{name}'; bm")), "{refused}");
        assert_eq!(refused.matches("Matched: ").count(), 2, "{refused}");
    }
    assert_eq!(cdb.command("bp @!\"pick(char const *)\""), "");
    assert_eq!(cdb.command("bp shapes::twice<double>"), "");
    let set = cdb.command("bm shapes::Box::g*");
    let wanted =
        ["grow(int)", "grow(double)"].map(|method| format!("@!\"{module}!shapes::Box::{method}\""));
    let mut rows = behind_addresses(&set);
    rows.sort_unstable_by_key(|row| row.contains("double"));
    assert_eq!(rows, wanted, "{set}");
    let set = cdb.command(&format!("bm /( {module}!pick(i*"));
    assert_eq!(behind_addresses(&set), [format!("@!\"{module}!pick(int)\"")], "{set}");
    // Each is hit in its turn: the program calls them in this order.
    let double = if set.contains("  4: ") { 3 } else { panic!("{set}") };
    let order = ["4", "0", "2", &double.to_string(), "2", "1"];
    for (call, number) in order.iter().enumerate() {
        let stop = cdb.command("g");
        assert!(stop.contains(&format!("Breakpoint {number} hit")), "call {call}: {stop}");
    }
    for (name, value) in [
        ("shapes::Box::made", "0n4"),
        ("shapes::Box::grow::calls", "0n3"),
        ("shapes::(anonymous namespace)::hidden", "0n7"),
    ] {
        let shown = cdb.command(&format!("x {module}!{name}"));
        assert_eq!(behind_addresses(&shown), [format!("{module}!{name} = {value}")], "{shown}");
    }
    cdb.finish("q");
}

#[test]
fn what_functions_take_is_whole_or_not_known() {
    let guard = Guard::new();
    let program = Testee::build("tour", &[]);
    let mut cdb = Console::start(&guard, &[program.path().to_str().expect("text")]);
    let shown = cdb.command("x *!averaged");
    let row = behind_addresses(&shown).pop().expect("it is there");
    assert!(row.ends_with("!averaged (int, ...)"), "{shown}");
    cdb.finish("q");
    // Of assembly nobody writes it down.
    let program = Testee::build("plain", &[]);
    let mut cdb = Console::start(&guard, &[program.path().to_str().expect("text")]);
    let module = module(&mut cdb);
    let shown = cdb.command(&format!("x {module}!leaf"));
    assert_eq!(behind_addresses(&shown), [format!("{module}!leaf (<no parameter info>)")]);
    cdb.finish("q");
}

#[test]
fn symbols_are_listed_with_types_and_values() {
    let guard = Guard::new();
    let mut cdb = start(&guard);
    let module = module(&mut cdb);
    let mut rows = |options: &str, pattern: &str| {
        let shown = cdb.command(&format!("x {options} {module}!{pattern}"));
        behind_addresses(&shown)
            .into_iter()
            .map(|row| row.replace(&module, "m"))
            .collect::<Vec<_>>()
    };
    let functions = ["m!counter (void)", "m!helper (int)", "m!helper (int)", "m!other (int)"];
    assert_eq!(rows("/n", "*er"), functions);
    assert_eq!(rows("/p", "counter"), ["m!counter(void)"]);
    assert_eq!(rows("/q /2", "counter"), ["@!\"m!counter\""]);
    assert_eq!(rows("", "calls"), ["m!calls = 0n5"], "by its name, not calls.0");
    assert_eq!(rows("/2", "*calls*"), ["m!calls"]);
    assert_eq!(rows("/2", "*shared*"), ["m!alias_of_shared", "m!shared"], "both are names of it");
    assert_eq!(rows("/t /N", "s[eh]*"), ["int m!shared = 0n3", "int m!seen = 0n7"]);
    assert_eq!(rows("/d", "*e*n"), ["m!seen = 0n7"]);
    assert_eq!(rows("/f", "*e*n"), Vec::<String>::new());
    let data = ["m!shared = 0n3", "m!seen = 0n7", "m!of_thread = 0n40"];
    assert_eq!(rows("/s 4 /N", "[so]*[dn]"), data);
    assert_eq!(rows("/v", "counter").len(), 1);
    let shown = cdb.command(&format!("x /v /t {module}!shared"));
    assert!(shown.starts_with("prv global ") && shown.contains("    4 int "), "{shown}");
    let names = cdb.command(&format!("x /1 /n {module}!*er"));
    assert_eq!(names.lines().next(), Some(format!("{module}!counter").as_str()));
    let known = cdb.command("x libc_so!puts");
    assert!(known.contains("libc_so!puts ("), "{known}");
    // Of each thread: what is changed is what the expression means.
    cdb.command("bp thrice; g; ed of_thread 2a");
    let shown = cdb.command(&format!("x {module}!of_thread"));
    assert!(shown.trim_end().ends_with("!of_thread = 0n42"), "{shown}");
    cdb.finish("q");
}

#[test]
fn rust_paths_are_names() {
    let guard = Guard::new();
    let program = Testee::build("greeter", &[]);
    let mut cdb = Console::start(&guard, &[program.path().to_str().expect("text")]);
    let module = module(&mut cdb);
    let set = cdb.command(&format!("bm {module}!greeter::every*"));
    assert!(set.contains("!greeter::everybody\"\n"), "{set}");
    assert_eq!(cdb.command("bc *; bp greeter::everybody"), "");
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit") && stop.contains("greeter::everybody"), "{stop}");
    cdb.finish("q");
}

#[test]
fn two_debuggers_share_what_is_kept() {
    let guard = Guard::new();
    let program = Testee::build("greeter", &[]);
    let cache = guard.directory().join("cache");
    let debug = || {
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.arg(program.path()).env("XDG_CACHE_HOME", &cache);
        Console::spawn(command)
    };
    let kept = || {
        let store = cache.join("dbgsrv/symbols");
        let builds = std::fs::read_dir(store).into_iter().flatten().flatten();
        let files = builds.flat_map(|build| std::fs::read_dir(build.path()).into_iter().flatten());
        let mut names: Vec<_> = files.flatten().map(|file| file.file_name()).collect();
        names.sort();
        names
    };
    let mut both = [debug(), debug()];
    assert!(kept().is_empty(), "nobody has asked yet");
    // Both make it at once, and the last one's stays.
    for cdb in &mut both {
        let module = module(cdb);
        cdb.type_line(&format!("? {module}!no_such_name"));
    }
    for cdb in &mut both {
        cdb.read_until("no_such_name'");
        cdb.read_to_prompt();
    }
    assert_eq!(kept(), ["names"]);
    for cdb in both {
        cdb.finish("q");
    }
    let mut cdb = debug();
    let module = module(&mut cdb);
    let asked = cdb.command(&format!("!sym noisy; ? {module}!no_such_name"));
    assert!(asked.contains("/names - OK"), "{asked}");
    cdb.finish("q");
}
