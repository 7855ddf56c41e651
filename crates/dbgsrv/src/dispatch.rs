//! From a request to whoever carries it out: one arm for each verb. It knows the verbs and their
//! limits, not how they are done.

mod bulk;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use bytes::Bytes;
use dbgbase::Pid;
use dbgwire::verbs::description::DescribeProcess;
use dbgwire::verbs::memory::{READ_LEN_MAX, ReadMemory, ReadMemoryReply, WRITE_LEN_MAX};
use dbgwire::verbs::process::{Abandon, AbandonReply, Attach, Detach, Kill, Launch};
use dbgwire::verbs::server::{EndServer, EndServerReply, Ping, PingReply, ServerInfo};
use dbgwire::verbs::{
    file, inject, memory, module, process, registers, resume, site, terminal, thread, window,
};
use dbgwire::{ErrorCode, Fault, Request, Verb};

use crate::answer::Outcome;
use crate::audit;
use crate::backend::Backend;
use crate::control::{Control, Message};
use crate::description;
use crate::files::{self, Files};
use crate::outbox::Outbox;
use crate::processes;
use crate::ranges::{check_len, read_ranges};

/// Carries out a session's requests.
pub(crate) struct Dispatch<'a> {
    backend: &'a mut dyn Backend,
    outbox: Outbox,
    files: Files,
    listener: Option<&'a Control>,
    /// The words of the implicit command line.
    implicit: &'a [Vec<u8>],
    /// What the client shows to take this session up again; empty if it cannot.
    resume_token: Vec<u8>,
}

