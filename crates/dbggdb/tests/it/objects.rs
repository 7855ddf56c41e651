//! Objects of qXfer, and packets that look through much memory: packet by packet, and as gdb uses
//! them.

use testkit::{Guard, Testee};

use crate::gdb::{assert_says, gdb, pipe};
use crate::packets::address_of;
use crate::stub::Stub;

/// A whole object, read in pieces of this length.
fn object(stub: &mut Stub, name: &str, annex: &str, piece: u64) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let packet = format!("qXfer:{name}:read:{annex}:{:x},{piece:x}", all.len());
        let reply = stub.ask_bytes(packet.as_bytes());
        let (lead, bytes) = reply.split_first().expect("m or l");
        all.extend(bytes);
        match lead {
            b'm' => assert_eq!(bytes.len() as u64, piece),
            b'l' => return all,
            _ => panic!("{packet}: {}", String::from_utf8_lossy(&reply)),
        }
    }
}

pub(crate) fn document(stub: &mut Stub, name: &str, annex: &str) -> String {
    String::from_utf8(object(stub, name, annex, 0x1000)).expect("text")
}

/// The values of an attribute, in the order of the document.
fn attributes<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let value = |rest: &'a str| rest.split('"').next().expect("a quote");
    document.split(start.as_str()).skip(1).map(value).collect()
}

fn word_at(stub: &mut Stub, address: u64) -> u64 {
    let bytes = crate::stub::bytes(&stub.ask(&format!("m{address:x},8")));
    u64::from_le_bytes(bytes.try_into().expect("eight"))
}

#[test]
fn libraries_are_listed_as_the_linker_has_them() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    // Nothing is loaded before the first instruction.
    assert_eq!(attributes(&document(&mut stub, "libraries-svr4", ""), "name"), [""; 0]);
    let work = address_of(&mut stub, &program, "work");
    assert_eq!(stub.ask(&format!("Z0,{work:x},1")), "OK");
    assert!(stub.go("vCont;c").starts_with("T05swbreak"));
    let document = document(&mut stub, "libraries-svr4", "");
    let names = attributes(&document, "name");
    assert!(names.iter().any(|name| name.ends_with("/libc.so.6")), "{document}");
    assert!(!names.iter().any(|name| name.contains("count")), "{document}");
    // Each entry is what lies in the program's memory: struct link_map of link.h.
    let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("hex");
    let mut entry = number(attributes(&document, "main-lm")[0]);
    for index in 0..names.len() {
        // l_next
        entry = word_at(&mut stub, entry + 24);
        assert_eq!(entry, number(attributes(&document, "lm")[index]));
        let said = ["l_addr", "l_ld"].map(|name| number(attributes(&document, name)[index]));
        assert_eq!([0, 16].map(|at| word_at(&mut stub, entry + at)), said);
    }
    let lm = attributes(&document, "lm");
    let (first, second) = (lm[0].trim_start_matches("0x"), lm[1].trim_start_matches("0x"));
    let tail = self::document(&mut stub, "libraries-svr4", &format!("start={second};prev={first}"));
    assert_eq!(attributes(&tail, "lm"), lm[1..]);
    assert!(attributes(&tail, "main-lm").is_empty());
    let lmid = attributes(&document, "lmid")[0].trim_start_matches("0x");
    let own = self::document(&mut stub, "libraries-svr4", &format!("lmid={lmid};start=0;prev=0"));
    assert_eq!(attributes(&own, "lm"), lm);
    let wrong = self::document(&mut stub, "libraries-svr4", &format!("start={second};prev=0"));
    assert!(attributes(&wrong, "lm").is_empty());
    assert!(stub.ask("qXfer:libraries-svr4:read:start:0,1000").starts_with("E."));
}

#[test]
fn what_gdb_knows_of_libraries_is_what_it_finds_itself() {
    let guard = Guard::new();
    let plugin = Testee::build("plugin", &["-shared", "-fPIC"]);
    let program = Testee::build("loads", &[]);
    let path = program.path().display();
    let arguments = format!("set args {} o w r c r n r", plugin.path().display());
    let session = [
        "break reached",
        "run",
        "info sharedlibrary",
        "info symbol plugin_work",
        "continue",
        "info sharedlibrary",
        "continue",
        "info sharedlibrary",
        "kill",
    ];
    // Where in its page each one's code begins, and its file's name: the path may be one of
    // several. The linker itself is in each namespace, and listed here once.
    let libraries = |said: &str| -> Vec<String> {
        let is_library = |line: &&str| line.starts_with("0x") && line.contains(" Yes ");
        let told = |line: &str| {
            let name = line.rsplit('/').next().unwrap_or_default();
            let address = line.split(' ').next().unwrap_or_default();
            format!("{name} {}", &address[address.len() - 3..])
        };
        let listed = said.rsplit("From  ").next().unwrap_or_default();
        let mut libraries: Vec<String> = listed.lines().filter(is_library).map(told).collect();
        libraries.sort();
        libraries.dedup_by(|one, other| one == other && one.starts_with("ld-linux"));
        libraries
    };
    let file = format!("file {path}");
    let native = gdb(&guard, &[&[file.as_str(), &arguments], &session[..]].concat());
    let remote = format!("set remote exec-file {path}");
    let begin = [file.as_str(), &pipe(""), &remote, &arguments];
    let said = gdb(&guard, &[&begin, &session[..]].concat());
    let expected = libraries(&native);
    let plugins = expected.iter().filter(|name| name.contains("plugin"));
    assert!(plugins.count() == 1 && expected.len() == 4, "{native}");
    assert_eq!(libraries(&said), expected, "\n{said}\n{native}");
    let is_plugin = |line: &&str| line.starts_with("0x") && line.contains("plugin-");
    let of = |said: &str| said.lines().filter(is_plugin).count();
    assert_eq!(of(&said), of(&native), "\n{said}\n{native}");
    assert_says(&said, &["plugin_work in section .text"]);
}

