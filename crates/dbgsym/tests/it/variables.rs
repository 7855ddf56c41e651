//! Variables of stopped programs against gdb: the same stop, from a core file. Every variable of
//! every frame, inlined calls among them, at stops spread over all lines of a program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dbgbase::{Address, LinkAddress, read_c_string, read_u64};
use dbgsym::dwarf::{
    DebugInfo, FrameContext, LocateError, Location, Place, RegisterValue, Stack, StackFrame,
    Variable, VariableKind, WantedFile,
};
use dbgsym::unwind::walk;
use dbgsym::{Image, ImageBytes};

use crate::core_file::{CoreFile, ImageFiles};
use crate::programs::{Workshop, image, run, tool};
use crate::types::GdbTypes;

const FRAMES_MAX: usize = 60;

/// About how many breakpoints are spread over the lines of a program.
const STOPS: u32 = 60;

/// What gdb says about one variable, as `variables.py` writes it.
#[derive(Debug)]
struct GdbVariable {
    name: String,
    is_parameter: bool,
    line: u64,
    is_static: bool,
    is_hidden: bool,
    type_key: String,
    size: Option<u64>,
    state: Vec<String>,
    parts: Vec<GdbPart>,
}

/// What gdb says about a part of a variable that is not whole.
#[derive(Debug)]
struct GdbPart {
    offset_bits: u64,
    size_bits: u64,
    state: Vec<String>,
}

/// A frame, or a call that is inlined into one.
#[derive(Debug)]
struct GdbFrame {
    index: usize,
    call: usize,
    variables: Vec<GdbVariable>,
}

/// One stop.
struct GdbStop {
    core: PathBuf,
    frames: Vec<GdbFrame>,
}

/// All that gdb said about a run.
struct GdbRun {
    stops: Vec<GdbStop>,
    /// The lines about types and globals, split.
    facts: Vec<Vec<String>>,
}

/// Runs a program under gdb with stops spread over the lines of `source`.
fn observe(workshop: &Workshop, program: &Path, source: &str, is_optimised: bool) -> GdbRun {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs/variables.py");
    let name = program.file_name().expect("a file").to_string_lossy().into_owned();
    let (out, cores) = (workshop.path(&format!("{name}.out")), workshop.path(&name));
    let cores = cores.with_extension("cores");
    std::fs::create_dir_all(&cores).expect("a directory can be made");
    let mut gdb = tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debug-file-directory /nonexistent", "-x"])
        .arg(script)
        .arg(program)
        .env("SOURCE", source)
        .env("STOPS", STOPS.to_string())
        .env("OPTIMISED", if is_optimised { "1" } else { "0" })
        .env("OUT", &out)
        .env("CORES", &cores);
    let said = run(&mut gdb);
    let text = std::fs::read_to_string(&out).unwrap_or_else(|error| panic!("{error}: {said}"));
    parse(&text)
}

fn parse(text: &str) -> GdbRun {
    let mut run = GdbRun { stops: Vec::new(), facts: Vec::new() };
    for line in text.lines() {
        let words: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let number = |index: usize| words[index].parse::<u64>().expect("a number");
        let rest = |index: usize| words[index..].to_vec();
        let frames = run.stops.last_mut().map(|stop| &mut stop.frames);
        match words[0].as_str() {
            "stop" => {
                run.stops.push(GdbStop { core: PathBuf::from(&words[1]), frames: Vec::new() });
            }
            "frame" => frames.expect("a stop").push(GdbFrame {
                index: number(1) as usize,
                call: number(2) as usize,
                variables: Vec::new(),
            }),
            "var" => {
                let frame = frames.and_then(|frames| frames.last_mut()).expect("a frame");
                frame.variables.push(GdbVariable {
                    name: words[1].clone(),
                    is_parameter: words[2] == "1",
                    line: number(3),
                    is_static: words[4] == "1",
                    is_hidden: words[5] == "1",
                    type_key: words[6].clone(),
                    size: words[7].parse().ok(),
                    state: rest(8),
                    parts: Vec::new(),
                });
            }
            "part" => {
                let frame = frames.and_then(|frames| frames.last_mut()).expect("a frame");
                let part = GdbPart { offset_bits: number(1), size_bits: number(2), state: rest(3) };
                frame.variables.last_mut().expect("a variable").parts.push(part);
            }
            _ => run.facts.push(words),
        }
    }
    run
}

