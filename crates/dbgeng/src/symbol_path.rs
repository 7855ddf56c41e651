//! The symbol path: what its elements mean, in which directories of this machine files are looked
//! for, and under which names. Pure: it opens nothing and asks nobody.
//!
//! ```text
//! DIR                     a directory
//! cache*DIR               a directory that also keeps what elements to its right give
//! srv*DIR*...*URL         a debuginfod server, and directories that keep what it gives
//! debuginfod:URL          the same without directories (DebugInfoD*URL, as WinDbg spells it)
//! srv*                    the servers that the environment names, or else the public one
//! ```

pub(crate) mod names;

use std::path::{Path, PathBuf};

use dbgsym::Image;

use crate::modules::name::{file_name, without_deleted};
use crate::symbol_environment::SymbolEnvironment;

/// Where distributions put separate debug files.
const SYSTEM_DEBUG_DIRECTORY: &str = "/usr/lib/debug";

/// The public server that knows the files of most distributions.
pub(crate) const PUBLIC_SERVER: &str = "https://debuginfod.elfutils.org";

/// The symbol path as typed, and what it means.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SymbolPath {
    text: String,
    elements: Vec<Element>,
}

/// One element of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Element {
    Directory(PathBuf),
    /// Without a directory: the default one.
    Cache(Option<PathBuf>),
    Server {
        stores: Vec<PathBuf>,
        /// Without any: those of the environment, or else the public one.
        urls: Vec<String>,
    },
}

/// A server to ask, and the directory that keeps what it gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServerPlace {
    /// `https://…`, without `/` at its end.
    pub(crate) url: String,
    /// `None`: nothing is kept.
    pub(crate) cache: Option<PathBuf>,
}

impl SymbolPath {
    /// Reads a path: elements separated by `;`. A path of nothing but directories may use `:`.
    pub(crate) fn new(text: &str) -> SymbolPath {
        let is_plain = !text.contains(';') && !text.contains('*') && !text.contains("://");
        let separator = if is_plain { ':' } else { ';' };
        let texts = text.split(separator).map(str::trim).filter(|element| !element.is_empty());
        SymbolPath { text: text.to_owned(), elements: texts.filter_map(element).collect() }
    }

    /// The path as typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What the path says once every word that stands for a default is replaced by it.
    pub(crate) fn expanded(&self, environment: &SymbolEnvironment) -> String {
        let default = environment.cache_directory.as_deref();
        let shown = |path: &Path| path.display().to_string();
        let expanded = self.elements.iter().map(|element| match element {
            Element::Directory(directory) => shown(directory),
            Element::Cache(directory) => {
                let directory = directory.as_deref().or(default);
                format!("cache*{}", directory.map(shown).unwrap_or_default())
            }
            Element::Server { stores, urls } => {
                let asked = asked(stores, urls, environment);
                let stores = stores.iter().map(|store| shown(store));
                let parts: Vec<String> = stores.chain(asked).collect();
                format!("srv*{}", parts.join("*"))
            }
        });
        expanded.collect::<Vec<_>>().join(";")
    }

    /// The directories that are searched, in their order, and whether each keeps what servers give:
    /// in those, files by build-id are checked before they are used, see [`SymbolPath::caches`].
    pub(crate) fn directories(&self) -> impl Iterator<Item = (&Path, bool)> {
        let directories = self.elements.iter().flat_map(|element| match element {
            Element::Directory(directory) => std::slice::from_ref(directory),
            Element::Cache(directory) => directory.as_slice(),
            Element::Server { stores, .. } => stores,
        });
        let is_cache = |path: &PathBuf| {
            !self.elements.iter().any(|e| matches!(e, Element::Directory(plain) if plain == path))
        };
        directories.map(move |path| (path.as_path(), is_cache(path)))
    }

