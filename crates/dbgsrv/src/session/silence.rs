//! Peers that say nothing, such as another server: a client speaks first, and at once. It does not
//! know what a client says.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use dbglink::PeerInfo;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::RecvFlags;

/// How long a peer may say nothing. Far more than a client takes on a machine that has much to do.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// A silence that ends sooner, with the link, is told to nobody: somebody has looked whether there
/// is a server.
const LOOK: Duration = Duration::from_secs(5);

/// Waits until the peer has said something.
///
/// **Errors**: how long it has said nothing, if that is too long or the link has ended then.
pub(super) fn wait(link: BorrowedFd<'_>, patience: Duration) -> Result<(), Duration> {
    let begun = Instant::now();
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        // It is far below what a Timespec holds.
        let left = Timespec::try_from(left).ok();
        let mut fds = [PollFd::from_borrowed_fd(link, PollFlags::IN)];
        match rustix::event::poll(&mut fds, left.as_ref()) {
            Ok(0) => return Err(begun.elapsed()),
            Err(rustix::io::Errno::INTR) => continue,
            _ => {}
        }
        let mut byte = [0];
        return match rustix::net::recv(link, &mut byte, RecvFlags::PEEK) {
            Ok((0, _)) => Err(begun.elapsed()),
            // What is wrong with a link is found by reading it; not every kind can be peeked at.
            Ok(_) | Err(_) => Ok(()),
        };
    }
}

/// Says on standard error that a peer has said nothing for so long.
pub(super) fn complain(peer: Option<PeerInfo>, length: Duration) {
    if length < LOOK {
        return;
    }
    let peer = peer.map_or_else(|| "a client".to_owned(), |peer| peer.to_string());
    crate::complain::complain(&format!(
        "{peer} has said nothing for {} s, and a client speaks at once; is it a server, too?",
        length.as_secs()
    ));
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn silence_ends_by_a_word_or_with_the_link_or_is_too_long() {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        let short = Duration::from_millis(20);
        assert!(wait(ours.as_fd(), short).is_err_and(|length| length >= short));
        theirs.write_all(b"x").expect("room");
        // A word is not taken away.
        for _ in 0..2 {
            assert_eq!(wait(ours.as_fd(), PATIENCE), Ok(()));
        }
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        drop(theirs);
        assert!(wait(ours.as_fd(), PATIENCE).is_err_and(|length| length < PATIENCE));
    }
}
