//! LLDB's packets one by one, on real programs; what lldb-server-14 answers is the reference.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Guard, Testee};

use crate::packets::address_of;
use crate::stub::{Stub, bytes, field};

/// The bridge with a debugger that greets as LLDB does, running a program up to its first stop.
fn run(guard: &Guard, name: &str, arguments: &[&str]) -> Stub {
    let program = Testee::build(name, &[]);
    let path = program.path().to_str().expect("text").to_owned();
    let mut stub = Stub::start(guard, &[&["--", &path], arguments].concat());
    greet(&mut stub);
    let stop = stub.ask("?");
    assert!(stop.starts_with("T13reason:signal;"), "{stop}");
    stub
}

pub(crate) fn greet(stub: &mut Stub) {
    let known = stub.ask("qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+;fork-events+");
    for feature in ["QThreadSuffixSupported+", "QListThreadsInStopReply+", "native-signals+"] {
        assert!(known.contains(feature), "{known}");
    }
    for agreement in ["QThreadSuffixSupported", "QListThreadsInStopReply", "QEnableErrorStrings"] {
        assert_eq!(stub.ask(agreement), "OK");
    }
    // It asks whether `x` is known, and takes the bytes for bare if it is.
    assert_eq!(stub.ask("x0,0"), "OK");
}

fn digits(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// An error's words.
fn words(reply: &str) -> String {
    let (number, text) = reply.split_once(';').expect("an error with words");
    assert!(number.len() == 3 && number.starts_with('E'), "{reply}");
    String::from_utf8(bytes(text)).expect("text")
}

/// What the kernel calls a testee.
fn short_name(name: &str) -> String {
    let program = Testee::build(name, &[]);
    program.path().file_name().expect("a file").to_string_lossy().chars().take(15).collect()
}

/// The value behind a key of `KEY:VALUE;` pairs.
fn value<'a>(reply: &'a str, key: &str) -> &'a str {
    let found = reply.split(';').find_map(|pair| pair.strip_prefix(key)?.strip_prefix(':'));
    found.unwrap_or_else(|| panic!("{key} is missing in {reply}"))
}

fn number(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16).expect("digits")
}

#[test]
fn stop_replies_list_threads_with_their_instructions() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let stop = stub.ask("?");
    let thread = field(&stop, "thread").expect("a thread");
    assert_eq!(field(&stop, "threads"), Some(thread));
    let name = short_name("count");
    assert_eq!(field(&stop, "name"), Some(&*name));
    let pc = field(&stop, "10").map(bytes).expect("a pc");
    let pc = u64::from_le_bytes(pc.try_into().expect("eight"));
    assert_eq!(field(&stop, "thread-pcs").map(number), Some(pc));
    assert!(!stop.contains("jstopinfo"), "one thread needs no list of reasons");
    assert_eq!(stub.ask(&format!("qThreadStopInfo{thread}")), stop);
    assert_eq!(words(&stub.ask("qThreadStopInfo1")), "there is no such thread");
    assert!(words(&stub.ask("qThreadStopInfo")).starts_with("malformed"));
    let info: Value = serde_json::from_str(&stub.ask("jThreadsInfo")).expect("a document");
    let registers = info[0]["registers"].clone();
    assert_eq!(registers["16"], field(&stop, "10").expect("a pc"));
    let tid = number(thread);
    let expected = json!([
        { "tid": tid, "name": name, "signal": 19, "reason": "signal", "registers": registers }
    ]);
    assert_eq!(info, expected);
    assert_eq!(stub.ask("jThreadExtendedInfo:{\"thread\":1}"), "");
    let reply = stub.go(&format!("vCont;s:{thread}"));
    assert!(reply.starts_with("T05reason:trace;"), "{reply}");
}

#[test]
fn registers_are_those_of_the_suffix() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let stop = stub.ask("?");
    let thread = field(&stop, "thread").expect("a thread").to_owned();
    let all = stub.ask(&format!("g;thread:{thread};"));
    assert_eq!(stub.ask(&format!("p0;thread:{thread};")), all[..16]);
    assert_eq!(stub.ask(&format!("P0=0102030405060708;thread:{thread};")), "OK");
    assert_eq!(stub.ask(&format!("p0;thread:{thread};")), "0102030405060708");
    assert_eq!(stub.ask(&format!("G{all};thread:{thread};")), "OK");
    assert_eq!(stub.ask(&format!("g;thread:{thread};")), all);
    assert!(words(&stub.ask("p0;thread:zz;")).starts_with("malformed"));
    assert!(stub.ask("p0;thread:7fffff;").starts_with('E'));
    assert!(stub.ask("g;thread:;").starts_with('E'));
}

