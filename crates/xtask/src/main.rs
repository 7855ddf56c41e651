//! The project's own automation, run as `cargo xtask COMMAND`. It knows the layout of the
//! repository and no crate of it: it depends on nothing of ours, so that it still builds when they
//! do not.
//!
//! Reading order: [`ci`], then [`tidy`] and its rules, then [`generate`].

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for terminals")]

mod bench;
mod ci;
mod generate;
mod packages;
mod programs;
mod tidy;
mod torture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci [STEP...]            run every check, or only the named steps, and stop at the first failure
  ci --list               print the steps
  torture [OPTION N]...   debug programs that check themselves as cruelly as possible:
                          --seed N, --rounds N or --minutes N, --first N (the first round)
  bench [NAME [ARG...]]   measure, beside other debuggers in the same run
  bench --list            print the benchmarks
  tidy                    check the rules that no compiler checks
  tidy --protocol-hash    print the hash that docs/protocol.md must carry
  tidy --bless-opcodes    add new opcodes, events and error numbers to docs/*.lock
  gen [--check]           write the generated documents, or check that they are fresh";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&root(), &args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path, args: &[&str]) -> Result<()> {
    match args {
        ["ci", "--list"] => {
            ci::list();
            Ok(())
        }
        ["ci", steps @ ..] => ci::run(root, steps),
        ["torture", options @ ..] => torture::run(root, options),
        ["bench", "--list"] => {
            bench::list();
            Ok(())
        }
        ["bench", words @ ..] => bench::run(root, words),
        ["tidy"] => tidy::run(root),
        ["tidy", "--protocol-hash"] => tidy::print_protocol_hash(root),
        ["tidy", "--bless-opcodes"] => tidy::bless_numbers(root),
        ["gen"] => generate::write(root),
        ["gen", "--check"] => generate::check(root),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown command: {}\n{USAGE}", args.join(" ")),
    }
}

/// The repository: two levels above this crate. Cargo sets the variable when it runs a program.
fn root() -> PathBuf {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest_dir.ancestors().nth(2).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
