//! Which requests are told of, and what is told: what they change, where, and how much; never what
//! is written, the arguments of a program, or the contents of anything. Pure.

use dbgbase::Pid;
use dbgwire::Request as R;
use dbgwire::verbs::bulk::CopyMemory;
use dbgwire::verbs::file::{FileAccess, OpenFile};
use dbgwire::verbs::inject::ProtectMemory;
use dbgwire::verbs::process::Launch;
use dbgwire::verbs::registers::WriteRegisters;
use dbgwire::verbs::resume::Resume;

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
/// is debugging's daily work within a target whose attach or launch was told of. It is decided here
/// for each verb.
pub(super) fn of(request: &R, len: usize) -> Option<(Record, Subject)> {
    let len = len as u64;
    let told = Record::new;
    let range = |event, address, len| told(event).address("at", address).number("len", len);
    let numbered = |event, name, number: u32| told(event).number(name, number.into());
    let nobody = |record| Some((record, Subject::Nobody));
    let process = |pid: u32, record| Some((record, Subject::Process(Pid::new(pid))));
    let target = |id: u32, record| Some((record, Subject::Target(id)));
    let place = |id: u32, record| if id == 0 { nobody(record) } else { target(id, record) };
    match request {
        R::Launch(it) => nobody(launch(it)),
        R::Attach(it) => process(it.pid, told("attach")),
        R::Claim(it) => process(it.pid, told("claim")),
        R::Detach(it) => target(it.target, told("detach")),
        R::Kill(it) => target(it.target, told("kill")),
        R::Abandon(it) => target(it.target, told("abandon")),
        R::Resume(it) => target(it.target, resume(it)?),
        R::SendSignal(it) => target(it.target, numbered("signal", "signal", it.signal)),
        R::WriteSignalInfo(it) => target(it.target, numbered("write-signal-info", "tid", it.tid)),
        R::WriteMemory(it) => target(it.target, range("write-memory", it.address, len)),
        R::FillMemory(it) => target(it.target, range("fill-memory", it.address, it.len.into())),
        R::CopyMemory(it) => target(it.target, copy(it)),
        R::WriteRegisters(it) => target(it.target, registers(it)),
        R::CallFunction(it) => target(it.target, told("call-function").address("at", it.address)),
        R::InjectSyscall(it) => {
            target(it.target, told("inject-syscall").number("number", it.number))
        }
        R::AllocateMemory(it) => target(it.target, told("allocate-memory").number("len", it.len)),
        R::FreeMemory(it) => target(it.target, range("free-memory", it.address, it.len)),
        R::ProtectMemory(it) => target(it.target, protection(it)),
        R::WriteTerminal(it) => target(it.target, told("write-terminal").number("len", len)),
        R::OpenFile(it) => place(it.target, open_file(it)),
        R::RemoveFile(it) => place(it.target, told("remove-file").bytes("path", &it.path)),
        R::EndServer(_) => nobody(told("ask-for-end")),
        // What the server, the machine and its files are.
        R::ServerInfo(_) | R::Ping(_) | R::ListProcesses(_) | R::DescribeProcess(_) => None,
        R::StatFile(_) | R::ReadLink(_) => None,
        // Of a file that was told of when it was opened, also whether it is written.
        R::ReadFile(_) | R::WriteFile(_) | R::CloseFile(_) => None,
        // Looking at a target.
        R::ListThreads(_) | R::ListRegions(_) | R::ListModules(_) | R::ListSites(_) => None,
        R::ReadMemory(_) | R::SearchMemory(_) | R::CompareMemory(_) => None,
        R::ReadRegisters(_) | R::ReadSignalInfo(_) | R::SetWindows(_) => None,
        // Running it and stopping it.
        R::HoldThreads(_) | R::Interrupt(_) | R::SetStopMode(_) | R::SetEvents(_) => None,
        R::SetSignals(_) | R::CatchSyscalls(_) | R::InsertSites(_) | R::RemoveSites(_) => None,
        R::ResizeTerminal(_) => None,
    }
}

