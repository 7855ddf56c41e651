//! What the registers beyond the general ones cost, and what is sent when one is set. The scripted
//! machine has AVX.

use dbgbase::x86_64::extended::{ExtendedRegister, ExtendedValue};
use dbgeng::{Engine, ErrorKind, ThreadNumber};
use dbgwire::ErrorCode;
use dbgwire::event::StopKind;
use dbgwire::verbs::registers::{
    ReadRegisters, ReadRegistersReply, ThreadRegisters, WriteRegisters, WriteRegistersReply,
};

use crate::peer::{Peer, Session};
use crate::scene::{CODE, GO, Scene, launch, next_stop, registers, serve_launch};

fn named(name: &str) -> ExtendedRegister {
    ExtendedRegister::from_name(name).expect("a register")
}

/// A thread whose xmm0 begins with its id, and whose dr7 is its id.
fn thread(tid: u32) -> ThreadRegisters {
    let mut extended = vec![0; 576];
    extended[160..164].copy_from_slice(&tid.to_le_bytes());
    extended[512] = 3;
    let debug = vec![0, 0, 0, 0, 0, u64::from(tid)];
    let general = registers(&[]).values().to_vec();
    ThreadRegisters { tid, general, extended, debug, ..ThreadRegisters::default() }
}

/// Answers a question for these threads with the first `count` of them.
fn serve(peer: &mut Peer, tids: &[u32], count: usize) {
    let read = peer.expect::<ReadRegisters>();
    assert!(read.verb.extended && read.verb.debug);
    assert_eq!(read.verb.tids, tids);
    let threads = tids.iter().take(count).map(|tid| thread(*tid)).collect();
    peer.answer(&read, ReadRegistersReply { threads, more: count < tids.len() });
}

/// xmm0 of a thread of the only process.
fn xmm0(engine: &Engine, number: u32) -> Result<u64, ErrorKind> {
    let (process, _) = engine.current().expect("one");
    let registers = engine.thread_extended_registers(process, ThreadNumber(number));
    let registers = registers.map_err(|error| error.kind())?;
    Ok(registers.get(named("xmm0")).expect("there").low())
}

#[test]
fn the_first_thread_is_one_question_and_all_others_are_the_next() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        let scene = Scene::new(2, 1, 1001, StopKind::Signal, CODE).signal(10, 0);
        scene.born(&[1002, 1003, 1004, 1005]).push(peer);
        serve(peer, &[1001], 1);
        // The reply is full before the end, twice, and one thread has ended meanwhile.
        serve(peer, &[1003, 1002, 1004, 1005], 2);
        serve(peer, &[1004, 1005], 1);
        let read = peer.expect::<ReadRegisters>();
        assert_eq!(read.verb.tids, [1005]);
        peer.answer(&read, ReadRegistersReply::default());
        // It is asked about again, as it may be of use to know that.
        let read = peer.expect::<ReadRegisters>();
        assert_eq!(read.verb.tids, [1005]);
        peer.answer(&read, ReadRegistersReply::default());
        peer.resume();
        Scene::new(3, 1, 1001, StopKind::Signal, CODE).signal(10, 0).push(peer);
        serve(peer, &[1001], 1);
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("runs");
    next_stop(engine);
    assert_eq!(xmm0(engine, 0), Ok(1001));
    assert_eq!(xmm0(engine, 0), Ok(1001), "known");
    assert_eq!(xmm0(engine, 2), Ok(1003));
    assert_eq!(xmm0(engine, 1), Ok(1002));
    assert_eq!(xmm0(engine, 3), Ok(1004));
    assert_eq!(xmm0(engine, 4), Err(ErrorKind::NoSuchThread));
    let registers = engine.extended_registers().expect("known");
    assert_eq!(registers.debug().last(), Some(("dr7", 1001)));
    assert_eq!(registers.get(named("zmm0")), None, "the machine has no AVX-512");
    engine.execute(GO).expect("runs");
    next_stop(engine);
    assert_eq!(xmm0(engine, 0), Ok(1001), "asked for again");
    session.end();
}

#[test]
fn a_vector_is_set_by_its_parts_and_read_back_at_once() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let write = peer.expect::<WriteRegisters>();
        let read = peer.expect::<ReadRegisters>();
        let patches: Vec<(u32, usize)> =
            write.verb.extended.iter().map(|patch| (patch.offset, patch.bytes.len())).collect();
        assert_eq!((patches, write.verb.values.len()), (vec![(208, 16), (624, 16)], 0));
        assert!(read.verb.tids == [1001] && read.verb.extended);
        peer.answer(&write, WriteRegistersReply {});
        peer.answer(&read, ReadRegistersReply { threads: vec![thread(1001)], more: false });
        // The place of an MMX register depends on what is known by now.
        let write = peer.expect::<WriteRegisters>();
        let read = peer.expect::<ReadRegisters>();
        assert_eq!(write.verb.extended[0].offset, 32 + 16);
        peer.refuse(&write, ErrorCode::SystemError, "no");
        peer.answer(&read, ReadRegistersReply { threads: vec![thread(1001)], more: false });
    });
    let engine = session.engine();
    launch(engine);
    engine.set_extended_register(named("ymm3"), &ExtendedValue::new(&[7; 32])).expect("set");
    assert_eq!(xmm0(engine, 0), Ok(1001), "read back");
    let refused = engine.set_extended_register(named("mm1"), &ExtendedValue::new(&[7; 8]));
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::ServerRefused);
    let missing = engine.set_extended_register(named("k1"), &ExtendedValue::new(&[7; 8]));
    let missing = missing.expect_err("no AVX-512");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(missing.to_string(), "the server's machine has no register k1");
    session.end();
}
