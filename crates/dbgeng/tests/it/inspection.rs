//! What looking at a target costs: scripts that expect no request are budgets of none.

use dbgbase::{Address, Pid, ReadMemory as _, RegisterId, x86_64};
use dbgeng::{ErrorKind, ProcessPart, StackEnd, StopCause, ThreadNumber};
use dbgwire::ErrorCode;
use dbgwire::event::StopKind;
use dbgwire::handshake::Welcome;
use dbgwire::verbs::description::{
    self as wire, DescribeProcess, DescribeProcessReply, DescriptorDescription,
};
use dbgwire::verbs::memory::{
    ListRegions, ListRegionsReply, Range, ReadMemory, ReadMemoryReply, Region, WriteMemory,
    WriteMemoryReply,
};
use dbgwire::verbs::process::{LaunchReply, ProcessDescription};
use dbgwire::verbs::registers::{
    ReadRegisters, ReadRegistersReply, ThreadRegisters, WriteRegisters, WriteRegistersReply,
};
use dbgwire::verbs::thread::{ListThreads, ListThreadsReply, ThreadDescription};

use crate::peer::{Peer, Session};
use crate::scene::{CODE, CODE_BYTES, GO, SP, Scene, launch, next_stop, registers, serve_launch};

/// Answers a read out of memory in which each byte is the low byte of its address, mapped from
/// 0x10000 to 0x20000. Returns what was asked for.
fn serve_read(peer: &mut Peer) -> Vec<(u64, u32)> {
    let read = peer.expect::<ReadMemory>();
    let mut tail = Vec::new();
    let mut lengths = Vec::new();
    for range in &read.verb.ranges {
        let wanted = range.address..range.address.saturating_add(u64::from(range.len));
        let head = wanted.take_while(|address| (0x1_0000..0x2_0000).contains(address));
        let head: Vec<u8> = head.map(|address| address as u8).collect();
        lengths.push(head.len() as u32);
        tail.extend_from_slice(&head);
    }
    peer.answer_with(&read, ReadMemoryReply { lengths }, &tail);
    read.verb.ranges.iter().map(|range| (range.address, range.len)).collect()
}

#[test]
fn what_a_prompt_shows_after_a_stop_costs_nothing() {
    let mut session = Session::new(|peer| serve_launch(peer, 1));
    let engine = session.engine();
    launch(engine);
    let registers = engine.registers().expect("came along");
    assert_eq!((registers.pc(), registers.sp()), (Address::new(CODE), Address::new(SP)));
    let code = engine.disassemble(registers.pc(), 4).expect("came along");
    let text: Vec<_> =
        code.iter().map(|one| (one.address.value(), one.mnemonic.as_str())).collect();
    let expected = ["nop", "nop", "call", "rep movs"];
    let addresses = [CODE, CODE + 1, CODE + 2, CODE + 7];
    assert!(
        text.iter().zip(addresses.iter().zip(expected)).all(
            |((at, mnemonic), (address, start))| { at == address && mnemonic.starts_with(start) }
        ),
        "{text:?}"
    );
    let mut top = [0; 64];
    assert_eq!(engine.read_memory(registers.sp(), &mut top).expect("came along"), 64);
    assert_eq!(top, [0x5a; 64]);
    assert!(engine.modules().expect("none").is_empty());
    session.end();
}

#[test]
fn the_top_of_a_stack_that_came_along_costs_nothing() {
    let mut session = Session::new(|peer| {
        let launch = peer.expect::<dbgwire::verbs::process::Launch>();
        let reply = LaunchReply { target: 1, pid: 1001, ..LaunchReply::default() };
        peer.answer(&launch, reply);
        // Two frames by frame pointers; the outermost one's is zero.
        let mut stack = [0; 512];
        let mut put =
            |at: usize, value: u64| stack[at..at + 8].copy_from_slice(&value.to_le_bytes());
        put(0x40, SP + 0x80);
        put(0x48, CODE + 0x107);
        put(0x80, 0);
        put(0x88, CODE + 0x207);
        let mut code = [0x90; 0x1000];
        // Before a return address there is a call.
        (code[0x102], code[0x202]) = (0xe8, 0xe8);
        let mut scene = Scene::new(1, 1, 1001, StopKind::InitialBreak, CODE + 0x10);
        let values = [(x86_64::RIP, CODE + 0x10), (x86_64::RSP, SP), (x86_64::RBP, SP + 0x40)];
        scene.stopped.general = registers(&values).values().to_vec();
        scene.stopped.windows =
            vec![Range { address: CODE, len: 0x1000 }, Range { address: SP, len: 512 }];
        scene.tail = [&code[..], &stack].concat();
        scene.push(peer);
    });
    let engine = session.engine();
    launch(engine);
    let stack = engine.stack(10).expect("came along");
    let frames: Vec<_> = stack.frames.iter().map(|frame| frame.pc.value()).collect();
    assert_eq!(frames, [CODE + 0x10, CODE + 0x107, CODE + 0x207]);
    assert_eq!(stack.frames[0].return_address, Some(Address::new(CODE + 0x107)));
    assert_eq!(stack.frames[2].return_address, None);
    assert_eq!(stack.frames[1].sp, Address::new(SP + 0x50));
    assert_eq!(stack.end, StackEnd::Outermost);
    session.end();
}

