//! The raw client of a process server: requests out, pipelined; replies and events in. It knows how
//! frames travel and are matched, not what any verb means.
//!
//! ```text
//!   caller ── send ──► one vectored write ══► link ══► server
//!   caller ◄─ wait ── Inbox ◄── reader thread ◄══ link ◄══ server
//! ```
//!
//! Replies are routed by their ids and events are queued in their order. Replies nobody asked for
//! and events of later versions are passed over. A client that is told how to come again takes its
//! session up on a new link when the old one is lost (`comeback`), and its owner does not notice.

mod comeback;
mod error;
mod frame_reader;
mod inbox;
mod outbox;

use std::io::IoSlice;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use dbglink::{Link, LinkShutdown};
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::verbs::process::Claim;
use dbgwire::version::Capabilities;
use dbgwire::{Fault, FrameError, FrameKind, Verb, message};

use comeback::Comeback;
pub use comeback::{LinkNews, Return};
pub use error::CallError;
use frame_reader::{FrameReader, ReadFailure};
pub use inbox::Arrival;
use inbox::{Inbox, TakenInstead};
use outbox::Outbox;

/// How often it is tried to say farewell while somebody else sends.
const LEAVE_TRIES: usize = 1000;
/// After how many frames the server is told that they have arrived.
const CONFIRMED_FRAMES: u64 = 64;
/// After how many bytes it is.
const CONFIRMED_LEN: usize = 256 * 1024;

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
    /// Ends the link, also while somebody waits to write to it.
    shutdown: Mutex<LinkShutdown>,
    /// How many frames the server is to be told to have arrived; 0 for nothing to tell.
    to_confirm: AtomicU64,
    comeback: Comeback,
}

