//! `list`: the servers that the current user can know of, their sessions and targets, as text.

use dbgbase::Pid;
use dbglink::registry::{NOTHING, Registry, ServerEntry};
use dbglink::{LinkError, RunDir, UserNames};

use crate::sessions::{self, Session};
use crate::{table, utc};

/// What is printed.
pub(crate) struct Listing {
    /// On standard output.
    pub(crate) text: String,
    /// Registries that could not be read.
    pub(crate) errors: Vec<LinkError>,
}

/// A server, and whether everybody finds it.
struct Server {
    entry: ServerEntry,
    is_of_machine: bool,
}

/// The servers of this machine, and of the current user.
pub(crate) fn listing() -> Listing {
    let (mut servers, mut errors) = (Vec::new(), Vec::new());
    for registry in Registry::of_user_and_machine(&RunDir::of_this_user()) {
        let is_of_machine = registry.is_of_machine();
        match registry.servers() {
            Ok(entries) => {
                servers.extend(entries.into_iter().map(|entry| Server { entry, is_of_machine }));
            }
            Err(error) => errors.push(error),
        }
    }
    servers.sort_by_key(|server| (server.entry.started_s, server.entry.pid));
    let pids: Vec<Pid> = servers.iter().map(|server| server.entry.pid).collect();
    Listing { text: text(&servers, &sessions::of(&pids), &UserNames::read()), errors }
}

fn text(servers: &[Server], sessions: &[Session], users: &UserNames) -> String {
    if servers.is_empty() {
        return "No process server was found.\n".to_owned();
    }
    let heading = ["SERVER", "USER", "SINCE (UTC)", "LISTED", "TRANSPORT"];
    let rows: Vec<_> = servers.iter().map(|server| server_row(server, users)).collect();
    let mut text = table::text(heading, &rows);
    text.push('\n');
    if sessions.is_empty() {
        text.push_str("No session is open.\n");
        return text;
    }
    let heading = ["SERVER", "SESSION", "USER", "CLIENT", "SINCE (UTC)", "TARGETS"];
    let rows: Vec<_> = sessions.iter().map(session_row).collect();
    text.push_str(&table::text(heading, &rows));
    text
}

fn server_row(server: &Server, users: &UserNames) -> [String; 5] {
    let Server { entry, is_of_machine } = server;
    let listed = match (entry.is_hidden, is_of_machine) {
        (true, _) => "hidden",
        (false, true) => "yes",
        (false, false) => "unelevated",
    };
    [
        entry.pid.to_string(),
        users.describe(entry.uid),
        utc::date_and_time(entry.started_s),
        listed.to_owned(),
        entry.endpoint.clone(),
    ]
}

fn session_row(session: &Session) -> [String; 6] {
    let Session { server, line, started_s, targets } = session;
    let known = |word: Option<String>| word.unwrap_or_else(|| NOTHING.to_owned());
    let targets: Vec<String> =
        targets.iter().map(|(pid, name)| format!("{pid} ({name})")).collect();
    [
        server.to_string(),
        line.number.to_string(),
        known(line.user.clone()),
        known(line.peer.clone()),
        known(started_s.map(utc::date_and_time)),
        known(Some(targets.join(", ")).filter(|targets| !targets.is_empty())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbglink::registry::{ServerKind, SessionLine};

    fn server(pid: u32, endpoint: &str, is_hidden: bool, is_of_machine: bool) -> Server {
        let entry = ServerEntry {
            kind: ServerKind::Process,
            endpoint: endpoint.to_owned(),
            is_hidden,
            pid: Pid::new(pid),
            uid: 0,
            started_s: 951_782_400,
        };
        Server { entry, is_of_machine }
    }

    fn session(number: u32, user: Option<&str>, targets: &[(u32, &str)]) -> Session {
        let line = SessionLine {
            number,
            has_server: true,
            user: user.map(str::to_owned),
            peer: user.map(|_| "process 42".to_owned()),
        };
        let targets =
            targets.iter().map(|(pid, name)| (Pid::new(*pid), (*name).to_owned())).collect();
        Session { server: Pid::new(7), line, started_s: user.map(|_| 0), targets }
    }

    #[test]
    fn servers_and_sessions_are_two_tables() {
        let servers = [
            server(7, "npipe:Pipe=AnotherPipe", false, true),
            server(4711, "tcp:Port=53:60,Password=*,Hidden", true, true),
            server(4712, "tcp:Port=1025", false, false),
        ];
        let sessions =
            [session(1, Some("alice"), &[(100, "app"), (2000, "a b")]), session(12, None, &[])];
        let expected = "\
SERVER  USER  SINCE (UTC)          LISTED      TRANSPORT
7       root  2000-02-29 00:00:00  yes         npipe:Pipe=AnotherPipe
4711    root  2000-02-29 00:00:00  hidden      tcp:Port=53:60,Password=*,Hidden
4712    root  2000-02-29 00:00:00  unelevated  tcp:Port=1025

SERVER  SESSION  USER   CLIENT      SINCE (UTC)          TARGETS
7       1        alice  process 42  1970-01-01 00:00:00  100 (app), 2000 (a b)
7       12       -      -           -                    -
";
        assert_eq!(text(&servers, &sessions, &UserNames::read()), expected);
    }

    #[test]
    fn what_there_is_not_is_said() {
        assert_eq!(text(&[], &[], &UserNames::read()), "No process server was found.\n");
        let servers = [server(7, "npipe:Pipe=x", false, true)];
        assert!(text(&servers, &[], &UserNames::read()).ends_with("\n\nNo session is open.\n"));
    }
}
