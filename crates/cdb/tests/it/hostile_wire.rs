//! Somebody in the middle who changes what goes by, one record at a time: turns a bit, takes away,
//! sends again, puts in what belongs to another session, cuts. All that comes of it is a link that
//! ends; nobody sees anything wrong, and the target is left as it was found.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::console::Console;
use dbgbase::Address;
use dbgeng::{
    BreakpointLocation, BreakpointSpec, Engine, ErrorKind, EventKind, Execution, SignalAction,
};
use dbglink::connect_string::ServerTransport;
use dbglink::tls::{self, Credentials, Identity, Store, TlsError};
use dbglink::{Link, ServerEndpoint};
use testkit::footprint::changed_code;
use testkit::{
    Guard, Process, Relay, Server, Side, Testee, USER_CERTIFICATES, memory_file, procfs, programs,
    until,
};

/// How long the one in the middle waits for anything to go by after a deed before hanging up: what
/// is taken away is missed only when something follows.
const QUIET: Duration = Duration::from_millis(250);
/// How long a client waits for a handshake from which something was taken away.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is done to one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    Nothing,
    /// A bit of its first byte behind the header is turned.
    FlipFirst,
    /// A bit of its last byte is turned.
    FlipLast,
    /// A bit of its length is turned.
    FlipLength,
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

const DEEDS: [Deed; 8] = [
    Deed::FlipFirst,
    Deed::FlipLast,
    Deed::FlipLength,
    Deed::Drop,
    Deed::Replay,
    Deed::Splice,
    Deed::CutBehind,
    Deed::CutWithin,
];

/// Where it is done: to the server or to the client, and to which record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place {
    is_to_server: bool,
    index: usize,
}

/// The records of a session, by their places.
type Records = BTreeMap<Place, Vec<u8>>;

/// The one in the middle.
struct Meddler {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    deed: (Deed, Place),
    /// Those of an earlier session.
    earlier: Arc<Records>,
    seen: Mutex<Records>,
    is_done: AtomicBool,
    last: Mutex<Instant>,
    streams: Mutex<Vec<TcpStream>>,
    /// Whether records are TLS's; otherwise whatever is read at once.
    is_tls: bool,
}

