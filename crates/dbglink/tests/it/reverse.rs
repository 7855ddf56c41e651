//! Calls that nobody takes, and waiting for one that does not come, with the sentences for both.

use dbglink::connect_string::HostName;
use dbglink::{Awaited, CallFault, ClientEndpoint, LinkError, PeerInfo, await_server, call_client};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket, sockopt};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// How long it is waited for in vain here.
const SHORT: Duration = Duration::from_millis(250);

fn host(name: &str) -> HostName {
    HostName::new(name).expect(name)
}

/// Waiting for a call of this machine at the first port that is free.
fn awaited(server: &str) -> Awaited {
    let endpoint = format!("tcp:clicon={server},port=10000:30000");
    let endpoint: ClientEndpoint = endpoint.parse().expect("an endpoint");
    await_server(&endpoint).expect("a port is free").expect("it is called")
}

/// A port at which nobody listens, and that nobody else is given meanwhile.
fn held_port() -> (OwnedFd, NonZeroU16) {
    let held = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    // So that it can be listened at all the same.
    sockopt::set_socket_reuseaddr(&held, true).expect("a socket");
    bind(&held, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))).expect("a port is free");
    let address = SocketAddr::try_from(getsockname(&held).expect("it has one")).expect("of IPv4");
    (held, NonZeroU16::new(address.port()).expect("a port"))
}

#[test]
fn a_client_that_does_not_wait_is_called_again_and_again_and_then_told_of() {
    let (_held, port) = held_port();
    let begun = Instant::now();
    let error = call_client(&host("127.0.0.1"), port, SHORT).expect_err("nobody waits");
    assert!(begun.elapsed() >= SHORT, "it is tried for as long as it was said");
    assert!(matches!(error, LinkError::Call(CallFault::NoClient { .. })), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "no client has waited at 127.0.0.1 port {port} for 0.25 s (it refuses connections); \
             start it with clicon= and this port, then this server again"
        )
    );
    // One whose name is wrong will not be there later.
    let begun = Instant::now();
    let error = call_client(&host("nowhere.invalid"), port, PATIENCE).expect_err("no such name");
    assert!(error.to_string().starts_with("cannot find the address of nowhere.invalid"), "{error}");
    assert!(begun.elapsed() < PATIENCE, "it is not tried again");
}

#[test]
fn a_client_that_comes_late_is_reached() {
    let (_held, port) = held_port();
    std::thread::scope(|scope| {
        let caller = scope.spawn(move || call_client(&host("localhost"), port, PATIENCE));
        // It may have called in vain before.
        let endpoint = format!("tcp:clicon=localhost,port={port}").parse().expect("an endpoint");
        let late = await_server(&endpoint).expect("it can be listened at").expect("it is called");
        let link = late.accept(PATIENCE, |error| panic!("{error}")).expect("it calls");
        let called = caller.join().expect("no panic").expect("it is awaited");
        let PeerInfo::Tcp { local, .. } = called.peer().expect("it is connected") else {
            panic!("it is no port");
        };
        let PeerInfo::Tcp { peer, .. } = link.peer().expect("it is connected") else {
            panic!("it is no port");
        };
        assert_eq!(peer, local);
    });
}

#[test]
fn a_server_that_does_not_call_is_told_of() {
    let awaited = awaited("localhost");
    let port = awaited.port();
    let begun = Instant::now();
    let error = awaited.accept(SHORT, |error| panic!("{error}")).expect_err("nobody calls");
    assert!(begun.elapsed() >= SHORT, "it is waited for as long as it was said");
    assert!(
        matches!(error, LinkError::Call(CallFault::NotCalled { stranger: None, .. })),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        format!(
            "localhost has not called at port {port} within 0.25 s; is its process server started \
             with clicon= and this port?"
        )
    );
}

#[test]
fn who_calls_from_another_machine_is_turned_away_and_told_of() {
    // An address for examples (RFC 5737), which this machine has not.
    let awaited = awaited("192.0.2.1");
    let port = awaited.port();
    let mut stranger = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
    let error = awaited.accept(SHORT, |error| panic!("{error}")).expect_err("it does not call");
    assert_eq!(
        error.to_string(),
        format!(
            "192.0.2.1 has not called at port {port} within 0.25 s (127.0.0.1 has, which is not \
             that machine); is its process server started with clicon= and this port?"
        )
    );
    // Without a word.
    let mut heard = Vec::new();
    let _ = std::io::Read::read_to_end(&mut stranger, &mut heard);
    assert_eq!(heard, b"");
}
