//! MASM expressions, the language in which addresses, counts and conditions are typed: text in, a
//! 64-bit number out. It knows the grammar and the arithmetic; names, registers and memory it asks
//! of an [`EvalContext`], so it runs without a debuggee. The facts are those of the manual pages
//! "MASM Numbers and Operators", "Register Syntax" and "Symbol Syntax and Symbol Matching".
//!
//! ```text
//! text ──compile──► Program: operands and operators in postfix order ──run──► u64
//!                                            └──agent_code──► code that a server runs
//! ```
//!
//! | strength | operators |
//! |---|---|
//! | unary | `+ - not hi low by wo dwo qwo poi` |
//! | 6 | `* / mod %` |
//! | 5 | `+ -` |
//! | 4 | `<< >> >>>` |
//! | 3 | `= == < > <= >= !=` |
//! | 2 | `and &` |
//! | 1 | `xor ^` |
//! | 0 | `or \|` |
//!
//! Every value is a 64-bit number without sign and arithmetic wraps. A comparison gives 1 or 0.

mod agent;
mod compile;
mod engine_context;
mod error;
mod number;
mod operator;
mod program;
mod register_part;
mod scanner;

pub use engine_context::{EngineContext, ExprSettings, USER_REGISTER_COUNT};
pub(crate) use error::quoted_from;
pub use error::{ExprError, ExprErrorKind};
pub use number::Radix;
pub use program::Program;
pub use register_part::RegisterPart;

use dbgbase::{Address, Unreadable};

/// The longest text that is read as an expression, which is also the longest command.
pub const TEXT_LEN_MAX: usize = 4096;
/// How deep parentheses and unary operators may be nested.
pub const DEPTH_MAX: usize = 64;

/// What an expression can ask of the debuggee and of the debugger.
pub trait EvalContext {
    /// How digits without a prefix are read.
    fn radix(&self) -> Radix;

    /// Whether `name` (lower case) is one of the registers that are recognised without `@`. It must
    /// not be readable as a number.
    fn is_common_register(&self, name: &str) -> bool;

    /// The value of the register, flag or pseudo-register `name`: lower case, without `@`,
    /// pseudo-registers with their `$`.
    fn register(&self, name: &str) -> Result<u64, RegisterMiss>;

    /// The address of the symbol `name` or `module!name`.
    fn symbol(&self, name: &str) -> Result<u64, SymbolMiss>;

    /// Fills `buffer` from the debuggee's memory.
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable>;
}

/// Why a register has no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegisterMiss {
    /// There is none of the name, or it has no value now.
    Unknown,
    /// The current frame's is lost: calls further in may have changed it.
    NotInFrame,
}

/// Why a name has no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolMiss {
    /// Nothing is called so.
    Unknown,
    /// Several things are.
    Ambiguous,
    /// It is a variable that is not in memory at this place.
    NotInMemory,
    /// The user does not want to wait for what may be called so.
    Cancelled,
}

/// The value of `text`, which must be an expression and nothing else.
pub fn evaluate(text: &str, context: &dyn EvalContext) -> Result<u64, ExprError> {
    Program::compile_whole(text, context.radix())?.run(context)
}

/// The value of the longest expression at the head of `text`, and how many bytes of `text` it
/// spans. What follows it, behind blanks or not, is the caller's.
pub fn evaluate_head(text: &str, context: &dyn EvalContext) -> Result<(u64, usize), ExprError> {
    let program = Program::compile(text, context.radix())?;
    Ok((program.run(context)?, program.len_bytes()))
}

#[cfg(test)]
#[path = "expr/tests.rs"]
mod tests;
