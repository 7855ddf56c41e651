//! The fuzz corpus, `tests/corpus/{frame,handshake,request,event,condition}`. Files whose names
//! begin with `made-` are made here, and a test keeps them fresh (`UPDATE_EXPECT=1 cargo test`
//! rewrites them); others are findings of a fuzzer. All are replayed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dbgbase::Arch;
use dbgwire::Verb;
use dbgwire::agent::{Code, Instruction};
use dbgwire::error::{ErrorCode, Fault};
use dbgwire::frame::{FRAME_LEN_MAX, FrameKind, HELLO_LEN_MAX};
use dbgwire::handshake::{Hello, Refusal, Welcome};
use dbgwire::message;
use dbgwire::verbs::process::Attach;
use dbgwire::version::PREFACE;

use crate::replay;
use crate::samples;
use crate::wire::Writer;

/// Contents by name.
type Files = BTreeMap<String, Vec<u8>>;

/// A folder of the corpus, what it is replayed through, and what of it is made here.
struct Folder {
    name: &'static str,
    check: fn(&[u8]),
    made: Files,
}

fn folders() -> [Folder; 5] {
    let check_stream = |bytes: &[u8]| {
        replay::check_stream(bytes);
    };
    [
        Folder { name: "frame", check: check_stream, made: streams() },
        Folder { name: "handshake", check: replay::check_handshake, made: greetings() },
        Folder { name: "request", check: replay::check_messages, made: messages(false) },
        Folder { name: "event", check: replay::check_messages, made: messages(true) },
        Folder { name: "condition", check: replay::check_condition, made: conditions() },
    ]
}

fn place(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder)
}

/// The bytes of a frame whose header says what it is told to say, true or not.
fn raw(length: u32, kind: u8, flags: u8, tail_len: u32, body: &[u8]) -> Vec<u8> {
    let length = length.to_le_bytes();
    let tail_len = tail_len.to_le_bytes();
    [&length[..], &[kind, flags, 2, 1, 1, 0, 0, 0], &tail_len, body].concat()
}

