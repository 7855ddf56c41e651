//! Other programs: started here and nowhere else, in the repository's root. It knows no program by
//! name.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `program` with our terminal and fails if it does.
pub(crate) fn run(
    root: &Path,
    program: &str,
    args: &[&str],
    environment: &[(&str, &str)],
) -> Result<()> {
    let status = command(root, program, args)
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("{program} cannot be started"))?;
    if !status.success() {
        bail!("{} ended with {status}", line(program, args));
    }
    Ok(())
}

/// What `program` prints; its errors go to our terminal. Fails if it does.
pub(crate) fn output(root: &Path, program: &str, args: &[&str]) -> Result<String> {
    let output = command(root, program, args)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{program} cannot be started"))?;
    if !output.status.success() {
        bail!("{} ended with {}", line(program, args), output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("{} printed bytes that are not UTF-8", line(program, args)))
}

/// What `program` prints, whether it fails or not; nothing if it cannot be started.
pub(crate) fn output_anyway(root: &Path, program: &str, args: &[&str]) -> Option<String> {
    let output = command(root, program, args).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether an executable of this name lies in a folder of `PATH`.
pub(crate) fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// The command as a person would type it.
pub(crate) fn line(program: &str, args: &[&str]) -> String {
    let mut words = vec![program];
    words.extend(args);
    words.join(" ")
}

#[expect(clippy::disallowed_methods, reason = "the one place of xtask that starts programs")]
fn command(root: &Path, program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root);
    command
}