/// How often what was compared.
#[derive(Default, Debug)]
pub(crate) struct Tally {
    counts: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
    /// Differences that have a reason, by reason.
    excluded: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub(crate) fn exclude(&mut self, reason: &'static str) {
        *self.excluded.entry(reason).or_default() += 1;
    }

    fn of(&self, what: &'static str) -> usize {
        self.counts.get(what).copied().unwrap_or(0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds the frames of a core file's first thread.
pub(crate) fn with_stack(core: &CoreFile, then: impl FnOnce(Stack<'_>)) {
    let (_, registers) = &core.threads[0];
    let locate = |address: Address| core.locate(address);
    let (frames, _) = walk(registers, &locate, core.memory(), FRAMES_MAX);
    let vector = |dwarf: u16| core.vector(0, dwarf).map(RegisterValue::new);
    let fs_base = registers.get(dbgbase::x86_64::FS_BASE);
    let thread_local = |image: &Image, _: dbgbase::LoadBias, offset: u64| {
        image.thread_local_address(Address::new(fs_base), offset)
    };
    then(Stack {
        frames: &frames,
        locate: &locate,
        memory: core.memory(),
        unsaved: &vector,
        thread_local: &thread_local,
    });
}

/// One stop: every frame and every variable.
fn compare_stop(core: &CoreFile, stop: &GdbStop, types: &GdbTypes, tally: &mut Tally) {
    with_stack(core, |stack| compare_frames(stack, stop, types, tally));
}

fn compare_frames(stack: Stack<'_>, stop: &GdbStop, types: &GdbTypes, tally: &mut Tally) {
    for gdb_frame in &stop.frames {
        let Some(frame) = StackFrame::new(stack, gdb_frame.index) else { continue };
        let Some(info) = frame.image().debug_info() else { continue };
        let pc = frame.lookup_pc();
        let mut ours: Vec<Variable> = info.variables_at(pc);
        check_virtual_base(info, &ours, &frame, pc, tally);
        ours.retain(|variable| variable.call == gdb_frame.call);
        tally.count("frames");
        let theirs_all = &gdb_frame.variables;
        for (index, theirs) in theirs_all.iter().enumerate() {
            // gdb lists a variable of an inlined call twice, once as optimised out, if a block
            // around it has no abstract instance.
            let is_twin = |(other_index, other): (usize, &GdbVariable)| {
                (&other.name, other.line) == (&theirs.name, theirs.line)
                    && (other.state != ["gone"] || other_index < index)
            };
            if theirs.state == ["gone"] && theirs_all.iter().enumerate().any(is_twin) {
                tally.exclude("listed twice by gdb");
                continue;
            }
            let is_same = |variable: &Variable| {
                variable.name == theirs.name
                    && variable.line.unwrap_or(0) == theirs.line
                    && (variable.kind == VariableKind::Parameter) == theirs.is_parameter
            };
            let whose = format!(
                "{} {pc:x} frame {} call {}: {} of line {}",
                stop.core.file_name().unwrap_or_default().display(),
                gdb_frame.index,
                gdb_frame.call,
                theirs.name,
                theirs.line
            );
            let Some(index) = ours.iter().rposition(is_same) else {
                tally.differences.push(format!("{whose} is missing: {theirs:?}"));
                continue;
            };
            let variable = ours.remove(index);
            tally.count("variables");
            if let Some(difference) = types.compare(info, variable.ty, &theirs.type_key, tally) {
                tally.differences.push(format!("{whose} has a type: {difference}"));
            }
            let case = Case { info, variable: &variable, theirs, pc, frame: &frame };
            if let Err(difference) = case.compare(tally) {
                tally.differences.push(format!("{whose}: {difference}: {theirs:?}"));
            }
        }
        for variable in ours {
            let place = info.locate(&variable, pc, &frame);
            if place.is_ok_and(|place| place.is_optimised_out()) {
                // gdb does not look into all blocks of abstract instances.
                tally.exclude("optimised out with its block");
                continue;
            }
            tally.differences.push(format!("{pc:x}: gdb has no {variable:?}"));
        }
    }
}

/// In `circle::area` the object is complete, and its virtual base has the name it was given.
fn check_virtual_base(
    info: &DebugInfo,
    variables: &[Variable],
    frame: &dyn FrameContext,
    pc: LinkAddress,
    tally: &mut Tally,
) {
    let is_here = variables.iter().any(|variable| variable.name == "squared");
    let Some(this) = variables.iter().find(|variable| variable.name == "this" && is_here) else {
        return;
    };
    let Ok(place) = info.locate(this, pc, frame) else { return };
    let Ok(pointer) = place.read(frame, 8) else { return };
    let [circle] = info.types_named("shapes::circle")[..] else { panic!("it is defined once") };
    let object = Address::new(RegisterValue::new(&pointer.bytes).to_u64());
    let Ok(base) = info.locate_base(circle, 0, object, pc, frame) else { return };
    // Behind the pointer to the table of virtual functions, a string begins with a pointer.
    let Ok(text) = read_u64(frame.memory(), base.wrapping_offset(8)) else { return };
    let text = read_c_string(frame.memory(), Address::new(text), 16);
    if text.as_deref() == Ok(b"unnamed") {
        tally.count("virtual bases");
    }
}

/// A variable in a frame, as both see it.
struct Case<'c> {
    info: &'c DebugInfo,
    variable: &'c Variable,
    theirs: &'c GdbVariable,
    pc: LinkAddress,
    frame: &'c dyn FrameContext,
}

impl Case<'_> {
    fn compare(&self, tally: &mut Tally) -> Result<(), String> {
        let (variable, theirs) = (self.variable, self.theirs);
        if (variable.kind == VariableKind::LocalStatic) != theirs.is_static {
            return Err(format!("is {:?}", variable.kind));
        }
        let state: Vec<&str> = theirs.state.iter().map(String::as_str).collect();
        if variable.is_shadowed != theirs.is_hidden && state != ["gone"] {
            return Err(format!("is shadowed: {}", variable.is_shadowed));
        }
        let located = self.info.locate(variable, self.pc, self.frame);
        if let ["error", text] = state[..] {
            return compare_error(text, &located, tally);
        }
        let size = self.info.size_in_frame(variable, self.pc, self.frame);
        if theirs.type_key == "?" && theirs.size == Some(0) {
            // gdb does not find the bound of an array of variable length.
            tally.exclude("bounds unknown to gdb");
            return Ok(());
        }
        if size != theirs.size {
            return Err(format!("has {size:?} bytes"));
        }
        let size = size.unwrap_or(0);
        match located {
            Ok(place) => self.compare_state(&place, size, &state, tally),
            // gdb shows a value that only the caller knows, and does not tell, as optimised out.
            Err(LocateError::NoEntryValue) if state == ["gone"] => {
                tally.count("entry values unknown");
                Ok(())
            }
            // Expressions with numbers as long as `long double` are not evaluated.
            Err(LocateError::Unsupported) if size == 16 => {
                tally.exclude("numbers of 16 bytes");
                Ok(())
            }
            Err(error) => Err(format!("cannot be located: {error}")),
        }
    }

    fn compare_state(
        &self,
        place: &Place,
        size: u64,
        state: &[&str],
        tally: &mut Tally,
    ) -> Result<(), String> {
        match *state {
            ["reference"] => {
                tally.exclude("references that gdb dies of");
                Ok(())
            }
            ["gone"] if self.theirs.parts.len() > 1 => {
                tally.count("in parts");
                self.compare_parts(place, size)
            }
            ["gone"] => {
                tally.count("optimised out");
                let bytes = place.read(self.frame, size).map_err(|error| error.to_string())?;
                let is_gone = !bytes.is_complete() || place.is_optimised_out();
                is_gone.then_some(()).ok_or_else(|| format!("is at {place:?}"))
            }
            ["memory", address, bytes] => {
                tally.count("in memory");
                let address = u64::from_str_radix(address, 16).expect("an address");
                if place.address() != Some(Address::new(address)) {
                    return Err(format!("is at {place:x?}"));
                }
                // The bound of an array that does not exist yet may be anything.
                if bytes == "huge" { Ok(()) } else { self.compare_bytes(place, bytes, size) }
            }
            ["value", bytes] => {
                if place.address().is_none() {
                    tally.count("in registers or computed");
                }
                self.compare_bytes(place, bytes, size)
            }
            ["pointer", bytes] => {
                tally.count("implicit pointers");
                self.compare_pointee(place, bytes)
            }
            _ => panic!("{state:?}"),
        }
    }

    fn compare_pointee(&self, place: &Place, bytes: &str) -> Result<(), String> {
        let Some(Location::ImplicitPointer { target, byte_offset }) = place.whole() else {
            return Err(format!("is no implicit pointer: {place:?}"));
        };
        let pointee = self.info.pointee(self.variable, *target);
        let place = self.info.locate(&pointee, self.pc, self.frame);
        let place = place.map_err(|error| error.to_string())?;
        if bytes == "gone" {
            let size = self.info.size_in_frame(&pointee, self.pc, self.frame).unwrap_or(0);
            let object = place.read(self.frame, size).map_err(|error| error.to_string())?;
            return (!object.is_complete()).then_some(()).ok_or("is known".to_owned());
        }
        let size = byte_offset.unsigned_abs() + bytes.len() as u64 / 2;
        let object = place.read(self.frame, size).map_err(|error| error.to_string())?;
        let ours = hex(&object.bytes[*byte_offset as usize..]);
        (ours == bytes).then_some(()).ok_or_else(|| format!("points to {ours}"))
    }

    fn compare_bytes(&self, place: &Place, expected: &str, size: u64) -> Result<(), String> {
        let object = place.read(self.frame, size).map_err(|error| error.to_string())?;
        if !object.is_complete() {
            return Err(format!("is not complete: {place:?}"));
        }
        let ours = hex(&object.bytes);
        (ours == expected).then_some(()).ok_or_else(|| format!("is {ours}, from {place:x?}"))
    }

    /// What is left of a structure, member by member.
    fn compare_parts(&self, place: &Place, size: u64) -> Result<(), String> {
        let object = place.read(self.frame, size).map_err(|error| error.to_string())?;
        for part in &self.theirs.parts {
            let end_bits = part.offset_bits + part.size_bits;
            let range = (part.offset_bits / 8) as usize..(end_bits / 8) as usize;
            let is_known = object.known[range.clone()].iter().all(|mask| *mask == 0xff);
            match &part.state.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["gone"] if is_known => {
                    return Err(format!("bytes {range:?} are known: {place:?}"));
                }
                ["gone" | "error" | "pointer" | "reference", ..] => {}
                [.., bytes] => {
                    let ours = hex(&object.bytes[range.clone()]);
                    if !is_known || ours != *bytes {
                        return Err(format!("bytes {range:?} are {ours} {is_known}: {place:?}"));
                    }
                }
                [] => panic!("{part:?}"),
            }
        }
        Ok(())
    }
}

/// What gdb cannot read, and why.
fn compare_error(
    text: &str,
    located: &Result<Place, LocateError>,
    tally: &mut Tally,
) -> Result<(), String> {
    if text.contains("negative int") || text.contains("max-value-size") {
        // An array whose bound has not been computed yet.
        tally.exclude("bounds that are garbage");
        return Ok(());
    }
    tally.count("errors");
    match located {
        Err(_) => Ok(()),
        Ok(place) if place.is_optimised_out() => Ok(()),
        // What has not been initialised yet may lie anywhere.
        Ok(place) => {
            let address = text.strip_prefix("Cannot access memory at address 0x");
            let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let is_same = address.is_some() && place.address() == address.map(Address::new);
            is_same.then_some(()).ok_or_else(|| format!("is at {place:?}, not {text}"))
        }
    }
}

/// Stops a program in many places and compares everything.
fn check(name: &str, source: &str, flags: &[&str]) -> Tally {
    let workshop = Workshop::new();
    let program = workshop.compile(name, source, flags);
    let is_optimised =
        flags.iter().any(|flag| ["-O1", "-O2"].contains(flag) || flag.contains("opt-level"));
    let run = observe(&workshop, &program, source, is_optimised);
    let image = image(&program);
    provide_split_units(image.debug_info().expect("it was built with -g"));
    let name = program.to_string_lossy().into_owned();
    check_run(&run, ImageFiles::from([(name, Arc::new(image))]))
}

/// Gives the files that units were split off into.
fn provide_split_units(info: &DebugInfo) {
    for wanted in info.wanted_files() {
        if let WantedFile::Split { path, directory, .. } = &wanted {
            let path = Path::new(directory.as_deref().unwrap_or_default()).join(path);
            let bytes = std::fs::read(path).expect("it was compiled");
            info.provide(&wanted, Some(ImageBytes::from(bytes))).expect("it is the right one");
        }
    }
}

fn check_run(run: &GdbRun, mut files: ImageFiles) -> Tally {
    let mut tally = Tally::default();
    let types = GdbTypes::new(&run.facts);
    for (index, stop) in run.stops.iter().enumerate() {
        let core = CoreFile::read_with(&stop.core, &mut files);
        compare_stop(&core, stop, &types, &mut tally);
        if index == 0 {
            compare_globals(&core, &run.facts, &mut tally);
        }
        std::fs::remove_file(&stop.core).expect("it was read");
    }
    let shown: Vec<_> = tally.differences.iter().take(20).collect();
    assert!(shown.is_empty(), "{} differences: {shown:#?}", tally.differences.len());
    assert!(run.stops.len() >= 25, "only {} stops", run.stops.len());
    tally
}

/// Variables that live as long as the program, by their names.
fn compare_globals(core: &CoreFile, facts: &[Vec<String>], tally: &mut Tally) {
    with_stack(core, |stack| {
        let frame = StackFrame::new(stack, 0).expect("it stands in the program");
        let info = frame.image().debug_info().expect("it has debugging information");
        for words in facts.iter().filter(|words| words[0] == "global") {
            let (name, line) = (&words[1], words[2].parse::<u64>().expect("a number"));
            let address = u64::from_str_radix(&words[3], 16).expect("an address");
            let found = info.variables_named(name);
            let is_there = found.iter().any(|variable| {
                let place = info.locate(variable, frame.lookup_pc(), &frame);
                let is_there = place.is_ok_and(|p| p.address() == Some(Address::new(address)));
                is_there && variable.line.unwrap_or(0) == line
            });
            tally.count("globals");
            if !is_there {
                tally.differences.push(format!("{words:?} is not among {found:?}"));
            }
        }
    });
}

#[test]
fn variables_of_c_are_those_gdb_sees() {
    let tally = check("plain", "variables.c", &["-g", "-O0", "-lm"]);
    assert!(tally.of("in memory") > 500 && tally.of("globals") > 5, "{tally:?}");
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let tally = check("optimised", "variables.c", &["-g", version, "-O2", "-lm"]);
        assert!(tally.of("in memory") > 100, "{tally:?}");
        assert!(tally.of("in registers or computed") > 100, "{tally:?}");
        assert!(tally.of("optimised out") > 100 && tally.of("implicit pointers") > 0, "{tally:?}");
    }
}

