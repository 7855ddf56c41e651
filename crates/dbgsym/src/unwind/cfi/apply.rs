//! Applies the rules of call frame information to a frame: registers and memory in, the caller's
//! registers out. It does not know where the rules came from.

use dbgbase::{Address, Arch, LinkAddress, LoadBias, ReadMemory, RegisterId, Unreadable, read_u64};
use gimli::{EndianSlice, EvaluationResult, Expression, LittleEndian, Location, Value};

use super::{ADDRESS_SIZE_BYTES, CfaRule, Rule, Rules};
use crate::unwind::{Frame, FramePc, FrameRegisters, StackEnd, UnwindMethod, Unwound};

/// Expressions in call frame information compute one address; longer ones run in circles.
const EVALUATION_STEPS_MAX: u32 = 10_000;

/// Where a pointer authentication code leaves the address alone. Linux gives programs 48 bits of
/// addresses unless they ask for more (Documentation/arch/arm64/memory.rst).
const UNSIGNED_ADDRESS_MASK: u64 = 0x0000_ffff_ffff_ffff;

/// Why a value could not be computed.
#[derive(Clone, Copy)]
enum Obstacle {
    Unreadable(Unreadable),
    Unknown(RegisterId),
    Bad,
}

impl From<Unreadable> for Obstacle {
    fn from(unreadable: Unreadable) -> Obstacle {
        Obstacle::Unreadable(unreadable)
    }
}

impl From<gimli::Error> for Obstacle {
    fn from(_: gimli::Error) -> Obstacle {
        Obstacle::Bad
    }
}

impl Obstacle {
    fn end(self, frame: &Frame) -> StackEnd {
        match self {
            Obstacle::Unreadable(unreadable) => unreadable.into(),
            Obstacle::Unknown(register) => StackEnd::UnknownRegister { register },
            Obstacle::Bad => StackEnd::BadCallFrameInformation { pc: frame.pc.address() },
        }
    }
}

impl Rules<'_> {
    /// The canonical frame address of `frame`, whose code these rules are for.
    pub(in crate::unwind) fn frame_address(
        &self,
        frame: &Frame,
        bias: LoadBias,
        memory: &dyn ReadMemory,
    ) -> Option<Address> {
        Inputs { registers: &frame.registers, bias, memory }.cfa(&self.cfa).ok()
    }

    /// The caller of `frame`, whose code these rules are for.
    pub(in crate::unwind) fn apply(
        &self,
        frame: &Frame,
        bias: LoadBias,
        memory: &dyn ReadMemory,
    ) -> Result<Unwound, StackEnd> {
        let inputs = Inputs { registers: &frame.registers, bias, memory };
        let cfa = inputs.cfa(&self.cfa).map_err(|obstacle| obstacle.end(frame))?;
        let arch = frame.registers.arch();
        let mut caller = frame.registers.after_call();
        // The stack pointer is the CFA by definition, unless a rule says otherwise.
        caller.set(arch.sp(), Some(cfa.value()));
        for (id, rule) in &self.registers {
            // One lost register does not lose the frame; those that do are missed below.
            caller.set(*id, inputs.value(*id, *rule, cfa).unwrap_or(None));
        }
        let pc = self.return_address(&inputs, cfa, arch).map_err(|obstacle| obstacle.end(frame))?;
        let pc = pc.ok_or(StackEnd::Outermost)?;
        caller.set(arch.pc(), Some(pc.value()));
        let pc = if self.is_signal_frame { FramePc::Exact(pc) } else { FramePc::ReturnAddress(pc) };
        Ok(Unwound {
            cfa,
            is_signal_frame: self.is_signal_frame,
            caller: Frame {
                pc,
                registers: caller,
                cfa: None,
                method: UnwindMethod::CallFrameInformation,
                is_signal_frame: false,
            },
        })
    }

    /// `None` if the rules say that there is no caller.
    fn return_address(
        &self,
        inputs: &Inputs<'_>,
        cfa: Address,
        arch: Arch,
    ) -> Result<Option<Address>, Obstacle> {
        let is_return_address = |(id, _): &&(RegisterId, Rule<'_>)| *id == self.return_address;
        let rule = match self.registers.iter().find(is_return_address) {
            Some((_, rule)) => *rule,
            // A function that has saved nothing yet returns to where its link register points.
            None if self.return_address != arch.pc() => Rule::SameValue,
            None => return Err(Obstacle::Bad),
        };
        if matches!(rule, Rule::Undefined) {
            return Ok(None);
        }
        let value = inputs.value(self.return_address, rule, cfa)?;
        let value = value.ok_or(Obstacle::Unknown(self.return_address))?;
        let mask = if self.is_return_address_signed { UNSIGNED_ADDRESS_MASK } else { u64::MAX };
        Ok(Some(Address::new(value & mask)))
    }
}

