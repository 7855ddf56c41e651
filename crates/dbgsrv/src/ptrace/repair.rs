//! Repairing the targets of a session process that was killed, from its journal: their code first,
//! as every moment counts, then what the kernel keeps of a tracer in their threads. It knows the
//! journal and processes, and nothing of targets as a living session has them.
//!
//! When a tracer is killed the kernel lets its tracees run on at once, also those that a client has
//! stopped. A signal whose stop the tracer had heard of is then dropped; one that is a trap of the
//! debugger's own is well lost, others are sent anew. Whatever executes a trap instruction from
//! then on dies of it, so this is a race that code which runs all the time may lose.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use dbgbase::{Address, Arch, Pid, Signal, Tid};
use rustix::event::Timespec;
use rustix::io::Errno;

use super::carry;
use super::displace::{Outline, SLOT_LEN};
use super::inject::context::{Context, Parts};
use super::procfs;
use super::sys;
use super::wait::{self, Stop, WaitStatus};
use crate::journal::{BYTES_MAX, Entry, Journal};

/// How long the kernel may take to let the tracees of a killed process go, and they to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before looking again, for what nobody announces.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000 };

/// What was found, and mended, in one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repaired {
    /// The process.
    pub pid: Pid,
    /// How many changes of its code were taken back.
    pub sites: usize,
    /// Whether it was still there when that was done.
    pub is_alive: bool,
}

/// A change of code.
struct Change {
    address: Address,
    original: [u8; BYTES_MAX],
    len: usize,
    /// Whether nothing is left to do about it.
    is_settled: bool,
}

/// An instruction that was carried to unused bytes.
struct CarriedTo {
    address: Address,
    site: Address,
    outline: Outline,
}

/// A process to repair.
struct Patient {
    pid: Pid,
    changes: Vec<Change>,
    slots: Vec<CarriedTo>,
    /// Signals that were taken and not given to their threads.
    signals: Vec<(Tid, Signal)>,
    /// Parts of the states of threads that were doing something for the debugger.
    parts: Parts,
    /// Those states.
    contexts: Vec<(Tid, Context)>,
}

impl Patient {
    fn new(pid: Pid) -> Patient {
        Patient {
            pid,
            changes: Vec::new(),
            slots: Vec::new(),
            signals: Vec::new(),
            parts: Parts::default(),
            contexts: Vec::new(),
        }
    }
}

/// Takes back what the journal of a killed session process says was changed, in every process that
/// still is the one it was.
///
/// **Shape**: one element for each target of the session, in no order; none if it left all of them.
/// **Threads**: becomes the tracer of their threads for a moment; the calling thread must have no
/// other tracees, and no children.
/// **Source**: ptrace(2), "Death under ptrace"; exit_ptrace does not clear the trap flag.
pub fn repair(journal: &Journal, session: Pid) -> Vec<Repaired> {
    let mut patients = patients(journal);
    let mut repaired = Vec::new();
    for patient in &mut patients {
        repaired.push(Repaired { pid: patient.pid, sites: restore_code(patient), is_alive: false });
    }
    for (patient, result) in patients.iter_mut().zip(&mut repaired) {
        result.sites += release_threads(patient, session);
        for (tid, signal) in &patient.signals {
            // The only failure is ESRCH: the thread has ended.
            let _ = sys::signal_thread(patient.pid, *tid, *signal);
        }
        result.is_alive = procfs::living_thread(patient.pid).is_some();
    }
    repaired
}

