//! The part of an audit trail that a session process writes: what its client asked for, and what
//! came of it. It keeps what a request was until it is answered, and which process a target is.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use dbgbase::Pid;
use dbgwire::event::Created;
use dbgwire::verbs::process::{AttachReply, ClaimReply, LaunchReply};
use dbgwire::{AnyEvent, Fault, Request};

use super::TRAIL;
use super::deed::{self, Subject};
use super::record::Record;
use crate::ptrace::procfs;
use crate::spawn::ClientWords;

/// The session of this process, if it has a trail.
static SESSION: OnceLock<Mutex<Session>> = OnceLock::new();

struct Session {
    number: u32,
    client: ClientWords,
    /// The process whose claim has brought the present client, if one has.
    claimed: Option<Pid>,
    targets: BTreeMap<u32, Pid>,
    /// What is not answered yet, by the request's id.
    pending: BTreeMap<u32, (Record, Option<Pid>)>,
}

/// Begins to write what the client of this session asks for.
pub(super) fn begin(number: u32, client: ClientWords) {
    let (targets, pending) = (BTreeMap::new(), BTreeMap::new());
    let session = Session { number, client, claimed: None, targets, pending };
    // There is one session in a process.
    let _ = SESSION.set(Mutex::new(session));
}

/// Takes note of a request that came with so many bytes behind it, before it is carried out.
pub(crate) fn asked(id: u32, request: &Request, len: usize) {
    let Some((record, subject)) = SESSION.get().and_then(|_| deed::of(request, len)) else {
        return;
    };
    with(|session| {
        let pid = match subject {
            Subject::Nobody => None,
            Subject::Process(pid) => Some(pid),
            Subject::Target(target) => session.targets.get(&target).copied(),
        };
        // Behind it the process may be another one, or none.
        let record = pid.map_or(record.clone(), |pid| record.and(process(pid)));
        session.pending.insert(id, (record, pid));
    });
}

/// Writes what came of a request.
pub(crate) fn answered(id: u32, outcome: Result<&dyn Any, &Fault>) {
    with(|session| {
        let Some((record, pid)) = session.pending.remove(&id) else { return };
        let record = match outcome {
            Ok(reply) => {
                let found = session.take_target(reply, pid);
                let record = found.map_or(record.clone(), |pid| record.and(process(pid)));
                record.text("result", "done")
            }
            Err(fault) => {
                let code = format!("{:?}", fault.code);
                record.text("result", &code).text("why", &fault.detail).refused()
            }
        };
        session.write(record);
    });
}

/// Takes note of a process that has become a target because its parent is one.
pub(crate) fn followed(event: &AnyEvent) {
    let AnyEvent::Created(Created { target, parent, pid, .. }) = event else { return };
    with(|session| {
        let pid = Pid::new(*pid);
        session.targets.insert(*target, pid);
        let parent = session.targets.get(parent).map_or(0, |pid| pid.value());
        let record = Record::new("follow").number("parent", parent.into()).and(process(pid));
        session.write(record.text("result", "done"));
    });
}

/// Writes that the client has gone to the session that keeps a process.
pub(crate) fn handed_over(pid: u32) {
    tell(Record::new("hand-over").number("pid", pid.into()).text("result", "done"));
}

/// Takes note that the client is another session's from now on, which wants this process.
pub(crate) fn took_over(pid: Pid) {
    with(|session| {
        session.client = ClientWords::default();
        session.claimed = Some(pid);
    });
}

/// Writes that the client has come again on a new link.
pub(crate) fn came_back() {
    tell(Record::new("come-back").text("result", "done"));
}

/// Writes something else that the session has to tell.
pub(super) fn tell(record: Record) {
    with(|session| session.write(record));
}

impl Session {
    /// The process that a reply tells of and the request did not, with what the session calls it
    /// from now on. `asked` is the one that was asked for.
    fn take_target(&mut self, reply: &dyn Any, asked: Option<Pid>) -> Option<Pid> {
        if let Some(LaunchReply { target, pid, .. }) = reply.downcast_ref() {
            self.targets.insert(*target, Pid::new(*pid));
            return Some(Pid::new(*pid));
        }
        let attached = reply.downcast_ref().map(|AttachReply { target }| *target);
        let claimed = reply.downcast_ref().map(|ClaimReply { target, .. }| *target);
        if let (Some(target), Some(pid)) = (attached.or(claimed), asked) {
            self.targets.insert(target, pid);
        }
        None
    }

    fn write(&self, record: Record) {
        // Who asks comes first: what is too long is left out at the end.
        let who = record.head().number("session", self.number.into());
        let who = who.known("client", self.client.peer.as_deref());
        let who = who.known("user", self.client.user.as_deref());
        let who = match self.claimed {
            Some(pid) => who.number("handed-over-with", pid.value().into()),
            None => who,
        };
        if let Some(trail) = TRAIL.get() {
            trail.write(&who.and(record));
        }
    }
}

/// What is told of a process: its id, when it started in clock ticks since the machine did, and its
/// program.
fn process(pid: Pid) -> Record {
    let record = Record::new("").number("pid", pid.value().into());
    let Some(stat) = procfs::stat(pid) else { return record };
    let program = procfs::link(pid, "exe").unwrap_or_else(|| stat.name.into_bytes());
    record.number("started", stat.start_time).bytes("program", &program)
}

fn with(action: impl FnOnce(&mut Session)) {
    if let Some(session) = SESSION.get() {
        action(&mut session.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
