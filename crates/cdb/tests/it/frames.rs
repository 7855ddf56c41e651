//! The current frame, as all commands see it: its registers, its place, its variables by name.

use std::path::Path;

use testkit::{Guard, Testee};

use crate::console::Console;

/// The number that `?` shows behind the equals sign.
#[track_caller]
fn evaluate(cdb: &mut Console, expression: &str) -> u64 {
    let shown = cdb.command(&format!("? {expression}"));
    let hex = shown.trim_end().rsplit_once(" = ").unwrap_or_else(|| panic!("{shown}")).1;
    u64::from_str_radix(&hex.replace('`', ""), 16).unwrap_or_else(|_| panic!("{shown}"))
}

/// A cdb that stands at the line with a marker, and what gdb's script says of the same place.
pub(crate) fn at_marker(guard: &Guard, testee: &Testee, marker: &str) -> (Console, String) {
    let program = testee.path().to_str().expect("a path in the target folder");
    let place = format!("{}:{}", testee.source().display(), testee.line(marker));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/frames.py");
    let mut gdb = guard.command("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-x"]).arg(script);
    let output = gdb.arg(program).env("PLACE", &place).output().expect("gdb is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let at = said.lines().find_map(|line| line.strip_prefix("PC ")).expect("a place").to_owned();
    let mut cdb = Console::start(guard, &[program]);
    let module = cdb.command("lm1m").lines().next().expect("the program").to_owned();
    cdb.command(&format!("bp {module}+{at}"));
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    (cdb, said)
}

#[test]
fn registers_and_addresses_of_variables_are_those_that_gdb_sees() {
    let guard = Guard::new();
    for flags in [&[][..], &["-O1"], &["-fomit-frame-pointer"]] {
        let testee = Testee::build("values", flags);
        let (mut cdb, said) = at_marker(&guard, &testee, "inner");
        let module = cdb.command("lm1m").lines().next().expect("the program").to_owned();
        let base = evaluate(&mut cdb, &module);
        let (mut chosen, mut addresses) = (None, 0);
        let (mut stacks, mut code) = (None, None);
        for line in said.lines() {
            let words: Vec<_> = line.split(' ').collect();
            let [kind @ ("REG" | "ADDRESS"), frame, name, value] = words[..] else { continue };
            let theirs: u64 = value.parse().expect("a number");
            if chosen != Some(frame.to_owned()) {
                cdb.command(&format!(".frame 0n{frame}"));
                chosen = Some(frame.to_owned());
            }
            let typed = if kind == "REG" { format!("@{name}") } else { format!("!{name}") };
            let ours = evaluate(&mut cdb, &typed);
            // The stack, and the program, begin elsewhere for gdb.
            let is_stack = ours.abs_diff(evaluate(&mut cdb, "@rsp")) < 1 << 20;
            let is_code = ours.wrapping_sub(base) < 1 << 20;
            let distance = ours.wrapping_sub(theirs);
            if is_stack || is_code {
                let known = if is_stack { &mut stacks } else { &mut code };
                assert_eq!(*known.get_or_insert(distance), distance, "{flags:?}: {line}: {ours:x}");
            } else {
                // What else a register may hold at -O1.
                assert_eq!(name, "rbp", "{flags:?}: {line}: {ours:x}");
            }
            addresses += usize::from(kind == "ADDRESS");
        }
        assert!(addresses >= if flags == ["-O1"] { 3 } else { 40 }, "{addresses}: {said}");
        cdb.finish("q");
    }
}

