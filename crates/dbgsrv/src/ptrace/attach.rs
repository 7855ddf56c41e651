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
use super::policy::Policy;
use super::procfs;
use super::sys;
use super::syscalls::Caught;
use super::target::{Asked, Phase, Target};
use super::thread::{State, Thread, Wish};
use super::tracer::Tracer;
use crate::journal::Entry;

/// How often the thread list is read again before the attempt is given up. Threads that we have
/// seized bring their children with them, so a pass finds new threads only while one that we have
/// not met is making them.
const PASSES_MAX: u32 = 1000;

impl Tracer {
    /// Seizes every thread of a process and asks it to stop. The stop follows as an event.
    ///
    /// **Errors**: [`ErrorCode::NoSuchProcess`], [`ErrorCode::AlreadyTraced`],
    /// [`ErrorCode::NotPermitted`], each naming the rule that applied.
    /// **Source**: ptrace(2), `PTRACE_SEIZE`.
    pub(super) fn attach(&mut self, pid: Pid) -> Result<AttachReply, Fault> {
        if let Some(target) = self.target_of(pid) {
            let detail = match target.is_abandoned {
                true => format!("process {pid} was abandoned here; take it over instead"),
                false => format!("process {pid} is target {} of this session already", target.id),
            };
            return Err(Fault::new(ErrorCode::AlreadyTraced, detail));
        }
        let start_time = check_attachable(pid)?;
        // The leader, unless it has ended before the others.
        let first = procfs::living_thread(pid).unwrap_or(Tid::from(pid));
        sys::seize(first).map_err(|errno| refusal(pid, errno))?;
        let _ = sys::interrupt(first);
        let id = match self.begin_target(pid, first, start_time, false) {
            Ok(id) => id,
            Err(fault) => {
                // A seized thread can be detached only from a stop; it is stopped for a moment.
                self.departing.insert(first, Departing::Abandoned);
                return Err(fault);
            }
        };
        self.add_seized(id, first);
        self.seize_listed(id, pid);
        self.set_phase(id, Phase::Stopping);
        self.dirty.insert(id);
        Ok(AttachReply { target: id.value() })
    }

    /// Looks once more for threads, now that all those that we know stand still. Whether there are
    /// any that have yet to stop.
    ///
    /// The thread list is not read in one moment: when threads are born and die meanwhile, it may
    /// leave some out (proc_pid_task(5)). With all threads but the missed ones standing still, it
    /// leaves out none.
    pub(super) fn seize_missed(&mut self, id: TargetId) -> bool {
        let Some(target) = self.targets.get(&id) else { return false };
        let pid = target.pid;
        self.seize_listed(id, pid);
        self.targets.get(&id).is_some_and(|target| !target.all_stopped())
    }

    /// Seizes thread after thread, until a pass over the thread list finds nothing new.
    fn seize_listed(&mut self, id: TargetId, pid: Pid) {
        let mut dead: BTreeSet<Tid> = BTreeSet::new();
        for _ in 0..PASSES_MAX {
            let mut is_new = false;
            for tid in procfs::tids(pid).unwrap_or_default() {
                if self.owner.contains_key(&tid) || dead.contains(&tid) {
                    continue;
                }
                match sys::seize(tid) {
                    Ok(()) => {
                        let _ = sys::interrupt(tid);
                    }
                    // A child of a thread we have seized is seized with it, and stops by itself.
                    Err(Errno::PERM) if is_ours(tid) => {}
                    Err(_) => {
                        dead.insert(tid);
                        continue;
                    }
                }
                is_new = true;
                self.add_seized(id, tid);
            }
            if !is_new {
                return;
            }
        }
    }

