//! What can be wrong with a connection string, and how it is said to the person who wrote it. It
//! never repeats a password.

use super::{ParameterName, PipeNameFault, Role, Transport};
use std::fmt;

/// A part of a connection string, as byte offsets; `end` is behind the last byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

/// Why a text is no connection string.
///
/// `Display` names the parameter; [`explain`](ParseError::explain) also shows what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Whose string it should have been.
    pub role: Role,
    /// The transport, if the string got as far as naming one.
    pub transport: Option<Transport>,
    /// The parameter at fault, if it is a known one.
    pub parameter: Option<ParameterName>,
    /// Where; empty, at 0, if the fault is that something is not there.
    pub at: Span,
}

/// The ways in which a connection string can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseErrorKind {
    /// There is no colon, and so no transport.
    NoTransport,
    /// The word before the colon is not a transport.
    UnknownTransport,
    /// `exec:` in a server's string, or `exec` without a command.
    ExecIsForClients,
    /// `stdio` in a client's string, or with parameters.
    StdioIsForServers,
    /// `exec:` without a command.
    EmptyCommand,
    /// A control character stands somewhere in the string.
    ControlCharacter,
    /// A blank stands before or behind a name or a value.
    Blank,
    /// A quotation mark stands elsewhere than around a whole value, or has no partner.
    Quote,
    /// Two commas without a parameter between them, or one at the end.
    EmptyParameter,
    /// No transport takes a parameter of this name.
    UnknownParameter,
    /// This transport does not take the parameter in a string for this role.
    ForeignParameter,
    /// `hidden` beside `clicon=`.
    HiddenWithClicon,
    /// The parameter was given before.
    Repeated,
    /// A parameter that the transport needs is not there.
    Missing,
    /// A parameter that needs a value has none.
    EmptyValue,
    /// A parameter that takes no value has one.
    FlagWithValue,
    /// Not the number of a TCP port.
    Port,
    /// The first port of a range is above the last.
    PortRangeReversed,
    /// A server gives a range of ports beside `clicon=`.
    PortRangeWithClicon,
    /// A client that connects gives a range of ports.
    PortRangeOfClient,
    /// Not the number of a virtual machine.
    ContextId,
    /// Not a port of a virtual machine.
    VsockPort,
    /// A server of `vsock` with neither a password nor `unprotected`.
    OpenVsock,
    /// Not a machine's name or address.
    Host,
    /// Not a pipe's name.
    PipeName(PipeNameFault),
    /// Not a serial port.
    ComPort,
    /// Not a speed.
    Baud,
    /// Not a channel.
    Channel,
    /// Not a protocol.
    UnknownProto,
    /// A protocol that is known and not spoken.
    RefusedProto(RefusedProto),
    /// Neither `certuser=` nor `machuser=` was given.
    NoCertificate,
    /// Both `certuser=` and `machuser=` were given.
    TwoCertificates,
    /// Meant as a thumbprint, but neither 20 nor 32 bytes.
    Thumbprint,
    /// Cannot be a certificate's name.
    CertificateName,
    /// The password has more than 12 characters.
    PasswordTooLong,
    /// The password has a character that is no ASCII letter or digit.
    PasswordCharacter,
    /// `file:` or `env:` without a path or variable name behind it.
    PasswordSource,
    /// `unprotected` beside `password=`.
    UnprotectedWithPassword,
    /// `ipversion=` is not 6.
    IpVersion,
}

/// A protocol that the original knew and that nobody should speak any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusedProto {
    /// Microsoft's Private Communications Technology.
    Pct1,
    /// SSL 2.0.
    Ssl2,
    /// SSL 3.0.
    Ssl3,
}

impl fmt::Display for RefusedProto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RefusedProto::Pct1 => "PCT 1.0 was given up for TLS and nobody speaks it any more",
            RefusedProto::Ssl2 => "SSL 2.0 is broken and prohibited (RFC 6176)",
            RefusedProto::Ssl3 => "SSL 3.0 is broken and prohibited (RFC 7568)",
        })
    }
}

impl std::error::Error for ParseError {}

/// The transports that can be opened, for people.
pub(crate) const TRANSPORTS: &str =
    "npipe, tcp, spipe, ssl and vsock, exec:COMMAND for clients, and stdio for servers";

