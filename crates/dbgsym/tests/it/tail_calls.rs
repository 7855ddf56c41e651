//! What functions were entered with where some left by calling others.

use std::path::Path;

use dbgsym::dwarf::{LocateError, RegisterValue, StackFrame};

use crate::core_file::CoreFile;
use crate::programs::{Workshop, run, tool};
use crate::variables::with_stack;

/// How often the program stops.
const STOPS: usize = 5;

/// Runs the program from stop to stop and keeps each.
fn cores(workshop: &Workshop, program: &Path) -> Vec<CoreFile> {
    let mut gdb = tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "break stop"]);
    gdb.args(["-ex", "run"]);
    let files: Vec<_> = (0..STOPS).map(|stop| workshop.path(&format!("core-{stop}"))).collect();
    for file in &files {
        gdb.arg("-ex").arg(format!("generate-core-file {}", file.display()));
        gdb.args(["-ex", "continue"]);
    }
    run(gdb.arg(program));
    files.iter().map(|file| CoreFile::read(file)).collect()
}

/// What the function that called `stop` was entered with.
fn entered_with(core: &CoreFile) -> Result<u64, LocateError> {
    let mut found = None;
    with_stack(core, |stack| {
        let frame = StackFrame::new(stack, 1).expect("somebody called stop");
        let info = frame.image().debug_info().expect("it was built with -g");
        let variables = info.variables_at(frame.lookup_pc());
        let variable = variables.iter().find(|variable| variable.name == "entered_with");
        let place = info.locate(variable.expect("it is there"), frame.lookup_pc(), &frame);
        let bytes = place.and_then(|place| place.read(&frame, 4));
        found = Some(bytes.map(|object| RegisterValue::new(&object.bytes).to_u64()));
    });
    found.expect("it was asked")
}

#[test]
fn who_may_have_come_back_by_tail_calls_does_not_believe_the_call_site() {
    let workshop = Workshop::new();
    let program =
        workshop.compile("tail_calls", "tail_calls.c", &["-g", "-O2", "-fno-partial-inlining"]);
    let found: Vec<_> = cores(&workshop, &program).iter().map(entered_with).collect();
    let unknown = Err(LocateError::NoEntryValue);
    // It was 10 and then 2, but only the first is told.
    assert_eq!(found, [unknown, unknown, Ok(20), Ok(31), unknown]);
}
