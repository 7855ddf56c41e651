//! What users are called, for people to read. It knows the users of this machine's own table only:
//! to ask others, such as a directory service, takes code that a static program cannot load.

use std::collections::HashMap;

/// Where the users of this machine are (passwd(5)).
const TABLE: &str = "/etc/passwd";

/// The names of this machine's users, as they were when it was read.
#[derive(Clone, Debug)]
pub struct UserNames {
    by_uid: HashMap<u32, String>,
}

impl UserNames {
    /// Reads the table.
    pub fn read() -> UserNames {
        let table = std::fs::read(TABLE).unwrap_or_default();
        UserNames::parse(&String::from_utf8_lossy(&table))
    }

    fn parse(table: &str) -> UserNames {
        let user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let is_plain = !name.chars().any(|c| c.is_control() || c.is_whitespace());
            let uid = fields.nth(1)?.parse().ok()?;
            is_plain.then(|| (uid, name.to_owned()))
        };
        // Of several names for one user the first counts, as it does in getpwuid(3).
        UserNames { by_uid: table.lines().rev().filter_map(user).collect() }
    }

    /// A user's name, if the table has one.
    pub fn get(&self, uid: u32) -> Option<&str> {
        self.by_uid.get(&uid).map(String::as_str)
    }

    /// A user's name, or `uid 1000` without one.
    pub fn describe(&self, uid: u32) -> String {
        self.get(uid).map_or_else(|| format!("uid {uid}"), str::to_owned)
    }
}

/// A user's name, or `uid 1000` without one; as [`UserNames::describe`], for one user.
pub fn user_name(uid: u32) -> String {
    UserNames::read().describe(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let table = "root:x:0:0:root:/root:/bin/sh\n# a comment\n\nalice:x:1000:1000::/:/bin/sh\n\
            toor:x:0:0::/:\nbad name:x:7:7::/:\ncut:x\n:x:8:8::/:\n";
        let users = UserNames::parse(table);
        assert_eq!(users.get(0), Some("root"));
        assert_eq!(users.describe(1000), "alice");
        for uid in [1, 7, 8, 100] {
            assert_eq!(users.get(uid), None, "{uid}");
        }
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(u32::MAX - 7), "uid 4294967288");
    }
}
