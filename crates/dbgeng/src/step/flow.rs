//! Where the flow of control goes within a function, as its instructions tell: what a step by line
//! can end at, and where only executing tells more. Pure; what ends a step is asked of the caller.

use std::collections::{BTreeMap, BTreeSet};

use dbgbase::Address;
use dbgsym::disasm::{Instruction, InstructionKind};

/// No line has so many instructions. Where one has, the walk is taken up again from there.
const INSTRUCTIONS_MAX: usize = 20_000;

/// The code that is walked.
pub(crate) trait Code {
    /// The instruction at an address; `None` if its bytes are not known.
    fn instruction(&self, at: Address) -> Option<Instruction>;
    /// Whether an address belongs to the function.
    fn is_inside(&self, at: Address) -> bool;
    /// Whether the step ends before this instruction is executed, and with how many inlined calls
    /// ahead.
    fn end_at(&self, at: Address) -> Option<usize>;
}

/// What a walk has found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flow {
    /// Where the step ends, and how many inlined calls are ahead there.
    pub(crate) ends: BTreeMap<Address, usize>,
    /// Instructions that go where only executing them tells: jumps through registers and memory.
    pub(crate) unknown: BTreeSet<Address>,
    /// The calls on the way. What is called is not walked.
    pub(crate) calls: Vec<Instruction>,
    /// Where it jumps to other functions, which return to this one's caller.
    pub(crate) tail_calls: BTreeSet<Address>,
}

impl Flow {
    /// Adds what another walk has found.
    pub(crate) fn join(&mut self, other: Flow) {
        self.ends.extend(other.ends);
        self.unknown.extend(other.unknown);
        self.calls.extend(other.calls);
        self.tail_calls.extend(other.tail_calls);
    }
}

/// Walks from an instruction, which is taken to be executed, to all ends.
pub(crate) fn explore(code: &dyn Code, from: Address) -> Flow {
    let mut flow = Flow::default();
    let mut seen = BTreeSet::from([from]);
    let mut waiting = vec![from];
    while let Some(at) = waiting.pop() {
        if seen.len() > INSTRUCTIONS_MAX {
            flow.unknown.insert(at);
            continue;
        }
        let Some(instruction) = code.instruction(at) else {
            flow.unknown.insert(at);
            continue;
        };
        for next in successors(&instruction, &mut flow) {
            if !code.is_inside(next) {
                // What follows a call that never returns is not executed.
                if instruction.target() == Some(next) {
                    flow.tail_calls.insert(next);
                }
            } else if let Some(calls_ahead) = code.end_at(next) {
                flow.ends.insert(next, calls_ahead);
            } else if seen.insert(next) {
                waiting.push(next);
            }
        }
    }
    flow
}

/// The instructions of the function that may be executed next.
fn successors(instruction: &Instruction, flow: &mut Flow) -> Vec<Address> {
    use InstructionKind as Kind;
    let behind = instruction.fallthrough();
    match (instruction.kind(), instruction.target()) {
        (Kind::Call, _) => {
            flow.calls.push(*instruction);
            vec![behind]
        }
        (Kind::Jump, Some(target)) => vec![target],
        (Kind::ConditionalJump, Some(target)) => vec![behind, target],
        (Kind::Jump | Kind::ConditionalJump | Kind::Invalid, _) => {
            flow.unknown.insert(instruction.address());
            Vec::new()
        }
        (Kind::Return | Kind::Exception, _) => Vec::new(),
        _ => vec![behind],
    }
}

#[cfg(test)]
#[path = "flow/tests.rs"]
mod tests;
