//! The table of breakpoints on its own: numbers, counts, sites.

use std::collections::BTreeSet;

use super::*;

const P0: ProcessNumber = ProcessNumber(0);
const P1: ProcessNumber = ProcessNumber(1);
const T1: Tid = Tid::new(11);
const T2: Tid = Tid::new(12);

fn at(address: u64) -> BreakpointSpec {
    BreakpointSpec::new("typed", BreakpointLocation::Address(Address::new(address)))
}

fn by_symbol(name: &str) -> BreakpointSpec {
    BreakpointSpec::new(name, BreakpointLocation::Symbol(name.to_owned()))
}

fn add(breakpoints: &mut Breakpoints, spec: BreakpointSpec) -> BreakpointId {
    let addresses = match &spec.location {
        BreakpointLocation::Address(address) => vec![*address],
        BreakpointLocation::Symbol(_) => Vec::new(),
    };
    breakpoints.add(spec, P0, None, &addresses, Vec::new()).expect("few enough")
}

fn sites(breakpoints: &Breakpoints) -> Vec<(u32, u64)> {
    breakpoints.sites(P0, true).iter().map(|site| (site.id, site.address)).collect()
}

/// The breakpoints that stop for a thread at these sites.
fn hit(
    breakpoints: &mut Breakpoints,
    process: ProcessNumber,
    tid: Tid,
    sites: &[SiteId],
    counts_passes: bool,
) -> Vec<BreakpointId> {
    breakpoints.reached(process, tid, Encounter::Sites(sites), &[], counts_passes)
}

/// The breakpoints that stop for a thread that a step has led to this address.
fn stepped(
    breakpoints: &mut Breakpoints,
    process: ProcessNumber,
    tid: Tid,
    pc: u64,
) -> Vec<BreakpointId> {
    breakpoints.reached(process, tid, Encounter::Step(Address::new(pc)), &[], false)
}

fn addresses(values: &[u64]) -> Vec<Address> {
    values.iter().map(|value| Address::new(*value)).collect()
}

#[test]
fn numbers_are_the_smallest_free_ones_and_sites_are_never_reused() {
    let mut breakpoints = Breakpoints::default();
    assert_eq!(add(&mut breakpoints, at(0x10)), BreakpointId(0));
    assert_eq!(add(&mut breakpoints, at(0x20)), BreakpointId(1));
    breakpoints.remove(BreakpointId(0)).expect("there");
    assert_eq!(add(&mut breakpoints, at(0x30)), BreakpointId(0));
    assert_eq!(sites(&breakpoints), [(3, 0x30), (2, 0x20)]);
    let chosen = BreakpointSpec { id: Some(BreakpointId(1)), ..at(0x40) };
    assert_eq!(add(&mut breakpoints, chosen), BreakpointId(1), "the old one is replaced");
    assert_eq!(sites(&breakpoints), [(3, 0x30), (4, 0x40)]);
    let gone = breakpoints.remove(BreakpointId(7)).expect_err("not there");
    assert_eq!(gone.kind(), ErrorKind::NoSuchBreakpoint);
}

#[test]
fn passes_count_only_while_running_freely() {
    let mut breakpoints = Breakpoints::default();
    let spec = BreakpointSpec { passes: 3, ..by_symbol("f") };
    let both = addresses(&[0x10, 0x20]);
    let id = breakpoints.add(spec, P0, None, &both, Vec::new()).expect("few enough");
    assert_eq!(breakpoints.sites(P0, false).len(), 2, "who counts must be told of every hit");
    let site = [SiteId::new(1)];
    assert!(hit(&mut breakpoints, P0, T1, &site, true).is_empty());
    assert!(hit(&mut breakpoints, P0, T1, &site, false).is_empty(), "stepping does not count");
    assert!(stepped(&mut breakpoints, P0, T1, 0x10).is_empty());
    assert!(hit(&mut breakpoints, P0, T1, &site, true).is_empty());
    assert_eq!(hit(&mut breakpoints, P0, T1, &site, true), [id]);
    assert_eq!(hit(&mut breakpoints, P0, T1, &site, true), [id], "and from then on every time");
    let view = &breakpoints.views()[0];
    assert_eq!((view.passes_left, view.passes_initial, view.hits), (1, 3, 6));
}

