//! Every string of the pages "Activating a Process Server", "Activating a Smart Client" and
//! "Process Server Examples" and of the pages around them: syntax lines in all their variants, and
//! examples.

use super::*;

/// The syntax lines of "Activating a Process Server".
const SERVER_SYNTAX: &[(&str, Transport)] = &[
    ("npipe:pipe=PipeName[,hidden][,password=Password][,IcfEnable]", Transport::Npipe),
    ("tcp:port=Socket[,hidden][,password=Password][,ipversion=6][,IcfEnable]", Transport::Tcp),
    ("tcp:port=Socket,clicon=Client[,password=Password][,ipversion=6]", Transport::TcpReverse),
    (
        "com:port=COMPort,baud=BaudRate,channel=COMChannel[,hidden][,password=Password]",
        Transport::Com,
    ),
    (
        "spipe:proto=Protocol,{certuser=Cert|machuser=Cert},pipe=PipeName[,hidden]\
         [,password=Password]",
        Transport::Spipe,
    ),
    (
        "ssl:proto=Protocol,{certuser=Cert|machuser=Cert},port=Socket[,hidden][,password=Password]",
        Transport::Ssl,
    ),
    (
        "ssl:proto=Protocol,{certuser=Cert|machuser=Cert},port=Socket,clicon=Client\
         [,password=Password]",
        Transport::SslReverse,
    ),
];

/// The syntax lines of "Activating a Smart Client".
const CLIENT_SYNTAX: &[(&str, Transport)] = &[
    (
        "spipe:proto=Protocol,{certuser=Cert|machuser=Cert},server=Server,pipe=PipeName\
         [,password=Password]",
        Transport::Spipe,
    ),
    (
        "ssl:proto=Protocol,{certuser=Cert|machuser=Cert},server=Server,port=Socket\
         [,password=Password]",
        Transport::Ssl,
    ),
    (
        "ssl:proto=Protocol,{certuser=Cert|machuser=Cert},clicon=Server,port=Socket\
         [,password=Password]",
        Transport::SslReverse,
    ),
    ("com:port=COMPort,baud=BaudRate,channel=COMChannel[,password=Password]", Transport::Com),
    ("npipe:server=Server,pipe=PipeName[,password=Password]", Transport::Npipe),
    ("tcp:server=Server,port=Socket[,password=Password][,ipversion=6]", Transport::Tcp),
    ("tcp:clicon=Server,port=Socket[,password=Password][,ipversion=6]", Transport::TcpReverse),
];

/// All strings that a syntax line stands for: with and without each `[part]`, with each alternative
/// of `{a|b}`, and with examples for those placeholders that are not names themselves.
fn variants(syntax: &str) -> Vec<String> {
    if let Some((before, rest)) = syntax.split_once('[') {
        let (part, after) = rest.split_once(']').expect("a closing bracket");
        let with = variants(&format!("{before}{part}{after}"));
        return with.into_iter().chain(variants(&format!("{before}{after}"))).collect();
    }
    if let Some((before, rest)) = syntax.split_once('{') {
        let (part, after) = rest.split_once('}').expect("a closing brace");
        let choose = |choice: &str| variants(&format!("{before}{choice}{after}"));
        return part.split('|').flat_map(choose).collect();
    }
    let example = syntax.replace("Socket", "1025").replace("Protocol", "tls1");
    let example = example.replace("COMPort", "com2").replace("BaudRate", "115200");
    vec![example.replace("COMChannel", "254")]
}

#[test]
fn every_variant_of_the_syntax_lines_is_read_and_printed_alike() {
    for (syntax, transport) in SERVER_SYNTAX {
        for text in variants(syntax) {
            let endpoint = server(&text);
            assert_eq!(endpoint.transport(), *transport, "{text}");
            assert_eq!(endpoint.to_connect_string(), text);
        }
    }
    for (syntax, transport) in CLIENT_SYNTAX {
        for text in variants(syntax) {
            let endpoint = client(&text);
            assert_eq!(endpoint.transport(), *transport, "{text}");
            assert_eq!(endpoint.to_connect_string(), text);
        }
    }
    assert_eq!(variants(SERVER_SYNTAX[1].0).len(), 16);
    assert_eq!(variants(SERVER_SYNTAX[5].0).len(), 8);
}

