//! Tests of reading one Rust file.

use super::*;

fn words(text: &str, keep: impl Fn(&Token) -> bool) -> Vec<String> {
    let source = Source::parse(text).expect("a good sample");
    let words = source.tokens.iter().filter(|token| token.kind == Kind::Word && keep(token));
    words.map(|token| token.text.clone()).collect()
}

#[test]
fn comments_and_strings_hold_no_words() {
    let text = "// unsafe\nfn f() { /* unsafe */ let s = \"unsafe\"; }\n";
    assert_eq!(words(text, |_| true), ["fn", "f", "let", "s"]);
}

#[test]
fn documentation_is_marked() {
    let text = "//! File.\n/// Item.\n#[inline]\nfn f() {}\n";
    assert_eq!(words(text, |token| !token.doc), ["inline", "fn", "f"]);
    let signs = Source::parse(text).expect("a good sample");
    let kept = signs.tokens.iter().filter(|token| !token.doc && token.is("#")).count();
    assert_eq!(kept, 1, "only the attribute's own sign is left");
}

#[test]
fn items_for_tests_are_marked() {
    let text = "
        fn a() {}
        #[cfg(test)] mod tests { fn b() {} }
        #[cfg(all(test, unix))] fn c() {}
        #[cfg(any(test, unix))] fn d() {}
        #[cfg(not(test))] fn e() {}
        impl X { #[cfg(test)] fn f() {} fn g() {} }
        mod inner { #[test] fn h() {} }
    ";
    let names =
        |keep: fn(&Token) -> bool| words(text, |token| keep(token) && token.text.len() == 1);
    assert_eq!(names(|token| token.test), ["b", "c", "f", "h"]);
    assert_eq!(names(|token| !token.test), ["a", "d", "e", "X", "g"]);
}

#[test]
fn modules_in_other_files_are_listed() {
    let text = "mod a; mod b {} #[cfg(test)] #[path = \"c/tests.rs\"] mod c;";
    let source = Source::parse(text).expect("a good sample");
    let child = |name: &str, path: Option<&str>, test| ChildModule {
        name: name.to_owned(),
        path: path.map(str::to_owned),
        test,
    };
    assert_eq!(source.children, [child("a", None, false), child("c", Some("c/tests.rs"), true)]);
}

#[test]
fn lines_count_from_one() {
    let source = Source::parse("fn a() {\n}\n").expect("a good sample");
    let lines: Vec<usize> = source.tokens.iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 1, 1, 1, 1, 2]);
}

#[test]
fn what_is_no_rust_is_an_error_with_its_line() {
    assert_eq!(Source::parse("fn a() {}\nfn b( {}\n").map(|_| ()).map_err(|e| e.line), Err(2));
    assert_eq!(Source::parse("fn a() {}\nfn 7() {}\n").map(|_| ()).map_err(|e| e.line), Err(2));
}
