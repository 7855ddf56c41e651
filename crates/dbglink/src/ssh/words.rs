//! The command line of ssh(1) for a pipe of another machine: which names may be on it, and what a
//! shell at its other end reads. It starts nothing.

use crate::connect_string::{HostName, PipeName};

/// What is started on the other machine if nothing else is said.
pub(super) const PROGRAM: &str = "dbgsrv";
/// The variable that says otherwise.
pub(super) const PROGRAM_VARIABLE: &str = "DBGSRV_REMOTE_PROGRAM";
/// The first argument of the far end ([`serve_far_end`](crate::serve_far_end)); the pipe's name is
/// the second.
pub const FAR_END_MARK: &str = "@pipe";

/// A machine as ssh(1) is told of it: `host`, or `user@host`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Destination<'a> {
    user: Option<&'a str>,
    host: &'a str,
}

impl<'a> Destination<'a> {
    /// The one in `server=`. `None` if it has characters that ssh, a script in somebody's
    /// configuration of it, or a shell could take for something else than a name.
    pub(crate) fn new(server: &'a HostName) -> Option<Destination<'a>> {
        let (user, host) = split(server);
        let destination = Destination { user, host };
        let is_sound = is_name(host, "._-:%") && user.is_none_or(|user| is_name(user, "._-+@"));
        is_sound.then_some(destination)
    }

    /// As one word.
    fn word(&self) -> String {
        match self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.to_owned(),
        }
    }
}

/// The machine in `server=`, without the user before it.
pub(crate) fn machine(server: &HostName) -> &str {
    split(server).1
}

fn split(server: &HostName) -> (Option<&str>, &str) {
    match server.as_str().rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, server.as_str()),
    }
}

fn is_name(text: &str, others: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(is_fit)
}

/// How ssh is to work, besides what its user has configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Manner {
    /// How long it may take until the other machine answers, in seconds.
    pub(super) connect_timeout_s: u64,
    /// Whether it must not ask anybody for anything.
    pub(super) is_mute: bool,
}

/// The arguments of ssh(1). `program` is dbgsrv's path over there, if it is not on the `PATH`.
pub(super) fn arguments(
    destination: Destination<'_>,
    pipe: &PipeName,
    program: Option<&str>,
    manner: Manner,
) -> Vec<String> {
    // No terminal, no agent, no display over there; nothing beside this command.
    let mut words: Vec<String> = ["-T", "-a", "-x"].map(str::to_owned).to_vec();
    let timeout = format!("ConnectTimeout={}", manner.connect_timeout_s.max(1));
    let mut options = vec![
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "RemoteCommand=none",
        &timeout,
        // Whoever is silent for 45 s is gone.
        "ServerAliveInterval=15",
        "ServerAliveCountMax=3",
    ];
    options.extend(manner.is_mute.then_some("BatchMode=yes"));
    words.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option.to_owned()]));
    words.extend(["--".to_owned(), destination.word(), command(pipe, program)]);
    words
}

/// What the user's shell over there is to execute.
fn command(pipe: &PipeName, program: Option<&str>) -> String {
    let program = program.map_or_else(|| PROGRAM.to_owned(), quoted);
    format!("{program} {FAR_END_MARK} {}", quoted(pipe.as_str()))
}

/// A word that every usual shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostName {
        HostName::new(text).expect("a host")
    }

    #[test]
    fn only_names_are_destinations() {
        for text in ["box17", "box17.example.org", "192.0.2.1", "fe80::1%eth0", "a_b", "root@box17"]
        {
            let host = host(text);
            assert_eq!(Destination::new(&host).expect(text).word(), text);
        }
        let several = host("me@corp@box17");
        let several = Destination::new(&several).expect("ssh takes the last @");
        assert_eq!((several.user, several.host), (Some("me@corp"), "box17"));
        for text in [
            "-oProxyCommand=x",
            "-box17",
            "root@-box17",
            "-l@box17",
            "@box17",
            "root@",
            "box17;x",
            "$(x)",
            "`x`@box17",
            "a|b",
            "a'b",
            "a&b",
            "b(x",
            "bäx",
        ] {
            let Ok(host) = HostName::new(text) else { continue };
            assert_eq!(Destination::new(&host), None, "{text}");
        }
    }

    #[test]
    fn a_certificate_is_for_the_machine_not_its_user() {
        assert_eq!(machine(&host("root@box17")), "box17");
        assert_eq!(machine(&host("box17")), "box17");
    }

    #[test]
    fn the_line_is_for_one_machine_and_one_command() {
        let manner = Manner { connect_timeout_s: 30, is_mute: true };
        let server = host("root@box17");
        let pipe = PipeName::new("a$(x);`y`&*~").expect("a pipe");
        let server = Destination::new(&server).expect("a name");
        let words = arguments(server, &pipe, None, manner);
        let end = ["--", "root@box17", "dbgsrv @pipe 'a$(x);`y`&*~'"];
        assert!(words.ends_with(&end.map(str::to_owned)), "{words:?}");
        assert!(words.iter().any(|word| word == "BatchMode=yes"));
        assert!(words.iter().any(|word| word == "ConnectTimeout=30"));
        let manner = Manner { connect_timeout_s: 0, is_mute: false };
        let words = arguments(server, &pipe, Some("/opt/it's/-dbgsrv"), manner);
        let last = words.last().expect("the command");
        assert_eq!(last, r"'/opt/it'\''s/-dbgsrv' @pipe 'a$(x);`y`&*~'");
        assert!(!words.iter().any(|word| word == "BatchMode=yes"));
        assert!(words.iter().any(|word| word == "ConnectTimeout=1"));
    }
}
