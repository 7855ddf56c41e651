//! Commands about the session itself: `q`, `.help`, `version`, `vertarget`, `.lastevent`.

use super::{Context, Outcome};
use crate::Ending;
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format::system::Machine;
use crate::registry::{self, Action, Command, Extent, Shape};
use crate::{format, help};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &["q", "qq"],
        syntax: "",
        summary: "end the session",
        manual: "Ends all targets and the debugger; a debugger that was started with -pd detaches \
            instead. The process server stays.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(quit),
    },
    Command {
        names: &["qd"],
        syntax: "",
        summary: "detach and end the session",
        manual: "Detaches from all targets, which run on, and ends the debugger. The process \
            server stays.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(quit),
    },
    Command {
        names: &[".help"],
        syntax: "[Command]",
        summary: "list the commands, or explain one",
        manual: "Alone, lists all commands. With a command's name, shows its manual.",
        shape: Shape::Word,
        extent: Extent::Line,
        action: Action::Run(show_help),
    },
    Command {
        names: &["version"],
        syntax: "",
        summary: "show the versions of debugger and target system",
        manual: "Shows the debugger's version and what vertarget shows.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(version),
    },
    Command {
        names: &["vertarget"],
        syntax: "",
        summary: "show the target's system",
        manual: "Shows the system and machine where targets are debugged, and the process server's \
            version.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(version),
    },
    Command {
        names: &[".lastevent"],
        syntax: "",
        summary: "show the last event",
        manual: "Shows what stopped the targets last, with the ids of process and thread.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(last_event),
    },
];

fn quit(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let detaches = arguments.name() == "qd" || context.state.settings.detaches_at_end;
    Ok(Outcome::Quit(if detaches { Ending::Detach } else { Ending::Kill }))
}

fn show_help(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    while arguments.option().is_some() {}
    let text = match arguments.take_rest() {
        "" => help::overview(),
        name => match registry::find_exact(name) {
            Some(command) => help::manual(command),
            None => format!("No command is called '{name}'; .help lists them\n"),
        },
    };
    context.write(&text);
    Ok(Outcome::Done)
}

fn version(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let server = context.engine.server();
    let mut text = String::new();
    if arguments.name() == "version" {
        text.push_str(&format!("{}\n", context.state.settings.program));
    }
    text.push_str(&format::system::machine(&Machine {
        name: &server.machine,
        system: &server.system,
        arch: server.arch.name(),
        cpus: server.cpus,
        uptime_ms: server.uptime_ms,
        server_version: &server.version,
        uid: server.uid,
    }));
    context.write(&text);
    Ok(Outcome::Done)
}

fn last_event(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let text = match &context.state.last_event {
        Some(event) => format!("Last event: {event}\n"),
        None => "No event has happened yet\n".to_owned(),
    };
    context.write(&text);
    Ok(Outcome::Done)
}
