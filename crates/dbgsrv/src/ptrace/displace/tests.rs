//! Instructions in another place: those by hand that are particular, and all of this program's own.

use dbgbase::AddressRange;
use iced_x86::OpKind;

use super::*;

const SITE: Address = Address::new(0x5555_5555_5000);
const SLOT: Address = Address::new(0x5555_5556_0fc0);

fn carried(code: &[u8]) -> Option<Displaced> {
    displace(Arch::X86_64, code, SITE, SLOT, false)
}

/// What the slot's instruction at a place is.
fn decoded(displaced: &Displaced, offset: u8) -> Instruction {
    let at = SLOT.value() + u64::from(offset);
    let bytes = &displaced.code[usize::from(offset)..];
    let instruction = Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode();
    assert!(!instruction.is_invalid(), "{displaced:x?} at {offset}");
    instruction
}

fn places(displaced: &Displaced) -> Vec<(u8, Progress)> {
    displaced.outline.places.iter().flatten().copied().collect()
}

/// An instruction, its bytes, and the places in its slot.
type Case = (&'static str, &'static [u8], &'static [(u8, Progress)]);

#[test]
fn particular_instructions_are_carried() {
    use Progress::{Before, Next, Pushed, Target};
    let cases: [Case; 12] = [
        ("push %rbp", &[0x55], &[(0, Before), (1, Next)]),
        ("mov 0x10(%rip),%rax", &[0x48, 0x8b, 0x05, 0x10, 0, 0, 0], &[(0, Before), (7, Next)]),
        ("rep movsb", &[0xf3, 0xa4], &[(0, Before), (2, Next)]),
        ("pushfq", &[0x9c], &[(0, Before), (1, Next)]),
        ("jmp +2", &[0xeb, 0x02], &[(0, Before)]),
        ("jne -0x100", &[0x0f, 0x85, 0, 0xff, 0xff, 0xff], &[(0, Before), (6, Next)]),
        ("je +2", &[0x74, 0x02], &[(0, Before), (6, Next)]),
        ("loop -2", &[0xe2, 0xfe], &[(0, Before), (2, Next), (7, Target)]),
        ("call +0x100", &[0xe8, 0, 1, 0, 0], &[(0, Before), (6, Target)]),
        ("call *0x20(%rip)", &[0xff, 0x15, 0x20, 0, 0, 0], &[(0, Before), (6, Pushed)]),
        ("call *%r11", &[0x41, 0xff, 0xd3], &[(0, Before), (6, Pushed)]),
        ("ret", &[0xc3], &[(0, Before)]),
    ];
    for (name, code, expected) in cases {
        let displaced = carried(code).unwrap_or_else(|| panic!("{name} can be carried"));
        assert_eq!(places(&displaced), expected, "{name}");
        assert_eq!(usize::from(displaced.outline.instruction_len), code.len());
        assert_eq!(Outline::from_words(displaced.outline.to_words()), displaced.outline);
        assert!(displaced.outline.is_of(&displaced.code) && !displaced.outline.is_of(&[0; 32]));
    }
}

#[test]
fn what_cannot_be_carried_stays() {
    let cases: [(&str, &[u8]); 11] = [
        ("syscall", &[0x0f, 0x05]),
        ("int $0x80", &[0xcd, 0x80]),
        ("int3", &[0xcc]),
        ("ud2", &[0x0f, 0x0b]),
        ("call *%rsp", &[0xff, 0xd4]),
        ("call *8(%rsp)", &[0xff, 0x54, 0x24, 0x08]),
        ("iretq", &[0x48, 0xcf]),
        ("xbegin", &[0xc7, 0xf8, 0, 0, 0, 0]),
        ("mov 0x10(%eip),%eax", &[0x67, 0x8b, 0x05, 0x10, 0, 0, 0]),
        ("no instruction", &[0x06]),
        ("half an instruction", &[0x48, 0x8b]),
    ];
    for (name, code) in cases {
        assert_eq!(carried(code), None, "{name}");
    }
    // Out of reach.
    let far = Address::new(0x7fff_0000_0000);
    let load = [0x48, 0x8b, 0x05, 0x10, 0, 0, 0];
    assert_eq!(displace(Arch::X86_64, &load, SITE, far, false), None);
    // The CPU would compare what a call pushes with what it has not seen called.
    assert_eq!(displace(Arch::X86_64, &[0xe8, 0, 1, 0, 0], SITE, SLOT, true), None);
    assert!(displace(Arch::X86_64, &[0xc3], SITE, SLOT, true).is_some());
    assert_eq!(displace(Arch::Aarch64, &[0x1f, 0x20, 0x03, 0xd5], SITE, SLOT, false), None);
}

#[test]
fn a_call_pushes_where_it_would_have_returned_to() {
    let displaced = carried(&[0x41, 0xff, 0x13]).expect("call *(%r11)");
    let push = decoded(&displaced, 0);
    let slot = AddressRange::with_len(SLOT, SLOT_LEN as u64).expect("a range");
    let kept = Address::new(push.ip_rel_memory_address());
    assert!(slot.contains(kept));
    let at = kept.offset_from(SLOT).expect("inside") as usize;
    let pushed = u64::from_le_bytes(displaced.code[at..at + 8].try_into().expect("whole"));
    assert_eq!(pushed, SITE.value() + 3);
    let jump = decoded(&displaced, 6);
    assert_eq!((jump.code(), jump.memory_base()), (Code::Jmp_rm64, Register::R11));
}

/// Every instruction of this program that can be carried does in its slot what it does here.
#[test]
fn all_instructions_of_this_program_keep_their_meaning() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("our own");
    let own = std::env::current_exe().expect("a program").display().to_string();
    let is_code = |line: &&str| line.contains("r-xp") && line.ends_with(&own);
    let line = maps.lines().find(is_code).expect("code");
    let (start, rest) = line.split_once('-').expect("a range");
    let (end, _) = rest.split_once(' ').expect("a range");
    let number = |text| u64::from_str_radix(text, 16).expect("a number");
    let (start, end) = (number(start), number(end));
    let mut code = vec![0; (end - start) as usize];
    let memory = std::fs::File::open("/proc/self/mem").expect("our own");
    std::os::unix::fs::FileExt::read_exact_at(&memory, &mut code, start).expect("readable");
    let slot = Address::new(end - 64);
    let (mut carried, mut stayed) = (0, 0);
    let mut decoder = Decoder::with_ip(64, &code, start, DecoderOptions::NONE);
    for original in &mut decoder {
        if original.is_invalid() {
            continue;
        }
        let at = (original.ip() - start) as usize;
        let head = &code[at..code.len().min(at + INSTRUCTION_LEN_MAX)];
        let site = Address::new(original.ip());
        match displace(Arch::X86_64, head, site, slot, false) {
            Some(displaced) => {
                check(&original, &displaced, slot);
                carried += 1;
            }
            // Linkers fill gaps with these.
            None if matches!(original.code(), Code::Int3 | Code::Ud2) => {}
            None => stayed += 1,
        }
    }
    assert!(carried > 100_000, "{carried} were carried");
    assert!(stayed * 1000 < carried, "{stayed} of {carried} stayed");
}

