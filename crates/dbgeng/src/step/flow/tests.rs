//! Walks through a few instructions.

use dbgbase::Arch;
use dbgsym::disasm::decode;

use super::*;

const START: u64 = 0x1000;

/// Instructions from [`START`] on, and the addresses at which a step ends.
struct Bytes<'a>(&'a [u8], &'a [u64]);

impl Code for Bytes<'_> {
    fn instruction(&self, at: Address) -> Option<Instruction> {
        let offset = usize::try_from(at.value().checked_sub(START)?).ok()?;
        decode(Arch::X86_64, self.0.get(offset..)?, at).ok()
    }

    fn is_inside(&self, at: Address) -> bool {
        (START..START + self.0.len() as u64).contains(&at.value())
    }

    fn end_at(&self, at: Address) -> Option<usize> {
        self.1.contains(&at.value()).then_some(0)
    }
}

fn found<'a>(flow: impl IntoIterator<Item = &'a Address>) -> Vec<u64> {
    flow.into_iter().map(|address| address.value() - START).collect()
}

fn walk(code: &[u8], ends: &[u64]) -> Flow {
    let ends: Vec<u64> = ends.iter().map(|offset| START + offset).collect();
    explore(&Bytes(code, &ends), Address::new(START))
}

#[test]
fn both_ways_of_a_branch_are_walked() {
    // je 4; nop; nop; nop; nop
    let code = [0x74, 0x02, 0x90, 0x90, 0x90, 0x90];
    assert_eq!(found(walk(&code, &[2, 4, 5]).ends.keys()), [2, 4]);
    assert_eq!(found(walk(&code, &[3, 5]).ends.keys()), [3, 5]);
    assert_eq!(walk(&code, &[]), Flow::default(), "it runs off the end");
}

#[test]
fn a_loop_is_walked_once_and_its_beginning_may_be_an_end() {
    // nop; jmp 0
    let code = [0x90, 0xeb, 0xfd];
    assert_eq!(walk(&code, &[]), Flow::default());
    assert_eq!(found(walk(&code, &[0]).ends.keys()), [0]);
}

#[test]
fn calls_are_passed_and_jumps_out_of_the_function_are_told() {
    // call 0x2000; jmp 0x3000
    let code = [0xe8, 0xfb, 0x0f, 0, 0, 0xe9, 0xf6, 0x1f, 0, 0];
    let flow = walk(&code, &[]);
    let targets: Vec<_> = flow.calls.iter().map(Instruction::target).collect();
    assert_eq!(targets, [Some(Address::new(0x2000))]);
    assert_eq!(found(&flow.tail_calls), [0x2000]);
    assert_eq!(found(walk(&code, &[5]).ends.keys()), [5]);
}

#[test]
fn nothing_follows_what_never_goes_on() {
    // call 0x2000 as the last instruction; ret; ud2
    for code in [&[0xe8, 0xfb, 0x0f, 0, 0][..], &[0xc3, 0x90], &[0x0f, 0x0b, 0x90]] {
        let flow = walk(code, &[1, 2]);
        assert!(flow.ends.is_empty() && flow.tail_calls.is_empty(), "{code:02x?}");
    }
}

#[test]
fn jumps_through_registers_are_unknown() {
    // nop; jmp *%rax
    let flow = walk(&[0x90, 0xff, 0xe0, 0x90], &[3]);
    assert_eq!(found(&flow.unknown), [1]);
    assert!(flow.ends.is_empty());
}
