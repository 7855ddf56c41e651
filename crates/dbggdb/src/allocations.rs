//! LLDB's wishes for memory of its own in the target, where it puts code and data of expressions.

use dbgwire::verbs::inject::{AllocateMemory, FreeMemory};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::session::{Handled, Reply, Session};

impl Session {
    /// `_MSIZE,PROTECTION`: its address is the answer.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn packet_allocate(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let len = arguments.number(b',', "a length was expected")?;
        let protection = protection(arguments.rest())?;
        let (id, tid) = self.current()?;
        let request = AllocateMemory {
            target: id.value(),
            tid: tid.value(),
            len,
            protection,
            ..AllocateMemory::default()
        };
        self.target_mut(id)?.forget_memory();
        let reply = self.client.call(&request)?;
        Ok(Reply::from(format!("{:x}", reply.address)))
    }

    /// `_mADDRESS`
    ///
    /// **Cost**: one round trip.
    pub(crate) fn packet_free(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let address = arguments.address(b',')?;
        arguments.end()?;
        let (id, tid) = self.current()?;
        let request = FreeMemory {
            target: id.value(),
            tid: tid.value(),
            address: address.value(),
            ..FreeMemory::default()
        };
        self.target_mut(id)?.forget_memory();
        self.client.call(&request)?;
        Ok(Reply::Ok)
    }
}

/// The bits that letters stand for.
fn protection(letters: &[u8]) -> Result<u32, PacketError> {
    letters.iter().try_fold(0, |bits, letter| match letter {
        b'r' => Ok(bits | 1),
        b'w' => Ok(bits | 2),
        b'x' => Ok(bits | 4),
        _ => Err(PacketError::Malformed("r, w or x was expected")),
    })
}

#[cfg(test)]
mod tests {
    use super::protection;

    #[test]
    fn letters_become_bits() {
        assert_eq!(protection(b"").ok(), Some(0));
        assert_eq!(protection(b"rx").ok(), Some(5));
        assert_eq!(protection(b"rwx").ok(), Some(7));
        assert!(protection(b"rq").is_err());
    }
}