#[test]
fn commands_mean_the_current_frame() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    let numbered = cdb.command("kn");
    let row = |number: usize| numbered.lines().nth(number + 1).expect("a frame").to_owned();
    let address = |text: &str| u64::from_str_radix(&text.replace('`', ""), 16).expect("a number");
    let column =
        |number, index| address(row(number).split_whitespace().nth(index).expect("a column"));
    let innermost = cdb.command("r");
    cdb.command(".frame 1");
    assert_eq!(evaluate(&mut cdb, "@$frame"), 1);
    assert_eq!(evaluate(&mut cdb, "@rsp"), column(1, 1));
    assert_eq!(evaluate(&mut cdb, "."), column(0, 2));
    assert_eq!(evaluate(&mut cdb, "@$ra"), column(1, 2));
    let registers = cdb.command("r");
    assert!(registers.starts_with("rax=---------------- rbx=0"), "{registers}");
    let shown = cdb.command("r rip,eax,zf");
    assert_eq!(shown, format!("rip={:016x} eax=-------- zf=-\n", column(0, 2)));
    let place = row(1).split_whitespace().nth(3).expect("a place").to_owned();
    let line = row(1).rsplit_once(" @ ").expect("a line").1.trim_end_matches(']').to_owned();
    for command in ["r", "ln", "u"] {
        let shown = cdb.command(command);
        assert!(shown.contains(&place), "{command}: {shown}");
        // Behind the call may be another line.
        assert!(command == "u" || shown.contains(&format!("@ {line}]")), "{command}: {shown}");
    }
    let function = place.split('+').next().expect("a name");
    assert!(cdb.command("uf").starts_with(&format!("{function} [")), "the frame's function");
    for command in ["lsa", "lsa .", "lsa .,7"] {
        let shown = cdb.command(command);
        assert!(shown.contains(&format!(">{line:>5}: ")), "{command}: {shown}");
    }
    for (command, refusal) in [
        ("? @rax", "Register not preserved for this frame at '@rax'; after .frame 0"),
        ("? @xmm0", "Bad register error at '@xmm0'"),
        ("r xmm0", "xmm0 is not preserved for this frame; after .frame 0"),
        ("r rbx=1", "Registers of frame 1 can be read, but not set; .frame 0"),
        ("r xmm1=0", "xmm1 is not preserved for this frame; after .frame 0"),
        ("? is_deep", "Couldn't resolve error at 'is_deep'"),
        ("? $!values", "Couldn't resolve error at '$!values'"),
    ] {
        let said = cdb.command(command);
        assert!(said.contains(refusal), "{command}: {said}");
    }
    assert_eq!(cdb.command("r $t0=5;r $t0"), "$t0=0000000000000005\n");
    let whole = cdb.command("k");
    let rest = cdb.command(".frame /c 1;k");
    let rest = rest.split_once('\n').expect("the frame").1;
    let cut: Vec<_> = whole.lines().enumerate().filter(|(index, _)| *index != 1).collect();
    assert!(rest.lines().eq(cut.into_iter().map(|(_, line)| line)), "{whole}{rest}");
    let again = cdb.command(".frame 1;k");
    assert!(again.ends_with(&whole), "{again}");
    assert_eq!(cdb.command(".frame 0;r").split_once('\n').expect("rows").1, innermost);
    cdb.finish("q");
}

#[test]
fn names_in_expressions_are_variables_first() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    cdb.command(".frame 1");
    let shown = cdb.command("dv /v length");
    let address = shown.split_whitespace().next().expect("a place").replace('`', "");
    let address = u64::from_str_radix(&address, 16).expect("an address");
    assert_eq!(evaluate(&mut cdb, "length"), address);
    assert_eq!(evaluate(&mut cdb, "$!length"), address);
    assert_eq!(evaluate(&mut cdb, "@!\"length\" + 4"), address + 4);
    let value = cdb.command("dv length").rsplit_once("0n").expect("decimal").1.trim().to_owned();
    let value: i32 = value.parse().expect("a number");
    assert_eq!(evaluate(&mut cdb, "dwo(length)"), u64::from(value.cast_unsigned()));
    let memory = cdb.command("dd length L1");
    assert!(memory.ends_with(&format!("  {value:08x}\n")), "{memory}");
    // A name that the frame does not have is looked up among the symbols.
    let module = cdb.command("lm1m").lines().next().expect("the program").to_owned();
    let main = evaluate(&mut cdb, &format!("{module}!main"));
    assert_eq!(evaluate(&mut cdb, "main"), main);
    cdb.finish("q");
}

