//! Commands that tell what a process is and has: `!peb`, `!envvar`, `!handle`, `!runaway`,
//! `.ttime`. All ask the server's machine, so they can be used on targets that run.

use dbgbase::{Address, Pid};
use dbgeng::{Engine, ProcessDetails, ProcessNumber, ProcessPart, ThreadStatus};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format::auxiliary::{self, Meaning};
use crate::format::description::{self, Aspects, TimeKind};
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["!peb"],
        syntax: "",
        summary: "show what the system says of the process",
        manual: "Shows of the current process: parent, user, start, who debugs it, command line, \
            executable with its build-id, directories, container, control group, namespaces in \
            which the process server is not, ids, capabilities, seccomp filters, limits, the \
            auxiliary vector, and the environment with which the program began. What the program \
            has changed of its environment since then is in its memory only. Dates are in UTC.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_process),
    },
    Command {
        names: &["!envvar"],
        syntax: "Name",
        summary: "show a variable of the environment",
        manual: "Shows the value that a variable of the environment had when the current process's \
            program began.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_variable),
    },
    Command {
        names: &["!handle"],
        syntax: "[Descriptor [Flags [Type]]]",
        summary: "show open descriptors",
        manual: "Shows the open descriptors of the current process, and how many there are of each \
            type. With a descriptor, shows that one; -1 means all. Flags choose what is shown: 1 \
            the type, 2 how it was opened, 4 what it is, 8 where it reads or writes next; by \
            default 5 for all and f for one. With a type, as File, Pipe, Socket or Terminal, only \
            those. Descriptor and flags are expressions in the current radix.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_descriptors),
    },
    Command {
        names: &["!runaway"],
        syntax: "[Flags]",
        summary: "show how long threads have run",
        manual: "Shows the times of the current process's threads, those that have taken the most \
            first, with decimal numbers and hexadecimal ids. Flags choose the times: 1 in the \
            program itself, which is the default, 2 in the kernel, 4 since the thread's start.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_times),
    },
    Command {
        names: &[".ttime"],
        syntax: "",
        summary: "show the times of the thread",
        manual: "Shows when the current thread was created, in UTC, and how long it has run in the \
            kernel and in the program itself.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(show_thread_times),
    },
];

/// The longest text that an entry of the auxiliary vector points to, as far as it is shown.
const TEXT_LEN_MAX: usize = 256;

fn current(engine: &Engine) -> Result<ProcessNumber, CommandError> {
    let none = || CommandError::refused("Nothing is being debugged");
    engine.current().map(|(process, _)| process).ok_or_else(none)
}

fn describe(engine: &Engine, parts: &[ProcessPart]) -> Result<ProcessDetails, CommandError> {
    let pid = engine.process(current(engine)?)?.pid;
    Ok(engine.describe_process(pid, parts)?)
}

/// Refuses if a part could not be told.
fn check(details: &ProcessDetails, part: ProcessPart) -> Result<(), CommandError> {
    match details.error_of(part) {
        None => Ok(()),
        Some(errno) => Err(CommandError::refused(description::missing(errno))),
    }
}

/// What is told of a process that has just executed a program, if it was not given what the
/// program's file promises, or is closed to the server. Nothing if that cannot be found out.
pub(crate) fn executed(engine: &Engine, pid: Pid) -> String {
    let parts = [ProcessPart::Auxiliary, ProcessPart::Places, ProcessPart::Security];
    let details = engine.describe_process(pid, &parts);
    details.map_or_else(|_gone| String::new(), |details| description::executed(&details))
}

fn show_process(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let details = describe(context.engine, &ProcessPart::ALL)?;
    let mut text = description::process(&details);
    match details.error_of(ProcessPart::Auxiliary) {
        Some(errno) => {
            description::field(&mut text, "AuxiliaryVector", &description::missing(errno));
        }
        None => text.push_str("    AuxiliaryVector:\n"),
    }
    for (key, value) in &details.auxiliary {
        text.push_str(&auxiliary::entry(*key, *value, &remark(context.engine, *key, *value)));
    }
    text.push_str(&description::environment(&details));
    context.write(&text);
    Ok(Outcome::Done)
}

/// What a value of the auxiliary vector points to, if it is known.
fn remark(engine: &Engine, key: u64, value: u64) -> String {
    match auxiliary::meaning(key) {
        Meaning::Address => {
            let symbol = engine.symbol_at(Address::new(value));
            symbol.map_or_else(String::new, |symbol| symbol.to_string())
        }
        Meaning::Text => {
            let mut buffer = [0; TEXT_LEN_MAX];
            let count = engine.read_memory(Address::new(value), &mut buffer).unwrap_or(0);
            let read = buffer.get(..count).unwrap_or_default();
            let end = read.iter().position(|byte| *byte == 0);
            let text = end.and_then(|end| read.get(..end));
            text.map_or_else(String::new, |text| format!("\"{}\"", description::visible(text)))
        }
        Meaning::Number | Meaning::Bits => String::new(),
    }
}

