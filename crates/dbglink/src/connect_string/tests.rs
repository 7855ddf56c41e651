//! What is refused, with which words, and what the small print of the grammar says. The documented
//! strings and the round trips are in files of their own.

mod documented;
mod round_trip;

use super::*;

fn server_error(text: &str) -> ParseError {
    text.parse::<ServerEndpoint>().expect_err(text)
}

fn client_error(text: &str) -> ParseError {
    text.parse::<ClientEndpoint>().expect_err(text)
}

fn server(text: &str) -> ServerEndpoint {
    text.parse().unwrap_or_else(|error: ParseError| panic!("{text}: {}", error.explain(text)))
}

fn client(text: &str) -> ClientEndpoint {
    text.parse().unwrap_or_else(|error: ParseError| panic!("{text}: {}", error.explain(text)))
}

/// Strings of servers, and what is wrong with them.
#[rustfmt::skip]
const SERVER_ERRORS: &[(&str, ParseErrorKind)] = &[
    ("", ParseErrorKind::NoTransport),
    ("npipe", ParseErrorKind::NoTransport),
    (":pipe=a", ParseErrorKind::UnknownTransport),
    ("udp:port=1", ParseErrorKind::UnknownTransport),
    (" tcp:port=1", ParseErrorKind::UnknownTransport),
    ("1394:channel=3", ParseErrorKind::UnknownTransport),
    ("stdio:", ParseErrorKind::StdioIsForServers),
    ("stdio,password=abc", ParseErrorKind::StdioIsForServers),
    ("Exec:ssh box17 dbgsrv", ParseErrorKind::ExecIsForClients),
    ("vsock:cid=3,port=1025", ParseErrorKind::OpenVsock),
    ("vsock:cid=3,unprotected", ParseErrorKind::Missing),
    ("vsock:port=1025,cid=host,unprotected", ParseErrorKind::ContextId),
    ("vsock:port=1025,cid=4294967295,unprotected", ParseErrorKind::ContextId),
    ("vsock:port=4294967295,unprotected", ParseErrorKind::VsockPort),
    ("vsock:port=1:5,unprotected", ParseErrorKind::VsockPort),
    ("vsock:port=1025,unprotected,password=a", ParseErrorKind::UnprotectedWithPassword),
    ("vsock:port=1025,clicon=a,password=a", ParseErrorKind::ForeignParameter),
    ("tcp:port=1025\n", ParseErrorKind::ControlCharacter),
    ("npipe:pipe=a\0b", ParseErrorKind::ControlCharacter),
    ("tcp:", ParseErrorKind::EmptyParameter),
    ("tcp:port=1,", ParseErrorKind::EmptyParameter),
    ("tcp:port=1,,hidden", ParseErrorKind::EmptyParameter),
    ("tcp: port=1", ParseErrorKind::Blank),
    ("tcp:port=1, hidden", ParseErrorKind::Blank),
    ("tcp:port =1", ParseErrorKind::Blank),
    ("tcp:port= 1", ParseErrorKind::Blank),
    ("tcp:port=1 ,hidden", ParseErrorKind::Blank),
    ("tcp:port=\"1", ParseErrorKind::Quote),
    ("tcp:port=1\"", ParseErrorKind::Quote),
    ("tcp:port=\"1\"2", ParseErrorKind::Quote),
    ("tcp:port=\"", ParseErrorKind::Quote),
    ("tcp:port=\"\"", ParseErrorKind::EmptyValue),
    ("tcp:prot=1", ParseErrorKind::UnknownParameter),
    ("tcp:=1", ParseErrorKind::UnknownParameter),
    ("tcp:port=1,1", ParseErrorKind::UnknownParameter),
    ("tcp:port=1,pipe=a", ParseErrorKind::ForeignParameter),
    ("tcp:port=1,server=box17", ParseErrorKind::ForeignParameter),
    ("tcp:port=1,clicon=box17,IcfEnable", ParseErrorKind::ForeignParameter),
    ("tcp:port=1,clicon=box17,unprotected,password=a", ParseErrorKind::UnprotectedWithPassword),
    ("ssl:proto=tls1,certuser=a,port=1,unprotected", ParseErrorKind::ForeignParameter),
    ("npipe:pipe=a,ipversion=6", ParseErrorKind::ForeignParameter),
    ("npipe:pipe=a,clicon=b", ParseErrorKind::ForeignParameter),
    ("com:port=1,baud=9600,channel=0,IcfEnable", ParseErrorKind::ForeignParameter),
    ("tcp:port=1,clicon=box17,hidden", ParseErrorKind::HiddenWithClicon),
    ("ssl:proto=tls1,certuser=a,hidden,port=1,clicon=b", ParseErrorKind::HiddenWithClicon),
    ("tcp:port=1,PORT=2", ParseErrorKind::Repeated),
    ("tcp:port=1,hidden,hidden", ParseErrorKind::Repeated),
    ("tcp:hidden", ParseErrorKind::Missing),
    ("npipe:hidden", ParseErrorKind::Missing),
    ("com:port=1,baud=9600", ParseErrorKind::Missing),
    ("com:port=1,channel=0", ParseErrorKind::Missing),
    ("spipe:certuser=a,pipe=b", ParseErrorKind::Missing),
    ("tcp:port=", ParseErrorKind::EmptyValue),
    ("tcp:port", ParseErrorKind::EmptyValue),
    ("npipe:pipe=", ParseErrorKind::EmptyValue),
    ("tcp:port=1,password=", ParseErrorKind::EmptyValue),
    ("tcp:port=1,hidden=", ParseErrorKind::FlagWithValue),
    ("tcp:port=1,IcfEnable=yes", ParseErrorKind::FlagWithValue),
    ("tcp:port=65536", ParseErrorKind::Port),
    ("tcp:port=+1", ParseErrorKind::Port),
    ("tcp:port=-1", ParseErrorKind::Port),
    ("tcp:port=0x10", ParseErrorKind::Port),
    ("tcp:port=:", ParseErrorKind::Port),
    ("tcp:port=1:", ParseErrorKind::Port),
    ("tcp:port=0:10", ParseErrorKind::Port),
    ("tcp:port=1:2:3", ParseErrorKind::Port),
    ("tcp:port=0,clicon=box17", ParseErrorKind::Port),
    ("tcp:port=60:51", ParseErrorKind::PortRangeReversed),
    ("tcp:port=51:60,clicon=box17", ParseErrorKind::PortRangeWithClicon),
    ("ssl:proto=tls1,certuser=a,port=1:2,clicon=b", ParseErrorKind::PortRangeWithClicon),
    ("tcp:port=51:x,clicon=box17", ParseErrorKind::Port),
    ("tcp:port=1,clicon=\\\\", ParseErrorKind::Host),
    ("tcp:port=1,clicon=box 17", ParseErrorKind::Host),
    ("tcp:port=1,clicon=\"box,17\"", ParseErrorKind::Host),
    ("tcp:port=1,clicon=[::1]:5", ParseErrorKind::Host),
    ("npipe:pipe=my pipe", ParseErrorKind::PipeName(PipeNameFault::Blank)),
    ("npipe:pipe=a\u{a0}b", ParseErrorKind::PipeName(PipeNameFault::Blank)),
    ("npipe:pipe=\"mypipe\"", ParseErrorKind::PipeName(PipeNameFault::Quote)),
    ("npipe:pipe=my\"pipe", ParseErrorKind::PipeName(PipeNameFault::Quote)),
    ("npipe:pipe=it's", ParseErrorKind::PipeName(PipeNameFault::Quote)),
    ("npipe:pipe=/run/a", ParseErrorKind::PipeName(PipeNameFault::Character)),
    ("npipe:pipe=..\\a", ParseErrorKind::PipeName(PipeNameFault::LeadingDot)),
    ("npipe:pipe=a\\b", ParseErrorKind::PipeName(PipeNameFault::Character)),
    ("npipe:pipe=.", ParseErrorKind::PipeName(PipeNameFault::LeadingDot)),
    ("npipe:pipe=.lock", ParseErrorKind::PipeName(PipeNameFault::LeadingDot)),
    ("npipe:pipe=a%", ParseErrorKind::PipeName(PipeNameFault::Code)),
    ("npipe:pipe=a%%", ParseErrorKind::PipeName(PipeNameFault::Code)),
    ("npipe:pipe=a%s", ParseErrorKind::PipeName(PipeNameFault::Code)),
    ("npipe:pipe=a%ld", ParseErrorKind::PipeName(PipeNameFault::Code)),
    ("npipe:pipe=%d%x%d", ParseErrorKind::PipeName(PipeNameFault::ThirdCode)),
    ("npipe:pipe=%8x", ParseErrorKind::PipeName(PipeNameFault::WidthWithoutZero)),
    ("npipe:pipe=%099x", ParseErrorKind::PipeName(PipeNameFault::TooLong)),
    ("npipe:pipe=%099999999999999999999999999x", ParseErrorKind::PipeName(PipeNameFault::TooLong)),
    ("com:port=0,baud=9600,channel=0", ParseErrorKind::ComPort),
    ("com:port=lpt1,baud=9600,channel=0", ParseErrorKind::ComPort),
    ("com:port=com,baud=9600,channel=0", ParseErrorKind::ComPort),
    ("com:port=/dev/,baud=9600,channel=0", ParseErrorKind::ComPort),
    ("com:port=1,baud=0,channel=0", ParseErrorKind::Baud),
    ("com:port=1,baud=fast,channel=0", ParseErrorKind::Baud),
    ("com:port=1,baud=9600,channel=255", ParseErrorKind::Channel),
    ("com:port=1,baud=9600,channel=256", ParseErrorKind::Channel),
    ("com:port=1,baud=9600,channel=-1", ParseErrorKind::Channel),
    ("ssl:proto=tls,certuser=a,port=1", ParseErrorKind::UnknownProto),
    ("ssl:proto=pct1,certuser=a,port=1", ParseErrorKind::RefusedProto(RefusedProto::Pct1)),
    ("ssl:proto=SSL2,certuser=a,port=1", ParseErrorKind::RefusedProto(RefusedProto::Ssl2)),
    ("spipe:proto=ssl3,certuser=a,pipe=b", ParseErrorKind::RefusedProto(RefusedProto::Ssl3)),
    ("ssl:proto=tls1,port=1", ParseErrorKind::NoCertificate),
    ("spipe:proto=tls1,pipe=a", ParseErrorKind::NoCertificate),
    ("ssl:proto=tls1,port=1,certuser=a,machuser=a", ParseErrorKind::TwoCertificates),
    ("ssl:proto=tls1,port=1,certuser=00 11 22 33 44 55 66 77 88", ParseErrorKind::Thumbprint),
    ("ssl:proto=tls1,port=1,certuser=\u{200e}", ParseErrorKind::CertificateName),
    ("tcp:port=1,password=1234567890abc", ParseErrorKind::PasswordTooLong),
    ("tcp:port=1,password=it's", ParseErrorKind::PasswordCharacter),
    ("tcp:port=1,password=pässword", ParseErrorKind::PasswordCharacter),
    ("tcp:port=1,password=*", ParseErrorKind::PasswordCharacter),
    ("tcp:port=1,password=file:", ParseErrorKind::PasswordSource),
    ("tcp:port=1,password=env:", ParseErrorKind::PasswordSource),
    ("tcp:port=1,password=env:A=B", ParseErrorKind::PasswordSource),
    ("tcp:port=1,unprotected,password=a", ParseErrorKind::UnprotectedWithPassword),
    ("tcp:port=1,ipversion=4", ParseErrorKind::IpVersion),
];

