//! Making a running process a target: all its threads, also those that are born meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use dbgbase::{Pid, StopNumber, TargetId, Tid};
use dbgwire::verbs::process::AttachReply;
use dbgwire::{ErrorCode, Fault};
use rustix::io::Errno;

use super::SharedTarget;
use super::children::Departing;
use super::debugger::who_debugs;
use super::memory::TargetMemory;
use super::modules::announce::Modules;
use super::policy::Policy;
use super::procfs;
use super::refusal::facts;
use super::sys;
use super::syscalls::Caught;
use super::target::{Asked, Phase, Target, Unwanted};
use super::thread::{State, Thread, Wish};
use super::tracer::Tracer;
use super::watch::WatchTable;
use crate::journal::Entry;

/// How often the thread list is read again before the attempt is given up. Threads that we have
/// seized bring their children with them, so a pass finds new threads only while one that we have
/// not met is making them.
const PASSES_MAX: u32 = 1000;

/// How often a thread is tried that cannot be seized.
const ATTEMPTS_MAX: u32 = 3;

impl Tracer {
    /// Seizes every thread of a process and asks it to stop. The stop follows as an event.
    ///
    /// **Errors**: [`ErrorCode::NoSuchProcess`], [`ErrorCode::AlreadyTraced`],
    /// [`ErrorCode::NotPermitted`], [`ErrorCode::Unsupported`], [`ErrorCode::LimitReached`], each
    /// naming the rule that applied.
    /// **Source**: ptrace(2), `PTRACE_SEIZE`.
    pub(super) fn attach(&mut self, pid: Pid) -> Result<AttachReply, Fault> {
        if let Some(target) = self.target_of(pid) {
            return Err(Fault::new(ErrorCode::AlreadyTraced, whose(target)));
        }
        let start_time = check_attachable(pid)?;
        // The leader, unless it has ended before the others.
        let leader = Tid::from(pid);
        let first = procfs::living_thread(pid).unwrap_or(leader);
        let id = match self.attach_first(pid, first, start_time) {
            Err(fault) if first == leader && fault.code == ErrorCode::NoSuchProcess => {
                // Or ends at this moment.
                let tids = procfs::tids(pid).unwrap_or_default();
                let other = tids.into_iter().find(|tid| *tid != leader).ok_or(fault)?;
                let id = self.attach_first(pid, other, start_time)?;
                if self.departing.remove(&leader).is_some() {
                    self.add_seized(id, leader);
                }
                id
            }
            begun => begun?,
        };
        self.set_phase(id, Phase::Stopping);
        self.dirty.insert(id);
        if let Err(fault) = self.seize_listed(id, pid) {
            self.let_go(id, Unwanted::Refused);
            return Err(fault);
        }
        Ok(AttachReply { target: id.value() })
    }

    /// Makes a process a target by one thread of it.
    fn attach_first(&mut self, pid: Pid, first: Tid, start_time: u64) -> Result<TargetId, Fault> {
        seize_first(pid, first)?;
        let _ = sys::interrupt(first);
        let begun = check_seized(pid, first, start_time)
            .and_then(|()| self.begin_target(pid, first, start_time, false));
        match begun {
            Ok(id) => self.add_seized(id, first),
            // A seized thread can be detached only from a stop; it is stopped for a moment.
            Err(_) => drop(self.departing.insert(first, Departing::Abandoned)),
        }
        begun
    }

    /// Looks once more for threads, now that all those that we know stand still. Whether there are
    /// any that have yet to stop. A target of which a thread cannot be had is let go, and the
    /// client told.
    ///
    /// The thread list is not read in one moment: when threads are born and die meanwhile, it may
    /// leave some out (proc_pid_task(5)). With all threads but the missed ones standing still, it
    /// leaves out none.
    pub(super) fn seize_missed(&mut self, id: TargetId) -> bool {
        let Some(target) = self.targets.get(&id) else { return false };
        let pid = target.pid;
        if let Err(fault) = self.seize_listed(id, pid) {
            self.let_go(id, Unwanted::Told(fault.detail));
            return true;
        }
        self.targets.get(&id).is_some_and(|target| !target.all_stopped())
    }

    /// Has a target left as soon as it stands still, because the session cannot debug it.
    pub(super) fn let_go(&mut self, id: TargetId, why: Unwanted) {
        let Some(target) = self.targets.get_mut(&id) else { return };
        target.unwanted = Some(why);
        target.asked.detach.get_or_insert(None);
        self.dirty.insert(id);
    }

