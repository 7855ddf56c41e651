//! The journal: whatever is changed in a target is in it before, so that whoever holds it can undo
//! it when the session is killed, at any step.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Stdio;

use dbgbase::{Address, AddressRange, LoadBias, Pid};
use dbglink::Link;
use dbgsrv::journal::{Entry, Journal};
use dbgsrv::ptrace::{ProcessSignals, PtraceBackend};
use dbgsrv::session::{self, SessionSettings};
use dbgwire::verbs::process::{Attach, Detach};
use dbgwire::verbs::resume::{Resume, RunKind, ThreadAction};
use dbgwire::verbs::site::{InsertSites, RemoveSites};
use testkit::footprint::{ChangedByte, changed_code};
use testkit::{
    Client, Embedded, Event, Guard, LinkEnded, Process, Testee, memory_file, procfs, site, until,
};

use crate::{PROGRAM, address_of};

/// How many bytes a slot has.
const SLOT_LEN: u64 = 32;

/// Set for a copy of this test program that is to be a session: at which step it is killed.
const STEP: &str = "DBGSRV_TEST_STEP";
/// The path of the journal for that session.
const JOURNAL: &str = "DBGSRV_TEST_JOURNAL";

/// A journal, and another descriptor of it.
fn journal() -> (Journal, OwnedFd) {
    let journal = Journal::create().expect("a journal");
    let other = journal.as_fd().try_clone_to_owned().expect("a descriptor");
    (journal, other)
}

/// The bytes that the journal says have been changed.
fn journaled(journal: &Journal, pid: Pid) -> Vec<(Address, u8)> {
    let of_pid = |entry| match entry {
        Entry::Bytes { pid: of, address, original, len, .. } if of == pid => {
            assert_eq!(len, 1, "a trap instruction of this CPU");
            Some((address, original[0]))
        }
        _ => None,
    };
    journal.entries().into_iter().filter_map(of_pid).collect()
}

/// The slots that the journal says have been written.
fn slots(journal: &Journal, pid: Pid) -> Vec<AddressRange> {
    let of_pid = |entry| match entry {
        Entry::Slot { pid: of, address, .. } if of == pid => {
            AddressRange::with_len(address, SLOT_LEN)
        }
        _ => None,
    };
    journal.entries().into_iter().filter_map(of_pid).collect()
}

/// Every byte of code that is not its file's is in the journal, with the file's byte.
#[track_caller]
fn assert_journaled(journal: &Journal, pid: Pid) {
    let journaled = journaled(journal, pid);
    let slots = slots(journal, pid);
    for ChangedByte { address, found, expected } in changed_code(pid) {
        if slots.iter().any(|slot| slot.contains(address)) {
            assert_eq!(expected, 0, "slots lie where nothing is");
            continue;
        }
        assert_eq!(found, 0xcc);
        assert!(journaled.contains(&(address, expected)), "{address} is not in {journaled:x?}");
    }
}

#[test]
fn what_is_changed_is_in_the_journal_and_leaves_it_when_it_is_undone() {
    let guard = Guard::new();
    let (journal, theirs) = journal();
    let (_session, mut client) = Embedded::start(&guard, PROGRAM, theirs);
    let testee = Testee::build("survives", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    assert_eq!(journal.entries(), []);
    let (target, stop) = client.attach(pid);
    let work = address_of(&testee, &stop, "work");
    client.insert(target, 1, work);
    client.insert(target, 2, work);
    client.insert(target, 3, address_of(&testee, &stop, "main"));
    assert!(matches!(
        journal.entries()[..],
        [Entry::Target { pid: of, created: false, .. }, ..] if of == pid
    ));
    // Two of ours, and the dynamic linker's. At rest none of them is in memory.
    assert_eq!(journaled(&journal, pid).len(), 3);
    assert_journaled(&journal, pid);
    until("it to be at rest", || changed_code(pid).is_empty().then_some(()));
    assert_eq!(journaled(&journal, pid).len(), 3);
    // What the client writes under a site is the program's own from then on.
    let own = client.read(target, work, 1)[0];
    assert_eq!(client.write(target, work, &[0x90]), Ok(1));
    assert!(journaled(&journal, pid).contains(&(work, 0x90)));
    assert_eq!(client.write(target, work, &[own]), Ok(1));
    client.remove(target, &[1]);
    assert!(journaled(&journal, pid).contains(&(work, own)));
    client.remove(target, &[2]);
    assert!(!journaled(&journal, pid).contains(&(work, own)));
    client.detach(target);
    assert_eq!(journal.entries(), []);
    let (target, _) = client.start(&Testee::build("exits", &[]), &[]);
    assert!(matches!(journal.entries()[..], [Entry::Target { created: true, .. }, ..]));
    client.kill(target);
    assert_eq!(journal.entries(), []);
    process.close_input();
    assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(0));
}

