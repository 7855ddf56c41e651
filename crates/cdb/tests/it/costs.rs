//! What the engine's calls cost in round trips, at a real server and a real program: the rows of
//! the table are what the calls' documentation says.

use std::path::{Path, PathBuf};

use dbgbase::x86_64::extended::ExtendedRegister;
use dbgbase::{Address, ReadMemory as _, x86_64};
use dbgeng::expr::{self, EngineContext, ExprSettings};
use dbgeng::{
    BreakpointLocation, BreakpointSpec, Engine, EventKind, Execution, FieldPath, LaunchOptions,
    LayoutOptions, LayoutQuery, SignalAction, StackStart, StopCause, ValueLimits,
};
use testkit::{Guard, Server, Testee, programs};

/// Lets the program run until an event has come.
fn run(engine: &mut Engine, execution: Execution) -> EventKind {
    engine.execute(execution).expect("runs");
    engine.wait_for_event(None).expect("connected").expect("an event").kind
}

fn go() -> Execution {
    Execution::Go { signal: SignalAction::Default, until: Vec::new() }
}

/// An engine whose program stands at a breakpoint at a line with a marker, having stopped there
/// first.
fn at_marker(server: &Server, testee: &Testee, marker: &str) -> Engine {
    let program = testee.path().to_str().expect("a path in the target folder");
    let mut engine = Engine::connect(server.link(), "costs", None).expect("welcome");
    engine.launch(&LaunchOptions::new(program)).expect("launched");
    engine.wait_for_event(None).expect("connected").expect("its first stop");
    let line = format!("`{}:{}`", testee.source().display(), testee.line(marker));
    let location = BreakpointLocation::Symbol(line.clone());
    engine.add_breakpoint(BreakpointSpec::new(line, location)).expect("there is such a line");
    let stop = run(&mut engine, go());
    assert!(matches!(stop, EventKind::Stopped(StopCause::Breakpoints(_))), "{stop:?}");
    engine
}

/// What a user asks for at a stop: the stack, the variables of its first frames with what they
/// point to, registers, line and instruction; the same names in expressions, and the parameters of
/// all frames.
fn look_around(engine: &Engine) {
    let stack = engine.stack(0x100).expect("a stack");
    for number in 0..stack.frames.len().min(3) {
        let locals = engine.locals(number, ValueLimits::LINE).expect("variables");
        assert!(!locals.is_empty() || number > 1, "{number}: {stack:?}");
        for local in locals {
            engine.local_place(number, &local.name).expect("its place");
        }
        engine.frame_registers(number).expect("registers");
    }
    let pc = engine.registers().expect("registers").pc();
    engine.symbol_at(pc).expect("a symbol");
    engine.source_line(pc).expect("a line");
    engine.disassemble(pc, 1).expect("an instruction");
    engine.modules().expect("modules");
    engine.stack_parameters(None, 0x100, ValueLimits::LINE).expect("parameters");
}

/// Round trips beyond the one that lets the program run and tells its stop.
fn cost(engine: &mut Engine, ask: impl FnOnce(&mut Engine)) -> u64 {
    let before = engine.round_trips();
    ask(engine);
    engine.round_trips() - before
}

#[test]
fn a_stop_and_all_that_is_asked_there_are_one_round_trip() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    for (name, flags, marker) in
        [("depths", &[][..], "inner"), ("depths", &["-O2"], "inner"), ("values", &[], "outer")]
    {
        let testee = Testee::build(name, flags);
        let mut engine = at_marker(&server, &testee, marker);
        // The first time it is learned what will be asked.
        look_around(&engine);
        let signal = SignalAction::Default;
        // The breakpoint is reached again in a program that has a loop around it.
        let first = (name == "depths").then(go);
        for execution in first.into_iter().chain([
            Execution::StepOver { signal },
            Execution::StepInto { signal },
            Execution::StepLine { is_into: false, signal },
            Execution::StepLine { is_into: true, signal },
            Execution::StepOut { signal },
        ]) {
            let what = format!("{name} {flags:?}: {execution:?}");
            let run = |engine: &mut Engine| {
                let stop = run(engine, execution);
                assert!(matches!(stop, EventKind::Stopped(_)), "{what}: {stop:?}");
            };
            // If sites are new, the answer to them is waited for while the program runs already.
            assert!(cost(&mut engine, run) <= 1, "{what}");
            assert_eq!(cost(&mut engine, |engine| look_around(engine)), 0, "{what}");
        }
        let (process, _) = engine.current().expect("a process");
        engine.kill(process).expect("it lives");
    }
}

