//! Stepping over sites out of line: instructions are carried to slots, threads sent there, and
//! those that stop there taken out again before anybody sees them. Tracer thread only.
//!
//! Nobody waits: the site stays armed, and the other threads run on. What cannot be carried is
//! executed in its own place, as `settle` does.

use dbgbase::{Address, AddressRange, Arch, GeneralRegisters, TargetId, Tid};

use super::arm::reach;
use super::displace::{self, Displaced, INSTRUCTION_LEN_MAX, Progress, SLOT_LEN, WayOut};
use super::elf::MappedImage;
use super::memory::Inner;
use super::probe::Step;
use super::procfs;
use super::site::Carried;
use super::slots::Slot;
use super::sys;
use super::target::Target;
use super::thread::{How, State, Thread};
use super::tracer::Tracer;
use super::wait::Stop;
use crate::journal::Entry;

impl Tracer {
    /// Carries the instruction under a site to a slot, if that has not been tried. The journal has
    /// it before it is written.
    pub(super) fn carry(&mut self, id: TargetId, site: Address) {
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else { return };
        let is_new = |memory: &Inner| {
            memory.sites.get(site).is_some_and(|site| site.carried == Carried::Untried)
        };
        if !is_new(&target.memory.lock()) {
            return;
        }
        let gap = gap_behind_code(target, site);
        let has_shadow_stack = has_shadow_stack(target);
        let mut memory = target.memory.write();
        let mut carried = Carried::InPlace;
        if let Some(gap) = gap
            && let Some((at, displaced)) = find_place(&memory, arch, gap, site, has_shadow_stack)
        {
            let entry = Entry::Slot {
                pid: target.pid,
                start_time: target.start_time,
                address: at,
                site,
                outline: displaced.outline.to_words(),
            };
            // A journal without room keeps what is worse to lose.
            if let Ok(entry) = self.journal.add(entry) {
                reach(&mut self.probe, Step::SlotJournaled);
                let written = memory.poke(at, &displaced.code);
                reach(&mut self.probe, Step::SlotWritten);
                match written {
                    Ok(SLOT_LEN) => {
                        memory.sites.slots.add(at, Slot { site, displaced, entry });
                        carried = Carried::To(at);
                    }
                    _ => self.journal.remove(entry),
                }
            }
        }
        if let Some(site) = memory.sites.get_mut(site) {
            site.carried = carried;
            site.was_carried = matches!(carried, Carried::To(_));
        }
    }

    /// Takes the carried instruction of a site back. No thread stands in its slot: none does that
    /// has stopped.
    pub(super) fn uncarry(&mut self, id: TargetId, site: Address) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        // A thread that makes a system call for the debugger runs, and not through here.
        let is_quiet = !target.threads.values().any(|thread| thread.is_in_slot);
        let mut memory = target.memory.write();
        let Some(found) = memory.sites.get_mut(site) else { return };
        let (Carried::To(at) | Carried::Stale(at)) =
            std::mem::replace(&mut found.carried, Carried::Untried)
        else {
            return;
        };
        let Some(slot) = memory.sites.slots.remove(at) else { return };
        let mut now = [0; SLOT_LEN];
        let is_ours = memory.peek(at, &mut now).is_ok() && now == slot.displaced.code;
        // A thread that could not be stopped may be on its way through; it does no harm to leave
        // what leads it out.
        if is_ours && is_quiet {
            let _ = memory.poke(at, &[0; SLOT_LEN]);
        }
        reach(&mut self.probe, Step::SlotEmptied);
        self.journal.remove(slot.entry);
    }

    /// The same if the slot is gone with the memory that it was in, and no thread can be there.
    pub(super) fn uncarry_lost(&mut self, id: TargetId, site: Address) {
        let Some(target) = self.targets.get(&id) else { return };
        let memory = target.memory.lock();
        let carried = memory.sites.get(site).map(|site| site.carried);
        let Some(Carried::To(at) | Carried::Stale(at)) = carried else { return };
        let mut now = [0; SLOT_LEN];
        let is_there =
            memory.sites.slots.get(at).is_some_and(|slot| {
                memory.peek(at, &mut now).is_ok() && now == slot.displaced.code
            });
        drop(memory);
        if !is_there {
            self.uncarry(id, site);
        }
    }

    /// The same for every site.
    pub(super) fn uncarry_all(&mut self, id: TargetId) {
        let addresses = self.targets.get(&id).map(|target| target.memory.lock().sites.addresses());
        for address in addresses.unwrap_or_default() {
            self.uncarry(id, address);
        }
    }

    /// A thread has stopped that was sent to a slot: if it is still there it is taken out. Whether
    /// it has been let go again instead, to make a step whole.
    ///
    /// Nothing has happened yet, or the instruction is done; a thread is in the middle of one only
    /// between the two halves of a call.
    pub(super) fn leave_slot(&mut self, id: TargetId, tid: Tid, stop: Stop, how: How) -> bool {
        let arch = self.arch;
        let Some(target) = self.targets.get_mut(&id) else { return false };
        let Some(thread) = target.threads.get_mut(&tid).filter(|thread| thread.is_in_slot) else {
            return false;
        };
        let Ok(mut registers) = sys::registers(tid, arch) else { return false };
        let at = registers.pc();
        let Some(way_out) = target.memory.lock().sites.slots.way_out(at) else {
            thread.is_in_slot = false;
            return false;
        };
        let is_stepped = how == How::Step
            && stop == Stop::Signal(dbgbase::Signal::SIGTRAP)
            && sys::siginfo(tid).is_ok_and(|info| info.is_step());
        if is_stepped && way_out.progress == Progress::Pushed && sys::step(tid, None).is_ok() {
            thread.state = State::Running { how, is_interrupted: false };
            return true;
        }
        thread.is_in_slot = false;
        lead_out(tid, &mut registers, way_out);
        if let Progress::Before | Progress::Pushed = way_out.progress {
            thread.passed = Some(way_out.pc);
            thread.is_unfinished = is_stepped;
        }
        move_fault(tid, stop, at, way_out.pc);
        false
    }
}

