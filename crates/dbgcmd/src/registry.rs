//! What a command is, and how the one that a text begins with is found. All commands are rows of
//! one table, from which the interpreter, `.help` and the reference are made. It executes nothing.

use crate::arguments::Arguments;
use crate::commands::{self, Context, Outcome};
use crate::error::CommandError;
use crate::syntax;

/// A row of the table.
pub(crate) struct Command {
    /// Its names; the first is the one it is listed under.
    pub(crate) names: &'static [&'static str],
    /// Its parameters, as the reference writes them behind the name.
    pub(crate) syntax: &'static str,
    /// What it does, in half a sentence.
    pub(crate) summary: &'static str,
    /// Its manual: plain sentences.
    pub(crate) manual: &'static str,
    /// How its name is told from its parameters.
    pub(crate) shape: Shape,
    /// Where it ends.
    pub(crate) extent: Extent,
    /// What happens.
    pub(crate) action: Action,
}

/// How a name is told from the parameters behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// A parameter may follow the name at once: `bp0`, `r@rax`.
    Letters,
    /// The name is a word: something other than a letter or digit follows it.
    Word,
}

/// Where a command ends.
#[derive(Clone, Copy)]
pub(crate) enum Extent {
    /// At the next `;`.
    Semicolon,
    /// At the end of the line.
    Line,
    /// After as many bytes as this says of the text that begins with the command.
    Measured(fn(&str) -> usize),
}

impl Extent {
    /// How many bytes of `text`, which begins with the command, belong to it.
    pub(crate) fn len(self, text: &str) -> usize {
        match self {
            Extent::Semicolon => syntax::command_len(text),
            Extent::Line => text.len(),
            Extent::Measured(measure) => measure(text),
        }
    }
}

/// What happens.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// This is called.
    Run(fn(&mut Context<'_>, &mut Arguments<'_>) -> Result<Outcome, CommandError>),
    /// Nothing: the original has the command, this version does not, for this reason.
    Unavailable(&'static str),
}

impl Command {
    /// Whether this version has it.
    pub(crate) fn is_available(&self) -> bool {
        matches!(self.action, Action::Run(_))
    }
}

/// Commands that belong together.
pub(crate) struct Family {
    /// What they are about.
    pub(crate) title: &'static str,
    /// The commands.
    pub(crate) commands: &'static [Command],
}

/// The table.
pub(crate) const FAMILIES: &[Family] = &[
    Family { title: "Running", commands: commands::execution::COMMANDS },
    Family { title: "Calling functions", commands: commands::calls::COMMANDS },
    Family { title: "Breakpoints", commands: commands::breakpoints::COMMANDS },
    Family { title: "Events and signals", commands: commands::filters::COMMANDS },
    Family { title: "Registers", commands: commands::registers::COMMANDS },
    Family { title: "Displaying memory", commands: commands::display::COMMANDS },
    Family { title: "Changing memory", commands: commands::edit::COMMANDS },
    Family { title: "Searching and copying memory", commands: commands::bulk::COMMANDS },
    Family { title: "The memory map", commands: commands::address_map::COMMANDS },
    Family { title: "Allocating memory", commands: commands::allocation::COMMANDS },
    Family { title: "Code", commands: commands::code::COMMANDS },
    Family { title: "The stack", commands: commands::stack::COMMANDS },
    Family { title: "Frames and variables", commands: commands::locals::COMMANDS },
    Family { title: "Types", commands: commands::type_layout::COMMANDS },
    Family { title: "Source", commands: commands::source::COMMANDS },
    Family { title: "Modules and symbols", commands: commands::modules::COMMANDS },
    Family { title: "Where symbols come from", commands: commands::symbols::COMMANDS },
    Family { title: "Threads and processes", commands: commands::threads::COMMANDS },
    Family { title: "What a process has", commands: commands::description::COMMANDS },
    Family { title: "Targets", commands: commands::targets::COMMANDS },
    Family { title: "Expressions and output", commands: commands::expressions::COMMANDS },
    Family { title: "The session", commands: commands::session::COMMANDS },
    Family { title: "Not available", commands: commands::unavailable::COMMANDS },
];

/// Every command.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    FAMILIES.iter().flat_map(|family| family.commands)
}

/// The command that `text` begins with, and the name by which it is called.
///
/// The longest name that fits wins; of names that differ in case only, the one that is written as
/// in `text`. A name that stands for nothing in this version is not seen in front of a letter:
/// `foo` is an unknown command and not `f` that is not available.
pub(crate) fn find(text: &str) -> Option<(&'static Command, &'static str)> {
    let mut best: Option<(&'static Command, &'static str)> = None;
    for command in all() {
        for name in command.names.iter().copied().filter(|name| fits(command, name, text)) {
            let is_better = best.is_none_or(|(_, best)| {
                name.len() > best.len() || name.len() == best.len() && text.starts_with(name)
            });
            if is_better {
                best = Some((command, name));
            }
        }
    }
    best
}

/// The command that is called exactly `name`.
pub(crate) fn find_exact(name: &str) -> Option<&'static Command> {
    find(name).filter(|(_, found)| found.len() == name.len()).map(|(command, _)| command)
}

fn fits(command: &Command, name: &str, text: &str) -> bool {
    let Some(head) = text.get(..name.len()) else { return false };
    if !head.eq_ignore_ascii_case(name) {
        return false;
    }
    let next = text.get(name.len()..).and_then(|rest| rest.chars().next());
    let is_word_over = !next.is_some_and(|next| next.is_alphanumeric() || next == '_');
    is_word_over || command.shape == Shape::Letters && command.is_available()
}

#[cfg(test)]
#[path = "registry/tests.rs"]
mod tests;
