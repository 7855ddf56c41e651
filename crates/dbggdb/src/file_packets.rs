//! The packet `vFile`: files of the server's machine, as targets or the server see them. Its
//! replies and errors have a form of their own.
//!
//! **Source**: GDB manual, "Host I/O Packets".

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use dbgbase::Pid;
use dbgwire::verbs::file::{FileStatus, ReadLink, RemoveFile, StatFile};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::file_protocol::{self, EACCES, EINVAL, ENOENT, OpenFlags};
use crate::files::Errno;
use crate::hex;
use crate::own_files;
use crate::packet::{PACKET_LEN_MAX, escape_into, unescape};
use crate::session::{Handled, Reply, Session};

/// What a file packet is answered with: a number, and bytes behind it.
struct Done {
    value: usize,
    attachment: Option<Bytes>,
}

impl From<usize> for Done {
    fn from(value: usize) -> Done {
        Done { value, attachment: None }
    }
}

impl From<Bytes> for Done {
    fn from(bytes: Bytes) -> Done {
        Done { value: bytes.len(), attachment: Some(bytes) }
    }
}

/// A packet whose arguments make no sense is answered as a system call would be.
impl From<PacketError> for Refused {
    fn from(_: PacketError) -> Refused {
        Refused(EINVAL)
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Refused {
        Refused(errno)
    }
}

struct Refused(Errno);

type Outcome = Result<Done, Refused>;

impl Session {
    /// `vFile:OPERATION:ARGUMENTS`
    pub(crate) fn packet_file(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let operation = match arguments.until(b':') {
            b"setfs" => Session::file_namespace,
            b"open" => Session::file_open,
            b"close" => Session::file_close,
            b"pread" => Session::file_read,
            b"pwrite" => Session::file_write,
            b"fstat" => Session::file_status_of_descriptor,
            b"stat" => Session::file_status_of_path,
            b"lstat" => Session::file_status_of_link,
            b"unlink" => Session::file_remove,
            b"readlink" => Session::file_link,
            // Of LLDB, which asks for them as long as it knows a machine and no process.
            b"size" => Session::file_size,
            b"mode" => Session::file_mode,
            b"exists" => return Ok(Reply::from(self.file_exists(arguments))),
            _ => return Ok(Reply::Unknown),
        };
        Ok(Reply::Payload(payload(operation(self, arguments))))
    }

    /// `setfs:PID`: whose files the packets behind this are about; 0 is the server.
    fn file_namespace(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let pid = arguments.number(b',', "a process id was expected")?;
        arguments.end()?;
        self.files.namespace = match u32::try_from(pid) {
            Ok(0) => None,
            Ok(pid) => Some(self.target_of(Pid::new(pid)).map_err(|_| Refused(ENOENT))?),
            Err(_) => return Err(Refused(EINVAL)),
        };
        Ok(Done::from(0))
    }

    /// `open:PATH,FLAGS,MODE`
    fn file_open(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let path = path(&mut arguments)?;
        let flags = arguments.number(b',', "flags were expected")?;
        let mode = arguments.number(b',', "a mode was expected")?;
        arguments.end()?;
        let flags = OpenFlags::parse(flags).ok_or(Refused(EINVAL))?;
        let descriptor = self.open_file(&path, flags, (mode & 0o777) as u32)?;
        Ok(Done::from(descriptor as usize))
    }

    /// `close:DESCRIPTOR`
    fn file_close(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let descriptor = descriptor(&mut arguments)?;
        arguments.end()?;
        self.close_file(descriptor)?;
        Ok(Done::from(0))
    }

    /// `pread:DESCRIPTOR,COUNT,OFFSET`
    fn file_read(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let descriptor = descriptor(&mut arguments)?;
        let count = arguments.number(b',', "a count was expected")?;
        let offset = arguments.number(b',', "an offset was expected")?;
        arguments.end()?;
        let count = count.min(PACKET_LEN_MAX as u64) as u32;
        let bytes = self.read_file(descriptor, offset, count)?;
        Ok(Done::from(bytes.slice(..fitting(&bytes))))
    }

    /// `pwrite:DESCRIPTOR,OFFSET,BYTES`
    fn file_write(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let descriptor = descriptor(&mut arguments)?;
        let offset = arguments.number(b',', "an offset was expected")?;
        let bytes = unescape(arguments.rest()).ok_or(Refused(EINVAL))?;
        Ok(Done::from(self.write_file(descriptor, offset, bytes)?))
    }

    /// `fstat:DESCRIPTOR`
    fn file_status_of_descriptor(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let descriptor = descriptor(&mut arguments)?;
        arguments.end()?;
        Ok(done_with_status(&self.file_status(descriptor)?))
    }

    /// `stat:PATH`
    fn file_status_of_path(&mut self, arguments: Arguments<'_>) -> Outcome {
        self.path_status(arguments, false)
    }

    /// `lstat:PATH`
    fn file_status_of_link(&mut self, arguments: Arguments<'_>) -> Outcome {
        self.path_status(arguments, true)
    }

    /// `size:PATH`
    fn file_size(&mut self, arguments: Arguments<'_>) -> Outcome {
        let status = self.status_at(arguments, false)?;
        usize::try_from(status.size).map(Done::from).map_err(|_| Refused(EINVAL))
    }

    /// `mode:PATH`: what is allowed, without the kind of the file.
    fn file_mode(&mut self, arguments: Arguments<'_>) -> Outcome {
        let status = self.status_at(arguments, false)?;
        Ok(Done::from((status.mode & 0o7777) as usize))
    }

