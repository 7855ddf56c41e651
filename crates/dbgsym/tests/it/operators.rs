//! Every operator of expressions (DWARF 5, 2.5 and 2.6; GNU's of DWARF 4) against gdb: a program
//! whose locals are described by hand, one by one.

use std::collections::BTreeMap;
use std::path::Path;

use dbgsym::dwarf::{LocateError, Location, RegisterValue, StackFrame, Variable};

use crate::core_file::CoreFile;
use crate::programs::{Workshop, run, tool};
use crate::variables::with_stack;

/// Name, type and location of each local, as directives of the assembler. The stack at the end is
/// the value, unless an address or a place is described. `{int}` refers to the type.
const LOCALS: &str = "
lit ulong 0x4f, 0x9f
const1u ulong 0x08, 0xf0, 0x9f
const1s long 0x09, 0xf0, 0x9f
const2u ulong 0x0a, 0xfe, 0xff, 0x9f
const2s long 0x0b, 0xfe, 0xff, 0x9f
const4u ulong 0x0c, 1, 2, 3, 0xff, 0x9f
const4s long 0x0d, 1, 2, 3, 0xff, 0x9f
const8u ulong 0x0e, 1, 2, 3, 4, 5, 6, 7, 0xff, 0x9f
const8s long 0x0f, 1, 2, 3, 4, 5, 6, 7, 0xff, 0x9f
constu ulong 0x10, 0xff, 0xff, 0x03, 0x9f
consts long 0x11, 0x80, 0x7f, 0x9f
addr ulong 0x03; .8byte number
addrx ulong 0xa1, 0
constx ulong 0xa2, 1, 0x9f
gnu_addr_index ulong 0xfb, 0
gnu_const_index ulong 0xfc, 1, 0x9f
dup ulong 0x33, 0x12, 0x22, 0x9f
drop ulong 0x33, 0x34, 0x13, 0x9f
over ulong 0x39, 0x32, 0x14, 0x1c, 0x1c, 0x9f
pick ulong 0x33, 0x34, 0x35, 0x15, 2, 0x9f
swap ulong 0x33, 0x39, 0x16, 0x1c, 0x9f
rot ulong 0x32, 0x35, 0x3a, 0x17, 0x1c, 0x24, 0x9f
deref ulong 0x91, 0x58, 0x06, 0x06, 0x9f
deref_size ulong 0x91, 0x58, 0x06, 0x94, 2, 0x9f
deref_size_1 ulong 0x91, 0x60, 0x94, 1, 0x9f
abs long 0x09, 0x80, 0x19, 0x9f
and ulong 0x08, 0xf5, 0x3c, 0x1a, 0x9f
div long 0x09, 0x91, 0x33, 0x1b, 0x9f
div_negative long 0x33, 0x09, 0xff, 0x1b, 0x9f
minus long 0x33, 0x35, 0x1c, 0x9f
mod ulong 0x08, 0x91, 0x34, 0x1d, 0x9f
mod_generic ulong 0x09, 0x91, 0x34, 0x1d, 0x9f
mul long 0x09, 0x91, 0x34, 0x1e, 0x9f
neg long 0x33, 0x1f, 0x9f
not ulong 0x33, 0x20, 0x9f
or ulong 0x08, 0xf0, 0x3f, 0x21, 0x9f
plus ulong 0x08, 0xff, 0x3f, 0x22, 0x9f
plus_uconst ulong 0x33, 0x23, 0xff, 0x7f, 0x9f
shl ulong 0x33, 0x35, 0x24, 0x9f
shl_all ulong 0x33, 0x08, 64, 0x24, 0x9f
shr ulong 0x09, 0x80, 0x34, 0x25, 0x9f
shra long 0x09, 0x80, 0x34, 0x26, 0x9f
xor ulong 0x08, 0xf5, 0x3f, 0x27, 0x9f
bra_taken ulong 0x35, 0x31, 0x28, 2, 0, 0x13, 0x32, 0x9f
bra_passed ulong 0x35, 0x30, 0x28, 2, 0, 0x13, 0x32, 0x9f
skip ulong 0x35, 0x2f, 1, 0, 0x33, 0x9f
loop ulong 0x30, 0x23, 3, 0x12, 0x08, 30, 0x2d, 0x28, 0xf7, 0xff, 0x9f
eq ulong 0x33, 0x33, 0x29, 0x9f
ge long 0x09, 0xff, 0x31, 0x2a, 0x9f
gt long 0x32, 0x31, 0x2b, 0x9f
le long 0x09, 0xff, 0x31, 0x2c, 0x9f
lt long 0x09, 0xff, 0x31, 0x2d, 0x9f
ne ulong 0x33, 0x33, 0x2e, 0x9f
nop ulong 0x96, 0x33, 0x96, 0x9f
reg long 0x53
regx ulong 0x90, 13
reg_int int 0x53
reg_char uchar 0x5d
breg long 0x73, 0x7b, 0x9f
breg_memory ulong 0x76, 0x78
bregx ulong 0x92, 12, 3, 0x9f
fbreg ulong 0x91, 0x68
fbreg_2 ulong 0x91, 0x60
cfa ulong 0x9c, 0x9f
call2 ulong 0x33, 0x98; .2byte procedure - info; .byte 0x9f
call4 ulong 0x33, 0x99; .4byte procedure - info; .byte 0x9f
call_ref ulong 0x33, 0x9a; .4byte procedure; .byte 0x9f
implicit_value ulong 0x9e, 8, 1, 2, 3, 4, 5, 6, 7, 8
implicit_operators ulong 0x9e, 8, 0xf0, 2, 3, 4, 5, 6, 0xfd, 0x96
pieces ulong 0x53, 0x93, 4, 0x5d, 0x93, 4
piece_of_memory ulong 0x91, 0x68, 0x93, 4, 0x91, 0x60, 0x93, 4
piece_of_value ulong 0x08, 0x77, 0x9f, 0x93, 1, 0x91, 0x60, 0x93, 7
piece_lost ulong 0x93, 8
bit_pieces ulong 0x5d, 0x9d, 12, 4, 0x5c, 0x9d, 52, 0
bit_piece_of_memory ulong 0x91, 0x68, 0x9d, 9, 3, 0x5d, 0x9d, 55, 0
empty ulong
tls ulong 0x0e; .8byte local_to_thread@dtpoff; .byte 0x9b
gnu_tls ulong 0x0e; .8byte local_to_thread@dtpoff; .byte 0xe0
implicit_pointer pointer 0xa0; .4byte pointed; .byte 0
gnu_implicit_pointer pointer 0xf2; .4byte pointed; .byte 0
const_type double 0xa4{double} 8; .double 2.5; .byte 0x9f
gnu_const_type int 0xf4{int} 4; .4byte -9; .byte 0x9f
regval_type double 0xa5, 20{double} 0x9f
gnu_regval_type int 0xf5, 3{int} 0x9f
deref_type int 0x91, 0x68, 0xa6, 4{int} 0x9f
gnu_deref_type short 0x91, 0x60, 0xf6, 2{short} 0x9f
convert double 0x35, 0xa8{int} 0xa8{double} 0x9f
convert_down uchar 0x0a, 0x34, 0x12, 0xa8{uchar} 0x9f
convert_sign long 0x08, 0xff, 0xa8{uchar} 0xa8{long} 0x9f
gnu_convert float 0x35, 0xf7{int} 0xf7{float} 0x9f
convert_generic ulong 0x35, 0xa8{int} 0xa8, 0, 0x9f
reinterpret ulong 0xa4{double} 8; .double 2.5; .byte 0xa9{ulong} 0x9f
gnu_reinterpret uint 0xa4{float} 4; .float 1.5; .byte 0xf9{uint} 0x9f
typed_mul double 0xa5, 20{double} 0x12, 0x1e, 0x9f
typed_div int 0xf4{int} 4; .4byte -9; .byte 0xf4{int} 4; .4byte 2; .byte 0x1b, 0x9f
typed_mod int 0xf4{int} 4; .4byte -9; .byte 0xf4{int} 4; .4byte 4; .byte 0x1d, 0x9f
typed_lt ulong 0xa5, 20{double} 0x12, 0x1e, 0xa5, 20{double} 0x2d, 0x9f
typed_shra int 0xf4{int} 4; .4byte -9; .byte 0xf4{int} 4; .4byte 1; .byte 0x26, 0x9f
uninit long 0x53, 0xf0
uninit_memory ulong 0x91, 0x68, 0xf0
variable_value ulong 0xfd; .4byte pointed; .byte 0x31, 0x22, 0x9f
stack_underflow ulong 0x22, 0x9f
bad_memory ulong 0x30, 0x06, 0x9f
entry_value_unknown ulong 0xa3, 1, 0x55, 0x9f
unknown_operator ulong 0x02, 0x9f
";

