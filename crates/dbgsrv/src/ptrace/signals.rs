//! The signals a process of the server handles, as descriptors to poll: SIGCHLD, by which the
//! tracer thread learns of reports, and those that ask the process to end. It knows no targets.

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use rustix::event::EventfdFlags;

/// Wakes the tracer thread from other threads.
#[derive(Clone)]
pub(super) struct Waker {
    eventfd: Arc<OwnedFd>,
}

impl Waker {
    /// Wakes it, now or when it next waits.
    pub(super) fn wake(&self) {
        // The only failures are a counter at its limit, which is a wake-up too, and EINTR.
        while rustix::io::write(&*self.eventfd, &1u64.to_ne_bytes()) == Err(rustix::io::Errno::INTR)
        {
        }
    }
}

/// The descriptors the tracer thread polls.
pub(super) struct ChildSignals {
    eventfd: Arc<OwnedFd>,
    signalfd: OwnedFd,
}

impl ChildSignals {
    /// Opens both, and blocks SIGCHLD as [`block`] does.
    pub(super) fn open() -> std::io::Result<ChildSignals> {
        let eventfd = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let signalfd = block(&[libc::SIGCHLD])?;
        Ok(ChildSignals { eventfd: Arc::new(eventfd), signalfd })
    }

    /// What other threads wake the tracer with.
    pub(super) fn waker(&self) -> Waker {
        Waker { eventfd: Arc::clone(&self.eventfd) }
    }

    /// Readable when there may be a command.
    pub(super) fn commands(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Readable when there may be a report.
    pub(super) fn children(&self) -> BorrowedFd<'_> {
        self.signalfd.as_fd()
    }

    /// Empties both, so that they are readable only for what comes from now on.
    pub(super) fn take(&self) {
        let mut bytes = [0; 32 * size_of::<libc::signalfd_siginfo>()];
        while matches!(rustix::io::read(&self.signalfd, &mut bytes), Ok(1..)) {}
        let _ = rustix::io::read(&*self.eventfd, &mut [0; 8]);
    }
}

/// Being asked to end: a descriptor that becomes readable, for good, when it happens.
pub struct Termination {
    signalfd: OwnedFd,
}

impl Termination {
    /// Takes SIGTERM, SIGINT and SIGHUP, but for those that the process ignores, as one does that
    /// shares its terminal or has been told to outlive it.
    ///
    /// **Errors**: of sigprocmask(2) and signalfd(2).
    /// **Threads**: the process must have no other thread yet.
    pub fn open() -> std::io::Result<Termination> {
        let mut signals = vec![libc::SIGTERM, libc::SIGINT, libc::SIGHUP];
        // A signal that is blocked arrives in the descriptor even if it is ignored.
        signals.retain(|signal| !is_ignored(*signal));
        Ok(Termination { signalfd: block(&signals)? })
    }
}

impl AsFd for Termination {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signalfd.as_fd()
    }
}

/// Blocks signals in the calling thread and those it starts from now on, and opens a descriptor
/// that is readable while one is pending (signalfd(2)).
fn block(signals: &[libc::c_int]) -> std::io::Result<OwnedFd> {
    // SAFETY: sigset_t is plain data; sigemptyset initialises it and sigaddset adds valid signals.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        set
    };
    // SAFETY: `set` is an initialised signal set that outlives the call; no old set is asked for.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
    if error != 0 {
        return Err(std::io::Error::from_raw_os_error(error));
    }
    // SAFETY: as above; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd == -1 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: sigaction is plain data; the call only fills it, and changes nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Ignores everything that asks a process to end, for one that must outlive the session it was
/// started by.
pub(crate) fn outlive() {
    ignore_terminal();
    for signal in [libc::SIGHUP, libc::SIGTERM] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Ignores what the terminal's keys send: they are meant for the debuggee and for the debugger,
/// whose terminal a session process shares. Debuggees get the default dispositions back before they
/// begin.
pub(super) fn ignore_terminal() {
    for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
