//! What tests leave out, in a way that nobody overlooks. Some can be run only by root: they make
//! machines, become other users, give files away.

use std::io::Write;

/// What somebody who is not root sets to leave such tests out.
const LEAVE_OUT: &str = "DBGSRV_TESTS_WITHOUT_ROOT";

/// Whether this test, or the rest of it, can be run: for `what` it needs root.
///
/// **Panics** if this is not root: what cannot be run is a failure. With
/// `DBGSRV_TESTS_WITHOUT_ROOT=1` it is left out instead, and standard error is told.
#[track_caller]
pub fn is_root_for(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let leaves_out = std::env::var_os(LEAVE_OUT).is_some_and(|value| value == "1");
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    match judge(is_root, leaves_out, &name, what) {
        Ok(None) => true,
        Ok(Some(told)) => {
            tell(&told);
            false
        }
        Err(complaint) => panic!("{complaint}"),
    }
}

/// Tells that the running test leaves something out: what, and why.
pub fn left_out(what: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    tell(&format!("left out of {name}: {what}\n"));
}

/// Past the capturing of tests' output, which would be lost.
fn tell(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// What is said if something is left out.
///
/// **Errors**: the complaint, if it may not be left out.
fn judge(
    is_root: bool,
    leaves_out: bool,
    name: &str,
    what: &str,
) -> Result<Option<String>, String> {
    match (is_root, leaves_out) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(format!("left out of {name}, as it needs root: {what}\n"))),
        (false, false) => Err(format!(
            "{name} needs root: {what}. Run the tests as root, or leave out what needs it with \
             {LEAVE_OUT}=1"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_out_unasked_or_untold() {
        assert_eq!(judge(true, false, "t", "w"), Ok(None));
        assert_eq!(judge(true, true, "t", "w"), Ok(None));
        let told = judge(false, true, "a::test", "another user").expect("it is left out");
        assert_eq!(told.as_deref(), Some("left out of a::test, as it needs root: another user\n"));
        let complaint = judge(false, false, "a::test", "another user").expect_err("it fails");
        assert!(complaint.contains("a::test needs root: another user"), "{complaint}");
        assert!(complaint.contains("DBGSRV_TESTS_WITHOUT_ROOT=1"), "{complaint}");
    }
}
