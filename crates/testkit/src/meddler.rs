//! Somebody in the middle of a link who changes what goes by, one record at a time: turns a bit,
//! takes away, sends again, puts in what belongs to another session, cuts. It knows records of TLS
//! by their headers, and nothing of what is in them.
//!
//! ```text
//!   client ══ meddler's place ══ [ deed at a record ] ══ server
//! ```
//!
//! It never waits for a time: what a deed has spoilt the two sides have to find out themselves.
//! Only where a side lacks something and nobody will send more, so that both would wait for ever,
//! more is asked for, and if nobody can be asked the link is cut.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::DEADLINE;
use crate::relay::{Listener, Spot};

/// The header of a record: type, version, length (RFC 8446, 5.1).
const HEADER_LEN: usize = 5;
/// The type of a record that is part of a handshake, in the clear.
const HANDSHAKE: u8 = 22;
/// A message of it that ends with its own length, as it says nothing but what it is: a server of
/// TLS 1.2 is done (RFC 5246, 7.4.5).
const SERVER_HELLO_DONE: [u8; 4] = [14, 0, 0, 0];

/// What is done to one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// A bit of its first byte behind the header is turned.
    FlipFirst,
    /// A bit of its last byte is turned.
    FlipLast,
    /// A bit of its length is turned.
    FlipLength,
    /// It is taken away.
    Drop,
    /// It is sent twice.
    Replay,
    /// The record that had this place in an earlier session is sent instead.
    Splice,
    /// It is the last that is sent.
    CutBehind,
    /// Only its first half is sent.
    CutWithin,
}

/// All deeds.
pub const DEEDS: [Deed; 8] = [
    Deed::FlipFirst,
    Deed::FlipLast,
    Deed::FlipLength,
    Deed::Drop,
    Deed::Replay,
    Deed::Splice,
    Deed::CutBehind,
    Deed::CutWithin,
];

/// The place of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// On which link, counted from 0.
    pub link: usize,
    /// In which direction.
    pub is_to_server: bool,
    /// Which one, counted from 0.
    pub index: usize,
}

/// To which record something is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum At {
    /// The one at this place.
    Place(Place),
    /// The first with these bytes.
    With(Vec<u8>),
}

/// What has gone by.
#[derive(Clone, Default, Debug)]
pub struct Course {
    /// The records as they came.
    pub records: BTreeMap<Place, Vec<u8>>,
    /// In which order.
    order: Vec<Place>,
    /// Of each link, how many records belong to its handshake: from the server, and to it.
    handshakes: Vec<[usize; 2]>,
}

impl Course {
    /// How many records of this one's direction belong to the handshake of its link.
    fn handshake_len(&self, place: Place) -> usize {
        let lens = self.handshakes.get(place.link).copied().unwrap_or_default();
        lens[usize::from(place.is_to_server)]
    }

    /// Whether it belongs to a handshake.
    pub fn is_handshake(&self, place: Place) -> bool {
        place.index < self.handshake_len(place)
    }

    /// Whether it is the last of its direction.
    pub fn is_last(&self, place: Place) -> bool {
        !self.records.contains_key(&Place { index: place.index + 1, ..place })
    }

    /// Whether its sender sends another one without waiting for an answer to it.
    fn is_followed(&self, place: Place) -> bool {
        let behind = self.order.iter().skip_while(|other| **other != place).skip(1);
        let mut same_link = behind.filter(|other| other.link == place.link);
        same_link.next().is_some_and(|next| next.is_to_server == place.is_to_server)
    }
}

/// What is done in a session.
#[derive(Clone, Default)]
pub struct Plan {
    /// What, and to which records. In the order in which these come.
    pub deeds: Vec<(At, Deed)>,
    /// How a session of the same kind went to which the last of them was not done.
    pub earlier: Arc<Course>,
    /// Whether records are TLS's; otherwise one is whatever is read at once.
    pub is_tls: bool,
}

/// The one in the middle. Links end when it is dropped.
pub struct Meddler {
    spot: Spot,
    shared: Arc<Shared>,
}

/// Asks a side to send something, to which the other one answers.
type Prod = Arc<dyn Fn() + Send + Sync>;

struct Shared {
    plan: Plan,
    /// Whether it is the server that calls.
    server_calls: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    course: Course,
    /// Which deeds were done, as far as there are any.
    done: usize,
    prod: Option<Prod>,
    /// Of each link.
    streams: Vec<[TcpStream; 2]>,
    /// How many directions of links have not ended.
    under_way: usize,
    /// Whether everything that matters has arrived.
    is_complete: bool,
    /// Whether that was so when the last deed was done.
    is_late: bool,
    is_over: bool,
}