#[test]
fn passes_of_one_address_are_counted_by_the_server() {
    let mut breakpoints = Breakpoints::default();
    let id = add(&mut breakpoints, BreakpointSpec { passes: 5, ..at(0x10) });
    let ignored = |breakpoints: &Breakpoints| -> Vec<(u32, u64)> {
        breakpoints.sites(P0, true).iter().map(|site| (site.id, site.ignore)).collect()
    };
    assert_eq!(ignored(&breakpoints), [(1, 4)]);
    assert!(breakpoints.sites(P0, false).is_empty(), "a step does not count");
    let armed = BTreeSet::from([SiteId::new(1)]);
    assert!(breakpoints.are_passes_there(P0, &armed));
    breakpoints.counted(SiteId::new(1), 2);
    let view = &breakpoints.views()[0];
    assert_eq!((view.passes_left, view.hits), (3, 2));
    breakpoints.set_passes_aside(P0, &armed);
    assert_eq!(ignored(&breakpoints), [(2, 2)]);
    breakpoints.set_passes_aside(P0, &armed);
    assert_eq!(ignored(&breakpoints), [(2, 2)], "it is aside already");
    assert_eq!(hit(&mut breakpoints, P0, T1, &[SiteId::new(2)], true), [id], "told, so passed");
    let view = &breakpoints.views()[0];
    assert_eq!((view.passes_left, view.passes_initial, view.hits), (1, 5, 5));
    assert_eq!(breakpoints.sites(P0, false).len(), 1, "it stops steps too");
    assert!(!breakpoints.are_passes_there(P0, &BTreeSet::from([SiteId::new(2)])));
}

#[test]
fn passes_change_hands_with_the_number_of_addresses() {
    let mut breakpoints = Breakpoints::default();
    let id = add(&mut breakpoints, BreakpointSpec { passes: 5, ..by_symbol("f") });
    breakpoints.resolved(id, &addresses(&[0x10]));
    assert_eq!(breakpoints.sites(P0, true)[0].ignore, 4);
    breakpoints.counted(SiteId::new(1), 3);
    breakpoints.resolved(id, &addresses(&[0x10, 0x20]));
    let sites: Vec<_> = breakpoints.sites(P0, true);
    let sites: Vec<_> = sites.iter().map(|site| (site.id, site.ignore)).collect();
    assert_eq!(sites, [(2, 0), (3, 0)]);
    assert!(hit(&mut breakpoints, P0, T1, &[SiteId::new(2)], true).is_empty());
    breakpoints.resolved(id, &addresses(&[0x20]));
    let sites: Vec<_> = breakpoints.sites(P0, true);
    assert_eq!((sites[0].id, sites[0].ignore), (4, 2));
}

#[test]
fn what_the_cpu_watches_is_no_place_to_step_to() {
    let mut breakpoints = Breakpoints::default();
    let watching = |access, len_bytes| Some(Watch { access, len_bytes });
    let data = BreakpointSpec { watch: watching(Access::ReadWrite, 8), ..at(0x10) };
    let data = add(&mut breakpoints, data);
    let code = BreakpointSpec { watch: watching(Access::Execute, 1), ..at(0x10) };
    let code = add(&mut breakpoints, code);
    let sites = breakpoints.sites(P0, true);
    let kinds: Vec<_> = sites.iter().map(|site| (site.kind(), site.len)).collect();
    assert_eq!(kinds, [(SiteKind::HardwareReadWrite, 8), (SiteKind::HardwareExecute, 1)]);
    assert_eq!(stepped(&mut breakpoints, P0, T1, 0x10), [code]);
    assert_eq!(hit(&mut breakpoints, P0, T1, &[SiteId::new(1)], true), [data]);
    breakpoints.enable(code, false).expect("there");
    assert_eq!(breakpoints.watching(P0), [data]);
    let refused = |access, len_bytes, address: u64| {
        Watch { access, len_bytes }.check(Address::new(address)).is_err()
    };
    assert!(!refused(Access::Write, 8, 0x18));
    assert!(refused(Access::Write, 8, 0x14), "not aligned");
    assert!(refused(Access::Write, 3, 0x18) && refused(Access::Write, 0, 0x18));
    assert!(refused(Access::Execute, 2, 0x18) && !refused(Access::Execute, 1, 0x19));
}

