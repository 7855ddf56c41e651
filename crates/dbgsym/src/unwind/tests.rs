//! Literal registers and stack bytes against literal call frame information. Numbers of DWARF
//! registers: rbx 3, rbp 6, rsp 7, rip 16; x29 29, x30 30, sp 31.

mod synthetic_frames;

use dbgbase::{Address, Arch, GeneralRegisters, LinkAddress, LoadBias, aarch64, x86_64};

use super::*;
use synthetic_frames::{Cie, Memory, frames_image};

const BIAS: LoadBias = LoadBias::new(0x5555_0000_0000);
const STACK: u64 = 0x7ffe_0000;

/// `push rbp; mov rbp,rsp; ...; ret` as every compiler describes it.
const STANDARD: &[u8] = &[
    0x41, 0x0e, 16, 0x86, 2, // one byte on: CFA is rsp+16, rbp is at CFA-16
    0x43, 0x0d, 6, // three bytes on: CFA is rbp+16
];

/// The program of these tests: one function at its start with this call frame information.
struct Program {
    image: Image,
    text: LinkAddress,
}

impl Program {
    fn new(cie: &Cie, code: &[u8]) -> Program {
        let (image, text) = frames_image(cie, &[(0, 0x100, code)]);
        Program { image, text }
    }

    fn address(&self, offset: u64) -> Address {
        LinkAddress::new(self.text.value() + offset).to_address(BIAS)
    }

    fn unwind(&self, frame: &Frame, memory: &Memory) -> Result<Unwound, StackEnd> {
        unwind_frame(frame, &|address| self.locate(address), memory)
    }

    fn locate(&self, address: Address) -> Option<(&Image, LoadBias)> {
        let range = self.image.loaded_range(BIAS)?;
        range.contains(address).then_some((&self.image, BIAS))
    }
}

fn innermost(pc: Address, values: &[(RegisterId, u64)]) -> Frame {
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    registers.set_pc(pc);
    for (id, value) in values {
        registers.set(*id, *value);
    }
    Frame::innermost(&registers)
}

#[test]
fn every_row_of_a_function_leads_to_the_same_caller() {
    let program = Program::new(&Cie::x86_64(), STANDARD);
    let memory = Memory::words(STACK, &[0xdead, 0x1111, 0x4444_0000, 0x2222]);
    let (caller_rbp, return_address) = (0x1111, Address::new(0x4444_0000));
    let rbp = x86_64::RBP;
    for (offset, rsp, rbp_now) in [
        (0, STACK + 16, caller_rbp), // before the push
        (1, STACK + 8, caller_rbp),  // after the push
        (4, STACK + 8, STACK + 8),   // after the mov
        (9, STACK, STACK + 8),       // in the body, with something pushed
    ] {
        let pc = program.address(offset);
        let frame = innermost(pc, &[(x86_64::RSP, rsp), (rbp, rbp_now), (x86_64::RBX, 7)]);
        let unwound = program.unwind(&frame, &memory).expect("unwinds");
        assert_eq!(unwound.cfa, Address::new(STACK + 24), "at +{offset}");
        assert!(!unwound.is_signal_frame);
        let caller = unwound.caller;
        assert_eq!(caller.pc, FramePc::ReturnAddress(return_address));
        assert_eq!(caller.method, UnwindMethod::CallFrameInformation);
        assert_eq!(caller.registers.get(rbp), Some(caller_rbp));
        assert_eq!(caller.registers.sp(), Some(Address::new(STACK + 24)));
        assert_eq!(caller.registers.pc(), Some(return_address));
        assert_eq!(caller.registers.get(x86_64::RBX), Some(7), "preserved and not saved");
        assert_eq!(caller.registers.get(x86_64::RAX), None, "calls change it");
    }
}

