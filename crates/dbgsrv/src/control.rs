//! What a session or login process and its listener say to each other: whole messages over a socket
//! pair, some with a descriptor. It knows what they look like, not what becomes of them.
//!
//! ```text
//!   session ──► listener
//!     E                              end the whole server
//!     P  pid*                        parked: it has no client, and keeps these processes stopped
//!     C  pid, version, stack, sent, requests, bytes
//!                                    claim: with its client's link
//!     W                              waiting: its client has lost its link, and may come again
//!     R  session, secret, arrived    take up a session again: with the new link
//!   listener ──► session
//!     C  as above                    to the session that keeps the process
//!     R  as above                    to the session that waits
//!     A                              to the one that asked: its client has been taken over
//!     N                              nobody keeps the process, or no such session
//!   login process ──► listener
//!     L  user, 0, how                the client was let in: with the session's end of a pair
//!     T  why                         it was not let in
//!   pid, version, stack: 32 bits, little-endian; stack: how much of it stop events carry;
//!   bytes: what the client has sent and nobody has read, the request that claims first;
//!   sent, requests, arrived: 64 bits, little-endian: how many frames were sent to the client (all
//!   ones for one that does not come again), how many requests of it were taken, and how many
//!   frames it has; session: 32 bits; secret: 16 bytes
//! ```

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dbgbase::Pid;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// The most bytes a client may have sent behind the request that claims.
pub(crate) const BYTES_MAX: usize = 64 * 1024;
/// The most bytes of a message.
const LEN_MAX: usize = BYTES_MAX + 64;

/// One message.
#[derive(Debug)]
pub(crate) enum Message {
    /// The whole server is to end.
    EndServer,
    /// The session has no client and keeps these processes stopped for whoever claims one.
    Parked(Vec<Pid>),
    /// A client wants a process that another session keeps.
    Claim(Claim),
    /// The client has been taken over.
    Accepted,
    /// Nobody keeps the process, or waits under that token.
    Nobody,
    /// A client was let in.
    Admitted(Admitted),
    /// A client was not let in, for this reason.
    Turned(String),
    /// The session's client has lost its link, and may come again.
    Waiting,
    /// It has come again.
    TakenUp,
    /// A client takes its session up again.
    Return(Return),
}

/// A client that comes again.
#[derive(Debug)]
pub(crate) struct Return {
    /// Which session is its.
    pub(crate) session: u32,
    /// What proves that.
    pub(crate) secret: Secret,
    /// How many frames of the session it has.
    pub(crate) arrived: u64,
    /// Its new link.
    pub(crate) link: OwnedFd,
}

/// What only a session and its client know.
pub(crate) type Secret = [u8; 16];

/// How far a client and its session are that may be taken up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Progress {
    /// How many frames were sent to it.
    pub(crate) sent: u64,
    /// How many requests of it were taken.
    pub(crate) requests: u64,
}

/// A client that a login process has let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// As whom.
    pub(crate) user: String,
    /// How it has shown who it is, for people.
    pub(crate) how: String,
    /// The link on which its frames come, for a session process.
    pub(crate) link: OwnedFd,
}

/// A client on its way from one session process to another.
#[derive(Debug)]
pub(crate) struct Claim {
    /// The process that it wants.
    pub(crate) pid: Pid,
    /// The version of the protocol it speaks.
    pub(crate) version: u32,
    /// How much of a stack its stop events carry.
    pub(crate) stack_window_len: u32,
    /// How far it is, if it is one that comes again after a lost link.
    pub(crate) progress: Option<Progress>,
    /// What it has sent and nobody has read.
    pub(crate) bytes: Vec<u8>,
    /// Its link.
    pub(crate) link: OwnedFd,
}

/// One end of the way between a session or login process and its listener.
#[derive(Debug)]
pub struct Control {
    socket: OwnedFd,
}

