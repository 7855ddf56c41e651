//! Calling the only client of a server with `clicon=` again, when its link was lost and its session
//! waits for it. It knows when to call, and not how.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, mpsc};

use dbglink::{Link, LinkError};
use rustix::event::Timespec;
use rustix::pipe::PipeFlags;

use crate::error::{ServerError, system};

/// How long to wait before a call, for the sake of a client that loses every link at once.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// What calls the client.
pub type Call = Arc<dyn Fn() -> Result<Link, LinkError> + Send + Sync>;

/// The calls of one server, one at a time.
pub(crate) struct Calls {
    call: Call,
    /// Readable when a call has come to its end.
    ended: OwnedFd,
    end: Arc<OwnedFd>,
    under_way: Option<mpsc::Receiver<Option<Link>>>,
}

impl Calls {
    /// None yet.
    ///
    /// **Errors**: [`ServerError::System`].
    pub(crate) fn new(call: Call) -> Result<Calls, ServerError> {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (ended, end) =
            rustix::pipe::pipe_with(flags).map_err(system("prepare for calling the client"))?;
        Ok(Calls { call, ended, end: Arc::new(end), under_way: None })
    }

    /// Calls the client, unless it is being called.
    pub(crate) fn start(&mut self) {
        if self.under_way.is_some() {
            return;
        }
        let (sender, receiver) = mpsc::channel();
        let (call, end) = (Arc::clone(&self.call), Arc::clone(&self.end));
        let calling = move || {
            // Nobody tells when it is ready for the next link.
            let _ = rustix::event::poll(&mut [], Some(&PAUSE));
            let _ = sender.send(call().ok());
            // The pipe has room: it is emptied after each call.
            let _ = rustix::io::write(&*end, &[0]);
        };
        if std::thread::Builder::new().name("calling".to_owned()).spawn(calling).is_ok() {
            self.under_way = Some(receiver);
        }
    }

    /// The link to the client, if a call has reached it.
    pub(crate) fn attend(&mut self) -> Option<Link> {
        while matches!(rustix::io::read(&self.ended, &mut [0; 8]), Ok(1..)) {}
        match self.under_way.as_ref()?.try_recv() {
            Ok(link) => {
                self.under_way = None;
                link
            }
            Err(mpsc::TryRecvError::Empty) => None,
            Err(mpsc::TryRecvError::Disconnected) => {
                self.under_way = None;
                None
            }
        }
    }
}

impl AsFd for Calls {
    /// For poll(2).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}