    /// The directories that keep what servers give, the default one last.
    pub(crate) fn caches<'a>(
        &'a self,
        environment: &'a SymbolEnvironment,
    ) -> impl Iterator<Item = &'a Path> {
        let own = self.elements.iter().flat_map(|element| match element {
            Element::Cache(directory) => directory.as_slice(),
            Element::Server { stores, .. } => stores,
            Element::Directory(_) => &[],
        });
        own.map(PathBuf::as_path).chain(environment.cache_directory.as_deref())
    }

    /// The servers to ask, in their order; those that only the environment names come last.
    ///
    /// **Shape**: empty unless the path or the environment names one: nobody is asked whom the user
    /// did not name.
    pub(crate) fn servers(&self, environment: &SymbolEnvironment) -> Vec<ServerPlace> {
        let mut cache = environment.cache_directory.clone();
        let mut places: Vec<ServerPlace> = Vec::new();
        let mut add = |urls: &[String], cache: Option<&Path>| {
            for url in urls {
                if !places.iter().any(|place| place.url == *url) {
                    places.push(ServerPlace { url: url.clone(), cache: cache.map(Path::to_owned) });
                }
            }
        };
        for element in &self.elements {
            match element {
                Element::Directory(_) => {}
                Element::Cache(Some(directory)) => cache = Some(directory.clone()),
                Element::Cache(None) => cache.clone_from(&environment.cache_directory),
                Element::Server { stores, urls } => {
                    let cache = stores.first().or(cache.as_ref());
                    let urls = asked(stores, urls, environment);
                    add(&urls, cache.map(PathBuf::as_path));
                }
            }
        }
        add(&environment.servers, cache.as_deref());
        places
    }

    /// Files that may be the image of a module, in the order they are to be tried: the same path on
    /// this machine, then in each directory the file's name and the names by build-id.
    pub(crate) fn image_files(&self, module_path: &[u8], build_id: Option<&[u8]>) -> Vec<PathBuf> {
        let (bare, _) = without_deleted(module_path);
        let here = names::path_of(bare);
        let mut files: Vec<PathBuf> = here.is_absolute().then_some(here).into_iter().collect();
        for (directory, is_cache) in self.directories() {
            let name = names::path_of(file_name(module_path));
            let named = (!name.as_os_str().is_empty()).then_some(name);
            let by_id = build_id.and_then(names::image_by_build_id);
            let stored = build_id.and_then(|id| names::in_store(id, "executable"));
            let found = [named, by_id, stored.filter(|_| !is_cache)].into_iter().flatten();
            files.extend(found.map(|name| directory.join(name)));
        }
        files
    }

    /// Files that may be the separate debug file of an image, in the order they are to be tried: by
    /// build-id in each directory and in the system's, then by name as the image's debug link says.
    /// `image_path` is where the image is on this machine, or would be.
    ///
    /// **Source**: GDB manual, "Debugging Information in Separate Files".
    pub(crate) fn debug_files(&self, image: &Image, image_path: &Path) -> Vec<DebugFile> {
        let mut files = Vec::new();
        let system = Path::new(SYSTEM_DEBUG_DIRECTORY);
        let global = || self.directories().chain([(system, false)]);
        if let Some(id) = image.build_id().map(|id| id.as_bytes()) {
            for (directory, is_cache) in global() {
                let stored = names::in_store(id, "debuginfo").filter(|_| !is_cache);
                let found = [names::debug_by_build_id(id), stored].into_iter().flatten();
                let paths = found.map(|name| directory.join(name));
                files.extend(paths.map(|path| DebugFile { path, crc32: None }));
            }
        }
        if let Some(link) = image.debug_link() {
            let crc32 = Some(link.crc32);
            let global = global().map(|(directory, _)| directory);
            let paths = names::by_debug_link(&link.file_name, image_path, global);
            files.extend(paths.into_iter().map(|path| DebugFile { path, crc32 }));
        }
        let name = image_path.file_name().map(Path::new);
        let alike = self.directories().filter_map(|(directory, _)| Some(directory.join(name?)));
        files.extend(alike.map(|path| DebugFile { path, crc32: None }));
        files
    }
}

/// A file that may be a separate debug file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DebugFile {
    pub(crate) path: PathBuf,
    /// What the CRC-32 of its contents must be, if a debug link says so.
    pub(crate) crc32: Option<u32>,
}

/// What one element means. `None` for one that names nothing.
fn element(text: &str) -> Option<Element> {
    let prefixed = |prefix: &str| {
        let head = text.get(..prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then(|| text.get(prefix.len()..)).flatten()
    };
    if let Some(directory) = prefixed("cache*") {
        let directory = directory.trim_matches('*');
        let given = !directory.is_empty();
        return Some(Element::Cache(given.then(|| PathBuf::from(directory))));
    }
    if let Some(url) = prefixed("debuginfod:") {
        let urls = url.split_whitespace().map(server).collect();
        return Some(Element::Server { stores: Vec::new(), urls });
    }
    // `symsrv*DLL*…` names the library that fetches; ours has one way only.
    let stores = prefixed("srv*")
        .or_else(|| prefixed("debuginfod*"))
        .or_else(|| Some(prefixed("symsrv*")?.split_once('*').map_or("", |(_, rest)| rest)));
    if let Some(stores) = stores {
        let parts = stores.split('*').map(str::trim).filter(|part| !part.is_empty());
        let (urls, stores): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.contains("://"));
        return Some(Element::Server {
            stores: stores.into_iter().map(PathBuf::from).collect(),
            urls: urls.into_iter().map(server).collect(),
        });
    }
    if text.contains("://") {
        return Some(Element::Server { stores: Vec::new(), urls: vec![server(text)] });
    }
    (!text.contains('*')).then(|| Element::Directory(PathBuf::from(text)))
}

/// A server's address in the form that others are compared with.
pub(crate) fn server(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

/// The servers that an element makes one ask: `srv*DIR` is a directory and nothing else.
fn asked(stores: &[PathBuf], urls: &[String], environment: &SymbolEnvironment) -> Vec<String> {
    if !urls.is_empty() || !stores.is_empty() {
        return urls.to_vec();
    }
    if environment.servers.is_empty() {
        return vec![PUBLIC_SERVER.to_owned()];
    }
    environment.servers.clone()
}

#[cfg(test)]
#[path = "symbol_path/tests.rs"]
mod tests;
