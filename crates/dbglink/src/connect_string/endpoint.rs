//! What a connection string says, as values: one struct for each transport and role. Every field is
//! of a type that holds valid values only, so every endpoint can be printed and read back.

use super::{
    CertificateSelector, ComLine, ContextId, HostName, Password, PipeName, PipeTemplate, PortRange,
    Proto, ShellCommand, Transport, VsockPort,
};
use std::num::NonZeroU16;

/// Where a process server listens, or whom it calls: what `dbgsrv -t` takes.
///
/// `Display` prints a string in the documented order with the password masked, for logs and
/// messages; see also [`listing`](ServerEndpoint::listing) and
/// [`to_connect_string`](ServerEndpoint::to_connect_string).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerEndpoint {
    /// By what means, and where.
    pub transport: ServerTransport,
    /// What a client must know.
    pub password: Option<Password>,
}

/// The transports of a process server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerTransport {
    /// `npipe:`
    Npipe(NpipeServer),
    /// `tcp:`
    Tcp(TcpServer),
    /// `tcp:` with `clicon=`
    TcpReverse(TcpReverseServer),
    /// `com:`
    Com {
        /// Which line and channel.
        line: ComLine,
        /// Whether listings leave the server out.
        hidden: bool,
    },
    /// `spipe:`
    Spipe(SpipeServer),
    /// `ssl:`
    Ssl(SslServer),
    /// `ssl:` with `clicon=`
    SslReverse(SslReverseServer),
    /// `vsock:` Ours.
    Vsock(VsockServer),
    /// `stdio`: the server's own standard input and output. Ours.
    Stdio,
}

impl ServerTransport {
    /// What TLS takes, if the transport says that it is spoken. A password has it spoken as well.
    pub fn tls(&self) -> Option<&TlsParameters> {
        match self {
            ServerTransport::Spipe(SpipeServer { tls, .. })
            | ServerTransport::Ssl(SslServer { tls, .. })
            | ServerTransport::SslReverse(SslReverseServer { tls, .. }) => Some(tls),
            ServerTransport::Npipe(_)
            | ServerTransport::Tcp(_)
            | ServerTransport::TcpReverse(_)
            | ServerTransport::Com { .. }
            | ServerTransport::Vsock(_)
            | ServerTransport::Stdio => None,
        }
    }

    /// Whether whoever connects is let in without a proof. At `stdio` that is who has started the
    /// server, or whomever that gave its ends to.
    pub fn is_unprotected(&self) -> bool {
        match self {
            ServerTransport::Tcp(TcpServer { unprotected, .. })
            | ServerTransport::TcpReverse(TcpReverseServer { unprotected, .. })
            | ServerTransport::Vsock(VsockServer { unprotected, .. }) => *unprotected,
            ServerTransport::Stdio => true,
            ServerTransport::Npipe(_)
            | ServerTransport::Com { .. }
            | ServerTransport::Spipe(_)
            | ServerTransport::Ssl(_)
            | ServerTransport::SslReverse(_) => false,
        }
    }
}

/// A server at a unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NpipeServer {
    /// The name of the socket, with codes for process and thread id.
    pub pipe: PipeTemplate,
    /// Whether listings leave the server out.
    pub hidden: bool,
    /// Whether the firewall shall be opened; a unix socket needs no such thing.
    pub icf_enable: bool,
}

/// A server at a TCP port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpServer {
    /// Where to listen; the first free port is taken.
    pub port: PortRange,
    /// Whether listings leave the server out.
    pub hidden: bool,
    /// Whether `ipversion=6` was given. Without effect: IPv6 is used wherever there is any.
    pub ip_version_6: bool,
    /// Whether the firewall shall be opened for the port in use.
    pub icf_enable: bool,
    /// Whether peers of other users and machines are let in although there is no password. Excludes
    /// a password in strings.
    pub unprotected: bool,
}

/// A server that connects to its client over TCP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpReverseServer {
    /// The port at which the client listens.
    pub port: NonZeroU16,
    /// The client's machine: `clicon=`.
    pub client: HostName,
    /// Whether `ipversion=6` was given. Without effect.
    pub ip_version_6: bool,
    /// Whether a client of another user or machine is served although there is no password.
    /// Excludes a password in strings.
    pub unprotected: bool,
}

/// What both TLS transports take on both sides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsParameters {
    /// Which version.
    pub proto: Proto,
    /// The certificate to present.
    pub certificate: CertificateSelector,
}

/// A server at a unix socket that speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpipeServer {
    /// Version and certificate.
    pub tls: TlsParameters,
    /// The name of the socket, with codes for process and thread id.
    pub pipe: PipeTemplate,
    /// Whether listings leave the server out.
    pub hidden: bool,
}

/// A server at a TCP port that speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SslServer {
    /// Version and certificate.
    pub tls: TlsParameters,
    /// Where to listen; the first free port is taken.
    pub port: PortRange,
    /// Whether listings leave the server out.
    pub hidden: bool,
}

/// A server that connects to its client over TCP and speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SslReverseServer {
    /// Version and certificate.
    pub tls: TlsParameters,
    /// The port at which the client listens.
    pub port: NonZeroU16,
    /// The client's machine: `clicon=`.
    pub client: HostName,
}

/// A server at a port of a virtual machine, or of the host of some.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VsockServer {
    /// At which of the machine's numbers; at all of them if none is given.
    pub cid: Option<ContextId>,
    /// Where to listen.
    pub port: VsockPort,
    /// Whether listings leave the server out.
    pub hidden: bool,
    /// Whether everybody is let in. Excludes a password in strings, and one of both is needed.
    pub unprotected: bool,
}

