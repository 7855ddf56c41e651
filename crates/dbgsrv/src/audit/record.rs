//! One entry of an audit trail, and its two forms: a line of text, and a message in the form of
//! systemd's journal ("Native Journal Protocol"). Pure.
//!
//! ```text
//!   2026-11-22T01:25:51.123Z dbgsrv[4711]: attach session=3 user=alice pid=77 result=done
//! ```
//!
//! Values are other people's words: names of programs, paths, what a peer says it is. Whatever
//! could end a line, look like another value or be shown as something else than it is, is escaped,
//! so that a line is one event, whatever it is about.

use std::time::SystemTime;

use time::OffsetDateTime;

/// No value is longer; of a longer one the beginning is told. With [`VALUES_MAX`] of them a line is
/// shorter than `PIPE_BUF`, and so is written in one piece.
const VALUE_LEN_MAX: usize = 280;
/// No entry has more values. One more is dropped.
const VALUES_MAX: usize = 13;

/// One entry: what happened, and its values in order. Values that are not known are left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    event: &'static str,
    /// Names, and escaped values.
    values: Vec<(&'static str, String)>,
    is_refused: bool,
}

impl Record {
    /// An entry without values.
    pub(super) fn new(event: &'static str) -> Record {
        Record { event, values: Vec::new(), is_refused: false }
    }

    /// What happened, without values.
    pub(super) fn head(&self) -> Record {
        Record::new(self.event)
    }

    /// What happened.
    #[cfg(test)]
    pub(super) fn event(&self) -> &'static str {
        self.event
    }

    /// With these bytes.
    pub(super) fn bytes(mut self, name: &'static str, value: &[u8]) -> Record {
        if self.values.len() < VALUES_MAX {
            self.values.push((name, escaped(value)));
        }
        self
    }

    /// With this text.
    pub(super) fn text(self, name: &'static str, value: &str) -> Record {
        self.bytes(name, value.as_bytes())
    }

    /// With this text, if it is known.
    pub(super) fn known(self, name: &'static str, value: Option<&str>) -> Record {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// With this number.
    pub(super) fn number(self, name: &'static str, value: u64) -> Record {
        self.text(name, &value.to_string())
    }

    /// With this address.
    pub(super) fn address(self, name: &'static str, value: u64) -> Record {
        self.text(name, &format!("{value:#x}"))
    }

    /// With the values of another one behind.
    pub(super) fn and(mut self, other: Record) -> Record {
        self.values.extend(other.values);
        self.values.truncate(VALUES_MAX);
        self.is_refused |= other.is_refused;
        self
    }

    /// As one of something that was not done.
    pub(super) fn refused(mut self) -> Record {
        self.is_refused = true;
        self
    }

    /// The line, with the end of a line.
    pub(super) fn to_line(&self, at: SystemTime, pid: u32) -> Vec<u8> {
        let at = OffsetDateTime::from(at);
        let (date, clock) = (at.date(), at.time());
        let line = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z dbgsrv[{pid}]: {}\n",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            clock.millisecond(),
            self.message()
        );
        line.into_bytes()
    }

    /// The message for the journal: fields, each in a line of its own, as no value holds an end of
    /// a line.
    pub(super) fn to_datagram(&self) -> Vec<u8> {
        // Facility 10 is for what concerns security (RFC 5424); 4 is a warning, 6 information.
        let priority = if self.is_refused { 4 } else { 6 };
        let mut text = format!(
            "MESSAGE={}\nPRIORITY={priority}\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=dbgsrv\n\
             DBGSRV_EVENT={}\n",
            self.message(),
            self.event
        );
        for (name, value) in &self.values {
            let name = name.to_ascii_uppercase().replace('-', "_");
            text += &format!("DBGSRV_{name}={value}\n");
        }
        text.into_bytes()
    }

    fn message(&self) -> String {
        let mut text = self.event.to_owned();
        for (name, value) in &self.values {
            let is_plain = !value.is_empty() && value.bytes().all(is_plain);
            text +=
                &if is_plain { format!(" {name}={value}") } else { format!(" {name}=\"{value}\"") };
        }
        text
    }
}