    /// Seizes thread after thread, until a pass over the thread list finds nothing new.
    fn seize_listed(&mut self, id: TargetId, pid: Pid) -> Result<(), Fault> {
        let mut dead: BTreeSet<Tid> = BTreeSet::new();
        for _ in 0..PASSES_MAX {
            let tids = match procfs::tids(pid) {
                Ok(tids) => tids,
                // Its end is reported next.
                Err(error) if procfs::is_gone(&error) => return Ok(()),
                Err(error) => return Err(unreadable(pid, &error)),
            };
            let mut is_new = false;
            for tid in tids {
                if self.owner.contains_key(&tid) || dead.contains(&tid) {
                    continue;
                }
                if self.seize_thread(pid, tid)? {
                    is_new = true;
                    self.add_seized(id, tid);
                } else {
                    dead.insert(tid);
                }
            }
            if !is_new {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Seizes one thread of a process. Whether it is there to be seized: only one that is dead or
    /// gone is not.
    ///
    /// **Errors**: why it cannot be had, as another debugger that has this very thread.
    fn seize_thread(&mut self, pid: Pid, tid: Tid) -> Result<bool, Fault> {
        let mut attempts = ATTEMPTS_MAX;
        loop {
            let errno = match sys::seize(tid) {
                Ok(()) => {
                    let _ = sys::interrupt(tid);
                    let is_its = procfs::is_thread(pid, tid);
                    if !is_its {
                        // It has ended since it was listed, and somebody else has its number.
                        self.departing.insert(tid, Departing::Abandoned);
                    }
                    return Ok(is_its);
                }
                Err(errno) => errno,
            };
            // The kernel does not let the dead be seized, either.
            if errno == Errno::SRCH || procfs::is_zombie(pid, tid) {
                return Ok(false);
            }
            // A child of a thread we have seized is seized with it, and stops by itself.
            if errno == Errno::PERM && is_ours(tid) {
                return Ok(true);
            }
            let fault = facts::explain(pid, tid, errno);
            attempts -= 1;
            // What was in the way may have gone while it was looked at.
            if attempts == 0 || fault.code == ErrorCode::AlreadyTraced {
                return Err(fault);
            }
        }
    }

    fn add_seized(&mut self, id: TargetId, tid: Tid) {
        self.owner.insert(tid, id);
        if let Some(target) = self.targets.get_mut(&id) {
            let mut thread = Thread::running(tid, Wish::Run);
            thread.state = State::Running { how: super::thread::How::Free, is_interrupted: true };
            // By a debugger that was killed, and whose guardian we have come before.
            thread.has_stepped = true;
            target.add_thread(thread);
        }
    }

    /// A new target without threads, in the journal before anything is done to it. Its memory is
    /// reached through a thread that lives.
    pub(super) fn begin_target(
        &mut self,
        pid: Pid,
        living: Tid,
        start_time: u64,
        is_created: bool,
    ) -> Result<TargetId, Fault> {
        let memory = TargetMemory::open(living, self.arch).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            facts::explain(pid, living, errno)
        })?;
        let entry = self
            .journal
            .add(Entry::Target { pid, start_time, created: is_created })
            .map_err(|_| Fault::new(ErrorCode::LimitReached, "the session's journal is full"))?;
        let id = self.next_target();
        let target = Target {
            id,
            pid,
            arch: self.arch,
            start_time,
            is_created,
            is_abandoned: false,
            shares_terminal: false,
            terminal: None,
            entry,
            signal_entries: Vec::new(),
            memory: Arc::new(memory),
            threads: std::collections::BTreeMap::new(),
            next_ordinal: 0,
            phase: Phase::Running,
            is_at_rest: false,
            continue_sent: false,
            asked: Asked::default(),
            stop: StopNumber::new(0),
            event_thread: Tid::from(pid),
            wish_of_newborn: Wish::Run,
            has_begun: false,
            awaits_initial_break: false,
            rendezvous: None,
            modules_changed: true,
            call: None,
            call_place: None,
            allocations: Vec::new(),
            modules: Modules::default(),
            vforks: 0,
            unwanted: None,
            born: Vec::new(),
            ended: Vec::new(),
            watches: WatchTable::default(),
            policy: Policy::initial(),
            caught: Caught::default(),
            recent: Arc::default(),
        };
        let shared = SharedTarget {
            pid,
            memory: Arc::clone(&target.memory),
            recent: Arc::clone(&target.recent),
            pty: None,
        };
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).insert(id, shared);
        self.targets.insert(id, target);
        Ok(id)
    }
}

/// Seizes the first thread of a process.
fn seize_first(pid: Pid, tid: Tid) -> Result<(), Fault> {
    let mut attempts = ATTEMPTS_MAX;
    loop {
        let Err(errno) = sys::seize(tid) else { return Ok(()) };
        let fault = facts::explain(pid, tid, errno);
        attempts -= 1;
        // A debugger that was in the way may have gone while it was looked at.
        if attempts == 0 || fault.code != ErrorCode::NotPermitted {
            return Err(fault);
        }
    }
}

