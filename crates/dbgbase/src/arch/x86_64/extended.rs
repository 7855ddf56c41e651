//! The registers that lie in an XSAVE area, by name: x87, MMX, SSE, AVX, AVX-512. It says which
//! bytes of an area make a register and which change it; it knows no thread.

use super::xsave::{self, AVX, HI16_ZMM, OPMASK, PKRU, SSE, X87, XsaveLayout, ZMM_HI256};

/// What the bytes of a register mean, if nobody says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExtendedForm {
    /// An integer of the register's size.
    Integer,
    /// An 80-bit floating-point number (Intel SDM volume 1, 8.2).
    Float80,
    /// A row of elements of any kind.
    Vector,
}

/// The families of extended registers, each with the components it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    Fpcw,
    Fpsw,
    Fptw,
    Fop,
    Fip,
    Fdp,
    Stack,
    Mmx,
    Mxcsr,
    Xmm,
    Ymm,
    Zmm,
    Mask,
    Pkru,
}

/// A register of an XSAVE area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedRegister {
    family: Family,
    number: u8,
}

/// The bytes of one register, the lowest first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ExtendedValue {
    bytes: [u8; 64],
    len: u8,
}

impl ExtendedValue {
    /// A value of these bytes; more than 64 are dropped.
    pub fn new(bytes: &[u8]) -> ExtendedValue {
        let mut value = ExtendedValue { bytes: [0; 64], len: bytes.len().min(64) as u8 };
        for (place, byte) in value.bytes.iter_mut().zip(bytes) {
            *place = *byte;
        }
        value
    }

    /// The bytes, the lowest first.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&self.bytes)
    }

    /// The lowest 64 bits.
    pub fn low(&self) -> u64 {
        let mut low = [0; 8];
        for (place, byte) in low.iter_mut().zip(self.bytes) {
            *place = byte;
        }
        u64::from_le_bytes(low)
    }
}

impl std::fmt::Debug for ExtendedValue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("0x")?;
        self.bytes().iter().rev().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// The columns: family, how many, name of the first or of the only one, bytes.
const FAMILIES: [(Family, u8, &str, u8); 14] = [
    (Family::Fpcw, 1, "fpcw", 2),
    (Family::Fpsw, 1, "fpsw", 2),
    (Family::Fptw, 1, "fptw", 2),
    (Family::Fop, 1, "fop", 2),
    (Family::Fip, 1, "fip", 8),
    (Family::Fdp, 1, "fdp", 8),
    (Family::Stack, 8, "st", 10),
    (Family::Mmx, 8, "mm", 8),
    (Family::Mxcsr, 1, "mxcsr", 4),
    (Family::Xmm, 32, "xmm", 16),
    (Family::Ymm, 32, "ymm", 32),
    (Family::Zmm, 32, "zmm", 64),
    (Family::Mask, 8, "k", 8),
    (Family::Pkru, 1, "pkru", 4),
];

/// Second names, as gdb calls them.
const SECOND_NAMES: [(&str, &str); 5] =
    [("fctrl", "fpcw"), ("fstat", "fpsw"), ("ftag", "fptw"), ("fioff", "fip"), ("fooff", "fdp")];

/// Some bytes of a component.
#[derive(Clone, Copy)]
struct Piece {
    feature: u8,
    /// From the component's start; for x87 and SSE from the area's.
    offset: usize,
    len: usize,
}

impl ExtendedRegister {
    /// Every register that some CPU has.
    pub fn all() -> impl Iterator<Item = ExtendedRegister> {
        FAMILIES.iter().flat_map(|(family, count, _, _)| {
            (0..*count).map(|number| ExtendedRegister { family: *family, number })
        })
    }

    /// The register of this name (lower case): `st0`, `mm7`, `xmm0`, `ymm31`, `zmm5`, `k1`,
    /// `mxcsr`, `pkru`, `fpcw`, `fpsw`, `fptw`, `fop`, `fip`, `fdp`; also as gdb calls them.
    pub fn from_name(name: &str) -> Option<ExtendedRegister> {
        let second = SECOND_NAMES.iter().find(|(second, _)| *second == name);
        let name = second.map_or(name, |(_, first)| first);
        FAMILIES.iter().find_map(|(family, count, first, _)| {
            let rest = name.strip_prefix(first)?;
            if *count == 1 {
                let register = ExtendedRegister { family: *family, number: 0 };
                return rest.is_empty().then_some(register);
            }
            let is_plain = !rest.starts_with('0') && !rest.starts_with('+') || rest == "0";
            let number = rest.parse::<u8>().ok().filter(|number| is_plain && number < count)?;
            Some(ExtendedRegister { family: *family, number })
        })
    }