#[test]
fn registers_are_put_aside_and_back() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let stop = stub.ask("?");
    let thread = field(&stop, "thread").expect("a thread").to_owned();
    let about = |packet: &str| format!("{packet};thread:{thread};");
    let before = stub.ask(&about("g"));
    let saved = stub.ask(&about("QSaveRegisterState"));
    assert_eq!(saved, "1");
    assert_eq!(stub.ask(&about("P0=0102030405060708")), "OK");
    // xmm3 and the x87's control word.
    assert_eq!(stub.ask(&about("P2b=000102030405060708090a0b0c0d0e0f")), "OK");
    assert_eq!(stub.ask(&about("P20=7f020000")), "OK");
    assert_ne!(stub.ask(&about("g")), before);
    assert_eq!(stub.ask(&about("QRestoreRegisterState:1")), "OK");
    assert_eq!(stub.ask(&about("g")), before);
    let again = words(&stub.ask(&about("QRestoreRegisterState:1")));
    assert_eq!(again, "no registers were put aside as 1");
    assert!(words(&stub.ask(&about("QRestoreRegisterState:x"))).starts_with("malformed"));
}

#[test]
fn registers_are_described_one_by_one() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let rdi = stub.ask("qRegisterInfo5");
    let expected = "name:rdi;alt-name:arg1;bitsize:64;offset:40;encoding:uint;format:hex;\
                    set:General Purpose Registers;ehframe:5;dwarf:5;generic:arg1;";
    assert_eq!(rdi, expected);
    let xmm = stub.ask("qRegisterInfo28");
    assert!(xmm.starts_with("name:xmm0;bitsize:128;"), "{xmm}");
    assert!(xmm.contains("encoding:vector;format:vector-uint8;set:Vector Registers;"), "{xmm}");
    let mut len = 0;
    let all = stub.ask("g").len() / 2;
    let mut number = 0;
    loop {
        let reply = stub.ask(&format!("qRegisterInfo{number:x}"));
        if reply.starts_with('E') {
            break;
        }
        if !reply.starts_with("name:unused") {
            assert_eq!(value(&reply, "offset").parse(), Ok(len), "{reply}");
            len += value(&reply, "bitsize").parse::<usize>().expect("a number") / 8;
        }
        number += 1;
    }
    assert_eq!(len, all);
    assert!(words(&stub.ask("qRegisterInfo")).starts_with("malformed"));
    assert!(stub.ask("qRegisterInfoffffffffffffffff").starts_with('E'));
}

#[test]
fn every_address_is_in_a_mapping_or_a_gap() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let stop = stub.ask("?");
    let pid = number(field(&stop, "thread").expect("a thread"));
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("is readable");
    let mut at = 0;
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (start, end) = words[0].split_once('-').expect("a range");
        let (start, end) = (number(start), number(end));
        if at < start {
            let gap = stub.ask(&format!("qMemoryRegionInfo:{at:x}"));
            assert_eq!(gap, format!("start:{at:x};size:{:x};", start - at));
        }
        let region = stub.ask(&format!("qMemoryRegionInfo:{:x}", end - 1));
        assert_eq!(number(value(&region, "start")), start, "{line}");
        assert_eq!(number(value(&region, "size")), end - start, "{line}");
        let letters: String = words[1].chars().filter(|c| "rwx".contains(*c)).collect();
        assert_eq!(value(&region, "permissions"), letters, "{line}");
        if let Some(name) = words.get(5) {
            assert_eq!(value(&region, "name"), digits(name), "{line}");
        }
        at = end;
    }
    assert!(words(&stub.ask("qMemoryRegionInfo:")).starts_with("malformed"));
    assert!(words(&stub.ask("qMemoryRegionInfo:xyz")).starts_with("malformed"));
    assert!(stub.ask("qMemoryRegionInfo:ffffffffffffffff").starts_with("start:"));
}

#[test]
fn memory_is_mapped_and_unmapped() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let address = number(&stub.ask("_M1000,rw"));
    let region = stub.ask(&format!("qMemoryRegionInfo:{address:x}"));
    assert_eq!(value(&region, "permissions"), "rw");
    assert_eq!(stub.ask(&format!("M{address:x},2:abcd")), "OK");
    assert_eq!(stub.ask_bytes(format!("x{address:x},3").as_bytes()), b"\xab\xcd\0");
    assert_eq!(stub.ask(&format!("_m{address:x}")), "OK");
    assert!(stub.ask(&format!("m{address:x},2")).starts_with('E'));
    assert!(stub.ask(&format!("_m{address:x}")).starts_with('E'), "it is gone");
    for packet in ["_M", "_M1000,q", "_Mz,r", "_m", "_mzz"] {
        assert!(words(&stub.ask(packet)).starts_with("malformed"), "{packet}");
    }
    assert!(stub.ask("_M0,rw").starts_with('E'));
}

