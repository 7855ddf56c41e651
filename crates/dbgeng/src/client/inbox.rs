//! What has arrived and what is waited for, between the reader thread and the owner. It knows ids
//! and kinds of frames, not the link.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use dbgwire::{AnyEvent, Fault, Frame};

use super::{CallError, fault_in};

/// The most events that may lie unread. A server sends a few for each request that resumes; one
/// that sends so many is broken.
const ARRIVALS_MAX: usize = 65_536;

/// Something that arrives unasked.
#[derive(Clone, PartialEq, Debug)]
pub enum Arrival {
    /// An event, with its tail.
    Event(Box<AnyEvent>, Bytes),
    /// A request that was sent with [`Client::post`](super::Client::post) is refused.
    Refused {
        /// Its id.
        id: u32,
        /// Why.
        fault: Fault,
    },
    /// Someone called [`Nudger::nudge`](super::Nudger::nudge).
    Nudged,
    /// The link is lost, for this reason.
    Lost(String),
}

#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
    waker: OnceLock<Waker>,
    /// The last of the requests that were answered, in the order in which they were sent.
    last_answered: AtomicU32,
    /// Whether the server has said that it ends the session.
    is_ending: AtomicBool,
}

/// What is called when something has arrived.
type Waker = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    slots: HashMap<u32, Slot>,
    arrivals: VecDeque<Arrival>,
    is_nudged: bool,
    lost: Option<String>,
}

/// What a wait for an answer brings that is not the answer.
pub(super) enum TakenInstead {
    /// Something has arrived.
    Arrival(Arrival),
    /// There will be none.
    Failure(CallError),
}

/// What becomes of the answer to a request.
enum Slot {
    /// Someone will take it.
    Expected,
    /// Only a fault is of interest.
    FaultOnly,
    /// It has come.
    Come(Result<Frame, CallError>),
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no answer with this id is due.
    pub(super) fn is_free(&self, id: u32) -> bool {
        !self.state().slots.contains_key(&id)
    }

    /// The answer with this id will be taken.
    pub(super) fn expect(&self, id: u32) {
        self.state().slots.insert(id, Slot::Expected);
    }

    /// The answer with this id is of interest only if it is a fault.
    pub(super) fn expect_fault_only(&self, id: u32) {
        self.state().slots.insert(id, Slot::FaultOnly);
    }

    /// The answer with this id will not be taken.
    pub(super) fn forget(&self, id: u32) {
        self.state().slots.remove(&id);
    }

    /// The request with this id was not sent.
    pub(super) fn fail(&self, id: u32, error: CallError) {
        self.state().slots.insert(id, Slot::Come(Err(error)));
        self.changed.notify_all();
    }

    /// The last of the requests that were answered, in the order in which they were sent; 0 if none
    /// was.
    pub(super) fn last_answered(&self) -> u32 {
        self.last_answered.load(Ordering::Acquire)
    }

    /// Whether the server has said that it ends the session.
    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// An answer has come. One that nobody expects is passed over, and nobody is woken for it.
    pub(super) fn answered(&self, frame: Frame) -> Result<(), String> {
        let mut state = self.state();
        let id = frame.id;
        let last = self.last_answered.load(Ordering::Relaxed);
        if id.wrapping_sub(last).cast_signed() > 0 {
            self.last_answered.store(id, Ordering::Release);
        }
        match state.slots.get_mut(&id) {
            Some(slot @ Slot::Expected) => *slot = Slot::Come(Ok(frame)),
            Some(Slot::FaultOnly) => {
                state.slots.remove(&id);
                let Some(fault) = fault_in(frame) else { return Ok(()) };
                state.push(Arrival::Refused { id, fault })?;
                drop(state);
                self.arrived();
                return Ok(());
            }
            Some(Slot::Come(_)) | None => return Ok(()),
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// An event has come.
    ///
    /// **Errors**: why the conversation cannot go on: an event that does not decode may have been a
    /// stop, and its target would seem to run for ever.
    pub(super) fn happened(&self, frame: &Frame) -> Result<(), String> {
        let event = AnyEvent::decode(frame)
            .map_err(|error| format!("event {:#06x} of the server: {error}", frame.opcode))?;
        let Some(event) = event else { return Ok(()) };
        if matches!(event, AnyEvent::Ending(_)) {
            self.is_ending.store(true, Ordering::Release);
        }
        self.state().push(Arrival::Event(Box::new(event), frame.tail.clone()))?;
        self.arrived();
        Ok(())
    }

    /// The link is lost. Only the first reason counts.
    pub(super) fn lose(&self, reason: String) {
        let mut state = self.state();
        if state.lost.is_none() {
            state.lost = Some(reason.clone());
            state.arrivals.push_back(Arrival::Lost(reason));
        }
        drop(state);
        self.arrived();
    }

    /// From now on `waker` is called whenever something arrives.
    pub(super) fn set_waker(&self, waker: Waker) {
        // There is one owner, who says so once.
        let _ = self.waker.set(waker);
    }

    fn arrived(&self) {
        self.changed.notify_all();
        if let Some(waker) = self.waker.get() {
            waker();
        }
    }

    /// Wakes the owner.
    pub(super) fn nudge(&self) {
        self.state().is_nudged = true;
        self.changed.notify_all();
    }

    pub(super) fn lost(&self) -> Option<String> {
        self.state().lost.clone()
    }

    /// Waits for the answer with this id, or until `cancelled` is true.
    pub(super) fn take(&self, id: u32, cancelled: Option<&AtomicBool>) -> Result<Frame, CallError> {
        let mut state = self.state();
        loop {
            if let Some(answer) = state.answer(id) {
                return answer;
            }
            if let Some(reason) = &state.lost {
                return Err(CallError::Lost(reason.clone()));
            }
            if cancelled.is_some_and(|flag| flag.load(Ordering::Acquire)) {
                return Err(CallError::Cancelled);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next arrival or nudge, or if there is none the answer with this id. What arrived before
    /// the answer comes before it.
    pub(super) fn take_or_next(&self, id: u32) -> Result<Frame, TakenInstead> {
        let mut state = self.state();
        loop {
            if let Some(arrival) = state.arrivals.pop_front() {
                return Err(TakenInstead::Arrival(arrival));
            }
            if std::mem::take(&mut state.is_nudged) {
                return Err(TakenInstead::Arrival(Arrival::Nudged));
            }
            if let Some(answer) = state.answer(id) {
                return answer.map_err(TakenInstead::Failure);
            }
            if let Some(reason) = &state.lost {
                return Err(TakenInstead::Failure(CallError::Lost(reason.clone())));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next arrival, or a nudge, or `None` at the deadline or when nothing can come any more.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Option<Arrival> {
        let mut state = self.state();
        loop {
            if let Some(arrival) = state.arrivals.pop_front() {
                return Some(arrival);
            }
            if std::mem::take(&mut state.is_nudged) {
                return Some(Arrival::Nudged);
            }
            if state.lost.is_some() {
                return None;
            }
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl State {
    /// The answer with this id, if it has come.
    fn answer(&mut self, id: u32) -> Option<Result<Frame, CallError>> {
        match self.slots.remove(&id)? {
            Slot::Come(answer) => Some(answer),
            slot => {
                self.slots.insert(id, slot);
                None
            }
        }
    }

    fn push(&mut self, arrival: Arrival) -> Result<(), String> {
        if self.arrivals.len() >= ARRIVALS_MAX {
            return Err(format!("the server sent {ARRIVALS_MAX} events that nobody waited for"));
        }
        self.arrivals.push_back(arrival);
        Ok(())
    }
}