impl Control {
    /// Both ends of a new one. Both are close-on-exec.
    pub(crate) fn pair() -> std::io::Result<(Control, Control)> {
        let flags = SocketFlags::CLOEXEC;
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Control { socket: one }, Control { socket: other }))
    }

    /// The end that a session process inherits.
    pub(crate) fn adopt(socket: OwnedFd) -> Control {
        Control { socket }
    }

    /// The descriptor, for a session process to inherit.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.socket
    }

    /// Sends a message. It is not waited for room.
    ///
    /// **Errors**: of sendmsg(2); EPIPE if the other end is gone.
    pub(crate) fn send(&self, message: &Message) -> Result<(), Errno> {
        let bytes = encode(message);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<BorrowedFd<'_>> = match message {
            Message::Claim(claim) => vec![claim.link.as_fd()],
            Message::Admitted(admitted) => vec![admitted.link.as_fd()],
            Message::Return(comer) => vec![comer.link.as_fd()],
            _ => Vec::new(),
        };
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut ancillary, flags)?;
        Ok(())
    }

    /// Waits for the next message. `None` if the other end is gone, or speaks another language.
    pub(crate) fn receive(&self) -> Option<Message> {
        self.receive_with(RecvFlags::empty()).ok().flatten()
    }

    /// The next message, if there is one now. What is no message is passed over.
    pub(crate) fn try_receive(&self) -> Option<Message> {
        self.receive_with(RecvFlags::DONTWAIT).ok().flatten()
    }

    fn receive_with(&self, flags: RecvFlags) -> Result<Option<Message>, Errno> {
        // Most messages are short, and most often there is none: its length is asked for first.
        let look = flags | RecvFlags::PEEK | RecvFlags::TRUNC;
        let len = loop {
            match rustix::net::recv(&self.socket, &mut [0_u8; 0], look) {
                Ok((_, len)) => break len,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        };
        let mut bytes = vec![0; len.min(LEN_MAX)];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let len = loop {
            let mut buffers = [IoSliceMut::new(&mut bytes)];
            match rustix::net::recvmsg(&self.socket, &mut buffers, &mut ancillary, flags) {
                Ok(received) => break received.bytes,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        };
        let is_rights = |message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        };
        let link = ancillary.drain().find_map(is_rights);
        bytes.truncate(len);
        Ok(decode(&bytes, link))
    }
}

