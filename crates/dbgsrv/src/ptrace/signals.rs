//! What the tracer thread waits on: a descriptor for commands, and one for SIGCHLD and SIGTERM. It
//! knows no targets.

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
    /// Opens both, and blocks SIGCHLD and SIGTERM in the calling thread and those it starts from now on, as
    /// signalfd(2) asks. To be called before a process has other threads.
    pub(super) fn open() -> std::io::Result<ChildSignals> {
        let eventfd = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let set = signal_set();
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
        let signalfd = unsafe { OwnedFd::from_raw_fd(fd) };
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

    /// Empties both, so that they are readable only for what comes from now on. Whether SIGTERM was
    /// among it.
    pub(super) fn take(&self) -> bool {
        let mut is_terminating = false;
        let mut bytes = [0; 32 * size_of::<libc::signalfd_siginfo>()];
        while let Ok(count) = rustix::io::read(&self.signalfd, &mut bytes) {
            // `ssi_signo`, a u32, is the first field of each (signalfd(2)).
            let taken = bytes.get(..count).unwrap_or_default();
            is_terminating |= taken
                .chunks_exact(size_of::<libc::signalfd_siginfo>())
                .filter_map(|info| info.first_chunk())
                .any(|number| u32::from_ne_bytes(*number) == libc::SIGTERM as u32);
            if count == 0 {
                break;
            }
        }
        let _ = rustix::io::read(&*self.eventfd, &mut [0; 8]);
        is_terminating
    }
}

/// Ignores what the terminal's keys send: they are meant for the debuggee and for the debugger, whose
/// terminal a session process shares. Debuggees get the default dispositions back before they begin.
pub(super) fn ignore_terminal() {
    for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

fn signal_set() -> libc::sigset_t {
    // SAFETY: sigset_t is plain data; sigemptyset initialises it and sigaddset adds valid signals.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        libc::sigaddset(&mut set, libc::SIGTERM);
        set
    }
}
