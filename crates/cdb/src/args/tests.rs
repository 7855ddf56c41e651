//! Whole command lines, and what is said of wrong ones.

use super::*;
use crate::options::OPTIONS;

fn read(words: &[&str]) -> Result<Invocation, UsageError> {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    parse(&words)
}

fn options(words: &[&str]) -> DebugOptions {
    match read(words) {
        Ok(Invocation::Debug(options)) => *options,
        other => panic!("{words:?} is read as {other:?}"),
    }
}

fn error(words: &[&str]) -> String {
    read(words).expect_err("an error").to_string()
}

#[test]
fn the_program_ends_the_options() {
    let options = options(&["-g", "/bin/ls", "-l", "-g"]);
    assert!(options.runs_at_start && !options.ends_with_target);
    assert_eq!(options.target, Target::Program("/bin/ls".into(), vec!["-l".into(), "-g".into()]));
}

#[test]
fn a_process_is_named_by_id_or_name() {
    assert_eq!(options(&["-p", "4711"]).target, Target::Pid(4711));
    assert_eq!(options(&["/p", "4711"]).target, Target::Pid(4711));
    assert_eq!(options(&["-P", "4711"]).target, Target::Pid(4711));
    assert_eq!(options(&["-pn", "bash"]).target, Target::Name("bash".to_owned()));
    for pid in ["0x10", "0", "-1", "+5", "", "12a", "99999999999"] {
        assert!(error(&["-p", pid]).contains("decimal"), "{pid}");
    }
}

#[test]
fn values_follow_their_options() {
    let options = options(&[
        "-premote",
        "tcp:server=box,port=5005",
        "-c",
        "k; q",
        "-y",
        "/a;/b",
        "-pd",
        "-v",
        "-p",
        "1",
    ]);
    let server = options.server.expect("a server");
    assert_eq!(server.to_connect_string(), "tcp:server=box,port=5005");
    assert_eq!(options.commands.as_deref(), Some("k; q"));
    assert_eq!(options.symbol_path.as_deref(), Some("/a;/b"));
    assert!(options.detaches_at_end && options.is_verbose);
}

#[test]
fn options_without_values_can_be_joined() {
    let joined = options(&["-ogG", "prog"]);
    assert!(joined.debugs_children && joined.runs_at_start && joined.ends_with_target);
    let joined = options(&["-pdg", "prog"]);
    assert!(joined.detaches_at_end && joined.runs_at_start);
    let joined = options(&["-gpd", "prog"]);
    assert!(joined.detaches_at_end && joined.runs_at_start);
    // The documented example has -d, which needs a kernel debugger.
    assert_eq!(
        error(&["-odGg", "prog"]),
        "-d is not available: there is no kernel debugger to pass control to"
    );
    assert_eq!(error(&["-gp", "1"]), "unknown option -gp");
}

#[test]
fn case_counts_where_it_is_documented() {
    assert!(options(&["-G", "prog"]).ends_with_target);
    assert!(!options(&["-g", "prog"]).ends_with_target);
    assert!(options(&["-PD", "prog"]).detaches_at_end);
    assert!(error(&["-Server", "x"]).starts_with("unknown option"));
}

#[test]
fn mistakes_are_named() {
    assert_eq!(error(&["-frob", "prog"]), "unknown option -frob");
    assert_eq!(error(&["-p"]), "-p needs PID behind it");
    assert_eq!(error(&["-c"]), "-c needs COMMANDS behind it");
    assert_eq!(error(&["-c", "k", "-c", "r", "prog"]), "-c is given twice");
    assert!(error(&["-premote", "tcp:port=1", "prog"]).starts_with("-premote: "));
    assert!(error(&["-premote", "pigeon:loft=1", "prog"]).contains("pigeon"));
    assert!(error(&["-p", "1", "prog"]).starts_with("more than one target"));
    assert!(error(&["-p", "1", "-pn", "x"]).starts_with("more than one target"));
    assert!(error(&[]).starts_with("no target"));
    assert!(error(&["-premote", "tcp:server=H,port=1"]).starts_with("no target"));
}

#[test]
fn help_and_version_need_no_target() {
    assert_eq!(read(&["-?"]), Ok(Invocation::Help));
    assert_eq!(read(&["/?"]), Ok(Invocation::Help));
    assert_eq!(read(&["-version"]), Ok(Invocation::Version));
}

