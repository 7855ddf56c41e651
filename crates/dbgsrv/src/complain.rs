//! What the processes of a server say on standard error: each line in one piece, as others of them
//! may be saying something, too.

use std::io::Write;

/// Says something.
pub(crate) fn complain(text: &str) {
    let line = format!("dbgsrv: {text}\n");
    // Nobody may be there to hear it.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
