//! Commands about what becomes of events and signals: `sx`, `sxe`, `sxd`, `sxn`, `sxi`, `sx-`,
//! `sxr`, `.childdbg`.

use std::collections::BTreeSet;

use dbgbase::Arch;
use dbgeng::SyscallFilter;

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::filters::{Event, Filters, Mode, Subject};
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};

const SYNTAX: &str = "[-c \"Commands\"] [-c2 \"Commands\"] [-h] Event | Signal | *";

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["sx"],
        syntax: "",
        summary: "list what becomes of events and signals",
        manual: "Lists events and signals: the name, what it is, whether targets stop, and for \
            signals whether they count as handled by the debugger; then the commands that are \
            executed. Events: ct and et, a thread is born and ends; cpr, a process that a target \
            has made is debugged too (.childdbg); epr, a process ends; ld and ud, a library is \
            loaded and unloaded; ibp, a program is loaded or a process attached to; fork and \
            vfork, a target makes a process; exec, it executes a program; syscall, a system call \
            is entered and returns. Signals have their own names, as usr1 or SIGUSR1, decimal \
            numbers, and some the names of exceptions: av SIGSEGV, dm SIGBUS, dz SIGFPE, ii \
            SIGILL, asrt SIGABRT, bpe SIGTRAP, cce SIGINT, isc SIGSYS. * are all signals that are \
            not in the list.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(list),
    },
    Command {
        names: &["sxe"],
        syntax: SYNTAX,
        summary: "stop at an event or signal",
        manual: "Targets stop when the event happens, or before the signal is delivered. ld and ud \
            may be followed by a pattern of file names, as in sxe ld:libz*: only for those targets \
            stop, and they do before code of the library runs. syscall may be followed by names or \
            numbers, as in sxe syscall:openat,read; alone it means all calls. -c executes commands \
            when it happens, whether targets stop or not. With -h, it is not said whether targets \
            stop: the signal counts as handled, so that g does not deliver it; gh and gn say \
            otherwise for once. (cc and bpec stand for -h cce and -h bpe.) What is said holds from \
            the next run on, for all targets.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(set),
    },
    Command {
        names: &["sxd"],
        syntax: SYNTAX,
        summary: "stop at a signal's second chance",
        manual: "As sxe, but targets stop only if the program neither handles nor ignores the \
            signal, and would be ended by it; otherwise a line is shown and the signal is \
            delivered. To know which it is the debugger asks at each such signal, which costs two \
            round trips. -c2 executes commands at the second chance. Other events are only shown. \
            With -h, the signal counts as not handled.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(set),
    },
    Command {
        names: &["sxn"],
        syntax: SYNTAX,
        summary: "only show an event or signal",
        manual: "As sxe, but a line is shown and targets do not stop. Signals are delivered by the \
            process server, which costs no round trip. With -h, the signal counts as not handled.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(set),
    },
    Command {
        names: &["sxi"],
        syntax: SYNTAX,
        summary: "ignore an event or signal",
        manual: "As sxe, but nothing is shown and targets do not stop. With -h, the signal counts \
            as not handled.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(set),
    },
    Command {
        names: &["sx-"],
        syntax: "[-c \"Commands\"] [-c2 \"Commands\"] Event | Signal | *",
        summary: "change the commands of an event or signal",
        manual: "As sxe, but whether targets stop, and whether the signal counts as handled, stay \
            as they are. -c \"\" removes commands.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(set),
    },
    Command {
        names: &["sxr"],
        syntax: "",
        summary: "let events and signals be as at the beginning",
        manual: "Takes back everything that the other sx commands have said, commands too.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(reset),
    },
    Command {
        names: &[".childdbg"],
        syntax: "[0 | 1]",
        summary: "debug child processes",
        manual: "1: processes that targets make are debugged too, from the next run on, as with \
            the option -o. One that was forked stops before it executes anything, one that \
            executes a program at once when that is loaded, as a launched program does (ibp). 0: \
            they run on, clean of breakpoints. Alone, shows which.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(child_debugging),
    },
];

fn list(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let text = format::filters::list(&context.state.filters, context.engine.server().arch);
    context.write(&text);
    Ok(Outcome::Done)
}

