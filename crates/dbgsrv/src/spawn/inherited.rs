//! What a server is started with: sockets that a service manager hands over (sd_listen_fds(3)), and
//! where it wants to be told how the server is (sd_notify(3)). It is taken at once, so that none of
//! it reaches a process that the server starts; everything else that is open is closed.

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::FdFlags;

use crate::error::ServerError;

/// The first descriptor that is handed over (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;
/// More are not taken for real.
const COUNT_MAX: RawFd = 256;
/// The variables, which are the server's alone.
const VARIABLES: [&str; 5] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "NOTIFY_SOCKET"];

/// What a service manager has handed over.
#[derive(Debug, Default)]
pub struct Inherited {
    /// Sockets, in its order.
    pub sockets: Vec<Handed>,
    /// Where it wants to be told how the server is.
    pub notify: Option<OsString>,
}

/// One socket.
#[derive(Debug)]
pub struct Handed {
    /// What the service manager calls it; `unknown` if it does not say.
    pub name: String,
    /// It. Whether it is a socket at all has not been looked at.
    pub fd: OwnedFd,
}

/// Takes what the server was started with: what is not handed over in due form is closed, but for
/// 0, 1 and 2.
///
/// **Errors**: [`ServerError::Handed`] if what is said of the descriptors cannot be.
/// **Threads**: before this process has another one, and before anything in it has opened a
/// descriptor.
pub fn take_inherited() -> Result<Inherited, ServerError> {
    let [pid, count, names, _, notify] = VARIABLES.map(take_variable);
    let read = count_of(pid, count);
    let count = *read.as_ref().unwrap_or(&0);
    close_from(FIRST + count);
    read.map_err(ServerError::Handed)?;
    let names = names.and_then(|names| names.into_string().ok()).unwrap_or_default();
    let mut names = names.split(':').filter(|name| !name.is_empty());
    let sockets = (FIRST..FIRST + count).map(|number| {
        let name = names.next().unwrap_or("unknown").to_owned();
        let fd = adopt(number).ok_or_else(|| {
            ServerError::Handed(format!(
                "LISTEN_FDS says that {count} descriptors are handed over, and {number} is not open"
            ))
        })?;
        Ok(Handed { name, fd })
    });
    Ok(Inherited { sockets: sockets.collect::<Result<_, ServerError>>()?, notify })
}

/// A variable of the environment that no process is to have that this one starts.
///
/// **Threads**: before this process has another one.
pub(super) fn take_variable(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name);
    // SAFETY: this process has no other thread that could read the environment meanwhile.
    #[expect(clippy::disallowed_methods, reason = "whatever is started later is not to have it")]
    unsafe {
        std::env::remove_var(name);
    };
    value
}

/// How many descriptors are handed over to this process.
fn count_of(pid: Option<OsString>, count: Option<OsString>) -> Result<RawFd, String> {
    let own = std::process::id().to_string();
    // They may be for the process that has started this one.
    let (Some(_), Some(count)) = (pid.filter(|pid| pid.to_str() == Some(&own)), count) else {
        return Ok(0);
    };
    let number = count.to_str().and_then(|text| text.parse().ok());
    number.filter(|count| (0..=COUNT_MAX).contains(count)).ok_or_else(|| {
        let count = count.to_string_lossy();
        format!("LISTEN_FDS={count} is not a number of descriptors up to {COUNT_MAX}")
    })
}

/// Closes every descriptor but 0, 1 and 2.
///
/// **Threads**: before anything in this process has opened a descriptor.
pub(crate) fn close_inherited() {
    close_from(FIRST);
}

fn close_from(first: RawFd) {
    // SAFETY: nothing in this process owns a descriptor yet. Kernels before 5.9 know no such call,
    // and keep them.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

fn adopt(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: the number is only asked about here, which is harmless for any number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(borrowed, FdFlags::CLOEXEC).ok()?;
    // SAFETY: it is open, as the call above has shown, was handed over for this purpose, and
    // nothing in this process owns it: it is adopted once, before others are opened.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_for_this_process_counts() {
        let own = Some(OsString::from(std::process::id().to_string()));
        let count = |pid: Option<OsString>, count: &str| count_of(pid, Some(count.into()));
        assert_eq!(count(own.clone(), "2"), Ok(2));
        assert_eq!(count(Some("1".into()), "2"), Ok(0));
        assert_eq!(count(None, "2"), Ok(0));
        assert_eq!(count_of(own.clone(), None), Ok(0));
        for wrong in ["", "-1", "257", "2 ", "two"] {
            let said = count(own.clone(), wrong).expect_err("no number of them");
            assert!(said.contains(&format!("LISTEN_FDS={wrong} ")), "{said}");
        }
    }
}