#[test]
fn stacks_have_parameters_words_and_depths() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    let plain = cdb.command("k");
    let frames: Vec<_> = plain.lines().skip(1).collect();
    // Parameters are what dv shows of each frame.
    let with_parameters = cdb.command("kp");
    let in_lines = cdb.command("kP").replace("(\n\t\t\t", "(").replace(",\n\t\t\t", ", ");
    assert_eq!(with_parameters, in_lines);
    let numbers = cdb.command("kb");
    for (index, frame) in frames.iter().enumerate().take(3) {
        cdb.command(&format!(".frame {index}"));
        let shown = cdb.command("dv /i /t");
        let parameters: Vec<_> =
            shown.lines().filter_map(|line| line.strip_prefix("prv param  ")).collect();
        let row = with_parameters.lines().nth(index + 1).expect("a frame");
        let listed = format!("({})", parameters.join(", "));
        assert!(row.contains(&listed), "{listed}: {row}");
        assert_eq!(row.replace(&listed, ""), *frame);
        let row = numbers.lines().nth(index + 1).expect("a frame");
        let columns: Vec<_> = row.split(" : ").nth(1).expect("columns").split(' ').collect();
        for (column, parameter) in columns.iter().zip(&parameters) {
            let name = parameter.split_once(" = ").expect("a value").0.rsplit(' ').next();
            let value = cdb.command(&format!("? qwo({})", name.expect("a name")));
            let value = value.trim_end().rsplit_once(" = ").expect("a number").1;
            let digits =
                [("int ", 8), ("char ", 2)].iter().find(|(ty, _)| parameter.starts_with(ty));
            let skipped = digits.map_or(0, |(_, digits)| column.len() - digits);
            // Where the thread stands this parameter is hidden by a local.
            let is_hidden = parameter.starts_with("int argument ");
            assert_eq!(column[skipped..] == value[skipped..], !is_hidden, "{row}: {parameter}");
        }
    }
    // From the second frame on, as if the thread stood there.
    let columns: Vec<_> = frames[1].split_whitespace().collect();
    let pc = frames[0].split_whitespace().nth(1).expect("its return address");
    cdb.command(".frame 1");
    for typed in [format!("k = {} {pc} 3", columns[0]), format!("k={},{pc},3", columns[0])] {
        let shown = cdb.command(&typed);
        let places = |rows: &str| {
            rows.lines().map(|row| row.split(" [").next().map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(places(&shown)[1..2], places(&plain)[2..3], "{typed}: {shown}");
    }
    assert_eq!(cdb.command(".kframes 2"), "Default stack trace depth is 0n2 frames\n");
    assert_eq!(cdb.command("k").lines().count(), 3);
    assert_eq!(cdb.command("k 3").lines().count(), 4);
    cdb.command(".frame 1");
    let words = cdb.command("kd 2");
    assert_eq!(words, cdb.command("dps @rsp L2"));
    assert!(words.starts_with(columns[0]), "{words}");
    for (command, refusal) in [
        (".kframes 0", "A stack of 1 to ffff frames is shown"),
        (".kframes", "Syntax error"),
        (".inline 2", "Syntax error"),
        ("k =", "Numeric expression missing"),
        ("kq", "Syntax error"),
    ] {
        let said = cdb.command(command);
        assert!(said.contains(refusal), "{command}: {said}");
    }
    cdb.finish("q");
}

/// As in gdb, which tells by the function that a breakpoint names, and by none for one at a number.
#[test]
fn a_breakpoint_at_a_function_shows_that_function() {
    let guard = Guard::new();
    let testee = Testee::build("hasty", &["-O1"]);
    let program = testee.path().to_str().expect("a path in the target folder");
    let mut cdb = Console::start(&guard, &[program]);
    let entry = format!("{:x}", evaluate(&mut cdb, "outer"));
    let all = ["innermost", "inner", "outer"];
    for (commands, first) in [
        ("bp outer;g", 2),
        ("bu outer;g", 2),
        ("bm outer;g", 2),
        ("g outer", 2),
        ("bp inner;g", 1),
        ("bm inner;g", 1),
        ("bm innermost;g", 0),
        (&format!("bp {entry};g"), 0),
    ] {
        let stop = cdb.command(commands);
        let line = testee.line(&format!("line of {}", all[first]));
        assert!(stop.contains(&format!("hasty.c @ {line}]")), "{commands}: {stop}");
        let stack = cdb.command("kc");
        let names: Vec<_> = stack.lines().filter_map(|line| line.split_once('!')).collect();
        let names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names[..4 - first], [&all[first..], &["main"]].concat(), "{commands}: {stack}");
        cdb.command("bc *");
    }
    cdb.finish("q");
}

