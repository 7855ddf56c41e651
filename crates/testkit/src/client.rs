//! A bare client of the protocol: requests out, answers and events in, every wait with a deadline.
//! It keeps no state of targets, so that tests see what the server says and nothing else.

use std::collections::{HashMap, VecDeque};
use std::io::{IoSlice, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dbgbase::{Address, Arch, ExitStatus, GeneralRegisters, Pid, RegisterId, StopReason, Tid};
use dbglink::{Link, LinkReader, LinkWriter};
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::verbs::memory::{Range, ReadMemory, WriteMemory};
use dbgwire::verbs::process::{Attach, Detach, Kill, Launch, Terminal};
use dbgwire::verbs::registers::{ReadRegisters, RegisterValue, WriteRegisters};
use dbgwire::verbs::resume::{Interrupt, Resume, RunKind, ThreadAction};
use dbgwire::verbs::server::Ping;
use dbgwire::verbs::site::{InsertSites, RemoveSites, Site, SiteKind};
use dbgwire::verbs::terminal::WriteTerminal;
use dbgwire::verbs::thread::ListThreads;
use dbgwire::{AnyEvent, Deframer, ErrorCode, Fault, Frame, FrameKind, Verb, convert, message};

use crate::stop::{Event, Stop};
use crate::wait::is_readable_before;
use crate::{DEADLINE, Testee};

/// A target as the session calls it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// What the session calls it.
    pub id: u32,
    /// Its process.
    pub pid: Pid,
}

/// A client that has been welcomed.
pub struct Client {
    reader: LinkReader,
    writer: LinkWriter,
    deframer: Deframer,
    welcome: Welcome,
    events: VecDeque<Event>,
    answers: HashMap<u32, Frame>,
    last_id: u32,
    last_event: u32,
    round_trips: u32,
    /// How many frames have arrived, the greetings not counted.
    arrived: u64,
}

/// The link has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkEnded;

impl Client {
    /// Greets a server.
    ///
    /// **Panics** if it does not welcome us.
    #[track_caller]
    pub fn open(link: Link) -> Client {
        match Client::try_open(link, &Hello::new("testkit")) {
            Ok(client) => client,
            Err(fault) => panic!("the server does not welcome us: {fault}"),
        }
    }

    /// Greets a server with this Hello.
    ///
    /// **Errors**: the server's refusal.
    #[track_caller]
    pub fn try_open(link: Link, hello: &Hello) -> Result<Client, Fault> {
        let (reader, mut writer) = link.split();
        writer.write_all(&hello.encode()).expect("the server reads");
        let mut client = Client {
            reader,
            writer,
            deframer: Deframer::new(),
            welcome: Welcome::default(),
            events: VecDeque::new(),
            answers: HashMap::new(),
            last_id: 0,
            last_event: 0,
            round_trips: 0,
            arrived: 0,
        };
        let greeting = client.next_frame().expect("the server greets before it ends");
        client.welcome = Welcome::decode(&greeting)?;
        client.deframer.set_length_max(client.welcome.frame_len_max());
        Ok(client)
    }

    /// Takes the session up again on a new link; the old one is dropped. Requests are not sent
    /// again: the answer says how many have arrived.
    ///
    /// **Errors**: the server's refusal.
    #[track_caller]
    pub fn come_back(&mut self, link: Link) -> Result<u64, Fault> {
        let hello = Hello {
            resume_token: self.welcome.resume_token.clone(),
            frames_arrived: self.arrived,
            ..Hello::new("testkit")
        };
        let (reader, mut writer) = link.split();
        writer.write_all(&hello.encode()).expect("the server reads");
        (self.reader, self.writer, self.deframer) = (reader, writer, Deframer::new());
        let greeting = self.next_frame().expect("the server greets before it ends");
        let welcome = Welcome::decode(&greeting)?;
        self.deframer.set_length_max(welcome.frame_len_max());
        Ok(welcome.requests_arrived)
    }

    /// What shows the server that the session is this client's.
    pub fn set_resume_token(&mut self, token: Vec<u8>) {
        self.welcome.resume_token = token;
    }

