//! Which names in the file contain a text: string tables are searched as a whole, which takes a
//! fraction of the time that a look at every name takes. It knows bytes, no meaning of names.

use memchr::{memchr, memchr2_iter, memmem};

use super::read::NAME_LEN_MAX_BYTES;
use super::{SymbolKind, SymbolTable};

/// The entries whose name in the file contains `text`, in ascending order; those of the procedure
/// linkage table are left out. Letters match in either case, as far as ASCII goes, if `ignore_case`
/// is set.
///
/// **Cost**: some 5 GB/s of names, or 1 GB/s in either case of letters.
pub(super) fn containing(table: &SymbolTable, text: &str, ignore_case: bool) -> Vec<u32> {
    let found: Vec<Vec<usize>> = table
        .sources
        .iter()
        .map(|source| positions(source.as_slice(), text.as_bytes(), ignore_case))
        .collect();
    let contains = |index: &u32| {
        let Some(entry) = table.entry(*index) else { return false };
        if entry.kind == SymbolKind::PltEntry {
            return false;
        }
        let source = usize::from(entry.source);
        let (Some(found), Some(bytes)) = (found.get(source), table.sources.get(source)) else {
            return false;
        };
        let start = entry.name as usize;
        let next = found.partition_point(|at| *at < start);
        let next = found.get(next).filter(|at| **at - start < NAME_LEN_MAX_BYTES);
        // A name ends with a zero, and linkers let one be the end of another.
        let between = next.and_then(|at| bytes.as_slice().get(start..*at));
        between.is_some_and(|between| memchr(0, between).is_none())
    };
    (0..table.entries.len() as u32).filter(contains).collect()
}

/// Where a text is, in ascending order.
fn positions(bytes: &[u8], text: &[u8], ignore_case: bool) -> Vec<usize> {
    let Some(first) = text.first() else { return Vec::new() };
    if !ignore_case {
        return memmem::find_iter(bytes, text).collect();
    }
    let starts = memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), bytes);
    let is_there = |at: &usize| {
        let here = bytes.get(*at..*at + text.len());
        here.is_some_and(|here| here.eq_ignore_ascii_case(text))
    };
    starts.filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_either_case_or_one() {
        let bytes = b"\0abc\0xABCabcabc\0ab";
        assert_eq!(positions(bytes, b"abc", false), [1, 9, 12]);
        assert_eq!(positions(bytes, b"abc", true), [1, 6, 9, 12]);
        assert_eq!(positions(bytes, b"", true), Vec::<usize>::new());
        assert_eq!(positions(b"", b"a", true), Vec::<usize>::new());
    }
}
