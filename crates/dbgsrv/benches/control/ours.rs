//! Our server under measurement, over TCP as the other one.

use dbgbase::{Arch, Tid};
use dbgwire::agent::{Code, Instruction};
use dbgwire::verbs::site::{Site, SiteKind};
use testkit::{Client, Server, Target, site};

use crate::{Debugger, Scene};

pub(crate) struct Ours {
    client: Client,
    target: Target,
    thread: Tid,
    _server: Server,
}

impl Debugger for Ours {
    fn attach(scene: &Scene) -> Ours {
        let server = Server::tcp(&scene.guard, env!("CARGO_BIN_EXE_dbgsrv"));
        let mut client = server.connect();
        let (target, _) = client.attach(scene.pid());
        let tids = client.tids(target);
        let thread = *tids.get(1).or(tids.first()).expect("a thread");
        Ours { client, target, thread, _server: server }
    }

    fn step(&mut self) {
        self.client.step(self.target, self.thread);
        assert!(!self.client.wait_stop().event.general.is_empty());
    }

    fn break_at(&mut self, scene: &Scene) {
        self.client.insert(self.target, 1, scene.function);
        self.client.go(self.target);
        self.client.wait_stop();
    }

    fn hit(&mut self, _: &Scene) {
        self.client.go(self.target);
        assert_eq!(self.client.wait_stop().sites(), [1]);
    }

    fn run_over(&mut self, scene: &Scene) {
        let never = [Instruction::Constant(0), Instruction::End];
        let condition = Code::assemble(&never, Arch::X86_64).expect("sound code");
        let site = Site { condition: condition.bytes().to_vec(), ..site(1, scene.function) };
        self.client.insert_site(self.target, site);
        self.client.go(self.target);
    }

    fn watch(&mut self, scene: &Scene) {
        let kind = SiteKind::HardwareWrite as i32;
        let site = Site { kind, len: 8, ..site(1, scene.counters) };
        self.client.insert_site(self.target, site);
    }

    fn hit_watch(&mut self) {
        self.client.go(self.target);
        self.client.wait_stop();
    }
}