/// Examples of servers' strings, and how they are printed.
const SERVER_EXAMPLES: &[(&str, &str)] = &[
    ("tcp:port=1025", "tcp:port=1025"),
    ("tcp:port=1234", "tcp:port=1234"),
    ("tcp:port=1025,clicon=CLIENT", "tcp:port=1025,clicon=CLIENT"),
    ("tcp:clicon=CLIENT,port=1025", "tcp:port=1025,clicon=CLIENT"),
    ("tcp:port=1333,clicon=CLIENT", "tcp:port=1333,clicon=CLIENT"),
    ("tcp:port=51:60", "tcp:port=51:60"),
    ("tcp:port=53:60", "tcp:port=53:60"),
    ("tcp:Port=53:60", "tcp:port=53:60"),
    ("npipe:pipe=AnotherPipe", "npipe:pipe=AnotherPipe"),
    ("npipe:pipe=FarPipe", "npipe:pipe=FarPipe"),
    ("npipe:pipe=NearPipe", "npipe:pipe=NearPipe"),
    ("npipe:pipe=srv_%d_%x", "npipe:pipe=srv_%d_%x"),
    ("npipe:pipe=%04x", "npipe:pipe=%04x"),
    ("npipe:Pipe=MainPipe", "npipe:pipe=MainPipe"),
    ("npipe:Pipe=AnotherPipe", "npipe:pipe=AnotherPipe"),
    ("npipe:Pipe=KernelPipe", "npipe:pipe=KernelPipe"),
    ("com:port=com2,baud=115200,channel=0", "com:port=com2,baud=115200,channel=0"),
    ("com:port=2,baud=115200,channel=254", "com:port=com2,baud=115200,channel=254"),
    ("com:port=/dev/ttyUSB0,baud=9600,channel=1", "com:port=/dev/ttyUSB0,baud=9600,channel=1"),
    (
        "spipe:proto=tls1,machuser=ab 6c f8 a5 00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff,\
         pipe=p",
        "spipe:proto=tls1,machuser=ab6cf8a500112233445566778899aabbccddeeff,pipe=p",
    ),
    ("tcp:port=1025,unprotected", "tcp:port=1025,unprotected"),
    ("tcp:port=0", "tcp:port=0"),
    ("tcp:port=1025,password=file:/etc/secret", "tcp:port=1025,password=file:/etc/secret"),
    ("tcp:port=1025,password=env:DBG_SECRET", "tcp:port=1025,password=env:DBG_SECRET"),
];

/// Examples of clients' strings, and how they are printed.
const CLIENT_EXAMPLES: &[(&str, &str)] = &[
    ("tcp:server=BOX17,port=1025", "tcp:server=BOX17,port=1025"),
    (r"tcp:server=\\BOX17,port=1025", "tcp:server=BOX17,port=1025"),
    ("tcp:Port=5005,Server=host", "tcp:server=host,port=5005"),
    ("tcp:port=1234,server=host", "tcp:server=host,port=1234"),
    ("tcp:clicon=SERVER,port=1333", "tcp:clicon=SERVER,port=1333"),
    ("tcp:clicon=SERVER,port=1333:1340", "tcp:clicon=SERVER,port=1333:1340"),
    ("npipe:server=BOX17,pipe=AnotherPipe", "npipe:server=BOX17,pipe=AnotherPipe"),
    ("npipe:server=BOXA,pipe=FarPipe", "npipe:server=BOXA,pipe=FarPipe"),
    ("npipe:server=BOXB,pipe=NearPipe", "npipe:server=BOXB,pipe=NearPipe"),
];

#[test]
fn every_example_is_read() {
    for (text, printed) in SERVER_EXAMPLES {
        assert_eq!(server(text).to_connect_string(), *printed, "{text}");
    }
    for (text, printed) in CLIENT_EXAMPLES {
        assert_eq!(client(text).to_connect_string(), *printed, "{text}");
    }
}

#[test]
fn strings_of_other_tools_are_no_transports_of_ours() {
    for text in [
        "gdb:server=192.0.2.1,port=1025,threadEvents=true",
        "1394:channel=20",
        "hyperv:vmid=0a1b2c3d,serviceid=0a1b2c3d",
    ] {
        assert_eq!(client_error(text).kind, ParseErrorKind::UnknownTransport, "{text}");
    }
}

#[test]
fn what_a_listing_shows_is_a_string() {
    for (text, _) in SERVER_EXAMPLES {
        let endpoint = server(text);
        if endpoint.password.is_none() {
            assert_eq!(server(&endpoint.listing().to_string()), endpoint, "{text}");
        }
    }
}
