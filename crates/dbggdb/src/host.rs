//! LLDB's questions about the machine that the process server runs on: what it is, and who its
//! users are.

use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;
use dbgwire::verbs::description::{DescribeProcess, ProcessPart};
use dbgwire::verbs::file::{CloseFile, FileAccess, OpenFile, ReadFile};
use dbgwire::verbs::memory::Range;

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, OtherConnections, Reply, Session};

/// How LLDB names the machine's kind (LLVM's triples).
pub(crate) const TRIPLE: &str = "x86_64-pc-linux-gnu";
/// How much of a list of users or groups is read.
const LIST_LEN_MAX: u64 = 1024 * 1024;

impl Session {
    /// `qHostInfo`
    pub(crate) fn packet_host(&mut self, _: &[u8]) -> Handled {
        let info = &self.server.info;
        let release = info.system.split_once(' ').map_or("", |(_, release)| release);
        let is_of_version = |character: char| character.is_ascii_digit() || character == '.';
        let version = release.split(|character| !is_of_version(character)).next();
        let digits = |text: &str| hex::encode(text.as_bytes());
        Ok(Reply::from(format!(
            "triple:{};ptrsize:8;watchpoint_exceptions_received:after;endian:little;\
             os_version:{};os_build:{};hostname:{};",
            digits(TRIPLE),
            version.unwrap_or_default(),
            digits(release),
            digits(&info.machine),
        )))
    }

    /// `qUserName:ID`
    ///
    /// **Cost**: three round trips.
    pub(crate) fn packet_user_name(&mut self, arguments: &[u8]) -> Handled {
        self.name_in(b"/etc/passwd", arguments)
    }

    /// `qGroupName:ID`
    ///
    /// **Cost**: three round trips.
    pub(crate) fn packet_group_name(&mut self, arguments: &[u8]) -> Handled {
        self.name_in(b"/etc/group", arguments)
    }

    /// `qGetWorkingDir`: where programs start.
    ///
    /// **Cost**: one round trip unless the debugger has said where.
    pub(crate) fn packet_working_directory(&mut self, _: &[u8]) -> Handled {
        if !self.launching.directory.is_empty() {
            return Ok(Reply::from(hex::encode(&self.launching.directory)));
        }
        let pid = self.server.info.pid;
        let request = DescribeProcess { pid, parts: ProcessPart::Places.bit(), from: 0 };
        let places = self.client.call(&request)?.places.unwrap_or_default();
        Ok(Reply::from(hex::encode(&places.working_directory)))
    }

    /// `qLaunchGDBServer;...`: where a process is debugged by a debugger that is connected to the
    /// machine as a whole: here, by another connection to this program. No process is named, as
    /// none is started that could be ended.
    pub(crate) fn packet_another_stub(&mut self, _: &[u8]) -> Handled {
        let text = "debuggers connect to no other place here; start dbggdb with -listen";
        let place = self.other_connections.as_ref();
        Ok(Reply::from(match place.ok_or_else(|| PacketError::message(text))? {
            OtherConnections::Port(port) => format!("port:{port};"),
            OtherConnections::Socket(path) => {
                format!("socket_name:{};", hex::encode(path.as_os_str().as_bytes()))
            }
        }))
    }

    /// The name behind a number in a list of the server's machine (passwd(5), group(5)). The lists
    /// of directory services are not looked at.
    fn name_in(&mut self, list: &[u8], arguments: &[u8]) -> Handled {
        let digits = Arguments::new(arguments).rest();
        let id = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u32>().ok());
        let id = id.ok_or(PacketError::Malformed("a number was expected"))?;
        let list = self.read_whole(list)?;
        let name = name_of(&list, id);
        let unknown = || PacketError::message(format!("nobody has the number {id}"));
        name.map(|name| Reply::from(hex::encode(name))).ok_or_else(unknown)
    }

    /// A small file of the server's machine.
    fn read_whole(&mut self, path: &[u8]) -> Result<Bytes, PacketError> {
        let request = OpenFile {
            path: path.to_vec(),
            access: FileAccess::Read as i32,
            ..OpenFile::default()
        };
        let opened = self.client.call(&request)?;
        let len = opened.size.min(LIST_LEN_MAX) as u32;
        let request = ReadFile { file: opened.file, ranges: vec![Range { address: 0, len }] };
        let read = self.client.send(&request, Bytes::new()).wait();
        self.client.post(&CloseFile { file: opened.file });
        Ok(read?.1)
    }
}

/// The name in the line of a list whose third field is this number.
fn name_of(list: &[u8], id: u32) -> Option<&[u8]> {
    let id = id.to_string();
    list.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next()?;
        (fields.nth(1)? == id.as_bytes()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn names_are_found_by_the_third_field() {
        let list = b"root:x:0:0:root:/root:/bin/sh\n\nbad\nann:x:1000:1000::/home/ann:/bin/sh";
        assert_eq!(name_of(list, 0), Some(&b"root"[..]));
        assert_eq!(name_of(list, 1000), Some(&b"ann"[..]));
        assert_eq!(name_of(list, 1), None);
    }
}
