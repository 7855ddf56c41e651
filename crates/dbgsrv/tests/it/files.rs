//! Files of the server's machine: read, written, seen as a target sees them.

use std::path::Path;

use bytes::Bytes;
use dbgbase::ExitStatus;
use dbgwire::verbs::file::{
    CloseFile, FileAccess, OPEN_FILES_MAX, OpenFile, ReadFile, TRANSFER_LEN_MAX, WriteFile,
};
use dbgwire::verbs::memory::Range;
use dbgwire::{ErrorCode, Fault};
use testkit::{Client, Testee};

use crate::begin;

fn open(client: &mut Client, path: &Path, access: FileAccess) -> Result<(u32, u64), Fault> {
    let path = path.as_os_str().as_encoded_bytes().to_vec();
    let reply = client.call(&OpenFile {
        path,
        access: access as i32,
        mode: 0o640,
        ..OpenFile::default()
    })?;
    Ok((reply.file, reply.size))
}

/// Reads one range.
#[track_caller]
fn read(client: &mut Client, file: u32, offset: u64, len: u32) -> Vec<u8> {
    let ranges = vec![Range { address: offset, len }];
    let id = client.send(&ReadFile { file, ranges }, Bytes::new());
    let (reply, tail) = client.answer::<ReadFile>(id).expect("it is open");
    assert_eq!(reply.lengths, [tail.len() as u32]);
    tail.to_vec()
}

fn write(client: &mut Client, file: u32, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
    let id = client.send(&WriteFile { file, offset }, Bytes::copy_from_slice(bytes));
    client.answer::<WriteFile>(id).map(drop)
}

#[test]
fn a_file_is_read_in_ranges() {
    let (guard, _server, mut client) = begin();
    let path = guard.directory().join("file");
    let content: Vec<u8> = (0..10_000u32).map(|number| number as u8).collect();
    std::fs::write(&path, &content).expect("a file");
    let (file, size) = open(&mut client, &path, FileAccess::Read).expect("it exists");
    assert_eq!(size, 10_000);
    let ranges = [(0, 4), (9_990, 100), (20_000, 5), (5_000, 0), (u64::MAX, 1)]
        .map(|(address, len)| Range { address, len });
    let id = client.send(&ReadFile { file, ranges: ranges.to_vec() }, Bytes::new());
    let (reply, tail) = client.answer::<ReadFile>(id).expect("it is open");
    assert_eq!(reply.lengths, [4, 10, 0, 0, 0]);
    assert_eq!(tail, [&content[..4], &content[9_990..]].concat());
    client.call(&CloseFile { file }).expect("it is open");
    let id = client.send(&ReadFile { file, ranges: Vec::new() }, Bytes::new());
    let fault = client.answer::<ReadFile>(id).expect_err("it is closed");
    assert_eq!(fault.code, ErrorCode::NoSuchFile);
    client.call(&CloseFile { file }).expect("it is as good as closed");
}

#[test]
fn a_file_is_written_new_and_in_place_of_another() {
    use std::os::unix::fs::PermissionsExt;
    let (guard, _server, mut client) = begin();
    let path = guard.directory().join("file");
    let (file, size) = open(&mut client, &path, FileAccess::CreateNew).expect("it can be made");
    assert_eq!(size, 0);
    write(&mut client, file, 3, b"def").expect("it can be written");
    write(&mut client, file, 0, b"abc").expect("it can be written");
    assert_eq!(std::fs::read(&path).expect("it exists"), b"abcdef");
    let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
    assert_eq!(mode & 0o777 & !0o640, 0, "no more than was asked for");
    let again = open(&mut client, &path, FileAccess::CreateNew).expect_err("it exists");
    assert_eq!(again.code, ErrorCode::FileExists);
    let (file, size) = open(&mut client, &path, FileAccess::Replace).expect("it can be");
    assert_eq!(size, 0);
    write(&mut client, file, 0, b"x").expect("it can be written");
    assert_eq!(std::fs::read(&path).expect("it exists"), b"x");
    let (file, _) = open(&mut client, &path, FileAccess::Read).expect("it exists");
    let fault = write(&mut client, file, 0, b"y").expect_err("it is open for reading");
    assert_eq!(fault.code, ErrorCode::NotPermitted);
    assert_eq!(read(&mut client, file, 0, 10), b"x");
}

/// Opens the file that `request` says.
fn open_as(client: &mut Client, path: &Path, request: OpenFile) -> Result<u32, Fault> {
    let path = path.as_os_str().as_encoded_bytes().to_vec();
    Ok(client.call(&OpenFile { path, mode: 0o600, ..request })?.file)
}