impl Client {
    /// Opens the conversation: the greeting and a first request travel together, so that both cost
    /// one round trip.
    ///
    /// With a `comeback` the client takes its session up again when the link is lost, if the server
    /// waits for it: requests, replies and events go on as if nothing had happened, each of them
    /// exactly once. Only when that fails is the link told to be lost. Dropping the client ends the
    /// session at once, as far as the server can still be told.
    ///
    /// **Errors**: [`CallError::Refused`] with the server's words if it does not let this client
    /// in, [`CallError::Stranger`] if it does not speak this protocol, [`CallError::Lost`] if it
    /// hangs up.
    /// **Cost**: one round trip, in which the first request is under way as well.
    pub fn connect<V: Verb>(
        link: Link,
        hello: &Hello,
        first: &V,
        comeback: Option<Return>,
    ) -> Result<(Client, Welcome, Pending<V>), CallError> {
        let shutdown = link.shutdown_handle();
        let (reader, mut writer) = link.split();
        let capabilities = match &comeback {
            Some(_) => Capabilities(hello.capabilities).with(Capabilities::RESUME),
            None => Capabilities(hello.capabilities),
        };
        let hello = Hello { capabilities: capabilities.0, ..hello.clone() };
        let lost = |error: std::io::Error| CallError::Lost(format!("greeting the server: {error}"));
        writer.write_all_vectored(&mut [IoSlice::new(&hello.encode())]).map_err(lost)?;
        let shared = Arc::new(Shared {
            inbox: Inbox::default(),
            outbox: Mutex::new(Outbox::new(writer, comeback.is_some())),
            shutdown: Mutex::new(shutdown),
            to_confirm: AtomicU64::new(0),
            comeback: Comeback::new(hello),
        });
        let pending = send(&shared, first, Bytes::new());

        let mut reader = FrameReader::new(reader);
        let welcome = read_welcome(&mut reader)?;
        let frame_len_max = welcome.frame_len_max();
        reader.set_length_max(frame_len_max);
        let comeback = comeback.filter(|_| !welcome.resume_token.is_empty());
        if comeback.is_none() {
            shared.outbox().forget();
        }
        shared.comeback.welcomed(&welcome);

        let thread = std::thread::Builder::new().name("dbgeng-reader".to_owned());
        let thread = thread.spawn({
            let shared = Arc::clone(&shared);
            move || read_frames(reader, &shared, comeback)
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
        self.shared.outbox().round_trips()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.comeback.give_up();
        self.shared.leave();
        // While it takes the session up again it may wait for the server.
        if let Some(reader) = self.reader.take().filter(|_| !self.shared.comeback.is_under_way()) {
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
    /// Makes [`Client::next`] return [`Arrival::Nudged`], now or when it is called next. While the
    /// session is being taken up again, the second call gives it up: people who press Ctrl+C again
    /// do not want to wait.
    ///
    /// **Cost**: none.
    pub fn nudge(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.comeback.nudged();
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

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the server how many frames have arrived, now or with the next request: the reader must
    /// not wait for anything.
    fn confirm(&self, arrived: u64) {
        let is_done = self.outbox.try_lock().is_ok_and(|mut outbox| outbox.confirm_now(arrived));
        self.to_confirm.store(if is_done { 0 } else { arrived }, Ordering::Release);
    }

    /// Says farewell, if nobody waits to write for longer than a moment, and ends the link.
    fn leave(&self) {
        let said = (0..LEAVE_TRIES).any(|_| match self.outbox.try_lock() {
            Ok(mut outbox) => {
                outbox.leave();
                true
            }
            Err(_) => {
                std::thread::yield_now();
                false
            }
        });
        // A server that has not heard it waits until the lease is over.
        let _ = said;
        self.end_link();
    }

    /// Ends the link: its reader sees the end, and nobody can write any more.
    fn end_link(&self) {
        let shutdown = self.shutdown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // If it cannot be ended it is gone already.
        let _ = shutdown.shutdown();
    }

    /// From now on it is this link that is ended.
    fn set_shutdown(&self, shutdown: LinkShutdown) {
        *self.shutdown.lock().unwrap_or_else(PoisonError::into_inner) = shutdown;
    }

    /// A request id that nothing is waiting for.
    fn reserve(&self, outbox: &mut Outbox) -> u32 {
        loop {
            let id = outbox.next_id();
            if id != 0 && self.inbox.is_free(id) {
                return id;
            }
        }
    }

    /// Writes the request; what fails is told to whoever waits for its reply.
    fn write<V: Verb>(&self, mut outbox: MutexGuard<'_, Outbox>, id: u32, verb: &V, tail: Bytes) {
        let encoded = match message::request(id, verb, tail) {
            Ok(encoded) => encoded,
            Err(error) => return self.inbox.fail(id, CallError::TooLong { verb: V::NAME, error }),
        };
        let receipt = Some(self.to_confirm.swap(0, Ordering::AcqRel)).filter(|count| *count > 0);
        let sent = outbox.send(id, encoded, receipt, self.inbox.last_answered());
        if outbox.take_broken() {
            // The reader has nothing to wait for any more.
            self.end_link();
        }
        if let Err(error) = sent {
            self.inbox.lose(format!("writing to the server: {error}"));
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

/// What a server says to a Hello.
fn read_welcome(reader: &mut FrameReader) -> Result<Welcome, CallError> {
    let frame = match reader.next() {
        Ok(Some(frame)) => frame,
        Err(ReadFailure::NoFrames(FrameError::WrongPreface)) => return Err(CallError::Stranger),
        Err(failure) if !matches!(failure, ReadFailure::CutOff) => {
            return Err(CallError::Lost(failure.to_string()));
        }
        _ => {
            let reason = "the server closed the connection instead of greeting";
            return Err(CallError::Lost(reason.to_owned()));
        }
    };
    Welcome::decode(&frame).map_err(CallError::Refused)
}

/// The reader thread: until the session ends, everything that arrives goes into the inbox.
fn read_frames(mut reader: FrameReader, shared: &Arc<Shared>, comeback: Option<Return>) {
    let (mut arrived, mut fruitless) = (0, 0);
    let reason = loop {
        let before = arrived;
        let end = read_link(&mut reader, shared, &mut arrived, comeback.is_some());
        let comeback = comeback.as_ref().filter(|_| !shared.inbox.is_ending());
        let (reason, comeback) = match (end, comeback) {
            (LinkEnd::Broken(reason), _) | (LinkEnd::Lost(reason), None) => break reason,
            (LinkEnd::Lost(reason), Some(comeback)) => (reason, comeback),
        };
        fruitless = if arrived == before { fruitless + 1 } else { 0 };
        match comeback::take_up(shared, comeback, reason, (arrived, fruitless)) {
            Ok(next) => reader = next,
            Err(reason) => break reason,
        }
    };
    shared.leave();
    shared.outbox().forget();
    shared.inbox.lose(reason);
}

/// Why no more can be read from a link.
enum LinkEnd {
    /// It is lost.
    Lost(String),
    /// The conversation cannot go on.
    Broken(String),
}

/// Reads what arrives on one link. `arrived` is how many frames have, on all of them; if `confirms`
/// the server is told now and then.
fn read_link(
    reader: &mut FrameReader,
    shared: &Shared,
    arrived: &mut u64,
    confirms: bool,
) -> LinkEnd {
    let mut confirmed = Confirmed { frames: *arrived, len: 0 };
    loop {
        let frame = match reader.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => return LinkEnd::Lost("the server closed the connection".to_owned()),
            Err(failure @ ReadFailure::NoFrames(_)) => return LinkEnd::Broken(failure.to_string()),
            Err(failure) => return LinkEnd::Lost(failure.to_string()),
        };
        *arrived += 1;
        if let Some(token) = new_token(&frame) {
            shared.comeback.set_token(token);
        }
        let len = frame.message.len() + frame.tail.len();
        let taken = match frame.kind {
            FrameKind::Reply | FrameKind::Fault => shared.inbox.answered(frame),
            FrameKind::Event => shared.inbox.happened(&frame),
            // Nothing a server says; a later version may have its reasons.
            FrameKind::Handshake
            | FrameKind::Request
            | FrameKind::Receipt
            | FrameKind::Farewell => Ok(()),
        };
        if let Err(reason) = taken {
            return LinkEnd::Broken(reason);
        }
        if confirms && confirmed.is_due(*arrived, len) {
            shared.confirm(*arrived);
        }
    }
}

/// What is to be shown for the session from now on, if the frame says so.
fn new_token(frame: &dbgwire::Frame) -> Option<Vec<u8>> {
    if frame.kind != FrameKind::Reply || frame.opcode != Claim::OPCODE {
        return None;
    }
    let (reply, _) = message::read_answer::<Claim>(frame.clone()).ok()?.ok()?;
    Some(reply.resume_token)
}

/// What the server was told of what has arrived.
struct Confirmed {
    frames: u64,
    /// How many bytes have come since.
    len: usize,
}

impl Confirmed {
    /// Whether it is time to tell it again: seldom enough to cost nothing, often enough that it has
    /// little to keep.
    fn is_due(&mut self, frames: u64, len: usize) -> bool {
        self.len += len;
        let is_due = frames - self.frames >= CONFIRMED_FRAMES || self.len >= CONFIRMED_LEN;
        if is_due {
            *self = Confirmed { frames, len: 0 };
        }
        is_due
    }
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