    /// What the server said at the beginning.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// How many round trips have been made: answers and events that were waited for.
    pub fn round_trips(&self) -> u32 {
        self.round_trips
    }

    // Requests and answers.

    /// Sends a request and does not wait. Its number is for [`answer`](Client::answer).
    #[track_caller]
    pub fn send<V: Verb>(&mut self, verb: &V, tail: impl Into<Bytes>) -> u32 {
        self.try_send(verb, tail.into()).expect("the server reads")
    }

    #[track_caller]
    fn try_send<V: Verb>(&mut self, verb: &V, tail: Bytes) -> Result<u32, LinkEnded> {
        self.last_id += 1;
        let encoded = message::request(self.last_id, verb, tail).expect("a small request");
        let mut slices = [IoSlice::new(&encoded.head), IoSlice::new(&encoded.tail)];
        let sent = self.writer.write_all_vectored(&mut slices);
        sent.map(|()| self.last_id).map_err(|_| LinkEnded)
    }

    /// Sends a request and waits for its answer, if the link lives as long.
    #[track_caller]
    pub fn try_call<V: Verb>(&mut self, verb: &V) -> Result<Result<V::Reply, Fault>, LinkEnded> {
        let id = self.try_send(verb, Bytes::new())?;
        while !self.answers.contains_key(&id) {
            self.receive()?;
        }
        Ok(self.answer::<V>(id).map(|(reply, _)| reply))
    }

    /// Waits for the answer to a request.
    ///
    /// **Errors**: the server's fault.
    #[track_caller]
    pub fn answer<V: Verb>(&mut self, id: u32) -> Result<(V::Reply, Bytes), Fault> {
        while !self.answers.contains_key(&id) {
            assert_eq!(self.receive(), Ok(()), "waited in vain for the answer to {}", V::NAME);
        }
        self.round_trips += 1;
        let frame = self.answers.remove(&id).expect("it was just there");
        message::read_answer::<V>(frame).expect("the verb's answer")
    }

    /// Sends a request and waits for its answer.
    ///
    /// **Errors**: the server's fault.
    #[track_caller]
    pub fn call<V: Verb>(&mut self, verb: &V) -> Result<V::Reply, Fault> {
        let id = self.send(verb, Bytes::new());
        self.answer::<V>(id).map(|(reply, _)| reply)
    }

    /// Waits for a fault that answers a request of this number and verb, which may be no verb.
    #[track_caller]
    pub fn answer_code(&mut self, id: u32, opcode: u16) -> ErrorCode {
        while !self.answers.contains_key(&id) {
            assert_eq!(self.receive(), Ok(()), "waited in vain for the answer to {opcode:#06x}");
        }
        let frame = self.answers.remove(&id).expect("it was just there");
        assert_eq!((frame.kind, frame.opcode), (FrameKind::Fault, opcode));
        // Every verb's fault is the same message.
        let frame = Frame { opcode: Ping::OPCODE, ..frame };
        let answer = message::read_answer::<Ping>(frame).expect("a fault");
        answer.expect_err("a fault").code
    }