#[test]
fn the_machine_and_its_processes_are_told() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let host = stub.ask("qHostInfo");
    assert_eq!(value(&host, "triple"), digits("x86_64-pc-linux-gnu"));
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("is readable");
    assert_eq!(value(&host, "hostname"), digits(name.trim()));
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("is readable");
    assert_eq!(value(&host, "os_build"), digits(release.trim()));
    assert!(release.starts_with(value(&host, "os_version")));
    let process = stub.ask("qProcessInfo");
    let stop = stub.ask("?");
    let pid = number(field(&stop, "thread").expect("a thread"));
    assert_eq!(number(value(&process, "pid")), pid);
    assert_eq!(value(&process, "ostype"), "linux");
    let by_id = stub.ask(&format!("qProcessInfoPID:{pid}"));
    assert_eq!(value(&by_id, "pid").parse(), Ok(pid));
    assert!(value(&by_id, "args").ends_with(&format!("-{}", digits("3"))), "{by_id}");
    let uid = value(&by_id, "euid").to_owned();
    assert_eq!(number(value(&process, "effective-uid")).to_string(), uid);
    let part = format!("name_match:starts_with;name:{};pid:{pid};", digits("count"));
    let first = stub.ask(&format!("qfProcessInfo:{part}"));
    assert_eq!(value(&first, "name"), value(&by_id, "name"));
    assert!(stub.ask("qsProcessInfo").starts_with('E'));
    let mut all = vec![stub.ask("qfProcessInfo")];
    while !all.last().is_some_and(|reply| reply.starts_with('E')) {
        all.push(stub.ask("qsProcessInfo"));
    }
    let is_it = |reply: &String| reply.starts_with(&format!("pid:{pid};"));
    assert!(all.iter().any(is_it), "{all:?}");
    assert_eq!(stub.ask("qUserName:0"), digits("root"));
    assert_eq!(stub.ask("qGroupName:0"), digits("root"));
    assert_eq!(words(&stub.ask("qUserName:4294967294")), "nobody has the number 4294967294");
    for packet in ["qUserName:", "qGroupName:x", "qProcessInfoPID:", "qfProcessInfo:pid:x;"] {
        assert!(words(&stub.ask(packet)).starts_with("malformed"), "{packet}");
    }
    assert!(stub.ask("qProcessInfoPID:4194305").starts_with('E'));
    let directory = stub.ask("qGetWorkingDir");
    assert!(bytes(&directory).starts_with(b"/"), "{directory}");
}

#[test]
fn images_are_told_by_their_files() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let size = std::fs::metadata(path).expect("is there").len();
    let module = stub.ask(&format!("qModuleInfo:{};{}", digits(path), digits("x86_64")));
    assert_eq!(value(&module, "file_path"), digits(path));
    assert_eq!(number(value(&module, "file_size")), size);
    let id = bytes(value(&module, "uuid"));
    let id = String::from_utf8(id).expect("digits");
    let asked = format!("[{{\"file\":\"{path}\",\"triple\":\"x\"}},{{\"file\":\"/nowhere\"}}]");
    let modules = stub.ask(&format!("jModulesInfo:{}", asked.replace('}', "}]")));
    let expected = format!(
        "[{{\"file_offset\":0,\"file_path\":\"{path}\",\"file_size\":{size},\
         \"triple\":\"x86_64-pc-linux-gnu\",\"uuid\":\"{id}\"}}]"
    );
    assert_eq!(modules, expected);
    assert_eq!(words(&stub.ask("qModuleInfo:2f;00")), "no image has this file");
    for packet in ["qModuleInfo:zz", "jModulesInfo:", "jModulesInfo:[{]", "qFileLoadAddress:z"] {
        assert!(words(&stub.ask(packet)).starts_with("malformed"), "{packet}");
    }
    let base = number(&stub.ask(&format!("qFileLoadAddress:{}", digits(path))));
    assert_eq!(stub.ask_bytes(format!("x{base:x},4").as_bytes()), b"\x7fELF");
    assert_eq!(words(&stub.ask("qFileLoadAddress:2f")), "the file is not mapped");
    // The linker's list is there once it has run.
    let work = address_of(&mut stub, &program, "work");
    assert_eq!(stub.ask(&format!("Z0,{work:x},1")), "OK");
    assert!(stub.go("vCont;c").starts_with("T05"));
    let place = number(&stub.ask("qShlibInfoAddr"));
    let linker = stub.ask_bytes(format!("x{place:x},8").as_bytes());
    let linker = u64::from_le_bytes(linker.try_into().expect("eight"));
    // Its first word is the version of the interface.
    assert_eq!(stub.ask_bytes(format!("x{linker:x},4").as_bytes()), [1, 0, 0, 0]);
}

