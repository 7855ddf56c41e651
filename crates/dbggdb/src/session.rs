//! One debugger and its session of the process server. It waits for whatever comes next from
//! either side, and hands it on: packets to their handlers, events to `stops`. It knows no packet.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use dbgbase::{Arch, Pid, TargetId, Tid};
use dbgeng::client::{Arrival, Client, Return};
use dbglink::Link;
use dbgwire::convert;
use dbgwire::handshake::Hello;
use dbgwire::verbs::process::ProcessDescription;
use dbgwire::verbs::server::{ServerInfo, ServerInfoReply};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};

use crate::attach_by_name::Awaited;
use crate::debugger::{Debugger, Incoming, Source};
use crate::dialect::{Dialect, Dialogue};
use crate::error::PacketError;
use crate::files::{FileSettings, Files};
use crate::launch::LaunchSettings;
use crate::packet::{Item, PACKET_LEN_MAX};
use crate::packets::{self, Errors};
use crate::report::Report;
use crate::resume::Action;
use crate::save_core::CoreFiles;
use crate::saved_registers::SavedRegisters;
use crate::target::Target;
use crate::target_description::TargetDescription;
use crate::thread_id::ThreadId;
use crate::transfers::Transfer;
use crate::vforks::Borrower;

/// What the server's log calls this program.
const PROGRAM: &str = concat!("dbggdb ", env!("CARGO_PKG_VERSION"));

/// What a packet is answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// Nothing: the packet is not known here.
    Unknown,
    /// `OK`
    Ok,
    /// This payload, escaped where it has to be.
    Payload(Vec<u8>),
    /// A stop reply, when there is something to tell.
    Later,
    /// No reply at all, and the connection ends.
    End,
}

/// What becomes of a packet.
pub(crate) type Handled = Result<Reply, PacketError>;

impl From<String> for Reply {
    fn from(text: String) -> Reply {
        Reply::Payload(text.into_bytes())
    }
}

impl From<&str> for Reply {
    fn from(text: &str) -> Reply {
        Reply::from(text.to_owned())
    }
}

/// The machine at the other end.
pub(crate) struct Server {
    pub(crate) arch: Arch,
    pub(crate) description: TargetDescription,
    pub(crate) info: ServerInfoReply,
}

/// A debugger and its targets.
pub struct Session {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) debugger: Debugger,
    pub(crate) dialogue: Dialogue,
    pub(crate) targets: BTreeMap<TargetId, Target>,
    /// The thread that packets about registers and memory are about (`Hg`).
    pub(crate) selected: Option<(Pid, Tid)>,
    /// The threads that `c` and `s` are about (`Hc`).
    pub(crate) selected_to_run: Option<ThreadId>,
    /// What has happened and the debugger has not been told.
    pub(crate) reports: VecDeque<Report>,
    /// Forks whose child has not stopped yet.
    pub(crate) births: Vec<Report>,
    /// Processes that borrow the memory of a target, until they execute a program.
    pub(crate) borrowers: BTreeMap<Pid, Borrower>,
    /// What the debugger let run last; it is told of nothing else until it lets that run, too.
    pub(crate) resumed: Vec<Action>,
    /// Whether a notification is under way whose reports the debugger is still fetching.
    pub(crate) is_notifying: bool,
    /// Whether the debugger waits for a stop reply.
    pub(crate) expects_stop: bool,
    /// How often targets were resumed.
    pub(crate) resumes: u64,
    /// Where people read what the debugger does not show them.
    aside: Box<dyn Fn(&str) + Send>,
    /// Whether that stop reply answers a packet behind which no output may come: `vRun`, `vAttach`.
    pub(crate) is_beginning: bool,
    /// What targets wrote while the debugger was not listening.
    pub(crate) unheard: Vec<u8>,
    pub(crate) launching: LaunchSettings,
    /// The object of `qXfer` that is being read.
    pub(crate) transfer: Transfer,
    /// Files of the server's machine.
    pub(crate) files: Files,
    /// Processes that LLDB asked for and has not been told of yet.
    pub(crate) listed: VecDeque<ProcessDescription>,
    /// Where other debuggers connect, if they can.
    pub(crate) other_connections: Option<OtherConnections>,
    /// Threads whose ids the debugger has not fetched yet.
    pub(crate) threads_to_list: VecDeque<String>,
    /// Core files that were written for LLDB.
    pub(crate) core_files: CoreFiles,
    /// Registers that LLDB has put aside.
    pub(crate) saved_registers: SavedRegisters,
    /// The process that is waited for, to attach to it.
    pub(crate) awaited: Option<Awaited>,
}

