//! A dialogue for each packet of the table in `packets.rs`, on a real program: a packet that is
//! added there without one here makes a test fail. What a packet does in detail is tested where its
//! topic is.

use testkit::{Guard, Process, Testee, procfs};

use crate::packets::address_of;
use crate::stub::{Stub, digits, field};

/// What is expected of a reply.
#[derive(Clone, Copy, Debug)]
enum Reply {
    /// It is this.
    Is(&'static str),
    /// It begins so.
    Begins(&'static str),
    /// It has this in it.
    Has(&'static str),
    /// It is digits, and not none.
    Digits,
}

use Reply::{Begins, Digits, Has, Is};

/// What is asked of `count 3` at its start, in this order, and what the last reply is to be. A `>`
/// stands before what has no reply. `{NAME}` stands for a value of that program; `{last}` for the
/// last reply.
type Dialogue = (&'static str, &'static [&'static str], Reply);

/// Of GDB.
const GDB: &[Dialogue] = &[
    ("!", &["!"], Is("OK")),
    ("?", &["?"], Begins("T05")),
    ("g", &["g"], Begins("{rax}")),
    ("G", &["P0=0102030405060708", "g", "P0=00", "G{last}", "p0"], Is("0102030405060708")),
    ("H", &["Hgp{pid}.{pid}", "qC"], Is("QCp{pid}.{pid}")),
    ("m", &["m{code},4"], Is("{instructions}")),
    ("M", &["M{calls},2:2324", "m{calls},3"], Is("232400")),
    ("p", &["p10"], Is("{pc}")),
    ("P", &["P0=0102030405060708", "p0"], Is("0102030405060708")),
    ("T", &["Tp{pid}.{pid}"], Is("OK")),
    ("x", &["M{calls},2:6162", "x{calls},2"], Is("bab")),
    ("X", &["X{calls},2:ab", "m{calls},2"], Is("6162")),
    ("vCont?", &["vCont?"], Is("vCont;c;C;s;S;t;r")),
    ("vCtrlC", &["vCtrlC"], Is("OK")),
    ("vFile", &["vFile:setfs:0"], Is("F0")),
    ("vMustReplyEmpty", &["vMustReplyEmpty"], Is("")),
    ("qAttached", &["qAttached:{pid}"], Is("0")),
    ("qC", &["qC"], Is("QCp{pid}.{pid}")),
    ("qCRC", &["qCRC:{calls},0"], Is("Cffffffff")),
    ("qfThreadInfo", &["qfThreadInfo"], Is("mp{pid}.{pid}")),
    ("qsThreadInfo", &["qfThreadInfo", "qsThreadInfo"], Is("l")),
    ("qGetTLSAddr", &["qGetTLSAddr:p{pid}.{pid},0,0"], Begins("E.")),
    ("qOffsets", &["qOffsets"], Is("")),
    ("qRcmd", &["qRcmd,68656c70"], Has("7374617473")),
    ("qSearch", &["M{calls},1:78", "qSearch:memory:{calls};8;x"], Is("1,{calls}")),
    ("qSupported", &["qSupported:multiprocess+"], Has(";multiprocess+;")),
    ("qSymbol", &["qSymbol::"], Begins("qSymbol:")),
    ("qThreadExtraInfo", &["qThreadExtraInfo,p{pid}.{pid}"], Is("{comm}")),
    ("qXfer", &["qXfer:exec-file:read:{pid}:0,1000"], Is("l{plain path}")),
    ("QDisableRandomization", &["QDisableRandomization:0"], Is("OK")),
    ("QEnvironmentHexEncoded", &["QEnvironmentHexEncoded:413d62"], Is("OK")),
    ("QEnvironmentReset", &["QEnvironmentReset"], Is("OK")),
    ("QEnvironmentUnset", &["QEnvironmentUnset:41"], Is("OK")),
    ("QPassSignals", &["QPassSignals:e;10;"], Is("OK")),
    ("QProgramSignals", &["QProgramSignals:0;1;"], Is("OK")),
    ("QSetWorkingDir", &["QSetWorkingDir:2f", "qGetWorkingDir"], Is("2f")),
    ("QStartNoAckMode", &["QStartNoAckMode"], Is("OK")),
    ("QStartupWithShell", &["QStartupWithShell:0"], Is("OK")),
    ("QThreadEvents", &["QThreadEvents:1"], Is("OK")),
];

/// The same, and each changes what others would find: it has a program of its own.
const GDB_ALONE: &[Dialogue] = &[
    ("c", &["c"], Is("W00;process:{pid}")),
    ("C", &["C1e"], Is("X1e;process:{pid}")),
    ("D", &["D;{pid}", "?"], Is("W00")),
    ("k", &[">k", "?"], Is("W00")),
    ("R", &[">R00", "?"], Begins("T05")),
    ("s", &["s"], Begins("T05")),
    ("S", &["s", "S1e"], Is("X1e;process:{pid}")),
    ("z", &["Z0,{code},1", "z0,{code},1", "c"], Begins("W00")),
    ("Z", &["Z0,{code},1", "c"], Begins("T05swbreak:;")),
    ("vAttach", &["vAttach;{other}"], Begins("T00")),
    ("vCont", &["vCont;s:p{pid}.{pid}"], Begins("T05")),
    ("vKill", &["vKill;{pid}", "?"], Is("W00")),
    ("vRun", &["vRun;{path};33"], Begins("T05")),
    ("vStopped", &["QNonStop:1", "?", "vStopped"], Is("OK")),
    ("QCatchSyscalls", &["QCatchSyscalls:1;e7", "c"], Begins("T05syscall_entry:e7;")),
    ("QNonStop", &["QNonStop:1", "vCont;c"], Is("OK")),
];

/// Of LLDB.
const LLDB: &[Dialogue] = &[
    ("I", &["I04"], Is("OK")),
    ("_M", &["_M1000,rwx"], Digits),
    ("_m", &["_M1000,rw", "_m{last}"], Is("OK")),
    ("jModulesInfo", &["jModulesInfo:[{\"file\":\"{plain path}\"}]"], Has("\"uuid\":")),
    ("jThreadExtendedInfo", &["jThreadExtendedInfo:{}"], Is("")),
    ("jThreadsInfo", &["jThreadsInfo"], Has("\"tid\":{decimal pid}}]")),
    ("qEcho", &["qEcho:17"], Is("qEcho:17")),
    ("qFileLoadAddress", &["qFileLoadAddress:{path}", "x{last},3"], Is("\x7fEL")),
    ("qfProcessInfo", &["qfProcessInfo"], Begins("pid:")),
    ("qsProcessInfo", &["qfProcessInfo", "qsProcessInfo"], Begins("pid:")),
    ("qGDBServerVersion", &["qGDBServerVersion"], Begins("name:dbggdb;version:")),
    ("qGetWorkingDir", &["qGetWorkingDir"], Digits),
    ("qGroupName", &["qGroupName:0"], Is("726f6f74")),
    ("qHostInfo", &["qHostInfo"], Has(";ptrsize:8;")),
    // Without `-listen` there is none (`lldb_platform`).
    ("qLaunchGDBServer", &["qLaunchGDBServer;"], Begins("E")),
    ("qLaunchSuccess", &["qLaunchSuccess"], Is("OK")),
    ("qMemoryRegionInfo", &["qMemoryRegionInfo:{code}"], Has(";permissions:rx;")),
    ("qProcessInfo", &["qProcessInfo"], Begins("pid:{pid};")),
    ("qProcessInfoPID", &["qProcessInfoPID:{decimal pid}"], Begins("pid:{decimal pid};")),
    ("qModuleInfo", &["qModuleInfo:{path};7838365f3634"], Has("file_path:{path};")),
    ("qRegisterInfo", &["qRegisterInfo0"], Begins("name:rax;")),
    ("qSaveCore", &["qSaveCore;"], Begins("core-path:")),
    ("qStructuredDataPlugins", &["qStructuredDataPlugins"], Is("")),
    ("qThreadStopInfo", &["qThreadStopInfo{pid}"], Begins("T13reason:signal;")),
    ("qUserName", &["qUserName:0"], Is("726f6f74")),
    ("qVAttachOrWaitSupported", &["qVAttachOrWaitSupported"], Is("OK")),
    ("qWatchpointSupportInfo", &["qWatchpointSupportInfo:"], Is("num:4;")),
    // Who waits for nobody is not told of anybody (`processes_are_attached_to_by_name`).
    ("vAttachWait", &["vAttachWait;"], Begins("E")),
    ("QEnableErrorStrings", &["QEnableErrorStrings", "qUserName:x"], Has(";6d616c666f726d6564")),
    ("QEnvironment", &["QEnvironment:A=b"], Is("OK")),
    ("QLaunchArch", &["QLaunchArch:x86_64"], Is("OK")),
    ("QListThreadsInStopReply", &["QListThreadsInStopReply", "?"], Has(";threads:{pid};")),
    ("QRestoreRegisterState", SAVE_CHANGE_RESTORE, Is("0102030405060708")),
    ("QSaveRegisterState", &["QSaveRegisterState;thread:{pid};"], Digits),
    ("QSetDetachOnError", &["QSetDetachOnError:1"], Is("OK")),
    ("QSetDisableASLR", &["QSetDisableASLR:1"], Is("OK")),
    ("QSetSTDERR", &["QSetSTDERR:2f6465762f7074732f30"], Is("OK")),
    ("QSetSTDIN", &["QSetSTDIN:2f6465762f7074732f30"], Is("OK")),
    ("QSetSTDOUT", &["QSetSTDOUT:2f6465762f7074732f30"], Is("OK")),
    ("QThreadSuffixSupported", &["QThreadSuffixSupported", "p10;thread:{pid};"], Is("{pc}")),
];

/// The same, and each changes what others would find: it has a program of its own.
const LLDB_ALONE: &[Dialogue] = &[
    ("A", &["A{path length},0,{path}", "qLaunchSuccess"], Is("OK")),
    ("qKillSpawnedProcess", &["qKillSpawnedProcess:{decimal pid}"], Is("OK")),
    ("qShlibInfoAddr", &["Z0,{code},1", "c", "qShlibInfoAddr"], Digits),
    ("vAttachName", &["D", "vAttachName;{other name}"], Begins("T13reason:signal;")),
    ("vAttachOrWait", &["D", "vAttachOrWait;{other name}"], Begins("T13reason:signal;")),
];

const SAVE_CHANGE_RESTORE: &[&str] = &[
    "P0=0102030405060708;thread:{pid};",
    "QSaveRegisterState;thread:{pid};",
    "P0=1122334455667788;thread:{pid};",
    "QRestoreRegisterState:1;thread:{pid};",
    "p0;thread:{pid};",
];

/// What stands for the names in a dialogue.
struct Values(Vec<(&'static str, String)>);

impl Values {
    /// Of a program at its start, and of another process that waits.
    fn of(stub: &mut Stub, program: &Testee, other: &Process) -> Values {
        let stop = stub.ask("?");
        let thread = field(&stop, "thread").expect("a thread");
        let pid = thread.rsplit('.').next().expect("an id").trim_start_matches('p').to_owned();
        let code = address_of(stub, program, "work");
        let calls = address_of(stub, program, "calls");
        let path = program.path().to_str().expect("text");
        let name = program.path().file_name().expect("a name").to_string_lossy();
        let comm: String = name.chars().take(15).collect();
        let number = u32::from_str_radix(&pid, 16).expect("digits");
        let instructions = procfs::mappings(dbgbase::Pid::new(number));
        assert!(!instructions.is_empty(), "it is a process");
        let file = format!("/proc/{number}/mem");
        let mut bytes = [0; 4];
        let memory = std::fs::File::open(file).expect("is readable");
        std::os::unix::fs::FileExt::read_exact_at(&memory, &mut bytes, code).expect("is mapped");
        let register = |key: &str| field(&stop, key).expect("a register").to_owned();
        let exe = format!("/proc/{}/exe", other.pid());
        let other_name = std::fs::read_link(exe).expect("it is there");
        let other_name = other_name.file_name().expect("a name").to_string_lossy().into_owned();
        Values(vec![
            ("rax", register("00")),
            ("pc", register("10")),
            ("code", format!("{code:x}")),
            ("calls", format!("{calls:x}")),
            ("instructions", digits(&bytes)),
            ("path length", (2 * path.len()).to_string()),
            ("path", digits(path.as_bytes())),
            ("plain path", path.to_owned()),
            ("comm", digits(comm.as_bytes())),
            ("decimal pid", number.to_string()),
            ("pid", pid),
            ("other", format!("{:x}", other.pid().value())),
            ("other name", digits(other_name.as_bytes())),
        ])
    }

    fn fill(&self, text: &str, last: &str) -> String {
        let filled = text.replace("{last}", last);
        self.0
            .iter()
            .fold(filled, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// Whether a request is a packet of this name.
fn is_of(request: &str, name: &str) -> bool {
    let request = request.strip_prefix('>').unwrap_or(request);
    let is_glued = ["qRegisterInfo", "qThreadStopInfo", "_M", "_m"].contains(&name);
    let ends = |rest: &str| !rest.starts_with(|next: char| next.is_ascii_alphanumeric());
    request.strip_prefix(name).is_some_and(|rest| name.len() == 1 || is_glued || ends(rest))
}

/// Holds a dialogue and checks its last reply.
fn hold(stub: &mut Stub, values: &Values, (name, requests, expected): &Dialogue) {
    assert!(requests.iter().any(|request| is_of(request, name)), "{name} is not in its dialogue");
    let mut last = String::new();
    for request in *requests {
        let request = values.fill(request, &last);
        last = match request.strip_prefix('>') {
            Some(request) => {
                stub.send(request);
                String::new()
            }
            None => {
                let escaped = request.replace('}', "}]");
                stub.go(&escaped)
            }
        };
    }
    let fill = |text: &str| values.fill(text, "");
    let is_expected = match expected {
        Is(text) => last == fill(text),
        Begins(text) => last.starts_with(&fill(text)),
        Has(text) => last.contains(&fill(text)),
        Digits => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_hexdigit()),
    };
    let known = &values.0;
    assert!(is_expected, "{name}: {expected:?} was expected of {last:?}, where {known:?}");
}

/// Holds these dialogues with one program, and each of those with one of its own.
fn hold_all(together: &[Dialogue], alone: &[Dialogue], greet: fn(&mut Stub)) {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let waiting = Testee::build("signals", &[]);
    // A name that no other test's process has.
    let own = guard.directory().file_name().expect("a name").to_string_lossy().into_owned();
    let other_path = guard.directory().join(own);
    std::fs::copy(waiting.path(), &other_path).expect("is copied");
    // It waits until its input ends.
    let other = guard.start(&other_path, &["waits"]);
    let path = program.path().to_str().expect("text");
    let each = alone.chunks(1);
    for dialogues in [together].into_iter().chain(each) {
        let mut stub = Stub::start(&guard, &["--", path, "3"]);
        greet(&mut stub);
        let values = Values::of(&mut stub, &program, &other);
        dialogues.iter().for_each(|dialogue| hold(&mut stub, &values, dialogue));
    }
}

#[test]
fn gdbs_packets_do_what_they_are_for() {
    hold_all(GDB, GDB_ALONE, |stub| {
        stub.greet();
    });
}

#[test]
fn lldbs_packets_do_what_they_are_for() {
    hold_all(LLDB, LLDB_ALONE, crate::lldb_packets::greet);
}

#[test]
fn each_packet_has_a_dialogue() {
    let all = [GDB, GDB_ALONE, LLDB, LLDB_ALONE].concat();
    let held: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
    let known: Vec<&str> = dbggdb::known_packets().map(|(name, _)| name).collect();
    let missing: Vec<_> = known.iter().filter(|name| !held.contains(name)).collect();
    assert!(missing.is_empty(), "no dialogue is held with {missing:?}");
    let unknown: Vec<_> = held.iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "these are no packets: {unknown:?}");
}
