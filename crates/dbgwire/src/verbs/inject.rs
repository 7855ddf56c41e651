//! Verbs by which a thread of a target that stands still does something for the debugger, and is
//! put back as it was: a system call, and memory that is mapped by one.

/// The most arguments a system call has.
pub const CALL_ARGUMENTS_MAX: usize = 6;
/// The most arguments of one [`CallFunction`].
pub const FUNCTION_ARGUMENTS_MAX: usize = 256;
/// The most bytes that one [`CallFunction`] puts on the stack for its arguments to point to.
pub const CALL_BYTES_LEN_MAX: usize = 64 * 1024;
/// How long a system call may block if the request does not say, in milliseconds.
pub const PATIENCE_MS: u32 = 5000;

/// Has a thread make a system call. All other threads stay where they are.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct InjectSyscall {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread; 0 for one that can.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// The call's number (syscalls(2)).
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// At most [`CALL_ARGUMENTS_MAX`]; the others are 0.
    #[prost(fixed64, repeated, tag = "4")]
    pub arguments: Vec<u64>,
    /// Also in a thread with a seccomp filter, which may end the process for it.
    #[prost(bool, tag = "5")]
    pub despite_seccomp: bool,
    /// How long it may block, in milliseconds; 0 for [`PATIENCE_MS`].
    #[prost(uint32, tag = "6")]
    pub patience_ms: u32,
}

/// The call has been made.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct InjectSyscallReply {
    /// What the kernel gave: -4095 to -1 are error numbers (errno(3)), negated.
    #[prost(fixed64, tag = "1")]
    pub result: u64,
}

/// Has a thread call a function of the program. The tail's bytes are put on its stack, for
/// arguments to point to.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CallFunction {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread; 0 for one that can.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// Where the function is.
    #[prost(fixed64, tag = "3")]
    pub address: u64,
    /// Integers and pointers, at most [`FUNCTION_ARGUMENTS_MAX`].
    #[prost(fixed64, repeated, tag = "4")]
    pub arguments: Vec<u64>,
    /// Which arguments, from 0, are positions in the tail: the function gets addresses.
    #[prost(uint32, repeated, tag = "5")]
    pub in_tail: Vec<u32>,
    /// Whether the other threads run meanwhile.
    #[prost(bool, tag = "6")]
    pub run_others: bool,
    /// How long it may take, in milliseconds; 0 for as long as it likes.
    #[prost(uint32, tag = "7")]
    pub patience_ms: u32,
}

/// The function has returned.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CallFunctionReply {
    /// What it returned if that is an integer or a pointer: rax.
    #[prost(fixed64, tag = "1")]
    pub integer: u64,
    /// The upper half of a longer one: rdx.
    #[prost(fixed64, tag = "2")]
    pub integer_high: u64,
    /// What it returned if that is a floating-point number, in its first bytes: the sixteen of
    /// xmm0.
    #[prost(bytes = "vec", tag = "3")]
    pub vector: Vec<u8>,
    /// Whether the list of modules may be another one now.
    #[prost(bool, tag = "4")]
    pub modules_changed: bool,
}

/// Maps memory in the target, private and filled with zeros (mmap(2)).
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AllocateMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread makes the call; 0 for one that can.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// How many bytes; rounded up to whole pages.
    #[prost(uint64, tag = "3")]
    pub len: u64,
    /// 1 readable, 2 writable, 4 executable; added up.
    #[prost(uint32, tag = "4")]
    pub protection: u32,
    /// Where exactly, at a page's begin; 0 for anywhere. What is mapped there is never replaced.
    #[prost(fixed64, tag = "5")]
    pub address: u64,
    /// As in [`InjectSyscall`].
    #[prost(bool, tag = "6")]
    pub despite_seccomp: bool,
}

/// The memory is mapped.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AllocateMemoryReply {
    /// The first byte's address.
    #[prost(fixed64, tag = "1")]
    pub address: u64,
    /// How many bytes: whole pages.
    #[prost(uint64, tag = "2")]
    pub len: u64,
}

/// Unmaps memory of the target (munmap(2)).
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FreeMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread makes the call; 0 for one that can.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// The first byte's address, at a page's begin.
    #[prost(fixed64, tag = "3")]
    pub address: u64,
    /// How many bytes; 0 for all that were allocated there.
    #[prost(uint64, tag = "4")]
    pub len: u64,
    /// As in [`InjectSyscall`].
    #[prost(bool, tag = "5")]
    pub despite_seccomp: bool,
}

/// The memory is unmapped.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FreeMemoryReply {
    /// How many bytes: whole pages.
    #[prost(uint64, tag = "1")]
    pub len: u64,
}

/// Changes what may be done with memory of the target (mprotect(2)).
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ProtectMemory {
    /// Which target.
    #[prost(uint32, tag = "1")]
    pub target: u32,
    /// Which thread makes the call; 0 for one that can.
    #[prost(uint32, tag = "2")]
    pub tid: u32,
    /// The first byte's address, at a page's begin.
    #[prost(fixed64, tag = "3")]
    pub address: u64,
    /// How many bytes; rounded up to whole pages.
    #[prost(uint64, tag = "4")]
    pub len: u64,
    /// As in [`AllocateMemory`].
    #[prost(uint32, tag = "5")]
    pub protection: u32,
    /// As in [`InjectSyscall`].
    #[prost(bool, tag = "6")]
    pub despite_seccomp: bool,
}

/// The protection is changed.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ProtectMemoryReply {}
