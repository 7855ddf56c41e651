//! Registries in folders of the tests: who is in them, who no longer, and what else may lie there.

use super::*;
use std::os::unix::fs::symlink;

fn endpoint(string: &str) -> ServerEndpoint {
    string.parse().expect("a server")
}

/// A run directory that does not exist yet, in a folder that goes with the first value.
fn place() -> (tempfile::TempDir, RunDir) {
    let home = tempfile::tempdir().expect("a directory");
    let run_dir = RunDir::at(home.path().join("run"));
    (home, run_dir)
}

#[track_caller]
fn listed(run_dir: &RunDir) -> Vec<String> {
    let servers = Registry::of_machine(run_dir).servers().expect("it can be read");
    servers.into_iter().map(|server| server.endpoint).collect()
}

fn files(run_dir: &RunDir) -> Vec<String> {
    let names = fs::read_dir(run_dir.path().join(DIRECTORY)).expect("it exists");
    let mut names: Vec<String> =
        names.map(|name| name.expect("a name").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

#[test]
fn a_server_is_listed_while_it_is_registered() {
    let (_home, run_dir) = place();
    assert_eq!(listed(&run_dir), Vec::<String>::new());
    let registration = register(&endpoint("npipe:pipe=AnotherPipe"), &run_dir).expect("entered");
    let servers = Registry::of_machine(&run_dir).servers().expect("it can be read");
    let [server] = servers.as_slice() else { panic!("{servers:?}") };
    assert_eq!(server.endpoint, "npipe:Pipe=AnotherPipe");
    assert_eq!((server.kind, server.is_hidden), (ServerKind::Process, false));
    assert_eq!(server.pid.value(), std::process::id());
    assert_eq!(server.uid, rustix::process::geteuid().as_raw());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(now.abs_diff(server.started_s) < 60);
    let mode = |path: &Path| fs::metadata(path).expect("it exists").mode() & 0o777;
    assert_eq!(mode(registration.path()), 0o644);
    assert_eq!(mode(&run_dir.path().join(DIRECTORY).join(".lock")), 0o600);
    drop(registration);
    assert_eq!(listed(&run_dir), Vec::<String>::new());
    assert_eq!(files(&run_dir), [".lock"]);
}

#[test]
fn a_hidden_server_is_for_its_own_user() {
    let (_home, run_dir) = place();
    let registration = register(&endpoint("npipe:pipe=x,hidden"), &run_dir).expect("entered");
    assert_eq!(fs::metadata(registration.path()).expect("made").mode() & 0o777, 0o600);
    let servers = Registry::of_machine(&run_dir).servers().expect("it can be read");
    assert!(matches!(servers.as_slice(), [server] if server.is_hidden));
}

#[test]
fn several_servers_of_one_process_are_told_apart() {
    let (_home, run_dir) = place();
    let ports: Vec<String> = (1..=20).map(|port| format!("tcp:Port={port}")).collect();
    let mut registrations: Vec<Registration> = ports
        .iter()
        .map(|string| register(&endpoint(&string.to_lowercase()), &run_dir).expect("entered"))
        .collect();
    let mut found = listed(&run_dir);
    let mut expected = ports.clone();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    registrations.remove(0);
    assert_eq!(listed(&run_dir).len(), 19);
    registrations.push(register(&endpoint("tcp:port=21"), &run_dir).expect("entered"));
    assert_eq!(listed(&run_dir).len(), 20);
}

#[test]
fn many_at_once_lose_nobody() {
    let (_home, run_dir) = place();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let run_dir = &run_dir;
            scope.spawn(move || {
                for round in 1..=25 {
                    let name = format!("thread{thread}_{round}");
                    let server = endpoint(&format!("npipe:pipe={name}"));
                    let registration = register(&server, run_dir).expect("entered");
                    assert!(listed(run_dir).contains(&format!("npipe:Pipe={name}")));
                    drop(registration);
                    assert!(!listed(run_dir).contains(&format!("npipe:Pipe={name}")));
                }
            });
        }
    });
    assert_eq!(files(&run_dir), [".lock"]);
}

/// What a killed server leaves: its entry, which nobody holds any more.
fn kill(mut registration: Registration) -> PathBuf {
    let path = std::mem::take(&mut registration.path);
    drop(registration);
    path
}

