//! Damaged files: whatever is wrong with one, the answer is an error or fewer facts, never a panic,
//! and never more memory than the file is worth.

use dbgbase::{Address, Arch, GeneralRegisters, LinkAddress, ReadMemory, Unreadable, x86_64};
use dbgsym::disasm::decode;
use dbgsym::unwind::{StackEnd, walk};
use dbgsym::{Image, ImageBytes, Pattern};

use crate::programs::Workshop;

/// A generator of numbers that are the same in each run.
/// **Source**: Marsaglia, "Xorshift RNGs".
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A stack on which every word is the same.
struct Stack(u64);

impl ReadMemory for Stack {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        if address.value() >= 1 << 20 {
            return Err(Unreadable { address });
        }
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = self.0.to_le_bytes()[(address.value() as usize + index) % 8];
        }
        Ok(buffer.len())
    }
}

/// Asks for everything there is. Returns how many facts there were, so that the tests can see that
/// damage leaves something to look at.
fn look_at(bytes: Vec<u8>) -> usize {
    let Ok(image) = Image::parse(ImageBytes::from(bytes)) else {
        return 0;
    };
    let symbols = image.symbols();
    let mut facts = image.sections().len() + image.segments().len() + symbols.len();
    for section in image.sections() {
        facts +=
            image.section_bytes(&section.name).map_or(0, |bytes| bytes.as_slice().len().min(1));
    }
    facts += symbols.matching(&Pattern::new("*ma[i-j]n*")).count();
    facts += symbols.by_name("main").len() + symbols.by_name("ns::none").len();
    let start = image.link_start();
    let addresses = (0..64).map(|step| start.value().wrapping_add(step * 0x100));
    for address in symbols.iter().take(64).map(|symbol| symbol.address().value()).chain(addresses) {
        let link = LinkAddress::new(address);
        facts += usize::from(symbols.containing(link).is_some());
        facts += usize::from(symbols.nearest(link).before.is_some());
        facts += symbols.at(link).len().min(8);
        facts += walk_from(&image, address);
        let code = image
            .bytes_at(link)
            .map(|code| decode(Arch::X86_64, code.as_slice(), Address::new(address)));
        facts += usize::from(code.is_some());
    }
    facts
}

/// Unwinds from an address on a stack that leads back there.
fn walk_from(image: &Image, address: u64) -> usize {
    let mut registers = GeneralRegisters::zeroed(image.arch());
    registers.set_pc(Address::new(address));
    registers.set(x86_64::RSP, 0x1000);
    registers.set(x86_64::RBP, 0x1040);
    let locate = |_: Address| Some((image, dbgbase::LoadBias::NONE));
    let (frames, end) = walk(&registers, &locate, &Stack(address), 8);
    assert!(frames.len() <= 8 && (end != StackEnd::FramesMax || frames.len() == 8));
    frames.len()
}

/// A small image that has everything: symbols, versions, linkage table, call frame information.
fn small_image() -> Vec<u8> {
    let workshop = Workshop::new();
    let flags = ["-O1", "-Wl,-z,noseparate-code", "-Wl,-z,lazy", "-lm"];
    let path = workshop.compile("small", "plain.c", &flags);
    std::fs::read(path).expect("it was compiled")
}

#[test]
fn files_cut_short_are_refused_or_understood() {
    let whole = small_image();
    assert!(look_at(whole.clone()) > 300);
    for cut in (0..whole.len()).step_by(whole.len() / 200) {
        let refused = Image::parse(ImageBytes::from(whole[..cut].to_vec())).is_err();
        assert!(refused, "the section headers are last, so {cut} bytes are not a whole file");
    }
    // Without section headers more of the file may be missing.
    let mut headless = whole;
    headless[40..48].fill(0);
    headless[60..64].fill(0);
    let mut understood = 0;
    for cut in (0..headless.len()).step_by(headless.len() / 200) {
        understood += look_at(headless[..cut].to_vec());
    }
    assert!(understood > 10_000);
}

#[test]
fn damaged_bytes_do_no_harm() {
    let whole = small_image();
    let tables = table_ranges(&whole);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut understood = 0;
    for round in 0..2400 {
        let mut bytes = whole.clone();
        // A third hits the headers, a third the tables, a third anything.
        let range = match round % 3 {
            0 => 0..64 + 56 * 13,
            1 => tables[random.below(tables.len())].clone(),
            _ => 0..bytes.len(),
        };
        for _ in 0..=random.below(8) {
            let at = range.start + random.below(range.len());
            bytes[at] = match random.below(4) {
                0 => 0,
                1 => 0xff,
                2 => bytes[at] ^ (1 << random.below(8)),
                _ => random.below(256) as u8,
            };
        }
        understood += look_at(bytes);
    }
    assert!(understood > 2400 * 50, "most damage leaves most facts: {understood}");
}

/// Where the tables that are read lie in the file.
fn table_ranges(file: &[u8]) -> Vec<std::ops::Range<usize>> {
    let image = Image::parse(ImageBytes::from(file.to_vec())).expect("sound");
    let names = [
        ".symtab",
        ".dynsym",
        ".gnu.version",
        ".gnu.version_r",
        ".rela.plt",
        ".plt",
        ".eh_frame",
        ".eh_frame_hdr",
        ".dynamic",
        ".note.gnu.build-id",
        ".strtab",
        ".gnu.hash",
    ];
    let range = |name: &&str| {
        let section = image.section(name).unwrap_or_else(|| panic!("there is no {name}"));
        let start = section.file_offset.expect("in the file") as usize;
        start..start + section.size_bytes as usize
    };
    let section_headers = u64::from_le_bytes(file[40..48].try_into().expect("eight")) as usize;
    names.iter().map(range).chain(std::iter::once(section_headers..file.len())).collect()
}
