//! One client's session: greets it, takes its requests one after another, waits for it when the
//! link is lost, and ends its targets when it is gone. It knows frames and the handshake;
//! `dispatch` knows the verbs.

mod callers;
mod hand_over;
mod lease;
mod silence;

use std::io::{BufReader, Chain, Cursor, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use dbgbase::Pid;
use dbglink::{Link, LinkReader};
use dbgwire::event::Ending;
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::version::Capabilities;
use dbgwire::{AnyEvent, Deframer, ErrorCode, Fault, Frame, FrameKind, Request};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;

use crate::backend::Backend;
use crate::control::{Control, Message, Return};
use crate::dispatch::Dispatch;
use crate::outbox::Outbox;
use callers::Callers;
use hand_over::{HandOver, Parking, hand_over, take_over};
use lease::{Lease, Token, refuse};

/// How much is read from the link at once, for the sake of many small requests.
const READ_AHEAD: usize = 64 * 1024;
/// The most and least of a stack a stop event carries, and what it carries if the client does not
/// say.
const STACK_WINDOW: std::ops::RangeInclusive<u32> = 512..=16 * 1024;
const STACK_WINDOW_DEFAULT: u32 = 4096;
/// Why a session ends with its server.
const ENDING: &str = "the process server is ending";

/// What a session is told when it is made.
pub struct SessionSettings {
    /// What the server calls it.
    pub number: u32,
    /// Whether programs may be launched on the terminal of this process.
    pub may_share_terminal: bool,
    /// The way to the listener; `None` if there is no server beyond this session.
    pub listener: Option<Control>,
    /// How long a client whose link was lost is waited for, if it is one that can come again.
    pub lease: Duration,
    /// The words of the implicit command line; empty if there is none.
    pub implicit: Vec<Vec<u8>>,
    /// Readable when the process is asked to end.
    pub termination: Option<OwnedFd>,
}

/// What was settled with a client when it was greeted, and how far it is.
struct Terms {
    /// The version of the protocol.
    version: u32,
    /// How much of a stopped thread's stack an event carries.
    stack_window_len: u32,
    /// How many requests of it were taken.
    requests: u64,
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
    mut settings: SessionSettings,
    make: impl FnOnce(BackendSettings) -> Result<B, Fault>,
) {
    let (shutdown, peer) = (link.shutdown_handle(), link.peer().ok());
    let (reader, writer) = link.split();
    let outbox = Outbox::new(writer, shutdown);
    let mut frames = Frames::new(Vec::new(), reader);
    let _watch = settings.termination.as_ref().and_then(|fd| Watch::start(fd, &outbox));
    if settings.listener.is_some()
        && let Err(length) = silence::wait(frames.link(), silence::PATIENCE)
    {
        silence::complain(peer, length);
        return;
    }
    let Some((mut terms, mut token)) = greet(&mut frames, &outbox, &settings) else {
        return;
    };
    let callers = settings.listener.take().map(|control| Callers::start(control, &outbox));
    let Ok(callers) = callers.transpose() else { return };
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
        callers: callers.as_ref(),
        termination: settings.termination.as_ref(),
        exited: &exited,
    };
    let service = Service { outbox: &outbox, settings: &settings, callers: callers.as_ref() };
    while service.serve_client(&mut frames, &mut backend, &mut terms, token.as_ref()) {
        // Nothing more can be sent; what the backend still reports goes nowhere, and who had this
        // session cannot take it up any more.
        outbox.close();
        outbox.forget();
        callers.iter().for_each(|callers| callers.expect(None));
        backend.leave();
        let Some(claim) = parking.wait(&mut backend) else { break };
        // What the last client had to show is worth nothing any more.
        token = claim.progress.and_then(|_| Token::new(settings.number));
        (frames, terms) = take_over(claim, &mut backend, &outbox);
    }
    backend.end();
}

/// What serves a session's clients.
struct Service<'a> {
    outbox: &'a Outbox,
    settings: &'a SessionSettings,
    /// The way to the listener; `None` if there is no server beyond this session.
    callers: Option<&'a Callers>,
}

