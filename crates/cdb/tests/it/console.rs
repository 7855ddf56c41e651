//! A dialogue with cdb: commands go to its standard input, and what it prints up to the next prompt
//! comes back. It knows what prompts look like, not what commands mean.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use testkit::Guard;

/// A running cdb.
pub(crate) struct Console {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    unread: Vec<u8>,
    /// What it printed before its first prompt.
    pub(crate) banner: String,
    /// The prompt it shows now; empty when it has ended.
    pub(crate) prompt: String,
}

impl Console {
    /// Starts cdb with these arguments and waits for its first prompt, or its end.
    #[track_caller]
    pub(crate) fn start(guard: &Guard, arguments: &[&str]) -> Console {
        let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
        command.args(arguments);
        Console::spawn(command)
    }

    /// The same for a command that has been prepared otherwise.
    #[track_caller]
    pub(crate) fn spawn(command: std::process::Command) -> Console {
        let mut console = Console::begin(command);
        console.banner = console.read_to_prompt();
        console
    }

    /// Starts one and does not wait for its prompt: it has to be connected to first.
    #[track_caller]
    pub(crate) fn begin(mut command: std::process::Command) -> Console {
        command.env_remove("_NT_SYMBOL_PATH").env("XDG_STATE_HOME", "/nonexistent");
        // Nothing of the user's is kept or asked, but where a test says so itself.
        for (name, value) in [("DEBUGINFOD_URLS", ""), ("XDG_CACHE_HOME", "/dev/null")] {
            if command.get_envs().all(|(set, _)| set != name) {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("cdb starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        Console {
            child,
            input,
            output,
            unread: Vec::new(),
            banner: String::new(),
            prompt: String::new(),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> dbgbase::Pid {
        dbgbase::Pid::new(self.child.id())
    }

    /// Gives a command and returns what is printed up to the next prompt.
    #[track_caller]
    pub(crate) fn command(&mut self, line: &str) -> String {
        assert!(!self.prompt.is_empty(), "cdb ended before {line:?}: {}", self.banner);
        let input = self.input.as_mut().expect("open until the end");
        writeln!(input, "{line}").expect("cdb reads");
        self.read_to_prompt()
    }

    /// Gives a command without waiting for what it prints.
    pub(crate) fn type_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("open until the end");
        writeln!(input, "{line}").expect("cdb reads");
    }

    /// Sends cdb the signal that Ctrl+C sends, once it waits for the target.
    pub(crate) fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("cdb lives");
    }

    /// The same as Ctrl+C, and what is printed up to the next prompt.
    #[track_caller]
    pub(crate) fn break_in(&mut self) -> String {
        self.interrupt();
        self.read_to_prompt()
    }

    /// Reads until the text is printed, which comes before the next prompt.
    #[track_caller]
    pub(crate) fn read_until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.unread).contains(text) {
            let mut buffer = [0; 16 * 1024];
            let count = self.output.read(&mut buffer).expect("a pipe");
            assert_ne!(count, 0, "cdb ended before {text:?}");
            self.unread.extend_from_slice(&buffer[..count]);
        }
    }

    /// Kills cdb as nothing it can catch would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("cdb lives");
        self.child.wait().expect("a child");
    }

    /// Gives a last command, and returns what is printed and the exit status.
    #[track_caller]
    pub(crate) fn finish(mut self, line: &str) -> (String, i32) {
        self.type_line(line);
        self.input = None;
        let mut text = String::from_utf8_lossy(&self.unread).into_owned();
        self.output.read_to_string(&mut text).expect("a pipe of text");
        let status = self.child.wait().expect("a child");
        (text, status.code().unwrap_or(-1))
    }

    /// The exit status, without reading on: a program that goes on may hold cdb's output.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> i32 {
        self.child.wait().expect("a child").code().unwrap_or(-1)
    }

    #[track_caller]
    pub(crate) fn read_to_prompt(&mut self) -> String {
        loop {
            if let Some((text, prompt)) = split_at_prompt(&self.unread) {
                self.prompt = prompt;
                self.unread.clear();
                return text;
            }
            let mut buffer = [0; 16 * 1024];
            let count = self.output.read(&mut buffer).expect("a pipe");
            if count == 0 {
                self.prompt.clear();
                return String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned();
            }
            self.unread.extend_from_slice(&buffer[..count]);
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended, and then that is all there is to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Cuts what was printed at a prompt that it ends with: `0:000> ` or `NoTarget> `.
fn split_at_prompt(bytes: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let start = text.rfind('\n').map_or(0, |end| end + 1);
    let prompt = text.get(start..)?.strip_suffix("> ")?;
    let is_numbers = prompt.split(':').count() == 2
        && prompt.chars().all(|letter| letter.is_ascii_digit() || letter == ':');
    (is_numbers || prompt == "NoTarget").then(|| (text[..start].to_owned(), prompt.to_owned()))
}
