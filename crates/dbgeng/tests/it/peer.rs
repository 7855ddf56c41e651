//! The server's side of a scripted conversation, made of the protocol crate alone.

use std::io::{ErrorKind, Read, Write};
use std::thread::JoinHandle;

use bytes::Bytes;
use dbgeng::{Engine, Error};
use dbglink::{Link, LinkReader, LinkShutdown, LinkWriter};
use dbgwire::handshake::{Hello, Welcome};
use dbgwire::verbs::resume::{Interrupt, InterruptReply, Resume, ResumeReply};
use dbgwire::verbs::server::{ServerInfo, ServerInfoReply, XsaveComponent, XsaveLayout};
use dbgwire::{Deframer, Encoded, ErrorCode, Fault, Frame, FrameKind, Verb, WireEvent, message};

/// The server's end of the link.
pub(crate) struct Peer {
    reader: LinkReader,
    writer: LinkWriter,
    shutdown: LinkShutdown,
    deframer: Deframer,
    last_event: u32,
}

/// A request that has come.
pub(crate) struct Got<V> {
    pub(crate) verb: V,
    pub(crate) tail: Bytes,
    id: u32,
}

/// An engine and the thread that plays its server.
pub(crate) struct Session {
    engine: Option<Engine>,
    server: JoinHandle<()>,
}

impl Session {
    /// Connects an engine to a server that greets it and then does what `script` says. When the
    /// script is at its end, nothing more may be asked.
    pub(crate) fn new(script: impl FnOnce(&mut Peer) + Send + 'static) -> Session {
        let (engine, server) = connect(|peer| {
            peer.greet();
            script(peer);
            peer.expect_end();
        });
        Session { engine: Some(engine.expect("the server greets")), server }
    }

