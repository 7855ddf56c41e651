//! The connection to the debugger: packets in, replies and notifications out, acknowledged as long
//! as the debugger wants that. It knows streams, and no packet's meaning.
//!
//! Whoever serves the debugger reads its packets as well: a thread in between would cost each of
//! them a wake-up more, and debuggers send thousands.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags};

use crate::packet::{Item, PacketReader, frame};

/// How many bytes are read from the debugger at once.
const READ_LEN: usize = 64 * 1024;

/// A stream that can be waited for.
pub trait Source: Read + AsFd + Send {}

impl<S: Read + AsFd + Send> Source for S {}

/// Something from the debugger that has to be acted on.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A packet's payload.
    Packet(Vec<u8>),
    /// A packet that is no use: damaged, where the debugger does not repeat it, or too long.
    Useless(Item),
    /// The wish to stop the target.
    Interrupt,
    /// The debugger is gone, for this reason if it did not just leave.
    Gone(Option<io::Error>),
}

/// Both sides of the connection, and the queue of what has come.
pub(crate) struct Debugger {
    /// `None` for nobody, and behind the end.
    reader: Option<Box<dyn Source>>,
    writer: Box<dyn Write + Send>,
    packet_reader: PacketReader,
    /// What was read and is not taken yet.
    read: VecDeque<Item>,
    /// How the stream has ended, until that is told.
    end: Option<Option<io::Error>>,
    buffer: Vec<u8>,
    acknowledges: bool,
    last_sent: Vec<u8>,
    packets: u64,
}

impl Debugger {
    /// Speaks over a pair of streams.
    pub(crate) fn new(
        reader: impl Source + 'static,
        writer: impl Write + Send + 'static,
    ) -> Debugger {
        let (reader, writer) = (Box::new(reader), Box::new(writer));
        let buffer = vec![0; READ_LEN];
        Debugger { reader: Some(reader), writer, buffer, end: None, ..Debugger::nobody() }
    }

    /// Nobody: a debugger that has not connected yet.
    pub(crate) fn nobody() -> Debugger {
        Debugger {
            reader: None,
            writer: Box::new(io::sink()),
            packet_reader: PacketReader::default(),
            read: VecDeque::new(),
            end: Some(None),
            buffer: Vec::new(),
            acknowledges: true,
            last_sent: Vec::new(),
            packets: 0,
        }
    }

    /// What is readable when there is something to read; `None` behind the end.
    pub(crate) fn source(&self) -> Option<BorrowedFd<'_>> {
        self.reader.as_ref().map(|reader| reader.as_fd())
    }

    /// Reads what there is. It blocks if nothing is readable.
    pub(crate) fn read(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        match reader.read(&mut self.buffer) {
            Ok(0) => (self.reader, self.end) = (None, Some(None)),
            Ok(count) => {
                let bytes = self.buffer.get(..count).unwrap_or_default();
                let packets = &mut self.packet_reader;
                self.read.extend(bytes.iter().filter_map(|byte| packets.take(*byte)));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => (self.reader, self.end) = (None, Some(Some(error))),
        }
    }

    /// The next thing that was read; `None` if there is none. Acknowledges packets.
    ///
    /// **Errors**: the debugger does not take what is sent.
    pub(crate) fn take(&mut self) -> io::Result<Option<Incoming>> {
        while let Some(item) = self.read.pop_front() {
            if let Some(incoming) = self.act_on(item)? {
                return Ok(Some(incoming));
            }
        }
        Ok(self.end.take().map(Incoming::Gone))
    }

    /// Waits for the next thing.
    ///
    /// **Errors**: the debugger does not take what is sent.
    pub(crate) fn wait(&mut self) -> io::Result<Incoming> {
        loop {
            if let Some(incoming) = self.take()? {
                return Ok(incoming);
            }
            let Some(source) = self.source() else { return Ok(Incoming::Gone(None)) };
            let mut fds = [PollFd::from_borrowed_fd(source, PollFlags::IN)];
            match rustix::event::poll(&mut fds, None) {
                Ok(_) => self.read(),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Acknowledges what has arrived, and gives what has to be acted on.
    fn act_on(&mut self, item: Item) -> io::Result<Option<Incoming>> {
        match item {
            Item::Received => {}
            Item::SendAgain if self.acknowledges => self.send_again()?,
            Item::SendAgain => {}
            Item::Interrupt => return Ok(Some(Incoming::Interrupt)),
            Item::Damaged if self.acknowledges => self.write(b"-")?,
            Item::Packet(payload) => {
                self.packets += 1;
                self.forget_repeats(&payload);
                self.acknowledge()?;
                return Ok(Some(Incoming::Packet(payload)));
            }
            useless @ (Item::Damaged | Item::TooLong) => {
                self.acknowledge()?;
                return Ok(Some(Incoming::Useless(useless)));
            }
        }
        Ok(None)
    }

    /// A debugger that has waited in vain for an acknowledgement, as while the server was being
    /// reached, has sent its packet again: one answer is for all.
    fn forget_repeats(&mut self, payload: &[u8]) {
        let is_repeated = |item: &Item| matches!(item, Item::Packet(next) if next == payload);
        while self.acknowledges && self.read.front().is_some_and(is_repeated) {
            self.read.pop_front();
        }
    }

    /// Sends a reply.
    ///
    /// **Errors**: the debugger does not take it.
    pub(crate) fn reply(&mut self, payload: &[u8]) -> io::Result<()> {
        self.last_sent = frame(b'$', payload);
        self.send_again()
    }

    /// Sends a notification, which nobody acknowledges.
    ///
    /// **Errors**: the debugger does not take it.
    pub(crate) fn notify(&mut self, payload: &[u8]) -> io::Result<()> {
        self.write(&frame(b'%', payload))
    }

    /// From the next packet on nothing is acknowledged, by either side (`QStartNoAckMode`).
    pub(crate) fn stop_acknowledging(&mut self) {
        self.acknowledges = false;
    }

    /// How many packets have come.
    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    fn acknowledge(&mut self) -> io::Result<()> {
        if self.acknowledges { self.write(b"+") } else { Ok(()) }
    }

    fn send_again(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.last_sent)?;
        self.writer.flush()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}
