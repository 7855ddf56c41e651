//! Which places end a step, by the inlined calls around them.

use super::LineGoal::{Into, Out, Over};
use super::*;

fn line(number: u32) -> Line {
    ("a.c".into(), number)
}

/// A call and the line where it is made; `^` in front of it if the place is its first instruction.
fn call(text: &'static str, made_at: u32) -> CallHere<&'static str> {
    let begins = text.starts_with('^');
    CallHere { id: text.trim_start_matches('^'), begins, call_site: Some(line(made_at)) }
}

/// Whether a step of line 10 in these calls ends at a statement of `at` in those.
fn ends(
    goal: LineGoal,
    stepped: &[&'static str],
    calls: &[CallHere<&'static str>],
    at: u32,
) -> Option<usize> {
    let scope = Scope { calls: stepped.to_vec(), line: Some(line(10)) };
    arrival(goal, &scope, calls, &line(at))
}

#[test]
fn another_line_of_the_function_ends_a_step() {
    for goal in [Over, Into] {
        assert_eq!(ends(goal, &[], &[], 11), Some(0));
        assert_eq!(ends(goal, &[], &[], 10), None, "a loop on one line");
        assert_eq!(ends(goal, &["f"], &[call("f", 5)], 11), Some(0));
        assert_eq!(ends(goal, &["f"], &[call("f", 5)], 10), None);
    }
    assert_eq!(ends(Out, &["f"], &[call("f", 5)], 11), None);
    let anywhere = Scope::<&str>::default();
    assert_eq!(arrival(Over, &anywhere, &[], &line(10)), Some(0));
}

#[test]
fn a_call_in_the_line_is_passed_or_entered() {
    let begin = [call("^f", 10)];
    assert_eq!(ends(Over, &[], &begin, 3), None);
    assert_eq!(ends(Into, &[], &begin, 3), Some(0));
    // Of two that begin there one is entered.
    let nested = [call("^f", 10), call("^g", 3)];
    assert_eq!(ends(Over, &[], &nested, 7), None);
    assert_eq!(ends(Into, &[], &nested, 7), Some(1));
    assert_eq!(ends(Over, &[], &[call("f", 10)], 3), None, "in the middle of it");
}

#[test]
fn a_step_ends_in_front_of_a_call_in_another_line() {
    for goal in [Over, Into] {
        assert_eq!(ends(goal, &[], &[call("^f", 11)], 3), Some(1));
        assert_eq!(ends(goal, &[], &[call("^f", 11), call("^g", 3)], 7), Some(2));
    }
    assert_eq!(ends(Out, &["e"], &[call("e", 5), call("^f", 11)], 3), None);
}

#[test]
fn leaving_an_inlined_call_ends_a_step() {
    for goal in [Over, Into, Out] {
        assert_eq!(ends(goal, &["f"], &[], 10), Some(0), "also by a line of the same number");
        assert_eq!(ends(goal, &["f", "g"], &[call("f", 5)], 6), Some(0));
        // To the next call, made in the same line.
        assert_eq!(ends(goal, &["f"], &[call("^g", 10)], 3), Some(1));
    }
    // The compiler has mixed the instructions of two calls.
    assert_eq!(ends(Over, &["f"], &[call("g", 5)], 3), None);
    assert_eq!(ends(Into, &["f"], &[call("g", 5)], 3), Some(0));
    assert_eq!(ends(Into, &["f"], &[call("g", 5), call("^h", 3)], 7), Some(1));
}
