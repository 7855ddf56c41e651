//! Which requests are told of, and what is told: what they change, where, and how much; never what
//! is written, the arguments of a program, or the contents of anything. Pure.

use dbgbase::Pid;
use dbgwire::Request;
use dbgwire::verbs::file::FileAccess;

use super::record::Record;

/// Whom a request is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subject {
    /// No process, or none yet.
    Nobody,
    /// The target that its session calls so.
    Target(u32),
    /// A process.
    Process(Pid),
}

/// What a request with `len` bytes behind it is told as; `None` if it is not told of: it reads, or
/// is debugging's daily work within a target whose attach or launch was told of.
pub(super) fn of(request: &Request, len: usize) -> Option<(Record, Subject)> {
    let len = len as u64;
    let told = |event| Record::new(event);
    let target = |id: u32, record| Some((record, Subject::Target(id)));
    match request {
        Request::Launch(it) if it.implicit => {
            Some((told("launch").text("implicit", "yes"), Subject::Nobody))
        }
        Request::Launch(it) => Some((told("launch").bytes("asked", &it.program), Subject::Nobody)),
        Request::Attach(it) => Some((told("attach"), Subject::Process(Pid::new(it.pid)))),
        Request::Claim(it) => Some((told("claim"), Subject::Process(Pid::new(it.pid)))),
        Request::Detach(it) => target(it.target, told("detach")),
        Request::Kill(it) => target(it.target, told("kill")),
        Request::Abandon(it) => target(it.target, told("abandon")),
        Request::SendSignal(it) => {
            target(it.target, told("signal").number("signal", it.signal.into()))
        }
        Request::WriteMemory(it) => {
            target(it.target, told("write-memory").address("at", it.address).number("len", len))
        }
        Request::FillMemory(it) => {
            let record = told("fill-memory").address("at", it.address);
            target(it.target, record.number("len", it.len.into()))
        }
        Request::CopyMemory(it) => {
            let record = told("copy-memory").address("from", it.from).address("at", it.to);
            target(it.target, record.number("len", it.len.into()))
        }
        Request::WriteRegisters(it) => {
            let count = it.values.len() + it.extended.len();
            let record = told("write-registers").number("tid", it.tid.into());
            target(it.target, record.number("count", count as u64))
        }
        Request::WriteTerminal(it) => target(it.target, told("write-terminal").number("len", len)),
        other => injected(other).or_else(|| file(other)),
    }
}

/// Requests that have a target do something.
fn injected(request: &Request) -> Option<(Record, Subject)> {
    let target = |id: u32, record| Some((record, Subject::Target(id)));
    match request {
        Request::CallFunction(it) => {
            target(it.target, Record::new("call-function").address("at", it.address))
        }
        Request::InjectSyscall(it) => {
            target(it.target, Record::new("inject-syscall").number("number", it.number))
        }
        Request::AllocateMemory(it) => {
            target(it.target, Record::new("allocate-memory").number("len", it.len))
        }
        Request::FreeMemory(it) => {
            let record = Record::new("free-memory").address("at", it.address);
            target(it.target, record.number("len", it.len))
        }
        Request::ProtectMemory(it) => {
            let record = Record::new("protect-memory").address("at", it.address);
            let record = record.number("len", it.len);
            target(it.target, record.number("protection", it.protection.into()))
        }
        _ => None,
    }
}

/// Requests about files, and the server's end.
fn file(request: &Request) -> Option<(Record, Subject)> {
    let place = |target| if target == 0 { Subject::Nobody } else { Subject::Target(target) };
    match request {
        Request::OpenFile(it) => {
            let access = match FileAccess::try_from(it.access) {
                Ok(FileAccess::Read) if !it.create && !it.append => "read",
                _ => "write",
            };
            let record = Record::new("open-file").bytes("path", &it.path).text("access", access);
            Some((record, place(it.target)))
        }
        Request::RemoveFile(it) => {
            Some((Record::new("remove-file").bytes("path", &it.path), place(it.target)))
        }
        Request::EndServer(_) => Some((Record::new("ask-for-end"), Subject::Nobody)),
        _ => None,
    }
}
