//! The samples of what stops bring along: the request, and a stop that does.

use dbgwire::event::{StopKind, Stopped};
use dbgwire::verbs::memory::Range;
use dbgwire::verbs::registers::ThreadRegisters;
use dbgwire::verbs::window::*;

use super::Collection;

/// Asking, and getting.
pub(super) fn add(all: &mut Collection) {
    let window = |base: WindowBase, offset| Window { base: base as i32, offset, len: 64 };
    let request = SetWindows {
        target: 1,
        stack_len: 1024,
        windows: vec![
            window(WindowBase::FramePointer, -48),
            window(WindowBase::Absolute, 0x5555_5555_8000),
        ],
        extended: true,
        threads: true,
        thread_stack_len: 256,
    };
    all.verb((request, b""), (SetWindowsReply {}, b""));
    let other = ThreadRegisters {
        tid: 4712,
        general: vec![1, 0x5555_5555_5139],
        name: "worker".into(),
        ..ThreadRegisters::default()
    };
    let stop = Stopped {
        stop: 13,
        target: 1,
        tid: 4711,
        kind: StopKind::Step as i32,
        windows: vec![
            Range { address: 0x5555_5555_8000, len: 2 },
            Range { address: 0x5555_5555_8002, len: 0 },
        ],
        extended: vec![0x7f, 0x03, 0x00],
        threads: vec![other],
        name: "sleep".into(),
        ..Stopped::default()
    };
    all.event(stop, b"\x55\x48");
}
