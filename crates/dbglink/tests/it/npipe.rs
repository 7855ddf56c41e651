//! Taking, finding and giving back the names of pipes.

use super::{Home, assert_connected};
use dbglink::{ConnectFault, LinkError, PipeFault, RunDir};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

fn path_of(home: &Home, pipe: &str) -> PathBuf {
    home.run_dir.path().join(pipe)
}

fn mode_of(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("a socket").permissions().mode() & 0o777
}

#[test]
fn a_socket_file_lives_as_long_as_its_listener() {
    let home = Home::new();
    let listener = home.listen("npipe:pipe=MainPipe").expect("free");
    let path = path_of(&home, "MainPipe");
    assert!(fs::metadata(&path).expect("a file").file_type().is_socket());
    drop(listener);
    assert!(!path.exists());
    home.listen("npipe:pipe=MainPipe").expect("free again");
}

#[test]
fn the_file_is_its_owners_unless_a_password_decides() {
    let home = Home::new();
    let _one = home.listen("npipe:pipe=one").expect("free");
    let _two = home.listen("npipe:pipe=two,password=sesame").expect("free");
    assert_eq!(mode_of(&path_of(&home, "one")), 0o600);
    assert_eq!(mode_of(&path_of(&home, "two")), 0o666);
    assert_eq!(mode_of(home.run_dir.path()), 0o700);
}

#[test]
fn codes_become_the_ids_of_the_server() {
    let home = Home::new();
    let listener = home.listen("npipe:pipe=srv_%d_%08x,hidden").expect("free");
    let pid = std::process::id();
    let tid = rustix::thread::gettid().as_raw_nonzero();
    let pipe = format!("srv_{pid}_{tid:08x}");
    assert_eq!(listener.endpoint().to_string(), format!("npipe:pipe={pipe},hidden"));
    let client = home.connect(&format!("npipe:server=localhost,pipe={pipe}")).expect("listening");
    assert_connected(client, listener.accept().expect("a client"));
}

#[test]
fn a_name_in_use_is_refused() {
    let home = Home::new();
    let listener = home.listen("npipe:pipe=MainPipe").expect("free");
    let error = home.listen("npipe:pipe=MainPipe").expect_err("in use");
    assert_eq!(error.to_string(), "pipe name MainPipe is already in use");
    // The failed attempt took nothing away; its question arrived as a client that left again.
    let client = home.connect("npipe:server=.,pipe=MainPipe").expect("listening");
    drop(listener.accept().expect("the question"));
    assert_connected(client, listener.accept().expect("a client"));
}

#[test]
fn the_file_of_a_killed_server_is_replaced() {
    let home = Home::new();
    drop(home.listen("npipe:pipe=other").expect("free")); // Makes the directory.
    let path = path_of(&home, "MainPipe");
    drop(UnixListener::bind(&path).expect("free")); // Leaves its file behind.
    let error = home.connect("npipe:server=.,pipe=MainPipe").expect_err("dead");
    assert!(
        matches!(&error, LinkError::Pipe(PipeFault::Dead { path: dead }) if *dead == path),
        "{error}"
    );
    let listener = home.listen("npipe:pipe=MainPipe").expect("dead");
    let client = home.connect("npipe:server=.,pipe=MainPipe").expect("listening");
    assert_connected(client, listener.accept().expect("a client"));
}

