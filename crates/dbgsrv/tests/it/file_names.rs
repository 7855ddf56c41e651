//! What files are, where symbolic links lead, and names that are removed: on the server's machine,
//! and as a target sees it.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use bytes::Bytes;
use dbgbase::ExitStatus;
use dbgwire::verbs::file::{
    CloseFile, FileAccess, FileStatus, OpenFile, ReadLink, RemoveFile, StatFile, WriteFile,
};
use dbgwire::{ErrorCode, Fault};
use testkit::{Client, Testee};

use crate::begin;

const ENOENT: i32 = 2;
const EXDEV: i32 = 18;
const ENOTDIR: i32 = 20;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;
const ENAMETOOLONG: i32 = 36;
const ELOOP: i32 = 40;

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

fn stat(
    client: &mut Client,
    target: u32,
    path: &Path,
    keep_link: bool,
) -> Result<FileStatus, Fault> {
    let request = StatFile { file: 0, path: bytes(path), target, keep_link };
    Ok(client.call(&request)?.status.expect("always there"))
}

fn read_link(client: &mut Client, target: u32, path: &Path) -> Result<Vec<u8>, Fault> {
    Ok(client.call(&ReadLink { path: bytes(path), target })?.text)
}

fn remove(client: &mut Client, target: u32, path: &Path) -> Result<(), Fault> {
    client.call(&RemoveFile { path: bytes(path), target }).map(drop)
}

#[track_caller]
fn assert_same(status: FileStatus, metadata: &Metadata) {
    let expected = FileStatus {
        device: metadata.dev(),
        inode: metadata.ino(),
        mode: metadata.mode(),
        links: metadata.nlink(),
        uid: metadata.uid(),
        gid: metadata.gid(),
        special_device: metadata.rdev(),
        size: metadata.size(),
        block_size: metadata.blksize(),
        blocks: metadata.blocks(),
        accessed_s: metadata.atime(),
        modified_s: metadata.mtime(),
        changed_s: metadata.ctime(),
        accessed_ns: metadata.atime_nsec() as u32,
        modified_ns: metadata.mtime_nsec() as u32,
        changed_ns: metadata.ctime_nsec() as u32,
    };
    assert_eq!(status, expected);
}

#[test]
fn every_kind_of_file_is_known() {
    let (guard, _server, mut client) = begin();
    let directory = guard.directory().to_owned();
    let [file, link, gone, fifo] =
        ["file", "link", "gone", "fifo"].map(|name| directory.join(name));
    std::fs::write(&file, "content").expect("a file");
    std::fs::hard_link(&file, directory.join("other name")).expect("another name");
    symlink("file", &link).expect("a link");
    symlink("nowhere", &gone).expect("a link");
    guard.output("mkfifo", &[fifo.to_str().expect("UTF-8")]);
    let paths = [&file, &link, &directory, &fifo, Path::new("/dev/null"), Path::new("/")];
    for path in paths {
        let status = stat(&mut client, 0, path, false).expect("it exists");
        assert_same(status, &path.metadata().expect("it exists"));
        let status = stat(&mut client, 0, path, true).expect("it exists");
        assert_same(status, &path.symlink_metadata().expect("it exists"));
    }
    let kept = stat(&mut client, 0, &gone, true).expect("the link exists");
    assert_same(kept, &gone.symlink_metadata().expect("it exists"));
    assert_eq!(stat(&mut client, 0, &gone, false).expect_err("it leads nowhere").errno, Some(2));
    // By its handle, and with that itself.
    let opened = client.call(&OpenFile { path: bytes(&link), ..OpenFile::default() });
    let opened = opened.expect("it exists");
    assert_same(opened.status.expect("servers send it"), &file.metadata().expect("it exists"));
    std::fs::remove_file(&file).expect("it exists");
    let by_handle = StatFile { file: opened.file, ..StatFile::default() };
    let status = client.call(&by_handle).expect("it is open").status.expect("always there");
    assert_eq!((status.links, status.size, status.mode & 0o170_000), (1, 7, 0o100_000));
    client.call(&CloseFile { file: opened.file }).expect("it is open");
    let fault = client.call(&by_handle).expect_err("it is closed");
    assert_eq!((fault.code, fault.errno), (ErrorCode::NoSuchFile, None));
}

#[test]
fn links_are_read() {
    let (guard, _server, mut client) = begin();
    let link = guard.directory().join("link");
    let text = "any text/".repeat(100);
    symlink(&text, &link).expect("a link");
    assert_eq!(read_link(&mut client, 0, &link).expect("a link"), text.as_bytes());
    let testee = Testee::build("waits", &[]);
    let mut process = guard.start(testee.path().to_str().expect("UTF-8"), &[]);
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    for name in ["exe", "cwd", "root", "fd/0"] {
        let path = format!("/proc/{}/{name}", process.pid());
        let expected = bytes(&std::fs::read_link(&path).expect("a link"));
        for target in [0, target.id] {
            let found = read_link(&mut client, target, Path::new(&path));
            assert_eq!(found.expect("a link"), expected, "{path}");
        }
        let kept = stat(&mut client, target.id, Path::new(&path), true).expect("it is there");
        assert_eq!(kept.mode & 0o170_000, 0o120_000);
        if name == "exe" {
            let file = stat(&mut client, 0, Path::new(&path), false).expect("it is there");
            assert_same(file, &testee.path().metadata().expect("it exists"));
            let followed = stat(&mut client, target.id, Path::new(&path), false);
            assert_eq!(followed.expect_err("a link of /proc").errno, Some(EXDEV));
        }
    }
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}

