//! The calls of ptrace(2), each as a safe function with a name for what it does. It knows nothing
//! of targets or policy; every `unsafe` of process control that is not fork or exec is here.
//!
//! All calls must come from the thread that seized the tracee (ptrace(2): "tracer" is one thread).

mod context;
mod pending;

use std::fmt;

use dbgbase::{Address, Arch, GeneralRegisters, Pid, Signal, Tid};
use libc::c_void;
use rustix::io::Errno;

use super::instruction::CALL_LEN;
use super::trace;
use super::watch::DebugRegisters;
pub(super) use context::{rseq_note, set_signal_mask, signal_mask};
pub(super) use pending::{
    has_pending_continue, has_pending_of, has_pending_refusal, has_pending_trap, pending,
    pending_faults,
};

/// What each seized thread reports: births of threads and processes, exec, and system calls marked
/// as such. Not EXITKILL: a target survives its tracer.
const OPTIONS: i32 = libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEVFORKDONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESYSGOOD;

/// `NT_PRSTATUS` of `<elf.h>`: the general registers' register set.
const NT_PRSTATUS: usize = 1;

fn call(request: libc::c_uint, tid: Tid, address: usize, data: usize) -> Result<(), Errno> {
    // SAFETY: every request that is passed here takes plain numbers in `address` and `data`; the
    // kernel reads or writes none of this process's memory for them.
    let result = unsafe {
        libc::ptrace(
            request,
            tid.value() as libc::pid_t,
            address as *mut c_void,
            data as *mut c_void,
        )
    };
    let result = if result == -1 { Err(last_error()) } else { Ok(()) };
    let failure = result.err().map_or(0, Errno::raw_os_error);
    trace::note(tid, format_args!("{} {address:#x} {data:#x} {failure}", name(request)));
    result
}

/// The name of a request, for the trace.
fn name(request: libc::c_uint) -> &'static str {
    match request {
        libc::PTRACE_SEIZE => "seize",
        libc::PTRACE_INTERRUPT => "interrupt",
        libc::PTRACE_LISTEN => "listen",
        libc::PTRACE_CONT => "cont",
        libc::PTRACE_SINGLESTEP => "step",
        libc::PTRACE_SYSCALL => "to syscall",
        libc::PTRACE_DETACH => "detach",
        libc::PTRACE_SETOPTIONS => "options",
        libc::PTRACE_POKEUSER => "pokeuser",
        libc::PTRACE_TRACEME => "traceme",
        _ => "another request",
    }
}

