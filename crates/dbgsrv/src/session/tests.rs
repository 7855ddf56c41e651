//! Sessions over links in memory: the greeting, requests, events and the end, with a backend that
//! is a script.

use std::sync::mpsc;
use std::thread::JoinHandle;

use bytes::Bytes;
use dbgwire::event::Exited;
use dbgwire::verbs::process::{Attach, Kill, Launch};
use dbgwire::verbs::resume::Resume;
use dbgwire::verbs::server::{EndServer, Ping};
use testkit::{Client, Event};

use super::*;
use crate::backend::fake::{FakeBackend, Log, TARGET};
use crate::control::Message;

/// A session with a fake backend, in a thread of its own.
struct Scene {
    client: Option<Client>,
    thread: Option<JoinHandle<()>>,
    log: Log,
    settings: BackendSettings,
    /// The listener's end of the way to the session.
    listener: Control,
    /// Asks the session's process to end.
    termination: Option<OwnedFd>,
}

impl Scene {
    fn begin(hello: &Hello) -> Scene {
        let (ours, theirs) = Link::pair().expect("a socket pair");
        let (asked, termination) = rustix::pipe::pipe().expect("a pipe");
        let (listener, theirs_control) = Control::pair().expect("a socket pair");
        let settings = SessionSettings {
            number: 7,
            may_share_terminal: false,
            listener: Some(theirs_control),
            lease: Duration::from_secs(3600),
            implicit: Vec::new(),
            termination: Some(asked),
        };
        let backend = FakeBackend::default();
        let log = Log::clone(&backend.log);
        let (hand_out, handed_out) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            serve(theirs, settings, |settings| {
                hand_out.send(settings).expect("the test listens");
                Ok(backend)
            });
        });
        let client = Client::try_open(ours, hello).expect("welcome");
        let settings = handed_out.recv().expect("the session makes its backend");
        Scene {
            client: Some(client),
            thread: Some(thread),
            log,
            settings,
            listener,
            termination: Some(termination),
        }
    }

    fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("it is there until the end")
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics with it").clone()
    }

    /// Waits for the session's end.
    fn join(&mut self) {
        self.thread.take().expect("it is waited for once").join().expect("no panic");
    }
}

#[test]
fn the_welcome_says_what_the_server_can_do() {
    let mut scene = Scene::begin(&Hello::new("test"));
    let welcome = scene.client().welcome().clone();
    assert_eq!((welcome.version, welcome.session), (1, 7));
    assert_eq!(welcome.arch, std::env::consts::ARCH);
    assert_eq!(welcome.frame_len_max(), dbgwire::frame::FRAME_LEN_MAX);
    let capabilities = welcome.capabilities();
    assert!(capabilities.has(Capabilities::END_SERVER.with(Capabilities::FILE_WRITE)));
    assert!(!capabilities.has(Capabilities::SHARED_TERMINAL));
    assert_eq!((welcome.resume_token.len(), welcome.lease_s), (0, 0));
}

#[test]
fn the_stack_window_is_as_the_client_wishes_within_limits() {
    for (wanted, given) in [(0, 4096), (1, 512), (2000, 2000), (u32::MAX, 16 * 1024)] {
        let hello = Hello { stack_window_len: wanted, ..Hello::new("test") };
        let scene = Scene::begin(&hello);
        assert_eq!(scene.settings.stack_window_len, given);
    }
}

#[test]
fn requests_may_follow_the_greeting_at_once() {
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let backend = FakeBackend::default();
    let log = Log::clone(&backend.log);
    let (mut reader, mut writer) = ours.split();
    let attach = dbgwire::message::request(1, &Attach { pid: 4 }, Bytes::new()).expect("small");
    let bytes = [Hello::new("hasty").encode(), attach.head].concat();
    std::io::Write::write_all(&mut writer, &bytes).expect("a socket");
    drop(writer);
    let shutdown = {
        // All that will ever come has come.
        let settings = SessionSettings {
            number: 1,
            may_share_terminal: true,
            listener: None,
            lease: Duration::ZERO,
            implicit: Vec::new(),
            termination: None,
        };
        std::thread::spawn(move || serve(theirs, settings, |_| Ok(backend)))
    };
    let mut answer = vec![0; 8];
    Read::read_exact(&mut reader, &mut answer).expect("the preface");
    assert_eq!(answer, b"dbgsrv\r\n");
    testkit::until("the request", || (log.lock().expect("held shortly").len() == 1).then_some(()));
    drop(reader);
    shutdown.join().expect("no panic");
    assert_eq!(*log.lock().expect("nobody holds it"), ["attach 4", "leave", "end"]);
}

