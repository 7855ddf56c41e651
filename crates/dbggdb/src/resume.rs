//! Packets that let threads run: `vCont`, `c`, `s`, `C`, `S`, and the interrupt. It turns them into
//! one request for each target.

use dbgbase::{Address, Pid, Signal, TargetId, Tid};
use dbgwire::verbs::resume::{Interrupt, Resume, RunKind, ThreadAction};
use dbgwire::verbs::site::RemoveSites;

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};
use crate::signal_number;
use crate::target::{Resumption, Target, Thread};
use crate::thread_id::{ThreadId, Which};

/// What threads are to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Action {
    /// What.
    pub(crate) run: Run,
    /// The signal they are given.
    pub(crate) signal: Option<Signal>,
    /// Which threads; `None` for all that no other action is for.
    pub(crate) threads: Option<ThreadId>,
}

/// The ways to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Run {
    /// Run.
    Continue,
    /// Execute one instruction.
    Step,
    /// Execute instructions until one outside this range is next.
    StepRange(Address, Address),
    /// Stop (`t`, in non-stop mode).
    Stop,
}

impl Action {
    /// What a thread does that is about to end.
    const END: Action = Action { run: Run::Continue, signal: None, threads: None };

    /// The same, with a signal that the thread is to be given, unless this one gives another.
    fn with(&self, signal: Option<Signal>) -> Action {
        Action { signal: self.signal.or(signal), ..*self }
    }

    /// All threads of a process run.
    pub(crate) fn all_of(pid: Pid) -> Action {
        let threads = Some(ThreadId { process: Some(Which::One(pid)), thread: Which::All });
        Action { run: Run::Continue, signal: None, threads }
    }
}

/// The actions of a `vCont` packet.
///
/// **Errors**: [`PacketError::Malformed`].
pub(crate) fn parse(text: &[u8], dialect: Dialect) -> Result<Vec<Action>, PacketError> {
    text.split(|byte| *byte == b';').map(|action| parse_action(action, dialect)).collect()
}

fn parse_action(text: &[u8], dialect: Dialect) -> Result<Action, PacketError> {
    let mut arguments = Arguments::new(text);
    let what = arguments.until(b':');
    let threads = match arguments.rest() {
        b"" => None,
        thread => Some(ThreadId::parse(thread).ok_or(PacketError::Malformed("a thread's id"))?),
    };
    let (letter, rest) = what.split_first().ok_or(PacketError::Malformed("an action"))?;
    let signal = || {
        let number = hex::number(rest).ok_or(PacketError::Malformed("a signal's number"))?;
        Ok::<_, PacketError>(signal_number::from_debugger(number, dialect))
    };
    let (run, signal) = match letter {
        b'c' => (Run::Continue, None),
        b'C' => (Run::Continue, signal()?),
        b's' => (Run::Step, None),
        b'S' => (Run::Step, signal()?),
        b't' => (Run::Stop, None),
        b'r' => {
            let mut range = Arguments::new(rest);
            let start = range.address(b',')?;
            let end = range.address(b',')?;
            range.end()?;
            (Run::StepRange(start, end), None)
        }
        _ => return Err(PacketError::Malformed("an action's letter")),
    };
    Ok(Action { run, signal, threads })
}

/// What one thread does.
fn action_for(actions: &[Action], pid: Pid, tid: Tid) -> Option<&Action> {
    let is_its = |action: &&Action| action.threads.is_none_or(|threads| threads.covers(pid, tid));
    actions.iter().find(is_its).filter(|action| action.run != Run::Stop)
}

/// What the threads of a target do, as a request says it; none if none of them does anything.
fn thread_actions(target: &Target, actions: &[Action]) -> Vec<ThreadAction> {
    let of = |tid: Tid| action_for(actions, target.pid, tid);
    // Threads that have not been met yet do what the action for all says. Where threads stop alone
    // all that stand still are known, and others must not be let run by mistake.
    let nobody = Tid::new(u32::MAX);
    let is_for_all = |action: &&Action| action.signal.is_none() && action.run == Run::Continue;
    let default = of(nobody).filter(is_for_all).filter(|_| !target.stops_alone);
    let standing = target.threads.iter().filter(|(_, thread)| !thread.is_running);
    let explicit = standing.filter_map(|(tid, thread)| {
        let is_gone = thread.is_ending;
        let action = of(*tid).map(|action| action.with(thread.owed)).filter(|_| !is_gone);
        match action {
            // One that ends has only to be let.
            _ if is_gone => Some(thread_action(*tid, Some(&Action::END))),
            action if action.as_ref() == default => None,
            action => Some(thread_action(*tid, action.as_ref())),
        }
    });
    let mut wanted: Vec<ThreadAction> = explicit.collect();
    wanted.extend(default.map(|action| thread_action(Tid::new(0), Some(action))));
    let runs = |action: &ThreadAction| action.run != RunKind::Stay as i32;
    if !wanted.iter().any(runs) {
        wanted.clear();
    }
    wanted
}

