//! The first lines of a session. It knows what was asked for, and nothing of what happens then.

use dbgeng::Engine;

use crate::args::{DebugOptions, Target};

/// The first lines.
pub(crate) fn text(options: &DebugOptions, engine: &Engine) -> String {
    let server = engine.server();
    let mut text = format!("\n{}, a debugger for Linux {}\n", version(), server.arch.name());
    if options.server.is_some() {
        text.push_str(&format!("Connected to process server on {}\n", server.machine));
    }
    if options.is_verbose {
        text.push_str(&format!(
            "{}, process server {} with user id {}, session {}\n",
            server.system, server.version, server.uid, server.session
        ));
    }
    text.push('\n');
    match &options.target {
        Target::Program(program, arguments) => {
            let words = std::iter::once(program).chain(arguments);
            let words: Vec<String> = words.map(|word| quoted(&word.to_string_lossy())).collect();
            text.push_str(&format!("CommandLine: {}\n", words.join(" ")));
        }
        Target::Implicit => text.push_str("CommandLine: the process server's own\n"),
        Target::Pid(_) | Target::Name(_) => text.push_str("*** wait with pending attach\n"),
    }
    let path = engine.symbol_path();
    let path = if path.is_empty() { "<none>" } else { path };
    text.push_str(&format!("Symbol search path is: {path}\n"));
    text
}

/// The program's name and version.
pub(crate) fn version() -> &'static str {
    concat!("cdb ", env!("CARGO_PKG_VERSION"))
}

/// A word of a command line, in quotes if it would not be seen as one without them.
fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && !word.contains([' ', '\t', '"', '\'', '\\']);
    if is_plain { word.to_owned() } else { format!("{word:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_blanks_are_quoted() {
        assert_eq!(quoted("ls"), "ls");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted(""), "\"\"");
    }
}
