//! From an endpoint to its connection string, in three forms: for logs, for listings, and complete.

use super::{
    CertificateStore, ClientEndpoint, ClientTransport, ComLine, ParameterName, Password,
    ServerEndpoint, ServerTransport, TlsParameters, Transport,
};
use std::fmt::{self, Write};

/// How a string is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As documented syntax, with `password=*`.
    Masked,
    /// With capital letters, as in `Pipe=`, and `Password=*`.
    Listing,
    /// As documented syntax, with the password.
    Complete,
}

/// An endpoint as listings of servers show it; what [`ServerEndpoint::listing`] returns.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a>(&'a ServerEndpoint);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_server(f, self.0, Form::Listing)
    }
}

impl ServerEndpoint {
    /// As `-QR` and `.servers` show a server: capital first letters and a masked password, as in
    /// `tcp:Port=53:60,Password=*`. With `server=` added and the password put in, and of two ports
    /// the first, it is what a client gives.
    pub fn listing(&self) -> Listing<'_> {
        Listing(self)
    }

    /// The complete string, **with its password in clear**. Reading it gives this endpoint again.
    pub fn to_connect_string(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = write_server(&mut text, self, Form::Complete);
        text
    }
}

impl ClientEndpoint {
    /// The complete string, **with its password in clear**. Reading it gives this endpoint again.
    pub fn to_connect_string(&self) -> String {
        let mut text = String::new();
        // Writing to a `String` does not fail.
        let _ = write_client(&mut text, self, Form::Complete);
        text
    }
}

impl fmt::Display for ServerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_server(f, self, Form::Masked)
    }
}

impl fmt::Display for ClientEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_client(f, self, Form::Masked)
    }
}

fn write_server(out: &mut dyn Write, endpoint: &ServerEndpoint, form: Form) -> fmt::Result {
    let mut printer = Printer::new(out, endpoint.transport(), form)?;
    match &endpoint.transport {
        ServerTransport::Npipe(npipe) => printer.value(ParameterName::Pipe, &npipe.pipe)?,
        ServerTransport::Tcp(tcp) => printer.value(ParameterName::Port, &tcp.port)?,
        ServerTransport::TcpReverse(tcp) => {
            printer.value(ParameterName::Port, &tcp.port)?;
            printer.value(ParameterName::Clicon, &tcp.client)?;
        }
        ServerTransport::Com { line, .. } => printer.com_line(line)?,
        ServerTransport::Spipe(spipe) => {
            printer.tls(&spipe.tls)?;
            printer.value(ParameterName::Pipe, &spipe.pipe)?;
        }
        ServerTransport::Ssl(ssl) => {
            printer.tls(&ssl.tls)?;
            printer.value(ParameterName::Port, &ssl.port)?;
        }
        ServerTransport::SslReverse(ssl) => {
            printer.tls(&ssl.tls)?;
            printer.value(ParameterName::Port, &ssl.port)?;
            printer.value(ParameterName::Clicon, &ssl.client)?;
        }
        ServerTransport::Vsock(vsock) => {
            if let Some(cid) = &vsock.cid {
                printer.value(ParameterName::Cid, cid)?;
            }
            printer.value(ParameterName::Port, &vsock.port)?;
        }
        ServerTransport::Stdio => return Ok(()),
    }
    printer.flag(ParameterName::Hidden, endpoint.is_hidden() && !printer.transport.is_reverse())?;
    printer.password(endpoint.password.as_ref())?;
    match &endpoint.transport {
        ServerTransport::Npipe(npipe) => printer.flag(ParameterName::IcfEnable, npipe.icf_enable),
        ServerTransport::Tcp(tcp) => {
            printer.ip_version_6(tcp.ip_version_6)?;
            printer.flag(ParameterName::IcfEnable, tcp.icf_enable)?;
            printer.flag(ParameterName::Unprotected, tcp.unprotected)
        }
        ServerTransport::TcpReverse(tcp) => {
            printer.ip_version_6(tcp.ip_version_6)?;
            printer.flag(ParameterName::Unprotected, tcp.unprotected)
        }
        ServerTransport::Vsock(vsock) => {
            printer.flag(ParameterName::Unprotected, vsock.unprotected)
        }
        ServerTransport::Com { .. }
        | ServerTransport::Spipe(_)
        | ServerTransport::Ssl(_)
        | ServerTransport::SslReverse(_)
        | ServerTransport::Stdio => Ok(()),
    }
}

