//! The packets that are known, all on one screen, and the way from a payload to its handler. It
//! knows names, not what is behind them.

use crate::session::{Handled, Reply, Session};
use crate::thread_suffix;

/// A packet that is known.
pub(crate) struct Row {
    /// Its name: the first letter, or for families a whole word.
    pub(crate) name: &'static str,
    /// What GDB does with errors in words in answer to it, if it has not said that it shows them.
    errors: Errors,
    /// What carries it out; it is given what follows the name and one separator.
    handler: fn(&mut Session, &[u8]) -> Handled,
    /// What it is for.
    pub(crate) purpose: &'static str,
}

/// How an error is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Errors {
    /// In words.
    Words,
    /// By a number: words would be taken for something else.
    Number,
    /// In words, which GDB keeps to itself: they are said to its user on the side.
    Aside,
}

macro_rules! packets {
    ($($name:literal $errors:ident $handler:ident, $purpose:literal;)*) => {
        pub(crate) const PACKETS: &[Row] = &[$(Row {
            name: $name,
            errors: packets!(@ $errors),
            handler: Session::$handler,
            purpose: $purpose,
        }),*];
    };
    (@ words) => { Errors::Words };
    (@ number) => { Errors::Number };
    (@ aside) => { Errors::Aside };
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

    "vAttach"        aside packet_attach, "attach to a process";
    "vCont?"         number packet_vcont_query, "the ways to run that are known";
    "vCont"          words packet_vcont, "let threads run";
    "vCtrlC"         words packet_ctrl_c, "interrupt";
    "vFile"          number packet_file, "files of the server's machine";
    "vKill"          words packet_kill_process, "end a process";
    "vMustReplyEmpty" number packet_unknown, "how unknown packets are answered";
    "vRun"           aside packet_run, "start a program";
    "vStopped"       number packet_next_report, "the next report behind a notification";

    "qAttached"       number packet_was_attached, "whether a process was attached to";
    "qC"              number packet_current_thread, "the current thread";
    "qCRC"            words packet_checksum, "a checksum of memory";
    "qfThreadInfo"    number packet_threads, "ids of all threads";
    "qsThreadInfo"    number packet_more_threads, "the rest of them";
    "qGetTLSAddr"     words packet_thread_local, "where a thread's own variables are";
    "qOffsets"        number packet_unknown, "section offsets; debuggers find them otherwise";
    "qRcmd"           words packet_monitor, "commands of this program";
    "qSearch"         words packet_search, "find bytes in memory";
    "qSupported"      number packet_supported, "what both sides understand";
    "qSymbol"         number packet_symbol, "symbols that the debugger offers to look up";
    "qThreadExtraInfo" number packet_thread_name, "a thread's name";
    "qXfer"           words packet_transfer, "read and write objects";

    "QCatchSyscalls"  words packet_catch_syscalls, "system calls at which a process stops";
    "QDisableRandomization" words packet_fix_addresses, "address-space randomisation";
    "QEnvironmentHexEncoded" words packet_environment, "a variable for programs to run";
    "QEnvironmentReset" words packet_environment_reset, "the environment as it was";
    "QEnvironmentUnset" words packet_environment_unset, "a variable they do not get";
    "QNonStop"        words packet_non_stop, "whether threads stop alone";
    "QPassSignals"    words packet_pass_signals, "signals that stop nothing";
    "QProgramSignals" words packet_program_signals, "signals that programs may get";
    "QSetWorkingDir"  words packet_directory, "where programs start";
    "QStartNoAckMode" number packet_no_acknowledgement, "no more acknowledgements";
    "QStartupWithShell" words packet_shell, "whether a shell starts programs";
    "QThreadEvents"   words packet_thread_events, "whether births and ends of threads are told";

    // Of LLDB (lldb-gdb-remote.txt).
    "A"  words packet_launch, "start a program";
    "I"  number packet_input, "type into the program's terminal";
    "_M" number packet_allocate, "map memory in the target";
    "_m" number packet_free, "unmap it";
    "jModulesInfo"    number packet_modules, "what images are";
    "jThreadExtendedInfo" number packet_thread_extended, "a thread's queue, of which there is none";
    "jThreadsInfo"    number packet_threads_info, "all threads with registers and reasons";
    "qEcho"           number packet_echo, "the same text back";
    "qFileLoadAddress" number packet_load_address, "where an image is mapped";
    "qfProcessInfo"   number packet_processes, "the first process of the machine";
    "qsProcessInfo"   number packet_more_processes, "the next one";
    "qGDBServerVersion" number packet_version, "this program's name and version";
    "qGetWorkingDir"  number packet_working_directory, "where programs start";
    "qGroupName"      number packet_group_name, "a group's name";
    "qHostInfo"       number packet_host, "what the server's machine is";
    "qKillSpawnedProcess" number packet_kill_spawned, "end a process by its decimal id";
    "qLaunchGDBServer" number packet_another_stub, "where other debuggers connect";
    "qLaunchSuccess"  number packet_launch_success, "whether the program was started";
    "qMemoryRegionInfo" number packet_memory_region, "what lies at an address";
    "qProcessInfo"    number packet_process, "what the process is";
    "qProcessInfoPID" number packet_process_by_id, "what any process is";
    "qModuleInfo"     number packet_module, "what an image is";
    "qRegisterInfo"   number packet_register_info, "one register's description";
    "qSaveCore"       number packet_save_core, "write a core file";
    "qShlibInfoAddr"  number packet_linker, "where the dynamic linker's list is";
    "qStructuredDataPlugins" number packet_unknown, "kinds of logs, of which there are none";
    "qThreadStopInfo" number packet_thread_stop, "a thread's stop reply";
    "qUserName"       number packet_user_name, "a user's name";
    "qVAttachOrWaitSupported" number packet_can_attach_or_wait, "that vAttachOrWait is known";
    "qWatchpointSupportInfo" number packet_watchpoints, "how many places the CPU watches";
    "vAttachName"     words packet_attach_name, "attach to a process by its name";
    "vAttachOrWait"   words packet_attach_or_wait, "the same, or to the next one";
    "vAttachWait"     words packet_attach_wait, "attach to the next process of a name";
    "QEnableErrorStrings" number packet_error_strings, "errors in LLDB's words";
    "QEnvironment"    words packet_plain_environment, "a variable for programs to run";
    "QLaunchArch"     number packet_launch_arch, "the CPU that programs are for";
    "QListThreadsInStopReply" number packet_list_threads, "all threads in stop replies";
    "QRestoreRegisterState" number packet_restore_registers, "put a thread's registers back";
    "QSaveRegisterState" number packet_save_registers, "put a thread's registers aside";
    "QSetDetachOnError" number packet_detach_on_error, "what becomes of processes without it";
    "QSetDisableASLR" number packet_fix_addresses, "address-space randomisation";
    "QSetSTDERR"      number packet_standard_error, "the program's standard error";
    "QSetSTDIN"       number packet_standard_input, "the program's standard input";
    "QSetSTDOUT"      number packet_standard_output, "the program's standard output";
    "QThreadSuffixSupported" number packet_thread_suffix, "packets that end in a thread";
}