#[test]
fn steps_by_line_cost_one_round_trip() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    for (name, flags) in [("strides", &["-O2"][..]), ("strolls", &["-O0"])] {
        let testee = Testee::build(name, flags);
        let program = testee.path().to_str().expect("a path in the target folder");
        for is_into in [false, true] {
            let mut engine = Engine::connect(server.link(), "costs", None).expect("welcome");
            engine.launch(&LaunchOptions::new(program)).expect("launched");
            engine.wait_for_event(None).expect("connected").expect("its first stop");
            let location = BreakpointLocation::Symbol("walk".to_owned());
            engine.add_breakpoint(BreakpointSpec::new("walk", location)).expect("is there");
            run(&mut engine, go());
            for step in 0..60 {
                let execution = Execution::StepLine { is_into, signal: SignalAction::Default };
                let spent = cost(&mut engine, |engine| drop(run(engine, execution)));
                // Where a call through a register leads has to be looked at, and costs another one.
                let allowed = 1 + u64::from(is_into);
                assert!(spent <= allowed, "{name} {flags:?}, into {is_into}: {step}: {spent}");
                if engine.current().is_none() {
                    break;
                }
            }
            if let Some((process, _)) = engine.current() {
                engine.kill(process).expect("it lives");
            }
        }
    }
}

