//! Having targets do something for their clients: make system calls, call functions, map memory.
//! What comes of it is known, and the thread goes on as if nothing had been.

use bytes::Bytes;
use dbgwire::verbs::inject::{AllocateMemory, CallFunction, FreeMemory, InjectSyscall};
use dbgwire::{ErrorCode, Fault};
use testkit::procfs;

use crate::client::Tormentor;
use crate::tally::Deed;

/// getpid, gettid, sched_yield, and lseek of nothing.
const CALLS: [u64; 4] = [39, 186, 24, 8];
/// How long a function may take: some are cut off.
const PATIENCE_MS: [u32; 3] = [0, 1, 20];
/// How much memory is mapped.
const LEN: u64 = 8192;

impl Tormentor<'_> {
    /// Borrows a thread for anything.
    pub(crate) fn borrow(&mut self, index: usize) {
        match self.random.u32(..5) {
            0 | 1 => self.make_call(index),
            2 | 3 => self.call_function(index),
            _ => self.map_memory(index),
        }
        self.tally.add(Deed::Borrow);
        let hold = &mut self.holds[index];
        hold.operations = hold.victim.operations();
    }

    fn make_call(&mut self, index: usize) {
        let Some(tid) = self.any_thread(index) else { return };
        let number = CALLS[self.random.usize(..CALLS.len())];
        let pid = self.holds[index].victim.pid;
        let expected = match number {
            39 => u64::from(pid.value()),
            186 => u64::from(tid.value()),
            8 => 9_u64.wrapping_neg(), // EBADF
            _ => 0,
        };
        let request = InjectSyscall {
            target: self.holds[index].target.id,
            tid: tid.value(),
            number,
            arguments: vec![u64::MAX, 0, 0],
            ..InjectSyscall::default()
        };
        self.note(format!("v{} thread {tid} makes call {number}", self.holds[index].victim.number));
        match self.client().call(&request) {
            Ok(reply) => assert_eq!(reply.result, expected, "call {number} of {tid}"),
            Err(fault) => assert_excusable(&fault, false),
        }
    }

    fn call_function(&mut self, index: usize) {
        let Some(tid) = self.any_thread(index) else { return };
        let binary = self.holds[index].victim.binary;
        let piece = self.random.usize(..binary.pieces.len());
        let (number, at) = binary.pieces[piece];
        let argument = self.random.u64(..256);
        let (target, victim) = (self.target(index), self.holds[index].victim);
        let row = victim.address(binary.expected).wrapping_offset(number as i64 * 256 * 8);
        let at_row = row.wrapping_offset(argument as i64 * 8);
        let expected = self.client().read_u64(target, at_row);
        let request = CallFunction {
            target: target.id,
            tid: tid.value(),
            address: victim.address(at).value(),
            arguments: vec![argument],
            run_others: self.random.bool(),
            patience_ms: PATIENCE_MS[self.random.usize(..PATIENCE_MS.len())],
            ..CallFunction::default()
        };
        self.note(format!("v{} thread {tid} calls piece {number}", victim.number));
        let id = self.client().send(&request, Bytes::new());
        match self.client().answer::<CallFunction>(id) {
            Ok((reply, _)) => assert_eq!(reply.integer, expected, "piece {number} of {argument}"),
            Err(fault) => assert_excusable(&fault, true),
        }
    }

    fn map_memory(&mut self, index: usize) {
        let target = self.target(index);
        let number = self.holds[index].victim.number;
        self.note(format!("v{number} maps memory"));
        let mapped = AllocateMemory {
            target: target.id,
            len: LEN,
            protection: 3,
            ..AllocateMemory::default()
        };
        let reply = match self.client().call(&mapped) {
            Ok(reply) => reply,
            Err(fault) => return assert_excusable(&fault, false),
        };
        let at = dbgbase::Address::new(reply.address);
        assert_eq!(reply.len, LEN);
        assert_eq!(self.client().read(target, at, LEN as u32), vec![0; LEN as usize]);
        let bytes: Vec<u8> = (0..LEN).map(|at| at as u8).collect();
        assert_eq!(self.client().write(target, at, &bytes), Ok(LEN as u32));
        assert_eq!(self.client().read(target, at, LEN as u32), bytes);
        let free =
            FreeMemory { target: target.id, address: reply.address, ..FreeMemory::default() };
        self.client().call(&free).expect("the same thread can give it back");
        let pid = self.holds[index].victim.pid;
        let is_there = |mapping: &procfs::Mapping| mapping.start <= at && at < mapping.end;
        assert!(!procfs::mappings(pid).iter().any(is_there), "{at} is still mapped");
    }
}

/// A thread may stand where it can do nothing, or have ended; a function may be broken off.
#[track_caller]
fn assert_excusable(fault: &Fault, is_function: bool) {
    let is_excused = match fault.code {
        ErrorCode::NoSuchThread | ErrorCode::Unsupported | ErrorCode::NotPermitted => true,
        ErrorCode::CallUnwound => is_function,
        _ => false,
    };
    assert!(is_excused, "{:?}: {fault}", fault.code);
}
