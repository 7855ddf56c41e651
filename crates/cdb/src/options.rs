//! Every option of the original's command line, and what becomes of it here. The parser and the
//! help text are made from this table.

/// One option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OptionRow {
    /// Its name, without the dash.
    pub(crate) name: &'static str,
    /// What must follow it, if anything.
    pub(crate) value: Option<&'static str>,
    /// What it does, for the help text; empty for those that are not in it.
    pub(crate) summary: &'static str,
    /// What becomes of it.
    pub(crate) outcome: Outcome,
}

/// What becomes of an option.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It works.
    Works(Meaning),
    /// It is accepted, as what it asks for is so anyway.
    Accepted,
    /// It is refused, for this reason.
    Refused(&'static str),
}

/// What an option that works means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    Help,
    Version,
    Server,
    Pid,
    ProcessName,
    Existing,
    NoBreak,
    Implicit,
    RunAtStart,
    EndWithTarget,
    DetachAtEnd,
    DebugChildren,
    Filter(&'static str),
    SecondChance,
    Commands,
    SymbolPath,
    SourcePath,
    Verbose,
    ListServers,
}

const fn works(
    name: &'static str,
    value: Option<&'static str>,
    summary: &'static str,
    meaning: Meaning,
) -> OptionRow {
    OptionRow { name, value, summary, outcome: Outcome::Works(meaning) }
}

const fn accepted(name: &'static str) -> OptionRow {
    OptionRow { name, value: None, summary: "", outcome: Outcome::Accepted }
}

const fn refused(name: &'static str, reason: &'static str) -> OptionRow {
    OptionRow { name, value: None, summary: "", outcome: Outcome::Refused(reason) }
}

/// One that a value follows, so that it cannot be joined with others.
const fn refused_with(name: &'static str, value: &'static str, reason: &'static str) -> OptionRow {
    OptionRow { name, value: Some(value), summary: "", outcome: Outcome::Refused(reason) }
}

const NOT_YET: &str = "this version does not have it";
const NO_SUCH_THING: &str = "it has no meaning on Linux";
const KERNEL: &str = "there is no kernel debugger to pass control to";
const WINDBG: &str = "it is an option of WinDbg";

/// The table.
pub(crate) const OPTIONS: &[OptionRow] = &[
    works(
        "premote",
        Some("TRANSPORT"),
        "connect to the process server: one of the forms below",
        Meaning::Server,
    ),
    works("p", Some("PID"), "debug the running process with this id (decimal)", Meaning::Pid),
    works(
        "pn",
        Some("NAME"),
        "debug the running process of this name, if there is one only",
        Meaning::ProcessName,
    ),
    works("pe", None, "with -p or -pn: take over a process left by .abandon", Meaning::Existing),
    works("pb", None, "with -p or -pn: let the process run at once", Meaning::NoBreak),
    works(
        "cimp",
        None,
        "start the implicit command line of the process server (dbgsrv -pc)",
        Meaning::Implicit,
    ),
    works("pd", None, "detach from targets at the end of the session", Meaning::DetachAtEnd),
    works("g", None, "run on from the initial breakpoint", Meaning::RunAtStart),
    works("G", None, "end when the last target has ended", Meaning::EndWithTarget),
    works("o", None, "debug child processes too", Meaning::DebugChildren),
    works("xe", Some("EVENT"), "stop at this event or signal, as sxe does", Meaning::Filter("sxe")),
    works("xd", Some("EVENT"), "stop at its second chance, as sxd does", Meaning::Filter("sxd")),
    works("xn", Some("EVENT"), "only show it, as sxn does", Meaning::Filter("sxn")),
    works("xi", Some("EVENT"), "ignore it, as sxi does", Meaning::Filter("sxi")),
    works(
        "x",
        None,
        "stop at access violations that nobody handles: -xd av",
        Meaning::SecondChance,
    ),
    works(
        "c",
        Some("COMMANDS"),
        "execute commands at the first prompt, separated by ;",
        Meaning::Commands,
    ),
    works(
        "y",
        Some("PATH"),
        "look for symbols in these directories, separated by ;",
        Meaning::SymbolPath,
    ),
    works(
        "srcpath",
        Some("PATH"),
        "look for sources in these directories, separated by ;",
        Meaning::SourcePath,
    ),
    works("v", None, "say more", Meaning::Verbose),
    works(
        "QR",
        Some("HOST"),
        "list the process servers of this machine: localhost; must stand alone",
        Meaning::ListServers,
    ),
    works("version", None, "show the version", Meaning::Version),
    works("?", None, "show this text", Meaning::Help),
    // Line numbers, debug heap, read-only pages: as asked for, or without effect on what is shown.
    accepted("lines"),
    accepted("hd"),
    accepted("robp"),
    refused_with("server", "TRANSPORT", "debugging servers are not available"),
    refused_with("remote", "TRANSPORT", "debugging servers are not available"),
    refused_with("psn", "SERVICE", NOT_YET),
    refused("pr", NOT_YET),
    refused_with("pt", "SECONDS", NOT_YET),
    refused("pv", NOT_YET),
    refused("pvr", NOT_YET),
    refused_with("cf", "FILE", NOT_YET),
    refused_with("cfr", "FILE", NOT_YET),
    refused_with("i", "PATH", NOT_YET),
    refused("n", NOT_YET),
    refused("s", NOT_YET),
    refused("ses", NOT_YET),
    refused("sdce", NOT_YET),
    refused("sicv", NOT_YET),
    refused("sins", NOT_YET),
    refused("snc", NOT_YET),
    refused("snul", NOT_YET),
    refused("sup", NOT_YET),
    refused_with("sflags", "FLAGS", NOT_YET),
    refused_with("netsyms", "yes", NOT_YET),
    refused_with("netsym", "yes", NOT_YET),
    refused("failinc", NOT_YET),
    refused_with("loga", "FILE", NOT_YET),
    refused_with("logo", "FILE", NOT_YET),
    refused_with("logau", "FILE", NOT_YET),
    refused_with("logou", "FILE", NOT_YET),
    refused_with("ee", "masm", NOT_YET),
    refused("noshell", "there is no .shell to forbid"),
    refused("noinh", NOT_YET),
    refused("noio", "debugging servers are not available"),
    refused("bonc", NOT_YET),
    refused("2", "a program and its debugger share the terminal"),
    refused_with("clines", "COUNT", "debugging servers are not available"),
    refused_with("z", "FILE", "dump files are not available"),
    refused_with("zd", "FILE", "dump files are not available"),
    refused_with("zp", "FILE", "dump files are not available"),
    refused_with("a", "EXTENSION", "extensions are not available"),
    refused_with("e", "EVENT", NO_SUCH_THING),
    refused("d", KERNEL),
    refused("ddefer", KERNEL),
    refused_with("w", "NAME", NO_SUCH_THING),
    refused_with("wake", "PID", NO_SUCH_THING),
    refused("kqm", KERNEL),
    refused("isd", NO_SUCH_THING),
    refused("myob", NO_SUCH_THING),
    refused("nosqm", NO_SUCH_THING),
    refused("iae", NO_SUCH_THING),
    refused("iaec", NO_SUCH_THING),
    refused("iu", NO_SUCH_THING),
    refused("r", NO_SUCH_THING),
    refused("t", NO_SUCH_THING),
    refused_with("vf", "FILE", NO_SUCH_THING),
    refused("-", NO_SUCH_THING),
    refused_with("tid", "TID", WINDBG),
    refused_with("T", "TITLE", WINDBG),
    refused("Q", WINDBG),
    refused("QY", WINDBG),
    refused("QS", WINDBG),
    refused("QSY", WINDBG),
    refused_with("W", "NAME", WINDBG),
    refused_with("WF", "FILE", WINDBG),
    refused("WX", WINDBG),
    refused_with("lsrcpath", "PATH", WINDBG),
    refused("secure", KERNEL),
    refused("noprio", WINDBG),
    refused("j", WINDBG),
    refused_with("b", "MODE", NO_SUCH_THING),
];

