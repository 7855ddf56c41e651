//! Serial ports, their speed and the channels on them, as strings hold them. It opens none.

use super::ParseErrorKind;
use super::port::decimal;
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

/// Which connection of which serial line: `port=`, `baud=` and `channel=` of `com`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ComLine {
    /// The line.
    pub port: ComPort,
    /// Its speed in baud. Whether the hardware has it, only opening it tells.
    pub baud: NonZeroU32,
    /// The connection on it.
    pub channel: Channel,
}

/// A serial port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ComPort {
    /// By its number from 1: `com2`, or `2`.
    Number(NonZeroU16),
    /// By its device file: `/dev/ttyUSB0`. Ours.
    Device(DevicePath),
}

/// The path of a device file below `/dev/`, without blanks, quotation marks and commas.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DevicePath(String);

impl DevicePath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ComPort {
    /// Reads `2`, `com2` or `/dev/ttyS1`.
    ///
    /// **Errors**: [`ParseErrorKind::ComPort`].
    pub fn new(text: &str) -> Result<ComPort, ParseErrorKind> {
        if let Some(device) = text.strip_prefix("/dev/") {
            let refused = |c: char| c.is_whitespace() || c.is_control() || "\",".contains(c);
            if device.is_empty() || device.contains(refused) {
                return Err(ParseErrorKind::ComPort);
            }
            return Ok(ComPort::Device(DevicePath(text.to_owned())));
        }
        let digits = match text.split_at_checked(3) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("com") => rest,
            _ => text,
        };
        decimal(digits).map(ComPort::Number).ok_or(ParseErrorKind::ComPort)
    }
}

impl fmt::Display for ComPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ComPort::Number(number) => write!(f, "com{number}"),
            ComPort::Device(path) => f.write_str(&path.0),
        }
    }
}

/// One of the 255 connections that share a serial line: 0 to 254.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Channel(u8);

impl Channel {
    /// The last one.
    pub const MAX: Channel = Channel(254);

    /// The channel with this number; `None` for 255.
    pub fn new(number: u8) -> Option<Channel> {
        (number <= Channel::MAX.0).then_some(Channel(number))
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    pub(super) fn parse(text: &str) -> Result<Channel, ParseErrorKind> {
        decimal(text).and_then(Channel::new).ok_or(ParseErrorKind::Channel)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Reads a speed.
pub(super) fn parse_baud(text: &str) -> Result<NonZeroU32, ParseErrorKind> {
    decimal(text).ok_or(ParseErrorKind::Baud)
}
