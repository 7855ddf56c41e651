//! A pipe of this machine, by everything that the machine is called: nobody is asked for it, and no
//! ssh is started.

use std::ffi::OsString;
use std::io::Write;
use std::process::Command;

use testkit::{Guard, Host, Server, programs};

use crate::console::Console;

const CDB: &str = env!("CARGO_BIN_EXE_cdb");

/// Makes cdb a client of the pipe on a machine of this name. It finds no ssh.
fn to(command: &mut Command, server: &Server, name: &str) {
    let premote = format!("npipe:server={name},pipe=test");
    command.env("DBGSRV_RUN_DIR", server.run_dir()).env("PATH", "/nonexistent");
    command.args(["-premote", &premote, "/bin/true"]);
}

#[track_caller]
fn assert_found(name: &str, cdb: Command) {
    let console = Console::spawn(cdb);
    assert_eq!(console.prompt, "0:000", "{name}: {}", console.banner);
    assert_eq!(console.finish("q").1, 0, "{name}");
}

/// As a pipe of another machine, which only ssh could reach.
#[track_caller]
fn assert_elsewhere(name: &str, mut cdb: Command) {
    let output = cdb.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{name}: {said}");
    assert!(said.contains("by ssh: ssh cannot be started"), "{name}: {said}");
}

/// What uname(1) says of the machine's name.
fn nodename(guard: &Guard) -> String {
    guard.output("uname", &["-n"]).trim().to_owned()
}

#[test]
fn a_pipe_is_found_by_all_names_of_this_machine() {
    let guard = Guard::new();
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let full = nodename(&guard);
    let first = full.split('.').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> =
        [".", "localhost", "LocalHost", "127.0.0.1", "::1", "[::1]"].map(str::to_owned).to_vec();
    for name in [full, first] {
        names.extend([name.to_uppercase(), format!(r"\\{name}"), name]);
    }
    for name in names {
        let mut cdb = guard.command(CDB);
        to(&mut cdb, &server, &name);
        assert_found(&name, cdb);
    }
    let mut cdb = guard.command(CDB);
    to(&mut cdb, &server, "box17.example");
    assert_elsewhere("box17.example", cdb);
}

#[test]
fn a_pipe_is_found_by_addresses_and_by_the_name_with_its_domain() {
    let guard = Guard::new();
    // The cable has two ends, or none.
    let Some((host, _other)) = Host::pair(&guard) else { return };
    let server = Server::npipe(&guard, programs::dbgsrv());
    drop(server.connect());
    let name = nodename(&guard);
    let first = name.split('.').next().unwrap_or_default();
    let (here, there) = (format!("{first}.here.example"), format!("{first}.there.example"));
    let mut hosts = std::fs::File::options().append(true).open(guard.directory().join("hosts"));
    let lines = format!("10.77.0.1 {here}\n10.77.0.2 {there}\n");
    hosts.as_mut().expect("both machines have it").write_all(lines.as_bytes()).expect("room");
    let by = |name: &str| {
        // Found by its path, as it would find ssh otherwise.
        let mut nsenter = OsString::from("/usr/bin/");
        nsenter.push(host.command(&guard, CDB).get_program());
        let mut command = guard.command(nsenter);
        command.args(host.command(&guard, CDB).get_args());
        to(&mut command, &server, name);
        command
    };
    for name in ["10.77.0.1", "fd77::1", "[fd77::1]", &here, &here.to_uppercase()] {
        assert_found(name, by(name));
    }
    // The other machine's.
    for name in ["10.77.0.2", "fd77::2", &there] {
        assert_elsewhere(name, by(name));
    }
}
