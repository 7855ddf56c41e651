//! The command that calls a function of the target, `.call`. It only takes down what is to be
//! called; the next `g` does it, which is the interpreter's.

use dbgbase::Address;
use dbgeng::expr::{EngineContext, EvalContext as _, ExprSettings, Radix};
use dbgeng::{CallArgument, FunctionCall, ProcessNumber, ThreadNumber};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[Command {
    names: &[".call"],
    syntax: "[/v] Function([Argument, ...]) | {/c | /C}",
    summary: "call a function",
    manual: "Takes down a call of a function by the current thread, which the next g makes. \
        Function is a symbol or the value of an expression. Arguments are integers and pointers, \
        expressions in which digits without a prefix are decimal as in C, or \"strings\", of \
        which the function gets the addresses; strings last until it returns. When it returns, \
        the value is shown and is in $callret, and the thread is where it was, with all its \
        registers; what the function did to memory stays. Types are not known to this version: a \
        floating-point result is shown by /v, and an argument cannot be one. The other threads run \
        meanwhile; to let the thread run alone use '~. g', with which a function that waits for \
        another thread does not return. Whatever would stop the target ends the call, which is \
        then undone and said: a breakpoint, a signal, Ctrl+C, an exit. /v shows the call and more \
        of the result. /c forgets a call that has not been made; so does /C, as the registers are \
        still the thread's own.",
    shape: Shape::Word,
    extent: Extent::Semicolon,
    action: Action::Run(call),
}];

/// A call that the next `g` makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PendingCall {
    /// The process.
    pub(crate) process: ProcessNumber,
    /// The thread that makes it.
    pub(crate) thread: ThreadNumber,
    /// What is called.
    pub(crate) call: FunctionCall,
    /// Whether more of the result is shown.
    pub(crate) is_verbose: bool,
}

fn call(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let mut is_verbose = false;
    loop {
        let syntax = arguments.syntax_error();
        match arguments.option() {
            None => break,
            Some("v" | "V") => is_verbose = true,
            Some("c" | "C") => {
                arguments.finish()?;
                return clear(context);
            }
            Some("s" | "S") => {
                return Err(CommandError::refused(
                    "Prototypes are not needed: arguments are integers and pointers as they stand",
                ));
            }
            Some(_) => return Err(syntax),
        }
    }
    let Some((process, thread)) = context.engine.current() else {
        return Err(CommandError::NoDebuggee);
    };
    // That it stands still.
    context.engine.registers()?;
    let address = function(context, arguments)?;
    let values = parameters(context, arguments)?;
    arguments.finish()?;
    let call = FunctionCall { address, arguments: values, run_others: true };
    if is_verbose {
        let symbol = context.engine.symbol_at(address);
        let text = format::calls::call(symbol.as_ref(), &call);
        context.write(&text);
    }
    context.write(
        "Thread is set up for call, 'g' will execute.\n\
         WARNING: This can have serious side-effects,\n\
         including deadlocks and corruption of the debuggee.\n",
    );
    context.state.pending_call = Some(PendingCall { process, thread, call, is_verbose });
    Ok(Outcome::Done)
}

fn clear(context: &mut Context<'_>) -> Result<Outcome, CommandError> {
    let current = context.engine.current();
    let is_its = |call: &mut PendingCall| Some((call.process, call.thread)) == current;
    match context.state.pending_call.take_if(is_its) {
        Some(_) => {
            context.write("Call has been cleared from the thread.\n");
            Ok(Outcome::Done)
        }
        None => Err(CommandError::refused("No call is set up on the current thread")),
    }
}

/// Takes the function: a name as symbols have it, also one that reads as a number; or an
/// expression.
fn function(context: &Context<'_>, arguments: &mut Arguments<'_>) -> Result<Address, CommandError> {
    arguments.skip_blanks();
    let rest = arguments.raw_rest();
    let name = rest.split('(').next().unwrap_or_default();
    let is_name = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    if is_name && let Ok(address) = context.expressions().symbol(name.trim_end()) {
        arguments.take_str(name.len());
        return Ok(Address::new(address));
    }
    arguments.address(&context.expressions())
}

/// Takes the arguments and the parentheses around them.
fn parameters(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Vec<CallArgument>, CommandError> {
    let settings = ExprSettings { radix: Radix::Decimal, ..context.state.expressions.clone() };
    let expressions = EngineContext::new(&*context.engine, &settings);
    let mut values = Vec::new();
    arguments.skip_blanks();
    if !arguments.take_char('(') {
        return Err(arguments.syntax_error());
    }
    arguments.skip_blanks();
    if arguments.take_char(')') {
        return Ok(values);
    }
    loop {
        values.push(match arguments.quoted()? {
            Some(text) => CallArgument::Bytes([text.as_bytes(), b"\0"].concat()),
            None => CallArgument::Value(arguments.expression(&expressions)?),
        });
        arguments.skip_blanks();
        if arguments.take_char(')') {
            return Ok(values);
        }
        if !arguments.take_char(',') {
            return Err(arguments.syntax_error());
        }
    }
}