/// Strings of clients, and what is wrong with them.
#[rustfmt::skip]
const CLIENT_ERRORS: &[(&str, ParseErrorKind)] = &[
    ("stdio", ParseErrorKind::StdioIsForServers),
    ("exec:", ParseErrorKind::EmptyCommand),
    ("exec: ", ParseErrorKind::EmptyCommand),
    ("exec:a\nb", ParseErrorKind::ControlCharacter),
    ("exec", ParseErrorKind::ExecIsForClients),
    ("tcp:port=1025", ParseErrorKind::Missing),
    ("npipe:pipe=a", ParseErrorKind::Missing),
    ("tcp:server=box17", ParseErrorKind::Missing),
    ("tcp:server=box17,port=1,hidden", ParseErrorKind::ForeignParameter),
    ("tcp:server=box17,port=1,IcfEnable", ParseErrorKind::ForeignParameter),
    ("tcp:server=box17,port=1,unprotected", ParseErrorKind::ForeignParameter),
    ("tcp:server=box17,clicon=box17,port=1", ParseErrorKind::ForeignParameter),
    ("tcp:clicon=box17,port=1,hidden", ParseErrorKind::ForeignParameter),
    ("com:port=1,baud=9600,channel=0,server=box17", ParseErrorKind::ForeignParameter),
    ("tcp:server=box17,port=0", ParseErrorKind::Port),
    ("tcp:clicon=box17,port=0", ParseErrorKind::Port),
    ("tcp:server=box17,port=53:60", ParseErrorKind::PortRangeOfClient),
    ("ssl:proto=tls1,certuser=a,server=box17,port=53:60", ParseErrorKind::PortRangeOfClient),
    ("tcp:clicon=box17,port=60:53", ParseErrorKind::PortRangeReversed),
    ("tcp:server=,port=1", ParseErrorKind::EmptyValue),
    ("tcp:server=\\\\\\box17,port=1", ParseErrorKind::Host),
    ("npipe:server=box17,pipe=srv_%d", ParseErrorKind::PipeName(PipeNameFault::NotFinal)),
];

