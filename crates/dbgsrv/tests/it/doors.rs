//! Those at the door: who guesses, who calls and is nobody, and what a server keeps of its
//! password.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use dbgbase::Pid;
use dbglink::tls::{self, Identity, TlsError};
use dbglink::{ClientEndpoint, Link, LinkError, RunDir};
use dbgwire::verbs::server::ServerInfo;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use testkit::{Client, DEADLINE, Guard, Process, Server, free_port, procfs, until};

use crate::PROGRAM;

/// A password that stands nowhere by accident.
const PASSWORD: &str = "Qx7Zk92LmW4v";

fn server(guard: &Guard) -> (Server, u16) {
    let transport = format!("tcp:port=0,password={PASSWORD}");
    let client = "tcp:server=localhost";
    let server = Server::at_port(guard, PROGRAM, &transport, client, |_| ());
    let text = server.endpoint().to_connect_string();
    let port = text.rsplit_once("port=").expect("a port").1.parse().expect("a port");
    (server, port)
}

fn try_password(port: u16, password: &str) -> Result<Client, LinkError> {
    let endpoint = format!("tcp:server=127.0.0.1,port={port},password={password}");
    let endpoint: ClientEndpoint = endpoint.parse().expect("an endpoint");
    let link = dbglink::connect(&endpoint, &RunDir::of_this_user(), DEADLINE)?;
    Ok(Client::open(link))
}

fn logins(server: &Server) -> usize {
    let is_login = |pid: &Pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"@login")
    };
    server.sessions().iter().filter(|pid| is_login(pid)).count()
}

fn tls_error(result: Result<Client, LinkError>) -> TlsError {
    match result {
        Err(LinkError::Tls { reason, .. }) => reason,
        other => panic!("{:?}", other.err()),
    }
}

/// Shows so many wrong passwords, one after the other, as each has to.
fn guess(server: &Server, port: u16, count: usize) {
    for _ in 0..count {
        let reason = tls_error(try_password(port, "wrong1"));
        assert!(matches!(reason, TlsError::Password), "{reason:?}");
        until("the guess to be noted", || (logins(server) == 0).then_some(()));
    }
}

/// Comes, and then says nothing for as long as it is let.
fn silent(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens")
}

#[test]
fn who_says_nothing_behind_a_wrong_password_keeps_nobody_out() {
    let guard = Guard::new();
    let (server, port) = server(&guard);
    guess(&server, port, 1);
    let _silent = silent(port);
    until("its login process", || (logins(&server) == 1).then_some(()));
    let mut client = try_password(port, PASSWORD).expect("it has its turn behind the silent one");
    client.call(&ServerInfo {}).expect("it answers");
}

#[test]
fn who_guesses_while_others_wait_is_told_how_long() {
    let guard = Guard::new();
    let (server, port) = server(&guard);
    // The next has to wait for four seconds, and each one behind it for as long again.
    guess(&server, port, 5);
    let crowd: Vec<TcpStream> = (0..3).map(|_| silent(port)).collect();
    until("their login processes", || (logins(&server) == 3).then_some(()));
    let reason = tls_error(try_password(port, PASSWORD));
    assert!(matches!(reason, TlsError::NotNow(8..=13)), "{reason:?}");
    let said = reason.to_string();
    assert!(said.contains("come again in") && said.contains("0x80004005"), "{said}");
    drop(crowd);
    let mut client = until("its turn", || try_password(port, PASSWORD).ok());
    client.call(&ServerInfo {}).expect("it answers");
}

/// What the login processes have been told: whether their clients wait, and for how long, in ms.
fn turns(server: &Server) -> Vec<(String, u64)> {
    let turn = |pid: &Pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        match words.as_slice() {
            [_, mark, _, _, _, turn, wait, _] if mark == "@login" => {
                Some((turn.to_string(), wait.parse().ok()?))
            }
            _ => None,
        }
    };
    server.sessions().iter().filter_map(turn).collect()
}

/// A client at another address, that has the right password.
fn come_from(address: Ipv4Addr, port: u16) -> Client {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let socket = socket.expect("a socket");
    bind(&socket, &SocketAddr::from((address, 0))).expect("it is ours");
    connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).expect("it accepts");
    let password = Some(PASSWORD.as_bytes());
    let connected = tls::connect(socket, Identity::Ephemeral, "localhost", password, DEADLINE);
    let encrypted = connected.expect("it is right");
    let (link, inner) = Link::pair().expect("a socket pair");
    let inner = inner.into_fd().expect("a descriptor");
    std::thread::spawn(move || encrypted.relay(inner));
    Client::open(link)
}

