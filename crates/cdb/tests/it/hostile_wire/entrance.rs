//! The ways into servers on which somebody may stand in the middle: over ports and socket files, in
//! both directions, with certificates and passwords. It knows how links are opened, not what is
//! said on them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use dbgeng::client::Return;
use dbglink::connect_string::ServerTransport;
use dbglink::tls::{self, Credentials, Identity, Store};
use dbglink::{Link, ServerEndpoint};
use rustix::event::{PollFd, PollFlags, Timespec};
use testkit::meddler::{Course, Plan};
use testkit::{
    DEADLINE, Guard, Meddler, Process, Side, USER_CERTIFICATES, procfs, programs, until,
};

use super::scene::{Outcome, Scene};

/// How long a session waits for its client, where it does: longer than any test.
const LEASE: &str = "600";
/// The password, where there is one.
pub(super) const PASSWORD: &str = "sesame7";

/// Where the links of a server begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Port,
    Pipe,
    /// It calls.
    Calls,
}

/// A kind of server.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Its string, without port and pipe.
    pub(super) transport: &'static str,
    /// Whether it waits for clients whose links are lost, and these come again.
    pub(super) is_patient: bool,
}

/// A server and its clients' way in.
pub(super) struct Entrance<'a> {
    guard: &'a Guard,
    kind: Kind,
    door: Door,
    store: PathBuf,
    credentials: Option<Arc<Credentials>>,
    has_password: bool,
    /// `None` if it has to be started.
    server: Option<(Process, Place)>,
    /// Its own folder.
    directory: PathBuf,
    /// Which of those of its test.
    number: u8,
    cases: u16,
    started: u16,
}

/// Where it is.
#[derive(Clone)]
enum Place {
    Port(u16),
    Pipe(PathBuf),
}

impl Place {
    /// A link to it, from the given address if it is at a port.
    fn open(&self, from: [u8; 4]) -> std::io::Result<TcpStream> {
        match self {
            Place::Port(port) => Ok(crate::transports::connect_from(from, *port)),
            Place::Pipe(path) => Ok(OwnedFd::from(UnixStream::connect(path)?).into()),
        }
    }
}

/// How a client opens its links.
#[derive(Clone)]
struct Way {
    end: End,
    credentials: Option<Arc<Credentials>>,
    has_password: bool,
}

#[derive(Clone)]
enum End {
    Port(SocketAddr),
    Pipe(PathBuf),
    /// It is called.
    Here(Arc<TcpListener>),
}

impl Way {
    /// A link with whatever is proved on it, in this time.
    fn open(&self, patience: Duration) -> Result<Link, String> {
        let socket = self.connect(patience).map_err(|error| error.to_string())?;
        let identity = match &self.credentials {
            Some(credentials) => Identity::Certificate(credentials),
            None if self.has_password => Identity::Ephemeral,
            None => return Ok(Link::from(socket)),
        };
        let password = self.has_password.then_some(PASSWORD.as_bytes());
        let encrypted = tls::connect(socket.into(), identity, "localhost", password, patience);
        let encrypted = encrypted.map_err(|error| error.to_string())?;
        let (link, inner) = Link::pair().expect("a socket pair");
        let inner = inner.into_fd().expect("nobody shares it");
        std::thread::spawn(move || encrypted.relay(inner));
        Ok(link)
    }