#[test]
fn every_wrong_string_has_its_error() {
    for (text, kind) in SERVER_ERRORS {
        assert_eq!(server_error(text).kind, *kind, "{text}");
    }
    for (text, kind) in CLIENT_ERRORS {
        assert_eq!(client_error(text).kind, *kind, "{text}");
    }
}

#[test]
fn messages_show_what_was_written_and_the_way_out() {
    let explained = |text: &str| server_error(text).explain(text);
    assert_eq!(
        explained("tcp:port=99999"),
        "tcp: `port=99999` is not a port; ports are 1 to 65535"
    );
    assert_eq!(
        explained("udp:port=1"),
        "`udp` is not a transport; there are npipe, tcp, spipe, ssl and vsock, exec:COMMAND for \
         clients, and stdio for servers"
    );
    assert_eq!(
        explained("npipe:pipe=a,Port=5"),
        "npipe: `Port=5` does not belong here; \
         a server of npipe takes pipe=, hidden, password=, IcfEnable"
    );
    assert_eq!(
        explained("tcp:clicon=box17,port=5,IcfEnable"),
        "tcp: `IcfEnable` does not belong here; \
         a server of tcp with clicon= takes port=, clicon=, password=, ipversion=, unprotected"
    );
    assert_eq!(
        explained("npipe:hidden"),
        "npipe: `pipe=` is missing; a server of npipe takes pipe=, hidden, password=, IcfEnable"
    );
    assert_eq!(
        explained("ssl:proto=ssl2,certuser=a,port=1"),
        "ssl: `proto=ssl2` is not spoken: SSL 2.0 is broken and prohibited (RFC 6176); \
         use tls1, tls12 or tls13"
    );
    assert_eq!(
        explained("npipe:pipe=my pipe"),
        "npipe: `pipe=my pipe` is not a pipe name; a pipe name has no blanks"
    );
    let error = client_error("tcp:server=box17,port=53:60");
    assert_eq!(
        error.to_string(),
        "tcp: `port=` is a range; \
         a client names the port in use, the first of the two that are listed"
    );
    assert_eq!(
        (error.at, error.parameter),
        (Span { start: 17, end: 27 }, Some(ParameterName::Port))
    );
}