/// Leads a stopped thread out of the slot in which it stands.
pub(super) fn lead_out(tid: Tid, registers: &mut GeneralRegisters, way_out: WayOut) {
    registers.set_pc(way_out.pc);
    let sp = registers.sp().wrapping_offset(way_out.sp_offset as i64);
    registers.set(registers.arch().sp(), sp.value());
    // It fails only for a thread that has just been killed.
    let _ = sys::set_registers(tid, registers);
}

/// Where a signal says that the instruction in the slot has raised it, its own place is said.
pub(super) fn move_fault(tid: Tid, stop: Stop, from: Address, to: Address) {
    if let Stop::Signal(_) = stop
        && let Ok(info) = sys::siginfo(tid)
        && info.is_fault()
        && info.address() == Some(from)
    {
        let _ = sys::set_siginfo(tid, &info.with_address(to));
    }
}

/// Sends a stopped thread, which stands at a carried site, to the slot. Whether it is there now.
pub(super) fn send(
    thread: &mut Thread,
    memory: &Inner,
    registers: &GeneralRegisters,
    site: Address,
) -> bool {
    let mut registers = *registers;
    let Some(Carried::To(at)) = memory.sites.get(site).map(|site| site.carried) else {
        return false;
    };
    let Some(slot) = memory.sites.slots.get(at) else { return false };
    // The program may have changed its code behind the trap instruction.
    let mut now = [0; INSTRUCTION_LEN_MAX];
    let len = usize::from(slot.displaced.outline.instruction_len);
    let (Some(now), Some(then)) = (now.get_mut(..len), slot.displaced.instruction.get(..len))
    else {
        return false;
    };
    if memory.peek(site, now).is_err() {
        return false;
    }
    memory.sites.hide(site, now);
    registers.set_pc(at);
    thread.is_in_slot = now == then && sys::set_registers(thread.tid, &registers).is_ok();
    thread.is_in_slot
}

/// The first free place of a gap that has nothing but zeros, with the instruction as it is there.
fn find_place(
    memory: &Inner,
    arch: Arch,
    gap: AddressRange,
    site: Address,
    has_shadow_stack: bool,
) -> Option<(Address, Displaced)> {
    let mut code = [0; INSTRUCTION_LEN_MAX];
    let code = memory.peek_head(site, &mut code);
    memory.sites.hide(site, code);
    let is_empty = |at: &Address| {
        let mut found = [0xff; SLOT_LEN];
        memory.peek(*at, &mut found).is_ok() && found == [0; SLOT_LEN]
    };
    let at = memory.sites.slots.free_in(gap, site).find(is_empty)?;
    let displaced = displace::displace(arch, code, site, at, has_shadow_stack)?;
    Some((at, displaced))
}

/// The bytes between the end of the code of the image that has this address and the end of its
/// mapping: they belong to nobody.
fn gap_behind_code(target: &Target, site: Address) -> Option<AddressRange> {
    let maps = procfs::parse_maps(&procfs::read_shared(target.pid, "maps"));
    let code = maps.iter().find(|mapping| mapping.range.contains(site))?;
    if !code.name.starts_with(b"/") || code.protection & 4 == 0 {
        return None;
    }
    let is_start = |mapping: &&procfs::Mapping| {
        mapping.name == code.name && mapping.offset == 0 && mapping.range.start() <= site
    };
    let base = maps.iter().rfind(is_start)?.range.start();
    let end = MappedImage::at(&*target.memory, base)?.code_end(site)?;
    AddressRange::new(end, code.range.end()).filter(|gap| gap.len_bytes() < 4096)
}

/// Whether calls of this process are checked by the CPU (proc_pid_status(5),
/// `x86_Thread_features`).
fn has_shadow_stack(target: &Target) -> bool {
    let status = procfs::read_shared(target.pid, "status");
    let status = String::from_utf8_lossy(&status);
    let features = procfs::status_field(&status, "x86_Thread_features");
    features.is_some_and(|features| features.contains("shstk"))
}
