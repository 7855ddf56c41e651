//! What readelf(1) and objdump(1) say about a file, as values.

use std::path::Path;

use crate::programs::{run, tool};

/// A row of `readelf --syms`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReadelfSymbol {
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) kind: String,
    pub(crate) binding: String,
    pub(crate) section: String,
    /// Without version.
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    /// `@` instead of `@@`.
    pub(crate) is_hidden: bool,
}

/// The symbols of one table: `.symtab` or `.dynsym`.
pub(crate) fn symbols(path: &Path, table: &str) -> Vec<ReadelfSymbol> {
    let text = run(tool("readelf").args(["--wide", "--syms"]).arg(path));
    let mut in_table = false;
    let mut symbols = Vec::new();
    for line in text.lines() {
        if line.starts_with("Symbol table") {
            in_table = line.contains(&format!("'{table}'"));
        } else if in_table {
            symbols.extend(symbol(line));
        }
    }
    symbols
}

/// `  Num:    Value          Size Type    Bind   Vis      Ndx Name`, perhaps with something in
/// brackets before the index.
fn symbol(line: &str) -> Option<ReadelfSymbol> {
    let (number, rest) = line.trim_start().split_once(": ")?;
    number.parse::<u32>().ok()?;
    let mut words = rest.split_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).expect("a value");
    let size = words.next()?;
    let size = match size.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).expect("a size"),
        None => size.parse().expect("a size"),
    };
    let kind = words.next()?.to_owned();
    let binding = words.next()?.to_owned();
    let mut words = words.skip(1).skip_while(|word| word.starts_with('[') || word.ends_with(']'));
    let section = words.next()?.to_owned();
    let full = words.next().unwrap_or_default();
    let (name, version) = match full.split_once('@') {
        Some((name, version)) if !name.is_empty() => (name, Some(version)),
        _ => (full, None),
    };
    let is_hidden = version.is_some_and(|version| !version.starts_with('@'));
    Some(ReadelfSymbol {
        address,
        size,
        kind,
        binding,
        section,
        name: name.to_owned(),
        version: version.map(|version| version.trim_start_matches('@').to_owned()),
        is_hidden,
    })
}

/// Names that objdump gives to addresses of the procedure linkage table: `puts@plt`.
pub(crate) fn plt_labels(path: &Path) -> Vec<(u64, String)> {
    let text = run(tool("objdump").arg("-d").arg(path));
    text.lines()
        .filter_map(|line| line.strip_suffix("@plt>:")?.split_once(" <"))
        .map(|(address, name)| {
            (u64::from_str_radix(address, 16).expect("an address"), format!("{name}@plt"))
        })
        .collect()
}

/// Addresses at which objdump sees instructions begin in a section; and those of them that it could
/// not read.
pub(crate) fn instruction_starts(path: &Path, section: &str) -> (Vec<u64>, Vec<u64>) {
    let mut command = tool("objdump");
    // Without symbols objdump runs straight through; wide enough to keep each on one line.
    command.args(["-d", "-w", "-M", "intel", "-j", section]).arg(path);
    let text = run(&mut command);
    let mut starts = Vec::new();
    let mut bad = Vec::new();
    for line in text.lines() {
        let Some((address, rest)) = line.trim_start().split_once(":\t") else {
            continue;
        };
        let address = u64::from_str_radix(address, 16).expect("an address");
        starts.push(address);
        if rest.contains("(bad)") {
            bad.push(address);
        }
    }
    (starts, bad)
}
