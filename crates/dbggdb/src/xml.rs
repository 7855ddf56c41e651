//! Text inside XML documents. Pure.

/// `text` with the characters that mean something in XML written as entities, white space that
/// attributes would lose by its number (XML 1.0, "Attribute-Value Normalization"), and `?` for
/// those that no document may hold ("Characters").
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' => escaped.push_str("&#9;"),
            '\n' => escaped.push_str("&#10;"),
            '\r' => escaped.push_str("&#13;"),
            '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' => {
                escaped.push(character);
            }
            '\u{10000}'.. => escaped.push(character),
            _ => escaped.push('?'),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_threads_cannot_break_a_document() {
        assert_eq!(super::escape("a\"><b&'\u{1}"), "a&quot;&gt;&lt;b&amp;&apos;?");
        assert_eq!(super::escape("/a\tb\n"), "/a&#9;b&#10;");
    }
}
