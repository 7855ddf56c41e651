//! Commands about threads and debugged processes: `~` and `|` with their selectors ("Thread
//! Syntax", "Process Syntax").

use dbgbase::{Address, Arch, x86_64};
use dbgeng::{Engine, Hold, ProcessNumber, ThreadNumber};

use super::{Context, Outcome, ThreadBatch, breakpoints, execution};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format::{self, threads::Mark, threads::ThreadRow};
use crate::registry::{self, Action, Command, Extent, Shape};
use crate::syntax;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["~"],
        syntax: "[. | # | * | Number | ~[TID]] [s | n | m | f | u | e Commands | Command]",
        summary: "list, choose, hold and visit threads",
        manual: "Alone, lists the threads of the current process; . marks the current one, # the \
            one of the last event. A selector behind ~ names threads: . the current one, # the one \
            of the last event, * all, a decimal number, or ~[TID] by system id, an expression. \
            With s, the thread becomes the current one. With n, it is suspended once more, with m \
            once less; with f it is frozen, with u not any more. A thread that is suspended or \
            frozen stays where it is when targets run; the list shows how often it is suspended, \
            the debugger's own hold counted too. With m, also a process that a signal had stopped \
            before it was attached to, as dbgsrv -cs leaves one, is continued. In front of g, p, t \
            and their kin, the selector is the only thread that runs, and it becomes the current \
            one; ~* is all. With e, all commands up to the end of the line are executed for each \
            thread; with one command, that command. In front of bp, bu and ba, the selector limits \
            the breakpoint to the thread; ~* limits nothing.",
        shape: Shape::Letters,
        extent: Extent::Measured(thread_command_len),
        action: Action::Run(threads),
    },
    Command {
        names: &["|"],
        syntax: "[. | # | * | Number | ~[PID]] [s]",
        summary: "list and choose processes",
        manual: "Alone, lists the processes that are debugged; . marks the current one, # the one \
            of the last event. create, attach and child say how the debugger came to it. Selectors \
            are as for ~. With s, the process becomes the current one.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(processes),
    },
];

/// Which threads or processes a selector names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Selector {
    All,
    Current,
    Event,
    Number(u32),
    SystemId(u64),
}

/// Takes the selector that follows at once, if there is one.
fn selector(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
    mark: char,
) -> Result<Option<Selector>, CommandError> {
    if arguments.take_char('.') {
        return Ok(Some(Selector::Current));
    }
    if arguments.take_char('#') {
        return Ok(Some(Selector::Event));
    }
    if arguments.take_char('*') {
        return Ok(Some(Selector::All));
    }
    if let Some(number) = arguments.decimal()? {
        return Ok(Some(Selector::Number(number)));
    }
    // `~~[1a2b]`, `~[1a2b]`.
    arguments.take_char(mark);
    if !arguments.take_char('[') {
        return Ok(None);
    }
    let id = arguments.expression(&context.expressions())?;
    arguments.skip_blanks();
    if arguments.take_char(']') {
        Ok(Some(Selector::SystemId(id)))
    } else {
        Err(arguments.syntax_error())
    }
}

/// How much of a line a thread command takes: with `e`, all of it.
fn thread_command_len(text: &str) -> usize {
    let selector = |character: char| ".#*~".contains(character) || character.is_ascii_digit();
    let behind = text.trim_start_matches(selector);
    let behind = match behind.strip_prefix('[').and_then(|id| id.split_once(']')) {
        Some((_, behind)) => behind,
        None => behind,
    };
    let mut letters = behind.trim_start().chars();
    let is_execute = matches!(letters.next(), Some('e' | 'E'))
        && letters.next().is_some_and(char::is_whitespace);
    if is_execute { text.len() } else { syntax::command_len(text) }
}

