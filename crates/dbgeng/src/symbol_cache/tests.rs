//! Kept files: whole or not there, whoever writes at the same time and whatever breaks later.

use std::thread;

use super::*;

const ID: [u8; 20] = [0x1d; 20];

fn kept_file(root: &Path) -> PathBuf {
    root.join(names::in_store(&ID, "debuginfo").expect("long enough"))
}

#[test]
fn what_was_put_is_found_again() {
    let root = tempfile::tempdir().expect("a directory");
    let root = root.path().join("not/made/yet");
    let cache = SymbolCache::new(&root);
    assert!(cache.get(&ID, "debuginfo").is_none());
    for contents in [&b"contents"[..], b"", b"newer contents"] {
        let path = cache.put(&ID, "debuginfo", contents).expect("kept");
        assert_eq!(path, kept_file(&root));
        let (from, bytes) = cache.get(&ID, "debuginfo").expect("found");
        assert_eq!((from, bytes.as_slice()), (path, contents));
    }
    assert!(cache.get(&ID, "executable").is_none());
    assert!(cache.get(&[0x1e; 20], "debuginfo").is_none());
    assert!(cache.put(b"short", "debuginfo", b"x").is_none(), "no hash, no key");
}

#[test]
fn every_kind_of_damage_is_seen_and_removed() {
    let root = tempfile::tempdir().expect("a directory");
    let cache = SymbolCache::new(root.path());
    let path = kept_file(root.path());
    cache.put(&ID, "debuginfo", b"contents").expect("kept");
    let good = fs::read(&path).expect("readable");
    let cut = (0..good.len()).map(|len| good[..len].to_vec());
    let flipped = (0..good.len() * 8).map(|bit| {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let longer = [[&good[..], b"\0"].concat(), [b"x", &good[..]].concat()];
    for damaged in cut.chain(flipped).chain(longer) {
        fs::write(&path, &damaged).expect("writable");
        assert!(cache.get(&ID, "debuginfo").is_none(), "{damaged:x?}");
        assert!(!path.exists());
    }
    fs::write(&path, &good).expect("writable");
    assert!(cache.get(&ID, "debuginfo").is_some());
}

#[test]
fn what_is_not_finished_is_not_there() {
    let root = tempfile::tempdir().expect("a directory");
    let cache = SymbolCache::new(root.path());
    let mut writer = cache.create(&ID, "debuginfo").expect("begun");
    writer.write_all(b"half").expect("written");
    assert!(cache.get(&ID, "debuginfo").is_none());
    let file = writer.finish().expect("written");
    assert_eq!(file.bytes().as_slice(), b"half");
    assert!(cache.get(&ID, "debuginfo").is_none(), "nobody has said that it is good");
    drop(file);
    let directory = kept_file(root.path());
    let left = fs::read_dir(directory.parent().expect("has one")).expect("made").count();
    assert_eq!(left, 0);
}

#[test]
fn old_halves_of_dead_processes_are_removed() {
    let root = tempfile::tempdir().expect("a directory");
    let cache = SymbolCache::new(root.path());
    cache.put(&ID, "executable", b"x").expect("kept");
    let directory = root.path().join(names::hex(&ID));
    let (old, young) = (directory.join(".under-way-1-0"), directory.join(".under-way-1-1"));
    for (path, age) in [(&old, 2 * ABANDONED_AFTER), (&young, Duration::ZERO)] {
        let file = File::create(path).expect("made");
        file.set_modified(SystemTime::now() - age).expect("set");
    }
    cache.put(&ID, "debuginfo", b"y").expect("kept");
    assert!(!old.exists() && young.exists());
    assert!(cache.get(&ID, "executable").is_some());
}

#[test]
fn what_lies_where_a_file_would_be_written_is_left_alone() {
    let root = tempfile::tempdir().expect("a directory");
    let victim = root.path().join("victim");
    fs::write(&victim, b"precious").expect("written");
    let cache = SymbolCache::new(root.path());
    let kept = cache.put(&ID, "executable", b"x").expect("kept");
    let directory = kept.parent().expect("it is in one");
    let next = WRITERS.load(Ordering::Relaxed);
    for number in next..next + 500 {
        let name = format!(".under-way-{}-{number}", std::process::id());
        std::os::unix::fs::symlink(&victim, directory.join(name)).expect("made");
    }
    cache.put(&ID, "debuginfo", b"contents").expect("kept under another name");
    assert_eq!(fs::read(&victim).expect("readable"), b"precious");
    let (_, bytes) = cache.get(&ID, "debuginfo").expect("found");
    assert_eq!(bytes.as_slice(), b"contents");
}

/// Each of several writers and readers sees whole files only.
#[test]
fn several_may_write_and_read_at_once() {
    let root = tempfile::tempdir().expect("a directory");
    let contents: Vec<Vec<u8>> = (1..=4u8).map(|n| vec![n; 10_000 * usize::from(n)]).collect();
    let cache = SymbolCache::new(root.path());
    thread::scope(|scope| {
        for mine in &contents {
            scope.spawn(|| {
                for _ in 0..50 {
                    cache.put(&ID, "debuginfo", mine).expect("kept");
                    let (_, bytes) = cache.get(&ID, "debuginfo").expect("always a whole one");
                    assert!(contents.iter().any(|whole| whole == bytes.as_slice()));
                }
            });
        }
    });
}

#[test]
fn files_that_were_used_longest_ago_go_first_and_only_ours() {
    let root = tempfile::tempdir().expect("a directory");
    let cache = SymbolCache::new(root.path());
    let ids: Vec<[u8; 20]> = (1..=5).map(|number| [number; 20]).collect();
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now();
    let set_used = |path: &Path, hours: u32| {
        let file = File::options().append(true).open(path).expect("ours");
        file.set_modified(now - hour * hours).expect("ours");
    };
    let len = 1000 + TRAILER_LEN;
    let paths: Vec<PathBuf> = ids
        .iter()
        .zip([10, 50, 30, 40, 20])
        .map(|(id, hours)| {
            let path = cache.put(id, "debuginfo", &[7; 1000]).expect("kept");
            set_used(&path, hours);
            path
        })
        .collect();
    let there = || paths.iter().map(|path| path.exists()).collect::<Vec<_>>();
    // Others' files count, but stay; so does what links lead to, and what is under way.
    let other = paths[1].with_file_name("debuginfo-of-another");
    fs::write(&other, [0; 1000]).expect("own directory");
    set_used(&other, 100);
    let far = tempfile::tempdir().expect("a directory");
    let precious = SymbolCache::new(far.path()).put(&ids[0], "names", b"far away").expect("kept");
    std::os::unix::fs::symlink(far.path(), root.path().join("ab")).expect("own directory");
    std::os::unix::fs::symlink(&precious, paths[0].with_file_name("names")).expect("the same");
    let under_way = cache.create(&ids[2], "executable").expect("begun");

    cache.prune(6 * len);
    assert_eq!(there(), [true; 5], "they fit");
    // Being read is use.
    assert!(cache.get(&ids[1], "debuginfo").is_some());
    cache.prune(3 * len + 1000);
    assert_eq!(there(), [true, true, false, false, true], "the oldest two go");
    assert!(!paths[3].parent().expect("of a build").exists(), "nothing is left of the build");
    cache.prune(0);
    assert_eq!(there(), [false, true, false, false, false], "the last remains");
    assert!(other.exists() && precious.exists());
    drop(under_way.finish().expect("nothing was taken from under it"));
}
