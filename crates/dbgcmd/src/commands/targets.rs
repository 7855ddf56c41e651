//! Commands that get, leave and end targets, and those about the process server: `.tlist`,
//! `.attach`, `.create`, `.detach`, `.abandon`, `.kill`, `.restart`, `||`, `.endpsrv`.

use dbgbase::Pid;
use dbgeng::{LaunchOptions, ProcessNumber};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::registry::{Action, Command, Extent, Shape};
use crate::run::Plan;
use crate::state::Acquisition;
use crate::wildcard::Wildcard;

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: &[".tlist"],
        syntax: "[-v] [-c] [Pattern]",
        summary: "list the processes of the server's machine",
        manual: "Lists the processes of the machine where targets are debugged, with decimal ids. \
            A pattern is compared with the names of their files. -v adds session, user, command \
            line, parent, how many threads it has, its state, its start (in UTC), executable, \
            container, the namespaces in which the process server is not, and who debugs it; -c \
            lists only the current process.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(list),
    },
    Command {
        names: &[".attach"],
        syntax: "[-b] [-e] PID",
        summary: "debug a running process",
        manual: "Takes the process of the server's machine as a target at the next command that \
            lets targets run. PID is an expression in the current radix: write 0n in front of a \
            decimal number, as .tlist does. -b lets it run at once, \
            also if a signal had stopped it; -e takes over a process that was left by .abandon.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(attach),
    },
    Command {
        names: &[".create"],
        syntax: "Program [Arguments]",
        summary: "start a program and debug it",
        manual: "Starts the program on the server's machine at the next command that lets targets \
            run. The rest of the line is the command line; quotes and backslashes keep blanks in a \
            word.",
        shape: Shape::Word,
        extent: Extent::Line,
        action: Action::Run(create),
    },
    Command {
        names: &[".createdir"],
        syntax: "[Path]",
        summary: "show or set where .create starts programs",
        manual: "A directory of the server's machine. \"\" sets it back to the server's own.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(create_directory),
    },
    Command {
        names: &[".detach"],
        syntax: "",
        summary: "leave the current process",
        manual: "Ends debugging of the current process, which runs on as if it had never been \
            debugged.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(detach),
    },
    Command {
        names: &[".abandon"],
        syntax: "[/h | /n]",
        summary: "leave the current process stopped",
        manual: "Ends debugging of the current process, which stays stopped as it is, its \
            breakpoints removed. The process server keeps it: .attach -e takes it back, and a \
            debugger that is started with -pe does so once this one has ended. If the server ends, \
            the process runs on, or ends if it was created by a debugger.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(abandon),
    },
    Command {
        names: &[".kill"],
        syntax: "",
        summary: "end the current process",
        manual: "Ends the current process by SIGKILL.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(kill),
    },
    Command {
        names: &[".restart"],
        syntax: "",
        summary: "start the program again",
        manual: "Ends the current process, if it was created by the debugger, and starts its \
            program again with the same arguments; also after the process has ended by itself.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(restart),
    },
    Command {
        names: &["||"],
        syntax: "",
        summary: "list the systems",
        manual: "Shows on which process server targets are debugged.",
        shape: Shape::Letters,
        extent: Extent::Semicolon,
        action: Action::Run(systems),
    },
    Command {
        names: &[".endpsrv"],
        syntax: "",
        summary: "end the process server",
        manual: "Ends the process server that the debugger is connected to. All its sessions end: \
            attached processes run on, created ones are ended.",
        shape: Shape::Word,
        extent: Extent::Semicolon,
        action: Action::Run(end_server),
    },
];

fn list(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let (mut is_verbose, mut only_current) = (false, false);
    while let Some(option) = arguments.option() {
        match option {
            "v" | "V" => is_verbose = true,
            "c" | "C" => only_current = true,
            _ => return Err(arguments.syntax_error()),
        }
    }
    let pattern = arguments.word();
    arguments.finish()?;
    let wanted = Wildcard::new(if pattern.is_empty() { "*" } else { pattern });
    let mut processes = context.engine.list_processes(is_verbose)?;
    processes.retain(|process| wanted.matches(&process.name));
    if only_current {
        let pid = current_pid(context)?;
        processes.retain(|process| process.pid == pid);
    }
    let text: String = processes
        .iter()
        .map(|process| match is_verbose {
            true => format::system::process_details(process),
            false => format::system::process(process),
        })
        .collect();
    context.write(&text);
    Ok(Outcome::Done)
}

fn current(context: &Context<'_>) -> Result<ProcessNumber, CommandError> {
    let none = || CommandError::refused("Nothing is being debugged");
    context.engine.current().map(|(process, _)| process).ok_or_else(none)
}

fn current_pid(context: &Context<'_>) -> Result<Pid, CommandError> {
    Ok(context.engine.process(current(context)?)?.pid)
}

fn attach(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (mut is_existing, mut breaks_in) = (false, true);
    while let Some(option) = arguments.option() {
        match option {
            "e" | "E" => is_existing = true,
            "b" | "B" => breaks_in = false,
            _ => {
                let text = format!("The option -{option} of .attach is not available");
                return Err(CommandError::refused(text));
            }
        }
    }
    let pid = arguments.expression(&context.expressions())?;
    arguments.finish()?;
    let pid = u32::try_from(pid).map_err(|_overflow| {
        CommandError::refused(format!("0x{pid:x} is not the id of a process"))
    })?;
    let pid = Pid::new(pid);
    let acquisition =
        if is_existing { Acquisition::Claim(pid) } else { Acquisition::Attach { pid, breaks_in } };
    context.state.acquisitions.push_back(acquisition);
    context.write("Attach will occur on next execution\n");
    Ok(Outcome::Done)
}

