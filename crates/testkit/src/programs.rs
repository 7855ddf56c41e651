//! Where the programs of the workspace are, for tests of a crate that does not build them itself.
//! It has Cargo build them first, so that no test runs yesterday's.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The process server.
///
/// **Panics** if it cannot be built.
#[track_caller]
pub fn dbgsrv() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("dbgsrv", ["--bin", "dbgsrv"]).join("dbgsrv")).clone()
}

/// What looks after process servers.
///
/// **Panics** if it cannot be built.
#[track_caller]
pub fn dbgsrvctl() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| build("dbgsrvctl", ["--bin", "dbgsrvctl"]).join("dbgsrvctl")).clone()
}

/// The process server that asks its clients who they are: an example of the crate dbgsrv.
///
/// **Panics** if it cannot be built.
#[track_caller]
pub fn doorkeeper() -> PathBuf {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    let build = || build("dbgsrv", ["--example", "doorkeeper"]).join("examples/doorkeeper");
    PATH.get_or_init(build).clone()
}

/// Builds a target of a package with the running test program's profile. The folder in which that
/// profile's programs are.
#[expect(clippy::disallowed_methods, reason = "this is where Cargo is started")]
fn build(package: &str, target: [&str; 2]) -> PathBuf {
    let test = std::env::current_exe().expect("the running program has a path");
    // PROFILE/deps/NAME
    let folder = test.ancestors().nth(2).expect("a test program lies in deps").to_owned();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--package", package]).args(target);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env("CARGO_TARGET_DIR", folder.parent().expect("a target folder"));
    // What Cargo has told this test of its package is not for other packages' build scripts: some
    // would be run again for it, and all that depends on them be built anew.
    let of_package = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    for name in std::env::vars_os().map(|(name, _)| name).filter(of_package) {
        command.env_remove(name);
    }
    if folder.ends_with("release") {
        command.arg("--release");
    }
    let status = command.status().expect("Cargo starts");
    assert!(status.success(), "cannot build {target:?} of {package}");
    folder
}
