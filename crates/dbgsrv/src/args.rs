//! The command line of dbgsrv: options are case-sensitive, `-t` names the transport, and `-c`,
//! `-cs`, `-pc` and `-x` take the rest of the line. Pure.

use std::ffi::OsString;
use std::time::Duration;

use dbglink::ServerEndpoint;

use crate::audit::Place;
use crate::command_line::words;
use crate::sessions::SessionOptions;

/// The longest lease: a day.
const LEASE_MAX_S: u64 = 24 * 60 * 60;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Serve.
    Serve(Box<Service>),
    /// Show the usage text.
    Help,
}

/// How long sessions wait for clients whose links were lost, if nothing else is said.
const LEASE: Duration = Duration::from_secs(60);

/// How to serve.
#[derive(Debug)]
pub struct Service {
    /// Where clients connect.
    pub endpoint: ServerEndpoint,
    /// `-c`, `-cs`: a program to be started once the server listens.
    pub program: Option<StartedProgram>,
    /// `-pc` and `-lease`.
    pub sessions: SessionOptions,
    /// `-audit`: where it is written who was let in and what was done; `None` if nothing is said.
    pub audit: Option<Place>,
}

/// A program that the server starts and does not debug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartedProgram {
    /// The program and its arguments.
    pub words: Vec<Vec<u8>>,
    /// Whether it is left before its first instruction, stopped by SIGSTOP.
    pub is_suspended: bool,
}

/// What `-?` shows, and what follows an error.
pub const USAGE: &str = "\
usage: dbgsrv -t <transport> [-lease <seconds>] [-audit <place>]
              [[-sifeo <image>] -c[s] <command line>]
       dbgsrv -t <transport> [-lease <seconds>] [-audit <place>]
              [-x | -pc <command line>]

  -t npipe:pipe=<name>[,hidden]
        serve on this machine at a named pipe; %d, %x and the like in the name
        stand for the server's process id, a second one for its thread id
  -t tcp:port=<port>[:<last port>][,hidden][,unprotected][,IcfEnable]
        serve at a TCP port, the first free one of a range; without
        'unprotected' only to this machine's own user and root; IcfEnable opens
        the firewall for the port. IPv6 and IPv4 are served, with ,ipversion=6
        or without
  -t tcp:port=<port>,clicon=<client>[,unprotected]
        connect to a client that waits at this port, and serve only that one
  -t spipe:proto=tls1,certuser=<certificate>,pipe=<name>[,hidden]
  -t ssl:proto=tls1,certuser=<certificate>,port=<port>[,hidden]
  -t ssl:proto=tls1,certuser=<certificate>,port=<port>,clicon=<client>
        the same with TLS, to clients whose certificates are trusted; machuser=
        takes the machine's store; 'dbgsrvctl cert' makes and trusts them
  -t vsock:port=<port>[,cid=<number>][,hidden],password=<password> | unprotected
        serve virtual machines and their host (vsock); ports are its own, 0 for any
  -t stdio
        serve whoever has its standard input and output, and end with them
  ,password=<password>
        with any of these but the last: to whoever knows it, encrypted; others hear
        error 0x80004005, and wait longer with each try. file:<path> and env:<name>
        say where a longer one is kept
  -lease <seconds>
        how long a session waits for a client of another machine whose link was
        lost: 60 unless said, 0 for not at all. What was launched stays as it is
        meanwhile, what was attached to for up to 10 seconds
  -audit journal | none | <file>
        where a line is written for each login, and for each request that uses the
        server's rights: the systemd journal, which it is where there is one; a
        file, which is appended to; nowhere
  -c <command line>
        start this program, which is not debugged; clients attach to it. The
        rest of the line is the program and its arguments; a single word is
        cut into words as a shell would
  -cs <command line>
        the same, stopped before its first instruction; cdb -pb lets it run
  -sifeo <image>
        with -c or -cs: do not hold the start of this image
  -pc <command line>
        what a client starts that asks for the implicit command line (cdb -cimp)
  -x    ignore the rest of the line
  -?    show this text

A client connects with the same transport and the server's name, as
  cdb -premote npipe:server=localhost,pipe=<name> -p <pid>
  cdb -premote tcp:server=<machine>,port=<port> <program>
  cdb -premote 'exec:ssh <machine> dbgsrv -t stdio' <program>
";

/// Reads the arguments behind the program's name.
///
/// **Errors**: a sentence that names the argument and what is wrong with it.
pub fn parse(arguments: &[OsString]) -> Result<Invocation, String> {
    let mut transport = None;
    let mut image = None;
    let mut program = None;
    let mut sessions = SessionOptions { implicit: Vec::new(), lease: LEASE };
    let mut has_lease = false;
    let mut audit = None;
    let mut rest = arguments;
    while let Some((argument, behind)) = rest.split_first() {
        rest = behind;
        let text = argument.to_string_lossy();
        match text.as_ref() {
            "-?" => return Ok(Invocation::Help),
            "-t" if transport.is_some() => return Err("-t is given twice".to_owned()),
            "-t" => transport = Some(read_transport(&mut rest)?),
            "-lease" if has_lease => return Err("-lease is given twice".to_owned()),
            "-lease" => {
                sessions.lease = read_lease(&mut rest)?;
                has_lease = true;
            }
            "-audit" if audit.is_some() => return Err("-audit is given twice".to_owned()),
            "-audit" => audit = Some(read_audit(&mut rest)?),
            "-sifeo" => {
                let (name, behind) = rest.split_first().ok_or("-sifeo needs an image behind it")?;
                image = Some(name.to_string_lossy().into_owned());
                rest = behind;
            }
            "-c" | "-cs" | "-pc" => {
                let words = words(rest).map_err(|fault| format!("{text} {fault}"))?;
                match text.as_ref() {
                    "-pc" => sessions.implicit = words,
                    option => {
                        let is_suspended = option == "-cs";
                        program = Some(StartedProgram { words, is_suspended });
                    }
                }
                break;
            }
            "-x" => break,
            other => return Err(format!("{other} is not an option of dbgsrv")),
        }
    }
    let endpoint = transport.ok_or("-t is missing: where clients connect must be said")?;
    if let Some(image) = image.filter(|_| program.is_none()) {
        return Err(format!(
            "-sifeo {image} is about a program that -c or -cs starts, and is alone"
        ));
    }
    Ok(Invocation::Serve(Box::new(Service { endpoint, program, sessions, audit })))
}

fn read_lease(rest: &mut &[OsString]) -> Result<Duration, String> {
    let (value, behind) = rest.split_first().ok_or("-lease needs a number of seconds behind it")?;
    *rest = behind;
    let value = value.to_string_lossy();
    match value.parse() {
        Ok(seconds @ 0..=LEASE_MAX_S) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("-lease {value} is no number of seconds from 0 to {LEASE_MAX_S}")),
    }
}

fn read_transport(rest: &mut &[OsString]) -> Result<ServerEndpoint, String> {
    let (value, behind) = rest.split_first().ok_or("-t needs a transport behind it")?;
    *rest = behind;
    let value = value.to_string_lossy();
    let endpoint = value.parse::<ServerEndpoint>();
    endpoint.map_err(|error| format!("-t {}", error.explain(&value)))
}

fn read_audit(rest: &mut &[OsString]) -> Result<Place, String> {
    let needs = "-audit needs journal, none or a file behind it";
    let (value, behind) = rest.split_first().ok_or(needs)?;
    *rest = behind;
    Place::read(value).map_err(|error| format!("-audit {error}"))
}

#[cfg(test)]
#[path = "args/tests.rs"]
mod tests;
