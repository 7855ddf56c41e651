//! The connection to the debugger: packets in, replies and notifications out, acknowledged as long
//! as the debugger wants that. It knows streams, and no packet's meaning.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError, TrySendError};

use crate::packet::{Item, PacketReader, frame};

/// How many bytes are read from the debugger at once.
const READ_LEN: usize = 64 * 1024;
/// How many packets may wait to be taken; then no more are read.
const WAITING_MAX: usize = 64;

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

/// What the reading thread sends.
enum Arrived {
    Item(Item),
    Gone(Option<io::Error>),
}

/// The sending side, and the queue of what has come.
pub(crate) struct Debugger {
    writer: Box<dyn Write + Send>,
    incoming: Receiver<Arrived>,
    acknowledges: bool,
    last_sent: Vec<u8>,
    packets: u64,
}

impl Debugger {
    /// Speaks over a pair of streams. A thread reads; `wake` is called from it whenever there is
    /// something to take. The thread ends with the stream.
    ///
    /// **Errors**: that there can be no thread.
    pub(crate) fn new(
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Debugger> {
        let (sender, incoming) = mpsc::sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("debugger-reader".to_owned());
        thread.spawn(move || {
            let end = read_items(reader, &sender, &wake);
            // Nobody listens any more: then nobody wants to know.
            let _ = sender.send(Arrived::Gone(end));
            wake();
        })?;
        let writer = Box::new(writer);
        Ok(Debugger { writer, incoming, acknowledges: true, last_sent: Vec::new(), packets: 0 })
    }

    /// Nobody: a debugger that has not connected yet.
    pub(crate) fn nobody() -> Debugger {
        let (_, incoming) = mpsc::sync_channel(0);
        let writer = Box::new(io::sink());
        Debugger { writer, incoming, acknowledges: true, last_sent: Vec::new(), packets: 0 }
    }

    /// The next thing that has come; `None` if nothing has. Acknowledges packets.
    ///
    /// **Errors**: the debugger does not take what is sent.
    pub(crate) fn take(&mut self) -> io::Result<Option<Incoming>> {
        loop {
            let arrived = match self.incoming.try_recv() {
                Ok(arrived) => arrived,
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => Arrived::Gone(None),
            };
            if let Some(incoming) = self.act_on(arrived)? {
                return Ok(Some(incoming));
            }
        }
    }

    /// Waits for the next thing.
    ///
    /// **Errors**: the debugger does not take what is sent.
    pub(crate) fn wait(&mut self) -> io::Result<Incoming> {
        loop {
            let arrived = self.incoming.recv().unwrap_or(Arrived::Gone(None));
            if let Some(incoming) = self.act_on(arrived)? {
                return Ok(incoming);
            }
        }
    }

    /// Acknowledges what has arrived, and gives what has to be acted on.
    fn act_on(&mut self, arrived: Arrived) -> io::Result<Option<Incoming>> {
        let item = match arrived {
            Arrived::Item(item) => item,
            Arrived::Gone(end) => return Ok(Some(Incoming::Gone(end))),
        };
        match item {
            Item::Received => {}
            Item::SendAgain if self.acknowledges => self.send_again()?,
            Item::SendAgain => {}
            Item::Interrupt => return Ok(Some(Incoming::Interrupt)),
            Item::Damaged if self.acknowledges => self.write(b"-")?,
            Item::Packet(payload) => {
                self.packets += 1;
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

/// Reads until the stream ends; why, if that is an error.
fn read_items(
    mut reader: impl Read,
    sender: &SyncSender<Arrived>,
    wake: &impl Fn(),
) -> Option<io::Error> {
    let mut packets = PacketReader::default();
    let mut buffer = vec![0; READ_LEN];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Some(error),
        };
        let read = buffer.get(..count).unwrap_or_default();
        let mut is_news = false;
        for item in read.iter().filter_map(|byte| packets.take(*byte)) {
            let arrived = match sender.try_send(Arrived::Item(item)) {
                Ok(()) => {
                    is_news = true;
                    continue;
                }
                Err(TrySendError::Full(arrived)) => arrived,
                Err(TrySendError::Disconnected(_)) => return None,
            };
            // Whoever makes room may not have been woken yet.
            wake();
            if sender.send(arrived).is_err() {
                return None;
            }
            is_news = true;
        }
        if is_news {
            wake();
        }
    }
}