#[test]
fn programs_are_launched_as_lldb_does() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let mut stub = Stub::start(&guard, &[]);
    greet(&mut stub);
    assert_eq!(stub.ask("qfThreadInfo"), "OK", "an empty list would be a process");
    assert!(stub.ask("qProcessInfo").starts_with("E02;"));
    for packet in [
        "QSetDisableASLR:1",
        "QSetDetachOnError:1",
        "QLaunchArch:x86_64",
        "QEnvironment:A=b=c",
        "QSetSTDOUT:2f6465762f7074732f30",
        "QSetWorkingDir:2f",
    ] {
        assert_eq!(stub.ask(packet), "OK", "{packet}");
    }
    assert_eq!(stub.ask("qGetWorkingDir"), "2f");
    assert!(words(&stub.ask("QLaunchArch:arm64")).contains("x86_64, not arm64"));
    assert!(words(&stub.ask("QSetSTDIN:z")).starts_with("malformed"));
    assert!(words(&stub.ask("A")).starts_with("malformed"));
    assert!(words(&stub.ask("A2,0,zz")).starts_with("malformed"));
    let nowhere = digits("/nowhere");
    assert!(stub.ask(&format!("A{},0,{nowhere}", nowhere.len())).starts_with("E04;"));
    assert!(stub.ask("qLaunchSuccess").starts_with('E'));
    let path = digits(path);
    assert_eq!(stub.ask(&format!("QSetSTDOUT:{}", digits("/tmp/file"))), "OK");
    assert!(words(&stub.ask(&format!("A{},0,{path}", path.len()))).contains("/tmp/file"));
    assert_eq!(stub.ask(&format!("A{},0,{path},2,1,32", path.len())), "OK");
    assert_eq!(stub.ask("qLaunchSuccess"), "OK");
    let stop = stub.go("?");
    assert!(stop.starts_with("T13reason:signal;"), "{stop}");
    assert_eq!(stub.go("c"), "W00");
}

#[test]
fn programs_may_have_nothing_to_read_from_and_write_to() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = digits(program.path().to_str().expect("text"));
    let mut stub = Stub::start(&guard, &[]);
    greet(&mut stub);
    // A terminal, as long as one stream is one.
    for (streams, is_silent) in [(["IN", "OUT", ""], false), (["IN", "OUT", "ERR"], true)] {
        for stream in streams.into_iter().filter(|stream| !stream.is_empty()) {
            let packet = format!("QSetSTD{stream}:{}", digits("/dev/null"));
            assert_eq!(stub.ask(&packet), "OK");
        }
        assert_eq!(stub.ask(&format!("A{},0,{path},2,1,32", path.len())), "OK");
        let stop = stub.go("?");
        let pid = number(field(&stop, "thread").expect("a thread"));
        for stream in 0..3 {
            let file = std::fs::read_link(format!("/proc/{pid}/fd/{stream}")).expect("it is open");
            assert_eq!(file == Path::new("/dev/null"), is_silent, "{}", file.display());
        }
        assert_eq!(stub.go("c"), "W00");
    }
}

#[test]
fn input_reaches_the_program() {
    let guard = Guard::new();
    let mut stub = run(&guard, "signals", &["waits"]);
    assert_eq!(stub.ask("I04"), "OK");
    assert!(words(&stub.ask("I0")).starts_with("malformed"));
    // The end of its input ends it with the count of its signals.
    assert_eq!(stub.go("c"), "W00");
    assert!(stub.ask("I04").starts_with("E02;"));
}

