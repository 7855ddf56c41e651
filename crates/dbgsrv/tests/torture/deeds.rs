//! What clients do to targets: to those that stand still, and to those that run. Nothing of it may
//! change what a target computes: what is written is what was there, and signals are counted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use dbgbase::{Address, Arch, GeneralRegisters, RegisterId, Tid};
use dbgwire::ErrorCode;
use dbgwire::verbs::registers::{ExtendedPatch, ReadRegisters, RegisterValue, WriteRegisters};
use dbgwire::verbs::resume::{Resume, RunKind, SendSignal, ThreadAction};
use dbgwire::verbs::site::{InsertSites, Site, SiteKind};
use testkit::procfs;

use crate::client::Tormentor;
use crate::hold::{COUNTED, Kept};
use crate::tally::Deed;

/// How many sites a client sets at once.
const SITES_MAX: usize = 6;
/// How many instructions a thread is stepped at once.
const STEPS_MAX: u32 = 40;
/// Where XMM0 is in the extended registers of x86-64 (Intel SDM volume 1, 13.4.1).
const XMM: usize = 160;
/// How long to wait for a stop before something else is done.
const PATIENCE_US: u64 = 4_000;

impl Tormentor<'_> {
    pub(crate) fn torment_stopped(&mut self, index: usize) {
        self.holds[index].assert_still();
        match self.random.u32(..100) {
            0..12 => self.insert_sites(index),
            12..18 => self.remove_sites(index),
            18..24 => self.read_code(index),
            24..28 => self.write_the_same(index),
            28..36 => self.look_at_registers(index),
            36..40 => self.write_the_same_registers(index),
            40..44 => self.list_threads(index),
            44..47 => self.send_signal(index),
            47..55 => self.step_often(index),
            55..60 => self.detach(index),
            60..62 => self.cut(),
            62..63 => self.kill_session(),
            63..74 => self.wish(index),
            74..79 => self.borrow(index),
            _ => self.resume(index),
        }
    }

    pub(crate) fn torment_running(&mut self, index: usize) {
        match self.random.u32(..100) {
            0..50 => {
                let time = Duration::from_micros(self.random.u64(..PATIENCE_US));
                self.pump(time);
            }
            50..80 => self.interrupt(index),
            80..85 => self.read_code(index),
            85..88 => self.write_the_same(index),
            88..94 => self.send_signal(index),
            94..98 => self.detach(index),
            _ => self.cut(),
        }
    }

    // Sites.

    fn new_sites(&mut self, index: usize) -> Vec<Site> {
        let count = self.random.usize(1..=SITES_MAX);
        (0..count).map(|_| self.new_site(index)).collect()
    }

    pub(crate) fn new_site(&mut self, index: usize) -> Site {
        let hold = &mut self.holds[index];
        let places = &hold.victim.binary.places;
        let address = hold.victim.address(places[self.random.usize(..places.len())]);
        hold.last_site += 1;
        let mut site = Site {
            id: hold.last_site,
            address: address.value(),
            kind: SiteKind::Software as i32,
            ..Site::default()
        };
        if self.random.u32(..5) == 0 && !hold.tids.is_empty() {
            site.tid = hold.tids[self.random.usize(..hold.tids.len())].value();
        }
        if self.random.u32(..10) == 0 {
            let registers = hold.stop.as_ref().map(|stop| stop.registers());
            let sp = registers.map_or(0, |registers| registers.sp().value());
            site.sp_above = sp + self.random.u64(..0x1000);
        }
        self.limit(&mut site);
        self.holds[index].sites.insert(site.id, site.clone());
        site
    }

    pub(crate) fn insert_sites(&mut self, index: usize) {
        let sites = self.new_sites(index);
        self.note(format!("v{} inserts {}", self.holds[index].victim.number, describe(&sites)));
        self.tally.add_many(Deed::Site, sites.len() as u64);
        let target = self.target(index).id;
        let reply = self.client().call(&InsertSites { target, sites });
        assert_eq!(reply.expect("the target stands still").faults, []);
    }

    fn take_sites(&mut self, index: usize) -> Vec<Site> {
        let sites = &mut self.holds[index].sites;
        let count = self.random.usize(..=sites.len());
        let ids: Vec<u32> = sites.keys().copied().collect();
        let chosen = self.random.choose_multiple(ids, count);
        chosen.iter().filter_map(|id| sites.remove(id)).collect()
    }

    fn remove_sites(&mut self, index: usize) {
        let ids: Vec<u32> = self.take_sites(index).iter().map(|site| site.id).collect();
        self.note(format!("v{} removes {ids:?}", self.holds[index].victim.number));
        let target = self.target(index);
        self.client().remove(target, &ids);
    }

    // Memory and registers.

    /// A range of a target's code, and its bytes.
    fn range(&mut self, index: usize) -> (Address, Vec<u8>) {
        let victim = self.holds[index].victim;
        let len = self.random.usize(1..=256);
        let offset = self.random.usize(..victim.code.len() - len);
        let (from, _) = victim.code_range();
        (from.wrapping_offset(offset as i64), victim.code[offset..offset + len].to_vec())
    }

    fn read_code(&mut self, index: usize) {
        let (address, expected) = self.range(index);
        let target = self.target(index);
        let found = self.client().read(target, address, expected.len() as u32);
        assert_eq!(found, expected, "the code at {address} is another");
    }

    fn write_the_same(&mut self, index: usize) {
        let (address, bytes) = self.range(index);
        self.note(format!("v{} writes {address} {}", self.holds[index].victim.number, bytes.len()));
        let target = self.target(index);
        let written = self.client().write(target, address, &bytes);
        assert_eq!(written.expect("code is mapped"), bytes.len() as u32);
        let cell = self.holds[index].victim.address(self.holds[index].victim.binary.constant);
        let value = self.client().read(target, cell, 8);
        assert_eq!(value, 0x0123_4567_89ab_cdef_u64.to_le_bytes());
        self.client().write(target, cell, &value).expect("data is mapped");
        self.tally.add(Deed::Write);
    }

    fn look_at_registers(&mut self, index: usize) {
        let target = self.target(index).id;
        let reply = self.client().call(&ReadRegisters { target, ..Default::default() });
        let arch = Arch::native().expect("a CPU with a table");
        let threads = reply.expect("the target stands still").threads;
        assert!(!threads.is_empty());
        for thread in threads {
            let registers = GeneralRegisters::from_values(arch, &thread.general);
            let pc = registers.expect("all registers").pc();
            let victim = self.holds[index].victim;
            assert!(victim.is_plausible(pc), "thread {} is at {pc}, in an instruction", thread.tid);
        }
    }

    fn write_the_same_registers(&mut self, index: usize) {
        let target = self.target(index);
        let Some(tid) = self.any_thread(index) else { return };
        let tids = vec![tid.value()];
        let read = ReadRegisters {
            target: target.id,
            tids,
            extended: true,
            debug: true,
            stack_len: 512,
            names: true,
        };
        let reply = self.client().call(&read).expect("the target stands still");
        // It may have ended in the moment of the stop.
        let Some(thread) = reply.threads.into_iter().next() else { return };
        let registers = self.client().registers(target, tid);
        let mut values: Vec<RegisterValue> = Vec::new();
        for (register, value) in registers.values().iter().enumerate() {
            if self.random.bool() {
                values.push(RegisterValue { register: register as u32, value: *value });
            }
        }
        self.note(format!("v{} writes registers of {tid}", self.holds[index].victim.number));
        let xmm = XMM + 16 * self.random.usize(..16);
        let bytes = thread.extended.get(xmm..xmm + 16).filter(|_| self.random.bool());
        let patch = |bytes: &[u8]| ExtendedPatch { offset: xmm as u32, bytes: bytes.to_vec() };
        let extended: Vec<ExtendedPatch> = bytes.into_iter().map(patch).collect();
        let write = WriteRegisters { target: target.id, tid: tid.value(), values, extended };
        self.client().call(&write).expect("what was there can be written");
        let after = self.client().registers(target, tid);
        let is_call_number =
            |index: usize| RegisterId::new(index as u16) == dbgbase::x86_64::ORIG_RAX;
        for (index, (before, after)) in registers.values().iter().zip(after.values()).enumerate() {
            assert!(before == after || is_call_number(index), "register {index} has changed");
        }
        self.tally.add(Deed::Write);
    }

    fn list_threads(&mut self, index: usize) {
        let target = self.target(index);
        let mut listed = self.client().tids(target);
        listed.sort_unstable();
        let pid = self.holds[index].victim.pid;
        testkit::until("the threads to be the kernel's", || {
            (procfs::tids(pid) == listed).then_some(())
        });
        self.holds[index].tids = listed;
    }

    /// The thread of the stop, or another one.
    pub(crate) fn any_thread(&mut self, index: usize) -> Option<Tid> {
        let hold = &self.holds[index];
        let stop = hold.stop.as_ref()?;
        if hold.tids.is_empty() || self.random.bool() {
            return Some(stop.tid());
        }
        Some(hold.tids[self.random.usize(..hold.tids.len())])
    }

    // Running.

    /// What a thread is to do. If it has been stopped for a signal, it is given that.
    fn action(&mut self, index: usize, tid: Tid, run: RunKind) -> ThreadAction {
        let signal = self.holds[index].owed.get(&tid).map_or(0, |signal| signal.number());
        let run = run as i32;
        ThreadAction { tid: tid.value(), run, signal: signal.unsigned_abs(), ..Default::default() }
    }

    /// Everything runs, one thread alone does, or one is stepped, alone or beside the others.
    fn actions(&mut self, index: usize) -> Vec<ThreadAction> {
        let event = self.holds[index].stop.as_ref().expect("it stands still").tid();
        let others = ThreadAction { run: RunKind::Continue as i32, ..Default::default() };
        let way = self.random.u32(..10);
        let Some(chosen) = self.any_thread(index).filter(|_| way < 5) else {
            let mut action = self.action(index, event, RunKind::Continue);
            self.maybe_drop(index, &mut action);
            return vec![action, others];
        };
        let run = if way == 0 { RunKind::Continue } else { RunKind::Step };
        let is_alone = way < 3;
        let mut actions = vec![self.action(index, chosen, run)];
        if run == RunKind::Step && chosen == event && self.random.bool() {
            let pc = self.holds[index].stop.as_ref().expect("it stands still").pc().value();
            let (start, end) = (pc & !0xf, pc + self.random.u64(1..64));
            let run = RunKind::StepRange as i32;
            let range = ThreadAction { run, range_start: start, range_end: end, ..actions[0] };
            actions[0] = range;
        }
        if chosen != event {
            let run = if is_alone { RunKind::Stay } else { RunKind::Continue };
            actions.push(self.action(index, event, run));
        }
        if !is_alone {
            actions.push(others);
        }
        actions
    }

    /// Sometimes a signal is dropped, if nobody but us counts it.
    fn maybe_drop(&mut self, index: usize, action: &mut ThreadAction) {
        if action.signal == COUNTED.unsigned_abs() && self.random.u32(..4) == 0 {
            action.signal = 0;
            let victim = self.holds[index].victim;
            victim.signals_min.fetch_sub(1, Ordering::SeqCst);
            victim.signals_max.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn resume(&mut self, index: usize) {
        let actions = self.actions(index);
        let (mut insert, mut remove) = (Vec::new(), Vec::new());
        match self.random.u32(..10) {
            0 => insert = self.new_sites(index),
            1 => remove = self.take_sites(index),
            _ => {}
        }
        self.tally.add_many(Deed::Site, insert.len() as u64);
        self.resume_with(index, actions, insert, remove);
    }

    fn resume_with(
        &mut self,
        index: usize,
        actions: Vec<ThreadAction>,
        insert: Vec<Site>,
        remove: Vec<Site>,
    ) {
        let hold = &mut self.holds[index];
        hold.assert_still();
        let kinds = [RunKind::Step as i32, RunKind::StepRange as i32];
        let step = actions.iter().find(|action| kinds.contains(&action.run));
        hold.stepping = step.map(|action| Tid::new(action.tid));
        let range = step.map(|action| (action.range_start, action.range_end));
        hold.range = range.filter(|(start, _)| *start != 0);
        let told = hold.stop.take().expect("it stands still");
        let stop = told.event.stop;
        let target = hold.target.id;
        let threads: Vec<String> = actions
            .iter()
            .map(|action| format!("{}:{}:{}", action.tid, action.run, action.signal))
            .collect();
        self.note(format!(
            "v{} resumes {} inserts {} removes {}",
            self.holds[index].victim.number,
            threads.join(" "),
            describe(&insert),
            describe(&remove)
        ));
        self.tally.add(Deed::Resume);
        let inserted: Vec<u32> = insert.iter().map(|site| site.id).collect();
        let named: Vec<u32> = actions.iter().map(|action| action.tid).collect();
        let ids = remove.iter().map(|site| site.id).collect();
        let resume = Resume { target, stop, actions, insert, remove: ids };
        let refused = match self.client().call(&resume) {
            Ok(_) => {
                return self.holds[index].owed.retain(|tid, _| !named.contains(&tid.value()));
            }
            Err(fault) => fault,
        };
        // Nothing has been done.
        self.note(format!("that is refused: {refused}"));
        let hold = &mut self.holds[index];
        assert!(hold.stop.is_none(), "it has run all the same");
        hold.stop = Some(told);
        inserted.iter().for_each(|id| drop(hold.sites.remove(id)));
        hold.sites.extend(remove.into_iter().map(|site| (site.id, site)));
        match refused.code {
            // It has ended in the moment of the stop.
            ErrorCode::NoSuchThread => self.list_threads(index),
            // All that would run are kept.
            ErrorCode::Malformed if self.keeps_any(index) => self.release_threads(index),
            _ => panic!("it cannot be resumed: {refused}"),
        }
    }

    fn keeps_any(&self, index: usize) -> bool {
        self.holds[index].kept.values().any(Kept::is_kept)
    }

    /// Steps one thread many times, as long as nothing else happens.
    fn step_often(&mut self, index: usize) {
        let Some(tid) = self.any_thread(index) else { return };
        let is_alone = self.random.bool();
        for _ in 0..self.random.u32(1..STEPS_MAX) {
            let hold = &self.holds[index];
            let Some(stop) = hold.stop.as_ref().filter(|_| hold.tids.contains(&tid)) else {
                return;
            };
            let event = stop.tid();
            let mut actions = vec![self.action(index, tid, RunKind::Step)];
            if event != tid {
                actions.push(self.action(index, event, RunKind::Stay));
            }
            if !is_alone {
                let run = RunKind::Continue as i32;
                actions.push(ThreadAction { run, ..Default::default() });
            }
            self.resume_with(index, actions, Vec::new(), Vec::new());
            self.pump(Duration::from_micros(PATIENCE_US));
        }
    }

    fn interrupt(&mut self, index: usize) {
        self.note(format!("v{} interrupts", self.holds[index].victim.number));
        let target = self.target(index);
        self.client().interrupt(target);
        // If it has stopped by itself meanwhile, nothing more is told.
        while self.holds[index].stop.is_none() {
            self.wait();
        }
    }

    /// Sends it a signal that is only counted.
    fn send_signal(&mut self, index: usize) {
        let victim = self.holds[index].victim;
        if !victim.has_signals() {
            return; // Nobody would handle it.
        }
        self.note(format!("v{} sends a signal", victim.number));
        let request = SendSignal { target: self.target(index).id, tid: 0, signal: 39 };
        let id = self.client().send(&request, Bytes::new());
        victim.signals_max.fetch_add(1, Ordering::SeqCst);
        self.client().answer::<SendSignal>(id).expect("it can be sent");
        victim.signals_min.fetch_add(1, Ordering::SeqCst);
    }
}

fn describe(sites: &[Site]) -> String {
    let described: Vec<String> = sites
        .iter()
        .map(|site| format!("{}@{:x}/{}/{:x}", site.id, site.address, site.tid, site.sp_above))
        .collect();
    described.join(" ")
}
