//! Taking a session up again on a new link: the client opens one as before, shows its token and
//! says how much has arrived, learns how much of what it has sent has, and both send the rest
//! again. It knows when and how often to try, not how a link is opened.

use std::fmt;
use std::io::IoSlice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dbglink::{Link, Route};
use dbgwire::ErrorCode;
use dbgwire::handshake::{Hello, Welcome};

use super::{CallError, FrameReader, Shared, read_welcome};

/// The pauses between attempts: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// How long an attempt may take: the first one, and the later ones.
const ATTEMPT: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));
/// The longest that a server is believed to wait.
const LEASE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How many links in a row may bring nothing before there are pauses between them.
const FRUITLESS_MAX: u32 = 3;
/// How often an impatient user has to say so.
const NUDGES_MAX: u32 = 2;
/// After how long it is told that the link is lost: most are back sooner.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// How a client comes again when its link is lost.
pub struct Return {
    /// Opens a new link to the same server, in about this time.
    ///
    /// **Errors**: why there is none, for people.
    pub open: Box<dyn Fn(Duration) -> Result<Link, String> + Send>,
    /// Is told what happens. It is called from a thread of the client's, between two attempts.
    pub told: Box<dyn Fn(LinkNews) + Send>,
}

impl Return {
    /// By the same route as before; `None` if that does not lead back.
    pub fn along(route: Route, told: impl Fn(LinkNews) + Send + 'static) -> Option<Return> {
        route.leads_back().then(|| Return {
            open: Box::new(move |timeout| {
                // Who calls meanwhile and is not the server is of no interest.
                route.open(timeout, |_| ()).map_err(|error| error.to_string())
            }),
            told: Box::new(told),
        })
    }
}

/// What happens to a link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LinkNews {
    /// It is lost, for this reason, and the client tries to come again for so long.
    Lost {
        /// Why.
        reason: String,
        /// How long the server waits.
        lease: Duration,
    },
    /// The session goes on, on a new one.
    Resumed {
        /// How long there was none.
        after: Duration,
    },
}

impl fmt::Display for LinkNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkNews::Lost { reason, lease } => write!(
                f,
                "the connection to the process server is lost ({reason}); trying to take it up \
                 again for {} seconds",
                lease.as_secs()
            ),
            LinkNews::Resumed { after } => write!(
                f,
                "the connection to the process server was lost for {:.1} seconds; the session goes \
                 on",
                after.as_secs_f64()
            ),
        }
    }
}

/// What a client knows of its session, for the next link.
pub(super) struct Comeback {
    hello: Hello,
    state: Mutex<State>,
    /// Told when the client is given up.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    token: Vec<u8>,
    lease: Duration,
    frame_len_max: u32,
    is_given_up: bool,
    is_under_way: bool,
    /// How often the owner was nudged since.
    nudges: u32,
}

