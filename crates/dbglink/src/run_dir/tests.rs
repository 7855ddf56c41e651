//! Which directory is the default, and which directories are trusted.

use super::*;
use std::os::unix::fs::symlink;

fn default_for(uid: u32, set: Option<&str>, session: Option<&str>) -> RunDir {
    RunDir::default_for(uid, set.map(OsStr::new), session.map(OsStr::new))
}

fn searched(run_dir: &RunDir) -> Vec<&str> {
    run_dir.searched().map(|path| path.to_str().expect("UTF-8")).collect()
}

#[test]
fn root_has_one_directory() {
    let run_dir = default_for(0, None, Some("/run/user/0"));
    assert_eq!(searched(&run_dir), ["/run/dbgsrv"]);
    assert_eq!(run_dir.own_mode, 0o755);
}

#[test]
fn users_have_their_session_and_look_elsewhere_too() {
    let run_dir = default_for(1000, None, Some("/run/user/1000"));
    assert_eq!(searched(&run_dir), ["/run/user/1000/dbgsrv", "/tmp/dbgsrv-1000", "/run/dbgsrv"]);
    assert_eq!(run_dir.own_mode, 0o700);
    for session in [None, Some(""), Some("run/user/1000")] {
        let run_dir = default_for(1000, None, session);
        let places = ["/tmp/dbgsrv-1000", "/run/user/1000/dbgsrv", "/run/dbgsrv"];
        assert_eq!(searched(&run_dir), places, "{session:?}");
    }
}

#[test]
fn a_directory_that_was_set_is_the_only_one() {
    for uid in [0, 1000] {
        let run_dir = default_for(uid, Some("/x/y"), Some("/run/user/1000"));
        assert_eq!(run_dir, RunDir::at("/x/y"));
        assert_eq!(searched(&run_dir), ["/x/y"]);
    }
    assert_eq!(default_for(1000, Some(""), None), default_for(1000, None, None));
}

#[test]
fn the_longest_default_path_with_the_longest_name_fits_a_socket() {
    let uid = u32::MAX;
    let run_dir = default_for(uid, None, Some(&format!("/run/user/{uid}")));
    let longest = searched(&run_dir).iter().map(|path| path.len()).max().expect("three");
    assert!(longest + 1 + crate::connect_string::PIPE_NAME_LEN_MAX_BYTES <= 107);
}

#[test]
fn the_directory_is_made_with_its_mode_and_only_once() {
    let home = tempfile::tempdir().expect("a directory");
    let run_dir = RunDir { own_mode: 0o755, ..RunDir::at(home.path().join("run")) };
    run_dir.prepare().expect("first");
    run_dir.prepare().expect("again");
    let mode = fs::metadata(run_dir.path()).expect("made").mode() & 0o777;
    assert_eq!(mode, 0o755);
    let deep = RunDir::at(home.path().join("no/run"));
    assert!(matches!(
        deep.prepare(),
        Err(LinkError::RunDir { fault: RunDirFault::Inaccessible(io::ErrorKind::NotFound), .. })
    ));
}

fn fault_of(path: &Path) -> Option<RunDirFault> {
    match check(path) {
        Ok(()) => None,
        Err(LinkError::RunDir { fault, .. }) => Some(fault),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_others_could_write_to_is_not_trusted() {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path();
    assert_eq!(fault_of(path), None);
    for mode in [0o770, 0o702, 0o1777] {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("own directory");
        assert_eq!(fault_of(path), Some(RunDirFault::WritableByOthers(mode)));
    }
    fs::set_permissions(path, Permissions::from_mode(0o755)).expect("own directory");
    assert_eq!(fault_of(path), None);
    symlink(path, path.join("link")).expect("own directory");
    assert_eq!(fault_of(&path.join("link")), Some(RunDirFault::NotADirectory));
    File::create(path.join("file")).expect("own directory");
    assert_eq!(fault_of(&path.join("file")), Some(RunDirFault::NotADirectory));
}

#[test]
fn only_its_owner_can_open_the_lock() {
    let home = tempfile::tempdir().expect("a directory");
    let run_dir = RunDir::at(home.path());
    let held = run_dir.lock().expect("free");
    let path = home.path().join(LOCK);
    assert_eq!(fs::metadata(&path).expect("made").mode() & 0o777, 0o600);
    let other = File::open(&path).expect("own file");
    assert!(other.try_lock().is_err());
    drop(held);
    assert!(other.try_lock().is_ok());
}
