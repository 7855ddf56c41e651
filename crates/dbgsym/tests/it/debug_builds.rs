//! Programs with debugging information, built in the ways that compilers offer, and what readelf(1)
//! and addr2line(1) say about them.

use std::fs::File;
use std::path::{Path, PathBuf};

use dbgbase::LinkAddress;
use dbgsym::Image;

use crate::programs::{Workshop, run, tool};

/// A way to build a program.
pub(crate) struct Build {
    pub(crate) source: &'static str,
    pub(crate) flags: &'static [&'static str],
}

/// Languages, versions of the format, levels of optimisation, kinds of files.
pub(crate) const BUILDS: [Build; 14] = [
    Build { source: "plain.c", flags: &["-g", "-O0", "-gdwarf-4", "-lm"] },
    Build { source: "plain.c", flags: &["-g", "-O2", "-gdwarf-5", "-lm"] },
    Build { source: "plain.c", flags: &["-g", "-O2", "-gdwarf-5", "-gdwarf64", "-lm"] },
    Build { source: "plain.c", flags: &["-g", "-O1", "-gz=zlib", "-static", "-lm"] },
    Build { source: "plain.c", flags: &["-g", "-O0", "-gz=zlib-gnu", "-no-pie", "-lm"] },
    Build { source: "inlined.c", flags: &["-g", "-O2", "-gdwarf-4"] },
    Build { source: "inlined.c", flags: &["-g", "-O2", "-gdwarf-5", "-flto"] },
    Build { source: "shapes.cpp", flags: &["-g", "-O0", "-gdwarf-4"] },
    Build { source: "shapes.cpp", flags: &["-g", "-O2", "-gdwarf-5"] },
    Build { source: "shapes.cpp", flags: &["-g", "-O2", "-gdwarf-4", "-fdebug-types-section"] },
    Build { source: "shapes.cpp", flags: &["-g", "-O2", "-gdwarf-5", "-fdebug-types-section"] },
    Build {
        source: "shapes.cpp",
        flags: &["-g", "-O0", "-ffunction-sections", "-Wl,--gc-sections"],
    },
    Build { source: "crate.rs", flags: &["-g", "-Copt-level=0"] },
    Build { source: "crate.rs", flags: &["-g", "-Copt-level=3"] },
];

impl Build {
    /// Builds it in a workshop of its own.
    pub(crate) fn make(&self) -> (Workshop, PathBuf) {
        let workshop = Workshop::new();
        let path = workshop.compile("program", self.source, self.flags);
        (workshop, path)
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.source, self.flags.join(" "))
    }
}

/// A row of `readelf --debug-dump=decodedline`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DecodedRow {
    pub(crate) address: u64,
    pub(crate) file_name: String,
    /// `None` where a sequence ends.
    pub(crate) line: Option<u32>,
    pub(crate) is_statement: bool,
}

/// All rows of all line tables, as they are in the file.
pub(crate) fn decoded_rows(path: &Path) -> Vec<DecodedRow> {
    let text = run(tool("readelf").args(["-W", "--debug-dump=decodedline"]).arg(path));
    text.lines().filter_map(decoded_row).collect()
}

/// `plain.c    12    0x1139    2    x`: file, line or `-`, address, view, statement.
fn decoded_row(line: &str) -> Option<DecodedRow> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [file_name, line, address, rest @ ..] = words.as_slice() else { return None };
    let address = match address.strip_prefix("0x") {
        // A view that is not the first is written behind the address: `0x1139[2]`.
        Some(hex) => u64::from_str_radix(hex.split('[').next()?, 16).ok()?,
        None => (*address == "0").then_some(0)?,
    };
    let line = match *line {
        "-" => None,
        line => Some(line.parse().ok()?),
    };
    let is_statement = rest.last() == Some(&"x");
    Some(DecodedRow { address, file_name: (*file_name).to_owned(), line, is_statement })
}

/// Where the program has instructions.
fn is_code(image: &Image, address: u64) -> bool {
    image.section_at(LinkAddress::new(address)).is_some_and(|section| section.is_executable)
}

/// What readelf lists for code that the linker kept: sequences, each with its end.
pub(crate) fn sequences(image: &Image, rows: Vec<DecodedRow>) -> Vec<(Vec<DecodedRow>, u64)> {
    let mut sequences = Vec::new();
    let mut sequence = Vec::new();
    for row in rows {
        if row.line.is_some() {
            sequence.push(row);
            continue;
        }
        let mut rows = std::mem::take(&mut sequence);
        // A row where its sequence ends has no instructions.
        rows.retain(|before: &DecodedRow| before.address < row.address);
        let start = rows.first().map_or(0, |row| row.address);
        if start < row.address && is_code(image, start) {
            sequences.push((rows, row.address));
        }
    }
    sequences
}

/// A function around an address, as `addr2line -f -i` tells, innermost first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Around {
    /// `None` for `??`.
    pub(crate) function: Option<String>,
    pub(crate) file: Option<String>,
    /// 0 for `?`.
    pub(crate) line: u32,
}

/// What lies around each of `addresses`.
pub(crate) fn addr2line(workshop: &Workshop, path: &Path, addresses: &[u64]) -> Vec<Vec<Around>> {
    let questions = workshop.path("addresses");
    let text: String = addresses.iter().map(|address| format!("{address:#x}\n")).collect();
    std::fs::write(&questions, text).expect("the workshop is writable");
    let questions = File::open(&questions).expect("it was written");
    let text = run(tool("addr2line").args(["-a", "-f", "-i", "-e"]).arg(path).stdin(questions));
    let mut answers: Vec<Vec<Around>> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("0x") && line.len() == 18 {
            answers.push(Vec::new());
            continue;
        }
        let place = lines.next().expect("a place follows each function");
        // `file:12 (discriminator 3)`
        let place = place.split(" (discriminator").next().unwrap_or(place);
        let (file, number) = place.rsplit_once(':').expect("file:line");
        answers.last_mut().expect("an address comes first").push(Around {
            function: (line != "??").then(|| line.to_owned()),
            file: (file != "??").then(|| file.to_owned()),
            line: number.parse().unwrap_or(0),
        });
    }
    assert_eq!(answers.len(), addresses.len());
    answers
}