#[test]
fn of_servers_starting_at_once_one_gets_the_name() {
    let home = Home::new();
    drop(home.listen("npipe:pipe=other").expect("free"));
    let path = path_of(&home, "MainPipe");
    for round in 0..100 {
        if round % 2 == 0 {
            drop(UnixListener::bind(&path).expect("free"));
        }
        let (start, end) = (Barrier::new(4), Barrier::new(4));
        let start_one = || {
            start.wait();
            let result = home.listen("npipe:pipe=MainPipe");
            end.wait(); // Nobody gives the name back before all have tried.
            match result {
                Ok(listener) => {
                    let client = home.connect("npipe:server=.,pipe=MainPipe").expect("listening");
                    while listener.try_accept().expect("open").is_some() {}
                    drop(client);
                    1
                }
                Err(LinkError::Pipe(PipeFault::InUse { .. })) => 0,
                Err(other) => panic!("{other}"),
            }
        };
        let winners: u32 = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(start_one)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(winners, 1, "round {round}");
        assert!(!path.exists(), "round {round}");
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let home = Home::new();
    drop(home.listen("npipe:pipe=other").expect("free"));
    let path = path_of(&home, "MainPipe");
    fs::write(&path, "precious").expect("own directory");
    let error = home.listen("npipe:pipe=MainPipe").expect_err("in the way");
    assert!(matches!(error, LinkError::Listen { .. }), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("left"), "precious");
    fs::remove_file(&path).expect("own directory");
    // A listener whose file was replaced by somebody does not remove the other one.
    let listener = home.listen("npipe:pipe=MainPipe").expect("free");
    fs::remove_file(&path).expect("own directory");
    let other = UnixListener::bind(&path).expect("free");
    drop(listener);
    assert!(path.exists());
    drop(other);
}

#[test]
fn errors_say_where_a_client_looked() {
    let home = Home::new();
    let error = home.connect("npipe:server=.,pipe=NoPipe").expect_err("nobody");
    let looked = home.run_dir.path().display();
    assert_eq!(error.to_string(), format!("no server has pipe name NoPipe; looked in {looked}"));
    // Nothing that ssh could take for an option reaches it.
    let error = home.connect("npipe:server=-x,pipe=NoPipe").expect_err("no name");
    assert!(error.to_string().starts_with("-x, by ssh: a machine or user"), "{error}");
}

#[test]
fn a_directory_that_others_can_write_to_is_not_used() {
    let home = Home::new();
    let _listener = home.listen("npipe:pipe=MainPipe").expect("free");
    let lax = fs::Permissions::from_mode(0o777);
    fs::set_permissions(home.run_dir.path(), lax).expect("own directory");
    let error = home.connect("npipe:server=.,pipe=MainPipe").expect_err("not trusted");
    assert!(error.to_string().contains("has mode 777"), "{error}");
    let error = home.listen("npipe:pipe=OtherPipe").expect_err("not trusted");
    assert!(matches!(error, LinkError::RunDir { .. }), "{error}");
}

#[test]
fn a_path_that_no_socket_can_have_is_refused() {
    let home = Home::new();
    let deep = home.directory.path().join("d".repeat(100));
    let home = Home { run_dir: RunDir::at(deep), ..home };
    let error = home.listen("npipe:pipe=MainPipe").expect_err("too long");
    assert!(
        matches!(error, LinkError::Pipe(PipeFault::PathTooLong { len_max_bytes: 107, .. })),
        "{error}"
    );
}

#[test]
fn a_server_that_accepts_nobody_times_out() {
    let home = Home::new();
    let _listener = home.listen("npipe:pipe=MainPipe").expect("free");
    let mut waiting = Vec::new();
    let error = loop {
        let timeout = Duration::from_millis(20);
        match home.connect_within("npipe:server=.,pipe=MainPipe", timeout) {
            Ok(link) => waiting.push(link),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LinkError::Connect(ConnectFault::TimedOut { .. })), "{error}");
    assert!(waiting.len() >= 100, "{}", waiting.len());
}

#[test]
fn a_waiting_client_makes_the_listener_readable() {
    let home = Home::new();
    let listener = home.listen("npipe:pipe=MainPipe").expect("free");
    assert!(listener.try_accept().expect("open").is_none());
    let is_readable = || {
        let mut wanted = [PollFd::new(&listener, PollFlags::IN)];
        poll(&mut wanted, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("open") == 1
    };
    assert!(!is_readable());
    let client = home.connect("npipe:server=.,pipe=MainPipe").expect("listening");
    assert!(is_readable());
    let link = listener.try_accept().expect("open").expect("a client");
    assert!(!is_readable());
    assert_connected(client, link);
}
