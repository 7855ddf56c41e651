//! Modules in the layouts of the command `lm` and of the lines that tell of loading. It loads
//! nothing.

use std::fmt::Write as _;

use dbgbase::AddressRange;
use dbgeng::{ModuleView, SearchNote, SymbolStatus};

use super::bytes;

/// The line above a list.
pub(crate) const HEADING: &str = "start             end                 module name\n";

/// What is shown behind a module's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Columns {
    /// The name of its file.
    pub(crate) files: bool,
    /// The path of its file.
    pub(crate) paths: bool,
    /// Its build id.
    pub(crate) build_ids: bool,
}

/// The line of one module: what there is of its symbols, or the columns that are chosen.
pub(crate) fn row(module: &ModuleView, columns: Columns) -> String {
    let mut parts = Vec::new();
    let path = bytes(&module.path);
    if columns.paths {
        parts.push(path.clone());
    }
    if columns.files {
        parts.push(file_name(&path).to_owned());
    }
    if columns.build_ids {
        parts.push(build_id(module));
    }
    if parts.is_empty() {
        parts.push(status(module));
    }
    let (start, end) = (module.range.start(), module.range.end());
    let line = format!("{start} {end}   {:<10} {}", module.name, parts.join("  "));
    format!("{}\n", line.trim_end())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn build_id(module: &ModuleView) -> String {
    module.build_id.as_deref().map_or_else(
        || "none".to_owned(),
        |id| id.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
    )
}

/// The line of one module and its details.
pub(crate) fn details(module: &ModuleView) -> String {
    let path = bytes(&module.path);
    let file = file_name(&path);
    let mut text = row(module, Columns::default());
    let _ = writeln!(text, "    Image path: {path}");
    let _ = writeln!(text, "    Image name: {file}");
    let _ = writeln!(text, "    Build id:   {}", build_id(module));
    let _ = writeln!(text, "    Load bias:  {:016x}", module.bias.value());
    let _ = writeln!(text, "    ImageSize:  {:08X}", module.range.len_bytes());
    if let SymbolStatus::Loaded { source, symbols }
    | SymbolStatus::Packed { source, symbols }
    | SymbolStatus::Exports { source, symbols } = &module.status
    {
        let _ = writeln!(text, "    Image file: {source}");
        if let Some(debug_file) = &module.files.debug_file {
            let _ = writeln!(text, "    Debug file: {debug_file}");
        }
        let _ = writeln!(text, "    Symbols:    {symbols}");
    }
    text
}

/// What the engine has for a module, in parentheses, and from which file. `M` marks what is another
/// build's, `#` what would be and was not taken.
fn status(module: &ModuleView) -> String {
    let files = &module.files;
    let (word, source) = match &module.status {
        SymbolStatus::Deferred => return "(deferred)".to_owned(),
        SymbolStatus::Loaded { source, .. } if files.has_debug_info => ("(DWARF symbols)", source),
        SymbolStatus::Loaded { source, .. } => ("(symbol table)", source),
        SymbolStatus::Packed { source, .. } => ("(packed symbols)", source),
        SymbolStatus::Exports { source, .. } => ("(export symbols)", source),
        SymbolStatus::Mismatched { file } => {
            return format!("# (mismatched)         {}", file.display());
        }
        SymbolStatus::Missing(reason) => return format!("(no symbols)           {reason}"),
    };
    let mark = if files.is_mismatched { "M " } else { "" };
    format!("{:<22} {}", format!("{mark}{word}"), files.debug_file.as_ref().unwrap_or(source))
}

/// The line that tells of one place where something was looked for.
pub(crate) fn search_note(note: &SearchNote) -> String {
    format!("SYMBOLS: {}: {} - {}\n", note.wanted, note.place, note.outcome)
}

/// The line that tells of a module that was loaded.
pub(crate) fn loaded(range: AddressRange, path: &[u8]) -> String {
    format!("ModLoad: {} {}   {}\n", range.start(), range.end(), bytes(path))
}

/// The line that tells of a module that is gone.
pub(crate) fn unloaded(range: AddressRange, path: &[u8]) -> String {
    format!("Unload module {} at {}\n", bytes(path), range.start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::{Address, LoadBias};
    use dbgeng::{SearchOutcome, SymbolFiles, SymbolSource};
    use expect_test::expect;

    fn module(name: &str, path: &str, status: SymbolStatus) -> ModuleView {
        ModuleView {
            name: name.to_owned(),
            path: path.as_bytes().to_vec(),
            range: AddressRange::with_len(Address::new(0x5555_5555_4000), 0x5000).expect("a range"),
            bias: LoadBias::new(0x5555_5555_4000),
            build_id: Some(vec![0x01, 0xab]),
            is_program: false,
            status,
            files: SymbolFiles::default(),
        }
    }

    #[test]
    fn every_status_has_a_word() {
        let source = SymbolSource::Local("/tmp/prog".into());
        let symbols = 7;
        let mut text = HEADING.to_owned();
        for status in [
            SymbolStatus::Deferred,
            SymbolStatus::Loaded { source: source.clone(), symbols },
            SymbolStatus::Packed { source: source.clone(), symbols },
            SymbolStatus::Exports { source: source.clone(), symbols },
            SymbolStatus::Mismatched { file: "/tmp/prog.debug".into() },
            SymbolStatus::Missing("no such file".to_owned()),
        ] {
            text += &row(&module("prog", "/tmp/prog", status), Columns::default());
        }
        let debug_file = Some(SymbolSource::Url("http://a/debuginfo".to_owned()));
        for is_mismatched in [false, true] {
            let status = SymbolStatus::Loaded { source: source.clone(), symbols };
            let mut module = module("prog", "/tmp/prog", status);
            module.files =
                SymbolFiles { debug_file: debug_file.clone(), has_debug_info: true, is_mismatched };
            text += &row(&module, Columns::default());
        }
        expect![[r#"
            start             end                 module name
            00005555`55554000 00005555`55559000   prog       (deferred)
            00005555`55554000 00005555`55559000   prog       (symbol table)         /tmp/prog
            00005555`55554000 00005555`55559000   prog       (packed symbols)       /tmp/prog
            00005555`55554000 00005555`55559000   prog       (export symbols)       /tmp/prog
            00005555`55554000 00005555`55559000   prog       # (mismatched)         /tmp/prog.debug
            00005555`55554000 00005555`55559000   prog       (no symbols)           no such file
            00005555`55554000 00005555`55559000   prog       (DWARF symbols)        http://a/debuginfo
            00005555`55554000 00005555`55559000   prog       M (DWARF symbols)      http://a/debuginfo
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn columns_take_the_place_of_the_status() {
        let module = module("libc_so", "/lib/libc.so.6", SymbolStatus::Deferred);
        let none = Columns::default();
        let mut text = row(&module, Columns { paths: true, ..none });
        text += &row(&module, Columns { files: true, ..none });
        text += &row(&module, Columns { files: true, build_ids: true, ..none });
        expect![[r"
            00005555`55554000 00005555`55559000   libc_so    /lib/libc.so.6
            00005555`55554000 00005555`55559000   libc_so    libc.so.6
            00005555`55554000 00005555`55559000   libc_so    libc.so.6  01ab
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn details_follow_the_line() {
        let source = SymbolSource::Local("/lib/libc.so.6".into());
        let status = SymbolStatus::Exports { source, symbols: 7 };
        expect![[r#"
            00005555`55554000 00005555`55559000   libc_so    (export symbols)       /lib/libc.so.6
                Image path: /lib/libc.so.6
                Image name: libc.so.6
                Build id:   01ab
                Load bias:  0000555555554000
                ImageSize:  00005000
                Image file: /lib/libc.so.6
                Symbols:    7
        "#]]
        .assert_eq(&details(&module("libc_so", "/lib/libc.so.6", status)));
    }

    #[test]
    fn a_place_is_told_in_one_line() {
        let (wanted, place) = ("libc_so".to_owned(), "/s/libc.so.6".to_owned());
        let note = SearchNote { wanted, place, outcome: SearchOutcome::Mismatched };
        expect![[r"
            SYMBOLS: libc_so: /s/libc.so.6 - mismatched build id
        "]]
        .assert_eq(&search_note(&note));
    }

    #[test]
    fn loading_is_told_in_one_line() {
        let range = module("x", "x", SymbolStatus::Deferred).range;
        assert_eq!(
            loaded(range, b"/lib/libc.so.6"),
            "ModLoad: 00005555`55554000 00005555`55559000   /lib/libc.so.6\n"
        );
        assert_eq!(
            unloaded(range, b"/lib/libc.so.6"),
            "Unload module /lib/libc.so.6 at 00005555`55554000\n"
        );
    }
}