/// What gdb 13 cannot be asked, and the value that the standard demands.
const EXCEPTIONS: [(&str, &str); 6] = [
    // It has not got the operators.
    ("constx", "4660"),
    ("call_ref", "10"),
    // It dies of expressions in which two ways come together.
    ("bra_taken", "5"),
    ("bra_passed", "2"),
    ("loop", "30"),
    // It rounds down where C and all CPUs round to zero; GCC uses the operator without signs only.
    ("typed_mod", "-1"),
];

/// A local: its name and its type.
struct Local {
    name: String,
    ty: String,
}

/// The locals and the program's text.
fn program(template: &str) -> (Vec<Local>, String) {
    let (mut locals, mut entries) = (Vec::new(), String::new());
    for line in LOCALS.lines().filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().map(str::to_owned);
        let (name, ty) = (word().expect("a name"), word().expect("a type"));
        let code = word().map(|code| format!(".byte {code}")).unwrap_or_default();
        let code = code.replace('{', "; .uleb128 t_").replace('}', " - info; .byte");
        entries.push_str(&format!(
            "        .uleb128 4\n        .asciz \"{name}\"\n        .4byte t_{ty} - info\n        \
             .uleb128 2f - 1f\n1:      {code}\n2:\n"
        ));
        locals.push(Local { name, ty });
    }
    (locals, template.replace("@LOCALS@", &entries))
}

