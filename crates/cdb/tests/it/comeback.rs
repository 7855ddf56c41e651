//! Sessions whose link is lost and taken up again: nothing is done twice, nothing is lost, and the
//! user sees one line.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dbgbase::{Address, Pid, x86_64};
use dbgeng::client::{LinkNews, Return};
use dbgeng::{
    BreakpointLocation, BreakpointSpec, Engine, EventKind, Execution, LaunchOptions, SignalAction,
    StopCause,
};
use dbglink::connect_string::ClientTransport;
use dbglink::tls::{self, Credentials, Identity, Store};
use dbglink::{ClientEndpoint, Link, RunDir};
use dbgwire::ErrorCode;
use dbgwire::handshake::Hello;
use dbgwire::version::Capabilities;
use testkit::{Guard, Relay, Server, Side, Testee, USER_CERTIFICATES, programs, until};

use crate::console::Console;

/// How often the link is cut.
const CUTS: u64 = 1000;
/// The most bytes between two cuts: some stops bring more.
const FUSE_LEN_MAX: u64 = 12_000;

fn endpoint(address: SocketAddr) -> ClientEndpoint {
    format!("tcp:server=127.0.0.1,port={}", address.port()).parse().expect("an endpoint")
}

fn open(address: SocketAddr, timeout: Duration) -> Result<Link, String> {
    let link = dbglink::connect(&endpoint(address), &RunDir::of_this_user(), timeout);
    link.map_err(|error| error.to_string())
}

/// An engine that comes again through `address`, and how often it has.
fn connect(address: SocketAddr) -> (Engine, Arc<AtomicU64>) {
    let resumed = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&resumed);
    let comeback = Return {
        open: Box::new(move |timeout| open(address, timeout)),
        told: Box::new(move |news| {
            if matches!(news, LinkNews::Resumed { .. }) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }),
    };
    let link = open(address, testkit::DEADLINE).expect("a relay that listens");
    let engine = Engine::connect(link, "test", Some(comeback)).expect("welcome");
    (engine, resumed)
}

fn run(engine: &mut Engine, execution: Execution) -> EventKind {
    engine.execute(execution).expect("runs");
    engine.wait_for_event(None).expect("connected").expect("an event").kind
}

fn go() -> Execution {
    Execution::Go { signal: SignalAction::Default, until: Vec::new() }
}

fn break_at(engine: &mut Engine, name: &str) {
    let location = BreakpointLocation::Symbol(name.to_owned());
    engine.add_breakpoint(BreakpointSpec::new(name, location)).expect("there is such a function");
}

#[test]
fn a_thousand_cuts_change_nothing() {
    let guard = Guard::with_patience(Duration::from_secs(600));
    let server = Server::tcp(&guard, programs::dbgsrv());
    let relay = Relay::cutting(server.address(), 7, FUSE_LEN_MAX);
    let testee = Testee::build("rounds", &[]);
    let (mut engine, resumed) = connect(relay.address());
    engine.launch(&LaunchOptions::new(testee.path().to_str().expect("text"))).expect("launched");
    engine.wait_for_event(None).expect("connected").expect("its first stop");
    break_at(&mut engine, "once");
    let mut path: Option<Vec<Address>> = None;
    let mut round = 0_u64;
    while relay.cuts() < CUTS {
        round += 1;
        let stop = run(&mut engine, go());
        assert!(matches!(stop, EventKind::Stopped(StopCause::Breakpoints(_))), "{stop:?}");
        let registers = engine.registers().expect("registers");
        // The first argument: had the program been resumed twice, it would be ahead.
        let argument = registers.get(x86_64::RDI);
        assert_eq!(argument, round, "after {} cuts", relay.cuts());
        let mut bytes = [0; 8];
        let counter = engine.resolve("rounds_done").expect("a variable")[0].address;
        engine.read_memory(counter, &mut bytes).expect("memory");
        assert_eq!(u64::from_le_bytes(bytes), round - 1);
        let mut steps = vec![registers.pc()];
        for _ in 0..4 {
            let step = Execution::StepInto { signal: SignalAction::Default };
            let stop = run(&mut engine, step);
            assert!(matches!(stop, EventKind::Stopped(StopCause::Step)), "{stop:?}");
            steps.push(engine.registers().expect("registers").pc());
        }
        // A step that is executed twice ends elsewhere.
        assert_eq!(path.get_or_insert_with(|| steps.clone()), &steps, "round {round}");
    }
    assert!(resumed.load(Ordering::SeqCst) > CUTS / 2, "most cuts hit a session");
}