impl Service<'_> {
    /// Takes a client's requests until it is gone. Returns `false` if the client has been handed
    /// over to another session process: the link is that one's then.
    fn serve_client(
        &self,
        frames: &mut Frames,
        backend: &mut dyn Backend,
        terms: &mut Terms,
        token: Option<&Token>,
    ) -> bool {
        let settings = self.settings;
        let listener = self.callers.map(Callers::control);
        if let Some(callers) = self.callers {
            callers.expect(token.map(|token| token.secret));
        }
        let lease = self.callers.filter(|_| token.is_some()).map(|callers| {
            let termination = settings.termination.as_ref();
            Lease { callers, termination, length: settings.lease }
        });
        let resume_token = token.map(Token::encode).unwrap_or_default();
        let implicit = &settings.implicit;
        let mut dispatch =
            Dispatch::new(backend, self.outbox.clone(), listener, implicit, resume_token);
        loop {
            match self.take_frames(frames, &mut dispatch, terms) {
                Stay::Gone => return true,
                Stay::HandedOver => return false,
                Stay::Lost => {}
            }
            let welcome = |terms: &Terms| welcome(settings, listener.is_some(), terms, token);
            let again = lease
                .as_ref()
                .and_then(|lease| lease.wait(dispatch.backend(), self.outbox, terms, welcome));
            let Some(again) = again else { return true };
            *frames = again;
        }
    }

    /// Takes a client's requests from one link.
    fn take_frames(
        &self,
        frames: &mut Frames,
        dispatch: &mut Dispatch<'_>,
        terms: &mut Terms,
    ) -> Stay {
        let outbox = self.outbox;
        let mut is_ending = false;
        while let Some(frame) = frames.next() {
            match frame.kind {
                FrameKind::Request => terms.requests += 1,
                FrameKind::Receipt => outbox.confirmed(frame.id),
                FrameKind::Farewell => return Stay::Gone,
                // A client sends nothing else; a later version's extras are passed over.
                FrameKind::Handshake | FrameKind::Reply | FrameKind::Fault | FrameKind::Event => {}
            }
            if frame.kind != FrameKind::Request {
                continue;
            }
            if !outbox.owe(frame.id) {
                outbox.end(&format!("request {} is sent again before it is answered", frame.id));
                return Stay::Gone;
            }
            let request = Request::decode(&frame);
            let is_end = matches!(request, Ok(Request::EndServer(_)));
            if is_ending && !is_end {
                // What comes behind, as the end of a client's script, is not to race with the
                // listener for what becomes of targets.
                let fault = Fault::new(ErrorCode::Ending, ENDING);
                outbox.send_fault(frame.id, frame.opcode, &fault);
                continue;
            }
            if let (Ok(Request::Claim(claim)), Some(callers)) = (&request, self.callers)
                && !dispatch.keeps(Pid::new(claim.pid))
            {
                match hand_over(&frame, claim.pid, frames, outbox, callers, terms) {
                    HandOver::Done => return Stay::HandedOver,
                    HandOver::Nobody => {}
                    HandOver::Refused(fault) => {
                        outbox.send_fault(frame.id, frame.opcode, &fault);
                        continue;
                    }
                }
            }
            is_ending |= self.callers.is_some() && is_end;
            take_request(dispatch, outbox, &frame, request);
        }
        Stay::Lost
    }
}

/// How a client's stay on a link ended.
enum Stay {
    /// It has said farewell.
    Gone,
    /// The link has ended.
    Lost,
    /// Another session process serves it.
    HandedOver,
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
                outbox.end(ENDING);
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

/// Answers the client's Hello. `None` if it is not let in, or is no client, or has been handed to
/// the session that it takes up again. The token is there if it can do so with this one.
fn greet(
    frames: &mut Frames,
    outbox: &Outbox,
    settings: &SessionSettings,
) -> Option<(Terms, Option<Token>)> {
    let hello = Hello::decode(&frames.next()?).ok()?;
    let version = match hello.negotiate() {
        Ok(version) => version,
        Err(refusal) => {
            outbox.send_raw(&refusal.encode());
            return None;
        }
    };
    if !hello.resume_token.is_empty() {
        let link = frames.link().try_clone_to_owned().ok()?;
        bring_back(&hello, link, settings.listener.as_ref());
        return None;
    }
    let stack_window_len = match hello.stack_window_len {
        0 => STACK_WINDOW_DEFAULT,
        wanted => wanted.clamp(*STACK_WINDOW.start(), *STACK_WINDOW.end()),
    };
    let terms = Terms { version, stack_window_len, requests: 0 };
    let has_server = settings.listener.is_some();
    let comes_again = Capabilities(hello.capabilities).has(Capabilities::RESUME)
        && has_server
        && !settings.lease.is_zero();
    let token = if comes_again { Token::new(settings.number) } else { None };
    outbox.send_raw(&welcome(settings, has_server, &terms, token.as_ref()).encode());
    if token.is_some() {
        outbox.keep();
    }
    frames.deframer.set_length_max(dbgwire::frame::FRAME_LEN_MAX);
    Some((terms, token))
}

/// Hands a client that comes again to its session.
fn bring_back(hello: &Hello, link: OwnedFd, listener: Option<&Control>) {
    let token = Token::decode(&hello.resume_token);
    let (Some(Token { session, secret }), Some(listener)) = (token, listener) else {
        return refuse(link);
    };
    let arrived = hello.frames_arrived;
    let Ok(theirs) = link.try_clone() else { return };
    let comer = Message::Return(Return { session, secret, arrived, link: theirs });
    let is_taken =
        listener.send(&comer).is_ok() && matches!(listener.receive(), Some(Message::Accepted));
    if !is_taken {
        refuse(link);
    }
}

/// What a client is welcomed with.
fn welcome(
    settings: &SessionSettings,
    has_server: bool,
    terms: &Terms,
    token: Option<&Token>,
) -> Welcome {
    let mut capabilities = Capabilities::FILE_WRITE.with(Capabilities::PTY);
    if has_server {
        capabilities = capabilities.with(Capabilities::END_SERVER);
    }
    if settings.may_share_terminal {
        capabilities = capabilities.with(Capabilities::SHARED_TERMINAL);
    }
    Welcome {
        version: terms.version,
        program: concat!("dbgsrv ", env!("CARGO_PKG_VERSION")).to_owned(),
        capabilities: capabilities.0,
        arch: std::env::consts::ARCH.to_owned(),
        frame_len_max: dbgwire::frame::FRAME_LEN_MAX,
        session: settings.number,
        resume_token: token.map(Token::encode).unwrap_or_default(),
        lease_s: token.map_or(0, |_| u32::try_from(settings.lease.as_secs()).unwrap_or(u32::MAX)),
        requests_arrived: terms.requests,
    }
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

    /// Those of a client that was greeted by somebody else, who has read `bytes` behind its Hello.
    fn greeted(bytes: &[u8], reader: LinkReader) -> Frames {
        // The preface has been read already.
        let first = [&dbgwire::version::PREFACE[..], bytes].concat();
        let mut frames = Frames::new(first, reader);
        frames.deframer.set_length_max(dbgwire::frame::FRAME_LEN_MAX);
        frames
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
