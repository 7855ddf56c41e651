//! The registers as debuggers know them: names, sizes and order (GDB manual, "i386 Features"),
//! their bytes made of what the server sends, and the description in XML. It knows no thread. Pure.

mod xml;

use std::ops::Range;

use dbgbase::x86_64::extended::{ExtendedForm, ExtendedRegister, ExtendedValue};
use dbgbase::x86_64::xsave::XsaveLayout;
use dbgbase::{Arch, GeneralRegisters, RegisterId, x86_64};

/// All registers that debuggers are told of, by their numbers.
#[derive(Clone, Debug)]
pub(crate) struct TargetDescription {
    layout: XsaveLayout,
    registers: Vec<Register>,
}

/// One register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Register {
    /// Its name, as GDB knows it.
    pub(crate) name: String,
    /// Its number in packets.
    pub(crate) number: u16,
    /// How many bytes it has in packets.
    pub(crate) len: usize,
    /// Its number in DWARF.
    pub(crate) dwarf: Option<u16>,
    /// The feature of the description that it belongs to, without `org.gnu.gdb.i386.`.
    feature: &'static str,
    /// Its type there.
    kind: &'static str,
    source: Source,
}

/// Where a register's bytes come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    General(RegisterId),
    /// Bytes of an extended register from this one on; what it lacks is zero.
    Extended(ExtendedRegister, usize),
}

/// A change of a thread's registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RegisterChange {
    /// A general register's new value.
    General(RegisterId, u64),
    /// Bytes of the extended registers, by their offsets.
    Extended(Vec<(u32, Vec<u8>)>),
}

impl TargetDescription {
    /// The registers of a machine. `None` for CPUs that this program cannot describe.
    pub(crate) fn new(arch: Arch, layout: XsaveLayout) -> Option<TargetDescription> {
        if arch != Arch::X86_64 {
            return None;
        }
        let general = x86_64::GENERAL.iter().enumerate().filter_map(general);
        let extended = ExtendedRegister::all().filter(|register| register.is_in(&layout));
        let mut registers: Vec<Register> = general.chain(extended.flat_map(extended_of)).collect();
        registers.sort_by_key(|register| register.number);
        Some(TargetDescription { layout, registers })
    }

    /// The registers, by their numbers, which may have gaps.
    pub(crate) fn registers(&self) -> &[Register] {
        &self.registers
    }

    /// The register with this number.
    pub(crate) fn register(&self, number: u64) -> Option<&Register> {
        self.registers.iter().find(|register| u64::from(register.number) == number)
    }

    /// The description that debuggers read, `target.xml`.
    pub(crate) fn xml(&self) -> String {
        xml::document(&self.registers)
    }

    /// Whether a register's bytes are among the extended ones.
    pub(crate) fn is_extended(register: &Register) -> bool {
        matches!(register.source, Source::Extended(..))
    }

    /// A register's bytes; `None` if they cannot be told. `extended` is a thread's XSAVE area.
    pub(crate) fn read(
        &self,
        register: &Register,
        general: &GeneralRegisters,
        extended: &[u8],
    ) -> Option<Vec<u8>> {
        let mut bytes = match register.source {
            Source::General(id) => general.get(id).to_le_bytes().to_vec(),
            Source::Extended(part, from) => {
                let value = part.read(&self.layout, extended)?;
                value.bytes().get(from..).unwrap_or_default().to_vec()
            }
        };
        bytes.resize(register.len, 0);
        if register.name == "fop" {
            // The CPU has eleven bits of it (Intel SDM volume 1, 8.1.9).
            for (byte, mask) in bytes.iter_mut().zip([0xff, 0x07, 0, 0]) {
                *byte &= mask;
            }
        }
        Some(bytes)
    }

    /// The changes that make a thread's registers, general and extended, what others are.
    pub(crate) fn changes(
        &self,
        wanted: (&GeneralRegisters, &[u8]),
        now: (&GeneralRegisters, &[u8]),
    ) -> Vec<RegisterChange> {
        let change = |register: &Register| {
            let bytes = self.read(register, wanted.0, wanted.1)?;
            if self.read(register, now.0, now.1).as_ref() == Some(&bytes) {
                return None;
            }
            self.write(register, &bytes, now.1)
        };
        self.registers.iter().filter_map(change).collect()
    }

