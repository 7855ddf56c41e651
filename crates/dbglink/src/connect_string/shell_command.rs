//! What stands behind `exec:`: a command for the shell, up to the end of the string. It runs
//! nothing.

use super::ParseErrorKind;
use std::fmt;

/// A command line: not empty, no control characters, no blank around it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ShellCommand(String);

impl ShellCommand {
    /// Reads a command line.
    ///
    /// **Errors**: [`ParseErrorKind::EmptyCommand`], [`ParseErrorKind::ControlCharacter`].
    pub fn new(text: &str) -> Result<ShellCommand, ParseErrorKind> {
        if text.contains(|c: char| c.is_control()) {
            return Err(ParseErrorKind::ControlCharacter);
        }
        match text.trim() {
            "" => Err(ParseErrorKind::EmptyCommand),
            command => Ok(ShellCommand(command.to_owned())),
        }
    }

    /// The command line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShellCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