/// The values of the locals as gdb sees them, by name. Those that it cannot tell are missing.
fn gdb_values(program: &Path, core: &Path, locals: &[Local]) -> BTreeMap<String, String> {
    let mut gdb = tool("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "tbreak *stop_here"]);
    gdb.args(["-ex", "run", "-ex"]).arg(format!("generate-core-file {}", core.display()));
    for Local { name, ty } in locals {
        if EXCEPTIONS.iter().any(|(exception, _)| exception == name) {
            continue;
        }
        let (format, star) = match ty.as_str() {
            "uchar" => ("/d", ""),
            "pointer" => ("", "*"),
            _ => ("", ""),
        };
        gdb.arg("-ex").arg(format!("echo \\n@{name}="));
        gdb.arg("-ex").arg(format!("output{format} {star}{name}"));
    }
    let output = gdb.arg(program).output().expect("gdb is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let lines = said.lines().filter_map(|line| line.strip_prefix('@')?.split_once('='));
    lines
        .map(|(name, value)| (name.to_owned(), value.replace(" [uninitialized] ", "")))
        .filter(|(_, value)| !value.is_empty() && !value.starts_with('<'))
        .collect()
}

/// A value as gdb writes it.
fn written(ty: &str, bytes: &[u8]) -> String {
    let number = RegisterValue::new(bytes).to_u64();
    match ty {
        "long" => (number as i64).to_string(),
        "int" => (number as i32).to_string(),
        "short" => (number as i16).to_string(),
        "double" => f64::from_bits(number).to_string(),
        "float" => f32::from_bits(number as u32).to_string(),
        _ => number.to_string(),
    }
}

/// The value of a local, or of what it points to.
fn value(
    frame: &StackFrame<'_>,
    variable: &Variable,
    ty: &str,
) -> Result<Option<String>, LocateError> {
    let info = frame.image().debug_info().expect("it has debugging information");
    let pc = frame.lookup_pc();
    let mut place = info.locate(variable, pc, frame)?;
    if let Some(Location::ImplicitPointer { target, byte_offset: 0 }) = place.whole() {
        place = info.locate(&info.pointee(variable, *target), pc, frame)?;
    }
    let size = info.size_in_frame(variable, pc, frame).expect("it has a type");
    let object = place.read(frame, size)?;
    Ok(object.is_complete().then(|| written(ty, &object.bytes)))
}

#[test]
fn operators_compute_what_gdb_computes() {
    let workshop = Workshop::new();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/programs/operators.s");
    let template = std::fs::read_to_string(template).expect("it is there");
    let (locals, text) = program(&template);
    let source = workshop.path("operators.s");
    std::fs::write(&source, text).expect("it can be written");
    let (binary, core) = (workshop.path("operators"), workshop.path("core"));
    run(tool("gcc").arg("-o").arg(&binary).arg(&source));
    let theirs = gdb_values(&binary, &core, &locals);
    let core = CoreFile::read(&core);
    let (mut differences, mut compared) = (Vec::new(), 0);
    with_stack(&core, |stack| {
        let frame = StackFrame::new(stack, 0).expect("it stands in main");
        let info = frame.image().debug_info().expect("it has debugging information");
        let variables = info.variables_at(frame.lookup_pc());
        for Local { name, ty } in &locals {
            let variable = variables.iter().find(|variable| variable.name == *name);
            let ours = value(&frame, variable.expect("all are there"), ty);
            let expected = EXCEPTIONS.iter().find(|(exception, _)| exception == name);
            let expected = expected.map(|(_, value)| (*value).to_owned());
            let expected = expected.or_else(|| theirs.get(name).cloned());
            let is_same = match (&ours, &expected) {
                (Ok(Some(ours)), Some(theirs)) if ty == "double" => {
                    ours.parse::<f64>().is_ok() && ours.parse::<f64>() == theirs.parse::<f64>()
                }
                (ours, theirs) => ours.clone().ok().flatten() == *theirs,
            };
            if !is_same {
                differences.push(format!("{name}: {ours:?} is not {expected:?}"));
            }
            compared += usize::from(expected.is_some());
        }
    });
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(compared > 90, "{compared} values");
}
