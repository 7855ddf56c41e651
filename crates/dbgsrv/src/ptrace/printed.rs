//! The way of printed texts to the client: a queue that a thread of its own empties, so that a
//! client that takes them slowly holds up nobody. What the queue has no room for is dropped and
//! counted. Whoever sends another event empties it first.
//!
//! ```text
//!   tracer thread ── print ──► queue ──┬── printing thread ──┬──► client
//!                                      └── flush ────────────┘    one at a time: the door
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dbgwire::AnyEvent;
use dbgwire::event::Printed;

use crate::terminal::Events;

/// How many bytes wait at most, each text counted with [`TEXT_COST`] bytes more.
const QUEUE_LEN_MAX: usize = 256 * 1024;
/// About what an event takes besides its text.
const TEXT_COST: usize = 64;
/// How long a text grows by those of later hits.
const JOINED_LEN_MAX: usize = 16 * 1024;

/// Takes texts from the tracer thread.
pub(super) struct Printer {
    shared: Arc<Shared>,
    has_thread: bool,
}

struct Shared {
    events: Events,
    /// Held from a text's leaving the queue until it is sent.
    door: Mutex<()>,
    queue: Mutex<Queue>,
    /// Told when the queue is no longer empty, or over.
    news: Condvar,
}

#[derive(Default)]
struct Queue {
    texts: VecDeque<(Printed, Vec<u8>)>,
    /// How many bytes wait.
    len: usize,
    /// The last text that was dropped since one was taken in, and how many were. Its text is gone.
    lost: Option<Printed>,
    /// Whether texts wait for a flush.
    is_paused: bool,
    is_over: bool,
}

impl Queue {
    /// Takes a text in, or drops it.
    fn push(&mut self, event: Printed, text: Vec<u8>) {
        let cost = text.len() + TEXT_COST;
        if self.len + cost > QUEUE_LEN_MAX {
            let lost = self.lost.map_or(0, |lost| lost.lost) + 1;
            self.lost = Some(Printed { lost, fault: None, command: 0, ..event });
            return;
        }
        let lost = self.lost.take().map_or(0, |lost| lost.lost);
        let is_joined = lost == 0 && event.fault.is_none();
        if is_joined
            && let Some((last, texts)) = self.texts.back_mut()
            && is_same(last, &event)
            && texts.len() + text.len() <= JOINED_LEN_MAX
        {
            self.len += text.len();
            texts.extend(text);
            return;
        }
        self.len += cost;
        self.texts.push_back((Printed { lost, ..event }, text));
    }

    /// What is to be sent next: behind the texts, how many were dropped.
    fn pop(&mut self) -> Option<(Printed, Vec<u8>)> {
        let Some((event, text)) = self.texts.pop_front() else {
            return self.lost.take().map(|lost| (lost, Vec::new()));
        };
        self.len = self.len.saturating_sub(text.len() + TEXT_COST);
        Some((event, text))
    }
}

/// Whether texts of these events may become one.
fn is_same(last: &Printed, next: &Printed) -> bool {
    let who = |event: &Printed| (event.target, event.tid, event.site);
    who(last) == who(next) && last.fault.is_none()
}

impl Printer {
    /// Sends to these events.
    pub(super) fn new(events: Events) -> Printer {
        let (door, queue, news) = (Mutex::default(), Mutex::default(), Condvar::new());
        Printer { shared: Arc::new(Shared { events, door, queue, news }), has_thread: false }
    }

    /// Takes a text in that is to be sent. Never waits for the client.
    ///
    /// **Threads**: the first one starts one.
    pub(super) fn print(&mut self, event: Printed, text: Vec<u8>) {
        self.shared.lock().push(event, text);
        if self.has_thread {
            self.shared.news.notify_one();
            return;
        }
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("printer".to_owned());
        self.has_thread = thread.spawn(move || shared.run()).is_ok();
        if !self.has_thread {
            self.flush();
        }
    }

    /// Has texts wait, but for those in front of another event.
    pub(super) fn pause(&self, is_paused: bool) {
        self.shared.lock().is_paused = is_paused;
        self.shared.news.notify_one();
    }

    /// Sends all that waits. When this returns nothing of it is on its way any more.
    pub(super) fn flush(&self) {
        if self.has_thread || !self.shared.lock().texts.is_empty() {
            self.shared.send_all();
        }
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.news.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let queue = self.lock();
            let is_idle = |queue: &mut Queue| {
                let is_empty = queue.texts.is_empty() && queue.lost.is_none();
                (is_empty || queue.is_paused) && !queue.is_over
            };
            let queue = self.news.wait_while(queue, is_idle);
            if queue.unwrap_or_else(PoisonError::into_inner).is_over {
                return;
            }
            self.send_next();
        }
    }

    /// Sends one text. Whether there was any.
    fn send_next(&self) -> bool {
        let _door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.lock().pop();
        let Some((event, text)) = next else { return false };
        (self.events)(AnyEvent::Printed(event), Bytes::from(text));
        true
    }

    fn send_all(&self) {
        while self.send_next() {}
    }
}

#[cfg(test)]
#[path = "printed/tests.rs"]
mod tests;
