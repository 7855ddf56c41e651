//! Where certificates are kept: a directory of PEM files for the user and one for the machine
//! (RFC 7468). It reads them; what they are good for is decided elsewhere.
//!
//! ```text
//!   STORE/NAME.pem          a certificate, those that vouch for it behind it, and its private key
//!   STORE/trusted/NAME.pem  certificates of others that are trusted, or of who signs for them
//! ```

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use super::certificate::CertificateFacts;
use crate::connect_string::{Certificate, CertificateStore};

/// The store of the machine.
const OF_MACHINE: &str = "/etc/dbgsrv/certificates";
/// Sets the user's store, for tests and unusual systems.
const USER_OVERRIDE: &str = "DBGSRV_USER_CERTIFICATES";
/// The same for the machine's.
const MACHINE_OVERRIDE: &str = "DBGSRV_MACHINE_CERTIFICATES";
/// The directory of what is trusted.
const TRUSTED: &str = "trusted";
/// No file of certificates is longer, in bytes.
pub const PEM_LEN_MAX: u64 = 1024 * 1024;

/// A directory of certificates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Store {
    path: PathBuf,
}

/// A certificate of a store.
#[derive(Debug)]
pub struct StoredCertificate {
    /// Its file.
    pub path: PathBuf,
    /// What it says.
    pub facts: CertificateFacts,
    /// It, and behind it those that vouch for it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key, if it is there.
    pub key: Option<PrivateKeyDer<'static>>,
}

/// Why a store does not give what is asked for.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No certificate has this name or thumbprint.
    #[error(
        "no certificate {wanted} is in {}; dbgsrvctl cert list shows those that are, \
         dbgsrvctl cert new makes one", store.display()
    )]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// Where it was looked for.
        store: PathBuf,
    },
    /// Several have this name.
    #[error("{} and {} are both {wanted}; give its thumbprint", one.display(), other.display())]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// One of them.
        one: PathBuf,
        /// Another one.
        other: PathBuf,
    },
    /// Several are the same one.
    #[error(
        "{} and {} hold the same certificate; remove one of the files", one.display(),
        other.display()
    )]
    Twice {
        /// One of the files.
        one: PathBuf,
        /// Another one.
        other: PathBuf,
    },
    /// Its private key is not in the file.
    #[error(
        "{} has no private key, or an encrypted one; a side can show only a certificate whose key \
         it has, and can read",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The private key is another certificate's.
    #[error(
        "{} has a private key that is not its certificate's; the certificate of that key belongs \
         there, and before all others",
        path.display()
    )]
    KeyOfAnother {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the private key.
    #[error(
        "{} holds a private key and others may read it (mode {mode:03o}); chmod 600 it, and if \
         they have, make a new one",
        path.display()
    )]
    KeyIsPublic {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file is not what it should be.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A file or directory cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        reason: io::Error,
    },
}

impl Store {
    /// The directory behind `certuser=` or `machuser=`.
    ///
    /// The user's is `$DBGSRV_USER_CERTIFICATES`, or `dbgsrv/certificates` in `$XDG_CONFIG_HOME` or
    /// in `~/.config`; the machine's is `$DBGSRV_MACHINE_CERTIFICATES`, or
    /// `/etc/dbgsrv/certificates`. Where `$HOME` is not set, as in a service of root, it is what
    /// the system says.
    pub fn of(which: CertificateStore) -> Store {
        Store::by(which, |name| std::env::var_os(name), std::env::home_dir)
    }

    /// The same by these variables, and by this home where they do not say.
    fn by(
        which: CertificateStore,
        variable: impl Fn(&str) -> Option<OsString>,
        home: impl Fn() -> Option<PathBuf>,
    ) -> Store {
        let set = |name| variable(name).filter(|set| !set.is_empty()).map(PathBuf::from);
        let path = match which {
            CertificateStore::Machine => {
                set(MACHINE_OVERRIDE).unwrap_or_else(|| PathBuf::from(OF_MACHINE))
            }
            CertificateStore::User => set(USER_OVERRIDE).unwrap_or_else(|| {
                // A relative path is to be taken as invalid (XDG Base Directory Specification).
                let config = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
                let home = || set("HOME").or_else(&home).unwrap_or_else(|| PathBuf::from("/"));
                config.unwrap_or_else(|| home().join(".config")).join("dbgsrv/certificates")
            }),
        };
        Store { path }
    }

