//! What must hold for any bytes whatever in the place of a file or of one of its sections: nothing
//! panics, everything ends, and stacks have no more frames than were asked for. Tests replay the
//! corpus through these functions; the fuzz targets compile this very file.

use dbgbase::{
    Address, Arch, GeneralRegisters, LinkAddress, LoadBias, ReadMemory, Unreadable, x86_64,
};
use dbgsym::dwarf::{Caller, FrameContext, RegisterValue, SourcePattern};
use dbgsym::unwind::{FramePc, walk};
use dbgsym::{Image, ImageBytes, Pattern};

use crate::synthetic::{SyntheticElf, SyntheticSymbol};

/// Where the code of the images made here begins, and how long it is.
const CODE: u64 = 0x80;
const CODE_LEN: u32 = 0x100;

/// A table of lines (DWARF 5, 6.2.4) that has none: names of folders and files are `DW_LNCT_path`
/// in `DW_FORM_string`, and there are none of either.
const NO_LINES: [u8; 26] =
    [22, 0, 0, 0, 5, 0, 8, 0, 14, 0, 0, 0, 1, 1, 1, 0xfb, 14, 1, 1, 1, 8, 0, 1, 1, 8, 0];

const STACK: u64 = 0x7fff_0000;
const FRAMES_MAX: usize = 64;

/// A file instead of an image.
pub(crate) fn check_image(bytes: &[u8]) {
    let Ok(image) = Image::parse(ImageBytes::from(bytes.to_vec())) else { return };
    let _ = (image.kind(), image.entry(), image.build_id(), image.soname(), image.interpreter());
    let _ = (image.debug_link(), image.link_start(), image.loaded_size_bytes());
    let _ = image.load_bias(Address::new(0x5555_0000), 0);
    let _ = image.mini_debug_file();
    for section in image.sections().iter().take(64) {
        let _ = (image.section_bytes(&section.name), image.section_at(section.address));
    }
    for segment in image.segments().iter().take(64) {
        let _ = image.bytes_at(segment.address);
    }
    let symbols = image.symbols();
    for symbol in symbols.iter().take(64) {
        let _ = symbols.by_name(&symbol.raw_name());
        let _ = (symbol.name(), symbols.at(symbol.address()), symbols.nearest(symbol.address()));
    }
    let _ = symbols.matching(&Pattern::new("*a*")).take(64).count();
    if let Some(info) = image.debug_info() {
        let _ = (info.line_at(image.link_start()), info.function_at(image.link_start()));
    }
    let registers = registers(image.entry().unwrap_or_default().value());
    let locate = |_: Address| Some((&image, LoadBias::default()));
    let (frames, _) = walk(&registers, &locate, &StackOf(bytes), FRAMES_MAX);
    assert!((1..=FRAMES_MAX).contains(&frames.len()));
}

/// Call frame information, behind which the stack is: the first byte says which section it is, the
/// next two where the thread executes, and how many bytes are stack.
pub(crate) fn check_unwinding(bytes: &[u8]) {
    let [form, pc, stack_len, rest @ ..] = bytes else { return };
    let (stack, frames) = rest.split_at(rest.len().min(usize::from(*stack_len)));
    let mut elf = SyntheticElf::new(Arch::X86_64);
    elf.section(".text", &[0x90; CODE_LEN as usize]);
    elf.section(if form & 1 == 0 { ".eh_frame" } else { ".debug_frame" }, frames);
    elf.symbols(&[SyntheticSymbol::function("f", CODE, u64::from(CODE_LEN))]);
    let image = elf.image();
    let registers = registers(CODE + u64::from(*pc));
    let locate =
        |address: Address| (address.value() < 0x1_0000).then_some((&image, LoadBias::default()));
    let (frames, _) = walk(&registers, &locate, &StackOf(stack), FRAMES_MAX);
    assert!((1..=FRAMES_MAX).contains(&frames.len()));
    for offset in 0..u64::from(CODE_LEN) {
        let _ = image.landing_pads(LinkAddress::new(CODE + offset));
    }
    for frame in &frames {
        assert_eq!(frame.registers.pc(), Some(frame.pc.address()));
    }
    assert!(matches!(frames.first().map(|frame| frame.pc), Some(FramePc::Exact(_))));
}

