//! The threads of this process that encrypt: they are waited for when it ends, so that what was
//! written last still leaves. It knows when each is over, not what it does.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Link, LinkError, LinkShutdown};

/// A thread that passes bytes on.
struct Relay {
    /// Its plain side, which the others have.
    link: LinkShutdown,
    /// Has no other end any more when the thread is over.
    is_over: Receiver<()>,
}

static RELAYS: Mutex<Vec<Relay>> = Mutex::new(Vec::new());

/// Starts a thread that passes on what is written to a link. It is the link's other end.
///
/// **Errors**: [`LinkError::Socket`] if there can be no more threads.
pub(crate) fn start(link: &Link, pass_on: impl FnOnce() + Send + 'static) -> Result<(), LinkError> {
    let (ends_with_it, is_over) = channel();
    let thread = std::thread::Builder::new().name("tls".to_owned());
    let started = thread.spawn(move || {
        pass_on();
        drop(ends_with_it);
    });
    started.map_err(|reason| LinkError::Socket { what: "start a thread that encrypts", reason })?;
    let mut relays = RELAYS.lock().unwrap_or_else(PoisonError::into_inner);
    relays.retain(|relay| !relay.is_done(Duration::ZERO));
    relays.push(Relay { link: link.shutdown_handle(), is_over });
    Ok(())
}

/// Ends writing to all links that this process encrypts, and waits until what was written has been
/// handed to the system, for `patience` at most. Whether it has. A program that ends calls it last;
/// of links that need no thread it knows nothing, as the system has their bytes already.
pub fn finish_links(patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    let relays = std::mem::take(&mut *RELAYS.lock().unwrap_or_else(PoisonError::into_inner));
    for relay in &relays {
        // It fails only for one that has ended.
        let _ = relay.link.finish_writing();
    }
    relays.iter().all(|relay| relay.is_done(deadline.saturating_duration_since(Instant::now())))
}

impl Relay {
    /// Whether it is over, or is so in time.
    fn is_done(&self, patience: Duration) -> bool {
        use std::sync::mpsc::RecvTimeoutError;

        self.is_over.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn what_was_written_last_is_waited_for_and_no_longer() {
        let (link, inner) = Link::pair().expect("a socket pair");
        let (begin, begins) = channel();
        let (done, is_done) = channel();
        start(&link, move || {
            begins.recv().expect("it is said");
            let mut bytes = Vec::new();
            inner.split().0.read_to_end(&mut bytes).expect("it ends");
            done.send(bytes.len()).expect("it is asked");
        })
        .expect("a thread");
        // A reader of the link lives as long as the program.
        let (_reader, mut writer) = link.split();
        writer.write_all(&[7; 50_000]).expect("room");
        begin.send(()).expect("it waits");
        assert!(finish_links(Duration::from_secs(60)));
        assert_eq!(is_done.try_recv(), Ok(50_000));
        assert!(writer.write_all(b"more").is_err(), "it was the end");
        let (link, inner) = Link::pair().expect("a socket pair");
        let (let_go, waits) = channel::<()>();
        start(&link, move || {
            let _ = (waits.recv(), inner);
        })
        .expect("a thread");
        assert!(!finish_links(Duration::from_millis(10)), "it is stuck");
        drop(let_go);
    }
}
