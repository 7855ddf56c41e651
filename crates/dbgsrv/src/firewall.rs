//! Opening the machine's firewall for a port, as `IcfEnable` asks for it: by firewalld where it
//! runs, otherwise by nft(8) in each chain that filters what comes in. It knows these programs, not
//! who asks. What was opened stays open, as in the original; nothing that was made by others is
//! changed.

use std::process::{Command, Output};

use crate::spawn;

/// By what our rules are known.
const COMMENT: &str = "dbgsrv IcfEnable";
/// Lists the tables of the firewall before nftables, where there are any.
const LEGACY_TABLES: &str = "/proc/net/ip_tables_names";

/// Opens a TCP port. A machine that filters nothing needs no opening.
///
/// **Errors**: a sentence that says what cannot be done, and the way out.
/// **Cost**: starts several programs.
pub fn open(port: u16) -> Result<(), String> {
    let failed = |why: String| {
        format!(
            "IcfEnable: the firewall cannot be opened for tcp port {port}: {why}; open it by hand \
             and leave IcfEnable out"
        )
    };
    if run("firewall-cmd", &["--state"]).is_ok_and(|output| output.status.success()) {
        let option = format!("--add-port={port}/tcp");
        return done("firewall-cmd", &["--quiet", &option]).map(drop).map_err(failed);
    }
    let legacy = std::fs::read_to_string(LEGACY_TABLES).unwrap_or_default();
    if legacy.lines().any(|table| table == "filter") {
        let why = format!(
            "it is one of iptables-legacy, which this server does not change (iptables -I INPUT -p \
             tcp --dport {port} -j ACCEPT does)"
        );
        return Err(failed(why));
    }
    match run("nft", &["list", "chains"]) {
        // Who has no program to make a firewall has none.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(format!("nft: {error}"))),
        Ok(output) => {
            let chains = text_of("nft", output).map_err(&failed)?;
            let mut chains = input_chains(&chains).into_iter();
            chains.try_for_each(|chain| open_in(&chain, port)).map_err(failed)
        }
    }
}

/// A chain that filters what comes in.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Chain {
    family: String,
    table: String,
    name: String,
}

/// Adds a rule to a chain, before all others, unless it is there.
fn open_in(chain: &Chain, port: u16) -> Result<(), String> {
    let place = [chain.family.as_str(), chain.table.as_str(), chain.name.as_str()];
    let rules = done("nft", &[&["list", "chain"][..], &place].concat())?;
    let rule = format!("tcp dport {port} accept comment \"{COMMENT}\"");
    if rules.lines().any(|line| line.trim() == rule) {
        return Ok(());
    }
    done("nft", &[&["insert", "rule"][..], &place, &[&rule]].concat()).map(drop)
}

/// The chains at the hook for what comes in for this machine, of what `nft list chains` prints:
///
/// ```text
/// table inet filter {
///         chain input {
///                 type filter hook input priority filter; policy drop;
///         }
/// }
/// ```
fn input_chains(text: &str) -> Vec<Chain> {
    let (mut table, mut chain) = (None, None);
    let mut found = Vec::new();
    for line in text.lines() {
        match line.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
            ["table", family @ ("ip" | "ip6" | "inet"), name, "{"] => {
                table = Some((family.to_string(), name.to_string()));
            }
            // Others see no connections.
            ["table", ..] => table = None,
            ["chain", name, "{"] => chain = Some(name.to_string()),
            ["type", "filter", "hook", "input", ..] => {
                if let (Some((family, table)), Some(name)) = (table.clone(), chain.clone()) {
                    found.push(Chain { family, table, name });
                }
            }
            _ => {}
        }
    }
    found
}

fn run(program: &str, arguments: &[&str]) -> std::io::Result<Output> {
    #[expect(clippy::disallowed_methods, reason = "this is where the firewall's programs are run")]
    let mut command = Command::new(program);
    spawn::forget_password(&mut command);
    command.args(arguments).stdin(std::process::Stdio::null()).output()
}

/// What a program prints that does what it is told.
fn done(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = run(program, arguments).map_err(|error| format!("{program}: {error}"))?;
    text_of(program, output)
}

fn text_of(program: &str, output: Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it fails");
    Err(format!("{program}: {first}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_that_filter_what_comes_in_are_found() {
        let text = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority \
                    filter; policy drop;\n\t}\n\tchain forward {\n\t\ttype filter hook forward \
                    priority filter; policy drop;\n\t}\n}\ntable ip nat {\n\tchain in {\n\t\ttype \
                    nat hook input priority 100; policy accept;\n\t}\n\tchain own {\n\t}\n}\n\
                    table bridge b {\n\tchain input {\n\t\ttype filter hook input priority 0; \
                    policy drop;\n\t}\n}\ntable ip6 t {\n\tchain x {\n\t\ttype filter hook input \
                    priority -10; policy accept;\n\t}\n}\n";
        let chain = |family: &str, table: &str, name: &str| Chain {
            family: family.to_owned(),
            table: table.to_owned(),
            name: name.to_owned(),
        };
        assert_eq!(input_chains(text), [chain("inet", "filter", "input"), chain("ip6", "t", "x")]);
        assert_eq!(input_chains("nonsense {\ntype filter hook input\n"), []);
    }
}
