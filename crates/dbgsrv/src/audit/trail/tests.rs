//! Files that are renamed, full, or none.

use std::os::unix::fs::PermissionsExt;

use std::time::Duration;

use super::*;

fn trail(path: &Path) -> Trail {
    Trail::open(Place::File(path.to_owned())).expect("it can be written").expect("a trail")
}

fn events(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("it is there");
    let event = |line: &str| line.split("]: ").nth(1).expect("an event").to_owned();
    text.lines().map(event).collect()
}

#[test]
fn a_file_is_the_owners_and_may_be_renamed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (path, old) = (directory.path().join("audit"), directory.path().join("audit.1"));
    let first = trail(&path);
    first.write(&Record::new("one"));
    assert_eq!(std::fs::metadata(&path).expect("it").permissions().mode() & 0o777, 0o600);
    std::fs::rename(&path, &old).expect("it is there");
    first.write(&Record::new("two"));
    std::fs::remove_file(&path).expect("it is there again");
    first.write(&Record::new("three"));
    assert_eq!((events(&old), events(&path)), (vec!["one".to_owned()], vec!["three".to_owned()]));
    drop(first);
    // What is there already stays.
    trail(&path).write(&Record::new("four"));
    assert_eq!(events(&path), ["three", "four"]);
}

#[test]
fn several_write_lines_in_one_piece() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit");
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let trail = trail(&path);
            let long = name.repeat(250);
            scope.spawn(move || {
                for _ in 0..200 {
                    trail.write(&Record::new(name).text("x", &long).text("y", &long));
                }
            });
        }
    });
    let events = events(&path);
    assert_eq!(events.len(), 800);
    for event in events {
        let name = &event[..1];
        let long = name.repeat(250);
        assert_eq!(event, format!("{name} x={long} y={long}"));
    }
}

#[test]
fn what_cannot_be_written_is_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit");
    let trail = trail(&path);
    trail.write(&Record::new("one"));
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir(&path).expect("a name");
    trail.write(&Record::new("two"));
    trail.write(&Record::new("three"));
    std::fs::remove_dir(&path).expect("it is there");
    trail.write(&Record::new("four"));
    assert_eq!(events(&path), ["lost count=2", "four"]);
}

#[test]
fn what_is_no_file_is_refused_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a fifo");
    for path in [Path::new("/nonexistent/audit"), Path::new("/dev/null"), &link, &fifo] {
        let error = Trail::open(Place::File(path.to_owned())).err().expect("no file").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_crowd_is_a_number() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("audit");
    let trail = trail(&path);
    let now = Instant::now();
    for _ in 0..25 {
        trail.write_some(now, || Record::new("login"));
    }
    trail.write_some(now + Duration::from_secs(1), || Record::new("login"));
    let mut expected = vec!["login"; 20];
    expected.extend(["logins-left-out count=5", "login"]);
    assert_eq!(events(&path), expected);
}
