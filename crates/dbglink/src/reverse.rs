//! `clicon`: connections in the other direction. The client listens and waits; the server calls it,
//! and calls again for a while if nobody is there yet. It knows sockets and names, and no protocol.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::connect::{HANDSHAKE_PATIENCE, Way};
use crate::connect_string::{
    ClientTransport, HostName, PortRange, SslReverseClient, TcpReverseClient,
};
use crate::error::{CallFault, ConnectFault, socket_error};
use crate::this_machine::is_this_machine;
use crate::{ClientEndpoint, Link, LinkError, PeerInfo, tcp};

/// How long a server waits before it calls again: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(4));

/// How many callers are asked at once who they are.
const CALLERS_MAX: usize = 8;
/// How long a client that listens may take to accept a call.
const ACCEPT_PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before looking again whether it has.
const ACCEPT_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// A client's place at which its server calls.
pub struct Awaited {
    socket: OwnedFd,
    port: PortRange,
    server: HostName,
    way: Arc<Way>,
}

/// What has come of a caller.
type Outcome = Result<Link, LinkError>;

/// The callers that are being asked who they are, each by a thread of its own: a few that say
/// nothing keep no other one waiting.
struct Callers {
    /// How many there are.
    count: usize,
    /// Readable when something has come of one.
    wake: Arc<OwnedFd>,
    outcomes: mpsc::Receiver<Outcome>,
    sender: mpsc::Sender<Outcome>,
}

impl Callers {
    fn new() -> Result<Callers, LinkError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = rustix::event::eventfd(0, flags);
        let wake = Arc::new(wake.map_err(socket_error("prepare for callers"))?);
        let (sender, outcomes) = mpsc::channel();
        Ok(Callers { count: 0, wake, outcomes, sender })
    }

    /// Asks one. Its thread ends with it, also when nobody wants to know any more.
    fn ask(&mut self, link: Link, way: &Arc<Way>, server: &HostName) {
        let (way, server) = (Arc::clone(way), server.clone());
        let (sender, wake) = (self.sender.clone(), Arc::clone(&self.wake));
        let asking = move || {
            let _ = sender.send(way.encrypt(link, &server));
            // The counter is far from its limit.
            let _ = rustix::io::write(&*wake, &1u64.to_ne_bytes());
        };
        if std::thread::Builder::new().name("asking".to_owned()).spawn(asking).is_ok() {
            self.count += 1;
        }
    }

    /// What has come of those that are done. Each says so first, and wakes then.
    fn take(&mut self) -> Vec<Outcome> {
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        let outcomes: Vec<Outcome> = self.outcomes.try_iter().collect();
        self.count -= outcomes.len();
        outcomes
    }
}

/// Listens for the server of an endpoint with `clicon=`. `None` for one without: there the client
/// connects. The port is taken from now on.
///
/// **Errors**: [`LinkError`], of ports, certificates and passwords.
pub fn await_server(endpoint: &ClientEndpoint) -> Result<Option<Awaited>, LinkError> {
    match &endpoint.transport {
        ClientTransport::TcpReverse(TcpReverseClient { port, server, .. })
        | ClientTransport::SslReverse(SslReverseClient { port, server, .. }) => {
            Awaited::at(*port, server, endpoint).map(Some)
        }
        _ => Ok(None),
    }
}

impl Awaited {
    /// Listens at a port of this range for the server on a machine.
    pub(crate) fn at(
        port: PortRange,
        server: &HostName,
        endpoint: &ClientEndpoint,
    ) -> Result<Awaited, LinkError> {
        let way = Way::new(endpoint, HANDSHAKE_PATIENCE)?;
        let (socket, port) = tcp::listen_at(port)?;
        Ok(Awaited { socket, port, server: server.clone(), way: Arc::new(way) })
    }

    /// The port in use: what the server's `port=` has to say.
    pub fn port(&self) -> u16 {
        self.port.low()
    }

    /// Whose call is awaited.
    pub fn server(&self) -> &HostName {
        &self.server
    }