    /// This directory.
    pub fn at(path: impl Into<PathBuf>) -> Store {
        Store { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where what it trusts is.
    pub fn trusted_path(&self) -> PathBuf {
        self.path.join(TRUSTED)
    }

    /// The certificates that its owner can show, by file name; none if there is no such directory.
    ///
    /// **Errors**: [`StoreError`]; a file that holds no certificate is one.
    pub fn own(&self) -> Result<Vec<StoredCertificate>, StoreError> {
        read_directory(&self.path)
    }

    /// The certificates that are trusted, several to a file; none if there is no such directory.
    ///
    /// **Errors**: as [`own`](Store::own).
    pub fn trusted(&self) -> Result<Vec<StoredCertificate>, StoreError> {
        read_directory(&self.trusted_path())
    }

    /// The one certificate of its owner that is called so.
    ///
    /// **Errors**: [`StoreError`].
    pub fn find_own(&self, wanted: &Certificate) -> Result<StoredCertificate, StoreError> {
        the_one(self.own()?, wanted, &self.path)
    }

    /// The one certificate that is called so, of those that are its owner's and those that are
    /// trusted.
    ///
    /// **Errors**: [`StoreError`].
    pub fn find_any(&self, wanted: &Certificate) -> Result<StoredCertificate, StoreError> {
        let mut all = self.own()?;
        all.extend(self.trusted()?);
        the_one(all, wanted, &self.path)
    }

    /// The one certificate of its owner that is called so, with its key.
    ///
    /// **Errors**: [`StoreError`].
    pub fn find(&self, wanted: &Certificate) -> Result<StoredCertificate, StoreError> {
        let found = self.find_own(wanted)?;
        if found.key.is_none() {
            return Err(StoreError::NoKey { path: found.path });
        }
        let metadata = fs::metadata(&found.path);
        let metadata = metadata.map_err(|reason| unreadable(&found.path, reason))?;
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StoreError::KeyIsPublic { path: found.path, mode });
        }
        Ok(found)
    }
}

impl StoredCertificate {
    /// What is known of each certificate in its file: where that is trusted, all of them are.
    pub fn all(&self) -> impl Iterator<Item = CertificateFacts> {
        self.chain.iter().filter_map(|der| CertificateFacts::of(der))
    }
}

/// The certificates in a text in PEM form, each with its own part of the text; private keys are
/// passed over. `None` if it is no such text.
pub fn read_certificates(text: &[u8]) -> Option<Vec<(CertificateFacts, String)>> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let text = std::str::from_utf8(text).ok()?;
    let mut found = Vec::new();
    for part in text.split(BEGIN).skip(1) {
        let (inner, _) = part.split_once(END)?;
        let pem = format!("{BEGIN}{inner}{END}\n");
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        found.push((CertificateFacts::of(&der)?, pem));
    }
    Some(found)
}

/// The one of these that is called so. `store` is where they are.
fn the_one(
    mut found: Vec<StoredCertificate>,
    wanted: &Certificate,
    store: &Path,
) -> Result<StoredCertificate, StoreError> {
    found.retain(|stored| stored.facts.is_called(wanted));
    if let [one, other, ..] = found.as_slice() {
        let is_same = one.chain.first() == other.chain.first();
        let (one, other) = (one.path.clone(), other.path.clone());
        if is_same {
            return Err(StoreError::Twice { one, other });
        }
        return Err(StoreError::Ambiguous { wanted: wanted.to_string(), one, other });
    }
    let not_found = || StoreError::NotFound { wanted: wanted.to_string(), store: store.to_owned() };
    found.pop().ok_or_else(not_found)
}