fn thread_action(tid: Tid, action: Option<&Action>) -> ThreadAction {
    let mut wanted = ThreadAction { tid: tid.value(), ..ThreadAction::default() };
    let Some(action) = action else { return wanted };
    wanted.signal = action.signal.map_or(0, |signal| signal.number() as u32);
    wanted.run = match action.run {
        Run::Continue => RunKind::Continue,
        Run::Step => RunKind::Step,
        Run::StepRange(start, end) => {
            (wanted.range_start, wanted.range_end) = (start.value(), end.value());
            // An empty range means one step (manual, `vCont`, action `r`).
            if start < end { RunKind::StepRange } else { RunKind::Step }
        }
        Run::Stop => RunKind::Stay,
    } as i32;
    wanted
}

/// What the old packets mean: the thread of `Hc` does this, and no other runs. If that names none,
/// the current one does it, and all others run.
fn old_actions(
    run: Run,
    signal: Option<Signal>,
    selected: Option<ThreadId>,
    current: (Pid, Tid),
) -> Vec<Action> {
    if let Some(one @ ThreadId { thread: Which::One(_), .. }) = selected {
        return vec![Action { run, signal, threads: Some(one) }];
    }
    let (pid, tid) = current;
    let one = ThreadId { process: Some(Which::One(pid)), thread: Which::One(tid) };
    let others = Action { run: Run::Continue, signal: None, threads: None };
    vec![Action { run, signal, threads: Some(one) }, others]
}

impl Session {
    /// `vCont?`: the actions that are known.
    pub(crate) fn packet_vcont_query(&mut self, _: &[u8]) -> Handled {
        Ok(Reply::from("vCont;c;C;s;S;t;r"))
    }

    /// `vCont;ACTION[:THREAD]...`
    pub(crate) fn packet_vcont(&mut self, arguments: &[u8]) -> Handled {
        let actions = parse(arguments, self.dialogue.dialect)?;
        self.resume(&actions)
    }

    /// `c [ADDRESS]`
    pub(crate) fn packet_continue(&mut self, arguments: &[u8]) -> Handled {
        self.run_selected(Run::Continue, None, arguments)
    }

    /// `s [ADDRESS]`
    pub(crate) fn packet_step(&mut self, arguments: &[u8]) -> Handled {
        self.run_selected(Run::Step, None, arguments)
    }

    /// `C SIGNAL[;ADDRESS]`
    pub(crate) fn packet_continue_signal(&mut self, arguments: &[u8]) -> Handled {
        self.run_with_signal(Run::Continue, arguments)
    }

    /// `S SIGNAL[;ADDRESS]`
    pub(crate) fn packet_step_signal(&mut self, arguments: &[u8]) -> Handled {
        self.run_with_signal(Run::Step, arguments)
    }

    fn run_with_signal(&mut self, run: Run, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let signal = arguments.number(b';', "a signal's number was expected")?;
        let signal = signal_number::from_debugger(signal, self.dialogue.dialect);
        self.run_selected(run, signal, arguments.rest())
    }

    fn run_selected(&mut self, run: Run, signal: Option<Signal>, address: &[u8]) -> Handled {
        if !address.is_empty() {
            let address = hex::number(address).ok_or(PacketError::Malformed("an address"))?;
            self.set_pc(Address::new(address))?;
        }
        let (id, tid) = self.current()?;
        let current = (self.target(id)?.pid, tid);
        self.resume(&old_actions(run, signal, self.selected_to_run, current))
    }

    /// Lets threads run, with all changes of breakpoints that have gathered.
    ///
    /// **Cost**: none; nobody waits.
    pub(crate) fn resume(&mut self, actions: &[Action]) -> Handled {
        self.resumed = actions.to_vec();
        if self.dialogue.non_stop {
            self.resume_targets(actions);
            self.stop_threads(actions)?;
            return Ok(Reply::Ok);
        }
        self.expects_stop = true;
        if self.has_due_report() {
            // Something has happened already.
            self.owe_signals(actions);
            return Ok(Reply::Later);
        }
        let is_any = self.resume_targets(actions);
        if !self.resume_borrowers(actions) && !is_any {
            self.expects_stop = false;
            if self.dialogue.no_resumed {
                return Ok(Reply::from("N"));
            }
            return Err(PacketError::NoProcess);
        }
        Ok(Reply::Later)
    }