/// Like [`call`], for requests that make the kernel read or write `*data`.
fn call_with<T>(
    request: libc::c_uint,
    tid: Tid,
    address: usize,
    data: &mut T,
) -> Result<(), Errno> {
    // SAFETY: `data` is a live, exclusive reference, and each caller passes a request together with
    // the type that ptrace(2) documents for it.
    let result = unsafe {
        libc::ptrace(
            request,
            tid.value() as libc::pid_t,
            address as *mut c_void,
            std::ptr::from_mut(data).cast::<c_void>(),
        )
    };
    if result == -1 { Err(last_error()) } else { Ok(()) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Makes the calling thread the tracer of `tid`, without stopping it.
pub(super) fn seize(tid: Tid) -> Result<(), Errno> {
    call(libc::PTRACE_SEIZE, tid, 0, OPTIONS as usize)
}

/// The same for a tracee that is to be let go at its first stop: it reports nothing else.
pub(super) fn seize_plainly(tid: Tid) -> Result<(), Errno> {
    call(libc::PTRACE_SEIZE, tid, 0, 0)
}

/// Says whether a stopped tracee reports that it is about to end. Threads that it makes do as it
/// does.
pub(super) fn report_end(tid: Tid, is_wanted: bool) -> Result<(), Errno> {
    let end = if is_wanted { libc::PTRACE_O_TRACEEXIT } else { 0 };
    call(libc::PTRACE_SETOPTIONS, tid, 0, (OPTIONS | end) as usize)
}

/// Whether ptrace(2) reaches the kernel from here, which knows no thread 0: a system-call filter
/// answers something else (seccomp(2)).
pub(super) fn is_reachable() -> bool {
    seize(Tid::new(0)) == Err(Errno::SRCH)
}

/// Makes the calling process the tracee of its parent, from its next execve(2) on.
pub(super) fn be_traced() -> Result<(), Errno> {
    call(libc::PTRACE_TRACEME, Tid::new(0), 0, 0)
}

/// Asks a running or listening tracee to stop; it will report an event-stop.
pub(super) fn interrupt(tid: Tid) -> Result<(), Errno> {
    call(libc::PTRACE_INTERRUPT, tid, 0, 0)
}

/// Lets a stopped tracee run, delivering `signal` if it is in a signal-delivery-stop.
pub(super) fn cont(tid: Tid, signal: Option<Signal>) -> Result<(), Errno> {
    call(libc::PTRACE_CONT, tid, 0, number(signal))
}

/// Lets a stopped tracee execute one instruction.
pub(super) fn step(tid: Tid, signal: Option<Signal>) -> Result<(), Errno> {
    call(libc::PTRACE_SINGLESTEP, tid, 0, number(signal))
}

/// Lets a stopped tracee run to its next entry into or exit from a system call, delivering `signal`
/// if it is in a signal-delivery-stop.
pub(super) fn run_to_syscall(tid: Tid, signal: Option<Signal>) -> Result<(), Errno> {
    call(libc::PTRACE_SYSCALL, tid, 0, number(signal))
}

/// What a stop at a system call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SyscallStop {
    /// None.
    None,
    /// The entry into this call.
    Entry {
        /// Its number.
        number: u64,
    },
    /// The exit from one.
    Exit,
}

/// What kind of syscall-stop a stopped tracee is in (ptrace(2), `PTRACE_GET_SYSCALL_INFO`). EIO on
/// kernels before 5.3.
pub(super) fn syscall_stop(tid: Tid) -> Result<SyscallStop, Errno> {
    // SAFETY: the structure is plain data; all zero is one of its values.
    let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
    let len = size_of_val(&info);
    call_with(libc::PTRACE_GET_SYSCALL_INFO, tid, len, &mut info)?;
    Ok(match info.op {
        libc::PTRACE_SYSCALL_INFO_ENTRY => {
            // SAFETY: for this kind the kernel has filled in the entry's fields.
            SyscallStop::Entry { number: unsafe { info.u.entry.nr } }
        }
        libc::PTRACE_SYSCALL_INFO_EXIT => SyscallStop::Exit,
        _ => SyscallStop::None,
    })
}

/// Leaves a tracee in group-stop as the group-stop wants it, but listening for its end.
pub(super) fn listen(tid: Tid) -> Result<(), Errno> {
    call(libc::PTRACE_LISTEN, tid, 0, 0)
}

/// Clears what a stopped tracee's debug status register, DR6, says of its last step (Intel SDM
/// volume 3, 18.2.3), which otherwise the next debugger would find there.
pub(super) fn forget_steps(tid: Tid) {
    #[cfg(target_arch = "x86_64")]
    {
        let offset = std::mem::offset_of!(libc::user, u_debugreg) + 6 * size_of::<u64>();
        // The only failure is ESRCH: it has just been killed.
        let _ = call(libc::PTRACE_POKEUSER, tid, offset, 0xffff_0ff0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = tid;
}

/// Disables every hardware breakpoint of a stopped tracee, and forgets where they were (Intel SDM
/// volume 3, 18.2.4). A program has none of its own: only a tracer can set these registers.
pub(super) fn clear_debug_registers(tid: Tid) {
    #[cfg(target_arch = "x86_64")]
    {
        // DR7 enables, DR0 to DR3 are addresses. What is 0 is left alone, as the kernel would make
        // an event of it.
        for index in [7, 0, 1, 2, 3] {
            let offset = std::mem::offset_of!(libc::user, u_debugreg) + index * size_of::<u64>();
            if peek_user(tid, offset) != 0 {
                // The only failure is ESRCH: it has just been killed.
                let _ = call(libc::PTRACE_POKEUSER, tid, offset, 0);
            }
        }
        forget_steps(tid);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = tid;
}

/// Writes the debug registers of a stopped tracee that hold `now`. EINVAL for addresses that are
/// not the program's, ENOSPC if the kernel has no place left.
pub(super) fn set_debug_registers(
    tid: Tid,
    now: &DebugRegisters,
    wanted: &DebugRegisters,
) -> Result<(), Errno> {
    #[cfg(target_arch = "x86_64")]
    {
        let register = |index: usize, value: u64| {
            let offset = std::mem::offset_of!(libc::user, u_debugreg) + index * size_of::<u64>();
            call(libc::PTRACE_POKEUSER, tid, offset, value as usize)
        };
        // An address changes only where nothing is enabled.
        if now.control != 0 {
            register(7, 0)?;
        }
        for (index, (now, wanted)) in now.addresses.iter().zip(wanted.addresses).enumerate() {
            if *now != wanted {
                register(index, wanted)?;
            }
        }
        if wanted.control != 0 {
            register(7, wanted.control)?;
        }
        Ok(())
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (tid, now, wanted);
        Err(Errno::IO)
    }
}

/// What a stopped tracee's DR6 says it has seen, which is forgotten (Intel SDM volume 3, 18.2.3).
pub(super) fn take_debug_status(tid: Tid) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        let offset = std::mem::offset_of!(libc::user, u_debugreg) + 6 * size_of::<u64>();
        let status = peek_user(tid, offset);
        forget_steps(tid);
        status
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = tid;
        0
    }
}

/// A word of a stopped tracee's `struct user` (sys/user.h); 0 if it cannot be read.
#[cfg(target_arch = "x86_64")]
fn peek_user(tid: Tid, offset: usize) -> u64 {
    // SAFETY: the request takes a number and gives one; the C library hands it a place of its own.
    // A failure reads as -1, and errno tells it from that value.
    unsafe {
        *libc::__errno_location() = 0;
        let pid = tid.value() as libc::pid_t;
        let word = libc::ptrace(libc::PTRACE_PEEKUSER, pid, offset as *mut c_void, 0_usize);
        if word == -1 && *libc::__errno_location() != 0 { 0 } else { word as u64 }
    }
}

/// Lets a stopped tracee go for good.
pub(super) fn detach(tid: Tid, signal: Option<Signal>) -> Result<(), Errno> {
    call(libc::PTRACE_DETACH, tid, 0, number(signal))
}

fn number(signal: Option<Signal>) -> usize {
    signal.map_or(0, |signal| signal.number() as usize)
}

/// The number that came with the tracee's last ptrace-event: a new thread's or process's id, or a
/// thread's former id.
pub(super) fn event_message(tid: Tid) -> Result<u32, Errno> {
    let mut message: libc::c_ulong = 0;
    call_with(libc::PTRACE_GETEVENTMSG, tid, 0, &mut message)?;
    Ok(message as u32)
}

/// What siginfo says of the signal a tracee stopped with.
#[derive(Clone, Copy)]
pub(super) struct SigInfo {
    raw: libc::siginfo_t,
}

// SAFETY: siginfo_t is plain data that the kernel copied; the addresses in it are the tracee's,
// never followed here.
unsafe impl Send for SigInfo {}

impl fmt::Debug for SigInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: as in `sender`.
        let value = unsafe { self.raw.si_value() };
        let (address, sender) = (self.address(), self.sender());
        let value = value.sival_ptr as usize;
        write!(f, "code {} address {address:?} from {sender:?} value {value:#x}", self.code())
    }
}

