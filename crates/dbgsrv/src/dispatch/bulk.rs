//! The verbs that work through much of a target's memory: one arm for each.

use bytes::Bytes;
use dbgwire::Request;
use dbgwire::verbs::bulk::{CompareMemory, CopyMemory, FillMemory, SearchMemory};

use super::Dispatch;

impl Dispatch<'_> {
    /// Carries out one of them, or hands on what is none.
    pub(super) fn route_bulk(&mut self, id: u32, request: Request, tail: Bytes) -> bool {
        match request {
            Request::SearchMemory(request) => {
                let outcome = self.backend.search_memory(request);
                self.outbox.send_outcome::<SearchMemory>(id, outcome);
            }
            Request::FillMemory(request) => {
                let reply = self.backend.fill_memory(request, tail);
                self.send::<FillMemory>(id, reply);
            }
            Request::CompareMemory(request) => {
                let outcome = self.backend.compare_memory(request);
                self.outbox.send_outcome::<CompareMemory>(id, outcome);
            }
            Request::CopyMemory(request) => {
                let reply = self.backend.copy_memory(request);
                self.send::<CopyMemory>(id, reply);
            }
            other => return self.route_file(id, other, tail),
        }
        true
    }
}
