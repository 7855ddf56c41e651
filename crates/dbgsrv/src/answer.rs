//! How a backend answers a request: once, from any thread, now or later. It does not know how
//! answers travel.

use bytes::Bytes;
use dbgwire::Fault;

/// What a request came to: the reply with its tail, or why not.
pub type Outcome<R> = Result<(R, Bytes), Fault>;

/// The duty to answer one request.
pub struct Answer<R> {
    send: Option<Box<dyn FnOnce(Outcome<R>) + Send>>,
}

impl<R> Answer<R> {
    /// An answer that goes to `send`.
    pub fn new(send: impl FnOnce(Outcome<R>) + Send + 'static) -> Answer<R> {
        Answer { send: Some(Box::new(send)) }
    }

    /// Answers with a reply.
    pub fn reply(self, reply: R) {
        self.finish(Ok((reply, Bytes::new())));
    }

    /// Answers with a fault.
    pub fn fault(self, fault: Fault) {
        self.finish(Err(fault));
    }

    /// Answers.
    pub fn finish(mut self, outcome: Outcome<R>) {
        if let Some(send) = self.send.take() {
            send(outcome);
        }
    }
}

impl<R> Drop for Answer<R> {
    /// A request that its backend forgot still gets an answer, so that no client waits for ever.
    fn drop(&mut self) {
        if let Some(send) = self.send.take() {
            let detail = "the session ended before the request was carried out";
            send(Err(Fault::new(dbgwire::ErrorCode::Ending, detail)));
        }
    }
}