impl SigInfo {
    /// As the kernel has it.
    pub(super) fn bytes(&self) -> &[u8; size_of::<libc::siginfo_t>()] {
        // SAFETY: siginfo_t is plain data of this size, and the kernel has filled all of it.
        unsafe { &*(&raw const self.raw).cast() }
    }

    /// Takes what the kernel, or a client, has; whatever it is.
    pub(super) fn from_bytes(bytes: [u8; size_of::<libc::siginfo_t>()]) -> SigInfo {
        // SAFETY: siginfo_t is plain data of this size, for which every value is one; the
        // addresses in it are the tracee's, never followed here.
        SigInfo { raw: unsafe { std::mem::transmute::<[u8; 128], libc::siginfo_t>(bytes) } }
    }

    /// `si_code`.
    pub(super) fn code(&self) -> i32 {
        self.raw.si_code
    }

    /// Which signal.
    pub(super) fn signal(&self) -> Option<Signal> {
        Signal::new(self.raw.si_signo)
    }

    /// Whether it tells that a step is done (sigaction(2): `TRAP_TRACE`), on x86 also one out of a
    /// system call (`TRAP_BRKPT`, which on AArch64 tells of a trap instruction).
    pub(super) fn is_step(&self) -> bool {
        const TRAP_BRKPT: i32 = 1;
        const TRAP_TRACE: i32 = 2;
        let out_of_call = if cfg!(target_arch = "x86_64") { TRAP_BRKPT } else { TRAP_TRACE };
        self.raw.si_signo == libc::SIGTRAP && [TRAP_TRACE, out_of_call].contains(&self.raw.si_code)
    }

    /// Whether the CPU raised it at this very instruction, which would raise it again.
    pub(super) fn is_fault(&self) -> bool {
        let raised = [
            Signal::SIGSEGV,
            Signal::SIGBUS,
            Signal::SIGFPE,
            Signal::SIGILL,
            Signal::SIGTRAP,
            Signal::SIGSYS,
        ];
        self.raw.si_code > 0 && self.signal().is_some_and(|signal| raised.contains(&signal))
    }