/// The forms of `-premote`, each with what it reaches.
pub(crate) const TRANSPORTS: &[(&str, &str)] = &[
    (
        "npipe:server=HOST,pipe=NAME",
        "a pipe of this machine, which may be called by any of its names; of another one,\n\
         also as USER@HOST, by ssh",
    ),
    ("tcp:server=HOST,port=PORT", "a port"),
    (
        "tcp:clicon=HOST,port=PORT[:LAST]",
        "the server on HOST calls: it is awaited here, at the first free port of a range",
    ),
    (
        "ssl:proto=tls1,certuser=CERT,server=HOST,port=PORT",
        "a port with TLS and certificates on both sides, which dbgsrvctl cert makes and\n\
         trusts; machuser= takes the machine's store, and clicon= is as above",
    ),
    ("spipe:proto=tls1,certuser=CERT,server=HOST,pipe=NAME", "the same at a pipe"),
    ("vsock:cid=NUMBER,port=PORT", "a virtual machine; 2 is the host of this one"),
    (
        "exec:COMMAND",
        "a server that a command leads to: 'exec:ssh HOST dbgsrv -t stdio'; takes nothing more",
    ),
];

/// Options whose names are told apart by case.
const CASE_SENSITIVE: [&str; 4] = ["g", "G", "server", "remote"];

/// The option called exactly `name`; case counts only where it must, and where two names differ in
/// nothing else.
pub(crate) fn find(name: &str) -> Option<&'static OptionRow> {
    let exact = OPTIONS.iter().find(|row| row.name == name);
    exact.or_else(|| {
        OPTIONS
            .iter()
            .filter(|row| !CASE_SENSITIVE.contains(&row.name))
            .find(|row| row.name.eq_ignore_ascii_case(name))
    })
}

/// What `-?` shows.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "usage: cdb [options] PROGRAM [ARGUMENTS]\n\
         \u{20}      cdb [options] -p PID\n\
         \u{20}      cdb [options] -pn NAME\n\
         \u{20}      cdb -QR HOST\n\n",
    );
    for row in OPTIONS.iter().filter(|row| !row.summary.is_empty()) {
        let head = match row.value {
            Some(value) => format!("-{} {value}", row.name),
            None => format!("-{}", row.name),
        };
        text.push_str(&format!("  {head:<20} {}\n", row.summary));
    }
    text.push_str("\nTRANSPORT is one of\n");
    for (form, what) in TRANSPORTS {
        text.push_str(&format!("  {form}\n        {}\n", what.replace('\n', "\n        ")));
    }
    text.push_str(
        "and, but for exec, with ,password=PASSWORD where the server has one; file:PATH and \
         env:NAME\nsay where a longer one is kept. ,ipversion=6 is taken by tcp, and changes \
         nothing.\n",
    );
    text.push_str(
        "\nOptions without a value can be written together, as in -gG. A slash may stand for the \
         dash.\nThe program is the first word that is no option; everything behind it is its own. \
         .help at the\nprompt lists the commands.\n",
    );
    text
}
