//! Tests of banned words and names.

use super::*;

fn lines(path: &str, text: &str) -> Vec<usize> {
    let tree = Tree::new([(path.to_owned(), text.to_owned())]);
    check_words(&tree).iter().map(|finding| finding.line).collect()
}

#[test]
fn every_word_is_found_anywhere() {
    for word in WORDS {
        let text = format!("one\n// ({}1) or not\n", word.text);
        let alone = format!("one\n// {}\n", word.text);
        let found = if word.text.ends_with(char::is_alphanumeric) { &alone } else { &text };
        assert_eq!(lines("crates/cdb/src/main.rs", found), [2], "{}", word.text);
        assert_eq!(lines("docs/style.md", found), [2], "{}", word.text);
    }
}

#[test]
fn parts_of_longer_words_are_no_words() {
    let fine = "mkstemp(\"/tmp/aXXXXXX\")\nwarehouse.md\nTODOS\nsession 1 of alice\nan issue";
    assert_eq!(lines("docs/style.md", fine), Vec::<usize>::new());
}

#[test]
fn names_say_what_is_inside() {
    let names = |path: &str| {
        let tree = Tree::new([(path.to_owned(), String::new())]);
        check_names(&tree).len()
    };
    assert_eq!(names("crates/cdb/src/utils.rs"), 1);
    assert_eq!(names("crates/cdb/src/common/text.rs"), 1);
    assert_eq!(names("crates/cdb/src/types.rs"), 1);
    assert_eq!(names("crates/dbgeng/src/types.rs"), 0);
    assert_eq!(names("crates/dbgeng/src/helpers.rs"), 1);
    assert_eq!(names("crates/cdb/src/commander.rs"), 0);
    assert_eq!(names("docs/common.md"), 0);
}