fn check(original: &Instruction, displaced: &Displaced, slot: Address) {
    let at = |offset: u8| {
        let bytes = &displaced.code[usize::from(offset)..];
        let ip = slot.value() + u64::from(offset);
        Decoder::with_ip(64, bytes, ip, DecoderOptions::NONE).decode()
    };
    for (offset, progress) in displaced.outline.places.iter().flatten() {
        let here = at(*offset);
        match progress {
            Progress::Next => assert_eq!(here.near_branch64(), original.next_ip()),
            Progress::Target => assert_eq!(here.near_branch64(), original.near_branch64()),
            Progress::Pushed => assert_eq!(operand(&here), operand(original)),
            Progress::Before if original.flow_control() == FlowControl::Next => {
                assert_eq!((here.code(), here.len()), (original.code(), original.len()));
                for index in 0..original.op_count() {
                    assert_eq!(here.op_kind(index), original.op_kind(index));
                }
                assert_eq!(operand(&here), operand(original));
            }
            Progress::Before if original.is_jcc_short_or_near() => {
                assert_eq!(here.near_branch64(), original.near_branch64());
                assert_eq!(here.condition_code(), original.condition_code());
            }
            Progress::Before => {}
        }
    }
}

/// The operand in memory, or the register in its place.
fn operand(instruction: &Instruction) -> (Register, Register, u64, Register) {
    let base = instruction.memory_base();
    let displacement = match instruction.is_ip_rel_memory_operand() {
        true => instruction.ip_rel_memory_address(),
        false => instruction.memory_displacement64(),
    };
    let register = match instruction.op0_kind() {
        OpKind::Register => instruction.op0_register(),
        _ => Register::None,
    };
    (base, instruction.memory_index(), displacement, register)
}
