//! The units in packaging/: what systemd says of them, whether they fit the server and each other,
//! and whether the rights that they leave are enough.

use std::path::{Path, PathBuf};

use dbgbase::ExitStatus;
use dbgsrv::args::{self, Invocation};
use testkit::{Client, DEADLINE, Guard, Process, Testee, procfs, until};

use crate::{PROGRAM, address_of};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd")
}

/// The values of a setting in a unit.
fn settings(file: &str, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder().join(file)).expect("a unit");
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    text.lines().filter_map(value).collect()
}

/// What systemd says of units, with the program under test in the place of the installed one.
fn verify(guard: &Guard, arguments: &[&str], files: &[&str]) -> String {
    let copies = guard.directory().join("units");
    let mut paths = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(folder().join(file)).expect("a unit");
        let path = copies.join(file);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text.replace("/usr/bin/dbgsrv", PROGRAM)).expect("a copy");
        paths.push(path);
    }
    let mut command = guard.command("systemd-analyze");
    command.args(["verify", "--man=no", "--recursive-errors=no"]).args(arguments);
    // Those in folders of units are found by their unit.
    command.args(paths.iter().filter(|path| path.extension().is_none_or(|it| it != "conf")));
    command.env("XDG_RUNTIME_DIR", guard.directory()).env("SYSTEMD_LOG_LEVEL", "warning");
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() || !said.is_empty(), "{files:?}");
    said
}

#[test]
fn systemd_has_nothing_against_the_units() {
    let guard = Guard::new();
    let system = ["dbgsrv.service", "dbgsrv.socket", "dbgsrv.service.d/attach-only.conf"];
    assert_eq!(verify(&guard, &["--system"], &system), "");
    assert_eq!(verify(&guard, &["--user"], &["user/dbgsrv.service"]), "");
    // It does say something where there is something to say.
    let copy = guard.directory().join("units/dbgsrv.service");
    let text = std::fs::read_to_string(&copy).expect("a copy");
    std::fs::write(&copy, text.replace("KillMode=", "KillModes=")).expect("a copy");
    let mut command = guard.command("systemd-analyze");
    let output = command.args(["verify", "--man=no"]).arg(&copy).output().expect("it starts");
    assert!(String::from_utf8_lossy(&output.stderr).contains("KillModes"));
}

#[test]
fn the_units_fit_the_server_and_each_other() {
    for file in ["dbgsrv.service", "user/dbgsrv.service"] {
        let [line] = settings(file, "ExecStart").try_into().expect("one line");
        let words: Vec<std::ffi::OsString> = line.split(' ').skip(1).map(Into::into).collect();
        let Ok(Invocation::Serve(service)) = args::parse(&words) else { panic!("{line}") };
        assert_eq!(service.endpoint.to_string(), "npipe:pipe=dbgsrv");
        assert_eq!(settings(file, "Type"), ["notify"]);
        // Targets are the server's to leave.
        assert_eq!(settings(file, "KillMode"), ["process"]);
        // What it ends with if it cannot start, dbgsrv(1). A client at its socket would wait for as
        // long as systemd tries.
        assert_eq!(settings(file, "RestartPreventExitStatus"), ["1 2"]);
    }
    assert_eq!(settings("dbgsrv.socket", "ListenStream"), ["/run/dbgsrv/dbgsrv"]);
    assert_eq!(settings("dbgsrv.socket", "Accept"), ["no"]);
    let tmpfiles = folder().join("../tmpfiles.d/dbgsrv.conf");
    let tmpfiles = std::fs::read_to_string(tmpfiles).expect("it is there");
    assert!(tmpfiles.lines().any(|line| line == "d /run/dbgsrv 0755 root root -"));
    let writable = settings("dbgsrv.service.d/attach-only.conf", "ReadWritePaths");
    assert_eq!(writable, ["/run/dbgsrv"]);
}

#[test]
fn it_is_told_where_each_file_belongs() {
    fn check(folder: &Path, prefix: &str, text: &str) -> usize {
        let entries = std::fs::read_dir(folder).expect("a folder").flatten();
        let check = |entry: std::fs::DirEntry| {
            let name = format!("{prefix}{}", entry.file_name().to_str().expect("text"));
            if entry.path().is_dir() {
                return check(&entry.path(), &format!("{name}/"), text);
            }
            assert!(name == "README.md" || text.contains(&format!("`{name}`")), "{name}");
            1
        };
        entries.map(check).sum()
    }
    let packaging = folder().join("..");
    let text = std::fs::read_to_string(packaging.join("README.md")).expect("it is there");
    assert!(check(&packaging, "", &text) > 1);
}

#[test]
fn the_rights_that_are_left_are_enough_to_attach() {
    if !testkit::is_root_for("rights that are taken away") {
        return;
    }
    let guard = Guard::new();
    let [rights] = settings("dbgsrv.service.d/attach-only.conf", "CapabilityBoundingSet")
        .try_into()
        .expect("one line");
    let rights: Vec<String> = rights
        .split(' ')
        .map(|name| format!("+{}", name.strip_prefix("CAP_").expect("it").to_ascii_lowercase()))
        .collect();
    let bounding = format!("--bounding-set=-all,{}", rights.join(","));
    let mut command = guard.command("setpriv");
    command.args(["--inh-caps=-all", &bounding, "--no-new-privs", "--", PROGRAM]);
    command.args(["-t", "npipe:pipe=test,password=sesame7", "-audit", "none"]);
    let run_dir = guard.directory().join("run");
    let mut server = Process::spawn(command.env("DBGSRV_RUN_DIR", &run_dir));
    let endpoint = "npipe:server=.,pipe=test,password=sesame7".parse().expect("an endpoint");
    let place = dbglink::RunDir::at(&run_dir);
    let connect = || dbglink::connect(&endpoint, &place, DEADLINE).ok();
    let mut client = Client::open(until("the server to listen", connect));
    // A process of somebody else, who has rights that the server has not.
    let testee = Testee::build("ticks", &[]);
    for starter in [&["setpriv", "--reuid=65534", "--clear-groups"][..], &["env"]] {
        let program = testee.path().to_str().expect("text");
        let words: Vec<&str> = starter.iter().skip(1).copied().chain([program, "2"]).collect();
        let mut process = guard.start(starter[0], &words);
        assert_eq!(process.read_line(), "ready");
        let (target, stop) = client.attach(process.pid());
        client.insert(target, 1, address_of(&testee, &stop, "tick"));
        client.go(target);
        process.write_line("");
        assert_eq!(client.wait_stop().sites(), [1]);
        client.kill(target);
    }
    let login = procfs::pids().into_iter().find(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        procfs::status(*pid, (*pid).into(), "PPid") == Some(server.pid().to_string())
            && line.split(|byte| *byte == 0).nth(1) == Some(b"@login")
    });
    let login = login.expect("it stands between");
    let uids = procfs::status(login, login.into(), "Uid").expect("it lives");
    assert!(uids.split_ascii_whitespace().all(|uid| uid == "65534"), "{uids}");
    drop(client);
    server.signal(dbgbase::Signal::SIGTERM);
    assert_eq!(server.wait(), ExitStatus::Exited(0));
}
