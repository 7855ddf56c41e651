//! Starting a session process, login process or keeper, and being one: the program executes itself
//! anew with a link, a journal and a control socket as inherited descriptors. It knows descriptors
//! and command lines, not what a session does.
//!
//! ```text
//!   dbgsrv @session LINK JOURNAL CONTROL NUMBER TERMINAL USER PEER LEASE [-- WORDS]
//!     LINK, JOURNAL, CONTROL  descriptors; CONTROL is - for a session without a listener
//!     NUMBER                  what the server calls the session
//!     TERMINAL                1 if programs may be launched on its terminal, otherwise 0
//!     USER, PEER              as whom the client was let in, and who it is; - if not known
//!     LEASE                   for how many seconds it waits for a client whose link was lost
//!     WORDS                   the implicit command line, if there is one
//! ```
//!
//! `dbgsrv @login LINK CONTROL TASK TURN MS` is a login process, TASK what it is told; with `after`
//! for TURN its client is kept waiting for so many milliseconds, with `not-before` it is to come
//! again in as many. `dbgsrv @terminal SCORE` keeps the terminal on
//! its standard input, with this score when memory is short.
//!
//! USER and PEER of a session process are for people, who see them in ps(1) and `dbgsrvctl list`
//! ([`dbglink::registry::SessionLine`]); a session process itself does not look at them.

mod inherited;

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use dbglink::registry::{NOTHING, SESSION_MARK as MARK};
use rustix::io::FdFlags;

use crate::audit;
use crate::error::{ServerError, system};
use crate::login::Turn;
use crate::memory_shortage;
pub(crate) use inherited::close_inherited;
pub use inherited::{Handed, Inherited, take_inherited};

/// The program that runs, whatever became of its file.
const SELF: &str = "/proc/self/exe";
/// Where the words of the implicit command line begin among the arguments of a session process.
const IMPLICIT_INDEX: usize = 11;
/// Where the user stands among them, and behind it the peer.
const USER_INDEX: usize = 7;
/// The first argument of a login process.
const LOGIN_MARK: &str = "@login";
/// How a login process is told when its client has its turn.
const AFTER: &str = "after";
/// The same of a client that has none this time.
const NOT_BEFORE: &str = "not-before";

/// The first argument of a terminal's keeper.
const KEEPER_MARK: &str = "@terminal";

/// What a session process inherits.
pub(crate) struct Inheritance {
    /// The client's link.
    pub(crate) link: OwnedFd,
    /// The journal's shared memory.
    pub(crate) journal: OwnedFd,
    /// The way to the listener, if there is one.
    pub(crate) control: Option<OwnedFd>,
    /// What the server calls the session.
    pub(crate) number: u32,
    /// Whether programs may be launched on its terminal.
    pub(crate) may_share_terminal: bool,
    /// How long it waits for a client whose link was lost, in whole seconds.
    pub(crate) lease: Duration,
    /// The words of the implicit command line; empty if there is none.
    pub(crate) implicit: Vec<Vec<u8>>,
}

/// Who a session is for, in words for people.
#[derive(Clone, Default)]
pub(crate) struct ClientWords {
    /// The user as whom the client was let in, if that is known.
    pub(crate) user: Option<String>,
    /// Who the client is, if that is known.
    pub(crate) peer: Option<String>,
}

