//! Crowds at a server's door: thousands that say nothing, those who say it very slowly, and those
//! who say nonsense, before their login and behind it. Whoever has business there gets in all the
//! same, and the server stays as small as docs/security.md says.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::{Guard, Server, procfs, programs, until};

use crate::console::Console;
use crate::transports::connect_from;

const PASSWORD: &str = ",password=sesame7";
/// How many clients may be on their way in at once, and one that is being ended.
const LOGINS_MAX: usize = 33;
/// How much memory the listener may take, in KiB.
const LISTENER_KIB_MAX: u64 = 32 * 1024;
/// How long a client may be on its way in, and how much longer until all have noticed.
const LOGIN_WITHIN: Duration = Duration::from_secs(45);
const SLACK: Duration = Duration::from_secs(30);
/// How long a client with business may have to wait.
const BUSINESS_WITHIN: Duration = Duration::from_secs(60);

fn besieged(guard: &Guard) -> (Server, u16) {
    let transport = format!("tcp:port=0{PASSWORD}");
    let client = "tcp:server=localhost";
    let server = Server::at_port(guard, programs::dbgsrv(), &transport, client, |command| {
        command.stderr(Stdio::null());
    });
    let port = procfs::listening_port(server.pid()).expect("it listens");
    (server, port)
}

/// Somebody with business: gets in, and does something.
#[track_caller]
fn assert_served(guard: &Guard, port: u16) {
    let start = Instant::now();
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    let premote = format!("tcp:server=127.0.0.1,port={port}{PASSWORD}");
    command.args(["-premote", &premote, "/bin/true"]);
    let mut cdb = Console::spawn(command);
    assert_eq!(cdb.prompt, "0:000", "{}", cdb.banner);
    assert!(cdb.command("r").contains("rip="));
    cdb.finish("q");
    assert!(start.elapsed() < BUSINESS_WITHIN, "{:?}", start.elapsed());
}

/// The server is no larger than it may be.
#[track_caller]
fn assert_small(server: &Server) {
    let children = server.sessions();
    assert!(children.len() <= LOGINS_MAX + 2, "{children:?}");
    let kib = procfs::status(server.pid(), server.pid().into(), "VmHWM").expect("it lives");
    let kib: u64 = kib.trim_end_matches(" kB").trim().parse().expect("a number");
    assert!(kib < LISTENER_KIB_MAX, "{kib} KiB");
    let open = procfs::descriptors(server.pid()).len();
    assert!(open < 4 * LOGINS_MAX + 20, "{open} descriptors");
}

/// A connection under way, not waited for.
fn knock(from: Ipv4Addr, port: u16) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
    let socket = socket.expect("a socket");
    bind(&socket, &SocketAddr::from((from, 0))).expect("it is ours");
    // It is under way, or has come to nothing, as the server's queue is full.
    let _ = connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    socket
}

#[test]
fn five_thousand_who_say_nothing_keep_nobody_out() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("it is allowed");
    let guard = Guard::new();
    let (server, port) = besieged(&guard);
    let from = |number: u16| Ipv4Addr::new(127, 3, 0, (number % 8) as u8 + 1);
    let crowd: Vec<OwnedFd> = (0..5000).map(|number| knock(from(number), port)).collect();
    for _ in 0..3 {
        assert_served(&guard, port);
        assert_small(&server);
    }
    drop(crowd);
    assert_served(&guard, port);
    server.wait_until_idle();
    assert_small(&server);
}

/// What is said slowly: the beginning of a handshake (RFC 8446, 4.1.2), whose rest never comes.
const HELLO: [u8; 48] = {
    let mut bytes = [0x55; 48];
    let head = [22, 3, 1, 0x02, 0x00, 1, 0, 0x01, 0xfc, 3, 3];
    let mut index = 0;
    while index < head.len() {
        bytes[index] = head[index];
        index += 1;
    }
    bytes
};

#[test]
fn who_speaks_slowly_is_not_waited_for() {
    let guard = Guard::new();
    let (server, port) = besieged(&guard);
    let lorises: Vec<TcpStream> =
        (1..=40).map(|number| connect_from([127, 4, 0, number], port)).collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let speak = |mut stream: TcpStream| {
            stream.set_nonblocking(false).expect("a socket");
            let mut has_ended = false;
            for byte in HELLO {
                // A byte for each interval, until the server has enough of it.
                stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a socket");
                has_ended = stream.write_all(&[byte]).is_err();
                let heard = stream.read(&mut [0; 512]);
                has_ended |= heard.as_ref().is_ok_and(|count| *count == 0);
                has_ended |= heard.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset);
                if has_ended {
                    break;
                }
            }
            assert!(has_ended, "it is still listened to");
        };
        let speakers: Vec<_> =
            lorises.into_iter().map(|stream| scope.spawn(move || speak(stream))).collect();
        assert_served(&guard, port);
        assert_small(&server);
        speakers.into_iter().for_each(|speaker| speaker.join().expect("it is let go"));
    });
    assert!(begun.elapsed() < LOGIN_WITHIN + SLACK, "{:?}", begun.elapsed());
    assert_served(&guard, port);
    server.wait_until_idle();
}

