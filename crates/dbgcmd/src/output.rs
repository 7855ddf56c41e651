//! The seam between the interpreter and whoever shows its text: a terminal, a test, a program that
//! uses the API. It knows no terminal.

/// Where text of commands and events goes.
pub trait Output {
    /// Shows `text`, which is whole lines except in front of a question.
    fn write(&mut self, text: &str);

    /// Where answers come from, if somebody can be asked. Without an input, a command that would
    /// ask does not.
    fn input(&mut self) -> Option<&mut dyn InputSource> {
        None
    }

    /// Says how far a long command has got, in a line that is not part of what it prints.
    fn progress(&mut self, _line: &str) {}

    /// The targets are about to run; they may use the terminal until [`targets_stopped`].
    ///
    /// [`targets_stopped`]: Output::targets_stopped
    fn targets_running(&mut self) {}

    /// The targets stand still again, or have ended.
    fn targets_stopped(&mut self) {}
}

/// Somebody who answers.
pub trait InputSource {
    /// Shows `prompt` and returns the line that is typed, without its end. `None` if there will be
    /// no more lines.
    fn read_line(&mut self, prompt: &str) -> Option<String>;
}

/// Text is collected; nobody is asked.
impl Output for String {
    fn write(&mut self, text: &str) {
        self.push_str(text);
    }
}
