//! The text of source files, from wherever it can be had: this machine, files that are kept, the
//! server's machine, debuginfod servers. It knows the paths that compilers saw; which line belongs
//! to which instruction it does not.

mod path;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use dbgbase::TargetId;
use dbgsym::ImageBytes;

pub(crate) use path::SourcePath;

use crate::client::Client;
use crate::modules::SymbolSource;
use crate::symbol_path::names;
use crate::symbols::{SearchOutcome, Store, Wanted, download};
use crate::{Error, ErrorKind, symbol_files};

/// No source is longer; generated ones are a few megabytes.
const FILE_LEN_MAX: usize = 64 * 1024 * 1024;

/// The text of one source file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFile {
    source: SymbolSource,
    text: String,
    lines: Vec<Range<usize>>,
}

impl SourceFile {
    fn new(source: SymbolSource, bytes: &[u8]) -> SourceFile {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let bare = line.trim_end_matches(['\n', '\r']);
            lines.push(start..start + bare.len());
            start += line.len();
        }
        SourceFile { source, text, lines }
    }

    /// Where the text comes from.
    pub fn source(&self) -> &SymbolSource {
        &self.source
    }

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A line without its end; the first one is 1.
    pub fn line(&self, number: usize) -> Option<&str> {
        self.text.get(self.lines.get(number.checked_sub(1)?)?.clone())
    }
}

/// Who compiled a source file into what: what is needed to find it elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct SourceWanted<'a> {
    /// The full path that the compiler saw.
    pub(crate) compiled: &'a str,
    /// That of the module it was compiled into.
    pub(crate) build_id: Option<&'a [u8]>,
    /// The target that executes the module.
    pub(crate) target: Option<TargetId>,
}

/// The path that a compiler saw, and the build-id of what it made.
type Key = (String, Vec<u8>);

/// Finds source files and remembers what it found, and what it did not.
#[derive(Default)]
pub(crate) struct SourceFinder {
    path: SourcePath,
    found: RefCell<HashMap<Key, Option<Arc<SourceFile>>>>,
}

impl SourceFinder {
    pub(crate) fn path(&self) -> &SourcePath {
        &self.path
    }

    pub(crate) fn set_path(&mut self, path: SourcePath) {
        self.path = path;
        self.forget();
    }

    /// Everything is looked for anew.
    pub(crate) fn forget(&self) {
        self.found.borrow_mut().clear();
    }

    /// The text of a source file.
    ///
    /// **Shape**: `None` if it is nowhere.
    /// **Errors**: `Cancelled`, and those of the connection.
    /// **Cost**: none later. If this machine has the file, none; else two round trips, and then an
    /// HTTP request for each server.
    pub(crate) fn find(
        &self,
        client: &Client,
        store: &Store,
        wanted: SourceWanted<'_>,
    ) -> Result<Option<Arc<SourceFile>>, Error> {
        let key = (wanted.compiled.to_owned(), wanted.build_id.unwrap_or_default().to_vec());
        if let Some(known) = self.found.borrow().get(&key) {
            return Ok(known.clone());
        }
        let found = match self.on_this_machine(store, wanted.compiled) {
            Some(found) => Some(found),
            None => self.elsewhere(client, store, wanted)?,
        };
        let found = found.map(Arc::new);
        self.found.borrow_mut().insert(key, found.clone());
        Ok(found)
    }

    fn on_this_machine(&self, store: &Store, compiled: &str) -> Option<SourceFile> {
        self.path.files(compiled).into_iter().find_map(|file| {
            let bytes = symbol_files::open(&file).ok();
            let bytes = bytes.filter(|bytes| bytes.as_slice().len() <= FILE_LEN_MAX);
            let outcome =
                if bytes.is_some() { SearchOutcome::Taken } else { SearchOutcome::Absent };
            store.notes.add(file_name(compiled), file.display(), outcome);
            Some(SourceFile::new(SymbolSource::Local(file), bytes?.as_slice()))
        })
    }

    /// Kept files, the server's machine, servers of symbols.
    fn elsewhere(
        &self,
        client: &Client,
        store: &Store,
        wanted: SourceWanted<'_>,
    ) -> Result<Option<SourceFile>, Error> {
        let compiled = path::normal(std::path::Path::new(wanted.compiled));
        let Some(compiled) = compiled.to_str().filter(|path| path.starts_with('/')) else {
            return Ok(None);
        };
        let request = format!("source{}", names::url_path(compiled));
        let kept_as = names::source(compiled);
        let by_id = wanted.build_id.map(|build_id| Wanted {
            build_id,
            request: &request,
            kept_as: &kept_as,
            name: file_name(compiled),
        });
        if let Some((bytes, source)) = by_id.and_then(|wanted| store.kept(wanted)) {
            return Ok(Some(SourceFile::new(source, bytes.as_slice())));
        }
        if let Some(target) = wanted.target {
            match download(client, Some(target), compiled.as_bytes(), store) {
                Ok(bytes) if bytes.len() <= FILE_LEN_MAX => {
                    let source = SymbolSource::Server(compiled.into());
                    store.notes.add(file_name(compiled), &source, SearchOutcome::Taken);
                    return Ok(Some(SourceFile::new(source, &bytes)));
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => {
                    store.check_cancelled()?;
                    return Err(error);
                }
                Err(error) if error.kind() == ErrorKind::NotConnected => return Err(error),
                _ => store.notes.add(
                    file_name(compiled),
                    SymbolSource::Server(compiled.into()),
                    SearchOutcome::Absent,
                ),
            }
        }
        let Some(by_id) = by_id else { return Ok(None) };
        let is_text = |bytes: &ImageBytes| bytes.as_slice().len() <= FILE_LEN_MAX;
        let places = self.path.servers(store.environment());
        let fetched = store.fetch_also_from(places, by_id, &is_text)?;
        Ok(fetched.map(|(bytes, source)| SourceFile::new(source, bytes.as_slice())))
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one_and_have_no_ends() {
        let file = SourceFile::new(SymbolSource::Memory, b"one\r\n\ntwo\xff\nlast");
        assert_eq!(file.len(), 4);
        let lines: Vec<_> = (0..6).map(|number| file.line(number)).collect();
        let expected = [None, Some("one"), Some(""), Some("two\u{fffd}"), Some("last"), None];
        assert_eq!(lines, expected);
        assert!(SourceFile::new(SymbolSource::Memory, b"").is_empty());
        assert_eq!(SourceFile::new(SymbolSource::Memory, b"x\n").len(), 1);
    }
}