fn patients(journal: &Journal) -> Vec<Patient> {
    let mut patients: HashMap<Pid, Patient> = HashMap::new();
    let mut is_same: HashMap<Pid, bool> = HashMap::new();
    for entry in journal.entries() {
        let (pid, start_time) = entry.process();
        let lives = || procfs::stat(pid).is_some_and(|stat| stat.start_time == start_time);
        if !*is_same.entry(pid).or_insert_with(lives) {
            continue;
        }
        let patient = patients.entry(pid).or_insert_with(|| Patient::new(pid));
        match entry {
            Entry::Target { .. } => {}
            Entry::Bytes { address, original, len, .. } => {
                patient.changes.push(Change { address, original, len, is_settled: false });
            }
            Entry::Slot { address, site, outline, .. } => {
                let outline = Outline::from_words(outline);
                patient.slots.push(CarriedTo { address, site, outline });
            }
            Entry::Signal { tid, signal, .. } => patient.signals.push((tid, signal)),
            Entry::Context { tid, part, count, words, .. } => {
                patient.parts.add(tid, part, count, words);
            }
        }
    }
    let mut patients: Vec<Patient> = patients.into_values().collect();
    if let Some(arch) = Arch::native() {
        for patient in &mut patients {
            patient.contexts = std::mem::take(&mut patient.parts).contexts(arch);
        }
    }
    patients
}

/// Puts the program's bytes back wherever a trap instruction is in their place. In how many places;
/// those that the system does not let us write to yet are tried again by the next call.
fn restore_code(patient: &mut Patient) -> usize {
    if patient.changes.iter().all(|change| change.is_settled) {
        return 0;
    }
    let memory = procfs::living_thread(patient.pid).and_then(open_memory);
    let (Some(memory), Some(arch)) = (memory, Arch::native()) else { return 0 };
    let mut count = 0;
    for change in patient.changes.iter_mut().filter(|change| !change.is_settled) {
        let mut found = [0; BYTES_MAX];
        let (Some(found), Some(original)) =
            (found.get_mut(..change.len), change.original.get(..change.len))
        else {
            continue;
        };
        let at = change.address.value();
        let is_ours = memory.read_exact_at(found, at).is_ok() && found == arch.trap_instruction();
        let is_restored = is_ours && memory.write_all_at(original, at).is_ok();
        count += usize::from(is_restored);
        // Memory that has been given back, or to another program, is not ours to mend.
        change.is_settled = is_restored || !is_ours;
    }
    count
}

fn open_memory(tid: Tid) -> Option<File> {
    File::options().read(true).write(true).open(format!("/proc/{tid}/mem")).ok()
}

/// Takes trap flag and debug registers out of every thread, and those back that have executed a
/// trap instruction. Threads that do not stop in time are left. In how many places code was still
/// to be restored.
fn release_threads(patient: &mut Patient, session: Pid) -> usize {
    let mut sites = 0;
    let deadline = Instant::now() + PATIENCE;
    let mut waiting: Vec<Tid> = procfs::tids(patient.pid).unwrap_or_default();
    let mut stopping = 0_usize;
    // Until the killed process is gone altogether its tracees are still its own.
    while Instant::now() < deadline {
        waiting.retain(|tid| match sys::seize_plainly(*tid) {
            Ok(()) => {
                // The only failure is ESRCH: it has just been killed.
                let _ = sys::interrupt(*tid);
                stopping += 1;
                false
            }
            Err(Errno::PERM) => is_still_held(*tid, session),
            Err(_) => false,
        });
        while let Some((tid, status)) = wait::next_report() {
            if let WaitStatus::Stopped(stop) = status {
                // Where only a tracer may write to code, this is the first chance.
                sites += restore_code(patient);
                if !release(patient, tid, stop) {
                    continue;
                }
            }
            stopping = stopping.saturating_sub(1);
        }
        if waiting.is_empty() && stopping == 0 {
            // No thread is in one any more, and none comes: the sites are gone.
            empty_slots(patient);
            break;
        }
        // Nothing tells when the kernel lets the tracees go.
        let _ = rustix::event::poll(&mut [], Some(&INTERVAL));
    }
    sites
}

