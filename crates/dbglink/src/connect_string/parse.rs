//! From the pieces of a connection string to an endpoint: what each parameter's value means for the
//! transport at hand.

use super::com::parse_baud;
use super::port::parse_fixed_port;
use super::split::Split;
use super::{
    Certificate, CertificateSelector, CertificateStore, Channel, ClientEndpoint, ClientTransport,
    ComLine, ComPort, ContextId, HostName, NpipeClient, NpipeServer, ParameterName, ParseError,
    ParseErrorKind, Password, PipeName, PipeTemplate, PortRange, Proto, Role, ServerEndpoint,
    ServerTransport, ShellCommand, Span, SpipeClient, SpipeServer, SslClient, SslReverseClient,
    SslReverseServer, SslServer, TcpClient, TcpReverseClient, TcpReverseServer, TcpServer,
    TlsParameters, Transport, VsockClient, VsockPort, VsockServer,
};
use std::num::NonZeroU16;
use std::str::FromStr;

impl FromStr for ServerEndpoint {
    type Err = ParseError;

    /// Reads the string of `dbgsrv -t`.
    fn from_str(text: &str) -> Result<ServerEndpoint, ParseError> {
        if text.eq_ignore_ascii_case(Transport::Stdio.word()) {
            return Ok(ServerEndpoint { transport: ServerTransport::Stdio, password: None });
        }
        let split = Split::new(Role::Server, text)?;
        let endpoint = ServerEndpoint {
            transport: server_transport(&split)?,
            password: split.optional(ParameterName::Password, Password::new)?,
        };
        match (split.find(ParameterName::Unprotected), &endpoint.password) {
            (Some(unprotected), Some(_)) => {
                Err(split.error(ParseErrorKind::UnprotectedWithPassword, unprotected))
            }
            (None, None) if split.transport == Transport::Vsock => {
                Err(split.error_without(ParseErrorKind::OpenVsock, None))
            }
            _ => Ok(endpoint),
        }
    }
}

impl FromStr for ClientEndpoint {
    type Err = ParseError;

    /// Reads the string of `-premote`.
    fn from_str(text: &str) -> Result<ClientEndpoint, ParseError> {
        if let Some((word, command)) = text.split_once(':')
            && word.eq_ignore_ascii_case(Transport::Exec.word())
        {
            let at = Span { start: word.len() + 1, end: text.len() };
            let (role, transport) = (Role::Client, Some(Transport::Exec));
            let error = |kind| ParseError { kind, role, transport, parameter: None, at };
            let command = ShellCommand::new(command).map_err(error)?;
            return Ok(ClientEndpoint {
                transport: ClientTransport::Exec(command),
                password: None,
            });
        }
        let split = Split::new(Role::Client, text)?;
        Ok(ClientEndpoint {
            transport: client_transport(&split)?,
            password: split.optional(ParameterName::Password, Password::new)?,
        })
    }
}

fn server_transport(split: &Split<'_>) -> Result<ServerTransport, ParseError> {
    let hidden = split.flag(ParameterName::Hidden);
    let icf_enable = split.flag(ParameterName::IcfEnable);
    Ok(match split.transport {
        Transport::Npipe => {
            let pipe = split.pipe_template()?;
            ServerTransport::Npipe(NpipeServer { pipe, hidden, icf_enable })
        }
        Transport::Tcp => ServerTransport::Tcp(TcpServer {
            port: split.required(ParameterName::Port, PortRange::parse)?,
            hidden,
            ip_version_6: split.ip_version_6()?,
            icf_enable,
            unprotected: split.flag(ParameterName::Unprotected),
        }),
        Transport::TcpReverse => ServerTransport::TcpReverse(TcpReverseServer {
            port: split.fixed_port(ParseErrorKind::PortRangeWithClicon)?,
            client: split.required(ParameterName::Clicon, HostName::new)?,
            ip_version_6: split.ip_version_6()?,
            unprotected: split.flag(ParameterName::Unprotected),
        }),
        Transport::Com => ServerTransport::Com { line: split.com_line()?, hidden },
        Transport::Spipe => {
            let (tls, pipe) = (split.tls()?, split.pipe_template()?);
            ServerTransport::Spipe(SpipeServer { tls, pipe, hidden })
        }
        Transport::Ssl => {
            let tls = split.tls()?;
            let port = split.required(ParameterName::Port, PortRange::parse)?;
            ServerTransport::Ssl(SslServer { tls, port, hidden })
        }
        Transport::Vsock => ServerTransport::Vsock(VsockServer {
            cid: split.optional(ParameterName::Cid, ContextId::parse)?,
            port: split.required(ParameterName::Port, VsockPort::parse)?,
            hidden,
            unprotected: split.flag(ParameterName::Unprotected),
        }),
        Transport::Exec | Transport::Stdio => {
            return Err(split.error_without(ParseErrorKind::NoTransport, None));
        }
        Transport::SslReverse => ServerTransport::SslReverse(SslReverseServer {
            tls: split.tls()?,
            port: split.fixed_port(ParseErrorKind::PortRangeWithClicon)?,
            client: split.required(ParameterName::Clicon, HostName::new)?,
        }),
    })
}

