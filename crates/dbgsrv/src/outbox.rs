//! Everything a session sends: replies and events, one frame at a time, events numbered in the
//! order in which they leave. What a client that may come again has not confirmed is kept for its
//! next link. It does not know what is in the frames.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use dbglink::{LinkShutdown, LinkWriter};
use dbgwire::event::Ending;
use dbgwire::{AnyEvent, Encoded, ErrorCode, Fault, FrameError, Record, Verb, message};

use crate::answer::{Answer, Outcome};
use crate::audit;

/// How long a client that is told of the end may take to take it.
const ENDING_PATIENCE: Duration = Duration::from_secs(1);
/// The most that is kept for a client's next link. While a link works its client confirms far more
/// often; one that lacks what is kept no more cannot take its session up again.
const RECORD_LEN_MAX: usize = 64 * 1024 * 1024;

/// The sending side of a session's link. Clones share it.
#[derive(Clone)]
pub(crate) struct Outbox {
    inner: Arc<Mutex<Inner>>,
    shutdown: Arc<Mutex<LinkShutdown>>,
}

struct Inner {
    /// `None` while there is no link.
    writer: Option<LinkWriter>,
    last_event: u32,
    /// What was sent and may not have arrived; `None` if this client does not come again.
    record: Option<Record>,
    /// The requests that are not answered yet, by number.
    unanswered: BTreeSet<u32>,
}

impl Inner {
    fn new(writer: LinkWriter, record: Option<Record>) -> Inner {
        Inner { writer: Some(writer), last_event: 0, record, unanswered: BTreeSet::new() }
    }
}

impl Outbox {
    /// Sends through `writer`; `shutdown` ends the link.
    pub(crate) fn new(writer: LinkWriter, shutdown: LinkShutdown) -> Outbox {
        let inner = Inner::new(writer, None);
        Outbox { inner: Arc::new(Mutex::new(inner)), shutdown: Arc::new(Mutex::new(shutdown)) }
    }

    /// Sends to another client from now on, which has been sent no event yet. `record` is what was
    /// sent to it, if it is one that may come again.
    pub(crate) fn reopen(
        &self,
        writer: LinkWriter,
        shutdown: LinkShutdown,
        record: Option<Record>,
    ) {
        *self.inner() = Inner::new(writer, record);
        *self.shutdown() = shutdown;
    }

    /// From now on keeps what is sent, for the client's next link.
    pub(crate) fn keep(&self) {
        self.inner().record = Some(Record::default());
    }

    /// How many frames were sent to a client that may come again.
    pub(crate) fn sent(&self) -> Option<u64> {
        self.inner().record.as_ref().map(Record::sent)
    }

    /// The client has confirmed so many frames, modulo 2^32.
    pub(crate) fn confirmed(&self, count: u32) {
        if let Some(record) = &mut self.inner().record {
            record.arrived_modulo(count);
        }
    }

    /// The client has no link for now: what is sent is kept.
    ///
    /// **Shape**: whether it is kept. Otherwise the client cannot come again.
    pub(crate) fn lose(&self) -> bool {
        self.close();
        let mut inner = self.inner();
        inner.writer = None;
        inner.record.is_some()
    }

    /// Nothing is kept any more: the client cannot come again.
    pub(crate) fn forget(&self) {
        self.inner().record = None;
    }

    /// Whether the client can still come again.
    pub(crate) fn keeps(&self) -> bool {
        self.inner().record.is_some()
    }

    /// The client has come again: `welcome` is sent, and behind it what it has not received, beyond
    /// the `arrived` frames that it has.
    ///
    /// **Shape**: `false` if that is not kept; nothing is sent then.
    pub(crate) fn resume(
        &self,
        mut writer: LinkWriter,
        shutdown: LinkShutdown,
        welcome: &[u8],
        arrived: u64,
    ) -> bool {
        let mut inner = self.inner();
        let Some(record) = &mut inner.record else { return false };
        let Some(mut frames) = record.behind(arrived) else { return false };
        // From now on it is this link that is ended when the session is.
        *self.shutdown() = shutdown;
        let is_sent = writer.write_all_vectored(&mut [IoSlice::new(welcome)]).is_ok()
            && frames.all(|frame| write(&mut writer, frame));
        drop(frames);
        record.arrived(arrived);
        if is_sent {
            inner.writer = Some(writer);
        } else {
            self.close();
        }
        true
    }