impl<'a> Dispatch<'a> {
    /// Requests go to `backend`, answers to `outbox`.
    pub(crate) fn new(
        backend: &'a mut dyn Backend,
        outbox: Outbox,
        listener: Option<&'a Control>,
        implicit: &'a [Vec<u8>],
        resume_token: Vec<u8>,
    ) -> Dispatch<'a> {
        Dispatch { backend, outbox, files: Files::default(), listener, implicit, resume_token }
    }

    /// Whoever carries requests out.
    pub(crate) fn backend(&mut self) -> &mut dyn Backend {
        self.backend
    }

    /// Whether a process was abandoned in this session.
    pub(crate) fn keeps(&mut self, pid: Pid) -> bool {
        self.backend.abandoned().contains(&pid)
    }

    /// Carries out one request. A panic in it is answered as a fault, and the session goes on.
    pub(crate) fn carry_out(&mut self, id: u32, opcode: u16, request: Request, tail: Bytes) {
        audit::asked(id, &request, tail.len());
        let done = catch_unwind(AssertUnwindSafe(|| self.route(id, request, tail)));
        if !matches!(done, Ok(true)) {
            let detail = "the server has a defect; the session goes on";
            self.outbox.send_fault(id, opcode, &Fault::new(ErrorCode::Internal, detail));
        }
    }

    /// Whether there is anybody who carries it out; all verbs have one.
    fn route(&mut self, id: u32, request: Request, tail: Bytes) -> bool {
        match request {
            Request::Launch(request) => self.launch(id, request),
            Request::Detach(request) => {
                self.backend.detach(request, self.outbox.answer::<Detach>(id));
            }
            Request::Kill(request) => self.backend.kill(request, self.outbox.answer::<Kill>(id)),
            Request::Attach(request) => {
                let reply = self.backend.attach(request);
                self.send::<Attach>(id, reply);
            }
            Request::Abandon(request) => {
                let reply = self.abandon(request);
                self.send::<Abandon>(id, reply);
            }
            Request::Claim(request) => {
                let resume_token = self.resume_token.clone();
                let reply = self.backend.claim(request);
                let reply = reply.map(|reply| process::ClaimReply { resume_token, ..reply });
                self.send::<process::Claim>(id, reply);
            }
            Request::ServerInfo(ServerInfo {}) => {
                self.send::<ServerInfo>(id, Ok(processes::server_info()));
            }
            Request::Ping(Ping {}) => self.send::<Ping>(id, Ok(PingReply {})),
            Request::EndServer(EndServer {}) => self.end_server(id),
            Request::ListProcesses(request) => {
                self.send::<process::ListProcesses>(id, Ok(processes::list(&request)));
            }
            Request::DescribeProcess(request) => {
                self.send::<DescribeProcess>(id, description::describe(&request));
            }
            Request::ReadMemory(request) => {
                let outcome = self.read_memory(&request);
                self.outbox.send_outcome::<ReadMemory>(id, outcome);
            }
            other => return self.route_injected(id, other, tail),
        }
        true
    }

    /// Verbs about a target's terminal.
    fn route_terminal(&mut self, id: u32, request: Request, tail: Bytes) -> bool {
        match request {
            Request::WriteTerminal(request) => {
                let reply = check_len(tail.len(), terminal::INPUT_LEN_MAX)
                    .and_then(|()| self.backend.write_terminal(request.target, &tail));
                let reply = reply.map(|()| terminal::WriteTerminalReply {});
                self.send::<terminal::WriteTerminal>(id, reply);
            }
            Request::ResizeTerminal(request) => {
                let reply = self.backend.resize_terminal(request);
                let reply = reply.map(|()| terminal::ResizeTerminalReply {});
                self.send::<terminal::ResizeTerminal>(id, reply);
            }
            other => return self.route_bulk(id, other, tail),
        }
        true
    }

    /// Verbs about targets that answer at once.
    fn route_stopped(&mut self, id: u32, request: Request, tail: Bytes) -> bool {
        match request {
            Request::ListThreads(request) => {
                let reply = self.backend.list_threads(request.target);
                self.send::<thread::ListThreads>(id, reply);
            }
            Request::Resume(request) => {
                self.backend.resume(request, self.outbox.answer::<resume::Resume>(id));
            }
            Request::SendSignal(request) => {
                let reply = self.backend.send_signal(request);
                let reply = reply.map(|()| resume::SendSignalReply {});
                self.send::<resume::SendSignal>(id, reply);
            }
            Request::Interrupt(request) => {
                let reply = self.backend.interrupt(request);
                let reply = reply.map(|()| resume::InterruptReply {});
                self.send::<resume::Interrupt>(id, reply);
            }
            Request::WriteMemory(request) => {
                let reply = check_len(tail.len(), WRITE_LEN_MAX)
                    .and_then(|()| self.backend.write_memory(request, tail));
                self.send::<memory::WriteMemory>(id, reply);
            }
            Request::ListRegions(request) => {
                let reply = self.backend.list_regions(request);
                self.send::<memory::ListRegions>(id, reply);
            }
            Request::ReadRegisters(request) => {
                let outcome = self.backend.read_registers(request);
                self.outbox.send_outcome::<registers::ReadRegisters>(id, outcome);
            }
            Request::WriteRegisters(request) => {
                let reply = self.backend.write_registers(request);
                let reply = reply.map(|()| registers::WriteRegistersReply {});
                self.send::<registers::WriteRegisters>(id, reply);
            }
            Request::InsertSites(request) => {
                self.backend.insert_sites(request, self.outbox.answer::<site::InsertSites>(id));
            }
            Request::RemoveSites(request) => {
                self.backend.remove_sites(request, self.outbox.answer::<site::RemoveSites>(id));
            }
            Request::ListModules(request) => {
                let reply = self.backend.list_modules(request.target);
                self.send::<module::ListModules>(id, reply);
            }
            _ => return false,
        }
        true
    }

    /// Verbs that say how a target is to run.
    fn route_control(&mut self, id: u32, request: Request, tail: Bytes) -> bool {
        match request {
            Request::HoldThreads(request) => {
                let reply = self.backend.hold_threads(request);
                self.send::<thread::HoldThreads>(id, reply);
            }
            Request::SetEvents(request) => {
                let reply = self.backend.set_events(request).map(|()| resume::SetEventsReply {});
                self.send::<resume::SetEvents>(id, reply);
            }
            Request::SetSignals(request) => {
                let reply = self.backend.set_signals(request);
                self.send::<resume::SetSignals>(id, reply.map(|()| resume::SetSignalsReply {}));
            }
            Request::CatchSyscalls(request) => {
                let reply = self.backend.catch_syscalls(request);
                let reply = reply.map(|()| resume::CatchSyscallsReply {});
                self.send::<resume::CatchSyscalls>(id, reply);
            }
            Request::SetStopMode(request) => {
                let reply = self.backend.set_stop_mode(request);
                self.send::<resume::SetStopMode>(id, reply.map(|()| resume::SetStopModeReply {}));
            }
            Request::SetWindows(request) => {
                let reply = self.backend.set_windows(request);
                self.send::<window::SetWindows>(id, reply.map(|()| window::SetWindowsReply {}));
            }
            Request::ReadSignalInfo(request) => {
                let outcome = self.backend.read_signal_info(request);
                self.outbox.send_outcome::<resume::ReadSignalInfo>(id, outcome);
            }
            Request::WriteSignalInfo(request) => {
                let reply = self.backend.write_signal_info(request, tail);
                let reply = reply.map(|()| resume::WriteSignalInfoReply {});
                self.send::<resume::WriteSignalInfo>(id, reply);
            }
            Request::ListSites(request) => {
                let reply = self.backend.list_sites(request.target);
                self.send::<site::ListSites>(id, reply);
            }
            other => return self.route_stopped(id, other, tail),
        }
        true
    }

    /// Verbs that have a thread of a target do something; they answer later.
    fn route_injected(&mut self, id: u32, request: Request, tail: Bytes) -> bool {
        match request {
            Request::CallFunction(request) => {
                let answer = self.outbox.answer::<inject::CallFunction>(id);
                self.backend.call_function(request, tail, answer);
            }
            Request::InjectSyscall(request) => {
                self.backend
                    .inject_syscall(request, self.outbox.answer::<inject::InjectSyscall>(id));
            }
            Request::AllocateMemory(request) => {
                self.backend
                    .allocate_memory(request, self.outbox.answer::<inject::AllocateMemory>(id));
            }
            Request::FreeMemory(request) => {
                self.backend.free_memory(request, self.outbox.answer::<inject::FreeMemory>(id));
            }
            Request::ProtectMemory(request) => {
                self.backend
                    .protect_memory(request, self.outbox.answer::<inject::ProtectMemory>(id));
            }
            other => return self.route_terminal(id, other, tail),
        }
        true
    }

    /// Verbs about files.
    fn route_file(&mut self, id: u32, request: Request, tail: Bytes) -> bool {
        match request {
            Request::OpenFile(request) => {
                let root = self.root(request.target);
                let reply = root.and_then(|root| self.files.open(&request, root.as_deref()));
                self.send::<file::OpenFile>(id, reply);
            }
            Request::StatFile(request) => {
                let root = self.root(if request.file == 0 { request.target } else { 0 });
                let reply = root.and_then(|root| self.files.stat(&request, root.as_deref()));
                self.send::<file::StatFile>(id, reply);
            }
            Request::ReadLink(request) => {
                let root = self.root(request.target);
                let reply = root.and_then(|root| files::read_link(&request, root.as_deref()));
                self.send::<file::ReadLink>(id, reply);
            }
            Request::RemoveFile(request) => {
                let root = self.root(request.target);
                let reply = root.and_then(|root| files::remove(&request, root.as_deref()));
                self.send::<file::RemoveFile>(id, reply);
            }
            Request::ReadFile(request) => {
                let outcome = self.files.read(&request);
                self.outbox.send_outcome::<file::ReadFile>(id, outcome);
            }
            Request::WriteFile(request) => {
                let reply = check_len(tail.len(), file::TRANSFER_LEN_MAX as usize)
                    .and_then(|()| self.files.write(&request, &tail));
                self.send::<file::WriteFile>(id, reply);
            }
            Request::CloseFile(request) => {
                let reply = self.files.close(&request);
                self.send::<file::CloseFile>(id, Ok(reply));
            }
            other => return self.route_control(id, other, tail),
        }
        true
    }

    /// The root directory of a target; none for 0, which stands for the server.
    fn root(&mut self, target: u32) -> Result<Option<PathBuf>, Fault> {
        match target {
            0 => Ok(None),
            target => self.backend.root_directory(target).map(Some),
        }
    }

    fn send<V: Verb>(&self, id: u32, reply: Result<V::Reply, Fault>) {
        self.outbox.send_outcome::<V>(id, reply.map(|reply| (reply, Bytes::new())));
    }

    fn launch(&mut self, id: u32, mut request: Launch) {
        let answer = self.outbox.answer::<Launch>(id);
        if request.implicit {
            let Some(program) = self.implicit.first() else {
                let detail = "this server has no implicit command line; dbgsrv -pc gives it one";
                return answer.fault(Fault::new(ErrorCode::Unsupported, detail));
            };
            request.program.clone_from(program);
            request.arguments = self.implicit.to_vec();
        }
        self.backend.launch(request, answer);
    }

    fn end_server(&self, id: u32) {
        let detail = "there is no process server beyond this session";
        let unsupported = || Fault::new(ErrorCode::Unsupported, detail);
        // The answer goes first: the end closes this link, too.
        let reply = self.listener.map(|_| EndServerReply {}).ok_or_else(unsupported);
        self.send::<EndServer>(id, reply);
        if let Some(listener) = self.listener {
            // A listener that is gone has ended already.
            let _ = listener.send(&Message::EndServer);
        }
    }

    fn abandon(&mut self, request: Abandon) -> Result<AbandonReply, Fault> {
        if self.listener.is_none() {
            let detail = "only a process server can keep a process; this session ends with its \
                          debugger";
            return Err(Fault::new(ErrorCode::Unsupported, detail));
        }
        self.backend.abandon(request).map(|()| AbandonReply {})
    }

    fn read_memory(&mut self, request: &ReadMemory) -> Outcome<ReadMemoryReply> {
        let (lengths, tail) = read_ranges(&request.ranges, READ_LEN_MAX, |at, buffer| {
            self.backend.read_memory(request.target, at, buffer)
        })?;
        Ok((ReadMemoryReply { lengths }, tail))
    }
}

#[cfg(test)]
#[path = "dispatch/tests.rs"]
mod tests;
