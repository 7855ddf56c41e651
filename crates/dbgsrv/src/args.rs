//! The command line of dbgsrv: options are case-sensitive, `-t` names the transport. Pure.

use std::ffi::OsString;

use dbglink::ServerEndpoint;

/// What the command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Serve at this endpoint.
    Serve(Box<ServerEndpoint>),
    /// Show the usage text.
    Help,
}

/// What `-?` shows, and what follows an error.
pub const USAGE: &str = "\
usage: dbgsrv -t <transport>

  -t npipe:pipe=<name>[,hidden]
        serve on this machine at a named pipe; %d and %x in the name stand for
        the server's process id, a second one for its thread id
  -t tcp:port=<port>[:<last port>][,hidden][,unprotected]
        serve at a TCP port, the first free one of a range; without
        'unprotected' only to this machine's own user and root
  -?    show this text

A client connects with the same transport and the server's name, as
  cdb -premote npipe:server=localhost,pipe=<name> -p <pid>
  cdb -premote tcp:server=<machine>,port=<port> <program>
";

/// Reads the arguments behind the program's name.
///
/// **Errors**: a sentence that names the argument and what is wrong with it.
pub fn parse(arguments: &[OsString]) -> Result<Invocation, String> {
    let mut transport = None;
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        match text.as_ref() {
            "-?" => return Ok(Invocation::Help),
            "-t" if transport.is_some() => return Err("-t is given twice".to_owned()),
            "-t" => {
                let value = arguments.next().ok_or("-t needs a transport behind it")?;
                let value = value.to_string_lossy();
                let endpoint = value.parse::<ServerEndpoint>();
                let explained = endpoint.map_err(|error| format!("-t {}", error.explain(&value)));
                transport = Some(explained?);
            }
            other => return Err(format!("{other} is not an option of dbgsrv")),
        }
    }
    let endpoint = transport.ok_or("-t is missing: where clients connect must be said")?;
    Ok(Invocation::Serve(Box::new(endpoint)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(arguments: &[&str]) -> String {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        parse(&arguments).expect_err("wrong")
    }

    #[test]
    fn the_manual_page_has_the_options_of_the_usage_text() {
        let manual = include_str!("../man/dbgsrv.1");
        for line in USAGE.lines().filter_map(|line| line.strip_prefix("  -")) {
            let option = &line[..1];
            assert!(manual.contains(&format!(".It Fl {option}")), "-{option} is not in the manual");
        }
    }

    #[test]
    fn a_transport_is_served_and_help_is_help() {
        let arguments = ["-t", "tcp:port=1025:1030"].map(OsString::from);
        let Ok(Invocation::Serve(endpoint)) = parse(&arguments) else { panic!("it is right") };
        assert_eq!(endpoint.to_string(), "tcp:port=1025:1030");
        assert!(matches!(parse(&[OsString::from("-?")]), Ok(Invocation::Help)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(error(&[]).contains("-t is missing"));
        assert!(error(&["-t"]).contains("-t needs"));
        assert!(error(&["-t", "tcp:port=1", "-t", "tcp:port=2"]).contains("twice"));
        assert!(error(&["-T", "tcp:port=1"]).starts_with("-T is not"));
        assert!(error(&["-t", "tcp:port=99999"]).contains("99999"));
        assert!(error(&["-t", "pigeon:loft=1"]).contains("pigeon"));
    }
}
