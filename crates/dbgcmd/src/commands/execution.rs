//! Commands that let targets run: `g`, `p`, `t` and their kin. They make plans; carrying them out
//! is the interpreter's.

use dbgeng::{SignalAction, UNTIL_MAX};

use super::calls::PendingCall;
use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::registry::{Action, Command, Extent, Shape};
use crate::run::Plan;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["g"],
        syntax: "[=Start] [Address ...]",
        summary: "run",
        manual: "Lets all targets run until something happens. With addresses, up to ten, targets \
            also stop when the current process reaches one of them. =Start is where the current \
            thread goes on, instead of where it stands. The signal that the thread stopped with is \
            delivered to it, unless it was a break-in. If .attach or .create is waiting to take \
            effect, it takes effect now. If .call has set up a call, that is made instead.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(go),
    },
    Command {
        names: &["gh"],
        syntax: "[=Start] [Address ...]",
        summary: "run, the signal counts as handled",
        manual: "As g, but the signal that the thread stopped with is not delivered: the program \
            never sees it.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(go),
    },
    Command {
        names: &["gn", "gN"],
        syntax: "[=Start] [Address ...]",
        summary: "run, the signal counts as not handled",
        manual: "As g, and the signal that the thread stopped with is delivered in any case, also \
            that of a trap instruction of the program.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(go),
    },
    Command {
        names: &["gc"],
        syntax: "",
        summary: "run on from a conditional breakpoint",
        manual: "In the commands of a breakpoint: runs on as the breakpoint was reached, which is \
            by running, since steps execute no commands of breakpoints.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(go_on),
    },
    Command {
        names: &["gu"],
        syntax: "",
        summary: "run until the function returns",
        manual: "Lets the targets run until the current function returns to its caller. Inner \
            instances of the same function are passed.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(go_up),
    },
    Command {
        names: &["p"],
        syntax: "[r] [=Start] [Count] [\"Commands\"]",
        summary: "step over calls",
        manual: "Executes one instruction of the current thread, or Count; a function that is \
            called is executed as a whole. Each step is shown. r switches the registers in what is \
            shown on and off. Commands are executed when the last step is done, before it is \
            shown. Steps neither count the passes of breakpoints nor execute their commands.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(step),
    },
    Command {
        names: &["t"],
        syntax: "[r] [=Start] [Count] [\"Commands\"]",
        summary: "step into calls",
        manual: "As p, but a function that is called is entered.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(step),
    },
];

/// Whether the command of this name lets targets run.
pub(crate) fn runs(name: &str) -> bool {
    COMMANDS.iter().any(|command| command.names.contains(&name))
}

/// The outcome of a command that lets targets run: if a prefix chose a thread, that alone.
fn run(context: &Context<'_>, plan: Plan) -> Outcome {
    match context.engine.current().filter(|_| context.is_prefixed) {
        Some((process, thread)) => {
            Outcome::Run(Plan::Alone { process, thread, plan: Box::new(plan) })
        }
        None => Outcome::Run(plan),
    }
}

/// That there is something to run.
fn check(context: &Context<'_>) -> Result<(), CommandError> {
    if let Some(PendingCall { thread, .. }) = &context.state.pending_call {
        return Err(CommandError::refused(format!(
            "Thread {} is set up for a call: g makes it, and .call /c on that thread forgets it",
            thread.0
        )));
    }
    if context.engine.current().is_none() && context.state.acquisitions.is_empty() {
        return Err(CommandError::NoDebuggee);
    }
    Ok(())
}

/// Takes `=Start` and moves the current thread there.
fn start(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<(), CommandError> {
    arguments.skip_blanks();
    if arguments.take_char('=') {
        let address = arguments.address(&context.expressions())?;
        let pc = context.engine.server().arch.pc();
        context.engine.set_register(pc, address.value())?;
    }
    Ok(())
}

/// The call that is set up, if this is a `g` that makes it. Behind the prefix of its thread that
/// runs alone.
fn pending_call(context: &mut Context<'_>, arguments: &Arguments<'_>) -> Option<PendingCall> {
    let is_plain = arguments.name() == "g" && arguments.is_empty();
    let is_prefixed = context.is_prefixed;
    let current = context.engine.current();
    let mut pending = context.state.pending_call.take_if(|pending| {
        is_plain && (!is_prefixed || current == Some((pending.process, pending.thread)))
    })?;
    pending.call.run_others = !is_prefixed;
    Some(pending)
}

fn go(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    if let Some(pending) = pending_call(context, arguments) {
        return Ok(Outcome::Run(Plan::Call(pending)));
    }
    check(context)?;
    start(context, arguments)?;
    let mut until = Vec::new();
    arguments.skip_separator();
    while !arguments.is_empty() {
        let excess = arguments.syntax_error();
        if until.len() == UNTIL_MAX {
            return Err(excess);
        }
        until.push(arguments.address(&context.expressions())?);
        arguments.skip_separator();
    }
    let signal = match arguments.name() {
        "gh" => SignalAction::Handled,
        "gn" | "gN" => SignalAction::NotHandled,
        _ => SignalAction::Default,
    };
    Ok(run(context, Plan::Go { signal, until }))
}

fn go_on(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    check(context)?;
    Ok(run(context, Plan::go()))
}

fn go_up(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    check(context)?;
    Ok(run(context, Plan::Out))
}

fn step(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    check(context)?;
    let mut letters = arguments.raw_rest().chars();
    let is_toggle = matches!(letters.next(), Some('r' | 'R'))
        && !letters.next().is_some_and(|next| next.is_alphanumeric());
    if is_toggle {
        arguments.take_while(|character| character.is_alphabetic());
        context.state.hides_registers = !context.state.hides_registers;
    }
    start(context, arguments)?;
    arguments.skip_separator();
    let has_count = arguments.peek().is_some_and(|next| next != '"');
    let count = if has_count { arguments.expression(&context.expressions())?.max(1) } else { 1 };
    let commands = arguments.quoted()?.unwrap_or_default().to_owned();
    arguments.finish()?;
    let is_over = arguments.name() == "p";
    Ok(run(context, Plan::Step { is_over, count, commands }))
}
