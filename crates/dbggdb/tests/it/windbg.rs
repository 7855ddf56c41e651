//! WinDbg's way to a process server on Linux, replayed packet by packet at a port.
//!
//! Documented by Microsoft ("Linux live remote process debugging"): the connection string is
//! `gdb:server=ADDRESS,port=PORT[,threadEvents=true|false]`, and a stub that serves many processes,
//! as `gdbserver --multi` does, is a process server. Programs are spawned there, or chosen from a
//! list with process id, user and command line, and attached to. A stub that has a process already
//! when WinDbg connects is taken for one of a single target, so that after a process was left
//! frozen the server is usually not recognised again. Thread events are not asked for unless the
//! string says so; then births and ends of threads show at later stops.
//!
//! Implied, because the GDB remote protocol has one packet for each of these: `!` and `?` tell what
//! kind of stub it is; `qXfer:osdata:read:processes` is the list; `vRun` and `vAttach` spawn and
//! attach; `QThreadEvents` switches events; threads, modules and registers come by `qfThreadInfo`,
//! `qXfer:libraries-svr4` and the target description; `D` leaves. Breakpoints may come as `Z0` or
//! as instructions that are written into the code: both are tried. There is no WinDbg that could be
//! run here, so nothing else of it is known.

use dbgbase::ExitStatus;
use testkit::{Guard, Process, Testee, procfs};

use crate::listening::listen;
use crate::objects::{column, document};
use crate::packets::address_of;
use crate::stub::{Stub, digits, field};

/// Connects as WinDbg does, and finds a process server.
fn connect(place: &str) -> Stub {
    let mut stub = Stub::connect(place);
    let features = stub.ask("qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386");
    for feature in
        ["multiprocess+", "QThreadEvents+", "qXfer:osdata:read+", "qXfer:libraries-svr4:read+"]
    {
        assert!(features.split(';').any(|has| has == feature), "{feature} in {features}");
    }
    assert_eq!(stub.ask("!"), "OK", "it stays without a process");
    assert_eq!(stub.ask("?"), "W00", "it has no process, so it is no stub of a single target");
    assert_eq!(stub.ask("qfThreadInfo"), "l");
    stub
}

/// Looks at a process that stands still as it has to be looked at to show anything.
fn look(stub: &mut Stub, program: &Testee) {
    let description = document(stub, "features", "target.xml");
    assert!(description.contains("<architecture>i386:x86-64</architecture>"), "{description}");
    assert!(description.contains("name=\"rip\""), "{description}");
    let libraries = document(stub, "libraries-svr4", "");
    assert!(libraries.contains("libc.so.6"), "{libraries}");
    let path = program.path().to_str().expect("text");
    assert_eq!(document(stub, "exec-file", ""), path);
    assert!(stub.ask("qfThreadInfo").starts_with("mp"));
    assert!(stub.ask("g").len() > 16 * 17);
}

/// The digits of the process in a stop reply.
fn process_of(reply: &str) -> String {
    let thread = field(reply, "thread").expect("a thread");
    thread.split('.').next().expect("a process")[1..].to_owned()
}

/// A program that waits, and that nobody debugs.
fn waiting(guard: &Guard, program: &Testee) -> Process {
    let mut process = guard.start(program.path(), &["2", "0"]);
    assert_eq!(process.read_line(), "ready");
    process
}

