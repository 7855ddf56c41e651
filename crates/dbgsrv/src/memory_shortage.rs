//! What the kernel does with this process when memory runs out: it picks processes to kill by a
//! score (proc_pid_oom_score_adj(5)). A session process should be the last, as it could not leave
//! its targets; the programs that it starts should be treated as if it had not started them.

use std::sync::OnceLock;

/// Where a process adjusts its score.
pub(crate) const PATH: &std::ffi::CStr = c"/proc/self/oom_score_adj";
/// Never to be picked.
const NEVER: &str = "-1000";

/// What the adjustment was before.
static BEFORE: OnceLock<Vec<u8>> = OnceLock::new();

/// Asks the kernel to spare this process. Without CAP_SYS_RESOURCE it stays as it is.
pub(crate) fn be_spared() {
    let path = PATH.to_str().unwrap_or_default();
    if let Ok(before) = std::fs::read(path)
        && std::fs::write(path, NEVER).is_ok()
    {
        // It is set once, at the start.
        let _ = BEFORE.set(before);
    }
}

/// Adjusts the score of this process, with what [`of_children`] says in the one that started it.
pub(crate) fn adjust(score: &[u8]) {
    if !score.is_empty() {
        // It only becomes likelier to be picked, which every process may.
        let _ = std::fs::write(PATH.to_str().unwrap_or_default(), score);
    }
}

/// What a child has to write to [`PATH`] to be treated as if it were not ours; empty if nothing.
pub(crate) fn of_children() -> &'static [u8] {
    BEFORE.get().map_or(&[], Vec::as_slice)
}
