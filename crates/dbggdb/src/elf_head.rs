//! The head of an ELF file, in a file or in memory: its program headers, and the build-id that they
//! lead to. It knows 64-bit little-endian files, and nothing behind their program headers. Pure.
//!
//! **Source**: System V ABI, "ELF Header", "Program Header", "Note Section".

use object::LittleEndian;
use object::elf::{ELF_NOTE_GNU, FileHeader64, NT_GNU_BUILD_ID, PT_TLS, ProgramHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};

/// How long a program header is.
pub(crate) const PROGRAM_HEADER_LEN: usize = size_of::<Entry>();

type Header = FileHeader64<LittleEndian>;
type Entry = ProgramHeader64<LittleEndian>;

/// Where a module's thread-local storage is begun from (`PT_TLS`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Storage {
    /// How long it is in memory.
    pub(crate) len: u64,
    /// At multiples of what it lies.
    pub(crate) align: u64,
}

/// The thread-local storage that the program headers in the head of a file tell of.
///
/// **Shape**: `None` if they tell of none, it is no such file, or the head does not reach so far.
pub(crate) fn storage(head: &[u8]) -> Option<Storage> {
    storage_in(program_headers(head)?)
}

/// The same of a table of program headers.
pub(crate) fn storage_of_table(table: &[u8]) -> Option<Storage> {
    storage_in(object::pod::slice_from_all_bytes(table).ok()?)
}

fn storage_in(headers: &[Entry]) -> Option<Storage> {
    let header = headers.iter().find(|header| header.p_type(LittleEndian) == PT_TLS)?;
    let (len, align) = (header.p_memsz(LittleEndian), header.p_align(LittleEndian));
    Some(Storage { len, align })
}

fn program_headers(head: &[u8]) -> Option<&[Entry]> {
    let header = Header::parse(head).ok().filter(|header| header.is_little_endian())?;
    header.program_headers(LittleEndian, head).ok()
}

/// The build-id in the head of a file.
///
/// **Shape**: `None` if it has none, or the head does not reach so far.
pub(crate) fn build_id(head: &[u8]) -> Option<Vec<u8>> {
    program_headers(head)?.iter().find_map(|header| {
        let mut notes = header.notes(LittleEndian, head).ok()??;
        while let Ok(Some(note)) = notes.next() {
            if note.name() == ELF_NOTE_GNU && note.n_type(LittleEndian) == NT_GNU_BUILD_ID {
                return Some(note.desc().to_vec());
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use object::elf::PT_NOTE;

    use super::*;

    /// A file of two program headers, one of notes and one of thread-local storage.
    fn image() -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(32, 0);
        file.extend(64u64.to_le_bytes());
        file.resize(54, 0);
        file.extend([56, 0, 2, 0]);
        file.resize(64, 0);
        for (kind, offset, len) in [(PT_NOTE, 176u64, 52u64), (PT_TLS, 0x1000, 8)] {
            file.extend(kind.0.to_le_bytes());
            file.extend(4u32.to_le_bytes());
            for value in [offset, 0x40_0000 + offset, 0, len, len + 8, 4] {
                file.extend(value.to_le_bytes());
            }
        }
        // A note of another kind, whose name and contents are filled up to multiples of 4.
        file.extend([2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, b'X', 0, 0, 0, 9, 0, 0, 0]);
        file.extend([4, 0, 0, 0, 16, 0, 0, 0, 3, 0, 0, 0]);
        file.extend(b"GNU\0");
        file.extend(1..=16);
        file
    }

    #[test]
    fn the_build_id_is_found_among_notes() {
        let image = image();
        assert_eq!(build_id(&image), Some((1..=16).collect()));
        let expected = Some(Storage { len: 16, align: 4 });
        assert_eq!(storage(&image), expected);
        assert_eq!(storage_of_table(&image[64..176]), expected);
        assert_eq!(storage_of_table(&image[64..175]), None);
        assert_eq!(storage_of_table(&image[64..120]), None);
    }

    #[test]
    fn what_is_cut_or_damaged_has_none() {
        let image = image();
        for len in 0..image.len() {
            assert_eq!(build_id(&image[..len]), None);
        }
        for at in 0..image.len() {
            let mut damaged = image.clone();
            damaged[at] = 0xff;
            // Whatever it says, it ends.
            let _ = (build_id(&damaged), storage(&damaged));
        }
    }
}