fn write_client(out: &mut dyn Write, endpoint: &ClientEndpoint, form: Form) -> fmt::Result {
    let mut printer = Printer::new(out, endpoint.transport(), form)?;
    let mut ip_version_6 = false;
    match &endpoint.transport {
        ClientTransport::Npipe(npipe) => {
            printer.value(ParameterName::Server, &npipe.server)?;
            printer.value(ParameterName::Pipe, &npipe.pipe)?;
        }
        ClientTransport::Tcp(tcp) => {
            printer.value(ParameterName::Server, &tcp.server)?;
            printer.value(ParameterName::Port, &tcp.port)?;
            ip_version_6 = tcp.ip_version_6;
        }
        ClientTransport::TcpReverse(tcp) => {
            printer.value(ParameterName::Clicon, &tcp.server)?;
            printer.value(ParameterName::Port, &tcp.port)?;
            ip_version_6 = tcp.ip_version_6;
        }
        ClientTransport::Com(line) => printer.com_line(line)?,
        ClientTransport::Spipe(spipe) => {
            printer.tls(&spipe.tls)?;
            printer.value(ParameterName::Server, &spipe.server)?;
            printer.value(ParameterName::Pipe, &spipe.pipe)?;
        }
        ClientTransport::Ssl(ssl) => {
            printer.tls(&ssl.tls)?;
            printer.value(ParameterName::Server, &ssl.server)?;
            printer.value(ParameterName::Port, &ssl.port)?;
        }
        ClientTransport::SslReverse(ssl) => {
            printer.tls(&ssl.tls)?;
            printer.value(ParameterName::Clicon, &ssl.server)?;
            printer.value(ParameterName::Port, &ssl.port)?;
        }
        ClientTransport::Vsock(vsock) => {
            printer.value(ParameterName::Cid, &vsock.cid)?;
            printer.value(ParameterName::Port, &vsock.port)?;
        }
        ClientTransport::Exec(command) => return write!(printer.out, ":{command}"),
    }
    printer.password(endpoint.password.as_ref())?;
    printer.ip_version_6(ip_version_6)
}

/// Writes one string, parameter by parameter.
struct Printer<'w> {
    out: &'w mut dyn Write,
    transport: Transport,
    form: Form,
    separator: char,
}

impl<'w> Printer<'w> {
    fn new(
        out: &'w mut dyn Write,
        transport: Transport,
        form: Form,
    ) -> Result<Printer<'w>, fmt::Error> {
        out.write_str(transport.word())?;
        Ok(Printer { out, transport, form, separator: ':' })
    }

    fn name(&mut self, name: ParameterName) -> fmt::Result {
        self.out.write_char(self.separator)?;
        self.separator = ',';
        let mut letters = name.as_str().chars();
        if self.form == Form::Listing {
            self.out.write_char(letters.next().unwrap_or_default().to_ascii_uppercase())?;
        }
        self.out.write_str(letters.as_str())
    }

    fn flag(&mut self, name: ParameterName, given: bool) -> fmt::Result {
        if given { self.name(name) } else { Ok(()) }
    }

    /// Writes a parameter, its value in quotation marks where it could not be read otherwise.
    fn value(&mut self, name: ParameterName, value: &dyn fmt::Display) -> fmt::Result {
        self.name(name)?;
        let value = value.to_string();
        if value.contains(',') || value.trim() != value {
            write!(self.out, "=\"{value}\"")
        } else {
            write!(self.out, "={value}")
        }
    }

    fn password(&mut self, password: Option<&Password>) -> fmt::Result {
        match (password, self.form) {
            (None, _) => Ok(()),
            (Some(password), Form::Complete) => {
                self.value(ParameterName::Password, &password.reveal())
            }
            (Some(_), Form::Masked | Form::Listing) => self.value(ParameterName::Password, &'*'),
        }
    }

    fn ip_version_6(&mut self, given: bool) -> fmt::Result {
        if given { self.value(ParameterName::IpVersion, &6) } else { Ok(()) }
    }

    fn com_line(&mut self, line: &ComLine) -> fmt::Result {
        self.value(ParameterName::Port, &line.port)?;
        self.value(ParameterName::Baud, &line.baud)?;
        self.value(ParameterName::Channel, &line.channel)
    }

    fn tls(&mut self, tls: &TlsParameters) -> fmt::Result {
        self.value(ParameterName::Proto, &tls.proto)?;
        let name = match tls.certificate.store {
            CertificateStore::User => ParameterName::Certuser,
            CertificateStore::Machine => ParameterName::Machuser,
        };
        self.value(name, &tls.certificate.certificate)
    }
}