/// Starts a session process. The descriptors are closed in this one.
///
/// **Errors**: [`ServerError::System`].
/// **Threads**: no other thread may start a process meanwhile, as that would inherit them too.
pub(crate) fn start(inheritance: Inheritance, client: &ClientWords) -> Result<Child, ServerError> {
    let control = match &inheritance.control {
        Some(control) => inherit(control)?,
        None => NOTHING.to_owned(),
    };
    #[expect(clippy::disallowed_methods, reason = "this is where session processes are started")]
    let mut command = Command::new(SELF);
    command.arg0("dbgsrv").arg(MARK);
    command.arg(inherit(&inheritance.link)?).arg(inherit(&inheritance.journal)?);
    command.arg(control).arg(inheritance.number.to_string());
    command.arg(if inheritance.may_share_terminal { "1" } else { "0" });
    command.args([&client.user, &client.peer].map(|word| word.as_deref().unwrap_or(NOTHING)));
    command.arg(inheritance.lease.as_secs().to_string());
    if !inheritance.implicit.is_empty() {
        command.arg("--");
        command.args(inheritance.implicit.iter().map(|word| OsStr::from_bytes(word)));
    }
    match audit::for_sessions() {
        Some(place) => command.env(audit::VARIABLE, place),
        None => command.env_remove(audit::VARIABLE),
    };
    forget_password(&mut command);
    command.spawn().map_err(system("start a session process"))
}

/// The environment variable from which this server has its password.
static PASSWORD_VARIABLE: OnceLock<String> = OnceLock::new();

/// Keeps the variable of a password from every process that is started from now on.
pub fn keep_from_children(variable: &str) {
    // It is said once, when the server starts.
    let _ = PASSWORD_VARIABLE.set(variable.to_owned());
}

/// The variable that children do not get.
pub(crate) fn kept_variable() -> Option<&'static str> {
    PASSWORD_VARIABLE.get().map(String::as_str)
}

/// Takes the variable of a password out of what a command inherits.
pub(crate) fn forget_password(command: &mut Command) {
    if let Some(variable) = kept_variable() {
        command.env_remove(variable);
    }
}

/// What a login process inherits.
pub(crate) struct LoginInheritance {
    /// The client's link.
    pub(crate) link: OwnedFd,
    /// The way to the listener.
    pub(crate) control: OwnedFd,
    /// What it is told: memory that nobody can change.
    pub(crate) task: OwnedFd,
    /// When its client has its turn.
    pub(crate) turn: Turn,
}

/// Starts a login process. The descriptors are closed in this one.
///
/// **Errors**: [`ServerError::System`].
/// **Threads**: as [`start`].
pub(crate) fn start_login(inheritance: LoginInheritance) -> Result<Child, ServerError> {
    #[expect(clippy::disallowed_methods, reason = "this is where login processes are started")]
    let mut command = Command::new(SELF);
    command.arg0("dbgsrv").arg(LOGIN_MARK);
    command.arg(inherit(&inheritance.link)?).arg(inherit(&inheritance.control)?);
    let (turn, wait) = match inheritance.turn {
        Turn::After(wait) => (AFTER, wait),
        Turn::NotBefore(wait) => (NOT_BEFORE, wait),
    };
    command.arg(inherit(&inheritance.task)?).arg(turn).arg(wait.as_millis().to_string());
    // What it complains of it may say; no terminal is its to read.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    forget_password(&mut command);
    command.spawn().map_err(system("start a login process"))
}

/// Starts the keeper of a terminal, whose master becomes its standard input, and the end of
/// `lifeline` its standard output: they need no numbers, and no other process that is started in
/// this moment inherits them.
///
/// **Errors**: [`ServerError::System`].
pub(crate) fn start_keeper(master: OwnedFd, lifeline: OwnedFd) -> Result<Child, ServerError> {
    #[expect(clippy::disallowed_methods, reason = "this is where keepers are started")]
    let mut command = Command::new(SELF);
    command.arg0("dbgsrv").arg(KEEPER_MARK);
    command.arg(OsStr::from_bytes(memory_shortage::of_children().trim_ascii()));
    command.stdin(master).stdout(lifeline).stderr(Stdio::null()).current_dir("/");
    command.spawn().map_err(system("start the keeper of a terminal"))
}

/// What a keeper is to do about its score when memory is short; `None` if this process was not
/// started as one.
pub(crate) fn keeper_score(arguments: &[OsString]) -> Option<&[u8]> {
    match arguments {
        [_, mark, score] if mark == KEEPER_MARK => Some(score.as_bytes()),
        _ => None,
    }
}

/// Whether this process was started as a login process.
pub(crate) fn is_login(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|argument| argument == LOGIN_MARK)
}

