//! A slow line between a client and a server: a relay of connections to a port or a pipe that holds
//! back every byte for a while, in both directions. It knows bytes and times, and no protocol.
//!
//! ```text
//!   client ══ relay's place ══ [ delay ] ══ server
//! ```
//!
//! The delay is that of a long wire: bytes follow each other as they came, and none waits for an
//! answer to another.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::event::Timespec;

/// How long a server is waited for.
const SERVER_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before trying again.
const SERVER_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// A relay. Connections end when it is dropped.
pub struct Relay {
    place: Spot,
    traffic: Arc<Traffic>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    has_ended: Arc<AtomicBool>,
}

/// Where somebody listens. Connections to a pipe are held as `TcpStream`, too: what is asked of
/// them any stream socket can do.
#[derive(Clone)]
pub(crate) enum Spot {
    Port(SocketAddr),
    Pipe(PathBuf),
}

pub(crate) enum Listener {
    Port(TcpListener),
    Pipe(UnixListener),
}

impl Spot {
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        match self {
            Spot::Port(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
            Spot::Pipe(path) => Ok(OwnedFd::from(UnixStream::connect(path)?).into()),
        }
    }

    /// **Panics** for a pipe.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Spot::Port(address) => *address,
            Spot::Pipe(path) => panic!("{} is no port", path.display()),
        }
    }

    /// **Panics** for a port.
    #[track_caller]
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Spot::Port(address) => panic!("{address} is no pipe"),
            Spot::Pipe(path) => path.clone(),
        }
    }
}

impl Listener {
    /// At a port of this address that the system chooses.
    #[track_caller]
    pub(crate) fn at_any_port(own: IpAddr) -> (Listener, Spot) {
        let listener = TcpListener::bind((own, 0)).expect("there are ports");
        let address = listener.local_addr().expect("a port has an address");
        (Listener::Port(listener), Spot::Port(address))
    }

    /// At a socket file, which is made.
    #[track_caller]
    pub(crate) fn at_pipe(path: &Path) -> (Listener, Spot) {
        let listener = UnixListener::bind(path).expect("a socket file can be made");
        (Listener::Pipe(listener), Spot::Pipe(path.to_owned()))
    }

    pub(crate) fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Listener::Port(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(stream)
            }
            Listener::Pipe(listener) => Ok(OwnedFd::from(listener.accept()?.0).into()),
        }
    }
}

/// What has gone through.
#[derive(Default)]
struct Traffic {
    /// Bytes to the server, and from it.
    bytes: [AtomicU64; 2],
    /// How often the server sent after the client had.
    turns: AtomicU64,
    was_client: AtomicBool,
    /// Everything, if it is kept.
    kept: Option<Mutex<Vec<u8>>>,
    /// When connections are cut, if they are.
    fuse: Option<Mutex<Fuse>>,
}

/// What cuts a connection after a random number of bytes, again and again.
struct Fuse {
    random: fastrand::Rng,
    /// The most bytes between two cuts.
    len_max: u64,
    /// How many are left until the next.
    left: u64,
    cuts: u64,
}

impl Fuse {
    fn new(seed: u64, len_max: u64) -> Fuse {
        // The first time is long enough for a greeting.
        Fuse { random: fastrand::Rng::with_seed(seed), len_max, left: len_max, cuts: 0 }
    }

    /// How many of so many bytes still pass, and whether the connection is cut behind them.
    fn burn(&mut self, count: usize) -> (usize, bool) {
        let passing = self.left.min(count as u64);
        self.left -= passing;
        let is_burnt = self.left == 0;
        if is_burnt {
            self.left = self.random.u64(1..=self.len_max);
            self.cuts += 1;
        }
        (passing as usize, is_burnt)
    }
}

/// Bytes on their way, each piece with the time at which it arrives.
#[derive(Default)]
struct Wire {
    under_way: Mutex<UnderWay>,
    changed: Condvar,
}

#[derive(Default)]
struct UnderWay {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    has_ended: bool,
}

impl Relay {
    /// A relay to a server, with half of `round_trip` each way. It is at this machine's own address
    /// of the server's family.
    ///
    /// **Panics** if there can be none.
    #[track_caller]
    pub fn start(server: SocketAddr, round_trip: Duration) -> Relay {
        Relay::at_port(server, round_trip, Traffic::default())
    }

    /// One without delay that keeps what goes through, for [`bytes_seen`](Relay::bytes_seen).
    ///
    /// **Panics** if there can be none.
    #[track_caller]
    pub fn listening_in(server: SocketAddr) -> Relay {
        let traffic = Traffic { kept: Some(Mutex::default()), ..Traffic::default() };
        Relay::at_port(server, Duration::ZERO, traffic)
    }

    /// One at a socket file of its own to that of a server at a pipe.
    ///
    /// **Panics** if there can be none.
    #[track_caller]
    pub fn at_pipe(place: &Path, server: &Path, round_trip: Duration) -> Relay {
        let (listener, place) = Listener::at_pipe(place);
        let places = [place, Spot::Pipe(server.to_owned())];
        Relay::carrying(listener, places, round_trip, Traffic::default())
    }

    /// One without delay that cuts its connections after random numbers of bytes, up to `len_max`,
    /// the first time after all of that: what was under way behind the cut is gone.
    ///
    /// **Panics** if there can be none.
    #[track_caller]
    pub fn cutting(server: SocketAddr, seed: u64, len_max: u64) -> Relay {
        let fuse = Some(Mutex::new(Fuse::new(seed, len_max)));
        Relay::at_port(server, Duration::ZERO, Traffic { fuse, ..Traffic::default() })
    }