/// What rules are computed from.
struct Inputs<'a> {
    registers: &'a FrameRegisters,
    bias: LoadBias,
    memory: &'a dyn ReadMemory,
}

impl Inputs<'_> {
    fn cfa(&self, rule: &CfaRule<'_>) -> Result<Address, Obstacle> {
        match rule {
            CfaRule::RegisterPlus(register, offset) => {
                Ok(self.address_in(*register)?.wrapping_offset(*offset))
            }
            CfaRule::Expression(code) => self.evaluate(code, None).map(Address::new),
            CfaRule::Unsupported => Err(Obstacle::Bad),
        }
    }

    /// The caller's value of register `id`; `None` if the rule says that it is lost.
    fn value(&self, id: RegisterId, rule: Rule<'_>, cfa: Address) -> Result<Option<u64>, Obstacle> {
        let at = |address| read_u64(self.memory, address).map_err(Obstacle::from);
        Ok(match rule {
            Rule::Undefined => None,
            Rule::SameValue => self.registers.get(id),
            Rule::AtCfaPlus(offset) => Some(at(cfa.wrapping_offset(offset))?),
            Rule::CfaPlus(offset) => Some(cfa.wrapping_offset(offset).value()),
            Rule::InRegister(other) => self.registers.get(other),
            Rule::AtExpression(code) => Some(at(Address::new(self.evaluate(code, Some(cfa))?))?),
            Rule::Expression(code) => Some(self.evaluate(code, Some(cfa))?),
            Rule::Constant(value) => Some(value),
            Rule::Unsupported => return Err(Obstacle::Bad),
        })
    }

    fn address_in(&self, register: RegisterId) -> Result<Address, Obstacle> {
        self.registers.get(register).map(Address::new).ok_or(Obstacle::Unknown(register))
    }

    /// Runs a DWARF expression (DWARF 5, 2.5). Those for registers start with the CFA on the stack.
    fn evaluate(&self, code: &[u8], cfa: Option<Address>) -> Result<u64, Obstacle> {
        let encoding = gimli::Encoding {
            address_size: ADDRESS_SIZE_BYTES,
            format: gimli::Format::Dwarf32,
            version: 5,
        };
        let code = EndianSlice::new(code, LittleEndian);
        let mut evaluation = Expression(code).evaluation(encoding);
        evaluation.set_max_iterations(EVALUATION_STEPS_MAX);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa.value());
        }
        let mut state = evaluation.evaluate()?;
        loop {
            state = match state {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, size, space: None, .. } => {
                    let value = self.read(Address::new(address), size)?;
                    evaluation.resume_with_memory(Value::Generic(value))?
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    let arch = self.registers.arch();
                    let id = arch.register_by_dwarf(register.0).ok_or(Obstacle::Bad)?;
                    let value = self.registers.get(id).ok_or(Obstacle::Unknown(id))?;
                    evaluation.resume_with_register(Value::Generic(value))?
                }
                EvaluationResult::RequiresRelocatedAddress(link) => {
                    let address = LinkAddress::new(link).to_address(self.bias);
                    evaluation.resume_with_relocated_address(address.value())?
                }
                _ => return Err(Obstacle::Bad),
            };
        }
        match evaluation.as_result() {
            [piece] => match piece.location {
                Location::Address { address } => Ok(address),
                Location::Value { value } => Ok(value.to_u64(u64::MAX)?),
                _ => Err(Obstacle::Bad),
            },
            _ => Err(Obstacle::Bad),
        }
    }

    /// Reads a little-endian number of up to eight bytes.
    fn read(&self, address: Address, size_bytes: u8) -> Result<u64, Obstacle> {
        let mut bytes = [0; 8];
        let wanted = bytes.get_mut(..usize::from(size_bytes)).ok_or(Obstacle::Bad)?;
        let len = wanted.len();
        let count = self.memory.read(address, wanted)?;
        if count < len {
            return Err(Unreadable { address: address.wrapping_offset(count as i64) }.into());
        }
        Ok(u64::from_le_bytes(bytes))
    }
}
