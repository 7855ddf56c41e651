//! What a shell is asked to execute, so that redirections, patterns and variables among a program's
//! arguments mean what they mean at a prompt. Pure.
//!
//! GDB cuts what its user typed into words and drops the quotes before it sends them, unless both
//! sides know `single-inf-arg`. So what was meant is guessed from a word: one that reads as a
//! redirection is one; `*`, `?`, `[`, `$` and a leading `~` have the shell's meaning unless the
//! word holds something that can only have come from between quotes. Everything else stands for
//! itself.

/// The command by which a shell becomes the program, and nothing else; `None` if no word needs a
/// shell.
pub(crate) fn command(program: &[u8], words: &[Vec<u8>]) -> Option<Vec<u8>> {
    if words.iter().all(|word| is_plain(word)) {
        return None;
    }
    let mut line = [b"exec ".as_slice(), &quoted(program)].concat();
    for word in words {
        line.push(b' ');
        line.extend(if is_for_the_shell(word) { word.clone() } else { quoted(word) });
    }
    Some(line)
}

/// The same for arguments that come as the user wrote them.
pub(crate) fn command_of_text(program: &[u8], text: &[u8]) -> Vec<u8> {
    [b"exec ".as_slice(), &quoted(program), b" ", text].concat()
}

/// Whether a shell would make nothing else of a word.
fn is_plain(word: &[u8]) -> bool {
    !is_for_the_shell(word)
}

/// Whether a word is to have the shell's meaning.
fn is_for_the_shell(word: &[u8]) -> bool {
    let is_from_quotes = |byte: &u8| byte.is_ascii_whitespace() || b"'\"\\`;()".contains(byte);
    if word.iter().any(is_from_quotes) {
        return false;
    }
    if is_redirection(word) {
        return true;
    }
    let is_control = |byte: &u8| b"&|<>{}#!".contains(byte);
    let has_meaning = |byte: &u8| b"*?[$".contains(byte);
    let braces_of_variables = word.windows(2).any(|pair| pair == b"${");
    let is_safe = braces_of_variables || !word.iter().any(is_control);
    is_safe && (word.iter().any(has_meaning) || word.starts_with(b"~"))
}

/// Whether a word is, or begins with, an operator of redirection: `>FILE`, `2>&1`, `<`, `>>`.
fn is_redirection(word: &[u8]) -> bool {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let operator = word.get(digits..).unwrap_or_default();
    let operator = operator.strip_prefix(b"&").filter(|_| digits == 0).unwrap_or(operator);
    let target = match operator {
        [b'>', b'>' | b'&' | b'|', rest @ ..] | [b'<', b'>' | b'&', rest @ ..] => rest,
        [b'>' | b'<', rest @ ..] => rest,
        _ => return false,
    };
    // Another operator behind it makes it something else.
    !target.iter().any(|byte| b"<>&|".contains(byte))
}

/// A word that stands for itself.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut text = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => text.extend(br"'\''"),
            _ => text.push(*byte),
        }
    }
    text.push(b'\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Option<String> {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        command(b"/bin/p", &words).map(|line| String::from_utf8(line).expect("text"))
    }

    #[test]
    fn words_that_mean_themselves_need_no_shell() {
        assert_eq!(line(&[]), None);
        assert_eq!(line(&["3", "a b", "it's", "a&b", "a;b", "", "--x={1,2}", "a>b"]), None);
        assert_eq!(line(&["http://host/?a=1&b=2"]), None);
    }

    #[test]
    fn redirections_patterns_and_variables_are_the_shells() {
        assert_eq!(line(&[">", "/tmp/o u"]).as_deref(), Some("exec '/bin/p' > '/tmp/o u'"));
        assert_eq!(line(&[">>f", "2>&1"]).as_deref(), Some("exec '/bin/p' >>f 2>&1"));
        assert_eq!(line(&["<in", "&>f"]).as_deref(), Some("exec '/bin/p' <in &>f"));
        let words = ["*.c", "$HOME", "${A}x", "~/f", "it's"];
        assert_eq!(line(&words).as_deref(), Some(r"exec '/bin/p' *.c $HOME ${A}x ~/f 'it'\''s'"));
    }

    #[test]
    fn no_word_makes_the_shell_do_anything_else() {
        for word in ["$(id)", "`id`", "*;id", "*&", "*|id", ">f;id", ">f&id", "2>&1|id", "> f"] {
            let line = line(&["$A", word]).expect("one word needs a shell");
            assert!(line.ends_with(&format!(" '{word}'")), "{line}");
        }
    }

    #[test]
    fn text_is_taken_as_it_is() {
        let line = command_of_text(b"/bin/a b", b"'x y' >f");
        assert_eq!(line, b"exec '/bin/a b' 'x y' >f");
    }
}
