//! The proof that code is sound, in two passes: the first cuts all of it into instructions, the
//! second follows every way through them with the depth of the stack.

use dbgbase::Arch;

use super::{AgentFault, CODE_LEN_MAX, FormatFault, Instruction, Purpose, STACK_DEPTH_MAX, format};

/// What is wrong, and at which offset.
type Finding = (usize, AgentFault);

/// What is known of a byte of code.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It lies inside an instruction.
    Inside,
    /// An instruction begins here, to which no way has led yet.
    Unreached,
    /// An instruction begins here, and the stack is this deep before it.
    Depth(usize),
}

/// Proves that code is sound. **Errors**: the first thing found that is wrong with it.
pub(super) fn verify(code: &[u8], arch: Arch, purpose: Purpose) -> Result<(), Finding> {
    let mut places = cut(code, arch, purpose)?;
    let mut ways = vec![(0, 0, 0)];
    // Each instruction is left once, for at most two others: this ends.
    while let Some((from, offset, depth)) = ways.pop() {
        match places.get_mut(offset) {
            Some(place @ Place::Unreached) => *place = Place::Depth(depth),
            Some(Place::Depth(known)) if *known == depth => continue,
            Some(Place::Depth(_)) => return Err(at(offset, AgentFault::UnequalDepths)),
            // Only a jump leads here: behind the last instruction, which is `end`, nothing is
            // reached.
            Some(Place::Inside) | None => {
                let target = u16::try_from(offset).unwrap_or(u16::MAX);
                return Err(at(from, AgentFault::Jump(target)));
            }
        }
        let (instruction, next) =
            Instruction::read_at(code, offset).map_err(|fault| at(offset, fault))?;
        let (needed, left) = match (instruction, purpose) {
            // They have no result.
            (Instruction::End, Purpose::Commands) => (0, 0),
            _ => instruction.effect(),
        };
        let below = depth.checked_sub(needed).ok_or(at(offset, AgentFault::Underflow))?;
        let depth = below + left;
        if depth > STACK_DEPTH_MAX {
            return Err(at(offset, AgentFault::TooDeep));
        }
        match instruction {
            Instruction::End => {}
            Instruction::Jump(target) => ways.push((offset, usize::from(target), depth)),
            Instruction::JumpIf(target) => {
                ways.push((offset, next, depth));
                ways.push((offset, usize::from(target), depth));
            }
            _ => ways.push((offset, next, depth)),
        }
    }
    Ok(())
}

/// Cuts code into instructions, all of which must be known, also those to which no way leads.
fn cut(code: &[u8], arch: Arch, purpose: Purpose) -> Result<Vec<Place>, Finding> {
    if code.is_empty() {
        return Err(at(0, AgentFault::Empty));
    }
    if code.len() > CODE_LEN_MAX {
        return Err(at(CODE_LEN_MAX, AgentFault::TooLong));
    }
    let mut places = vec![Place::Inside; code.len()];
    let mut offset = 0;
    let mut last = (0, Instruction::End);
    while let Some(place) = places.get_mut(offset) {
        *place = Place::Unreached;
        let (instruction, next) =
            Instruction::read_at(code, offset).map_err(|fault| at(offset, fault))?;
        check(code, offset, instruction, arch, purpose).map_err(|fault| at(offset, fault))?;
        last = (offset, instruction);
        offset = next;
    }
    match last {
        (_, Instruction::End) => Ok(places),
        (offset, _) => Err(at(offset, AgentFault::NoEnd)),
    }
}

/// Whether what an instruction names exists, and whether it may be there.
fn check(
    code: &[u8],
    offset: usize,
    instruction: Instruction,
    arch: Arch,
    purpose: Purpose,
) -> Result<(), AgentFault> {
    match instruction {
        Instruction::Register(number) if arch.register_by_gdb(number).is_none() => {
            Err(AgentFault::Register(number))
        }
        Instruction::Print { .. } if purpose == Purpose::Condition => Err(AgentFault::Printing),
        Instruction::Print { arguments, .. } => {
            match format::conversions(format::bytes_with_end_at(code, offset))? {
                count if count == usize::from(arguments) => Ok(()),
                _ => Err(AgentFault::Format(FormatFault::Count)),
            }
        }
        _ => Ok(()),
    }
}

fn at(offset: usize, fault: AgentFault) -> Finding {
    (offset, fault)
}