/// What this process inherited as a login process.
///
/// **Errors**, **Threads**: as [`adopt`].
pub(crate) fn adopt_login(arguments: &[OsString]) -> Result<LoginInheritance, ServerError> {
    let text: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let [_, LOGIN_MARK, link, control, task, turn, wait] = text.as_slice() else {
        return Err(ServerError::NotASession);
    };
    let wait = Duration::from_millis(wait.parse().map_err(|_| ServerError::NotASession)?);
    Ok(LoginInheritance {
        link: adopt_fd(link)?,
        control: adopt_fd(control)?,
        task: adopt_fd(task)?,
        turn: match *turn {
            AFTER => Turn::After(wait),
            NOT_BEFORE => Turn::NotBefore(wait),
            _ => return Err(ServerError::NotASession),
        },
    })
}

/// Whether this process was started as a session process.
pub(crate) fn is_session(arguments: &[OsString]) -> bool {
    arguments.get(1).is_some_and(|argument| argument == MARK)
}

/// What this process inherited as a session process.
///
/// **Errors**: [`ServerError::NotASession`] if the command line is none that [`start`] writes, or a
/// descriptor on it is not open.
/// **Threads**: to be called once, before anything else opens descriptors.
pub(crate) fn adopt(arguments: &[OsString]) -> Result<Inheritance, ServerError> {
    let text: Vec<&str> = arguments.iter().map_while(|argument| argument.to_str()).collect();
    let [_, MARK, link, journal, control, number, terminal, _, _, lease, ..] = text.as_slice()
    else {
        return Err(ServerError::NotASession);
    };
    let implicit = match arguments.get(IMPLICIT_INDEX - 1) {
        None => &[],
        Some(mark) if mark == "--" => arguments.get(IMPLICIT_INDEX..).unwrap_or_default(),
        Some(_) => return Err(ServerError::NotASession),
    };
    let control = match *control {
        NOTHING => None,
        control => Some(adopt_fd(control)?),
    };
    Ok(Inheritance {
        link: adopt_fd(link)?,
        journal: adopt_fd(journal)?,
        control,
        number: number.parse().map_err(|_| ServerError::NotASession)?,
        may_share_terminal: *terminal == "1",
        lease: Duration::from_secs(lease.parse().map_err(|_| ServerError::NotASession)?),
        implicit: implicit.iter().map(|word| word.as_bytes().to_vec()).collect(),
    })
}

/// Where what is done in this session process is to be written, if it is.
///
/// **Threads**: before this process has another one.
pub(crate) fn take_audit() -> Option<OsString> {
    inherited::take_variable(audit::VARIABLE)
}

/// Who the client of a session process is, by its command line.
pub(crate) fn client_of(arguments: &[OsString]) -> ClientWords {
    let word = |index: usize| {
        let word = arguments.get(index)?.to_str()?;
        Some(word.to_owned()).filter(|word| word != NOTHING)
    };
    ClientWords { user: word(USER_INDEX), peer: word(USER_INDEX + 1) }
}

/// Lets the next process that is started inherit a descriptor. Its number, for that one's command
/// line.
fn inherit(fd: &OwnedFd) -> Result<String, ServerError> {
    rustix::io::fcntl_setfd(fd.as_fd(), FdFlags::empty())
        .map_err(system("hand a descriptor to a process"))?;
    Ok(fd.as_raw_fd().to_string())
}

fn adopt_fd(text: &str) -> Result<OwnedFd, ServerError> {
    let number: RawFd = text.parse().map_err(|_| ServerError::NotASession)?;
    if number <= 2 {
        return Err(ServerError::NotASession);
    }
    // SAFETY: the number is only asked about here, which is harmless for any number.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(borrowed, FdFlags::CLOEXEC).map_err(|_| ServerError::NotASession)?;
    // SAFETY: the descriptor is open, as the call above has shown, was inherited for this purpose,
    // and nothing in this process owns it: it is adopted once, before others are opened.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