    fn add_seized(&mut self, id: TargetId, tid: Tid) {
        self.owner.insert(tid, id);
        if let Some(target) = self.targets.get_mut(&id) {
            let mut thread = Thread::running(tid, Wish::Run);
            thread.state = State::Running { how: super::thread::How::Free, is_interrupted: true };
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
            Fault::new(ErrorCode::NotPermitted, format!("memory of process {pid}: {error}"))
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
            vforks: 0,
            born: Vec::new(),
            ended: Vec::new(),
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

/// Whether a thread is traced by this process.
fn is_ours(tid: Tid) -> bool {
    let Some(tracer) = procfs::tracer_of(tid) else {
        return false;
    };
    // TracerPid names the tracing thread; it is ours if this process has it.
    std::path::Path::new(&format!("/proc/self/task/{tracer}")).exists()
}

/// Looks at what can be known before a process is seized. Its start time, if nothing speaks against
/// it.
pub(super) fn check_attachable(pid: Pid) -> Result<u64, Fault> {
    let no_process = || Fault::new(ErrorCode::NoSuchProcess, format!("there is no process {pid}"));
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|_| no_process())?;
    let number = |key| {
        procfs::status_field(&text, key).and_then(|value| value.parse::<u32>().ok()).unwrap_or(0)
    };
    let leader = number("Tgid");
    if leader != pid.value() {
        let detail = format!("{pid} is a thread of process {leader}; attach to that");
        return Err(Fault::new(ErrorCode::NoSuchProcess, detail));
    }
    if pid.value() == std::process::id() {
        let detail = format!("process {pid} is this session itself");
        return Err(Fault::new(ErrorCode::NotPermitted, detail));
    }
    // Stopped, it could neither ask for anything nor end the session.
    if pid.value() == std::os::unix::process::parent_id() {
        let detail = format!("process {pid} has started this session; use another server for it");
        return Err(Fault::new(ErrorCode::NotPermitted, detail));
    }
    let stat = procfs::stat(pid).ok_or_else(no_process)?;
    if procfs::living_thread(pid).is_none() {
        let detail = format!("process {pid} ({}) has ended and waits to be reaped", stat.name);
        return Err(Fault::new(ErrorCode::NoSuchProcess, detail));
    }
    if procfs::is_32_bit(pid) {
        let detail = format!("process {pid} ({}) is a 32-bit program", stat.name);
        return Err(Fault::new(ErrorCode::Unsupported, detail));
    }
    match number("TracerPid") {
        0 => Ok(stat.start_time),
        tracer => {
            let by = who_debugs(Tid::new(tracer));
            let detail = format!("process {pid} ({}) is being debugged already, {by}", stat.name);
            Err(Fault::new(ErrorCode::AlreadyTraced, detail))
        }
    }
}

/// Why PTRACE_SEIZE was refused, in words that name the rule (ptrace(2), "Ptrace access mode
/// checking").
fn refusal(pid: Pid, errno: Errno) -> Fault {
    if errno == Errno::SRCH {
        return Fault::new(ErrorCode::NoSuchProcess, format!("there is no process {pid}"));
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let is_kernel_thread = procfs::read(pid, "cmdline").is_ok_and(|line| line.is_empty())
        && procfs::link(pid, "exe").is_none()
        && procfs::status_field(&status, "VmSize").is_none();
    let owner = procfs::status_field(&status, "Uid")
        .and_then(|uids| uids.split_ascii_whitespace().next())
        .and_then(|uid| uid.parse::<u32>().ok());
    let ours = rustix::process::geteuid().as_raw();
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let why = if is_kernel_thread {
        "it is a thread of the kernel".to_owned()
    } else if ours != 0 && owner.is_some_and(|uid| uid != ours) {
        let owner = owner.unwrap_or_default();
        format!("it belongs to uid {owner} and the server runs as uid {ours}")
    } else if ours != 0 && matches!(yama.trim(), "1" | "2" | "3") {
        format!("kernel.yama.ptrace_scope is {}", yama.trim())
    } else {
        format!("the system says: {errno}")
    };
    Fault::new(ErrorCode::NotPermitted, format!("attach to process {pid}: not permitted; {why}"))
        .with_errno(errno.raw_os_error())
}
