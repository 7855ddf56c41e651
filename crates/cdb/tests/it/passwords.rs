//! Where passwords are, besides in who knows them: in files and variables, on command lines for a
//! moment, and in no other process.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use dbgbase::{Pid, Signal};
use testkit::{Guard, Server, Testee, programs, send_signal, until};

use crate::console::Console;

const CDB: &str = env!("CARGO_BIN_EXE_cdb");
/// A variable, and what it holds.
const VARIABLE: (&str, &str) = ("PHRASE", "open sesame, please");

fn cdb(guard: &Guard, premote: &str, program: &str) -> Command {
    let mut command = guard.command(CDB);
    command.args(["-premote", premote, program]);
    command
}

/// A file of a process in /proc, with its parts on lines of their own.
fn of_process(pid: Pid, file: &str) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', "\n")
}

#[test]
fn nobody_reads_a_password_on_a_command_line() {
    let guard = Guard::new();
    let testee = Testee::build("spin", &[]);
    let program = testee.path().to_str().expect("text");
    for written in ["password=sesame7", "password=\"sesame7\"", "PassWord=sesame7"] {
        let server = Server::tcp_with(&guard, programs::dbgsrv(), &format!(",{written}"));
        let premote = format!("{},{written}", server.endpoint());
        let console = Console::spawn(cdb(&guard, &premote, program));
        assert_eq!(console.prompt, "0:000", "{}", console.banner);
        let masked = written.replace("sesame7", "*******");
        for pid in [server.pid(), console.pid()] {
            let line = of_process(pid, "cmdline");
            assert!(line.contains(&masked), "{line}");
        }
        // The server, its login and its session, the target and cdb.
        let processes = guard.processes();
        assert!(processes.len() >= 5, "{}", guard.describe_processes());
        for pid in processes {
            let line = of_process(pid, "cmdline");
            assert!(!line.contains("sesame7"), "{line}");
        }
        console.finish("q");
    }
}

/// A file with a passphrase in it, which only its owner can read.
fn phrase_file(guard: &Guard) -> PathBuf {
    let file = guard.directory().join("phrase");
    std::fs::write(&file, format!("{}\n", VARIABLE.1)).expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    file
}

#[test]
fn a_passphrase_comes_from_a_file_or_a_variable_on_either_side() {
    let guard = Guard::new();
    let testee = Testee::build("spin", &[]);
    let program = testee.path().to_str().expect("text");
    let file = format!(",password=file:{}", phrase_file(&guard).display());
    let variable = format!(",password=env:{}", VARIABLE.0);
    for (of_server, of_client) in [(&file, &variable), (&variable, &file), (&variable, &variable)] {
        let transport = format!("tcp:port=0{of_server}");
        let client = "tcp:server=localhost";
        let server = Server::at_port(&guard, programs::dbgsrv(), &transport, client, |command| {
            command.env(VARIABLE.0, VARIABLE.1).args(["-c", "/bin/sleep", "1000"]);
        });
        let premote = format!("{}{of_client}", server.endpoint());
        let run = |phrase: &str| {
            let mut command = cdb(&guard, &premote, program);
            command.env(VARIABLE.0, phrase);
            command
        };
        if of_client == &variable {
            let (code, said) = ending(run("open sesame"));
            assert_eq!(code, Some(1), "{said}");
            assert!(said.ends_with("the password is wrong; error 0x80004005\n"), "{said}");
            // Who has shown a wrong one comes in only when nobody else from here is at the door.
            let is_login = |pid: &Pid| of_process(*pid, "cmdline").contains("\n@login\n");
            until("the guess to be noted", || {
                (!server.sessions().iter().any(is_login)).then_some(())
            });
        }
        let console = Console::spawn(run(VARIABLE.1));
        assert_eq!(console.prompt, "0:000", "{}", console.banner);
        // What they have been started with stays to be read by their own user. The debuggee, what
        // -c has started, and all that is between have not got it.
        let mut names = Vec::new();
        for pid in guard.processes() {
            let is_started_with = pid == console.pid() || pid == server.pid();
            let environment = of_process(pid, "environ");
            assert!(environment.contains(guard.entry()), "it can be read");
            let has_it = environment.contains(&format!("{}=", VARIABLE.0));
            let line = of_process(pid, "cmdline");
            let is_kept = of_server == &variable;
            assert!(!has_it || is_started_with || !is_kept, "{line}: {environment}");
            names.push(line);
        }
        for wanted in [program, "/bin/sleep\n1000", "@session", "@login"] {
            assert!(names.iter().any(|line| line.contains(wanted)), "{wanted}: {names:?}");
        }
        console.finish("q");
        let sleep = |pid: &Pid| of_process(*pid, "cmdline").starts_with("/bin/sleep");
        guard
            .processes()
            .into_iter()
            .filter(sleep)
            .for_each(|pid| send_signal(pid, Signal::SIGKILL));
    }
}

/// The exit status of a command, and what it says.
fn ending(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_passphrase_that_is_none_keeps_both_sides_from_starting() {
    let guard = Guard::new();
    let file = |name: &str, bytes: &[u8], mode: u32| {
        let path = guard.directory().join(name);
        std::fs::write(&path, bytes).expect("own directory");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("own file");
        format!("file:{}", path.display())
    };
    let missing = format!("file:{}", guard.directory().join("missing").display());
    let none = "a passphrase has 1 to 128 printable ASCII characters in one line";
    for (place, said) in [
        (missing, "No such file or directory"),
        ("env:NO_SUCH_VARIABLE".to_owned(), "the variable is not set"),
        (file("public", b"sesame", 0o644), "everybody can read it (mode 644); chmod 600 it"),
        (file("empty", b"\n", 0o600), none),
        (file("two", b"open\nsesame\n", 0o600), none),
        ("env:EMPTY".to_owned(), none),
    ] {
        let text = format!("password={place}: {said}");
        let mut dbgsrv = guard.command(programs::dbgsrv());
        dbgsrv.args(["-t", &format!("tcp:port=0,password={place}")]).env("EMPTY", "");
        let (code, heard) = ending(dbgsrv);
        assert_eq!((code, heard.lines().count()), (Some(1), 1), "{heard}");
        assert!(heard.starts_with("dbgsrv: ") && heard.contains(&text), "{heard}");
        // It is looked at before anybody is called.
        let premote = format!("tcp:server=localhost,port=1,password={place}");
        let mut cdb = cdb(&guard, &premote, "/bin/true");
        let (code, heard) = ending({
            cdb.env("EMPTY", "");
            cdb
        });
        assert_eq!((code, heard.lines().count()), (Some(1), 1), "{heard}");
        assert!(heard.starts_with("cdb: cannot connect to tcp:"), "{heard}");
        assert!(heard.contains(&text), "{heard}");
    }
}