#[test]
fn processes_are_listed_attached_to_and_left() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut process = waiting(&guard, &program);
    let pid = process.pid();
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    let mut stub = connect(&place);
    let list = document(&mut stub, "osdata", "processes");
    let own = format!("<column name=\"pid\">{pid}</column>");
    let item = list.split("</item>").find(|item| item.contains(&own)).expect("is listed");
    let path = program.path().to_str().expect("text");
    assert_eq!(column(item, "command"), [format!("{path} 2 0")]);
    let user = guard.output("id", &["-un"]);
    assert_eq!(column(item, "user"), [user.trim()]);
    let stop = stub.go(&format!("vAttach;{:x}", pid.value()));
    assert_eq!(process_of(&stop), format!("{:x}", pid.value()));
    look(&mut stub, &program);
    assert_eq!(stub.ask("qfThreadInfo").split(',').count(), 3);
    assert_eq!(stub.ask(&format!("D;{:x}", pid.value())), "OK");
    assert_eq!(procfs::tracer(pid, pid.into()), Some(0));
    assert_eq!(stub.ask("?"), "W00", "it is a process server again");
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn a_program_is_spawned_stopped_and_ended() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    let mut stub = connect(&place);
    let path = digits(program.path().to_str().expect("text").as_bytes());
    let stop = stub.go(&format!("vRun;{path};{}", digits(b"4")));
    assert!(stop.starts_with("T05"), "{stop}");
    let work = address_of(&mut stub, &program, "work");
    assert_eq!(stub.ask(&format!("Z0,{work:x},1")), "OK");
    let stop = stub.go("vCont;c");
    assert!(stop.starts_with("T05swbreak:;"), "{stop}");
    look(&mut stub, &program);
    assert_eq!(stub.ask(&format!("z0,{work:x},1")), "OK");
    // The instruction for a breakpoint, written as memory: it is executed, and the pc is behind.
    let done = address_of(&mut stub, &program, "done");
    let own = stub.ask(&format!("m{done:x},1"));
    assert_eq!(stub.ask(&format!("M{done:x},1:cc")), "OK");
    let stop = stub.go("vCont;c");
    assert!(stop.starts_with("T05") && !stop.contains("break"), "{stop}");
    assert_eq!(field(&stop, "10"), Some(digits(&(done + 1).to_le_bytes()).as_str()));
    assert_eq!(stub.ask(&format!("M{done:x},1:{own}")), "OK");
    assert_eq!(stub.ask(&format!("P10={}", digits(&done.to_le_bytes()))), "OK");
    let process = process_of(&stop);
    assert_eq!(stub.go(&format!("vCont;s:p{process}.{process};c")), {
        let next = stub.ask("?");
        assert!(next.starts_with("T05"), "{next}");
        next
    });
    assert_eq!(stub.go("vCont;c"), format!("W00;process:{process}"));
    assert_eq!(stub.ask("?"), "W00");
}

#[test]
fn thread_events_are_told_if_they_are_asked_for() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let path = digits(program.path().to_str().expect("text").as_bytes());
    let run = format!("vRun;{path};{};{}", digits(b"2"), digits(b"3"));
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    // threadEvents=true: each birth and each end is a stop.
    let mut stub = connect(&place);
    assert_eq!(stub.ask("QThreadEvents:1"), "OK");
    assert!(stub.go(&run).starts_with("T05"));
    let mut told = Vec::new();
    let end = loop {
        let reply = stub.go("vCont;c");
        match &reply[..3] {
            "T05" if reply.contains("create:;") => told.push("create"),
            "w0;" => told.push("exit"),
            _ => break reply,
        }
    };
    assert_eq!(told, ["create", "create", "exit", "exit"]);
    assert!(end.starts_with("W00"), "{end}");
    // threadEvents=false: threads are found at the next stop.
    assert_eq!(stub.ask("QThreadEvents:0"), "OK");
    assert!(stub.go(&run).starts_with("T05"));
    assert_eq!(stub.ask("qfThreadInfo").split(',').count(), 1);
    let hit = address_of(&mut stub, &program, "hit");
    assert_eq!(stub.ask(&format!("Z0,{hit:x},1")), "OK");
    let stop = stub.go("vCont;c");
    assert!(stop.starts_with("T05swbreak:;"), "{stop}");
    assert_eq!(stub.ask("qfThreadInfo").split(',').count(), 3);
    assert_eq!(stub.ask(&format!("z0,{hit:x},1")), "OK");
    assert!(stub.go("vCont;c").starts_with("W00"));
}

#[test]
fn what_is_left_frozen_runs_on_and_the_server_is_found_again() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut process = waiting(&guard, &program);
    let pid = process.pid();
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    for _ in 0..2 {
        let mut stub = connect(&place);
        let stop = stub.go(&format!("vAttach;{:x}", pid.value()));
        assert!(stop.starts_with("T00"), "{stop}");
        let hit = address_of(&mut stub, &program, "hit");
        assert_eq!(stub.ask(&format!("Z0,{hit:x},1")), "OK");
        assert!(stub.go("vCont;c").starts_with("T05swbreak:;"));
        // The connection ends while the process stands still at a breakpoint.
        stub.leave();
        testkit::until("the process is free", || {
            (procfs::tracer(pid, pid.into()) == Some(0)).then_some(())
        });
    }
    // Another debugger finds a process server while one is connected that has a process.
    let mut first = connect(&place);
    assert!(first.go(&format!("vAttach;{:x}", pid.value())).starts_with("T00"));
    let mut second = connect(&place);
    assert!(second.ask(&format!("vAttach;{:x}", pid.value())).starts_with('E'));
    assert_eq!(first.ask("D"), "OK");
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}