#[test]
fn the_longest_pipe_name_is_what_the_message_says() {
    let name = "n".repeat(PIPE_NAME_LEN_MAX_BYTES);
    assert!(PipeName::new(&name).is_ok());
    assert!(PipeTemplate::new(&name).is_ok());
    let name = name + "n";
    assert_eq!(PipeName::new(&name), Err(PipeNameFault::TooLong));
    assert_eq!(PipeTemplate::new(&name), Err(PipeNameFault::TooLong));
    let said = PipeNameFault::TooLong.to_string();
    assert!(said.contains(&format!(" {PIPE_NAME_LEN_MAX_BYTES} bytes")), "{said}");
    // The longest id has 10 decimal digits.
    let name = "n".repeat(PIPE_NAME_LEN_MAX_BYTES - 10) + "%d";
    assert!(PipeTemplate::new(&name).is_ok());
    assert_eq!(PipeTemplate::new(&(name + "n")), Err(PipeNameFault::TooLong));
}

#[test]
fn every_message_is_a_line_of_lower_case() {
    let servers = SERVER_ERRORS.iter().map(|(text, _)| (server_error(text), text));
    let clients = CLIENT_ERRORS.iter().map(|(text, _)| (client_error(text), text));
    for (error, text) in servers.chain(clients) {
        for message in [error.to_string(), error.explain(text)] {
            assert!(!message.starts_with(char::is_uppercase), "{message}");
            assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
            assert!(!message.ends_with("is wrong"), "{message}");
        }
    }
}

