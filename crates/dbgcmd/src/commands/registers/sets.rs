//! Which registers belong together, and the mask that chooses among them, as `rm` has it.

use std::fmt::Write as _;

use dbgbase::Arch;
use dbgbase::x86_64::extended::ExtendedRegister;
use dbgeng::{Engine, Error, ExtendedRegisters};

use crate::format;
use crate::format::elements::{self, Element};

/// A choice of sets of registers, one bit for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RegisterMask(u64);

const INTEGER_32: u64 = 1;
const INTEGER: u64 = 2;
const STACK: u64 = 4;
const SEGMENTS: u64 = 8;
const MMX: u64 = 0x10;
const DEBUG: u64 = 0x20;
const XMM: u64 = 0x40;
const YMM: u64 = 0x200;
const YMM_INTEGER: u64 = 0x400;
const XMM_INTEGER: u64 = 0x800;
const ZMM: u64 = 0x1000;
const ZMM_INTEGER: u64 = 0x2000;
const MASKS: u64 = 0x4000;

/// The sets in the order of their bits: what they are, and a register that a machine with the set
/// has.
const SETS: [(u64, &str, Option<&str>); 13] = [
    (INTEGER_32, "Integer state (32-bit) or", None),
    (INTEGER, "Integer state (64-bit), 64-bit takes precedence", None),
    (STACK, "Floating-point state", Some("st0")),
    (SEGMENTS, "Segment registers", Some("st0")),
    (MMX, "MMX registers", Some("mm0")),
    (DEBUG, "Debug registers", Some("st0")),
    (XMM, "SSE XMM registers", Some("xmm0")),
    (YMM, "AVX YMM registers", Some("ymm0")),
    (YMM_INTEGER, "AVX YMM Integer registers", Some("ymm0")),
    (XMM_INTEGER, "AVX XMM Integer registers", Some("xmm0")),
    (ZMM, "AVX-512 ZMM registers", Some("zmm0")),
    (ZMM_INTEGER, "AVX-512 ZMM Integer registers", Some("zmm0")),
    (MASKS, "AVX-512 mask registers", Some("k0")),
];

/// The rows of vectors: bit, name, how many, elements.
const VECTORS: [(u64, &str, u8, Element); 6] = [
    (XMM, "xmm", 16, Element::Float),
    (XMM_INTEGER, "xmm", 16, Element::Unsigned(8)),
    (YMM, "ymm", 16, Element::Float),
    (YMM_INTEGER, "ymm", 16, Element::Unsigned(8)),
    (ZMM, "zmm", 32, Element::Float),
    (ZMM_INTEGER, "zmm", 32, Element::Unsigned(8)),
];

impl Default for RegisterMask {
    /// Integer registers and segments.
    fn default() -> RegisterMask {
        RegisterMask(INTEGER | SEGMENTS)
    }
}

impl RegisterMask {
    /// Everything there is.
    pub(super) const ALL: RegisterMask = RegisterMask(0x7e7f);

    /// These bits, whatever they are.
    pub(super) fn new(value: u64) -> RegisterMask {
        RegisterMask(value)
    }

    /// What a command of this name shows.
    pub(super) fn of_command(name: &str) -> RegisterMask {
        RegisterMask(match name {
            "rF" => STACK,
            "rX" => XMM,
            "rY" => YMM,
            "rYI" => YMM_INTEGER,
            "rZ" => ZMM,
            "rZI" => ZMM_INTEGER,
            _ => MASKS,
        })
    }

    /// The bits.
    pub(super) fn value(self) -> u64 {
        self.0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, bits: u64) -> bool {
        self.0 & bits != 0
    }

    /// The mask without what the engine's machine does not have, and the bits that are left out.
    pub(super) fn on(self, engine: &Engine) -> (RegisterMask, u64) {
        let is_there = |register: Option<&str>| {
            let Some(name) = register else { return true };
            let register = ExtendedRegister::from_name(name);
            engine.server().arch == Arch::X86_64
                && register.is_some_and(|register| engine.server().has_register(register))
        };
        let there = SETS.iter().filter(|(_, _, register)| is_there(*register));
        let bits = there.fold(0, |bits, (bit, _, _)| bits | bit);
        (RegisterMask(self.0 & bits), self.0 & !bits)
    }