impl AsFd for Control {
    /// For poll(2).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Stands for the progress of a client that does not come again.
const NO_PROGRESS: Progress = Progress { sent: u64::MAX, requests: u64::MAX };

fn encode(message: &Message) -> Vec<u8> {
    match message {
        Message::EndServer => b"E".to_vec(),
        Message::Accepted => b"A".to_vec(),
        Message::Nobody => b"N".to_vec(),
        Message::Waiting => b"W".to_vec(),
        Message::TakenUp => b"U".to_vec(),
        Message::Admitted(Admitted { user, how, .. }) => {
            [b"L", user.as_bytes(), &[0], how.as_bytes()].concat()
        }
        Message::Turned(why) => [b"T", why.as_bytes()].concat(),
        Message::Parked(pids) => {
            let pids = pids.iter().flat_map(|pid| pid.value().to_le_bytes());
            b"P".iter().copied().chain(pids).collect()
        }
        Message::Claim(claim) => {
            let numbers = [claim.pid.value(), claim.version, claim.stack_window_len];
            let numbers = numbers.into_iter().flat_map(u32::to_le_bytes);
            let progress = claim.progress.unwrap_or(NO_PROGRESS);
            let progress =
                [progress.sent, progress.requests].into_iter().flat_map(u64::to_le_bytes);
            let head = b"C".iter().copied().chain(numbers).chain(progress);
            head.chain(claim.bytes.iter().copied()).collect()
        }
        Message::Return(Return { session, secret, arrived, .. }) => {
            [b"R", &session.to_le_bytes()[..], secret, &arrived.to_le_bytes()].concat()
        }
    }
}

fn decode(bytes: &[u8], link: Option<OwnedFd>) -> Option<Message> {
    let (kind, rest) = bytes.split_first()?;
    match (kind, link) {
        (b'E', None) => Some(Message::EndServer),
        (b'A', None) => Some(Message::Accepted),
        (b'N', None) => Some(Message::Nobody),
        (b'W', None) => Some(Message::Waiting),
        (b'U', None) => Some(Message::TakenUp),
        (b'T', None) => Some(Message::Turned(String::from_utf8_lossy(rest).into_owned())),
        (b'P', None) => {
            let (pids, []) = rest.as_chunks::<4>() else { return None };
            Some(Message::Parked(
                pids.iter().map(|pid| Pid::new(u32::from_le_bytes(*pid))).collect(),
            ))
        }
        (b'L', Some(link)) => {
            let (user, how) = std::str::from_utf8(rest).ok()?.split_once('\0')?;
            let (user, how) = (user.to_owned(), how.to_owned());
            let is_name = !user.is_empty() && !user.contains(char::is_control);
            is_name.then_some(Message::Admitted(Admitted { user, how, link }))
        }
        (b'C', Some(link)) => {
            let (numbers, rest) = rest.split_at_checked(12)?;
            let [pid, version, stack] = numbers.as_chunks::<4>().0 else { return None };
            let (progress, bytes) = rest.split_at_checked(16)?;
            let [sent, requests] = progress.as_chunks::<8>().0 else { return None };
            let [sent, requests] = [sent, requests].map(|bytes| u64::from_le_bytes(*bytes));
            let progress = Progress { sent, requests };
            Some(Message::Claim(Claim {
                pid: Pid::new(u32::from_le_bytes(*pid)),
                version: u32::from_le_bytes(*version),
                stack_window_len: u32::from_le_bytes(*stack),
                progress: Some(progress).filter(|progress| *progress != NO_PROGRESS),
                bytes: bytes.to_vec(),
                link,
            }))
        }
        (b'R', Some(link)) => {
            let (session, rest) = rest.split_first_chunk::<4>()?;
            let (secret, arrived) = rest.split_first_chunk::<16>()?;
            Some(Message::Return(Return {
                session: u32::from_le_bytes(*session),
                secret: *secret,
                arrived: u64::from_le_bytes(arrived.try_into().ok()?),
                link,
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_and_in_order() {
        let (one, other) = Control::pair().expect("a socket pair");
        assert!(one.try_receive().is_none());
        one.send(&Message::EndServer).expect("room");
        one.send(&Message::Parked(vec![Pid::new(42), Pid::new(70_000)])).expect("room");
        one.send(&Message::Parked(Vec::new())).expect("room");
        assert!(matches!(other.receive(), Some(Message::EndServer)));
        let Some(Message::Parked(pids)) = other.receive() else { panic!("it was sent") };
        assert_eq!(pids, [Pid::new(42), Pid::new(70_000)]);
        assert!(matches!(other.try_receive(), Some(Message::Parked(pids)) if pids.is_empty()));
        drop(one);
        assert!(other.receive().is_none());
    }

    #[test]
    fn a_claim_brings_its_link_and_the_unread_bytes() {
        let (one, other) = Control::pair().expect("a socket pair");
        let (link, theirs) = rustix::pipe::pipe().expect("a pipe");
        let bytes = vec![7; BYTES_MAX];
        let pid = Pid::new(42);
        let progress = Some(Progress { sent: 3, requests: 4 });
        let claim = Claim { pid, version: 1, stack_window_len: 512, progress, bytes, link };
        one.send(&Message::Claim(claim)).expect("room");
        let Some(Message::Claim(claim)) = other.receive() else { panic!("it was sent") };
        assert_eq!((claim.pid, claim.version, claim.stack_window_len), (pid, 1, 512));
        assert_eq!((claim.progress, claim.bytes.clone()), (progress, vec![7; BYTES_MAX]));
        rustix::io::write(&theirs, b"x").expect("the link is open");
        assert_eq!(rustix::io::read(&claim.link, &mut [0; 2]), Ok(1));
        one.send(&Message::Claim(Claim { progress: None, ..claim })).expect("room");
        assert!(matches!(other.receive(), Some(Message::Claim(Claim { progress: None, .. }))));
    }

    #[test]
    fn a_client_comes_again_with_its_secret_and_its_new_link() {
        let (one, other) = Control::pair().expect("a socket pair");
        let (link, _) = rustix::pipe::pipe().expect("a pipe");
        let comer = Return { session: 7, secret: [9; 16], arrived: 1 << 40, link };
        one.send(&Message::Return(comer)).expect("room");
        let Some(Message::Return(comer)) = other.receive() else { panic!("it was sent") };
        assert_eq!((comer.session, comer.secret, comer.arrived), (7, [9; 16], 1 << 40));
    }

    #[test]
    fn who_was_let_in_has_a_name() {
        for (user, is_told) in [("alice", true), ("", false), ("a\nb", false)] {
            let (one, other) = Control::pair().expect("a socket pair");
            let (link, _) = rustix::pipe::pipe().expect("a pipe");
            let admitted = Admitted { user: user.to_owned(), how: "x y".to_owned(), link };
            one.send(&Message::Admitted(admitted)).expect("room");
            let told = other.try_receive();
            let is_it = |told: &Admitted| told.user == user && told.how == "x y";
            assert_eq!(matches!(told, Some(Message::Admitted(told)) if is_it(&told)), is_told);
        }
    }

    #[test]
    fn what_is_no_message_is_nothing() {
        for bytes in [&b""[..], b"L", b"X", b"P12", b"C", b"C123456789012", b"R12345678"] {
            assert!(decode(bytes, None).is_none(), "{bytes:?}");
        }
    }
}