#[test]
fn a_session_that_is_killed_at_any_step_can_be_undone() {
    let guard = Guard::new();
    let testee = Testee::build("survives", &[]);
    let mut process = guard.start(testee.path(), &[]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let path = testee.path().display().to_string();
    let mappings = procfs::mappings(pid);
    let first = mappings.iter().find(|mapping| mapping.name == path && mapping.offset == 0);
    let bias = LoadBias::new(first.expect("the program is mapped").start.value());
    let calls = testee.symbol("calls").to_address(bias);
    for step in 1.. {
        let (journal, theirs) = journal();
        let (mut session, client) = start_probed_session(&guard, theirs, step);
        let is_whole = play(client, pid, &testee).is_ok();
        session.wait();
        assert_journaled(&journal, pid);
        for (address, original) in journaled(&journal, pid) {
            memory_file::write(pid, address, &[original]).expect("it lives");
        }
        // A trap that it has executed already is behind it when it goes on, and so is a slot.
        let before = memory_file::read_u64(pid, calls);
        until("it to go on", || (memory_file::read_u64(pid, calls) > before + 1).then_some(()));
        for slot in slots(&journal, pid) {
            memory_file::write(pid, slot.start(), &[0; SLOT_LEN as usize]).expect("it lives");
        }
        assert_eq!(changed_code(pid), [], "after step {step}");
        if is_whole {
            assert_eq!(journal.entries(), []);
            assert!(step > 20, "the scene has only {step} steps");
            break;
        }
    }
    process.close_input();
    assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(0), "every call was made once");
}

/// Arms, hits, steps off, arms again, disarms and leaves; ends early if the session does.
fn play(mut client: Client, pid: Pid, testee: &Testee) -> Result<(), LinkEnded> {
    let attached = client.try_call(&Attach { pid: pid.value() })?.expect("it can be attached to");
    let target = attached.target;
    let Event::Stopped(first) = client.try_wait_event()? else { panic!("it has stopped") };
    let work = address_of(testee, &first, "work");
    let run = |run: RunKind, tid: u32| Resume {
        target,
        stop: 0,
        actions: vec![ThreadAction { tid, run: run as i32, ..ThreadAction::default() }],
        insert: Vec::new(),
        remove: Vec::new(),
    };
    let sites = vec![site(1, work), site(2, Address::new(work.value() + 1))];
    let inserted = client.try_call(&InsertSites { target, sites })?.expect("it stands still");
    assert_eq!(inserted.faults, []);
    let mut tid = 0;
    for _ in 0..3 {
        client.try_call(&run(RunKind::Continue, 0))?.expect("it stands still");
        let Event::Stopped(stop) = client.try_wait_event()? else { panic!("it has stopped") };
        assert_eq!(stop.sites().len(), 1, "{:?} at {:?}", stop.reason(), stop.pc());
        tid = stop.tid().value();
    }
    client.try_call(&run(RunKind::Step, tid))?.expect("it stands still");
    client.try_wait_event()?;
    client.try_call(&RemoveSites { target, ids: vec![1] })?.expect("it stands still");
    client.try_call(&run(RunKind::Continue, 0))?.expect("it stands still");
    client.try_wait_event()?;
    client.try_call(&Detach { target })?.expect("it can be left");
    Ok(())
}

/// This test program once more, as a session that kills itself at a step.
fn start_probed_session(guard: &Guard, journal: OwnedFd, step: u32) -> (Process, Client) {
    let program = std::env::current_exe().expect("the running program has a path");
    let (link, theirs) = Link::pair().expect("a socket pair");
    // A session takes SIGCHLD and SIGTERM by descriptors, which asks for them to be blocked in
    // every thread; a test's thread is never the first one of its program.
    let mut command = guard.command("env");
    command.args(["--block-signal=CHLD", "--block-signal=TERM"]).arg(program);
    command.args(["--exact", "journal::probed_session", "--nocapture"]);
    command.env(STEP, step.to_string());
    let path = format!("/proc/{}/fd/{}", std::process::id(), journal.as_raw_fd());
    command.env(JOURNAL, path);
    command.stdin(theirs.into_fd().expect("nobody shares it"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process::spawn(&mut command);
    drop(command);
    let client = Client::open(link);
    // The session has opened the journal by now.
    drop(journal);
    (process, client)
}

/// What the copy of the test program does. In an ordinary run there is no client at the link, and
/// the session ends by itself, without a backend.
#[test]
fn probed_session() {
    let step: Option<u32> = std::env::var(STEP).ok().and_then(|step| step.parse().ok());
    let settings = SessionSettings {
        number: 1,
        may_share_terminal: false,
        listener: None,
        lease: std::time::Duration::ZERO,
        implicit: Vec::new(),
        termination: None,
    };
    let Some(mut steps_left) = step else {
        let (link, _) = Link::pair().expect("a socket pair");
        session::serve(link, settings, |_| -> Result<PtraceBackend, _> {
            panic!("nobody has asked for a backend")
        });
        return;
    };
    let path = std::env::var(JOURNAL).expect("the journal's path");
    let file = std::fs::File::options().read(true).write(true).open(path).expect("it is open");
    let journal = Journal::open(OwnedFd::from(file)).expect("a journal");
    let link = std::io::stdin().as_fd().try_clone_to_owned().expect("the link");
    let signals = ProcessSignals::prepare().expect("signals");
    let probe = move |_| {
        steps_left -= 1;
        if steps_left == 0 {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            until("the end of this process", || None::<()>);
        }
    };
    session::serve(Link::from(link), settings, |settings| {
        PtraceBackend::start(settings, journal, signals, Some(Box::new(probe)))
            .map_err(|error| dbgwire::Fault::new(dbgwire::ErrorCode::Internal, error.to_string()))
    });
}