    /// A line for each set.
    pub(super) fn lines(self) -> String {
        let chosen = SETS.iter().filter(|(bit, _, _)| self.has(*bit));
        chosen.fold(String::new(), |mut text, (bit, title, _)| {
            let _ = writeln!(text, "{bit:>8x} - {title}");
            text
        })
    }
}

/// The registers of the current frame that a mask chooses, in lines. Those beyond the general ones
/// are never kept for a frame that has called another function.
///
/// **Errors**: those of [`Engine::current_registers`] and [`Engine::extended_registers`].
pub(crate) fn masked(engine: &Engine, mask: RegisterMask) -> Result<String, Error> {
    let registers = engine.current_registers()?;
    let has_integers = mask.has(INTEGER_32 | INTEGER);
    let mut text = format::registers::chosen(&registers, has_integers, mask.has(SEGMENTS));
    if mask.has(!(INTEGER_32 | INTEGER | SEGMENTS)) {
        if engine.is_in_caller()? {
            text.push_str("(only general registers are preserved for this frame)\n");
            return Ok(text);
        }
        text.push_str(&extended(&engine.extended_registers()?, mask));
    }
    Ok(text)
}

fn extended(registers: &ExtendedRegisters, mask: RegisterMask) -> String {
    let mut text = String::new();
    if mask.has(STACK) {
        let words = ["fpcw", "fpsw", "fptw"].map(|name| integer(registers, name));
        let _ = writeln!(text, "{}", words.join("    "));
        for number in 0..8 {
            let name = format!("st{number}");
            if let Some(bytes) = bytes(registers, &name) {
                let _ = writeln!(text, "{name}={}", elements::float80(&bytes));
            }
        }
    }
    if mask.has(MMX) {
        text.push_str(&integers(registers, "mm", 4));
    }
    if mask.has(DEBUG) {
        let all: Vec<String> =
            registers.debug().map(|(name, value)| format!("{name}={value:016x}")).collect();
        for row in all.chunks(3) {
            let _ = writeln!(text, "{}", row.join(" "));
        }
    }
    for (_, prefix, count, element) in VECTORS.iter().filter(|(bit, _, _, _)| mask.has(*bit)) {
        for number in 0..*count {
            let name = format!("{prefix}{number}");
            if let Some(bytes) = bytes(registers, &name) {
                let _ = writeln!(text, "{name}={}", elements::row(&bytes, *element, bytes.len()));
            }
        }
    }
    if mask.has(XMM | XMM_INTEGER) {
        let _ = writeln!(text, "{}", integer(registers, "mxcsr"));
    }
    if mask.has(MASKS) {
        text.push_str(&integers(registers, "k", 4));
    }
    text
}

fn bytes(registers: &ExtendedRegisters, name: &str) -> Option<Vec<u8>> {
    let value = registers.get(ExtendedRegister::from_name(name)?)?;
    Some(value.bytes().to_vec())
}

/// `mxcsr=00001f80`; question marks if it cannot be read.
fn integer(registers: &ExtendedRegisters, name: &str) -> String {
    let register = ExtendedRegister::from_name(name);
    let value = register.and_then(|register| registers.get(register));
    match value {
        Some(value) => {
            format::registers::one(name, value.low(), 8 * value.bytes().len().min(8) as u8)
        }
        None => format!("{name}=????"),
    }
}

/// Registers 0 to 7 of a kind, so many in a line.
fn integers(registers: &ExtendedRegisters, prefix: &str, per_line: usize) -> String {
    let all: Vec<String> =
        (0..8).map(|number| integer(registers, &format!("{prefix}{number}"))).collect();
    let lines = all.chunks(per_line).map(|row| row.join(" ") + "\n");
    lines.collect()
}
