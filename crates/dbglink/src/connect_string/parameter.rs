//! The vocabulary of connection strings as data: who writes them, which transports there are, which
//! parameters each takes. It knows no values.

use std::fmt;

/// Who a connection string is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// The process server: `dbgsrv -t`.
    Server,
    /// The smart client: `-premote`.
    Client,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Server => "server",
            Role::Client => "client",
        })
    }
}

/// A transport, with the two that can also be opened in reverse as forms of their own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// A unix socket with a name, where the original has a named pipe.
    Npipe,
    /// TCP; the client connects to the server.
    Tcp,
    /// TCP with `clicon=`; the server connects to the client.
    TcpReverse,
    /// A serial line with 255 channels.
    Com,
    /// TLS over what `npipe` opens.
    Spipe,
    /// TLS over what `tcp` opens.
    Ssl,
    /// TLS over what `tcp` opens in reverse.
    SslReverse,
    /// Sockets between a virtual machine and its host.
    Vsock,
    /// The standard input and output of a command, for clients.
    Exec,
    /// The server's own standard input and output.
    Stdio,
}

impl Transport {
    /// The word before the colon.
    pub const fn word(self) -> &'static str {
        match self {
            Transport::Npipe => "npipe",
            Transport::Tcp | Transport::TcpReverse => "tcp",
            Transport::Com => "com",
            Transport::Spipe => "spipe",
            Transport::Ssl | Transport::SslReverse => "ssl",
            Transport::Vsock => "vsock",
            Transport::Exec => "exec",
            Transport::Stdio => "stdio",
        }
    }

    /// Whether the server connects to the client, which `clicon=` asks for.
    pub const fn is_reverse(self) -> bool {
        matches!(self, Transport::TcpReverse | Transport::SslReverse)
    }

    /// The transport with this word, in the form that `clicon=` selects. Transports that have no
    /// reverse form ignore `reverse`; the parameter itself is then refused as one they do not take.
    pub(super) fn from_word(word: &str, reverse: bool) -> Option<Transport> {
        let (forward, backward) = match word.to_ascii_lowercase().as_str() {
            "npipe" => (Transport::Npipe, Transport::Npipe),
            "tcp" => (Transport::Tcp, Transport::TcpReverse),
            "com" => (Transport::Com, Transport::Com),
            "spipe" => (Transport::Spipe, Transport::Spipe),
            "ssl" => (Transport::Ssl, Transport::SslReverse),
            "vsock" => (Transport::Vsock, Transport::Vsock),
            _ => return None,
        };
        Some(if reverse { backward } else { forward })
    }

    /// What a string of this transport may hold, in the order of the syntax lines.
    pub(super) const fn parameters(self, role: Role) -> &'static [Accepted] {
        match (role, self) {
            (Role::Server, Transport::Npipe) => SERVER_NPIPE,
            (Role::Server, Transport::Tcp) => SERVER_TCP,
            (Role::Server, Transport::Spipe) => SERVER_SPIPE,
            (Role::Server, Transport::Ssl) => SERVER_SSL,
            (Role::Server, Transport::Com) => SERVER_COM,
            (Role::Server, Transport::Vsock) => SERVER_VSOCK,
            (Role::Client, Transport::Npipe) => CLIENT_NPIPE,
            (Role::Client, Transport::Tcp) => CLIENT_TCP,
            (Role::Client, Transport::Spipe) => CLIENT_SPIPE,
            (Role::Client, Transport::Ssl) => CLIENT_SSL,
            (Role::Client, Transport::Com) => CLIENT_COM,
            (Role::Client, Transport::Vsock) => CLIENT_VSOCK,
            (Role::Server, Transport::TcpReverse) => SERVER_TCP_REVERSE,
            (Role::Client, Transport::TcpReverse) => CLIENT_TCP_REVERSE,
            (_, Transport::SslReverse) => SSL_REVERSE,
            // They take no parameters, and are read before there could be any.
            (_, Transport::Exec | Transport::Stdio) => &[],
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        if self.is_reverse() { f.write_str(" with clicon=") } else { Ok(()) }
    }
}

/// A parameter that a transport takes.
#[derive(Clone, Copy)]
pub(super) struct Accepted {
    /// Which.
    pub(super) name: ParameterName,
    /// Whether a string without it is wrong. Of the two certificate parameters exactly one is
    /// needed; that rule stands where they are read.
    pub(super) required: bool,
}

const fn needs(name: ParameterName) -> Accepted {
    Accepted { name, required: true }
}

const fn takes(name: ParameterName) -> Accepted {
    Accepted { name, required: false }
}

use ParameterName::{
    Baud, Certuser, Channel, Cid, Clicon, Hidden, IcfEnable, IpVersion, Machuser, Password, Pipe,
    Port, Proto, Server, Unprotected,
};

