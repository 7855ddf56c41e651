//! Members of types and objects in the layout of `dt`. It knows neither where they come from nor
//! how values are written.

use dbgeng::{LayoutRow, RowKind};

/// How wide the column of members is.
const MEMBER_LEN: usize = 16;

/// How rows are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Style {
    /// Without offsets.
    pub(crate) hides_offsets: bool,
    /// Without indentation of what is inside members.
    pub(crate) hides_depth: bool,
    /// All on one line.
    pub(crate) is_compact: bool,
}

/// Members with offsets, types or values. Enumerators and elements have no offsets.
pub(crate) fn rows(rows: &[LayoutRow], style: Style) -> String {
    let texts = rows.iter().map(|row| cell(row, style));
    if style.is_compact {
        let line = texts.collect::<Vec<_>>().join("  ");
        return if line.is_empty() { line } else { format!("   {line}\n") };
    }
    let indented = rows.iter().zip(texts).map(|(row, text)| {
        let depth = if style.hides_depth { 0 } else { row.depth };
        format!("{:indent$}{text}\n", "", indent = 3 * (depth + 1))
    });
    indented.collect()
}

fn cell(row: &LayoutRow, style: Style) -> String {
    let (name, value) = (&row.name, &row.text);
    let name = match style.is_compact {
        true => name.clone(),
        false => format!("{name:<MEMBER_LEN$}"),
    };
    match (row.kind, row.offset_bytes) {
        (RowKind::Element, _) => format!("{} {value}", row.name),
        (RowKind::Member, Some(offset)) if !style.hides_offsets => {
            format!("+0x{offset:03x} {name} : {value}")
        }
        (RowKind::Member, _) => format!("{name} : {value}"),
        (RowKind::Enumerator, _) => format!("{} = {value}", row.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn row(kind: RowKind, depth: usize, offset_bytes: u64, name: &str, text: &str) -> LayoutRow {
        let (name, text) = (name.to_owned(), text.to_owned());
        LayoutRow { kind, depth, offset_bytes: Some(offset_bytes), name, text }
    }

    #[test]
    fn rows_have_offsets_and_depths_unless_they_are_hidden() {
        let all = [
            row(RowKind::Member, 0, 0, "at", "{x=0n3}"),
            row(RowKind::Member, 1, 0x10, "x", "0n3"),
            row(RowKind::Element, 1, 0, "[00]", "0n1"),
            row(RowKind::Enumerator, 0, 0, "RED", "0n5"),
        ];
        expect![[r"
            +0x000 at               : {x=0n3}
               +0x010 x                : 0n3
               [00] 0n1
            RED = 0n5
        "]]
        .assert_eq(&rows(&all, Style::default()).replace("\n   ", "\n")[3..]);
        let style = Style { hides_offsets: true, hides_depth: true, is_compact: false };
        expect![[r"
            at               : {x=0n3}
            x                : 0n3
            [00] 0n1
            RED = 0n5
        "]]
        .assert_eq(&rows(&all, style).replace("\n   ", "\n")[3..]);
        let style = Style { is_compact: true, ..Style::default() };
        let line = rows(&all, style);
        assert_eq!(line, "   +0x000 at : {x=0n3}  +0x010 x : 0n3  [00] 0n1  RED = 0n5\n");
        assert_eq!(rows(&[], style), "");
    }
}
