//! The `siginfo_t` of threads that stand still, for clients that show or change it. It knows which
//! one is meant; what is in it is the client's to understand.

use bytes::Bytes;
use dbgbase::{TargetId, Tid};
use dbgwire::verbs::resume::{ReadSignalInfo, SIGNAL_INFO_LEN, WriteSignalInfo};
use dbgwire::{ErrorCode, Fault};

use super::sys::{self, SigInfo};
use super::tracer::Tracer;

impl Tracer {
    /// The siginfo of the signal that a thread is about to be given, or of what stopped it.
    pub(super) fn read_signal_info(&mut self, request: &ReadSignalInfo) -> Result<Bytes, Fault> {
        let tid = Tid::new(request.tid);
        let thread = self.resumable(TargetId::new(request.target))?.standing(tid)?;
        let due = thread.inject.and_then(|due| due.info);
        // A group-stop has none, nor has a thread that has just been killed.
        let info = due.or_else(|| sys::siginfo(tid).ok());
        Ok(info.map(|info| Bytes::copy_from_slice(info.bytes())).unwrap_or_default())
    }

    /// Replaces the siginfo of the signal that a thread is about to be given.
    pub(super) fn write_signal_info(
        &mut self,
        request: &WriteSignalInfo,
        info: &[u8],
    ) -> Result<(), Fault> {
        let Some(info) = info.try_into().ok().map(SigInfo::from_bytes) else {
            let detail = format!("{} bytes of siginfo; it has {SIGNAL_INFO_LEN}", info.len());
            return Err(Fault::new(ErrorCode::Malformed, detail));
        };
        let (id, tid) = (TargetId::new(request.target), Tid::new(request.tid));
        self.resumable(id)?.standing(tid)?;
        let due = self.thread_mut(id, tid).and_then(|thread| thread.inject.as_mut());
        let Some(due) = due else {
            let detail = format!("thread {tid} was not stopped by a signal, so it has no siginfo");
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        };
        due.info = Some(info);
        Ok(())
    }
}
