//! Separate debug files: by debug link in all its places, by build-id, from Debian's debuginfod,
//! and from what is kept on this machine.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{self, Receiver};

use testkit::{Guard, Process, Testee, until};

use crate::console::Console;

/// A program whose names and debugging information are in a file of their own.
struct Parted {
    program: PathBuf,
    debug_file: PathBuf,
    build_id: String,
}

/// Parts the program `count` as GDB's manual says; with a debug link if there is no build-id.
fn parted(guard: &Guard, flags: &[&str]) -> Parted {
    let testee = Testee::build("count", flags);
    let program = guard.directory().join("bin/count");
    std::fs::create_dir_all(program.parent().expect("bin")).expect("made");
    std::fs::copy(testee.path(), &program).expect("copied");
    let debug_file = guard.directory().join("count.debug");
    let paths = [&program, &debug_file].map(|path| path.to_str().expect("a plain path"));
    guard.output("objcopy", &["--only-keep-debug", paths[0], paths[1]]);
    guard.output("strip", &["--strip-all", paths[0]]);
    let notes = guard.output("readelf", &["-n", paths[0]]);
    let build_id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: "));
    if build_id.is_none() {
        let link = format!("--add-gnu-debuglink={}", paths[1]);
        guard.output("objcopy", &[&link, paths[0]]);
    }
    Parted { program, debug_file, build_id: build_id.unwrap_or_default().to_owned() }
}

/// cdb at the start of the program, keeping files in a directory of the test's.
fn debug(guard: &Guard, parted: &Parted, variables: &[(&str, &str)]) -> Console {
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.arg(&parted.program).env("XDG_CACHE_HOME", guard.directory().join("cache"));
    command.envs(variables.iter().copied());
    Console::spawn(command)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_debug_link_is_followed_to_all_its_places_and_only_to_the_right_file() {
    let guard = Guard::new();
    let parted = parted(&guard, &["-Wl,--build-id=none"]);
    let directory = parted.program.parent().expect("bin");
    let global = guard.directory().join("global");
    let mirrored = global.join(directory.strip_prefix("/").expect("absolute"));
    let path = format!(".sympath {}", shown(&global));
    let places = [
        directory.join("count.debug"),
        directory.join(".debug/count.debug"),
        mirrored.join("count.debug"),
        global.join("count.debug"),
    ];
    let contents = std::fs::read(&parted.debug_file).expect("readable");
    std::fs::remove_file(&parted.debug_file).expect("removed");
    for (index, place) in places.iter().enumerate() {
        std::fs::create_dir_all(place.parent().expect("has one")).expect("made");
        std::fs::write(place, &contents).expect("written");
        let mut cdb = debug(&guard, &parted, &[]);
        cdb.command(&path);
        let loaded = cdb.command("ld count");
        assert!(loaded.contains("(DWARF symbols)"), "{loaded}");
        assert!(loaded.trim_end().ends_with(&shown(place)), "{loaded}");
        assert!(cdb.command("x count!main").contains("count!main"));
        cdb.finish("q");
        // gdb searches the first three.
        if index < 3 {
            let set = format!("set debug-file-directory {}", shown(&global));
            let file = format!("file {}", shown(&parted.program));
            let gdb = guard.output(
                "gdb",
                &["-nx", "-batch", "-ex", &set, "-ex", &file, "-ex", "info line main"],
            );
            assert!(gdb.contains("count.c"), "gdb finds the same file: {gdb}");
        }

        // One byte more, and it is another file.
        std::fs::write(place, [&contents[..], b"x"].concat()).expect("written");
        let mut cdb = debug(&guard, &parted, &[]);
        cdb.command(&path);
        let loaded = cdb.command("!sym noisy;ld count");
        assert!(loaded.contains("(export symbols)"), "{loaded}");
        let told = format!("SYMBOLS: count: {} - mismatched", shown(place));
        assert!(loaded.contains(&told), "{loaded}");
        // Unless its user insists.
        let loaded = cdb.command(".reload /f /i count");
        assert!(loaded.contains("M (DWARF symbols)"), "{loaded}");
        assert!(cdb.command("lm m count").contains("M (DWARF symbols)"));
        assert!(cdb.command("x count!main").contains("count!main"));
        let loaded = cdb.command(".reload /f count");
        assert!(loaded.contains("(export symbols)"), "{loaded}");
        cdb.finish("q");
        std::fs::remove_file(place).expect("removed");
    }
}

#[test]
fn a_debug_file_is_found_by_its_build_id() {
    let guard = Guard::new();
    let parted = parted(&guard, &["-Wl,--build-id"]);
    let name = format!(".build-id/{}/{}.debug", &parted.build_id[..2], &parted.build_id[2..]);
    let place = guard.directory().join("global").join(name);
    std::fs::create_dir_all(place.parent().expect("has one")).expect("made");
    std::fs::rename(&parted.debug_file, &place).expect("moved");
    let mut cdb = debug(&guard, &parted, &[]);
    assert!(cdb.command("ld count").contains("(export symbols)"));
    cdb.command(&format!(".sympath {}", shown(&guard.directory().join("global"))));
    let loaded = cdb.command("ld count");
    assert!(loaded.contains("(DWARF symbols)") && loaded.contains(&shown(&place)), "{loaded}");
    cdb.finish("q");
}

#[test]
fn a_file_of_the_same_name_without_build_id_is_of_another_build() {
    let guard = Guard::new();
    let parted = parted(&guard, &["-Wl,--build-id"]);
    let place = guard.directory().join("others/count");
    std::fs::create_dir_all(place.parent().expect("has one")).expect("made");
    let paths = [&parted.debug_file, &place].map(|path| path.to_str().expect("a plain path"));
    // The very contents, but nothing says so.
    guard.output("objcopy", &["--remove-section=.note.gnu.build-id", paths[0], paths[1]]);
    let mut cdb = debug(&guard, &parted, &[]);
    cdb.command(&format!(".sympath {}", shown(place.parent().expect("has one"))));
    let loaded = cdb.command("!sym noisy;ld count");
    assert!(loaded.contains("(export symbols)"), "{loaded}");
    let told = format!("SYMBOLS: count: {} - mismatched", shown(&place));
    assert!(loaded.contains(&told), "{loaded}");
    cdb.finish("q");
}

/// Debian's server of the files in one directory; its address.
fn debuginfod(guard: &Guard, files: &Path) -> (Process, String) {
    let port = testkit::free_port().to_string();
    let mut command = guard.command("debuginfod");
    command.args(["-d", ":memory:", "-p", &port, "-F"]).arg(files);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let server = Process::spawn(&mut command);
    let scanned = || {
        let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{port}")) else { return false };
        let request = b"GET /metrics HTTP/1.0\r\n\r\n";
        let mut text = String::new();
        stream.write_all(request).is_ok()
            && stream.read_to_string(&mut text).is_ok()
            && text.contains("thread_work_total{role=\"traverse\"} 1")
            && text.contains("thread_work_pending{role=\"scan\"} 0")
    };
    until("debuginfod has scanned its files", || scanned().then_some(()));
    (server, format!("http://127.0.0.1:{port}"))
}

/// A server that has nothing, until it is sent `END`; its address, and what it is asked for.
fn empty_server() -> (SocketAddr, Receiver<String>) {
    let server = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = server.local_addr().expect("bound");
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 4096];
            let count = stream.read(&mut head).expect("a request");
            if head.starts_with(b"END") {
                break;
            }
            let head = String::from_utf8_lossy(&head[..count]).into_owned();
            sender.send(head).expect("the test is still there");
            let absent = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(absent.as_bytes()).expect("answered");
        }
    });
    (address, asked)
}

