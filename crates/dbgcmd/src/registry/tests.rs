//! What must be true of the table, and how commands are found in it.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

#[test]
fn no_name_is_taken_twice() {
    let mut seen = HashSet::new();
    for command in all() {
        assert!(!command.names.is_empty());
        for name in command.names {
            assert!(seen.insert(*name), "{name} is taken twice");
            assert!(!name.contains([' ', ';', '"']), "{name} cannot be typed");
        }
    }
}

#[test]
fn every_command_is_found_by_each_of_its_names() {
    for command in all() {
        for name in command.names {
            let (found, as_name) = find(name).expect(name);
            assert_eq!(as_name, *name);
            assert!(std::ptr::eq(found, command), "{name} finds {}", found.names[0]);
        }
    }
}

#[test]
fn every_command_is_documented() {
    for command in all() {
        let name = command.names[0];
        assert!(!command.summary.is_empty(), "{name} has no summary");
        assert!(!command.summary.ends_with('.'), "the summary of {name} is no sentence");
        match command.action {
            Action::Run(_) => {
                assert!(command.manual.ends_with('.'), "the manual of {name} is not sentences");
                assert!(!command.manual.contains("  "), "the manual of {name} has gaps");
            }
            Action::Unavailable(reason) => assert!(!reason.is_empty(), "{name} has no reason"),
        }
    }
}

#[test]
fn dot_commands_are_words_and_others_are_letters() {
    for command in all().filter(|command| command.is_available()) {
        for name in command.names.iter().filter(|name| name.starts_with('.')) {
            assert_eq!(command.shape, Shape::Word, "{name}");
        }
    }
}

fn name_in(text: &str) -> Option<&'static str> {
    find(text).map(|(_, name)| name)
}

#[test]
fn the_longest_name_wins() {
    assert_eq!(name_in("d"), Some("d"));
    assert_eq!(name_in("dd rsp"), Some("dd"));
    assert_eq!(name_in("dds rsp"), Some("dds"));
    assert_eq!(name_in("dps"), Some("dps"));
    assert_eq!(name_in("gu"), Some("gu"));
    assert_eq!(name_in("?? x"), Some("??"));
    assert_eq!(name_in(".sympath+ /x"), Some(".sympath+"));
    assert_eq!(name_in(".sympath"), Some(".sympath"));
}

#[test]
fn parameters_may_follow_at_once() {
    assert_eq!(name_in("bp0 main"), Some("bp"));
    assert_eq!(name_in("r@rax"), Some("r"));
    assert_eq!(name_in("u401000"), Some("u"));
    assert_eq!(name_in("kn5"), Some("k"));
    assert_eq!(name_in("~0s"), Some("~"));
    assert_eq!(name_in("gmain"), Some("g"));
}

#[test]
fn words_end_where_they_end() {
    assert_eq!(name_in(".echo hi"), Some(".echo"));
    assert_eq!(name_in(".echofoo"), None);
    assert_eq!(name_in(".create ls"), Some(".create"));
    assert_eq!(name_in(".createdir /"), Some(".createdir"));
    assert_eq!(name_in("qd"), Some("qd"));
    assert_eq!(name_in("quit"), None);
    assert_eq!(name_in("version"), Some("version"));
}

#[test]
fn case_matters_only_between_twins() {
    assert_eq!(name_in("R"), Some("r"));
    assert_eq!(name_in("dd"), Some("dd"));
    assert_eq!(name_in("dD"), Some("dD"));
    assert_eq!(name_in("dW rsp"), Some("dW"));
    assert_eq!(name_in("BP main"), Some("bp"));
    assert_eq!(name_in("gN"), Some("gN"));
    assert_eq!(name_in(".ECHO x"), Some(".echo"));
}

#[test]
fn what_is_not_there_is_not_guessed() {
    assert_eq!(name_in("foo"), None);
    assert_eq!(name_in("f 1000"), Some("f"));
    assert_eq!(name_in("break"), None);
    assert_eq!(name_in(""), None);
    assert_eq!(name_in("é"), None);
}

proptest! {
    #[test]
    fn whatever_is_found_begins_the_text(text in "\\PC{0,20}|[.~|!?$a-zA-Z0-9 +<>-]{0,12}") {
        if let Some((command, name)) = find(&text) {
            prop_assert!(text[..name.len()].eq_ignore_ascii_case(name));
            let len = command.extent.len(&text);
            prop_assert!(text.is_char_boundary(len));
            prop_assert!(len >= name.len());
        }
    }
}