/// The most characters of the text that a message repeats.
const SHOWN_LEN_MAX: usize = 60;

impl ParseError {
    /// The message for the person who wrote `text`, which must be the text that was read: as
    /// `Display`, with the part at fault as it was written. A password is not repeated.
    pub fn explain(&self, text: &str) -> String {
        let written = text.get(self.at.start..self.at.end).unwrap_or_default();
        if written.is_empty() || self.parameter == Some(ParameterName::Password) {
            return self.to_string();
        }
        let mut shown: String = written.chars().take(SHOWN_LEN_MAX).collect();
        if shown.len() < written.len() {
            shown.push('…');
        }
        Message { error: *self, subject: &shown }.to_string()
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.parameter.map_or(String::new(), |parameter| parameter.to_string());
        Message { error: *self, subject: &subject }.fmt(f)
    }
}

/// An error and the words at fault.
struct Message<'a> {
    error: ParseError,
    subject: &'a str,
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject;
        if let Some(transport) = self.error.transport {
            write!(f, "{}: ", transport.word())?;
        }
        match self.error.kind.wording() {
            Wording::Alone(text) => f.write_str(text),
            Wording::Subject(text) => write!(f, "{} {text}", quoted(subject)),
            Wording::Accepted(text) => {
                write!(f, "{} {text}; ", quoted(subject))?;
                write_accepted(f, &self.error)
            }
            Wording::PipeName(fault) => write!(f, "`{subject}` is not a pipe name; {fault}"),
            Wording::Proto(proto) => {
                write!(f, "`{subject}` is not spoken: {proto}; use tls1, tls12 or tls13")
            }
        }
    }
}

fn quoted(subject: &str) -> String {
    if subject.is_empty() { "a part".to_owned() } else { format!("`{subject}`") }
}

/// Writes "a server of tcp takes port=, hidden, password=", or which transports there are.
fn write_accepted(f: &mut fmt::Formatter<'_>, error: &ParseError) -> fmt::Result {
    let Some(transport) = error.transport else {
        return write!(f, "there are {TRANSPORTS}");
    };
    write!(f, "a {} of {transport} takes ", error.role)?;
    for (index, accepted) in transport.parameters(error.role).iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(f, "{separator}{}", accepted.name)?;
    }
    Ok(())
}

