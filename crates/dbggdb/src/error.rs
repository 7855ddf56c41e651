//! Why a packet is not carried out, and how the debugger is told. It knows both families' forms of
//! an error, and no packet.

use dbgbase::{Address, Pid};
use dbgeng::client::CallError;

use crate::dialect::{Dialect, Dialogue};
use crate::hex;

/// Why a packet is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum PacketError {
    /// It says nothing that the protocol has a meaning for.
    #[error("malformed packet: {0}")]
    Malformed(&'static str),
    /// It is longer than the debugger was told it may be.
    #[error("the packet is longer than {0} bytes")]
    TooLong(usize),
    /// It arrived damaged, where that is not simply said by `-`.
    #[error("the packet's checksum is wrong")]
    Damaged,
    /// It needs a process.
    #[error("there is no process; attach to one or run one")]
    NoProcess,
    /// It names a process that is not debugged.
    #[error("process {0} is not debugged")]
    UnknownProcess(Pid),
    /// It names a thread that is not there.
    #[error("there is no such thread")]
    UnknownThread,
    /// It needs a process that stands still.
    #[error("the process is running; interrupt it first")]
    Running,
    /// Memory cannot be read.
    #[error("memory at {0} cannot be read")]
    Unreadable(Address),
    /// Memory cannot be written.
    #[error("memory at {0} cannot be written")]
    Unwritable(Address),
    /// The server said no, or is gone.
    #[error(transparent)]
    Server(#[from] CallError),
    /// Anything else, in words.
    #[error("{0}")]
    Message(String),
}

impl PacketError {
    /// An error in words.
    pub(crate) fn message(text: impl Into<String>) -> PacketError {
        PacketError::Message(text.into())
    }

    /// The number that debuggers show where they take no words. They give it no meaning.
    fn number(&self) -> u8 {
        match self {
            PacketError::Malformed(_) | PacketError::TooLong(_) | PacketError::Damaged => 1,
            PacketError::NoProcess
            | PacketError::UnknownProcess(_)
            | PacketError::UnknownThread => 2,
            PacketError::Running => 3,
            PacketError::Unreadable(_) | PacketError::Unwritable(_) => 14,
            PacketError::Server(_) | PacketError::Message(_) => 4,
        }
    }

    /// The payload that tells it. Where the debugger has not said that it takes words everywhere,
    /// `takes_words` says whether it does in answer to this packet.
    pub(crate) fn payload(&self, dialogue: &Dialogue, takes_words: bool) -> Vec<u8> {
        let number = self.number();
        match dialogue.dialect {
            Dialect::Lldb if dialogue.error_strings => {
                format!("E{number:02x};{}", hex::encode(self.to_string().as_bytes())).into_bytes()
            }
            Dialect::Gdb if dialogue.error_message || takes_words => {
                // These bytes would be taken for framing; debuggers do not undo escapes here.
                let text = self.to_string().replace(['#', '$', '}', '*'], "?");
                format!("E.{text}").into_bytes()
            }
            _ => format!("E{number:02x}").into_bytes(),
        }
    }
}