/// Whether a value with this byte needs no quotation marks.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_./:@%+,#*~[]".contains(&byte)
}

/// A value as it is told: letters and digits of any script and what ASCII prints stay, anything
/// else becomes `\xHH` or `\u{H}`.
fn escaped(value: &[u8]) -> String {
    let mut text = String::new();
    for chunk in value.utf8_chunks() {
        let characters = chunk.valid().chars().map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            ' '..='~' => c.to_string(),
            c if c.is_alphanumeric() => c.to_string(),
            c if c.is_ascii() => format!("\\x{:02x}", u32::from(c)),
            c => format!("\\u{{{:x}}}", u32::from(c)),
        });
        let bytes = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        for piece in characters.chain(bytes) {
            if text.len() + piece.len() > VALUE_LEN_MAX {
                return text + "...";
            }
            text += &piece;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// `PIPE_BUF` of limits.h.
    const LINE_LEN_MAX: usize = 4096;

    fn line(record: &Record) -> String {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_310_751_023);
        String::from_utf8(record.to_line(at, 4711)).expect("text")
    }

    #[test]
    fn a_line_is_for_people_and_programs() {
        let record = Record::new("attach").number("session", 3).known("user", Some("alice"));
        let record = record.known("client", None).address("at", 0x401000).text("why", "no way");
        assert_eq!(
            line(&record),
            "2026-11-22T01:25:51.023Z dbgsrv[4711]: attach session=3 user=alice at=0x401000 \
             why=\"no way\"\n"
        );
        let datagram = String::from_utf8(record.refused().to_datagram()).expect("text");
        for field in [
            "MESSAGE=attach session=3 user=alice at=0x401000 why=\"no way\"",
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=dbgsrv",
            "DBGSRV_EVENT=attach",
            "DBGSRV_SESSION=3",
            "DBGSRV_WHY=no way",
        ] {
            assert!(datagram.lines().any(|line| line == field), "{field} is not in {datagram}");
        }
    }

    #[test]
    fn no_value_becomes_another_one_or_another_line() {
        for (value, told) in [
            (&b"a\nb"[..], "\"a\\x0ab\""),
            (b"a result=done", "\"a result=done\""),
            (b"\" result=done \"", "\"\\\" result=done \\\"\""),
            (b"a\\", "\"a\\\\\""),
            (b"\x1b[2J\x7f", "\"\\x1b[2J\\x7f\""),
            (b"\xff\xfe", "\"\\xff\\xfe\""),
            (b"", "\"\""),
            (
                "\u{202e}txt\u{85}\u{2028}\u{200b}".as_bytes(),
                "\"\\u{202e}txt\\u{85}\\u{2028}\\u{200b}\"",
            ),
            ("für".as_bytes(), "\"für\""),
        ] {
            let record = Record::new("x").bytes("name", value).text("result", "done");
            let text = line(&record);
            assert!(text.ends_with(&format!(": x name={told} result=done\n")), "{text}");
            assert_eq!(text.matches('\n').count(), 1);
            let datagram = String::from_utf8(record.to_datagram()).expect("text");
            assert_eq!(datagram.lines().filter(|line| line.starts_with("DBGSRV_")).count(), 3);
        }
    }

    #[test]
    fn a_line_is_never_too_long() {
        for unit in [&b"\n"[..], b"x", b"\xff", "\u{10ffff}".as_bytes(), b"\"", "ü".as_bytes()] {
            let long = unit.repeat(5000);
            let mut record = Record::new("some-long-event");
            for _ in 0..100 {
                record = record.bytes("some-name", &long);
            }
            let record = record.clone().and(record);
            let text = line(&record);
            assert!(text.len() <= LINE_LEN_MAX, "{}", text.len());
            assert!(text.contains("..."), "{text}");
        }
    }
}
