//! Files of the server's machine: packet by packet, and as gdb reads programs and libraries that it
//! does not have itself.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use testkit::{Guard, OwnFiles, Root, Server, Testee, programs};

use crate::gdb::{assert_says, gdb_by};
use crate::stub::Stub;

/// A path in digits.
fn digits(path: &Path) -> String {
    path.to_str().expect("text").bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens a file for reading; its descriptor, in digits.
#[track_caller]
fn open(stub: &mut Stub, path: &Path) -> String {
    let reply = stub.ask(&format!("vFile:open:{},0,0", digits(path)));
    let descriptor = reply.strip_prefix('F').filter(|digits| !digits.starts_with('-'));
    descriptor.unwrap_or_else(|| panic!("{reply}")).to_owned()
}

/// What is read from an open file at once.
#[track_caller]
fn read(stub: &mut Stub, descriptor: &str, count: u64, offset: u64) -> Vec<u8> {
    let packet = format!("vFile:pread:{descriptor},{count:x},{offset:x}");
    let reply = stub.ask_bytes(packet.as_bytes());
    let lead = reply.iter().position(|byte| *byte == b';').expect("F and a semicolon");
    let (lead, bytes) = reply.split_at(lead);
    assert_eq!(lead, format!("F{:x}", bytes.len() - 1).as_bytes());
    bytes[1..].to_vec()
}

/// A whole file, as debuggers read it.
fn read_all(stub: &mut Stub, path: &Path) -> Vec<u8> {
    let descriptor = open(stub, path);
    let mut all = Vec::new();
    loop {
        let bytes = read(stub, &descriptor, 0x10000, all.len() as u64);
        if bytes.is_empty() {
            break;
        }
        all.extend(bytes);
    }
    assert_eq!(stub.ask(&format!("vFile:close:{descriptor}")), "F0");
    all
}

/// The numbers of the protocol's `struct stat`.
fn numbers(reply: &[u8]) -> Vec<u64> {
    let mut rest = reply.strip_prefix(b"F40;").expect("64 bytes");
    let lengths = [4, 4, 4, 4, 4, 4, 4, 8, 8, 8, 4, 4, 4];
    let mut number = |len| {
        let (bytes, behind) = rest.split_at(len);
        rest = behind;
        bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    lengths.into_iter().map(&mut number).collect()
}

fn numbers_of(metadata: &std::fs::Metadata) -> Vec<u64> {
    let short = |value: u64| value & 0xffff_ffff;
    let seconds = |value: i64| short(value.cast_unsigned());
    vec![
        short(metadata.dev()),
        short(metadata.ino()),
        u64::from(metadata.mode()),
        short(metadata.nlink()),
        u64::from(metadata.uid()),
        u64::from(metadata.gid()),
        short(metadata.rdev()),
        metadata.size(),
        metadata.blksize(),
        metadata.blocks(),
        seconds(metadata.atime()),
        seconds(metadata.mtime()),
        seconds(metadata.ctime()),
    ]
}

#[test]
fn files_are_read_and_looked_at() {
    let guard = Guard::new();
    let mut stub = Stub::start(&guard, &[]);
    let path = guard.directory().join("text");
    let text: Vec<u8> = (0..=255).cycle().take(700_000).collect();
    std::fs::write(&path, &text).expect("written");
    assert!(read_all(&mut stub, &path) == text, "what is read is what was written");
    let descriptor = open(&mut stub, &path);
    assert_eq!(read(&mut stub, &descriptor, 10, 35), text[35..45]);
    assert_eq!(read(&mut stub, &descriptor, 10, 700_000), b"");
    assert_eq!(read(&mut stub, &descriptor, 10, u64::MAX), b"");
    let metadata = std::fs::metadata(&path).expect("it is there");
    let said = stub.ask_bytes(format!("vFile:fstat:{descriptor}").as_bytes());
    assert_eq!(numbers(&said), numbers_of(&metadata));
    let said = stub.ask_bytes(format!("vFile:stat:{}", digits(&path)).as_bytes());
    assert_eq!(numbers(&said), numbers_of(&metadata));
    let link = guard.directory().join("link");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let metadata = std::fs::symlink_metadata(&link).expect("it is there");
    let said = stub.ask_bytes(format!("vFile:lstat:{}", digits(&link)).as_bytes());
    assert_eq!(numbers(&said), numbers_of(&metadata));
    let name = path.to_str().expect("text");
    let said = stub.ask(&format!("vFile:readlink:{}", digits(&link)));
    assert_eq!(said, format!("F{:x};{name}", name.len()));
}

#[test]
fn refusals_have_the_protocols_numbers() {
    let guard = Guard::new();
    let mut stub = Stub::start(&guard, &[]);
    let path = guard.directory().join("text");
    std::fs::write(&path, "text").expect("written");
    let there = digits(&path);
    let nowhere = digits(Path::new("/no/such/file"));
    let file = digits(&path.join("below"));
    let descriptor = open(&mut stub, &path);
    for (packet, reply) in [
        (format!("vFile:open:{nowhere},0,0"), "F-1,2"),
        (format!("vFile:open:{file},0,0"), "F-1,14"),
        (format!("vFile:open:{there},1,0"), "F-1,d"),
        (format!("vFile:open:{there},601,1ff"), "F-1,d"),
        (format!("vFile:open:{there},3,0"), "F-1,16"),
        (format!("vFile:open:{there},1000,0"), "F-1,16"),
        (format!("vFile:open:{there},0"), "F-1,16"),
        (format!("vFile:open:{there},0,0,0"), "F-1,16"),
        (format!("vFile:open:{there}00,0,0"), "F-1,16"),
        ("vFile:open:,0,0".to_owned(), "F-1,16"),
        ("vFile:open:7,0,0".to_owned(), "F-1,16"),
        (format!("vFile:pwrite:{descriptor},0,x"), "F-1,9"),
        ("vFile:pread:77,1,0".to_owned(), "F-1,9"),
        (format!("vFile:pread:{descriptor},1"), "F-1,16"),
        ("vFile:close:77".to_owned(), "F-1,9"),
        ("vFile:close:".to_owned(), "F-1,16"),
        ("vFile:fstat:77".to_owned(), "F-1,9"),
        (format!("vFile:stat:{nowhere}"), "F-1,2"),
        (format!("vFile:readlink:{there}"), "F-1,16"),
        (format!("vFile:unlink:{there}"), "F-1,d"),
        ("vFile:setfs:7fffffff".to_owned(), "F-1,2"),
        ("vFile:setfs:x".to_owned(), "F-1,16"),
        ("vFile:setfs:0".to_owned(), "F0"),
        ("vFile:nothing:0".to_owned(), ""),
        ("vFile".to_owned(), ""),
    ] {
        assert_eq!(stub.ask(&packet), reply, "{packet}");
    }
    assert!(path.exists());
}

#[test]
fn files_are_written_and_removed_where_that_is_allowed() {
    let guard = Guard::new();
    let mut stub = Stub::start(&guard, &["-allow-writes"]);
    let path = guard.directory().join("new");
    // O_RDWR, O_CREAT, O_EXCL
    let descriptor = stub.ask(&format!("vFile:open:{},a02,180", digits(&path)));
    let descriptor = descriptor.strip_prefix('F').expect("a descriptor").to_owned();
    let written = [format!("vFile:pwrite:{descriptor},2,").as_bytes(), b"}\x03}\x04a"].concat();
    assert_eq!(stub.ask_bytes(&written), b"F3");
    assert_eq!(read(&mut stub, &descriptor, 10, 0), b"\0\0#$a");
    assert_eq!(std::fs::read(&path).expect("it is there"), b"\0\0#$a");
    assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
    assert_eq!(stub.ask(&format!("vFile:close:{descriptor}")), "F0");
    assert_eq!(stub.ask(&format!("vFile:open:{},a02,180", digits(&path))), "F-1,11");
    assert_eq!(stub.ask(&format!("vFile:unlink:{}", digits(&path))), "F0");
    assert!(!path.exists());
    assert_eq!(stub.ask(&format!("vFile:unlink:{}", digits(&path))), "F-1,2");
}

#[test]
fn nothing_stale_is_read() {
    let guard = Guard::new();
    let mut stub = Stub::start(&guard, &["-allow-writes"]);
    let path = guard.directory().join("log");
    std::fs::write(&path, "one").expect("written");
    let descriptor = open(&mut stub, &path);
    assert_eq!(read(&mut stub, &descriptor, 2, 0), b"on");
    std::fs::write(&path, "other").expect("written");
    stub.ask("qC");
    assert_eq!(read(&mut stub, &descriptor, 9, 0), b"other");
    std::fs::write(&path, "other, longer").expect("written");
    assert_eq!(read(&mut stub, &descriptor, 9, 5), b", longer");
    // An image is kept, but not once the debugger itself writes into it.
    let program = Testee::build("count", &[]);
    let image = guard.directory().join("image");
    std::fs::copy(program.path(), &image).expect("copied");
    let descriptor = open(&mut stub, &image);
    assert_eq!(read(&mut stub, &descriptor, 4, 0), b"\x7fELF");
    let writing = stub.ask(&format!("vFile:open:{},1,0", digits(&image)));
    let writing = writing.strip_prefix('F').expect("a descriptor").to_owned();
    assert_eq!(stub.ask(&format!("vFile:pwrite:{writing},1,elf")), "F3");
    assert_eq!(read(&mut stub, &descriptor, 4, 0), b"\x7felf");
    // What the kernel makes up is new at each opening, and one piece.
    let name = Path::new("/proc").join(std::process::id().to_string()).join("comm");
    let descriptor = open(&mut stub, &name);
    let first = read_all(&mut stub, &name);
    std::fs::write(&name, "other").expect("a process may name itself");
    assert_eq!(read_all(&mut stub, &name), b"other\n");
    assert_eq!(read(&mut stub, &descriptor, 100, 0), first);
}

#[test]
fn what_the_kernel_makes_up_is_read_whole() {
    let guard = Guard::new();
    let program = Testee::build("spin", &[]);
    let process = guard.start(program.path(), &[]);
    let mut stub = Stub::start(&guard, &[]);
    let maps = format!("/proc/{}/maps", process.pid());
    let before = stub.round_trips();
    let read = read_all(&mut stub, Path::new(&maps));
    assert!(stub.round_trips() - before <= 2);
    assert_eq!(read, std::fs::read(&maps).expect("its maps"));
}

/// A command that runs in a mount namespace where the folder of the program is empty.
fn without_files(guard: &Guard, server: &Server, testee: &Testee, program: &str) -> Command {
    let mut command = guard.command("unshare");
    command.env("DBGSRV_RUN_DIR", server.run_dir()).env("XDG_CACHE_HOME", guard.directory());
    let is_root = rustix::process::geteuid().is_root();
    command.args(if is_root { &["--mount"][..] } else { &["--map-root-user", "--mount"][..] });
    let script = "mount -t tmpfs none \"$1\" && test ! -e \"$2\" && shift 2 && exec \"$@\"";
    let folder = testee.path().parent().expect("a folder");
    command.args(["--", "sh", "-c", script, "sh"]).args([folder, testee.path()]);
    command.arg(program);
    command
}

fn bridge(guard: &Guard, server: &Server, testee: &Testee) -> Stub {
    let mut command = without_files(guard, server, testee, env!("CARGO_BIN_EXE_dbggdb"));
    command.args(["-premote", &server.endpoint().to_connect_string()]);
    Stub::start_by(command)
}

#[test]
fn images_are_fetched_once_in_big_pieces() {
    let guard = Guard::new();
    // With an array of 3 MB that is in the file.
    let testee = Testee::build("ballast", &[]);
    let bytes = std::fs::read(testee.path()).expect("the test has it");
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let mut stub = bridge(&guard, &server, &testee);
    let before = stub.round_trips();
    assert!(read_all(&mut stub, testee.path()) == bytes, "what is read is what is there");
    let blocks = bytes.len().div_ceil(256 * 1024) as u64;
    let first = stub.round_trips() - before;
    assert!(blocks > 8 && first <= 4 + blocks / 2, "{first} round trips for {blocks} blocks");
    // Kept in memory, and on disk for the next one: opening it is all that is left.
    let before = stub.round_trips();
    assert!(read_all(&mut stub, testee.path()) == bytes, "the same again");
    assert!(stub.round_trips() - before <= 2);
    drop(stub);
    let mut stub = bridge(&guard, &server, &testee);
    let before = stub.round_trips();
    assert!(read_all(&mut stub, testee.path()) == bytes, "the same again");
    assert!(stub.round_trips() - before <= 2);
    // A file of the same name that is another one is not mistaken for it.
    drop(stub);
    let copy = guard.directory().join("copy");
    let mut other = bytes.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    other.push(0);
    std::fs::write(&copy, &other).expect("written");
    let mut stub = bridge(&guard, &server, &testee);
    assert!(read_all(&mut stub, &copy) == other, "its own bytes");
}

#[test]
fn what_is_here_is_not_fetched() {
    let guard = Guard::new();
    let testee = Testee::build("ballast", &[]);
    let bytes = std::fs::read(testee.path()).expect("the test has it");
    let mut stub = Stub::start(&guard, &[]);
    let before = stub.round_trips();
    assert!(read_all(&mut stub, testee.path()) == bytes, "what is read is what is there");
    assert!(stub.round_trips() - before <= 2);
}

#[test]
fn more_files_are_open_than_the_server_lets() {
    let guard = Guard::new();
    let mut stub = Stub::start(&guard, &[]);
    let path = |number: u32| guard.directory().join(number.to_string());
    let descriptors: Vec<String> = (0..150)
        .map(|number| {
            std::fs::write(path(number), number.to_string()).expect("written");
            open(&mut stub, &path(number))
        })
        .collect();
    for (number, descriptor) in descriptors.iter().enumerate() {
        assert_eq!(read(&mut stub, descriptor, 10, 0), number.to_string().as_bytes());
    }
}

/// `target:` is what gdb looks for files under unless it is told otherwise.
#[test]
fn gdb_without_files_reads_those_of_the_target() {
    let guard = Guard::new();
    let testee = Testee::build("count", &[]);
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let pipe = crate::gdb::pipe(&format!("-premote {}", server.endpoint().to_connect_string()));
    let path = testee.path().display();
    let said = gdb_by(
        without_files(&guard, &server, &testee, "gdb"),
        &[
            &pipe,
            &format!("set remote exec-file {path}"),
            "set args 3",
            "run",
            "info sharedlibrary",
            "info breakpoints",
        ],
    );
    assert_says(&said, &["exited"]);
    let said = gdb_by(
        without_files(&guard, &server, &testee, "gdb"),
        &[
            &format!("{pipe} -- {path} 3"),
            "break work",
            "continue",
            "info sharedlibrary",
            "info symbol malloc",
            "info proc mappings",
            "print calls",
        ],
    );
    assert_says(
        &said,
        &[
            "Breakpoint 1 at",
            "Breakpoint 1, work",
            "libc.so.6",
            "malloc in section .text",
            "[stack]",
            "$1 = 0",
        ],
    );
}

#[test]
fn files_are_those_of_the_targets_mount_namespace() {
    let guard = Guard::new();
    let [program, plugin] = ["loads", "plugin"].map(|name| {
        Testee::build(name, if name == "plugin" { &["-shared", "-fPIC"] } else { &[] })
    });
    let own = OwnFiles::start(&guard, Root::Namespace, [&program, &plugin], &["o", "s", "w"]);
    let pid = own.process.pid();
    let path = own.own_path(Root::Namespace, "program");
    let mut stub = Stub::start(&guard, &["-p", &pid.to_string()]);
    stub.greet();
    assert!(stub.ask("?").starts_with('T'));
    assert_eq!(read_all(&mut stub, Path::new(&path)), testkit::DECOY.as_bytes());
    assert_eq!(stub.ask(&format!("vFile:setfs:{:x}", pid.value())), "F0");
    let bytes = std::fs::read(program.path()).expect("the test has it");
    assert!(read_all(&mut stub, Path::new(&path)) == bytes, "the program's own file");
    assert_eq!(stub.ask("vFile:setfs:0"), "F0");
    assert_eq!(read_all(&mut stub, Path::new(&path)), testkit::DECOY.as_bytes());
    drop(stub);
    let said = crate::gdb::gdb(
        &guard,
        &[
            &crate::gdb::pipe(""),
            &format!("attach {pid}"),
            "info symbol main",
            "info symbol plugin_work",
            "detach",
        ],
    );
    assert_says(&said, &["main in section .text", "plugin_work in section .text of target:"]);
}