fn client_transport(split: &Split<'_>) -> Result<ClientTransport, ParseError> {
    let server = || split.required(ParameterName::Server, HostName::new);
    let calling_server = || split.required(ParameterName::Clicon, HostName::new);
    let port = || split.fixed_port(ParseErrorKind::PortRangeOfClient);
    let listening_port = || split.required(ParameterName::Port, PortRange::parse_nonzero);
    Ok(match split.transport {
        Transport::Npipe => {
            ClientTransport::Npipe(NpipeClient { server: server()?, pipe: split.pipe_name()? })
        }
        Transport::Tcp => ClientTransport::Tcp(TcpClient {
            server: server()?,
            port: port()?,
            ip_version_6: split.ip_version_6()?,
        }),
        Transport::TcpReverse => ClientTransport::TcpReverse(TcpReverseClient {
            port: listening_port()?,
            server: calling_server()?,
            ip_version_6: split.ip_version_6()?,
        }),
        Transport::Com => ClientTransport::Com(split.com_line()?),
        Transport::Spipe => ClientTransport::Spipe(SpipeClient {
            tls: split.tls()?,
            server: server()?,
            pipe: split.pipe_name()?,
        }),
        Transport::Ssl => {
            ClientTransport::Ssl(SslClient { tls: split.tls()?, server: server()?, port: port()? })
        }
        Transport::Vsock => ClientTransport::Vsock(VsockClient {
            cid: split.required(ParameterName::Cid, ContextId::parse)?,
            port: split.required(ParameterName::Port, VsockPort::parse_nonzero)?,
        }),
        Transport::Exec | Transport::Stdio => {
            return Err(split.error_without(ParseErrorKind::NoTransport, None));
        }
        Transport::SslReverse => ClientTransport::SslReverse(SslReverseClient {
            tls: split.tls()?,
            port: listening_port()?,
            server: calling_server()?,
        }),
    })
}

/// Readers of single parameters. Which are there, [`Split::new`] has checked already.
impl<'a> Split<'a> {
    fn flag(&self, name: ParameterName) -> bool {
        self.find(name).is_some()
    }

    fn optional<T>(
        &self,
        name: ParameterName,
        read: impl FnOnce(&'a str) -> Result<T, ParseErrorKind>,
    ) -> Result<Option<T>, ParseError> {
        let read_one = |parameter: super::split::Parameter<'a>| {
            read(parameter.value).map_err(|kind| self.error(kind, parameter))
        };
        self.find(name).map(read_one).transpose()
    }

    fn required<T>(
        &self,
        name: ParameterName,
        read: impl FnOnce(&'a str) -> Result<T, ParseErrorKind>,
    ) -> Result<T, ParseError> {
        let missing = || self.error_without(ParseErrorKind::Missing, Some(name));
        self.optional(name, read)?.ok_or_else(missing)
    }

    fn pipe_template(&self) -> Result<PipeTemplate, ParseError> {
        self.required(ParameterName::Pipe, |text| {
            PipeTemplate::new(text).map_err(ParseErrorKind::PipeName)
        })
    }

    fn pipe_name(&self) -> Result<PipeName, ParseError> {
        self.required(ParameterName::Pipe, |text| {
            PipeName::new(text).map_err(ParseErrorKind::PipeName)
        })
    }

    /// A port where a range is the error `range`.
    fn fixed_port(&self, range: ParseErrorKind) -> Result<NonZeroU16, ParseError> {
        self.required(ParameterName::Port, |text| parse_fixed_port(text, range))
    }

    fn ip_version_6(&self) -> Result<bool, ParseError> {
        let six = self.optional(ParameterName::IpVersion, |text| match text {
            "6" => Ok(()),
            _ => Err(ParseErrorKind::IpVersion),
        })?;
        Ok(six.is_some())
    }

    fn com_line(&self) -> Result<ComLine, ParseError> {
        Ok(ComLine {
            port: self.required(ParameterName::Port, ComPort::new)?,
            baud: self.required(ParameterName::Baud, parse_baud)?,
            channel: self.required(ParameterName::Channel, Channel::parse)?,
        })
    }

    fn tls(&self) -> Result<TlsParameters, ParseError> {
        let proto = self.required(ParameterName::Proto, Proto::parse)?;
        let user = self.optional(ParameterName::Certuser, Certificate::new)?;
        let machine = self.optional(ParameterName::Machuser, Certificate::new)?;
        let (store, certificate) = match (user, machine) {
            (Some(certificate), None) => (CertificateStore::User, certificate),
            (None, Some(certificate)) => (CertificateStore::Machine, certificate),
            (None, None) => return Err(self.error_without(ParseErrorKind::NoCertificate, None)),
            (Some(_), Some(_)) => {
                return Err(self.error_without(ParseErrorKind::TwoCertificates, None));
            }
        };
        Ok(TlsParameters { proto, certificate: CertificateSelector { store, certificate } })
    }
}
