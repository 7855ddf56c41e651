//! The documented command lines, and wrong ones.

use super::*;

fn read(arguments: &[&str]) -> Result<Invocation, String> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    parse(&arguments)
}

fn service(arguments: &[&str]) -> Service {
    match read(arguments) {
        Ok(Invocation::Serve(service)) => *service,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn error(arguments: &[&str]) -> String {
    read(arguments).expect_err("wrong")
}

fn bytes(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn the_manual_page_has_the_options_of_the_usage_text() {
    let manual = include_str!("../../man/dbgsrv.1");
    for line in USAGE.lines().filter_map(|line| line.strip_prefix("  -")) {
        let option = line.split_ascii_whitespace().next().expect("its name");
        assert!(manual.contains(&format!(".It Fl {option}")), "-{option} is not in the manual");
    }
}

#[test]
fn a_transport_is_served_and_help_is_help() {
    let service = service(&["-t", "tcp:port=1025:1030"]);
    assert_eq!(service.endpoint.to_string(), "tcp:port=1025:1030");
    assert_eq!((service.program, service.sessions.implicit.len()), (None, 0));
    assert!(matches!(read(&["-?"]), Ok(Invocation::Help)));
    assert!(matches!(read(&["-t", "tcp:port=1", "-?"]), Ok(Invocation::Help)));
}

#[test]
fn programs_are_started() {
    let t = ["-t", "tcp:port=1025"];
    let program = |rest: &[&str]| service(&[&t, rest].concat()).program.expect("one");
    let plain = StartedProgram { words: bytes(&["/bin/app", "a", "b"]), is_suspended: false };
    assert_eq!(program(&["-c", "/bin/app a b"]), plain);
    assert_eq!(program(&["-c", "/bin/app", "a", "b"]), plain);
    let suspended = StartedProgram { is_suspended: true, ..plain };
    assert_eq!(program(&["-cs", "/bin/app", "a", "b"]), suspended);
    assert_eq!(program(&["-sifeo", "app", "-cs", "/bin/app a b"]), suspended);
    // Everything behind -c is the program's.
    let words = bytes(&["app", "-x", "-pc", "-t", "-?"]);
    assert_eq!(program(&["-c", "app", "-x", "-pc", "-t", "-?"]).words, words);
}

#[test]
fn the_implicit_command_line_is_kept() {
    let implicit = |rest: &[&str]| {
        let service = service(&[&["-t", "tcp:port=1025"], rest].concat());
        assert_eq!(service.program, None);
        service.sessions.implicit
    };
    assert_eq!(implicit(&["-pc", "MyTarget"]), bytes(&["MyTarget"]));
    assert_eq!(implicit(&["-pc", "MyTarget", "-c", "x"]), bytes(&["MyTarget", "-c", "x"]));
    assert_eq!(implicit(&["-pc", "'my target' 1"]), bytes(&["my target", "1"]));
}

#[test]
fn a_trail_is_kept_where_it_is_said() {
    let audit = |rest: &[&str]| service(&[&["-t", "tcp:port=1025"], rest].concat()).audit;
    assert_eq!(audit(&[]), None);
    assert_eq!(audit(&["-audit", "none"]), Some(Place::Nowhere));
    assert_eq!(audit(&["-audit", "/a b", "-x"]), Some(Place::File("/a b".into())));
    assert_eq!(audit(&["-c", "app", "-audit", "none"]), None);
}

#[test]
fn what_is_behind_x_is_not_read() {
    for rest in [&["-x"][..], &["-x", "-t"], &["-x", "rubbish", "-c"]] {
        let service = service(&[&["-t", "tcp:port=1025"], rest].concat());
        assert_eq!((service.program, service.sessions.implicit.len()), (None, 0));
    }
    assert!(error(&["-x", "-t", "tcp:port=1025"]).contains("-t is missing"));
}

#[test]
fn what_is_wrong_is_named() {
    assert!(error(&[]).contains("-t is missing"));
    assert!(error(&["-t"]).contains("-t needs"));
    assert!(error(&["-t", "tcp:port=1", "-t", "tcp:port=2"]).contains("twice"));
    assert!(error(&["-T", "tcp:port=1"]).starts_with("-T is not"));
    assert!(error(&["-t", "tcp:port=99999"]).contains("99999"));
    assert!(error(&["-t", "pigeon:loft=1"]).contains("pigeon"));
    assert!(error(&["-t", "npipe:pipe=a b"]).contains("blank"));
    assert!(error(&["-t", "tcp:port=1:2,clicon=host"]).contains("clicon"));
    assert!(error(&["-t", "tcp:port=1", "-c"]).starts_with("-c needs"));
    assert!(error(&["-t", "tcp:port=1", "-cs", ""]).starts_with("-cs needs"));
    assert!(error(&["-t", "tcp:port=1", "-c", "'app"]).contains("not closed"));
    assert!(error(&["-t", "tcp:port=1", "-pc"]).starts_with("-pc needs"));
    assert!(error(&["-t", "tcp:port=1", "-sifeo"]).contains("-sifeo needs"));
    assert!(error(&["-t", "tcp:port=1", "-sifeo", "a.out"]).contains("-sifeo a.out"));
    assert!(error(&["-t", "tcp:port=1", "-sifeo", "a", "-pc", "b"]).contains("-sifeo a"));
    assert!(error(&["-t", "tcp:port=1", "-audit"]).starts_with("-audit needs"));
    assert!(error(&["-t", "tcp:port=1", "-audit", "log"]).contains("./log"));
    let twice = ["-t", "tcp:port=1", "-audit", "none", "-audit", "journal"];
    assert!(error(&twice).contains("-audit is given twice"));
    assert!(error(&["-t", "tcp:port=1", "app"]).starts_with("app is not"));
}
