//! Core files that lldb saves through the bridge, opened by gdb and by lldb.

use std::os::unix::fs::MetadataExt;

use testkit::{Guard, Testee};

use crate::gdb::{assert_says, gdb};
use crate::lldb::{lldb, run};
use crate::stub::{Stub, bytes};

#[test]
fn a_core_file_shows_what_the_process_showed() {
    let guard = Guard::new();
    let program = Testee::build("workers", &[]);
    let path = program.path().to_str().expect("text");
    let core = guard.directory().join("saved.core");
    let core = core.to_str().expect("text");
    let said = lldb(
        &guard,
        &["--", path, "5"],
        &[
            "breakpoint set --name finish_job",
            "continue",
            "continue",
            "bt",
            "register read rip rsp xmm0",
            &format!("process save-core {core}"),
            "kill",
        ],
    );
    assert_says(&said, &["stop reason = breakpoint 1.1", "xmm0 = ", "exited with status = 9"]);
    let line = |name: &str| {
        let found = said.lines().find(|line| line.trim_start().starts_with(name));
        found.unwrap_or_else(|| panic!("{name} is missing in {said}")).trim().to_owned()
    };
    let (rip, xmm) = (line("rip = "), line("xmm0 = "));
    let again = run(
        &guard,
        &[
            &format!("target create {path} --core {core}"),
            "thread list",
            "register read rip rsp xmm0",
            "bt",
            "print jobs",
            "image list",
        ],
    );
    assert_says(&again, &[&rip, &line("rsp = "), &xmm, "finish_job(", "descend(", "main("]);
    assert_says(&again, &["= 1\n", "workers", "libc.so.6"]);
    assert_eq!(again.matches(": tid = ").count(), 6, "{again}");
    let said = gdb(
        &guard,
        &[
            &format!("file {path}"),
            &format!("core-file {core}"),
            "info threads",
            "backtrace",
            "print jobs",
            "info registers rip",
            "thread apply all backtrace",
            "info auxv",
            "info sharedlibrary",
        ],
    );
    let pc = rip.split_whitespace().nth(2).expect("a value").trim_start_matches("0x");
    let pc = pc.trim_start_matches('0').to_owned();
    let expected = ["finish_job (", "descend (", "$1 = 1\n", &pc, "AT_PAGESZ", "libc.so.6"];
    assert_says(&said, &expected);
    assert!(said.matches("wait_for_ever (").count() >= 5, "{said}");
    // A checkout may be younger than what was built of the same source.
    let is_remark = |line: &&str| line.contains("arning") && !line.contains("more recent");
    assert_eq!(said.lines().find(is_remark), None, "{said}");
    assert!(!said.contains("Couldn't"), "{said}");
}

#[test]
fn the_bridge_leaves_no_core_file_behind() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let mut stub = Stub::start(&guard, &["--", path, "3"]);
    assert!(stub.ask("?").starts_with('T'));
    let reply = stub.ask("qSaveCore;path-hint:00");
    let digits = reply.strip_prefix("core-path:").and_then(|rest| rest.strip_suffix(';'));
    let saved = String::from_utf8(bytes(digits.expect("a path"))).expect("text");
    let metadata = std::fs::metadata(&saved).expect("is there");
    assert!(metadata.len() > 4096);
    assert!(metadata.blocks() * 512 < metadata.len(), "what is zero takes no room");
    assert_eq!(stub.leave(), Some(0));
    assert!(std::fs::metadata(&saved).is_err(), "{saved} is left");
}

#[test]
fn a_platforms_debugger_is_sent_the_core_file() {
    let guard = Guard::new();
    let program = Testee::build("count", &[]);
    let path = program.path().to_str().expect("text");
    let mut stub = Stub::start(&guard, &["--", path, "3"]);
    assert!(stub.ask("?").starts_with('T'));
    let reply = stub.ask("qSaveCore");
    let digits = reply.strip_prefix("core-path:").and_then(|rest| rest.strip_suffix(';'));
    let digits = digits.expect("a path").to_owned();
    let saved = String::from_utf8(bytes(&digits)).expect("text");
    let core = std::fs::read(&saved).expect("is there");
    // It is not the server that is asked, whose machine is another one.
    let before = stub.round_trips();
    assert_eq!(stub.ask(&format!("vFile:size:{digits}")), format!("F{:x}", core.len()));
    assert_eq!(stub.ask(&format!("vFile:mode:{digits}")), "F180");
    let file = stub.ask(&format!("vFile:open:{digits},40000000,0")).split_off(1);
    let read = stub.ask_bytes(format!("vFile:pread:{file},4,0").as_bytes());
    assert_eq!(read, b"F4;\x7fELF");
    let end = core.len() - 2;
    let read = stub.ask_bytes(format!("vFile:pread:{file},4,{end:x}").as_bytes());
    assert_eq!(read, [&b"F2;"[..], &core[end..]].concat());
    assert!(stub.ask(&format!("vFile:fstat:{file}")).starts_with("F40;"));
    assert_eq!(stub.ask(&format!("vFile:close:{file}")), "F0");
    // It may be removed, as nothing else, and not be written.
    assert_eq!(stub.ask(&format!("vFile:open:{digits},2,0")), "F-1,d");
    assert_eq!(stub.ask(&format!("vFile:unlink:{digits}")), "F0");
    assert_eq!(stub.round_trips(), before);
    assert!(!std::path::Path::new(&saved).exists());
    assert_eq!(stub.ask(&format!("vFile:exists:{digits}")), "F,0");
    assert_eq!(stub.ask(&format!("vFile:unlink:{digits}")), "F-1,d");
}
