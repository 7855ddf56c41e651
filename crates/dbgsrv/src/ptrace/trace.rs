//! What the tracer has asked of the kernel and heard from it, for whoever looks for a mistake in
//! it: one line for each call and each report, in a file of fixed size in which the newest lines
//! take the place of the oldest. It is there, also after the process was killed, if the variable
//! `DBGSRV_TRACE` names a folder; otherwise a line costs the look at a flag.
//!
//! ```text
//!   0000017.204519 4711 cont 0            seconds since the first line, thread, what
//! ```

use std::fmt;
use std::fs::File;
use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use dbgbase::Tid;

/// The variable with the folder.
const FOLDER: &str = "DBGSRV_TRACE";
/// How long a line is, with its line feed; what is longer is cut.
const LINE_LEN: usize = 128;
/// How many lines are kept.
const LINES_MAX: u64 = 16_384;

static RECORDER: OnceLock<Option<Recorder>> = OnceLock::new();

struct Recorder {
    file: File,
    start: Instant,
    count: AtomicU64,
}

/// Adds a line, if anybody wants one.
pub(super) fn note(tid: Tid, what: fmt::Arguments<'_>) {
    if let Some(recorder) = RECORDER.get_or_init(Recorder::open) {
        recorder.note(tid, what);
    }
}

impl Recorder {
    /// Without a folder in which the file can be made there is none.
    fn open() -> Option<Recorder> {
        let folder = std::env::var_os(FOLDER)?;
        let name = format!("session-{}.trace", std::process::id());
        let file = File::create(Path::new(&folder).join(name)).ok()?;
        Some(Recorder { file, start: Instant::now(), count: AtomicU64::new(0) })
    }

    fn note(&self, tid: Tid, what: fmt::Arguments<'_>) {
        let mut line = [b' '; LINE_LEN];
        if let [text @ .., end] = line.as_mut_slice() {
            *end = b'\n';
            let time = self.start.elapsed().as_secs_f64();
            // What does not fit is cut off.
            let _ = write!(Cursor::new(text), "{time:014.6} {tid} {what}");
        }
        let place = self.count.fetch_add(1, Ordering::Relaxed) % LINES_MAX;
        // A trace that cannot be written is no reason to do anything else.
        let _ = self.file.write_all_at(&line, place * LINE_LEN as u64);
    }
}