fn unreadable(path: &Path, reason: io::Error) -> StoreError {
    StoreError::Unreadable { path: path.to_owned(), reason }
}

fn read_directory(directory: &Path) -> Result<Vec<StoredCertificate>, StoreError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(reason) => return Err(unreadable(directory, reason)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|reason| unreadable(directory, reason))?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read_file(path)).collect()
}

/// The text of a file of certificates, whatever is in it.
///
/// **Errors**: [`StoreError::Unreadable`]; [`StoreError::Malformed`] if it is no file or so long
/// that it can be none of certificates.
pub fn read_pem_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    let metadata = fs::metadata(path).map_err(|reason| unreadable(path, reason))?;
    if !metadata.is_file() || metadata.len() > PEM_LEN_MAX {
        let detail = "is no file of certificates";
        return Err(StoreError::Malformed { path: path.to_owned(), detail });
    }
    fs::read(path).map_err(|reason| unreadable(path, reason))
}

/// Reads a PEM file.
///
/// **Errors**: as [`read_pem_file`]; [`StoreError::Malformed`] if it holds no certificate.
fn read_file(path: &Path) -> Result<StoredCertificate, StoreError> {
    let malformed = |detail| StoreError::Malformed { path: path.to_owned(), detail };
    let bytes = read_pem_file(path)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|_| malformed("is not in PEM form"))?;
    let first = chain.first().ok_or_else(|| malformed("holds no certificate in PEM form"))?;
    let facts = CertificateFacts::of(first);
    let facts = facts.ok_or_else(|| malformed("holds a certificate that cannot be read"))?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).ok();
    Ok(StoredCertificate { path: path.to_owned(), facts, chain, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a store is, by these variables and this home.
    fn place(which: CertificateStore, variables: &[(&str, &str)], home: Option<&str>) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let store = Store::by(which, variable, || home.map(PathBuf::from));
        store.path().display().to_string()
    }

    #[test]
    fn the_user_has_a_store_and_the_machine_another() {
        let both = [(USER_OVERRIDE, "/u"), (MACHINE_OVERRIDE, "/m"), ("HOME", "/home/me")];
        let (user, machine) = (CertificateStore::User, CertificateStore::Machine);
        assert_eq!(place(user, &both, None), "/u");
        assert_eq!(place(machine, &both, None), "/m");
        for (which, variables, home, expected) in [
            (machine, &[][..], None, "/etc/dbgsrv/certificates"),
            (machine, &[(MACHINE_OVERRIDE, "")], None, "/etc/dbgsrv/certificates"),
            (machine, &[(USER_OVERRIDE, "/u")], None, "/etc/dbgsrv/certificates"),
            (user, &[(MACHINE_OVERRIDE, "/m")], Some("/h"), "/h/.config/dbgsrv/certificates"),
            (user, &[("HOME", "/home/me")], None, "/home/me/.config/dbgsrv/certificates"),
            (user, &[("HOME", "/home/me")], Some("/h"), "/home/me/.config/dbgsrv/certificates"),
            (user, &[("HOME", ""), (USER_OVERRIDE, "")], None, "/.config/dbgsrv/certificates"),
            (
                user,
                &[("HOME", "/home/me"), ("XDG_CONFIG_HOME", "/config")],
                None,
                "/config/dbgsrv/certificates",
            ),
            // It has to be a whole path.
            (
                user,
                &[("HOME", "/home/me"), ("XDG_CONFIG_HOME", "config")],
                None,
                "/home/me/.config/dbgsrv/certificates",
            ),
        ] {
            assert_eq!(place(which, variables, home), expected, "{which:?} {variables:?}");
        }
        let own = Store::by(user, |_| None, std::env::home_dir);
        assert_ne!(own.path(), Path::new("/.config/dbgsrv/certificates"));
        assert_eq!(Store::of(machine).trusted_path().file_name(), Some(TRUSTED.as_ref()));
    }
}
