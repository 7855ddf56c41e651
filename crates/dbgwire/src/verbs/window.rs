//! The verb that says what stops bring along.

/// The most windows of one [`SetWindows`].
pub const WINDOWS_MAX: usize = 64;
/// The most bytes that one stop brings along because of it, and the longest window.
pub const STOP_LEN_MAX: u32 = 256 * 1024;

/// Says what the stops of a target bring along, so that its client need not ask. It takes the place
/// of what an earlier request said, and of what the server has learnt of the client's reads.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct SetWindows {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// How much of the stack of the thread that the stop is about, from its stack pointer on; 0 for
    /// as much as without this. Some bytes below come with it.
    #[prost(uint32, tag = "2")]
    pub stack_len: u32,
    /// Which memory besides, the most important first. At most [`WINDOWS_MAX`].
    #[prost(message, repeated, tag = "3")]
    pub windows: Vec<Window>,
    /// Whether the extended registers of that thread come, too.
    #[prost(bool, tag = "4")]
    pub extended: bool,
    /// Whether general registers and names of all other threads that stand still do.
    #[prost(bool, tag = "5")]
    pub threads: bool,
    /// How much of the stacks of these, from their stack pointers on; 0 for nothing. The 128 bytes
    /// below come with it.
    #[prost(uint32, tag = "6")]
    pub thread_stack_len: u32,
}

/// It is so from now on.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct SetWindowsReply {}

/// What the place of a window is relative to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub enum WindowBase {
    /// Nothing.
    Absolute = 0,
    /// The stack pointer of the thread that the stop is about.
    StackPointer = 1,
    /// Its program counter.
    ProgramCounter = 2,
    /// Its frame pointer.
    FramePointer = 3,
}

/// Memory that stops bring along.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Window {
    /// What it is relative to.
    #[prost(enumeration = "WindowBase", tag = "1")]
    pub base: i32,
    /// Its first byte's distance from there, modulo 2^64; of an absolute one, the address.
    #[prost(sint64, tag = "2")]
    pub offset: i64,
    /// How many bytes; at most [`STOP_LEN_MAX`].
    #[prost(uint32, tag = "3")]
    pub len: u32,
}
