//! Calling a function of a debuggee: what is called, what comes back, and what the engine still
//! knows afterwards. Registers and stack are the server's business, and so is undoing a call that
//! does not return.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use dbgbase::{Address, TargetId};
use dbgwire::ErrorCode;
use dbgwire::verbs::inject::{CallFunction, CallFunctionReply};
use dbgwire::verbs::module::ListModules;
use dbgwire::verbs::resume::Interrupt;

use crate::client::{CallError, Next, Pending};
use crate::{Engine, Error, ErrorKind, ProcessNumber};

/// A function that is called, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionCall {
    /// Where it is.
    pub address: Address,
    /// Its arguments.
    pub arguments: Vec<CallArgument>,
    /// Whether the other threads of the process run meanwhile; a function that waits for one of
    /// them does not return otherwise.
    pub run_others: bool,
}

/// An argument of a function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallArgument {
    /// An integer or a pointer.
    Value(u64),
    /// The address of these bytes, which lie on the stack as long as the function runs.
    Bytes(Vec<u8>),
}

/// What a function has returned. Which part of it counts, its type says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallResult {
    /// An integer or a pointer.
    pub integer: u64,
    /// The upper half of an integer twice as long.
    pub integer_high: u64,
    /// The vector register whose first bytes are a floating-point number.
    pub vector: Vec<u8>,
}

impl CallResult {
    /// The floating-point number of double precision.
    pub fn double(&self) -> f64 {
        f64::from_le_bytes(self.head())
    }

    /// The floating-point number of single precision.
    pub fn single(&self) -> f32 {
        f32::from_le_bytes(self.head())
    }

    fn head<const LEN: usize>(&self) -> [u8; LEN] {
        self.vector.first_chunk().copied().unwrap_or([0; LEN])
    }
}

impl Engine {
    /// Has the current thread call a function, and waits until it returns. Then the thread is as it
    /// was; what the function has done to memory stays.
    ///
    /// Whatever would stop the process ends the call, and the thread is put back: a breakpoint, a
    /// signal, an interruption, a thread that is about to end, what another thread has to tell. The
    /// error says what it was.
    ///
    /// **Errors**: `ServerRefused` if the call was ended, with the reason; `TargetEnded` if the
    /// process has ended or executed another program, of which an event tells that
    /// [`Engine::wait_for_event`] brings; `Invalid` if an event of another process waits to be
    /// told; `Unreadable` if there is no code at the address; `Unwritable` if there is no room on
    /// the stack; `Unsupported` for a thread that cannot be made to call; `NoTarget`, `NotStopped`;
    /// what keeps a breakpoint from being set; those of the connection.
    /// **Cost**: one round trip, and the function's time; one more each if there are breakpoints
    /// to set, breakpoints to take back, and modules that have changed.
    pub fn call_function(&mut self, call: &FunctionCall) -> Result<CallResult, Error> {
        let (process, thread) = self.current_still()?;
        let (number, target, tid) = (process.number, process.target, thread.tid);
        if !self.pending.is_empty() {
            let message = "another process has something to tell; run on first";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        self.update_sites(number)?;
        let (arguments, in_tail, tail) = layout(&call.arguments);
        let request = CallFunction {
            target: target.value(),
            tid: tid.value(),
            address: call.address.value(),
            arguments,
            in_tail,
            run_others: call.run_others,
            patience_ms: 0,
        };
        let pending = self.client.send(&request, Bytes::from(tail));
        if let Some(process) = self.processes.get_mut(&number) {
            process.calling();
        }
        let answer = self.wait_for_call(target, &pending);
        self.interrupt.store(false, Ordering::Release);
        let is_gone = |error: &CallError| {
            matches!(error.code(), Some(ErrorCode::TargetEnded | ErrorCode::NoSuchTarget))
        };
        // What has become of it, an event tells.
        if !answer.as_ref().is_err_and(is_gone)
            && let Some(process) = self.processes.get_mut(&number)
        {
            process.called();
        }
        let reply = answer?;
        if reply.modules_changed {
            self.refresh_modules(number)?;
        }
        let CallFunctionReply { integer, integer_high, vector, .. } = reply;
        Ok(CallResult { integer, integer_high, vector })
    }

    /// Takes in what arrives until the reply does, and passes the user's wish for an end on.
    fn wait_for_call(
        &mut self,
        target: TargetId,
        pending: &Pending<CallFunction>,
    ) -> Result<CallFunctionReply, CallError> {
        let mut is_interrupted = false;
        loop {
            if self.interrupt.load(Ordering::Acquire) && !is_interrupted {
                is_interrupted = true;
                self.client.post(&Interrupt { target: target.value(), tids: Vec::new() });
            }
            match pending.next() {
                Next::Reply(reply) => return reply.map(|(reply, _)| reply),
                // No target is let run meanwhile, so there is nothing that could be refused.
                Next::Arrival(arrival) => {
                    if let Ok(Some(event)) = self.arrived(arrival) {
                        self.pending.push_back(event);
                    }
                }
            }
        }
    }

    /// Asks which modules there are: a function may have loaded some.
    fn refresh_modules(&mut self, number: ProcessNumber) -> Result<(), Error> {
        let Some(process) = self.processes.get_mut(&number) else { return Ok(()) };
        let reply = self.client.call(&ListModules { target: process.target.value() })?;
        process.modules.update(reply.modules);
        process.has_moved_symbols = true;
        self.resolve_breakpoints(number);
        Ok(())
    }
}

/// Arguments as the protocol says them: the numbers, which of them are positions, and the bytes in
/// which. Each run of bytes begins where any type may.
fn layout(arguments: &[CallArgument]) -> (Vec<u64>, Vec<u32>, Vec<u8>) {
    const ALIGNMENT: usize = 16;
    let (mut values, mut in_tail, mut tail) = (Vec::new(), Vec::new(), Vec::new());
    for (index, argument) in (0..).zip(arguments) {
        values.push(match argument {
            CallArgument::Value(value) => *value,
            CallArgument::Bytes(bytes) => {
                in_tail.push(index);
                tail.resize(tail.len().next_multiple_of(ALIGNMENT), 0);
                let position = tail.len() as u64;
                tail.extend_from_slice(bytes);
                position
            }
        });
    }
    (values, in_tail, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_positions() {
        let bytes = |text: &[u8]| CallArgument::Bytes(text.to_vec());
        let arguments = [bytes(b"one\0"), CallArgument::Value(7), bytes(b"two\0")];
        let (values, in_tail, tail) = layout(&arguments);
        assert_eq!((values, in_tail), (vec![0, 7, 16], vec![0, 2]));
        assert_eq!(tail, b"one\0\0\0\0\0\0\0\0\0\0\0\0\0two\0");
        assert_eq!(layout(&[]), (vec![], vec![], vec![]));
    }

    #[test]
    fn results_are_read_as_their_type_says() {
        let vector = 1.5f64.to_le_bytes().to_vec();
        let result = CallResult { integer: 0, integer_high: 0, vector };
        assert_eq!(result.double(), 1.5);
        let none = CallResult { vector: Vec::new(), ..result };
        assert_eq!((none.double(), none.single()), (0.0, 0.0));
    }
}
