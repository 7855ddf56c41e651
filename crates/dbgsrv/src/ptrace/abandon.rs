//! Targets that a client leaves stopped, and another one takes over. They stay this session's in
//! between: a tracee cannot be handed to another process without running.

use std::sync::PoisonError;

use dbgbase::{Pid, StopReason, TargetId};
use dbgwire::verbs::process::ClaimReply;
use dbgwire::{ErrorCode, Fault};

use super::SharedTarget;
use super::policy::Policy;
use super::procfs;
use super::site::Reason;
use super::syscalls::Caught;
use super::target::Target;
use super::tracer::Tracer;
use super::watch::WatchTable;
use crate::terminal::Terminal;

impl Tracer {
    /// Leaves a target stopped. The client's sites are removed, and what it wanted to be told of is
    /// forgotten; signals that it was told of are delivered when the target runs on.
    pub(super) fn abandon(&mut self, id: TargetId) -> Result<(), Fault> {
        let target = self.stopped(id)?;
        target.is_abandoned = true;
        target.policy = Policy::initial();
        target.caught = Caught::default();
        // The threads get to know of it before they run.
        target.watches = WatchTable::default();
        if let Some(terminal) = &target.terminal {
            terminal.hold();
        }
        for thread in target.threads.values_mut() {
            thread.hold_injected();
        }
        let addresses = target.memory.lock().sites.addresses();
        for address in addresses {
            self.disarm(id, address, |reason| matches!(reason, Reason::Client { .. }));
        }
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        Ok(())
    }

    /// Gives the client a target that was abandoned here. Its stop is told anew, with everything.
    pub(super) fn claim(&mut self, pid: Pid) -> Result<ClaimReply, Fault> {
        let is_wanted = |target: &&mut Target| target.pid == pid && target.is_abandoned;
        let Some(target) = self.targets.values_mut().find(is_wanted) else {
            return Err(self.not_abandoned(pid));
        };
        target.is_abandoned = false;
        target.modules_changed = true;
        target.born = target.tids();
        target.ended.clear();
        if let Some(terminal) = &target.terminal {
            terminal.tell(target.id);
        }
        let shared = SharedTarget {
            pid,
            memory: std::sync::Arc::clone(&target.memory),
            recent: std::sync::Arc::clone(&target.recent),
            pty: target.terminal.as_ref().map(Terminal::pty),
        };
        let (id, created) = (target.id, target.is_created);
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).insert(id, shared);
        self.tell_stop(id, StopReason::Attached);
        Ok(ClaimReply { target: id.value(), created, ..ClaimReply::default() })
    }

    /// The processes that were abandoned here.
    pub(super) fn abandoned(&self) -> Vec<Pid> {
        let abandoned = self.targets.values().filter(|target| target.is_abandoned);
        abandoned.map(|target| target.pid).collect()
    }

    /// Why a process cannot be claimed.
    fn not_abandoned(&self, pid: Pid) -> Fault {
        if let Some(target) = self.target_of(pid) {
            let detail = format!("process {pid} is target {} of this session", target.id);
            return Fault::new(ErrorCode::AlreadyTraced, detail);
        }
        match super::attach::check_attachable(pid) {
            Ok(_) => {
                let name = procfs::stat(pid).map_or_else(String::new, |stat| stat.name);
                let detail = format!(
                    "process {pid} ({name}) has not been abandoned; nobody debugs it, so it can be \
                     attached to"
                );
                Fault::new(ErrorCode::NoSuchProcess, detail)
            }
            Err(fault) if fault.code == ErrorCode::AlreadyTraced => {
                let detail = format!(
                    "{}; only a process that was abandoned can be taken over, through the same \
                     server, once the client that abandoned it has gone",
                    fault.detail
                );
                Fault::new(ErrorCode::AlreadyTraced, detail)
            }
            Err(fault) => fault,
        }
    }
}