#[test]
fn return_addresses_are_looked_up_in_the_call() {
    // The first function ends in a call that never returns; the second has another frame size.
    let (image, text) =
        frames_image(&Cie::x86_64(), &[(0, 0x10, &[0x0e, 32]), (0x10, 0x10, &[0x0e, 8])]);
    let program = Program { image, text };
    let memory = Memory::words(STACK, &[0, 0, 0, 0x4444, 0]);
    let end = program.address(0x10);
    let mut frame = innermost(end, &[(x86_64::RSP, STACK)]);
    frame.pc = FramePc::ReturnAddress(end);
    let unwound = program.unwind(&frame, &memory).expect("unwinds");
    assert_eq!(unwound.cfa, Address::new(STACK + 32), "by the first function");
    frame.pc = FramePc::Exact(end);
    let unwound = program.unwind(&frame, &memory);
    assert_eq!(unwound, Err(StackEnd::ZeroReturnAddress), "by the second");
}

#[test]
fn expressions_compute_frames_of_the_linkage_table() {
    // rsp + 8 + ((rip & 15) >= 11) * 8, as linkers write it for .plt.
    let expression = [0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
    let program = Program::new(&Cie::x86_64(), &expression);
    let memory = Memory::words(STACK, &[0x4444, 0x5555, 0x6666]);
    let align = (16 - program.text.value() % 16) % 16;
    for (offset, cfa) in [(10, STACK + 8), (11, STACK + 16), (15, STACK + 16)] {
        let frame = innermost(program.address(align + offset), &[(x86_64::RSP, STACK)]);
        let unwound = program.unwind(&frame, &memory).expect("unwinds");
        assert_eq!(unwound.cfa, Address::new(cfa), "at +{offset}");
    }
}

#[test]
fn all_kinds_of_rules_are_applied() {
    let code = [
        0x09, 3, 1, // rbx is in rdx
        0x08, 12, // r12 is unchanged
        0x07, 13, // r13 is lost
        0x14, 14, 2, // r14 is CFA-16
        0x10, 15, 2, 0x23, 8, // r15 is at CFA+8
        0x16, 0, 3, 0x23, 24, 0x06, // rax is the word at CFA+24
    ];
    let program = Program::new(&Cie::x86_64(), &code);
    let memory = Memory::words(STACK, &[0x4444, 0x10, 0x20, 0x30, 0x40]);
    let values = [(x86_64::RSP, STACK), (x86_64::RDX, 5), (x86_64::R12, 6), (x86_64::R13, 7)];
    let unwound = program.unwind(&innermost(program.address(0), &values), &memory);
    let registers = unwound.expect("unwinds").caller.registers;
    let cfa = STACK + 8;
    assert_eq!(registers.get(x86_64::RBX), Some(5));
    assert_eq!(registers.get(x86_64::R12), Some(6));
    assert_eq!(registers.get(x86_64::R13), None);
    assert_eq!(registers.get(x86_64::R14), Some(cfa - 16));
    assert_eq!(registers.get(x86_64::R15), Some(0x20));
    assert_eq!(registers.get(x86_64::RAX), Some(0x40));
}

#[test]
fn stacks_end_for_a_reason() {
    let memory = Memory::words(STACK, &[0x4444, 0x5555]);
    let at = |code: &[u8], memory: &Memory| {
        let program = Program::new(&Cie::x86_64(), code);
        let values = [(x86_64::RSP, STACK), (x86_64::RBP, STACK)];
        let end = program.unwind(&innermost(program.address(0), &values), memory);
        (end.expect_err("must end"), program.address(0))
    };
    assert_eq!(at(&[0x07, 16], &memory).0, StackEnd::Outermost);
    assert_eq!(at(&[], &Memory::words(STACK, &[0])).0, StackEnd::ZeroReturnAddress);
    let unreadable = StackEnd::Unreadable { address: Address::new(STACK) };
    assert_eq!(at(&[], &Memory::words(STACK + 8, &[1])).0, unreadable);
    let not_growing = StackEnd::NotGrowing { sp: Address::new(STACK - 8) };
    let below = Memory::words(STACK - 16, &[0x4444]);
    assert_eq!(at(&[0x12, 7, 1], &below).0, not_growing, "CFA is rsp-8");
    let (end, pc) = at(&[0x0c, 99, 0], &memory);
    assert_eq!(end, StackEnd::BadCallFrameInformation { pc }, "CFA by an unknown register");
    let endless = [0x0f, 3, 0x2f, 0xfd, 0xff]; // DW_OP_skip to itself
    let (end, pc) = at(&endless, &memory);
    assert_eq!(end, StackEnd::BadCallFrameInformation { pc });
    let (end, pc) = at(&[0x3f], &memory);
    assert_eq!(end, StackEnd::BadCallFrameInformation { pc }, "no such instruction");
}

#[test]
fn a_needed_register_must_be_known() {
    let program = Program::new(&Cie::x86_64(), &[0x0c, 10, 16]); // CFA is r10+16
    let mut frame = innermost(program.address(0), &[(x86_64::RSP, STACK)]);
    frame.registers.set(x86_64::R10, None);
    let end = program.unwind(&frame, &Memory::words(STACK, &[1, 2, 3]));
    assert_eq!(end, Err(StackEnd::UnknownRegister { register: x86_64::R10 }));
}

#[test]
fn signal_frames_restore_everything_and_may_switch_stacks() {
    // rsp and rip are saved at rsp+160 and rsp+168, as for __restore_rt.
    let code = [
        0x0f, 4, 0x77, 0xa0, 1, 0x06, // CFA is the word at rsp+160
        0x10, 7, 3, 0x77, 0xa0, 1, // rsp is at rsp+160
        0x10, 16, 3, 0x77, 0xa8, 1, // rip is at rsp+168
        0x10, 0, 3, 0x77, 0x90, 1, // rax is at rsp+144
    ];
    let program = Program::new(&Cie { is_signal_frame: true, ..Cie::x86_64() }, &code);
    let mut words = [0; 22];
    (words[18], words[20], words[21]) = (0xabc, 0x1000, 0x4444);
    let memory = Memory::words(STACK, &words);
    let frame = innermost(program.address(0), &[(x86_64::RSP, STACK), (x86_64::FS_BASE, 9)]);
    let unwound = program.unwind(&frame, &memory).expect("unwinds");
    assert!(unwound.is_signal_frame);
    let caller = unwound.caller;
    assert_eq!(caller.pc, FramePc::Exact(Address::new(0x4444)), "it made no call");
    assert_eq!(caller.registers.sp(), Some(Address::new(0x1000)), "a lower stack");
    assert_eq!(caller.registers.get(x86_64::RAX), Some(0xabc));
    assert_eq!(caller.registers.get(x86_64::FS_BASE), Some(9), "belongs to the thread");
}

#[test]
fn a_stack_that_bites_its_tail_ends() {
    let code = [
        0x0f, 4, 0x77, 0xa0, 1, 0x06, // as above
        0x10, 7, 3, 0x77, 0xa0, 1, 0x10, 16, 3, 0x77, 0xa8, 1,
    ];
    let program = Program::new(&Cie { is_signal_frame: true, ..Cie::x86_64() }, &code);
    let mut words = [0; 22];
    (words[20], words[21]) = (STACK, program.address(0).value());
    let memory = Memory::words(STACK, &words);
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    registers.set_pc(program.address(0));
    registers.set(x86_64::RSP, STACK);
    let (frames, end) = walk(&registers, &|address| program.locate(address), &memory, 1000);
    assert_eq!((frames.len(), end), (2, StackEnd::Cycle));
}

#[test]
fn walks_stop_at_the_limit() {
    // A function that calls itself: each frame is 16 bytes.
    let program = Program::new(&Cie::x86_64(), &[0x0e, 16]);
    let again = program.address(0x20).value();
    let words: Vec<u64> = (0..100).map(|word| if word % 2 == 1 { again } else { word }).collect();
    let memory = Memory::words(STACK, &words);
    let mut registers = GeneralRegisters::zeroed(Arch::X86_64);
    registers.set_pc(program.address(0));
    registers.set(x86_64::RSP, STACK);
    let walk_to = |frames_max| {
        let locate = |address| program.locate(address);
        let (frames, end) = walk(&registers, &locate, &memory, frames_max);
        (frames.len(), end)
    };
    assert_eq!(walk_to(0), (1, StackEnd::FramesMax));
    assert_eq!(walk_to(1), (1, StackEnd::FramesMax));
    assert_eq!(walk_to(20), (20, StackEnd::FramesMax));
    let end = StackEnd::Unreadable { address: Address::new(STACK + 808) };
    assert_eq!(walk_to(1000), (51, end));
}

fn aarch64_frame(pc: Address, values: &[(RegisterId, u64)]) -> Frame {
    let mut registers = GeneralRegisters::zeroed(Arch::Aarch64);
    registers.set_pc(pc);
    for (id, value) in values {
        registers.set(*id, *value);
    }
    Frame::innermost(&registers)
}

#[test]
fn aarch64_leaf_functions_return_to_their_link_register() {
    let program = Program::new(&Cie::aarch64(), &[]);
    let values = [(aarch64::SP, STACK), (aarch64::X30, 0x4444), (aarch64::X29, 0x99)];
    let frame = aarch64_frame(program.address(0), &values);
    let unwound = program.unwind(&frame, &Memory::words(STACK, &[0])).expect("unwinds");
    assert_eq!(unwound.cfa, Address::new(STACK), "the leaf uses no stack");
    assert_eq!(unwound.caller.pc, FramePc::ReturnAddress(Address::new(0x4444)));
    assert_eq!(unwound.caller.registers.fp(), Some(Address::new(0x99)));
    // A frame that made a call must have put its return address somewhere.
    let not_leaf = Frame { pc: FramePc::ReturnAddress(program.address(4)), ..frame };
    let end = program.unwind(&not_leaf, &Memory::words(STACK, &[0]));
    assert_eq!(end, Err(StackEnd::NotGrowing { sp: Address::new(STACK) }));
}

#[test]
fn aarch64_signed_return_addresses_lose_their_signature() {
    // paciasp; stp x29, x30, [sp, -16]!
    let code = [0x2d, 0x44, 0x0e, 16, 0x9d, 2, 0x9e, 1];
    let program = Program::new(&Cie::aarch64(), &code);
    let frame = aarch64_frame(program.address(4), &[(aarch64::SP, STACK)]);
    let memory = Memory::words(STACK, &[0x77, 0x002a_aaaa_1234_5678]);
    let unwound = program.unwind(&frame, &memory).expect("unwinds");
    assert_eq!(unwound.caller.pc.address(), Address::new(0x0000_aaaa_1234_5678));
    assert_eq!(unwound.caller.registers.fp(), Some(Address::new(0x77)));
    assert_eq!(unwound.cfa, Address::new(STACK + 16));
}

/// Code without call frame information, in memory only, with a call before `RETURN`.
const CODE: u64 = 0x40_0000;
const RETURN: u64 = CODE + 0x15;

fn no_images<'a>(_: Address) -> Option<(&'a Image, LoadBias)> {
    None
}

