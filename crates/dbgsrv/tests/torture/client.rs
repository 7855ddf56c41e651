//! A client that does anything it can think of: it comes, takes targets, torments them (see
//! `deeds`), and leaves them in one of many ways. It knows what it has, and which targets others
//! have.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dbgbase::{Pid, Signal};
use dbgwire::ErrorCode;
use dbgwire::verbs::server::ServerInfo;
use fastrand::Rng;
use testkit::{Client, Event, Target, send_signal, until};

use crate::hold::{Hold, SIGNALS};
use crate::listener::Listener;
use crate::offspring::Offspring;
use crate::tally::{Deed, Log, Tally};
use crate::victim::Victim;

/// How many deeds a client does.
const DEEDS: std::ops::RangeInclusive<u32> = 40..=200;
/// After how long it has had enough in any case, on a machine that has other things to do.
const TIME_MAX: Duration = Duration::from_secs(20);

/// A client.
pub(crate) struct Tormentor<'a> {
    pub(crate) number: usize,
    pub(crate) random: Rng,
    listener: &'a Listener<'a>,
    pub(crate) victims: &'a [Victim<'a>],
    pub(crate) tally: &'a Tally,
    log: &'a Log,
    /// The link, and the process of the session.
    link: Option<(Client, Pid)>,
    pub(crate) holds: Vec<Hold<'a>>,
    pub(crate) offspring: Vec<Offspring>,
}