    /// Waits for the server. Whoever else calls is turned away without a word. One that calls from
    /// its machine and is not it, or does not want us, is reported, and the waiting goes on:
    /// whoever can call from there must not be able to end it, nor, with fewer than eight calls at
    /// once, to prolong it by saying nothing.
    ///
    /// **Errors**: [`LinkError`]; [`CallFault::NotCalled`] if it has not called in time.
    pub fn accept(
        &self,
        timeout: Duration,
        mut report: impl FnMut(&LinkError),
    ) -> Result<Link, LinkError> {
        let deadline = Instant::now() + timeout;
        let mut stranger = None;
        let mut callers = Callers::new()?;
        loop {
            for outcome in callers.take() {
                match outcome {
                    Ok(link) => return Ok(link),
                    Err(error) => report(&error),
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let not_called = || CallFault::NotCalled {
                server: self.server.to_string(),
                port: self.port(),
                stranger,
                timeout,
            };
            if left.is_zero() {
                return Err(not_called().into());
            }
            let left = Timespec::try_from(left).map_err(|_| not_called())?;
            let has_room = callers.count < CALLERS_MAX;
            let wanted = if has_room { PollFlags::IN } else { PollFlags::empty() };
            let mut fds =
                [PollFd::new(&*callers.wake, PollFlags::IN), PollFd::new(&self.socket, wanted)];
            match rustix::event::poll(&mut fds, Some(&left)) {
                Ok(0) => return Err(not_called().into()),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(socket_error("wait for the server")(errno)),
            }
            if !has_room {
                continue;
            }
            let socket = match accept_with(&self.socket, SocketFlags::CLOEXEC) {
                Ok(socket) if tcp::tune(socket.as_fd()).is_ok() => socket,
                // It has gone already.
                Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => continue,
                Err(errno) => return Err(socket_error("accept the server's call")(errno)),
            };
            let link = Link::from(socket);
            let Ok(PeerInfo::Tcp { peer, local }) = link.peer() else { continue };
            if !self.is_expected(peer, local) {
                stranger = Some(peer.ip());
                continue;
            }
            callers.ask(link, &self.way, &self.server);
        }
    }

    /// Whether a caller has an address of the machine that was named.
    fn is_expected(&self, peer: SocketAddr, local: SocketAddr) -> bool {
        if is_this_machine(self.server.as_str()) {
            return peer.ip().is_loopback() || peer.ip() == local.ip();
        }
        let found = (self.server.as_str(), peer.port()).to_socket_addrs();
        let found: Vec<IpAddr> =
            found.into_iter().flatten().map(|address| address.ip().to_canonical()).collect();
        found.contains(&peer.ip().to_canonical())
    }
}

/// Waits a moment until a client of this machine has accepted the call, or hung up: before that it
/// is nobody's (`tcp_owner`). Of another machine nothing can be known.
fn wait_until_accepted(link: &Link) {
    let Ok(peer) = link.peer() else { return };
    let is_here = matches!(peer, PeerInfo::Tcp { peer, local } if peer.ip() == local.ip());
    let deadline = Instant::now() + ACCEPT_PATIENCE;
    while is_here && peer.local_uid().is_none() && Instant::now() < deadline {
        let mut fds = [PollFd::new(link, PollFlags::RDHUP)];
        if matches!(rustix::event::poll(&mut fds, Some(&ACCEPT_INTERVAL)), Ok(1..)) {
            return;
        }
    }
}

/// Calls a client that waits at this port of a machine, again and again until `patience` is over.
///
/// **Errors**: [`LinkError`] of the last try; at once for a name that nobody knows.
pub fn call_client(
    client: &HostName,
    port: NonZeroU16,
    patience: Duration,
) -> Result<Link, LinkError> {
    let deadline = Instant::now() + patience;
    let (mut pause, pause_max) = PAUSE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let error = match tcp::connect_to(client, port, left) {
            Ok(link) => {
                wait_until_accepted(&link);
                return Ok(link);
            }
            Err(error @ LinkError::Connect(ConnectFault::Resolve { .. })) => return Err(error),
            Err(error) => error,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let (client, reason) = (client.to_string(), Box::new(error));
            return Err(CallFault::NoClient { client, port: port.get(), patience, reason }.into());
        }
        // Nobody tells when it begins to listen.
        let wait = Timespec::try_from(pause.min(left)).ok();
        let _ = rustix::event::poll(&mut [], wait.as_ref());
        pause = (pause * 2).min(pause_max);
    }
}
