//! The fuzz corpus, `tests/corpus/{image,unwinding,expression,lines,index}`: seeds and what a
//! fuzzer found. All are replayed, and so is each with bytes changed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::corruption::Random;
use crate::replay;

/// The most that the whole corpus may have.
const CORPUS_LEN_MAX: usize = 2 << 20;

/// No input takes longer, even on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(10);

/// How often each input is changed.
const CHANGES: usize = 20;

type Check = fn(&[u8]);

const FOLDERS: [(&str, Check); 5] = [
    ("image", replay::check_image),
    ("unwinding", replay::check_unwinding),
    ("expression", replay::check_expression),
    ("lines", replay::check_lines),
    ("index", replay::check_index),
];

#[track_caller]
fn replayed(name: &str, bytes: &[u8], check: Check) {
    let start = Instant::now();
    let outcome = std::panic::catch_unwind(|| check(bytes));
    assert!(outcome.is_ok(), "{name} fails, as said above: {bytes:x?}");
    assert!(start.elapsed() < TIME_MAX, "{name} takes {:?}", start.elapsed());
}

#[test]
fn every_file_of_the_corpus_is_replayed_without_harm() {
    let mut len = 0;
    for (folder, check) in FOLDERS {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
        let mut paths: Vec<_> = fs::read_dir(&place)
            .expect("the corpus is there")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        paths.sort();
        assert!(paths.len() > 4, "{folder} has {} files", paths.len());
        for (seed, path) in paths.iter().enumerate() {
            let mut bytes = fs::read(path).expect("a file that can be read");
            len += bytes.len();
            let name = path.display().to_string();
            replayed(&name, &bytes, check);
            let mut random = Random(seed as u64 + 1);
            let changes = if bytes.is_empty() { 0 } else { CHANGES };
            for _ in 0..changes {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
                replayed(&name, &bytes, check);
            }
        }
    }
    assert!(len <= CORPUS_LEN_MAX, "{len} bytes are too many for a corpus");
}

#[test]
fn what_is_not_damaged_is_understood() {
    let index = replay::good_index();
    replay::check_index(&index);
    // A header, a row for `f` and others, a checksum.
    assert!(index.len() >= 28 + 12 + 8, "{index:x?}");
}
