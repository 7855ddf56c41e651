//! One round: a server, its targets and their clients, and what is looked at when all clients are
//! gone. Everything that is random follows from the seed and the round's number.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dbgbase::{ExitStatus, Signal};
use fastrand::Rng;
use testkit::{Guard, Server, procfs, until};

use crate::PROGRAM;
use crate::binary::Binaries;
use crate::client::Tormentor;
use crate::listener::Listener;
use crate::tally::{self, Deed, ERRORS, Log, Tally};
use crate::victim::Victim;

/// How long a round may take.
const PATIENCE: Duration = Duration::from_secs(400);
/// How many targets rounds have: one as often as all others.
const VICTIMS: [usize; 4] = [1, 1, 2, 3];
/// How many clients rounds have at most.
const CLIENTS_MAX: usize = 3;
/// In one of how many rounds the server may be killed.
const KILLS: u32 = 6;

/// A round that is about to begin.
pub(crate) struct Round {
    number: u64,
    random: Rng,
}

impl Round {
    /// This round of this seed.
    pub(crate) fn new(seed: u64, number: u64) -> Round {
        let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number.wrapping_mul(0xd1b5_4a32);
        Round { number, random: Rng::with_seed(mixed) }
    }

    /// Plays it.
    ///
    /// **Errors**: a description of everything, if anything was not as it has to be.
    pub(crate) fn run(mut self, binaries: &Binaries, tally: &Tally) -> Result<(), String> {
        let guard = Guard::with_patience(PATIENCE);
        let folder = guard.directory().to_owned();
        let errors = File::create(folder.join(ERRORS)).expect("a file of ours");
        let mut server = Server::npipe_with(&guard, PROGRAM, |command| {
            command.env("DBGSRV_TRACE", &folder).stderr(errors);
        });
        drop(server.connect());
        let count = VICTIMS[self.random.usize(..VICTIMS.len())];
        let mut victims: Vec<Victim> = (0..count)
            .map(|number| {
                let binary = binaries.any(&mut self.random);
                Victim::start(&guard, binary, number, &mut self.random)
            })
            .collect();
        let log = Log::new();
        let played = catch_unwind(AssertUnwindSafe(|| {
            server.wait_until_idle();
            let descriptors = descriptors(&server);
            let listener = Listener::new(&server, self.random.u32(..KILLS) == 0);
            self.let_clients_at(&guard, &listener, &victims, tally, &log);
            for victim in &mut victims {
                tally.add_many(Deed::Operation, victim.assert_unharmed(&guard));
            }
            if listener.is_dead() {
                let killed = ExitStatus::Killed(Signal::SIGKILL);
                assert_eq!(server.process().wait(), killed);
                let is_empty = || guard.processes().is_empty().then_some(());
                return until("the sessions to end without their listener", is_empty);
            }
            server.wait_until_idle();
            // Its first client may have left it a moment before they were looked at, so that there
            // may be fewer now.
            until("the server to have none but its first descriptors", || {
                let is_first = |descriptor| descriptors.contains(descriptor);
                self::descriptors(&server).iter().all(is_first).then_some(())
            });
            server.process().signal(Signal::SIGTERM);
            assert_eq!(server.process().wait(), ExitStatus::Exited(0));
            assert_eq!(server.files_left(), Vec::<PathBuf>::new());
        }));
        if played.is_ok() {
            return Ok(());
        }
        let processes = log.kept().unwrap_or_else(|| guard.describe_processes());
        let victims: Vec<String> = victims.iter_mut().map(Victim::last_words).collect();
        let traces = tally::keep_traces(&folder, self.number);
        Err(format!("{traces}\n{}\n{}\n{processes}", log.text(), victims.join("\n")))
    }

    /// Lets clients do what they want until they have had enough.
    fn let_clients_at(
        &mut self,
        guard: &Guard,
        listener: &Listener,
        victims: &[Victim],
        tally: &Tally,
        log: &Log,
    ) {
        let is_over = AtomicBool::new(false);
        let count = self.random.usize(1..=CLIENTS_MAX);
        std::thread::scope(|scope| {
            let start = |number: usize, random: Rng| {
                let mut client = Tormentor::new(number, random, listener, victims, tally, log);
                let is_over = &is_over;
                let torment = move || {
                    let done = catch_unwind(AssertUnwindSafe(|| client.torment(is_over)));
                    // What happens behind a failure would only cover it up.
                    if done.is_err() && !is_over.swap(true, Ordering::SeqCst) {
                        log.keep(guard.describe_processes());
                    }
                };
                let thread = std::thread::Builder::new().name(format!("client {number}"));
                thread.spawn_scoped(scope, torment).expect("a thread for a client")
            };
            let clients: Vec<_> =
                (0..count).map(|number| start(number, self.random.fork())).collect();
            for client in clients {
                client.join().expect("it catches its panics");
            }
        });
        assert!(!is_over.load(Ordering::SeqCst), "a client has failed");
    }
}

/// What the server has open, but for the trace of what it has repaired.
fn descriptors(server: &Server) -> Vec<String> {
    let mut descriptors = procfs::descriptors(server.pid());
    descriptors.retain(|descriptor| !descriptor.ends_with(".trace"));
    descriptors
}
