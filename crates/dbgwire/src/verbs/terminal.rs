//! Verbs about the pseudo-terminal of a target that was launched with one. What the target writes
//! to it comes by events.

/// The most bytes of input in one request, and the most that wait for a target to read them.
pub const INPUT_LEN_MAX: usize = 64 * 1024;

/// Types the tail into a target's terminal.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteTerminal {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
}

/// The input waits for the target to read it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct WriteTerminalReply {}

/// Sets the size of a target's terminal; its foreground processes are sent SIGWINCH if it is
/// another one than before.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ResizeTerminal {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// How many rows, 1 to 65535.
    #[prost(uint32, tag = "2")]
    pub rows: u32,
    /// How many columns, 1 to 65535.
    #[prost(uint32, tag = "3")]
    pub columns: u32,
}

/// The size is set.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ResizeTerminalReply {}