#[test]
fn who_guesses_waits_longer_each_time_and_others_do_not() {
    let guard = Guard::new();
    let (server, port) = server(&guard);
    let mut least = Duration::ZERO;
    let start = Instant::now();
    for wait_ms in [0, 250, 500, 1000] {
        let begun = Instant::now();
        let reason = match try_password(port, "wrong") {
            Err(LinkError::Tls { reason, .. }) => reason,
            other => panic!("{:?}", other.err()),
        };
        assert!(matches!(reason, TlsError::Password), "{reason:?}");
        let wait = Duration::from_millis(wait_ms);
        assert!(begun.elapsed() >= wait, "{wait_ms} ms: {:?}", begun.elapsed());
        least += wait;
        until("the guess to be noted", || (logins(&server) == 0).then_some(()));
    }
    assert!(start.elapsed() >= least);
    // Who knows it, too, as long as it comes from there.
    let begun = Instant::now();
    let guesser = std::thread::spawn(move || try_password(port, PASSWORD).map(drop));
    let waits = ("after".to_owned(), 2000);
    until("the guesser to wait", || turns(&server).contains(&waits).then_some(()));
    let mut other = come_from(Ipv4Addr::new(127, 0, 0, 2), port);
    other.call(&ServerInfo {}).expect("it answers");
    assert!(turns(&server).contains(&("after".to_owned(), 0)), "{:?}", turns(&server));
    guesser.join().expect("no panic").expect("it is right");
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    // It is forgiven.
    until("it to be gone", || (logins(&server) == 1).then_some(()));
    let mut client = try_password(port, PASSWORD).expect("it is right");
    client.call(&ServerInfo {}).expect("it answers");
    assert!(turns(&server).iter().all(|(turn, wait)| turn == "after" && *wait == 0));
}

#[test]
fn a_caller_that_is_nobody_does_not_end_the_waiting() {
    let guard = Guard::new();
    let endpoint = format!("tcp:clicon=localhost,port={}:65535,password={PASSWORD}", free_port());
    let endpoint: ClientEndpoint = endpoint.parse().expect("an endpoint");
    let awaited = dbglink::await_server(&endpoint).expect("a port").expect("it is called");
    let port = awaited.port();
    let caller = std::thread::spawn(move || {
        for words in [&b"GET / HTTP/1.0\r\n\r\n"[..], b""] {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
            stream.write_all(words).expect("room");
        }
    });
    let (told, tells) = std::sync::mpsc::channel();
    let waiting = std::thread::spawn(move || {
        awaited.accept(DEADLINE, |error| told.send(error.to_string()).expect("it is read"))
    });
    for _ in 0..2 {
        let said = tells.recv_timeout(DEADLINE).expect("each caller is told of");
        assert!(said.starts_with("localhost: "), "{said}");
    }
    caller.join().expect("it has called");
    // Nor does one that says nothing keep others waiting.
    let _silent = silent(port);
    let transport = format!("tcp:clicon=localhost,port={port},password={PASSWORD}");
    let mut command = guard.command(PROGRAM);
    command.args(["-t", &transport]).env("DBGSRV_RUN_DIR", guard.directory().join("run"));
    let mut process = Process::spawn(&mut command);
    let link = waiting.join().expect("no panic").expect("its server has called");
    let mut client = Client::open(link);
    client.call(&ServerInfo {}).expect("it answers");
    drop(client);
    assert_eq!(process.wait(), dbgbase::ExitStatus::Exited(1));
}

/// Where a text stands in the memory of a process that can be written, by the name of the mapping.
fn places_in_memory(pid: Pid, text: &[u8]) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it lives");
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("it is ours");
    let mut found = Vec::new();
    for line in maps.lines() {
        let mut columns = line.split_ascii_whitespace();
        let (range, flags) = (columns.next().expect("a range"), columns.next().expect("flags"));
        let (start, end) = range.split_once('-').expect("a range");
        let number = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = (number(start), number(end));
        if !flags.starts_with("rw") {
            continue;
        }
        let mut bytes = vec![0; (end - start) as usize];
        // A mapping may have no pages to read.
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        if bytes.windows(text.len()).any(|window| window == text) {
            found.push(columns.nth(3).unwrap_or(range).to_owned());
        }
    }
    found
}

#[test]
fn a_server_does_not_keep_its_password() {
    let guard = Guard::new();
    let (server, port) = server(&guard);
    // What takes its place on the command line is found, so that looking works.
    let mask = format!("password={}", "*".repeat(PASSWORD.len()));
    assert_eq!(places_in_memory(server.pid(), mask.as_bytes()), ["[stack]"]);
    assert_eq!(places_in_memory(server.pid(), PASSWORD.as_bytes()), [""; 0]);
    let mut client = try_password(port, PASSWORD).expect("it is right");
    let session = Pid::new(client.call(&ServerInfo {}).expect("it answers").pid);
    for pid in [server.pid(), session] {
        assert!(procfs::is_alive(pid));
        assert_eq!(places_in_memory(pid, PASSWORD.as_bytes()), [""; 0]);
    }
}
