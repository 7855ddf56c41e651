//! Why a command failed, and how the original says it. It knows no command.

use std::borrow::Cow;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The command cannot be understood from this byte of its text on.
    Syntax(usize),
    /// Something is left over, from this byte of its text on.
    ExtraCharacters(usize),
    /// The range at this byte of its text is too large or ends before it begins.
    Range(usize),
    /// There is no target that could run.
    NoDebuggee,
    /// Memory that the command needs cannot be read or written.
    MemoryAccess,
    /// An expression is wrong; the whole sentence.
    Expression(String),
    /// The command cannot be done; the whole sentence.
    Refused(Cow<'static, str>),
    /// The engine could not do it.
    Engine(dbgeng::Error),
}

impl CommandError {
    /// A refusal with a sentence that is put together.
    pub(crate) fn refused(sentence: impl Into<Cow<'static, str>>) -> CommandError {
        CommandError::Refused(sentence.into())
    }

    /// The line that says it. `command` is the command's text and `column` the place on the screen
    /// where it began; a caret points at what is wrong.
    pub(crate) fn line(&self, command: &str, column: usize) -> String {
        let caret = |position: usize, what: &str| {
            let before = command.get(..position).unwrap_or(command).chars().count();
            format!("{:>width$} {what} in '{command}'\n", "^", width = column + before + 1)
        };
        match self {
            CommandError::Syntax(position) => caret(*position, "Syntax error"),
            CommandError::ExtraCharacters(position) => caret(*position, "Extra character error"),
            CommandError::Range(position) => caret(*position, "Range error"),
            CommandError::NoDebuggee => caret(command.len(), "No runnable debuggees error"),
            CommandError::MemoryAccess => caret(command.len(), "Memory access error"),
            CommandError::Expression(sentence) => format!("{sentence}\n"),
            CommandError::Refused(sentence) => format!("{sentence}\n"),
            CommandError::Engine(error) => format!("{}\n", capitalised(&error.to_string())),
        }
    }
}

impl From<dbgeng::Error> for CommandError {
    fn from(error: dbgeng::Error) -> CommandError {
        CommandError::Engine(error)
    }
}

/// `sentence` as it begins on a line of its own: with a capital letter, unless its first word is a
/// name.
fn capitalised(sentence: &str) -> String {
    let word = sentence.split(' ').next().unwrap_or_default();
    let is_name = !word.chars().all(|character| character.is_ascii_lowercase());
    match sentence.chars().next() {
        Some(first) if !is_name => {
            format!("{}{}", first.to_ascii_uppercase(), sentence.get(1..).unwrap_or_default())
        }
        _ => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_what_is_wrong() {
        // 0:000> zzz
        let line = CommandError::Syntax(0).line("zzz", "0:000> ".len());
        assert_eq!(line, "       ^ Syntax error in 'zzz'\n");
        // 0:000> bl 1 foo
        let line = CommandError::ExtraCharacters(5).line("bl 1 foo", "0:000> ".len());
        assert_eq!(line, "            ^ Extra character error in 'bl 1 foo'\n");
    }

    #[test]
    fn sentences_of_the_engine_become_lines() {
        let error = dbgeng::Error::new(dbgeng::ErrorKind::NoSuchThread, "no thread 7");
        assert_eq!(CommandError::from(error).line("~7s", 0), "No thread 7\n");
        assert_eq!(capitalised("libc_so: no symbols"), "libc_so: no symbols");
        assert_eq!(capitalised(""), "");
    }
}