/// A call, as it is named in the table, what it may cost at most, and how it is made.
type Row = (&'static str, u64, fn(&mut Engine));

/// At a stop at which nothing was asked before.
const AT_A_FRESH_STOP: &[Row] = &[
    ("registers", 0, |engine| _ = engine.registers().expect("still")),
    ("current_registers", 0, |engine| _ = engine.current_registers().expect("still")),
    ("extended_registers", 1, |engine| drop(engine.extended_registers())),
    ("extended_registers again", 0, |engine| drop(engine.extended_registers())),
    ("modules", 0, |engine| drop(engine.modules())),
    ("stack", 0, |engine| drop(engine.stack(0x100).expect("a stack"))),
    ("stack_from", 1, |engine| {
        let sp = engine.registers().expect("still").sp();
        drop(engine.stack_from(Some(StackStart { sp, pc: None }), 0x100).expect("a stack"));
    }),
    ("frame", 0, |engine| drop(engine.frame(1).expect("it has two"))),
    ("set_current_frame", 0, |engine| drop(engine.set_current_frame(1).expect("it has two"))),
    ("frame_registers", 0, |engine| _ = engine.frame_registers(1).expect("it has two")),
    ("is_in_caller", 0, |engine| assert!(engine.is_in_caller().expect("still"))),
    ("local_place", 0, |engine| drop(engine.local_place(1, "length").expect("known"))),
    // What pointers point to, and what that points to.
    ("locals", 2, |engine| drop(engine.locals(1, ValueLimits::LINE).expect("known"))),
    ("locals again", 0, |engine| drop(engine.locals(1, ValueLimits::LINE).expect("known"))),
    ("code_variables", 1, |engine| {
        let main = engine.resolve("main").expect("known")[0].address;
        drop(engine.code_variables(main).expect("known"));
    }),
    ("stack_parameters", 1, |engine| {
        drop(engine.stack_parameters(None, 0x100, ValueLimits::LINE).expect("known"));
    }),
    ("layouts of a local", 1, |engine| layout(engine, "first", None)),
    ("layouts of a type", 0, |engine| layout(engine, "node", None)),
    ("layouts of a list", 2, |engine| layout(engine, "first", Some("next"))),
    ("complete_line", 0, |engine| drop(engine.complete_line("`:12`").expect("a file"))),
    ("symbol_at", 0, |engine| drop(engine.symbol_at(pc(engine)).expect("known"))),
    ("source_line", 0, |engine| drop(engine.source_line(pc(engine)).expect("known"))),
    ("symbols_near", 0, |engine| drop(engine.symbols_near(pc(engine)))),
    ("module_at", 0, |engine| drop(engine.module_at(pc(engine)).expect("the program"))),
    ("calls_ahead", 0, |engine| _ = engine.calls_ahead()),
    ("current_frame", 0, |engine| _ = engine.current_frame()),
    ("load_symbols", 0, |engine| {
        let module = engine.module_at(pc(engine)).expect("the program").name;
        engine.load_symbols(&module).expect("it is there");
    }),
    ("search_symbols", 0, |engine| {
        let module = engine.module_at(pc(engine)).expect("the program").name;
        drop(engine.search_symbols(&format!("{module}!m*")).expect("known"));
    }),
    ("type_names", 0, |engine| {
        let module = engine.module_at(pc(engine)).expect("the program").name;
        drop(engine.type_names(&format!("{module}!*")).expect("known"));
    }),
    ("resolve", 0, |engine| drop(engine.resolve("main").expect("known"))),
    ("disassemble", 0, |engine| drop(engine.disassemble(pc(engine), 2).expect("code"))),
    ("an expression of locals and registers", 0, |engine| {
        let settings = ExprSettings::default();
        let context = EngineContext::new(engine, &settings);
        expr::evaluate("length + @rsp + dwo(length)", &context).expect("known");
    }),
    ("evaluate_cxx", 0, |engine| {
        let value = engine.evaluate_cxx("length + first.at.x", &ExprSettings::default());
        assert_eq!(value.expect("known").type_name, "int");
    }),
    ("read_memory", 1, |engine| {
        let address = engine.resolve("main").expect("known")[0].address;
        engine.read_memory(address, &mut [0; 64]).expect("code");
    }),
    ("memory", 0, |engine| {
        let address = engine.resolve("main").expect("known")[0].address;
        engine.memory().read(address, &mut [0; 64]).expect("code");
    }),
    ("read_ranges", 1, |engine| {
        let range = dbgbase::AddressRange::with_len(Address::new(0x1000), 16).expect("a range");
        drop(engine.read_ranges(&[range, range]).expect("connected"));
    }),
    ("regions", 1, |engine| drop(engine.regions().expect("connected"))),
    ("thread_registers", 0, |engine| {
        let (process, thread) = engine.current().expect("a thread");
        _ = engine.thread_registers(process, thread).expect("still");
    }),
    ("thread_extended_registers", 0, |engine| {
        let (process, thread) = engine.current().expect("a thread");
        drop(engine.thread_extended_registers(process, thread).expect("still"));
    }),
    ("set_extended_register", 1, |engine| {
        let register = ExtendedRegister::from_name("xmm7").expect("x86-64 has it");
        let value = engine.extended_registers().expect("known").get(register).expect("known");
        engine.set_extended_register(register, &value).expect("set");
    }),
    ("set_register", 1, |engine| {
        let value = engine.registers().expect("still").get(x86_64::RBX);
        engine.set_register(x86_64::RBX, value).expect("set");
    }),
    ("write_memory", 1, |engine| {
        let sp = engine.registers().expect("still").sp();
        let below = sp.wrapping_offset(-4096);
        engine.write_memory(below, &[0]).expect("the stack below");
    }),
    ("list_threads", 1, |engine| {
        let (process, _) = engine.current().expect("a process");
        drop(engine.list_threads(process).expect("connected"));
    }),
    ("breakpoints", 0, |engine| drop(engine.breakpoints())),
    ("add_breakpoint", 0, |engine| {
        let location = BreakpointLocation::Symbol("main".to_owned());
        let spec = BreakpointSpec::new("main".to_owned(), location);
        engine.add_breakpoint(spec).expect("there is a main");
    }),
];

fn pc(engine: &Engine) -> Address {
    engine.registers().expect("still").pc()
}

fn layout(engine: &mut Engine, name: &str, link: Option<&str>) {
    let query = LayoutQuery {
        name: name.to_owned(),
        only_types: false,
        address: None,
        options: LayoutOptions::default(),
        link: link.map(|link| FieldPath::new(link, false)),
    };
    assert!(!engine.layouts(&query).expect("known").is_empty());
}

#[test]
fn calls_cost_what_they_say() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    let testee = Testee::build("values", &[]);
    let mut engine = at_marker(&server, &testee, "inner");
    for (name, most, call) in AT_A_FRESH_STOP {
        let cost = cost(&mut engine, call);
        assert!(cost <= *most, "{name}: {cost} instead of {most}");
    }
    let (process, _) = engine.current().expect("a process");
    engine.kill(process).expect("it lives");
}

/// The public calls of the engine in one of its files, and what is written above each.
fn documented(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).expect("a file of the engine");
    let (mut found, mut above, mut is_engine) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if line.starts_with("impl") {
            is_engine = line == "impl Engine {";
        }
        let name = line.strip_prefix("    pub fn ").and_then(|rest| rest.split(['(', '<']).next());
        if let Some(name) = name.filter(|_| is_engine) {
            found.push((name.to_owned(), std::mem::take(&mut above)));
        } else if line.starts_with("    /// ") {
            above.push_str(line);
        } else if !line.starts_with("    #[") && !line.starts_with("    ///") {
            above.clear();
        }
    }
    found
}

/// The files below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the engine");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_call_says_what_it_costs() {
    let mut count = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dbgeng/src");
    for file in &sources(&folder) {
        for (name, above) in documented(file) {
            assert!(above.contains("**Cost**"), "{}: {name}: {above}", file.display());
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
    for file in ["engine/inspection.rs", "engine/scope.rs"] {
        for (name, _) in documented(&folder.join(file)) {
            let is_row = |row: &&Row| row.0.split(' ').next() == Some(&name);
            assert!(AT_A_FRESH_STOP.iter().any(|row| is_row(&row)), "{file}: {name} has no row");
        }
    }
}