/// Where debuggers connect beside the one of a session.
#[derive(Clone, Debug)]
pub enum OtherConnections {
    /// At this port of the same addresses.
    Port(u16),
    /// At this socket.
    Socket(PathBuf),
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The process server could not be spoken to.
    #[error(transparent)]
    Server(#[from] dbgeng::client::CallError),
    /// Its machine is of a kind that cannot be described to debuggers.
    #[error("the server's machine is {0}; debuggers can be served for x86_64")]
    Machine(String),
    /// The debugger could not be spoken to.
    #[error("speaking to the debugger: {0}")]
    Debugger(#[source] io::Error),
    /// The process server has ended the session, or the link is lost.
    #[error("{0}")]
    Lost(String),
}

impl Session {
    /// Greets the server. There is no debugger yet. With a `comeback` a lost link is taken up
    /// again, and no debugger notices.
    ///
    /// **Errors**: [`SessionError`].
    /// **Cost**: one round trip.
    pub fn connect(
        link: Link,
        comeback: Option<Return>,
        files: FileSettings,
    ) -> Result<Session, SessionError> {
        let hello = Hello::new(PROGRAM);
        let (client, welcome, info) = Client::connect(link, &hello, &ServerInfo {}, comeback)?;
        let (info, _) = info.wait()?;
        let machine = || SessionError::Machine(welcome.arch.clone());
        let arch = Arch::from_name(&welcome.arch).ok_or_else(machine)?;
        let layout = info.xsave.as_ref().map(convert::xsave).unwrap_or_default();
        let description = TargetDescription::new(arch, layout).ok_or_else(machine)?;
        Ok(Session {
            client,
            server: Server { arch, description, info },
            debugger: Debugger::nobody(),
            dialogue: Dialogue::default(),
            targets: BTreeMap::new(),
            selected: None,
            selected_to_run: None,
            reports: VecDeque::new(),
            births: Vec::new(),
            borrowers: BTreeMap::new(),
            resumed: Vec::new(),
            is_notifying: false,
            expects_stop: false,
            resumes: 0,
            aside: Box::new(|_| ()),
            is_beginning: false,
            unheard: Vec::new(),
            launching: LaunchSettings::default(),
            transfer: Transfer::default(),
            files: Files::new(files),
            listed: VecDeque::new(),
            other_connections: None,
            threads_to_list: VecDeque::new(),
            core_files: CoreFiles::default(),
            saved_registers: SavedRegisters::default(),
            awaited: None,
        })
    }

    /// From now on `aside` is given what the debugger keeps to itself: why an attach or a start
    /// failed, which GDB before version 15 does not show.
    pub fn speak_aside(&mut self, aside: impl Fn(&str) + Send + 'static) {
        self.aside = Box::new(aside);
    }

    /// Says where other debuggers connect: LLDB is sent there for each process once it knows the
    /// machine as a platform.
    pub fn set_other_connections(&mut self, place: OtherConnections) {
        self.other_connections = Some(place);
    }

    pub(crate) fn say_aside(&self, text: &str) {
        (self.aside)(text);
    }

    /// Serves a debugger until it leaves. Targets that are left are treated as the server treats
    /// those of a client that is gone: attached ones run on, created ones end.
    ///
    /// **Errors**: [`SessionError::Debugger`], [`SessionError::Lost`].
    pub fn serve(
        &mut self,
        reader: impl Source + 'static,
        writer: impl io::Write + Send + 'static,
    ) -> Result<(), SessionError> {
        self.debugger = Debugger::new(reader, writer);
        let arrivals = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let arrivals = Arc::new(arrivals.map_err(|errno| SessionError::Debugger(errno.into()))?);
        let arrived = Arc::clone(&arrivals);
        self.client.wake_by(move || {
            // The only failure is a counter at its limit, which is a wake-up too.
            let _ = rustix::io::write(&*arrived, &1_u64.to_ne_bytes());
        });
        loop {
            while let Some(incoming) = self.debugger.take().map_err(SessionError::Debugger)? {
                if !self.take_incoming(incoming)? {
                    return Ok(());
                }
            }
            match self.client.next(Some(Instant::now())) {
                Some(Arrival::Nudged) => {}
                Some(Arrival::Event(event, tail)) => {
                    self.take_event(*event, &tail)?;
                }
                Some(Arrival::Refused { id, fault }) => self.take_refusal(id, &fault)?,
                Some(Arrival::Lost(reason)) => {
                    return self.lose(format!("the process server is lost: {reason}"));
                }
                None => self.wait(&arrivals).map_err(SessionError::Debugger)?,
            }
            self.look_for_awaited()?;
        }
    }

    /// Waits for the debugger, the server, or the time to look for a process.
    fn wait(&mut self, arrivals: &OwnedFd) -> io::Result<()> {
        let mut fds = vec![PollFd::new(arrivals, PollFlags::IN)];
        let source = self.debugger.source();
        fds.extend(source.map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN)));
        let left = self.next_look().map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match rustix::event::poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
        let (has_arrival, has_packet) = (is_ready(fds.first()), is_ready(fds.get(1)));
        if has_arrival {
            // What it counts is taken one by one.
            let _ = rustix::io::read(arrivals, &mut [0; 8]);
        }
        if has_packet {
            self.debugger.read();
        }
        Ok(())
    }

