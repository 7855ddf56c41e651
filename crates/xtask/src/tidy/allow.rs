//! The allow-list: breaches that are known and have a reason. It may only shrink: an entry that
//! allows more than there is, is a finding itself.

use super::finding::Finding;

/// Where the list is.
pub(super) const ALLOW_PATH: &str = "crates/xtask/tidy-allow.txt";

/// One line of it: how much of one rule's breaches one file may have.
#[derive(PartialEq, Eq, Debug)]
struct Entry {
    line: usize,
    path: String,
    rule: String,
    amount: usize,
}

/// The findings that the list does not allow, and those about the list itself.
pub(super) fn apply(list: &str, findings: Vec<Finding>, rules: &[&str]) -> Vec<Finding> {
    let (entries, mut kept) = read(list, rules);
    for entry in &entries {
        let sum: usize =
            findings.iter().filter(|finding| entry.is_about(finding)).map(|f| f.amount).sum();
        if sum < entry.amount {
            let message = format!("{} {} {} allows too much", entry.path, entry.rule, entry.amount);
            let way_out = match sum {
                0 => "remove the line: nothing needs it any more".to_owned(),
                _ => format!("lower it to {sum}"),
            };
            kept.push(Finding::new(ALLOW_PATH, entry.line, message, way_out));
        }
    }
    let is_allowed = |finding: &Finding| {
        let about = |other: &&Finding| (&other.path, other.rule) == (&finding.path, finding.rule);
        let sum: usize = findings.iter().filter(about).map(|other| other.amount).sum();
        entries.iter().any(|entry| entry.is_about(finding) && sum <= entry.amount)
    };
    kept.extend(findings.iter().filter(|finding| !is_allowed(finding)).cloned());
    kept
}

impl Entry {
    fn is_about(&self, finding: &Finding) -> bool {
        self.path == finding.path && self.rule == finding.rule
    }
}

/// The entries, and what is wrong with the lines that are none.
fn read(list: &str, rules: &[&str]) -> (Vec<Entry>, Vec<Finding>) {
    let mut entries = Vec::new();
    let mut findings = Vec::new();
    for (index, text) in list.lines().enumerate() {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        match entry(index + 1, text, rules) {
            Some(entry) => entries.push(entry),
            None => {
                let message = "the line is not: path rule number reason";
                let way_out = format!("the rules are: {}", rules.join(", "));
                findings.push(Finding::new(ALLOW_PATH, index + 1, message, way_out));
            }
        }
    }
    (entries, findings)
}

fn entry(line: usize, text: &str, rules: &[&str]) -> Option<Entry> {
    let mut words = text.split_whitespace();
    let (path, rule, amount) = (words.next()?, words.next()?, words.next()?);
    let amount = amount.parse().ok()?;
    let has_reason = words.count() >= 2;
    (rules.contains(&rule) && has_reason).then(|| Entry {
        line,
        path: path.to_owned(),
        rule: rule.to_owned(),
        amount,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [&str; 2] = ["file-length", "sleep"];

    fn finding(path: &str, rule: &'static str, amount: usize) -> Finding {
        Finding { rule, ..Finding::new(path, 1, "bad", "mend") }.with_amount(amount)
    }

    fn left(list: &str, findings: Vec<Finding>) -> Vec<String> {
        let kept = apply(list, findings, &RULES);
        kept.iter()
            .map(|f| format!("{}:{} {} ({})", f.path, f.line, f.message, f.way_out))
            .collect()
    }

    #[test]
    fn what_is_listed_is_allowed() {
        let list = "# path rule number reason\n\na.rs file-length 700 one table\n\
                    b.rs sleep 2 the clock itself is tested\n";
        let sleeps = || finding("b.rs", "sleep", 1);
        let findings = vec![finding("a.rs", "file-length", 700), sleeps(), sleeps()];
        assert_eq!(left(list, findings), Vec::<String>::new());
    }

    #[test]
    fn more_than_is_listed_is_not_allowed() {
        let list = "a.rs file-length 700 one table";
        assert_eq!(left(list, vec![finding("a.rs", "file-length", 701)]), ["a.rs:1 bad (mend)"]);
        let others = vec![finding("a.rs", "file-length", 700), finding("a.rs", "sleep", 1)];
        assert_eq!(left(list, others), ["a.rs:1 bad (mend)"]);
    }

    #[test]
    fn the_list_only_shrinks() {
        let list = "a.rs file-length 700 one table";
        assert_eq!(
            left(list, vec![finding("a.rs", "file-length", 650)]),
            ["crates/xtask/tidy-allow.txt:1 a.rs file-length 700 allows too much \
                 (lower it to 650)"]
        );
        assert_eq!(
            left(list, Vec::new()),
            ["crates/xtask/tidy-allow.txt:1 a.rs file-length 700 allows too much \
             (remove the line: nothing needs it any more)"]
        );
    }

    #[test]
    fn a_line_has_a_known_rule_a_number_and_a_reason() {
        for bad in ["a.rs", "a.rs sleeping 1 a reason", "a.rs sleep x a reason", "a.rs sleep 1"] {
            assert_eq!(left(bad, Vec::new()).len(), 1, "{bad}");
        }
    }
}
