//! What the user's environment says about symbols: where to keep files, whom to ask for some. It
//! reads variables that it is handed and touches nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::symbol_path::server;

/// How long a server may send nothing, as debuginfod's own client has it.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What holds for the symbols of all targets. The default keeps nothing and asks nobody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolEnvironment {
    /// Where files that were fetched are kept, for all processes of this user.
    pub cache_directory: Option<PathBuf>,
    /// The debuginfod servers that are asked beside those of the symbol path.
    pub servers: Vec<String>,
    /// How long a server may take to answer, and how long it may send nothing.
    pub timeout: Duration,
    /// A file with the certificates of those who vouch for servers; without one, the system's.
    pub certificates: Option<PathBuf>,
}

impl Default for SymbolEnvironment {
    fn default() -> SymbolEnvironment {
        SymbolEnvironment {
            cache_directory: None,
            servers: Vec::new(),
            timeout: TIMEOUT,
            certificates: None,
        }
    }
}

impl SymbolEnvironment {
    /// What these variables say: `XDG_CACHE_HOME` or `HOME` where files are kept, `DEBUGINFOD_URLS`
    /// whom to ask, `DEBUGINFOD_TIMEOUT` how long to wait, `SSL_CERT_FILE` whom to believe.
    ///
    /// **Source**: debuginfod-client-config(7); XDG Base Directory Specification.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> SymbolEnvironment {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let directory = |name: &str| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = directory("XDG_CACHE_HOME")
            .or_else(|| directory("HOME").map(|home| home.join(".cache")));
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let urls = text("DEBUGINFOD_URLS").unwrap_or_default();
        // Words like `ima:enforcing` are no servers.
        let is_server = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
        let seconds = text("DEBUGINFOD_TIMEOUT").and_then(|text| text.trim().parse().ok());
        let seconds = seconds.filter(|seconds| *seconds > 0);
        SymbolEnvironment {
            cache_directory: cache.map(|cache| cache.join("dbgsrv/symbols")),
            servers: urls.split_whitespace().filter(is_server).map(server).collect(),
            timeout: seconds.map_or(TIMEOUT, Duration::from_secs),
            certificates: set("SSL_CERT_FILE").map(PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> SymbolEnvironment {
        SymbolEnvironment::from_variables(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(OsString::from(found.1))
        })
    }

    #[test]
    fn nothing_said_is_nobody_asked() {
        assert_eq!(environment(&[]), SymbolEnvironment::default());
        let relative = environment(&[("XDG_CACHE_HOME", "cache"), ("DEBUGINFOD_URLS", " ")]);
        assert_eq!(relative, SymbolEnvironment::default());
    }

    #[test]
    fn variables_name_directory_servers_and_patience() {
        let said = environment(&[
            ("HOME", "/home/me"),
            ("DEBUGINFOD_URLS", "https://a.example/ ima:enforcing http://b.example:8002"),
            ("DEBUGINFOD_TIMEOUT", "5"),
        ]);
        assert_eq!(said.cache_directory, Some("/home/me/.cache/dbgsrv/symbols".into()));
        assert_eq!(said.servers, ["https://a.example", "http://b.example:8002"]);
        assert_eq!(said.timeout, Duration::from_secs(5));
        let cache = environment(&[("HOME", "/home/me"), ("XDG_CACHE_HOME", "/var/me")]);
        assert_eq!(cache.cache_directory, Some("/var/me/dbgsrv/symbols".into()));
        assert_eq!(environment(&[("DEBUGINFOD_TIMEOUT", "0")]).timeout, TIMEOUT);
    }
}
