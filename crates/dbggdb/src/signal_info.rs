//! The object `siginfo`: what the kernel says of the signal that a thread is about to be given, or
//! of the event that stopped it. It travels as the kernel lays it out.

use bytes::Bytes;
use dbgwire::verbs::resume::{ReadSignalInfo, SIGNAL_INFO_LEN, WriteSignalInfo};

use crate::error::PacketError;
use crate::session::Session;

impl Session {
    /// That of the current thread.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn signal_info(&mut self) -> Result<Vec<u8>, PacketError> {
        let (id, tid) = self.current()?;
        let request = ReadSignalInfo { target: id.value(), tid: tid.value() };
        let (_, info) = self.client.send(&request, Bytes::new()).wait()?;
        if info.is_empty() {
            return Err(PacketError::message("the thread did not stop for a signal"));
        }
        Ok(info.to_vec())
    }

    /// Writes over a part of it.
    ///
    /// **Cost**: one round trip, and another one for a part that is not all of it.
    pub(crate) fn write_signal_info(
        &mut self,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), PacketError> {
        let (id, tid) = self.current()?;
        let mut info = match bytes.len() {
            SIGNAL_INFO_LEN => vec![0; SIGNAL_INFO_LEN],
            _ => self.signal_info()?,
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let place = start.checked_add(bytes.len()).and_then(|end| info.get_mut(start..end));
        let place = place.ok_or(PacketError::Malformed("siginfo has 128 bytes"))?;
        place.copy_from_slice(bytes);
        let request = WriteSignalInfo { target: id.value(), tid: tid.value() };
        self.client.send(&request, Bytes::from(info)).wait()?;
        Ok(())
    }
}
