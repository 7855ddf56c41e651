//! The command line: what to run, and for how long.

use std::fmt;
use std::time::Duration;

/// How many rounds there are if nothing is said.
const ROUNDS_DEFAULT: u64 = 10;
/// And which: the same each time, as of any other test.
const SEED_DEFAULT: u64 = 1;
/// Words that `cargo test` passes on to every test program, and that change nothing here.
const OF_TESTS: [&str; 8] = [
    "--nocapture",
    "--no-capture",
    "--show-output",
    "--exact",
    "--include-ignored",
    "--quiet",
    "-q",
    "--color",
];
/// Those that mean other tests than this one.
const OF_OTHERS: [&str; 4] = ["--list", "--ignored", "--skip", "--test-threads"];

/// What the command line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    /// The seed, if it may not be any.
    pub(crate) seed: Option<u64>,
    /// The number of the first round.
    pub(crate) first: u64,
    /// When it is over.
    pub(crate) extent: Extent,
}

/// When it is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extent {
    /// After so many rounds.
    Rounds(u64),
    /// After the round in which so many minutes are over.
    Minutes(u64),
}

impl Options {
    /// Reads words. `None` if they name another test, as in `cargo test -p dbgsrv detach`: then
    /// there is nothing to do.
    ///
    /// **Errors**: an option that is not known, or without its number.
    pub(crate) fn parse(words: &[String]) -> Result<Option<Options>, String> {
        let rounds = Extent::Rounds(ROUNDS_DEFAULT);
        let seed = words.is_empty().then_some(SEED_DEFAULT);
        let mut options = Options { seed, first: 0, extent: rounds };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse::<u64>().ok());
                number.ok_or_else(|| format!("{word} needs a number"))
            };
            // Of `--color=never`, what is before the sign.
            match word.split('=').next().unwrap_or(word) {
                "--seed" => options.seed = Some(number()?),
                "--first" => options.first = number()?,
                "--rounds" => options.extent = Extent::Rounds(number()?),
                "--minutes" => options.extent = Extent::Minutes(number()?),
                word if OF_TESTS.contains(&word) || "torture".contains(word) => {}
                word if word.starts_with('-') && !OF_OTHERS.contains(&word) => {
                    return Err(format!(
                        "{word} is not known; there are --seed, --rounds, --minutes and --first"
                    ));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(options))
    }
}

impl Extent {
    /// Whether that was enough.
    pub(crate) fn is_over(self, rounds: u64, time: Duration) -> bool {
        match self {
            Extent::Rounds(count) => rounds >= count,
            Extent::Minutes(count) => time.as_secs() >= count * 60,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Extent::Rounds(count) => write!(f, "{count} rounds"),
            Extent::Minutes(count) => write!(f, "{count} minutes"),
        }
    }
}
