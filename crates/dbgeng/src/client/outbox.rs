//! What a client sends, and what it keeps of that until the server is known to have it: for a new
//! link. It knows requests by their ids, and not what they ask.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use dbglink::LinkWriter;
use dbgwire::{Encoded, Record, message};

/// The sending side of a client.
pub(super) struct Outbox {
    /// `None` while there is no link.
    writer: Option<LinkWriter>,
    /// What was sent and may not have arrived; `None` if the client does not come again.
    kept: Option<Kept>,
    /// The rest of a receipt that did not fit: it comes before everything else.
    unsent: Vec<u8>,
    /// Which link this is, counted from 0.
    link: u32,
    /// Whether writing has failed on this link, of which its reader may not know.
    is_broken: bool,
    /// Whether the client has left: all that is left to say is farewell.
    has_left: bool,
    /// The id given last. Zero is never given.
    last_id: u32,
    /// The last request that was under way when a reply was waited for: waiting for it takes no
    /// longer than that.
    waited_to: u32,
    round_trips: u64,
}

/// Requests that may not have arrived, and their ids.
#[derive(Default)]
struct Kept {
    record: Record,
    ids: VecDeque<u32>,
}

impl Kept {
    /// A request has been answered, so it has arrived, and all that were sent before it. Answers
    /// come in any order.
    fn answered(&mut self, id: u32) {
        let has_arrived = |kept: &&u32| id.wrapping_sub(**kept).cast_signed() >= 0;
        let count = self.ids.iter().take_while(has_arrived).count();
        self.ids.drain(..count);
        self.record.arrived(self.record.dropped() + count as u64);
    }
}

impl Outbox {
    /// Sends through `writer`. If it `keeps` what it sends, that can be sent again.
    pub(super) fn new(writer: LinkWriter, keeps: bool) -> Outbox {
        Outbox {
            writer: Some(writer),
            kept: keeps.then(Kept::default),
            unsent: Vec::new(),
            link: 0,
            is_broken: false,
            has_left: false,
            last_id: 0,
            waited_to: 0,
            round_trips: 0,
        }
    }

    /// The next id. Zero is none.
    pub(super) fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    /// A reply is waited for. Those of requests that are under way by then come with it.
    pub(super) fn count_wait(&mut self, id: u32) {
        let is_later = id.wrapping_sub(self.waited_to).cast_signed() > 0;
        if is_later {
            self.waited_to = self.last_id;
            self.round_trips += 1;
        }
    }

    /// How many waits were counted that took a round trip.
    pub(super) fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// Sends a request, and with it a receipt for so many frames if there is one due. `answered` is
    /// the last request that was answered.
    ///
    /// **Errors**: of writing; none if the request is kept for the next link.
    pub(super) fn send(
        &mut self,
        id: u32,
        request: Encoded,
        receipt: Option<u64>,
        answered: u32,
    ) -> io::Result<()> {
        let receipt = receipt.map(message::receipt);
        let receipt = receipt.as_ref().map_or(&[][..], |receipt| &receipt[..]);
        let parts = [&self.unsent[..], receipt, &request.head, &request.tail];
        let written = match &mut self.writer {
            Some(writer) => writer.write_all_vectored(&mut parts.map(IoSlice::new)),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        self.unsent.clear();
        if written.is_err() {
            self.is_broken = self.writer.take().is_some();
        }
        let Some(kept) = &mut self.kept else { return written };
        kept.answered(answered);
        kept.record.keep(request);
        kept.ids.push_back(id);
        Ok(())
    }

    /// Whether writing has failed since this was asked last: the link is to be ended.
    pub(super) fn take_broken(&mut self) -> bool {
        std::mem::take(&mut self.is_broken)
    }

    /// Tells the server that so many frames have arrived, if that can be done without waiting.
    /// Whether it was done.
    pub(super) fn confirm_now(&mut self, arrived: u64) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        if !self.unsent.is_empty() {
            let Ok(written) = writer.write_now(&self.unsent) else { return false };
            self.unsent.drain(..written.min(self.unsent.len()));
        }
        if !self.unsent.is_empty() {
            return false;
        }
        let receipt = message::receipt(arrived);
        // What is wrong with the link its reader finds out.
        let Ok(written) = writer.write_now(&receipt) else { return false };
        self.unsent.extend(receipt.get(written..).unwrap_or_default());
        true
    }

    /// The link is lost. The number of the next one.
    pub(super) fn lose(&mut self) -> u32 {
        self.writer = None;
        self.unsent.clear();
        self.link += 1;
        self.link
    }

    /// Nothing is kept any more: there will be no other link.
    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Goes on with the link of this number, on which so many requests of the session have arrived:
    /// what the server lacks is sent again. Nothing happens if that link is lost already.
    ///
    /// **Errors**: if the server lacks what it has answered, or claims to have what was not sent.
    pub(super) fn resume(
        &mut self,
        link: u32,
        mut writer: LinkWriter,
        requests_arrived: u64,
    ) -> Result<(), String> {
        if link != self.link {
            return Ok(());
        }
        if self.has_left {
            // The only failure is a link that is lost: the server finds that out as well.
            let _ = writer.write_now(&message::farewell());
            return Ok(());
        }
        let requests = self.kept.as_ref().and_then(|kept| kept.record.behind(requests_arrived));
        let Some(requests) = requests else {
            return Err("the server has lost count of the requests".to_owned());
        };
        for request in requests {
            let mut parts = [&request.head[..], &request.tail].map(IoSlice::new);
            if writer.write_all_vectored(&mut parts).is_err() {
                // This link is lost as well, as its reader finds out.
                return Ok(());
            }
        }
        self.writer = Some(writer);
        Ok(())
    }

    /// Says farewell, if that can be done without waiting: the session ends.
    pub(super) fn leave(&mut self) {
        self.has_left = true;
        if let Some(writer) = self.writer.as_mut().filter(|_| self.kept.is_some()) {
            let farewell = [&self.unsent[..], &message::farewell()].concat();
            // A server that does not get to know it waits for the lease to be over.
            let _ = writer.write_now(&farewell);
        }
    }
}