impl Meddler {
    /// One on the way to a server of this machine, which knows it by this address.
    fn start(
        server: u16,
        from: Ipv4Addr,
        deed: (Deed, Place),
        earlier: &Arc<Records>,
        is_tls: bool,
    ) -> Meddler {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            deed,
            earlier: Arc::clone(earlier),
            seen: Mutex::default(),
            is_done: AtomicBool::new(false),
            last: Mutex::new(Instant::now()),
            streams: Mutex::default(),
            is_tls,
        });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            let Ok((client, _)) = listener.accept() else { return };
            let server = crate::transports::connect_from(from.octets(), server);
            let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
            let ends = vec![copy(&client), copy(&server)];
            theirs.streams.lock().expect("a list").extend(ends);
            for (from, to, is_to_server) in
                [(copy(&client), copy(&server), true), (server, client, false)]
            {
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || shared.carry(from, to, is_to_server));
            }
            theirs.watch();
        });
        Meddler { address, shared }
    }

    /// What has gone by.
    fn seen(&self) -> Records {
        self.shared.seen.lock().expect("a record").clone()
    }

    /// Whether the deed was done.
    fn is_done(&self) -> bool {
        self.shared.is_done.load(Ordering::SeqCst)
    }
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.shared.hang_up();
        // Wakes it if nobody came.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn carry(&self, mut from: TcpStream, mut to: TcpStream, is_to_server: bool) {
        for stream in [&from, &to] {
            let _ = stream.set_nodelay(true);
        }
        let mut index = 0;
        while let Some(record) = self.read(&mut from) {
            let place = Place { is_to_server, index };
            index += 1;
            self.seen.lock().expect("a record").insert(place, record.clone());
            *self.last.lock().expect("a time") = Instant::now();
            let (sent, goes_on) = self.changed(place, record);
            if to.write_all(&sent).is_err() {
                break;
            }
            if !goes_on {
                self.hang_up();
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    /// The next record, or what comes at once.
    fn read(&self, from: &mut TcpStream) -> Option<Vec<u8>> {
        if !self.is_tls {
            let mut bytes = vec![0; 65536];
            let count = from.read(&mut bytes).ok().filter(|count| *count > 0)?;
            bytes.truncate(count);
            return Some(bytes);
        }
        // Type, version, length (RFC 8446, 5.1).
        let mut record = vec![0; 5];
        from.read_exact(&mut record).ok()?;
        let len = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(5 + len, 0);
        from.read_exact(&mut record[5..]).ok()?;
        Some(record)
    }

    /// What is sent for a record, and whether anything is afterwards.
    fn changed(&self, place: Place, mut record: Vec<u8>) -> (Vec<u8>, bool) {
        let (deed, at) = self.deed;
        if place != at || deed == Deed::Nothing {
            return (record, true);
        }
        let (last, own) = (record.len() - 1, record.clone());
        match deed {
            Deed::FlipFirst => record[5.min(last)] ^= 0x10,
            Deed::FlipLast => record[last] ^= 0x01,
            Deed::FlipLength => record[4.min(last)] ^= 0x01,
            Deed::Drop => record.clear(),
            Deed::Replay => record.extend_from_within(..),
            Deed::Splice => record = self.earlier.get(&at).cloned().unwrap_or_default(),
            Deed::CutWithin => record.truncate(record.len() / 2),
            Deed::CutBehind | Deed::Nothing => {}
        }
        let goes_on = !matches!(deed, Deed::CutBehind | Deed::CutWithin);
        // What is no secret may be the same in two sessions.
        self.is_done.store(!goes_on || record != own, Ordering::SeqCst);
        (record, goes_on)
    }

    fn hang_up(&self) {
        for stream in self.streams.lock().expect("a list").drain(..) {
            // One that has ended already needs no ending.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Hangs up when nothing has gone by for a while after the deed.
    fn watch(&self) {
        while !self.streams.lock().expect("a list").is_empty() {
            let quiet = self.last.lock().expect("a time").elapsed();
            if self.is_done() && quiet > QUIET {
                self.hang_up();
            }
            std::thread::park_timeout(QUIET / 10);
        }
    }

    fn is_done(&self) -> bool {
        self.is_done.load(Ordering::SeqCst)
    }
}

/// How a session went.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Outcome {
    /// There was no link.
    Refused(String),
    /// The link ended.
    Lost,
    /// All was done, and right.
    Whole,
    /// Something was not right.
    Wrong(String),
}

/// A client's way to say who it is.
#[derive(Clone)]
struct Way {
    credentials: Option<Arc<Credentials>>,
    password: Option<&'static str>,
}

impl Way {
    /// A link through somebody, with whatever is proved on it.
    fn connect(&self, to: SocketAddr, patience: Duration) -> Result<Link, TlsError> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        let identity = match &self.credentials {
            Some(credentials) => Identity::Certificate(credentials),
            None if self.password.is_some() => Identity::Ephemeral,
            None => return Ok(Link::from(stream)),
        };
        let password = self.password.map(str::as_bytes);
        let encrypted = tls::connect(stream.into(), identity, "localhost", password, patience)?;
        let (link, inner) = Link::pair().expect("a socket pair");
        let inner = inner.into_fd().expect("nobody shares it");
        std::thread::spawn(move || encrypted.relay(inner));
        Ok(link)
    }
}

/// A process, and what its code is.
struct Scene {
    process: Process,
    ticks: u32,
    has_written: bool,
    page: Address,
    code: Vec<u8>,
}

impl Scene {
    fn new(guard: &Guard) -> Scene {
        let testee = Testee::build("ticks", &[]);
        let mut process = guard.start(testee.path(), &["2"]);
        assert_eq!(process.read_line(), "ready");
        let path = testee.path().to_string_lossy();
        let is_code =
            |mapping: &procfs::Mapping| mapping.name == path && mapping.permissions.contains('x');
        let mapping = procfs::mappings(process.pid()).into_iter().find(is_code);
        let page = mapping.expect("it has code").start;
        let code = memory_file::read(process.pid(), page, 4096);
        Scene { process, ticks: 0, has_written: false, page, code }
    }

    /// Attaches to the process, stops it at its next tick, looks at it, and lets it go.
    fn play(&mut self, link: Result<Link, TlsError>) -> Outcome {
        let outcome = match link.map(|link| self.look_around(link)) {
            Err(error) => Outcome::Refused(error.to_string()),
            Ok(Ok(None)) => Outcome::Whole,
            Ok(Ok(Some(wrong))) => Outcome::Wrong(wrong),
            Ok(Err(error)) if error.kind() == ErrorKind::NotConnected => Outcome::Lost,
            Ok(Err(error)) => Outcome::Wrong(format!("{:?}: {error}", error.kind())),
        };
        self.assert_left();
        outcome
    }

    /// What was not right.
    fn look_around(&mut self, link: Link) -> Result<Option<String>, dbgeng::Error> {
        let mut engine = Engine::connect(link, "hostile", None)?;
        let number = engine.attach(self.process.pid())?;
        let first = engine.wait_for_event(None)?;
        let location = BreakpointLocation::Symbol("tick".to_owned());
        engine.add_breakpoint(BreakpointSpec::new("tick", location))?;
        self.process.write_line("");
        self.has_written = true;
        engine.execute(Execution::Go { signal: SignalAction::Default, until: Vec::new() })?;
        let stop = engine.wait_for_event(None)?;
        for event in [first, stop].into_iter().flatten() {
            match event.kind {
                EventKind::Stopped(_) => {}
                EventKind::LinkLost(why) => {
                    return Err(dbgeng::Error::new(ErrorKind::NotConnected, why));
                }
                other => return Ok(Some(format!("{other:?}"))),
            }
        }
        let tick = engine.resolve("tick")?.first().map(|found| found.address);
        let pc = engine.registers()?.pc();
        if tick != Some(pc) {
            return Ok(Some(format!("{pc} is not {tick:?}")));
        }
        let mut code = vec![0; self.code.len()];
        engine.read_memory(self.page, &mut code)?;
        if code != self.code {
            return Ok(Some("its code is not what it is".to_owned()));
        }
        engine.detach(number)?;
        Ok(None)
    }

    /// The process is nobody's and runs on, whatever became of the session.
    fn assert_left(&mut self) {
        let pid = self.process.pid();
        if !self.has_written {
            self.process.write_line("");
        }
        self.has_written = false;
        self.ticks += 1;
        assert_eq!(self.process.read_line(), format!("ticked {}", self.ticks));
        until("it to be let go", || (procfs::tracer(pid, pid.into()) == Some(0)).then_some(()));
    }
}

/// A server for which everything is tried, and its clients' way in.
struct Entrance {
    server: Server,
    way: Way,
    is_tls: bool,
}

fn server(guard: &Guard, transport: &str) -> Entrance {
    let (box_, me) = Side::friends(guard);
    let string = format!("{transport},port=0");
    let server =
        Server::at_port(guard, programs::dbgsrv(), &string, "tcp:server=localhost", |command| {
            command.env(USER_CERTIFICATES, &box_.store).stderr(Stdio::null());
            // Who is cut off stays so: nothing is taken up again.
            command.args(["-lease", "0"]);
        });
    let endpoint: ServerEndpoint = string.replace("=box", "=me").parse().expect("an endpoint");
    let credentials = match &endpoint.transport {
        ServerTransport::Ssl(ssl) => Some(Credentials::load_from(&Store::at(&me.store), &ssl.tls)),
        _ => None,
    };
    let credentials = credentials.map(|loaded| Arc::new(loaded.expect("its certificate")));
    let password = endpoint.password.is_some().then_some("sesame7");
    let is_tls = credentials.is_some() || password.is_some();
    Entrance { server, way: Way { credentials, password }, is_tls }
}

impl Entrance {
    /// One session past somebody who does this.
    fn meddle(
        &self,
        scene: &mut Scene,
        number: usize,
        deed: (Deed, Place),
        earlier: &Arc<Records>,
    ) -> (Outcome, Meddler) {
        let port = procfs::listening_port(self.server.pid()).expect("it listens");
        // Each from another machine: who has failed before is made to wait.
        let [high, low] = (number as u16 + 2).to_be_bytes();
        let from = Ipv4Addr::new(127, 1, high, low);
        let meddler = Meddler::start(port, from, deed, earlier, self.is_tls);
        let outcome = scene.play(self.way.connect(meddler.address, PATIENCE));
        (outcome, meddler)
    }

    /// A session that nobody disturbs, and its records.
    fn records(&self, scene: &mut Scene) -> Arc<Records> {
        let nowhere = Place { is_to_server: true, index: usize::MAX };
        let (outcome, meddler) = self.meddle(scene, 0, (Deed::Nothing, nowhere), &Arc::default());
        assert_eq!(outcome, Outcome::Whole);
        self.server.wait_until_idle();
        Arc::new(meddler.seen())
    }
}

/// Whether nothing is lost with a record of a session that was done: one that only old equipment
/// looks at (RFC 8446, D.4), and the end, which is one without it, too.
fn says_nothing(place: Place, records: &Records) -> bool {
    let is_behind =
        |other: &Place| other.is_to_server == place.is_to_server && other.index > place.index;
    let is_last = !records.keys().any(is_behind);
    let is_empty = records.get(&place).is_none_or(|record| record.first() == Some(&20));
    is_last || is_empty
}

/// Does half of everything to each record of a session, the other half to the next one.
fn do_everything(transport: &str) {
    let guard = Guard::with_patience(Duration::from_secs(300));
    let mut scene = Scene::new(&guard);
    let server = server(&guard, transport);
    let records = server.records(&mut scene);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let of = |(index, record)| {
        let deeds = DEEDS.into_iter().skip(index % 2).step_by(2);
        deeds.map(move |deed| (deed, record))
    };
    let cases = records.iter().enumerate().flat_map(of);
    for (number, (deed, (&place, record))) in cases.enumerate() {
        let (outcome, meddler) = server.meddle(&mut scene, number + 1, (deed, place), &records);
        let what = format!("{transport}: {deed:?} at {place:?} of {} bytes", record.len());
        let name = match &outcome {
            Outcome::Refused(_) => "refused",
            Outcome::Lost => "lost",
            Outcome::Whole => "whole",
            Outcome::Wrong(wrong) => panic!("{what}: {wrong}"),
        };
        *counts.entry(name.to_owned()).or_default() += 1;
        let harmless = !meddler.is_done() || says_nothing(place, &meddler.seen());
        assert!(outcome != Outcome::Whole || harmless, "{what}: it went unnoticed");
    }
    // It still serves, and the process is as it was.
    server.records(&mut scene);
    assert_eq!(changed_code(scene.process.pid()), []);
    assert!(counts["refused"] > 10 && counts["lost"] > 25, "{counts:?}");
}

#[test]
fn what_is_done_to_certified_records_only_ends_links() {
    do_everything("ssl:proto=tls13,certuser=box");
}

#[test]
fn what_is_done_to_records_of_the_older_version_only_ends_links() {
    do_everything("ssl:proto=tls12,certuser=box");
}

#[test]
fn what_is_done_to_records_under_a_password_only_ends_links() {
    do_everything("tcp:password=sesame7");
}

/// The same deeds where nothing protects: so they are done, and what is wrong is seen.
#[test]
fn what_nothing_protects_is_changed() {
    let guard = Guard::new();
    let mut scene = Scene::new(&guard);
    let server = server(&guard, "tcp:unprotected");
    let records = server.records(&mut scene);
    let wrong = records.keys().enumerate().filter(|&(number, &place)| {
        let deed = (Deed::FlipLast, place);
        let (outcome, _meddler) = server.meddle(&mut scene, number, deed, &records);
        matches!(outcome, Outcome::Wrong(_))
    });
    let wrong = wrong.count();
    assert!(wrong > 2, "{wrong} of {}", records.len());
}

/// What real users see of it: one line, and a status.
#[test]
fn who_debugs_is_told_in_one_line() {
    let guard = Guard::with_patience(Duration::from_secs(300));
    let mut scene = Scene::new(&guard);
    let entrance = server(&guard, "tcp:password=sesame7");
    let port = procfs::listening_port(entrance.server.pid()).expect("it listens");
    let pid = scene.process.pid().to_string();
    let cdb = |number: u8, deed: (Deed, Place), earlier: &Arc<Records>| {
        let from = Ipv4Addr::new(127, 2, 0, number);
        let meddler = Meddler::start(port, from, deed, earlier, true);
        let to = meddler.address.port();
        let premote = format!("tcp:server=127.0.0.1,port={to},password=sesame7");
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.args(["-premote", &premote, "-p", &pid]);
        let words = guard.directory().join("words");
        std::fs::write(&words, ".tlist\nr\ndb tick L1000\nkn\n.tlist\nqd\n").expect("a file");
        command.stdin(std::fs::File::open(words).expect("it is there"));
        let output = command.output().expect("cdb starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr), meddler)
    };
    let nowhere = Place { is_to_server: true, index: usize::MAX };
    let (status, said, complaint, meddler) = cdb(1, (Deed::Nothing, nowhere), &Arc::default());
    assert_eq!((status, complaint.as_str()), (Some(0), ""), "{said}");
    scene.assert_left();
    let records = Arc::new(meddler.seen());
    let places: Vec<Place> = records.keys().copied().collect();
    let mut ends = [0; 2];
    for (number, deed) in (2..).zip(DEEDS.into_iter().chain(DEEDS)) {
        let place = places[(number - 2) * 7 % places.len()];
        let (status, said, complaint, meddler) = cdb(number as u8, (deed, place), &records);
        let what = format!("{deed:?} at {place:?}: {status:?} {complaint:?} {said}");
        let is_lost = "he connection to the process server is lost";
        let lost = said.matches(is_lost).count() + complaint.matches(is_lost).count();
        let refused = complaint.matches("cdb: cannot connect to ").count();
        // Why it cannot may be the same.
        let lost = if refused == 1 { 0 } else { lost };
        assert!(complaint.lines().count() <= 1, "{what}");
        match (lost, refused) {
            (0, 0) => {
                let harmless = says_nothing(place, &meddler.seen());
                assert!(harmless || !meddler.is_done(), "{what}");
                assert_eq!(status, Some(0), "{what}");
            }
            (0, 1) => ends[0] += 1,
            // Each command that follows is answered so, too.
            (1..=6, 0) => ends[1] += 1,
            _ => panic!("{what}"),
        }
        // Who only wanted to leave when the link was lost has left.
        let has_left = lost == 1 && status == Some(0);
        assert!(has_left || status == Some(i32::from(lost + refused > 0)), "{what}");
        scene.assert_left();
    }
    assert!(ends.iter().all(|count| *count > 2), "{ends:?}");
}

/// A name of the program, what its memory has, the password, and where they can be read.
#[test]
fn what_is_secret_is_nowhere_on_the_wire() {
    let guard = Guard::new();
    let testee = Testee::build("depths", &[]);
    let path = testee.path().to_str().expect("a path in the target folder");
    let password = ",password=sesame7";
    let (box_, me) = Side::friends(&guard);
    let (ssl, of_client) = ("ssl:proto=tls1,certuser=box,", "ssl:proto=tls1,certuser=me,");
    for (transport, client, rest, is_secret) in [
        ("tcp:", "tcp:", "", false),
        ("tcp:", "tcp:", password, true),
        (ssl, of_client, "", true),
        (ssl, of_client, password, true),
        ("ssl:proto=tls12,certuser=box,", of_client, password, true),
    ] {
        let transport = format!("{transport}port=0{rest}");
        let endpoint = "tcp:server=localhost";
        let server = Server::at_port(&guard, programs::dbgsrv(), &transport, endpoint, |command| {
            command.env(USER_CERTIFICATES, &box_.store);
        });
        let port = procfs::listening_port(server.pid()).expect("it listens");
        let relay = Relay::listening_in((Ipv4Addr::LOCALHOST, port).into());
        let at = relay.address().port();
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.env(USER_CERTIFICATES, &me.store);
        command.args(["-premote", &format!("{client}server=127.0.0.1,port={at}{rest}"), path]);
        let mut console = Console::spawn(command);
        console.command("bp inner");
        for _ in 0..2 {
            console.command("g");
        }
        let said = console.command("da greeting");
        assert!(said.contains("hello from depths"), "{said}");
        console.finish("q");
        let seen = relay.bytes_seen();
        let has = |text: &[u8]| seen.windows(text.len()).any(|piece| piece == text);
        assert!(seen.len() > 2000, "{} bytes", seen.len());
        assert!(!has(b"sesame7"));
        // What it has in memory, and says; what it is called; what was asked for.
        for text in ["hello from depths", "round 0", path, "depths", "libc.so"] {
            assert_eq!(has(text.as_bytes()), !is_secret, "{transport}: {text}");
        }
    }
}
