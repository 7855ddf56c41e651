//! Rows of words as a table of aligned columns. Pure.

/// The table, each line with its end. A column is as wide as its widest cell. Two blanks lie
/// between columns, none behind the last.
pub(crate) fn text<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let of = |cell: &str| cell.chars().count();
        let heading = heading.get(column).map_or(0, |cell| of(cell));
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| of(cell));
        cells.fold(heading, usize::max)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: [&str; N]| {
        let cells = cells.iter().zip(&widths);
        let padded: String = cells.map(|(cell, width)| format!("{cell:<width$}  ")).collect();
        format!("{}\n", padded.trim_end())
    };
    let rows = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(line(heading)).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["1", "ä", ""], ["12345", "long", "x"]].map(|row| row.map(str::to_owned));
        let expected = "ID     NAME  X\n1      ä\n12345  long  x\n";
        assert_eq!(text(["ID", "NAME", "X"], &rows), expected);
        assert_eq!(text(["ID"], &[]), "ID\n");
    }
}