fn memory_with_code(at: u64, code: &[u8], stack: &[u64]) -> Memory {
    let mut memory = Memory::words(STACK, stack);
    memory.add(CODE + 8, &[0x90; 8]);
    memory.add(CODE + 0x10, &[0xe8, 0, 0, 0, 0]);
    memory.add(at, code);
    memory
}

#[test]
fn frame_pointers_are_followed_where_nothing_better_is() {
    let stack = [0, 0, STACK + 32, RETURN, 0, RETURN, 0];
    let memory = memory_with_code(CODE + 0x100, &[0x90], &stack);
    let pc = Address::new(CODE + 0x100);
    let frame = innermost(pc, &[(x86_64::RSP, STACK), (x86_64::RBP, STACK + 16)]);
    let unwound = unwind_frame(&frame, &no_images, &memory).expect("unwinds");
    assert_eq!(unwound.cfa, Address::new(STACK + 32));
    let caller = unwound.caller;
    assert_eq!(caller.pc, FramePc::ReturnAddress(Address::new(RETURN)));
    assert_eq!(caller.method, UnwindMethod::FramePointer);
    assert_eq!(caller.registers.get(x86_64::RBX), None, "it may have been changed and saved");
    let outer = unwind_frame(&caller, &no_images, &memory).expect("unwinds").caller;
    assert_eq!(outer.registers.fp(), Some(Address::ZERO));
    let end = unwind_frame(&outer, &no_images, &memory);
    assert_eq!(end, Err(StackEnd::Outermost), "a frame pointer of zero");
}