#[test]
fn pages_are_asked_for_once_and_forgotten_when_the_target_runs() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        assert_eq!(serve_read(peer), [(0x1_0000, 0x1000)]);
        assert_eq!(serve_read(peer), [(0x1_1000, 0x2000)]);
        assert_eq!(serve_read(peer), [(0x1_f000, 0x2000)]);
        assert_eq!(serve_read(peer), [(0x3_0000, 0x1000)]);
        peer.resume();
        // While it runs nothing is kept, and no more is asked for than was wanted.
        assert_eq!(serve_read(peer), [(0x1_0010, 4)]);
        assert_eq!(serve_read(peer), [(0x1_0010, 4)]);
        Scene::new(2, 1, 1001, StopKind::Signal, CODE).signal(10, 0).push(peer);
        assert_eq!(serve_read(peer), [(0x1_0000, 0x1000)]);
    });
    let engine = session.engine();
    launch(engine);
    let read = |engine: &dbgeng::Engine, address, len: usize| {
        let mut buffer = vec![0; len];
        let read = engine.read_memory(Address::new(address), &mut buffer);
        read.map(|len| buffer[..len].to_vec()).map_err(|error| error.kind())
    };
    assert_eq!(read(engine, 0x1_0010, 4), Ok(vec![0x10, 0x11, 0x12, 0x13]));
    assert_eq!(read(engine, 0x1_0ffe, 2), Ok(vec![0xfe, 0xff]));
    assert_eq!(read(engine, 0x1_0fff, 0x1002).map(|bytes| bytes.len()), Ok(0x1002));
    assert_eq!(read(engine, 0x1_fffe, 8), Ok(vec![0xfe, 0xff]), "a short read is a value");
    assert_eq!(read(engine, 0x1_fffe, 8), Ok(vec![0xfe, 0xff]), "and known from then on");
    assert_eq!(read(engine, 0x2_0000, 8), Err(ErrorKind::Unreadable));
    assert_eq!(read(engine, 0x3_0000, 8), Err(ErrorKind::Unreadable));
    assert_eq!(read(engine, 0x3_0008, 8), Err(ErrorKind::Unreadable), "known, too");
    assert!(engine.memory().read(Address::new(0x3_0000), &mut [0]).is_err());
    engine.execute(GO).expect("runs");
    for _ in 0..2 {
        assert_eq!(read(engine, 0x1_0010, 4), Ok(vec![0x10, 0x11, 0x12, 0x13]));
    }
    next_stop(engine);
    assert_eq!(read(engine, 0x1_0010, 1), Ok(vec![0x10]));
    session.end();
}

#[test]
fn a_window_that_came_along_does_not_stand_for_its_page() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let read = peer.expect::<ReadMemory>();
        let ranges = [Range { address: CODE, len: 0x1000 }];
        assert_eq!(read.verb.ranges, ranges);
        let page = [&CODE_BYTES[..], &[0xcc; 0x1000 - 16]].concat();
        peer.answer_with(&read, ReadMemoryReply { lengths: vec![0x1000] }, &page);
    });
    let engine = session.engine();
    launch(engine);
    let mut bytes = [0; 18];
    assert_eq!(engine.read_memory(Address::new(CODE), &mut bytes).expect("read"), 18);
    assert_eq!((bytes[15], bytes[16], bytes[17]), (0x90, 0xcc, 0xcc));
    session.end();
}

#[test]
fn long_reads_are_cut_to_the_limits_and_sent_without_waiting() {
    let total = 3 * 1024 * 1024 + 5;
    let mut session = Session::new(move |peer| {
        serve_launch(peer, 1);
        // All pieces are under way before the first is answered.
        let pieces: Vec<_> = (0..7).map(|_| peer.expect::<ReadMemory>()).collect();
        let mut next = 0x10_0000;
        for piece in &pieces {
            let [range] = &piece.verb.ranges[..] else { panic!("one range each") };
            assert_eq!(range.address, next);
            assert!(range.len <= dbgwire::verbs::memory::READ_LEN_MAX);
            next += u64::from(range.len);
        }
        assert_eq!(next, 0x10_0000 + total);
        for piece in &pieces {
            let range = piece.verb.ranges[0];
            let bytes = vec![(range.address >> 16) as u8; range.len as usize];
            peer.answer_with(piece, ReadMemoryReply { lengths: vec![range.len] }, &bytes);
        }
    });
    let engine = session.engine();
    launch(engine);
    let mut buffer = vec![0; total as usize];
    let read = engine.read_memory(Address::new(0x10_0000), &mut buffer).expect("read");
    assert_eq!(read as u64, total);
    assert_eq!((buffer[0], buffer[0x8_0000], buffer[0x30_0004]), (0x10, 0x18, 0x40));
    session.end();
}