#[test]
fn only_hits_of_its_process_and_thread_count() {
    let mut breakpoints = Breakpoints::default();
    let own = Some((ThreadNumber(1), T2));
    let id =
        breakpoints.add(at(0x10), P0, own, &addresses(&[0x10]), Vec::new()).expect("few enough");
    assert_eq!(breakpoints.sites(P0, true)[0].tid, 12);
    assert!(breakpoints.sites(P1, true).is_empty());
    let site = [SiteId::new(1)];
    assert!(hit(&mut breakpoints, P0, T1, &site, true).is_empty());
    assert!(hit(&mut breakpoints, P1, T2, &site, true).is_empty());
    assert_eq!(hit(&mut breakpoints, P0, T2, &site, true), [id]);
    assert_eq!(hit(&mut breakpoints, P0, T2, &[SiteId::new(9)], true), [], "an unknown site");
}

#[test]
fn several_breakpoints_at_an_address_are_all_told() {
    let mut breakpoints = Breakpoints::default();
    let first = add(&mut breakpoints, at(0x10));
    let second = add(&mut breakpoints, BreakpointSpec { one_shot: true, ..at(0x10) });
    let reached = hit(&mut breakpoints, P0, T1, &[SiteId::new(1), SiteId::new(2)], true);
    assert_eq!(reached, [first, second]);
    breakpoints.told(&reached);
    let left: Vec<_> = breakpoints.views().iter().map(|view| view.id).collect();
    assert_eq!(left, [first], "the one for one shot is spent");
}

#[test]
fn disabled_breakpoints_have_no_sites_and_new_ones_when_enabled_again() {
    let mut breakpoints = Breakpoints::default();
    let id = add(&mut breakpoints, at(0x10));
    breakpoints.enable(id, false).expect("there");
    assert!(sites(&breakpoints).is_empty());
    assert!(hit(&mut breakpoints, P0, T1, &[SiteId::new(1)], true).is_empty());
    assert_eq!(breakpoints.views()[0].addresses, addresses(&[0x10]), "the list still shows it");
    breakpoints.enable(id, true).expect("there");
    assert_eq!(sites(&breakpoints), [(2, 0x10)]);
    breakpoints.enable(id, true).expect("there");
    assert_eq!(sites(&breakpoints), [(2, 0x10)], "nothing changed");
}

#[test]
fn symbols_that_move_keep_the_sites_that_stay() {
    let mut breakpoints = Breakpoints::default();
    let id = add(&mut breakpoints, by_symbol("f"));
    assert!(sites(&breakpoints).is_empty(), "unresolved");
    assert_eq!(breakpoints.by_symbol(P0), [(id, "f".to_owned())]);
    breakpoints.resolved(id, &addresses(&[0x30, 0x20, 0x30]));
    assert_eq!(sites(&breakpoints), [(1, 0x20), (2, 0x30)]);
    breakpoints.resolved(id, &addresses(&[0x30, 0x40]));
    assert_eq!(sites(&breakpoints), [(2, 0x30), (3, 0x40)]);
    assert_eq!(breakpoints.owner(SiteId::new(3)), Some(id));
    assert_eq!(breakpoints.owner(SiteId::new(1)), None);
}