/// Whether a thread could not be seized only because the killed process is not gone altogether.
/// Somebody else who has taken it meanwhile is responsible for it; one that has gone before this
/// could ask who it was is none.
fn is_still_held(tid: Tid, session: Pid) -> bool {
    let process = |tracer: u32| procfs::process_of(Tid::new(tracer));
    procfs::tracer_of(tid).and_then(process).is_none_or(|process| process == session)
}

/// Lets one stopped thread go, clean. Whether it could be; otherwise it will stop once more.
///
/// A step into a system call ends where our interruption ends the call; its SIGTRAP is reported
/// after that, and so is a fault of a function that the debugger has called. Left pending, they
/// would kill. A fault of the program's own from before the call is raised again.
fn release(patient: &Patient, tid: Tid, stop: Stop) -> bool {
    let context = patient.contexts.iter().find(|(of, _)| *of == tid);
    let hides_fault =
        || sys::has_pending_trap(tid) || context.is_some() && !sys::pending_faults(tid).is_empty();
    if !matches!(stop, Stop::Signal(_)) && hides_fault() {
        return sys::cont(tid, None).is_err();
    }
    sys::clear_debug_registers(tid);
    leave_slot(patient, tid, stop);
    let was_busy = context.is_some_and(|(_, context)| context.repair(patient.pid, tid));
    let signal = match stop {
        // What the CPU raised in what the debugger had it do is not the program's.
        Stop::Signal(_) if was_busy && sys::siginfo(tid).is_ok_and(|info| info.is_fault()) => None,
        Stop::Signal(signal) if signal == Signal::SIGTRAP && is_of_the_debugger(patient, tid) => {
            None
        }
        Stop::Signal(signal) => Some(signal),
        _ => None,
    };
    // The kernel takes the trap flag back that it has set (ptrace(2), PTRACE_DETACH).
    let _ = sys::detach(tid, signal);
    true
}

/// Whether the SIGTRAP that a thread is about to be given comes from a site, whose instruction it
/// then has still to execute, or from a step.
fn is_of_the_debugger(patient: &Patient, tid: Tid) -> bool {
    let Some(arch) = Arch::native() else { return false };
    let (Ok(info), Ok(mut registers)) = (sys::siginfo(tid), sys::registers(tid, arch)) else {
        return false;
    };
    if info.is_step() {
        return true;
    }
    let at = registers.pc().wrapping_offset(-(arch.pc_after_trap_bytes() as i64));
    let is_site = info.code() > 0 && patient.changes.iter().any(|change| change.address == at);
    if is_site {
        registers.set_pc(at);
        // It fails only for a thread that has just been killed.
        let _ = sys::set_registers(tid, &registers);
    }
    is_site
}

/// Takes a stopped thread out of the slot in which it stands, if it does.
fn leave_slot(patient: &Patient, tid: Tid, stop: Stop) {
    if patient.slots.is_empty() {
        return;
    }
    let Some(arch) = Arch::native() else { return };
    let Ok(mut registers) = sys::registers(tid, arch) else { return };
    let at = registers.pc();
    let way_out = patient.slots.iter().find_map(|slot| {
        let offset = at.offset_from(slot.address).filter(|offset| *offset < SLOT_LEN as u64)?;
        slot.outline.way_out(slot.site, offset)
    });
    if let Some(way_out) = way_out {
        carry::lead_out(tid, &mut registers, way_out);
        carry::move_fault(tid, stop, at, way_out.pc);
    }
}

/// Puts zeros back where instructions were carried to.
fn empty_slots(patient: &Patient) {
    let Some(memory) = procfs::living_thread(patient.pid).and_then(open_memory) else { return };
    for slot in &patient.slots {
        let at = slot.address.value();
        let mut code = [0; SLOT_LEN];
        if memory.read_exact_at(&mut code, at).is_ok() && slot.outline.is_of(&code) {
            // What cannot be written leads out whoever comes there, and nobody does.
            let _ = memory.write_all_at(&[0; SLOT_LEN], at);
        }
    }
}