#[test]
fn no_message_and_no_debug_form_repeats_a_password() {
    for text in
        ["tcp:port=1,password=sesame-sesame", "tcp:port=1,password=\"sesame", "password=sesame"]
    {
        let error = server_error(text);
        assert!(!error.explain(text).contains("sesame"), "{}", error.explain(text));
        assert!(!format!("{error:?}").contains("sesame"));
    }
    let endpoint = server("tcp:port=1,password=sesame");
    assert!(
        !format!("{endpoint:?} {:?}", endpoint.password.as_ref().map(Password::source))
            .contains("sesame")
    );
    assert_eq!(endpoint.to_string(), "tcp:port=1,password=*");
    assert_eq!(endpoint.to_connect_string(), "tcp:port=1,password=sesame");
}

#[test]
fn names_compare_without_case_and_order_is_free() {
    assert_eq!(server("TCP:HIDDEN,IcfEnable,Port=5"), server("tcp:port=5,icfenable,hidden"));
    assert_eq!(
        client("SSL:Port=5,Server=B,MachUser=c,Proto=TLS13"),
        client("ssl:proto=tls13,machuser=c,server=B,port=5")
    );
}

#[test]
fn backslashes_and_brackets_of_machines_are_dropped() {
    for text in [r"tcp:server=\\BOX17,port=1", r"tcp:server=\BOX17,port=1"] {
        assert_eq!(client(text), client("tcp:server=BOX17,port=1"));
    }
    assert_eq!(client("tcp:server=[::1],port=1"), client("tcp:server=::1,port=1"));
    assert_eq!(server(r"tcp:port=1,clicon=\\c"), server("tcp:port=1,clicon=c"));
}