    /// `si_addr`, for signals that the CPU raised.
    pub(super) fn address(&self) -> Option<Address> {
        // SAFETY: `si_addr` only reads bytes of the union, all of which the kernel has filled.
        self.is_fault().then(|| Address::new(unsafe { self.raw.si_addr() } as u64))
    }

    /// Whether it says the same in every byte.
    pub(super) fn is_same(&self, other: &SigInfo) -> bool {
        let bytes = |info: &SigInfo| {
            // SAFETY: siginfo_t has that many bytes, and the kernel has filled them all.
            unsafe { (&raw const info.raw).cast::<[u8; size_of::<libc::siginfo_t>()]>().read() }
        };
        bytes(self) == bytes(other)
    }

    /// Whether it was sent to this very thread (tgkill(2)).
    pub(super) fn is_sent_to_thread(&self) -> bool {
        self.raw.si_code == libc::SI_TKILL
    }

    /// Whether this process sent it to this very thread. From another pid namespace nobody can
    /// tell who did, and hardly anybody else does.
    pub(super) fn is_sent_by_us(&self) -> bool {
        // SAFETY: as in `sender`.
        let pid = unsafe { self.raw.si_pid() };
        self.is_sent_to_thread() && (pid == 0 || u32::try_from(pid) == Ok(std::process::id()))
    }

    /// The same with another `si_addr`.
    pub(super) fn with_address(mut self, address: Address) -> SigInfo {
        // Behind signo, errno, code and padding (`siginfo_t` of the kernel's
        // <asm-generic/siginfo.h>).
        const OFFSET: usize = 16;
        let bytes = (&raw mut self.raw).cast::<u8>();
        // SAFETY: siginfo_t has 128 bytes, all initialised; eight of them at 16 are the address.
        unsafe { bytes.add(OFFSET).cast::<u64>().write_unaligned(address.value()) };
        self
    }

    /// `si_pid`, for signals that a process sent (sigaction(2): `si_code` of 0 or below).
    pub(super) fn sender(&self) -> Option<Pid> {
        // SAFETY: `si_pid` only reads bytes of the union, all of which the kernel has filled.
        let pid = unsafe { self.raw.si_pid() };
        let is_sent = matches!(self.raw.si_code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL);
        u32::try_from(pid).ok().filter(|pid| is_sent && *pid != 0).map(Pid::new)
    }
}

/// The siginfo of the signal-delivery-stop the tracee is in. EINVAL tells a group-stop.
pub(super) fn siginfo(tid: Tid) -> Result<SigInfo, Errno> {
    // SAFETY: siginfo_t is plain data; all zero is one of its values.
    let mut raw: libc::siginfo_t = unsafe { std::mem::zeroed() };
    call_with(libc::PTRACE_GETSIGINFO, tid, 0, &mut raw)?;
    Ok(SigInfo { raw })
}

/// Whether two processes or threads share their memory (kcmp(2), `KCMP_VM`). On a kernel that does
/// not tell they do not, as almost always.
pub(super) fn shares_memory(one: Tid, other: Tid) -> bool {
    const KCMP_VM: libc::c_int = 1;
    // SAFETY: kcmp takes five numbers.
    unsafe { libc::syscall(libc::SYS_kcmp, one.value(), other.value(), KCMP_VM, 0, 0) == 0 }
}

/// Replaces the siginfo of the signal-delivery-stop the tracee is in.
pub(super) fn set_siginfo(tid: Tid, info: &SigInfo) -> Result<(), Errno> {
    let mut raw = info.raw;
    call_with(libc::PTRACE_SETSIGINFO, tid, 0, &mut raw)
}

/// The registers' block as the kernel lays it out: 64-bit slots.
type Block = [u64; dbgbase::GENERAL_REGISTERS_MAX];

/// The general registers of a stopped tracee.
pub(super) fn registers(tid: Tid, arch: Arch) -> Result<GeneralRegisters, Errno> {
    let block = register_block(tid)?;
    let mut registers = GeneralRegisters::zeroed(arch);
    for (index, register) in arch.general_registers().iter().enumerate() {
        let value = block.get(usize::from(register.ptrace_slot)).copied().unwrap_or(0);
        registers.set(dbgbase::RegisterId::new(index as u16), value);
    }
    Ok(registers)
}

/// Where the kernel will begin an interrupted system call anew when these registers run on, if it
/// will: the result is one of the `ERESTART` numbers of the kernel's `<linux/errno.h>`, 512 to 514
/// and 516. On AArch64 that cannot be seen in the general registers.
pub(super) fn restarted_call(registers: &GeneralRegisters) -> Option<Address> {
    if registers.arch() != Arch::X86_64 {
        return None;
    }
    let is_in_call = registers.get(dbgbase::x86_64::ORIG_RAX) as i64 >= 0;
    let restarts = matches!(registers.get(dbgbase::x86_64::RAX) as i64, -516 | -514..=-512);
    (is_in_call && restarts).then(|| registers.pc().checked_sub(CALL_LEN as u64)).flatten()
}

