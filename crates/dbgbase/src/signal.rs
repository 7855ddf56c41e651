//! Signals by number and name, as signal(7) lists them for x86-64 and aarch64. It knows no policy:
//! what a debugger does with a signal is decided elsewhere.

use std::fmt;

/// A signal number, 1 to 64. Zero stands for "no signal" where a field allows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Signal(u8);

/// Names by number; index 0 is unused.
const NAMES: [&str; 32] = [
    "0",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// The first real-time signal as the kernel counts (the C library keeps the first two for itself).
const REAL_TIME_FIRST: u8 = 32;
/// The last signal.
const LAST: u8 = 64;

macro_rules! signals {
    ($($name:ident = $value:literal),* $(,)?) => {
        impl Signal {
            $(
                #[doc = concat!("`", stringify!($name), "` of signal(7).")]
                pub const $name: Signal = Signal($value);
            )*
        }
    };
}

signals! {
    SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7,
    SIGFPE = 8, SIGKILL = 9, SIGUSR1 = 10, SIGSEGV = 11, SIGUSR2 = 12, SIGPIPE = 13, SIGALRM = 14,
    SIGTERM = 15, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20, SIGTTIN = 21,
    SIGTTOU = 22, SIGURG = 23, SIGVTALRM = 26, SIGPROF = 27, SIGWINCH = 28, SIGIO = 29,
    SIGSYS = 31,
}

impl Signal {
    /// The signal with this number, if there is one.
    pub fn new(number: i32) -> Option<Signal> {
        let number = u8::try_from(number).ok()?;
        (1..=LAST).contains(&number).then_some(Signal(number))
    }

    /// The number, for the system and the wire.
    pub const fn number(self) -> i32 {
        self.0 as i32
    }

    /// The signal called `name`, with or without `SIG`, in any case; `RTMIN+n` counts as signal(7)
    /// does for glibc, from 34.
    pub fn from_name(name: &str) -> Option<Signal> {
        let name = name.to_ascii_uppercase();
        let bare = name.strip_prefix("SIG").unwrap_or(&name);
        if let Some(offset) = bare.strip_prefix("RTMIN") {
            let offset =
                if offset.is_empty() { 0 } else { offset.strip_prefix('+')?.parse().ok()? };
            return Signal::new(34i32.checked_add(offset)?).filter(|signal| signal.is_real_time());
        }
        let index =
            NAMES.iter().skip(1).position(|known| known.strip_prefix("SIG") == Some(bare))?;
        Signal::new(index as i32 + 1)
    }

    /// Whether it is queued instead of merged (signal(7), "Real-time signals").
    pub const fn is_real_time(self) -> bool {
        self.0 >= REAL_TIME_FIRST
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None if self.0 < 34 => write!(f, "SIG{}", self.0),
            None => write!(f, "SIGRTMIN+{}", self.0 - 34),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for number in 1..=64 {
            let signal = Signal::new(number).expect("1 to 64 are signals");
            if number == 32 || number == 33 {
                continue; // Reserved by the C library; they have no name to type.
            }
            assert_eq!(Signal::from_name(&signal.to_string()), Some(signal), "{signal}");
        }
    }

    #[test]
    fn strange_numbers_and_names_are_no_signals() {
        assert_eq!(Signal::new(0), None);
        assert_eq!(Signal::new(65), None);
        assert_eq!(Signal::new(-1), None);
        assert_eq!(Signal::from_name("SIG"), None);
        assert_eq!(Signal::from_name("0"), None);
        assert_eq!(Signal::from_name("RTMIN+99999999999"), None);
        assert_eq!(Signal::from_name("RTMIN+40"), None);
        assert_eq!(Signal::from_name("segv"), Some(Signal::SIGSEGV));
    }
}