fn create(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let line = arguments.take_rest();
    if line.starts_with("-f ") || line.starts_with("-premote ") {
        return Err(CommandError::refused("The options of .create are not available"));
    }
    let mut words = words(line).ok_or(CommandError::Syntax(arguments.name().len()))?.into_iter();
    let program = words.next().ok_or(CommandError::Syntax(arguments.name().len()))?;
    let options = LaunchOptions {
        arguments: words.collect(),
        directory: context.state.create_directory.clone(),
        has_terminal: true,
        ..LaunchOptions::new(program)
    };
    context.state.acquisitions.push_back(Acquisition::Launch(options));
    context.write(&format!("CommandLine: {line}\nCreate will occur on next execution\n"));
    Ok(Outcome::Done)
}

/// The words of a command line. Blanks separate them; within single quotes nothing is special,
/// within double quotes a backslash keeps `"` and itself, elsewhere it keeps any character. `None`
/// if a quote is not closed.
fn words(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match character {
            _ if character.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let (inside, behind) = rest.as_str().split_once('\'')?;
                word.get_or_insert_default().push_str(inside);
                rest = behind.chars();
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' if rest.as_str().starts_with(['"', '\\']) => word.extend(rest.next()),
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next()?),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    Some(words.into_iter().map(String::into_bytes).collect())
}

fn create_directory(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    match arguments.take_rest() {
        "" => {}
        "\"\"" => context.state.create_directory = None,
        path => {
            context.state.create_directory = Some(path.trim_matches('"').as_bytes().to_vec());
        }
    }
    let shown = match &context.state.create_directory {
        Some(path) => format::bytes(path),
        None => "the process server's own".to_owned(),
    };
    context.write(&format!("Create process start directory is {shown}\n"));
    Ok(Outcome::Done)
}

/// Takes the options `/h` and `/n`, which say what becomes of a pending event.
fn event_option(arguments: &mut Arguments<'_>) -> Result<(), CommandError> {
    match arguments.option() {
        None | Some("h" | "H" | "n" | "N") => arguments.finish(),
        Some(_) => Err(arguments.syntax_error()),
    }
}

fn detach(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    event_option(arguments)?;
    let number = current(context)?;
    context.engine.detach(number)?;
    context.state.forget(number);
    context.write("Detached\n");
    Ok(Outcome::Done)
}

fn abandon(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    event_option(arguments)?;
    let number = current(context)?;
    context.engine.abandon(number)?;
    context.state.forget(number);
    context.write("Abandoned\n");
    Ok(Outcome::Done)
}

fn kill(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    event_option(arguments)?;
    let number = current(context)?;
    context.engine.kill(number)?;
    context.state.forget(number);
    context.write("Terminated.  Exit thread and process events will occur.\n");
    Ok(Outcome::Done)
}

fn restart(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let options = match context.engine.current() {
        Some((number, _)) => context.state.launched.get(&number).cloned(),
        None => context.state.last_launched.clone(),
    };
    let Some(options) = options else {
        return Err(CommandError::refused(
            "Only a program that the debugger started can be started again",
        ));
    };
    if let Some((number, _)) = context.engine.current() {
        context.engine.kill(number)?;
        context.state.forget(number);
    }
    context.state.stops_at_next_start = true;
    context.state.acquisitions.push_front(Acquisition::Launch(options));
    Ok(Outcome::Run(Plan::go()))
}

fn systems(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    let server = context.state.settings.server.as_deref().unwrap_or("<Local>");
    let text = format!(".  0 Live user mode: {server} ({})\n", context.engine.server().machine);
    context.write(&text);
    Ok(Outcome::Done)
}

fn end_server(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    arguments.finish()?;
    if context.state.settings.server.is_none() {
        return Err(CommandError::refused(
            "There is no process server to end: this session is local",
        ));
    }
    context.engine.end_server()?;
    context.state.has_ended_server = true;
    context.write("Server told to exit.\n");
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_cut_into_words() {
        let cut = |line| {
            words(line).map(|words| {
                words.into_iter().map(|word| String::from_utf8(word).expect("UTF-8")).collect()
            })
        };
        let cases: [(&str, &[&str]); 8] = [
            ("", &[]),
            ("ls", &["ls"]),
            ("  ls  -l ", &["ls", "-l"]),
            ("echo \"a b\" 'c d'", &["echo", "a b", "c d"]),
            ("echo a\\ b \"c\\\"d\\\\e\\f\"", &["echo", "a b", "c\"d\\e\\f"]),
            ("echo ''\"\" x", &["echo", "", "x"]),
            ("a'b'\"c\"d", &["abcd"]),
            ("echo 'a\\'", &["echo", "a\\"]),
        ];
        for (line, expected) in cases {
            assert_eq!(
                cut(line),
                Some(expected.iter().map(ToString::to_string).collect()),
                "{line}"
            );
        }
        for line in ["'a", "\"a", "a\\", "\"a\\\""] {
            assert_eq!(cut(line), None::<Vec<String>>, "{line}");
        }
    }
}
