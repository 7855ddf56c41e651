//! The raw client of a process server: requests out, pipelined; replies and events in. It knows how
//! frames travel and are matched, not what any verb means.
//!
//! ```text
//!   caller ── send ──► one vectored write ══► link ══► server
//!   caller ◄─ wait ── Inbox ◄── reader thread ◄══ link ◄══ server
//! ```
//!
//! Replies are routed by their ids and events are queued in their order. Replies nobody asked for
//! and events of later versions are passed over.

mod error;
mod frame_reader;
mod inbox;

use std::io::IoSlice;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use dbglink::{Link, LinkShutdown, LinkWriter};
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::{Fault, FrameError, FrameKind, Verb, message};

pub use error::CallError;
use frame_reader::{FrameReader, ReadFailure};
pub use inbox::Arrival;
use inbox::{Inbox, TakenInstead};

/// What messages take of a frame beside the bulk bytes, at the very most.
const MESSAGE_LEN_MAX: u32 = 16 * 1024;

/// A connection to a process server.
///
/// **Threads**: one owner waits for replies and events; requests may be sent from any thread.
/// Dropping it ends the link.
pub struct Client {
    shared: Arc<Shared>,
    frame_len_max: u32,
    reader: Option<JoinHandle<()>>,
}

/// Wakes the owner of a [`Client`] out of [`Client::next`], from any thread. It does not keep the
/// connection open.
#[derive(Clone)]
pub struct Nudger {
    shared: Weak<Shared>,
}

/// Posts requests from any thread. It does not keep the connection open.
#[derive(Clone)]
pub struct Sender {
    shared: Weak<Shared>,
}

/// What a wait for a reply that may take long brings next.
pub enum Next<V: Verb> {
    /// Something that has arrived unasked, before the reply.
    Arrival(Arrival),
    /// The reply and its tail.
    Reply(Result<(V::Reply, Bytes), CallError>),
}

/// A request whose reply has not been taken yet. Dropping it gives the reply up.
pub struct Pending<V: Verb> {
    shared: Arc<Shared>,
    id: u32,
    /// `V` is only the type of the reply; no value of it is kept.
    verb: PhantomData<fn() -> V>,
}

struct Shared {
    inbox: Inbox,
    outbox: Mutex<Outbox>,
    shutdown: LinkShutdown,
}

struct Outbox {
    writer: LinkWriter,
    /// The id given last. Zero is never given.
    last_id: u32,
    /// The last request that was under way when a reply was waited for: waiting for it takes no
    /// longer than that.
    waited_to: u32,
    round_trips: u64,
}

impl Client {
    /// Opens the conversation: the greeting and a first request travel together, so that both cost
    /// one round trip.
    ///
    /// **Errors**: [`CallError::Refused`] with the server's words if it does not let this client
    /// in, [`CallError::Stranger`] if it does not speak this protocol, [`CallError::Lost`] if it
    /// hangs up.
    /// **Cost**: one round trip, in which the first request is under way as well.
    pub fn connect<V: Verb>(
        link: Link,
        hello: &Hello,
        first: &V,
    ) -> Result<(Client, Welcome, Pending<V>), CallError> {
        let shutdown = link.shutdown_handle();
        let (reader, writer) = link.split();
        let shared = Arc::new(Shared {
            inbox: Inbox::default(),
            outbox: Mutex::new(Outbox { writer, last_id: 0, waited_to: 0, round_trips: 0 }),
            shutdown,
        });
        let lost = |error: std::io::Error| CallError::Lost(format!("greeting the server: {error}"));
        shared
            .outbox()
            .writer
            .write_all_vectored(&mut [IoSlice::new(&hello.encode())])
            .map_err(lost)?;
        let pending = send(&shared, first, Bytes::new());

        let mut reader = FrameReader::new(reader);
        let frame = match reader.next() {
            Ok(Some(frame)) => frame,
            Err(ReadFailure::NoFrames(FrameError::WrongPreface)) => {
                return Err(CallError::Stranger);
            }
            Err(failure) if !matches!(failure, ReadFailure::CutOff) => {
                return Err(CallError::Lost(failure.to_string()));
            }
            _ => {
                let reason = "the server closed the connection instead of greeting";
                return Err(CallError::Lost(reason.to_owned()));
            }
        };
        let welcome = Welcome::decode(&frame).map_err(CallError::Refused)?;
        let frame_len_max = welcome.frame_len_max();
        reader.set_length_max(frame_len_max);

        let thread = std::thread::Builder::new().name("dbgeng-reader".to_owned());
        let thread = thread.spawn({
            let shared = Arc::clone(&shared);
            move || read_frames(reader, &shared)
        });
        let thread = thread.map_err(|error| CallError::Lost(format!("no thread: {error}")))?;
        let client = Client { shared, frame_len_max, reader: Some(thread) };
        Ok((client, welcome, pending))
    }

