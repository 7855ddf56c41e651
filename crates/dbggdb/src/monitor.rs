//! The packet `qRcmd`: commands that people type behind `monitor`, for this program and the server.

use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};

const HELP: &str = "\
monitor commands:
  help    this text
  server  which process server this is, and how it is reached
  stats   packets from the debugger and round trips to the server so far
";

impl Session {
    /// `qRcmd,COMMAND`
    pub(crate) fn packet_monitor(&mut self, arguments: &[u8]) -> Handled {
        let command = hex::bytes(arguments).ok_or(PacketError::Malformed("a command in digits"))?;
        let command = String::from_utf8_lossy(&command).into_owned();
        let text = match command.trim() {
            "" | "help" => HELP.to_owned(),
            "server" => self.server_text(),
            "stats" => format!(
                "packets {}, round trips {}\n",
                self.debugger.packets(),
                // A resume is waited for by the stop that follows it.
                self.client.round_trips() + self.resumes
            ),
            // An error in words would be taken for the command's output in digits.
            other => format!("no monitor command is called '{other}'; try 'monitor help'\n"),
        };
        Ok(Reply::from(hex::encode(text.as_bytes())))
    }

    fn server_text(&self) -> String {
        let info = &self.server.info;
        format!(
            "dbgsrv {} on {} ({}, {}), process {}, user {}\n",
            info.version, info.machine, info.system, info.arch, info.pid, info.uid
        )
    }
}