/// cdb with its standard error in a file.
fn cdb(guard: &Guard, premote: &str, program: &str) -> (Console, PathBuf) {
    cdb_of(guard, premote, program, |_| ())
}

/// The same with a command that is changed before it is started.
fn cdb_of(
    guard: &Guard,
    premote: &str,
    program: &str,
    change: impl FnOnce(&mut Command),
) -> (Console, PathBuf) {
    let said = guard.directory().join("said");
    let shell = "exec \"$0\" -premote \"$1\" \"$2\" 2>\"$3\"";
    let mut command = guard.command("/bin/sh");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_cdb"), premote, program]).arg(&said);
    change(&mut command);
    (Console::spawn(command), said)
}

/// Runs from one breakpoint to the next, and says what is printed.
fn round(cdb: &mut Console, round: u64) {
    let stop = cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    let argument = cdb.command("r rdi");
    assert!(argument.contains(&format!("rdi={round:016x}")), "{argument}");
}

#[test]
fn the_user_sees_one_line() {
    let guard = Guard::new();
    let server = Server::tcp(&guard, programs::dbgsrv());
    let relay = Relay::start(server.address(), Duration::ZERO);
    let testee = Testee::build("rounds", &[]);
    let premote = endpoint(relay.address()).to_connect_string();
    let (mut cdb, said) = cdb(&guard, &premote, testee.path().to_str().expect("text"));
    cdb.command("bp once");
    round(&mut cdb, 1);
    relay.cut();
    round(&mut cdb, 2);
    // A cut that nobody is waiting at is as good.
    relay.cut();
    let lines = || std::fs::read_to_string(&said).expect("a file");
    until("the second line", || (lines().lines().count() == 2).then_some(()));
    round(&mut cdb, 3);
    for line in lines().lines() {
        assert!(
            line.starts_with("cdb: the connection to the process server was lost for"),
            "{line}"
        );
        assert!(line.ends_with("the session goes on"), "{line}");
    }
    assert_eq!(cdb.finish("q").1, 0);
    server.wait_until_idle();
}

#[test]
fn a_session_behind_a_certificate_and_a_password_goes_on() {
    let guard = Guard::new();
    let (box_, me) = Side::friends(&guard);
    let transport = "ssl:proto=tls1,certuser=box,port=0,password=sesame7";
    let client = "ssl:proto=tls1,certuser=me,server=localhost";
    let server = Server::at_port(&guard, programs::dbgsrv(), transport, client, |command| {
        command.env(USER_CERTIFICATES, &box_.store);
    });
    let relay = Relay::start(server.address(), Duration::ZERO);
    let testee = Testee::build("rounds", &[]);
    let premote = format!("{client},port={},password=sesame7", relay.address().port());
    let program = testee.path().to_str().expect("text");
    let (mut cdb, _) = cdb_of(&guard, &premote, program, |command| {
        command.env(USER_CERTIFICATES, &me.store);
    });
    cdb.command("bp once");
    for number in 1..=3 {
        round(&mut cdb, number);
        relay.cut();
    }
    round(&mut cdb, 4);
    assert_eq!(cdb.finish("q").1, 0);
    // Its farewell has arrived: nobody is waited for.
    server.wait_until_idle();
}

/// A link of `ssl` by whoever has the certificate `name`.
fn link_as(side: &Side, name: &str, address: SocketAddr) -> Link {
    let text = format!("ssl:proto=tls1,certuser={name},server=localhost,port=1");
    let endpoint: ClientEndpoint = text.parse().expect("an endpoint");
    let ClientTransport::Ssl(ssl) = endpoint.transport else { panic!("{text}") };
    let own = Credentials::load_from(&Store::at(&side.store), &ssl.tls).expect("a certificate");
    let socket = TcpStream::connect(address).expect("it listens").into();
    let identity = Identity::Certificate(&own);
    let encrypted = tls::connect(socket, identity, "localhost", None, testkit::DEADLINE);
    let encrypted = encrypted.expect("both are trusted");
    let (link, inner) = Link::pair().expect("descriptors");
    let inner = inner.into_fd().expect("a descriptor");
    std::thread::spawn(move || encrypted.relay(inner));
    link
}