#[test]
fn a_new_program_disables_addresses_and_unresolves_symbols() {
    let mut breakpoints = Breakpoints::default();
    let address = add(&mut breakpoints, at(0x10));
    let symbol = add(&mut breakpoints, by_symbol("f"));
    breakpoints.resolved(symbol, &addresses(&[0x20]));
    breakpoints.executed(P0);
    assert!(sites(&breakpoints).is_empty());
    let enabled: Vec<_> = breakpoints.views().iter().map(|view| (view.id, view.enabled)).collect();
    assert_eq!(enabled, [(address, false), (symbol, true)]);
}

#[test]
fn there_are_no_more_locations_than_a_request_holds() {
    let mut breakpoints = Breakpoints::default();
    let many: Vec<_> = (0..LOCATIONS_MAX as u64).map(Address::new).collect();
    breakpoints.add(by_symbol("f"), P0, None, &many, Vec::new()).expect("just enough");
    let error = breakpoints
        .add(at(0x10), P0, None, &addresses(&[0x10]), Vec::new())
        .expect_err("one too many");
    assert_eq!(error.kind(), ErrorKind::LimitReached);
    breakpoints.forget_process(P0);
    assert!(breakpoints.views().is_empty());
}

#[test]
fn conditions_travel_as_code_and_unmet_ones_are_no_hits() {
    let mut breakpoints = Breakpoints::default();
    let conditional = BreakpointSpec { condition: Some(Condition::new("rdi == 5")), ..at(0x10) };
    let id = breakpoints.add(conditional, P0, None, &addresses(&[0x10]), vec![1]).expect("added");
    let always = add(&mut breakpoints, at(0x10));
    let conditions: Vec<_> =
        breakpoints.sites(P0, true).into_iter().map(|site| site.condition).collect();
    assert_eq!(conditions, [vec![1], vec![]]);
    assert_eq!(breakpoints.conditional(P0), [(id, Condition::new("rdi == 5"))]);
    assert!(breakpoints.conditional(P1).is_empty());
    // The server has evaluated it at a hit; nobody has at a step.
    let both = [SiteId::new(1), SiteId::new(2)];
    let asked = |breakpoints: &Breakpoints, encounter| -> Vec<BreakpointId> {
        breakpoints.unevaluated(P0, T1, encounter).into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(asked(&breakpoints, Encounter::Sites(&both)), []);
    assert_eq!(asked(&breakpoints, Encounter::Step(Address::new(0x10))), [id]);
    assert_eq!(asked(&breakpoints, Encounter::Step(Address::new(0x11))), []);
    let reached = breakpoints.reached(P0, T1, Encounter::Sites(&both), &[id], true);
    assert_eq!(reached, [always]);
    let hits: Vec<_> = breakpoints.views().iter().map(|view| view.hits).collect();
    assert_eq!(hits, [0, 1]);
}

#[test]
fn a_condition_that_means_something_else_now_has_new_sites() {
    let mut breakpoints = Breakpoints::default();
    let conditional = BreakpointSpec { condition: Some(Condition::new("dwo(v)")), ..at(0x10) };
    let id = breakpoints.add(conditional, P0, None, &addresses(&[0x10]), vec![1]).expect("added");
    breakpoints.compiled(id, vec![1]);
    assert_eq!(sites(&breakpoints), [(1, 0x10)], "it is the same");
    breakpoints.compiled(id, vec![2]);
    assert_eq!(sites(&breakpoints), [(2, 0x10)]);
    // Nobody but the engine can evaluate it any more.
    breakpoints.compiled(id, Vec::new());
    assert_eq!(sites(&breakpoints), [(3, 0x10)]);
    let asked = breakpoints.unevaluated(P0, T1, Encounter::Sites(&[SiteId::new(3)]));
    assert_eq!(asked.len(), 1);
    assert!(!breakpoints.views()[0].is_condition_served);
}
