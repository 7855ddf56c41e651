//! Passwords on command lines: everybody can read those of others (proc_pid_cmdline(5)), so what
//! stands behind `password=` is overwritten as soon as it has been read.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;

/// Where passwords stand.
const NAME: &[u8] = b"password=";
/// What takes their place.
const MASK: u8 = b'*';
/// No command line is longer.
const LEN_MAX: u64 = 16 * 1024 * 1024;

/// The arguments of this process, the program first: copies, which are overwritten when they are
/// dropped, as far as safe code can.
pub struct Arguments(Vec<OsString>);

impl Arguments {
    /// Copies them.
    pub fn of_this_process() -> Arguments {
        Arguments(std::env::args_os().collect())
    }
}

impl Deref for Arguments {
    type Target = [OsString];

    fn deref(&self) -> &[OsString] {
        &self.0
    }
}

impl Drop for Arguments {
    fn drop(&mut self) {
        for argument in self.0.drain(..) {
            wipe(argument.into_vec());
        }
    }
}

/// Overwrites bytes before their memory is given back.
fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    std::hint::black_box(&bytes);
}

/// Overwrites the passwords on this process's own command line. There is a moment before that in
/// which they can be seen; `password=file:` and `password=env:` have none.
///
/// **Errors**: of reading and writing `/proc/self`; the passwords stay to be seen then.
/// **Threads**: before anything else looks at the arguments.
pub fn hide_passwords() -> io::Result<()> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (start, end) = arguments(&stat).ok_or(io::ErrorKind::InvalidData)?;
    let memory: File = OpenOptions::new().read(true).write(true).open("/proc/self/mem")?;
    let mut line = vec![0; end.saturating_sub(start).min(LEN_MAX) as usize];
    memory.read_exact_at(&mut line, start)?;
    for place in passwords(&line) {
        let mask = vec![MASK; place.len()];
        memory.write_all_at(&mask, start + place.start as u64)?;
    }
    wipe(line);
    Ok(())
}

/// Where the arguments begin and end (proc_pid_stat(5), fields 48 and 49).
fn arguments(stat: &str) -> Option<(u64, u64)> {
    // The name in parentheses may have anything in it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(45);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Where passwords stand in arguments that end with NUL each: what is behind the name, up to the
/// next parameter. Places of passwords are none.
fn passwords(line: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let is_here = |at: &usize| {
        line.get(*at..).is_some_and(|rest| {
            rest.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        })
    };
    for at in (0..line.len()).filter(is_here) {
        let is_quoted = line.get(at + NAME.len()) == Some(&b'"');
        let start = at + NAME.len() + usize::from(is_quoted);
        let value = line.get(start..).unwrap_or_default();
        let is_end = |byte: &u8| match is_quoted {
            true => matches!(byte, 0 | b'"'),
            false => matches!(byte, 0 | b',' | b'"' | b' '),
        };
        let len = value.iter().position(is_end).unwrap_or(value.len());
        let is_place = value.starts_with(b"file:") || value.starts_with(b"env:");
        if len > 0 && !is_place {
            found.push(start..start + len);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_found_wherever_they_stand() {
        let hidden = |line: &str| {
            let mut bytes = line.as_bytes().to_vec();
            for place in passwords(line.as_bytes()) {
                bytes[place].fill(MASK);
            }
            String::from_utf8(bytes).expect("text")
        };
        for (line, expected) in [
            ("-t\0tcp:port=5,password=abc\0", "-t\0tcp:port=5,password=***\0"),
            ("tcp:Password=abc,port=5\0x", "tcp:Password=***,port=5\0x"),
            ("password=abc", "password=***"),
            ("password=\0", "password=\0"),
            ("password=\"abc\",port=5\0", "password=\"***\",port=5\0"),
            // It is none, and still nobody's business.
            ("password=\"a, b\",port=5\0", "password=\"****\",port=5\0"),
            ("password=\"abc\0x", "password=\"***\0x"),
            ("password=\"file:/a b\"\0", "password=\"file:/a b\"\0"),
            ("password=\"\"\0", "password=\"\"\0"),
            ("password=file:/a,b\0", "password=file:/a,b\0"),
            ("password=env:A password=b", "password=env:A password=*"),
            (".attach -premote tcp:password=abc -p 1", ".attach -premote tcp:password=*** -p 1"),
            ("passwor", "passwor"),
        ] {
            assert_eq!(hidden(line), expected);
        }
    }

    #[test]
    fn the_place_of_the_arguments_is_known() {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("it is there");
        let (start, end) = arguments(&stat).expect("two fields");
        assert!(start < end);
        let line = std::fs::read("/proc/self/cmdline").expect("it is there");
        assert_eq!(end - start, line.len() as u64);
        assert_eq!(arguments("1 (a) b) R 2"), None);
    }
}