fn threads(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let selector = selector(context, arguments, '~')?;
    let chosen = chosen_threads(context.engine, selector.unwrap_or(Selector::All))?;
    let rest = arguments.rest();
    if rest.is_empty() {
        list(context, &chosen)?;
        return Ok(Outcome::Done);
    }
    if selector.is_none() || context.is_prefixed {
        return Err(arguments.syntax_error());
    }
    match rest {
        "s" | "S" => {
            let [(process, thread)] = chosen.as_slice() else {
                return Err(arguments.syntax_error());
            };
            context.engine.set_current_thread(*process, *thread)?;
            context.state.next_code = None;
            context.write_location()?;
            return Ok(Outcome::Done);
        }
        "m" | "M" => return resume(context, &chosen),
        "n" | "N" => return hold(context, &chosen, Hold::Suspend),
        "f" | "F" => return hold(context, &chosen, Hold::Freeze),
        "u" | "U" => return hold(context, &chosen, Hold::Unfreeze),
        _ => {}
    }
    let commands = match rest.strip_prefix(['e', 'E']) {
        Some(commands) if commands.starts_with(char::is_whitespace) => commands,
        _ => rest,
    };
    if selector == Some(Selector::All)
        && let Some((_, name @ ("bp" | "bu" | "ba"))) = registry::find(commands)
    {
        return breakpoints::set(context, &mut Arguments::new(commands, name, name.len()));
    }
    let runs = registry::find(commands).is_some_and(|(_, name)| execution::runs(name));
    if runs && selector == Some(Selector::All) {
        // All threads run, as without a selector.
        return Ok(Outcome::ForThreads(ThreadBatch {
            threads: context.engine.current().into_iter().collect(),
            commands: commands.trim().to_owned(),
            has_headings: false,
            is_prefix: false,
        }));
    }
    Ok(Outcome::ForThreads(ThreadBatch {
        threads: chosen,
        commands: commands.trim().to_owned(),
        has_headings: selector == Some(Selector::All),
        is_prefix: true,
    }))
}

fn hold(
    context: &mut Context<'_>,
    chosen: &[(ProcessNumber, ThreadNumber)],
    hold: Hold,
) -> Result<Outcome, CommandError> {
    let Some((process, _)) = chosen.first() else { return Ok(Outcome::Done) };
    let threads: Vec<ThreadNumber> = chosen.iter().map(|(_, thread)| *thread).collect();
    context.engine.hold_threads(*process, &threads, hold)?;
    Ok(Outcome::Done)
}

/// Takes one suspend back. It may also have come from outside: on Linux a signal stops all threads
/// of a process, and another one continues them all.
fn resume(
    context: &mut Context<'_>,
    chosen: &[(ProcessNumber, ThreadNumber)],
) -> Result<Outcome, CommandError> {
    let Some((number, _)) = chosen.first() else { return Ok(Outcome::Done) };
    let process = context.engine.process(*number)?;
    let is_suspended = |thread: &(ProcessNumber, ThreadNumber)| {
        process.thread(thread.1).is_ok_and(|thread| thread.suspends > 0)
    };
    let suspended: Vec<_> = chosen.iter().copied().filter(is_suspended).collect();
    if process.is_suspended {
        context.engine.continue_suspended(*number)?;
        context.write("Resumed; g lets it run\n");
    } else if suspended.is_empty() {
        return Err(CommandError::refused("No thread is suspended"));
    }
    hold(context, &suspended, Hold::Resume)
}

/// Writes a line for each thread, with its name.
fn list(
    context: &mut Context<'_>,
    chosen: &[(ProcessNumber, ThreadNumber)],
) -> Result<(), CommandError> {
    let current = context.engine.current();
    let named = match chosen.first() {
        Some((process, _)) => context.engine.list_threads(*process)?,
        None => Vec::new(),
    };
    let name = |number| {
        let thread = named.iter().find(|thread| thread.number == number);
        thread.map(|thread| thread.name.clone()).unwrap_or_default()
    };
    let text: String = chosen
        .iter()
        .map(|(process, thread)| line(context.engine, *process, *thread, current, name(*thread)))
        .collect();
    context.write(&text);
    Ok(())
}

/// The threads of the current process that a selector names; with an event elsewhere, that one.
fn chosen_threads(
    engine: &Engine,
    selector: Selector,
) -> Result<Vec<(ProcessNumber, ThreadNumber)>, CommandError> {
    let no_target = || CommandError::refused("Nothing is being debugged");
    let (number, current) = engine.current().ok_or_else(no_target)?;
    let process = engine.process(number)?;
    let all = || process.threads().into_iter();
    let chosen: Vec<(ProcessNumber, ThreadNumber)> = match selector {
        Selector::All => all().map(|thread| (number, thread.number)).collect(),
        Selector::Current => vec![(number, current)],
        Selector::Event => engine.event_thread().into_iter().collect(),
        Selector::Number(wanted) => all()
            .filter(|thread| thread.number.0 == wanted)
            .map(|thread| (number, thread.number))
            .collect(),
        Selector::SystemId(id) => all()
            .filter(|thread| u64::from(thread.tid.value()) == id)
            .map(|thread| (number, thread.number))
            .collect(),
    };
    match (chosen.is_empty(), selector) {
        (false, _) => Ok(chosen),
        (true, Selector::Number(wanted)) => {
            Err(CommandError::refused(format!("Process {number} has no thread {wanted}")))
        }
        (true, Selector::SystemId(id)) => {
            Err(CommandError::refused(format!("Process {number} has no thread with id 0x{id:x}")))
        }
        (true, _) => Err(CommandError::refused("There is no such thread")),
    }
}