/// A way to a server that lets a few records through and then a byte at a time.
fn slow_way(from: [u8; 4], port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    let at = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let mut client = listener.accept().expect("it comes").0;
        let mut server = connect_from(from, port);
        let (mut back, mut answers) = (copy(&client), copy(&server));
        std::thread::spawn(move || {
            // Until the server has enough of it.
            let _ = std::io::copy(&mut answers, &mut back);
            let _ = back.shutdown(Shutdown::Both);
        });
        // Its Hello, a record that says nothing, and that it is done (RFC 8446, 2 and D.4).
        for _ in 0..3 {
            let mut record = vec![0; 5];
            client.read_exact(&mut record).expect("a header");
            record.resize(5 + usize::from(u16::from_be_bytes([record[3], record[4]])), 0);
            client.read_exact(&mut record[5..]).expect("a record");
            server.write_all(&record).expect("it listens");
        }
        let mut byte = [0];
        while client.read_exact(&mut byte).is_ok() && server.write_all(&byte).is_ok() {
            std::thread::park_timeout(Duration::from_millis(500));
        }
    });
    at
}

fn copy(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor")
}

#[test]
fn who_proves_a_password_slowly_is_not_waited_for() {
    let guard = Guard::new();
    let (server, port) = besieged(&guard);
    let run_dir = dbglink::RunDir::at(guard.directory());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let speakers = [1, 2, 3, 4].map(|number| {
            let at = slow_way([127, 6, 0, number], port);
            let endpoint = format!("tcp:server=127.0.0.1,port={at}{PASSWORD}");
            let endpoint = endpoint.parse().expect("an endpoint");
            let run_dir = &run_dir;
            scope.spawn(move || dbglink::connect(&endpoint, run_dir, testkit::DEADLINE))
        });
        assert_served(&guard, port);
        for speaker in speakers {
            let connected = speaker.join().expect("no panic");
            connected.expect_err("it had too much time");
        }
    });
    assert!(begun.elapsed() < LOGIN_WITHIN + SLACK, "{:?}", begun.elapsed());
    server.wait_until_idle();
}

/// A frame's header (docs/protocol.md).
fn header(length: u32, kind: u8, opcode: u16, tail: u32) -> Vec<u8> {
    let [low, high] = opcode.to_le_bytes();
    [&length.to_le_bytes()[..], &[kind, 0, low, high], &1_u32.to_le_bytes(), &tail.to_le_bytes()]
        .concat()
}

#[test]
fn nonsense_behind_the_login_ends_its_own_link_only() {
    let guard = Guard::new();
    let (server, port) = besieged(&guard);
    let endpoint = format!("tcp:server=127.0.0.1,port={port}{PASSWORD}");
    let endpoint = endpoint.parse().expect("an endpoint");
    let run_dir = dbglink::RunDir::at(guard.directory());
    let hello = dbgwire::handshake::Hello::new("siege").encode();
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = (0..65536).map(|_| random.u8(..)).collect();
    for words in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        noise.clone(),
        [&b"dbgsrv\r\n"[..], &header(u32::MAX, 0, 1, 0)].concat(),
        [&hello[..], &header(u32::MAX, 1, 0x0101, 0)].concat(),
        [&hello[..], &header(0x7fff_ffff, 1, 0x0101, 0x7fff_ffff)].concat(),
        [&hello[..], &noise].concat(),
    ] {
        let link = dbglink::connect(&endpoint, &run_dir, testkit::DEADLINE).expect("it is let in");
        let (mut reader, mut writer) = link.split();
        // It may be gone before all is said.
        let _ = writer.write_all(&words);
        let _ = reader.read_to_end(&mut Vec::new());
        assert_small(&server);
    }
    assert_served(&guard, port);
    server.wait_until_idle();
}

#[test]
fn nonsense_in_the_middle_of_a_login_ends_it() {
    let guard = Guard::new();
    let (server, port) = besieged(&guard);
    let mut random = fastrand::Rng::with_seed(8);
    for number in 1..=60 {
        let mut stream = connect_from([127, 5, 0, number], port);
        let len = random.usize(1..20_000);
        // Handshake records, as far as their headers say.
        let mut words = vec![22, 3, 1];
        words.extend(std::iter::repeat_with(|| random.u8(..)).take(len));
        let _ = stream.write_all(&words);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_small(&server);
    assert_served(&guard, port);
    until("all to be gone", || server.sessions().is_empty().then_some(()));
}
