//! The command line of dbgsrvctl: one word says what to do. Pure.

use std::ffi::OsString;

/// What the command line asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Invocation {
    /// Show the usage text.
    Help,
    /// Show the servers.
    List,
}

/// What help shows, and what follows an error.
pub(crate) const USAGE: &str = "\
usage: dbgsrvctl <command>

  list  show the process servers of this machine, their sessions, and the
        processes that are debugged in each
  help  show this text; so do -? and --help
";

/// Reads the words behind the program's name.
///
/// **Errors**: a sentence that names the word and what is wrong with it.
pub(crate) fn parse(words: &[OsString]) -> Result<Invocation, String> {
    let (command, rest) = words.split_first().ok_or("what to do is missing: name a command")?;
    let command = command.to_string_lossy();
    let invocation = match command.as_ref() {
        "help" | "-?" | "--help" | "-h" => return Ok(Invocation::Help),
        "list" => Invocation::List,
        other => return Err(format!("{other} is not a command of dbgsrvctl")),
    };
    match rest.first() {
        None => Ok(invocation),
        Some(word) => Err(format!("{} takes no {}", command, word.to_string_lossy())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Invocation, String> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn commands_are_words() {
        assert_eq!(read(&["list"]), Ok(Invocation::List));
        for help in ["help", "-?", "--help", "-h"] {
            assert_eq!(read(&[help]), Ok(Invocation::Help));
        }
        assert_eq!(read(&["help", "list"]), Ok(Invocation::Help));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(read(&[]), Err("what to do is missing: name a command".to_owned()));
        assert_eq!(read(&["List"]), Err("List is not a command of dbgsrvctl".to_owned()));
        assert_eq!(read(&["list", "-a"]), Err("list takes no -a".to_owned()));
    }

    #[test]
    fn the_manual_page_has_the_commands_of_the_usage_text() {
        let manual = include_str!("../man/dbgsrvctl.1");
        let commands = USAGE.lines().filter_map(|line| line.strip_prefix("  "));
        let commands = commands.filter(|line| !line.starts_with(' '));
        let mut count = 0;
        for command in commands.filter_map(|line| line.split(' ').next()) {
            assert!(manual.contains(&format!(".It Ic {command}\n")), "{command}");
            assert!(read(&[command]).is_ok(), "{command}");
            count += 1;
        }
        assert_eq!(count, 2);
    }
}
