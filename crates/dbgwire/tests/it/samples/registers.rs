//! The samples of verbs about registers.

use dbgwire::verbs::registers::*;

use super::Collection;

/// Reading and writing.
pub(super) fn add(all: &mut Collection) {
    let threads = vec![ThreadRegisters {
        tid: 4711,
        general: vec![1, 0xffff_ffff_ffff_ffff],
        extended: vec![0x7f, 0x03, 0x00],
        debug: vec![0x5555_5555_8010, 0xd_0101],
        stack_start: 0x7fff_ffff_df80,
        stack_len: 3,
        name: "sleep".into(),
    }];
    let request = ReadRegisters {
        target: 1,
        tids: vec![4711, 4712],
        extended: true,
        debug: true,
        stack_len: 256,
        names: true,
    };
    all.verb((request, b""), (ReadRegistersReply { threads, more: true }, b"\x00\x01\x02"));

    let values = vec![
        RegisterValue { register: 16, value: 0x5555_5555_4010 },
        RegisterValue { register: 0, value: 0 },
    ];
    let extended = vec![ExtendedPatch { offset: 160, bytes: vec![0xca, 0xfe] }];
    let request = WriteRegisters { target: 1, tid: 4711, values, extended };
    all.verb((request, b""), (WriteRegistersReply {}, b""));
}
