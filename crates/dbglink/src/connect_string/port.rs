//! Numbers of TCP ports and ranges of them. It does not know which are free.

use super::ParseErrorKind;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

/// The TCP ports at which a listening side may be: one, several in a row, or any.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortRange {
    low: u16,
    high: u16,
}

impl PortRange {
    /// Any free port: `port=0`.
    pub const ANY: PortRange = PortRange { low: 0, high: 0 };

    /// Exactly this port.
    pub const fn single(port: NonZeroU16) -> PortRange {
        PortRange { low: port.get(), high: port.get() }
    }

    /// The ports from `low` to `high`, both included; `None` if `low` is above `high`.
    pub fn new(low: NonZeroU16, high: NonZeroU16) -> Option<PortRange> {
        (low <= high).then_some(PortRange { low: low.get(), high: high.get() })
    }

    /// The first port to be tried, or, of a server that listens, the port in use. 0 for any.
    pub const fn low(self) -> u16 {
        self.low
    }

    /// The last port to be tried; equals [`low`](PortRange::low) if there is only one.
    pub const fn high(self) -> u16 {
        self.high
    }

    /// Whether this is one port, or any, and not a range.
    pub const fn is_single(self) -> bool {
        self.low == self.high
    }

    /// How a server of this range that listens at `used` is listed: the port in use, then the upper
    /// end, as `port=51:60` becomes `port=53:60`. A server of a single or any port keeps no end.
    #[must_use]
    pub fn at(self, used: NonZeroU16) -> PortRange {
        if self.is_single() {
            return PortRange::single(used);
        }
        PortRange { low: used.get(), high: self.high.max(used.get()) }
    }

    /// Reads `1025`, `51:60` or `0`.
    pub(super) fn parse(text: &str) -> Result<PortRange, ParseErrorKind> {
        let Some((low, high)) = text.split_once(':') else {
            let port: u16 = decimal(text).ok_or(ParseErrorKind::Port)?;
            return Ok(PortRange { low: port, high: port });
        };
        let range = PortRange::new(parse_port(low)?, parse_port(high)?);
        range.ok_or(ParseErrorKind::PortRangeReversed)
    }

    /// Reads what a listening side gives that must be reachable at a port known beforehand.
    pub(super) fn parse_nonzero(text: &str) -> Result<PortRange, ParseErrorKind> {
        let range = PortRange::parse(text)?;
        if range == PortRange::ANY { Err(ParseErrorKind::Port) } else { Ok(range) }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() {
            write!(f, "{}", self.low)
        } else {
            write!(f, "{}:{}", self.low, self.high)
        }
    }
}

/// Reads one port, 1 to 65535; a range is the error `range`.
pub(super) fn parse_fixed_port(
    text: &str,
    range: ParseErrorKind,
) -> Result<NonZeroU16, ParseErrorKind> {
    match text.split_once(':') {
        Some(_) => Err(PortRange::parse(text).err().unwrap_or(range)),
        None => parse_port(text),
    }
}

fn parse_port(text: &str) -> Result<NonZeroU16, ParseErrorKind> {
    decimal(text).ok_or(ParseErrorKind::Port)
}

/// Reads a number written with decimal digits only; `FromStr` would also take a plus sign.
pub(super) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