    /// Sends a request and does not wait: any number may be under way.
    ///
    /// **Shape**: a request that cannot be sent fails in [`Pending::wait`].
    /// **Cost**: none until the reply is waited for.
    pub fn send<V: Verb>(&self, verb: &V, tail: Bytes) -> Pending<V> {
        send(&self.shared, verb, tail)
    }

    /// Sends a request and waits for its reply.
    ///
    /// **Cost**: one round trip.
    pub fn call<V: Verb>(&self, verb: &V) -> Result<V::Reply, CallError> {
        self.send(verb, Bytes::new()).wait().map(|(reply, _)| reply)
    }

    /// Sends a request whose reply says nothing new. A success is passed over; a fault arrives as
    /// [`Arrival::Refused`] with the id that this returns.
    ///
    /// **Cost**: none.
    pub fn post<V: Verb>(&self, verb: &V) -> u32 {
        post(&self.shared, verb, Bytes::new())
    }

    /// What posts requests from other threads.
    ///
    /// **Cost**: none.
    pub fn sender(&self) -> Sender {
        Sender { shared: Arc::downgrade(&self.shared) }
    }

    /// The next thing that arrives unasked; without a deadline it waits for ever.
    ///
    /// **Shape**: `None` if `deadline` passes first, and at once when [`Arrival::Lost`] has been
    /// told.
    pub fn next(&self, deadline: Option<Instant>) -> Option<Arrival> {
        self.shared.inbox.next(deadline)
    }

    /// Has `waker` called, from another thread, whenever something arrives that
    /// [`next`](Client::next) gives: for owners that wait for other things as well. Only the first
    /// one counts.
    ///
    /// **Cost**: none.
    pub fn wake_by(&self, waker: impl Fn() + Send + Sync + 'static) {
        self.shared.inbox.set_waker(Box::new(waker));
    }

    /// Why the link is lost, if it is.
    ///
    /// **Cost**: none.
    pub fn lost(&self) -> Option<String> {
        self.shared.inbox.lost()
    }

    /// What wakes [`Client::next`] from other threads.
    ///
    /// **Cost**: none.
    pub fn nudger(&self) -> Nudger {
        Nudger { shared: Arc::downgrade(&self.shared) }
    }

    /// How many bulk bytes one request or reply may carry on this connection: `limit`, or less if
    /// the server takes only shorter frames.
    ///
    /// **Cost**: none.
    pub fn bulk_len_max(&self, limit: u32) -> u32 {
        self.frame_len_max.saturating_sub(MESSAGE_LEN_MAX).clamp(4096, limit.max(4096))
    }
}

impl Client {
    /// How many round trips have been waited for: requests that were sent before the first of their
    /// replies was waited for are one.
    ///
    /// **Cost**: none.
    pub fn round_trips(&self) -> u64 {
        self.shared.outbox().round_trips
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // If the link cannot be ended it is gone already, and the reader with it.
        let _ = self.shared.shutdown.shutdown();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Sender {
    /// Sends a request whose reply nobody waits for, as [`Client::post`] does.
    ///
    /// **Cost**: none.
    pub fn post<V: Verb>(&self, verb: &V, tail: Bytes) {
        if let Some(shared) = self.shared.upgrade() {
            post(&shared, verb, tail);
        }
    }
}

fn post<V: Verb>(shared: &Shared, verb: &V, tail: Bytes) -> u32 {
    let mut outbox = shared.outbox();
    let id = shared.reserve(&mut outbox);
    shared.inbox.expect_fault_only(id);
    shared.write(outbox, id, verb, tail);
    id
}

impl Nudger {
    /// Makes [`Client::next`] return [`Arrival::Nudged`], now or when it is called next.
    ///
    /// **Cost**: none.
    pub fn nudge(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.inbox.nudge();
        }
    }
}

impl<V: Verb> Pending<V> {
    /// Waits for the reply and its tail.
    ///
    /// **Errors**: [`CallError`]: refused, lost, or a reply that does not decode.
    /// **Cost**: what is left of one round trip.
    pub fn wait(self) -> Result<(V::Reply, Bytes), CallError> {
        self.shared.outbox().count_wait(self.id);
        self.answer(self.shared.inbox.take(self.id, None)?)
    }

