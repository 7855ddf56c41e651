//! The editor of lines at a terminal: history in a file, completion of command names. It knows the
//! names of commands, not what they do.

use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::config::Configurer as _;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Context, Editor, Helper};

use crate::console::Answer;

/// How many lines the history keeps.
const HISTORY_LEN_MAX: usize = 2000;

/// An editor of lines.
pub(crate) struct LineEditor {
    editor: Editor<CommandNames, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    /// An editor for the terminal of standard input; `None` if there can be none. A history that
    /// cannot be read or written is done without.
    pub(crate) fn new(history: Option<PathBuf>) -> Option<LineEditor> {
        let mut editor = Editor::new().ok()?;
        editor.set_helper(Some(CommandNames { names: dbgcmd::command_names() }));
        editor.set_completion_type(CompletionType::List);
        let _ = editor.set_max_history_size(HISTORY_LEN_MAX);
        let _ = editor.set_history_ignore_dups(true);
        if let Some(path) = &history {
            let _ = path.parent().map(std::fs::create_dir_all);
            let _ = editor.load_history(path);
        }
        Some(LineEditor { editor, history })
    }

    /// Asks for a line.
    pub(crate) fn read(&mut self, prompt: &str) -> Answer {
        match self.editor.readline(prompt) {
            Ok(line) => Answer::Line(line),
            Err(ReadlineError::Interrupted) => Answer::GivenUp,
            Err(_) => Answer::End,
        }
    }

    /// Puts a line into the history.
    pub(crate) fn remember(&mut self, line: &str) {
        let is_new = self.editor.add_history_entry(line).unwrap_or(false);
        if let Some(path) = self.history.as_ref().filter(|_| is_new) {
            let _ = self.editor.append_history(path);
        }
    }
}

/// Completes the first word of a line.
struct CommandNames {
    names: Vec<&'static str>,
}

impl Completer for CommandNames {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..position).unwrap_or_default();
        // The name begins behind the last separator.
        let start = typed.rfind(';').map_or(0, |semicolon| semicolon + 1);
        let word = typed.get(start..).unwrap_or_default();
        let start = start + word.len() - word.trim_start().len();
        let word = word.trim_start();
        let is_candidate = |name: &&&str| !word.is_empty() && name.starts_with(word);
        let names = self.names.iter().filter(is_candidate).map(ToString::to_string);
        Ok((start, names.collect()))
    }
}

impl Hinter for CommandNames {
    type Hint = String;
}

impl Highlighter for CommandNames {}
impl Validator for CommandNames {}
impl Helper for CommandNames {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_of_each_command_is_completed() {
        let names = CommandNames { names: vec![".detach", ".dump", "g"] };
        let history = FileHistory::new();
        let complete = |line: &str| {
            names.complete(line, line.len(), &Context::new(&history)).expect("candidates")
        };
        assert_eq!(complete(".de"), (0, vec![".detach".to_owned()]));
        assert_eq!(complete("k; .d"), (3, vec![".detach".to_owned(), ".dump".to_owned()]));
        assert_eq!(complete(""), (0, vec![]));
        assert_eq!(complete("db rsp"), (0, vec![]));
    }
}
