//! Fork and exec of a debuggee. The child waits to be seized, and begins the program as if a shell
//! had started it: default signal dispositions, no blocked signals, no descriptors but 0, 1 and 2.
//! It knows nothing of targets.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use dbgbase::Pid;
use dbgwire::verbs::process::{Launch, Terminal};
use dbgwire::{ErrorCode, Fault};
use rustix::fs::{Access, Mode, OFlags};
use rustix::pipe::PipeFlags;

use crate::memory_shortage;
use crate::spawn::kept_variable;

/// A program ready to be executed: everything the child needs, allocated before the fork.
struct Plan {
    program: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: Option<CString>,
    /// What the child writes to be treated as others when memory runs out; empty for nothing.
    memory_shortage: &'static [u8],
    /// What becomes of descriptors 0, 1 and 2, if they are not kept.
    standard: Option<OwnedFd>,
    /// Whether that is to be its controlling terminal.
    is_terminal: bool,
    /// Whether it is to be mapped at the same addresses each time.
    has_fixed_addresses: bool,
}

/// A child that waits to be seized.
pub(super) struct Child {
    /// Its id.
    pub(super) pid: Pid,
    failure: OwnedFd,
    /// Written to, or dropped to abandon the child.
    go: OwnedFd,
}

/// A child that has been let go to execute its program.
pub(super) struct Begun {
    /// Closed without a word when the program begins; otherwise the step that failed and the errno.
    failure: OwnedFd,
    program: Vec<u8>,
    directory: Vec<u8>,
    /// What the program is that it has executed, if that cannot be debugged.
    refusal: Option<&'static str>,
}

/// The child could not go to its directory.
const STEP_DIRECTORY: i32 = 1;
/// The child could not execute the program.
const STEP_EXECUTE: i32 = 2;

impl Child {
    /// Lets the child execute the program.
    pub(super) fn go(self, launch: &Launch) -> Begun {
        let _ = rustix::io::write(&self.go, &[1]);
        Begun {
            failure: self.failure,
            program: launch.program.clone(),
            directory: launch.directory.clone(),
            refusal: None,
        }
    }
}

impl Begun {
    /// Takes note that the child has executed `what`, as `a 32-bit program`, which this server
    /// cannot debug. It is to be killed.
    pub(super) fn refuse(&mut self, what: &'static str) {
        self.refusal = Some(what);
    }

    /// Why a child that has ended did not become its program.
    pub(super) fn why_it_ended(&self) -> Fault {
        if let Some(what) = self.refusal {
            let program = String::from_utf8_lossy(&self.program);
            let detail =
                format!("cannot debug {program}: it is {what}; this server debugs 64-bit ones");
            return Fault::new(ErrorCode::Unsupported, detail);
        }
        let mut words = [0; 8];
        let count = rustix::io::read(&self.failure, &mut words);
        let (step, errno) = match words.as_chunks::<4>().0 {
            [step, errno] if count == Ok(8) => {
                (i32::from_ne_bytes(*step), i32::from_ne_bytes(*errno))
            }
            _ => (0, 0),
        };
        match step {
            STEP_EXECUTE => failed(&self.program, errno),
            STEP_DIRECTORY => no_directory(&self.program, &self.directory, errno),
            _ => {
                let program = String::from_utf8_lossy(&self.program);
                let detail = format!("the process ended before it became {program}");
                Fault::new(ErrorCode::LaunchFailed, detail)
            }
        }
    }
}

/// Forks a child for a launch. `slave` is its end of a terminal, if it is to have one of its own;
/// it is closed here.
///
/// **Errors**: [`ErrorCode::LaunchFailed`] for a program that is not found or not executable, and
/// for arguments with NUL bytes; [`ErrorCode::Unsupported`] for a terminal this server cannot give.
pub(super) fn fork(
    launch: &Launch,
    may_share_terminal: bool,
    slave: Option<OwnedFd>,
) -> Result<Child, Fault> {
    let plan = plan(launch, may_share_terminal, slave)?;
    let system = |error: rustix::io::Errno| {
        Fault::new(ErrorCode::SystemError, format!("cannot start a process: {error}"))
            .with_errno(error.raw_os_error())
    };
    let (failure, failure_child) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
    let (go_child, go) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(system)?;
    let arguments = pointers(&plan.arguments);
    let environment = pointers(&plan.environment);
    // SAFETY: between fork and exec the child calls only async-signal-safe functions
    // (signal-safety(7)) on memory that was allocated before, and then executes or exits; see
    // `run_child`.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => {
            let error = std::io::Error::last_os_error();
            let detail = format!("cannot start a process: {error}");
            Err(Fault::new(ErrorCode::SystemError, detail))
        }
        0 => {
            let fds = ChildFds {
                go: go_child.as_raw_fd(),
                go_parent: go.as_raw_fd(),
                failure: failure_child.as_raw_fd(),
                standard: plan.standard.as_ref().map(AsRawFd::as_raw_fd),
            };
            // SAFETY: this is the child of a fork; the plan and the arrays are its own copies.
            unsafe { run_child(&plan, &arguments, &environment, &fds) }
        }
        pid => Ok(Child { pid: Pid::new(pid as u32), failure, go }),
    }
}