impl Comeback {
    /// Of a client that greets with this.
    pub(super) fn new(hello: Hello) -> Comeback {
        Comeback { hello, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The server has welcomed it.
    pub(super) fn welcomed(&self, welcome: &Welcome) {
        let mut state = self.state();
        state.token.clone_from(&welcome.resume_token);
        state.lease = Duration::from_secs(welcome.lease_s.into()).min(LEASE_MAX);
        state.frame_len_max = welcome.frame_len_max();
    }

    /// Another session process has taken the client over, and wants to be shown this.
    pub(super) fn set_token(&self, token: Vec<u8>) {
        self.state().token = token;
    }

    /// The client is not wanted any more.
    pub(super) fn give_up(&self) {
        self.state().is_given_up = true;
        self.changed.notify_all();
    }

    /// The client's user is impatient.
    pub(super) fn nudged(&self) {
        let mut state = self.state();
        if !state.is_under_way {
            return;
        }
        state.nudges += 1;
        if state.nudges >= NUDGES_MAX {
            state.is_given_up = true;
            self.changed.notify_all();
        }
    }

    /// Whether the session is being taken up again in this moment.
    pub(super) fn is_under_way(&self) -> bool {
        self.state().is_under_way
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is no sense in trying: the client is given up, or has nothing to show.
    fn is_hopeless(&self) -> bool {
        let state = self.state();
        state.is_given_up || state.token.is_empty()
    }

    /// Waits so long, or until the client is given up.
    fn pause(&self, pause: Duration) {
        let state = self.state();
        // Both ways of waking are looked at by the caller.
        let _ = self.changed.wait_timeout_while(state, pause, |state| !state.is_given_up);
    }
}

/// Takes the session up again, however often that has to be tried while the server waits. `reason`
/// is why the old link is lost; `arrived` is how many frames have arrived, and how many links in a
/// row have brought none.
///
/// **Errors**: why the session cannot go on.
pub(super) fn take_up(
    shared: &Arc<Shared>,
    comeback: &Return,
    reason: String,
    (arrived, fruitless): (u64, u32),
) -> Result<FrameReader, String> {
    let lost = Instant::now();
    shared.end_link();
    let number = shared.outbox().lose();
    let lease = {
        let mut state = shared.comeback.state();
        state.is_under_way = true;
        state.nudges = 0;
        state.lease
    };
    if fruitless > FRUITLESS_MAX {
        // It is no use, but perhaps later.
        shared.comeback.pause((PAUSE.0 * 2_u32.pow(fruitless.min(10))).min(PAUSE.1));
    }
    let mut is_told = false;
    let (mut pause, mut attempt) = (PAUSE.0, ATTEMPT.0);
    let result = loop {
        if shared.comeback.is_hopeless() {
            break Err(reason.clone());
        }
        let left = lease.saturating_sub(lost.elapsed());
        let failure = match try_once(shared, comeback, (number, arrived), attempt.min(left)) {
            Ok(reader) => break Ok(reader),
            Err(Failure::Final(failure)) => break Err(format!("{reason}; {failure}")),
            Err(Failure::Passing(failure)) => failure,
        };
        if !is_told && lost.elapsed() >= TOLD_AFTER {
            (comeback.told)(LinkNews::Lost { reason: reason.clone(), lease });
            is_told = true;
        }
        if lost.elapsed() >= lease {
            let seconds = lease.as_secs();
            break Err(format!(
                "{reason}; it did not come back within {seconds} seconds: {failure}"
            ));
        }
        shared.comeback.pause(pause);
        (pause, attempt) = ((pause * 2).min(PAUSE.1), ATTEMPT.1);
    };
    let is_given_up = {
        let mut state = shared.comeback.state();
        state.is_under_way = false;
        state.is_given_up
    };
    if is_given_up {
        return Err(reason);
    }
    if result.is_ok() {
        (comeback.told)(LinkNews::Resumed { after: lost.elapsed() });
    }
    result
}

/// Why an attempt has failed.
enum Failure {
    /// The next one may not.
    Passing(String),
    /// So will every other.
    Final(String),
}

/// Whether who is refused for this reason will be refused again.
fn is_final(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::NoSuchSession | ErrorCode::VersionMismatch)
}

/// Tries once, for about so long. `progress` is the number of the new link and how many frames have
/// arrived on those before.
fn try_once(
    shared: &Arc<Shared>,
    comeback: &Return,
    progress: (u32, u64),
    patience: Duration,
) -> Result<FrameReader, Failure> {
    let (number, arrived) = progress;
    let passing = |failure: String| Failure::Passing(failure);
    let link = (comeback.open)(patience.max(PAUSE.0)).map_err(passing)?;
    let shutdown = link.shutdown_handle();
    let (reader, mut writer) = link.split();
    let (resume_token, frame_len_max) = {
        let state = shared.comeback.state();
        (state.token.clone(), state.frame_len_max)
    };
    let hello = Hello { resume_token, frames_arrived: arrived, ..shared.comeback.hello.clone() };
    let sent = writer.write_all_vectored(&mut [IoSlice::new(&hello.encode())]);
    sent.map_err(|error| passing(format!("greeting the server: {error}")))?;
    // A link that is dead already must not be waited for until the lease is over.
    let set = reader.set_patience(Some(ATTEMPT.1));
    set.map_err(|error| passing(error.to_string()))?;
    let mut reader = FrameReader::new(reader);
    let welcome = read_welcome(&mut reader).map_err(|error| match error {
        CallError::Refused(fault) if is_final(fault.code) => Failure::Final(fault.to_string()),
        error => passing(error.to_string()),
    })?;
    reader.link().set_patience(None).map_err(|error| passing(error.to_string()))?;
    reader.set_length_max(frame_len_max);
    shared.set_shutdown(shutdown);
    // In a thread of its own: while the server sends what has not arrived here, it takes nothing.
    let resend = {
        let shared = Arc::clone(shared);
        move || {
            let resumed = shared.outbox().resume(number, writer, welcome.requests_arrived);
            if let Err(failure) = resumed {
                shared.comeback.give_up();
                shared.inbox.lose(failure);
                shared.end_link();
            }
        }
    };
    let thread = std::thread::Builder::new().name("dbgeng-resend".to_owned()).spawn(resend);
    thread.map_err(|error| passing(format!("no thread: {error}")))?;
    Ok(reader)
}
