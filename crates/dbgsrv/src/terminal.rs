//! The pseudo-terminal of one target, seen from its master: what the target writes goes to the
//! client as events, and what the client types goes in. It knows a target's number, and not who
//! stops it. See `docs/decisions/0009-a-keeper-holds-the-terminal.md` for its keeper.
//!
//! ```text
//!   target ── slave ║ master ──┬── pump thread ── Output events ──► client
//!                              ├── tracer thread, before it tells of a stop or an end
//!                              └── keeper, once the session has let go of the target
//! ```

mod keeper;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use dbgbase::TargetId;
use dbgwire::event::Output;
use dbgwire::verbs::terminal::INPUT_LEN_MAX;
use dbgwire::{AnyEvent, ErrorCode, Fault};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::spawn;

pub(crate) use keeper::run_if_keeper;

/// The most output of one event. It is more than a pseudo-terminal holds back, so that one event
/// takes all that was written before a stop, and other processes on the terminal cannot hold up
/// that stop.
const OUTPUT_LEN_MAX: usize = 64 * 1024;
/// How often a terminal that no process has open is looked at again: one that has it as its
/// controlling terminal may open it anew, and nothing tells of that.
const CLOSED_RECHECK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// The size of a terminal if the client does not say.
const ROWS: u32 = 24;
const COLUMNS: u32 = 80;

/// Where output goes.
pub(crate) type Events = Arc<dyn Fn(AnyEvent, Bytes) + Send + Sync>;

/// The session's hold on a target's terminal. When it is dropped no more output is told of, and the
/// keeper takes over.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    /// The keeper knows by its end that the session has let go, however that came about.
    _lifeline: OwnedFd,
}

impl Terminal {
    /// Opens one for a program that is about to be launched, with its keeper, and the target's end
    /// of it. A size of 0 is that of a usual terminal. Output waits until it is told as a target's.
    ///
    /// **Errors**: [`ErrorCode::SystemError`] if the system has no more terminals, descriptors or
    /// processes; [`ErrorCode::Malformed`] for a size that no terminal has.
    /// **Threads**: starts one, which ends after the keeper. Not on the tracer thread, which would
    /// take the end of the keeper, its child then, for a target's.
    pub(crate) fn open(
        rows: u32,
        columns: u32,
        events: Events,
    ) -> Result<(Terminal, OwnedFd), Fault> {
        let or = |wanted, usual| if wanted == 0 { usual } else { wanted };
        let size = size(or(rows, ROWS), or(columns, COLUMNS))?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).map_err(failed)?;
        rustix::pty::unlockpt(&master).map_err(failed)?;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(failed)?;
        rustix::termios::tcsetwinsize(&master, size).map_err(failed)?;
        // The keeper's descriptor is the same open file and so does not block either.
        rustix::fs::fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK).map_err(failed)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let wake = rustix::event::eventfd(0, flags).map_err(failed)?;
        let (lifeline_end, lifeline) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let keepers = master.try_clone().map_err(|error| failed(error_number(&error)))?;
        let mut keeper = spawn::start_keeper(keepers, lifeline_end)
            .map_err(|error| Fault::new(ErrorCode::SystemError, error.to_string()))?;
        let pty = Arc::new(Pty {
            master,
            events,
            wake,
            door: Mutex::default(),
            flow: Mutex::new(Flow::Held),
            input: Mutex::default(),
            is_paused: AtomicBool::new(false),
        });
        let pumped = Arc::clone(&pty);
        let pump = move || {
            pumped.run();
            drop(pumped);
            // It lives as long as the terminal is in use, which may be longer than the session.
            let _ = keeper.wait();
        };
        std::thread::Builder::new()
            .name("terminal".to_owned())
            .spawn(pump)
            .map_err(|error| failed(error_number(&error)))?;
        Ok((Terminal { pty, _lifeline: lifeline }, slave))
    }

    /// The part that other threads may use.
    pub(crate) fn pty(&self) -> Arc<Pty> {
        Arc::clone(&self.pty)
    }

    /// Tells the client of everything that the target has written so far.
    pub(crate) fn flush(&self) {
        self.pty.take_output();
    }

    /// Tells of output from now on, as that of this target.
    pub(crate) fn tell(&self, id: TargetId) {
        self.set(Flow::Told(id));
    }

    /// Leaves output where it is: there is no client for the target.
    pub(crate) fn hold(&self) {
        self.set(Flow::Held);
    }

    fn set(&self, flow: Flow) {
        *self.pty.lock() = flow;
        self.pty.wake();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.pty.put_input();
        self.set(Flow::Over);
    }
}

/// Whether output is told of.
#[derive(Clone, Copy)]
enum Flow {
    /// It is, as that of this target.
    Told(TargetId),
    /// Not at the moment.
    Held,
    /// No more.
    Over,
}

/// What there was to take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// As much as one event carries. There may be more.
    Full,
    /// All there was.
    All,
    /// All there was, and no process has the terminal open.
    Closed,
    /// Nothing: output is not told of at the moment.
    Held,
    /// Nothing, and that for good.
    Over,
}