/// Writes the general registers of a stopped tracee.
pub(super) fn set_registers(tid: Tid, registers: &GeneralRegisters) -> Result<(), Errno> {
    let mut block: Block = [0; dbgbase::GENERAL_REGISTERS_MAX];
    for (register, value) in registers.iter() {
        if let Some(slot) = block.get_mut(usize::from(register.ptrace_slot)) {
            *slot = value;
        }
    }
    trace::note(tid, format_args!("registers, pc {} sp {}", registers.pc(), registers.sp()));
    let len = size_of_val(registers.values());
    let mut vector = libc::iovec { iov_base: block.as_mut_ptr().cast(), iov_len: len };
    call_with(libc::PTRACE_SETREGSET, tid, NT_PRSTATUS, &mut vector)
}

fn register_block(tid: Tid) -> Result<Block, Errno> {
    let mut block: Block = [0; dbgbase::GENERAL_REGISTERS_MAX];
    // The kernel writes at most `iov_len` bytes, the size of `block`, which outlives the call.
    let mut vector =
        libc::iovec { iov_base: block.as_mut_ptr().cast(), iov_len: size_of::<Block>() };
    call_with(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, &mut vector)?;
    Ok(block)
}

/// The bytes of a register set of a stopped tracee, as many as the kernel has.
pub(super) fn register_set(tid: Tid, set: u32) -> Result<Vec<u8>, Errno> {
    // Longer than any known set; the longest XSAVE area has 11,008 bytes.
    let mut len = 16 * 1024;
    loop {
        let mut bytes = vec![0_u8; len];
        // The kernel writes at most `iov_len` bytes, as many as `bytes` has, which outlives the
        // call.
        let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: len };
        call_with(libc::PTRACE_GETREGSET, tid, set as usize, &mut vector)?;
        if vector.iov_len < len {
            bytes.truncate(vector.iov_len);
            return Ok(bytes);
        }
        len *= 2;
    }
}

/// Writes a whole register set of a stopped tracee.
pub(super) fn set_register_set(tid: Tid, set: u32, bytes: &mut [u8]) -> Result<(), Errno> {
    let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    call_with(libc::PTRACE_SETREGSET, tid, set as usize, &mut vector)
}

/// The debug registers of a stopped tracee, in the order in which they travel; none on CPUs that
/// have them elsewhere.
pub(super) fn debug_registers(tid: Tid) -> Vec<u64> {
    #[cfg(target_arch = "x86_64")]
    {
        let start = std::mem::offset_of!(libc::user, u_debugreg);
        let slots = dbgbase::x86_64::DEBUG_SLOTS.iter();
        slots.map(|slot| peek_user(tid, start + usize::from(*slot) * size_of::<u64>())).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = tid;
        Vec::new()
    }
}

/// Sends a signal to one thread (tgkill(2)).
pub(super) fn signal_thread(pid: Pid, tid: Tid, signal: Signal) -> Result<(), Errno> {
    // SAFETY: tgkill takes three numbers.
    let result =
        unsafe { libc::syscall(libc::SYS_tgkill, pid.value(), tid.value(), signal.number()) };
    if result == -1 { Err(last_error()) } else { Ok(()) }
}

/// Sends a signal to one thread with everything that is known of it (rt_tgsigqueueinfo(2)). EPERM
/// for what was not queued.
pub(super) fn queue_signal(pid: Pid, tid: Tid, info: &SigInfo) -> Result<(), Errno> {
    // SAFETY: the kernel only reads the structure, which lives for the length of the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_tgsigqueueinfo,
            pid.value(),
            tid.value(),
            info.raw.si_signo,
            std::ptr::from_ref(&info.raw),
        )
    };
    if result == -1 { Err(last_error()) } else { Ok(()) }
}

/// Sends a signal to a whole process.
pub(super) fn signal_process(pid: Pid, signal: Signal) -> Result<(), Errno> {
    // SAFETY: kill takes two numbers.
    let result = unsafe { libc::kill(pid.value() as libc::pid_t, signal.number()) };
    if result == -1 { Err(last_error()) } else { Ok(()) }
}

/// Sends SIGKILL to a whole process.
pub(super) fn kill(pid: Pid) -> Result<(), Errno> {
    signal_process(pid, Signal::SIGKILL)
}
