//! Properties of all endpoints and of all texts: what is printed is read back, and nothing panics.

use super::*;
use proptest::option;
use proptest::prelude::*;
use std::num::{NonZeroU16, NonZeroU32};

fn port() -> impl Strategy<Value = NonZeroU16> {
    (1..=u16::MAX).prop_map(|port| NonZeroU16::new(port).expect("not zero"))
}

fn range() -> impl Strategy<Value = PortRange> {
    (port(), port()).prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).expect("in order"))
}

fn any_range() -> impl Strategy<Value = PortRange> {
    prop_oneof![range(), port().prop_map(PortRange::single), Just(PortRange::ANY)]
}

fn host() -> impl Strategy<Value = HostName> {
    prop_oneof!["[A-Za-z0-9_.-]{1,20}", "[0-9a-f:]{2,20}", "ü[ß.]{1,5}"]
        .prop_map(|text| HostName::new(&text).expect("a name"))
}

fn template() -> impl Strategy<Value = PipeTemplate> {
    ("[A-Za-z0-9_-][A-Za-z0-9_.-]{0,20}", "(%d|%i|%u|%x|%X|%o|%08x|%00o)?", "[a-z:é]{0,5}(%u)?")
        .prop_map(|(a, b, c)| PipeTemplate::new(&format!("{a}{b}{c}")).expect("a template"))
}

fn pipe() -> impl Strategy<Value = PipeName> {
    "[A-Za-z0-9_-][A-Za-z0-9_.=;-]{0,40}".prop_map(|text| PipeName::new(&text).expect("a name"))
}

fn password() -> impl Strategy<Value = Option<Password>> {
    let text = prop_oneof!["[A-Za-z0-9]{1,12}", "file:[ -!#-~]{1,20}", "env:[A-Z_]{1,8}"];
    option::of(text.prop_map(|text| Password::new(&text).expect("a password")))
}

fn tls() -> impl Strategy<Value = TlsParameters> {
    let proto = prop_oneof![Just(Proto::Tls1), Just(Proto::Tls12), Just(Proto::Tls13)];
    let store = prop_oneof![Just(CertificateStore::User), Just(CertificateStore::Machine)];
    let name = "[ -!#-~]{0,20}[g-z][ -!#-~]{0,20}";
    let certificate = prop_oneof![
        name.prop_map(|text| Certificate::new(&text).expect("a name")),
        any::<[u8; 20]>().prop_map(Certificate::Sha1),
        any::<[u8; 32]>().prop_map(Certificate::Sha256),
    ];
    (proto, store, certificate).prop_map(|(proto, store, certificate)| TlsParameters {
        proto,
        certificate: CertificateSelector { store, certificate },
    })
}

fn cid() -> impl Strategy<Value = ContextId> {
    (0..u32::MAX).prop_map(|number| ContextId::parse(&number.to_string()).expect("a number"))
}

fn vsock_port() -> impl Strategy<Value = VsockPort> {
    (1..u32::MAX).prop_map(|number| VsockPort::new(number).expect("a port"))
}

fn line() -> impl Strategy<Value = ComLine> {
    let device = "/dev/[a-zA-Z0-9/]{1,20}".prop_map(|text| ComPort::new(&text).expect("a device"));
    let port = prop_oneof![port().prop_map(ComPort::Number), device];
    (port, 1..=u32::MAX, 0..=254u8).prop_map(|(port, baud, channel)| ComLine {
        port,
        baud: NonZeroU32::new(baud).expect("not zero"),
        channel: Channel::new(channel).expect("not above 254"),
    })
}

fn server_transport() -> impl Strategy<Value = ServerTransport> {
    prop_oneof![
        (template(), any::<bool>(), any::<bool>()).prop_map(|(pipe, hidden, icf_enable)| {
            ServerTransport::Npipe(NpipeServer { pipe, hidden, icf_enable })
        }),
        (any_range(), any::<[bool; 4]>()).prop_map(|(port, [hidden, ip, icf_enable, open])| {
            let (ip_version_6, unprotected) = (ip, open);
            ServerTransport::Tcp(TcpServer { port, hidden, ip_version_6, icf_enable, unprotected })
        }),
        (port(), host(), any::<[bool; 2]>()).prop_map(|(port, client, [ip_version_6, open])| {
            let unprotected = open;
            let tcp = TcpReverseServer { port, client, ip_version_6, unprotected };
            ServerTransport::TcpReverse(tcp)
        }),
        Just(ServerTransport::Stdio),
        (option::of(cid()), vsock_port(), any::<[bool; 2]>()).prop_map(
            |(cid, port, [hidden, unprotected])| {
                ServerTransport::Vsock(VsockServer { cid, port, hidden, unprotected })
            }
        ),
        (line(), any::<bool>()).prop_map(|(line, hidden)| ServerTransport::Com { line, hidden }),
        (tls(), template(), any::<bool>()).prop_map(|(tls, pipe, hidden)| ServerTransport::Spipe(
            SpipeServer { tls, pipe, hidden }
        )),
        (tls(), any_range(), any::<bool>())
            .prop_map(|(tls, port, hidden)| ServerTransport::Ssl(SslServer { tls, port, hidden })),
        (tls(), port(), host()).prop_map(|(tls, port, client)| ServerTransport::SslReverse(
            SslReverseServer { tls, port, client }
        )),
    ]
}

