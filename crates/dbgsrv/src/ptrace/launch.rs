//! Starting a program as a target, up to its initial break: the dynamic linker has mapped the
//! program's libraries, and none of their code or the program's has run; or, if its client wants it
//! so, not even the linker's.

use std::os::fd::OwnedFd;
use std::sync::PoisonError;

use dbgbase::{StopReason, TargetId, Tid};
use dbgwire::verbs::process::{Launch, LaunchReply, Terminal as TerminalKind};

use super::children::Departing;
use super::modules;
use super::procfs;
use super::refusal::facts;
use super::site::Reason;
use super::spawn;
use super::sys;
use super::target::{Launching, Phase};
use super::thread::{Thread, Wish};
use super::tracer::Tracer;
use crate::answer::Answer;
use crate::terminal::Terminal;

impl Tracer {
    /// Starts a program. The answer comes when it has been loaded, the initial break as an event.
    pub(super) fn launch(
        &mut self,
        launch: &Launch,
        may_share_terminal: bool,
        terminal: Option<(Terminal, OwnedFd)>,
        answer: Answer<LaunchReply>,
    ) {
        let (terminal, slave) = terminal.unzip();
        let child = match spawn::fork(launch, may_share_terminal, slave) {
            Ok(child) => child,
            Err(fault) => return answer.fault(fault),
        };
        let (pid, tid) = (child.pid, Tid::from(child.pid));
        let start_time = procfs::stat(pid).map_or(0, |stat| stat.start_time);
        let begun = sys::seize(tid)
            .map_err(|errno| facts::explain(pid, tid, errno))
            .and_then(|()| self.begin_target(pid, tid, start_time, true));
        let id = match begun {
            Ok(id) => id,
            Err(fault) => {
                // Without its pipe the child ends.
                drop(child);
                self.departing.insert(tid, Departing::Abandoned);
                return answer.fault(fault);
            }
        };
        self.owner.insert(tid, id);
        if let Some(target) = self.targets.get_mut(&id) {
            target.add_thread(Thread::running(tid, Wish::Run));
            target.shares_terminal = launch.terminal == TerminalKind::Shared as i32;
            if let Some(terminal) = terminal {
                terminal.tell(id);
                let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(shared) = shared.get_mut(&id) {
                    shared.pty = Some(terminal.pty());
                }
                target.terminal = Some(terminal);
            }
            target.phase = Phase::Launching(Launching {
                answer,
                child: child.go(launch),
                words: if launch.implicit { launch.arguments.clone() } else { Vec::new() },
                stops_at_exec: launch.at_exec,
            });
        }
    }

    /// The program has been executed: answers, and lets it run to its initial break.
    pub(super) fn finish_launch(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        let tid = Tid::from(target.pid);
        let pid = target.pid;
        if let Phase::Launching(launching) = &mut target.phase
            && let Some(what) = procfs::unsupported_program(pid)
        {
            // Its end is reported next, and answers with this.
            launching.child.refuse(what);
            let _ = sys::kill(pid);
            return;
        }
        let mut stops_at_exec = false;
        if let Phase::Launching(launching) = std::mem::replace(&mut target.phase, Phase::Stopping) {
            stops_at_exec = launching.stops_at_exec;
            launching.answer.reply(LaunchReply {
                target: id.value(),
                pid: pid.value(),
                words: launching.words,
                fixed_addresses: procfs::has_fixed_addresses(pid),
            });
        }
        if stops_at_exec || !self.await_initial_break(id) {
            self.report(id, tid, StopReason::InitialBreak);
        }
    }

    /// Prepares a program that has just been executed to stop once its libraries are mapped.
    /// Whether it will: a static program has nothing to wait for.
    pub(super) fn await_initial_break(&mut self, id: TargetId) -> bool {
        self.arm_rendezvous(id);
        let Some(pid) = self.targets.get(&id).map(|target| target.pid) else { return false };
        // A dynamic linker that announces nothing jumps to the entry point in the end.
        let entry = modules::entry(pid).filter(|_| modules::has_linker(pid));
        let is_awaited = entry.is_some_and(|entry| self.arm(id, entry, Reason::Entry).is_ok());
        if let Some(target) = self.targets.get_mut(&id) {
            target.awaits_initial_break = is_awaited;
        }
        is_awaited
    }

    /// Arms the function by which the dynamic linker announces changes, if the target has one and
    /// it is not armed yet. Its threads stand still.
    pub(super) fn arm_rendezvous(&mut self, id: TargetId) {
        let Some(target) = self.targets.get_mut(&id) else {
            return;
        };
        if target.rendezvous.is_some() {
            return;
        }
        let Some(found) = modules::rendezvous(target.pid, &*target.memory) else {
            return;
        };
        if self.arm(id, found.notify, Reason::Rendezvous).is_ok()
            && let Some(target) = self.targets.get_mut(&id)
        {
            target.rendezvous = Some(found);
        }
    }

    /// The entry point has served its purpose.
    pub(super) fn disarm_entry(&mut self, id: TargetId) {
        let Some(target) = self.targets.get(&id) else {
            return;
        };
        let addresses = target.memory.lock().sites.addresses();
        for address in addresses {
            let is_entry = |reason: &Reason| *reason == Reason::Entry;
            let has = self.targets.get(&id).is_some_and(|target| {
                let memory = target.memory.lock();
                memory.sites.get(address).is_some_and(|site| site.reasons.iter().any(is_entry))
            });
            if has {
                self.disarm(id, address, is_entry);
            }
        }
    }
}