#[test]
fn servers_are_listed_and_nothing_else() {
    for host in ["localhost", "\\\\BOX17", ".", "::1"] {
        for option in ["-QR", "/QR", "-qr"] {
            assert_eq!(read(&[option, host]), Ok(Invocation::ListServers(host.to_owned())));
        }
    }
    for words in [
        &["-g", "-QR", "localhost"][..],
        &["-QR", "localhost", "-g"],
        &["-QR", "localhost", "prog"],
        &["-p", "1", "-QR", "localhost"],
        &["-QR", "localhost", "-QR", "localhost"],
        &["-QR", "localhost", "-frob"],
    ] {
        assert_eq!(read(words), Err(UsageError::NotAlone("QR")), "{words:?}");
    }
    for words in [&["-QR"][..], &["-QR", ""], &["-QR", "\\\\"], &["-QR", "-g"]] {
        assert_eq!(error(words), "-QR needs HOST behind it", "{words:?}");
    }
    // Behind the program it is the program's.
    assert!(matches!(options(&["prog", "-QR", "x"]).target, Target::Program(_, _)));
}

#[test]
fn a_path_is_no_option() {
    assert_eq!(options(&["/tmp/x"]).target, Target::Program("/tmp/x".into(), vec![]));
    assert_eq!(options(&["/usr"]).target, Target::Program("/usr".into(), vec![]));
    assert_eq!(options(&["-"]).target, Target::Program("-".into(), vec![]));
}

/// Every option that the original documents has an outcome.
#[test]
fn no_documented_option_is_unknown() {
    let documented = "premote server remote p pn psn pb pd pe pr pt pv pvr g G o cimp c cf cfr y i \
        srcpath lines n s ses sdce sicv sins snc snul sup sflags netsyms netsym failinc loga logo \
        logau logou v version QR ? ee x xe xd xn xi noshell noinh noio bonc robp 2 hd clines z zd \
        zp a e d ddefer w wake kqm isd myob nosqm iae iaec iu r t vf - tid T Q QY QS QSY W WF WX \
        lsrcpath secure noprio j b";
    for name in documented.split_whitespace() {
        let row = options::find(name).unwrap_or_else(|| panic!("-{name} is unknown"));
        assert_eq!(row.name, name);
        let word = format!("-{name}");
        let result = read(&[&word, "1", "prog"]);
        assert!(!matches!(result, Err(UsageError::Unknown(_))), "{word}: {result:?}");
    }
    assert_eq!(documented.split_whitespace().count(), OPTIONS.len());
}

#[test]
fn options_that_work_are_in_the_help() {
    let help = options::help();
    for row in OPTIONS {
        let is_shown = help.contains(&format!("  -{} ", row.name));
        assert_eq!(is_shown, matches!(row.outcome, Outcome::Works(_)), "-{}", row.name);
    }
    assert!(help.lines().all(|line| line.len() <= 100));
}

/// What the help and the manual page say of transports is what is understood.
#[test]
fn transports_of_the_help_are_understood_and_in_the_manual_page() {
    let (help, page) = (options::help(), include_str!("../../man/cdb.1"));
    // .Li tcp:server= Ns Ar host Ns Li ,port= Ns Ar port
    let plain = page.replace(" Ns Ar ", "").replace(" Ns Li ", "").to_lowercase();
    for (form, _) in options::TRANSPORTS {
        assert!(help.contains(&format!("  {form}\n")), "{form}");
        let item = form.split('[').next().unwrap_or_default().replace("tls1", "PROTO");
        let item = format!(".it li {}", item.to_lowercase());
        assert!(plain.lines().any(|line| line.starts_with(&item)), "{item}");
        let mut text = form.replace("[:LAST]", ":1030").replace("COMMAND", "ssh box17 dbgsrv");
        for (name, value) in [
            ("HOST", "box17"),
            ("PORT", "1025"),
            ("NAME", "build"),
            ("CERT", "me"),
            ("NUMBER", "3"),
        ] {
            text = text.replace(name, value);
        }
        let mut forms = vec![text.clone()];
        if !text.starts_with("exec:") {
            forms.extend(
                ["sesame7", "file:/etc/dbgsrv/password", "env:PHRASE"]
                    .map(|password| format!("{text},password={password}")),
            );
        }
        forms.extend(text.starts_with("tcp:").then(|| format!("{text},ipversion=6")));
        forms.push(text.replace("certuser", "machuser"));
        for form in forms {
            assert!(options(&["-premote", &form, "prog"]).server.is_some(), "{form}");
        }
    }
}

#[test]
fn options_that_work_are_in_the_manual_page() {
    let page = include_str!("../../man/cdb.1");
    for row in OPTIONS.iter().filter(|row| matches!(row.outcome, Outcome::Works(_))) {
        let name = row.name.replace('?', "\\&?");
        let is_described = page.lines().any(|line| {
            line.strip_prefix(".It Fl ").and_then(|item| item.split(' ').next()) == Some(&*name)
        });
        assert!(is_described, "-{}", row.name);
    }
}