/// Families whose arguments follow the name at once.
const GLUED: &[&str] = &["qRegisterInfo", "qThreadStopInfo", "_M", "_m"];

/// The packets that are known: their names, and what they are for.
pub fn known_packets() -> impl Iterator<Item = (&'static str, &'static str)> {
    PACKETS.iter().map(|row| (row.name, row.purpose))
}

/// Carries out a packet. How its error is told, if there is one.
pub(crate) fn handle(session: &mut Session, payload: &[u8]) -> (Handled, Errors) {
    let (name, arguments) = split(payload);
    match PACKETS.iter().find(|row| row.name.as_bytes() == name) {
        Some(row) => (carry_out(session, row, arguments), row.errors),
        None => (Ok(Reply::Unknown), Errors::Number),
    }
}

fn carry_out(session: &mut Session, row: &Row, arguments: &[u8]) -> Handled {
    if session.dialogue.thread_suffix
        && let (arguments, Some(thread)) = thread_suffix::split(row.name, arguments)
    {
        return session.handle_about(thread, |session| (row.handler)(session, arguments));
    }
    (row.handler)(session, arguments)
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
    let is_begun = |name: &&&str| payload.starts_with(name.as_bytes());
    if let Some(name) = GLUED.iter().find(is_begun) {
        return payload.split_at_checked(name.len()).unwrap_or((payload, &[]));
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
        assert_eq!(split("qRegisterInfo1f"), pair("qRegisterInfo", "1f"));
        assert_eq!(split("_M1000,rw"), pair("_M", "1000,rw"));
    }

    /// The table in docs/gdb.md.
    fn packets_markdown() -> String {
        let row = |(name, purpose): (&str, &str)| format!("| `{name}` | {purpose} |\n");
        let rows: String = known_packets().map(row).collect();
        format!("| Packet | What for |\n|---|---|\n{rows}")
    }

    #[test]
    fn the_document_of_packets_is_fresh() {
        // UPDATE_EXPECT=1 writes the table anew.
        let document = include_str!("../../../docs/gdb.md");
        let start = document.find("| Packet |").expect("the document has a table of packets");
        let (before, table) = document.split_at(start);
        let end = table.find("\n\n").map_or(table.len(), |end| end + 1);
        let fresh = format!("{before}{}{}", packets_markdown(), &table[end..]);
        expect_test::expect_file!["../../../docs/gdb.md"].assert_eq(&fresh);
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