#[test]
fn processes_are_attached_to_by_name() {
    let guard = Guard::new();
    let built = Testee::build("workers", &[]);
    let path = guard.directory().join(format!("by-name-{}", std::process::id()));
    std::fs::copy(built.path(), &path).expect("is copied");
    let name = path.file_name().and_then(|name| name.to_str()).expect("text");
    let mut stub = Stub::start(&guard, &[]);
    greet(&mut stub);
    let absent = words(&stub.ask(&format!("vAttachName;{}", digits(name))));
    assert_eq!(absent, format!("no process is called {name}"));
    for packet in ["vAttachName;", "vAttachName;z", "vAttachWait;", "vAttachOrWait;0"] {
        assert!(words(&stub.ask(packet)).starts_with("malformed"), "{packet}");
    }
    // Waiting can be given up.
    stub.send(&format!("vAttachWait;{}", digits(name)));
    stub.interrupt();
    assert_eq!(words(&stub.receive()), "no process of this name has come");
    stub.send(&format!("vAttachWait;{}", digits(name)));
    // Once this is answered, it is known which processes are there.
    assert_eq!(stub.ask("qEcho:1"), "qEcho:1");
    let target = guard.start(&path, &["2"]);
    let stop = stub.receive();
    assert!(stop.starts_with("T13reason:signal;"), "{stop}");
    let pid = target.pid();
    assert_eq!(stub.ask("D"), "OK");
    for packet in ["vAttachName", "vAttachOrWait"] {
        let stop = stub.ask(&format!("{packet};{}", digits(name)));
        assert!(stop.starts_with("T13reason:signal;"), "{stop}");
        assert!(stub.ask("qProcessInfo").starts_with(&format!("pid:{:x};", pid.value())));
        assert_eq!(stub.ask("D"), "OK");
    }
    let other = guard.start(&path, &["2"]);
    let several = words(&stub.ask(&format!("vAttachName;{}", digits(name))));
    assert!(several.starts_with("several processes are called"), "{several}");
    assert!(several.contains(&other.pid().to_string()), "{several}");
}

#[test]
fn small_agreements_are_answered() {
    let guard = Guard::new();
    let mut stub = run(&guard, "count", &["3"]);
    assert_eq!(stub.ask("qVAttachOrWaitSupported"), "OK");
    assert_eq!(stub.ask("qEcho:17"), "qEcho:17");
    assert_eq!(stub.ask("qWatchpointSupportInfo:"), "num:4;");
    assert!(stub.ask("qGDBServerVersion").starts_with("name:dbggdb;version:"));
    assert_eq!(stub.ask("qStructuredDataPlugins"), "");
    assert!(words(&stub.ask("QSetDetachOnError:2")).starts_with("malformed"));
    assert!(words(&stub.ask("qKillSpawnedProcess:")).starts_with("malformed"));
    let stop = stub.ask("?");
    let pid = number(field(&stop, "thread").expect("a thread"));
    assert_eq!(stub.ask(&format!("qKillSpawnedProcess:{pid}")), "OK");
    assert!(stub.ask(&format!("qKillSpawnedProcess:{pid}")).starts_with("E02;"));
}

#[test]
fn an_interrupt_is_told_by_a_signal_that_is_not_delivered() {
    let guard = Guard::new();
    let mut stub = run(&guard, "spin", &[]);
    stub.send("c");
    stub.interrupt();
    let mut stop = stub.receive();
    // What the program writes may come before.
    while stop.starts_with('O') {
        stop = stub.receive();
    }
    assert!(stop.starts_with("T13reason:signal;"), "{stop}");
    assert_eq!(stub.ask("k"), "X09");
}

#[test]
fn the_reason_of_one_thread_is_told_to_all() {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let mut stub = run(&guard, "workers", &["3"]);
    let path = program.path().to_str().expect("text");
    let base = number(&stub.ask(&format!("qFileLoadAddress:{}", digits(path))));
    let address = base + program.symbol("finish_job").value();
    assert_eq!(stub.ask(&format!("Z0,{address:x},1")), "OK");
    let stop = stub.go("c");
    assert!(stop.starts_with("T05reason:breakpoint;"), "{stop}");
    let threads = field(&stop, "threads").expect("threads").split(',').count();
    assert_eq!(threads, 4);
    assert_eq!(field(&stop, "thread-pcs").expect("pcs").split(',').count(), 4);
    let reasons = bytes(field(&stop, "jstopinfo").expect("reasons"));
    let reasons: Value = serde_json::from_slice(&reasons).expect("a document");
    let thread = number(field(&stop, "thread").expect("a thread"));
    let name = short_name("workers");
    let expected = json!([{ "tid": thread, "name": name, "signal": 5, "reason": "breakpoint" }]);
    assert_eq!(reasons, expected);
    let before = stub.round_trips();
    let info = stub.ask("jThreadsInfo");
    assert_eq!(info.matches("\"tid\":").count(), 4, "{info}");
    assert_eq!(info.matches("\"reason\":").count(), 1, "{info}");
    assert_eq!(stub.round_trips(), before, "the stop brought everything");
}
