//! Names of pipes, and the printf codes that a server may write into them. It knows that a name
//! becomes a file name, not in which directory.

use dbgbase::{Pid, Tid};
use std::fmt;

/// The longest name of a pipe. With it, the path of the socket in every default directory fits the
/// 108 bytes of `sun_path` (unix(7)); the longest of these is `/run/user/4294967295/dbgsrv/`.
pub const PIPE_NAME_LEN_MAX_BYTES: usize = 64;

/// The most digits that a printf code may ask for.
const WIDTH_MAX: usize = 32;

/// Why a text is no name of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PipeNameFault {
    /// It has no characters.
    Empty,
    /// It holds a blank.
    Blank,
    /// It holds a quotation mark, single or double.
    Quote,
    /// It holds a slash, backslash, comma or control character. The name is a file name.
    Character,
    /// It begins with a dot. Such files in the directory are the server's own.
    LeadingDot,
    /// It, or what its codes may become, is longer than [`PIPE_NAME_LEN_MAX_BYTES`].
    TooLong,
    /// A `%` is not followed by a numeric code: `d`, `i`, `u`, `x`, `X` or `o`, with a width and a
    /// zero before that if wanted.
    Code,
    /// There are more than two codes. The first is the process id, the second the thread id.
    ThirdCode,
    /// A code has a width but no zero flag, and so might put blanks into the name.
    WidthWithoutZero,
    /// The name holds a `%`, but must be the final one, in which the codes are replaced.
    NotFinal,
}

impl fmt::Display for PipeNameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PipeNameFault::Empty => "a pipe name is not empty",
            PipeNameFault::Blank => "a pipe name has no blanks",
            PipeNameFault::Quote => "a pipe name has no quotation marks",
            PipeNameFault::Character => {
                "a pipe name is the name of a file, not a path: no slash, backslash or comma"
            }
            PipeNameFault::LeadingDot => "a pipe name does not begin with a dot",
            PipeNameFault::TooLong => "a pipe name has at most 64 bytes, its codes replaced",
            PipeNameFault::Code => {
                "only the codes %d %i %u %x %X %o, as in %d or %08x, may stand in a pipe name"
            }
            PipeNameFault::ThirdCode => {
                "only two codes may stand in a pipe name: the process id and the thread id"
            }
            PipeNameFault::WidthWithoutZero => {
                "a width needs a zero before it, as in %08x, because a pipe name has no blanks"
            }
            PipeNameFault::NotFinal => {
                "a client gives the final name, with the server's codes replaced, as listed by -QR"
            }
        })
    }
}

/// The final name of a pipe: what a client gives and what the socket is called.
///
/// 1 to [`PIPE_NAME_LEN_MAX_BYTES`] bytes; no blanks, quotation marks, slashes, backslashes,
/// commas, percent signs or control characters; not beginning with a dot.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PipeName(String);

