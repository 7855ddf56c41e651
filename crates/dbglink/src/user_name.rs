//! What a user is called, for people to read. It knows the users of this machine's own table only:
//! to ask others, such as a directory service, takes code that a static program cannot load.

/// Where the users of this machine are (passwd(5)).
const TABLE: &str = "/etc/passwd";

/// The name of a user, or `uid 1000` if this machine's own table has none.
pub fn user_name(uid: u32) -> String {
    let table = std::fs::read(TABLE).unwrap_or_default();
    name_in(&String::from_utf8_lossy(&table), uid).unwrap_or_else(|| format!("uid {uid}"))
}

fn name_in(table: &str, uid: u32) -> Option<String> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let is_plain = !name.chars().any(|letter| letter.is_control() || letter.is_whitespace());
        (fields.nth(1)?.parse() == Ok(uid) && is_plain).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let table = "root:x:0:0:root:/root:/bin/sh\n# a comment\n\nalice:x:1000:1000::/:/bin/sh\n\
            bad name:x:7:7::/:\ncut:x\n:x:8:8::/:\n";
        assert_eq!(name_in(table, 0).as_deref(), Some("root"));
        assert_eq!(name_in(table, 1000).as_deref(), Some("alice"));
        for uid in [1, 7, 8, 100] {
            assert_eq!(name_in(table, uid), None, "{uid}");
        }
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(u32::MAX - 7), "uid 4294967288");
    }
}