#[test]
fn an_existing_file_is_read_and_written() {
    let (guard, _server, mut client) = begin();
    let path = guard.directory().join("file");
    let access = FileAccess::ReadWrite as i32;
    let both = OpenFile { access, ..OpenFile::default() };
    let fault = open_as(&mut client, &path, both.clone()).expect_err("there is none");
    assert_eq!((fault.code, fault.errno), (ErrorCode::NoSuchFile, Some(2)));
    let made = OpenFile { create: true, exclusive: true, ..both.clone() };
    let file = open_as(&mut client, &path, made.clone()).expect("it can be made");
    write(&mut client, file, 0, b"abcdef").expect("it can be written");
    assert_eq!(read(&mut client, file, 2, 10), b"cdef");
    let fault = open_as(&mut client, &path, made).expect_err("it exists");
    assert_eq!((fault.code, fault.errno), (ErrorCode::FileExists, Some(17)));
    // What is not written over stays.
    let file = open_as(&mut client, &path, both.clone()).expect("it exists");
    write(&mut client, file, 1, b"XY").expect("it can be written");
    assert_eq!(read(&mut client, file, 0, 10), b"aXYdef");
    let (file, size) = open(&mut client, &path, FileAccess::Write).expect("it exists");
    assert_eq!(size, 6);
    write(&mut client, file, 5, b"gh").expect("it can be written");
    let id =
        client.send(&ReadFile { file, ranges: vec![Range { address: 0, len: 1 }] }, Bytes::new());
    let fault = client.answer::<ReadFile>(id).expect_err("it is open for writing alone");
    assert_eq!((fault.code, fault.errno), (ErrorCode::NotPermitted, Some(9)));
    assert_eq!(std::fs::read(&path).expect("it exists"), b"aXYdegh");
    // At the end, wherever it is said to go.
    let append = OpenFile { append: true, create: true, ..both.clone() };
    let file = open_as(&mut client, &path, append).expect("it exists");
    write(&mut client, file, 0, b"ij").expect("it can be written");
    assert_eq!(read(&mut client, file, 0, 20), b"aXYdeghij");
    let truncate = OpenFile { truncate: true, ..both };
    let file = open_as(&mut client, &path, truncate).expect("it exists");
    assert_eq!(read(&mut client, file, 0, 20), b"");
    assert_eq!(std::fs::read(&path).expect("it exists"), b"");
}

#[test]
fn what_open_says_nothing_of_is_malformed() {
    let (guard, _server, mut client) = begin();
    let path = guard.directory().join("file");
    std::fs::write(&path, "abc").expect("a file");
    for request in [
        OpenFile { truncate: true, ..OpenFile::default() },
        OpenFile { exclusive: true, ..OpenFile::default() },
        OpenFile { exclusive: true, access: FileAccess::Write as i32, ..OpenFile::default() },
    ] {
        let fault = open_as(&mut client, &path, request).expect_err("it is malformed");
        assert_eq!((fault.code, fault.errno), (ErrorCode::Malformed, None), "{fault}");
    }
    assert_eq!(std::fs::read(&path).expect("it exists"), b"abc");
}