    /// As [`Pending::wait`], but given up when `cancelled` becomes true and the client is nudged.
    ///
    /// **Errors**: also [`CallError::Cancelled`].
    /// **Cost**: what is left of one round trip.
    pub fn wait_unless(self, cancelled: &AtomicBool) -> Result<(V::Reply, Bytes), CallError> {
        self.shared.outbox().count_wait(self.id);
        self.answer(self.shared.inbox.take(self.id, Some(cancelled))?)
    }

    /// Waits for the reply, or for what arrives before that, a nudge too. It is called until the
    /// reply has come.
    ///
    /// **Cost**: what is left of one round trip.
    pub fn next(&self) -> Next<V> {
        self.shared.outbox().count_wait(self.id);
        match self.shared.inbox.take_or_next(self.id) {
            Ok(frame) => Next::Reply(self.answer(frame)),
            Err(TakenInstead::Arrival(arrival)) => Next::Arrival(arrival),
            Err(TakenInstead::Failure(error)) => Next::Reply(Err(error)),
        }
    }

    fn answer(&self, frame: dbgwire::Frame) -> Result<(V::Reply, Bytes), CallError> {
        match message::read_answer::<V>(frame) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) => Err(CallError::Refused(fault)),
            Err(error) => Err(CallError::Malformed { verb: V::NAME, error }),
        }
    }
}

impl<V: Verb> Drop for Pending<V> {
    fn drop(&mut self) {
        self.shared.inbox.forget(self.id);
    }
}

impl Outbox {
    /// A reply is waited for. Those of requests that are under way by then come with it.
    fn count_wait(&mut self, id: u32) {
        let is_later = id.wrapping_sub(self.waited_to).cast_signed() > 0;
        if is_later {
            self.waited_to = self.last_id;
            self.round_trips += 1;
        }
    }
}

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request id that nothing is waiting for.
    fn reserve(&self, outbox: &mut Outbox) -> u32 {
        loop {
            outbox.last_id = outbox.last_id.wrapping_add(1);
            if outbox.last_id != 0 && self.inbox.is_free(outbox.last_id) {
                return outbox.last_id;
            }
        }
    }

    /// Writes the request; what fails is told to whoever waits for its reply.
    fn write<V: Verb>(&self, mut outbox: MutexGuard<'_, Outbox>, id: u32, verb: &V, tail: Bytes) {
        let encoded = match message::request(id, verb, tail) {
            Ok(encoded) => encoded,
            Err(error) => return self.inbox.fail(id, CallError::TooLong { verb: V::NAME, error }),
        };
        let mut buffers = [IoSlice::new(&encoded.head), IoSlice::new(&encoded.tail)];
        if let Err(error) = outbox.writer.write_all_vectored(&mut buffers) {
            self.inbox.lose(format!("writing to the server: {error}"));
            // The reader has nothing to wait for any more.
            let _ = self.shutdown.shutdown();
        }
    }
}

fn send<V: Verb>(shared: &Arc<Shared>, verb: &V, tail: Bytes) -> Pending<V> {
    let mut outbox = shared.outbox();
    let id = shared.reserve(&mut outbox);
    shared.inbox.expect(id);
    shared.write(outbox, id, verb, tail);
    Pending { shared: Arc::clone(shared), id, verb: PhantomData }
}

/// The reader thread: until the link ends, everything that arrives goes into the inbox.
fn read_frames(mut reader: FrameReader, shared: &Shared) {
    let reason = loop {
        let frame = match reader.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break "the server closed the connection".to_owned(),
            Err(failure) => break failure.to_string(),
        };
        let taken = match frame.kind {
            FrameKind::Reply | FrameKind::Fault => shared.inbox.answered(frame),
            FrameKind::Event => shared.inbox.happened(&frame),
            // Nothing a server says; a later version may have its reasons.
            FrameKind::Handshake | FrameKind::Request => Ok(()),
        };
        if let Err(reason) = taken {
            break reason;
        }
    };
    shared.inbox.lose(reason);
    let _ = shared.shutdown.shutdown();
}

/// The fault in a frame, whatever verb it answers; `None` if it is none.
fn fault_in(frame: dbgwire::Frame) -> Option<Fault> {
    // Faults look the same for all verbs; `Ping` stands for any.
    let frame = dbgwire::Frame { opcode: dbgwire::verbs::server::Ping::OPCODE, ..frame };
    message::read_answer::<dbgwire::verbs::server::Ping>(frame).ok()?.err()
}

#[cfg(test)]
#[path = "client/tests.rs"]
mod tests;
