//! What may be said where: a table of fences. Each names paths of code, the files in which they
//! must not be mentioned, and the reason.

use super::finding::Finding;
use super::paths::{Mention, mentions};
use super::source::{Kind, Token};
use super::tree::{File, Tree};

/// Paths that must not be mentioned in some files.
struct Fence {
    /// Paths that are fenced with everything in them.
    paths: &'static [&'static str],
    /// Ends of paths that are fenced, as code mentions them after a `use`.
    ends: &'static [&'static str],
    /// Whether the fence stands in this file.
    stands_in: fn(&File) -> bool,
    /// Whether it stands in tests as well.
    in_tests: bool,
    /// What to do instead.
    way_out: &'static str,
}

const PTRACE_FOLDER: &str = "crates/dbgsrv/src/ptrace";
const WAIT_FILE: &str = "crates/dbgsrv/src/ptrace/wait.rs";
const CODEC_FILE: &str = "crates/dbgwire/src/codec.rs";
const HRESULT_FILE: &str = "crates/dbgeng/src/hresult.rs";

/// What prost's traits do to messages.
const CODEC_CALLS: &[&str] = &[
    "decode",
    "decode_length_delimited",
    "encode",
    "encode_length_delimited",
    "encode_length_delimited_to_vec",
    "encode_raw",
    "encode_to_vec",
    "encoded_len",
    "merge",
    "merge_field",
    "merge_length_delimited",
];

/// The codec file, and types of dbgwire that have a `decode` of their own.
const OWN_CODECS: &[&str] = &["codec", "AnyEvent", "Request"];

const FENCES: &[Fence] = &[
    Fence {
        paths: &[
            "std::env",
            "std::fs",
            "std::net",
            "std::process",
            "libc",
            "memmap2",
            "nix",
            "rustix",
        ],
        ends: &["thread::sleep", "Instant::now", "SystemTime::now"],
        stands_in: |file| file.is_in("crates/dbgwire/src") || file.is_in("crates/dbgsym/src"),
        in_tests: false,
        way_out: "dbgwire and dbgsym are bytes in, facts out: the caller does the I/O",
    },
    Fence {
        paths: &["dbgwire"],
        ends: &[],
        stands_in: |file| file.is_in("crates/dbglink/src"),
        in_tests: true,
        way_out: "a link carries bytes and never sees a message",
    },
    Fence {
        paths: &["prost"],
        ends: &[],
        stands_in: |file| file.path.starts_with("crates/") && file.krate() != Some("dbgwire"),
        in_tests: false,
        way_out: "only dbgwire knows the encoding",
    },
    Fence {
        paths: &["libc::ptrace", "libc::SYS_ptrace", "nix::sys::ptrace"],
        ends: &[],
        stands_in: |file| file.path.starts_with("crates/") && !file.is_in(PTRACE_FOLDER),
        in_tests: false,
        way_out: "only crates/dbgsrv/src/ptrace calls ptrace",
    },
    Fence {
        paths: &["libc::wait", "libc::wait4", "libc::waitid", "libc::waitpid", "nix::sys::wait"],
        ends: &["process::waitid", "process::waitpgid", "process::waitpid"],
        stands_in: |file| file.path.starts_with("crates/") && file.path != WAIT_FILE,
        in_tests: false,
        way_out: "all waits are in crates/dbgsrv/src/ptrace/wait.rs",
    },
    Fence {
        paths: &["anyhow"],
        ends: &[],
        stands_in: |file| {
            let is_program = ["cdb", "testkit", "xtask"].contains(&file.krate().unwrap_or(""));
            file.path.starts_with("crates/") && !is_program && !file.path.ends_with("/src/main.rs")
        },
        in_tests: false,
        way_out: "a library's errors are types: its callers branch on them",
    },
    Fence {
        paths: &["libc::nanosleep", "libc::sleep", "libc::usleep"],
        ends: &["thread::sleep", "thread::nanosleep", "thread::sleep_ms"],
        stands_in: |file| file.path.starts_with("crates/"),
        in_tests: true,
        way_out: "wait for the event itself: a sleep is a race or a delay",
    },
];