#[test]
fn a_name_that_nothing_has_fetches_no_types_for_libraries() {
    let guard = Guard::new();
    let library = Testee::build("lender", &["-shared", "-fPIC", "-Wl,--build-id", "-g0"]);
    let path = library.path().to_str().expect("a path in the target folder");
    let program = Testee::build("borrower", &["-Wl,--no-as-needed", path]);
    let notes = guard.output("readelf", &["-n", path]);
    let build_id = notes.lines().find_map(|line| line.trim().strip_prefix("Build ID: "));
    let build_id = build_id.expect("it was asked for");
    let (address, asked) = empty_server();
    let mut command = guard.command(env!("CARGO_BIN_EXE_cdb"));
    command.arg(program.path()).env("XDG_CACHE_HOME", guard.directory().join("cache"));
    command.env("DEBUGINFOD_URLS", format!("http://{address}"));
    let mut cdb = Console::spawn(command);
    cdb.command("bp main;g");
    let ask = |cdb: &mut Console, command: &str| {
        let shown = cdb.command(command);
        assert!(shown.contains("no_such"), "{shown}");
    };
    ask(&mut cdb, "?? no_such_name");
    ask(&mut cdb, "?? (no_such_type *)1");
    ask(&mut cdb, "dt no_such_type");
    let count = || asked.try_iter().filter(|request| request.contains(build_id)).count();
    assert_eq!(count(), 0, "most likely it has none of these");
    ask(&mut cdb, &format!("dt {}!no_such_type", library.module()));
    assert_eq!(count(), 1, "now it is named");
    cdb.finish("q");
    TcpStream::connect(address).expect("it listens").write_all(b"END").expect("written");
}

