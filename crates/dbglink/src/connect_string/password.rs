//! What `password=` may hold: the password itself, or where a passphrase is kept. It reads no file
//! and no environment variable, and it never shows a password unless asked to by name.

use super::ParseErrorKind;
use std::fmt;
use std::path::Path;

/// The longest password that stands in a string (page "Activating a Process Server").
const PASSWORD_LEN_MAX: usize = 12;

/// A password or the place where a passphrase is kept.
///
/// `Debug` never shows a password. `==` is for tests; it is no way to check one, as it takes the
/// longer the more of it is right.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Kept);

#[derive(Clone, PartialEq, Eq)]
enum Kept {
    Literal(Secret),
    File(String),
    Environment(String),
    Forgotten,
}

/// Where a password comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PasswordSource<'a> {
    /// It stands in the string: 1 to 12 ASCII letters and digits.
    Literal(&'a str),
    /// `file:PATH`: in this file; a relative path is one from the current directory.
    File(&'a Path),
    /// `env:NAME`: in this environment variable.
    Environment(&'a str),
    /// It stood in the string and was forgotten ([`Password::forget`]).
    Forgotten,
}

impl Password {
    /// Reads the value of `password=`.
    ///
    /// **Errors**: [`ParseErrorKind::PasswordTooLong`], [`ParseErrorKind::PasswordCharacter`];
    /// [`ParseErrorKind::PasswordSource`] for a source that names nothing or cannot exist.
    pub fn new(text: &str) -> Result<Password, ParseErrorKind> {
        let refused = |c: char| c == '"' || c.is_control();
        if let Some(path) = text.strip_prefix("file:") {
            if path.is_empty() || path.contains(refused) {
                return Err(ParseErrorKind::PasswordSource);
            }
            return Ok(Password(Kept::File(path.to_owned())));
        }
        if let Some(name) = text.strip_prefix("env:") {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(word) {
                return Err(ParseErrorKind::PasswordSource);
            }
            return Ok(Password(Kept::Environment(name.to_owned())));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ParseErrorKind::PasswordCharacter);
        }
        match text.len() {
            0 => Err(ParseErrorKind::EmptyValue),
            1..=PASSWORD_LEN_MAX => Ok(Password(Kept::Literal(Secret(text.to_owned())))),
            _ => Err(ParseErrorKind::PasswordTooLong),
        }
    }

    /// The password or its place. This is the only way to see a password.
    pub fn source(&self) -> PasswordSource<'_> {
        match &self.0 {
            Kept::Literal(secret) => PasswordSource::Literal(&secret.0),
            Kept::File(path) => PasswordSource::File(Path::new(path)),
            Kept::Environment(name) => PasswordSource::Environment(name),
            Kept::Forgotten => PasswordSource::Forgotten,
        }
    }

    /// Overwrites a password that stood in the string, which is not needed any more: what is left
    /// only says that there is one.
    pub fn forget(&mut self) {
        if let Kept::Literal(_) = self.0 {
            self.0 = Kept::Forgotten;
        }
    }

    /// The value as it stands in a string, with a password shown.
    pub(super) fn reveal(&self) -> String {
        match &self.0 {
            Kept::Literal(secret) => secret.0.clone(),
            Kept::File(path) => format!("file:{path}"),
            Kept::Environment(name) => format!("env:{name}"),
            Kept::Forgotten => "*".to_owned(),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kept::Literal(_) | Kept::Forgotten => f.write_str("Password(*)"),
            Kept::File(path) => write!(f, "Password(file:{path:?})"),
            Kept::Environment(name) => write!(f, "Password(env:{name})"),
        }
    }
}

impl fmt::Debug for PasswordSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordSource::Literal(_) => f.write_str("Literal(*)"),
            PasswordSource::Forgotten => f.write_str("Forgotten"),
            PasswordSource::File(path) => write!(f, "File({path:?})"),
            PasswordSource::Environment(name) => write!(f, "Environment({name:?})"),
        }
    }
}

/// Text that is overwritten when it is dropped, as far as safe code can: the compiler is asked to
/// believe that the zeros are looked at.
#[derive(Clone, PartialEq, Eq)]
struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.0).into_bytes();
        bytes.fill(0);
        std::hint::black_box(&bytes);
    }
}
