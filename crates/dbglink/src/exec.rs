//! `exec:COMMAND`: the standard input and output of a command as a link, for whatever reaches the
//! server's machine by itself, as ssh, `kubectl exec -i`, `docker exec -i` and `adb shell` do. At
//! its other end `dbgsrv -t stdio` takes its own. It knows processes, and nothing of what commands
//! do.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use crate::connect_string::ShellCommand;
use crate::{Link, LinkError};

/// How much is passed on at once.
const CHUNK_LEN: usize = 64 * 1024;

/// Starts a command by the shell, and speaks to it. It ends when the link does, as its input ends
/// then. What it has to say besides, it says on standard error.
///
/// **Errors**: [`LinkError::Socket`] if it cannot be started. A command that fails
/// is a link that ends.
/// **Threads**: starts one that reaps it.
pub(crate) fn start(command: &ShellCommand) -> Result<Link, LinkError> {
    let failed = |what| move |reason| LinkError::Socket { what, reason };
    let (link, theirs) = Link::pair()?;
    let input = theirs.into_fd()?;
    let output = input.try_clone().map_err(failed("duplicate the descriptor of a link"))?;
    // What the terminal's keys send is for the debugger, and for a target; not for the link. It
    // stays in the terminal's group all the same: it may have to ask for a password.
    let script = format!("trap '' INT QUIT\n{command}");
    #[expect(clippy::disallowed_methods, reason = "this is where the commands of exec are started")]
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(script).stdin(Stdio::from(input)).stdout(Stdio::from(output));
    let mut child = shell.spawn().map_err(failed("start the command of exec"))?;
    // The command holds our copies of its end as long as it lives.
    drop(shell);
    let reaper = std::thread::Builder::new().name("exec".to_owned());
    let reaper = reaper.spawn(move || {
        // It is reaped, whatever became of it.
        let _ = child.wait();
    });
    reaper.map_err(failed("start a thread that reaps the command of exec"))?;
    Ok(link)
}

/// This process's standard input and output as a link: `stdio`. From then on its input is empty,
/// and what is written to its output goes to standard error. Also the thread that writes, which
/// ends when the link has and all is written.
///
/// **Errors**: [`LinkError::Socket`].
/// **Threads**: starts two that pass bytes on.
pub fn adopt_stdio() -> Result<(Link, JoinHandle<()>), LinkError> {
    let failed = |reason: io::Error| LinkError::Socket { what: "take over stdio", reason };
    let copy = |fd: rustix::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map_err(failed);
    let (input, output) = (copy(rustix::stdio::stdin())?, copy(rustix::stdio::stdout())?);
    let nothing = std::fs::File::open("/dev/null").map_err(failed)?;
    let replaced = rustix::stdio::dup2_stdin(&nothing)
        .and_then(|()| rustix::stdio::dup2_stdout(rustix::stdio::stderr()));
    replaced.map_err(|errno| failed(errno.into()))?;
    let (link, inner) = Link::pair()?;
    let end = inner.shutdown_handle();
    let (reader, writer) = inner.split();
    let start = |name: &str, pump: Box<dyn FnOnce() + Send>| {
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(pump).map_err(failed)
    };
    start(
        "stdin",
        Box::new(move || {
            pass_on(Raw(input), writer);
            // The other side is gone; the session is told.
            let _ = end.shutdown();
        }),
    )?;
    let writing = start("stdout", Box::new(move || pass_on(reader, Raw(output))))?;
    Ok((link, writing))
}

/// A descriptor as a stream.
pub(crate) struct Raw(pub(crate) OwnedFd);

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buffer)?)
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes bytes on until there are no more, or nobody takes them.
pub(crate) fn pass_on(mut from: impl Read, mut to: impl Write) {
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        let count = match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        if to.write_all(chunk.get(..count).unwrap_or_default()).is_err() {
            return;
        }
    }
}
