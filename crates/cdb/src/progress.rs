//! Showing that a long wait goes on: a file that is on its way here. Short transfers
//! are not worth a word. It knows how far, not what for.

use std::time::{Duration, Instant};

use crate::console::visible;
use dbgeng::{TransferOrigin, TransferProgress};

/// How often a transfer is spoken of, and how long it is quiet at first.
const INTERVAL: Duration = Duration::from_secs(2);
/// How long work on this machine is quiet at first: it is expected to be short.
const QUIET_HERE: Duration = Duration::from_millis(500);

/// Speaks of transfers on standard error, where it does not mix with what commands print.
#[derive(Default)]
pub(crate) struct Progress {
    path: Vec<u8>,
    origin: Option<TransferOrigin>,
    since: Option<Instant>,
    has_spoken: bool,
}

impl Progress {
    /// Takes note of how far a transfer is; a line to show if it is time for one.
    pub(crate) fn note(&mut self, progress: &TransferProgress<'_>, now: Instant) -> Option<String> {
        let is_same = self.path == progress.path && self.origin == Some(progress.origin);
        let since = match self.since.filter(|_| is_same) {
            Some(since) => since,
            None => {
                progress.path.clone_into(&mut self.path);
                self.origin = Some(progress.origin);
                self.since = Some(now);
                self.has_spoken = false;
                now
            }
        };
        let is_here = progress.origin == TransferOrigin::Names && !self.has_spoken;
        if now.duration_since(since) < if is_here { QUIET_HERE } else { INTERVAL } {
            return None;
        }
        self.has_spoken = true;
        self.since = Some(now);
        let path = String::from_utf8_lossy(progress.path);
        let path = visible(&path);
        let what = match progress.origin {
            TransferOrigin::Server => format!("reading {path} from the server"),
            TransferOrigin::Url => format!("fetching {path}"),
            TransferOrigin::Names => format!("indexing the names of {path}"),
        };
        let done = match progress.total_bytes {
            0 => format!("{} KiB", progress.done_bytes / 1024),
            total => format!("{} %", progress.done_bytes.saturating_mul(100) / total),
        };
        Some(format!("*** {what}: {done} (Ctrl+C cancels)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_on_this_machine_is_spoken_of_sooner() {
        let mut progress = Progress::default();
        let start = Instant::now();
        let mut at = |milliseconds, done_bytes| {
            let (path, origin) = (&b"/bin/a"[..], TransferOrigin::Names);
            let work = TransferProgress { path, origin, done_bytes, total_bytes: 400 };
            progress.note(&work, start + Duration::from_millis(milliseconds))
        };
        assert_eq!((at(0, 10), at(400, 90)), (None, None));
        let shown = "*** indexing the names of /bin/a: 25 % (Ctrl+C cancels)";
        assert_eq!(at(500, 100).as_deref(), Some(shown));
        assert_eq!(at(1500, 200), None);
        assert!(at(2500, 300).is_some());
    }

    #[test]
    fn only_what_takes_long_is_shown_and_not_too_often() {
        let mut progress = Progress::default();
        let start = Instant::now();
        let mut at = |path: &'static [u8], seconds, done_bytes| {
            let total_bytes = if path == b"http://a/b" { 0 } else { 400 };
            let is_url = path.starts_with(b"http:");
            let origin = if is_url { TransferOrigin::Url } else { TransferOrigin::Server };
            let transfer = TransferProgress { path, origin, done_bytes, total_bytes };
            progress.note(&transfer, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(b"/lib/a", 0, 10), None);
        assert_eq!(at(b"/lib/a", 1, 100), None);
        let shown = "*** reading /lib/a from the server: 50 % (Ctrl+C cancels)";
        assert_eq!(at(b"/lib/a", 2, 200).as_deref(), Some(shown));
        assert_eq!(at(b"/lib/a", 3, 300), None);
        assert_eq!(at(b"/lib/b", 9, 1), None);
        assert_eq!(at(b"http://a/b", 10, 0), None);
        let shown = "*** fetching http://a/b: 64 KiB (Ctrl+C cancels)";
        assert_eq!(at(b"http://a/b", 12, 0x10000).as_deref(), Some(shown));
    }
}
