//! Typing into a program on another machine, while it runs: keys go there as they are pressed, and
//! that program's terminal echoes them. Only Ctrl+C stays here, as it breaks into the debugger. It
//! knows bytes, not who reads them.

use std::os::fd::{AsFd, OwnedFd};
use std::thread::JoinHandle;

use dbgeng::TerminalInput;
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::PipeFlags;
use rustix::stdio::stdin;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

/// How much is read at once.
const CHUNK_LEN: usize = 4096;

/// Somebody types. Dropped, the terminal is as it was, and what has not been read is the prompt's.
pub(crate) struct Typing {
    before: Termios,
    thread: Option<JoinHandle<()>>,
    /// Closed when the keys are the debugger's again.
    over: Option<OwnedFd>,
}

impl Typing {
    /// From now on what is typed at standard input, which is a terminal, goes to `input`. `None` if
    /// the terminal does not take orders.
    pub(crate) fn begin(input: TerminalInput) -> Option<Typing> {
        let before = tcgetattr(stdin()).ok()?;
        let (is_over, over) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).ok()?;
        tcsetattr(stdin(), OptionalActions::Drain, &raw(&before)).ok()?;
        let mut typing = Typing { before, thread: None, over: Some(over) };
        let thread = std::thread::Builder::new().name("typing".to_owned());
        typing.thread = thread.spawn(move || pass_on(&input, &is_over)).ok();
        Some(typing)
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        // Not the kind that discards what was typed. A terminal that is gone needs no modes.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}

/// The modes in which keys are passed on at once, and none is special but the one that interrupts.
fn raw(before: &Termios) -> Termios {
    let mut modes = before.clone();
    modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
    modes.input_modes.remove(InputModes::ICRNL | InputModes::INLCR | InputModes::IXON);
    for code in [SpecialCodeIndex::VQUIT, SpecialCodeIndex::VSUSP] {
        // The value that means "none" (termios(3), _POSIX_VDISABLE).
        modes.special_codes[code] = 0;
    }
    // Ctrl+C discards what was typed before it, also what poll(2) has just told of: a read must not
    // wait for more.
    modes.special_codes[SpecialCodeIndex::VMIN] = 0;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    modes
}

fn pass_on(input: &TerminalInput, is_over: &OwnedFd) {
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        let wanted = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut fds = [wanted(is_over.as_fd()), wanted(stdin())];
        while rustix::event::poll(&mut fds, None) == Err(rustix::io::Errno::INTR) {}
        let [over, typed] = fds.map(|fd| fd.revents());
        if !over.is_empty() || !typed.contains(PollFlags::IN) || typed.contains(PollFlags::HUP) {
            return;
        }
        match rustix::io::read(stdin(), &mut chunk) {
            Ok(count) => input.write(chunk.get(..count).unwrap_or_default()),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}
