//! Sessions whose link is lost and taken up again: nothing is done twice, nothing is lost, and the
//! user sees one line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dbgbase::{Address, x86_64};
use dbgeng::client::{LinkNews, Return};
use dbgeng::{
    BreakpointLocation, BreakpointSpec, Engine, EventKind, Execution, LaunchOptions, SignalAction,
    StopCause,
};
use dbglink::{ClientEndpoint, Link, RunDir};
use testkit::{Guard, Relay, Server, Testee, programs};

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
    loop {
        let count = Arc::clone(&resumed);
        let comeback = Return {
            open: Box::new(move |timeout| open(address, timeout)),
            told: Box::new(move |news| {
                if matches!(news, LinkNews::Resumed { .. }) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }),
        };
        // Nothing is taken up again before the server's welcome.
        let link = open(address, testkit::DEADLINE).expect("a relay that listens");
        if let Ok(engine) = Engine::connect(link, "test", Some(comeback)) {
            return (engine, resumed);
        }
    }
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
    let guard = Guard::new();
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