fn set(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let (mut command, mut second_command, mut is_handling) = (None, None, false);
    while let Some(option) = arguments.option() {
        let slot = match option {
            "c" | "C" => &mut command,
            "c2" | "C2" => &mut second_command,
            "h" | "H" => {
                is_handling = true;
                continue;
            }
            _ => return Err(arguments.syntax_error()),
        };
        let missing = arguments.syntax_error();
        *slot = Some(arguments.quoted()?.ok_or(missing)?.to_owned());
    }
    arguments.skip_blanks();
    let missing = arguments.syntax_error();
    let name = arguments.take_while(|character| !character.is_whitespace() && character != ':');
    let (name, is_handling) = match name {
        "" => return Err(missing),
        "cc" => ("cce", true),
        "bpec" => ("bpe", true),
        name => (name, is_handling),
    };
    let unknown = format!("No event or signal is called '{name}'; sx lists them");
    let subject = Subject::named(name).ok_or_else(|| CommandError::refused(unknown))?;
    let pattern = pattern(arguments, subject)?;
    let syscalls = syscalls(context, arguments, subject)?;
    arguments.finish()?;
    let mut filter = context.state.filters.get(subject);
    let mode = match arguments.name() {
        "sxe" => Some(Mode::Break),
        "sxd" => Some(Mode::SecondChance),
        "sxn" => Some(Mode::Output),
        "sxi" => Some(Mode::Ignore),
        _ => None,
    };
    match mode {
        Some(mode) if is_handling => {
            if matches!(subject, Subject::Event(_)) {
                return Err(CommandError::refused("Only signals can be handled"));
            }
            filter.is_handled = mode == Mode::Break;
        }
        Some(mode) => filter.mode = mode,
        None => {}
    }
    filter.command = command.unwrap_or(filter.command);
    filter.second_command = second_command.unwrap_or(filter.second_command);
    if subject == Subject::Event(Event::InitialBreak) {
        // It takes the place of what -g said.
        context.state.settings.runs_at_start = false;
    }
    context.state.filters.set(subject, filter);
    if let Subject::Event(event) = subject
        && mode.is_some()
    {
        context.state.filters.set_pattern(event, pattern);
    }
    if let Some(syscalls) = syscalls {
        context.state.filters.syscalls = syscalls;
    }
    Ok(Outcome::Done)
}

/// Takes which modules are meant.
fn pattern(
    arguments: &mut Arguments<'_>,
    subject: Subject,
) -> Result<Option<String>, CommandError> {
    let modules = [Event::LoadModule, Event::UnloadModule].map(Subject::Event);
    if !modules.contains(&subject) || !arguments.take_char(':') {
        return Ok(None);
    }
    let missing = arguments.syntax_error();
    match arguments.take_while(|character| !character.is_whitespace()) {
        "" => Err(missing),
        pattern => Ok(Some(pattern.to_owned())),
    }
}

/// Takes which system calls are meant. `None` leaves them as they are.
fn syscalls(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
    subject: Subject,
) -> Result<Option<SyscallFilter>, CommandError> {
    let is_about_calls = subject == Subject::Event(Event::Syscall);
    if !is_about_calls || arguments.name() == "sx-" {
        return Ok(None);
    }
    if !arguments.take_char(':') {
        return Ok(Some(SyscallFilter::All));
    }
    let missing = arguments.syntax_error();
    let list = arguments.take_while(|character| !character.is_whitespace());
    let arch = context.engine.server().arch;
    let numbers: Result<BTreeSet<u64>, CommandError> =
        list.split(',').map(|name| syscall(name, arch)).collect();
    match list {
        "" => Err(missing),
        _ => Ok(Some(SyscallFilter::Some(numbers?))),
    }
}

fn syscall(name: &str, arch: Arch) -> Result<u64, CommandError> {
    let number = arch.syscall_number(name).or_else(|| match name.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => name.strip_prefix("0n").unwrap_or(name).parse().ok(),
    });
    let unknown = || CommandError::refused(format!("No system call is called '{name}'"));
    number.ok_or_else(unknown)
}

fn reset(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    context.state.filters = Filters::default();
    context.write("sx state reset to defaults\n");
    Ok(Outcome::Done)
}

fn child_debugging(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    if !arguments.is_empty() {
        let value = arguments.expression(&context.expressions())?;
        arguments.finish()?;
        context.state.settings.debugs_children = value != 0;
    }
    let not = if context.state.settings.debugs_children { "" } else { "not " };
    context.write(&format!("Processes created by targets will {not}be debugged\n"));
    Ok(Outcome::Done)
}
