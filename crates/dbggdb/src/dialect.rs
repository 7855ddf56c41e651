//! Who the debugger is, and what it has said it understands (manual, "General Query Packets",
//! `qSupported`). Everything else asks here instead of guessing. Pure.

use crate::packet::PACKET_LEN_MAX;

/// Which family of debuggers is at the other end.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Dialect {
    /// GDB, and whoever speaks as it does.
    #[default]
    Gdb,
    /// LLDB, which says so by `QThreadSuffixSupported`.
    Lldb,
}

/// What the debugger understands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Dialogue {
    /// Who it is.
    pub(crate) dialect: Dialect,
    /// Thread ids name processes.
    pub(crate) multiprocess: bool,
    /// `swbreak` and `hwbreak` in stop replies.
    pub(crate) swbreak: bool,
    /// See `swbreak`.
    pub(crate) hwbreak: bool,
    /// `fork` stops.
    pub(crate) fork_events: bool,
    /// `vfork` and `vforkdone` stops.
    pub(crate) vfork_events: bool,
    /// `exec` stops.
    pub(crate) exec_events: bool,
    /// `N`: nothing runs that could stop.
    pub(crate) no_resumed: bool,
    /// Errors in words, `E.message`, in answer to every packet.
    pub(crate) error_message: bool,
    /// LLDB's errors in words, `Exx;message`.
    pub(crate) error_strings: bool,
    /// Packets may end in `;thread:ID;`.
    pub(crate) thread_suffix: bool,
    /// Stop replies list all threads.
    pub(crate) threads_in_stop_reply: bool,
    /// `x` is answered without a letter before the bytes, as LLDB once wanted it.
    pub(crate) bare_bytes: bool,
    /// The debugger stays connected without a process (`!`).
    pub(crate) extended: bool,
    /// Threads stop alone.
    pub(crate) non_stop: bool,
    /// The arguments of `vRun` are one string, as the user wrote it.
    pub(crate) single_argument: bool,
    /// Threads' births and ends are told.
    pub(crate) thread_events: bool,
}

/// The longest packet that GDB is told of. It reads a file ahead by as much, and takes what comes
/// through a pipe byte by byte: what it does not need costs it 0.3 µs each.
const GDB_PACKET_LEN_MAX: usize = 0x4000;

impl Dialogue {
    /// The longest packet that the debugger is told of. Only GDB says `swbreak+`.
    pub(crate) fn packet_len_max(&self) -> usize {
        if self.swbreak { GDB_PACKET_LEN_MAX } else { PACKET_LEN_MAX }
    }

    /// Takes note of the features in a `qSupported` packet. Those that nobody here needs to know
    /// are passed over.
    pub(crate) fn take_features(&mut self, features: &[u8]) {
        for feature in features.split(|byte| *byte == b';') {
            let Some((name, b'+')) = feature.split_last().map(|(last, name)| (name, *last)) else {
                continue;
            };
            match name {
                b"multiprocess" => self.multiprocess = true,
                b"swbreak" => self.swbreak = true,
                b"hwbreak" => self.hwbreak = true,
                b"fork-events" => self.fork_events = true,
                b"vfork-events" => self.vfork_events = true,
                b"exec-events" => self.exec_events = true,
                b"single-inf-arg" => self.single_argument = true,
                b"no-resumed" => self.no_resumed = true,
                b"error-message" => self.error_message = true,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_features_with_a_plus_are_there() {
        let mut dialogue = Dialogue::default();
        dialogue.take_features(b"multiprocess+;swbreak-;hwbreak;;xmlRegisters=i386;no-resumed+");
        let expected = Dialogue { multiprocess: true, no_resumed: true, ..Dialogue::default() };
        assert_eq!(dialogue, expected);
    }
}
