//! The system's packages that the tests need, each with its reason. On a Debian machine root gets
//! the missing ones installed; everyone else is told their names. A test without its tools would
//! have to be skipped, and a skipped test is not a passed one.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::programs;

/// A package of Debian, the program by which it is recognised elsewhere, and who needs it.
struct Package {
    name: &'static str,
    program: &'static str,
    reason: &'static str,
}

const PACKAGES: &[Package] = &[
    Package { name: "binutils", program: "readelf", reason: "a second opinion on ELF files" },
    Package { name: "debuginfod", program: "debuginfod", reason: "a server of symbols" },
    Package { name: "dwz", program: "dwz", reason: "debugging information that programs share" },
    Package { name: "g++", program: "g++", reason: "debuggees in C++" },
    Package { name: "gcc", program: "gcc", reason: "debuggees in C" },
    Package { name: "gdb", program: "gdb", reason: "a second opinion on live programs" },
    Package { name: "gdbserver", program: "gdbserver", reason: "another stub for gdb" },
    Package { name: "git", program: "git", reason: "tidy's list of files" },
    Package { name: "iproute2", program: "ip", reason: "machines of a test's own" },
    Package { name: "libc6-dev", program: "gcc", reason: "debuggees' headers" },
    Package { name: "lldb", program: "lldb", reason: "another debugger for the bridge" },
    Package { name: "musl-tools", program: "musl-gcc", reason: "debuggees with another C library" },
    Package { name: "nftables", program: "nft", reason: "a firewall that is opened" },
    Package { name: "openssh-client", program: "ssh", reason: "the way to another machine" },
    Package { name: "openssh-server", program: "sshd", reason: "another machine's door" },
    Package { name: "openssl", program: "openssl", reason: "somebody else's TLS" },
    Package {
        name: "python3",
        program: "python3",
        reason: "a program that nobody built for debugging",
    },
    Package { name: "systemd", program: "systemd-analyze", reason: "what it says of our units" },
    Package { name: "xz-utils", program: "xz", reason: "symbols packed into stripped programs" },
];

/// Makes sure that every package is there.
pub(crate) fn ensure(root: &Path) -> Result<()> {
    let missing = missing(root);
    if missing.is_empty() {
        println!("{} packages are installed", PACKAGES.len());
        return Ok(());
    }
    for package in &missing {
        println!("missing: {} ({})", package.name, package.reason);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if !is_root() || !programs::is_on_path("apt-get") {
        bail!("the tests need: {} (install them, or run as root on Debian)", names.join(" "));
    }
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    programs::run(root, "apt-get", &["update", "--quiet"], &quiet)
        .context("the package lists cannot be fetched")?;
    let mut install = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    install.extend(&names);
    programs::run(root, "apt-get", &install, &quiet)
}

fn missing(root: &Path) -> Vec<&'static Package> {
    let mut query = vec!["--show", "--showformat=${Package} ${db:Status-Status}\n"];
    query.extend(PACKAGES.iter().map(|package| package.name));
    match programs::output_anyway(root, "dpkg-query", &query) {
        Some(listing) => missing_from(&listing),
        None => PACKAGES.iter().filter(|package| !programs::is_on_path(package.program)).collect(),
    }
}

/// The packages that dpkg-query does not list as installed. It lists no unknown ones, and one that
/// was removed as `config-files`.
fn missing_from(listing: &str) -> Vec<&'static Package> {
    let is_installed =
        |name: &str| listing.lines().any(|line| line.split_once(' ') == Some((name, "installed")));
    PACKAGES.iter().filter(|package| !is_installed(package.name)).collect()
}

/// Whether the effective user is root: the second number of the `Uid:` line, as
/// proc_pid_status(5) says.
fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status")
        .is_ok_and(|status| effective_uid(&status) == Some(0))
}

fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let all: String =
            PACKAGES.iter().map(|package| format!("{} installed\n", package.name)).collect();
        assert!(missing_from(&all).is_empty());
        let removed = all.replace("gdb installed", "gdb config-files");
        let names: Vec<&str> = missing_from(&removed).iter().map(|package| package.name).collect();
        assert_eq!(names, ["gdb"]);
        assert_eq!(missing_from("").len(), PACKAGES.len());
    }

    #[test]
    fn the_effective_user_is_the_second_number() {
        assert_eq!(effective_uid("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(effective_uid("Uid:\t0\t1000\t0\t0\n"), Some(1000));
        assert_eq!(effective_uid("Gid:\t0\t0\t0\t0\n"), None);
    }

    #[test]
    fn the_table_is_sorted_and_each_row_has_a_reason() {
        assert!(PACKAGES.is_sorted_by(|a, b| a.name < b.name));
        assert!(PACKAGES.iter().all(|package| !package.reason.is_empty()));
    }
}