    /// Its name, as the CPU's manual and the original write it.
    pub fn name(self) -> String {
        let (count, first) = self.row().map_or((1, ""), |(_, count, first, _)| (*count, *first));
        if count == 1 { first.to_owned() } else { format!("{first}{}", self.number) }
    }

    /// How many bytes it has.
    pub fn size_bytes(self) -> usize {
        self.row().map_or(0, |(_, _, _, size_bytes)| usize::from(*size_bytes))
    }

    /// What its bytes mean.
    pub fn form(self) -> ExtendedForm {
        match self.family {
            Family::Stack => ExtendedForm::Float80,
            Family::Xmm | Family::Ymm | Family::Zmm => ExtendedForm::Vector,
            _ => ExtendedForm::Integer,
        }
    }

    /// Its number in DWARF (System V psABI, AMD64 supplement, figure 3.36).
    pub fn dwarf(self) -> Option<u16> {
        let number = u16::from(self.number);
        match self.family {
            Family::Xmm if number < 16 => Some(17 + number),
            Family::Xmm => Some(67 + number - 16),
            Family::Stack => Some(33 + number),
            Family::Mmx => Some(41 + number),
            Family::Mxcsr => Some(64),
            Family::Fpcw => Some(65),
            Family::Fpsw => Some(66),
            Family::Mask => Some(118 + number),
            _ => None,
        }
    }

    /// Its number in the GDB remote protocol, with the target description features
    /// `org.gnu.gdb.i386.core`, `.sse`, `.linux`, `.segments`, `.avx`, `.avx512`, `.pkeys` in this
    /// order. Of `ymm` and `zmm` it is the number of the upper half, which is a register there
    /// (`ymm0h`, `zmm0h`).
    pub fn gdb(self) -> Option<u16> {
        let number = u16::from(self.number);
        match self.family {
            Family::Stack => Some(24 + number),
            Family::Fpcw => Some(32),
            Family::Fpsw => Some(33),
            Family::Fptw => Some(34),
            Family::Fip => Some(36),
            Family::Fdp => Some(38),
            Family::Fop => Some(39),
            Family::Xmm if number < 16 => Some(40 + number),
            Family::Mxcsr => Some(56),
            Family::Ymm if number < 16 => Some(60 + number),
            Family::Xmm => Some(76 + number - 16),
            Family::Ymm => Some(92 + number - 16),
            Family::Mask => Some(108 + number),
            Family::Zmm => Some(116 + number),
            Family::Pkru => Some(148),
            Family::Mmx => None,
        }
    }

    /// Whether where it lies depends on the rest of the area, so that [`ExtendedRegister::patches`]
    /// must be given one. That is so of MMX registers, which lie relative to the top of the stack.
    pub fn needs_area(self) -> bool {
        self.family == Family::Mmx
    }

    /// Whether a machine has it.
    pub fn is_in(self, layout: &XsaveLayout) -> bool {
        let has = |features: &[u8]| features.iter().all(|one| layout.offset(*one).is_some());
        match self.family {
            Family::Mxcsr => has(&[SSE]),
            Family::Xmm if self.number < 16 => has(&[SSE]),
            Family::Ymm if self.number < 16 => has(&[SSE, AVX]),
            Family::Xmm | Family::Ymm | Family::Zmm => has(&[SSE, AVX, ZMM_HI256, HI16_ZMM]),
            Family::Mask => has(&[OPMASK]),
            Family::Pkru => has(&[PKRU]),
            _ => has(&[X87]),
        }
    }

    /// Its value in an area, of which the end behind the last component in use may be missing.
    /// `None` if the machine does not have it, or if the area is too short to be one.
    pub fn read(self, layout: &XsaveLayout, area: &[u8]) -> Option<ExtendedValue> {
        if !self.is_in(layout) || area.len() < xsave::LEGACY_LEN {
            return None;
        }
        let in_use = xsave::in_use(area);
        match self.family {
            Family::Mxcsr => return Some(ExtendedValue::new(&xsave::mxcsr(area).to_le_bytes())),
            Family::Fpcw if in_use >> X87 & 1 == 0 => {
                return Some(ExtendedValue::new(&xsave::FPCW_INITIAL.to_le_bytes()));
            }
            Family::Fptw => {
                return Some(ExtendedValue::new(&full_tags(area, in_use).to_le_bytes()));
            }
            _ => {}
        }
        let mut bytes = Vec::with_capacity(self.size_bytes());
        for piece in self.pieces(area) {
            let start = layout.offset(piece.feature)? + piece.offset;
            let is_used = in_use >> piece.feature & 1 == 1;
            let found = area.get(start..start + piece.len).filter(|_| is_used);
            bytes.extend_from_slice(found.unwrap_or(&[0; 64][..piece.len.min(64)]));
        }
        Some(ExtendedValue::new(&bytes))
    }

