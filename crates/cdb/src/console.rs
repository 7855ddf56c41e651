//! Where commands come from and text goes: a person at a terminal, or lines of a pipe. It knows
//! nothing of what the lines mean.

use std::borrow::Cow;
use std::io::{self, BufRead as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dbgcmd::{InputSource, Output};
use dbgeng::TerminalInput;
use rustix::stdio::{stdin, stdout};
use rustix::termios::isatty;

use crate::line_editor::LineEditor;
use crate::terminal::SharedTerminal;
use crate::typing::Typing;

/// What came of asking for a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// This.
    Line(String),
    /// Ctrl+C: the line is given up.
    GivenUp,
    /// There are no more lines.
    End,
}

/// A person or a pipe.
pub(crate) struct Console {
    editor: Option<LineEditor>,
    terminal: Option<SharedTerminal>,
    /// Where to type while targets run, if they do not share the terminal.
    input: Option<TerminalInput>,
    typing: Option<Typing>,
    /// Whether what is shown ends with a line that a target has not ended.
    is_in_line: Arc<AtomicBool>,
    /// Whether nobody reads what is written any more.
    is_closed: bool,
}

impl Console {
    /// The console of standard input and output, whose terminal programs that are started will use
    /// as well.
    pub(crate) fn sharing() -> Console {
        Console { terminal: SharedTerminal::of_stdin(), ..Console::new() }
    }

    /// The console of standard input and output. While targets run, what is typed goes to `input`,
    /// if it is a terminal at which it is typed.
    pub(crate) fn typing_into(input: TerminalInput) -> Console {
        Console { input: isatty(stdin()).then_some(input), ..Console::new() }
    }

    fn new() -> Console {
        let is_interactive = isatty(stdin()) && isatty(stdout());
        Console {
            editor: is_interactive.then(|| LineEditor::new(history_path())).flatten(),
            terminal: None,
            input: None,
            typing: None,
            is_in_line: Arc::default(),
            is_closed: false,
        }
    }

    /// Where what targets write is shown.
    pub(crate) fn target_output(&self) -> TargetOutput {
        TargetOutput { is_in_line: Arc::clone(&self.is_in_line) }
    }

    /// Whether a person answers.
    pub(crate) fn is_interactive(&self) -> bool {
        self.editor.is_some()
    }

    /// Asks for a line of commands.
    pub(crate) fn read_command(&mut self, prompt: &str) -> Answer {
        let answer = self.read(prompt);
        if let (Some(editor), Answer::Line(line)) = (&mut self.editor, &answer) {
            editor.remember(line);
        }
        answer
    }

    fn read(&mut self, prompt: &str) -> Answer {
        if self.is_closed {
            return Answer::End;
        }
        if let Some(editor) = &mut self.editor {
            return editor.read(prompt);
        }
        self.write(prompt);
        let mut line = Vec::new();
        match io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => Answer::End,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                Answer::Line(text.trim_end_matches(['\n', '\r']).to_owned())
            }
        }
    }
}

/// Shows what targets write to terminals of their own.
pub(crate) struct TargetOutput {
    is_in_line: Arc<AtomicBool>,
}

impl TargetOutput {
    /// Shows it as it is.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let mut stdout = io::stdout().lock();
        // Nobody may read any more; the console notices by itself.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
        if let Some(last) = bytes.last() {
            self.is_in_line.store(*last != b'\n', Ordering::Relaxed);
        }
    }
}

impl Output for Console {
    fn write(&mut self, text: &str) {
        let mut stdout = io::stdout().lock();
        if self.is_in_line.swap(false, Ordering::Relaxed) {
            // A failure is that of the text as well.
            let _ = stdout.write_all(b"\n");
        }
        // A debuggee may write to the same terminal, so nothing is held back.
        let result = stdout.write_all(visible(text).as_bytes()).and_then(|()| stdout.flush());
        self.is_closed |= result.is_err();
    }

    fn input(&mut self) -> Option<&mut dyn InputSource> {
        Some(self)
    }

    fn progress(&mut self, line: &str) {
        // It must not mix with what commands print.
        eprintln!("{line}");
    }

    fn targets_running(&mut self) {
        if let Some(input) = self.input.as_ref().filter(|input| input.has_terminal())
            && self.typing.is_none()
        {
            self.typing = Typing::begin(input.clone());
        }
        if let Some(terminal) = &self.terminal {
            terminal.give();
        }
    }

    fn targets_stopped(&mut self) {
        self.typing = None;
        if let Some(terminal) = &mut self.terminal {
            terminal.take();
        }
    }
}

impl InputSource for Console {
    fn read_line(&mut self, prompt: &str) -> Option<String> {
        match self.read(prompt) {
            Answer::Line(line) => Some(line),
            Answer::GivenUp | Answer::End => None,
        }
    }
}

/// Text whose control characters are escaped: names of threads, files and symbols are whatever a
/// program likes, and the terminal would obey them.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let is_obeyed = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::new();
    for letter in text.chars() {
        match is_obeyed(letter) {
            true => escaped.extend(letter.escape_default()),
            false => escaped.push(letter),
        }
    }
    Cow::Owned(escaped)
}

/// The file of the lines typed before (XDG Base Directory Specification: state).
fn history_path() -> Option<PathBuf> {
    let is_absolute = |path: &PathBuf| path.is_absolute();
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(is_absolute);
    let home = || std::env::var_os("HOME").map(PathBuf::from).filter(is_absolute);
    let folder = state.or_else(|| Some(home()?.join(".local/state")))?;
    Some(folder.join("dbgsrv/cdb_history"))
}
