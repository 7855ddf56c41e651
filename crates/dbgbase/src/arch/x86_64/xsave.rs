//! The area into which XSAVE puts a thread's x87, SSE, AVX and later registers, in its standard,
//! uncompacted form (Intel SDM volume 1, 13.4). It knows which bytes belong to which component, and
//! how bytes are changed so that the CPU takes them over; it does not know names of registers, nor
//! how an area is fetched or stored.
//!
//! ```text
//!   0      24         32                 160             416      464     512        576
//!   +------+----------+------------------+---------------+--------+-------+----------+----------
//!   | x87  | MXCSR    | x87: st0 to st7  | SSE: xmm0-15  | unused | XCR0  | header:  | components
//!   |      | and mask |                  |               |        |       | XSTATE_BV| from 2 on
//!   +------+----------+------------------+---------------+--------+-------+----------+----------
//! ```
//!
//! A component whose bit in `XSTATE_BV` is clear is in its initial state, whatever its bytes say.

/// The length of the part that FXSAVE knows too.
pub const LEGACY_LEN: usize = 512;
/// The shortest area: that part and the header.
pub const AREA_LEN_MIN: usize = LEGACY_LEN + 64;
/// The longest area that is looked at. The longest of today's CPUs has 11,008 bytes.
pub const AREA_LEN_MAX: usize = 64 * 1024;

/// x87: the stack of floating-point registers and its control words.
pub const X87: u8 = 0;
/// SSE: MXCSR and the low 16 bytes of vector registers 0 to 15.
pub const SSE: u8 = 1;
/// AVX: bytes 16 to 31 of vector registers 0 to 15.
pub const AVX: u8 = 2;
/// AVX-512: the mask registers.
pub const OPMASK: u8 = 5;
/// AVX-512: bytes 32 to 63 of vector registers 0 to 15.
pub const ZMM_HI256: u8 = 6;
/// AVX-512: vector registers 16 to 31.
pub const HI16_ZMM: u8 = 7;
/// The protection keys' rights.
pub const PKRU: u8 = 9;

/// The x87 control word after FNINIT.
pub const FPCW_INITIAL: u16 = 0x37f;
/// MXCSR after a reset.
pub const MXCSR_INITIAL: u32 = 0x1f80;
/// The bits that MXCSR has where an area's mask is 0 (Intel SDM volume 1, 11.6.6).
const MXCSR_MASK_DEFAULT: u32 = 0xffbf;

const MXCSR_OFFSET: usize = 24;
const MXCSR_MASK_OFFSET: usize = 28;
/// Where Linux puts XCR0 in areas that ptrace(2) reads: the first of the bytes that are software's
/// (`struct xstate_fx_sw_bytes`; the kernel's `arch/x86/kernel/fpu/regset.c`).
const XCR0_OFFSET: usize = 464;

/// The parts of the legacy region that hold registers: first byte, end, component.
const LEGACY: [(usize, usize, u8); 4] = [
    (0, MXCSR_OFFSET, X87),
    (MXCSR_OFFSET, MXCSR_MASK_OFFSET, SSE),
    (32, 160, X87),
    (160, 416, SSE),
];

/// Where the area of one CPU has a component, from component 2 on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XsaveComponent {
    /// Its number: the bit in XCR0 and `XSTATE_BV`.
    pub feature: u8,
    /// Its first byte in the area.
    pub offset: u32,
    /// How many bytes.
    pub size_bytes: u32,
}

impl XsaveComponent {
    fn end(self) -> usize {
        self.offset as usize + self.size_bytes as usize
    }
}

/// Where a CPU's area has its components, and which of them the system has enabled.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct XsaveLayout {
    xcr0: u64,
    components: Vec<XsaveComponent>,
}

/// Why bytes of an area cannot be changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PatchError {
    /// No register is at this offset.
    Outside {
        /// The first such byte.
        offset: u64,
    },
    /// The header is there, which is not for those who patch.
    Header {
        /// The first such byte.
        offset: u64,
    },
    /// MXCSR would get bits that the CPU does not have.
    Mxcsr {
        /// The value.
        value: u32,
        /// The bits that there are.
        allowed: u32,
    },
}

impl XsaveLayout {
    /// The layout that a CPU, or a peer, tells of. Components that cannot be right are dropped:
    /// those that overlap the head of the area or end behind [`AREA_LEN_MAX`].
    pub fn new(xcr0: u64, components: impl IntoIterator<Item = XsaveComponent>) -> XsaveLayout {
        let is_right = |component: &XsaveComponent| {
            (AVX..=62).contains(&component.feature)
                && component.size_bytes > 0
                && component.size_bytes as usize <= AREA_LEN_MAX
                && component.offset as usize <= AREA_LEN_MAX
                && component.offset as usize >= AREA_LEN_MIN
                && component.end() <= AREA_LEN_MAX
        };
        let components = components.into_iter().filter(is_right).collect();
        XsaveLayout { xcr0, components }
    }

    /// A CPU without XSAVE: x87 and SSE, by FXSAVE.
    pub fn legacy() -> XsaveLayout {
        XsaveLayout { xcr0: 1 << X87 | 1 << SSE, components: Vec::new() }
    }

    /// Which components the system has enabled.
    pub fn xcr0(&self) -> u64 {
        self.xcr0
    }

    /// The components from 2 on, in the CPU's order.
    pub fn components(&self) -> &[XsaveComponent] {
        &self.components
    }