#[test]
fn a_server_with_short_frames_gets_short_requests() {
    let (engine, server) = crate::peer::connect(|peer| {
        peer.greet_with(Welcome { frame_len_max: 32 * 1024, ..Welcome::default() });
        serve_launch(peer, 1);
        let reads: Vec<_> = (0..3).map(|_| peer.expect::<ReadMemory>()).collect();
        for read in reads {
            let len: u32 = read.verb.ranges.iter().map(|range| range.len).sum();
            assert!(len <= 16 * 1024, "{len}");
            peer.answer_with(&read, ReadMemoryReply { lengths: vec![len] }, &vec![1; len as usize]);
        }
        let write = peer.expect::<WriteMemory>();
        assert_eq!(write.tail.len(), 16 * 1024);
        // Only a part could be written: nothing is written behind the gap.
        peer.answer(&write, WriteMemoryReply { written: 100 });
        peer.expect_end();
    });
    let mut engine = engine.expect("welcome");
    launch(&mut engine);
    let mut buffer = vec![0; 40 * 1024];
    let read = engine.read_memory(Address::new(0x1_0000), &mut buffer).expect("read");
    assert_eq!(read, buffer.len());
    assert!(buffer.iter().all(|byte| *byte == 1));
    let written = engine.write_memory(Address::new(0x1_0000), &vec![2; 20 * 1024]);
    assert_eq!(written.expect("a part"), 100);
    drop(engine);
    server.join().expect("the script was followed");
}

#[test]
fn writes_are_seen_by_later_reads() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        serve_read(peer);
        let write = peer.expect::<WriteMemory>();
        assert_eq!((write.verb.address, &write.tail[..]), (0x1_0010, &[1, 2, 3][..]));
        peer.answer(&write, WriteMemoryReply { written: 3 });
        let write = peer.expect::<WriteMemory>();
        peer.refuse(&write, ErrorCode::Unwritable, "not mapped");
    });
    let engine = session.engine();
    launch(engine);
    let mut bytes = [0; 3];
    engine.read_memory(Address::new(0x1_0010), &mut bytes).expect("read");
    let written = engine.write_memory(Address::new(0x1_0010), &[1, 2, 3]).expect("written");
    assert_eq!(written, 3);
    engine.read_memory(Address::new(0x1_0010), &mut bytes).expect("known");
    assert_eq!(bytes, [1, 2, 3]);
    let error = engine.write_memory(Address::new(0x10), &[1]).expect_err("not mapped");
    assert_eq!(error.kind(), ErrorKind::Unwritable);
    session.end();
}

#[test]
fn registers_of_all_threads_come_with_the_first_question() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        peer.resume();
        let scene = Scene::new(2, 1, 1001, StopKind::Signal, CODE).signal(10, 0);
        scene.born(&[1002, 1003, 1004]).push(peer);
        let read = peer.expect::<ReadRegisters>();
        assert!(read.verb.tids.is_empty(), "all of them");
        let thread = |tid: u32, values: &[u64]| ThreadRegisters {
            tid,
            general: values.to_vec(),
            ..ThreadRegisters::default()
        };
        let second = registers(&[(x86_64::RIP, 2)]);
        let third = registers(&[(x86_64::RIP, 3)]);
        let threads = vec![
            thread(1002, second.values()),
            thread(1003, third.values()),
            thread(1004, &[1, 2, 3]),
        ];
        peer.answer(&read, ReadRegistersReply { threads, more: false });
        let read = peer.expect::<ReadRegisters>();
        let threads = vec![thread(1004, &[1, 2, 3])];
        peer.answer(&read, ReadRegistersReply { threads, more: false });
        let list = peer.expect::<ListThreads>();
        let describe = |tid, name: &str| ThreadDescription {
            tid,
            name: name.to_owned(),
            ..ThreadDescription::default()
        };
        let threads = vec![describe(1003, "worker"), describe(1001, "main")];
        peer.answer(&list, ListThreadsReply { threads });
    });
    let engine = session.engine();
    launch(engine);
    engine.execute(GO).expect("runs");
    assert!(matches!(next_stop(engine), StopCause::Signal { .. }));
    let (process, _) = engine.current().expect("one");
    let pc =
        |thread| engine.thread_registers(process, ThreadNumber(thread)).map(|all| all.pc().value());
    assert_eq!(pc(0).expect("came along"), CODE);
    assert_eq!(pc(1).expect("asked for"), 2);
    assert_eq!(pc(2).expect("came with it"), 3);
    let wrong = pc(3).expect_err("too few values");
    assert_eq!(wrong.kind(), ErrorKind::Internal);
    assert_eq!(pc(9).expect_err("no such").kind(), ErrorKind::NoSuchThread);
    let threads = engine.list_threads(process).expect("listed");
    let names: Vec<_> = threads.iter().map(|one| (one.number.0, one.name.as_str())).collect();
    assert_eq!(names, [(0, "main"), (2, "worker")]);
    session.end();
}

