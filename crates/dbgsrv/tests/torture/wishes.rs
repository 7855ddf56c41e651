//! What clients wish of their targets besides running them: what the CPU is to watch, which hits
//! are told, which events stop a target, what becomes of signals and system calls, what stops bring
//! along, and which threads stay where they are. All of it ends when the target is left.

use dbgbase::{Arch, Tid};
use dbgwire::ErrorCode;
use dbgwire::agent::{Code, Instruction};
use dbgwire::verbs::resume::{CatchSyscalls, ChildPolicy, SetEvents, SetSignals, SignalPolicy};
use dbgwire::verbs::site::{InsertSites, ListSites, Site, SiteKind};
use dbgwire::verbs::thread::{HoldChange, HoldThreads};
use dbgwire::verbs::window::{SetWindows, Window};

use crate::client::Tormentor;
use crate::hold::SIGNALS;
use crate::tally::Deed;

/// System calls that debuggees make: read, write, poll, nanosleep, clone, rt_sigreturn, futex.
const SYSCALLS: [u64; 7] = [0, 1, 7, 35, 56, 15, 202];

/// Code that is never true.
pub(crate) const NEVER: &[Instruction] = &[Instruction::Constant(0)];

/// Bytecode for the server.
pub(crate) fn assemble(instructions: &[Instruction]) -> Vec<u8> {
    let arch = Arch::native().expect("a CPU with a table");
    Code::assemble(instructions, arch).expect("sound").bytes().to_vec()
}

