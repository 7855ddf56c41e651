//! The table of endings: whatever ends, and however a target was got, what becomes of it is what
//! `docs/reliability.md` says. Each row is played with a target that runs past its breakpoints, and
//! with one that stands at one.

use dbgbase::{Address, ExitStatus, Pid, Signal};
use dbgwire::verbs::process::{Detach, Kill};
use dbgwire::verbs::server::{EndServer, ServerInfo};
use testkit::footprint::changed_code;
use testkit::{
    Client, Guard, Process, Server, Target, Testee, memory_file, procfs, send_signal, site, until,
};

use crate::PROGRAM;

/// What ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cause {
    /// The client leaves the target.
    Detached,
    /// The client ends the target.
    Killed,
    /// The client goes, or the link does.
    LinkLost,
    /// SIGTERM of the listener.
    Terminated,
    /// A client ends the server.
    ServerEnded,
    /// SIGTERM of the session process.
    SessionTerminated,
    /// SIGKILL of the session process.
    SessionKilled,
    /// SIGKILL of the listener: nothing yet; then the client goes.
    ListenerKilled,
}

/// How the target was got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Attached,
    Created,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Runs,
    Ended,
}

use Cause::*;
use Fate::*;

/// The table: the cause, what becomes of what was attached to, and of what was created.
const TABLE: [(Cause, Fate, Fate); 8] = [
    (Detached, Runs, Runs),
    (Killed, Ended, Ended),
    (LinkLost, Runs, Ended),
    (Terminated, Runs, Ended),
    (ServerEnded, Runs, Ended),
    (SessionTerminated, Runs, Ended),
    (SessionKilled, Runs, Runs),
    (ListenerKilled, Runs, Ended),
];

/// One target, and everything around it.
struct Scene {
    server: Server,
    client: Option<Client>,
    target: Target,
    /// The process, if the test started it itself.
    process: Option<Process>,
    turns: Address,
}

impl Scene {
    fn set(guard: &Guard, kind: Kind, stands: bool) -> Scene {
        let server = Server::npipe(guard, PROGRAM);
        let mut client = server.connect();
        let testee = Testee::build("spin", &[]);
        let (process, target, stop) = match kind {
            Kind::Attached => {
                let mut process = guard.start(testee.path(), &[]);
                assert_eq!(process.read_line(), "ready");
                let (target, stop) = client.attach(process.pid());
                (Some(process), target, stop)
            }
            Kind::Created => {
                let (target, stop) = client.start(&testee, &[]);
                (None, target, stop)
            }
        };
        let at = |symbol| testee.symbol(symbol).to_address(stop.bias());
        client.insert_site(target, site(1, at("main")));
        if stands {
            client.insert_site(target, site(2, at("turn")));
        }
        client.go(target);
        if kind == Kind::Created {
            assert_eq!(client.wait_stop().sites(), [1]);
            client.go(target);
        }
        if stands {
            assert_eq!(client.wait_stop().sites(), [2]);
            let is_at_rest = || changed_code(target.pid).is_empty().then_some(());
            until("it to be at rest", is_at_rest);
        }
        Scene { server, client: Some(client), target, process, turns: at("turns") }
    }

    /// Lets happen what ends.
    fn play(&mut self, cause: Cause) {
        let target = self.target.id;
        match cause {
            Detached => drop(self.client().call(&Detach { target }).expect("it is there")),
            Killed => drop(self.client().call(&Kill { target }).expect("it is there")),
            LinkLost => self.client = None,
            Terminated => self.server.process().signal(Signal::SIGTERM),
            ServerEnded => {
                let mut other = self.server.connect();
                other.call(&EndServer {}).expect("it can be ended");
            }
            SessionTerminated => send_signal(self.session(), Signal::SIGTERM),
            SessionKilled => send_signal(self.session(), Signal::SIGKILL),
            ListenerKilled => {
                self.server.process().signal(Signal::SIGKILL);
                self.server.process().wait();
                let info = self.client().call(&ServerInfo {});
                assert!(info.is_ok(), "the session goes on");
                self.client = None;
            }
        }
    }

    fn session(&mut self) -> Pid {
        Pid::new(self.client().call(&ServerInfo {}).expect("it answers").pid)
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("it is there")
    }

    #[track_caller]
    fn assert_fate(&mut self, fate: Fate, row: &str) {
        let pid = self.target.pid;
        match fate {
            Ended => match &mut self.process {
                Some(process) => assert_eq!(process.wait(), ExitStatus::Killed(Signal::SIGKILL)),
                None => until("it to end", || (!procfs::is_alive(pid)).then_some(())),
            },
            Runs => {
                let is_free = || (procfs::tracer(pid, pid.into()) == Some(0)).then_some(());
                until(&format!("nobody to trace it: {row}"), is_free);
                let counted = memory_file::read_u64(pid, self.turns);
                let runs = || memory_file::read_u64(pid, self.turns) > counted;
                until(&format!("it to run: {row}"), || runs().then_some(()));
                let is_clean = || changed_code(pid).is_empty().then_some(());
                until(&format!("its code to be its own: {row}"), is_clean);
                send_signal(pid, Signal::SIGKILL);
            }
        }
    }
}

#[test]
fn every_ending_leaves_targets_as_the_table_says() {
    for (cause, attached, created) in TABLE {
        for (kind, fate) in [(Kind::Attached, attached), (Kind::Created, created)] {
            for stands in [false, true] {
                let row = format!("{cause:?}, {kind:?}, standing {stands}");
                let guard = Guard::new();
                let mut scene = Scene::set(&guard, kind, stands);
                scene.play(cause);
                scene.assert_fate(fate, &row);
            }
        }
    }
}