fn client_transport() -> impl Strategy<Value = ClientTransport> {
    prop_oneof![
        (host(), pipe())
            .prop_map(|(server, pipe)| ClientTransport::Npipe(NpipeClient { server, pipe })),
        (host(), port(), any::<bool>()).prop_map(|(server, port, ip_version_6)| {
            ClientTransport::Tcp(TcpClient { server, port, ip_version_6 })
        }),
        (range(), host(), any::<bool>()).prop_map(|(port, server, ip_version_6)| {
            ClientTransport::TcpReverse(TcpReverseClient { port, server, ip_version_6 })
        }),
        "[ -~]{0,20}[!-~]".prop_map(|text| {
            ClientTransport::Exec(ShellCommand::new(&text).expect("a command"))
        }),
        (cid(), vsock_port())
            .prop_map(|(cid, port)| ClientTransport::Vsock(VsockClient { cid, port })),
        line().prop_map(ClientTransport::Com),
        (tls(), host(), pipe()).prop_map(|(tls, server, pipe)| {
            ClientTransport::Spipe(SpipeClient { tls, server, pipe })
        }),
        (tls(), host(), port()).prop_map(|(tls, server, port)| ClientTransport::Ssl(SslClient {
            tls,
            server,
            port
        })),
        (tls(), range(), host()).prop_map(|(tls, port, server)| {
            ClientTransport::SslReverse(SslReverseClient { tls, port, server })
        }),
    ]
}

/// Texts that are nearly strings.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "(npipe|tcp|com|spipe|ssl|vsock):",
        "(pipe|port|server|clicon|baud|channel|proto|certuser|machuser|password|ipversion)=",
        "hidden|IcfEnable|unprotected|tls1|file:|env:|com2|box17",
        "[0-9]{1,6}|[%\",:= é\u{200e}]",
        ",",
        "\\PC{0,3}",
    ];
    prop::collection::vec(word, 0..16).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn servers(mut transport in server_transport(), password in password()) {
        if let ServerTransport::Vsock(vsock) = &mut transport {
            // One of both is needed.
            vsock.unprotected = password.is_none();
        }
        let takes_password = match &transport {
            ServerTransport::Tcp(tcp) => !tcp.unprotected,
            ServerTransport::TcpReverse(tcp) => !tcp.unprotected,
            ServerTransport::Stdio => false,
            _ => true,
        };
        let password = password.filter(|_| takes_password);
        let endpoint = ServerEndpoint { transport, password };
        let text = endpoint.to_connect_string();
        let read = text.parse::<ServerEndpoint>();
        prop_assert_eq!(read.map_err(|error| error.explain(&text)), Ok(endpoint));
    }

    #[test]
    fn clients(transport in client_transport(), password in password()) {
        let takes_password = !matches!(transport, ClientTransport::Exec(_));
        let password = password.filter(|_| takes_password);
        let endpoint = ClientEndpoint { transport, password };
        let text = endpoint.to_connect_string();
        let read = text.parse::<ClientEndpoint>();
        prop_assert_eq!(read.map_err(|error| error.explain(&text)), Ok(endpoint));
    }

    #[test]
    fn any_text_is_read_or_explained(text in prop_oneof![nearly(), "\\PC{0,40}", any::<String>()]) {
        let server = text.parse::<ServerEndpoint>();
        let client = text.parse::<ClientEndpoint>();
        for error in [server.clone().err(), client.clone().err()].into_iter().flatten() {
            prop_assert!(text.get(error.at.start..error.at.end).is_some());
            prop_assert!(!error.explain(&text).is_empty());
        }
        if let Ok(endpoint) = server {
            prop_assert_eq!(endpoint.to_connect_string().parse(), Ok(endpoint));
        }
        if let Ok(endpoint) = client {
            prop_assert_eq!(endpoint.to_connect_string().parse(), Ok(endpoint));
        }
    }

    #[test]
    fn an_expanded_name_is_a_final_name(
        template in template(),
        pid in any::<u32>(),
        tid in any::<u32>(),
    ) {
        let name = template.expand(dbgbase::Pid::new(pid), dbgbase::Tid::new(tid));
        prop_assert_eq!(PipeName::new(name.as_str()), Ok(name));
    }
}