#[test]
fn gdb_catches_loads() {
    let guard = Guard::new();
    let plugin = Testee::build("plugin", &["-shared", "-fPIC"]);
    let program = Testee::build("loads", &[]);
    let path = program.path().display();
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(""),
            &format!("set remote exec-file {path}"),
            &format!("set args {} o w c", plugin.path().display()),
            "break main",
            "run",
            "catch load plugin",
            "catch unload plugin",
            "continue",
            "continue",
            "kill",
        ],
    );
    assert_says(&said, &["Inferior loaded", "plugin", "Inferior unloaded", "plugin"]);
}

#[test]
fn what_a_signal_says_is_read_and_written() {
    let guard = Guard::new();
    let program = Testee::build("signals", &[]);
    let mut stub = Stub::run(&guard, &program, &["segv"]);
    assert!(stub.ask("qXfer:siginfo:write::0:a").starts_with("E."), "no signal stopped it");
    let stop = stub.go("vCont;c");
    assert!(stop.starts_with("T0b"), "{stop}");
    let info = object(&mut stub, "siginfo", "", 0x30);
    assert_eq!(info.len(), 128);
    // SIGSEGV, and behind three numbers the address.
    assert_eq!(info[..4], [11, 0, 0, 0]);
    assert_eq!(info[16..24], 0x1234_5678_9000_u64.to_le_bytes());
    assert_eq!(stub.ask_bytes(b"qXfer:siginfo:write::10:\x07\x08"), b"2");
    let changed = object(&mut stub, "siginfo", "", 0x80);
    assert_eq!((&changed[16..18], &changed[18..]), (&[7, 8][..], &info[18..]));
    assert!(stub.ask("qXfer:siginfo:write::80:a").starts_with("E.malformed"));
    assert!(stub.ask("qXfer:siginfo:write:x:0:a").starts_with("E.malformed"));
    assert!(stub.ask("qXfer:siginfo:write::x:a").starts_with("E.malformed"));
    assert_eq!(stub.ask("qXfer:auxv:write::0:a"), "");
    assert_eq!(stub.ask("qXfer:siginfo:read:x:0,80"), "");
    // The handler is given what was written, and counts it as wrong.
    let end = stub.go("vCont;C0b");
    assert!(end.starts_with("W01"), "{end}");
}

#[test]
fn gdb_shows_and_changes_what_a_signal_says() {
    let guard = Guard::new();
    let program = Testee::build("signals", &[]);
    let path = program.path().display();
    let run = |change: &str| {
        let change = format!("print $_siginfo._sifields._sigfault.si_addr = {change}");
        let commands = [
            &format!("file {path}"),
            &pipe(&format!("-- {path} segv")),
            "continue",
            "print $_siginfo.si_signo",
            "print $_siginfo._sifields._sigfault.si_addr",
            &change,
            "continue",
        ];
        gdb(&guard, &commands)
    };
    let told = ["$1 = 11", "$2 = (void *) 0x123456789000"];
    let same = run("(void *) 0x123456789000");
    assert_says(&same, &[&told[..], &["exited normally"]].concat());
    let other = run("(void *) 0x10");
    assert_says(&other, &[&told[..], &["exited with code 01"]].concat());
}

