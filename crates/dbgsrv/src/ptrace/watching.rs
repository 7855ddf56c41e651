//! Having the CPU watch: what `watch` keeps for a target is written into its threads before they
//! run, and what they have seen is read. Tracer thread only.

use dbgbase::{Address, GeneralRegisters, SiteId, StopReason, TargetId, Tid};
use dbgwire::verbs::site::{Site, SiteKind};
use dbgwire::{ErrorCode, Fault};

use super::condition::Conditions;
use super::logpoint::Hits;
use super::site::{Candidate, ClientReason};
use super::sys;
use super::target::Target;
use super::thread::Thread;
use super::tracer::Tracer;
use super::watch::{Access, DebugRegisters, PLACES, REASONS_MAX, Unwatchable, Watch, WatchTable};

impl Tracer {
    /// Has the CPU watch something for the client. The target stands still.
    ///
    /// **Errors**: [`ErrorCode::Unsupported`] for what the CPU cannot watch,
    /// [`ErrorCode::LimitReached`] if every place is in use, [`ErrorCode::Unwritable`] if the
    /// system refuses.
    pub(super) fn watch(
        &mut self,
        id: TargetId,
        site: &Site,
        kind: SiteKind,
        why: ClientReason,
    ) -> Result<(), Fault> {
        let target = self.targets.get_mut(&id).ok_or_else(|| super::tracer::no_such_target(id))?;
        let access = match kind {
            SiteKind::HardwareExecute => Access::Execute,
            SiteKind::HardwareWrite => Access::Write,
            SiteKind::HardwareReadWrite | SiteKind::Software => Access::ReadWrite,
        };
        let address = Address::new(site.address);
        let watch = Watch::new(address, site.len, access).map_err(|why| unwatchable(site, why))?;
        if target.watches.has(why.id) || target.memory.lock().sites.find(why.id).is_some() {
            let detail = format!("the site id {} is in use", why.id);
            return Err(Fault::new(ErrorCode::NoSuchSite, detail));
        }
        let before = target.watches.clone();
        let only = why.tid;
        target.watches.insert(watch, why).map_err(|why| unwatchable(site, why))?;
        // What the system refuses is known at once; the other threads get it before they run.
        let is_for = |thread: &&mut Thread| only.is_none_or(|tid| tid == thread.tid);
        let refused = target.threads.values_mut().find(is_for).and_then(|thread| {
            let errno = write(thread, target.watches.registers(thread.tid)).err()?;
            sys::clear_debug_registers(thread.tid);
            thread.watches = DebugRegisters::default();
            Some(errno)
        });
        if let Some(errno) = refused {
            target.watches = before;
            let detail = format!("the system does not let the CPU watch {address}: {errno}");
            let fault = Fault::new(ErrorCode::Unwritable, detail);
            return Err(fault.with_errno(errno.raw_os_error()));
        }
        self.restless.insert(id);
        Ok(())
    }

    /// Takes the client's reason back; an id that is not known is passed over.
    pub(super) fn unwatch(&mut self, id: TargetId, site: SiteId) {
        if let Some(target) = self.targets.get_mut(&id) {
            target.watches.remove(site);
        }
    }

    /// Takes note of what the CPU has seen a thread do, as it reports a trap.
    pub(super) fn take_watched(&mut self, id: TargetId, tid: Tid, registers: &GeneralRegisters) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        if target.watches.is_empty() {
            return;
        }
        let status = sys::take_debug_status(tid);
        let mut conditions = Conditions::new(registers, &*target.memory);
        let mut printing = Vec::new();
        let holds = |why: &ClientReason| {
            let holds = conditions.hold(why.id, why.condition.as_deref());
            if holds && !why.commands.is_empty() {
                printing.push(Candidate::of(why));
            }
            holds
        };
        let mut seen = target.watches.take_hits(status, tid, registers.sp(), holds);
        let faults = conditions.into_faults();
        if !printing.is_empty() {
            let hits = Hits { target: id, tid, registers, memory: &*target.memory };
            hits.print(&printing, &mut seen.executed, &faults, &mut self.printer);
            if let Some((_, sites)) = &mut seen.accessed {
                hits.print(&printing, sites, &faults, &mut self.printer);
            }
            seen.accessed = seen.accessed.filter(|(_, sites)| !sites.is_empty());
        }
        let reason = match seen.accessed {
            Some((address, sites)) => StopReason::Watchpoint { sites, address },
            None if !seen.executed.is_empty() => StopReason::Breakpoint { sites: seen.executed },
            None => return,
        };
        if let Some(thread) = self.thread_mut(id, tid)
            && matches!(reason, StopReason::Breakpoint { .. })
        {
            thread.passed = Some(registers.pc());
        }
        self.report_hit(id, tid, reason, faults);
    }
}

/// Writes what a thread is to watch before it runs. Where it stands before a watched instruction
/// that it has told of, it executes that without telling again.
pub(super) fn prepare(watches: &WatchTable, thread: &mut Thread, arch: dbgbase::Arch) {
    let wanted = watches.registers(thread.tid);
    // A thread that cannot be written to has just been killed; its end is reported next.
    let _ = write(thread, wanted);
    if let Some(at) = thread.passed
        && watches.executes_at(at)
        && let Ok(mut registers) = sys::registers(thread.tid, arch)
        && registers.pc() == at
    {
        // RF, by which the CPU passes one (Intel SDM volume 3, 18.3.1.1).
        let flags = registers.get(dbgbase::x86_64::EFLAGS);
        registers.set(dbgbase::x86_64::EFLAGS, flags | RESUME_FLAG);
        let _ = sys::set_registers(thread.tid, &registers);
    }
}

/// The resume flag of EFLAGS.
pub(super) const RESUME_FLAG: u64 = 1 << 16;

/// Has no thread of a target watch anything, for a while.
pub(super) fn lift(target: &mut Target) {
    for thread in target.threads.values_mut().filter(|thread| thread.is_stopped()) {
        let _ = write(thread, DebugRegisters::default());
    }
}

fn write(thread: &mut Thread, wanted: DebugRegisters) -> Result<(), rustix::io::Errno> {
    if thread.watches == wanted {
        return Ok(());
    }
    sys::set_debug_registers(thread.tid, &thread.watches, &wanted)?;
    thread.watches = wanted;
    Ok(())
}

fn unwatchable(site: &Site, why: Unwatchable) -> Fault {
    let (address, len) = (Address::new(site.address), site.len);
    match why {
        Unwatchable::Length => {
            let detail = format!(
                "the CPU watches 1, 2, 4 or 8 bytes, and one byte of an instruction, not {len}"
            );
            Fault::new(ErrorCode::Unsupported, detail)
        }
        Unwatchable::Alignment => {
            let detail =
                format!("{len} bytes at {address} cannot be watched; they are not aligned");
            Fault::new(ErrorCode::Unsupported, detail)
        }
        Unwatchable::Full => {
            let detail =
                format!("all {PLACES} places that the CPU can watch are in use; remove one first");
            Fault::new(ErrorCode::LimitReached, detail)
        }
        Unwatchable::Crowded => {
            let detail =
                format!("{address} is watched by {REASONS_MAX} sites already; remove one first");
            Fault::new(ErrorCode::LimitReached, detail)
        }
    }
}
