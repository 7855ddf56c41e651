//! The frame the kernel builds when it delivers a signal. A handler returns into a trampoline whose
//! only work is the system call rt_sigreturn(2), and the stack pointer then points at the registers
//! of the interrupted code. C libraries give the trampoline call frame information; runtimes of
//! other languages often do not, so it is also known by its instructions.

use dbgbase::{Address, Arch, ReadMemory, RegisterId, aarch64, read_u64, x86_64};

use super::return_address::code_at;
use super::{Frame, FramePc, Locate, StackEnd, UnwindMethod, Unwound};

/// What differs between CPUs.
struct Layout {
    /// The trampoline's instructions.
    trampoline: &'static [u8],
    /// Where in the trampoline a thread can stand: its start, and its system call.
    pc_offsets: [u64; 2],
    /// Registers and where they are, in bytes from the stack pointer.
    registers: &'static [(RegisterId, i64)],
}

/// `mov rax, 15; syscall`, as glibc, musl and others write it.
///
/// On return from the handler the stack pointer has passed the return address:
///
/// ```text
/// sp-8  return address, the trampoline
/// sp    struct ucontext                  (uapi/asm-generic/ucontext.h)
///   +0    uc_flags, uc_link              8 + 8 bytes
///   +16   uc_stack                       24 bytes
///   +40   struct sigcontext_64           (uapi/asm/sigcontext.h)
///           r8 r9 r10 r11 r12 r13 r14 r15 rdi rsi rbp rbx rdx rax rcx rsp rip eflags
///           8 bytes each; then cs gs fs ss, 2 bytes each
/// ```
const X86_64: Layout = {
    use x86_64 as x;
    Layout {
        trampoline: &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05],
        pc_offsets: [0, 7],
        registers: &[
            (x::R8, 40),
            (x::R9, 48),
            (x::R10, 56),
            (x::R11, 64),
            (x::R12, 72),
            (x::R13, 80),
            (x::R14, 88),
            (x::R15, 96),
            (x::RDI, 104),
            (x::RSI, 112),
            (x::RBP, 120),
            (x::RBX, 128),
            (x::RDX, 136),
            (x::RAX, 144),
            (x::RCX, 152),
            (x::RSP, 160),
            (x::RIP, 168),
            (x::EFLAGS, 176),
        ],
    }
};

/// x0 to x30, sp, pc, pstate: the table's order is the kernel's.
#[expect(clippy::indexing_slicing, reason = "computed by the compiler")]
const AARCH64_REGISTERS: [(RegisterId, i64); aarch64::GENERAL_COUNT] = {
    let mut registers = [(aarch64::PC, 0); aarch64::GENERAL_COUNT];
    let mut index = 0;
    while index < registers.len() {
        registers[index] = (RegisterId::new(index as u16), 128 + 176 + 8 + 8 * index as i64);
        index += 1;
    }
    registers
};

/// `mov x8, #139; svc #0`, as the vDSO and glibc write it.
///
/// ```text
/// sp      siginfo_t                      128 bytes
/// +128    struct ucontext                (arch/arm64/include/uapi/asm/ucontext.h)
///   +0      uc_flags, uc_link, uc_stack  8 + 8 + 24 bytes
///   +40     uc_sigmask and its reserve   128 bytes, then 8 of padding
///   +176    struct sigcontext            (uapi/asm/sigcontext.h)
///             fault_address, x0 ... x30, sp, pc, pstate; 8 bytes each
/// ```
const AARCH64: Layout = Layout {
    trampoline: &[0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4],
    pc_offsets: [0, 4],
    registers: &AARCH64_REGISTERS,
};

fn layout(arch: Arch) -> Option<&'static Layout> {
    match arch {
        Arch::X86_64 => Some(&X86_64),
        Arch::Aarch64 => Some(&AARCH64),
        _ => None,
    }
}

/// Whether a trampoline begins at `address`.
pub(super) fn is_trampoline(
    arch: Arch,
    address: Address,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> bool {
    layout(arch).is_some_and(|layout| {
        code_at(address, layout.trampoline.len(), locate, memory) == layout.trampoline
    })
}

/// The interrupted frame, if `frame` stands in a trampoline. `None` if it does not.
pub(super) fn unwind(
    frame: &Frame,
    locate: &Locate<'_>,
    memory: &dyn ReadMemory,
) -> Option<Result<Unwound, StackEnd>> {
    let arch = frame.registers.arch();
    let layout = layout(arch)?;
    let begins_before = |offset: &u64| {
        let start = frame.pc.address().checked_sub(*offset);
        start.is_some_and(|start| is_trampoline(arch, start, locate, memory))
    };
    layout.pc_offsets.iter().any(begins_before).then(|| interrupted(frame, layout, memory))
}

fn interrupted(
    frame: &Frame,
    layout: &Layout,
    memory: &dyn ReadMemory,
) -> Result<Unwound, StackEnd> {
    let arch = frame.registers.arch();
    let sp = frame.registers.sp().ok_or(StackEnd::UnknownRegister { register: arch.sp() })?;
    // What the kernel does not save here belongs to the thread: segments and their bases.
    let mut registers = frame.registers.thread_wide();
    for (id, offset) in layout.registers {
        registers.set(*id, Some(read_u64(memory, sp.wrapping_offset(*offset))?));
    }
    let pc = registers.pc().unwrap_or(Address::ZERO);
    Ok(Unwound {
        cfa: sp,
        is_signal_frame: true,
        caller: Frame {
            pc: FramePc::Exact(pc),
            registers,
            cfa: None,
            method: UnwindMethod::SignalContext,
            is_signal_frame: false,
        },
    })
}
