//! The pseudo-terminals of programs that were launched on another machine, as the user's side sees
//! them: what is typed goes in here, from any thread. What the programs write comes while events
//! are waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use dbgwire::verbs::terminal::{INPUT_LEN_MAX, ResizeTerminal, WriteTerminal};

use crate::ProcessNumber;
use crate::client::Sender;

/// Who is handed what a process has written to its terminal: in the engine's own thread, while
/// events are waited for, and in order with them.
pub type OutputCallback = Box<dyn FnMut(ProcessNumber, &[u8]) + Send>;

/// What an engine and its [`TerminalInput`]s share.
#[derive(Debug, Default)]
pub(crate) struct TerminalState {
    /// The target that is typed to; 0 if none has a terminal.
    pub(crate) target: AtomicU32,
    /// How many rows terminals have; 0 leaves it to the server.
    pub(crate) rows: AtomicU32,
    /// How many columns.
    pub(crate) columns: AtomicU32,
}

/// Types into the terminal of the process that was launched last and still is a target.
///
/// **Threads**: any, at any time; not from a signal handler.
#[derive(Clone)]
pub struct TerminalInput {
    pub(crate) sender: Sender,
    pub(crate) state: Arc<TerminalState>,
}

impl TerminalInput {
    /// Whether there is a process to type to.
    ///
    /// **Cost**: none.
    pub fn has_terminal(&self) -> bool {
        self.state.target.load(Ordering::Acquire) != 0
    }

    /// Types. Without a process to type to it is lost, and so is what a process leaves unread for
    /// too long.
    ///
    /// **Cost**: none.
    pub fn write(&self, bytes: &[u8]) {
        let target = self.state.target.load(Ordering::Acquire);
        if target != 0 {
            for chunk in bytes.chunks(INPUT_LEN_MAX) {
                self.sender.post(&WriteTerminal { target }, Bytes::copy_from_slice(chunk));
            }
        }
    }

    /// Sets the size of the terminal of that process, and of those that are launched later.
    ///
    /// **Cost**: none.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.state.rows.store(rows.into(), Ordering::Release);
        self.state.columns.store(columns.into(), Ordering::Release);
        let target = self.state.target.load(Ordering::Acquire);
        if target != 0 && rows != 0 && columns != 0 {
            let size = ResizeTerminal { target, rows: rows.into(), columns: columns.into() };
            self.sender.post(&size, Bytes::new());
        }
    }
}
