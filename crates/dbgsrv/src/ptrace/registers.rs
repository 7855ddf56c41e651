//! Reading and writing the registers of threads that stand still: the general ones, what the CPU
//! saves by XSAVE, and the debug registers; and what is asked for together with them, the threads'
//! names and stacks. It knows which bytes may be changed; names and numbers of registers are for
//! those who ask.

use std::sync::LazyLock;

use bytes::Bytes;
use dbgbase::x86_64::xsave::{PatchError, XsaveLayout};
use dbgbase::{Address, Arch, GeneralRegisters, Pid, RegisterId, TargetId, Tid};
use dbgwire::verbs::registers::{
    ExtendedPatch, REGISTERS_LEN_MAX, ReadRegisters, ReadRegistersReply, RegisterValue,
    STACKS_LEN_MAX, ThreadRegisters, WriteRegisters,
};
use dbgwire::{ErrorCode, Fault};
use rustix::io::Errno;

use super::memory::TargetMemory;
use super::procfs;
use super::sys;
use super::tracer::Tracer;
use super::watching::RESUME_FLAG;
use super::windows::{BELOW_STACK_MAX, stack_begins};
use crate::answer::Outcome;
use crate::ranges::check_len;

/// What one entry of a reply needs beside the registers themselves.
const ENTRY_LEN: usize = 96;

/// The XSAVE area of this machine; `None` on CPUs of another kind.
pub(crate) fn xsave_layout() -> Option<&'static XsaveLayout> {
    static LAYOUT: LazyLock<XsaveLayout> = LazyLock::new(read_layout);
    (Arch::native() == Some(Arch::X86_64)).then(|| &*LAYOUT)
}

/// Asks the CPU (Intel SDM volume 1, 13.2): leaf 13 of CPUID has a subleaf for each component.
#[cfg(target_arch = "x86_64")]
fn read_layout() -> XsaveLayout {
    use std::arch::x86_64::{__cpuid_count, _xgetbv};

    use dbgbase::x86_64::xsave::XsaveComponent;

    const XSAVE_LEAF: u32 = 13;
    const OSXSAVE: u32 = 1 << 27;
    /// A component of the supervisor, which no program sees.
    const SUPERVISOR: u32 = 1;
    if __cpuid_count(1, 0).ecx & OSXSAVE == 0 {
        return XsaveLayout::legacy();
    }
    // SAFETY: OSXSAVE says that the CPU has the instruction and that programs may execute it.
    let xcr0 = unsafe { _xgetbv(0) };
    let enabled = (2..63_u8).filter(|feature| xcr0 >> feature & 1 == 1);
    let components = enabled.filter_map(|feature| {
        let leaf = __cpuid_count(XSAVE_LEAF, u32::from(feature));
        let component = XsaveComponent { feature, offset: leaf.ebx, size_bytes: leaf.eax };
        (leaf.ecx & SUPERVISOR == 0).then_some(component)
    });
    XsaveLayout::new(xcr0, components)
}

#[cfg(not(target_arch = "x86_64"))]
fn read_layout() -> XsaveLayout {
    XsaveLayout::default()
}

/// The register set that holds the extended registers on this machine.
pub(super) fn extended_set(arch: Arch) -> u32 {
    match xsave_layout() {
        Some(layout) if *layout == XsaveLayout::legacy() => dbgbase::x86_64::NT_PRFPREG,
        _ => arch.extended_register_set(),
    }
}

/// Without the end that only has components in their initial state.
fn trim(mut area: Vec<u8>) -> Vec<u8> {
    if let Some(layout) = xsave_layout() {
        area.truncate(layout.used_len(&area));
    }
    area
}

/// A thread's extended registers; nothing if they cannot be read.
pub(super) fn read_extended(tid: Tid, arch: Arch) -> Vec<u8> {
    sys::register_set(tid, extended_set(arch)).map(trim).unwrap_or_default()
}

