//! Children and new programs: what a target makes runs clean, and what it becomes is told.

use dbgbase::{Address, ExitStatus, StopReason, Tid};
use dbgwire::verbs::resume::SetEvents;
use testkit::{Testee, memory_file, procfs, until};

use crate::{address_of, begin};

#[test]
fn children_run_clean_while_their_parent_has_sites() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    for how in ["fork", "vfork", "spawn"] {
        let (target, stop) = client.start(&testee, &[how]);
        let work = address_of(&testee, &stop, "work");
        client.insert(target, 1, work);
        for _ in 0..2 {
            client.go(target);
            let stop = client.wait_stop();
            assert_eq!((stop.sites(), stop.pc()), (vec![1], work), "{how}");
        }
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(0), "the child of {how}");
    }
}

#[test]
fn a_child_is_rid_of_sites_while_it_lives() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let mut process = guard.start(testee.path(), &["waiting"]);
    assert_eq!(process.read_line(), "ready");
    let (target, stop) = client.attach(process.pid());
    let work = address_of(&testee, &stop, "work");
    let own = client.read(target, work, 8);
    client.insert(target, 1, work);
    client.insert(target, 2, address_of(&testee, &stop, "main"));
    client.go(target);
    process.write_line("");
    let child = dbgbase::Pid::new(process.read_line().parse().expect("the child's id"));
    until("the child to be let go", || {
        (procfs::tracer(child, Tid::from(child)) == Some(0)).then_some(())
    });
    assert_eq!(memory_file::read(child, work, 8), own);
    assert_eq!(testkit::footprint::changed_code(child), []);
    assert_eq!(memory_file::read(target.pid, work, 1), [0xcc]);
    process.close_input();
    assert_eq!(client.wait_stop().sites(), [1]);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_target_can_be_left_while_its_child_is_born() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let mut process = guard.start(testee.path(), &["many"]);
    assert_eq!(process.read_line(), "ready");
    for _ in 0..30 {
        let (target, stop) = client.attach(process.pid());
        let (work, forks) =
            (address_of(&testee, &stop, "work"), address_of(&testee, &stop, "calls"));
        let site = dbgwire::verbs::site::Site { tid: 1, ..testkit::site(1, work) };
        client.insert_site(target, site);
        let before = memory_file::read_u64(target.pid, forks);
        client.go(target);
        until("a fork", || (memory_file::read_u64(target.pid, forks) > before).then_some(()));
        client.detach(target);
    }
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0), "every child ended well");
}

#[test]
fn a_process_that_shares_the_memory_hits_nothing() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let (target, stop) = client.start(&testee, &["sharing"]);
    let work = address_of(&testee, &stop, "work");
    client.insert(target, 1, work);
    client.go(target);
    assert_eq!(client.wait_stop().sites(), [1], "before the child");
    client.go(target);
    let stop = client.wait_stop();
    assert_eq!(stop.sites(), [1], "and behind it");
    let calls = address_of_calls(&mut client, target, &testee);
    assert_eq!(client.read_u64(target, calls), 1 + 1000);
    client.go(target);
    assert_eq!(client.wait_exit(), ExitStatus::Exited(0));
}

#[test]
fn a_process_that_shares_the_memory_is_left_with_its_target() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    let mut process = guard.start(testee.path(), &["sharing", "waiting"]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    client.go(target);
    process.write_line("");
    let child = dbgbase::Pid::new(process.read_line().parse().expect("the child's id"));
    client.interrupt(target);
    client.wait_stop();
    assert_ne!(procfs::tracer(child, Tid::from(child)), Some(0));
    client.detach(target);
    until("the child to be let go", || {
        (procfs::tracer(child, Tid::from(child)) == Some(0)).then_some(())
    });
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

fn address_of_calls(
    client: &mut testkit::Client,
    target: testkit::Target,
    testee: &Testee,
) -> Address {
    let list = dbgwire::verbs::module::ListModules { target: target.id };
    let modules = client.call(&list).expect("it lives").modules;
    let bias = dbgbase::LoadBias::new(modules[0].bias);
    testee.symbol("calls").to_address(bias)
}

#[test]
fn a_new_program_is_told_with_its_modules() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("executes", &[]);
    for who in ["leader", "thread", "alone"] {
        let (target, stop) = client.start(&testee, &[who]);
        // A site of the first program goes with it.
        client.insert(target, 1, address_of(&testee, &stop, "second"));
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::Exec, "{who}");
        assert_eq!(stop.tid(), Tid::from(target.pid));
        assert_eq!(client.tids(target), [stop.tid()]);
        let path = &stop.modules()[0].path;
        assert_eq!(*path, testee.path().as_os_str().as_encoded_bytes());
        let second = address_of(&testee, &stop, "second");
        client.insert(target, 1, second);
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!(stop.reason(), StopReason::InitialBreak, "{who}");
        let names: Vec<_> = stop.modules().iter().map(|module| &module.path).collect();
        assert!(names.len() >= 3, "its libraries are there now: {names:?}");
        client.go(target);
        let stop = client.wait_stop();
        assert_eq!((stop.sites(), stop.pc()), (vec![1], second), "{who}");
        client.go(target);
        assert_eq!(client.wait_exit(), ExitStatus::Exited(5), "{who}");
    }
}

#[test]
fn a_new_program_waits_for_no_thread_whose_end_is_told() {
    let (_guard, _server, mut client) = begin();
    let testee = Testee::build("executes", &[]);
    for who in ["leader", "thread", "alone"] {
        let (target, _) = client.start(&testee, &[who]);
        let events = SetEvents { target: target.id, thread_ends: true, ..SetEvents::default() };
        client.call(&events).expect("events");
        let stop = loop {
            client.go(target);
            let stop = client.wait_stop();
            match stop.reason() {
                // The first thread of "alone" ends by itself.
                StopReason::ThreadEnding { .. } => assert_eq!(who, "alone"),
                _ => break stop,
            }
        };
        assert_eq!(stop.reason(), StopReason::Exec, "{who}");
        assert_eq!(client.tids(target), [stop.tid()]);
        client.kill(target);
    }
}

#[test]
fn a_process_that_shared_the_memory_is_let_go_when_its_target_ends_or_is_another_program() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("children", &[]);
    for arguments in [&["sharing", "waiting"][..], &["sharing", "waiting", "executing"]] {
        let mut process = guard.start(testee.path(), arguments);
        assert_eq!(process.read_line(), "ready");
        let (target, _) = client.attach(process.pid());
        client.go(target);
        process.write_line("");
        let child = dbgbase::Pid::new(process.read_line().parse().expect("the child's id"));
        if arguments.len() > 2 {
            assert_eq!(client.wait_stop().reason(), StopReason::Exec);
        } else {
            until("the child to run", || {
                (procfs::state(child, Tid::from(child)) == Some('S')).then_some(())
            });
            client.kill(target);
        }
        until("the child to be let go", || {
            (procfs::tracer(child, Tid::from(child)) == Some(0)).then_some(())
        });
        process.close_input();
        until("the child to end", || (!procfs::is_alive(child)).then_some(()));
        if arguments.len() > 2 {
            client.kill(target);
        }
    }
}