impl<'a> Tormentor<'a> {
    /// One that is not connected.
    pub(crate) fn new(
        number: usize,
        random: Rng,
        listener: &'a Listener<'a>,
        victims: &'a [Victim<'a>],
        tally: &'a Tally,
        log: &'a Log,
    ) -> Tormentor<'a> {
        Tormentor {
            number,
            random,
            listener,
            victims,
            tally,
            log,
            link: None,
            holds: Vec::new(),
            offspring: Vec::new(),
        }
    }

    /// Does what it wants until it has had enough, or it is over.
    pub(crate) fn torment(&mut self, is_over: &AtomicBool) {
        let start = Instant::now();
        for _ in 0..self.random.u32(DEEDS) {
            let is_enough = start.elapsed() > TIME_MAX || is_over.load(Ordering::SeqCst);
            if is_enough || !self.connect() {
                break;
            }
            self.do_something();
        }
        while let Some(index) = self.holds.len().checked_sub(1) {
            match self.random.u32(..4) {
                0 => self.cut(),
                _ => self.detach(index),
            }
        }
        self.pump(Duration::ZERO);
        self.leave_all_offspring();
        self.link = None;
    }

    fn do_something(&mut self) {
        self.pump(Duration::ZERO);
        if self.holds.is_empty() || self.random.u32(..12) == 0 {
            let index = self.random.usize(..self.victims.len());
            return self.attach(index);
        }
        if !self.offspring.is_empty() && self.random.u32(..3) == 0 {
            return self.torment_offspring();
        }
        if self.random.u32(..60) == 0 {
            return self.launch();
        }
        if self.listener.may_die && self.random.u32(..100) == 0 {
            self.note("kills the server");
            self.tally.add(Deed::Kill);
            return self.listener.kill();
        }
        let index = self.random.usize(..self.holds.len());
        if self.holds[index].stop.is_some() {
            self.torment_stopped(index);
        } else {
            self.torment_running(index);
        }
    }

    /// Takes note of what it does.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.log.note(self.number, &what.into());
    }

    /// Makes a link, if there is none. Whether there is one.
    #[track_caller]
    fn connect(&mut self) -> bool {
        if self.link.is_some() {
            return true;
        }
        let Some(mut client) = self.listener.connect() else { return false };
        let session = Pid::new(client.call(&ServerInfo {}).expect("it answers").pid);
        self.note(format!("connects, session {session}"));
        self.link = Some((client, session));
        true
    }

    /// The link.
    #[track_caller]
    pub(crate) fn client(&mut self) -> &mut Client {
        let (client, _) = self.link.as_mut().expect("who does anything is connected");
        client
    }

    /// Takes in what is told within a time.
    #[track_caller]
    pub(crate) fn pump(&mut self, time: Duration) {
        let mut time = time;
        while let Some((client, _)) = &mut self.link {
            let event = client.event_within(time).expect("the session lives");
            let Some(event) = event else { return };
            self.take(event);
            time = Duration::ZERO;
        }
    }

    /// Waits for something to be told.
    #[track_caller]
    pub(crate) fn wait(&mut self) {
        let event = self.client().wait_event();
        self.take(event);
    }

    #[track_caller]
    fn take(&mut self, event: Event) {
        match event {
            Event::Stopped(stop) if self.take_offspring_stop(&stop) => {}
            Event::Created(event) => self.take_created(&event),
            Event::Exited { target, status } => self.take_exit(target, status),
            Event::Signalled(event) => {
                let signal = event.signal.map(|signal| signal.number as i32);
                assert!(signal.is_some_and(|signal| SIGNALS.contains(&signal)), "{event:?}");
            }
            Event::Stopped(stop) => {
                let told = stop.event.target;
                let hold = self.holds.iter_mut().find(|hold| hold.target.id == told);
                // Of one that was left before it could be told nothing is expected.
                let Some(hold) = hold else { return };
                let line = format!(
                    "v{} stop {} thread {} {:?} at {}",
                    hold.victim.number,
                    stop.event.stop,
                    stop.event.tid,
                    stop.reason(),
                    stop.pc()
                );
                self.log.note(self.number, &line);
                hold.take_stop(*stop, self.tally);
            }
            Event::Printed { event, text } => {
                let hold = self.holds.iter().find(|hold| hold.target.id == event.target);
                let site = hold.and_then(|hold| hold.sites.get(&event.site));
                // Those that were removed meanwhile have printed before.
                assert!(site.is_none_or(|site| !site.commands.is_empty()), "{event:?}");
                let is_line = text.is_empty() == (event.lost > 0) || text.ends_with(b"\n");
                assert!(event.fault.is_some() || is_line, "{event:?}");
            }
            // Whatever the C library loads.
            Event::ModulesChanged(_) => {}
            other => panic!("nothing leads to {other:?}"),
        }
    }

    // Coming.

    /// Attaches to a target, if another client does not have it; otherwise it is refused.
    fn attach(&mut self, index: usize) {
        let victim = &self.victims[index];
        if self.holds.iter().any(|hold| hold.victim.pid == victim.pid) {
            let refused = self.client().try_attach(victim.pid);
            let code = refused.map_err(|fault| fault.code);
            return assert_eq!(code, Err(ErrorCode::AlreadyTraced), "it is traced by us");
        }
        if !victim.take() {
            return self.intrude(victim);
        }
        self.note(format!("attaches to v{} {}", victim.number, victim.pid));
        // Whoever had it last may still be on its way out.
        let target = until("a target to be free", || match self.client().try_attach(victim.pid) {
            Ok(target) => Some(target),
            Err(fault) if fault.code == ErrorCode::AlreadyTraced => None,
            Err(fault) => panic!("cannot attach to {}: {fault}", victim.pid),
        });
        victim.pass_epoch();
        self.tally.add(Deed::Attach);
        self.holds.push(Hold::new(victim, target));
        // Sometimes more is asked before the first stop.
        if self.random.u32(..4) > 0 {
            let last = self.holds.len() - 1;
            while self.holds[last].stop.is_none() {
                self.wait();
            }
        }
    }

    /// Tries to attach to what another client has.
    fn intrude(&mut self, victim: &Victim) {
        let before = victim.epoch();
        let attached = self.client().try_attach(victim.pid);
        let is_held = before % 2 == 1 && victim.epoch() == before;
        self.note(format!("intrudes v{}: {}", victim.number, attached.is_ok()));
        match attached {
            Ok(target) => {
                assert!(!is_held, "two clients have {}", victim.pid);
                self.client().detach(target);
            }
            Err(fault) => {
                assert_eq!(fault.code, ErrorCode::AlreadyTraced, "{fault}");
                self.tally.add(Deed::Refusal);
            }
        }
    }

    // Going.

    /// Leaves a target, whether it runs or not.
    pub(crate) fn detach(&mut self, index: usize) {
        let hold = self.holds.swap_remove(index);
        self.note(format!("detaches v{}", hold.victim.number));
        hold.victim.pass_epoch();
        self.client().detach(hold.target);
        hold.victim.give_back();
        self.tally.add(Deed::Detach);
    }

    /// Loses the link, maybe within a request.
    pub(crate) fn cut(&mut self) {
        self.note("cuts the link");
        if self.random.bool() {
            let len = self.random.usize(1..16);
            self.client().send_raw(&[7, 0, 0, 0, 1, 0, 1, 4, 1, 0, 0, 0, 0, 0, 0, 0][..len]);
        }
        self.pass_epochs();
        self.lose();
        self.tally.add(Deed::Cut);
    }

    /// Kills the session's process. All targets must be at rest: so long that their code has no
    /// trap instructions any more.
    pub(crate) fn kill_session(&mut self) {
        let is_at_rest = |hold: &Hold| hold.stop.is_some() && hold.victim.is_patient();
        let is_alone = self.offspring.is_empty() && !self.listener.may_die;
        if !self.holds.iter().all(is_at_rest) || !is_alone {
            return;
        }
        let Some((_, session)) = self.link else { return };
        for index in 0..self.holds.len() {
            self.insert_sites(index);
            let victim = self.holds[index].victim;
            if victim.read_code() == victim.code {
                // It lends its memory to a process that it has made, and so has no sites now.
                return;
            }
        }
        for hold in &self.holds {
            let is_clean = || hold.victim.read_code() == hold.victim.code;
            until("it to be at rest", || is_clean().then_some(()));
            hold.assert_still();
        }
        self.note(format!("kills session {session}"));
        self.pass_epochs();
        send_signal(session, Signal::SIGKILL);
        self.client().wait_end();
        self.lose();
        self.tally.add(Deed::Kill);
    }

    fn pass_epochs(&self) {
        for hold in &self.holds {
            hold.victim.pass_epoch();
        }
    }

    fn lose(&mut self) {
        self.link = None;
        self.offspring.clear();
        for hold in self.holds.drain(..) {
            hold.victim.give_back();
        }
    }

    /// What the session calls one of its targets.
    pub(crate) fn target(&self, index: usize) -> Target {
        self.holds[index].target
    }
}
