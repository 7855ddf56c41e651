//! The command line of dbgsrvctl: one word says what to do. Pure.

use std::ffi::OsString;

/// What the command line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Invocation {
    /// Show the usage text.
    Help,
    /// Show the servers.
    List,
    /// See to certificates.
    Cert(CertCommand),
}

/// What is to be done with certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CertCommand {
    /// In the machine's store; otherwise in the user's.
    pub(crate) is_machine: bool,
    /// What.
    pub(crate) action: Action,
}

/// What `cert` does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Make one.
    New {
        /// Its name.
        name: String,
        /// What clients call the machine; empty for this one's names.
        hosts: Vec<String>,
        /// For how long it is valid.
        days: u32,
    },
    /// Show which there are.
    List,
    /// Print one, without its key.
    Show {
        /// Its name or thumbprint.
        name: String,
    },
    /// Trust those in a file.
    Trust {
        /// The file; `-` for standard input.
        file: String,
        /// Whether authorities are meant, which speak for others.
        may_be_authority: bool,
    },
    /// Remove one, an own or a trusted one.
    Remove {
        /// Its name or thumbprint.
        name: String,
    },
}

/// For how long a certificate is valid if nothing is said.
const DAYS: u32 = 365;
/// The longest.
const DAYS_MAX: u32 = 36_500;

/// What help shows, and what follows an error.
pub(crate) const USAGE: &str = "\
usage: dbgsrvctl <command>

  list  show the process servers of this machine, their sessions, and the
        processes that are debugged in each
  cert  see to the certificates of ssl and spipe:
          cert new NAME [-host HOST]... [-days DAYS]
          cert list
          cert show NAME       the certificate for others, without its key
          cert trust FILE      trust the certificates in a file; - is the input;
                               -authority: also one that signs others
          cert remove NAME
        NAME is a name or a thumbprint; -machine takes the machine's store
        (machuser=) instead of the user's (certuser=)
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
        "cert" => return parse_cert(rest).map(Invocation::Cert),
        other => return Err(format!("{other} is not a command of dbgsrvctl")),
    };
    match rest.first() {
        None => Ok(invocation),
        Some(word) => Err(format!("{} takes no {}", command, word.to_string_lossy())),
    }
}

fn parse_cert(words: &[OsString]) -> Result<CertCommand, String> {
    let mut is_machine = false;
    let mut may_be_authority = false;
    let (mut hosts, mut days) = (Vec::new(), None);
    let mut plain = Vec::new();
    let mut words = words.iter().map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-machine" => is_machine = true,
            "-authority" => may_be_authority = true,
            "-host" => hosts.push(words.next().ok_or("-host needs a machine's name behind it")?),
            "-days" => {
                let count = words.next().ok_or("-days needs a number behind it")?;
                let number = count.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
                days = Some(number.ok_or_else(|| {
                    format!("-days takes a number from 1 to {DAYS_MAX}, not {count}")
                })?);
            }
            option if option.starts_with('-') && option != "-" => {
                return Err(format!("{option} is not an option of dbgsrvctl cert"));
            }
            _ => plain.push(word),
        }
    }
    let mut plain = plain.into_iter();
    let what = plain.next().ok_or("cert needs a word behind it: new, list, show, trust, remove")?;
    let mut operand = |is: &str| plain.next().ok_or_else(|| format!("cert {what} needs {is}"));
    let action = match what.as_str() {
        "list" => Action::List,
        "new" => {
            let (name, hosts) = (operand("a name")?, std::mem::take(&mut hosts));
            Action::New { name, hosts, days: days.take().unwrap_or(DAYS) }
        }
        "show" => Action::Show { name: operand("a name or a thumbprint")? },
        "trust" => {
            let may_be_authority = std::mem::take(&mut may_be_authority);
            Action::Trust { file: operand("a file")?, may_be_authority }
        }
        "remove" => Action::Remove { name: operand("a name or a thumbprint")? },
        other => return Err(format!("cert does not know {other}: new, list, show, trust, remove")),
    };
    if let Some(word) = plain.next() {
        return Err(format!("cert {what} takes no {word}"));
    }
    if !hosts.is_empty() || days.is_some() {
        return Err("-host and -days are for cert new".to_owned());
    }
    if may_be_authority {
        return Err("-authority is for cert trust".to_owned());
    }
    Ok(CertCommand { is_machine, action })
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
    fn certificates_are_seen_to() {
        let cert = |is_machine, action| Ok(Invocation::Cert(CertCommand { is_machine, action }));
        let name = || "box".to_owned();
        let new = |hosts, days| Action::New { name: name(), hosts, days };
        assert_eq!(read(&["cert", "list"]), cert(false, Action::List));
        assert_eq!(read(&["cert", "-machine", "list"]), cert(true, Action::List));
        assert_eq!(read(&["cert", "new", "box"]), cert(false, new(Vec::new(), DAYS)));
        let words = ["cert", "new", "box", "-host", "a", "-days", "7", "-host", "b", "-machine"];
        assert_eq!(read(&words), cert(true, new(vec!["a".to_owned(), "b".to_owned()], 7)));
        assert_eq!(
            read(&["cert", "trust", "-"]),
            cert(false, Action::Trust { file: "-".to_owned(), may_be_authority: false })
        );
        assert_eq!(
            read(&["cert", "trust", "-authority", "ca.pem"]),
            cert(false, Action::Trust { file: "ca.pem".to_owned(), may_be_authority: true })
        );
        for (words, named) in [
            (&["cert"][..], "needs a word"),
            (&["cert", "make"], "make"),
            (&["cert", "new"], "needs a name"),
            (&["cert", "new", "a", "b"], "takes no b"),
            (&["cert", "new", "a", "-days", "0"], "not 0"),
            (&["cert", "new", "a", "-host"], "-host"),
            (&["cert", "list", "-days", "3"], "for cert new"),
            (&["cert", "list", "-all"], "-all"),
            (&["cert", "show", "a", "-authority"], "for cert trust"),
        ] {
            let error = read(words).expect_err("it is wrong");
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }

    #[test]
    fn the_manual_page_has_the_commands_of_the_usage_text() {
        let manual = include_str!("../man/dbgsrvctl.1");
        let commands = USAGE.lines().filter_map(|line| line.strip_prefix("  "));
        let commands = commands.filter(|line| !line.starts_with(' '));
        let mut count = 0;
        for command in commands.filter_map(|line| line.split(' ').next()) {
            assert!(manual.contains(&format!(".It Ic {command}\n")), "{command}");
            let is_known =
                read(&[command]) != Err(format!("{command} is not a command of dbgsrvctl"));
            assert!(is_known, "{command}");
            count += 1;
        }
        assert_eq!(count, 3);
    }
}