#[test]
fn memory_is_searched_and_summed_up() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let mut stub = Stub::run(&guard, &program, &["3"]);
    let code = address_of(&mut stub, &program, "work");
    let bytes = crate::stub::bytes(&stub.ask(&format!("m{code:x},8")));
    let search = |start: u64, len: u64, pattern: &[u8]| {
        let mut packet = format!("qSearch:memory:{start:x};{len:x};").into_bytes();
        for byte in pattern {
            if b"#$}*".contains(byte) {
                packet.extend([b'}', byte ^ 0x20]);
            } else {
                packet.push(*byte);
            }
        }
        packet
    };
    let found = format!("1,{code:x}").into_bytes();
    assert_eq!(stub.ask_bytes(&search(code - 16, 0x100, &bytes)), found);
    assert_eq!(stub.ask_bytes(&search(code, 8, &bytes)), found);
    assert_eq!(stub.ask_bytes(&search(code, 7, &bytes)), b"0");
    assert_eq!(stub.ask_bytes(&search(0, u64::MAX, b"no such text, is there?")), b"0");
    assert!(stub.ask("qSearch:memory:10;10;").starts_with("E.malformed"));
    assert!(stub.ask("qSearch:memory:10").starts_with("E.malformed"));
    assert_eq!(stub.ask("qSearch:registers:10;10;a"), "");
    // `ld` gives every program the same first bytes; the sum of none is the start value.
    assert_eq!(stub.ask(&format!("qCRC:{code:x},0")), "Cffffffff");
    let sum = stub.ask(&format!("qCRC:{code:x},8"));
    assert_eq!(sum, format!("C{:x}", sum_of(&bytes)));
    assert!(stub.ask("qCRC:0,10").starts_with("E.memory at"));
    assert!(stub.ask("qCRC:10").starts_with("E.malformed"));
    let program = Testee::build("count", &["-no-pie"]);
    let path = program.path().display();
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(&format!("-- {path} 3")),
            "compare-sections .text",
            "compare-sections .rodata",
            "find /b &work, +100, *(unsigned char *)&work",
            "kill",
        ],
    );
    assert_says(&said, &["Section .text", "matched", "Section .rodata", "matched", "<work>"]);
}

/// A checksum bit by bit, as the manual's polynomial is written.
fn sum_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
            let shifted = sum << 1;
            if sum >> 31 == 1 { shifted ^ 0x04c1_1db7 } else { shifted }
        })
    })
}

#[test]
fn gdb_looks_at_the_process_and_writes_a_core() {
    let guard = Guard::new();
    let program = Testee::build("threads", &[]);
    let path = program.path().display();
    let core = guard.directory().join("core");
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &pipe(&format!("-- {path}")),
            "break main",
            "continue",
            "info auxv",
            "info proc mappings",
            "info proc status",
            "info proc cmdline",
            &format!("generate-core-file {}", core.display()),
            "kill",
        ],
    );
    let saved = format!("Saved corefile {}", core.display());
    let name = path.to_string();
    assert_says(
        &said,
        &["AT_ENTRY", &name, "r-xp", &name, "[stack]", "Name:", "cmdline = ", &saved],
    );
    let said = gdb(
        &guard,
        &[&format!("file {path}"), &format!("core-file {}", core.display()), "backtrace"],
    );
    assert_says(&said, &["#0", "main"]);
}

/// The values of a column of one of the tables about the machine.
pub(crate) fn column<'a>(document: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("<column name=\"{name}\">");
    let value = |rest: &'a str| rest.split("</column>").next().expect("an end");
    document.split(start.as_str()).skip(1).map(value).collect()
}

#[test]
fn tables_tell_of_the_servers_machine() {
    let guard = Guard::new();
    let program = Testee::build("spin", &[]);
    let process = guard.start(program.path(), &[]);
    let pid = process.pid().to_string();
    let mut stub = Stub::start(&guard, &[]);
    let mut table = |name: &str| document(&mut stub, "osdata", name);
    let types = table("");
    let kinds = column(&types, "Type");
    assert_eq!(kinds.len(), 10);
    assert_eq!(table("types"), types);
    for kind in kinds {
        let document = table(kind);
        assert!(document.contains("<osdata type=") && document.ends_with("</osdata>\n"), "{kind}");
    }
    let row = |document: &str| {
        let is_its = |line: &&str| line.contains(&format!("<column name=\"pid\">{pid}</column>"));
        let line = document.lines().find(is_its).unwrap_or_else(|| panic!("{document}"));
        line.to_owned()
    };
    let path = program.path().to_str().expect("text");
    let own = row(&table("processes"));
    assert_eq!(column(&own, "command"), [path]);
    assert_eq!(column(&own, "cores").len(), 1);
    let own = row(&table("threads"));
    assert_eq!(column(&own, "tid"), [pid.as_str()]);
    let own = row(&table("files"));
    assert_eq!(column(&own, "file descriptor"), ["0"]);
    assert!(column(&own, "name")[0].starts_with("pipe:["), "{own}");
    let own = row(&table("procgroups"));
    let id = rustix::process::Pid::from_raw(process.pid().value().cast_signed());
    let group = rustix::process::getpgid(id).expect("it lives");
    assert_eq!(column(&own, "pgid"), [group.as_raw_nonzero().to_string()]);
    let count = |text: String| text.split("\n\n").filter(|it| it.contains("processor")).count();
    let cpus = table("cpus");
    let expected = count(std::fs::read_to_string("/proc/cpuinfo").expect("readable"));
    assert_eq!(column(&cpus, "processor").len(), expected);
    assert_eq!(table("nothing"), "");
}

#[test]
fn gdb_shows_the_servers_machine() {
    let guard = Guard::new();
    let program = Testee::build("spin", &[]);
    let process = guard.start(program.path(), &[]);
    let said = gdb(&guard, &[&pipe(""), "info os", "info os processes", "info os cpus"]);
    let pid = process.pid().to_string();
    let path = program.path().to_str().expect("text");
    assert_says(&said, &["procgroups", "Listing of all process groups", &pid, path, "processor"]);
}
