//! Memory that is mapped, unmapped and protected in a target by system calls of its own. What a
//! client has allocated and not freed is freed when the target is left.

use std::time::Duration;

use dbgbase::{Address, AddressRange, TargetId, Tid};
use dbgwire::verbs::inject::{
    AllocateMemory, AllocateMemoryReply, FreeMemory, FreeMemoryReply, PATIENCE_MS, ProtectMemory,
    ProtectMemoryReply,
};
use dbgwire::{ErrorCode, Fault};
use rustix::io::Errno;

use super::super::sys;
use super::super::target::{Phase, Target};
use super::super::tracer::{Tracer, no_such_target};
use super::{Order, known};
use crate::answer::Answer;

/// `MAP_PRIVATE`, `MAP_ANONYMOUS` and `MAP_FIXED_NOREPLACE` of mmap(2).
const PRIVATE: u64 = 0x2;
const ANONYMOUS: u64 = 0x20;
const FIXED_NOREPLACE: u64 = 0x10_0000;
/// Readable, writable and executable: the same bits in the protocol and in mmap(2).
const PROTECTIONS: u32 = 7;

impl Tracer {
    /// Carries out the verb of that name.
    pub(in crate::ptrace) fn allocate_memory(
        &mut self,
        request: &AllocateMemory,
        answer: Answer<AllocateMemoryReply>,
    ) {
        let id = TargetId::new(request.target);
        let AllocateMemory { tid, address, despite_seccomp, protection, .. } = *request;
        let planned = self.stopped(id).map(|_| ()).and_then(|()| {
            let len = whole_pages(request.len)?;
            check_protection(protection)?;
            let placed = if address == 0 { 0 } else { FIXED_NOREPLACE };
            let flags = PRIVATE | ANONYMOUS | placed;
            let arguments = [address, len, u64::from(protection), flags, u64::MAX, 0];
            let number = known(self.arch)?.map;
            Ok((len, order(tid, number, arguments, despite_seccomp)))
        });
        self.map(id, planned, "memory cannot be allocated", answer, |target, address, len| {
            target.allocations.extend(AddressRange::with_len(Address::new(address), len));
            AllocateMemoryReply { address, len }
        });
    }

    /// Carries out the verb of that name.
    pub(in crate::ptrace) fn free_memory(
        &mut self,
        request: &FreeMemory,
        answer: Answer<FreeMemoryReply>,
    ) {
        let id = TargetId::new(request.target);
        let FreeMemory { tid, address, len, despite_seccomp, .. } = *request;
        let start = Address::new(address);
        let arch = self.arch;
        let planned = self.stopped(id).and_then(|target| {
            let is_it = |range: &&AddressRange| range.start() == start;
            let known_len = target.allocations.iter().find(is_it).map(AddressRange::len_bytes);
            let len = match (len, known_len) {
                (0, Some(known)) => known,
                (0, None) => {
                    let detail = format!("nothing that was allocated begins at {start}");
                    return Err(Fault::new(ErrorCode::Malformed, detail));
                }
                (len, _) => whole_pages(len)?,
            };
            let range = range(start, len)?;
            let arguments = [address, len, 0, 0, 0, 0];
            Ok((range, order(tid, known(arch)?.unmap, arguments, despite_seccomp)))
        });
        self.map(id, planned, "memory cannot be freed", answer, |target, _, range| {
            forget(&mut target.allocations, range);
            FreeMemoryReply { len: range.len_bytes() }
        });
    }

    /// Carries out the verb of that name.
    pub(in crate::ptrace) fn protect_memory(
        &mut self,
        request: &ProtectMemory,
        answer: Answer<ProtectMemoryReply>,
    ) {
        let id = TargetId::new(request.target);
        let ProtectMemory { tid, address, despite_seccomp, protection, .. } = *request;
        let planned = self.stopped(id).map(|_| ()).and_then(|()| {
            let len = whole_pages(request.len)?;
            check_protection(protection)?;
            let arguments = [address, len, u64::from(protection), 0, 0, 0];
            Ok(((), order(tid, known(self.arch)?.protect, arguments, despite_seccomp)))
        });
        self.map(id, planned, "the protection is unchanged", answer, |_, _, ()| {
            ProtectMemoryReply {}
        });
    }

    /// Has a planned call made, and answers: what has come of one that did not fail, `take` puts
    /// into the target and the reply. `unable` says what is not done otherwise.
    fn map<P: Send + 'static, R: Send + 'static>(
        &mut self,
        id: TargetId,
        planned: Result<(P, Order), Fault>,
        unable: &'static str,
        answer: Answer<R>,
        take: impl FnOnce(&mut Target, u64, P) -> R + Send + 'static,
    ) {
        let (plan, order) = match planned {
            Ok(planned) => planned,
            Err(fault) => return answer.fault(fault),
        };
        self.begin_injection(
            id,
            &order,
            Box::new(move |tracer, id, outcome| {
                let done = outcome.and_then(|result| no_error(result, unable)).and_then(|result| {
                    let target = tracer.targets.get_mut(&id);
                    let target = target.ok_or_else(|| no_such_target(id))?;
                    Ok(take(target, result, plan))
                });
                match done {
                    Ok(reply) => answer.reply(reply),
                    Err(fault) => answer.fault(fault),
                }
            }),
        );
    }