#[test]
fn inlined_calls_can_be_hidden() {
    let guard = Guard::new();
    let testee = Testee::build("members", &["-O1"]);
    let (mut cdb, _) = at_marker(&guard, &testee, "looked_at");
    let all = cdb.command("kn");
    let is_inlined = |line: &&str| line.contains("(Inline Function)");
    assert!(all.lines().any(|line| is_inlined(&line)), "{all}");
    assert_eq!(cdb.command(".inline 0"), "Inline functions are hidden\n");
    let shown = cdb.command("kn");
    assert!(shown.lines().eq(all.lines().filter(|line| !is_inlined(line))), "{all}{shown}");
    assert_eq!(cdb.command(".inline 1;kn"), format!("Inline functions are shown\n{all}"));
    cdb.finish("q");
}

#[test]
fn a_line_without_a_file_is_one_of_the_current_frame() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    let line = testee.line("outer");
    let file = testee.source().display().to_string();
    let whole = evaluate(&mut cdb, &format!("`{file}:{line}`"));
    assert_eq!(evaluate(&mut cdb, &format!("`:{line}`")), whole);
    cdb.command(&format!("bp `:{line}`"));
    let listed = cdb.command("bl 1");
    assert!(listed.contains(&format!(" @ {line}]")), "{listed}");
    // The last frame is a function of libc, or has no file.
    let last = cdb.command("kn").lines().count() - 2;
    let said = cdb.command(&format!(".frame {last:x};? `:99999`"));
    assert!(said.contains("Couldn't resolve error at '`:99999`'"), "{said}");
    cdb.finish("q");
}

#[test]
fn modules_are_listed_with_the_columns_that_are_asked_for() {
    let guard = Guard::new();
    let testee = Testee::build("values", &[]);
    let (mut cdb, _) = at_marker(&guard, &testee, "inner");
    let path = testee.path().to_str().expect("a path").to_owned();
    let file = path.rsplit('/').next().expect("a name").to_owned();
    let module = cdb.command("lm1m").lines().next().expect("the program").to_owned();
    let notes = guard.output("readelf", &["-n", &path]);
    let id = notes.split("Build ID: ").nth(1).expect("one").split_whitespace().next();
    for (command, end) in [
        (format!("lmf m {module}"), path.as_str()),
        (format!("lm n m {module}"), &file),
        ("lmt a @rip".to_owned(), id.expect("a number")),
        (format!("lm D o u t m {module}"), id.expect("a number")),
    ] {
        let shown = cdb.command(&command);
        assert_eq!(shown.lines().count(), 2, "{command}: {shown}");
        assert!(shown.trim_end().ends_with(&format!(" {end}")), "{command}: {shown}");
    }
    cdb.finish("q");
}
