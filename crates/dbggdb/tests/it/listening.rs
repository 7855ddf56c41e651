//! Debuggers that connect: at a port of this machine, at a socket in the file system, several.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use testkit::{Guard, Process, Testee};

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
