//! The command line of a program, as it stands behind `-c`, `-cs` and `-pc`: its words. Pure.
//!
//! Several arguments are the program and its arguments, exactly as given. A single argument is a
//! whole command line, which is cut into words as a shell would, without any of its expansions:
//!
//! * Blanks and tabs separate words.
//! * Within single quotes nothing is special.
//! * Within double quotes a backslash keeps `"`, `\`, `$` and `` ` ``; otherwise it is itself.
//! * Elsewhere a backslash keeps any character.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Why arguments are no command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandLineFault {
    /// There are none, or they hold no word.
    Empty,
    /// A quotation mark is not closed.
    OpenQuote,
    /// It ends with a backslash that keeps nothing.
    OpenBackslash,
}

impl std::fmt::Display for CommandLineFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            CommandLineFault::Empty => "needs a command line behind it",
            CommandLineFault::OpenQuote => "a quotation mark in the command line is not closed",
            CommandLineFault::OpenBackslash => "the command line ends with a backslash",
        })
    }
}

/// The words of a command line, the program first. Any bytes but NUL, which no argument holds.
///
/// **Shape**: never empty.
pub fn words(arguments: &[OsString]) -> Result<Vec<Vec<u8>>, CommandLineFault> {
    let words = match arguments {
        [line] => split(line.as_bytes())?,
        several => several.iter().map(|word| word.as_bytes().to_vec()).collect(),
    };
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(CommandLineFault::Empty),
    }
}

fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, CommandLineFault> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take()),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next().ok_or(CommandLineFault::OpenQuote)? {
                        b'\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            b'"' => double_quoted(&mut bytes, word.get_or_insert_default())?,
            b'\\' => {
                let kept = bytes.next().ok_or(CommandLineFault::OpenBackslash)?;
                word.get_or_insert_default().push(kept);
            }
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Ok(words)
}

fn double_quoted(
    bytes: &mut impl Iterator<Item = u8>,
    word: &mut Vec<u8>,
) -> Result<(), CommandLineFault> {
    loop {
        match bytes.next().ok_or(CommandLineFault::OpenQuote)? {
            b'"' => return Ok(()),
            b'\\' => {
                let kept = bytes.next().ok_or(CommandLineFault::OpenQuote)?;
                if !matches!(kept, b'"' | b'\\' | b'$' | b'`') {
                    word.push(b'\\');
                }
                word.push(kept);
            }
            inside => word.push(inside),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn cut(arguments: &[&str]) -> Result<Vec<String>, CommandLineFault> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let text = |word| String::from_utf8(word).expect("UTF-8");
        words(&arguments).map(|words| words.into_iter().map(text).collect())
    }

    #[test]
    fn one_argument_is_a_whole_command_line() {
        let cases: [(&str, &[&str]); 7] = [
            ("/bin/app", &["/bin/app"]),
            ("  app  a\tb ", &["app", "a", "b"]),
            ("'my app' \"a b\" c\\ d", &["my app", "a b", "c d"]),
            ("app '' \"\"", &["app", "", ""]),
            (r#"app "a\"b\\c\n\$d" 'e\f'"#, &["app", r#"a"b\c\n$d"#, r"e\f"]),
            ("a'b'\"c\"d", &["abcd"]),
            ("app -c * $HOME ~ > x", &["app", "-c", "*", "$HOME", "~", ">", "x"]),
        ];
        for (line, expected) in cases {
            assert_eq!(cut(&[line]).expect("it can be cut"), expected, "{line}");
        }
    }

    #[test]
    fn several_arguments_are_as_given() {
        let given = ["/bin/my app", "a  b", "'", "\\", ""];
        assert_eq!(cut(&given).expect("nothing to read in it"), given);
        let bytes = [OsString::from("app"), OsString::from_vec(vec![0xff, b' ', 0x80])];
        assert_eq!(words(&bytes).expect("any bytes"), [b"app".to_vec(), vec![0xff, b' ', 0x80]]);
    }

    #[test]
    fn what_is_no_command_line_is_named() {
        for arguments in [&[][..], &[""], &["  "], &["", "a"], &["''"]] {
            assert_eq!(cut(arguments), Err(CommandLineFault::Empty), "{arguments:?}");
        }
        for line in ["'a", "a \"b", "\"a\\", "\"a\\\""] {
            assert_eq!(cut(&[line]), Err(CommandLineFault::OpenQuote), "{line}");
        }
        assert_eq!(cut(&["a\\"]), Err(CommandLineFault::OpenBackslash));
    }
}