    /// Frees, before a target is left, what its client has not. Whether that is under way: then the
    /// target is to be settled again when it stands still.
    ///
    /// Memory in which a thread stands, or has its stack, stays; so does all if no thread can make
    /// the call.
    pub(in crate::ptrace) fn free_leftovers(&mut self, id: TargetId) -> bool {
        let arch = self.arch;
        while let Some(target) = self.targets.get_mut(&id) {
            let Some(range) = target.allocations.pop() else { return false };
            if is_in_use(target, range) {
                continue;
            }
            let Ok(convention) = known(arch) else { return false };
            let (start, len) = (range.start().value(), range.len_bytes());
            let arguments = [start, len, 0, 0, 0, 0];
            let order = Order { is_parting: true, ..order(0, convention.unmap, arguments, false) };
            // Whether it can be freed or not, there is nothing more to be done about it.
            self.begin_injection(id, &order, Box::new(|_, _, _| ()));
            let phase = self.targets.get(&id).map(|target| &target.phase);
            if matches!(phase, Some(Phase::Injecting(_))) {
                return true;
            }
        }
        false
    }
}

fn order(tid: u32, number: u64, arguments: [u64; 6], despite_seccomp: bool) -> Order {
    Order {
        tid: (tid != 0).then(|| Tid::new(tid)),
        number,
        arguments,
        despite_seccomp,
        patience: Duration::from_millis(u64::from(PATIENCE_MS)),
        is_parting: false,
    }
}

/// A length, rounded up to whole pages.
fn whole_pages(len: u64) -> Result<u64, Fault> {
    let page = rustix::param::page_size() as u64;
    len.checked_next_multiple_of(page).filter(|len| *len != 0).ok_or_else(|| {
        Fault::new(ErrorCode::Malformed, format!("{len} bytes are no length of memory"))
    })
}

fn range(start: Address, len: u64) -> Result<AddressRange, Fault> {
    AddressRange::with_len(start, len).ok_or_else(|| {
        let detail = format!("{len} bytes at {start} pass the end of the address space");
        Fault::new(ErrorCode::Malformed, detail)
    })
}

fn check_protection(protection: u32) -> Result<(), Fault> {
    if protection & !PROTECTIONS == 0 {
        return Ok(());
    }
    Err(Fault::new(ErrorCode::Malformed, format!("{protection:#x} is no protection of memory")))
}

/// The result of a call that has not failed.
fn no_error(result: u64, what: &str) -> Result<u64, Fault> {
    /// The largest error number that a call gives (the kernel's `MAX_ERRNO`).
    const ERRNO_MAX: i64 = 4095;
    if !(-ERRNO_MAX..0).contains(&(result as i64)) {
        return Ok(result);
    }
    let errno = Errno::from_raw_os_error(-(result as i64) as i32);
    let why = match errno {
        Errno::EXIST => "something is mapped there already".to_owned(),
        errno => errno.to_string(),
    };
    let fault = Fault::new(ErrorCode::SystemError, format!("{what}: {why}"));
    Err(fault.with_errno(errno.raw_os_error()))
}

/// Takes a range out of the allocated ones.
fn forget(allocations: &mut Vec<AddressRange>, freed: AddressRange) {
    let rest = |range: &AddressRange| {
        let Some(gone) = range.intersection(&freed) else { return vec![*range] };
        let head = AddressRange::new(range.start(), gone.start());
        let tail = AddressRange::new(gone.end(), range.end());
        head.into_iter().chain(tail).filter(|range| !range.is_empty()).collect()
    };
    *allocations = allocations.iter().flat_map(rest).collect();
}

/// Whether a thread executes in this memory, or has its stack there.
fn is_in_use(target: &Target, range: AddressRange) -> bool {
    target.threads.keys().any(|tid| {
        sys::registers(*tid, target.arch).is_ok_and(|registers| {
            [registers.pc(), registers.sp()].iter().any(|at| range.contains(*at))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(start: u64, end: u64) -> AddressRange {
        AddressRange::new(Address::new(start), Address::new(end)).expect("a range")
    }

    #[test]
    fn what_is_freed_is_no_longer_allocated() {
        let mut allocations = vec![between(0x1000, 0x5000), between(0x8000, 0x9000)];
        forget(&mut allocations, between(0x2000, 0x3000));
        let expected = [between(0x1000, 0x2000), between(0x3000, 0x5000), between(0x8000, 0x9000)];
        assert_eq!(allocations, expected);
        forget(&mut allocations, between(0x0, 0x8000));
        assert_eq!(allocations, [between(0x8000, 0x9000)]);
        forget(&mut allocations, between(0x8000, 0x9000));
        assert_eq!(allocations, []);
    }

    #[test]
    fn errors_are_told_from_addresses() {
        assert_eq!(no_error(0x7fff_0000_0000, "").ok(), Some(0x7fff_0000_0000));
        assert_eq!(no_error(0, "").ok(), Some(0));
        let fault = no_error((-12_i64) as u64, "no memory").expect_err("ENOMEM");
        assert_eq!((fault.code, fault.errno), (ErrorCode::SystemError, Some(12)));
    }
}