fn named(files: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Files {
    files.into_iter().map(|(name, bytes)| (format!("made-{name}"), bytes)).collect()
}

/// A peer's bytes from the preface on, good and bad.
fn streams() -> Files {
    let greeted =
        |frames: &[Vec<u8>]| [PREFACE.to_vec(), raw(0, 0, 0, 0, b""), frames.concat()].concat();
    let two: Vec<Vec<u8>> =
        samples::all().into_iter().map(|sample| sample.bytes).skip(6).take(2).collect();
    let skipped = [raw(3, 9, 0, 1, b"abc"), raw(2, 1, 0x80, 0, b"ab"), raw(0, 1, 0, 0, b"")];
    named([
        ("two-frames", greeted(&two)),
        ("empty-frames", greeted(&[raw(0, 1, 0, 0, b""), raw(0, 2, 0, 0, b"")])),
        ("tail-only", greeted(&[raw(4, 2, 0, 4, b"tail")])),
        ("skipped", greeted(&skipped)),
        ("too-long-hello", [&PREFACE[..], &raw(HELLO_LEN_MAX + 1, 0, 0, 0, b"")].concat()),
        ("too-long", greeted(&[raw(FRAME_LEN_MAX + 1, 1, 0, 0, b"")])),
        ("longest-cut", greeted(&[raw(FRAME_LEN_MAX, 1, 0, 0, b"cut")])),
        ("tail-outside", greeted(&[raw(1, 2, 0, 2, b"a")])),
        ("four-gigabytes", greeted(&[raw(u32::MAX, 1, 0, u32::MAX, b"")])),
        ("wrong-preface", b"dbgsrv\n\n".to_vec()),
        ("http", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("half-preface", PREFACE[..4].to_vec()),
        ("half-header", [&PREFACE[..], &[4, 0, 0, 0, 1]].concat()),
        ("nothing", Vec::new()),
    ])
}

/// What either side says first.
fn greetings() -> Files {
    let hello = Hello {
        capabilities: u64::MAX,
        stack_window_len: 4096,
        resume_token: vec![7; 16],
        frames_arrived: 9,
        ..Hello::new("cdb 0.1.0")
    };
    let later = Hello { version_min: 1, version_max: 9, ..hello.clone() };
    let only_later = Hello { version_min: 7, version_max: 9, ..hello.clone() };
    let welcome = Welcome {
        version: 1,
        program: "dbgsrv 0.1.0".into(),
        capabilities: 7,
        arch: "x86_64".into(),
        frame_len_max: FRAME_LEN_MAX,
        session: 1,
        resume_token: vec![7; 16],
        lease_s: 60,
        requests_arrived: 9,
    };
    let other_version = Welcome { version: 2, ..welcome.clone() };
    let unknown = Refusal { code: 999, detail: "later".into(), ..Refusal::default() };
    let extra = Writer::default().varint(1, 1).varint(2, 9).group(50, &[8, 1]).four(51, 1);
    let extra = raw(extra.0.len() as u32, 0, 0, 0, &extra.0);
    named([
        ("hello", hello.encode()),
        ("hello-later", later.encode()),
        ("hello-only-later", only_later.encode()),
        ("hello-extra-fields", [&PREFACE[..], &extra].concat()),
        ("welcome", welcome.encode()),
        ("welcome-other-version", other_version.encode()),
        ("refusal", only_later.negotiate().expect_err("no common version").encode()),
        ("refusal-unknown", unknown.encode()),
    ])
}

/// Frames without a preface: every sample of requests and replies, or of events, and bad ones.
fn messages(events: bool) -> Files {
    let mut files = Files::new();
    let is_event = |kind: FrameKind| kind == FrameKind::Event;
    for sample in samples::all().into_iter().filter(|sample| is_event(sample.kind) == events) {
        let kind = format!("{:?}", sample.kind).to_lowercase();
        let mut name = format!("made-{kind}-{}", sample.name);
        if files.contains_key(&name) {
            name.push_str("-2");
        }
        files.insert(name, sample.bytes);
    }
    let unknown =
        Writer::default().varint(1, 1).eight(90, 1).bytes(91, b"x").group(92, &[8, 1]).four(93, 1);
    let unknown = |kind, opcode: [u8; 2]| {
        let mut frame = raw(unknown.0.len() as u32, kind, 0, 0, &unknown.0);
        frame[6..8].copy_from_slice(&opcode);
        frame
    };
    if events {
        let claim = Writer::default().claimed(7, u64::from(u32::MAX), &[0; 8]);
        let mut claim = raw(claim.0.len() as u32, 4, 0, 0, &claim.0);
        claim[6..8].copy_from_slice(&[1, 0x80]);
        files.extend(named([
            ("event-unknown", unknown(4, [0xff, 0x8f])),
            ("event-unknown-fields", unknown(4, [1, 0x80])),
            ("event-claims-more", claim),
        ]));
    } else {
        let fault = Fault::new(ErrorCode::NotPermitted, "attach to 4711: not permitted");
        let fault = message::fault(3, Attach::OPCODE, &fault.with_errno(1)).head;
        files.extend(named([
            ("request-unknown", unknown(1, [0xff, 0x0f])),
            ("request-unknown-fields", unknown(1, [1, 4])),
            ("fault", fault),
        ]));
    }
    files
}

/// Conditions as GDB compiles them, one with every instruction, and bad ones.
fn conditions() -> Files {
    let every = [
        Instruction::Constant(1),
        Instruction::Constant(0x100),
        Instruction::Constant(0x1_0000),
        Instruction::Constant(u64::MAX),
        Instruction::Rotate,
        Instruction::Pick(2),
        Instruction::Swap,
        Instruction::ExtendSign(8),
        Instruction::ExtendZero(16),
        Instruction::Duplicate,
        Instruction::Drop,
        Instruction::LogicalNot,
        Instruction::Register(0),
        Instruction::LessSigned,
        Instruction::Read32,
    ];
    let every = Code::assemble(&every, Arch::X86_64).expect("sound").bytes().to_vec();
    let numbers = [Instruction::Register(0), Instruction::Register(1), Instruction::Constant(3)];
    let format = br#"%-+ #020.7lld 0x%hhx \"%.5s\" %%\n"#;
    let printed = Code::assemble_printing(&numbers, format, Arch::X86_64).expect("sound");
    let printed = printed.bytes().to_vec();
    // `n > 2 || *p == 1`.
    let first =
        [0x26, 0, 6, 0x22, 16, 0x02, 0x22, 236, 0x16, 8, 0x02, 0x19, 0x16, 32, 0x22, 2, 0x2b];
    let second =
        [0x26, 0, 6, 0x22, 16, 0x02, 0x22, 224, 0x16, 8, 0x02, 0x1a, 0x17, 0x16, 8, 0x22, 1];
    let last = [0x20, 0, 47, 0x22, 0, 0x21, 0, 49, 0x22, 1, 0x27];
    let or = [&first[..], &[0x14, 0x20, 0, 47], &second, &[0x13], &last].concat();
    named([
        ("every-kind", every),
        ("gdb-or", or),
        // reg 0; dup; if_goto 8; end; const8 1; sub; goto 3; end
        ("printf", printed),
        // const8 1, const8 0, const8 0, printf of one number by a format for none, end
        ("printf-count", vec![0x22, 1, 0x22, 0, 0x22, 0, 0x34, 1, 0, 2, b'a', 0, 0x27]),
        ("printf-cut", vec![0x22, 0, 0x22, 0, 0x34, 0, 0, 9, b'a', 0, 0x27]),
        ("loop", vec![0x26, 0, 0, 0x28, 0x20, 0, 8, 0x27, 0x22, 1, 0x03, 0x21, 0, 3, 0x27]),
        ("endless", vec![0x21, 0, 0, 0x27]),
        ("underflow", vec![0x02, 0x27]),
        ("pushes-for-ever", vec![0x22, 1, 0x21, 0, 0, 0x27]),
        ("jump-outside", vec![0x21, 0xff, 0xff, 0x27]),
        ("trace", vec![0x22, 1, 0x0d, 4, 0x27]),
        ("no-end", vec![0x22, 1]),
        ("cut", vec![0x25, 1, 2, 3]),
        ("nothing", Vec::new()),
    ])
}

#[test]
fn what_is_made_is_fresh() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for folder in folders() {
        let place = place(folder.name);
        for (name, bytes) in &folder.made {
            let path = place.join(name);
            if update {
                fs::create_dir_all(&place).expect("the corpus can be written");
                fs::write(&path, bytes).expect("the corpus can be written");
            }
            let found = fs::read(&path);
            let same = found.as_ref().is_ok_and(|found| found == bytes);
            assert!(same, "{} is stale: run with UPDATE_EXPECT=1", path.display());
        }
        for name in files(folder.name).into_keys().filter(|name| name.starts_with("made-")) {
            assert!(folder.made.contains_key(&name), "{}/{name} is made no more", folder.name);
        }
    }
}

fn files(folder: &str) -> Files {
    let entries = fs::read_dir(place(folder)).expect("the corpus is there");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a file that can be read"))
        })
        .collect()
}

#[test]
fn every_file_is_replayed_without_harm() {
    for folder in folders() {
        let files = files(folder.name);
        assert!(!files.is_empty(), "{} is empty", folder.name);
        for (name, bytes) in files {
            assert!(bytes.len() <= 64 * 1024, "{name} is too large for a corpus");
            let replayed = std::panic::catch_unwind(|| (folder.check)(&bytes));
            assert!(replayed.is_ok(), "{}/{name} fails, as said above", folder.name);
        }
    }
}

#[test]
fn good_frames_of_the_corpus_are_understood() {
    for (name, bytes) in messages(false).into_iter().chain(messages(true)) {
        let stream = [&PREFACE[..], &[0; 16], &bytes].concat();
        let deframed = replay::check_stream(&stream);
        assert_eq!((deframed.error, deframed.orderly), (None, true), "{name}");
        assert_eq!(deframed.frames.len(), 2, "{name}");
    }
}