#[test]
fn names_are_removed() {
    let (guard, _server, mut client) = begin();
    let directory = guard.directory().to_owned();
    let [file, link, inner] = ["file", "link", "inner"].map(|name| directory.join(name));
    std::fs::write(&file, "content").expect("a file");
    std::fs::create_dir(&inner).expect("a folder");
    symlink("inner", &link).expect("a link");
    let errno = |client: &mut Client, path: &str| {
        remove(client, 0, &directory.join(path)).expect_err("it stays").errno
    };
    for path in ["inner", "inner/", "inner/..", "/", "//", "inner/."] {
        assert_eq!(errno(&mut client, path), Some(EISDIR), "{path}");
    }
    for path in ["file/", "file/x", "link/"] {
        assert_eq!(errno(&mut client, path), Some(ENOTDIR), "{path}");
    }
    for path in ["missing", "missing/x", "missing/"] {
        assert_eq!(errno(&mut client, path), Some(ENOENT), "{path}");
    }
    remove(&mut client, 0, &link).expect("a link");
    assert!(inner.is_dir() && link.symlink_metadata().is_err());
    remove(&mut client, 0, &file).expect("a file");
    assert!(!file.exists());
    std::fs::write(inner.join("deep"), "").expect("a file");
    remove(&mut client, 0, &inner.join(".././/inner//deep")).expect("a file");
    std::fs::remove_dir(&inner).expect("it is empty");
}

#[test]
fn refusals_have_the_systems_number() {
    let (guard, _server, mut client) = begin();
    let directory = guard.directory().to_owned();
    let [file, circle] = ["file", "circle"].map(|name| directory.join(name));
    std::fs::write(&file, "content").expect("a file");
    symlink("circle", &circle).expect("a link");
    let below = file.join("below");
    let long = directory.join("x".repeat(256));
    let cases = [
        (directory.join("missing"), ErrorCode::NoSuchFile, [ENOENT; 2]),
        (below, ErrorCode::SystemError, [ENOTDIR; 2]),
        (long, ErrorCode::SystemError, [ENAMETOOLONG; 2]),
        (file, ErrorCode::SystemError, [0, EINVAL]),
    ];
    for (path, code, [by_stat, by_link]) in cases {
        if by_stat != 0 {
            let fault = stat(&mut client, 0, &path, false).expect_err("it is refused");
            assert_eq!((fault.code, fault.errno), (code, Some(by_stat)));
        }
        let fault = read_link(&mut client, 0, &path).expect_err("it is refused");
        assert_eq!((fault.code, fault.errno), (code, Some(by_link)), "{}", path.display());
    }
    let fault = stat(&mut client, 0, &circle, false).expect_err("it goes round");
    assert_eq!(fault.errno, Some(ELOOP));
    let relative = Path::new("file");
    let faults = [
        stat(&mut client, 0, relative, false).expect_err("relative"),
        read_link(&mut client, 0, relative).expect_err("relative"),
        remove(&mut client, 0, relative).expect_err("relative"),
    ];
    for fault in faults {
        assert_eq!((fault.code, fault.errno), (ErrorCode::Malformed, None));
    }
    let nobodys = stat(&mut client, 9, Path::new("/"), false).expect_err("no target");
    assert_eq!(nobodys.code, ErrorCode::NoSuchTarget);
}

/// All that has a path is done below a target's root directory, and no link leads out.
#[test]
fn a_target_has_its_own_names() {
    let (guard, _server, mut client) = begin();
    let directory = guard.directory().join("shared");
    std::fs::create_dir(&directory).expect("a folder");
    let [file, made] = ["file", "made"].map(|name| directory.join(name));
    std::fs::write(&file, "of the server").expect("a file");
    let testee = Testee::build("waits", &[]);
    let script = r#"mount -t tmpfs none "$0" && printf 'of another' > "$0/file" \
        && ln -s /../../../../../../../../"$0" "$0/link" && exec "$1""#;
    let arguments = [&directory, testee.path()].map(|path| path.to_str().expect("UTF-8"));
    let words = ["--map-root-user", "--mount", "sh", "-c", script];
    let mut process = guard.start("unshare", &[&words[..], &arguments].concat());
    assert_eq!(process.read_line(), "ready");
    let (target, _) = client.attach(process.pid());
    let through = directory.join("link/link");
    for path in [&file, &through.join("file")] {
        assert_eq!(stat(&mut client, target.id, path, false).expect("it exists").size, 10);
    }
    assert_eq!(stat(&mut client, 0, &file, false).expect("it exists").size, 13);
    let text = read_link(&mut client, target.id, &through).expect("a link");
    assert_eq!(text, [b"/../../../../../../../../", &bytes(&directory)[..]].concat());
    // Made, and removed again, where the server sees none of it.
    let access = FileAccess::Write as i32;
    let create = OpenFile {
        path: bytes(&through.join("made")),
        target: target.id,
        access,
        mode: 0o600,
        create: true,
        ..OpenFile::default()
    };
    let opened = client.call(&create).expect("it can be made").file;
    let id = client.send(&WriteFile { file: opened, offset: 0 }, Bytes::from_static(b"1234"));
    client.answer::<WriteFile>(id).expect("it can be written");
    assert_eq!(stat(&mut client, target.id, &made, false).expect("it exists").size, 4);
    assert!(!made.exists());
    remove(&mut client, target.id, &through.join("made")).expect("it exists");
    assert_eq!(remove(&mut client, target.id, &made).expect_err("it is gone").errno, Some(ENOENT));
    remove(&mut client, target.id, &through.join("file")).expect("it exists");
    assert_eq!(std::fs::read(&file).expect("it stays"), b"of the server");
    client.detach(target);
    process.close_input();
    assert_eq!(process.wait(), ExitStatus::Exited(0));
}