    /// Takes note of signals that threads would be given if they ran now.
    fn owe_signals(&mut self, actions: &[Action]) {
        for target in self.targets.values_mut().filter(|target| !target.is_running) {
            for (tid, thread) in &mut target.threads {
                if let Some(action) = action_for(actions, target.pid, *tid) {
                    thread.owed = action.with(thread.owed).signal;
                }
            }
        }
    }

    /// Lets those threads run that are to; whether there are any.
    fn resume_targets(&mut self, actions: &[Action]) -> bool {
        let mut is_any = false;
        for id in self.targets.keys().copied().collect::<Vec<_>>() {
            let Some(target) = self.targets.get_mut(&id) else { continue };
            let wanted = thread_actions(target, actions);
            if wanted.is_empty() {
                continue;
            }
            is_any = true;
            if target.is_running && !target.stops_alone {
                continue; // The debugger has not waited for it to stop.
            }
            target.actions.clone_from(&wanted);
            let runs = |tid: &Tid| {
                let action = target.action_of(*tid);
                action.is_some_and(|action| action.run != RunKind::Stay as i32)
            };
            let tids: Vec<Tid> = target.threads.keys().copied().filter(runs).collect();
            // What the debugger asked at this stop, the next one brings along.
            if let Some(windows) = target.habits.settle(id.value(), target.threads.len()) {
                self.client.post(&windows);
            }
            self.post_resume(id, wanted, tids);
        }
        is_any
    }

    /// Asks the server to let threads of a target run, with the changes of breakpoints that have
    /// gathered. `tids` are those that are known to run then.
    pub(crate) fn post_resume(&mut self, id: TargetId, actions: Vec<ThreadAction>, tids: Vec<Tid>) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        let changes = target.breakpoints.take_changes();
        if !changes.remove_first.is_empty() {
            self.client.post(&RemoveSites { target: id.value(), ids: changes.remove_first });
        }
        let request = Resume {
            target: id.value(),
            // Where threads stop alone each has a stop of its own.
            stop: if target.stops_alone { 0 } else { target.stop.value() },
            actions,
            insert: changes.insert,
            remove: changes.remove,
        };
        let request = self.client.post(&request);
        self.resumes += 1;
        target.note_running(&tids);
        target.resumptions.push(Resumption { request, tids, undo: changes.undo });
    }

    /// Stops those threads that are to stop, in non-stop mode.
    fn stop_threads(&mut self, actions: &[Action]) -> Result<(), PacketError> {
        let stops = |target: &Target, tid: Tid| {
            let covers =
                |action: &&Action| action.threads.is_none_or(|ids| ids.covers(target.pid, tid));
            actions.iter().find(covers).is_some_and(|action| action.run == Run::Stop)
        };
        for id in self.targets.keys().copied().collect::<Vec<_>>() {
            let target = self.target(id)?;
            if !target.is_running || !actions.iter().any(|action| action.run == Run::Stop) {
                continue;
            }
            let nobody = Tid::new(u32::MAX);
            let is_all = stops(target, nobody);
            let is_meant =
                |(tid, thread): &(&Tid, &Thread)| thread.is_running && stops(target, **tid);
            let named = target.threads.iter().filter(is_meant).map(|(tid, _)| tid.value());
            let named: Vec<u32> = named.collect();
            if is_all {
                self.client.post(&Interrupt { target: id.value(), tids: Vec::new() });
                continue;
            }
            // One by one: a thread that has ended meanwhile keeps no other one running.
            for tid in named {
                self.client.post(&Interrupt { target: id.value(), tids: vec![tid] });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(text: &str) -> Vec<Action> {
        parse(text.as_bytes(), Dialect::Gdb).expect("is a vCont packet")
    }

    #[test]
    fn the_leftmost_action_counts() {
        let parsed = actions("s:p1.2;C0b:p1.3;r1000,1010:p1.4;c");
        let runs: Vec<Run> = parsed.iter().map(|action| action.run).collect();
        let range = Run::StepRange(Address::new(0x1000), Address::new(0x1010));
        assert_eq!(runs, [Run::Step, Run::Continue, range, Run::Continue]);
        assert_eq!(parsed[1].signal, Some(Signal::SIGSEGV));
        assert_eq!(parsed[3].threads, None);
    }

    #[test]
    fn what_is_no_action_is_refused() {
        for text in ["", "x", "c:", "c:z", "C", "Czz", "r1000", "r1,2,3", "s;;c"] {
            let refused = parse(text.as_bytes(), Dialect::Gdb);
            // `c:` names no thread and means all, as without the colon.
            assert_eq!(refused.is_err(), text != "c:", "{text}");
        }
    }
}
