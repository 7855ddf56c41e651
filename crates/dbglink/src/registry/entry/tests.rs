//! Entries there and back, and what is no entry.

use super::*;
use crate::ServerEndpoint;

fn entry(string: &str) -> ServerEntry {
    let endpoint: ServerEndpoint = string.parse().expect("a server");
    ServerEntry {
        kind: ServerKind::Process,
        endpoint: endpoint.listing().to_string(),
        is_hidden: endpoint.is_hidden(),
        pid: Pid::new(4711),
        uid: 1000,
        started_s: 1_763_694_000,
    }
}

#[test]
fn the_written_form_is_the_documented_one() {
    let text = "format=1\nkind=process-server\nendpoint=npipe:Pipe=AnotherPipe\nhidden=no\n\
        pid=4711\nuid=1000\nstarted=1763694000\n";
    assert_eq!(entry("npipe:pipe=AnotherPipe").to_text(), text);
}

#[test]
fn what_is_written_is_read() {
    for string in [
        "npipe:pipe=AnotherPipe",
        "npipe:pipe=x,hidden",
        "tcp:port=53:60",
        "tcp:port=1025,password=Secret12",
        "tcp:port=1025,clicon=elsewhere",
        "com:port=/dev/ttyS0,baud=9600,channel=3",
        "ssl:proto=tls1,certuser=\"a, b\",port=1025",
    ] {
        let entry = entry(string);
        assert_eq!(ServerEntry::parse(entry.to_text().as_bytes()), Ok(entry), "{string}");
    }
}

#[test]
fn a_password_is_never_written() {
    let text = entry("tcp:port=1025,password=Secret12").to_text();
    assert!(!text.contains("Secret12"), "{text}");
    assert!(text.contains("endpoint=tcp:Port=1025,Password=*\n"), "{text}");
}

#[test]
fn the_longest_name_fits() {
    let name = "n".repeat(crate::connect_string::PIPE_NAME_LEN_MAX_BYTES);
    let entry = entry(&format!("npipe:pipe={name}"));
    assert_eq!(ServerEntry::parse(entry.to_text().as_bytes()), Ok(entry));
}

#[test]
fn later_versions_may_say_more() {
    let text = entry("npipe:pipe=x").to_text();
    let more = format!("{text}colour=blue=green\nempty=\n");
    assert_eq!(ServerEntry::parse(more.as_bytes()), Ok(entry("npipe:pipe=x")));
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    assert_eq!(ServerEntry::parse(lines.join("\n").as_bytes()), Ok(entry("npipe:pipe=x")));
}

/// What a good entry becomes when `from` in it is replaced.
fn error(from: &str, to: &str) -> EntryError {
    let good = entry("npipe:pipe=x").to_text();
    let bad = good.replace(from, to);
    assert_ne!(good, bad, "{from} is not there");
    ServerEntry::parse(bad.as_bytes()).expect_err("it is wrong")
}

#[test]
fn what_is_wrong_is_told_apart() {
    assert_eq!(error("format=1", "format=2"), EntryError::UnknownFormat);
    assert_eq!(error("format=1\n", ""), EntryError::UnknownFormat);
    assert_eq!(error("process-server", "tea-server"), EntryError::UnknownKind);
    assert_eq!(error("uid=1000", "uid"), EntryError::BadLine);
    assert_eq!(error("Pipe=x", "Pipe=\u{1b}[2J"), EntryError::BadLine);
    assert_eq!(error("Pipe=x", "Pipe=x\r"), EntryError::BadLine);
    assert_eq!(error("uid=1000", "pid=1"), EntryError::Twice("pid"));
    assert_eq!(error("uid=", "uids="), EntryError::Missing("uid"));
    assert_eq!(error("hidden=no\n", ""), EntryError::Missing("hidden"));
    assert_eq!(error("hidden=no", "hidden=maybe"), EntryError::BadValue("hidden"));
    assert_eq!(error("npipe:Pipe=x", ""), EntryError::BadValue("endpoint"));
    assert_eq!(error("Pipe=x", &"x".repeat(1024)), EntryError::BadValue("endpoint"));
    for pid in ["0", "-1", "+1", "0x10", "4294967296", ""] {
        assert_eq!(error("pid=4711", &format!("pid={pid}")), EntryError::BadValue("pid"), "{pid}");
    }
    assert_eq!(error("started=", &"a=b\n".repeat(2000)), EntryError::TooLong);
}

#[test]
fn garbage_is_no_entry() {
    for garbage in [&b""[..], b"\n", b"\xff\xfe", b"\0\0\0\0", b"format=1", b"format=1\n=\n=\n"] {
        assert!(ServerEntry::parse(garbage).is_err(), "{garbage:?}");
    }
    let good = entry("npipe:pipe=x").to_text();
    // The last line may lack its end, and nothing else may be lacking.
    for cut in 0..good.len() - "1763694000\n".len() {
        assert!(ServerEntry::parse(&good.as_bytes()[..cut]).is_err(), "{cut}");
    }
}