/// Where a smart client finds its process server: what `-premote` takes.
///
/// Printing works as for [`ServerEndpoint`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientEndpoint {
    /// By what means, and where.
    pub transport: ClientTransport,
    /// What the server asks for.
    pub password: Option<Password>,
}

/// The transports of a smart client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClientTransport {
    /// `npipe:`
    Npipe(NpipeClient),
    /// `tcp:`
    Tcp(TcpClient),
    /// `tcp:` with `clicon=`
    TcpReverse(TcpReverseClient),
    /// `com:`
    Com(ComLine),
    /// `spipe:`
    Spipe(SpipeClient),
    /// `ssl:`
    Ssl(SslClient),
    /// `ssl:` with `clicon=`
    SslReverse(SslReverseClient),
    /// `vsock:` Ours.
    Vsock(VsockClient),
    /// `exec:`: the standard input and output of a command. Ours.
    Exec(ShellCommand),
}

impl ClientTransport {
    /// What TLS takes, if the transport says that it is spoken. A password has it spoken as well.
    pub fn tls(&self) -> Option<&TlsParameters> {
        match self {
            ClientTransport::Spipe(SpipeClient { tls, .. })
            | ClientTransport::Ssl(SslClient { tls, .. })
            | ClientTransport::SslReverse(SslReverseClient { tls, .. }) => Some(tls),
            ClientTransport::Npipe(_)
            | ClientTransport::Tcp(_)
            | ClientTransport::TcpReverse(_)
            | ClientTransport::Com(_)
            | ClientTransport::Vsock(_)
            | ClientTransport::Exec(_) => None,
        }
    }
}

/// A client of a server at a unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NpipeClient {
    /// The server's machine.
    pub server: HostName,
    /// The name of the socket.
    pub pipe: PipeName,
}

/// A client of a server at a TCP port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpClient {
    /// The server's machine.
    pub server: HostName,
    /// The port in use.
    pub port: NonZeroU16,
    /// Whether `ipversion=6` was given. Without effect: IPv6 addresses are tried first.
    pub ip_version_6: bool,
}

/// A client that waits for its server to connect over TCP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpReverseClient {
    /// Where to listen; the first free port is taken. Never any port: the server must know it.
    pub port: PortRange,
    /// The server's machine: `clicon=`.
    pub server: HostName,
    /// Whether `ipversion=6` was given. Without effect.
    pub ip_version_6: bool,
}

/// A client of a server at a unix socket that speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpipeClient {
    /// Version and certificate.
    pub tls: TlsParameters,
    /// The server's machine.
    pub server: HostName,
    /// The name of the socket.
    pub pipe: PipeName,
}

/// A client of a server at a TCP port that speaks TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SslClient {
    /// Version and certificate.
    pub tls: TlsParameters,
    /// The server's machine.
    pub server: HostName,
    /// The port in use.
    pub port: NonZeroU16,
}

/// A client that waits for its server to connect over TCP and speak TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SslReverseClient {
    /// Version and certificate.
    pub tls: TlsParameters,
    /// Where to listen; the first free port is taken. Never any port: the server must know it.
    pub port: PortRange,
    /// The server's machine: `clicon=`.
    pub server: HostName,
}

/// A client of a server at a port of a virtual machine, or of the host of this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VsockClient {
    /// The server's machine.
    pub cid: ContextId,
    /// The port in use.
    pub port: VsockPort,
}

impl ServerEndpoint {
    /// Which transport it is.
    pub const fn transport(&self) -> Transport {
        match self.transport {
            ServerTransport::Npipe(_) => Transport::Npipe,
            ServerTransport::Tcp(_) => Transport::Tcp,
            ServerTransport::TcpReverse(_) => Transport::TcpReverse,
            ServerTransport::Com { .. } => Transport::Com,
            ServerTransport::Spipe(_) => Transport::Spipe,
            ServerTransport::Ssl(_) => Transport::Ssl,
            ServerTransport::SslReverse(_) => Transport::SslReverse,
            ServerTransport::Vsock(_) => Transport::Vsock,
            ServerTransport::Stdio => Transport::Stdio,
        }
    }

    /// Whether listings of servers leave it out: it is `hidden`, or calls its client and so cannot
    /// be connected to.
    pub const fn is_hidden(&self) -> bool {
        match &self.transport {
            ServerTransport::Npipe(npipe) => npipe.hidden,
            ServerTransport::Tcp(tcp) => tcp.hidden,
            ServerTransport::Com { hidden, .. } => *hidden,
            ServerTransport::Spipe(spipe) => spipe.hidden,
            ServerTransport::Ssl(ssl) => ssl.hidden,
            ServerTransport::Vsock(vsock) => vsock.hidden,
            ServerTransport::TcpReverse(_)
            | ServerTransport::SslReverse(_)
            | ServerTransport::Stdio => true,
        }
    }
}

impl ClientEndpoint {
    /// Which transport it is.
    pub const fn transport(&self) -> Transport {
        match self.transport {
            ClientTransport::Npipe(_) => Transport::Npipe,
            ClientTransport::Tcp(_) => Transport::Tcp,
            ClientTransport::TcpReverse(_) => Transport::TcpReverse,
            ClientTransport::Com(_) => Transport::Com,
            ClientTransport::Spipe(_) => Transport::Spipe,
            ClientTransport::Ssl(_) => Transport::Ssl,
            ClientTransport::SslReverse(_) => Transport::SslReverse,
            ClientTransport::Vsock(_) => Transport::Vsock,
            ClientTransport::Exec(_) => Transport::Exec,
        }
    }
}