impl Tormentor<'_> {
    /// Wishes anything.
    pub(crate) fn wish(&mut self, index: usize) {
        match self.random.u32(..13) {
            0..4 => self.watch(index),
            4..7 => self.hold_threads(index),
            7..9 => self.wish_events(index),
            9 => self.wish_signals(index),
            10 => self.catch_syscalls(index),
            11 => self.wish_windows(index),
            _ => self.list_sites(index),
        }
    }

    /// Makes a site one that is told only sometimes.
    pub(crate) fn limit(&mut self, site: &mut Site) {
        if self.random.u32(..6) == 0 {
            site.ignore = self.random.u64(1..4);
        }
        let argument = Instruction::Register(5);
        if self.random.u32(..8) == 0 {
            // The argument is a number or an address, and there may be no string there.
            let code = Code::assemble_printing(&[argument; 2], b"%20ld %.9s\\n", Arch::X86_64);
            site.commands = vec![code.expect("sound").bytes().to_vec()];
        }
        let condition = match self.random.u32(..12) {
            0 => NEVER,
            1 => &[Instruction::Constant(1)],
            2 => &[argument, Instruction::Constant(1), Instruction::And],
            // The stack's top is a number or an address, and there may be nothing there.
            3 => &[Instruction::Register(7), Instruction::Read64, Instruction::Read8],
            _ => return,
        };
        site.condition = assemble(condition);
    }

    // What the CPU watches.

    fn watch(&mut self, index: usize) {
        let places = self.holds[index].victim.binary.data();
        let (at, len) = places[self.random.usize(..places.len())];
        let mut site = self.new_site(index);
        match self.random.u32(..3) {
            0 => (site.kind, site.len) = (SiteKind::HardwareExecute as i32, 1),
            kind => {
                let kind =
                    if kind == 1 { SiteKind::HardwareWrite } else { SiteKind::HardwareReadWrite };
                (site.kind, site.len) = (kind as i32, len);
                site.address = self.holds[index].victim.address(at).value();
            }
        }
        let hold = &mut self.holds[index];
        hold.sites.insert(site.id, site.clone());
        let is_hardware = |site: &&Site| site.kind != SiteKind::Software as i32;
        let count = hold.sites.values().filter(is_hardware).count();
        let (id, target) = (site.id, hold.target.id);
        self.note(format!("v{} watches {site:?}", self.holds[index].victim.number));
        let reply = self.client().call(&InsertSites { target, sites: vec![site] });
        let faults = reply.expect("the target stands still").faults;
        match faults.first().and_then(|fault| fault.fault.as_ref()) {
            None => self.tally.add(Deed::Watch),
            Some(fault) => {
                assert_eq!(fault.code, ErrorCode::LimitReached.number(), "{fault:?}");
                assert!(count > 4, "there is room for {count}");
                self.holds[index].sites.remove(&id);
            }
        }
    }

    fn list_sites(&mut self, index: usize) {
        let target = self.holds[index].target.id;
        let listed = self.client().call(&ListSites { target }).expect("the target lives").sites;
        let hold = &self.holds[index];
        let mut ids: Vec<u32> = listed.iter().map(|state| state.id).collect();
        ids.sort_unstable();
        assert!(ids.iter().eq(hold.sites.keys()), "{ids:?} are listed");
        for state in &listed {
            let told = hold.told.get(&state.id).copied().unwrap_or(0);
            let site = &hold.sites[&state.id];
            let passed = site.ignore - state.ignore;
            // A hit may be told at a stop to come, and one of several hits at once never is.
            assert!(state.hits >= told + passed, "{state:?}: told {told}, passed {passed}");
            assert!(told == 0 || passed == site.ignore, "{state:?}: told {told}");
        }
    }

    // Threads that stay.

    fn hold_threads(&mut self, index: usize) {
        let Some(tid) = self.any_thread(index) else { return };
        let changes = [
            HoldChange::Suspend,
            HoldChange::Resume,
            HoldChange::Freeze,
            HoldChange::Unfreeze,
            HoldChange::Unfreeze,
        ];
        let change = changes[self.random.usize(..changes.len())];
        self.change_hold(index, tid, change);
    }

    fn change_hold(&mut self, index: usize, tid: Tid, change: HoldChange) {
        let hold = &self.holds[index];
        self.note(format!("v{} thread {tid}: {change:?}", hold.victim.number));
        let request =
            HoldThreads { target: hold.target.id, tids: vec![tid.value()], change: change as i32 };
        let reply = self.client().call(&request);
        let kept = self.holds[index].kept.entry(tid).or_default();
        match reply {
            Ok(reply) => {
                kept.change(change);
                assert_eq!(reply.suspends, [kept.suspends]);
                self.tally.add(Deed::Keep);
            }
            Err(fault) => {
                assert_eq!(fault.code, ErrorCode::NoSuchThread, "{fault}");
                self.holds[index].kept.remove(&tid);
            }
        }
    }

    /// Lets all threads run that are kept.
    pub(crate) fn release_threads(&mut self, index: usize) {
        let kept = std::mem::take(&mut self.holds[index].kept);
        for (tid, kept) in kept {
            self.holds[index].kept.insert(tid, kept);
            self.change_hold(index, tid, HoldChange::Unfreeze);
            for _ in 0..kept.suspends {
                self.change_hold(index, tid, HoldChange::Resume);
            }
            self.holds[index].kept.remove(&tid);
        }
    }

    // What is told.

    fn wish_events(&mut self, index: usize) {
        let mut flip = || self.random.u32(..3) == 0;
        let (follows, modules, forks) = (!flip(), flip(), flip());
        let (births, ends) = (flip() && flip(), flip() && flip());
        let vfork_ends = flip();
        let hold = &mut self.holds[index];
        hold.follows |= follows;
        let children = if follows { ChildPolicy::Follow } else { ChildPolicy::LetGo } as i32;
        let target = hold.target.id;
        let events = SetEvents {
            target,
            modules,
            children,
            forks,
            thread_births: births,
            thread_ends: ends,
            vfork_ends,
        };
        self.note(format!("v{} wishes {events:?}", self.holds[index].victim.number));
        self.client().call(&events).expect("the target lives");
        self.tally.add(Deed::Wish);
    }

    fn wish_signals(&mut self, index: usize) {
        let signal = SIGNALS[self.random.usize(..SIGNALS.len())].unsigned_abs();
        let (stop, print) = (self.random.bool(), self.random.bool());
        // Those that are not told of must come.
        let policies = vec![SignalPolicy { signal, stop, pass: true, print }];
        let target = self.holds[index].target.id;
        self.note(format!("v{} wishes {policies:?}", self.holds[index].victim.number));
        self.client().call(&SetSignals { target, policies }).expect("the target lives");
        self.tally.add(Deed::Wish);
    }

    /// Has stops bring along what may be anywhere, and from time to time all threads.
    fn wish_windows(&mut self, index: usize) {
        let window = |random: &mut fastrand::Rng| Window {
            base: random.i32(0..4),
            offset: random.i64(..) >> random.u32(0..64),
            len: random.u32(..) >> random.u32(14..32),
        };
        let count = self.random.usize(..6);
        let wishes = SetWindows {
            target: self.holds[index].target.id,
            stack_len: self.random.u32(..4096),
            windows: (0..count).map(|_| window(&mut self.random)).collect(),
            extended: self.random.bool(),
            threads: self.random.u32(..4) == 0,
            thread_stack_len: self.random.u32(..512),
        };
        self.note(format!("v{} wishes {wishes:?}", self.holds[index].victim.number));
        self.client().call(&wishes).expect("the target lives");
        self.tally.add(Deed::Wish);
    }

    fn catch_syscalls(&mut self, index: usize) {
        let way = self.random.u32(..4);
        let count = if way == 1 { self.random.usize(1..4) } else { 0 };
        let numbers = self.random.choose_multiple(SYSCALLS, count);
        let hold = &mut self.holds[index];
        hold.catches |= way < 2;
        let catch = CatchSyscalls { target: hold.target.id, all: way == 0, numbers };
        self.note(format!("v{} {catch:?}", self.holds[index].victim.number));
        self.client().call(&catch).expect("the target stands still");
        self.tally.add(Deed::Wish);
    }
}