/// What becomes of a link behind a record.
enum Then {
    GoOn,
    Prod(Prod),
    Cut,
}

impl Meddler {
    /// One at a port of this machine. For each link that is opened to it, `dial` opens one to the
    /// other side, which is the client if `server_calls`.
    ///
    /// **Panics** if there can be none.
    #[track_caller]
    pub fn at_port(
        plan: Plan,
        server_calls: bool,
        dial: impl Fn() -> io::Result<TcpStream> + Send + 'static,
    ) -> Meddler {
        let (listener, spot) = Listener::at_any_port(std::net::Ipv4Addr::LOCALHOST.into());
        Meddler::start(listener, spot, plan, server_calls, dial)
    }

    /// One at a socket file.
    ///
    /// **Panics** if there can be none.
    #[track_caller]
    pub fn at_pipe(
        place: &Path,
        plan: Plan,
        dial: impl Fn() -> io::Result<TcpStream> + Send + 'static,
    ) -> Meddler {
        let (listener, spot) = Listener::at_pipe(place);
        Meddler::start(listener, spot, plan, false, dial)
    }

    fn start(
        listener: Listener,
        spot: Spot,
        plan: Plan,
        server_calls: bool,
        dial: impl Fn() -> io::Result<TcpStream> + Send + 'static,
    ) -> Meddler {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { plan, server_calls, state, changed });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok(caller) = listener.accept() {
                if theirs.state().is_over {
                    return;
                }
                // Who cannot be reached has gone, and the caller learns of it by the end.
                let Ok(called) = dial() else { continue };
                theirs.carry_link(caller, called);
            }
        });
        Meddler { spot, shared }
    }

    /// At which port.
    ///
    /// **Panics** for one at a socket file.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.spot.address()
    }

    /// The socket file.
    ///
    /// **Panics** for one at a port.
    #[track_caller]
    pub fn path(&self) -> PathBuf {
        self.spot.path()
    }

    /// All that has come of the newest link is its handshake, and the client has just seen its end.
    pub fn handshake_is_over(&self) {
        let mut state = self.shared.state();
        let Some(link) = state.streams.len().checked_sub(1) else { return };
        let lens = [false, true].map(|is_to_server| {
            let is_its = |place: &&Place| place.link == link && place.is_to_server == is_to_server;
            state.course.order.iter().filter(is_its).count()
        });
        state.course.handshakes.resize(link + 1, [0; 2]);
        state.course.handshakes[link] = lens;
    }

    /// What makes the client send something from now on, to which the server answers.
    pub fn set_prod(&self, prod: impl Fn() + Send + Sync + 'static) {
        self.shared.state().prod = Some(Arc::new(prod));
    }

    /// Everything that matters has arrived; what still goes by are farewells.
    pub fn dialogue_is_complete(&self) {
        self.shared.state().is_complete = true;
    }

    /// What has gone by.
    pub fn course(&self) -> Course {
        self.shared.state().course.clone()
    }

    /// How many links there were.
    pub fn links(&self) -> usize {
        self.shared.state().streams.len()
    }

    /// Whether all deeds were done. A deed is not done if its place has no record, or if the record
    /// is the same afterwards: what is no secret may be so in two sessions.
    pub fn is_done(&self) -> bool {
        self.shared.state().done == self.shared.plan.deeds.len()
    }

    /// Whether all that mattered had arrived when the last deed was done.
    pub fn is_late(&self) -> bool {
        self.shared.state().is_late
    }

    /// Waits until all links have ended.
    ///
    /// **Panics** if they do not.
    #[track_caller]
    pub fn wait_until_over(&self) {
        let state = self.shared.state();
        let waited = self.shared.changed.wait_timeout_while(state, DEADLINE, |state| {
            // Nothing has to be waited for before the first link, which may never come.
            state.under_way > 0
        });
        let waited = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.1.timed_out(), "waited in vain for the end of {} ways", waited.0.under_way);
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        let links = {
            let mut state = self.shared.state();
            state.is_over = true;
            // It may hold what holds this.
            state.prod = None;
            state.streams.len()
        };
        (0..links).for_each(|link| self.shared.cut(link));
        // Wakes the listener.
        let _ = self.spot.connect();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_link(self: &Arc<Shared>, caller: TcpStream, called: TcpStream) {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a socket is copied");
        let link = {
            let mut state = self.state();
            state.streams.push([copy(&caller), copy(&called)]);
            state.under_way += 2;
            state.streams.len() - 1
        };
        let ways = [(copy(&caller), copy(&called)), (called, caller)];
        for ((from, to), is_to_called) in ways.into_iter().zip([true, false]) {
            let shared = Arc::clone(self);
            let is_to_server = is_to_called != self.server_calls;
            std::thread::spawn(move || shared.carry(from, to, (link, is_to_server)));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, (link, is_to_server): (usize, bool)) {
        let mut index = 0;
        while let Some(record) = self.read(&mut from) {
            let (sent, then) = self.change(Place { link, is_to_server, index }, record);
            index += 1;
            if to.write_all(&sent).is_err() {
                break;
            }
            match then {
                Then::GoOn => {}
                Then::Prod(prod) => prod(),
                Then::Cut => self.cut(link),
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        self.state().under_way -= 1;
        self.changed.notify_all();
    }

    /// The next record, or what comes at once.
    fn read(&self, from: &mut TcpStream) -> Option<Vec<u8>> {
        if !self.plan.is_tls {
            let mut bytes = vec![0; 65536];
            let count = from.read(&mut bytes).ok().filter(|count| *count > 0)?;
            bytes.truncate(count);
            return Some(bytes);
        }
        let mut record = vec![0; HEADER_LEN];
        from.read_exact(&mut record).ok()?;
        let len = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(HEADER_LEN + len, 0);
        from.read_exact(&mut record[HEADER_LEN..]).ok()?;
        Some(record)
    }

    /// What is sent for a record, and what becomes of the link then.
    fn change(&self, place: Place, record: Vec<u8>) -> (Vec<u8>, Then) {
        let mut state = self.state();
        state.course.records.insert(place, record.clone());
        state.course.order.push(place);
        let Some((at, deed)) = self.plan.deeds.get(state.done) else { return (record, Then::GoOn) };
        let is_here = match at {
            At::Place(at) => *at == place,
            At::With(bytes) => record.windows(bytes.len()).any(|piece| piece == bytes),
        };
        if !is_here {
            return (record, Then::GoOn);
        }
        let changed = deed.done_to(&record, self.plan.earlier.records.get(&place));
        if !deed.cuts() && changed == record {
            return (record, Then::GoOn);
        }
        state.done += 1;
        state.is_late = state.is_complete;
        let then = match deed.cuts() {
            true => Then::Cut,
            false if deed.leaves_waiting(&record) => self.want_more(place, state.prod.as_ref()),
            false => Then::GoOn,
        };
        (changed, then)
    }

    /// How it comes about that more is sent behind a record, without which its receiver waits.
    fn want_more(&self, place: Place, prod: Option<&Prod>) -> Then {
        let earlier = &self.plan.earlier;
        if earlier.is_handshake(place) {
            // Whoever says one thing after the other goes on by itself; the others do not.
            return if earlier.is_followed(place) { Then::GoOn } else { Then::Cut };
        }
        // Behind the handshake come greetings, and before these nobody can be asked for anything.
        let is_greeting = place.index == earlier.handshake_len(place);
        prod.filter(|_| !is_greeting).map_or(Then::Cut, |prod| Then::Prod(Arc::clone(prod)))
    }

    fn cut(&self, link: usize) {
        let state = self.state();
        for stream in state.streams.get(link).into_iter().flatten() {
            // One that has ended already needs no cutting.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Deed {
    /// What it makes of a record. `earlier` is the one that had its place.
    fn done_to(self, record: &[u8], earlier: Option<&Vec<u8>>) -> Vec<u8> {
        let mut changed = record.to_vec();
        let last = record.len() - 1;
        match self {
            Deed::FlipFirst => changed[HEADER_LEN.min(last)] ^= 0x10,
            Deed::FlipLast => changed[last] ^= 0x01,
            Deed::FlipLength => changed[(HEADER_LEN - 1).min(last)] ^= 0x01,
            Deed::Drop => changed.clear(),
            Deed::Replay => changed.extend_from_slice(record),
            Deed::Splice => changed = earlier.map_or(changed, Vec::clone),
            Deed::CutWithin => changed.truncate(record.len() / 2),
            Deed::CutBehind => {}
        }
        changed
    }

    /// Whether nothing is sent behind it.
    fn cuts(self) -> bool {
        matches!(self, Deed::CutBehind | Deed::CutWithin)
    }

    /// Whether who gets what it makes of this record may not notice until more comes.
    fn leaves_waiting(self, record: &[u8]) -> bool {
        match self {
            Deed::Drop | Deed::FlipLength => true,
            Deed::FlipLast => {
                record.first() == Some(&HANDSHAKE) && record.ends_with(&SERVER_HELLO_DONE)
            }
            _ => false,
        }
    }
}