    /// The change that gives a register these bytes. `None` if it cannot be changed so.
    pub(crate) fn write(
        &self,
        register: &Register,
        bytes: &[u8],
        extended: &[u8],
    ) -> Option<RegisterChange> {
        if bytes.len() != register.len {
            return None;
        }
        match register.source {
            Source::General(id) => {
                let mut value = [0; 8];
                value.get_mut(..bytes.len())?.copy_from_slice(bytes);
                Some(RegisterChange::General(id, u64::from_le_bytes(value)))
            }
            Source::Extended(part, from) => {
                let mut value = part.read(&self.layout, extended)?.bytes().to_vec();
                for (place, byte) in value.iter_mut().skip(from).zip(bytes) {
                    *place = *byte;
                }
                let value = ExtendedValue::new(&value);
                let patches = part.patches(&self.layout, extended, &value);
                Some(RegisterChange::Extended(only(patches, from..from + bytes.len())))
            }
        }
    }
}

/// The patches of these bytes of a value alone: the others are other registers' for debuggers, and
/// may have been given a value of their own in the same step.
fn only(patches: Vec<(u32, Vec<u8>)>, wanted: Range<usize>) -> Vec<(u32, Vec<u8>)> {
    let mut at = 0;
    let cut = |(offset, bytes): (u32, Vec<u8>)| {
        let start = wanted.start.saturating_sub(at).min(bytes.len());
        let end = wanted.end.saturating_sub(at).min(bytes.len());
        at += bytes.len();
        let rest = bytes.get(start..end).filter(|rest| !rest.is_empty())?;
        Some((offset + start as u32, rest.to_vec()))
    };
    patches.into_iter().filter_map(cut).collect()
}

fn general((index, described): (usize, &dbgbase::RegisterDescription)) -> Option<Register> {
    let number = described.gdb?;
    let (feature, kind) = match described.name {
        "rsp" | "rbp" => ("core", "data_ptr"),
        "rip" => ("core", "code_ptr"),
        "eflags" => ("core", "i386_eflags"),
        "cs" | "ss" | "ds" | "es" | "fs" | "gs" => ("core", "int32"),
        "orig_rax" => ("linux", "int"),
        "fs_base" | "gs_base" => ("segments", "int"),
        _ => ("core", "int64"),
    };
    Some(Register {
        name: described.name.to_owned(),
        number,
        // Segments and flags are padded to four bytes.
        len: usize::from(described.size_bytes).max(4),
        dwarf: described.dwarf,
        feature,
        kind,
        source: Source::General(RegisterId::new(index as u16)),
    })
}

/// The registers of the description that lie in one of the machine's. Of `ymm` and `zmm` GDB knows
/// the upper halves, as the lower ones are registers of their own; of the last instruction's and
/// operand's addresses it knows offset and segment.
fn extended_of(part: ExtendedRegister) -> Vec<Register> {
    let Some(number) = part.gdb() else { return Vec::new() };
    let name = part.name();
    let register = |name: &str, number, len, feature, kind, from| Register {
        name: name.to_owned(),
        number,
        len,
        dwarf: part.dwarf().filter(|_| from == 0),
        feature,
        kind,
        source: Source::Extended(part, from),
    };
    let word = |name: &str, number, from| register(name, number, 4, "core", "int", from);
    match name.as_str() {
        "fpcw" => vec![word("fctrl", number, 0)],
        "fpsw" => vec![word("fstat", number, 0)],
        "fptw" => vec![word("ftag", number, 0)],
        "fip" => vec![word("fioff", number, 0), word("fiseg", number - 1, 4)],
        "fdp" => vec![word("fooff", number, 0), word("foseg", number - 1, 4)],
        "fop" => vec![word("fop", number, 0)],
        "mxcsr" => vec![register(&name, number, 4, "sse", "i386_mxcsr", 0)],
        "pkru" => vec![register(&name, number, 4, "pkeys", "int", 0)],
        _ if part.form() == ExtendedForm::Float80 => {
            vec![register(&name, number, 10, "core", "i387_ext", 0)]
        }
        _ if name.starts_with('k') => vec![register(&name, number, 8, "avx512", "uint64", 0)],
        _ if name.starts_with("xmm") => {
            let feature = if number < 76 { "sse" } else { "avx512" };
            vec![register(&name, number, 16, feature, "vec128", 0)]
        }
        _ if name.starts_with("ymm") => {
            let feature = if number < 76 { "avx" } else { "avx512" };
            vec![register(&format!("{name}h"), number, 16, feature, "uint128", 16)]
        }
        _ if name.starts_with("zmm") => {
            vec![register(&format!("{name}h"), number, 32, "avx512", "vec256", 32)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
#[path = "target_description/tests.rs"]
mod tests;
