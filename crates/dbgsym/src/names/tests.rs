//! Tests.

use super::*;

fn check(pattern: &str, matching: &[&str], others: &[&str]) {
    let compiled = Pattern::new(pattern);
    for text in matching {
        assert!(compiled.matches(text), "{pattern} should match {text:?}: {compiled:?}");
    }
    for text in others {
        assert!(!compiled.matches(text), "{pattern} should not match {text:?}: {compiled:?}");
    }
}

#[test]
fn literals_match_in_either_case_and_as_a_whole() {
    check("main", &["main", "Main", "MAIN"], &["", "mai", "main1", "amain"]);
    check("", &[""], &["a"]);
    check("ns::f<int>", &["ns::f<int>"], &["ns::f<char>"]);
}

#[test]
fn stars_and_question_marks() {
    check("*", &["", "a", "anything at all"], &[]);
    check("ma*", &["ma", "main", "MALLOC"], &["m", "amain"]);
    check("*alloc", &["malloc", "alloc", "alloc_alloc"], &["allocate"]);
    check("*a*b*", &["ab", "xaxbx", "aab"], &["ba", ""]);
    check("m?in", &["main", "m_in", "m?in"], &["min", "maain"]);
    check("**?", &["a", "abc"], &[""]);
}

#[test]
fn sets_and_ranges() {
    check("[a-c]x", &["ax", "Bx", "cX"], &["dx", "x", "-x"]);
    check("f[0-9a-f]", &["f0", "fF"], &["fg", "f"]);
    check("[-a]", &["-", "a"], &["b"]);
    check("[a-]", &["-", "a"], &["b"]);
    check("[c-a]", &[], &["a", "b", "c"]);
}

#[test]
fn repetition_of_the_preceding() {
    check("fo#", &["f", "fo", "FOOO"], &["o", "fox"]);
    check("fo+", &["fo", "foo"], &["f", "fx"]);
    check("[ab]+c", &["ac", "abbac"], &["c", "adc"]);
    check("?#x", &["x", "abcx"], &["", "y"]);
    check("*+", &["", "a"], &[]);
    check("a##", &["", "aaa"], &["b"]);
}

#[test]
fn quoted_and_misplaced_wildcards_are_themselves() {
    check(r"\*", &["*"], &["a", ""]);
    check(r"operator\+", &["operator+"], &["operator", "operatorr"]);
    check(r"a\", &[r"a\"], &["a"]);
    check("operator[]", &["operator[]"], &["operator", "operator["]);
    check("a[b", &["a[b"], &["ab"]);
    check("+a", &["+a"], &["a"]);
    check("#a", &["#a"], &["a"]);
    check(r"\_x", &["_x"], &["x", "__x"]);
}

#[test]
fn a_leading_underscore_is_any_number_of_them() {
    check("_start", &["start", "_start", "___start"], &["x_start"]);
    check("__start", &["_start", "___start"], &["start"]);
    check("a_b", &["a_b"], &["ab", "a__b"]);
}

#[test]
fn only_patterns_without_wildcards_are_literal() {
    assert_eq!(Pattern::new("Main").literal(), Some("Main"));
    assert_eq!(Pattern::new(r"operator\*").literal(), Some("operator*"));
    assert_eq!(Pattern::new("operator[]").literal(), Some("operator[]"));
    assert_eq!(Pattern::new("").literal(), Some(""));
    for pattern in ["*", "a?", "[ab]", "a#", "a+", "_start"] {
        assert_eq!(Pattern::new(pattern).literal(), None, "{pattern}");
    }
}

/// The textbook definition of the same language, by trying everything.
fn matches_slowly(pieces: &[Piece], text: &[char]) -> bool {
    let Some((piece, behind)) = pieces.split_first() else {
        return text.is_empty();
    };
    let accepted = text.first().is_some_and(|first| piece.matches.accepts(*first));
    if piece.repeats {
        return matches_slowly(behind, text) || accepted && matches_slowly(pieces, &text[1..]);
    }
    accepted && matches_slowly(behind, &text[1..])
}

#[test]
fn all_short_patterns_match_what_the_definition_says() {
    let signs = ['a', 'b', '*', '?', '#', '+', '_'];
    let mut patterns = vec![String::new()];
    for length in 0..4 {
        for shorter in patterns.clone().iter().filter(|pattern| pattern.len() == length) {
            patterns.extend(signs.iter().map(|sign| format!("{shorter}{sign}")));
        }
    }
    let texts = ["", "a", "b", "_", "ab", "aa", "ba", "a_", "_a", "aab", "aba", "abb", "__a", "+a"];
    for pattern in patterns.iter().map(|pattern| Pattern::new(pattern)) {
        for text in texts {
            let letters: Vec<char> = text.chars().collect();
            let expected = matches_slowly(&pattern.pieces, &letters);
            assert_eq!(pattern.matches(text), expected, "{pattern:?} on {text:?}");
        }
    }
}
