//! What the far end says first, on its standard output: that it has the pipe, or why not. Whatever
//! a talkative shell has printed before is skipped. Pure.
//!
//! ```text
//! greeting := "dbgsrv-pipe 1" [ " " reason ] "\n"
//! ```

/// How a greeting begins. Its first byte is not in the rest of it, on which the search relies.
const MARK: &[u8] = b"dbgsrv-pipe 1";
/// How much may come before it, and how long a reason may be.
const LEN_MAX: usize = 64 * 1024;

/// The greeting of a far end that has the pipe, or of one that has not, for this reason.
pub(super) fn write(outcome: Result<(), &str>) -> Vec<u8> {
    let reason = outcome.err().map(|reason| format!(" {}", reason.replace(['\n', '\r'], " ")));
    [MARK, reason.unwrap_or_default().as_bytes(), b"\n"].concat()
}

/// What has been heard of a far end.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// It has the pipe; what comes next is the server's.
    Ready,
    /// It has not, for this reason.
    Refused(String),
    /// More than a shell says.
    Nonsense,
}

/// A greeting that is being read.
#[derive(Default, Debug)]
pub(super) struct Greeting {
    /// How many bytes of the mark have been seen.
    matched: usize,
    /// What has come before it.
    skipped: usize,
    /// The reason, if there is one, as far as it has been read.
    reason: Option<Vec<u8>>,
}

impl Greeting {
    /// How many bytes it can take without taking one of the server's: at least one.
    pub(super) fn room(&self) -> usize {
        match self.reason {
            Some(_) => 1,
            None => MARK.len() + 1 - self.matched,
        }
    }

    /// Takes bytes, at most as many as there was room for.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<Heard> {
        bytes.iter().find_map(|byte| self.take_byte(*byte))
    }

    fn take_byte(&mut self, byte: u8) -> Option<Heard> {
        if let Some(reason) = &mut self.reason {
            if byte == b'\n' || reason.len() == LEN_MAX {
                return Some(Heard::Refused(String::from_utf8_lossy(reason).into_owned()));
            }
            reason.push(byte);
            return None;
        }
        match MARK.get(self.matched) {
            Some(wanted) if *wanted == byte => self.matched += 1,
            None if byte == b'\n' => return Some(Heard::Ready),
            None if byte == b' ' => self.reason = Some(Vec::new()),
            _ => {
                self.matched = usize::from(MARK.first() == Some(&byte));
                self.skipped += 1;
            }
        }
        (self.skipped > LEN_MAX).then_some(Heard::Nonsense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads as a client does: never more than there is room for. Also what is left then.
    fn read(mut bytes: &[u8]) -> (Option<Heard>, &[u8]) {
        let mut greeting = Greeting::default();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(greeting.room().min(bytes.len()));
            bytes = rest;
            if let Some(heard) = greeting.take(piece) {
                return (Some(heard), bytes);
            }
        }
        (None, bytes)
    }

    #[test]
    fn nothing_of_the_servers_is_taken() {
        let ready = write(Ok(()));
        for noise in ["", "Welcome to box17!\n", "d", "dbgsrv-pipe 2\n", "dbgsrv-pdbgsrv-pip", "\n"]
        {
            let bytes = [noise.as_bytes(), &ready, b"\x16\x03dbgsrv-pipe 1\n"].concat();
            let (heard, rest) = read(&bytes);
            assert_eq!((heard, rest), (Some(Heard::Ready), &b"\x16\x03dbgsrv-pipe 1\n"[..]));
        }
    }

    #[test]
    fn a_reason_is_a_line() {
        let refused = write(Err("no server has\npipe name x"));
        let heard = Heard::Refused("no server has pipe name x".to_owned());
        assert_eq!(read(&[b"hello\n", &refused[..]].concat()), (Some(heard), &b""[..]));
        assert_eq!(read(&refused[..refused.len() - 1]).0, None);
    }

    #[test]
    fn noise_has_an_end() {
        let noise = vec![b'd'; LEN_MAX + 100];
        assert_eq!(read(&noise).0, Some(Heard::Nonsense));
        let long = [&write(Err("x"))[..MARK.len() + 2], &vec![b'y'; 2 * LEN_MAX]].concat();
        assert!(matches!(read(&long).0, Some(Heard::Refused(_))));
        assert_eq!(read(b"").0, None);
    }

    #[test]
    fn the_marks_first_byte_is_unique() {
        assert_eq!(MARK.iter().filter(|byte| **byte == MARK[0]).count(), 1);
    }
}
