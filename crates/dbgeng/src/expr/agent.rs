//! Expressions as agent code, so that the server can evaluate them where the debuggee is. The stack
//! machine of an expression and that of agent code are alike; what differs is that the server knows
//! no names. A register becomes its number, a symbol its address as it is now; what only the engine
//! knows, as `$t0`, cannot be compiled.

use dbgbase::{Arch, x86_64};
use dbgwire::agent::{Code, Instruction};

use super::error::{ExprError, ExprErrorKind};
use super::operator::{BinaryOperator, UnaryOperator};
use super::program::{self, Operation, Program};
use super::{EvalContext, RegisterPart};

/// Pseudo-registers that have one value for as long as the session lasts.
const CONSTANTS: [&str; 3] = ["$ptrsize", "$pagesize", "$dpid"];

impl Program<'_> {
    /// The expression as code for a server. It computes what [`Program::run`] does at the same
    /// stop, as long as its symbols stay where they are.
    ///
    /// **Shape**: `None` if it asks for something that only the engine knows, or is too long.
    /// **Errors**: a name that nothing has.
    pub fn agent_code(
        &self,
        arch: Arch,
        context: &dyn EvalContext,
    ) -> Result<Option<Code>, ExprError> {
        let mut compiler = Compiler { arch, context, instructions: Vec::new() };
        let mut is_whole = true;
        for step in self.steps() {
            let done = compiler.operation(step.operation);
            // Names behind one that is not compiled are looked up all the same: a mistake is told.
            is_whole &= done.map_err(|kind| ExprError::new(kind, step.position))?;
        }
        // What is refused now is too long, or needs too deep a stack.
        let code = Code::assemble(&compiler.instructions, arch).ok();
        Ok(code.filter(|_| is_whole))
    }
}

struct Compiler<'c> {
    arch: Arch,
    context: &'c dyn EvalContext,
    instructions: Vec<Instruction>,
}

impl Compiler<'_> {
    fn push(&mut self, instructions: &[Instruction]) {
        self.instructions.extend_from_slice(instructions);
    }

    /// Compiles one operation. Whether that is possible.
    fn operation(&mut self, operation: Operation<'_>) -> Result<bool, ExprErrorKind> {
        match operation {
            Operation::Number(value) => self.push(&[Instruction::Constant(value)]),
            Operation::Register(name) => return self.register(&name.to_ascii_lowercase()),
            Operation::Symbol(name) => {
                let address = program::symbol(name, self.context)?;
                self.push(&[Instruction::Constant(address)]);
            }
            Operation::Name(word) if program::is_register(word, self.context) => {
                return self.register(&word.to_ascii_lowercase());
            }
            Operation::Name(word) => return self.operation(Operation::Symbol(word)),
            Operation::Unary(operator) => self.unary(operator),
            Operation::Binary(operator) => self.push(binary(operator)),
        }
        Ok(true)
    }

    fn register(&mut self, name: &str) -> Result<bool, ExprErrorKind> {
        let part = match name {
            "$scopeip" => RegisterPart::from_name(self.arch, "$ip"),
            "$teb" | "$thread" if self.arch == Arch::X86_64 => {
                Some(RegisterPart { register: x86_64::FS_BASE, shift: 0, size_bits: 64 })
            }
            name => RegisterPart::from_name(self.arch, name),
        };
        let Some(part) = part else {
            let value = self.context.register(name).map_err(program::register_error)?;
            let is_constant = CONSTANTS.contains(&name);
            if is_constant {
                self.push(&[Instruction::Constant(value)]);
            }
            return Ok(is_constant);
        };
        let description = self.arch.describe(part.register);
        let Some(number) = description.and_then(|description| description.gdb) else {
            return Ok(false);
        };
        self.push(&[Instruction::Register(number)]);
        if part.shift > 0 {
            let shift = Instruction::Constant(u64::from(part.shift));
            self.push(&[shift, Instruction::ShiftRightUnsigned]);
        }
        if part.size_bits < 64 {
            self.push(&[Instruction::ExtendZero(part.size_bits)]);
        }
        Ok(true)
    }

    fn unary(&mut self, operator: UnaryOperator) {
        match operator {
            UnaryOperator::Plus => {}
            UnaryOperator::Negate => {
                self.push(&[Instruction::Constant(0), Instruction::Swap, Instruction::Subtract]);
            }
            UnaryOperator::Not => self.push(&[Instruction::LogicalNot]),
            UnaryOperator::High => {
                let shift = [Instruction::Constant(16), Instruction::ShiftRightUnsigned];
                self.push(&shift);
                self.push(&[Instruction::ExtendZero(16)]);
            }
            UnaryOperator::Low => self.push(&[Instruction::ExtendZero(16)]),
            UnaryOperator::Read(1) => self.push(&[Instruction::Read8]),
            UnaryOperator::Read(2) => self.push(&[Instruction::Read16]),
            UnaryOperator::Read(4) => self.push(&[Instruction::Read32]),
            UnaryOperator::Read(_) => self.push(&[Instruction::Read64]),
        }
    }
}

/// What computes an operator's result. Numbers have no sign.
fn binary(operator: BinaryOperator) -> &'static [Instruction] {
    use Instruction::{Equal, LessUnsigned, LogicalNot, Swap};
    match operator {
        BinaryOperator::Multiply => &[Instruction::Multiply],
        BinaryOperator::Divide => &[Instruction::DivideUnsigned],
        BinaryOperator::Remainder => &[Instruction::RemainderUnsigned],
        BinaryOperator::Add => &[Instruction::Add],
        BinaryOperator::Subtract => &[Instruction::Subtract],
        BinaryOperator::ShiftLeft => &[Instruction::ShiftLeft],
        BinaryOperator::ShiftRight => &[Instruction::ShiftRightUnsigned],
        BinaryOperator::ShiftRightSigned => &[Instruction::ShiftRightSigned],
        BinaryOperator::Equal => &[Equal],
        BinaryOperator::NotEqual => &[Equal, LogicalNot],
        BinaryOperator::Less => &[LessUnsigned],
        BinaryOperator::Greater => &[Swap, LessUnsigned],
        BinaryOperator::LessOrEqual => &[Swap, LessUnsigned, LogicalNot],
        BinaryOperator::GreaterOrEqual => &[LessUnsigned, LogicalNot],
        BinaryOperator::And => &[Instruction::And],
        BinaryOperator::Xor => &[Instruction::Xor],
        BinaryOperator::Or => &[Instruction::Or],
    }
}

#[cfg(test)]
#[path = "agent/tests.rs"]
mod tests;
