//! Plans on their own: what they ask for, and what completes them.

use dbgbase::Arch;
use dbgsym::disasm::decode;

use super::*;

const P0: ProcessNumber = ProcessNumber(0);
const P1: ProcessNumber = ProcessNumber(1);
const T1: Tid = Tid::new(11);
const T2: Tid = Tid::new(12);
const SITE: SiteId = SiteId::new(5);

fn over(bytes: &[u8], sp: u64) -> Plan {
    let instruction = decode(Arch::X86_64, bytes, Address::new(0x1000)).expect("decodes");
    Plan::over(P0, T1, &instruction, Address::new(sp), SITE)
}

fn completed(
    plan: &Plan,
    process: ProcessNumber,
    tid: Tid,
    sp: Option<Address>,
    reason: &StopReason,
) -> Option<StopCause> {
    match plan.progress(process, tid, sp, reason) {
        Progress::Completed(cause) => Some(cause),
        Progress::None | Progress::Look => None,
    }
}

fn at_site() -> StopReason {
    StopReason::Breakpoint { sites: vec![SITE] }
}

fn run(action: &ThreadAction) -> (u32, RunKind, u32) {
    (action.tid, RunKind::try_from(action.run).expect("known"), action.signal)
}

#[test]
fn calls_and_repeated_string_instructions_are_stepped_over_by_a_site_behind_them() {
    let call = [0xe8, 0, 0, 0, 0];
    let behind = TemporarySite { site: SITE, address: Address::new(0x1005) };
    let plan = Plan::Over { process: P0, tid: T1, behind, sp_above: 0x7fff };
    assert_eq!(over(&call, 0x8000), plan);
    let rep_movsb = [0xf3, 0xa4];
    assert!(matches!(over(&rep_movsb, 0x8000), Plan::Over { behind, .. }
        if behind.address == Address::new(0x1002)));
    let nop = [0x90];
    assert_eq!(over(&nop, 0x8000), Plan::Step { process: P0, tid: T1 });
    let jump = [0xeb, 0x10];
    assert_eq!(over(&jump, 0x8000), Plan::Step { process: P0, tid: T1 });
}

#[test]
fn a_deeper_recursion_that_returns_does_not_end_a_step_over() {
    let plan = over(&[0xe8, 0, 0, 0, 0], 0x8000);
    let completed =
        |process, tid, sp| completed(&plan, process, tid, Some(Address::new(sp)), &at_site());
    assert_eq!(completed(P0, T1, 0x7ff0), None, "deeper");
    assert_eq!(completed(P0, T1, 0x8000), Some(StopCause::Step), "where it was");
    assert_eq!(completed(P0, T1, 0x8010), Some(StopCause::Step), "the callee popped arguments");
    assert_eq!(completed(P0, T2, 0x8000), None, "another thread");
    assert_eq!(completed(P1, T1, 0x8000), None, "another process");
    let sites = plan.sites(P0);
    assert_eq!((sites[0].tid, sites[0].sp_above, sites[0].address), (11, 0x7fff, 0x1005));
    assert!(plan.sites(P1).is_empty());
}

#[test]
fn a_stack_at_zero_is_not_compared() {
    let plan = over(&[0xe8, 0, 0, 0, 0], 0);
    assert_eq!(plan.sites(P0)[0].sp_above, 0, "0 means always");
    let completed = completed(&plan, P0, T1, Some(Address::ZERO), &at_site());
    assert_eq!(completed, Some(StopCause::Step));
}

#[test]
fn a_step_lets_the_others_run() {
    let plan = Plan::Step { process: P0, tid: T1 };
    let actions: Vec<_> = plan.actions(P0, None, None).iter().map(run).collect();
    assert_eq!(actions, [(11, RunKind::Step, 0), (0, RunKind::Continue, 0)]);
    let actions: Vec<_> = plan.actions(P1, None, None).iter().map(run).collect();
    assert_eq!(actions, [(0, RunKind::Continue, 0)]);
    assert_eq!(completed(&plan, P0, T1, None, &StopReason::Step), Some(StopCause::Step));
    assert_eq!(completed(&plan, P0, T2, None, &StopReason::Step), None);
}

#[test]
fn signals_go_to_the_thread_that_stopped_with_them() {
    let step = Plan::Step { process: P0, tid: T1 };
    let actions: Vec<_> =
        step.actions(P0, Some((T1, Signal::SIGSEGV)), None).iter().map(run).collect();
    assert_eq!(actions, [(11, RunKind::Step, 11), (0, RunKind::Continue, 0)]);
    let actions: Vec<_> =
        step.actions(P0, Some((T2, Signal::SIGUSR1)), None).iter().map(run).collect();
    assert_eq!(
        actions,
        [(11, RunKind::Step, 0), (12, RunKind::Continue, 10), (0, RunKind::Continue, 0)]
    );
}

#[test]
fn a_thread_that_runs_alone_is_the_only_one_named_to_run() {
    let run_of = |plan: &Plan, deliver, alone| -> Vec<_> {
        plan.actions(P0, deliver, Some(alone)).iter().map(run).collect()
    };
    let step = Plan::Step { process: P0, tid: T1 };
    assert_eq!(run_of(&step, None, T1), [(11, RunKind::Step, 0)]);
    let go = Plan::Go { process: P0, until: Vec::new() };
    let usr1 = Some((T1, Signal::SIGUSR1));
    assert_eq!(run_of(&go, usr1, T1), [(11, RunKind::Continue, 10)]);
    // A signal of one that stays is not lost.
    let kept = [(12, RunKind::Continue, 0), (11, RunKind::Stay, 10)];
    assert_eq!(run_of(&go, usr1, T2), kept);
}

#[test]
fn a_run_ends_at_its_temporary_sites_in_its_own_process() {
    let until = vec![TemporarySite { site: SITE, address: Address::new(0x2000) }];
    let plan = Plan::Go { process: P0, until };
    assert!(plan.counts_passes());
    assert_eq!(completed(&plan, P0, T2, None, &at_site()), Some(StopCause::TemporaryBreakpoint));
    assert_eq!(completed(&plan, P1, T2, None, &at_site()), None);
    assert_eq!(completed(&plan, P0, T2, None, &StopReason::Step), None);
    assert_eq!(plan.sites(P0)[0].address, 0x2000);
}
