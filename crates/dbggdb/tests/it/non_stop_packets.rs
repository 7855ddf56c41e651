//! Non-stop mode, packet by packet: threads that stop alone, and what is told of those that run.

use testkit::{Guard, Testee, until};

use crate::packets::address_of;
use crate::stub::{Stub, field};

/// A condition that is no agent code: what has it cannot be armed.
const NO_CODE: &str = ";X1,ff";

/// A program in non-stop mode that has reached this function, and the thread that has.
fn run_to(guard: &Guard, program: &Testee, arguments: &[&str], name: &str) -> (Stub, String) {
    let mut stub = Stub::run(guard, program, arguments);
    let place = address_of(&mut stub, program, name);
    assert_eq!(stub.ask("QNonStop:1"), "OK");
    assert!(stub.ask("?").starts_with("T05"));
    assert_eq!(stub.ask("vStopped"), "OK");
    assert_eq!(stub.ask(&format!("Z0,{place:x},1")), "OK");
    assert_eq!(stub.ask("vCont;c"), "OK");
    let reply = stub.receive();
    assert!(reply.starts_with("Stop:T05swbreak:;"), "{reply}");
    let thread = field(&reply[5..], "thread").expect("names its thread").to_owned();
    assert_eq!(stub.ask("vStopped"), "OK");
    assert_eq!(stub.ask(&format!("z0,{place:x},1")), "OK");
    (stub, thread)
}

/// All threads, as they are listed now.
fn threads(stub: &mut Stub) -> Vec<String> {
    let reply = stub.ask("qfThreadInfo");
    reply.trim_start_matches('m').split(',').map(str::to_owned).collect()
}

/// The stop reply of the next notification, behind which there is no other.
fn notified(stub: &mut Stub) -> String {
    let replies = all_notified(stub);
    assert_eq!(replies.len(), 1, "{replies:?}");
    replies[0].clone()
}

/// The stop replies that the next notification is about.
fn all_notified(stub: &mut Stub) -> Vec<String> {
    let first = stub.receive();
    let mut replies = vec![first.strip_prefix("Stop:").expect("is a notification").to_owned()];
    loop {
        match stub.ask("vStopped").as_str() {
            "OK" => return replies,
            reply => replies.push(reply.to_owned()),
        }
    }
}

#[test]
fn threads_that_begin_while_others_run_are_listed() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let mut stub = Stub::run(&guard, &program, &["3", "0"]);
    assert_eq!(stub.ask("QNonStop:1"), "OK");
    assert!(stub.ask("?").starts_with("T05"));
    assert_eq!(stub.ask("vStopped"), "OK");
    assert_eq!(stub.ask("vCont;c"), "OK");
    // At first there is one, and nothing stops when there are more.
    until("all threads to be listed", || (threads(&mut stub).len() == 4).then_some(()));
}

#[test]
fn what_cannot_be_armed_while_threads_run_is_not_tried_again() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let (mut stub, thread) = run_to(&guard, &program, &["2", "0"], "all_started");
    let hit = address_of(&mut stub, &program, "hit");
    assert_eq!(stub.ask(&format!("vCont;c:{thread}")), "OK");
    let reply = stub.ask(&format!("Z0,{hit:x},1{NO_CODE}"));
    assert!(reply.starts_with("E."), "{reply}");
    assert_eq!(stub.ask(&format!("vCont;t:{thread}")), "OK");
    assert!(notified(&mut stub).starts_with("T00"));
    // The next resume takes along what is wanted and not armed.
    assert_eq!(stub.ask("vCont;c"), "OK");
    assert_eq!(stub.ask(&format!("vCont;t:{thread}")), "OK");
    assert!(notified(&mut stub).contains(&format!("thread:{thread};")));
    assert_eq!(threads(&mut stub).len(), 3);
    assert_eq!(stub.ask(&format!("Z0,{hit:x},1")), "OK");
    // Another thread may be there before the answer to this.
    stub.send("vCont;c");
    let both = [stub.receive(), stub.receive()];
    assert!(both.iter().any(|reply| reply.starts_with("Stop:T05swbreak:;")), "{both:?}");
}

#[test]
fn a_thread_whose_resume_is_refused_stands_still_and_no_other_one() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let (mut stub, _) = run_to(&guard, &program, &["2", "0"], "all_started");
    let hit = address_of(&mut stub, &program, "hit");
    let all = threads(&mut stub);
    assert_eq!(all.len(), 3);
    assert_eq!(stub.ask("vCont;t"), "OK");
    let mut stopped = 0;
    while stopped < 2 {
        stopped += all_notified(&mut stub).len();
    }
    // Nothing runs: it is armed with the resume that comes next, which is refused. The one behind
    // it is not.
    assert_eq!(stub.ask(&format!("Z0,{hit:x},1{NO_CODE}")), "OK");
    stub.send(&format!("vCont;c:{}", all[1]));
    stub.send(&format!("vCont;c:{}", all[2]));
    // The refusal may be told before the second answer, and even before the second packet is read,
    // whose resume is refused for the same reason then.
    let mut replies = [(); 3].map(|()| stub.receive());
    replies.sort();
    assert_eq!(replies, ["OK", "OK", &format!("Stop:T00thread:{};", all[1])]);
    let is_other_refused = stub.ask("vStopped") != "OK";
    assert!(!is_other_refused || stub.ask("vStopped") == "OK");
    assert_eq!(stub.ask(&format!("z0,{hit:x},1")), "OK");
    stub.ask(&format!("Hg{}", all[1]));
    assert!(!stub.ask("g").starts_with('E'), "it stands still");
    stub.ask(&format!("Hg{}", all[2]));
    assert_eq!(stub.ask("g").starts_with('E'), !is_other_refused, "it runs unless refused");
}