    /// Sends raw bytes.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).expect("the server reads");
    }

    /// Waits until the server closes the link; what arrives before is dropped.
    #[track_caller]
    pub fn wait_end(&mut self) {
        while self.receive().is_ok() {}
    }

    // Events.

    /// The next event.
    #[track_caller]
    pub fn wait_event(&mut self) -> Event {
        self.try_wait_event().expect("the server lives")
    }

    /// The next event, if the link lives as long.
    #[track_caller]
    pub fn try_wait_event(&mut self) -> Result<Event, LinkEnded> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            self.receive()?;
            self.round_trips += 1;
        }
    }

    /// The next event, if one comes in time and the link lives as long.
    #[track_caller]
    pub fn event_within(&mut self, time: Duration) -> Result<Option<Event>, LinkEnded> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if !is_readable_before(&self.reader, deadline) {
                return Ok(None);
            }
            self.receive()?;
        }
    }

    /// The next event that is no news of modules: that comes unasked.
    #[track_caller]
    pub fn wait_news(&mut self) -> Event {
        loop {
            match self.wait_event() {
                Event::ModulesChanged(_) => {}
                event => return event,
            }
        }
    }

    /// The next event, which is a stop. News of modules is passed over.
    #[track_caller]
    pub fn wait_stop(&mut self) -> Stop {
        match self.wait_news() {
            Event::Stopped(stop) => *stop,
            other => panic!("waited for a stop, not {other:?}"),
        }
    }

    /// The next event, which is a target's end. News of modules is passed over.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        match self.wait_news() {
            Event::Exited { status, .. } => status,
            other => panic!("waited for an end, not {other:?}"),
        }
    }

    /// The events that have arrived when a later request is answered: what happened before is told
    /// before.
    #[track_caller]
    pub fn pending_events(&mut self) -> Vec<Event> {
        assert!(self.call(&Ping {}).is_ok());
        self.events.drain(..).collect()
    }

    // Targets.

    /// Starts a debuggee and waits for its initial break.
    #[track_caller]
    pub fn start(&mut self, testee: &Testee, arguments: &[&str]) -> (Target, Stop) {
        let target = self.launch(testee.path(), arguments).expect("it can be launched");
        let stop = self.wait_stop();
        assert_eq!(stop.reason(), StopReason::InitialBreak);
        assert_eq!(stop.event.target, target.id);
        (target, stop)
    }

    /// Asks for a program to be started, with nothing for its standard streams.
    #[track_caller]
    pub fn launch(&mut self, program: &Path, arguments: &[&str]) -> Result<Target, Fault> {
        use std::os::unix::ffi::OsStrExt;
        let program = program.as_os_str().as_bytes().to_vec();
        let rest = arguments.iter().map(|argument| argument.as_bytes().to_vec());
        let reply = self.call(&Launch {
            arguments: std::iter::once(program.clone()).chain(rest).collect(),
            program,
            terminal: Terminal::None as i32,
            ..Launch::default()
        })?;
        Ok(Target { id: reply.target, pid: Pid::new(reply.pid) })
    }

    /// Starts a program on a pseudo-terminal of its own and waits for its initial break.
    #[track_caller]
    pub fn start_on_terminal(&mut self, program: &str, arguments: &[&str]) -> (Target, Stop) {
        let words = std::iter::once(program).chain(arguments.iter().copied());
        let request = Launch {
            program: program.as_bytes().to_vec(),
            arguments: words.map(|word| word.as_bytes().to_vec()).collect(),
            terminal: Terminal::Pty as i32,
            ..Launch::default()
        };
        let reply = self.call(&request).expect("it can be launched");
        let stop = self.wait_stop();
        assert_eq!(stop.reason(), StopReason::InitialBreak);
        (Target { id: reply.target, pid: Pid::new(reply.pid) }, stop)
    }

    /// Types into a target's terminal.
    #[track_caller]
    pub fn type_in(&mut self, target: Target, input: &[u8]) -> Result<(), Fault> {
        let verb = WriteTerminal { target: target.id };
        let id = self.send(&verb, Bytes::copy_from_slice(input));
        self.answer::<WriteTerminal>(id).map(|_| ())
    }

    /// What targets write to their terminals until something else happens, and what that is.
    #[track_caller]
    pub fn read_terminal(&mut self) -> (String, Event) {
        let mut written = Vec::new();
        loop {
            match self.wait_event() {
                Event::Output { bytes, .. } => written.extend(bytes),
                other => return (String::from_utf8_lossy(&written).into_owned(), other),
            }
        }
    }

    /// What a target writes to its terminal until it has written `end`.
    #[track_caller]
    pub fn read_terminal_until(&mut self, end: &str) -> String {
        let mut written = String::new();
        while !written.contains(end) {
            match self.wait_event() {
                Event::Output { bytes, .. } => written += &String::from_utf8_lossy(&bytes),
                other => panic!("waited for {end:?} behind {written:?}, not {other:?}"),
            }
        }
        written
    }

    /// Attaches to a process and waits for the first stop.
    #[track_caller]
    pub fn attach(&mut self, pid: Pid) -> (Target, Stop) {
        let target = self.try_attach(pid).expect("it can be attached to");
        let stop = self.wait_stop();
        assert_eq!(stop.reason(), StopReason::Attached);
        (target, stop)
    }

    /// Asks for a process to be attached to.
    #[track_caller]
    pub fn try_attach(&mut self, pid: Pid) -> Result<Target, Fault> {
        let reply = self.call(&Attach { pid: pid.value() })?;
        Ok(Target { id: reply.target, pid })
    }

    /// Leaves a target.
    #[track_caller]
    pub fn detach(&mut self, target: Target) {
        self.call(&Detach { target: target.id }).expect("it can be detached");
    }

    /// Ends a target, whose end is told before the answer.
    #[track_caller]
    pub fn kill(&mut self, target: Target) -> ExitStatus {
        self.call(&Kill { target: target.id }).expect("it can be killed");
        self.wait_exit()
    }

    /// The threads of a target.
    #[track_caller]
    pub fn tids(&mut self, target: Target) -> Vec<Tid> {
        let reply = self.call(&ListThreads { target: target.id }).expect("the target lives");
        reply.threads.iter().map(|thread| Tid::new(thread.tid)).collect()
    }

    // Running.

    /// Lets all threads run.
    #[track_caller]
    pub fn go(&mut self, target: Target) {
        self.resume(
            target,
            &[ThreadAction { tid: 0, run: RunKind::Continue as i32, ..ThreadAction::default() }],
        );
    }

    /// Lets all threads run, and gives one a signal.
    #[track_caller]
    pub fn go_with_signal(&mut self, target: Target, tid: Tid, signal: dbgbase::Signal) {
        let run = RunKind::Continue as i32;
        let signal = signal.number().unsigned_abs();
        let named = ThreadAction { tid: tid.value(), run, signal, ..ThreadAction::default() };
        self.resume(target, &[named, ThreadAction { tid: 0, run, ..ThreadAction::default() }]);
    }

    /// Lets one thread execute one instruction, the others stay.
    #[track_caller]
    pub fn step(&mut self, target: Target, tid: Tid) {
        self.resume(
            target,
            &[ThreadAction {
                tid: tid.value(),
                run: RunKind::Step as i32,
                ..ThreadAction::default()
            }],
        );
    }

    /// Lets threads run as these actions say.
    #[track_caller]
    pub fn resume(&mut self, target: Target, actions: &[ThreadAction]) {
        let resume = Resume {
            target: target.id,
            stop: 0,
            actions: actions.to_vec(),
            insert: Vec::new(),
            remove: Vec::new(),
        };
        self.call(&resume).expect("it can be resumed");
    }

    /// Asks a target to stop.
    #[track_caller]
    pub fn interrupt(&mut self, target: Target) {
        self.call(&Interrupt { target: target.id, tids: Vec::new() })
            .expect("it can be interrupted");
    }

    // Sites.

    /// Arms an address for every thread.
    #[track_caller]
    pub fn insert(&mut self, target: Target, id: u32, address: Address) {
        self.insert_site(target, site(id, address));
    }

    /// Arms an address.
    #[track_caller]
    pub fn insert_site(&mut self, target: Target, site: Site) {
        let insert = InsertSites { target: target.id, sites: vec![site] };
        let reply = self.call(&insert).expect("the target stands still");
        assert_eq!(reply.faults, [], "the site can be armed");
    }

    /// Disarms sites.
    #[track_caller]
    pub fn remove(&mut self, target: Target, ids: &[u32]) {
        let remove = RemoveSites { target: target.id, ids: ids.to_vec() };
        self.call(&remove).expect("the target stands still");
    }

    // Memory and registers.

    /// Reads as much as can be read of a range.
    #[track_caller]
    pub fn read(&mut self, target: Target, address: Address, len: u32) -> Vec<u8> {
        let ranges = vec![Range { address: address.value(), len }];
        let id = self.send(&ReadMemory { target: target.id, ranges }, Bytes::new());
        let (reply, tail) = self.answer::<ReadMemory>(id).expect("the target lives");
        assert_eq!(reply.lengths, [tail.len() as u32]);
        tail.to_vec()
    }

    /// Reads a little-endian number.
    ///
    /// **Panics** if it cannot be read whole.
    #[track_caller]
    pub fn read_u64(&mut self, target: Target, address: Address) -> u64 {
        let bytes = self.read(target, address, 8);
        u64::from_le_bytes(bytes.try_into().expect("readable memory"))
    }

    /// Writes bytes. How many were written.
    #[track_caller]
    pub fn write(&mut self, target: Target, address: Address, bytes: &[u8]) -> Result<u32, Fault> {
        let verb = WriteMemory { target: target.id, address: address.value() };
        let id = self.send(&verb, Bytes::copy_from_slice(bytes));
        self.answer::<WriteMemory>(id).map(|(reply, _)| reply.written)
    }

    /// The registers of a thread.
    #[track_caller]
    pub fn registers(&mut self, target: Target, tid: Tid) -> GeneralRegisters {
        let verb = ReadRegisters {
            target: target.id,
            tids: vec![tid.value()],
            ..ReadRegisters::default()
        };
        let reply = self.call(&verb).expect("the target stands still");
        let values = reply.threads.first().map(|thread| thread.general.clone());
        let arch = Arch::native().expect("a CPU with a table");
        let registers = values.and_then(|values| GeneralRegisters::from_values(arch, &values));
        registers.expect("the thread's registers")
    }

    /// Changes a register of a thread.
    #[track_caller]
    pub fn set_register(&mut self, target: Target, tid: Tid, register: RegisterId, value: u64) {
        let value = RegisterValue { register: register.index() as u32, value };
        let verb = WriteRegisters {
            target: target.id,
            tid: tid.value(),
            values: vec![value],
            ..WriteRegisters::default()
        };
        self.call(&verb).expect("the register can be written");
    }

    // Frames.

    /// Takes in the next frame.
    #[track_caller]
    fn receive(&mut self) -> Result<(), LinkEnded> {
        let frame = self.next_frame().ok_or(LinkEnded)?;
        self.arrived += 1;
        match frame.kind {
            FrameKind::Reply | FrameKind::Fault => {
                let former = self.answers.insert(frame.id, frame);
                assert_eq!(former, None, "a request has two answers");
            }
            FrameKind::Event => {
                self.last_event += 1;
                assert_eq!(frame.id, self.last_event, "events are numbered in their order");
                self.events.push_back(read_event(&frame));
            }
            _ => panic!("a server sends no {frame:?}"),
        }
        Ok(())
    }

    #[track_caller]
    fn next_frame(&mut self) -> Option<Frame> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(is_readable_before(&self.reader, deadline), "the server is silent");
            let count = match self.reader.read(self.deframer.want()) {
                Ok(0) => return None,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("cannot read from the server: {error}"),
            };
            if let Some(frame) = self.deframer.filled(count).expect("the server sends frames") {
                return Some(frame);
            }
        }
    }
}