/// Whether a thread is traced by this process.
fn is_ours(tid: Tid) -> bool {
    let Some(tracer) = procfs::tracer_of(tid) else {
        return false;
    };
    // TracerPid names the tracing thread; it is ours if this process has it.
    std::path::Path::new(&format!("/proc/self/task/{tracer}")).exists()
}

/// What a process is to this session that is a target of it.
fn whose(target: &Target) -> String {
    let (pid, id) = (target.pid, target.id);
    if target.is_abandoned {
        format!("process {pid} was abandoned here; take it over instead")
    } else if target.unwanted.is_some() {
        format!("process {pid} is being let go at this moment; try again")
    } else {
        format!("process {pid} is target {id} of this session already")
    }
}

/// Looks at what can be known before a process is seized. Its start time, if nothing speaks against
/// it.
pub(super) fn check_attachable(pid: Pid) -> Result<u64, Fault> {
    let text = find_process(pid)?;
    if pid.value() == std::process::id() {
        let detail = format!("process {pid} is this session itself; use another server for it");
        return Err(Fault::new(ErrorCode::NotPermitted, detail));
    }
    // Stopped, it could neither ask for anything nor end the session.
    if pid.value() == std::os::unix::process::parent_id() {
        let detail = format!("process {pid} has started this session; use another server for it");
        return Err(Fault::new(ErrorCode::NotPermitted, detail));
    }
    let stat = read_stat(pid)?;
    if procfs::living_thread(pid).is_none() {
        let detail = format!("process {pid} ({}) has ended and waits to be reaped", stat.name);
        return Err(Fault::new(ErrorCode::NoSuchProcess, detail));
    }
    check_program(pid, &stat.name)?;
    match status_number(&text, "TracerPid") {
        0 => Ok(stat.start_time),
        tracer => {
            let by = who_debugs(Tid::new(tracer));
            let detail = format!("process {pid} ({}) is being debugged already, {by}", stat.name);
            Err(Fault::new(ErrorCode::AlreadyTraced, detail))
        }
    }
}

/// The status file of a process (proc_pid_status(5)).
///
/// **Errors**: [`ErrorCode::NoSuchProcess`], also for a thread that does not lead its process;
/// [`ErrorCode::NotPermitted`] for one that /proc hides.
pub(crate) fn find_process(pid: Pid) -> Result<String, Fault> {
    let text = procfs::status(&format!("/proc/{pid}")).map_err(|error| unreadable(pid, &error))?;
    let leader = status_number(&text, "Tgid");
    if leader != pid.value() {
        let detail = format!("{pid} is a thread of process {leader}; name that");
        return Err(Fault::new(ErrorCode::NoSuchProcess, detail));
    }
    Ok(text)
}

fn status_number(text: &str, key: &str) -> u32 {
    procfs::status_field(text, key).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Looks once more at a process whose first thread is seized: since then nobody else can have its
/// number. That it is the one that was looked at before, its start time tells.
fn check_seized(pid: Pid, first: Tid, start_time: u64) -> Result<(), Fault> {
    let stat = read_stat(pid)?;
    if stat.start_time != start_time || !procfs::is_thread(pid, first) {
        let detail = format!(
            "process {pid} has ended, and ({}) has its number now; look for what you want anew",
            stat.name
        );
        return Err(Fault::new(ErrorCode::NoSuchProcess, detail));
    }
    check_program(pid, &stat.name)
}

fn check_program(pid: Pid, name: &str) -> Result<(), Fault> {
    match procfs::unsupported_program(pid) {
        None => Ok(()),
        Some(what) => {
            let detail = format!(
                "attach to process {pid} ({name}): it is {what}; this server debugs 64-bit ones"
            );
            Err(Fault::new(ErrorCode::Unsupported, detail))
        }
    }
}

fn read_stat(pid: Pid) -> Result<procfs::Stat, Fault> {
    let text = procfs::read(pid, "stat").map_err(|error| unreadable(pid, &error))?;
    procfs::parse_stat(&text).ok_or_else(|| unreadable(pid, &Errno::INVAL.into()))
}

/// The fault for a process of which /proc tells nothing.
fn unreadable(pid: Pid, error: &std::io::Error) -> Fault {
    if !procfs::is_gone(error) {
        let errno = error.raw_os_error().unwrap_or_default();
        let code = match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE) => ErrorCode::LimitReached,
            Some(Errno::PERM | Errno::ACCESS) => ErrorCode::NotPermitted,
            _ => ErrorCode::SystemError,
        };
        return Fault::new(code, format!("process {pid}: {error}")).with_errno(errno);
    }
    if facts::is_hidden(pid) {
        let detail = format!(
            "process {pid}: not permitted; it exists, and /proc hides it from this \
             server (proc(5), the mount option hidepid); run a server as its user, or in the group \
             that the option gid names"
        );
        return Fault::new(ErrorCode::NotPermitted, detail);
    }
    Fault::new(ErrorCode::NoSuchProcess, format!("there is no process {pid}"))
}
