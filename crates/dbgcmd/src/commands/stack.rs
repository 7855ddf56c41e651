//! Commands that show who called the current function: `k` in its forms, `kd`, and how stacks are
//! shown: `.kframes`, `.inline`.

use dbgbase::Address;
use dbgeng::{Local, StackStart, ValueLimits};

use super::{Context, Outcome, display};
use crate::arguments::{Arguments, Range};
use crate::error::CommandError;
use crate::format;
use crate::format::memory::Layout;
use crate::format::stack::{Columns, Parameters};
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["k"],
        syntax: "[b | p | P | v][c][f][L][M][n] [= StackPointer [InstructionPointer]] [Count]",
        summary: "show the stack",
        manual: "Shows who called the current function: for each frame its stack pointer, its \
            return address, where it executes and the line of source. Calls that the compiler \
            replaced by the function's instructions are shown as inline functions. n adds frame \
            numbers, f also how much stack each frame takes, c leaves only the names, L the lines \
            of source out. b shows the first three parameters as numbers, and so does v; p shows \
            all parameters with their types and values, P each on a line of its own. What the \
            compiler did not keep is dashes. M, for links, means nothing here. Count is the number \
            of frames, in the current radix; .kframes sets it for k alone. Frames that only the \
            instructions or the frame pointer tell, for want of unwind information, are marked. \
            After = the stack is \
            followed from this stack pointer on, as if the thread executed at the instruction \
            pointer, by default its own, the other registers those of the current frame: k = @rsp \
            5, k = @rsp @rip 5.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(stack),
    },
    Command {
        names: &["kd"],
        syntax: "[Count]",
        summary: "show the stack as words",
        manual: "Shows the words from the current frame's stack pointer on, each with the symbol \
            that it may be the address of. Count is how many, in the current radix, by default 14.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(words),
    },
    Command {
        names: &[".kframes"],
        syntax: "Count",
        summary: "how many frames k shows",
        manual: "Sets how many frames k shows if it is not told, at first 100. Count is in the \
            current radix.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(set_frames),
    },
    Command {
        names: &[".inline"],
        syntax: "[0 | 1]",
        summary: "whether k shows inlined calls",
        manual: "0 leaves the calls out that the compiler replaced by the function's instructions, \
            1 shows them, as at first. They keep their numbers for .frame.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(inline),
    },
];

/// The most frames one command shows.
const FRAMES_MAX: u64 = 0xffff;
/// How many words `kd` shows.
const WORDS_DEFAULT: u64 = 20;
/// Parameters stand in the middle of a line.
const LIMITS: ValueLimits =
    ValueLimits { depth_max: 2, elements_max: 4, characters_max: 64, values_max: 16 };

/// Reads the letters of `k`, which may stand in any order.
fn columns(context: &Context<'_>, arguments: &mut Arguments<'_>) -> Result<Columns, CommandError> {
    let mut columns = Columns { lines: context.state.source.shows_lines, ..Columns::default() };
    // A letter that begins a word or number of another kind is the count.
    let letters = arguments.take_while(|letter| "bcflLMnNpPvV".contains(letter));
    for letter in letters.chars() {
        match letter {
            'b' | 'v' | 'V' => columns.parameters = Parameters::Three,
            'c' => columns.names_only = true,
            'f' => columns.sizes = true,
            'L' => columns.lines = false,
            'n' | 'N' => columns.numbers = true,
            'p' => columns.parameters = Parameters::Line,
            'P' => columns.parameters = Parameters::Lines,
            _ => {}
        }
    }
    if arguments.peek().is_some_and(|next| next.is_alphabetic()) {
        return Err(arguments.syntax_error());
    }
    Ok(columns)
}

fn stack(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let columns = columns(context, arguments)?;
    arguments.skip_blanks();
    let start = if arguments.take_char('=') { Some(start(context, arguments)?) } else { None };
    let (start, typed) = start.map_or((None, None), |(start, count)| (Some(start), count));
    let count = match arguments.is_empty() {
        true => typed.unwrap_or(context.state.stacks.frames),
        false => arguments.expression(&context.expressions())?,
    };
    let count = count.clamp(1, FRAMES_MAX) as usize;
    arguments.finish()?;
    let current = context.engine.current_frame();
    let first = context.state.stack_begins_at.filter(|first| *first == current);
    let first = first.filter(|_| start.is_none()).unwrap_or(0);
    // One more, as the return address of the last one is known when its caller is.
    let mut stack = context.engine.stack_from(start, first + count + 1)?;
    stack.frames.drain(..first.min(stack.frames.len()));
    stack.frames.truncate(count);
    let mut parameters: Vec<Vec<Local>> = Vec::new();
    if columns.parameters != Parameters::None {
        parameters = context.engine.stack_parameters(start, first + count, LIMITS)?;
        parameters.drain(..first.min(parameters.len()));
    }
    let shows_inlined = context.state.stacks.shows_inlined;
    let text = format::stack::frames(&stack, &parameters, shows_inlined, columns);
    context.write(&text);
    Ok(Outcome::Done)
}

/// Takes `StackPointer [[InstructionPointer] Count]`.
fn start(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<(StackStart, Option<u64>), CommandError> {
    let expressions = context.expressions();
    let sp = arguments.address(&expressions)?;
    arguments.skip_separator();
    if arguments.is_empty() {
        return Ok((StackStart { sp, pc: None }, None));
    }
    let second = arguments.expression(&expressions)?;
    arguments.skip_separator();
    // Of two numbers the second one is the count, unless it can only be code.
    if arguments.is_empty() && second <= FRAMES_MAX {
        return Ok((StackStart { sp, pc: None }, Some(second)));
    }
    Ok((StackStart { sp, pc: Some(Address::new(second)) }, None))
}

fn words(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let count = match arguments.is_empty() {
        true => WORDS_DEFAULT,
        false => arguments.expression(&context.expressions())?.clamp(1, FRAMES_MAX),
    };
    arguments.finish()?;
    let sp = context.engine.current_registers()?.sp();
    let start =
        sp.ok_or_else(|| CommandError::refused("The stack pointer of this frame is not known"))?;
    let layout = Layout::named("dps").ok_or_else(|| arguments.syntax_error())?;
    display::show_rows(context, layout, Range { start, count: Some(count), has_end: false })?;
    Ok(Outcome::Done)
}

fn set_frames(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if arguments.is_empty() {
        return Err(arguments.syntax_error());
    }
    let count = arguments.expression(&context.expressions())?;
    arguments.finish()?;
    if !(1..=FRAMES_MAX).contains(&count) {
        return Err(CommandError::refused(format!(
            "A stack of 1 to {FRAMES_MAX:x} frames is shown"
        )));
    }
    context.state.stacks.frames = count;
    context.write(&format!("Default stack trace depth is 0n{count} frames\n"));
    Ok(Outcome::Done)
}

fn inline(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let unknown = arguments.syntax_error();
    match arguments.word() {
        "" => {}
        "0" => context.state.stacks.shows_inlined = false,
        "1" => context.state.stacks.shows_inlined = true,
        _ => return Err(unknown),
    }
    arguments.finish()?;
    let state = if context.state.stacks.shows_inlined { "shown" } else { "hidden" };
    context.write(&format!("Inline functions are {state}\n"));
    Ok(Outcome::Done)
}
