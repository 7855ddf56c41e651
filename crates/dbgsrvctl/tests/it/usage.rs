//! Help goes to standard output, complaints to standard error; the exit status tells them apart.

use testkit::Guard;

use crate::PROGRAM;

#[test]
fn help_is_shown() {
    let guard = Guard::new();
    for word in ["help", "--help", "-?"] {
        let text = guard.output(PROGRAM, &[word]);
        assert!(text.starts_with("usage: dbgsrvctl <command>\n"), "{text}");
    }
}

#[test]
fn wrong_command_lines_name_the_word_and_end_with_2() {
    let guard = Guard::new();
    for (arguments, named) in
        [(&[][..], "name a command"), (&["lst"], "lst"), (&["list", "everything"], "everything")]
    {
        let output = guard.command(PROGRAM).args(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.lines().next().is_some_and(|line| line.contains(named)), "{said}");
        assert!(said.contains("\nusage: dbgsrvctl"), "{said}");
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let guard = Guard::new();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = guard.command(PROGRAM).arg("help").stdout(writer).output().expect("it starts");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
