//! Stops and what is made of them, without a server.

use std::sync::LazyLock;

use dbgbase::{Pid, SiteId};

use super::*;
use crate::{BreakpointId, BreakpointLocation, BreakpointSpec};

const P0: ProcessNumber = ProcessNumber(0);
const T1: Tid = Tid::new(11);
const HERE: Address = Address::new(0x1000);

static FILTERS: LazyLock<EventFilters> = LazyLock::new(EventFilters::initial);

/// A breakpoint at [`HERE`], number 0, site 1, and elsewhere, so that its passes are counted here.
fn breakpoints(passes: u32) -> Breakpoints {
    let mut breakpoints = Breakpoints::default();
    let spec = BreakpointSpec::new("here", BreakpointLocation::Address(HERE));
    let spec = BreakpointSpec { passes, ..spec };
    let addresses = [HERE, Address::new(0x9000)];
    breakpoints.add(spec, P0, None, &addresses, Vec::new()).expect("few enough");
    breakpoints
}

fn stop(reason: &StopReason) -> Stop<'_> {
    Stop {
        process: P0,
        tid: T1,
        pc: Some(HERE),
        sp: Some(Address::new(0x8000)),
        syscall: SyscallValues::default(),
        reason,
        filters: &FILTERS,
        dispositions: None,
        is_birth: false,
        is_linking: false,
        unmet: &[],
        is_break_wanted: false,
        others_stopped: false,
    }
}

fn go() -> Plan {
    Plan::Go { process: P0, until: Vec::new() }
}

fn step() -> Plan {
    Plan::Step { process: P0, tid: T1 }
}

fn signal(signal: Signal, code: i32) -> StopReason {
    StopReason::Signal { signal, code, address: None, sender: Some(Pid::new(1)) }
}

fn hit(site: u32) -> StopReason {
    StopReason::Breakpoint { sites: vec![SiteId::new(site)] }
}

#[test]
fn a_breakpoint_is_told_when_its_passes_are_used_up() {
    let mut breakpoints = breakpoints(2);
    let reason = hit(1);
    assert_eq!(judge(&stop(&reason), Some(&go()), &mut breakpoints), Verdict::RunOn);
    let told = Verdict::Tell(StopCause::Breakpoints(vec![BreakpointId(0)]));
    assert_eq!(judge(&stop(&reason), Some(&go()), &mut breakpoints), told);
    assert_eq!(judge(&stop(&hit(9)), Some(&go()), &mut breakpoints), Verdict::RunOn);
}

#[test]
fn while_others_stop_nothing_runs_on() {
    let mut breakpoints = breakpoints(2);
    let reason = hit(1);
    let while_stopping = Stop { others_stopped: true, ..stop(&reason) };
    assert_eq!(judge(&while_stopping, Some(&go()), &mut breakpoints), Verdict::Stay);
    let told = Verdict::Tell(StopCause::Breakpoints(vec![BreakpointId(0)]));
    assert_eq!(judge(&while_stopping, Some(&go()), &mut breakpoints), told, "also an event");
    let interrupted = Stop { reason: &StopReason::Interrupted, ..while_stopping };
    assert_eq!(judge(&interrupted, Some(&go()), &mut breakpoints), Verdict::Stay);
    let stepped = Stop { reason: &StopReason::Step, ..interrupted };
    assert_eq!(judge(&stepped, Some(&step()), &mut breakpoints), Verdict::Stay);
}

#[test]
fn a_step_onto_a_breakpoint_is_told_as_the_breakpoint() {
    let reason = StopReason::Step;
    let told = Verdict::Tell(StopCause::Breakpoints(vec![BreakpointId(0)]));
    assert_eq!(judge(&stop(&reason), Some(&step()), &mut breakpoints(1)), told);
    let told = Verdict::Tell(StopCause::Step);
    assert_eq!(judge(&stop(&reason), Some(&step()), &mut breakpoints(2)), told);
    let elsewhere = Stop { pc: Some(Address::new(0x2000)), ..stop(&reason) };
    assert_eq!(judge(&elsewhere, Some(&step()), &mut breakpoints(1)), told);
    assert_eq!(judge(&elsewhere, Some(&go()), &mut breakpoints(1)), Verdict::RunOn);
}

#[test]
fn what_the_cpu_has_watched_is_a_hit_and_ends_a_step() {
    let reason = |site| StopReason::Watchpoint { sites: vec![SiteId::new(site)], address: HERE };
    let told = Verdict::Tell(StopCause::Breakpoints(vec![BreakpointId(0)]));
    assert_eq!(judge(&stop(&reason(1)), Some(&step()), &mut breakpoints(1)), told);
    assert_eq!(judge(&stop(&reason(1)), Some(&go()), &mut breakpoints(1)), told);
    // It was for one that is gone.
    let told = Verdict::Tell(StopCause::Step);
    assert_eq!(judge(&stop(&reason(9)), Some(&step()), &mut breakpoints(1)), told);
    assert_eq!(judge(&stop(&reason(9)), Some(&go()), &mut breakpoints(1)), Verdict::RunOn);
}

#[test]
fn a_typed_interrupt_is_a_break_in_while_one_is_wanted() {
    let typed = signal(Signal::SIGINT, 0x80);
    let wanted = Stop { is_break_wanted: true, ..stop(&typed) };
    let told = Verdict::Tell(StopCause::Interrupted);
    assert_eq!(judge(&wanted, Some(&go()), &mut breakpoints(1)), told);
    let as_signal = judge(&stop(&typed), Some(&go()), &mut breakpoints(1));
    assert!(matches!(as_signal, Verdict::Tell(StopCause::Signal { code: 0x80, .. })));
    let sent = signal(Signal::SIGINT, 0);
    let wanted = Stop { is_break_wanted: true, ..stop(&sent) };
    let as_signal = judge(&wanted, Some(&go()), &mut breakpoints(1));
    assert!(matches!(as_signal, Verdict::Tell(StopCause::Signal { .. })), "kill -INT is not typed");
}

#[test]
fn signals_are_passed_on_unless_they_were_for_the_debugger() {
    let passed = |reason: StopReason, shares_terminal| {
        signal_of(&reason, T1, shares_terminal, &FILTERS, None)
            .map(|signal| (signal.signal, signal.is_passed))
    };
    assert_eq!(passed(signal(Signal::SIGSEGV, 1), true), Some((Signal::SIGSEGV, true)));
    assert_eq!(passed(signal(Signal::SIGINT, 0x80), true), Some((Signal::SIGINT, false)));
    assert_eq!(passed(signal(Signal::SIGINT, 0x80), false), Some((Signal::SIGINT, true)));
    assert_eq!(passed(signal(Signal::SIGINT, 0), true), Some((Signal::SIGINT, true)));
    assert_eq!(passed(StopReason::ProgramTrap, true), Some((Signal::SIGTRAP, false)));
    assert_eq!(passed(StopReason::Interrupted, true), None);
    assert_eq!(passed(hit(1), true), None);
}
