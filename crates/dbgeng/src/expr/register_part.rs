//! Names for parts of registers, `al` and `r8d` and `zf`, as bits of a register of the CPU's table.
//! It knows no thread: values are handed in.

use dbgbase::{Arch, GeneralRegisters, RegisterId, x86_64};

use crate::FrameRegisters;

/// A register or a run of bits in one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterPart {
    /// The register of the table.
    pub register: RegisterId,
    /// The lowest bit.
    pub shift: u8,
    /// How many bits, 1 to 64.
    pub size_bits: u8,
}

/// The flags of x86-64 by name: lowest bit and width (Intel SDM volume 1, figure 3-8).
const FLAGS: [(&str, u8, u8); 10] = [
    ("cf", 0, 1),
    ("pf", 2, 1),
    ("af", 4, 1),
    ("zf", 6, 1),
    ("sf", 7, 1),
    ("tf", 8, 1),
    ("if", 9, 1),
    ("df", 10, 1),
    ("of", 11, 1),
    ("iopl", 12, 2),
];

impl RegisterPart {
    /// What `name` (lower case, without `@`) names on this CPU: a register of its table, a part of
    /// one, a flag, one of the usual second names (`efl`; `lr`, `fp`, `psr` on aarch64), or a
    /// pseudo-register that stands for a register on every CPU (`$ip`, `$csp`, `$retreg`).
    pub fn from_name(arch: Arch, name: &str) -> Option<RegisterPart> {
        if let Some(register) = arch.register_by_name(name) {
            let size_bytes = arch.describe(register)?.size_bytes;
            return Some(RegisterPart { register, shift: 0, size_bits: size_bytes * 8 });
        }
        if name.starts_with('$') {
            let register = pseudo_register(arch, name)?;
            return Some(RegisterPart { register, shift: 0, size_bits: 64 });
        }
        match arch {
            Arch::X86_64 => x86_64_part(name),
            Arch::Aarch64 => {
                let table_name = match name {
                    "fp" => "x29",
                    "lr" => "x30",
                    "psr" | "cpsr" => "pstate",
                    _ => return word_of_aarch64(name),
                };
                RegisterPart::from_name(arch, table_name)
            }
            _ => None,
        }
    }

    /// Whether `name` (lower case) is recognised without `@`: the whole general registers and their
    /// 32-bit halves, no name of which can be read as a hexadecimal number.
    pub fn is_common(arch: Arch, name: &str) -> bool {
        let is_number = name.chars().all(|character| character.is_ascii_hexdigit());
        let Some(part) = RegisterPart::from_name(arch, name) else {
            return false;
        };
        let is_general = match arch {
            Arch::X86_64 => part.register <= x86_64::RIP || name == "efl",
            _ => true,
        };
        is_general && !is_number && part.shift == 0 && part.size_bits >= 32
    }

    /// The part's value.
    pub fn read(self, registers: &GeneralRegisters) -> u64 {
        self.of(registers.get(self.register))
    }

    /// The part's value in a frame, if the register's is known there.
    pub fn read_frame(self, registers: &FrameRegisters) -> Option<u64> {
        registers.get(self.register).map(|whole| self.of(whole))
    }

    fn of(self, whole: u64) -> u64 {
        whole >> self.shift & self.mask()
    }

    /// The whole register with the part replaced by `value`, whose surplus bits are dropped.
    pub fn replace(self, whole: u64, value: u64) -> u64 {
        let mask = self.mask() << self.shift;
        whole & !mask | value << self.shift & mask
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - u32::from(self.size_bits.clamp(1, 64)))
    }
}

fn pseudo_register(arch: Arch, name: &str) -> Option<RegisterId> {
    match (name, arch) {
        ("$ip", _) => Some(arch.pc()),
        ("$csp", _) => Some(arch.sp()),
        ("$retreg" | "$retreg64", Arch::X86_64) => Some(x86_64::RAX),
        ("$retreg" | "$retreg64", _) => arch.register_by_name("x0"),
        _ => None,
    }
}

fn x86_64_part(name: &str) -> Option<RegisterPart> {
    if let Some((_, shift, size_bits)) = FLAGS.iter().find(|(flag, _, _)| *flag == name) {
        let register = x86_64::EFLAGS;
        return Some(RegisterPart { register, shift: *shift, size_bits: *size_bits });
    }
    if name == "efl" {
        return RegisterPart::from_name(Arch::X86_64, "eflags");
    }
    let part = |whole: &str, shift, size_bits| {
        let register = Arch::X86_64.register_by_name(whole)?;
        Some(RegisterPart { register, shift, size_bits })
    };
    // r8d, r8w, r8b.
    let numbered = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];
    for whole in numbered {
        match name.strip_prefix(whole) {
            Some("d") => return part(whole, 0, 32),
            Some("w") => return part(whole, 0, 16),
            Some("b") => return part(whole, 0, 8),
            _ => {}
        }
    }
    for letter in ["a", "b", "c", "d"] {
        let whole = format!("r{letter}x");
        match name.strip_prefix(letter) {
            Some("l") => return part(&whole, 0, 8),
            Some("h") => return part(&whole, 8, 8),
            Some("x") => return part(&whole, 0, 16),
            _ => {}
        }
    }
    for word in ["si", "di", "bp", "sp"] {
        if name.strip_suffix('l') == Some(word) {
            return part(&format!("r{word}"), 0, 8);
        }
        if name == word {
            return part(&format!("r{word}"), 0, 16);
        }
    }
    // eax, esi, eip.
    let whole = format!("r{}", name.strip_prefix('e')?);
    let is_numbered = whole.ends_with(|last: char| last.is_ascii_digit());
    if is_numbered { None } else { part(&whole, 0, 32) }
}

/// w0 to w30, the lower halves of x0 to x30.
fn word_of_aarch64(name: &str) -> Option<RegisterPart> {
    let whole = format!("x{}", name.strip_prefix('w')?);
    let register = Arch::Aarch64.register_by_name(&whole)?;
    Some(RegisterPart { register, shift: 0, size_bits: 32 })
}

#[cfg(test)]
#[path = "register_part/tests.rs"]
mod tests;