/// The expression that says where a variable is.
pub(crate) fn check_expression(bytes: &[u8]) {
    let image = described(bytes, &NO_LINES);
    let info = image.debug_info().expect("there is some");
    let pc = LinkAddress::new(CODE + 1);
    let frame = Frame(&image);
    for variable in info.variables_at(pc) {
        let _ = info.size_in_frame(&variable, pc, &frame);
        let Ok(place) = info.locate(&variable, pc, &frame) else { continue };
        if let Ok(object) = place.read(&frame, 16) {
            assert_eq!(object.bytes.len(), object.known.len());
        }
    }
}

/// A table of lines.
pub(crate) fn check_lines(bytes: &[u8]) {
    let image = described(&[0x91, 0], bytes);
    let info = image.debug_info().expect("there is some");
    let all = LinkAddress::new(CODE)..LinkAddress::new(CODE + u64::from(CODE_LEN));
    for row in info.line_rows(all).iter().take(64) {
        let _ = info.line_at(row.address);
    }
    let files: Vec<_> = info.source_files().take(64).collect();
    for line in [0, 1, 7] {
        let _ = info.places_of(&SourcePattern::new("a.c"), line);
    }
    drop(files);
}

/// An index of names that somebody kept, and the same bytes as rows of an index that is whole.
pub(crate) fn check_index(bytes: &[u8]) {
    let image = described(&[0x91, 0], &NO_LINES);
    let info = image.debug_info().expect("there is some");
    let _ = info.load_name_index(bytes);
    let (rows, _) = bytes.as_chunks::<12>();
    let mut rows = rows.to_vec();
    // By hash, kind and unit, offset.
    let number = |row: &[u8; 12], at: usize| {
        u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]])
    };
    rows.sort_by_key(|row| (number(row, 0), number(row, 4), number(row, 8)));
    let mut whole = good_index();
    whole.truncate(24);
    whole.extend((rows.len() as u32).to_le_bytes());
    whole.extend(rows.as_flattened());
    whole.extend(checksum(&whole).to_le_bytes());
    let image = described(&[0x91, 0], &NO_LINES);
    let info = image.debug_info().expect("there is some");
    if info.load_name_index(&whole).is_err() {
        return;
    }
    let found = info.functions_matching(&Pattern::new("*"));
    for function in found.iter().take(64) {
        let _ = (info.functions_named(&function.name), info.inlined_calls_named(&function.name));
    }
    let _ = (info.variables_named("v"), info.variables_matching(&Pattern::new("*")));
    let _ = info.types_named("int");
    let stored = info.stored_name_index().expect("it is there");
    assert!(info.load_name_index(&stored).is_ok(), "what is kept again can be read");
}

/// The checksum of an index of names: FNV-1a over words of eight bytes.
fn checksum(bytes: &[u8]) -> u64 {
    let step =
        |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let (words, rest) = bytes.as_chunks::<8>();
    let start = step(0xcbf2_9ce4_8422_2325, bytes.len() as u64);
    let hash = words.iter().fold(start, |hash, word| step(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)))
}

/// The index of names of the image that [`check_index`] asks.
pub(crate) fn good_index() -> Vec<u8> {
    let image = described(&[0x91, 0], &NO_LINES);
    let info = image.debug_info().expect("there is some");
    let _ = info.functions_named("f");
    info.stored_name_index().expect("it was made to find f")
}

