//! What is measured of a peer that answers, and how: the same for a process server and for what it
//! is compared with.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long each measurement goes on.
const SPAN: Duration = Duration::from_millis(1000);
/// What is done first, and not counted.
const WARM_UP: usize = 200;
/// What one request in bulk asks for, in bytes.
pub(crate) const PIECE_LEN: u32 = 256 * 1024;
/// How many requests are under way at once in bulk.
const WINDOW: usize = 8;

/// Somebody who answers requests in their order.
pub(crate) trait Peer {
    /// Asks for so many bytes; for a sign of life if none.
    fn ask(&mut self, len: u32);
    /// Takes the next answer.
    fn take(&mut self);
}

/// What a transport costs.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// Microseconds for a round trip: the middle one, and the one that 1 of 100 exceed.
    pub(crate) median_us: f64,
    /// See above.
    pub(crate) p99_us: f64,
    /// Millions of bytes a second.
    pub(crate) mb_per_s: f64,
}

impl Figures {
    /// Measures.
    pub(crate) fn of(peer: &mut dyn Peer) -> Figures {
        let mut times = Vec::new();
        let began = Instant::now();
        while began.elapsed() < SPAN || times.len() < 2 * WARM_UP {
            let sent = Instant::now();
            peer.ask(0);
            peer.take();
            times.push(sent.elapsed().as_secs_f64() * 1e6);
        }
        let mut times = times.split_off(WARM_UP);
        times.sort_by(f64::total_cmp);
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        Figures { median_us: at(50), p99_us: at(99), mb_per_s: bulk(peer) }
    }

    /// The middle ones of several.
    pub(crate) fn median(all: &[Figures]) -> Figures {
        let middle = |of: fn(&Figures) -> f64| {
            let mut values: Vec<f64> = all.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Figures {
            median_us: middle(|figures| figures.median_us),
            p99_us: middle(|figures| figures.p99_us),
            mb_per_s: middle(|figures| figures.mb_per_s),
        }
    }
}

fn bulk(peer: &mut dyn Peer) -> f64 {
    (0..WINDOW).for_each(|_| peer.ask(PIECE_LEN));
    let began = Instant::now();
    let mut pieces = 0_u32;
    while began.elapsed() < SPAN {
        peer.take();
        peer.ask(PIECE_LEN);
        pieces += 1;
    }
    let rate = f64::from(pieces) * f64::from(PIECE_LEN) / began.elapsed().as_secs_f64() / 1e6;
    (0..WINDOW).for_each(|_| peer.take());
    rate
}

impl fmt::Display for Figures {
    /// For the table (`{:#}`), or to be read again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { median_us, p99_us, mb_per_s } = self;
        match f.alternate() {
            true => write!(f, "{median_us:>9.1} {p99_us:>9.1} {mb_per_s:>9.0}"),
            false => write!(f, "{median_us} {p99_us} {mb_per_s}"),
        }
    }
}

impl FromStr for Figures {
    type Err = ();

    fn from_str(text: &str) -> Result<Figures, ()> {
        let numbers: Vec<f64> =
            text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match *numbers.as_slice() {
            [median_us, p99_us, mb_per_s] => Ok(Figures { median_us, p99_us, mb_per_s }),
            _ => Err(()),
        }
    }
}
