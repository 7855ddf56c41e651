//! Reading, writing, ending and handing over, over each kind of socket.

use super::{Home, assert_connected, own_uid};
use dbglink::{Link, PeerInfo};
use rustix::io::FdFlags;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

/// Two ends of a pipe, of every kind there is.
fn pairs(home: &Home) -> Vec<(&'static str, Link, Link)> {
    let (one, other) = Link::pair().expect("a pair");
    let npipe = home.listen("npipe:pipe=links").expect("free");
    let tcp = home.listen("tcp:port=0").expect("free");
    let port = tcp.endpoint().to_connect_string().replace("tcp:port=", "");
    let npipe_client = home.connect("npipe:server=.,pipe=links").expect("listening");
    let tcp_client = home.connect(&format!("tcp:server=localhost,port={port}")).expect("listening");
    vec![
        ("pair", one, other),
        ("npipe", npipe_client, npipe.accept().expect("a client")),
        ("tcp", tcp_client, tcp.accept().expect("a client")),
    ]
}

#[test]
fn both_ends_read_and_write() {
    for (_, one, other) in pairs(&Home::new()) {
        assert_connected(one, other);
    }
}

/// Bytes without a short period.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..len).map(next).collect()
}

#[test]
fn eight_mebibytes_arrive_intact() {
    let sent = noise(8 << 20);
    // Slices of all sizes, empty ones among them, and more than one system call takes.
    let mut slices = Vec::new();
    let mut rest = sent.as_slice();
    for index in 0.. {
        let len = if index < 5000 { index % 257 } else { index * 37 };
        let (slice, behind) = rest.split_at(len.min(rest.len()));
        slices.push(slice);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    assert!(slices.len() > 5000);
    for (kind, one, other) in pairs(&Home::new()) {
        let (_, mut writer) = one.split();
        let mut slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let received = thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut received = Vec::new();
                other.split().0.read_to_end(&mut received).map(|_| received)
            });
            writer.write_all_vectored(&mut slices).expect("open");
            drop(writer);
            reading.join().expect("no panic").expect("open")
        });
        assert!(received == sent, "{kind}: {} bytes arrived", received.len());
    }
}

#[test]
fn nothing_to_write_is_written_at_once() {
    let (one, other) = Link::pair().expect("a pair");
    let (_, mut writer) = one.split();
    writer.write_all_vectored(&mut []).expect("nothing");
    writer.write_all_vectored(&mut [IoSlice::new(b""), IoSlice::new(b"")]).expect("nothing");
    drop(writer);
    let mut received = Vec::new();
    other.split().0.read_to_end(&mut received).expect("the end");
    assert_eq!(received, b"");
}

/// Waits until a thread of this process sleeps in the kernel.
fn wait_until_asleep(tid: u32) {
    loop {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).expect("alive");
        // proc_pid_stat(5): the state follows the name, which is in parentheses.
        if stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S")) {
            return;
        }
        thread::yield_now();
    }
}

#[test]
fn a_shutdown_unblocks_a_blocked_reader() {
    for (kind, one, other) in pairs(&Home::new()) {
        let shutdown = one.shutdown_handle();
        let (mut reader, mut writer) = one.split();
        let (send_tid, tid) = mpsc::channel();
        let reading = thread::spawn(move || {
            let tid = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
            send_tid.send(tid).expect("the test waits");
            reader.read(&mut [0; 16])
        });
        wait_until_asleep(tid.recv().expect("the thread sends"));
        shutdown.shutdown().expect("open");
        assert_eq!(reading.join().expect("no panic").expect("the end"), 0, "{kind}");
        assert_eq!(writer.write(b"x").map_err(|e| e.kind()), Err(ErrorKind::BrokenPipe), "{kind}");
        assert_eq!(other.split().0.read(&mut [0; 16]).expect("the end"), 0, "{kind}");
        shutdown.shutdown().expect("a second time");
    }
}

#[test]
fn a_shutdown_handle_does_not_keep_a_link_open() {
    for (kind, one, other) in pairs(&Home::new()) {
        let shutdown = one.shutdown_handle();
        drop(one.split());
        assert_eq!(other.split().0.read(&mut [0; 16]).expect("the end"), 0, "{kind}");
        shutdown.shutdown().expect("nothing to do");
    }
}

#[test]
fn a_child_process_adopts_a_socket() {
    for (kind, one, other) in pairs(&Home::new()) {
        let _kept = one.shutdown_handle();
        let socket: OwnedFd = one.into_fd().expect("not shared");
        assert_eq!(rustix::io::fcntl_getfd(&socket).expect("open"), FdFlags::CLOEXEC, "{kind}");
        let output = socket.try_clone().expect("descriptors left");
        let mut child = Command::new("cat")
            .stdin(Stdio::from(socket))
            .stdout(Stdio::from(output))
            .spawn()
            .expect("cat is everywhere");
        let shutdown = other.shutdown_handle();
        let (mut reader, mut writer) = other.split();
        let mut echo = [0; 5];
        writer.write_all(b"hello").expect("open");
        reader.read_exact(&mut echo).expect("open");
        assert_eq!(&echo, b"hello", "{kind}");
        shutdown.shutdown().expect("open");
        assert!(child.wait().expect("a child").success(), "{kind}");
    }
}

#[test]
fn an_adopted_socket_is_a_link_again() {
    for (_, one, other) in pairs(&Home::new()) {
        let fd = one.into_fd().expect("not shared");
        assert_connected(Link::from(fd), other);
    }
}

#[test]
fn the_peer_is_this_process() {
    for (kind, one, other) in pairs(&Home::new()) {
        for link in [&one, &other] {
            let peer = link.peer().expect("connected");
            assert_eq!(peer.local_uid(), Some(own_uid()), "{kind}: {peer}");
            if let PeerInfo::Process { pid, .. } = peer {
                assert_eq!(pid.map(|pid| pid.value()), Some(std::process::id()), "{kind}");
            }
        }
    }
}

#[test]
fn accepted_sockets_block() {
    for (kind, one, other) in pairs(&Home::new()) {
        for link in [&one, &other] {
            let flags = rustix::fs::fcntl_getfl(link.as_fd()).expect("open");
            assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "{kind}");
        }
    }
}

#[test]
fn what_is_no_socket_has_no_peer() {
    let file = tempfile::tempfile().expect("a file");
    let error = Link::from(OwnedFd::from(file)).peer().expect_err("a file");
    assert!(error.to_string().starts_with("cannot find out the peer of a link: "), "{error}");
}
