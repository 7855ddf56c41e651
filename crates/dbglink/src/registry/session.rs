//! What the command line of a session process says of its session, for those who look at it from
//! outside. Pure.
//!
//! Anybody can start a process with such a command line; what it says is shown to people, and
//! nothing is decided by it.

/// The first argument of a session process.
pub const SESSION_MARK: &str = "@session";
/// What stands on the command line for what does not exist or is not known.
pub const NOTHING: &str = "-";
/// The longest text that is shown of a stranger's command line.
const TEXT_LEN_MAX_BYTES: usize = 128;

/// One session, as its process's command line describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionLine {
    /// What its server calls it.
    pub number: u32,
    /// Whether it is a server's; otherwise it belongs to the debugger that started it.
    pub has_server: bool,
    /// The user as whom its client was let in, if that is known.
    pub user: Option<String>,
    /// Who the client is, as `process 4711` or `127.0.0.1:5005`, if that is known.
    pub peer: Option<String>,
}

impl SessionLine {
    /// Reads a file `/proc/PID/cmdline`; `None` if it is not a session process's.
    ///
    /// **Shape**: `NAME @session LINK JOURNAL CONTROL NUMBER TERMINAL USER PEER …`, each word ended
    /// by a zero byte; words behind these are skipped.
    pub fn parse(cmdline: &[u8]) -> Option<SessionLine> {
        let mut words = cmdline.split(|byte| *byte == 0).skip(1);
        if words.next()? != SESSION_MARK.as_bytes() {
            return None;
        }
        let mut words = words.skip(2);
        let control = words.next()?;
        let number = std::str::from_utf8(words.next()?).ok()?;
        let mut words = words.skip(1);
        Some(SessionLine {
            number: number.parse().ok()?,
            has_server: control != NOTHING.as_bytes(),
            user: known(words.next()?)?,
            peer: known(words.next()?)?,
        })
    }
}

/// The text of a word, with `None` inside for what is not known; `None` for one that is not to be
/// shown.
fn known(word: &[u8]) -> Option<Option<String>> {
    let text = std::str::from_utf8(word).ok()?;
    let is_fine = !text.is_empty() && !text.chars().any(char::is_control);
    let is_short = text.len() <= TEXT_LEN_MAX_BYTES;
    (is_fine && is_short).then(|| Some(text.to_owned()).filter(|text| text != NOTHING))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Option<SessionLine> {
        let line: String = words.iter().map(|word| format!("{word}\0")).collect();
        SessionLine::parse(line.as_bytes())
    }

    #[test]
    fn a_session_of_a_server_says_who_its_client_is() {
        let line = parse(&["dbgsrv", "@session", "5", "6", "7", "3", "0", "alice", "process 42"]);
        let expected = SessionLine {
            number: 3,
            has_server: true,
            user: Some("alice".to_owned()),
            peer: Some("process 42".to_owned()),
        };
        assert_eq!(line, Some(expected));
    }

    #[test]
    fn a_session_of_a_debugger_says_that_it_has_no_server() {
        let line = parse(&["dbgsrv", "@session", "5", "6", "-", "1", "1", "-", "-"]);
        let expected = SessionLine { number: 1, has_server: false, user: None, peer: None };
        assert_eq!(line, Some(expected));
    }

    #[test]
    fn other_command_lines_are_no_sessions() {
        let good = ["dbgsrv", "@session", "5", "6", "7", "3", "0", "alice", "process 42"];
        for len in 0..good.len() {
            assert_eq!(parse(&good[..len]), None, "{len}");
        }
        let with = |index: usize, word: &'static str| {
            let mut words = good;
            words[index] = word;
            parse(&words)
        };
        assert_eq!(with(1, "@sessions"), None);
        assert_eq!(with(5, "three"), None);
        assert_eq!(with(5, "-3"), None);
        assert_eq!(with(7, ""), None);
        assert_eq!(with(7, "\u{1b}[2Jroot"), None);
        assert_eq!(parse(&[&good[..7], &[&"x".repeat(129), "y"]].concat()), None);
        assert_eq!(
            SessionLine::parse(b"dbgsrv\0@session\x005\x006\x007\x003\x000\0\xff\0x\0"),
            None
        );
        assert_eq!(SessionLine::parse(b""), None);
    }
}
