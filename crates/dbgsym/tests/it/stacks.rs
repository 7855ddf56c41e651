//! Stacks of real programs against gdb, frame by frame and register by register. gdb gets no debug
//! information, so both have the same: call frame information, symbols, instructions.

use std::collections::BTreeMap;
use std::path::Path;

use dbgbase::{Address, RegisterId, x86_64};
use dbgsym::unwind::{Frame, FramePc, StackEnd, UnwindMethod, walk};

use crate::core_file::CoreFile;
use crate::programs::{Workshop, run, tool};

const FRAMES_MAX: usize = 100;

const COMPARED: [RegisterId; 8] = [
    x86_64::RIP,
    x86_64::RSP,
    x86_64::RBX,
    x86_64::RBP,
    x86_64::R12,
    x86_64::R13,
    x86_64::R14,
    x86_64::R15,
];

/// A frame as gdb sees it.
#[derive(Debug)]
struct GdbFrame {
    is_signal_frame: bool,
    /// In the order of [`COMPARED`].
    values: Vec<Option<u64>>,
}

/// Runs a program under gdb until a signal stops it: gdb's frames by thread, and the core file.
fn stop_and_dump(workshop: &Workshop, program: &Path) -> (BTreeMap<u32, Vec<GdbFrame>>, CoreFile) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs/frames.py");
    let (frames, core) = (workshop.path("frames"), workshop.path("core"));
    let mut gdb = tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debug-file-directory /nonexistent"])
        .arg("-iex")
        .arg("set debuginfod enabled off")
        .arg("-x")
        .arg(script)
        .arg(program)
        .env("FRAMES", &frames)
        .env("CORE", &core);
    let said = run(&mut gdb);
    let text = std::fs::read_to_string(&frames).unwrap_or_else(|error| panic!("{error}: {said}"));
    let mut threads: BTreeMap<u32, Vec<GdbFrame>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let values = words[2..].iter().map(|word| u64::from_str_radix(word, 16).ok()).collect();
        let thread = words[0].parse().expect("a thread id");
        let frame = GdbFrame { is_signal_frame: words[1] == "signal", values };
        threads.entry(thread).or_default().push(frame);
    }
    (threads, CoreFile::read(&core))
}

/// The names of the functions, innermost first.
fn names(core: &CoreFile, frames: &[Frame]) -> Vec<String> {
    let name = |frame: &Frame| {
        let pc = frame.pc.lookup_pc();
        let (image, bias) = core.locate(pc)?;
        let (symbol, _) = image.symbols().containing(pc.to_link(bias))?;
        Some(symbol.name().into_owned())
    };
    frames.iter().map(|frame| name(frame).unwrap_or_default()).collect()
}

/// Every frame gdb has, with those of the registers that both know.
#[track_caller]
fn assert_as_gdb_says(expected: &[GdbFrame], frames: &[Frame], registers: &[RegisterId]) {
    let pcs: Vec<_> = frames.iter().map(|frame| frame.pc).collect();
    assert!(frames.len() >= expected.len(), "gdb has {} frames, not {pcs:x?}", expected.len());
    for (index, (theirs, ours)) in expected.iter().zip(frames).enumerate() {
        let compared = COMPARED.into_iter().zip(&theirs.values);
        for (id, value) in compared.filter(|(id, _)| registers.contains(id)) {
            let name = x86_64::GENERAL[id.index()].name;
            if let (Some(ours), Some(theirs)) = (ours.registers.get(id), value) {
                assert_eq!(ours, *theirs, "{name} of frame {index}: {ours:x} and {theirs:x}");
            }
        }
        let (pc, sp) = (ours.registers.pc(), ours.registers.sp());
        assert!(pc.is_some() && sp.is_some(), "frame {index} has pc and sp");
        assert_eq!(pc, Some(ours.pc.address()));
        assert_eq!(ours.is_signal_frame, theirs.is_signal_frame, "frame {index}");
    }
}

