//! The samples of verbs about files.

use dbgwire::verbs::file::*;
use dbgwire::verbs::memory::Range;

use super::Collection;

/// What a file is, with every field.
fn status() -> FileStatus {
    FileStatus {
        device: 0xfd00,
        inode: 131_074,
        mode: 0o100_644,
        links: 1,
        uid: 1000,
        gid: 100,
        special_device: 0x103,
        size: 4096,
        block_size: 4096,
        blocks: 8,
        accessed_s: 1_767_225_600,
        modified_s: -1,
        changed_s: 1_767_225_601,
        accessed_ns: 1,
        modified_ns: 999_999_999,
        changed_ns: 300,
    }
}

pub(super) fn add(all: &mut Collection) {
    let request = OpenFile {
        path: b"/tmp/core".to_vec(),
        target: 1,
        access: FileAccess::CreateNew as i32,
        mode: 0o644,
        append: true,
        create: true,
        truncate: true,
        exclusive: true,
    };
    let reply = OpenFileReply { file: 2, size: 4096, modified_s: -1, status: Some(status()) };
    all.verb((request, b""), (reply, b""));
    let ranges = vec![Range { address: 4090, len: 16 }];
    let reply = ReadFileReply { lengths: vec![6] };
    all.verb((ReadFile { file: 2, ranges }, b""), (reply, b"abcdef"));
    let request = WriteFile { file: 2, offset: 4096 };
    all.verb((request, b"text\n"), (WriteFileReply {}, b""));
    all.verb((CloseFile { file: 2 }, b""), (CloseFileReply {}, b""));
}

pub(super) fn add_names(all: &mut Collection) {
    let (path, target) = (b"/tmp/core".to_vec(), 1);
    let request = StatFile { file: 2, path: path.clone(), target, keep_link: true };
    all.verb((request, b""), (StatFileReply { status: Some(status()) }, b""));
    let reply = ReadLinkReply { text: b"/bin/sleep".to_vec() };
    all.verb((ReadLink { path: path.clone(), target }, b""), (reply, b""));
    all.verb((RemoveFile { path, target }, b""), (RemoveFileReply {}, b""));
}