    /// Where a component begins, if the CPU has it and the system has enabled it. The first two
    /// share the head of the area.
    pub fn offset(&self, feature: u8) -> Option<usize> {
        if self.xcr0.checked_shr(u32::from(feature)).unwrap_or(0) & 1 == 0 {
            return None;
        }
        if feature < AVX {
            return Some(0);
        }
        let component = self.components.iter().find(|component| component.feature == feature)?;
        Some(component.offset as usize)
    }

    /// How many bytes of an area tell everything: behind them all components are in their initial
    /// state.
    pub fn used_len(&self, area: &[u8]) -> usize {
        let in_use = in_use(area);
        let is_used = |component: &&XsaveComponent| in_use >> component.feature & 1 == 1;
        let ends = self.components.iter().filter(is_used).map(|component| component.end());
        ends.max().unwrap_or(0).max(AREA_LEN_MIN).min(area.len())
    }

    /// Changes bytes of an area, and marks the components that have them as in use, so that the CPU
    /// takes them over. A component that was in its initial state gets that state's bytes first.
    ///
    /// **Errors**: those of [`PatchError`], and then the area must not be used.
    pub fn patch<'a>(
        &self,
        area: &mut [u8],
        patches: impl IntoIterator<Item = (u32, &'a [u8])>,
    ) -> Result<(), PatchError> {
        for (offset, bytes) in patches {
            let start = offset as usize;
            let mut at = start;
            while at < start + bytes.len() {
                let (end, feature) = self.region(area.len(), at)?;
                self.begin_use(area, feature);
                at = end;
            }
            if let Some(place) = area.get_mut(start..start + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        let (value, mask) = (mxcsr(area), u32_at(area, MXCSR_MASK_OFFSET));
        let allowed = if mask == 0 { MXCSR_MASK_DEFAULT } else { mask };
        if value & !allowed != 0 {
            return Err(PatchError::Mxcsr { value, allowed });
        }
        Ok(())
    }

    /// The end of the run of registers that the byte at `at` is in, and their component.
    fn region(&self, area_len: usize, at: usize) -> Result<(usize, u8), PatchError> {
        let is_there = |(start, end, _): &&(usize, usize, u8)| {
            (*start..*end).contains(&at) && *end <= area_len
        };
        let legacy = LEGACY.iter().find(is_there);
        if let Some((_, end, feature)) = legacy {
            return Ok((*end, *feature));
        }
        let offset = at as u64;
        if (LEGACY_LEN..AREA_LEN_MIN).contains(&at) {
            return Err(PatchError::Header { offset });
        }
        let is_there = |component: &&XsaveComponent| {
            (component.offset as usize..component.end()).contains(&at)
                && component.end() <= area_len
                && self.offset(component.feature).is_some()
        };
        let component = self.components.iter().find(is_there);
        let component = component.ok_or(PatchError::Outside { offset })?;
        Ok((component.end(), component.feature))
    }

    /// Marks a component as in use.
    fn begin_use(&self, area: &mut [u8], feature: u8) {
        let before = in_use(area);
        if before >> feature & 1 == 1 {
            return;
        }
        if let Some(component) = self.components.iter().find(|known| known.feature == feature) {
            clear(area, component.offset as usize, component.end());
        }
        for (start, end, _) in LEGACY.iter().filter(|(_, _, part)| *part == feature) {
            // The CPU takes MXCSR over for AVX as well.
            if *start != MXCSR_OFFSET || before >> AVX & 1 == 0 {
                clear(area, *start, *end);
                if *start == MXCSR_OFFSET {
                    put(area, MXCSR_OFFSET, &MXCSR_INITIAL.to_le_bytes());
                }
            }
        }
        if feature == X87 {
            put(area, 0, &FPCW_INITIAL.to_le_bytes());
        }
        put(area, LEGACY_LEN, &(before | 1 << feature).to_le_bytes());
    }
}

/// Which components an area says are not in their initial state. One of FXSAVE says it of none.
pub fn in_use(area: &[u8]) -> u64 {
    let bits = area.get(LEGACY_LEN..LEGACY_LEN + 8).and_then(|bytes| bytes.try_into().ok());
    bits.map_or(1 << X87 | 1 << SSE, u64::from_le_bytes)
}

/// The XCR0 that Linux notes in areas that ptrace(2) reads; 0 if there is none.
pub fn noted_xcr0(area: &[u8]) -> u64 {
    let bits = area.get(XCR0_OFFSET..XCR0_OFFSET + 8).and_then(|bytes| bytes.try_into().ok());
    bits.map_or(0, u64::from_le_bytes)
}

/// MXCSR, which belongs to SSE and AVX together.
pub fn mxcsr(area: &[u8]) -> u32 {
    match in_use(area) & (1 << SSE | 1 << AVX) {
        0 => MXCSR_INITIAL,
        _ => u32_at(area, MXCSR_OFFSET),
    }
}

fn u32_at(area: &[u8], offset: usize) -> u32 {
    let bytes = area.get(offset..offset + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_le_bytes)
}

fn put(area: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(place) = area.get_mut(offset..offset + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn clear(area: &mut [u8], start: usize, end: usize) {
    if let Some(place) = area.get_mut(start..end) {
        place.fill(0);
    }
}

#[cfg(test)]
#[path = "xsave/tests.rs"]
mod tests;
