//! Help and reference, made from the registry. It knows no command by name.

use std::fmt::Write as _;

use crate::registry::{self, Action, Command, FAMILIES};

/// How much room names have in front of their summary.
const NAMES_WIDTH: usize = 20;

/// The list that `.help` and a bare `?` show: the commands there are, by family.
pub(crate) fn overview() -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let commands = family.commands.iter().filter(|command| command.is_available());
        let rows: Vec<String> = commands
            .map(|command| {
                let names = command.names.join(", ");
                let gap = if names.len() > NAMES_WIDTH { "\n" } else { "" };
                let margin = if gap.is_empty() { 0 } else { NAMES_WIDTH + 2 };
                let names = format!("{names:<NAMES_WIDTH$}{gap}{:margin$}", "");
                format!("  {names}  {}\n", command.summary)
            })
            .collect();
        if !rows.is_empty() {
            let _ = write!(text, "{}:\n{}", family.title, rows.concat());
        }
    }
    text.push_str("  .help Command explains a command. Commands are separated by semicolons.\n");
    text
}

/// The manual of one command.
pub(crate) fn manual(command: &Command) -> String {
    let mut text = String::new();
    for name in command.names {
        let _ = writeln!(text, "{}", format!("{name} {}", command.syntax).trim_end());
    }
    match command.action {
        Action::Run(_) => text.push_str(&filled(command.manual, "    ", 80)),
        Action::Unavailable(reason) => {
            let _ = writeln!(text, "    {}: not available, {reason}", command.summary);
        }
    }
    text
}

/// `text` in lines of at most `width` characters, each behind `margin`.
fn filled(text: &str, margin: &str, width: usize) -> String {
    let mut filled = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && margin.len() + line.len() + 1 + word.len() > width {
            let _ = writeln!(filled, "{margin}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(filled, "{margin}{line}");
    }
    filled
}

/// What the reference says first.
const PREFACE: &str = "The commands of `cdb` and of every program that executes commands through \
    the API. Names and parameters are not case-sensitive unless the text says so. This file is \
    generated from the command registry.";

/// The reference of all commands, in Markdown.
pub fn commands_markdown() -> String {
    let mut text = format!("# Commands\n\n{}", filled(PREFACE, "", 100));
    for family in FAMILIES {
        let _ = write!(text, "\n## {}\n", family.title);
        let is_table = family.commands.iter().all(|command| !command.is_available());
        if is_table {
            text.push_str("\n| command | in the original | here |\n|---|---|---|\n");
        }
        for command in family.commands {
            let names: Vec<String> = command.names.iter().map(|name| code(name)).collect();
            match command.action {
                Action::Unavailable(reason) => {
                    let names = names.join(" ").replace('|', "\\|");
                    let _ = writeln!(text, "| {names} | {} | {reason} |", command.summary);
                }
                Action::Run(_) => {
                    let heads: Vec<String> = command
                        .names
                        .iter()
                        .map(|name| format!("{name} {}", command.syntax).trim_end().to_owned())
                        .collect();
                    let _ = write!(
                        text,
                        "\n### {}: {}\n\n```text\n{}\n```\n\n{}",
                        names.join(", "),
                        command.summary,
                        heads.join("\n"),
                        filled(command.manual, "", 100)
                    );
                }
            }
        }
    }
    text
}

/// A name in Markdown's code marks.
fn code(name: &str) -> String {
    format!("`{name}`")
}

/// The names of all commands there are, for completion.
pub fn command_names() -> Vec<&'static str> {
    let available = registry::all().filter(|command| command.is_available());
    available.flat_map(|command| command.names).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_document_of_commands_is_fresh() {
        // UPDATE_EXPECT=1 writes it anew.
        expect_test::expect_file!["../../../docs/commands.md"].assert_eq(&commands_markdown());
    }

    #[test]
    fn a_manual_is_one_paragraph() {
        let command = registry::find_exact("bc").expect("bc");
        expect![[r#"
            bc IDs
                Removes breakpoints. IDs are decimal numbers, ranges as 2-5, or * for all.
        "#]]
        .assert_eq(&manual(command));
        let command = registry::find_exact("br").expect("br");
        expect![[r#"
            br
                renumber breakpoints: not available, this version does not have it
        "#]]
        .assert_eq(&manual(command));
    }

    #[test]
    fn every_command_is_in_the_reference() {
        let reference = commands_markdown();
        for command in registry::all() {
            for name in command.names {
                assert!(reference.contains(&format!("`{name}`")), "{name}");
            }
        }
        assert!(reference.lines().all(|line| line.len() <= 160 || line.starts_with('|')));
    }

    #[test]
    fn the_overview_fits_a_terminal() {
        for line in overview().lines() {
            assert!(line.len() <= 120, "{line}");
        }
    }
}
