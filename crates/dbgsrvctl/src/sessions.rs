//! The sessions of servers and what they debug, found from outside: a session process is a child of
//! its server and says whose it is, and a target is traced by one of its threads.

use std::collections::BTreeMap;

use dbgbase::{Pid, Tid};
use dbglink::registry::SessionLine;

use crate::procfs::{self, Process};

/// One session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Session {
    /// Its server.
    pub(crate) server: Pid,
    /// What it says of itself.
    pub(crate) line: SessionLine,
    /// When it began, in seconds since 1970, if that can be known.
    pub(crate) started_s: Option<u64>,
    /// What it debugs, each as id and name, in ascending order.
    pub(crate) targets: Vec<(Pid, String)>,
}

/// The sessions of these servers, by server in the order given, then by number.
pub(crate) fn of(servers: &[Pid]) -> Vec<Session> {
    let processes = procfs::processes();
    let mut targets = targets(&processes);
    let mut sessions: Vec<Session> = Vec::new();
    for server in servers {
        let children = processes.iter().filter(|process| process.parent == server.value());
        let mut of_server: Vec<Session> = children
            .filter_map(|process| {
                let line = SessionLine::parse(&procfs::command_line(process.pid)?)?;
                line.has_server.then(|| Session {
                    server: *server,
                    line,
                    started_s: procfs::started_s(process.pid),
                    targets: targets.remove(&process.pid).unwrap_or_default(),
                })
            })
            .collect();
        of_server.sort_by_key(|session| session.line.number);
        sessions.append(&mut of_server);
    }
    sessions
}

/// What each process debugs.
fn targets(processes: &[Process]) -> BTreeMap<Pid, Vec<(Pid, String)>> {
    let mut debuggers: BTreeMap<Tid, Option<Pid>> = BTreeMap::new();
    let mut targets: BTreeMap<Pid, Vec<(Pid, String)>> = BTreeMap::new();
    for process in processes {
        let Some(tracer) = process.tracer else { continue };
        let debugger = debuggers.entry(tracer).or_insert_with(|| procfs::process_of(tracer));
        if let Some(debugger) = debugger {
            targets.entry(*debugger).or_default().push((process.pid, process.name.clone()));
        }
    }
    targets
}