#[test]
fn debian_s_debuginfod_is_asked_and_what_it_gives_is_kept() {
    let guard = Guard::new();
    let parted = parted(&guard, &["-Wl,--build-id"]);
    let files = guard.directory().join("files");
    std::fs::create_dir(&files).expect("made");
    std::fs::rename(&parted.debug_file, files.join("count.debug")).expect("moved");
    let (server, url) = debuginfod(&guard, &files);
    let store = guard.directory().join("store");
    let path = format!(".sympath srv*{}*{url}", shown(&store));
    let kept = store.join(&parted.build_id).join("debuginfo");

    // Nobody is asked who is not named.
    let mut cdb = debug(&guard, &parted, &[]);
    let loaded = cdb.command("!sym noisy;ld count");
    assert!(loaded.contains("(export symbols)") && !loaded.contains("http"), "{loaded}");
    let shown_path = cdb.command(&path);
    assert!(shown_path.contains(&url), "{shown_path}");
    let loaded = cdb.command("ld count");
    assert!(loaded.contains(&format!("{url}/buildid/{}/debuginfo - OK", parted.build_id)));
    assert!(loaded.contains("(DWARF symbols)") && loaded.contains(&shown(&kept)), "{loaded}");
    assert!(cdb.command("x count!main").contains("count!main"));
    cdb.finish("q");

    // What the environment names is asked, too, and kept in the default directory.
    let mut cdb = debug(&guard, &parted, &[("DEBUGINFOD_URLS", &url)]);
    let loaded = cdb.command("ld count");
    let default = guard.directory().join("cache/dbgsrv/symbols");
    assert!(loaded.contains(&shown(&default)), "{loaded}");
    cdb.finish("q");

    // A file that was damaged is fetched again.
    let mut bytes = std::fs::read(&kept).expect("kept");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&kept, &bytes).expect("written");
    std::fs::remove_dir_all(&default).expect("removed");
    let mut cdb = debug(&guard, &parted, &[]);
    cdb.command(&path);
    let loaded = cdb.command("!sym noisy;ld count");
    assert!(loaded.contains("/debuginfo - OK"), "{loaded}");
    assert!(loaded.contains("(DWARF symbols)"), "{loaded}");
    cdb.finish("q");

    // What is kept needs no server, and a server that is gone costs a line.
    drop(server);
    let mut cdb = debug(&guard, &parted, &[]);
    cdb.command(&path);
    let loaded = cdb.command("ld count");
    assert!(loaded.contains("(DWARF symbols)") && !loaded.contains("SYMBOLS:"), "{loaded}");
    std::fs::remove_dir_all(&store).expect("removed");
    let loaded = cdb.command(".reload /f count");
    assert_eq!(loaded.matches("SYMBOLS:").count(), 1, "{loaded}");
    assert!(loaded.contains(&url) && loaded.contains("(export symbols)"), "{loaded}");
    // It is not asked again for each module.
    assert!(!cdb.command("ld count").contains("SYMBOLS:"));
    cdb.finish("q");
}

/// A program with a call that is inlined, which only its split-off information tells.
const INLINED: &str = r"
#include <stdlib.h>
static volatile int sink;
static inline __attribute__((always_inline)) int inner(int x)
{
    if (x)
        abort();
    sink = x;
    return x + 1;
}
int main(int count, char **words) { (void)words; return inner(count); }
";

#[test]
fn what_was_split_off_when_compiling_is_found() {
    let guard = Guard::new();
    let directory = guard.directory();
    std::fs::write(directory.join("inlined.c"), INLINED).expect("written");
    let mut compiler = guard.command("gcc");
    compiler.args(["-O1", "-g", "-gsplit-dwarf", "-o", "inlined", "inlined.c"]);
    assert!(compiler.current_dir(directory).status().expect("gcc starts").success());
    let moved = directory.join("moved");
    std::fs::create_dir(&moved).expect("made");
    let whole = Parted {
        program: directory.join("inlined"),
        debug_file: PathBuf::new(),
        build_id: String::new(),
    };
    let has_inner = |cdb: &mut Console| {
        let stack = cdb.command("k");
        assert!(stack.contains("inlined!main"), "{stack}");
        stack.contains("inlined!inner")
    };
    let mut cdb = debug(&guard, &whole, &[]);
    cdb.command("g");
    assert!(has_inner(&mut cdb));
    cdb.finish("q");
    let parts = std::fs::read_dir(directory).expect("readable").flatten();
    let parts: Vec<_> = parts.filter(|it| it.path().extension() == Some("dwo".as_ref())).collect();
    assert_eq!(parts.len(), 1);
    let part = moved.join(parts[0].file_name());
    std::fs::rename(parts[0].path(), part).expect("moved");
    let mut cdb = debug(&guard, &whole, &[]);
    cdb.command("g");
    assert!(!has_inner(&mut cdb), "nobody has said where it is");
    cdb.command(&format!(".sympath {}", shown(&moved)));
    cdb.command(".reload");
    assert!(has_inner(&mut cdb));
    cdb.finish("q");
}
