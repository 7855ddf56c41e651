//! Where an audit trail is kept, as `-audit` says it. Pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where systemd's journal takes messages.
pub(super) const JOURNAL: &str = "/run/systemd/journal/socket";

/// Where an audit trail is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// In systemd's journal.
    Journal,
    /// In a file.
    File(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl Place {
    /// Reads what stands behind `-audit`: `journal`, `none`, or a path with a slash in it.
    ///
    /// **Errors**: a sentence that says so.
    pub fn read(text: &OsStr) -> Result<Place, String> {
        match text.as_bytes() {
            b"journal" => Ok(Place::Journal),
            b"none" => Ok(Place::Nowhere),
            path if path.contains(&b'/') => Ok(Place::File(PathBuf::from(text))),
            _ => Err(format!(
                "{} is neither journal nor none, nor a path; a file here is ./{0}",
                text.display()
            )),
        }
    }

    /// The word by which a session process is told; [`from_word`](Place::from_word) reads it.
    pub(super) fn to_word(&self) -> OsString {
        match self {
            Place::Journal => "journal".into(),
            Place::Nowhere => "none".into(),
            Place::File(path) => path.clone().into(),
        }
    }

    /// The place of a word; `None` also for nowhere.
    pub(super) fn from_word(word: &OsStr) -> Option<Place> {
        Place::read(word).ok().filter(|place| *place != Place::Nowhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_told() {
        for (text, place) in [
            ("journal", Some(Place::Journal)),
            ("none", None),
            ("/var/log/dbgsrv", Some(Place::File("/var/log/dbgsrv".into()))),
            ("./none", Some(Place::File("./none".into()))),
        ] {
            let read = Place::read(text.as_ref()).expect("a place");
            assert_eq!(read.to_word(), text);
            assert_eq!(Place::from_word(text.as_ref()), place);
        }
        for text in ["", "syslog", "audit.log"] {
            let said = Place::read(text.as_ref()).expect_err("no place");
            assert!(said.contains("./"), "{said}");
        }
    }
}