/// A pseudo-terminal's master.
pub(crate) struct Pty {
    master: OwnedFd,
    events: Events,
    /// Wakes the pump thread.
    wake: OwnedFd,
    /// Whoever wants `flow` waits for it in front of this: a mutex alone could be taken by the pump
    /// thread again and again while the tracer waits.
    door: Mutex<()>,
    /// Held from reading output until it is sent, so that it is sent in the order in which it was
    /// written.
    flow: Mutex<Flow>,
    /// What was typed and the terminal has not taken.
    input: Mutex<VecDeque<u8>>,
    /// Whether output waits for its time: the pump thread leaves it where it is, which holds up the
    /// target once the terminal is full.
    is_paused: AtomicBool,
}

impl Pty {
    /// Types.
    ///
    /// **Errors**: [`ErrorCode::LimitReached`] if the target does not read and too much waits for
    /// it already; nothing is typed then.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Fault> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        if input.len() + bytes.len() > INPUT_LEN_MAX {
            let detail = format!(
                "the program does not read its terminal: {} bytes wait for it, and the limit is \
                 {INPUT_LEN_MAX}",
                input.len()
            );
            return Err(Fault::new(ErrorCode::LimitReached, detail));
        }
        input.extend(bytes);
        drop(input);
        self.wake();
        Ok(())
    }

    /// Changes the size; the foreground processes are sent SIGWINCH.
    ///
    /// **Errors**: as [`Terminal::open`]; a size of 0 is none that a terminal has.
    pub(crate) fn resize(&self, rows: u32, columns: u32) -> Result<(), Fault> {
        rustix::termios::tcsetwinsize(&self.master, size(rows, columns)?).map_err(failed)
    }

    /// Has output wait, but for what was written before a stop or an end that is told.
    pub(crate) fn pause(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Release);
        self.wake();
    }

    /// Moves output and input until the terminal is let go of.
    fn run(&self) {
        loop {
            let taken = match self.is_paused.load(Ordering::Acquire) {
                true if !matches!(*self.lock(), Flow::Over) => Taken::Held,
                _ => self.take_output(),
            };
            let mut wanted = PollFlags::IN;
            if !matches!(taken, Taken::Held | Taken::Over) && self.put_input() {
                wanted |= PollFlags::OUT;
            }
            let timeout = match taken {
                Taken::Full => continue,
                Taken::Over => return,
                Taken::All | Taken::Held => None,
                Taken::Closed => Some(&CLOSED_RECHECK),
            };
            let woken = PollFd::new(&self.wake, PollFlags::IN);
            let mut fds = [woken, PollFd::new(&self.master, wanted)];
            // A terminal that is not open to anybody is always ready.
            let count = if taken == Taken::All { 2 } else { 1 };
            let fds = fds.get_mut(..count).unwrap_or_default();
            // EINTR and time-outs alike lead to another look.
            let _ = rustix::event::poll(fds, timeout);
            let _ = rustix::io::read(&self.wake, &mut [0; 8]);
        }
    }

    /// Reads what was written, as much as one event carries, and sends it.
    fn take_output(&self) -> Taken {
        let flow = self.lock();
        let id = match *flow {
            Flow::Told(id) => id,
            Flow::Held => return Taken::Held,
            Flow::Over => return Taken::Over,
        };
        let mut output = vec![0; OUTPUT_LEN_MAX];
        let mut filled = 0;
        let taken = loop {
            let room = output.get_mut(filled..).unwrap_or_default();
            if room.is_empty() {
                break Taken::Full;
            }
            match rustix::io::read(&self.master, room) {
                Ok(0) => break Taken::Closed,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break Taken::All,
                // EIO: no process has it open.
                Err(_) => break Taken::Closed,
            }
        };
        if filled > 0 {
            output.truncate(filled);
            let event = Output { target: id.value() };
            (self.events)(AnyEvent::Output(event), Bytes::from(output));
        }
        taken
    }

    /// Gives the terminal as much of what was typed as it takes. Whether something is left.
    fn put_input(&self) -> bool {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (next, _) = input.as_slices();
            if next.is_empty() {
                return false;
            }
            match rustix::io::write(&self.master, next) {
                Ok(0) | Err(Errno::AGAIN) => return true,
                Ok(count) => drop(input.drain(..count)),
                Err(Errno::INTR) => {}
                // There is nobody to read it.
                Err(_) => input.clear(),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Flow> {
        let _in_turn = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // The only failures are a counter at its limit, which is a wake-up too, and EINTR.
        while rustix::io::write(self.wake.as_fd(), &1u64.to_ne_bytes()) == Err(Errno::INTR) {}
    }
}

fn size(rows: u32, columns: u32) -> Result<Winsize, Fault> {
    match (u16::try_from(rows), u16::try_from(columns)) {
        (Ok(ws_row @ 1..), Ok(ws_col @ 1..)) => {
            Ok(Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 })
        }
        _ => {
            let detail = format!(
                "a terminal cannot have {rows} rows and {columns} columns; both are 1 to 65535"
            );
            Err(Fault::new(ErrorCode::Malformed, detail))
        }
    }
}

fn failed(errno: Errno) -> Fault {
    let detail = format!("no terminal for the program: {errno}");
    Fault::new(ErrorCode::SystemError, detail).with_errno(errno.raw_os_error())
}

fn error_number(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
