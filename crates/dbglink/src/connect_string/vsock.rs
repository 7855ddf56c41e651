//! Numbers of virtual machines and of their ports, as `vsock:` writes them (vsock(7)). It does not
//! know which are there.

use std::fmt;

use super::ParseErrorKind;
use super::port::decimal;

/// What stands for any, in the kernel's form: it is the number of nobody.
const ANY: u32 = u32::MAX;

/// The context id of a machine: 1 is this one, 2 the host of this one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ContextId(u32);

impl ContextId {
    /// Reads `3`.
    ///
    /// **Errors**: [`ParseErrorKind::ContextId`].
    pub(super) fn parse(text: &str) -> Result<ContextId, ParseErrorKind> {
        let number = decimal(text).filter(|number| *number != ANY);
        number.map(ContextId).ok_or(ParseErrorKind::ContextId)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A port of a machine's vsock. They have nothing to do with those of TCP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VsockPort(u32);

impl VsockPort {
    /// Any free port: `port=0`.
    pub const ANY: VsockPort = VsockPort(0);

    /// The port of this number; `None` for those that are no port to listen at.
    pub const fn new(number: u32) -> Option<VsockPort> {
        if number == 0 || number == ANY { None } else { Some(VsockPort(number)) }
    }

    /// Reads `1025`, or `0` for any.
    ///
    /// **Errors**: [`ParseErrorKind::VsockPort`].
    pub(super) fn parse(text: &str) -> Result<VsockPort, ParseErrorKind> {
        match decimal(text).ok_or(ParseErrorKind::VsockPort)? {
            0 => Ok(VsockPort::ANY),
            number => VsockPort::new(number).ok_or(ParseErrorKind::VsockPort),
        }
    }

    /// The same where it has to be known.
    ///
    /// **Errors**: [`ParseErrorKind::VsockPort`].
    pub(super) fn parse_nonzero(text: &str) -> Result<VsockPort, ParseErrorKind> {
        VsockPort::parse(text).and_then(|port| match port {
            VsockPort::ANY => Err(ParseErrorKind::VsockPort),
            port => Ok(port),
        })
    }

    /// The number; 0 for any.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for VsockPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
