//! What `password=` comes to: the words themselves, read from where they are kept, and wiped when
//! they are no longer needed. It proves nothing.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::connect_string::{Password, PasswordSource};

/// The longest passphrase.
const LEN_MAX: usize = 128;

/// A password that is overwritten when it is dropped, as far as safe code can.
pub struct Secret(Vec<u8>);

impl Secret {
    /// The password.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        std::hint::black_box(&self.0);
    }
}

/// Why there is no password.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("password=file:{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        reason: std::io::Error,
    },
    /// Everybody can read the file.
    #[error(
        "password=file:{}: everybody can read it (mode {mode:03o}); chmod 600 it",
        path.display()
    )]
    FileIsPublic {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The variable is not set.
    #[error("password=env:{name}: the variable is not set")]
    Variable {
        /// Which.
        name: String,
    },
    /// It was forgotten ([`Password::forget`]).
    #[error("the password was forgotten")]
    Forgotten,
    /// What is there can be no password.
    #[error(
        "password={place}: a passphrase has 1 to {LEN_MAX} printable ASCII characters in one line"
    )]
    Malformed {
        /// Where.
        place: String,
    },
}

/// Reads a password from where it is kept. A file may end with the end of a line.
///
/// **Errors**: [`SecretError`].
pub fn read_password(password: &Password) -> Result<Secret, SecretError> {
    let (bytes, place) = match password.source() {
        PasswordSource::Forgotten => return Err(SecretError::Forgotten),
        PasswordSource::Literal(text) => return Ok(Secret(text.as_bytes().to_vec())),
        PasswordSource::File(path) => (read_file(path)?, format!("file:{}", path.display())),
        PasswordSource::Environment(name) => {
            let value = std::env::var_os(name);
            let value = value.ok_or_else(|| SecretError::Variable { name: name.to_owned() })?;
            let value = std::os::unix::ffi::OsStringExt::into_vec(value);
            (Secret(value), format!("env:{name}"))
        }
    };
    let is_printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let is_good = (1..=LEN_MAX).contains(&bytes.0.len()) && bytes.0.iter().all(is_printable);
    if is_good { Ok(bytes) } else { Err(SecretError::Malformed { place }) }
}

fn read_file(path: &Path) -> Result<Secret, SecretError> {
    let failed = |reason| SecretError::File { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(SecretError::FileIsPublic { path: path.to_owned(), mode });
    }
    let mut secret = Secret(Vec::with_capacity(2 * LEN_MAX));
    // What is longer than that is no passphrase, however it goes on.
    file.take(2 * LEN_MAX as u64).read_to_end(&mut secret.0).map_err(failed)?;
    if secret.0.ends_with(b"\n") {
        secret.0.pop();
        if secret.0.ends_with(b"\r") {
            secret.0.pop();
        }
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn in_file(bytes: &[u8], mode: u32) -> Result<Vec<u8>, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        std::fs::write(&path, bytes).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
        let password = Password::new(&format!("file:{}", path.display())).expect("a place");
        let secret = read_password(&password).map_err(|error| error.to_string())?;
        Ok(secret.as_bytes().to_vec())
    }

    #[test]
    fn passwords_are_read_from_where_they_are() {
        let literal = Password::new("sesame").expect("a password");
        assert_eq!(read_password(&literal).expect("it is here").as_bytes(), b"sesame");
        for (bytes, expected) in [
            (&b"open sesame"[..], &b"open sesame"[..]),
            (b"open, \"sesame\"\n", b"open, \"sesame\""),
            (b"a\r\n", b"a"),
            (&[b'x'; 128], &[b'x'; 128]),
        ] {
            assert_eq!(in_file(bytes, 0o600).as_deref(), Ok(expected));
        }
        let home = Password::new("env:HOME").expect("a place");
        let home = read_password(&home).expect("it is set");
        assert_eq!(
            Some(home.as_bytes()),
            std::env::var_os("HOME")
                .as_ref()
                .map(|home| { std::os::unix::ffi::OsStrExt::as_bytes(home.as_os_str()) })
        );
    }

    #[test]
    fn what_is_none_is_told() {
        for bytes in [&b""[..], b"\n", b"two\nlines", b"\x07", &[b'x'; 129], &[b'x'; 5000]] {
            let error = in_file(bytes, 0o600).expect_err("it is none");
            assert!(error.contains("1 to 128 printable"), "{error}");
        }
        let error = in_file(b"sesame", 0o644).expect_err("it is public");
        assert!(error.contains("chmod 600"), "{error}");
        let unset = Password::new("env:DBGSRV_NO_SUCH_VARIABLE").expect("a place");
        let error = read_password(&unset).err().expect("it is not set").to_string();
        assert!(error.contains("DBGSRV_NO_SUCH_VARIABLE: the variable is not set"), "{error}");
        let missing = Password::new("file:/nonexistent/secret").expect("a place");
        let error = read_password(&missing).err().expect("it is not there").to_string();
        assert!(error.contains("/nonexistent/secret"), "{error}");
    }
}
