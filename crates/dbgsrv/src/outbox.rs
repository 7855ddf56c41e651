//! Everything a session sends: replies and events, one frame at a time, events numbered in the
//! order in which they leave. It does not know what is in them.

use std::io::IoSlice;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use dbglink::{LinkShutdown, LinkWriter};
use dbgwire::event::Ending;
use dbgwire::{AnyEvent, Encoded, ErrorCode, Fault, FrameError, Verb, message};

use crate::answer::{Answer, Outcome};
use crate::audit;

/// How long a client that is told of the end may take to take it.
const ENDING_PATIENCE: Duration = Duration::from_secs(1);

/// The sending side of a session's link. Clones share it.
#[derive(Clone)]
pub(crate) struct Outbox {
    inner: Arc<Mutex<Inner>>,
    shutdown: Arc<Mutex<LinkShutdown>>,
}

struct Inner {
    writer: LinkWriter,
    last_event: u32,
}

impl Outbox {
    /// Sends through `writer`; `shutdown` ends the link.
    pub(crate) fn new(writer: LinkWriter, shutdown: LinkShutdown) -> Outbox {
        let inner = Arc::new(Mutex::new(Inner { writer, last_event: 0 }));
        Outbox { inner, shutdown: Arc::new(Mutex::new(shutdown)) }
    }

    /// Sends to another client from now on, which has been sent no event yet.
    pub(crate) fn reopen(&self, writer: LinkWriter, shutdown: LinkShutdown) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) =
            Inner { writer, last_event: 0 };
        *self.shutdown.lock().unwrap_or_else(PoisonError::into_inner) = shutdown;
    }

    /// Whether the client has been sent any event.
    pub(crate) fn has_sent_events(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last_event != 0
    }

    /// Sends bytes that are not a frame of a verb or event: those of the handshake.
    pub(crate) fn send_raw(&self, bytes: Vec<u8>) {
        self.send(&Encoded { head: bytes, tail: Bytes::new() });
    }

    /// Sends what became of a request.
    pub(crate) fn send_outcome<V: Verb>(&self, id: u32, outcome: Outcome<V::Reply>) {
        audit::answered(id, outcome.as_ref().map(|(reply, _)| reply as &dyn std::any::Any));
        let fault = match outcome {
            Ok((reply, tail)) => match message::reply::<V>(id, &reply, tail) {
                Ok(encoded) => return self.send(&encoded),
                Err(FrameError::TooLong { length, length_max }) => {
                    let detail = format!("the reply has {length} bytes; the limit is {length_max}");
                    Fault::new(ErrorCode::TooLarge, detail)
                }
                Err(error) => Fault::new(ErrorCode::Internal, error.to_string()),
            },
            Err(fault) => fault,
        };
        self.send_fault(id, V::OPCODE, &fault);
    }

    /// Sends why a request was not carried out.
    pub(crate) fn send_fault(&self, id: u32, opcode: u16, fault: &Fault) {
        audit::answered(id, Err(fault));
        self.send(&message::fault(id, opcode, fault));
    }

    /// The duty to answer request `id`, for a backend.
    pub(crate) fn answer<V: Verb + 'static>(&self, id: u32) -> Answer<V::Reply> {
        let outbox = self.clone();
        Answer::new(move |outcome| outbox.send_outcome::<V>(id, outcome))
    }

    /// Sends an event.
    pub(crate) fn send_event(&self, event: &AnyEvent, tail: Bytes) {
        audit::followed(event);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.last_event = inner.last_event.wrapping_add(1);
        let number = inner.last_event;
        let encoded = match event {
            AnyEvent::Stopped(event) => message::event(number, event, tail),
            AnyEvent::Exited(event) => message::event(number, event, tail),
            AnyEvent::Ending(event) => message::event(number, event, tail),
            AnyEvent::Output(event) => message::event(number, event, tail),
            AnyEvent::Created(event) => message::event(number, event, tail),
            AnyEvent::Signalled(event) => message::event(number, event, tail),
            AnyEvent::ModulesChanged(event) => message::event(number, event, tail),
            AnyEvent::Printed(event) => message::event(number, event, tail),
        };
        // Every event is far below the limit of a frame, whatever a target does: its windows and
        // lists are bounded where they are made.
        if let Ok(encoded) = encoded {
            self.write(&mut inner, &encoded);
        }
    }

    /// Tells the client that the session ends, and why, and ends the link. A client that takes
    /// nothing is not waited for.
    pub(crate) fn end(&self, reason: &str) {
        let (outbox, reason) = (self.clone(), reason.to_owned());
        let (said, is_said) = mpsc::channel();
        let say = move || {
            outbox.send_event(&AnyEvent::Ending(Ending { reason }), Bytes::new());
            let _ = said.send(());
        };
        if std::thread::Builder::new().name("ending".to_owned()).spawn(say).is_ok() {
            let _ = is_said.recv_timeout(ENDING_PATIENCE);
        }
        self.close();
    }

    /// Ends the link: the session's reader sees its end.
    pub(crate) fn close(&self) {
        let shutdown = self.shutdown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let _ = shutdown.shutdown();
    }

    fn send(&self, encoded: &Encoded) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut inner, encoded);
    }

    /// Writes one frame. A link that takes no more bytes is a lost one.
    fn write(&self, inner: &mut Inner, encoded: &Encoded) {
        let mut slices = [IoSlice::new(&encoded.head), IoSlice::new(&encoded.tail)];
        if inner.writer.write_all_vectored(&mut slices).is_err() {
            self.close();
        }
    }
}
