//! The packet `qXfer`: objects that are read, and some written, piece by piece. An object is made
//! when its first piece is read, and kept until another one is begun, so that its pieces fit
//! together.

use dbgbase::{StopNumber, TargetId, Tid};
use dbgwire::verbs::description::{DescribeProcess, ProcessPart};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::packet::{PACKET_LEN_MAX, escape_into, unescape};
use crate::session::{Handled, Reply, Session};

/// The object that is being read.
#[derive(Default, Debug)]
pub(crate) struct Transfer {
    name: Vec<u8>,
    /// The thread that was selected, and its target's stop.
    of: Option<(TargetId, Tid, StopNumber)>,
    bytes: Vec<u8>,
}

impl Session {
    /// `qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH` or `qXfer:OBJECT:write:ANNEX:OFFSET:BYTES`
    pub(crate) fn packet_transfer(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let object = arguments.until(b':');
        let operation = arguments.until(b':');
        let annex = arguments.until(b':');
        match operation {
            b"read" => {}
            b"write" => return self.write_object(object, annex, arguments),
            _ => return Ok(Reply::Unknown),
        }
        let offset = arguments.number(b',', "an offset was expected")?;
        let len = arguments.number(b',', "a length was expected")?;
        arguments.end()?;
        let name = [object, b":", annex].concat();
        // Lists of everything are made once, whatever happens while they are read.
        let is_of_all = matches!(object, b"features" | b"osdata" | b"threads");
        let current = self.current().ok().filter(|_| !is_of_all);
        let of = current.map(|(id, tid)| {
            (id, tid, self.targets.get(&id).map(|target| target.stop).unwrap_or_default())
        });
        if offset == 0 || self.transfer.name != name || self.transfer.of != of {
            let Some(bytes) = self.object(object, annex)? else { return Ok(Reply::Unknown) };
            self.transfer = Transfer { name, of, bytes };
        }
        Ok(Reply::Payload(self.transfer.piece(offset, len)))
    }

    /// Writes a piece of an object.
    fn write_object(&mut self, object: &[u8], annex: &[u8], arguments: Arguments<'_>) -> Handled {
        if object != b"siginfo" {
            return Ok(Reply::Unknown);
        }
        if !annex.is_empty() {
            return Err(PacketError::Malformed("siginfo has no parts"));
        }
        let mut arguments = arguments;
        let offset = arguments.number(b':', "an offset was expected")?;
        let bytes = unescape(arguments.rest());
        let bytes = bytes.ok_or(PacketError::Malformed("it ends within an escape"))?;
        self.transfer = Transfer::default();
        self.write_signal_info(offset, &bytes)?;
        Ok(Reply::from(format!("{:x}", bytes.len())))
    }

    /// A whole object; `None` if there is none of that name.
    fn object(&mut self, object: &[u8], annex: &[u8]) -> Result<Option<Vec<u8>>, PacketError> {
        Ok(Some(match (object, annex) {
            (b"features", b"target.xml") => self.server.description.xml().into_bytes(),
            (b"features", _) => {
                return Err(PacketError::message("the only description is target.xml"));
            }
            (b"threads", _) => self.threads_document()?,
            (b"auxv", _) => self.auxiliary_vector()?,
            (b"libraries-svr4", _) => self.libraries_document(annex)?,
            (b"osdata", _) => self.osdata_document(annex)?,
            (b"siginfo", b"") => self.signal_info()?,
            (b"exec-file", _) => self.executable(annex)?,
            _ => return Ok(None),
        }))
    }

    /// The object `auxv`: pairs of numbers, as the kernel gave them to the program.
    fn auxiliary_vector(&mut self) -> Result<Vec<u8>, PacketError> {
        let (id, _) = self.current()?;
        let mut bytes = Vec::new();
        for entry in self.auxiliary(id)? {
            bytes.extend(entry.key.to_le_bytes());
            bytes.extend(entry.value.to_le_bytes());
        }
        bytes.extend([0; 16]);
        Ok(bytes)
    }

    /// The object `exec-file`: the path of the program, of the process in the annex.
    fn executable(&mut self, annex: &[u8]) -> Result<Vec<u8>, PacketError> {
        let id = if annex.is_empty() { self.current()?.0 } else { self.process(annex)? };
        let target = self.target(id)?;
        if let Some(program) = target.program() {
            return Ok(program.path.clone());
        }
        let parts = ProcessPart::Places.bit();
        let request = DescribeProcess { pid: target.pid.value(), parts, from: 0 };
        let described = self.client.call(&request)?;
        Ok(described.places.map(|places| places.executable).unwrap_or_default())
    }
}

impl Transfer {
    /// A piece: `m` and bytes if there are more behind, `l` and bytes if there are not.
    fn piece(&self, offset: u64, len: u64) -> Vec<u8> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let rest = self.bytes.get(start..).unwrap_or_default();
        // Each byte may need an escape.
        let len = usize::try_from(len).unwrap_or(usize::MAX).min((PACKET_LEN_MAX - 8) / 2);
        let (piece, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        let mut payload = vec![if behind.is_empty() { b'l' } else { b'm' }];
        escape_into(&mut payload, piece);
        payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_say_whether_more_follows() {
        let transfer = Transfer { bytes: b"abc#".to_vec(), ..Transfer::default() };
        assert_eq!(transfer.piece(0, 2), b"mab");
        assert_eq!(transfer.piece(2, 2), b"lc}\x03");
        assert_eq!(transfer.piece(4, 2), b"l");
        assert_eq!(transfer.piece(u64::MAX, u64::MAX), b"l");
    }
}
