//! Call frame information: for each instruction of a function, where its caller's registers are
//! (DWARF 5, 6.4; `.eh_frame` in the Linux Standard Base, 10.6). Finding the entry for an address
//! is here, and turning it into rules; gimli decodes the bytes. It knows no target, only link
//! addresses.

mod apply;
mod linker_table;

use std::sync::OnceLock;

use dbgbase::{Arch, LinkAddress, RegisterId};
use gimli::{
    BaseAddresses, CieOrFde, EhFrameOffset, EndianSlice, FrameDescriptionEntry, LittleEndian,
    UnwindContext, UnwindSection,
};

use crate::image::{Image, ImageBytes};
use linker_table::LinkerTable;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Addresses of both CPUs.
const ADDRESS_SIZE_BYTES: u8 = 8;

/// All call frame information of an image.
#[derive(Debug)]
pub(crate) struct CallFrameInfo {
    sections: Vec<FrameSection>,
}

/// What the call frame information says about one instruction.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    cfa: CfaRule<'a>,
    registers: Vec<(RegisterId, Rule<'a>)>,
    /// The register whose rule gives the return address.
    return_address: RegisterId,
    /// Whether the return address carries a pointer authentication code (aarch64).
    is_return_address_signed: bool,
    /// Whether the function is a signal trampoline (augmentation `S`).
    pub(super) is_signal_frame: bool,
    /// Where the function ends, as a link address.
    pub(super) function_end: u64,
}

/// A frame's canonical frame address as a register and a displacement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameAddressRule {
    /// The register.
    pub register: RegisterId,
    /// How far above its value the address is, in bytes.
    pub offset: i64,
}

impl Image {
    /// How the canonical frame address (DWARF 5, 6.4) is found at an instruction. `None` where
    /// there is no call frame information, or it gives an expression, as for entries of the
    /// procedure linkage table.
    pub fn frame_address_rule(&self, address: LinkAddress) -> Option<FrameAddressRule> {
        let rules = self.call_frame_info().rules_at(address).ok().flatten()?;
        match rules.cfa {
            CfaRule::RegisterPlus(register, offset) => Some(FrameAddressRule { register, offset }),
            CfaRule::Expression(_) | CfaRule::Unsupported => None,
        }
    }
}

/// How to compute the canonical frame address.
#[derive(Debug)]
enum CfaRule<'a> {
    RegisterPlus(RegisterId, i64),
    Expression(&'a [u8]),
    /// The rule names a register that is not in the CPU's table.
    Unsupported,
}

/// How to find a register's value in the caller (DWARF 5, 6.4.1).
#[derive(Clone, Copy, Debug)]
enum Rule<'a> {
    Undefined,
    SameValue,
    AtCfaPlus(i64),
    CfaPlus(i64),
    InRegister(RegisterId),
    AtExpression(&'a [u8]),
    Expression(&'a [u8]),
    Constant(u64),
    Unsupported,
}

/// One section with call frame information.
#[derive(Debug)]
struct FrameSection {
    bytes: ImageBytes,
    arch: Arch,
    bases: BaseAddresses,
    form: SectionForm,
    /// The functions by address, for sections without a usable table of the linker.
    index: OnceLock<Vec<FunctionRange>>,
}

/// Two formats, almost the same.
#[derive(Debug)]
enum SectionForm {
    /// `.eh_frame`, and the linker's sorted table of it (`.eh_frame_hdr`) if there is one.
    Eh { table: Option<LinkerTable> },
    /// `.debug_frame`.
    Debug,
}

/// Where a function's exceptions are handled.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExceptionTable {
    /// The table.
    pub(super) address: LinkAddress,
    /// Where the function begins that it is about.
    pub(super) function: LinkAddress,
}

/// Where the entry for a run of instructions is.
#[derive(Clone, Copy, Debug)]
struct FunctionRange {
    start: u64,
    end: u64,
    offset: usize,
}

impl CallFrameInfo {
    pub(crate) fn new(image: &Image, debug_file: Option<&Image>) -> CallFrameInfo {
        let debug_frames = [Some(image), debug_file].into_iter().flatten().filter_map(debug_frame);
        let sections = eh_frame(image).into_iter().chain(debug_frames).collect();
        CallFrameInfo { sections }
    }

