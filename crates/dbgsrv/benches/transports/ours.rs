//! A process server at each transport, and its client.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use dbglink::RunDir;
use dbgwire::verbs::memory::{ListRegions, Range, ReadMemory};
use dbgwire::verbs::server::Ping;
use testkit::until;
use testkit::{Client, DEADLINE, Guard, Process, Server, Target, Testee, TwoMachines, programs};

use crate::figures::{Figures, PIECE_LEN, Peer};

const DBGSRV: &str = env!("CARGO_BIN_EXE_dbgsrv");
/// Where certificates of the user are.
const STORE: &str = "DBGSRV_USER_CERTIFICATES";

/// Measures the transport of this name.
pub(crate) fn measure(guard: &Guard, name: &str, machines: Option<&TwoMachines>) -> Figures {
    let run_dir = guard.directory().join("run");
    let with_run_dir = |endpoint: &str| measure_apart(guard, None, endpoint, &run_dir);
    let npipe = |transport: &str, client: &str| {
        let _server = Server::npipe_with(guard, DBGSRV, |command| {
            *command = guard.command(DBGSRV);
            command.args(["-t", transport]).env("DBGSRV_RUN_DIR", &run_dir);
            command.env(STORE, guard.directory());
        });
        until("the socket", || run_dir.join("test").exists().then_some(()));
        with_run_dir(client)
    };
    let port = |transport: &str, client: &str, password: &str| {
        let server = Server::at_port(guard, DBGSRV, transport, client, |command| {
            command.env(STORE, guard.directory());
        });
        with_run_dir(&format!("{}{password}", server.endpoint().to_connect_string()))
    };
    match (name, machines) {
        ("npipe", _) => npipe("npipe:pipe=test", "npipe:server=.,pipe=test"),
        ("npipe, password", _) => {
            npipe("npipe:pipe=test,password=a", "npipe:server=.,pipe=test,password=a")
        }
        ("spipe", _) => {
            let tls = certificate(guard);
            npipe(
                &format!("spipe:{tls},pipe=test"),
                &format!("spipe:{tls},server=localhost,pipe=test"),
            )
        }
        ("tcp", _) => port("tcp:port=0", "tcp:server=localhost", ""),
        ("tcp, password", _) => {
            port("tcp:port=0,password=a", "tcp:server=localhost", ",password=a")
        }
        ("ssl", _) => {
            let tls = certificate(guard);
            port(&format!("ssl:{tls},port=0"), &format!("ssl:{tls},server=localhost"), "")
        }
        ("exec", _) => with_run_dir(&format!("exec:{DBGSRV} -t stdio")),
        (_, Some(machines)) => {
            machines.install(guard, Path::new(DBGSRV), "/usr/local/bin");
            let mut command = machines.far(guard, "dbgsrv");
            let _server = Process::spawn(command.args(["-t", "npipe:pipe=test"]));
            until("the socket", || {
                let mut test = machines.far(guard, "test");
                let status = test.args(["-S", "/run/dbgsrv/test"]).status().expect("it starts");
                status.success().then_some(())
            });
            measure_apart(guard, Some(machines), "npipe:server=far,pipe=test", &run_dir)
        }
        _ => panic!("there is no transport {name}"),
    }
}

/// What both sides say of the certificate that they share.
fn certificate(guard: &Guard) -> String {
    let mut command = guard.command(programs::dbgsrvctl());
    command.args(["cert", "new", "box", "-host", "localhost"]).env(STORE, guard.directory());
    assert!(command.output().expect("it starts").status.success());
    "proto=tls1,certuser=box".to_owned()
}

/// Has another process of this program measure: with its own environment, and on another machine.
fn measure_apart(
    guard: &Guard,
    machines: Option<&TwoMachines>,
    endpoint: &str,
    run_dir: &Path,
) -> Figures {
    let this = std::env::current_exe().expect("it runs");
    let mut command = match machines {
        Some(machines) => machines.near(guard, this),
        None => guard.command(this),
    };
    command.arg("@transport").arg(endpoint).arg(run_dir).env(STORE, guard.directory());
    crate::figures_of(command)
}

/// Measures at an endpoint, in this process.
pub(crate) fn measure_at(endpoint: &str, run_dir: &str) -> Figures {
    let endpoint = endpoint.parse().expect("an endpoint");
    let run_dir = RunDir::at(run_dir);
    let connect = || dbglink::connect(&endpoint, &run_dir, DEADLINE).ok();
    let client = Client::open(until("the server to listen", connect));
    Figures::of(&mut Debugger::new(client))
}

/// A client with a target whose memory it reads.
struct Debugger {
    client: Client,
    target: Target,
    address: u64,
    /// The requests that are under way, and whether they are for memory.
    asked: VecDeque<(u32, bool)>,
}

impl Debugger {
    fn new(mut client: Client) -> Debugger {
        let (target, _) = client.start(&Testee::build("ballast", &[]), &[]);
        let listed = client.call(&ListRegions { target: target.id, from: 0 }).expect("it lives");
        let is_big = |start: u64, end: u64| end - start >= u64::from(PIECE_LEN);
        let region = listed
            .regions
            .iter()
            .find(|region| region.protection & 1 != 0 && is_big(region.start, region.end));
        let address = region.expect("the C library is big").start;
        Debugger { client, target, address, asked: VecDeque::new() }
    }
}

impl Peer for Debugger {
    fn ask(&mut self, len: u32) {
        let id = match len {
            0 => self.client.send(&Ping {}, Bytes::new()),
            _ => {
                let ranges = vec![Range { address: self.address, len }];
                self.client.send(&ReadMemory { target: self.target.id, ranges }, Bytes::new())
            }
        };
        self.asked.push_back((id, len > 0));
    }

    fn take(&mut self) {
        match self.asked.pop_front().expect("something was asked") {
            (id, false) => {
                self.client.answer::<Ping>(id).expect("it lives");
            }
            (id, true) => {
                let (_, bytes) = self.client.answer::<ReadMemory>(id).expect("it lives");
                assert_eq!(bytes.len(), PIECE_LEN as usize);
            }
        }
    }
}