/// How the message about a kind of error is put together.
enum Wording {
    /// The text says it all.
    Alone(&'static str),
    /// What was written, then the text.
    Subject(&'static str),
    /// What was written, the text, and what there is instead.
    Accepted(&'static str),
    PipeName(PipeNameFault),
    Proto(RefusedProto),
}

impl ParseErrorKind {
    /// The wording of errors in the form of a string and in the choice of parameters.
    fn wording(self) -> Wording {
        Wording::Alone(match self {
            ParseErrorKind::NoTransport => {
                "a connection string begins with a transport and a colon, as in npipe:pipe=NAME \
                 or tcp:port=NUMBER"
            }
            ParseErrorKind::OpenVsock => {
                "a server of vsock needs password=, or `unprotected` to let everybody in; the \
                 kernel does not say which user is at the other end"
            }
            ParseErrorKind::ExecIsForClients => {
                "exec:COMMAND is for clients; the server at the other end of such a command is \
                 started by it, with stdio"
            }
            ParseErrorKind::StdioIsForServers => {
                "stdio stands alone, and is for servers; a client reaches one by exec:COMMAND"
            }
            ParseErrorKind::EmptyCommand => {
                "exec: needs a command behind it, as in exec:ssh box17 dbgsrv -t stdio"
            }
            ParseErrorKind::ControlCharacter => "a connection string has no control characters",
            ParseErrorKind::EmptyParameter => {
                "there is a comma too many; parameters stand between single commas"
            }
            ParseErrorKind::HiddenWithClicon => {
                "`hidden` cannot stand beside clicon=; a server that calls its client is never \
                 listed"
            }
            ParseErrorKind::UnprotectedWithPassword => {
                "`unprotected` cannot stand beside password=; it lets everybody in without one"
            }
            ParseErrorKind::NoCertificate => {
                "a certificate is missing; name one with certuser= or machuser="
            }
            ParseErrorKind::TwoCertificates => {
                "certuser= and machuser= exclude each other; give one of them"
            }
            ParseErrorKind::UnknownTransport => return Wording::Accepted("is not a transport"),
            ParseErrorKind::UnknownParameter => return Wording::Accepted("is not a parameter"),
            ParseErrorKind::ForeignParameter => {
                return Wording::Accepted("does not belong here");
            }
            ParseErrorKind::Missing => return Wording::Accepted("is missing"),
            ParseErrorKind::PipeName(fault) => return Wording::PipeName(fault),
            ParseErrorKind::RefusedProto(proto) => return Wording::Proto(proto),
            kind => return Wording::Subject(kind.predicate()),
        })
    }

    /// What is said of the words at fault.
    fn predicate(self) -> &'static str {
        match self {
            ParseErrorKind::Blank => "has a blank too many; blanks may only stand within values",
            ParseErrorKind::Quote => {
                "has a quotation mark out of place; two may enclose a whole value, nothing else"
            }
            ParseErrorKind::Repeated => "is given a second time",
            ParseErrorKind::EmptyValue => "needs a value",
            ParseErrorKind::FlagWithValue => "takes no value; the name alone switches it on",
            ParseErrorKind::Port => "is not a port; ports are 1 to 65535",
            ParseErrorKind::PortRangeReversed => {
                "is not a range; write the lower port first, as in port=51:60"
            }
            ParseErrorKind::PortRangeWithClicon => {
                "is a range; beside clicon= a server names the one port where the client listens"
            }
            ParseErrorKind::PortRangeOfClient => {
                "is a range; a client names the port in use, the first of the two that are listed"
            }
            ParseErrorKind::ContextId => {
                "is not the number of a virtual machine; 2 is the host of this one, 1 this one"
            }
            ParseErrorKind::VsockPort => "is not a vsock port; those are 1 to 4294967294",
            ParseErrorKind::Host => "is not the name or address of a machine",
            ParseErrorKind::ComPort => {
                "is not a serial port; write com2, 2 or a device such as /dev/ttyUSB0"
            }
            ParseErrorKind::Baud => "is not a speed; write a number of baud, as in baud=115200",
            ParseErrorKind::Channel => "is not a channel; channels are 0 to 254",
            ParseErrorKind::UnknownProto => "is not a protocol; there are tls1, tls12 and tls13",
            ParseErrorKind::Thumbprint => {
                "is not a thumbprint; those have 20 bytes (SHA-1) or 32 bytes (SHA-256)"
            }
            ParseErrorKind::CertificateName => "cannot be the name of a certificate",
            ParseErrorKind::PasswordTooLong => {
                "has more than 12 characters; for a longer secret use password=file:PATH or \
                 password=env:NAME, or certificates with ssl"
            }
            ParseErrorKind::PasswordCharacter => {
                "may only have letters and digits; for a stronger secret use password=file:PATH \
                 or password=env:NAME, or certificates with ssl"
            }
            ParseErrorKind::PasswordSource => {
                "names no source; write password=file:PATH or password=env:NAME"
            }
            ParseErrorKind::IpVersion => {
                "is not 6; IPv6 is always tried first and IPv4 after it, so leave it out"
            }
            ParseErrorKind::NoTransport
            | ParseErrorKind::UnknownTransport
            | ParseErrorKind::OpenVsock
            | ParseErrorKind::ExecIsForClients
            | ParseErrorKind::StdioIsForServers
            | ParseErrorKind::EmptyCommand
            | ParseErrorKind::ControlCharacter
            | ParseErrorKind::EmptyParameter
            | ParseErrorKind::UnknownParameter
            | ParseErrorKind::ForeignParameter
            | ParseErrorKind::HiddenWithClicon
            | ParseErrorKind::Missing
            | ParseErrorKind::PipeName(_)
            | ParseErrorKind::RefusedProto(_)
            | ParseErrorKind::NoCertificate
            | ParseErrorKind::TwoCertificates
            | ParseErrorKind::UnprotectedWithPassword => "is wrong",
        }
    }
}
