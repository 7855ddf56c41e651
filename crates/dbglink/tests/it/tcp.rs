//! Ports, addresses and peers of TCP links.

use super::{Home, assert_connected, own_uid};
use dbglink::connect_string::{PortRange, ServerTransport};
use dbglink::{ConnectFault, LinkError, Listener, PeerInfo, PortFault};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

fn ports_of(listener: &Listener) -> PortRange {
    match &listener.endpoint().transport {
        ServerTransport::Tcp(tcp) => tcp.port,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clients_of_both_families_reach_a_server() {
    let home = Home::new();
    let listener = home.listen("tcp:port=0").expect("a port is free");
    let port = ports_of(&listener).low();
    assert_ne!(port, 0);
    let mut hosts = vec!["127.0.0.1", "localhost", r"\\127.0.0.1"];
    if TcpListener::bind("[::1]:0").is_ok() {
        hosts.extend(["::1", "[::1]"]);
    }
    for host in hosts {
        let client = home.connect(&format!("tcp:server={host},port={port}")).expect(host);
        let server = listener.accept().expect("a client");
        let (at_client, at_server) = (client.peer().expect(host), server.peer().expect(host));
        let PeerInfo::Tcp { peer, local } = at_client else { panic!("{at_client}") };
        assert_eq!(at_server, PeerInfo::Tcp { peer: local, local: peer });
        assert_eq!(peer.port(), port);
        assert!(peer.ip().is_loopback(), "{peer}");
        assert_eq!(at_server.local_uid(), Some(own_uid()), "{host}");
        assert_connected(client, server);
    }
}

#[test]
fn a_peer_that_closed_has_no_user() {
    let home = Home::new();
    let listener = home.listen("tcp:port=0").expect("a port is free");
    let port = ports_of(&listener).low();
    drop(home.connect(&format!("tcp:server=127.0.0.1,port={port}")).expect("listening"));
    let link = listener.accept().expect("a client");
    assert_eq!(link.peer().expect("connected once").local_uid(), None);
}

#[test]
fn a_port_in_use_is_refused() {
    let home = Home::new();
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port is free");
    let port = taken.local_addr().expect("bound").port();
    let error = home.listen(&format!("tcp:port={port}")).expect_err("in use");
    assert!(matches!(error, LinkError::Port(PortFault::InUse { port: p }) if p == port), "{error}");
}

#[test]
fn a_range_gives_its_first_free_port() {
    let home = Home::new();
    let first = home.listen("tcp:port=0").expect("a port is free");
    let low = ports_of(&first).low();
    let high = low + 20;
    let text = format!("tcp:port={low}:{high}");
    let second = home.listen(&text).expect("one of twenty is free");
    let ports = ports_of(&second);
    assert!(ports.low() > low, "{ports}");
    assert_eq!(ports.high(), high);
    let listing = second.endpoint().listing().to_string();
    assert_eq!(listing, format!("tcp:Port={}:{high}", ports.low()));
    let client = home.connect(&format!("tcp:server=127.0.0.1,port={}", ports.low()));
    assert_connected(client.expect("listening"), second.accept().expect("a client"));
}

#[test]
fn a_range_without_a_free_port_is_refused() {
    let home = Home::new();
    let first = home.listen("tcp:port=0").expect("a port is free");
    let low = ports_of(&first).low();
    let high = low + 1;
    // Whether this takes it or finds it taken, it is in use then.
    let _second = home.listen(&format!("tcp:port={high}"));
    let error = home.listen(&format!("tcp:port={low}:{high}")).expect_err("in use");
    assert_eq!(error.to_string(), format!("no tcp port from {low} to {high} is free"));
}

#[test]
fn a_port_is_free_as_soon_as_its_listener_is_dropped() {
    let home = Home::new();
    let listener = home.listen("tcp:port=0").expect("a port is free");
    let port = ports_of(&listener).low();
    let client = home.connect(&format!("tcp:server=127.0.0.1,port={port}")).expect("listening");
    let server = listener.accept().expect("a client");
    drop(listener);
    // The server's side closes first and keeps the port in TIME_WAIT.
    drop(server);
    drop(client);
    home.listen(&format!("tcp:port={port}")).expect("free again");
}

#[test]
fn links_have_the_options_of_interactive_use() {
    let home = Home::new();
    let listener = home.listen("tcp:port=0").expect("a port is free");
    let port = ports_of(&listener).low();
    let client = home.connect(&format!("tcp:server=127.0.0.1,port={port}")).expect("listening");
    let server = listener.accept().expect("a client");
    for link in [&client, &server] {
        assert!(sockopt::tcp_nodelay(link.as_fd()).expect("open"));
        assert!(sockopt::socket_keepalive(link.as_fd()).expect("open"));
        assert_eq!(sockopt::tcp_user_timeout(link.as_fd()).expect("open"), 30_000);
    }
}

/// A socket with a port of its own that does not listen yet.
fn bound_socket() -> (OwnedFd, u16) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("room");
    rustix::net::bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("free");
    let address = rustix::net::getsockname(&socket).expect("bound");
    (socket, SocketAddr::try_from(address).expect("internet").port())
}

#[test]
fn a_refusal_names_machine_and_port() {
    let (_socket, port) = bound_socket();
    let text = format!("tcp:server=127.0.0.1,port={port}");
    let error = Home::new().connect(&text).expect_err("nobody listens");
    assert_eq!(
        error.to_string(),
        format!(
            "127.0.0.1 refuses connections to port {port}; is a process server listening there?"
        )
    );
}

#[test]
fn a_server_that_does_not_answer_times_out() {
    let (socket, port) = bound_socket();
    rustix::net::listen(&socket, 0).expect("bound");
    let home = Home::new();
    let mut waiting = Vec::new();
    // When the backlog is full, requests to connect are dropped in silence.
    let error = loop {
        let text = format!("tcp:server=127.0.0.1,port={port}");
        match home.connect_within(&text, Duration::from_millis(50)) {
            Ok(link) => waiting.push(link),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10);
    };
    let expected = format!("127.0.0.1 port {port} did not answer within 0.05 s");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_name_without_an_address_is_named() {
    // No label of a domain name has more than 63 bytes, so nobody is asked.
    let host = "h".repeat(64);
    let error =
        Home::new().connect(&format!("tcp:server={host},port=1025")).expect_err("no such name");
    assert!(
        matches!(&error, LinkError::Connect(ConnectFault::Resolve { host: h, .. }) if *h == host),
        "{error}"
    );
}
