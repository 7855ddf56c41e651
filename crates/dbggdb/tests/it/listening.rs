//! Debuggers that connect: at a port of this machine, at a socket in the file system, several.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use testkit::{Guard, Process, Testee, until};

use crate::gdb::{assert_says, gdb};

/// The bridge, listening; and where.
pub(crate) fn listen(guard: &Guard, arguments: &[&str]) -> (Process, String) {
    let mut bridge = guard.start(env!("CARGO_BIN_EXE_dbggdb"), arguments);
    let line = bridge.read_line();
    let place = line.strip_prefix("dbggdb: listening at ").expect("says where").trim().to_owned();
    (bridge, place)
}

/// Sends `?` and returns what comes back, acknowledgements and all.
fn why(mut stream: impl Read + Write) -> String {
    stream.write_all(b"$?#3f").expect("the bridge reads");
    let mut read = vec![0; 8];
    stream.read_exact(&mut read).expect("the bridge answers");
    String::from_utf8_lossy(&read).into_owned()
}

#[test]
fn any_number_of_debuggers_connect_to_a_port() {
    let guard = Guard::new();
    let (bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    let first = TcpStream::connect(&place).expect("connects");
    assert_eq!(why(&first), "+$W00#b7");
    let second = TcpStream::connect(&place).expect("connects");
    assert_eq!(why(&second), "+$W00#b7");
    drop(first);
    assert_eq!(why(&second), "+$W00#b7");
    drop(bridge);
}

#[test]
fn a_socket_is_this_users_and_goes_with_the_bridge() {
    let guard = Guard::new();
    let path = guard.directory().join("bridge");
    let place = format!("unix:{}", path.display());
    let (bridge, said) = listen(&guard, &["-listen", &place]);
    assert_eq!(said, place);
    assert_eq!(why(UnixStream::connect(&path).expect("connects")), "+$W00#b7");
    drop(bridge);
    // A second one takes the place of one that was killed.
    let (_bridge, _) = listen(&guard, &["-listen", &place]);
    assert_eq!(why(UnixStream::connect(&path).expect("connects")), "+$W00#b7");
}

#[test]
fn a_program_that_is_served_is_for_one_plain_debugger() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let (mut bridge, place) = listen(&guard, &["-listen", ":0", "--", path, "3"]);
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &format!("target remote {place}"),
            "break done",
            "continue",
            "print sum",
            "continue",
        ],
    );
    assert_says(&said, &["Breakpoint 1, ", "$1 = 9", "exited normally"]);
    assert_eq!(bridge.wait().shell_status(), 0);
}

#[test]
fn places_that_others_reach_need_a_word() {
    let guard = Guard::new();
    let mut command = guard.command(env!("CARGO_BIN_EXE_dbggdb"));
    let output = command.args(["-listen", "0.0.0.0:0"]).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("other machines reach this address"), "{said}");
    let (bridge, place) = listen(&guard, &["-listen", "0.0.0.0:0,unprotected"]);
    let port = place.rsplit(':').next().expect("a port");
    let stream = TcpStream::connect(format!("127.0.0.1:{port}")).expect("connects");
    assert_eq!(why(stream), "+$W00#b7");
    drop(bridge);
}

#[test]
fn whoever_connects_to_a_bridge_that_is_taken_finds_out_at_once() {
    let guard = Guard::new();
    let program = Testee::build("spin", &[]);
    let path = program.path().to_str().expect("text");
    let (_bridge, place) = listen(&guard, &["-listen", ":0", "--", path]);
    let mut first = TcpStream::connect(&place).expect("connects");
    first.write_all(b"$?#3f").expect("the bridge reads");
    first.read_exact(&mut [0; 8]).expect("the bridge answers");
    assert!(TcpStream::connect(&place).is_err(), "it serves one debugger");
}

#[test]
fn embedded_servers_leave_nothing_behind() {
    let guard = Guard::new();
    let (bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    for _ in 0..3 {
        assert_eq!(why(TcpStream::connect(&place).expect("connects")), "+$W00#b7");
    }
    let children = format!("/proc/{0}/task/{0}/children", bridge.pid());
    let is_none = || std::fs::read_to_string(&children).expect("it lives").trim().is_empty();
    until("its children to be gone", || is_none().then_some(()));
}

#[test]
fn too_many_debuggers_do_not_end_the_bridge() {
    let guard = Guard::new();
    // It lets everybody wait, so that debuggers gather.
    let server = TcpListener::bind("127.0.0.1:0").expect("listens");
    let port = server.local_addr().expect("has one").port();
    let line = format!(
        "ulimit -n 16; exec {} -premote tcp:server=127.0.0.1,port={port} -listen :0",
        env!("CARGO_BIN_EXE_dbggdb")
    );
    let mut bridge = guard.start("sh", &["-c", &line]);
    let line = bridge.read_line();
    let place = line.strip_prefix("dbggdb: listening at ").expect("says where").trim().to_owned();
    let crowd: Vec<_> = (0..20).map(|_| TcpStream::connect(&place).expect("connects")).collect();
    let files = format!("/proc/{}/fd", bridge.pid());
    let is_full = || std::fs::read_dir(&files).expect("it lives").count() >= 15;
    until("debuggers to gather", || is_full().then_some(()));
    drop(server);
    let ends = |mut stream: TcpStream| !matches!(stream.read(&mut [0]), Ok(1..));
    assert!(crowd.into_iter().all(ends), "nobody is served");
    assert!(ends(TcpStream::connect(&place).expect("it still listens")));
}
