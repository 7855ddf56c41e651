//! JSON, as far as LLDB's packets use it: text is quoted, and documents are read into values. It
//! knows no packet. Pure.

/// How deep a document may nest. The packets' own have two levels.
const DEPTH_MAX: usize = 16;

/// A value that was read.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// `null`, `true`, `false`, or a number, none of which any packet here has a use for.
    Other,
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, in the document's order.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The string behind a key of an object.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        let Value::Object(members) = self else { return None };
        members.iter().find_map(|(name, value)| match value {
            Value::Text(text) if name == key => Some(text.as_str()),
            _ => None,
        })
    }
}

/// `text` as a JSON string, with its quotes.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{0}'..='\u{1f}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// The value that a document writes.
///
/// **Shape**: `None` if it is none, or nests deeper than any packet's.
pub(crate) fn parse(document: &str) -> Option<Value> {
    let mut reader = Reader { rest: document };
    let value = reader.value(0)?;
    reader.skip_space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes this character, behind any space, if it is next.
    fn takes(&mut self, wanted: char) -> bool {
        self.skip_space();
        let behind = self.rest.strip_prefix(wanted);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_space();
        match self.rest.chars().next()? {
            '"' => self.text().map(Value::Text),
            '[' => self.array(depth),
            '{' => self.object(depth),
            _ => self.word(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let mut values = Vec::new();
        self.takes('[');
        if self.takes(']') {
            return Some(Value::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            if self.takes(']') {
                return Some(Value::Array(values));
            }
            if !self.takes(',') {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut members = Vec::new();
        self.takes('{');
        if self.takes('}') {
            return Some(Value::Object(members));
        }
        loop {
            let name = self.text()?;
            if !self.takes(':') {
                return None;
            }
            members.push((name, self.value(depth + 1)?));
            if self.takes('}') {
                return Some(Value::Object(members));
            }
            if !self.takes(',') {
                return None;
            }
        }
    }

    fn word(&mut self) -> Option<Value> {
        let is_behind = |c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c);
        let (word, rest) = self.rest.split_at(self.rest.find(is_behind).unwrap_or(self.rest.len()));
        let is_value = matches!(word, "null" | "true" | "false") || word.parse::<f64>().is_ok();
        self.rest = rest;
        is_value.then_some(Value::Other)
    }

    fn text(&mut self) -> Option<String> {
        if !self.takes('"') {
            return None;
        }
        let mut text = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => text.push(match characters.next()? {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => {
                        let digits = characters.as_str().get(..4)?;
                        let code = u32::from_str_radix(digits, 16).ok()?;
                        characters = characters.as_str().get(4..)?.chars();
                        // Halves of pairs stand for characters that paths do not need.
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                    plain @ ('"' | '\\' | '/') => plain,
                    _ => return None,
                }),
                plain => text.push(plain),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read_back() {
        for text in ["", "/usr/lib/a b.so", "a\"b\\c\u{1}d\n", "ä\u{1f600}"] {
            assert_eq!(parse(&quote(text)), Some(Value::Text(text.to_owned())));
        }
        assert_eq!(quote("a\"\u{1}"), "\"a\\\"\\u0001\"");
    }

    #[test]
    fn documents_become_values() {
        let read = parse(" [ {\"file\" : \"/a\\u0062\", \"x\": -1.5e+3 }, null ] ");
        let Some(Value::Array(values)) = read else { panic!("{read:?}") };
        assert_eq!(values[0].text("file"), Some("/ab"));
        assert_eq!(values[0].text("x"), None);
        assert_eq!(values[1], Value::Other);
        assert_eq!(parse("[]"), Some(Value::Array(Vec::new())));
        assert_eq!(parse("{}"), Some(Value::Object(Vec::new())));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in [
            "",
            "[",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1",
            "\"a",
            "\"\\",
            "\"\\u12",
            "\"\\x\"",
            "\"\\u00ä\"",
            "nil",
            "[1] 2",
            "{1:2}",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }
}
