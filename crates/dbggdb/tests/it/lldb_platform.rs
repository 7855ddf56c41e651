//! LLDB that knows the machine as a platform: its processes and files, and a process of it that is
//! debugged by another connection.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use testkit::{Guard, Server, Testee, programs};

use crate::gdb::assert_says;
use crate::listening::listen;
use crate::lldb::run;
use crate::stub::Stub;

/// What lldb says to these commands, connected to a platform at this place.
fn platform(guard: &Guard, place: &str, commands: &[&str]) -> String {
    let connect = format!("platform connect connect://{place}");
    run(guard, &[&["platform select remote-linux", &connect], commands].concat())
}

#[test]
fn a_machine_is_looked_at_as_a_platform() {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let mut target = guard.start(program.path(), &["2"]);
    assert_eq!(target.read_line().trim(), "ready");
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    let directory = guard.directory();
    let (text, copy) = (directory.join("text"), directory.join("copy"));
    std::fs::write(&text, "text").expect("written");
    let (text, copy) = (text.display(), copy.display());
    let said = platform(
        &guard,
        &place,
        &[
            "platform process list --starts-with workers",
            &format!("platform process info {}", target.pid()),
            &format!("platform get-file {text} {copy}"),
            &format!("platform get-size {text}"),
            &format!("platform file-exists {text}"),
            &format!("platform file-exists {text}-not"),
            // This ends it, as it is not allowed.
            &format!("platform put-file {text} {text}-new"),
            "platform status",
        ],
    );
    let triple = "x86_64-pc-linux-gnu";
    let pid = target.pid().to_string();
    assert_says(
        &said,
        &[
            "Triple: x86_64-pc-linux-gnu",
            "Connected: yes",
            "WorkingDir: /",
            &pid,
            triple,
            "workers",
            "Process information for process",
            &pid,
            "successfully get-file",
            "(remote): 4",
            "exists",
            "does not exist",
            "error: Permission denied",
        ],
    );
    assert_eq!(std::fs::read(directory.join("copy")).expect("it is there"), b"text");
    assert!(!directory.join("text-new").exists());
}

#[test]
fn a_platforms_process_is_attached_to_and_left() {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let server = Server::tcp(&guard, programs::dbgsrv());
    let premote = server.endpoint().to_string();
    let (_bridge, place) = listen(&guard, &["-premote", &premote, "-listen", "127.0.0.1:0"]);
    let mut target = guard.start(program.path(), &["2"]);
    assert_eq!(target.read_line().trim(), "ready");
    let attach = format!("process attach --pid {}", target.pid());
    let core = guard.directory().join("core");
    let save = format!("process save-core {}", core.display());
    let steps = ["breakpoint set --name finish_job", "continue", "bt 1", &save, "process detach"];
    let said = platform(&guard, &place, &[&[&*attach], &steps[..]].concat());
    assert_says(
        &said,
        &[
            "stop reason = signal SIGSTOP",
            "stop reason = breakpoint 1.1",
            "finish_job(",
            "detached",
        ],
    );
    assert!(!target.has_ended(), "{said}");
    assert!(std::fs::read(&core).expect("it is there").starts_with(b"\x7fELF"));
}

#[test]
fn a_program_is_copied_to_a_platform_and_run() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let directory = guard.directory().join("theirs");
    std::fs::create_dir(&directory).expect("made");
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0", "-allow-writes"]);
    let said = platform(
        &guard,
        &place,
        &[
            // LLDB copies programs to where they start.
            &format!("platform settings --working-dir {}", directory.display()),
            &format!("file {}", program.path().display()),
            "breakpoint set --name work",
            "process launch -- 3",
            "bt 1",
            "breakpoint delete --force",
            "continue",
        ],
    );
    assert_says(&said, &["stop reason = breakpoint 1.1", "work(number=", "exited with status = 0"]);
    let name = program.path().file_name().expect("a name");
    let copied = std::fs::read(directory.join(name)).expect("it is there");
    assert!(copied == std::fs::read(program.path()).expect("readable"), "it is the program");
}

#[test]
fn platforms_are_told_where_to_connect_for_a_process() {
    let guard = Guard::new();
    let path = guard.directory().join("bridge");
    let (_bridge, _) = listen(&guard, &["-listen", &format!("unix:{}", path.display())]);
    let digits: String = path.display().to_string().bytes().map(|b| format!("{b:02x}")).collect();
    // LLDB 14 cannot connect there, to its own server neither: it asks for `[]/the/path`.
    let stream = UnixStream::connect(&path).expect("connects");
    assert_eq!(ask(stream, "qLaunchGDBServer;"), format!("socket_name:{digits};"));
    let (_bridge, place) = listen(&guard, &["-listen", "127.0.0.1:0"]);
    let port = place.rsplit(':').next().expect("a port").to_owned();
    let stream = TcpStream::connect(&place).expect("connects");
    assert_eq!(ask(stream, "qLaunchGDBServer;"), format!("port:{port};"));
    let mut stub = Stub::start(&guard, &[]);
    assert_eq!(stub.ask("qLaunchGDBServer;host:here;").get(..1), Some("E"));
}

/// Sends a packet and returns the answer's payload.
fn ask(mut stream: impl Read + Write, packet: &str) -> String {
    let sum = packet.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
    stream.write_all(format!("${packet}#{sum:02x}").as_bytes()).expect("the bridge reads");
    let mut read = String::new();
    while !read.contains('#') {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the bridge answers");
        read.push(char::from(byte[0]));
    }
    read.trim_start_matches("+$").trim_end_matches('#').to_owned()
}