#[test]
fn the_entry_of_a_killed_server_is_passed_over_and_removed_by_the_next() {
    let (_home, run_dir) = place();
    let dead = kill(register(&endpoint("npipe:pipe=dead"), &run_dir).expect("entered"));
    fs::write(run_dir.path().join("registry/.4711.new"), "form").expect("own directory");
    assert!(dead.exists());
    assert_eq!(listed(&run_dir), Vec::<String>::new());
    // Other readers are no sign of life.
    let reader = File::open(&dead).expect("it exists");
    reader.try_lock_shared().expect("nobody holds it");
    assert_eq!(listed(&run_dir), Vec::<String>::new());
    let next = register(&endpoint("npipe:pipe=next"), &run_dir).expect("entered");
    assert_eq!(listed(&run_dir), ["npipe:Pipe=next"]);
    assert_eq!(files(&run_dir).len(), 2, "{:?}", files(&run_dir));
    assert_eq!(fs::read_to_string(next.path()).expect("it exists").matches("next").count(), 1);
}

#[test]
fn the_end_of_a_server_does_not_remove_the_entry_of_another() {
    let (_home, run_dir) = place();
    let first = register(&endpoint("npipe:pipe=first"), &run_dir).expect("entered");
    let path = first.path().to_owned();
    fs::remove_file(&path).expect("own file");
    let second = register(&endpoint("npipe:pipe=second"), &run_dir).expect("entered");
    assert_eq!(second.path(), path);
    drop(first);
    assert_eq!(listed(&run_dir), ["npipe:Pipe=second"]);
}

#[test]
fn whatever_else_lies_there_is_passed_over() {
    let (home, run_dir) = place();
    let good = register(&endpoint("npipe:pipe=good"), &run_dir).expect("entered");
    let directory = run_dir.path().join(DIRECTORY);
    let text = fs::read(good.path()).expect("it exists");
    // Held as by a server that lives, and yet no entries.
    let mut held = Vec::new();
    let large = [text.as_slice(), &b"a=b\n".repeat(5000)].concat();
    let future = String::from_utf8_lossy(&text).replace("format=1", "format=2");
    for (name, bytes) in [
        ("1.server", &b"\xff\0garbage"[..]),
        ("2.server", b""),
        ("3.server", &large),
        ("4.server", future.as_bytes()),
        (".5.new", &text),
        ("6.note", &text),
    ] {
        fs::write(directory.join(name), bytes).expect("own directory");
        let file = File::open(directory.join(name)).expect("it exists");
        file.try_lock().expect("nobody holds it");
        held.push(file);
    }
    symlink(good.path(), directory.join("7.server")).expect("own directory");
    symlink("nowhere", directory.join("8.server")).expect("own directory");
    fs::create_dir(directory.join("9.server")).expect("own directory");
    let fifo = directory.join("10.server");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("own directory");
    assert_eq!(listed(&run_dir), ["npipe:Pipe=good"]);
    // Neither does it keep others from entering, nor is it removed while somebody holds it.
    let other = register(&endpoint("npipe:pipe=other"), &run_dir).expect("entered");
    assert_eq!(listed(&run_dir).len(), 2);
    for name in ["1.server", "4.server", "6.note", "7.server", "9.server", "10.server"] {
        assert!(fs::symlink_metadata(directory.join(name)).is_ok(), "{name}");
    }
    drop((good, other, held, home));
}

#[test]
fn a_registry_that_others_can_write_to_is_not_trusted() {
    let (_home, run_dir) = place();
    let _good = register(&endpoint("npipe:pipe=good"), &run_dir).expect("entered");
    let directory = run_dir.path().join(DIRECTORY);
    for path in [run_dir.path(), &directory] {
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("own directory");
        let refused = Registry::of_machine(&run_dir).servers();
        assert!(
            matches!(
                refused,
                Err(LinkError::RunDir { fault: RunDirFault::WritableByOthers(0o777), .. })
            ),
            "{refused:?}"
        );
        assert!(register(&endpoint("npipe:pipe=x"), &run_dir).is_err());
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("own directory");
    }
    assert_eq!(listed(&run_dir), ["npipe:Pipe=good"]);
}

#[test]
fn a_registry_that_cannot_be_made_is_said() {
    let home = tempfile::tempdir().expect("a directory");
    let run_dir = RunDir::at(home.path());
    fs::write(home.path().join(DIRECTORY), "in the way").expect("own directory");
    for result in [
        register(&endpoint("npipe:pipe=x"), &run_dir).map(drop),
        Registry::of_machine(&run_dir).servers().map(drop),
    ] {
        assert!(
            matches!(result, Err(LinkError::RunDir { fault: RunDirFault::NotADirectory, .. })),
            "{result:?}"
        );
    }
}

#[test]
fn everybody_has_the_machines_registry_and_perhaps_others() {
    let here = RunDir::at("/x/y");
    let machine = Registry::of_machine(&here);
    assert_eq!(Registry::of_user_and_machine(&here), [machine]);
    let all = Registry::of_user_and_machine(&RunDir::of_this_user());
    assert_eq!(all.iter().filter(|registry| registry.is_of_machine()).count(), 1);
}