/// An image with a function `f`, whose variable `v` is where an expression says, and a table of
/// lines.
fn described(expression: &[u8], lines: &[u8]) -> Image {
    let mut elf = SyntheticElf::new(Arch::X86_64);
    let code = elf.section(".text", &[0x90; CODE_LEN as usize]);
    assert_eq!(code.value(), CODE);
    #[rustfmt::skip]
    let abbreviations = [
        // DW_TAG_compile_unit: DW_AT_low_pc, DW_AT_high_pc, DW_AT_stmt_list
        1, 0x11, 1, 0x11, 0x01, 0x12, 0x06, 0x10, 0x17, 0, 0,
        // DW_TAG_subprogram: DW_AT_name, DW_AT_low_pc, DW_AT_high_pc, DW_AT_frame_base
        2, 0x2e, 1, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0x40, 0x18, 0, 0,
        // DW_TAG_variable: DW_AT_name, DW_AT_type, DW_AT_location
        3, 0x34, 0, 0x03, 0x08, 0x49, 0x13, 0x02, 0x18, 0, 0,
        // DW_TAG_base_type: DW_AT_name, DW_AT_byte_size, DW_AT_encoding
        4, 0x24, 0, 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b, 0, 0,
        0,
    ];
    // Version 5, DW_UT_compile, addresses of eight bytes, the abbreviations at 0.
    let mut unit = vec![5, 0, 1, 8, 0, 0, 0, 0];
    unit.push(1);
    unit.extend(CODE.to_le_bytes());
    unit.extend(CODE_LEN.to_le_bytes());
    unit.extend(0u32.to_le_bytes());
    let int = unit.len() as u32 + 4;
    unit.extend(b"\x04int\0\x04\x05");
    unit.extend(b"\x02f\0");
    unit.extend(CODE.to_le_bytes());
    unit.extend(CODE_LEN.to_le_bytes());
    unit.extend([1, 0x9c]);
    unit.extend(b"\x03v\0");
    unit.extend(int.to_le_bytes());
    let len = expression.len().min(0x3fff);
    unit.extend([len as u8 & 0x7f | 0x80, (len >> 7) as u8]);
    unit.extend(&expression[..len]);
    unit.extend([0, 0]);
    let info = [&(unit.len() as u32).to_le_bytes()[..], &unit].concat();
    elf.unloaded_section(".debug_abbrev", 0, &abbreviations);
    elf.unloaded_section(".debug_info", 0, &info);
    elf.unloaded_section(".debug_line", 0, lines);
    elf.unloaded_section(".debug_line_str", 0, b"a.c\0folder\0");
    elf.image()
}

fn registers(pc: u64) -> GeneralRegisters {
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    for (index, _) in x86_64::GENERAL.iter().enumerate() {
        registers.set(dbgbase::RegisterId::new(index as u16), STACK + 8 * index as u64);
    }
    registers.set(x86_64::RIP, pc);
    registers.set(x86_64::RSP, STACK);
    registers
}

/// A stack that begins with these bytes and is zero behind them; what is below cannot be read.
struct StackOf<'a>(&'a [u8]);

impl ReadMemory for StackOf<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let start = address.value().checked_sub(STACK).filter(|start| *start < 0x1_0000);
        let start = start.ok_or(Unreadable { address })? as usize;
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = self.0.get(start + index).copied().unwrap_or(0);
        }
        Ok(buffer.len())
    }
}

/// A frame that knows all registers and was called by itself.
struct Frame<'a>(&'a Image);

impl FrameContext for Frame<'_> {
    fn register(&self, dwarf: u16) -> Option<RegisterValue> {
        Some(RegisterValue::from(STACK + u64::from(dwarf) * 8))
    }

    fn cfa(&self) -> Option<Address> {
        Some(Address::new(STACK + 0x100))
    }

    fn memory(&self) -> &dyn ReadMemory {
        &StackOf(&[1, 2, 3, 4, 5, 6, 7, 8])
    }

    fn bias(&self) -> LoadBias {
        LoadBias::default()
    }

    fn thread_local(&self, offset: u64) -> Option<Address> {
        Address::new(STACK).checked_add(offset)
    }

    fn caller(&self) -> Option<Caller<'_>> {
        let info = self.0.debug_info()?;
        let return_address = LinkAddress::new(CODE + 8);
        Some(Caller { info, return_address, frame: Box::new(Frame(self.0)) })
    }
}
