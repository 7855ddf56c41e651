//! The fuzz corpus, `tests/corpus/{connect_string,stranger,certificate}`. Files whose names begin
//! with `made-` are made here, and a test keeps them fresh (`UPDATE_EXPECT=1 cargo test` rewrites
//! them); others are findings of a fuzzer, and `seed-` what was made once with keys that nobody
//! has. All are replayed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::replay;

/// What a file is replayed through.
type Check = fn(&[u8]);

/// A folder of the corpus, and its check.
const FOLDERS: [(&str, Check); 3] = [
    ("connect_string", replay::check_connect_string),
    ("stranger", replay::check_stranger),
    ("certificate", replay::check_certificates),
];

/// Good strings and bad ones, of both roles.
const STRINGS: &[&str] = &[
    "npipe:pipe=build_%d_%04x,hidden,password=abc,IcfEnable",
    "npipe:server=\\\\box17,pipe=build",
    "npipe:server=root@box17,pipe=a$(b)",
    "tcp:port=51:60,hidden,password=file:/a b,ipversion=6,IcfEnable",
    "tcp:port=0,unprotected",
    "tcp:port=1025,clicon=box17,unprotected",
    "tcp:server=[::1],port=1025,password=\"env:A,B\"",
    "tcp:clicon=\\\\box17,port=1025:1030",
    "spipe:proto=tls1,certuser=\"CN=a, b\",pipe=x,hidden",
    "ssl:proto=tls13,machuser=00 11 22 33 44 55 66 77 88 99 aa bb cc dd ee ff 00 11 22 33,port=1",
    "ssl:proto=pct1,certuser=a,server=b,port=1",
    "ssl:proto=tls12,certuser=a,clicon=b,port=1",
    "com:port=COM2,baud=115200,channel=254",
    "com:port=/dev/ttyUSB0,baud=1,channel=0,password=x",
    "exec:ssh box17 dbgsrv -t stdio",
    "stdio",
    "vsock:cid=2,port=1",
    "TCP: port=1",
    "tcp:port=1,,password=,port=2",
    "npipe:pipe=\"a\"b",
    "é:é=é,\u{2028}=\u{a0}",
];

/// Contents by name.
type Files = BTreeMap<String, Vec<u8>>;

fn made(folder: &str) -> Files {
    let files: Vec<Vec<u8>> = match folder {
        "connect_string" => STRINGS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "stranger" => strangers(),
        _ => Vec::new(),
    };
    files.into_iter().enumerate().map(|(at, bytes)| (format!("made-{at:02}"), bytes)).collect()
}

/// What strangers may say, to whom.
fn strangers() -> Vec<Vec<u8>> {
    let record = |kind: u8, body: &[u8]| {
        [&[kind, 3, 1][..], &(body.len() as u16).to_be_bytes(), body].concat()
    };
    // A ClientHello as far as its extensions: what is random in it does not matter.
    let hello = [&[1, 0, 0, 43, 3, 3][..], &[7; 32], &[0, 0, 4, 0x13, 1, 0x13, 2, 1, 0]].concat();
    let message =
        |len: usize, byte: u8| [&(len as u16).to_le_bytes()[..], &vec![byte; len]].concat();
    let plain = [Vec::new(), record(22, &hello), record(21, &[2, 40]), vec![0xff; 64]];
    let behind = [
        Vec::new(),
        message(96, 1),
        message(0, 0),
        [message(96, 0), message(64, 0)].concat(),
        vec![0xff; 600],
        vec![1],
        vec![0],
        [vec![1], message(320, 3), vec![0]].concat(),
        [vec![1], message(400, 3)].concat(),
        vec![2],
    ];
    let to = |kind: u8, said: &Vec<u8>| [&[kind][..], said].concat();
    let to_all = |kinds: [u8; 2], said: &[Vec<u8>]| -> Vec<Vec<u8>> {
        kinds.iter().flat_map(|kind| said.iter().map(|said| to(*kind, said))).collect()
    };
    [to_all([0, 2], &plain), to_all([1, 3], &behind)].concat()
}

fn place(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder)
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
fn what_is_made_is_fresh() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for (folder, _) in FOLDERS {
        let made = made(folder);
        for (name, bytes) in &made {
            let path = place(folder).join(name);
            if update {
                fs::create_dir_all(place(folder)).expect("the corpus can be written");
                fs::write(&path, bytes).expect("the corpus can be written");
            }
            let is_fresh = fs::read(&path).is_ok_and(|found| found == *bytes);
            assert!(is_fresh, "{} is stale: run with UPDATE_EXPECT=1", path.display());
        }
        for name in files(folder).into_keys().filter(|name| name.starts_with("made-")) {
            assert!(made.contains_key(&name), "{folder}/{name} is made no more");
        }
    }
}

#[test]
fn every_file_is_replayed_without_harm() {
    for (folder, check) in FOLDERS {
        let files = files(folder);
        assert!(!files.is_empty(), "{folder} is empty");
        for (name, bytes) in files {
            assert!(bytes.len() <= 64 * 1024, "{name} is too large for a corpus");
            let replayed = std::panic::catch_unwind(|| check(&bytes));
            assert!(replayed.is_ok(), "{folder}/{name} fails, as said above");
        }
    }
}