impl PipeName {
    /// Takes `text` as a final name.
    ///
    /// **Errors**: the [`PipeNameFault`]s that have nothing to do with codes.
    pub fn new(text: &str) -> Result<PipeName, PipeNameFault> {
        check_characters(text)?;
        if text.contains('%') {
            return Err(PipeNameFault::NotFinal);
        }
        if text.len() > PIPE_NAME_LEN_MAX_BYTES {
            return Err(PipeNameFault::TooLong);
        }
        Ok(PipeName(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a pipe as a server gives it: a [`PipeName`] with up to two printf codes in it.
///
/// The first code becomes the server's process id, the second its thread id (page "Activating a
/// Process Server"). A code is `%`, an optional `0` and width, and one of `d i u x X o`; there is
/// no way to write a percent sign itself.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PipeTemplate(String);

impl PipeTemplate {
    /// Takes `text` as a name with codes.
    ///
    /// **Errors**: every [`PipeNameFault`] but [`NotFinal`](PipeNameFault::NotFinal).
    pub fn new(text: &str) -> Result<PipeTemplate, PipeNameFault> {
        check_characters(text)?;
        let mut codes = 0;
        let mut len_bytes = 0;
        for piece in Pieces(text) {
            match piece? {
                Piece::Text(text) => len_bytes += text.len(),
                Piece::Code(code) => {
                    codes += 1;
                    len_bytes += code.render(u32::MAX).len();
                }
            }
        }
        if codes > 2 {
            return Err(PipeNameFault::ThirdCode);
        }
        if len_bytes > PIPE_NAME_LEN_MAX_BYTES {
            return Err(PipeNameFault::TooLong);
        }
        Ok(PipeTemplate(text.to_owned()))
    }

    /// The name with its codes as they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The final name of a server with this process and thread id.
    pub fn expand(&self, pid: Pid, tid: Tid) -> PipeName {
        let mut ids = [pid.value(), tid.value()].into_iter();
        let mut name = String::new();
        // What was checked when this value was made yields no error and at most two codes.
        for piece in Pieces(&self.0).flatten() {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Code(code) => name.extend(ids.next().map(|id| code.render(id))),
            }
        }
        PipeName(name)
    }
}

impl From<PipeName> for PipeTemplate {
    /// A name without codes.
    fn from(name: PipeName) -> PipeTemplate {
        PipeTemplate(name.0)
    }
}

impl fmt::Display for PipeTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks everything but codes and length.
fn check_characters(text: &str) -> Result<(), PipeNameFault> {
    if text.is_empty() {
        return Err(PipeNameFault::Empty);
    }
    if text.starts_with('.') {
        return Err(PipeNameFault::LeadingDot);
    }
    for c in text.chars() {
        match c {
            ' ' | '\t' => return Err(PipeNameFault::Blank),
            '"' | '\'' => return Err(PipeNameFault::Quote),
            '/' | '\\' | ',' => return Err(PipeNameFault::Character),
            _ if c.is_control() => return Err(PipeNameFault::Character),
            _ if c.is_whitespace() => return Err(PipeNameFault::Blank),
            _ => {}
        }
    }
    Ok(())
}

enum Piece<'a> {
    Text(&'a str),
    Code(Code),
}

/// One printf code.
struct Code {
    conversion: char,
    width: usize,
}

impl Code {
    /// The number as printf(3) writes it. Ids are positive, so `%d` and `%u` are the same.
    fn render(&self, id: u32) -> String {
        let width = self.width;
        match self.conversion {
            'x' => format!("{id:0width$x}"),
            'X' => format!("{id:0width$X}"),
            'o' => format!("{id:0width$o}"),
            _ => format!("{id:0width$}"),
        }
    }

    /// Reads what follows a `%`; also returns what follows the code.
    fn parse(text: &str) -> Result<(Code, &str), PipeNameFault> {
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or(PipeNameFault::Code)?;
        let (digits, rest) = text.split_at_checked(end).ok_or(PipeNameFault::Code)?;
        let mut rest = rest.chars();
        let conversion = rest.next().ok_or(PipeNameFault::Code)?;
        if !"diuxXo".contains(conversion) {
            return Err(PipeNameFault::Code);
        }
        if !digits.is_empty() && !digits.starts_with('0') {
            return Err(PipeNameFault::WidthWithoutZero);
        }
        let significant = digits.trim_start_matches('0');
        let width = if significant.is_empty() {
            0
        } else {
            significant.parse().ok().filter(|w| *w <= WIDTH_MAX).ok_or(PipeNameFault::TooLong)?
        };
        Ok((Code { conversion, width }, rest.as_str()))
    }
}

/// The pieces of a name, in order. Ends behind the first fault.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, PipeNameFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(code) = self.0.strip_prefix('%') {
            return Some(match Code::parse(code) {
                Ok((code, rest)) => {
                    self.0 = rest;
                    Ok(Piece::Code(code))
                }
                Err(fault) => {
                    self.0 = "";
                    Err(fault)
                }
            });
        }
        let end = self.0.find('%').unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!text.is_empty()).then_some(Ok(Piece::Text(text)))
    }
}