/// What `request` wants of a thread but its stack, and where that ends. `None` if it has just been
/// killed.
pub(super) fn read_thread(
    pid: Pid,
    tid: Tid,
    arch: Arch,
    request: &ReadRegisters,
) -> Option<(ThreadRegisters, Address)> {
    let registers = sys::registers(tid, arch).ok()?;
    let thread = ThreadRegisters {
        tid: tid.value(),
        general: registers.values().to_vec(),
        extended: if request.extended { read_extended(tid, arch) } else { Vec::new() },
        debug: if request.debug { sys::debug_registers(tid) } else { Vec::new() },
        name: if request.names { procfs::thread_name(pid, tid) } else { String::new() },
        ..ThreadRegisters::default()
    };
    Some((thread, registers.sp()))
}

/// At least the bytes that a thread's entry takes on the wire.
pub(super) fn entry_len(thread: &ThreadRegisters) -> usize {
    let words = thread.general.len() + thread.debug.len();
    ENTRY_LEN + words * size_of::<u64>() + thread.extended.len()
}

impl Tracer {
    /// The registers of the named threads, or of all, as many as fit, and the stacks that do.
    pub(super) fn read_registers(
        &mut self,
        request: &ReadRegisters,
    ) -> Outcome<ReadRegistersReply> {
        let arch = self.arch;
        let stack_len = u64::from(request.stack_len);
        let stack_len_max = match stack_len {
            0 => 0,
            len => len + BELOW_STACK_MAX,
        };
        check_len(stack_len_max as usize, STACKS_LEN_MAX as usize)?;
        let target = self.resumable(TargetId::new(request.target))?;
        let tids = match request.tids.as_slice() {
            [] => target.tids(),
            tids => tids.iter().map(|tid| Tid::new(*tid)).collect(),
        };
        let known = tids.into_iter().filter(|tid| target.standing(*tid).is_ok());
        let mut reply = ReadRegistersReply::default();
        let mut tail = Vec::new();
        let mut len = 0;
        let threads = known.filter_map(|tid| read_thread(target.pid, tid, arch, request));
        for (mut thread, sp) in threads {
            len += entry_len(&thread);
            if len > REGISTERS_LEN_MAX && !reply.threads.is_empty() {
                reply.more = true;
                break;
            }
            if stack_len > 0 && tail.len() as u64 + stack_len_max <= u64::from(STACKS_LEN_MAX) {
                let (start, bytes) = read_stack(&target.memory, sp, stack_len);
                thread.stack_start = start.value();
                thread.stack_len = bytes.len() as u32;
                tail.extend(bytes);
            }
            reply.threads.push(thread);
        }
        Ok((reply, Bytes::from(tail)))
    }

    /// Writes registers of one thread, all or none.
    pub(super) fn write_registers(&mut self, request: &WriteRegisters) -> Result<(), Fault> {
        let (id, tid) = (TargetId::new(request.target), Tid::new(request.tid));
        let arch = self.arch;
        let thread = self.resumable(id)?.standing(tid)?;
        debug_assert!(thread.is_stopped());
        let general_before = sys::registers(tid, arch).map_err(refused(tid, "registers"))?;
        let general = changed(general_before, request)?;
        if !request.extended.is_empty() {
            let set = extended_set(arch);
            let refused = refused(tid, "extended registers");
            let before = sys::register_set(tid, set).map_err(&refused)?;
            let mut area = before.clone();
            patch(arch, tid, &mut area, &request.extended)?;
            sys::set_register_set(tid, set, &mut area).map_err(refused)?;
            // The general ones are written last, and if they are refused these are taken back.
            return write_general(tid, general_before, general).inspect_err(|_| {
                let mut area = before;
                let _ = sys::set_register_set(tid, set, &mut area);
            });
        }
        write_general(tid, general_before, general)
    }
}