/// A site for every thread.
pub fn site(id: u32, address: Address) -> Site {
    let kind = SiteKind::Software as i32;
    Site { id, address: address.value(), kind, ..Site::default() }
}

#[track_caller]
fn read_event(frame: &Frame) -> Event {
    let event = AnyEvent::decode(frame).expect("an event that decodes");
    match event.expect("an event of this version") {
        AnyEvent::Stopped(event) => {
            Event::Stopped(Box::new(Stop { event, tail: frame.tail.clone() }))
        }
        AnyEvent::Exited(event) if !event.left.is_empty() => {
            Event::Left { target: event.target, why: event.left }
        }
        AnyEvent::Exited(event) => {
            let status = convert::exit_status(&event).expect("an end");
            Event::Exited { target: event.target, status }
        }
        AnyEvent::Ending(event) => Event::Ending(event.reason),
        AnyEvent::Output(event) => {
            Event::Output { target: event.target, bytes: frame.tail.to_vec() }
        }
        AnyEvent::Created(event) => Event::Created(event),
        AnyEvent::Signalled(event) => Event::Signalled(event),
        AnyEvent::ModulesChanged(event) => Event::ModulesChanged(event),
        AnyEvent::Printed(event) => Event::Printed { event, text: frame.tail.to_vec() },
    }
}
