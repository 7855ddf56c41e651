//! What the scripted targets look like: where they stand, and what is in their memory.
//!
//! ```text
//!   0x401000  f:    nop; nop; call 0x402000; rep movsb; jmp 0x401000; nop…   mapped
//! 0x401000-0x402000   0x7ffe_0000_1000  the stack pointer                                     
//! mapped …0000-…8000
//! ```

use dbgbase::{Arch, GeneralRegisters, RegisterId, x86_64};
use dbgeng::{DebugEvent, Engine, EventKind, Execution, LaunchOptions, SignalAction, StopCause};
use dbgwire::event::{SignalDetail, StopKind, Stopped};
use dbgwire::verbs::memory::Range;
use dbgwire::verbs::process::{Launch, LaunchReply};

use crate::peer::Peer;

/// Run until something happens.
pub(crate) const GO: Execution = Execution::Go { signal: SignalAction::Default, until: Vec::new() };

pub(crate) const CODE: u64 = 0x40_1000;
/// Where the code's call is.
pub(crate) const CALL: u64 = CODE + 2;
/// Behind the call: `rep movsb`.
pub(crate) const REP: u64 = CODE + 7;
pub(crate) const SP: u64 = 0x7ffe_0000_1000;

/// The target's code, from [`CODE`] on.
pub(crate) const CODE_BYTES: [u8; 16] = [
    0x90, 0x90, // nop; nop
    0xe8, 0xf9, 0x0f, 0x00, 0x00, // call 0x402000
    0xf3, 0xa4, // rep movsb
    0xeb, 0xf5, // jmp 0x401000
    0x90, 0x90, 0x90, 0x90, 0x90,
];

/// A stop event as a server sends it: registers, and code and stack around them.
pub(crate) struct Scene {
    pub(crate) stopped: Stopped,
    pub(crate) tail: Vec<u8>,
}

impl Scene {
    /// Target `target` stops in thread `tid` at `pc`.
    pub(crate) fn new(stop: u64, target: u32, tid: u32, kind: StopKind, pc: u64) -> Scene {
        Scene::with_sp(stop, target, tid, kind, pc, SP)
    }

    pub(crate) fn with_sp(
        stop: u64,
        target: u32,
        tid: u32,
        kind: StopKind,
        pc: u64,
        sp: u64,
    ) -> Scene {
        let registers = registers(&[(x86_64::RIP, pc), (x86_64::RSP, sp)]);
        let stack = [0x5a; 512];
        let windows = vec![
            Range { address: CODE, len: CODE_BYTES.len() as u32 },
            Range { address: sp, len: stack.len() as u32 },
        ];
        let stopped = Stopped {
            stop,
            target,
            tid,
            kind: kind as i32,
            general: registers.values().to_vec(),
            windows,
            ..Stopped::default()
        };
        Scene { stopped, tail: [&CODE_BYTES[..], &stack].concat() }
    }

    pub(crate) fn sites(mut self, sites: &[u32]) -> Scene {
        self.stopped.sites = sites.to_vec();
        self
    }

    pub(crate) fn born(mut self, tids: &[u32]) -> Scene {
        self.stopped.threads_born = tids.to_vec();
        self
    }

    pub(crate) fn signal(mut self, number: u32, code: i32) -> Scene {
        let detail = SignalDetail { number, code, address: None, sender: Some(1) };
        self.stopped.signal = Some(detail);
        self
    }

    pub(crate) fn push(&self, peer: &mut Peer) {
        peer.event(&self.stopped, &self.tail);
    }
}

pub(crate) fn registers(values: &[(RegisterId, u64)]) -> GeneralRegisters {
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    for (id, value) in values {
        registers.set(*id, *value);
    }
    registers
}

/// The server's part of launching target `target` with process id `1000 + target`, up to its first
/// stop, which has the number `target`.
pub(crate) fn serve_launch(peer: &mut Peer, target: u32) {
    let launch = peer.expect::<Launch>();
    peer.answer(&launch, LaunchReply { target, pid: 1000 + target, ..LaunchReply::default() });
    let tid = 1000 + target;
    let stop = u64::from(target);
    Scene::new(stop, target, tid, StopKind::InitialBreak, CODE).born(&[tid]).push(peer);
}

/// The client's part of it.
pub(crate) fn launch(engine: &mut Engine) {
    engine.launch(&LaunchOptions::new("/bin/prog")).expect("launches");
    assert_eq!(next_stop(engine), StopCause::InitialBreak);
}

/// The next event, which must come.
pub(crate) fn next_event(engine: &mut Engine) -> DebugEvent {
    engine.wait_for_event(None).expect("no failure").expect("no timeout")
}

/// The next event, which must be a stop.
pub(crate) fn next_stop(engine: &mut Engine) -> StopCause {
    match next_event(engine).kind {
        EventKind::Stopped(cause) => cause,
        other => panic!("expected a stop, got {other:?}"),
    }
}