/// They say that they have no bytes.
#[test]
fn files_of_proc_are_read() {
    let (guard, _server, mut client) = begin();
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path().to_str().expect("UTF-8"), &["2"]);
    assert_eq!(process.read_line(), "ready");
    let pid = process.pid();
    let (target, _) = client.attach(pid);
    for name in ["maps", "cmdline", "auxv", "environ"] {
        let path = format!("/proc/{pid}/{name}");
        let (file, size) = open(&mut client, Path::new(&path), FileAccess::Read).expect("a file");
        assert_eq!(size, 0);
        let content = std::fs::read(&path).expect("it can be read");
        assert!(!content.is_empty() || name == "environ");
        assert_eq!(read(&mut client, file, 0, 1 << 20), content, "{name}");
        // And in pieces.
        let half = content.len() as u64 / 2;
        let rest = read(&mut client, file, half, 1 << 20);
        assert_eq!(rest, &content[half as usize..], "{name}");
    }
    // Longer than a page, and parts of it change by what other processes do.
    let path = format!("/proc/{pid}/smaps");
    let (file, _) = open(&mut client, Path::new(&path), FileAccess::Read).expect("a file");
    let lasting = |text: Vec<u8>| {
        let text = String::from_utf8(text).expect("UTF-8");
        let is_lasting = |line: &&str| line.starts_with("Size:") || line.starts_with("VmFlags:");
        text.lines().filter(is_lasting).map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = lasting(std::fs::read(&path).expect("it can be read"));
    assert!(expected.len() > 20);
    assert_eq!(lasting(read(&mut client, file, 0, 1 << 20)), expected);
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn what_cannot_be_opened_is_explained() {
    let (guard, _server, mut client) = begin();
    let directory = guard.directory().to_owned();
    let fifo = directory.join("fifo");
    guard.output("mkfifo", &[&fifo.display().to_string()]);
    let cases = [
        (directory.join("missing"), ErrorCode::NoSuchFile),
        (Path::new("relative").to_owned(), ErrorCode::Malformed),
        (directory.clone(), ErrorCode::Unsupported),
        (fifo, ErrorCode::Unsupported),
        (Path::new("/dev/null").to_owned(), ErrorCode::Unsupported),
    ];
    for (path, code) in cases {
        let fault = open(&mut client, &path, FileAccess::Read).expect_err("no file");
        assert_eq!(fault.code, code, "{}", fault.detail);
        assert!(fault.detail.contains(&path.display().to_string()), "{}", fault.detail);
    }
    let path = b"/etc/passwd".to_vec();
    let odd = OpenFile { path: path.clone(), access: 99, ..OpenFile::default() };
    assert_eq!(client.call(&odd).expect_err("unknown").code, ErrorCode::Unsupported);
    let nobodys = OpenFile { path, target: 9, ..OpenFile::default() };
    assert_eq!(client.call(&nobodys).expect_err("no target").code, ErrorCode::NoSuchTarget);
}

#[test]
fn limits_are_kept() {
    let (guard, _server, mut client) = begin();
    let path = guard.directory().join("file");
    std::fs::write(&path, "abc").expect("a file");
    let (file, _) = open(&mut client, &path, FileAccess::Read).expect("it exists");
    let ranges = vec![Range { address: 0, len: TRANSFER_LEN_MAX }, Range { address: 0, len: 1 }];
    let id = client.send(&ReadFile { file, ranges }, Bytes::new());
    let fault = client.answer::<ReadFile>(id).expect_err("too much");
    assert_eq!(fault.code, ErrorCode::TooLarge);
    assert_eq!(read(&mut client, file, 0, TRANSFER_LEN_MAX), b"abc");
    let target = guard.directory().join("written");
    let (written, _) = open(&mut client, &target, FileAccess::CreateNew).expect("it can be made");
    let most = vec![7; TRANSFER_LEN_MAX as usize];
    write(&mut client, written, 0, &most).expect("as much as may be");
    let more = vec![7; TRANSFER_LEN_MAX as usize + 1];
    let fault = write(&mut client, written, 0, &more).expect_err("too much");
    assert_eq!(fault.code, ErrorCode::TooLarge);
    assert_eq!(std::fs::metadata(&target).expect("a file").len(), u64::from(TRANSFER_LEN_MAX));
    // The two that are open count.
    let mut opened: Vec<u32> = (2..OPEN_FILES_MAX)
        .map(|_| open(&mut client, &path, FileAccess::Read).expect("not too many").0)
        .collect();
    let fault = open(&mut client, &path, FileAccess::Read).expect_err("too many");
    assert_eq!(fault.code, ErrorCode::LimitReached);
    client.call(&CloseFile { file: opened.remove(0) }).expect("it is open");
    assert!(open(&mut client, &path, FileAccess::Read).is_ok());
}

#[test]
fn a_target_sees_its_own_files() {
    let (guard, _server, mut client) = begin();
    let directory = guard.directory().join("shared");
    std::fs::create_dir(&directory).expect("a folder");
    let path = directory.join("file");
    std::fs::write(&path, "of the server").expect("a file");
    let testee = Testee::build("waits", &[]);
    // In a mount namespace of its own the folder is another one, with a link that leads out of it.
    let script = r#"mount -t tmpfs none "$0" && printf 'of the target' > "$0/file" \
        && ln -s /../../../../../../../../"$0"/file "$0/link" && exec "$1""#;
    let directory = directory.display().to_string();
    let program = testee.path().display().to_string();
    let arguments = ["--map-root-user", "--mount", "sh", "-c", script, &directory, &program];
    let mut process = guard.start("unshare", &arguments);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    let mut seen = |target: u32, path: &Path| {
        let path = path.as_os_str().as_encoded_bytes().to_vec();
        let request = OpenFile { path, target, ..OpenFile::default() };
        let file = client.call(&request).expect("it exists").file;
        read(&mut client, file, 0, 100)
    };
    assert_eq!(seen(0, &path), b"of the server");
    assert_eq!(seen(target.id, &path), b"of the target");
    assert_eq!(seen(target.id, &path.with_file_name("link")), b"of the target");
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}
