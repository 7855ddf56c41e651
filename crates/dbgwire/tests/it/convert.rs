//! Between the numbers of messages and the vocabulary, both ways, for every reason and status.

use dbgbase::{Address, ExitStatus, Pid, Signal, SiteId, StopReason};
use dbgwire::DecodeError;
use dbgwire::convert::{exit_status, exited, reason, set_reason, signal};
use dbgwire::event::{Exited, SignalDetail, StopKind, Stopped};

fn signal_stop(signal: Signal, address: Option<u64>, sender: Option<u32>) -> StopReason {
    let (address, sender) = (address.map(Address::new), sender.map(Pid::new));
    StopReason::Signal { signal, code: -6, address, sender }
}

/// Every reason there is, those with fields in all their shapes.
fn reasons() -> Vec<(StopReason, StopKind)> {
    let sites = |ids: &[u32]| StopReason::Breakpoint {
        sites: ids.iter().map(|id| SiteId::new(*id)).collect(),
    };
    vec![
        (StopReason::InitialBreak, StopKind::InitialBreak),
        (StopReason::Attached, StopKind::Attached),
        (StopReason::Interrupted, StopKind::Interrupted),
        (sites(&[]), StopKind::Breakpoint),
        (sites(&[7, 0, u32::MAX, 7]), StopKind::Breakpoint),
        (StopReason::Step, StopKind::Step),
        (signal_stop(Signal::SIGHUP, None, None), StopKind::Signal),
        (signal_stop(Signal::SIGSEGV, Some(0), None), StopKind::Signal),
        (signal_stop(Signal::SIGUSR1, None, Some(0)), StopKind::Signal),
        (signal_stop(Signal::SIGBUS, Some(u64::MAX), Some(u32::MAX)), StopKind::Signal),
        (StopReason::ProgramTrap, StopKind::ProgramTrap),
        (StopReason::Exec, StopKind::Exec),
        (
            StopReason::Watchpoint { sites: vec![SiteId::new(7)], address: Address::new(u64::MAX) },
            StopKind::Watchpoint,
        ),
        (StopReason::SyscallEntry { number: u64::MAX }, StopKind::SyscallEntry),
        (StopReason::SyscallExit { number: 1 }, StopKind::SyscallExit),
        (StopReason::Forked { child: Pid::new(7), borrows: false }, StopKind::Forked),
        (StopReason::Forked { child: Pid::new(u32::MAX), borrows: true }, StopKind::Forked),
        (StopReason::ThreadBorn, StopKind::ThreadBorn),
        (StopReason::ThreadEnding { status: ExitStatus::Exited(255) }, StopKind::ThreadEnding),
        (
            StopReason::ThreadEnding { status: ExitStatus::Killed(Signal::SIGKILL) },
            StopKind::ThreadEnding,
        ),
        (StopReason::Born, StopKind::Born),
        (StopReason::ModulesChanged, StopKind::ModulesChanged),
        (StopReason::VforkDone { child: Pid::new(7) }, StopKind::VforkDone),
    ]
}

#[test]
fn every_reason_survives_the_wire() {
    for (sent, kind) in reasons() {
        let mut event = Stopped::default();
        set_reason(&mut event, &sent);
        assert_eq!(StopKind::try_from(event.kind), Ok(kind));
        assert_eq!(reason(&event), Ok(sent));
    }
}

#[test]
fn every_kind_but_unspecified_has_a_reason() {
    let kinds: Vec<StopKind> = (0..).map_while(|number| StopKind::try_from(number).ok()).collect();
    assert_eq!(kinds.first(), Some(&StopKind::Unspecified));
    for kind in &kinds[1..] {
        assert!(reasons().iter().any(|(_, found)| found == kind), "{kind:?}");
    }
}

#[test]
fn a_missing_kind_and_those_of_later_versions_are_interruptions() {
    for kind in [0, 18, 1000, -1, i32::MAX, i32::MIN] {
        let event = Stopped { kind, ..Stopped::default() };
        assert_eq!(reason(&event), Ok(StopReason::Interrupted), "{kind}");
    }
}

#[test]
fn a_signal_stop_needs_a_signal() {
    let bad = Err(DecodeError::BadField { field: "signal" });
    let stop = |signal| Stopped { kind: StopKind::Signal as i32, signal, ..Stopped::default() };
    assert_eq!(reason(&stop(None)), bad);
    for number in [0, 65, 256 + 9, u32::MAX] {
        let detail = SignalDetail { number, ..SignalDetail::default() };
        assert_eq!(reason(&stop(Some(detail))), bad, "{number}");
    }
}

#[test]
fn fields_of_another_kind_are_not_looked_at() {
    let detail = SignalDetail { number: 999, ..SignalDetail::default() };
    let event = Stopped {
        kind: StopKind::Step as i32,
        sites: vec![1],
        signal: Some(detail),
        ..Stopped::default()
    };
    assert_eq!(reason(&event), Ok(StopReason::Step));
}

#[test]
fn signals_are_the_numbers_1_to_64() {
    for number in 1..=64 {
        assert_eq!(signal(number).map(Signal::number), Some(number as i32));
    }
    for number in [0, 65, 255, 257, 1 << 31, u32::MAX] {
        assert_eq!(signal(number), None, "{number}");
    }
}

#[test]
fn every_exit_status_survives_the_wire() {
    for status in 0..=255 {
        let sent = ExitStatus::Exited(status);
        assert_eq!(exit_status(&exited(7, sent)), Ok(sent));
    }
    for number in 1..=64 {
        let sent = ExitStatus::Killed(Signal::new(number).expect("a signal"));
        let event = exited(7, sent);
        assert_eq!((event.target, event.status), (7, None));
        assert_eq!(exit_status(&event), Ok(sent));
    }
}

#[test]
fn an_exit_that_says_nothing_or_nonsense_is_refused() {
    let read =
        |status, signal| exit_status(&Exited { target: 1, status, signal, left: String::new() });
    assert_eq!(read(None, None), Err(DecodeError::BadField { field: "status" }));
    assert_eq!(read(Some(256), None), Err(DecodeError::BadField { field: "status" }));
    for number in [0, 65, u32::MAX] {
        assert_eq!(read(None, Some(number)), Err(DecodeError::BadField { field: "signal" }));
    }
    // The signal is the stronger word.
    assert_eq!(read(Some(0), Some(9)), Ok(ExitStatus::Killed(Signal::SIGKILL)));
}