#[test]
fn answers_may_come_later() {
    let mut scene = Scene::begin(&Hello::new("test"));
    let launch = |program: &str| Launch { program: program.into(), ..Launch::default() };
    let client = scene.client();
    let later = client.send(&launch("later"), Bytes::new());
    assert!(client.call(&launch("now")).is_ok_and(|reply| reply.pid == 42));
    assert!(client.call(&Ping {}).is_ok());
    client.call(&Kill { target: TARGET }).expect("it answers");
    assert!(client.answer::<Launch>(later).is_ok_and(|(reply, _)| reply.pid == 43));
    // A request that the backend forgets is answered all the same.
    let fault = client.call(&launch("never")).expect_err("forgotten");
    assert_eq!(fault.code, ErrorCode::Ending);
    assert_eq!(scene.log(), ["launch later", "launch now", "launch never"]);
}

#[test]
fn a_defect_costs_one_request() {
    let mut scene = Scene::begin(&Hello::new("test"));
    let fault = scene.client().call(&Attach { pid: 13 }).expect_err("a defect");
    assert_eq!(fault.code, ErrorCode::Internal);
    assert!(scene.client().call(&Attach { pid: 14 }).is_ok());
}

#[test]
fn events_are_numbered_as_they_leave() {
    let mut scene = Scene::begin(&Hello::new("test"));
    for target in 1..=3 {
        let event = Exited { target, status: Some(target), ..Exited::default() };
        (scene.settings.events)(AnyEvent::Exited(event), Bytes::new());
        // The client checks the numbers.
        let Event::Exited { target: told, .. } = scene.client().wait_event() else {
            panic!("another event");
        };
        assert_eq!(told, target);
    }
}

#[test]
fn the_link_ends_the_session_and_its_targets() {
    let mut scene = Scene::begin(&Hello::new("test"));
    assert!(scene.client().call(&Resume { target: TARGET, ..Resume::default() }).is_ok());
    scene.client = None;
    scene.join();
    assert_eq!(scene.log(), ["resume 5 at stop 0", "leave", "end"]);
}

#[test]
fn a_session_is_ended_from_outside() {
    let mut scene = Scene::begin(&Hello::new("test"));
    scene.termination = None; // The other end of the pipe becomes readable.
    let Event::Ending(reason) = scene.client().wait_event() else { panic!("another event") };
    assert_eq!(reason, "the process server is ending");
    scene.client().wait_end();
    scene.join();
    assert_eq!(scene.log(), ["leave", "end"]);
}

#[test]
fn a_backend_ends_the_session() {
    let mut scene = Scene::begin(&Hello::new("test"));
    (scene.settings.terminate)();
    assert!(matches!(scene.client().wait_event(), Event::Ending(_)));
    scene.client().wait_end();
    scene.join();
}

#[test]
fn a_session_that_ends_of_its_own_waits_for_nobody() {
    let hello = Hello { capabilities: Capabilities::RESUME.0, ..Hello::new("test") };
    let mut scene = Scene::begin(&hello);
    assert!(!scene.client().welcome().resume_token.is_empty());
    (scene.settings.terminate)();
    assert!(matches!(scene.client().wait_event(), Event::Ending(_)));
    scene.client().wait_end();
    scene.join();
    assert_eq!(scene.log(), ["leave", "end"]);
}

#[test]
fn what_waits_is_let_go_on_when_nobody_has_come() {
    let hello = Hello { capabilities: Capabilities::RESUME.0, ..Hello::new("test") };
    let mut scene = Scene::begin(&hello);
    scene.client = None;
    assert!(matches!(scene.listener.receive(), Some(Message::Waiting)));
    scene.termination = None;
    scene.join();
    assert_eq!(scene.log(), ["pause", "go on", "leave", "end"]);
}

#[test]
fn a_backend_that_cannot_be_made_is_told() {
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let settings = SessionSettings {
        number: 1,
        may_share_terminal: false,
        listener: None,
        lease: Duration::ZERO,
        implicit: Vec::new(),
        termination: None,
    };
    let thread = std::thread::spawn(move || {
        serve(theirs, settings, |_| -> Result<FakeBackend, Fault> {
            Err(Fault::new(ErrorCode::Internal, "no such luck"))
        });
    });
    let mut client = Client::open(ours);
    assert_eq!(client.wait_event(), Event::Ending("no such luck".to_owned()));
    client.wait_end();
    thread.join().expect("no panic");
}

#[test]
fn the_server_is_ended_through_the_session() {
    let mut scene = Scene::begin(&Hello::new("test"));
    assert!(scene.client().call(&EndServer {}).is_ok());
    assert!(matches!(scene.listener.receive(), Some(Message::EndServer)));
}

#[test]
fn what_comes_behind_the_end_of_the_server_is_not_done() {
    let mut scene = Scene::begin(&Hello::new("test"));
    let client = scene.client();
    let asked = client.send(&EndServer {}, Bytes::new());
    let behind = client.send(&Kill { target: TARGET }, Bytes::new());
    assert!(client.answer::<EndServer>(asked).is_ok());
    let fault = client.answer::<Kill>(behind).expect_err("it is too late");
    assert_eq!((fault.code, fault.detail.as_str()), (ErrorCode::Ending, ENDING));
    assert!(client.call(&EndServer {}).is_ok(), "it is idempotent");
    assert!(scene.log().is_empty(), "{:?}", scene.log());
}