#[test]
fn a_frame_pointer_that_is_none_is_not_followed() {
    let pc = Address::new(CODE + 0x100);
    let nothing = Err(StackEnd::NoUnwindInformation { pc });
    let unwind = |rbp: u64, stack: &[u64]| {
        let memory = memory_with_code(CODE + 0x100, &[0x90], stack);
        let frame = innermost(pc, &[(x86_64::RSP, STACK), (x86_64::RBP, rbp)]);
        unwind_frame(&frame, &no_images, &memory)
    };
    assert_eq!(unwind(STACK - 8, &[0, RETURN]), nothing, "below the stack");
    assert_eq!(unwind(STACK + 4, &[0, RETURN]), nothing, "not aligned");
    assert_eq!(unwind(0x1234_5678, &[0, RETURN]), nothing, "unreadable");
    assert_eq!(unwind(STACK, &[0, RETURN + 1]), nothing, "no call before it");
    assert_eq!(unwind(STACK, &[0, 0]), Err(StackEnd::ZeroReturnAddress));
    // A coroutine keeps the frame pointer of whoever made it.
    let mut memory = memory_with_code(CODE + 0x100, &[0x90], &[0]);
    memory.add(STACK + (1 << 32), &[[0; 8], RETURN.to_le_bytes()].concat());
    let other = STACK + (1 << 32);
    let frame = innermost(pc, &[(x86_64::RSP, STACK), (x86_64::RBP, other)]);
    assert_eq!(unwind_frame(&frame, &no_images, &memory), nothing, "another stack");
}

