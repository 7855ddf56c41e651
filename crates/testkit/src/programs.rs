//! Where the programs of the workspace are, for tests of a crate that does not build them itself.
//! It has Cargo build them first, so that no test runs yesterday's.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The process server.
///
/// **Panics** if it cannot be built.
#[track_caller]
pub fn dbgsrv() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("dbgsrv")).clone()
}

/// Builds one program with the running test program's profile.
#[expect(clippy::disallowed_methods, reason = "this is where Cargo is started")]
fn build(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the running program has a path");
    // PROFILE/deps/NAME
    let folder = test.ancestors().nth(2).expect("a test program lies in deps").to_owned();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--package", name, "--bin", name]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env("CARGO_TARGET_DIR", folder.parent().expect("a target folder"));
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("Cargo starts");
    assert!(status.success(), "cannot build {name}");
    folder.join(name)
}
