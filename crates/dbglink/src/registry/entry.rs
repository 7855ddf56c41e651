//! What an entry of the registry says, and its written form. Pure: it opens no file.
//!
//! ```text
//!   format=1
//!   kind=process-server
//!   endpoint=npipe:Pipe=AnotherPipe
//!   hidden=no
//!   pid=4711
//!   uid=0
//!   started=1763694000
//! ```
//!
//! `format` comes first; a reader leaves entries of other formats alone. Behind it the order is
//! free and names that a reader does not know are skipped, so that later versions can say more.

use dbgbase::Pid;

/// The longest file that is read.
pub(crate) const ENTRY_LEN_MAX_BYTES: usize = 4096;
/// The longest connection string. The longest that can be asked for is far shorter.
const ENDPOINT_LEN_MAX_BYTES: usize = 1024;
/// The version of the form that is written and read.
const FORMAT: &str = "1";

/// One server of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerEntry {
    /// What it serves.
    pub kind: ServerKind,
    /// Where it listens, as listings show it: [`ServerEndpoint::listing`].
    ///
    /// [`ServerEndpoint::listing`]: crate::ServerEndpoint::listing
    pub endpoint: String,
    /// Whether it asked not to be shown to those who look for a server to connect to.
    pub is_hidden: bool,
    /// Its process, by the number it has in its own pid namespace.
    pub pid: Pid,
    /// The user as whom it runs.
    pub uid: u32,
    /// When it began to listen, in seconds since 1970.
    pub started_s: u64,
}

/// What a server serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerKind {
    /// A process server.
    Process,
}

impl ServerKind {
    /// What listings call it.
    /// **Source**: "Searching for Process Servers".
    pub const fn title(self) -> &'static str {
        match self {
            ServerKind::Process => "Remote Process Server",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            ServerKind::Process => "process-server",
        }
    }
}

/// Why a file is no entry that can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EntryError {
    /// It is longer than any entry.
    TooLong,
    /// It does not begin with a format that is known.
    UnknownFormat,
    /// It is a server of a kind that is not known.
    UnknownKind,
    /// A line is not `name=value` in printable characters.
    BadLine,
    /// This is said twice.
    Twice(&'static str),
    /// This is not said.
    Missing(&'static str),
    /// What is said of this cannot be.
    BadValue(&'static str),
}

impl ServerEntry {
    /// The written form.
    pub(crate) fn to_text(&self) -> String {
        let ServerEntry { kind, endpoint, is_hidden, pid, uid, started_s } = self;
        let kind = kind.word();
        let hidden = if *is_hidden { "yes" } else { "no" };
        format!(
            "format={FORMAT}\nkind={kind}\nendpoint={endpoint}\nhidden={hidden}\npid={pid}\n\
             uid={uid}\nstarted={started_s}\n"
        )
    }

    /// Reads the written form.
    pub(crate) fn parse(bytes: &[u8]) -> Result<ServerEntry, EntryError> {
        if bytes.len() > ENTRY_LEN_MAX_BYTES {
            return Err(EntryError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| EntryError::BadLine)?;
        let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        if lines.next().and_then(|line| line.strip_prefix("format=")) != Some(FORMAT) {
            return Err(EntryError::UnknownFormat);
        }
        let mut said = Said::default();
        for line in lines {
            // What is read here is printed on terminals.
            if line.chars().any(char::is_control) {
                return Err(EntryError::BadLine);
            }
            let (name, value) = line.split_once('=').ok_or(EntryError::BadLine)?;
            said.take(name, value)?;
        }
        said.finish()
    }
}

/// The values of an entry, as far as they have been read.
#[derive(Default)]
struct Said<'t> {
    kind: Option<&'t str>,
    endpoint: Option<&'t str>,
    hidden: Option<&'t str>,
    pid: Option<&'t str>,
    uid: Option<&'t str>,
    started: Option<&'t str>,
}

impl<'t> Said<'t> {
    fn take(&mut self, name: &str, value: &'t str) -> Result<(), EntryError> {
        let (name, place) = match name {
            "kind" => ("kind", &mut self.kind),
            "endpoint" => ("endpoint", &mut self.endpoint),
            "hidden" => ("hidden", &mut self.hidden),
            "pid" => ("pid", &mut self.pid),
            "uid" => ("uid", &mut self.uid),
            "started" => ("started", &mut self.started),
            _ => return Ok(()),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(EntryError::Twice(name)),
        }
    }

    fn finish(self) -> Result<ServerEntry, EntryError> {
        if self.kind.ok_or(EntryError::Missing("kind"))? != ServerKind::Process.word() {
            return Err(EntryError::UnknownKind);
        }
        let endpoint = self.endpoint.ok_or(EntryError::Missing("endpoint"))?;
        if endpoint.is_empty() || endpoint.len() > ENDPOINT_LEN_MAX_BYTES {
            return Err(EntryError::BadValue("endpoint"));
        }
        let is_hidden = match self.hidden {
            Some("yes") => true,
            Some("no") => false,
            Some(_) => return Err(EntryError::BadValue("hidden")),
            None => return Err(EntryError::Missing("hidden")),
        };
        let pid: u32 = number("pid", self.pid)?;
        if pid == 0 {
            return Err(EntryError::BadValue("pid"));
        }
        Ok(ServerEntry {
            kind: ServerKind::Process,
            endpoint: endpoint.to_owned(),
            is_hidden,
            pid: Pid::new(pid),
            uid: number("uid", self.uid)?,
            started_s: number("started", self.started)?,
        })
    }
}

fn number<N: std::str::FromStr>(name: &'static str, value: Option<&str>) -> Result<N, EntryError> {
    let value = value.ok_or(EntryError::Missing(name))?;
    let is_decimal = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| is_decimal);
    number.ok_or(EntryError::BadValue(name))
}

#[cfg(test)]
#[path = "entry/tests.rs"]
mod tests;
