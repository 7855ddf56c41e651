//! The names and addresses of machines as strings hold them. It does not resolve them.

use super::ParseErrorKind;
use std::fmt;

/// The longest name of a machine, as in a DNS message (RFC 1035 section 2.3.4).
const HOST_LEN_MAX_BYTES: usize = 255;

/// A machine's name or IP address.
///
/// It is not empty and holds no blanks, no control characters and none of `, " / \ = [ ]`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HostName(String);

impl HostName {
    /// Reads a name or address. Backslashes in front, as in `\\box17`, are dropped; there may be
    /// one or two, because a shell eats every second one. So are the brackets of `[::1]`.
    ///
    /// **Errors**: [`ParseErrorKind::Host`].
    pub fn new(text: &str) -> Result<HostName, ParseErrorKind> {
        let bare = text.strip_prefix(r"\\").or(text.strip_prefix('\\')).unwrap_or(text);
        let bare = bare
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .filter(|inner| inner.contains(':'))
            .unwrap_or(bare);
        let refused = |c: char| c.is_whitespace() || c.is_control() || ",\"/\\=[]".contains(c);
        if bare.is_empty() || bare.len() > HOST_LEN_MAX_BYTES || bare.contains(refused) {
            return Err(ParseErrorKind::Host);
        }
        Ok(HostName(bare.to_owned()))
    }

    /// The name or address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