    /// Acts on what the debugger sent. Whether it goes on.
    fn take_incoming(&mut self, incoming: Incoming) -> Result<bool, SessionError> {
        let payload = match incoming {
            Incoming::Gone(None) => return Ok(false),
            Incoming::Gone(Some(error)) => return Err(SessionError::Debugger(error)),
            Incoming::Interrupt => {
                if !self.stop_awaiting()? {
                    self.interrupt_all();
                }
                return Ok(true);
            }
            Incoming::Useless(item) => {
                let error = match item {
                    Item::TooLong => PacketError::TooLong(PACKET_LEN_MAX),
                    _ => PacketError::Damaged,
                };
                self.reply(&error.payload(&self.dialogue, false))?;
                return Ok(true);
            }
            Incoming::Packet(payload) => payload,
        };
        let (handled, errors) = packets::handle(self, &payload);
        match handled {
            Ok(Reply::Unknown) => self.reply(b"")?,
            Ok(Reply::Ok) => self.reply(b"OK")?,
            Ok(Reply::Payload(payload)) => self.reply(&payload)?,
            Ok(Reply::Later) => self.settle()?,
            Ok(Reply::End) => return Ok(false),
            Err(error) => {
                let is_silent =
                    self.dialogue.dialect == Dialect::Gdb && !self.dialogue.error_message;
                if errors == Errors::Aside && is_silent {
                    (self.aside)(&error.to_string());
                }
                let payload = error.payload(&self.dialogue, errors != Errors::Number);
                self.reply(&payload)?;
            }
        }
        Ok(true)
    }

    pub(crate) fn reply(&mut self, payload: &[u8]) -> Result<(), SessionError> {
        self.debugger.reply(payload).map_err(SessionError::Debugger)
    }

    /// The server is gone: says so where people see it. A debugger that waits for nothing is told
    /// when it asks the next time, as it would not look before.
    pub(crate) fn lose(&mut self, reason: String) -> Result<(), SessionError> {
        if self.expects_stop {
            self.say(format!("dbggdb: {reason}\n").as_bytes())?;
        } else if let Incoming::Packet(_) = self.debugger.wait().map_err(SessionError::Debugger)? {
            let error = PacketError::message(reason.clone());
            (self.aside)(&reason);
            self.reply(&error.payload(&self.dialogue, true))?;
        }
        Err(SessionError::Lost(reason))
    }
}

impl Session {
    /// The target that is this process.
    pub(crate) fn target_of(&self, pid: Pid) -> Result<TargetId, PacketError> {
        // Of one that borrows memory there is nothing but what it borrows.
        let parent = self.borrowers.get(&pid).map(|borrower| borrower.parent);
        let target = || self.targets.values().find(|target| target.pid == pid).map(|it| it.id);
        parent.or_else(target).ok_or(PacketError::UnknownProcess(pid))
    }

    /// The target and the thread that packets are about.
    ///
    /// **Shape**: the thread that was selected; without one the last that stopped.
    ///
    /// **Errors**: there is no process, or the one that was selected is gone. Another one is not
    /// meant.
    pub(crate) fn current(&self) -> Result<(TargetId, Tid), PacketError> {
        if let Some((pid, tid)) = self.selected {
            let id = self.target_of(pid)?;
            let tid = self.borrowers.get(&pid).map_or(tid, |borrower| borrower.maker);
            return Ok((id, tid));
        }
        let latest = self.targets.values().max_by_key(|target| target.stop);
        let target = latest.ok_or(PacketError::NoProcess)?;
        Ok((target.id, target.event_thread))
    }

    /// A target.
    pub(crate) fn target(&self, id: TargetId) -> Result<&Target, PacketError> {
        self.targets.get(&id).ok_or(PacketError::NoProcess)
    }

    /// A target, to change it.
    pub(crate) fn target_mut(&mut self, id: TargetId) -> Result<&mut Target, PacketError> {
        self.targets.get_mut(&id).ok_or(PacketError::NoProcess)
    }
}
