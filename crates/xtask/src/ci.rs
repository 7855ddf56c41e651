//! The whole CI as one table of steps, run in order until one fails. Every machine that checks a
//! change, a person's or a server, runs this and nothing else.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{generate, packages, programs, tidy};

/// One step: cheap ones come first, so that a mistake is found early.
struct Step {
    name: &'static str,
    run: fn(&Path) -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "packages", run: packages::ensure },
    Step { name: "fmt", run: |root| cargo(root, &["fmt", "--all", "--check"], &[]) },
    Step {
        name: "clippy",
        run: |root| {
            let lint = ["clippy", "--workspace", "--all-targets", "--locked", "--"];
            cargo(root, &[&lint[..], &["-D", "warnings"]].concat(), &[])
        },
    },
    Step { name: "tidy", run: tidy::run },
    Step {
        name: "doc",
        run: |root| {
            let strict = [("RUSTDOCFLAGS", "-D warnings")];
            cargo(root, &["doc", "--workspace", "--no-deps", "--locked"], &strict)
        },
    },
    Step { name: "gen", run: generate::check },
    // Tests start the programs of other crates, which `cargo test` alone would not build.
    Step {
        name: "build",
        run: |root| cargo(root, &["build", "--workspace", "--bins", "--locked"], &[]),
    },
    // The other tests do it for a few seconds only.
    Step {
        name: "chaos",
        run: |root| {
            let words = ["test", "--package", "cdb", "--test", "chaos", "--locked", "--", "120"];
            cargo(root, &words, &[])
        },
    },
    Step { name: "test", run: |root| cargo(root, &["test", "--workspace", "--locked"], &[]) },
];

/// Prints the steps' names.
pub(crate) fn list() {
    for step in STEPS {
        println!("{}", step.name);
    }
}

/// Runs the steps of these names, or all if there are none.
pub(crate) fn run(root: &Path, names: &[&str]) -> Result<()> {
    let chosen = choose(names)?;
    let mut times = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        println!("==== {}/{} {}", index + 1, chosen.len(), step.name);
        // What the step's programs print goes past our buffer.
        std::io::stdout().flush().context("the terminal cannot be written")?;
        let start = Instant::now();
        let outcome = (step.run)(root);
        let time = start.elapsed();
        if let Err(error) = outcome {
            println!("==== FAILED {} after {}", step.name, seconds(time));
            return Err(error.context(format!("step {} failed", step.name)));
        }
        println!("==== ok {} in {}", step.name, seconds(time));
        times.push((step.name, time));
    }
    println!("==== passed: {} of {} steps", chosen.len(), STEPS.len());
    for (name, time) in &times {
        println!("{:>10}  {name}", seconds(*time));
    }
    println!("{:>10}  in all", seconds(times.iter().map(|(_, time)| *time).sum()));
    Ok(())
}

fn choose(names: &[&str]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        bail!("there is no step {unknown:?} (see cargo xtask ci --list)");
    }
    let is_chosen = |step: &&Step| names.is_empty() || names.contains(&step.name);
    Ok(STEPS.iter().filter(is_chosen).collect())
}

fn cargo(root: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    println!("{}", programs::line("cargo", args));
    std::io::stdout().flush().context("the terminal cannot be written")?;
    programs::run(root, "cargo", args, environment)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(steps: &[&Step]) -> Vec<&'static str> {
        steps.iter().map(|step| step.name).collect()
    }

    #[test]
    fn no_name_chooses_every_step_and_tests_come_last() {
        let all = choose(&[]).expect("no name is unknown");
        assert_eq!(all.len(), STEPS.len());
        assert_eq!(names(&all).last(), Some(&"test"));
    }

    #[test]
    fn steps_run_in_the_tables_order_whatever_was_asked() {
        let chosen = choose(&["test", "fmt"]).expect("both exist");
        assert_eq!(names(&chosen), ["fmt", "test"]);
        assert!(choose(&["fmtt"]).is_err());
    }
}