fn show_variable(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let name = arguments.take_rest();
    if name.is_empty() {
        return Err(arguments.syntax_error());
    }
    let details = describe(context.engine, &[ProcessPart::Environment])?;
    check(&details, ProcessPart::Environment)?;
    let value = |entry: &[u8]| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(description::visible(value))
    };
    match details.environment.iter().find_map(|entry| value(entry)) {
        Some(value) => context.write(&format!("    {name} = {value}\n")),
        None => {
            let sentence = format!("The environment has no variable {name}");
            return Err(CommandError::refused(sentence));
        }
    }
    Ok(Outcome::Done)
}

fn show_descriptors(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    const ALL: u64 = u64::MAX;
    const ASPECTS_OF_ALL: u64 = Aspects::KIND | Aspects::NAME;
    let number = match arguments.is_empty() {
        true => ALL,
        false => arguments.expression(&context.expressions())?,
    };
    arguments.skip_separator();
    let flags = match (arguments.is_empty(), number) {
        (true, ALL) => ASPECTS_OF_ALL,
        (true, _) => u64::MAX,
        (false, _) => arguments.expression(&context.expressions())?,
    };
    let wanted = arguments.word();
    arguments.finish()?;
    let details = describe(context.engine, &[ProcessPart::Descriptors])?;
    check(&details, ProcessPart::Descriptors)?;
    let is_wanted = |descriptor: &&dbgeng::Descriptor| {
        (number == ALL || u64::from(descriptor.number) == number)
            && (wanted.is_empty()
                || description::kind(&descriptor.target).eq_ignore_ascii_case(wanted))
    };
    let chosen: Vec<&dbgeng::Descriptor> = details.descriptors.iter().filter(is_wanted).collect();
    let mut text = String::new();
    for descriptor in &chosen {
        text.push_str(&description::descriptor(descriptor, Aspects(flags)));
    }
    match (number, chosen.is_empty()) {
        (ALL, _) => text.push_str(&description::descriptor_counts(&chosen)),
        (_, false) => {}
        (_, true) if wanted.is_empty() => {
            return Err(CommandError::refused(format!("Descriptor 0n{number} is not open")));
        }
        (_, true) => {
            let sentence = format!("Descriptor 0n{number} is no open {wanted}");
            return Err(CommandError::refused(sentence));
        }
    }
    context.write(&text);
    Ok(Outcome::Done)
}

fn show_times(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    const USER: u64 = 1;
    const EVERY: u64 = 7;
    let flags = match arguments.is_empty() {
        true => USER,
        false => arguments.expression(&context.expressions())?,
    };
    arguments.finish()?;
    if flags == 0 || flags & !EVERY != 0 {
        return Err(CommandError::refused("Flags of !runaway are 1, 2 and 4, added up"));
    }
    let number = current(context.engine)?;
    let details = describe(context.engine, &[ProcessPart::Threads])?;
    check(&details, ProcessPart::Threads)?;
    let known = context.engine.process(number)?.threads();
    let number_of = |status: &ThreadStatus| {
        known.iter().find(|thread| thread.tid == status.tid).map(|thread| thread.number.0)
    };
    let threads: Vec<(Option<u32>, &ThreadStatus)> =
        details.threads.iter().map(|status| (number_of(status), status)).collect();
    let kinds = TimeKind::ALL.into_iter().enumerate().filter(|(bit, _)| flags & (1 << bit) != 0);
    let text: String =
        kinds.map(|(_, kind)| description::times(&threads, kind, details.now_ms)).collect();
    context.write(&text);
    Ok(Outcome::Done)
}

fn show_thread_times(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let none = || CommandError::refused("Nothing is being debugged");
    let (process, thread) = context.engine.current().ok_or_else(none)?;
    let tid = context.engine.process(process)?.thread(thread)?.tid;
    let details = describe(context.engine, &[ProcessPart::Threads])?;
    check(&details, ProcessPart::Threads)?;
    let status = details
        .threads
        .iter()
        .find(|status| status.tid == tid)
        .ok_or_else(|| CommandError::refused(format!("Thread 0n{tid} has ended")))?;
    context.write(&description::thread_times(status));
    Ok(Outcome::Done)
}