    pub(crate) fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("taken only at the end")
    }

    /// Ends the conversation and checks that the script was followed to its end.
    pub(crate) fn end(mut self) {
        self.engine.take();
        if let Err(panic) = self.server.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// What comes of connecting to a server that does what `script` says.
pub(crate) fn connect(
    script: impl FnOnce(&mut Peer) + Send + 'static,
) -> (Result<Engine, Error>, JoinHandle<()>) {
    let (ours, theirs) = Link::pair().expect("a socket pair");
    let mut peer = Peer::new(theirs);
    let server = std::thread::spawn(move || script(&mut peer));
    (Engine::connect(ours, "test 1.0", None), server)
}

impl<V> Got<V> {
    pub(crate) fn id(&self) -> u32 {
        self.id
    }
}

impl Peer {
    pub(crate) fn new(link: Link) -> Peer {
        let shutdown = link.shutdown_handle();
        let (reader, writer) = link.split();
        Peer { reader, writer, shutdown, deframer: Deframer::new(), last_event: 0 }
    }

    /// Cuts the link.
    pub(crate) fn hang_up(&mut self) {
        self.shutdown.shutdown().expect("the link was open");
    }

    /// The next frame, or `None` when the engine has hung up.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        loop {
            let count = match self.reader.read(self.deframer.want()) {
                // It hung up with an answer unread.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
                read => read.expect("the link holds"),
            };
            if count == 0 {
                assert!(self.deframer.is_between_frames(), "the engine hung up inside a frame");
                return None;
            }
            if let Some(frame) = self.deframer.filled(count).expect("the engine sends frames") {
                return Some(frame);
            }
        }
    }

    /// The engine's greeting.
    pub(crate) fn hello(&mut self) -> Hello {
        let frame = self.frame().expect("a greeting");
        let hello = Hello::decode(&frame).expect("a Hello");
        self.deframer.set_length_max(dbgwire::frame::FRAME_LEN_MAX);
        hello
    }

    /// Greets an engine as a server on x86-64 and answers its first question.
    pub(crate) fn greet(&mut self) {
        self.greet_with(Welcome::default());
    }

    /// Greets with the given Welcome, completed.
    pub(crate) fn greet_with(&mut self, welcome: Welcome) {
        self.hello();
        let welcome = Welcome { version: 1, arch: "x86_64".to_owned(), session: 1, ..welcome };
        self.write(&welcome.encode());
        let info = self.expect::<ServerInfo>();
        // A CPU with AVX.
        let avx = XsaveComponent { feature: 2, offset: 576, size: 256 };
        let xsave = Some(XsaveLayout { xcr0: 7, components: vec![avx] });
        let machine = "box17".to_owned();
        let reply = ServerInfoReply { machine, pid: 99, xsave, ..Default::default() };
        self.answer(&info, reply);
    }

    /// The next request, which must be a `V`.
    pub(crate) fn expect<V: Verb>(&mut self) -> Got<V> {
        let frame = self.frame().unwrap_or_else(|| panic!("the engine hung up, not {}", V::NAME));
        Peer::got(frame)
    }

    /// The next request, which must be a `V` or an `End`.
    pub(crate) fn expect_until<V: Verb, End: Verb>(&mut self) -> Result<Got<V>, Got<End>> {
        let frame = self.frame().unwrap_or_else(|| panic!("the engine hung up, not {}", V::NAME));
        if frame.opcode == End::OPCODE { Err(Peer::got(frame)) } else { Ok(Peer::got(frame)) }
    }

    fn got<V: Verb>(frame: Frame) -> Got<V> {
        assert_eq!(frame.kind, FrameKind::Request);
        let came = dbgwire::Request::decode(&frame);
        assert_eq!(frame.opcode, V::OPCODE, "expected {}, got {came:?}", V::NAME);
        let verb = V::decode(frame.message).expect("decodes");
        Got { verb, tail: frame.tail, id: frame.id }
    }

    /// The engine hangs up without another word.
    pub(crate) fn expect_end(&mut self) {
        if let Some(frame) = self.frame() {
            panic!(
                "the script is at its end, but there came {:?}",
                dbgwire::Request::decode(&frame)
            );
        }
    }

    pub(crate) fn answer<V: Verb>(&mut self, got: &Got<V>, reply: V::Reply) {
        self.answer_with(got, reply, &[]);
    }

    pub(crate) fn answer_with<V: Verb>(&mut self, got: &Got<V>, reply: V::Reply, tail: &[u8]) {
        let tail = Bytes::copy_from_slice(tail);
        self.send(message::reply::<V>(got.id, &reply, tail).expect("fits"));
    }

    pub(crate) fn refuse<V: Verb>(&mut self, got: &Got<V>, code: ErrorCode, detail: &str) {
        self.send(message::fault(got.id, V::OPCODE, &Fault::new(code, detail)));
    }

    pub(crate) fn event<E: WireEvent>(&mut self, event: &E, tail: &[u8]) {
        self.last_event += 1;
        let tail = Bytes::copy_from_slice(tail);
        self.send(message::event(self.last_event, event, tail).expect("fits"));
    }

    /// A Resume, granted.
    pub(crate) fn resume(&mut self) -> Resume {
        let resume = self.expect::<Resume>();
        self.answer(&resume, ResumeReply {});
        resume.verb
    }

    /// An Interrupt, granted. Returns the target.
    pub(crate) fn interrupt(&mut self) -> u32 {
        let interrupt = self.expect::<Interrupt>();
        self.answer(&interrupt, InterruptReply {});
        interrupt.verb.target
    }

    pub(crate) fn send(&mut self, encoded: Encoded) {
        self.write(&encoded.head);
        self.write(&encoded.tail);
    }

    /// A frame of any kind, as `dbgwire::frame` draws it.
    pub(crate) fn frame_of(&mut self, kind: u8, opcode: u16, id: u32, message: &[u8], tail: &[u8]) {
        let length = (message.len() + tail.len()) as u32;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[kind, 0]);
        bytes.extend_from_slice(&opcode.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes.extend_from_slice(&(tail.len() as u32).to_le_bytes());
        self.write(&[&bytes, message, tail].concat());
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        match self.writer.write_all(bytes) {
            // The engine need not stay for an answer that it does not wait for.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.expect("the link holds"),
        }
    }
}