#[test]
fn stacks_through_signals_and_callbacks_are_those_gdb_sees() {
    let workshop = Workshop::new();
    // The last has its call frame information in .debug_frame only.
    let debug_frame = ["-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-g", "-gz"];
    for flags in [&["-O0"][..], &["-O2", "-fomit-frame-pointer"], &debug_frame] {
        let mut all = flags.to_vec();
        all.push("-pthread");
        let program = workshop.compile("stack", "stack.c", &all);
        let (expected, core) = stop_and_dump(&workshop, &program);
        assert_eq!(core.threads.len(), 2);
        for (thread, registers) in &core.threads {
            let (frames, end) =
                walk(registers, &|address| core.locate(address), core.memory(), FRAMES_MAX);
            assert_eq!(end, StackEnd::Outermost, "{:?}", names(&core, &frames));
            assert_as_gdb_says(&expected[thread], &frames, &COMPARED);
            assert_eq!(frames.len(), expected[thread].len(), "{:?}", names(&core, &frames));
            // All by call frame information, so all preserved registers are known everywhere.
            for frame in &frames {
                let is_first = frame.method == UnwindMethod::Innermost;
                assert!(is_first || frame.method == UnwindMethod::CallFrameInformation);
                assert!(COMPARED.iter().all(|id| frame.registers.get(*id).is_some()));
            }
        }
        assert_main_thread(&core);
        if flags.len() < debug_frame.len() {
            assert_same_without_section_headers(core);
        }
    }
}

/// Program headers alone lead to call frame information.
fn assert_same_without_section_headers(core: CoreFile) {
    let all_frames = |core: &CoreFile| -> Vec<_> {
        let threads = core.threads.iter();
        let locate = |address| core.locate(address);
        threads.map(|(_, start)| walk(start, &locate, core.memory(), FRAMES_MAX)).collect()
    };
    let with = all_frames(&core);
    let without = core.without_section_headers();
    assert_eq!(all_frames(&without), with);
}

/// What the stack of `stack.c` looks like.
fn assert_main_thread(core: &CoreFile) {
    let (_, registers) = &core.threads[0];
    let (frames, _) = walk(registers, &|address| core.locate(address), core.memory(), FRAMES_MAX);
    let names = names(core, &frames);
    let at = |wanted: &str| {
        let found = names.iter().position(|name| name == wanted);
        found.unwrap_or_else(|| panic!("{wanted} is not in {names:?}"))
    };
    assert!(at("recurse") < at("on_signal"));
    let trampoline = at("on_signal") + 1;
    assert!(frames[trampoline].is_signal_frame);
    assert!(matches!(frames[trampoline].pc, FramePc::Exact(_)), "it made no call");
    assert!(matches!(frames[trampoline + 1].pc, FramePc::Exact(_)), "it was interrupted");
    assert!(at("on_signal") < at("compare") && at("compare") < at("main"));
    assert_eq!(names.last().map(String::as_str), Some("_start"));
    // CFA of a frame is the stack pointer of its caller, but for the signal's switch of stacks.
    for pair in frames.windows(2).filter(|pair| !pair[0].is_signal_frame) {
        assert_eq!(pair[0].cfa, pair[1].registers.sp());
    }
    let handler_sp = frames[trampoline].registers.sp();
    assert!(handler_sp < frames[trampoline + 1].registers.sp(), "the handler has its own stack");
}

#[test]
fn stacks_without_tables_are_those_gdb_sees() {
    let workshop = Workshop::new();
    let flags = [
        "-O1",
        "-fno-omit-frame-pointer",
        "-fno-asynchronous-unwind-tables",
        "-fno-unwind-tables",
        "-fcf-protection=none",
    ];
    let program = workshop.compile("bare", "bare.c", &flags);
    let (expected, core) = stop_and_dump(&workshop, &program);
    let (thread, registers) = &core.threads[0];
    assert_eq!(registers.pc(), Address::ZERO, "it called a null pointer");
    let (frames, end) = walk(registers, &|address| core.locate(address), core.memory(), FRAMES_MAX);
    let names = names(&core, &frames);
    let expected_names = [
        "",
        "recurse",
        "recurse",
        "recurse",
        "recurse",
        "on_signal",
        "__restore_rt",
        "syscall",
        "interrupted",
        "main",
    ];
    assert_eq!(names.get(..expected_names.len()), Some(&expected_names.map(String::from)[..]));
    // `syscall` of libc has call frame information, and so has the trampoline's caller.
    let method = |index: usize| frames[index].method;
    assert_eq!(method(0), UnwindMethod::Innermost);
    assert!((1..=6).all(|index| method(index) == UnwindMethod::Prologue));
    assert_eq!(method(7), UnwindMethod::SignalContext);
    assert_eq!(method(8), UnwindMethod::CallFrameInformation);
    assert_eq!(method(9), UnwindMethod::Prologue);
    // Of the registers that a function saves, gdb finds only its frame pointer without tables.
    let found_by_gdb = [x86_64::RIP, x86_64::RSP, x86_64::RBP];
    assert_as_gdb_says(&expected[thread], &frames, &found_by_gdb);
    assert_eq!(end, StackEnd::Outermost);
    assert_eq!(names.last().map(String::as_str), Some("_start"));
}