    /// The rules for the instruction at `address`, or `None` if there are none.
    pub(super) fn rules_at(&self, address: LinkAddress) -> gimli::Result<Option<Rules<'_>>> {
        for section in &self.sections {
            match section.rules_at(address.value()) {
                Err(gimli::Error::NoUnwindInfoForAddress) => {}
                found => return found.map(Some),
            }
        }
        Ok(None)
    }

    /// The exception table of the function around `address`. Only `.eh_frame` names them.
    pub(super) fn exception_table_at(&self, address: LinkAddress) -> Option<ExceptionTable> {
        self.sections.iter().find_map(|section| section.exception_table_at(address.value()))
    }
}

/// `.eh_frame` by its section header, or where `.eh_frame_hdr` says, which a program header names.
fn eh_frame(image: &Image) -> Option<FrameSection> {
    let table = image
        .section(".eh_frame_hdr")
        .map(|section| section.address)
        .or_else(|| image.eh_frame_hdr())
        .and_then(|address| LinkerTable::new(address, image.bytes_at(address)?));
    let (address, bytes) = match image.section(".eh_frame") {
        Some(section) => (section.address, image.section_bytes(".eh_frame")?),
        None => {
            let address = table.as_ref()?.eh_frame();
            (address, image.bytes_at(address)?)
        }
    };
    let mut bases = BaseAddresses::default().set_eh_frame(address.value());
    if let Some(section) = image.section(".text") {
        bases = bases.set_text(section.address.value());
    }
    if let Some(section) = image.section(".got") {
        bases = bases.set_got(section.address.value());
    }
    let form = SectionForm::Eh { table };
    Some(FrameSection { bytes, arch: image.arch(), bases, form, index: OnceLock::new() })
}

fn debug_frame(image: &Image) -> Option<FrameSection> {
    Some(FrameSection {
        bytes: image.section_bytes(".debug_frame")?,
        arch: image.arch(),
        bases: BaseAddresses::default(),
        form: SectionForm::Debug,
        index: OnceLock::new(),
    })
}