    /// Takes note of a request that is to be answered. `false` if another one of this number is
    /// not answered yet: nobody could tell then which of them is.
    pub(crate) fn owe(&self, id: u32) -> bool {
        self.inner().unanswered.insert(id)
    }

    /// Whether the client has been sent any event.
    pub(crate) fn has_sent_events(&self) -> bool {
        self.inner().last_event != 0
    }

    /// Sends bytes that are not a frame of a verb or event: those of the handshake.
    pub(crate) fn send_raw(&self, bytes: &[u8]) {
        let mut inner = self.inner();
        let slices = &mut [IoSlice::new(bytes)];
        let is_sent =
            inner.writer.as_mut().is_some_and(|writer| writer.write_all_vectored(slices).is_ok());
        if !is_sent {
            self.close();
        }
    }

    /// Sends what became of a request.
    pub(crate) fn send_outcome<V: Verb>(&self, id: u32, outcome: Outcome<V::Reply>) {
        audit::answered(id, outcome.as_ref().map(|(reply, _)| reply as &dyn std::any::Any));
        let fault = match outcome {
            Ok((reply, tail)) => match message::reply::<V>(id, &reply, tail) {
                Ok(encoded) => return self.pay(id, encoded),
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
        self.pay(id, message::fault(id, opcode, fault));
    }

    /// Sends the answer to a request.
    fn pay(&self, id: u32, encoded: Encoded) {
        let mut inner = self.inner();
        inner.unanswered.remove(&id);
        self.send(&mut inner, encoded);
    }

    /// The duty to answer request `id`, for a backend.
    pub(crate) fn answer<V: Verb + 'static>(&self, id: u32) -> Answer<V::Reply> {
        let outbox = self.clone();
        Answer::new(move |outcome| outbox.send_outcome::<V>(id, outcome))
    }

    /// Sends an event.
    pub(crate) fn send_event(&self, event: &AnyEvent, tail: Bytes) {
        audit::followed(event);
        let mut inner = self.inner();
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
            self.send(&mut inner, encoded);
        }
    }

    /// Tells the client that the session ends, and why, and ends the link. A client that takes
    /// nothing is not waited for.
    pub(crate) fn end(&self, reason: &str) {
        let (outbox, reason) = (self.clone(), reason.to_owned());
        let (said, is_said) = mpsc::channel();
        let say = move || {
            // Before the link ends, which the session would wait for anew otherwise.
            outbox.forget();
            outbox.send_event(&AnyEvent::Ending(Ending { reason }), Bytes::new());
            let _ = said.send(());
        };
        if std::thread::Builder::new().name("ending".to_owned()).spawn(say).is_ok() {
            let _ = is_said.recv_timeout(ENDING_PATIENCE);
        }
        self.close();
        // Of a client that takes nothing the other thread can do so only now.
        self.forget();
    }

    /// Ends the link: the session's reader sees its end.
    pub(crate) fn close(&self) {
        let shutdown = self.shutdown().clone();
        let _ = shutdown.shutdown();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shutdown(&self) -> MutexGuard<'_, LinkShutdown> {
        self.shutdown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one frame, and keeps it. A link that takes no more bytes is a lost one.
    fn send(&self, inner: &mut Inner, encoded: Encoded) {
        if let Some(writer) = &mut inner.writer
            && !write(writer, &encoded)
        {
            inner.writer = None;
            self.close();
        }
        if let Some(record) = &mut inner.record {
            record.keep(encoded);
            record.trim(RECORD_LEN_MAX);
        }
    }
}

fn write(writer: &mut LinkWriter, frame: &Encoded) -> bool {
    let mut slices = [IoSlice::new(&frame.head), IoSlice::new(&frame.tail)];
    writer.write_all_vectored(&mut slices).is_ok()
}