#[test]
fn thumbprints_are_known_by_their_length() {
    let sha1: [u8; 20] = std::array::from_fn(|index| index as u8 * 11);
    let pairs: Vec<String> = sha1.iter().map(|byte| format!("{byte:02X}")).collect();
    for separator in ["", " ", ":"] {
        let text = pairs.join(separator);
        assert_eq!(Certificate::new(&text), Ok(Certificate::Sha1(sha1)), "{text}");
        let copied = format!("\u{200e}{text}");
        assert_eq!(Certificate::new(&copied), Ok(Certificate::Sha1(sha1)));
    }
    let sha256 = "0f".repeat(32);
    assert_eq!(Certificate::new(&sha256), Ok(Certificate::Sha256([0x0f; 32])));
    for name in ["ca fe", "0f", "CN=box17, O=dbg", "0f0f0f0f0f0f0f0f0f"] {
        assert!(matches!(Certificate::new(name), Ok(Certificate::Name(n)) if n.as_str() == name));
    }
}

#[test]
fn quotation_marks_keep_commas_and_blanks_in_a_value() {
    let endpoint = server("ssl:proto=tls1,certuser=\" CN=box17, O=dbg\",port=5");
    assert_eq!(endpoint.to_string(), "ssl:proto=tls1,certuser=\" CN=box17, O=dbg\",port=5");
    let endpoint = server("tcp:port=5,password=\"file:/etc/dbg srv/a,b\"");
    let source = endpoint.password.as_ref().map(Password::source);
    assert_eq!(source, Some(PasswordSource::File("/etc/dbg srv/a,b".as_ref())));
}

#[test]
fn codes_become_process_and_thread_id() {
    let expand = |text: &str| {
        let template = PipeTemplate::new(text).expect(text);
        template.expand(dbgbase::Pid::new(4711), dbgbase::Tid::new(4712)).to_string()
    };
    assert_eq!(expand("MainPipe"), "MainPipe");
    assert_eq!(expand("srv_%d_%x"), "srv_4711_1268");
    assert_eq!(expand("%x%d"), "12674712");
    assert_eq!(expand("%i-%u"), "4711-4712");
    assert_eq!(expand("%X.%o"), "1267.11150");
    assert_eq!(expand("a%08xb%06d"), "a00001267b004712");
    assert_eq!(expand("%0x"), "1267");
    let template = PipeTemplate::new("%d").expect("a code");
    let largest = template.expand(dbgbase::Pid::new(u32::MAX), dbgbase::Tid::new(1));
    assert_eq!(largest.as_str(), "4294967295");
}

#[test]
fn listings_have_capital_names_and_keep_the_end_of_a_range() {
    let mut endpoint = server("tcp:port=51:60,password=abc,icfenable,ipversion=6");
    let ServerTransport::Tcp(tcp) = &mut endpoint.transport else { panic!("tcp") };
    tcp.port = tcp.port.at(53.try_into().expect("not zero"));
    let listing = endpoint.listing().to_string();
    assert_eq!(listing, "tcp:Port=53:60,Password=*,Ipversion=6,IcfEnable");
    assert_eq!(server("npipe:pipe=MainPipe").listing().to_string(), "npipe:Pipe=MainPipe");
}

#[test]
fn virtual_machines_have_numbers() {
    let endpoint = server("vsock:port=70000,password=abc,cid=1,hidden");
    assert_eq!(endpoint.to_string(), "vsock:cid=1,port=70000,hidden,password=*");
    assert!(endpoint.is_hidden());
    assert_eq!(server("vsock:port=0,unprotected").to_string(), "vsock:port=0,unprotected");
    let text = "vsock:cid=4294967294,port=4294967294";
    assert_eq!(client(text).to_string(), text);
    for wrong in ["vsock:port=1", "vsock:cid=3,port=0", "vsock:cid=-1,port=1", "vsock:cid=3"] {
        assert!(wrong.parse::<ClientEndpoint>().is_err(), "{wrong}");
    }
}

#[test]
fn a_server_that_calls_its_client_is_hidden() {
    assert!(!server("tcp:port=1").is_hidden());
    assert!(server("tcp:port=1,hidden").is_hidden());
    assert!(server("tcp:port=1,clicon=a").is_hidden());
}