#[test]
fn a_stolen_token_opens_nothing_to_another_user() {
    let guard = Guard::new();
    let (box_, me) = Side::friends(&guard);
    let other = Side::new(&guard, "other");
    box_.trust(&guard, &other, "other");
    other.trust(&guard, &box_, "box");
    let transport = "ssl:proto=tls1,certuser=box,port=0";
    let client = "tcp:server=localhost";
    let server = Server::at_port(&guard, programs::dbgsrv(), transport, client, |command| {
        command.env(USER_CERTIFICATES, &box_.store);
    });
    let hello = Hello { capabilities: Capabilities::RESUME.0, ..Hello::new("testkit") };
    let mine = || link_as(&me, "me", server.address());
    let mut client = testkit::Client::try_open(mine(), &hello).expect("welcome");
    let (target, stop) = client.start(&Testee::build("spin", &[]), &[]);
    let resume_token = client.welcome().resume_token.clone();
    let stolen = Hello { resume_token, ..hello.clone() };
    let others = link_as(&other, "other", server.address());
    let fault = testkit::Client::try_open(others, &stolen).err().expect("not its session");
    assert_eq!(fault.code, ErrorCode::NoSuchSession);
    // Nothing has come of that, and whose it is comes back.
    assert_ne!(client.registers(target, stop.tid()).pc().value(), 0);
    client.come_back(mine()).expect("its session");
    client.kill(target);
    client.send_raw(&dbgwire::message::farewell());
    server.wait_until_idle();
}

#[test]
fn a_server_that_calls_calls_again() {
    let guard = Guard::new();
    let testee = Testee::build("rounds", &[]);
    // The relay stands where the client seems to be.
    let client_port = testkit::free_port();
    let relay = Relay::start(([127, 0, 0, 1], client_port).into(), Duration::ZERO);
    let transport = format!("tcp:port={},clicon=127.0.0.1", relay.address().port());
    let mut server = guard.start(programs::dbgsrv(), &["-t", &transport]);
    let premote = format!("tcp:clicon=127.0.0.1,port={client_port}");
    let (mut cdb, _) = cdb(&guard, &premote, testee.path().to_str().expect("text"));
    cdb.command("bp once");
    for number in 1..=3 {
        round(&mut cdb, number);
        relay.cut();
    }
    round(&mut cdb, 4);
    assert_eq!(cdb.finish("q").1, 0);
    // Its only client has gone.
    server.wait();
}

#[test]
fn a_session_that_cannot_go_on_is_told() {
    let guard = Guard::new();
    let testee = Testee::build("rounds", &[]);
    let server = Server::tcp(&guard, programs::dbgsrv());
    let relay = Relay::start(server.address(), Duration::ZERO);
    let premote = endpoint(relay.address()).to_connect_string();
    let (mut cdb, _) = cdb(&guard, &premote, testee.path().to_str().expect("text"));
    cdb.command("bp once");
    round(&mut cdb, 1);
    // Its guardian repairs the program, which then runs on; nobody is left to be asked for it.
    let session = server.sessions();
    testkit::send_signal(session[0], dbgbase::Signal::SIGKILL);
    let said = cdb.command("g");
    assert!(said.contains("the session has ended"), "{said}");
    assert_eq!(cdb.finish("q").1, 1);
    end_programs(&guard, &testee);
}

#[test]
fn what_can_be_neither_left_nor_ended_is_told() {
    let guard = Guard::new();
    let testee = Testee::build("rounds", &[]);
    for quit in ["qd", "q"] {
        let server = Server::tcp(&guard, programs::dbgsrv());
        let premote = endpoint(server.address()).to_connect_string();
        let (cdb, _) = cdb(&guard, &premote, testee.path().to_str().expect("text"));
        testkit::send_signal(server.sessions()[0], dbgbase::Signal::SIGKILL);
        let (said, status) = cdb.finish(quit);
        assert!(said.contains("the session has ended"), "{said}");
        assert_eq!(status, 1, "{quit}");
        end_programs(&guard, &testee);
    }
}

/// Ends what nobody debugs any more.
fn end_programs(guard: &Guard, testee: &Testee) {
    let is_program = |pid: &Pid| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|file| file == testee.path())
    };
    for program in guard.processes().into_iter().filter(is_program) {
        testkit::send_signal(program, dbgbase::Signal::SIGKILL);
    }
}