const SERVER_NPIPE: &[Accepted] = &[needs(Pipe), takes(Hidden), takes(Password), takes(IcfEnable)];
const SERVER_TCP: &[Accepted] = &[
    needs(Port),
    takes(Hidden),
    takes(Password),
    takes(IpVersion),
    takes(IcfEnable),
    takes(Unprotected),
];
const SERVER_COM: &[Accepted] =
    &[needs(Port), needs(Baud), needs(Channel), takes(Hidden), takes(Password)];
const SERVER_SPIPE: &[Accepted] =
    &[needs(Proto), takes(Certuser), takes(Machuser), needs(Pipe), takes(Hidden), takes(Password)];
const SERVER_SSL: &[Accepted] =
    &[needs(Proto), takes(Certuser), takes(Machuser), needs(Port), takes(Hidden), takes(Password)];
const SERVER_VSOCK: &[Accepted] =
    &[needs(Port), takes(Cid), takes(Hidden), takes(Password), takes(Unprotected)];
const CLIENT_VSOCK: &[Accepted] = &[needs(Cid), needs(Port), takes(Password)];
const CLIENT_NPIPE: &[Accepted] = &[needs(Server), needs(Pipe), takes(Password)];
const CLIENT_TCP: &[Accepted] = &[needs(Server), needs(Port), takes(Password), takes(IpVersion)];
const CLIENT_COM: &[Accepted] = &[needs(Port), needs(Baud), needs(Channel), takes(Password)];
const CLIENT_SPIPE: &[Accepted] =
    &[needs(Proto), takes(Certuser), takes(Machuser), needs(Server), needs(Pipe), takes(Password)];
const CLIENT_SSL: &[Accepted] =
    &[needs(Proto), takes(Certuser), takes(Machuser), needs(Server), needs(Port), takes(Password)];
const CLIENT_TCP_REVERSE: &[Accepted] =
    &[needs(Port), needs(Clicon), takes(Password), takes(IpVersion)];
const SERVER_TCP_REVERSE: &[Accepted] =
    &[needs(Port), needs(Clicon), takes(Password), takes(IpVersion), takes(Unprotected)];
const SSL_REVERSE: &[Accepted] =
    &[needs(Proto), takes(Certuser), takes(Machuser), needs(Port), needs(Clicon), takes(Password)];

/// The name of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ParameterName {
    /// `pipe=`: the name of the unix socket.
    Pipe,
    /// `port=`: a TCP port or, with `com`, a serial port.
    Port,
    /// `server=`: the machine of the server.
    Server,
    /// `clicon=`: the machine of the other side of a reverse connection.
    Clicon,
    /// `baud=`: the speed of a serial line.
    Baud,
    /// `channel=`: which of the connections over one serial line.
    Channel,
    /// `proto=`: the TLS version.
    Proto,
    /// `certuser=`: a certificate in the user's store.
    Certuser,
    /// `machuser=`: a certificate in the machine's store.
    Machuser,
    /// `hidden`: keeps the server out of listings.
    Hidden,
    /// `password=`: what the client must know.
    Password,
    /// `ipversion=6`: accepted and without effect; IPv6 is always tried first.
    IpVersion,
    /// `IcfEnable`: asks for the firewall to be opened.
    IcfEnable,
    /// `cid=`: the number of a virtual machine. Ours.
    Cid,
    /// `unprotected`: serves peers of other machines without a password. Ours.
    Unprotected,
}

impl ParameterName {
    /// All of them.
    pub const ALL: [ParameterName; 15] = [
        Pipe,
        Port,
        Server,
        Clicon,
        Baud,
        Channel,
        Proto,
        Certuser,
        Machuser,
        Hidden,
        Password,
        IpVersion,
        IcfEnable,
        Cid,
        Unprotected,
    ];

    /// The name as the syntax lines of the documentation write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Pipe => "pipe",
            Port => "port",
            Server => "server",
            Clicon => "clicon",
            Baud => "baud",
            Channel => "channel",
            Proto => "proto",
            Certuser => "certuser",
            Machuser => "machuser",
            Hidden => "hidden",
            Password => "password",
            IpVersion => "ipversion",
            IcfEnable => "IcfEnable",
            Cid => "cid",
            Unprotected => "unprotected",
        }
    }

    /// Whether it stands alone, without `=` and a value.
    pub const fn is_flag(self) -> bool {
        matches!(self, Hidden | IcfEnable | Unprotected)
    }

    /// The parameter with this name in any case.
    pub(super) fn from_name(name: &str) -> Option<ParameterName> {
        ParameterName::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for ParameterName {
    /// The name, followed by `=` if a value belongs to it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        if self.is_flag() { Ok(()) } else { f.write_str("=") }
    }
}
