//! Starting the torture test, which is a test program of the process server, and knows its options.
//! Here is only known which test that is.

use std::path::Path;

use anyhow::Result;

use crate::programs;

/// Runs it with these options.
pub(crate) fn run(root: &Path, options: &[&str]) -> Result<()> {
    let test = ["test", "--package", "dbgsrv", "--test", "torture", "--locked", "--"];
    programs::run(root, "cargo", &[&test, options].concat(), &[])
}