#[test]
fn a_register_that_is_set_is_read_back() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let write = peer.expect::<WriteRegisters>();
        let read = peer.expect::<ReadRegisters>();
        let value = write.verb.values[0];
        assert_eq!((write.verb.tid, value.register, value.value), (1001, 0, 7));
        assert_eq!(read.verb.tids, [1001]);
        peer.answer(&write, WriteRegistersReply {});
        // The kernel had its own idea.
        let general = registers(&[(x86_64::RAX, 6)]).values().to_vec();
        let threads = vec![ThreadRegisters { tid: 1001, general, ..ThreadRegisters::default() }];
        peer.answer(&read, ReadRegistersReply { threads, more: false });
    });
    let engine = session.engine();
    launch(engine);
    engine.set_register(x86_64::RAX, 7).expect("set");
    assert_eq!(engine.registers().expect("known").get(x86_64::RAX), 6);
    let error = engine.set_register(RegisterId::new(39), 7).expect_err("no such register");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    session.end();
}

#[test]
fn code_beyond_what_came_along_is_read_at_once_and_ends_with_memory() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let read = peer.expect::<ReadMemory>();
        assert_eq!(read.verb.ranges, [Range { address: CODE, len: 0x1000 }]);
        let page = [&CODE_BYTES[..], &[0x90; 3]].concat();
        peer.answer_with(&read, ReadMemoryReply { lengths: vec![19] }, &page);
    });
    let engine = session.engine();
    launch(engine);
    let code = engine.disassemble(Address::new(CODE), 100).expect("read");
    assert_eq!(code.len(), 5 + 8, "the list ends where memory does");
    assert_eq!(code.last().map(|one| one.address.value()), Some(CODE + 18));
    session.end();
}

#[test]
fn regions_are_paged_through() {
    let mut session = Session::new(|peer| {
        serve_launch(peer, 1);
        let region = |start, end, protection| Region {
            start,
            end,
            protection,
            offset: 0,
            name: b"[stack]".to_vec(),
        };
        let list = peer.expect::<ListRegions>();
        assert_eq!(list.verb.from, 0);
        let regions = vec![region(0x1000, 0x2000, 5)];
        peer.answer(&list, ListRegionsReply { regions, more: true });
        let list = peer.expect::<ListRegions>();
        assert_eq!(list.verb.from, 0x2000);
        let regions = vec![region(0x4000, 0x5000, 11)];
        peer.answer(&list, ListRegionsReply { regions, more: false });
    });
    let engine = session.engine();
    launch(engine);
    let regions = engine.regions().expect("listed");
    let access: Vec<_> = regions
        .iter()
        .map(|one| (one.is_readable, one.is_writable, one.is_executable, one.is_shared))
        .collect();
    assert_eq!(access, [(true, false, true, false), (true, true, false, true)]);
    session.end();
}

#[test]
fn a_description_that_does_not_get_on_is_not_asked_for_for_ever() {
    let parts = |numbers: &[u32], cut: bool| DescribeProcessReply {
        process: Some(ProcessDescription { pid: 7, ..ProcessDescription::default() }),
        cut: if cut { wire::ProcessPart::Descriptors.bit() } else { 0 },
        descriptors: numbers
            .iter()
            .map(|number| DescriptorDescription { number: *number, ..Default::default() })
            .collect(),
        ..DescribeProcessReply::default()
    };
    for (last, is_cut) in [(parts(&[2], true), true), (parts(&[2], false), false)] {
        let mut session = Session::new(move |peer| {
            let replies = [parts(&[0, 1], true), parts(&[2], true), last];
            for (from, reply) in [0, 2, 3].into_iter().zip(replies) {
                let request = peer.expect::<DescribeProcess>();
                assert_eq!(request.verb.from, from);
                peer.answer(&request, reply);
            }
        });
        let asked = [ProcessPart::Descriptors];
        let details = session.engine().describe_process(Pid::new(7), &asked).expect("described");
        let numbers: Vec<u32> = details.descriptors.iter().map(|each| each.number).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(details.cut.contains(&ProcessPart::Descriptors), is_cut);
        session.end();
    }
}