    /// `exists:PATH`, whose answer has a form of its own.
    fn file_exists(&mut self, arguments: Arguments<'_>) -> &'static str {
        if self.status_at(arguments, false).is_ok() { "F,1" } else { "F,0" }
    }

    fn path_status(&mut self, arguments: Arguments<'_>, keep_link: bool) -> Outcome {
        Ok(done_with_status(&self.status_at(arguments, keep_link)?))
    }

    /// What the path in a packet leads to.
    ///
    /// **Cost**: one round trip.
    fn status_at(
        &mut self,
        mut arguments: Arguments<'_>,
        keep_link: bool,
    ) -> Result<FileStatus, Refused> {
        let path = path(&mut arguments)?;
        arguments.end()?;
        let own = own_files::open(&path).filter(|_| self.files.namespace.is_none());
        if let Some(own) = own {
            return own_files::status(&own).map_err(|_| Refused(ENOENT));
        }
        let target = self.file_target();
        Ok(self.ask_status(StatFile { file: 0, path, target, keep_link })?)
    }

    /// `unlink:PATH`
    fn file_remove(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let path = path(&mut arguments)?;
        arguments.end()?;
        if self.files.namespace.is_none() && own_files::remove(Path::new(OsStr::from_bytes(&path)))
        {
            return Ok(Done::from(0));
        }
        if !self.files.settings.allow_writes {
            return Err(Refused(EACCES));
        }
        let request = RemoveFile { path, target: self.file_target() };
        let removed = self.client.call(&request);
        removed.map_err(|error| Refused(file_protocol::errno(&error)))?;
        Ok(Done::from(0))
    }

    /// `readlink:PATH`
    fn file_link(&mut self, mut arguments: Arguments<'_>) -> Outcome {
        let path = path(&mut arguments)?;
        arguments.end()?;
        let request = ReadLink { path, target: self.file_target() };
        let reply = self.client.call(&request);
        let reply = reply.map_err(|error| Refused(file_protocol::errno(&error)))?;
        Ok(Done::from(Bytes::from(reply.text)))
    }

    /// In whose mount namespace paths are looked up, as requests say it.
    fn file_target(&self) -> u32 {
        self.files.namespace.map_or(0, dbgbase::TargetId::value)
    }

    /// What the server says of a file.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn ask_status(&self, request: StatFile) -> Result<FileStatus, Errno> {
        let reply = self.client.call(&request);
        let reply = reply.map_err(|error| file_protocol::errno(&error))?;
        reply.status.ok_or(EINVAL)
    }
}

/// The payload of an answer: `F RESULT[;BYTES]`, or `F-1,ERRNO`.
fn payload(outcome: Outcome) -> Vec<u8> {
    let done = match outcome {
        Ok(done) => done,
        Err(Refused(errno)) => return format!("F-1,{errno:x}").into_bytes(),
    };
    let mut payload = format!("F{:x}", done.value).into_bytes();
    if let Some(bytes) = done.attachment {
        payload.push(b';');
        escape_into(&mut payload, &bytes);
    }
    payload
}

fn done_with_status(status: &FileStatus) -> Done {
    Done::from(Bytes::copy_from_slice(&file_protocol::stat(status)))
}

/// How many of these bytes go into a packet, with their escapes.
fn fitting(bytes: &[u8]) -> usize {
    /// What stands in front of them.
    const LEAD_LEN: usize = 16;
    let mut room = PACKET_LEN_MAX - LEAD_LEN;
    let does_fit = |byte: &u8| {
        let len = if b"#$}*".contains(byte) { 2 } else { 1 };
        let fits = len <= room;
        room = room.saturating_sub(len);
        fits
    };
    bytes.iter().copied().take_while(does_fit).count()
}

fn path(arguments: &mut Arguments<'_>) -> Result<Vec<u8>, Refused> {
    let path = hex::bytes(arguments.until(b',')).filter(|path| !path.is_empty());
    // The system would see an end there.
    path.filter(|path| !path.contains(&0)).ok_or(Refused(EINVAL))
}

fn descriptor(arguments: &mut Arguments<'_>) -> Result<u32, Refused> {
    let descriptor = arguments.number(b',', "a descriptor was expected")?;
    u32::try_from(descriptor).map_err(|_| Refused(file_protocol::EBADF))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_read_as_a_packet_holds() {
        assert_eq!(fitting(&[0; 100]), 100);
        assert_eq!(fitting(&vec![0; PACKET_LEN_MAX]), PACKET_LEN_MAX - 16);
        assert_eq!(fitting(&vec![b'#'; PACKET_LEN_MAX]), (PACKET_LEN_MAX - 16) / 2);
        let done = Done::from(Bytes::from(vec![b'}'; fitting(&vec![b'}'; PACKET_LEN_MAX])]));
        assert!(payload(Ok(done)).len() <= PACKET_LEN_MAX);
    }

    #[test]
    fn answers_have_a_form_of_their_own() {
        assert_eq!(payload(Ok(Done::from(26))), b"F1a");
        assert_eq!(payload(Ok(Done::from(Bytes::from_static(b"a#")))), b"F2;a}\x03");
        assert_eq!(payload(Ok(Done::from(Bytes::new()))), b"F0;");
        assert_eq!(payload(Err(Refused(9999))), b"F-1,270f");
    }
}