impl FrameSection {
    fn rules_at(&self, address: u64) -> gimli::Result<Rules<'_>> {
        let vendor = match self.arch {
            Arch::Aarch64 => gimli::Vendor::AArch64,
            _ => gimli::Vendor::Default,
        };
        let bytes = self.bytes.as_slice();
        match &self.form {
            SectionForm::Eh { table } => {
                let mut section = gimli::EhFrame::new(bytes, LittleEndian);
                section.set_address_size(ADDRESS_SIZE_BYTES);
                section.set_vendor(vendor);
                let entry = self.eh_entry_at(&section, table.as_ref(), address)?;
                self.rules(&section, &entry, address)
            }
            SectionForm::Debug => {
                let mut section = gimli::DebugFrame::new(bytes, LittleEndian);
                section.set_address_size(ADDRESS_SIZE_BYTES);
                section.set_vendor(vendor);
                let entry = self.by_index(&section, address)?;
                self.rules(&section, &entry, address)
            }
        }
    }

    fn exception_table_at(&self, address: u64) -> Option<ExceptionTable> {
        let SectionForm::Eh { table } = &self.form else { return None };
        let mut section = gimli::EhFrame::new(self.bytes.as_slice(), LittleEndian);
        section.set_address_size(ADDRESS_SIZE_BYTES);
        let entry = self.eh_entry_at(&section, table.as_ref(), address).ok()?;
        match entry.lsda()? {
            gimli::Pointer::Direct(at) => Some(ExceptionTable {
                address: LinkAddress::new(at),
                function: LinkAddress::new(entry.initial_address()),
            }),
            gimli::Pointer::Indirect(_) => None,
        }
    }

    fn eh_entry_at<'a>(
        &self,
        section: &gimli::EhFrame<Reader<'a>>,
        table: Option<&LinkerTable>,
        address: u64,
    ) -> gimli::Result<FrameDescriptionEntry<Reader<'a>>> {
        match table {
            Some(table) => self.by_linkers_table(section, table, address),
            None => self.by_index(section, address),
        }
    }

    fn by_linkers_table<'a>(
        &self,
        section: &gimli::EhFrame<Reader<'a>>,
        table: &LinkerTable,
        address: u64,
    ) -> gimli::Result<FrameDescriptionEntry<Reader<'a>>> {
        let missing = gimli::Error::NoUnwindInfoForAddress;
        let offset = table.entry_offset(LinkAddress::new(address)).ok_or(missing)?;
        let offset = EhFrameOffset(offset);
        let entry = section.fde_from_offset(&self.bases, offset, UnwindSection::cie_from_offset)?;
        if entry.contains(address) { Ok(entry) } else { Err(missing) }
    }

    fn by_index<'a, S>(
        &self,
        section: &S,
        address: u64,
    ) -> gimli::Result<FrameDescriptionEntry<Reader<'a>>>
    where
        S: UnwindSection<Reader<'a>>,
    {
        let index = self.index.get_or_init(|| scan(section, &self.bases));
        let behind = index.partition_point(|range| range.start <= address);
        let range = behind
            .checked_sub(1)
            .and_then(|last| index.get(last))
            .filter(|range| address < range.end)
            .ok_or(gimli::Error::NoUnwindInfoForAddress)?;
        let offset = S::Offset::from(range.offset);
        section.fde_from_offset(&self.bases, offset, UnwindSection::cie_from_offset)
    }

    fn rules<'a, S>(
        &self,
        section: &S,
        entry: &FrameDescriptionEntry<Reader<'a>>,
        address: u64,
    ) -> gimli::Result<Rules<'a>>
    where
        S: UnwindSection<Reader<'a>>,
    {
        let mut context = UnwindContext::new();
        let row = entry.unwind_info_for_address(section, &self.bases, &mut context, address)?;
        let register = |dwarf: gimli::Register| self.arch.register_by_dwarf(dwarf.0);
        let cfa = match row.cfa() {
            gimli::CfaRule::RegisterAndOffset { register: dwarf, offset } => register(*dwarf)
                .map_or(CfaRule::Unsupported, |id| CfaRule::RegisterPlus(id, *offset)),
            gimli::CfaRule::Expression(code) => CfaRule::Expression(code.get(section)?.0.slice()),
        };
        let mut registers = Vec::new();
        for (dwarf, rule) in row.registers() {
            if let Some(id) = register(*dwarf) {
                registers.push((id, rule_of(rule, section, self.arch)?));
            }
        }
        let signed = row.register(gimli::AArch64::RA_SIGN_STATE);
        let is_signed = matches!(signed, Some(gimli::RegisterRule::Constant(1)));
        let return_address = register(entry.cie().return_address_register());
        Ok(Rules {
            cfa,
            registers,
            return_address: return_address.ok_or(gimli::Error::UnsupportedOffset)?,
            is_return_address_signed: self.arch == Arch::Aarch64 && is_signed,
            is_signal_frame: entry.is_signal_trampoline(),
            function_end: entry.end_address(),
        })
    }
}

fn rule_of<'a, S>(
    rule: &gimli::RegisterRule<usize>,
    section: &S,
    arch: Arch,
) -> gimli::Result<Rule<'a>>
where
    S: UnwindSection<Reader<'a>>,
{
    Ok(match rule {
        gimli::RegisterRule::Undefined => Rule::Undefined,
        gimli::RegisterRule::SameValue => Rule::SameValue,
        gimli::RegisterRule::Offset(offset) => Rule::AtCfaPlus(*offset),
        gimli::RegisterRule::ValOffset(offset) => Rule::CfaPlus(*offset),
        gimli::RegisterRule::Register(other) => {
            arch.register_by_dwarf(other.0).map_or(Rule::Unsupported, Rule::InRegister)
        }
        gimli::RegisterRule::Expression(code) => Rule::AtExpression(code.get(section)?.0.slice()),
        gimli::RegisterRule::ValExpression(code) => Rule::Expression(code.get(section)?.0.slice()),
        gimli::RegisterRule::Constant(value) => Rule::Constant(*value),
        gimli::RegisterRule::Architectural => Rule::Unsupported,
    })
}

/// The functions that a section has entries for, by address. Damaged entries are left out; what
/// lies behind a damaged length is lost.
fn scan<'a, S>(section: &S, bases: &BaseAddresses) -> Vec<FunctionRange>
where
    S: UnwindSection<Reader<'a>>,
{
    let mut ranges = Vec::new();
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else {
            continue;
        };
        if let Ok(entry) = partial.parse(UnwindSection::cie_from_offset) {
            let (start, end) = (entry.initial_address(), entry.end_address());
            ranges.push(FunctionRange { start, end, offset: entry.offset() });
        }
    }
    ranges.sort_by_key(|range| range.start);
    ranges
}
