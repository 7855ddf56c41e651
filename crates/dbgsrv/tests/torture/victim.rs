//! A debuggee of one round: who has it, what was done to it that it will tell of, and how it must
//! be found again.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use dbgbase::{Address, ExitStatus, LinkAddress, LoadBias, Pid};
use fastrand::Rng;
use testkit::footprint::changed_code;
use testkit::{Footprint, Guard, Process, memory_file, procfs, until};

use crate::binary::Binary;

/// The letters of its jobs; see testees/torture.c.
const JOBS: &[u8] = b"ccspfglltk";

/// A running debuggee.
pub(crate) struct Victim<'a> {
    /// Its number in the round.
    pub(crate) number: usize,
    /// Its program.
    pub(crate) binary: &'a Binary,
    /// Its process.
    pub(crate) pid: Pid,
    /// What its file's addresses are off by.
    pub(crate) bias: LoadBias,
    /// The bytes of its own code.
    pub(crate) code: Vec<u8>,
    /// Its arguments, for people.
    pub(crate) jobs: String,
    process: Process,
    footprint: Footprint,
    /// Whether a client has it, or is about to.
    is_taken: AtomicBool,
    /// Odd while a client has it for sure.
    epoch: AtomicU64,
    /// Signals that it has been sent besides its own, as far as is known for sure, and at most.
    pub(crate) signals_min: AtomicI64,
    /// See there.
    pub(crate) signals_max: AtomicI64,
}

impl<'a> Victim<'a> {
    /// Starts one.
    pub(crate) fn start(
        guard: &Guard,
        binary: &'a Binary,
        number: usize,
        random: &mut Rng,
    ) -> Self {
        let count = random.usize(2..=6);
        let jobs: String =
            (0..count).map(|_| char::from(JOBS[random.usize(..JOBS.len())])).collect();
        let seed = random.u32(..).to_string();
        let mut process = guard.start(binary.testee.path(), &[&seed, &jobs]);
        assert_eq!(process.read_line(), "resting");
        let pid = process.pid();
        let path = binary.testee.path().display().to_string();
        let mappings = procfs::mappings(pid);
        let first = mappings.iter().find(|mapping| mapping.name == path);
        let start = first.expect("the program is mapped").start.value();
        let bias = LoadBias::new(if binary.is_fixed { 0 } else { start });
        let (from, to) = binary.code;
        let len = (to.value() - from.value()) as usize;
        let code = memory_file::read(pid, from.to_address(bias), len);
        let footprint = Footprint::take(guard, pid);
        assert_eq!(footprint.changed_code, []);
        process.write_line("run");
        Victim {
            number,
            binary,
            pid,
            bias,
            code,
            jobs: format!("{seed} {jobs}"),
            process,
            footprint,
            is_taken: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            signals_min: AtomicI64::new(0),
            signals_max: AtomicI64::new(0),
        }
    }

    /// Where something of its file is.
    pub(crate) fn address(&self, at: LinkAddress) -> Address {
        at.to_address(self.bias)
    }

    /// Its own code: the first address, and the first behind.
    pub(crate) fn code_range(&self) -> (Address, Address) {
        let (from, to) = self.binary.code;
        (self.address(from), self.address(to))
    }

    /// The bytes of its own code as they are now.
    pub(crate) fn read_code(&self) -> Vec<u8> {
        let (from, _) = self.code_range();
        memory_file::read(self.pid, from, self.code.len())
    }

    /// How much it has done.
    pub(crate) fn operations(&self) -> u64 {
        memory_file::read_u64(self.pid, self.address(self.binary.operations))
    }

    /// Whether a pc is at the beginning of an instruction, if it is in its own code.
    pub(crate) fn is_plausible(&self, pc: Address) -> bool {
        let (from, to) = self.code_range();
        if pc < from || pc >= to {
            return true;
        }
        let starts = &self.binary.starts;
        starts.binary_search_by_key(&pc, |start| self.address(*start)).is_ok()
    }

    /// Whether it has threads that handle the signals that are only counted.
    pub(crate) fn has_signals(&self) -> bool {
        self.jobs.contains(['g', 'l'])
    }

    /// Whether it bears the death of its tracer: a signal that is due then comes late.
    pub(crate) fn is_patient(&self) -> bool {
        !self.jobs.contains('g')
    }

    /// Reserves it for one client. Whether it was free.
    pub(crate) fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::SeqCst)
    }

    /// Gives it back.
    pub(crate) fn give_back(&self) {
        self.is_taken.store(false, Ordering::SeqCst);
    }

    /// Takes note that the client that has reserved it has it for sure from now on, or no more.
    pub(crate) fn pass_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// A number that is odd while a client has it for sure, and another one for each time.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Everybody has left it: it must be as it was, and must say that all was well. How much it
    /// has done.
    pub(crate) fn assert_unharmed(&mut self, guard: &Guard) -> u64 {
        let pid = self.pid;
        let is_free = |tid: &dbgbase::Tid| procfs::tracer(pid, *tid).is_none_or(|by| by == 0);
        until("nobody to trace it", || procfs::tids(pid).iter().all(is_free).then_some(()));
        assert_eq!(changed_code(pid), []);
        self.process.write_line("rest");
        assert_eq!(self.process.read_line(), "resting");
        // A thread that has been joined may still be on its way out.
        let is_calm = || {
            let tids = procfs::tids(pid);
            let nothing = |tid: &dbgbase::Tid, field| {
                procfs::status(pid, *tid, field).is_some_and(|set| set.bytes().all(|b| b == b'0'))
            };
            tids.iter().eq(self.footprint.threads.keys())
                && tids.iter().all(|tid| nothing(tid, "SigPnd") && nothing(tid, "ShdPnd"))
        };
        until("it to be as calm as at the beginning", || is_calm().then_some(()));
        assert_eq!(Footprint::take(guard, pid), self.footprint);
        self.process.write_line("end");
        let verdict = self.process.read_line();
        let mut words = verdict.split(' ');
        assert_eq!(words.next(), Some("ok"), "it says: {verdict}");
        let mut number = || words.next().and_then(|word| word.parse::<i64>().ok());
        let (operations, signals) = (number().expect("a count"), number().expect("a count"));
        let (min, max) = (&self.signals_min, &self.signals_max);
        let (min, max) = (min.load(Ordering::SeqCst), max.load(Ordering::SeqCst));
        assert!(
            (min..=max).contains(&signals),
            "{signals} signals came of those sent from outside, not {min} to {max}"
        );
        assert_eq!(self.process.wait(), ExitStatus::Exited(0));
        operations.unsigned_abs()
    }

    /// What it has to say, after something went wrong.
    pub(crate) fn last_words(&mut self) -> String {
        let state = if self.process.has_ended() {
            let said = self.process.read_rest();
            format!("has ended: {:?}, and said {said:?}", self.process.wait())
        } else {
            "lives".to_owned()
        };
        format!("process {} ({}), {} {state}", self.pid, self.number, self.jobs)
    }
}