    /// How often connections were cut after random numbers of bytes.
    pub fn cuts(&self) -> u64 {
        let fuse = self.traffic.fuse.as_ref();
        fuse.map_or(0, |fuse| fuse.lock().expect("a relay's fuse").cuts)
    }

    #[track_caller]
    fn at_port(server: SocketAddr, round_trip: Duration, traffic: Traffic) -> Relay {
        let own: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let (listener, place) = Listener::at_any_port(own);
        Relay::carrying(listener, [place, Spot::Port(server)], round_trip, traffic)
    }

    fn carrying(
        listener: Listener,
        [place, server]: [Spot; 2],
        round_trip: Duration,
        traffic: Traffic,
    ) -> Relay {
        let relay = Relay {
            place,
            traffic: Arc::new(traffic),
            streams: Arc::default(),
            has_ended: Arc::default(),
        };
        let (traffic, streams) = (Arc::clone(&relay.traffic), Arc::clone(&relay.streams));
        let has_ended = Arc::clone(&relay.has_ended);
        std::thread::spawn(move || {
            loop {
                let client = listener.accept();
                if has_ended.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { return };
                let Some(server) = connect(&server) else { continue };
                carry(client, server, round_trip / 2, &traffic, &streams);
            }
        });
        relay
    }

    /// Where clients connect.
    ///
    /// **Panics** for one at a pipe.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.place.address()
    }

    /// How many bytes have gone to the server, and from it.
    pub fn bytes(&self) -> (u64, u64) {
        let [to, from] = &self.traffic.bytes;
        (to.load(Ordering::SeqCst), from.load(Ordering::SeqCst))
    }

    /// What has gone through, in both directions; nothing if it is not kept.
    pub fn bytes_seen(&self) -> Vec<u8> {
        let kept = self.traffic.kept.as_ref();
        kept.map(|kept| kept.lock().expect("a relay's record").clone()).unwrap_or_default()
    }

    /// How often the server sent something after the client had: so many round trips were waited
    /// for, at most.
    pub fn turns(&self) -> u64 {
        self.traffic.turns.load(Ordering::SeqCst)
    }

    /// Cuts all connections, as a lost link does.
    pub fn cut(&self) {
        for stream in self.streams.lock().expect("a relay's list").drain(..) {
            // One that has ended already needs no cutting.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        self.cut();
        // Wakes the listener.
        let _ = self.place.connect();
    }
}

/// Connects to a server that may have to be started yet.
fn connect(server: &Spot) -> Option<TcpStream> {
    let deadline = Instant::now() + SERVER_PATIENCE;
    loop {
        match server.connect() {
            Ok(stream) => return Some(stream),
            Err(_) if Instant::now() > deadline => return None,
            // Nobody tells when it begins to listen.
            Err(_) => drop(rustix::event::poll(&mut [], Some(&SERVER_INTERVAL))),
        }
    }
}

fn carry(
    client: TcpStream,
    server: TcpStream,
    delay: Duration,
    traffic: &Arc<Traffic>,
    streams: &Arc<Mutex<Vec<TcpStream>>>,
) {
    let copy = |stream: &TcpStream| stream.try_clone().expect("a socket is copied");
    streams.lock().expect("a relay's list").extend([copy(&client), copy(&server)]);
    carry_one_way(copy(&client), copy(&server), delay, Arc::clone(traffic), true);
    carry_one_way(server, client, delay, Arc::clone(traffic), false);
}

fn carry_one_way(
    mut from: TcpStream,
    mut to: TcpStream,
    delay: Duration,
    traffic: Arc<Traffic>,
    is_client: bool,
) {
    let wire = Arc::new(Wire::default());
    let there = Arc::clone(&wire);
    std::thread::spawn(move || {
        while let Some(piece) = there.take() {
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            traffic.note(count as u64, is_client);
            if let Some(kept) = &traffic.kept {
                kept.lock().expect("a relay's record").extend_from_slice(&buffer[..count]);
            }
            let fuse = traffic.fuse.as_ref();
            let burn = |fuse: &Mutex<Fuse>| fuse.lock().expect("a relay's fuse").burn(count);
            let (passing, is_cut) = fuse.map_or((count, false), burn);
            wire.put(Some((Instant::now() + delay, buffer[..passing].to_vec())));
            if is_cut {
                let _ = from.shutdown(Shutdown::Both);
                break;
            }
        }
        wire.put(None);
    });
}

impl Traffic {
    fn note(&self, count: u64, is_client: bool) {
        self.bytes[usize::from(!is_client)].fetch_add(count, Ordering::SeqCst);
        let was_client = self.was_client.swap(is_client, Ordering::SeqCst);
        if was_client && !is_client {
            self.turns.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Wire {
    /// Puts a piece in, or the end.
    fn put(&self, piece: Option<(Instant, Vec<u8>)>) {
        let mut under_way = self.under_way.lock().expect("a relay's wire");
        match piece {
            Some(piece) => under_way.pieces.push_back(piece),
            None => under_way.has_ended = true,
        }
        self.changed.notify_one();
    }

    /// The next piece, when it arrives; `None` at the end.
    fn take(&self) -> Option<Vec<u8>> {
        let mut under_way = self.under_way.lock().expect("a relay's wire");
        loop {
            let now = Instant::now();
            let wait = match under_way.pieces.front() {
                Some((at, _)) if *at <= now => {
                    return under_way.pieces.pop_front().map(|(_, piece)| piece);
                }
                Some((at, _)) => *at - now,
                None if under_way.has_ended => return None,
                None => Duration::MAX,
            };
            under_way = self.changed.wait_timeout(under_way, wait).expect("a relay's wire").0;
        }
    }
}
