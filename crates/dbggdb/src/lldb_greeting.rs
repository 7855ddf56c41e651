//! What LLDB agrees on with a stub before it asks for anything: forms of packets and of errors, and
//! what the stub can do.

use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::packet::escape_into;
use crate::session::{Handled, Reply, Session};

/// How many places the CPU can watch at once.
const WATCHPOINTS: u32 = 4;

impl Session {
    /// `QThreadSuffixSupported`: only LLDB asks so.
    pub(crate) fn packet_thread_suffix(&mut self, _: &[u8]) -> Handled {
        self.dialogue.dialect = Dialect::Lldb;
        self.dialogue.thread_suffix = true;
        // It says that it knows several processes, and names threads as if it did not.
        self.dialogue.multiprocess = false;
        Ok(Reply::Ok)
    }

    /// `QListThreadsInStopReply`
    pub(crate) fn packet_list_threads(&mut self, _: &[u8]) -> Handled {
        self.dialogue.threads_in_stop_reply = true;
        Ok(Reply::Ok)
    }

    /// `QEnableErrorStrings`
    pub(crate) fn packet_error_strings(&mut self, _: &[u8]) -> Handled {
        self.dialogue.dialect = Dialect::Lldb;
        self.dialogue.error_strings = true;
        Ok(Reply::Ok)
    }

    /// `qEcho:TEXT`: by the answer LLDB finds its place in a dialogue that it had given up.
    pub(crate) fn packet_echo(&mut self, arguments: &[u8]) -> Handled {
        let mut payload = b"qEcho:".to_vec();
        escape_into(&mut payload, arguments);
        Ok(Reply::Payload(payload))
    }

    /// `qVAttachOrWaitSupported`
    pub(crate) fn packet_can_attach_or_wait(&mut self, _: &[u8]) -> Handled {
        Ok(Reply::Ok)
    }

    /// `QSetDetachOnError:0|1`: whether processes are left when the debugger is lost. What becomes
    /// of them is the server's rule: attached ones are left, created ones end.
    pub(crate) fn packet_detach_on_error(&mut self, arguments: &[u8]) -> Handled {
        match arguments {
            b"0" | b"1" => Ok(Reply::Ok),
            _ => Err(PacketError::Malformed("0 or 1 was expected")),
        }
    }

    /// `qWatchpointSupportInfo:`
    pub(crate) fn packet_watchpoints(&mut self, _: &[u8]) -> Handled {
        Ok(Reply::from(format!("num:{WATCHPOINTS};")))
    }

    /// `qGDBServerVersion`
    pub(crate) fn packet_version(&mut self, _: &[u8]) -> Handled {
        Ok(Reply::from(concat!("name:dbggdb;version:", env!("CARGO_PKG_VERSION"), ";")))
    }
}
