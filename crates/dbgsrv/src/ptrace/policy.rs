//! What a client wants to be told of a target: which events stop it, what becomes of each signal,
//! what its stops bring along.
//! Tables only; whoever meets the event looks here.

use dbgbase::{Signal, TargetId};
use dbgwire::verbs::resume::{ChildPolicy, SetEvents, SetSignals};
use dbgwire::{ErrorCode, Fault, convert};

use super::tracer::Tracer;
use super::windows::Wishes;

/// How many signals there are, 1 to 64.
const SIGNALS: usize = 64;

/// Signals that programs use for themselves all the time: they are passed on without a stop.
const QUIET: [Signal; 7] = [
    Signal::SIGALRM,
    Signal::SIGCHLD,
    Signal::SIGURG,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGWINCH,
    Signal::SIGIO,
];

/// What becomes of one signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SignalPolicy {
    /// Whether the target stops before it is delivered.
    pub(super) stops: bool,
    /// Otherwise, whether it is delivered.
    pub(super) passes: bool,
    /// Otherwise, whether the client is told.
    pub(super) prints: bool,
}

impl SignalPolicy {
    /// What a target begins with.
    fn initial(signal: Signal) -> SignalPolicy {
        // 32 and 33 are the C library's own, for cancelling threads and changing ids.
        let is_quiet = QUIET.contains(&signal) || matches!(signal.number(), 32 | 33);
        SignalPolicy { stops: !is_quiet, passes: true, prints: false }
    }
}

/// What a client wants of one target.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    signals: [SignalPolicy; SIGNALS],
    /// Whether it stops when its list of modules has changed.
    pub(super) stops_at_modules: bool,
    /// Whether processes it makes become targets.
    pub(super) follows_children: bool,
    /// Whether it stops when it has made one.
    pub(super) stops_at_forks: bool,
    /// Whether it stops when a thread is born.
    pub(super) stops_at_births: bool,
    /// Whether it stops when a thread has ended.
    pub(super) stops_at_ends: bool,
    /// Whether it stops when a process has given its memory back.
    pub(super) stops_at_vfork_ends: bool,
    /// Whether its threads stop alone.
    pub(super) stops_alone: bool,
    /// What its stops bring along; `None` if the client has not said.
    pub(super) wishes: Option<Wishes>,
}

impl Policy {
    /// What a target begins with.
    pub(super) fn initial() -> Policy {
        let of = |index: usize| {
            let signal = Signal::new(index as i32 + 1).unwrap_or(Signal::SIGKILL);
            SignalPolicy::initial(signal)
        };
        Policy {
            signals: std::array::from_fn(of),
            stops_at_modules: false,
            follows_children: false,
            stops_at_forks: false,
            stops_at_births: false,
            stops_at_ends: false,
            stops_at_vfork_ends: false,
            stops_alone: false,
            wishes: None,
        }
    }

    /// What becomes of a signal.
    pub(super) fn of(&self, signal: Signal) -> SignalPolicy {
        let index = signal.number() as usize - 1;
        self.signals.get(index).copied().unwrap_or_else(|| SignalPolicy::initial(signal))
    }
}

impl Tracer {
    /// Says which events stop a target.
    pub(super) fn set_events(&mut self, request: &SetEvents) -> Result<(), Fault> {
        let Ok(children) = ChildPolicy::try_from(request.children) else {
            let detail = format!("child policy {} is not known to this server", request.children);
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        };
        let policy = &mut self.target(TargetId::new(request.target))?.policy;
        policy.stops_at_modules = request.modules;
        policy.follows_children = children == ChildPolicy::Follow;
        policy.stops_at_forks = request.forks;
        policy.stops_at_births = request.thread_births;
        policy.stops_at_ends = request.thread_ends;
        policy.stops_at_vfork_ends = request.vfork_ends;
        Ok(())
    }

    /// Says what becomes of signals, of all that are named or of none.
    pub(super) fn set_signals(&mut self, request: &SetSignals) -> Result<(), Fault> {
        let policy = &mut self.target(TargetId::new(request.target))?.policy;
        let mut signals = policy.signals;
        for wanted in &request.policies {
            let signal = convert::signal(wanted.signal);
            let slot = signal.and_then(|signal| signals.get_mut(signal.number() as usize - 1));
            let Some(slot) = slot else {
                let detail = format!("{} is not the number of a signal", wanted.signal);
                return Err(Fault::new(ErrorCode::Malformed, detail));
            };
            *slot = SignalPolicy { stops: wanted.stop, passes: wanted.pass, prints: wanted.print };
        }
        policy.signals = signals;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_place() {
        let policy = Policy::initial();
        assert!(!policy.of(Signal::SIGCHLD).stops);
        assert!(policy.of(Signal::SIGSEGV).stops);
        for (number, stops) in [(1, true), (32, false), (33, false), (34, true), (64, true)] {
            let signal = Signal::new(number).expect("a signal");
            assert_eq!(policy.of(signal).stops, stops, "{number}");
        }
    }
}
