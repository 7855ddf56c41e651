//! A look at the head of a line table before gimli reads it: the head says how many directories
//! and files follow and what each consists of, and a damaged one may say that billions follow that
//! consist of nothing.

use gimli::{DwForm, Reader as _};

use super::super::Reader;

/// Whether the lists of directories and files in the head of the table that begins at `table` can
/// be as long as they say (DWARF 5, 6.2.4). Older heads have no counts.
pub(crate) fn is_bounded(table: Reader<'_>) -> bool {
    check(table).unwrap_or(false)
}

fn check(mut table: Reader<'_>) -> gimli::Result<bool> {
    let (_, format) = table.read_initial_length()?;
    if table.read_u16()? < 5 {
        return Ok(true);
    }
    // Sizes of addresses and segment selectors.
    table.skip(2)?;
    table.read_length(format)?;
    // Lengths of instructions, operations, default, base and range of lines.
    table.skip(5)?;
    let opcode_base = table.read_u8()?;
    table.skip(usize::from(opcode_base).saturating_sub(1))?;
    let forms = read_forms(&mut table)?;
    let directories = table.read_uleb128()?;
    if !fits(&table, &forms, directories) {
        return Ok(false);
    }
    for _ in 0..directories {
        for form in &forms {
            skip(&mut table, *form, format)?;
        }
    }
    let forms = read_forms(&mut table)?;
    let files = table.read_uleb128()?;
    Ok(fits(&table, &forms, files))
}

fn read_forms(table: &mut Reader<'_>) -> gimli::Result<Vec<DwForm>> {
    let count = table.read_u8()?;
    (0..count)
        .map(|_| {
            table.read_uleb128()?;
            Ok(DwForm(table.read_uleb128_u16()?))
        })
        .collect()
}

/// Whether the rest of the table has a byte for each of `count` entries.
fn fits(table: &Reader<'_>, forms: &[DwForm], count: u64) -> bool {
    let takes_room = |form: &DwForm| {
        !matches!(*form, gimli::DW_FORM_flag_present | gimli::DW_FORM_implicit_const)
    };
    count == 0 || forms.iter().any(takes_room) && count <= table.len() as u64
}

/// Skips a value of one of the forms that such lists may have (DWARF 5, 6.2.4.1).
fn skip(table: &mut Reader<'_>, form: DwForm, format: gimli::Format) -> gimli::Result<()> {
    let word = usize::from(format.word_size());
    match form {
        gimli::DW_FORM_string => table.read_null_terminated_slice().map(|_| ()),
        gimli::DW_FORM_line_strp | gimli::DW_FORM_strp | gimli::DW_FORM_strp_sup => {
            table.skip(word)
        }
        gimli::DW_FORM_udata | gimli::DW_FORM_strx => table.read_uleb128().map(|_| ()),
        gimli::DW_FORM_data1 | gimli::DW_FORM_strx1 => table.skip(1),
        gimli::DW_FORM_data2 | gimli::DW_FORM_strx2 => table.skip(2),
        gimli::DW_FORM_strx3 => table.skip(3),
        gimli::DW_FORM_data4 | gimli::DW_FORM_strx4 => table.skip(4),
        gimli::DW_FORM_data8 => table.skip(8),
        gimli::DW_FORM_data16 => table.skip(16),
        gimli::DW_FORM_block => {
            let len = table.read_uleb128()?;
            table.skip(usize::try_from(len).map_err(|_| gimli::Error::UnsupportedOffset)?)
        }
        other => Err(gimli::Error::UnknownForm(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head whose directories and files each consist of one value of these forms.
    fn head(directory: u8, directories: &[u8], file: u8, files: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0, 0, 0, 5, 0, 8, 0, 0, 0, 0, 0, 1, 1, 1, 0xfb, 14, 1];
        bytes.extend([1, 1, directory]);
        bytes.extend(directories);
        bytes.extend([1, 1, file]);
        bytes.extend(files);
        bytes
    }

    fn is_bounded_head(bytes: &[u8]) -> bool {
        is_bounded(Reader::new(bytes, gimli::LittleEndian))
    }

    #[test]
    fn counts_beyond_the_bytes_are_not_believed() {
        let (string, nothing) = (0x08, 0x19);
        let many: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0x0f];
        let one = b"\x01/\0";
        assert!(is_bounded_head(&head(string, one, string, one)));
        assert!(!is_bounded_head(&head(string, one, string, many)));
        assert!(!is_bounded_head(&head(string, many, string, one)));
        assert!(!is_bounded_head(&head(string, one, nothing, many)));
        assert!(!is_bounded_head(&head(nothing, many, string, one)));
        assert!(!is_bounded_head(&head(nothing, b"\x01", string, one)));
        assert!(!is_bounded_head(&head(string, one, string, one)[..20]), "cut off");
        assert!(is_bounded_head(&[0xff, 0, 0, 0, 4, 0]), "older heads have no counts");
    }
}