fn launch(it: &Launch) -> Record {
    let record = Record::new("launch");
    if it.implicit { record.text("implicit", "yes") } else { record.bytes("asked", &it.program) }
}

/// Running on is told of if threads are given signals with it: they may be others than those with
/// which they stopped.
fn resume(it: &Resume) -> Option<Record> {
    let given = it.actions.iter().filter(|action| action.signal != 0);
    let signals: Vec<String> = given.map(|action| action.signal.to_string()).collect();
    let record = || Record::new("resume-with-signal").text("signal", &signals.join(","));
    (!signals.is_empty()).then(record)
}

fn copy(it: &CopyMemory) -> Record {
    let record = Record::new("copy-memory").address("from", it.from).address("at", it.to);
    record.number("len", it.len.into())
}

fn registers(it: &WriteRegisters) -> Record {
    let count = it.values.len() + it.extended.len();
    let record = Record::new("write-registers").number("tid", it.tid.into());
    record.number("count", count as u64)
}

fn protection(it: &ProtectMemory) -> Record {
    let record = Record::new("protect-memory").address("at", it.address).number("len", it.len);
    record.number("protection", it.protection.into())
}

fn open_file(it: &OpenFile) -> Record {
    let access = match FileAccess::try_from(it.access) {
        Ok(FileAccess::Read) if !it.create && !it.append => "read",
        _ => "write",
    };
    Record::new("open-file").bytes("path", &it.path).text("access", access)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dbgwire::table::VERBS;
    use dbgwire::verbs::resume::ThreadAction;
    use dbgwire::{Frame, FrameKind};

    use super::*;

    /// What the documentation says of all that.
    const TOLD: &str = include_str!("../../../../docs/security.md");

    /// The verbs that are told of whatever they ask for, and what they are told as.
    const EVENTS: [(&str, &str); 21] = [
        ("EndServer", "ask-for-end"),
        ("Launch", "launch"),
        ("Attach", "attach"),
        ("Detach", "detach"),
        ("Kill", "kill"),
        ("Abandon", "abandon"),
        ("Claim", "claim"),
        ("SendSignal", "signal"),
        ("InjectSyscall", "inject-syscall"),
        ("CallFunction", "call-function"),
        ("WriteSignalInfo", "write-signal-info"),
        ("WriteMemory", "write-memory"),
        ("FillMemory", "fill-memory"),
        ("CopyMemory", "copy-memory"),
        ("AllocateMemory", "allocate-memory"),
        ("FreeMemory", "free-memory"),
        ("ProtectMemory", "protect-memory"),
        ("WriteRegisters", "write-registers"),
        ("OpenFile", "open-file"),
        ("RemoveFile", "remove-file"),
        ("WriteTerminal", "write-terminal"),
    ];

    #[test]
    fn each_verb_is_told_of_as_the_documentation_says() {
        let empty = |opcode| Frame {
            kind: FrameKind::Request,
            opcode,
            id: 1,
            message: Bytes::new(),
            tail: Bytes::new(),
        };
        let told: Vec<(&str, &str)> = VERBS
            .iter()
            .filter_map(|row| {
                let request = R::decode(&empty(row.opcode)).expect("all fields have defaults");
                of(&request, 0).map(|(record, _)| (row.name, record.event()))
            })
            .collect();
        assert_eq!(told, EVENTS);
        for (_, event) in EVENTS.into_iter().chain([("Resume", "resume-with-signal")]) {
            assert!(TOLD.contains(&format!("`{event}`")), "docs/security.md has no {event}");
        }
    }

    #[test]
    fn running_on_is_told_of_with_signals_only() {
        let action = |signal| ThreadAction { tid: 7, signal, ..ThreadAction::default() };
        let resume = |signals: &[u32]| {
            let actions = signals.iter().map(|signal| action(*signal)).collect();
            of(&R::Resume(Resume { target: 3, actions, ..Resume::default() }), 0)
        };
        assert_eq!(resume(&[0, 0]), None);
        let record = Record::new("resume-with-signal").text("signal", "10,9");
        assert_eq!(resume(&[0, 10, 9]), Some((record, Subject::Target(3))));
    }
}
