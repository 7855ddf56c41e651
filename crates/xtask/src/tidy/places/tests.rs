//! Tests of the fences: each is crossed once, and approached once without crossing.

use super::*;

/// What `check` says of a repository with one file, as `line message`.
fn check_one(check: fn(&Tree) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
    let tree = Tree::new([(path.to_owned(), text.to_owned())]);
    assert!(tree.files().all(|file| file.rust().is_some()), "the sample is Rust");
    check(&tree).iter().map(|f| format!("{} {}", f.line, f.message)).collect()
}

fn fences(path: &str, text: &str) -> Vec<String> {
    check_one(check_fences, path, text)
}

const NONE: [&str; 0] = [];

#[test]
fn pure_crates_touch_no_system() {
    let bad =
        "use std::{fmt, fs::File};\nfn f() { Instant::now(); }\nfn g() { rustix::fs::open(); }";
    for path in ["crates/dbgwire/src/frame.rs", "crates/dbgsym/src/elf/notes.rs"] {
        let found =
            ["1 mentions std::fs::File", "2 mentions Instant::now", "3 mentions rustix::fs::open"];
        assert_eq!(fences(path, bad), found);
    }
    assert_eq!(fences("crates/dbglink/src/tcp.rs", bad), NONE);
    let tests_may = "fn f() {}\n#[cfg(test)] mod tests { use std::fs; }";
    assert_eq!(fences("crates/dbgsym/src/elf.rs", tests_may), NONE);
    let comments_may = "//! Never std::fs.\nfn f(fs: u8) -> &str { \"std::net\" }";
    assert_eq!(fences("crates/dbgwire/src/frame.rs", comments_may), NONE);
}

#[test]
fn links_see_no_message() {
    let bad = "#[cfg(test)] mod tests { use dbgwire::Frame; }";
    assert_eq!(fences("crates/dbglink/src/tcp.rs", bad), ["1 mentions dbgwire::Frame"]);
    assert_eq!(fences("crates/dbgsrv/src/session.rs", bad), NONE);
}

#[test]
fn ptrace_stays_in_its_folder_and_waits_in_one_file() {
    let ptrace = "fn f() { libc::ptrace(0); }";
    assert_eq!(fences("crates/dbgsrv/src/session.rs", ptrace), ["1 mentions libc::ptrace"]);
    assert_eq!(fences("crates/dbgsrv/src/ptrace/attach.rs", ptrace), NONE);
    assert_eq!(fences("crates/dbgsrv/src/ptrace.rs", ptrace), NONE);
    let wait = "use libc::{pid_t, waitpid};\nuse rustix::process::waitid;";
    let found = ["1 mentions libc::waitpid", "2 mentions rustix::process::waitid"];
    assert_eq!(fences("crates/dbgsrv/src/ptrace/attach.rs", wait), found);
    assert_eq!(fences("crates/dbgsrv/src/ptrace/wait.rs", wait), NONE);
}

#[test]
fn libraries_have_typed_errors() {
    let bad = "use anyhow::Result;";
    assert_eq!(fences("crates/dbgeng/src/engine.rs", bad), ["1 mentions anyhow::Result"]);
    assert_eq!(fences("crates/dbgsrv/src/session.rs", bad), ["1 mentions anyhow::Result"]);
    for path in
        ["crates/cdb/src/repl.rs", "crates/dbgsrv/src/main.rs", "crates/dbgeng/tests/it/a.rs"]
    {
        assert_eq!(fences(path, bad), NONE);
    }
}

#[test]
fn nobody_sleeps_not_even_tests() {
    let bad = "use std::thread;\nfn f() { thread::sleep(x); }";
    assert_eq!(fences("crates/dbgeng/tests/it/live.rs", bad), ["2 mentions thread::sleep"]);
    assert_eq!(fences("crates/dbgeng/src/a.rs", "use std::thread::sleep;").len(), 1);
    assert_eq!(fences("testees/idle.rs", bad), NONE);
    assert_eq!(fences("crates/dbgeng/src/a.rs", "fn f() { self.sleep(); thread::park(); }"), NONE);
}

#[test]
fn cdb_has_one_door_to_the_server() {
    let check = |text| check_one(check_server_door, "crates/cdb/src/main.rs", text);
    assert_eq!(
        check("use dbgsrv::local;\nfn f() { dbgsrv::local::start(); let dbgsrv = 1; }"),
        NONE
    );
    assert_eq!(
        check("use dbgsrv::{local, session::Session};"),
        ["1 mentions dbgsrv::session::Session"]
    );
    assert_eq!(check("use dbgsrv as server;"), ["1 mentions dbgsrv"]);
}

#[test]
fn one_file_encodes() {
    let verb = "crates/dbgwire/src/verbs/memory.rs";
    let fine = "use prost::Message;\n#[derive(prost::Message)] struct R {}\n\
                fn f() { codec::encode(&r); Request::decode(frame); encode(1); }\n\
                #[cfg(test)] mod tests { fn g() { r.encode_to_vec(); } }";
    assert_eq!(check_one(check_codec, verb, fine), NONE);
    let bad = "fn f() { r.encode_to_vec(); }\nfn g() { M::decode(b); }\n\
               fn h() { <M as prost::Message>::encode(&m); }";
    let found = ["1 calls encode_to_vec", "2 calls decode", "3 calls encode"];
    assert_eq!(check_one(check_codec, verb, bad), found);
    assert_eq!(check_one(check_codec, CODEC_FILE, bad), NONE);
    assert_eq!(fences("crates/dbgsrv/src/session.rs", "use prost::Message;").len(), 1);
}

#[test]
fn one_file_holds_hresults() {
    let check = |path, text| check_one(check_hresult, path, text);
    let bad = "const A: u32 = 0x8000_4005;\nconst B: i32 = 0x80070005u32 as i32;";
    let found = ["1 0x8000_4005 is an HRESULT", "2 0x80070005u32 is an HRESULT"];
    assert_eq!(check("crates/cdb/src/main.rs", bad), found);
    assert_eq!(check(HRESULT_FILE, bad), NONE);
    let fine =
        "const A: u32 = 0x8000_0000; const B: u16 = 0x8001; const C: u64 = 0x8000_0000_0000;";
    assert_eq!(check("crates/cdb/src/main.rs", fine), NONE);
}