#[test]
fn a_call_into_data_returns_to_its_caller() {
    let (data, rbp) = (CODE + 0x100, STACK + 16);
    let caller = |call: &[u8]| {
        let mut memory = memory_with_code(data, &[0; 16], &[RETURN + 0x20, 0, 0, RETURN]);
        memory.add(RETURN + 0x20 - call.len() as u64, call);
        memory.add(CODE + 0x28, &[0x90; 16]);
        let values = [(x86_64::RSP, STACK), (x86_64::RBP, rbp)];
        let frame = innermost(Address::new(data), &values);
        unwind_frame(&frame, &no_images, &memory).expect("unwinds").caller
    };
    let found = caller(&[0xff, 0xd2]);
    assert_eq!(found.pc, FramePc::ReturnAddress(Address::new(RETURN + 0x20)));
    assert_eq!(
        (found.method, found.registers.fp()),
        (UnwindMethod::Prologue, Some(Address::new(rbp)))
    );
    // A direct call led elsewhere: its address was left there.
    let found = caller(&[0xe8, 0, 0, 0, 0]);
    assert_eq!(found.pc, FramePc::ReturnAddress(Address::new(RETURN)));
    assert_eq!(found.method, UnwindMethod::FramePointer);
}

#[test]
fn a_call_to_nowhere_returns_to_its_caller() {
    let memory = memory_with_code(CODE + 0x100, &[0x90], &[RETURN, 0]);
    for pc in [0, 0xdead_0000] {
        let frame = innermost(Address::new(pc), &[(x86_64::RSP, STACK), (x86_64::RBX, 3)]);
        let unwound = unwind_frame(&frame, &no_images, &memory).expect("unwinds");
        assert_eq!(unwound.caller.pc, FramePc::ReturnAddress(Address::new(RETURN)));
        assert_eq!(unwound.caller.method, UnwindMethod::Prologue);
        assert_eq!(unwound.caller.registers.sp(), Some(Address::new(STACK + 8)));
        assert_eq!(unwound.caller.registers.get(x86_64::RBX), Some(3));
    }
}