/// The line of one thread. `current` is the one that is marked; an empty name is left out.
pub(crate) fn line(
    engine: &Engine,
    process: ProcessNumber,
    thread: ThreadNumber,
    current: Option<(ProcessNumber, ThreadNumber)>,
    name: String,
) -> String {
    let Ok(debuggee) = engine.process(process) else { return String::new() };
    let Ok(description) = debuggee.thread(thread) else { return String::new() };
    let this = Some((process, thread));
    let registers = engine.thread_registers(process, thread).ok();
    let thread_pointer = registers
        .filter(|registers| registers.arch() == Arch::X86_64)
        .map(|registers| Address::new(registers.get(x86_64::FS_BASE)));
    format::threads::thread(&ThreadRow {
        mark: Mark::new(current == this, engine.event_thread() == this),
        number: thread.0,
        pid: debuggee.pid,
        tid: description.tid,
        thread_pointer,
        name,
        suspends: description.suspends,
        is_frozen: description.is_frozen,
    })
}

fn processes(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let selector = selector(context, arguments, '~')?.unwrap_or(Selector::All);
    let chosen = chosen_processes(context.engine, selector)?;
    match arguments.take_rest() {
        "" => {}
        "s" | "S" => {
            let [number] = chosen.as_slice() else { return Err(arguments.syntax_error()) };
            context.engine.set_current_process(*number)?;
            context.state.next_code = None;
            context.write_location()?;
            return Ok(Outcome::Done);
        }
        _ => return Err(CommandError::Syntax(1)),
    }
    let current = context.engine.current().map(|(process, _)| process);
    let event = context.engine.event_thread().map(|(process, _)| process);
    let mut text = String::new();
    for number in chosen {
        let process = context.engine.process(number)?;
        let mark = Mark::new(current == Some(number), event == Some(number));
        let origin = match process.parent {
            Some(_) => "child",
            None if process.created => "create",
            None => "attach",
        };
        let (pid, name) = (process.pid, &process.name);
        text.push_str(&format::threads::process(mark, number.0, pid, origin, name));
    }
    context.write(&text);
    Ok(Outcome::Done)
}

fn chosen_processes(
    engine: &Engine,
    selector: Selector,
) -> Result<Vec<ProcessNumber>, CommandError> {
    let all = engine.processes();
    let chosen: Vec<ProcessNumber> = match selector {
        Selector::All => return Ok(all.iter().map(|process| process.number).collect()),
        Selector::Current => engine.current().map(|(process, _)| process).into_iter().collect(),
        Selector::Event => engine.event_thread().map(|(process, _)| process).into_iter().collect(),
        Selector::Number(wanted) => all
            .iter()
            .filter(|process| process.number.0 == wanted)
            .map(|process| process.number)
            .collect(),
        Selector::SystemId(id) => all
            .iter()
            .filter(|process| u64::from(process.pid.value()) == id)
            .map(|process| process.number)
            .collect(),
    };
    if chosen.is_empty() {
        return Err(CommandError::refused(
            "There is no such process among those that are debugged",
        ));
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e_takes_the_whole_line() {
        let taken = |text: &'static str| &text[..thread_command_len(text)];
        assert_eq!(taken("~* k; r"), "~* k");
        assert_eq!(taken("~*e k; r"), "~*e k; r");
        assert_eq!(taken("~~[1a] e k; r"), "~~[1a] e k; r");
        assert_eq!(taken("~0eb 1000 2; r"), "~0eb 1000 2");
        assert_eq!(taken("~; r"), "~");
        assert_eq!(taken("~1s"), "~1s");
    }
}
