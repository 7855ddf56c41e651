//! What the server asks of a thread at a site of a step, so that only the frame that is stepped
//! counts: conditions as agent code. Pure.

use dbgbase::{Address, Arch, RegisterId};
use dbgsym::unwind::FrameAddressRule;
use dbgwire::agent::{Code, Instruction};

/// What must be so for a site to count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    /// Nothing; whoever takes the stop looks for himself.
    None,
    /// The stack pointer is at or above this.
    SpFrom(Address),
    /// The result of this code is not 0.
    Code(Vec<u8>),
}

impl Guard {
    /// The thread executes the frame with this canonical frame address.
    pub(crate) fn frame(arch: Arch, rule: Option<FrameAddressRule>, cfa: Option<Address>) -> Guard {
        let (Some(rule), Some(cfa)) = (rule, cfa) else { return Guard::None };
        let equal = [Instruction::Constant(cfa.value()), Instruction::Equal];
        code(arch, rule.register, &[above(rule.offset).as_slice(), &equal].concat())
    }

    /// The thread executes a frame that returns to this address, which its caller has put on the
    /// stack as the last thing.
    pub(crate) fn returns_to(
        arch: Arch,
        rule: Option<FrameAddressRule>,
        return_address: Address,
    ) -> Guard {
        let Some(rule) = rule.filter(|_| arch == Arch::X86_64) else { return Guard::None };
        let pushed = rule.offset.wrapping_sub(arch.pointer_size_bytes() as i64);
        let equal = [
            Instruction::Read64,
            Instruction::Constant(return_address.value()),
            Instruction::Equal,
        ];
        code(arch, rule.register, &[above(pushed).as_slice(), &equal].concat())
    }

    /// The thread's stack pointer is this.
    pub(crate) fn sp(arch: Arch, sp: Address) -> Guard {
        code(arch, arch.sp(), &[Instruction::Constant(sp.value()), Instruction::Equal])
    }
}

/// Adds a displacement to what is on the stack.
fn above(offset: i64) -> [Instruction; 2] {
    [Instruction::Constant(offset as u64), Instruction::Add]
}

/// Code that begins with a register.
fn code(arch: Arch, register: RegisterId, rest: &[Instruction]) -> Guard {
    let number = arch.describe(register).and_then(|description| description.gdb);
    let Some(number) = number else { return Guard::None };
    let code = Code::assemble(&[&[Instruction::Register(number)], rest].concat(), arch);
    code.map_or(Guard::None, |code| Guard::Code(code.bytes().to_vec()))
}
