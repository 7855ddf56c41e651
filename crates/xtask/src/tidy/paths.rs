//! The paths that code mentions, such as `std::fs::File`, with groups of `use` multiplied out. It
//! reads tokens, so it also sees into macros, and knows nothing of what a name is bound to.

use super::source::{Kind, Token};

/// One path in one place.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Mention {
    /// Its names, joined by `::`; a glob is `*`.
    pub(crate) path: String,
    /// The line of its first name, counted from 1.
    pub(crate) line: usize,
    /// Whether a `use` brings it in.
    pub(crate) in_use: bool,
}

impl Mention {
    /// Whether this is `path` or something in it.
    pub(crate) fn is_in(&self, path: &str) -> bool {
        self.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// Whether the path ends with these names.
    pub(crate) fn ends_with(&self, path: &str) -> bool {
        self.path.strip_suffix(path).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
    }
}

/// Every path in `tokens`, single names included.
pub(crate) fn mentions(tokens: &[&Token]) -> Vec<Mention> {
    let mut mentions = Vec::new();
    let mut reader = Reader { tokens, mentions: &mut mentions };
    let mut index = 0;
    while index < tokens.len() {
        let is_start = is_name(tokens[index]) && !reader.continues_path(index);
        index = if is_start {
            let in_use = reader.follows_use(index);
            reader.path(index, "", in_use)
        } else {
            index + 1
        };
    }
    mentions
}

/// Words that may stand before a path's leading `::` and are no part of it.
const KEYWORDS: &[&str] = &[
    "as", "break", "dyn", "else", "for", "if", "impl", "in", "match", "move", "mut", "return",
    "use", "where", "while",
];

fn is_name(token: &Token) -> bool {
    token.kind == Kind::Word && !KEYWORDS.contains(&token.text.as_str())
}

struct Reader<'a> {
    tokens: &'a [&'a Token],
    mentions: &'a mut Vec<Mention>,
}

impl Reader<'_> {
    fn is(&self, index: usize, text: &str) -> bool {
        self.tokens.get(index).is_some_and(|token| token.is(text))
    }

    fn is_colons(&self, index: usize) -> bool {
        self.is(index, ":") && self.is(index + 1, ":")
    }

    /// Whether the name at `index` stands behind `name::` or `>::`, not at the start of a path.
    fn continues_path(&self, index: usize) -> bool {
        index >= 3
            && self.is_colons(index - 2)
            && (is_name(self.tokens[index - 3]) || self.is(index - 3, ">"))
    }

    /// Whether the path at `index` stands behind `use` or `use ::`.
    fn follows_use(&self, index: usize) -> bool {
        let leading = if index >= 2 && self.is_colons(index - 2) { 2 } else { 0 };
        index > leading && self.is(index - leading - 1, "use")
    }

    /// Reads the path at `index`, adds it behind `prefix`, and returns the index behind it.
    fn path(&mut self, start: usize, prefix: &str, in_use: bool) -> usize {
        let line = self.tokens[start].line;
        let mut path = format!("{prefix}{}", self.tokens[start].text);
        let mut index = start + 1;
        while self.is_colons(index) {
            let Some(next) = self.tokens.get(index + 2) else {
                break;
            };
            if is_name(next) || next.is("*") {
                path = format!("{path}::{}", next.text);
                index += 3;
            } else if next.is("{") {
                return self.group(index + 3, &format!("{path}::"), in_use);
            } else {
                break;
            }
        }
        let path = path.strip_suffix("::self").map_or(path.clone(), str::to_owned);
        self.mentions.push(Mention { path, line, in_use });
        index
    }

    /// Reads `a, b::c, d as e }` and returns the index behind it.
    fn group(&mut self, start: usize, prefix: &str, in_use: bool) -> usize {
        let mut index = start;
        while index < self.tokens.len() && !self.is(index, "}") {
            let is_entry = is_name(self.tokens[index]) || self.is(index, "*");
            index = if is_entry && !self.is(index - 1, "as") {
                self.path(index, prefix, in_use)
            } else {
                index + 1
            };
        }
        index + 1
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let source = Source::parse(text).expect("a good sample");
        let found = mentions(&source.product_code());
        found.into_iter().filter(|m| m.path.contains("::")).map(|m| m.path).collect()
    }

    #[test]
    fn groups_are_multiplied_out() {
        let text = "use std::{fs, io::{self, Read as R, *}, net::TcpStream};";
        let expected = ["std::fs", "std::io", "std::io::Read", "std::io::*", "std::net::TcpStream"];
        assert_eq!(paths(text), expected);
    }

    #[test]
    fn paths_are_found_in_expressions_types_and_macros() {
        assert_eq!(
            paths("fn f(x: &std::fs::File) { ::std::env::args(); }"),
            ["std::fs::File", "std::env::args"]
        );
        assert_eq!(
            paths("fn f() { assert!(std::fs::exists(1), \"std::net\"); }"),
            ["std::fs::exists"]
        );
        assert_eq!(paths("fn f() { a::<u8>::b(); <X as c::D>::e(); }"), ["c::D"]);
    }

    #[test]
    fn uses_are_told_from_other_mentions() {
        let source = Source::parse("use a::b; use ::c::{d}; fn f() { e::f(); }").expect("good");
        let found = mentions(&source.product_code());
        let in_use: Vec<&str> =
            found.iter().filter(|m| m.in_use).map(|m| m.path.as_str()).collect();
        assert_eq!(in_use, ["a::b", "c::d"]);
    }

    #[test]
    fn a_path_is_compared_by_whole_names() {
        let mention = Mention { path: "std::fs::File".to_owned(), line: 1, in_use: false };
        assert!(mention.is_in("std::fs"));
        assert!(mention.ends_with("fs::File"));
        assert!(!mention.is_in("std::f"));
        assert!(!mention.ends_with("s::File"));
    }
}
