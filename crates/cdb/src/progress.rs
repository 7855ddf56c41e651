//! Showing that a long wait goes on: a file that is read from the server's machine. Short transfers
//! are not worth a word. It knows how far, not what for.

use std::time::{Duration, Instant};

use dbgeng::TransferProgress;

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
        let percent = progress.done_bytes.saturating_mul(100) / progress.total_bytes.max(1);
        let path = String::from_utf8_lossy(progress.path);
        Some(format!("*** reading {path} from the server: {percent} % (Ctrl+C cancels)"))
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
            let transfer = TransferProgress { path, done_bytes, total_bytes: 400 };
            progress.note(&transfer, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(b"/lib/a", 0, 10), None);
        assert_eq!(at(b"/lib/a", 1, 100), None);
        let shown = "*** reading /lib/a from the server: 50 % (Ctrl+C cancels)";
        assert_eq!(at(b"/lib/a", 2, 200).as_deref(), Some(shown));
        assert_eq!(at(b"/lib/a", 3, 300), None);
        assert_eq!(at(b"/lib/b", 9, 1), None);
    }
}
