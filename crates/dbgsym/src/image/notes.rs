//! ELF notes, of which only the build-id matters here. Notes may come from a file or from a
//! target's memory, where the loader put the same bytes. It knows neither.

use std::fmt;

use object::LittleEndian;
use object::elf::{ELF_NOTE_GNU, FileHeader64, NT_GNU_BUILD_ID};
use object::read::elf::NoteIterator;

/// What a linker calls one result of linking: equal ids, equal code. Usually the SHA-1 of the
/// contents, 20 bytes (`--build-id` in ld(1)).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(Box<[u8]>);

/// No linker writes a longer one; what claims to be longer is no build-id.
const BUILD_ID_LEN_MAX_BYTES: usize = 64;

impl BuildId {
    /// The id with these bytes, or `None` if there are none or more than 64.
    pub fn new(bytes: &[u8]) -> Option<BuildId> {
        let fits = (1..=BUILD_ID_LEN_MAX_BYTES).contains(&bytes.len());
        fits.then(|| BuildId(bytes.into()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Lower-case hexadecimal digits, as readelf(1) and debuginfod write it.
impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildId({self})")
    }
}

/// The build-id among the notes of a `PT_NOTE` segment or `.note` section, wherever the bytes come
/// from. Segments align their notes to 4 or to 8 bytes; both are tried.
///
/// ```text
/// 0        4        8        12               12+namesz, aligned
/// +--------+--------+--------+----------------+------------------+
/// | namesz | descsz |  type  | name, "GNU\0"  | desc: the id     |
/// +--------+--------+--------+----------------+------------------+
/// ```
///
/// **Source**: System V ABI, chapter 5, "Note Section".
pub fn build_id_of_notes(bytes: &[u8]) -> Option<BuildId> {
    build_id_aligned(bytes, 4).or_else(|| build_id_aligned(bytes, 8))
}

fn build_id_aligned(bytes: &[u8], alignment: u64) -> Option<BuildId> {
    let mut notes =
        NoteIterator::<FileHeader64<LittleEndian>>::new(LittleEndian, alignment, bytes).ok()?;
    while let Ok(Some(note)) = notes.next() {
        if note.name() == ELF_NOTE_GNU && note.n_type(LittleEndian) == NT_GNU_BUILD_ID {
            return BuildId::new(note.desc());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(name: &[u8], kind: u32, desc: &[u8], alignment: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((name.len() as u32).to_le_bytes());
        bytes.extend((desc.len() as u32).to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(name);
        bytes.resize(bytes.len().next_multiple_of(alignment), 0);
        bytes.extend(desc);
        bytes.resize(bytes.len().next_multiple_of(alignment), 0);
        bytes
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes() {
        for alignment in [4, 8] {
            let mut bytes = note(b"GNU\0", 5, &[7; 5], alignment);
            bytes.extend(note(b"stapsdt\0", 3, &[1; 20], alignment));
            bytes.extend(note(b"GNU\0", 3, &[0xab; 20], alignment));
            let id = build_id_of_notes(&bytes).expect("there is one");
            assert_eq!(id.to_string(), "ab".repeat(20));
        }
    }

    #[test]
    fn damaged_notes_have_no_build_id() {
        let whole = note(b"GNU\0", 3, &[0xab; 20], 4);
        for len in 0..whole.len() {
            assert_eq!(build_id_of_notes(&whole[..len]), None, "{len} bytes");
        }
        assert_eq!(build_id_of_notes(&note(b"GNU\0", 3, &[], 4)), None);
        assert_eq!(build_id_of_notes(&note(b"GNU\0", 3, &[1; 65], 4)), None);
        assert_eq!(build_id_of_notes(&[0xff; 64]), None);
    }
}
