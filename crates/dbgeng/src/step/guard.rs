//! What the server asks of a thread at a site of a step, so that only the frame that is stepped
//! counts: conditions as agent code. Pure.

use dbgbase::{Address, Arch, RegisterId};
use dbgsym::unwind::FrameAddressRule;
use dbgwire::agent::{Code, Instruction};

/// What must be so for a site to count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    /// Nothing.
    None,
    /// The stack pointer is at or above this.
    SpFrom(Address),
    /// The result of this code is not 0.
    Code(Vec<u8>),
    /// The thread executes the frame with this canonical frame address, which only unwinding finds:
    /// the server stops the thread, and whoever takes the stop looks.
    Frame(Address),
    /// The thread executes a frame that returns to this address, which is found in the same way.
    ReturnsTo(Address),
}

impl Guard {
    /// The thread executes the frame with this canonical frame address.
    pub(crate) fn frame(arch: Arch, rule: Option<FrameAddressRule>, cfa: Option<Address>) -> Guard {
        let Some(cfa) = cfa else { return Guard::None };
        let Some(rule) = rule else { return Guard::Frame(cfa) };
        let equal = [Instruction::Constant(cfa.value()), Instruction::Equal];
        code(arch, rule.register, &[above(rule.offset).as_slice(), &equal].concat())
            .unwrap_or(Guard::Frame(cfa))
    }

    /// The thread executes a frame that returns to this address, which its caller has put on the
    /// stack as the last thing.
    pub(crate) fn returns_to(
        arch: Arch,
        rule: Option<FrameAddressRule>,
        return_address: Address,
    ) -> Guard {
        let Some(rule) = rule.filter(|_| arch == Arch::X86_64) else {
            return Guard::ReturnsTo(return_address);
        };
        let pushed = rule.offset.wrapping_sub(arch.pointer_size_bytes() as i64);
        let equal = [
            Instruction::Read64,
            Instruction::Constant(return_address.value()),
            Instruction::Equal,
        ];
        code(arch, rule.register, &[above(pushed).as_slice(), &equal].concat())
            .unwrap_or(Guard::ReturnsTo(return_address))
    }

    /// The thread's stack pointer is this.
    pub(crate) fn sp(arch: Arch, sp: Address) -> Guard {
        let equal = [Instruction::Constant(sp.value()), Instruction::Equal];
        code(arch, arch.sp(), &equal).unwrap_or(Guard::None)
    }
}

/// Adds a displacement to what is on the stack.
fn above(offset: i64) -> [Instruction; 2] {
    [Instruction::Constant(offset as u64), Instruction::Add]
}

/// Code that begins with a register. `None` if the server does not know that.
fn code(arch: Arch, register: RegisterId, rest: &[Instruction]) -> Option<Guard> {
    let number = arch.describe(register).and_then(|description| description.gdb)?;
    let code = Code::assemble(&[&[Instruction::Register(number)], rest].concat(), arch).ok()?;
    Some(Guard::Code(code.bytes().to_vec()))
}