    /// The changes of an area that give the register a value: offsets and bytes. What `value` has
    /// too few bytes for becomes 0.
    ///
    /// **Shape**: empty if the machine does not have it.
    pub fn patches(
        self,
        layout: &XsaveLayout,
        area: &[u8],
        value: &ExtendedValue,
    ) -> Vec<(u32, Vec<u8>)> {
        if !self.is_in(layout) {
            return Vec::new();
        }
        if self.family == Family::Fptw {
            return vec![(4, vec![short_tags(value.low() as u16)])];
        }
        let mut rest = value.bytes.as_slice();
        let mut patches = Vec::new();
        for piece in self.pieces(area) {
            let (bytes, behind) = rest.split_at(piece.len.min(rest.len()));
            rest = behind;
            let start = layout.offset(piece.feature).unwrap_or(0) + piece.offset;
            patches.push((start as u32, bytes.to_vec()));
        }
        patches
    }

    fn row(self) -> Option<&'static (Family, u8, &'static str, u8)> {
        FAMILIES.iter().find(|(family, _, _, _)| *family == self.family)
    }

    /// Where its bytes are, the lowest first.
    fn pieces(self, area: &[u8]) -> Vec<Piece> {
        let number = usize::from(self.number);
        let x87 = |offset, len| vec![Piece { feature: X87, offset, len }];
        let high = |len| vec![Piece { feature: HI16_ZMM, offset: number % 16 * 64, len }];
        let low = [
            Piece { feature: SSE, offset: 160 + number % 16 * 16, len: 16 },
            Piece { feature: AVX, offset: number % 16 * 16, len: 16 },
            Piece { feature: ZMM_HI256, offset: number % 16 * 32, len: 32 },
        ];
        match self.family {
            Family::Fpcw => x87(0, 2),
            Family::Fpsw => x87(2, 2),
            Family::Fptw => x87(4, 1),
            Family::Fop => x87(6, 2),
            Family::Fip => x87(8, 8),
            Family::Fdp => x87(16, 8),
            Family::Stack => x87(32 + 16 * number, 10),
            // The area has the stack from its top on, MMX counts the places themselves.
            Family::Mmx => x87(32 + 16 * ((number + 8 - stack_top(area)) % 8), 8),
            Family::Mxcsr => vec![Piece { feature: SSE, offset: 24, len: 4 }],
            Family::Xmm if number >= 16 => high(16),
            Family::Ymm if number >= 16 => high(32),
            Family::Zmm if number >= 16 => high(64),
            Family::Xmm => low.into_iter().take(1).collect(),
            Family::Ymm => low.into_iter().take(2).collect(),
            Family::Zmm => low.into_iter().collect(),
            Family::Mask => vec![Piece { feature: OPMASK, offset: 8 * number, len: 8 }],
            Family::Pkru => vec![Piece { feature: PKRU, offset: 0, len: 4 }],
        }
    }
}

/// The place that `st0` is (Intel SDM volume 1, 8.1.3).
fn stack_top(area: &[u8]) -> usize {
    let is_used = xsave::in_use(area) >> X87 & 1 == 1;
    area.get(3).filter(|_| is_used).map_or(0, |high| usize::from(high >> 3 & 7))
}

/// The tag word as the CPU has it, two bits for each place, from the area's, which has one (Intel
/// SDM volume 1, 10.5.1.1, table 10-1).
fn full_tags(area: &[u8], in_use: u64) -> u16 {
    const VALID: u16 = 0;
    const ZERO: u16 = 1;
    const SPECIAL: u16 = 2;
    const EMPTY: u16 = 3;
    let short = area.get(4).filter(|_| in_use >> X87 & 1 == 1).copied().unwrap_or(0);
    let top = stack_top(area);
    (0..8).fold(0, |tags, place: usize| {
        let start = 32 + 16 * ((place + 8 - top) % 8);
        let number = area.get(start..start + 10).unwrap_or(&[0; 10]);
        let value = ExtendedValue::new(number);
        let exponent = value
            .bytes()
            .get(8..10)
            .map_or(0, |high| u16::from_le_bytes([high[0], high[1]]) & 0x7fff);
        let mantissa = value.low();
        let tag = match (short >> place & 1, exponent) {
            (0, _) => EMPTY,
            (_, 0) if mantissa == 0 => ZERO,
            (_, 0 | 0x7fff) => SPECIAL,
            _ if mantissa >> 63 == 0 => SPECIAL,
            _ => VALID,
        };
        tags | tag << (2 * place)
    })
}

/// The area's tag byte: a bit for each place that is not empty.
fn short_tags(full: u16) -> u8 {
    (0..8).fold(0, |tags, place| {
        let is_empty = full >> (2 * place) & 3 == 3;
        tags | u8::from(!is_empty) << place
    })
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
#[path = "extended/tests.rs"]
mod tests;
