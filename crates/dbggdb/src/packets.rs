//! The packets that are known, all on one screen, and the way from a payload to its handler. It
//! knows names, not what is behind them.

use crate::session::{Handled, Reply, Session};

/// A packet that is known.
pub(crate) struct Row {
    /// Its name: the first letter, or for families a whole word.
    pub(crate) name: &'static str,
    /// Whether GDB takes errors in words in answer to it, even if it has not said so.
    takes_words: bool,
    /// What carries it out; it is given what follows the name and one separator.
    handler: fn(&mut Session, &[u8]) -> Handled,
    /// What it is for.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by people and by the documentation"))]
    pub(crate) purpose: &'static str,
}

macro_rules! packets {
    ($($name:literal $errors:ident $handler:ident, $purpose:literal;)*) => {
        pub(crate) const PACKETS: &[Row] = &[$(Row {
            name: $name,
            takes_words: packets!(@ $errors),
            handler: Session::$handler,
            purpose: $purpose,
        }),*];
    };
    (@ words) => { true };
    (@ number) => { false };
}

packets! {
    // name, form of its errors, handler, what for
    "!"  number packet_extended, "the debugger stays without a process";
    "?"  number packet_why, "why the target stands still";
    "c"  words packet_continue, "run";
    "C"  words packet_continue_signal, "run with a signal";
    "D"  words packet_detach, "leave a process";
    "g"  number packet_read_registers, "all registers";
    "G"  number packet_write_registers, "change all registers";
    "H"  number packet_select_thread, "the thread that packets are about";
    "k"  number packet_kill, "end everything";
    "m"  number packet_read_memory, "read memory as digits";
    "M"  number packet_write_memory, "write memory as digits";
    "p"  number packet_read_register, "one register";
    "P"  number packet_write_register, "change one register";
    "R"  number packet_restart, "run the program again";
    "s"  words packet_step, "execute one instruction";
    "S"  words packet_step_signal, "the same with a signal";
    "T"  number packet_is_alive, "whether a thread is there";
    "x"  number packet_read_memory_binary, "read memory as bytes";
    "X"  number packet_write_memory_binary, "write memory as bytes";
    "z"  words packet_remove_breakpoint, "remove a breakpoint";
    "Z"  words packet_insert_breakpoint, "insert a breakpoint";

    "vAttach"        words packet_attach, "attach to a process";
    "vCont?"         number packet_vcont_query, "the ways to run that are known";
    "vCont"          words packet_vcont, "let threads run";
    "vCtrlC"         words packet_ctrl_c, "interrupt";
    "vFile"          number packet_file, "files of the server's machine";
    "vKill"          words packet_kill_process, "end a process";
    "vMustReplyEmpty" number packet_unknown, "how unknown packets are answered";
    "vRun"           words packet_run, "start a program";

    "qAttached"       number packet_was_attached, "whether a process was attached to";
    "qC"              number packet_current_thread, "the current thread";
    "qfThreadInfo"    number packet_threads, "ids of all threads";
    "qsThreadInfo"    number packet_more_threads, "the rest of them";
    "qOffsets"        number packet_unknown, "section offsets; debuggers find them otherwise";
    "qRcmd"           words packet_monitor, "commands of this program";
    "qSupported"      number packet_supported, "what both sides understand";
    "qSymbol"         number packet_symbol, "symbols, of which none are needed";
    "qThreadExtraInfo" number packet_thread_name, "a thread's name";
    "qXfer"           words packet_transfer, "read and write objects";

    "QDisableRandomization" words packet_fix_addresses, "address-space randomisation";
    "QEnvironmentHexEncoded" words packet_environment, "a variable for programs to run";
    "QEnvironmentReset" words packet_environment_reset, "the environment as it was";
    "QEnvironmentUnset" words packet_environment_unset, "a variable they do not get";
    "QPassSignals"    words packet_pass_signals, "signals that stop nothing";
    "QProgramSignals" words packet_program_signals, "signals that programs may get";
    "QSetWorkingDir"  words packet_directory, "where programs start";
    "QStartNoAckMode" number packet_no_acknowledgement, "no more acknowledgements";
    "QStartupWithShell" words packet_shell, "whether a shell starts programs";
}

/// Carries out a packet. Whether GDB takes its errors in words.
pub(crate) fn handle(session: &mut Session, payload: &[u8]) -> (Handled, bool) {
    let (name, arguments) = split(payload);
    match PACKETS.iter().find(|row| row.name.as_bytes() == name) {
        Some(row) => ((row.handler)(session, arguments), row.takes_words),
        None => (Ok(Reply::Unknown), false),
    }
}

/// A payload's name and what follows it. Families of packets have words for names, which end at a
/// character that is in no name; that character is dropped. All others have one letter.
fn split(payload: &[u8]) -> (&[u8], &[u8]) {
    let is_family = payload.first().is_some_and(|first| b"qQvj_".contains(first));
    if !is_family {
        return payload.split_at_checked(1).unwrap_or((payload, &[]));
    }
    if payload == b"vCont?" {
        return (payload, &[]);
    }
    let is_separator = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"_-?".contains(byte);
    match payload.iter().position(is_separator) {
        Some(at) => {
            let (name, rest) = payload.split_at(at);
            (name, rest.get(1..).unwrap_or_default())
        }
        None => (payload, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_where_arguments_begin() {
        let split = |text: &'static str| {
            let (name, rest) = split(text.as_bytes());
            (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(rest).into_owned())
        };
        let pair = |name: &str, rest: &str| (name.to_owned(), rest.to_owned());
        assert_eq!(split("m7fff,4"), pair("m", "7fff,4"));
        assert_eq!(split("qC"), pair("qC", ""));
        assert_eq!(split("qSupported:a+;b+"), pair("qSupported", "a+;b+"));
        assert_eq!(split("vCont;c:p1.-1"), pair("vCont", "c:p1.-1"));
        assert_eq!(split("vCont?"), pair("vCont?", ""));
        assert_eq!(split("qRcmd,6869"), pair("qRcmd", "6869"));
        assert_eq!(split("?"), pair("?", ""));
        assert_eq!(split(""), pair("", ""));
        assert_eq!(split("q"), pair("q", ""));
    }

    #[test]
    fn every_packet_is_listed_once_and_says_what_it_is_for() {
        let mut names: Vec<&str> = PACKETS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(PACKETS.iter().all(|row| !row.purpose.is_empty()));
    }
}
