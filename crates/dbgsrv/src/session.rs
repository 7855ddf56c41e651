//! One client's session: greets it, takes its requests one after another, and ends its targets when
//! the link does. It knows frames and the handshake; `dispatch` knows the verbs.

mod hand_over;

use std::io::{BufReader, Chain, Cursor, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use dbgbase::Pid;
use dbglink::{Link, LinkReader};
use dbgwire::event::Ending;
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::version::Capabilities;
use dbgwire::{AnyEvent, Deframer, ErrorCode, Fault, Frame, FrameKind, Request};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;

use crate::backend::Backend;
use crate::control::Control;
use crate::dispatch::Dispatch;
use crate::outbox::Outbox;
use hand_over::{HandOver, Parking, hand_over, take_over};

/// How much is read from the link at once, for the sake of many small requests.
const READ_AHEAD: usize = 64 * 1024;
/// The most and least of a stack a stop event carries, and what it carries if the client does not
/// say.
const STACK_WINDOW: std::ops::RangeInclusive<u32> = 512..=16 * 1024;
const STACK_WINDOW_DEFAULT: u32 = 4096;

/// What a session is told when it is made.
pub struct SessionSettings {
    /// What the server calls it.
    pub number: u32,
    /// Whether programs may be launched on the terminal of this process.
    pub may_share_terminal: bool,
    /// The way to the listener; `None` if there is no server beyond this session.
    pub listener: Option<Control>,
    /// The words of the implicit command line; empty if there is none.
    pub implicit: Vec<Vec<u8>>,
    /// Readable when the process is asked to end.
    pub termination: Option<OwnedFd>,
}

/// What was settled with a client when it was greeted.
struct Terms {
    /// The version of the protocol.
    version: u32,
    /// How much of a stopped thread's stack an event carries.
    stack_window_len: u32,
}

/// What a backend is made with.
pub struct BackendSettings {
    /// Where its events go.
    pub events: Arc<dyn Fn(AnyEvent, bytes::Bytes) + Send + Sync>,
    /// Ends the session because the backend cannot go on.
    pub terminate: Box<dyn Fn() + Send>,
    /// How much of a stopped thread's stack an event carries.
    pub stack_window_len: u64,
    /// Whether programs may be launched on the terminal of this process.
    pub may_share_terminal: bool,
}

/// Serves one client until its link ends, with the backend that `make` makes; after that, whoever
/// claims a target that was abandoned. All targets have been left or ended when this returns.
pub fn serve<B: Backend>(
    link: Link,
    settings: SessionSettings,
    make: impl FnOnce(BackendSettings) -> Result<B, Fault>,
) {
    let shutdown = link.shutdown_handle();
    let (reader, writer) = link.split();
    let outbox = Outbox::new(writer, shutdown);
    let mut frames = Frames::new(Vec::new(), reader);
    let _watch = settings.termination.as_ref().and_then(|fd| Watch::start(fd, &outbox));
    let Some(mut terms) = greet(&mut frames, &outbox, &settings) else {
        return;
    };
    let Ok((exited, exits)) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
    else {
        return;
    };
    let (for_events, for_end) = (outbox.clone(), outbox.clone());
    let backend = make(BackendSettings {
        events: Arc::new(move |event, tail| {
            for_events.send_event(&event, tail);
            if matches!(event, AnyEvent::Exited(_)) {
                // Nobody has to be woken twice.
                let _ = rustix::io::write(&exits, &[0]);
            }
        }),
        terminate: Box::new(move || for_end.end("the server has a defect")),
        stack_window_len: u64::from(terms.stack_window_len),
        may_share_terminal: settings.may_share_terminal,
    });
    let mut backend = match backend {
        Ok(backend) => backend,
        Err(fault) => {
            let ending = Ending { reason: fault.detail };
            outbox.send_event(&AnyEvent::Ending(ending), bytes::Bytes::new());
            return;
        }
    };
    let parking = Parking {
        listener: settings.listener.as_ref(),
        termination: settings.termination.as_ref(),
        exited: &exited,
    };
    while serve_client(&mut frames, &mut backend, &outbox, &settings, &terms) {
        // Nothing more can be sent; what the backend still reports goes nowhere.
        outbox.close();
        backend.leave();
        let Some(claim) = parking.wait(&mut backend) else { break };
        (frames, terms) = take_over(claim, &mut backend, &outbox);
    }
    backend.end();
}

/// Takes a client's requests until its link ends. Returns `false` if the client has been handed
/// over to another session process: the link is that one's then.
fn serve_client(
    frames: &mut Frames,
    backend: &mut dyn Backend,
    outbox: &Outbox,
    settings: &SessionSettings,
    terms: &Terms,
) -> bool {
    let listener = settings.listener.as_ref();
    let mut dispatch = Dispatch::new(backend, outbox.clone(), listener, &settings.implicit);
    while let Some(frame) = frames.next() {
        let request = Request::decode(&frame);
        if let (Ok(Request::Claim(claim)), Some(listener)) = (&request, listener)
            && !dispatch.keeps(Pid::new(claim.pid))
        {
            match hand_over(&frame, claim.pid, frames, outbox, listener, terms) {
                HandOver::Done => return false,
                HandOver::Nobody => {}
                HandOver::Refused(fault) => {
                    outbox.send_fault(frame.id, frame.opcode, &fault);
                    continue;
                }
            }
        }
        take_request(&mut dispatch, outbox, &frame, request);
    }
    true
}

/// Ends the link when the process is asked to end, also if the client has not greeted us yet, or
/// does not take what it is sent.
struct Watch {
    thread: Option<JoinHandle<()>>,
    /// Closed when there is nothing to watch any more.
    over: Option<OwnedFd>,
}

impl Watch {
    fn start(termination: &OwnedFd, outbox: &Outbox) -> Option<Watch> {
        let (is_over, over) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).ok()?;
        let termination = termination.try_clone().ok()?;
        let outbox = outbox.clone();
        let watch = move || {
            let wanted = |fd| PollFd::new(fd, PollFlags::IN);
            let mut fds = [wanted(&termination), wanted(&is_over)];
            while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
            if fds.first().is_some_and(|fd| !fd.revents().is_empty()) {
                outbox.end("the process server is ending");
            }
        };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(watch).ok()?;
        Some(Watch { thread: Some(thread), over: Some(over) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Carries out what a frame asks for. `request` is what it decodes to.
fn take_request(
    dispatch: &mut Dispatch<'_>,
    outbox: &Outbox,
    frame: &Frame,
    request: Result<Request, ErrorCode>,
) {
    if frame.kind != FrameKind::Request {
        return; // A client sends nothing else; a later version's extras are passed over.
    }
    match request {
        Ok(request) => dispatch.carry_out(frame.id, frame.opcode, request, frame.tail.clone()),
        Err(code) => {
            let detail = match code {
                ErrorCode::UnknownVerb => {
                    format!("this server does not know verb {:#06x}", frame.opcode)
                }
                _ => format!("the message of verb {:#06x} does not decode", frame.opcode),
            };
            outbox.send_fault(frame.id, frame.opcode, &Fault::new(code, detail));
        }
    }
}

/// Answers the client's Hello. `None` if it is not let in, or is no client.
fn greet(frames: &mut Frames, outbox: &Outbox, settings: &SessionSettings) -> Option<Terms> {
    let hello = Hello::decode(&frames.next()?).ok()?;
    let version = match hello.negotiate() {
        Ok(version) => version,
        Err(refusal) => {
            outbox.send_raw(refusal.encode());
            return None;
        }
    };
    let mut capabilities = Capabilities::FILE_WRITE.with(Capabilities::PTY);
    if settings.listener.is_some() {
        capabilities = capabilities.with(Capabilities::END_SERVER);
    }
    if settings.may_share_terminal {
        capabilities = capabilities.with(Capabilities::SHARED_TERMINAL);
    }
    let welcome = Welcome {
        version,
        program: concat!("dbgsrv ", env!("CARGO_PKG_VERSION")).to_owned(),
        capabilities: capabilities.0,
        arch: std::env::consts::ARCH.to_owned(),
        frame_len_max: dbgwire::frame::FRAME_LEN_MAX,
        session: settings.number,
        resume_token: Vec::new(),
        lease_s: 0,
    };
    outbox.send_raw(welcome.encode());
    frames.deframer.set_length_max(dbgwire::frame::FRAME_LEN_MAX);
    let stack_window_len = match hello.stack_window_len {
        0 => STACK_WINDOW_DEFAULT,
        wanted => wanted.clamp(*STACK_WINDOW.start(), *STACK_WINDOW.end()),
    };
    Some(Terms { version, stack_window_len })
}

/// The frames that arrive on a link.
struct Frames {
    reader: BufReader<Chain<Cursor<Vec<u8>>, LinkReader>>,
    deframer: Deframer,
}

impl Frames {
    /// Those in `first`, and then those that arrive.
    fn new(first: Vec<u8>, reader: LinkReader) -> Frames {
        let reader = Cursor::new(first).chain(reader);
        let reader = BufReader::with_capacity(READ_AHEAD, reader);
        Frames { reader, deframer: Deframer::new() }
    }

    /// What has been read and is no frame yet.
    fn unread(&self) -> Vec<u8> {
        let (first, _) = self.reader.get_ref().get_ref();
        let behind = first.get_ref().get(first.position() as usize..).unwrap_or_default();
        [self.reader.buffer(), behind].concat()
    }

    fn link(&self) -> BorrowedFd<'_> {
        self.reader.get_ref().get_ref().1.as_fd()
    }

    /// The next frame; `None` when the link has ended or its bytes are no frames.
    fn next(&mut self) -> Option<Frame> {
        loop {
            let count = match self.reader.read(self.deframer.want()) {
                Ok(0) => return None,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return None,
            };
            if let Some(frame) = self.deframer.filled(count).ok()? {
                return Some(frame);
            }
        }
    }
}

#[cfg(test)]
#[path = "session/tests.rs"]
mod tests;