    fn connect(&self, patience: Duration) -> std::io::Result<TcpStream> {
        let stream = match &self.end {
            End::Pipe(path) => return Place::Pipe(path.clone()).open([0; 4]),
            End::Port(address) => TcpStream::connect(address)?,
            End::Here(listener) => {
                let patience = Timespec::try_from(patience).expect("not for ever");
                let mut fds = [PollFd::new(listener, PollFlags::IN)];
                if rustix::event::poll(&mut fds, Some(&patience))? == 0 {
                    return Err(std::io::ErrorKind::TimedOut.into());
                }
                listener.accept()?.0
            }
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl<'a> Entrance<'a> {
    /// One of several of a test, each with a server of its own.
    pub(super) fn new(
        guard: &'a Guard,
        (box_, me): &(Side, Side),
        kind: Kind,
        number: u8,
    ) -> Entrance<'a> {
        let directory = guard.directory().join(format!("entrance{number}"));
        std::fs::create_dir(&directory).expect("a folder");
        let transport = kind.transport;
        let door = match transport.split_once(':') {
            Some(("spipe" | "npipe", _)) => Door::Pipe,
            _ if transport.contains("clicon=") => Door::Calls,
            _ => Door::Port,
        };
        let rest = if door == Door::Pipe { "pipe=x" } else { "port=1" };
        let mine = format!("{},{rest}", transport.replace("=box", "=me"));
        let endpoint: ServerEndpoint = mine.parse().expect("an endpoint");
        let tls = match &endpoint.transport {
            ServerTransport::Ssl(ssl) => Some(&ssl.tls),
            ServerTransport::SslReverse(ssl) => Some(&ssl.tls),
            ServerTransport::Spipe(spipe) => Some(&spipe.tls),
            _ => None,
        };
        let load = |tls| Credentials::load_from(&Store::at(&me.store), tls);
        Entrance {
            guard,
            kind,
            door,
            store: box_.store.clone(),
            credentials: tls.map(|tls| Arc::new(load(tls).expect("its certificate"))),
            has_password: endpoint.password.is_some(),
            server: None,
            directory,
            number,
            cases: 0,
            started: 0,
        }
    }

    /// Whether anything protects what is said.
    fn is_protected(&self) -> bool {
        self.credentials.is_some() || self.has_password
    }

    /// One session past somebody who does what is planned.
    pub(super) fn meddle(&mut self, scene: &mut Scene, plan: Plan) -> (Outcome, Arc<Meddler>) {
        self.cases += 1;
        let plan = Plan { is_tls: self.is_protected(), ..plan };
        let (meddler, end, mut caller) = self.stand_between(plan);
        let way =
            Way { end, credentials: self.credentials.clone(), has_password: self.has_password };
        let opened = way.open(DEADLINE).inspect(|_| meddler.handshake_is_over());
        let outcome = match opened {
            Ok(link) => {
                let comeback = comeback(way, &meddler);
                scene.play(link, &meddler, self.kind.is_patient.then_some(comeback))
            }
            Err(why) => scene.left(Outcome::Refused(why)),
        };
        meddler.wait_until_over();
        if let Some(caller) = caller.as_mut().filter(|_| !self.kind.is_patient) {
            // Its only client has gone.
            caller.wait();
        }
        let may_have_guessed = self.has_password && matches!(outcome, Outcome::Refused(_));
        if self.door == Door::Pipe && may_have_guessed {
            // All who come from here are the same guesser to it, and would be made to wait.
            self.server = None;
        }
        (outcome, meddler)
    }

    /// The course of a session that goes well.
    pub(super) fn course(&mut self, scene: &mut Scene, plan: Plan) -> Arc<Course> {
        let (outcome, meddler) = self.meddle(scene, plan);
        assert_eq!(outcome, Outcome::Whole, "{}", self.kind.transport);
        Arc::new(meddler.course())
    }

    /// Somebody in the middle, the client's end of the way, and the server if it calls.
    fn stand_between(&mut self, plan: Plan) -> (Arc<Meddler>, End, Option<Process>) {
        if self.door == Door::Calls {
            let here = TcpListener::bind("127.0.0.1:0").expect("there are ports");
            let address = here.local_addr().expect("an address");
            let meddler = Meddler::at_port(plan, true, move || TcpStream::connect(address));
            let rest = format!("port={}", meddler.address().port());
            let server = self.start(&rest);
            return (Arc::new(meddler), End::Here(Arc::new(here)), Some(server));
        }
        let place = self.place();
        // Each from another machine: who has failed before is made to wait.
        let [high, low] = (self.cases + 1).to_be_bytes();
        let from = [127, 1 + self.number, high, low];
        let dial = move || place.open(from);
        if self.door == Door::Port {
            let meddler = Meddler::at_port(plan, false, dial);
            let end = End::Port(meddler.address());
            return (Arc::new(meddler), end, None);
        }
        let path = self.directory.join(format!("between{}", self.cases));
        (Arc::new(Meddler::at_pipe(&path, plan, dial)), End::Pipe(path), None)
    }

    /// Where the server is. It is started if there is none.
    fn place(&mut self) -> Place {
        if let Some((_, place)) = &self.server {
            return place.clone();
        }
        let rest = if self.door == Door::Pipe { "pipe=x" } else { "port=0" };
        let server = self.start(rest);
        let place = match self.door {
            Door::Pipe => {
                let path = self.run_dir().join("x");
                until("the socket", || UnixStream::connect(&path).ok());
                Place::Pipe(path)
            }
            _ => Place::Port(until("the port", || procfs::listening_port(server.pid()))),
        };
        self.server.insert((server, place)).1.clone()
    }

    fn run_dir(&self) -> PathBuf {
        self.directory.join(format!("run{}", self.started))
    }

    fn start(&mut self, rest: &str) -> Process {
        self.started += 1;
        let mut command = self.guard.command(programs::dbgsrv());
        command.args(["-t", &format!("{},{rest}", self.kind.transport)]);
        command.args(["-lease", if self.kind.is_patient { LEASE } else { "0" }]);
        command.env("DBGSRV_RUN_DIR", self.run_dir()).env(USER_CERTIFICATES, &self.store);
        Process::spawn(command.stderr(Stdio::null()))
    }
}

/// Comes again the same way.
fn comeback(way: Way, meddler: &Arc<Meddler>) -> Return {
    let meddler = Arc::downgrade(meddler);
    Return {
        open: Box::new(move |patience| {
            let link = way.open(patience)?;
            meddler.upgrade().into_iter().for_each(|meddler| meddler.handshake_is_over());
            Ok(link)
        }),
        told: Box::new(|_| ()),
    }
}
