//! Lines of source as listings show them. It finds no file.

use dbgeng::SourceFile;

/// Lines from `first` on, with their numbers; `>` marks one. What is behind the file's end is left
/// out.
pub(crate) fn rows(file: &SourceFile, first: usize, count: usize, marked: Option<usize>) -> String {
    let mut text = String::new();
    for number in first..first.saturating_add(count) {
        let Some(line) = file.line(number) else { break };
        let mark = if marked == Some(number) { '>' } else { ' ' };
        text.push_str(format!("{mark}{number:>5}: {line}").trim_end());
        text.push('\n');
    }
    text
}