/// The top of a stack: `len` bytes and what lies below them, or what can be read of these.
fn read_stack(memory: &TargetMemory, sp: Address, len: u64) -> (Address, Vec<u8>) {
    for begin in stack_begins(sp) {
        let below = sp.value() - begin.value();
        let mut bytes = vec![0; (below + len) as usize];
        let count = memory.read_head(begin, &mut bytes);
        if count > 0 {
            bytes.truncate(count);
            return (begin, bytes);
        }
    }
    (sp, Vec::new())
}

/// The general registers that a thread is to have.
fn changed(before: GeneralRegisters, request: &WriteRegisters) -> Result<GeneralRegisters, Fault> {
    let arch = before.arch();
    let mut registers = before;
    let mut is_moved = false;
    for value in &request.values {
        let index = u16::try_from(value.register).unwrap_or(u16::MAX);
        let register = RegisterId::new(index);
        if arch.describe(register).is_none() {
            let detail = format!("{} has no register {}", arch.name(), value.register);
            return Err(Fault::new(ErrorCode::Malformed, detail));
        }
        is_moved |= register == arch.pc() && registers.pc().value() != value.value;
        registers.set(register, value.value);
    }
    if is_moved && arch == Arch::X86_64 {
        let orig_rax = dbgbase::x86_64::ORIG_RAX;
        let is_named = |value: &RegisterValue| value.register as usize == orig_rax.index();
        // Otherwise the kernel, when the thread stopped inside a system call, would move the pc
        // back to restart that call (signal(7), "Interruption of system calls"). Who names the
        // register as well puts back what was before.
        if !request.values.iter().any(is_named) {
            registers.set(orig_rax, u64::MAX);
        }
        // What the CPU was to pass was at the old place.
        let flags = registers.get(dbgbase::x86_64::EFLAGS);
        registers.set(dbgbase::x86_64::EFLAGS, flags & !RESUME_FLAG);
    }
    Ok(registers)
}

fn write_general(
    tid: Tid,
    before: GeneralRegisters,
    registers: GeneralRegisters,
) -> Result<(), Fault> {
    if registers == before {
        return Ok(());
    }
    sys::set_registers(tid, &registers).map_err(|errno| {
        // The kernel takes one register after the other until it meets one that it refuses.
        let _ = sys::set_registers(tid, &before);
        refused(tid, "registers")(errno)
    })
}

/// Changes bytes of what [`extended_set`] holds.
fn patch(arch: Arch, tid: Tid, area: &mut [u8], patches: &[ExtendedPatch]) -> Result<(), Fault> {
    let malformed = |detail: String| Err(Fault::new(ErrorCode::Malformed, detail));
    if let Some(layout) = xsave_layout() {
        let patches = patches.iter().map(|patch| (patch.offset, patch.bytes.as_slice()));
        return match layout.patch(area, patches) {
            Ok(()) => Ok(()),
            Err(PatchError::Outside { offset }) => malformed(format!(
                "the extended registers of {} have none at offset {offset} that can be written",
                arch.name()
            )),
            Err(PatchError::Header { offset }) => malformed(format!(
                "offset {offset} is in the header of the XSAVE area, which the server keeps"
            )),
            Err(PatchError::Mxcsr { value, allowed }) => {
                let detail = format!(
                    "thread {tid} cannot have {value:#x} in mxcsr: this CPU has only the bits \
                     {allowed:#x}"
                );
                let fault = Fault::new(ErrorCode::SystemError, detail);
                Err(fault.with_errno(Errno::INVAL.raw_os_error()))
            }
        };
    }
    for patch in patches {
        let start = patch.offset as usize;
        match area.get_mut(start..start.saturating_add(patch.bytes.len())) {
            Some(place) => place.copy_from_slice(&patch.bytes),
            None => return malformed(format!("{} has no registers at {start}", arch.name())),
        }
    }
    Ok(())
}

fn refused(tid: Tid, what: &str) -> impl Fn(Errno) -> Fault {
    move |errno| {
        let detail = format!("{what} of thread {tid}: {errno}");
        Fault::new(ErrorCode::SystemError, detail).with_errno(errno.raw_os_error())
    }
}
