//! Cuts a line into commands ("Syntax Rules", "Using Debugger Commands"). It does not know what a
//! command means.
//!
//! ```text
//! bp main "k; g" ; r        * the rest is a comment; all of it
//! ╰─────┬──────╯   ╰┬╯      $$ a comment ; r
//!    command     command
//! ```

/// The longest line that is executed.
pub(crate) const LINE_LEN_MAX: usize = 4096;

/// The head of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Head {
    /// Nothing, a separator, or a comment of this many bytes.
    Skip(usize),
    /// A command begins after this many blanks.
    Command(usize),
    /// The line is over.
    End,
}

/// What `line` begins with.
pub(crate) fn head(line: &str) -> Head {
    let blanks = line.len() - line.trim_start().len();
    let rest = line.get(blanks..).unwrap_or_default();
    if rest.is_empty() {
        Head::End
    } else if rest.starts_with(';') {
        Head::Skip(blanks + 1)
    } else if rest.starts_with('*') {
        Head::Skip(line.len())
    } else if rest.starts_with("$$") && !rest.starts_with("$$<") && !rest.starts_with("$$>") {
        Head::Skip(blanks + rest.find(';').unwrap_or(rest.len()))
    } else {
        Head::Command(blanks)
    }
}

/// How many bytes of `text`, which begins with a command, belong to it: up to the `;` that is
/// neither in double quotes nor in braces. Quotes that are not closed reach to the end.
pub(crate) fn command_len(text: &str) -> usize {
    let mut is_quoted = false;
    let mut braces = 0usize;
    for (position, character) in text.char_indices() {
        match character {
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '{' => braces += 1,
            '}' => braces = braces.saturating_sub(1),
            ';' if braces == 0 => return position,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All commands of a line, as they are cut when no command takes more than its own part.
    fn commands(line: &str) -> Vec<&str> {
        let mut commands = Vec::new();
        let mut rest = line;
        loop {
            let len = match head(rest) {
                Head::End => return commands,
                Head::Skip(len) => len,
                Head::Command(blanks) => {
                    let text = &rest[blanks..];
                    let len = command_len(text);
                    commands.push(text[..len].trim_end());
                    blanks + len
                }
            };
            assert!(len > 0);
            rest = &rest[len..];
        }
    }

    #[test]
    fn lines_are_cut_at_semicolons() {
        let cases: [(&str, &[&str]); 13] = [
            ("", &[]),
            ("   ", &[]),
            (";;", &[]),
            ("r", &["r"]),
            (" r ; k ;", &["r", "k"]),
            ("bp main \"k; g\"; r", &["bp main \"k; g\"", "r"]),
            ("* a comment; r", &[]),
            ("r; * a comment; k", &["r"]),
            ("$$ a comment; r", &["r"]),
            ("$$><script; r", &["$$><script", "r"]),
            ("r $$ no comment; k", &["r $$ no comment", "k"]),
            (".if (1) { r; k }; g", &[".if (1) { r; k }", "g"]),
            (".echo \"a; b", &[".echo \"a; b"]),
        ];
        for (line, expected) in cases {
            assert_eq!(commands(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn every_line_is_cut_in_the_end(line in "\\PC{0,60}|[ ;*$\"{}ab]{0,40}") {
            for command in commands(&line) {
                prop_assert!(!command.is_empty());
            }
        }
    }
}
