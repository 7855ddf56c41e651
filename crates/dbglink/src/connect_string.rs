//! Connection strings, as `dbgsrv -t` and `-premote` take them: read into typed values and printed
//! back. It is pure: it opens nothing, resolves no name and reads no password file.
//!
//! ```text
//! string    := transport ":" parameter { "," parameter }
//! transport := "npipe" | "tcp" | "com" | "spipe" | "ssl"
//! parameter := name [ "=" value ]
//! ours      := "vsock:" parameter { "," parameter }
//!            | "exec:" command        (client)  |  "stdio"  (server)
//! value     := text without "," and '"'  |  '"' text without '"' '"'
//! ```
//!
//! The facts are those of the pages "Activating a Process Server" (the server's strings) and
//! "Activating a Smart Client" (the client's). Where they are silent, these rules hold:
//!
//! * Names of transports, parameters and protocols compare without regard to case; the order of
//!   parameters is free; none may be given twice.
//! * A comma always separates, except within quotation marks. Those enclose a whole value, never a
//!   part of one, and nothing within them is escaped, so no value contains a quotation mark. Only
//!   the name of a certificate and the path of a password file have any use for them.
//! * Blanks around names and values are refused: a blank behind a comma is a usual slip, and taking
//!   it for a part of the name would only hide it. Within a value they may stand in certificate
//!   names, thumbprints and paths. Control characters are refused everywhere.
//! * `clicon=` makes `tcp` and `ssl` a form of its own, in which the server connects to the client.
//!   It takes other parameters, see [`Transport`].
//! * `server=` may be `user@machine` where a pipe of another machine is meant: as whom ssh logs in.
//! * A listening server may give `port=0` for any free port. Everybody else names a real one.
//! * Names of pipes are file names, so upper and lower case differ in them. See [`PipeTemplate`].
//! * `unprotected` (server, `tcp` and `vsock`) is ours: it lets peers of other machines in without
//!   a password. `password=file:PATH` and `password=env:NAME` are ours too. See [`Password`].

mod certificate;
mod com;
mod endpoint;
mod error;
mod host;
mod parameter;
mod parse;
mod password;
mod pipe_name;
mod port;
mod print;
mod shell_command;
mod split;
mod vsock;

pub use certificate::{Certificate, CertificateName, CertificateSelector, CertificateStore, Proto};
pub use com::{Channel, ComLine, ComPort, DevicePath};
pub use endpoint::{
    ClientEndpoint, ClientTransport, NpipeClient, NpipeServer, ServerEndpoint, ServerTransport,
    SpipeClient, SpipeServer, SslClient, SslReverseClient, SslReverseServer, SslServer, TcpClient,
    TcpReverseClient, TcpReverseServer, TcpServer, TlsParameters, VsockClient, VsockServer,
};
pub(crate) use error::TRANSPORTS;
pub use error::{ParseError, ParseErrorKind, RefusedProto, Span};
pub use host::HostName;
pub use parameter::{ParameterName, Role, Transport};
pub use password::{Password, PasswordSource};
pub use pipe_name::{PIPE_NAME_LEN_MAX_BYTES, PipeName, PipeNameFault, PipeTemplate};
pub use port::PortRange;
pub use print::Listing;
pub use shell_command::ShellCommand;
pub use vsock::{ContextId, VsockPort};

#[cfg(test)]
mod tests;
