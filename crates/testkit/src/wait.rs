//! Waiting for a state that nothing announces, and how long tests wait for anything. It knows
//! nothing of what is waited for.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

/// How long a test waits for anything before it fails. Far more than anything takes, also on a
/// machine that is busy with other tests; and longer than a kernel without preemption has been seen
/// to stand still while it takes ended processes out of /proc (`d_walk`; 56 s, Linux 6.18).
pub const DEADLINE: Duration = Duration::from_secs(80);

/// How long to look all the time, and then how often.
const EAGERNESS: Duration = Duration::from_millis(1);
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000 };

/// Looks again and again until `found` finds something, and gives the CPU away in between.
///
/// **Panics** after [`DEADLINE`], naming `what`.
#[track_caller]
pub fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = found() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        pause(start);
    }
}

/// Gives the CPU away between two looks. Who looks into /proc all the time keeps the kernel from
/// taking ended processes out of it, for minutes (`proc_invalidate_siblings_dcache`).
pub(crate) fn pause(start: Instant) {
    if start.elapsed() < EAGERNESS {
        std::thread::yield_now();
    } else {
        let _ = rustix::event::poll(&mut [], Some(&INTERVAL));
    }
}

/// Whether the descriptor becomes readable, or its other end closes, before `deadline`.
pub(crate) fn is_readable_before(fd: impl AsFd, deadline: Instant) -> bool {
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: rest.as_secs().cast_signed(),
            tv_nsec: i64::from(rest.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&fd, PollFlags::IN)];
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => panic!("cannot poll: {errno}"),
        }
    }
}
