//! Showing that a long wait goes on: a file that is on its way here. Short transfers
//! are not worth a word. It knows how far, not what for.

use std::time::{Duration, Instant};

use dbgeng::{TransferOrigin, TransferProgress};

/// How long a transfer is quiet, and how often it is spoken of then.
const INTERVAL: Duration = Duration::from_secs(2);

/// Speaks of transfers on standard error, where it does not mix with what commands print.
#[derive(Default)]
pub(crate) struct Progress {
    path: Vec<u8>,
    since: Option<Instant>,
}

impl Progress {
    /// Takes note of how far a transfer is; a line to show if it is time for one.
    pub(crate) fn note(&mut self, progress: &TransferProgress<'_>, now: Instant) -> Option<String> {
        let since = match self.since.filter(|_| self.path == progress.path) {
            Some(since) => since,
            None => {
                progress.path.clone_into(&mut self.path);
                self.since = Some(now);
                now
            }
        };
        if now.duration_since(since) < INTERVAL {
            return None;
        }
        self.since = Some(now);
        let path = String::from_utf8_lossy(progress.path);
        let what = match progress.origin {
            TransferOrigin::Server => format!("reading {path} from the server"),
            TransferOrigin::Url => format!("fetching {path}"),
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