#[test]
fn trampolines_are_known_by_their_instructions() {
    let trampoline = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
    let mut stack: Vec<u64> = vec![0; 40];
    for (register, word) in (5..23).enumerate() {
        stack[word] = 0x100 + register as u64;
    }
    let memory = memory_with_code(CODE + 0x100, &trampoline, &stack);
    let registers = [(x86_64::RSP, STACK)];
    let mut frame = innermost(Address::new(CODE + 0x100), &registers);
    for pc in [
        FramePc::ReturnAddress(Address::new(CODE + 0x100)),
        FramePc::Exact(Address::new(CODE + 0x107)),
    ] {
        frame.pc = pc;
        let unwound = unwind_frame(&frame, &no_images, &memory).expect("unwinds");
        assert!(unwound.is_signal_frame);
        let caller = unwound.caller;
        assert_eq!(caller.method, UnwindMethod::SignalContext);
        // The order of struct sigcontext_64.
        for (id, value) in [
            (x86_64::R8, 0x100),
            (x86_64::R15, 0x107),
            (x86_64::RDI, 0x108),
            (x86_64::RBP, 0x10a),
            (x86_64::RBX, 0x10b),
            (x86_64::RAX, 0x10d),
            (x86_64::RSP, 0x10f),
            (x86_64::RIP, 0x110),
            (x86_64::EFLAGS, 0x111),
        ] {
            assert_eq!(caller.registers.get(id), Some(value), "{id:?}");
        }
        assert_eq!(caller.pc, FramePc::Exact(Address::new(0x110)));
    }
    stack[21] = 0; // rip
    let memory = memory_with_code(CODE + 0x100, &trampoline, &stack);
    let caller = unwind_frame(&frame, &no_images, &memory).expect("unwinds").caller;
    assert_eq!(caller.pc, FramePc::Exact(Address::ZERO), "interrupted by a jump to zero");
    frame.pc = FramePc::Exact(Address::new(CODE + 0x101));
    let end = unwind_frame(&frame, &no_images, &memory);
    assert!(matches!(end, Err(StackEnd::NoUnwindInformation { .. })), "{end:?}");
}

#[test]
fn aarch64_trampolines_are_known_as_well() {
    let trampoline = [0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4];
    let mut stack: Vec<u64> = vec![0; 80];
    for register in 0..34 {
        stack[39 + register] = 0x100 + register as u64;
    }
    let memory = memory_with_code(CODE + 0x100, &trampoline, &stack);
    let frame = aarch64_frame(Address::new(CODE + 0x100), &[(aarch64::SP, STACK)]);
    let caller = unwind_frame(&frame, &no_images, &memory).expect("unwinds").caller;
    assert_eq!(caller.registers.get(RegisterId::new(0)), Some(0x100));
    assert_eq!(caller.registers.get(aarch64::X30), Some(0x11e));
    assert_eq!(caller.registers.sp(), Some(Address::new(0x11f)));
    assert_eq!(caller.pc, FramePc::Exact(Address::new(0x120)));
}
