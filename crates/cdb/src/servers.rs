//! `-QR`: which servers others can connect to on a machine. It reads the machine's registry and
//! asks no server.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use dbglink::RunDir;
use dbglink::registry::{Registry, ServerEntry};

/// Prints the servers of a machine.
///
/// **Errors**: the machine is another one, or its registry cannot be trusted.
pub(crate) fn list(typed: &str) -> Result<()> {
    let host = Host::read(typed);
    if !dbglink::is_this_machine(host.name) {
        bail!(
            "-QR {}: only this machine can be asked for its servers; ask the other one there, as \
             in ssh {} cdb -QR localhost",
            host.shown(),
            host.name
        );
    }
    let servers = Registry::of_machine(&RunDir::of_this_user())
        .servers()
        .with_context(|| format!("cannot list the servers of {}", host.shown()))?;
    let text = text(&host, &servers);
    std::io::stdout().write_all(text.as_bytes()).context("cannot print the servers")
}

/// A machine's name as it was typed.
struct Host<'t> {
    name: &'t str,
    has_backslashes: bool,
}

impl<'t> Host<'t> {
    /// Reads a name behind two optional backslashes, of which a shell may have taken one.
    fn read(typed: &'t str) -> Host<'t> {
        let name = typed.strip_prefix('\\').unwrap_or(typed);
        let name = name.strip_prefix('\\').unwrap_or(name);
        Host { name, has_backslashes: name.len() < typed.len() }
    }

    /// The name as its user meant to type it.
    fn shown(&self) -> String {
        let backslashes = if self.has_backslashes { r"\\" } else { "" };
        format!("{backslashes}{}", self.name)
    }
}

/// The list as the original prints it.
/// **Source**: "Process Server Examples".
fn text(host: &Host<'_>, servers: &[ServerEntry]) -> String {
    let mut text = format!("Servers on {}:\n", host.shown());
    let shown: Vec<&ServerEntry> = servers.iter().filter(|server| !server.is_hidden).collect();
    if shown.is_empty() {
        text.push_str("No server was found.\n");
    }
    for server in shown {
        text.push_str(&format!("{} - {}\n", server.kind.title(), server.endpoint));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::Pid;
    use dbglink::registry::ServerKind;

    fn server(endpoint: &str, is_hidden: bool) -> ServerEntry {
        ServerEntry {
            kind: ServerKind::Process,
            endpoint: endpoint.to_owned(),
            is_hidden,
            pid: Pid::new(1),
            uid: 0,
            started_s: 0,
        }
    }

    #[test]
    fn the_list_is_the_documented_one() {
        let servers = [
            server("npipe:Pipe=AnotherPipe", false),
            server("npipe:Pipe=secret,Hidden", true),
            server("tcp:Port=53:60,Password=*", false),
        ];
        assert_eq!(
            text(&Host::read(r"\\BOX17"), &servers),
            "Servers on \\\\BOX17:\n\
             Remote Process Server - npipe:Pipe=AnotherPipe\n\
             Remote Process Server - tcp:Port=53:60,Password=*\n"
        );
        let none = "Servers on 127.0.0.42:\nNo server was found.\n";
        assert_eq!(text(&Host::read("127.0.0.42"), &servers[1..2]), none);
    }

    #[test]
    fn backslashes_are_optional_and_given_back() {
        for (typed, name, shown) in [
            ("box", "box", "box"),
            (r"\\box", "box", r"\\box"),
            (r"\box", "box", r"\\box"),
            (r"\\\box", r"\box", r"\\\box"),
            ("::1", "::1", "::1"),
        ] {
            let host = Host::read(typed);
            assert_eq!((host.name, host.shown().as_str()), (name, shown));
        }
    }
}