/// No fence is crossed.
pub(super) fn check_fences(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.sources() {
        let product = mentions(&source.product_code());
        let all = mentions(&source.code());
        for fence in FENCES.iter().filter(|fence| (fence.stands_in)(file)) {
            let mentions = if fence.in_tests { &all } else { &product };
            let crossing = mentions.iter().filter(|mention| fence.stops(mention));
            findings.extend(crossing.map(|mention| mentioned(file, mention, fence.way_out)));
        }
    }
    findings
}

impl Fence {
    fn stops(&self, mention: &Mention) -> bool {
        // A single name that no `use` brings in may as well be a variable.
        let is_path = mention.in_use || mention.path.contains("::");
        is_path
            && (self.paths.iter().any(|path| mention.is_in(path))
                || self.ends.iter().any(|end| mention.ends_with(end)))
    }
}

/// cdb enters the server's crate by one door.
pub(super) fn check_server_door(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.sources().filter(|(file, _)| file.is_in("crates/cdb/src")) {
        let mentions = mentions(&source.product_code());
        let wrong = mentions.iter().filter(|mention| {
            let is_path = mention.in_use || mention.path.contains("::");
            is_path && mention.is_in("dbgsrv") && !mention.is_in("dbgsrv::local")
        });
        let way_out = "cdb knows dbgsrv::local only: local is remote";
        findings.extend(wrong.map(|mention| mentioned(file, mention, way_out)));
    }
    findings
}

/// Only one file of dbgwire encodes and decodes; the others derive messages and name the trait.
pub(super) fn check_codec(tree: &Tree) -> Vec<Finding> {
    let way_out = format!("call {CODEC_FILE}, the one place that knows the encoding");
    let mut findings = Vec::new();
    let others = |file: &File| file.is_in("crates/dbgwire/src") && file.path != CODEC_FILE;
    for (file, source) in tree.sources().filter(|(file, _)| others(file)) {
        for window in source.product_code().windows(5) {
            let [owner, before, sign, call, open] = window else {
                continue;
            };
            let is_method = sign.is(".");
            let is_own = before.is(":") && OWN_CODECS.contains(&owner.text.as_str());
            let is_path = sign.is(":") && before.is(":") && !is_own;
            let is_codec = CODEC_CALLS.contains(&call.text.as_str());
            if is_codec && open.is("(") && (is_method || is_path) {
                let message = format!("calls {}", call.text);
                findings.push(Finding::new(&file.path, call.line, message, &way_out));
            }
        }
    }
    findings
}

/// Only one file holds HRESULT numbers.
pub(super) fn check_hresult(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let others = |file: &File| file.path.starts_with("crates/") && file.path != HRESULT_FILE;
    for (file, source) in tree.sources().filter(|(file, _)| others(file)) {
        for token in source.product_code().into_iter().filter(|token| is_hresult(token)) {
            let message = format!("{} is an HRESULT", token.text);
            let way_out = format!("name it in {HRESULT_FILE}, the one table of them");
            findings.push(Finding::new(&file.path, token.line, message, way_out));
        }
    }
    findings
}

/// Failures of the two facilities in use, eight digits long: FACILITY_NULL is 0x8000nnnn (where
/// 0x80000000 itself is but a bit) and FACILITY_WIN32 is 0x8007nnnn.
fn is_hresult(token: &Token) -> bool {
    let Some(digits) = token.text.strip_prefix("0x").filter(|_| token.kind == Kind::Literal) else {
        return false;
    };
    let digits = digits.replace('_', "");
    let digits = digits.trim_end_matches("u32").trim_end_matches("i32");
    let number = u32::from_str_radix(digits, 16).unwrap_or_default();
    let (facility, code) = (number >> 16, number & 0xffff);
    digits.len() == 8 && (facility == 0x8007 || facility == 0x8000 && code != 0)
}

fn mentioned(file: &File, mention: &Mention, way_out: &str) -> Finding {
    Finding::new(&file.path, mention.line, format!("mentions {}", mention.path), way_out)
}

#[cfg(test)]
#[path = "places/tests.rs"]
mod tests;