struct ChildFds {
    go: RawFd,
    go_parent: RawFd,
    failure: RawFd,
    standard: Option<RawFd>,
}

/// Gives a child, before it executes a program, what a shell would give it: default signal
/// dispositions, no blocked signals, and no descriptors but 0, 1 and 2 once it executes. All calls
/// are async-signal-safe.
pub(super) fn shed_inheritance() {
    // SAFETY: all are system calls, or thin wrappers of them, on numbers and memory of this frame.
    unsafe {
        for signal in 1..=64 {
            // SIGKILL, SIGSTOP and the C library's own two cannot be set; that is as it should be.
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
        // Descriptors that the server itself was started with end here too. Kernels before 5.11
        // know no such call, and keep them.
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
}

/// Has the programs that this process executes mapped at the same addresses each time. Where the
/// system forbids that, as some containers do, it does nothing. Async-signal-safe.
fn fix_addresses() {
    /// Asks for what is set.
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: personality(2) takes a number and touches no memory.
    unsafe {
        let personality = libc::personality(ASK);
        if personality >= 0 {
            let wanted = personality | libc::ADDR_NO_RANDOMIZE;
            libc::personality(wanted as libc::c_ulong);
        }
    }
}

/// The child's life until the program begins.
///
/// # Safety
///
/// Only in the child of a fork. `arguments` and `environment` are NULL-terminated arrays of
/// pointers into `plan`. Calls nothing that is not async-signal-safe, and does not return.
unsafe fn run_child(
    plan: &Plan,
    arguments: &[*const libc::c_char],
    environment: &[*const libc::c_char],
    fds: &ChildFds,
) -> ! {
    // SAFETY: all calls are system calls or thin wrappers of them, on descriptors, numbers and
    // memory that the caller vouches for.
    unsafe {
        libc::close(fds.go_parent);
        let mut byte = 0u8;
        // Nothing to read means that nobody wants the child any more.
        if libc::read(fds.go, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
        shed_inheritance();
        if let Some(standard) = fds.standard {
            libc::setsid();
            if plan.is_terminal {
                libc::ioctl(standard, libc::TIOCSCTTY, 0);
            }
            for number in 0..=2 {
                libc::dup2(standard, number);
            }
        }
        if !plan.memory_shortage.is_empty() {
            let file = libc::open(memory_shortage::PATH.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
            libc::write(file, plan.memory_shortage.as_ptr().cast(), plan.memory_shortage.len());
            libc::close(file);
        }
        if plan.has_fixed_addresses {
            fix_addresses();
        }
        let directory = plan.directory.as_ref();
        let mut step = STEP_DIRECTORY;
        if directory.is_none_or(|directory| libc::chdir(directory.as_ptr()) == 0) {
            step = STEP_EXECUTE;
            libc::execve(plan.program.as_ptr(), arguments.as_ptr(), environment.as_ptr());
        }
        let words = [step, *libc::__errno_location()];
        libc::write(fds.failure, words.as_ptr().cast(), size_of_val(&words));
        libc::_exit(127);
    }
}

fn plan(launch: &Launch, may_share_terminal: bool, slave: Option<OwnedFd>) -> Result<Plan, Fault> {
    let terminal = Terminal::try_from(launch.terminal).map_err(|_| {
        let detail = format!("terminals of kind {} are not known to this server", launch.terminal);
        Fault::new(ErrorCode::Unsupported, detail)
    })?;
    if terminal == Terminal::Shared && !may_share_terminal {
        let detail = "this server has no terminal to share with the program";
        return Err(Fault::new(ErrorCode::Unsupported, detail));
    }
    let standard = match terminal {
        Terminal::Shared => None,
        Terminal::Pty => slave,
        Terminal::None => {
            let flags = OFlags::RDWR | OFlags::CLOEXEC;
            let null = rustix::fs::open("/dev/null", flags, Mode::empty());
            Some(null.map_err(|error| failed(&launch.program, error.raw_os_error()))?)
        }
    };
    let directory = (!launch.directory.is_empty()).then(|| launch.directory.clone());
    let base = directory.as_deref().map(|bytes| Path::new(OsStr::from_bytes(bytes)));
    if let Some(base) = base {
        let metadata = std::fs::metadata(base);
        let errno = metadata.map_or_else(
            |error| error.raw_os_error(),
            |metadata| (!metadata.is_dir()).then_some(libc::ENOTDIR),
        );
        if let Some(errno) = errno {
            return Err(no_directory(&launch.program, &launch.directory, errno));
        }
    }
    let program = find_program(&launch.program, base)?;
    let arguments = match launch.arguments.is_empty() {
        true => vec![launch.program.clone()],
        false => launch.arguments.clone(),
    };
    Ok(Plan {
        program: c_string(program.into_os_string().as_bytes().to_vec())?,
        arguments: arguments.into_iter().map(c_string).collect::<Result<_, _>>()?,
        environment: environment(launch)?,
        directory: directory.map(c_string).transpose()?,
        memory_shortage: memory_shortage::of_children(),
        standard,
        is_terminal: terminal == Terminal::Pty,
        has_fixed_addresses: launch.fixed_addresses,
    })
}

/// The server's own environment as far as the client leaves it, and the client's entries.
fn environment(launch: &Launch) -> Result<Vec<CString>, Fault> {
    fn name(entry: &[u8]) -> &[u8] {
        entry.split(|byte| *byte == b'=').next().unwrap_or_default()
    }
    let changed = launch.environment.iter().map(|entry| name(entry));
    let gone: HashSet<&[u8]> = changed.chain(launch.unset.iter().map(Vec::as_slice)).collect();
    let own = std::env::vars_os()
        .filter(|(name, _)| !launch.clear_environment && !gone.contains(name.as_bytes()))
        .filter(|(name, _)| kept_variable().is_none_or(|kept| name != kept));
    let kept = own.map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    kept.chain(launch.environment.iter().cloned()).map(c_string).collect()
}

fn c_string(bytes: Vec<u8>) -> Result<CString, Fault> {
    CString::new(bytes).map_err(|_| {
        Fault::new(ErrorCode::LaunchFailed, "arguments of a program cannot hold NUL bytes")
    })
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The program's path: as given if it has a slash, otherwise the first executable file of that name
/// along PATH.
fn find_program(program: &[u8], directory: Option<&Path>) -> Result<PathBuf, Fault> {
    let name = Path::new(OsStr::from_bytes(program));
    if program.is_empty() {
        return Err(Fault::new(ErrorCode::LaunchFailed, "no program is named"));
    }
    if program.contains(&b'/') {
        let path = directory.map_or_else(|| name.to_owned(), |directory| directory.join(name));
        check_program(&path).map_err(|errno| failed(program, errno))?;
        return Ok(name.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
    let mut reason = libc::ENOENT;
    for directory in std::env::split_paths(&path) {
        let candidate = directory.join(name);
        match check_program(&candidate) {
            Ok(()) => return Ok(std::path::absolute(&candidate).unwrap_or(candidate)),
            Err(libc::ENOENT | libc::ENOTDIR) => {}
            Err(errno) => reason = errno,
        }
    }
    Err(failed(program, reason))
}

fn check_program(path: &Path) -> Result<(), i32> {
    let metadata =
        std::fs::metadata(path).map_err(|error| error.raw_os_error().unwrap_or(libc::ENOENT))?;
    if metadata.is_dir() {
        return Err(libc::EISDIR);
    }
    rustix::fs::access(path, Access::EXEC_OK).map_err(|errno| errno.raw_os_error())
}

/// The fault for a directory in which no program can be started.
fn no_directory(program: &[u8], directory: &[u8], errno: i32) -> Fault {
    let [program, directory] = [program, directory].map(String::from_utf8_lossy);
    let error = std::io::Error::from_raw_os_error(errno);
    let detail = format!("cannot start {program} in {directory}: {error}");
    Fault::new(ErrorCode::LaunchFailed, detail).with_errno(errno)
}

/// The fault for a program that cannot be started.
pub(super) fn failed(program: &[u8], errno: i32) -> Fault {
    let program = String::from_utf8_lossy(program);
    let why = match errno {
        libc::ENOENT => "there is no such file on the server's machine".to_owned(),
        libc::EACCES => "it is not executable for the server's user".to_owned(),
        libc::EISDIR => "it is a directory".to_owned(),
        libc::ENOEXEC => "it is no program this system can execute".to_owned(),
        _ => std::io::Error::from_raw_os_error(errno).to_string(),
    };
    Fault::new(ErrorCode::LaunchFailed, format!("cannot start {program}: {why}")).with_errno(errno)
}