#[test]
fn variables_of_split_and_typed_units_are_those_gdb_sees() {
    for flags in [
        &["-g", "-O2", "-gdwarf-5", "-gsplit-dwarf", "-lm"][..],
        &["-g", "-O2", "-gdwarf-4", "-gsplit-dwarf", "-lm"],
    ] {
        let tally = check("split", "variables.c", flags);
        assert!(tally.of("in registers or computed") > 100, "{tally:?}");
    }
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let flags = ["-g", "-O1", version, "-fdebug-types-section"];
        let tally = check("typed", "variables.cpp", &flags);
        assert!(tally.of("fields") > 50, "{tally:?}");
    }
}

#[test]
fn variables_of_cpp_are_those_gdb_sees() {
    let tally = check("plain", "variables.cpp", &["-g", "-O0"]);
    assert!(tally.of("virtual bases") > 1, "{tally:?}");
    assert!(tally.of("in memory") > 300 && tally.of("globals") > 2, "{tally:?}");
    let tally = check("optimised", "variables.cpp", &["-g", "-O2"]);
    assert!(tally.of("in memory") > 100 && tally.of("in registers or computed") > 50, "{tally:?}");
}

#[test]
fn variables_of_rust_are_those_gdb_sees() {
    let tally = check("plain", "variables.rs", &["-g"]);
    assert!(tally.of("in memory") > 300, "{tally:?}");
    let tally = check("optimised", "variables.rs", &["-g", "-Copt-level=2"]);
    assert!(tally.of("in memory") > 100 && tally.of("in registers or computed") > 50, "{tally:?}");
}
