//! What a location may ask about the frame it is evaluated for: registers, memory, the canonical
//! frame address, the caller. It knows no expressions; whoever has a stopped program answers.

use dbgbase::{Address, LinkAddress, LoadBias, ReadMemory};

use super::DebugInfo;
use crate::Image;
use crate::unwind::{Frame, FramePc, Locate};

/// The longest register of the supported CPUs: AVX-512's, SVE's of usual machines.
const REGISTER_SIZE_MAX_BYTES: usize = 64;

/// A register's bytes, lowest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterValue {
    bytes: [u8; REGISTER_SIZE_MAX_BYTES],
    len: usize,
}

impl RegisterValue {
    /// From its bytes, lowest first; those behind the first 64 are left out.
    pub fn new(value: &[u8]) -> RegisterValue {
        let len = value.len().min(REGISTER_SIZE_MAX_BYTES);
        let mut bytes = [0; REGISTER_SIZE_MAX_BYTES];
        for (target, source) in bytes.iter_mut().zip(value) {
            *target = *source;
        }
        RegisterValue { bytes, len }
    }

    /// Its bytes, lowest first.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    /// Its lowest eight bytes as a number.
    pub fn to_u64(&self) -> u64 {
        let mut low = [0; 8];
        for (target, source) in low.iter_mut().zip(self.as_slice()) {
            *target = *source;
        }
        u64::from_le_bytes(low)
    }
}

impl From<u64> for RegisterValue {
    fn from(value: u64) -> RegisterValue {
        RegisterValue::new(&value.to_le_bytes())
    }
}

/// A frame of a stopped program. Inlined calls have that of the function they are inlined into.
pub trait FrameContext {
    /// The value of the register that DWARF numbers so; `None` if it is unknown in this frame.
    fn register(&self, dwarf: u16) -> Option<RegisterValue>;

    /// The canonical frame address (DWARF 5, 6.4).
    fn cfa(&self) -> Option<Address>;

    /// The program's memory.
    fn memory(&self) -> &dyn ReadMemory;

    /// Where the frame's image was loaded.
    fn bias(&self) -> LoadBias;

    /// Where this thread has the byte at `offset` of the thread-local storage of the frame's image.
    fn thread_local(&self, offset: u64) -> Option<Address>;

    /// The frame that called this one's function. `None` if there is none, or if it made no call.
    fn caller(&self) -> Option<Caller<'_>>;

    /// Where the function begins that the linker knows by this name in the frame's image. `None` if
    /// there is none, or if nobody knows.
    fn function_named(&self, _linkage_name: &[u8]) -> Option<LinkAddress> {
        None
    }
}

/// The frame that made a call.
pub struct Caller<'a> {
    /// The debugging information of its image.
    pub info: &'a DebugInfo,
    /// Where it goes on after the call.
    pub return_address: LinkAddress,
    /// The frame.
    pub frame: Box<dyn FrameContext + 'a>,
}

/// Finds a byte of the thread-local storage that a thread has for an image.
pub type LocateThreadLocal<'a> = dyn Fn(&Image, LoadBias, u64) -> Option<Address> + 'a;

/// What a stopped thread's stack is computed from.
#[derive(Clone, Copy)]
pub struct Stack<'a> {
    /// Its frames, innermost first, as [`walk`](crate::unwind::walk) found them.
    pub frames: &'a [Frame],
    /// Finds the image around an address.
    pub locate: &'a Locate<'a>,
    /// The program's memory.
    pub memory: &'a dyn ReadMemory,
    /// Registers that no frame saves, by their DWARF numbers: vectors, x87.
    pub unsaved: &'a dyn Fn(u16) -> Option<RegisterValue>,
    /// Finds thread-local variables.
    pub thread_local: &'a LocateThreadLocal<'a>,
}

/// One frame of a [`Stack`].
#[derive(Clone, Copy)]
pub struct StackFrame<'a> {
    stack: Stack<'a>,
    index: usize,
    frame: &'a Frame,
    image: &'a Image,
    bias: LoadBias,
}

impl<'a> StackFrame<'a> {
    /// The frame at `index`, counted from the innermost one. `None` if there is none, or no image
    /// where it stands.
    pub fn new(stack: Stack<'a>, index: usize) -> Option<StackFrame<'a>> {
        let frame = stack.frames.get(index)?;
        let (image, bias) = (stack.locate)(frame.pc.lookup_pc())?;
        Some(StackFrame { stack, index, frame, image, bias })
    }

    /// The frame.
    pub fn frame(&self) -> &'a Frame {
        self.frame
    }

    /// The image that it stands in.
    pub fn image(&self) -> &'a Image {
        self.image
    }

    /// The address by which its function, its lines and its variables are found.
    pub fn lookup_pc(&self) -> LinkAddress {
        self.frame.pc.lookup_pc().to_link(self.bias)
    }
}

impl FrameContext for StackFrame<'_> {
    fn register(&self, dwarf: u16) -> Option<RegisterValue> {
        let id = self.frame.registers.arch().register_by_dwarf(dwarf);
        let Some(id) = id else { return (self.stack.unsaved)(dwarf) };
        // A register that no callee saved: compilers say that a variable stays in it during a call
        // only if they know that the callee leaves it alone. So it has the value from there.
        let mut inwards = self.stack.frames.get(..=self.index)?.iter().rev();
        inwards.find_map(|frame| frame.registers.get(id)).map(RegisterValue::from)
    }

    fn cfa(&self) -> Option<Address> {
        self.frame.cfa
    }

    fn memory(&self) -> &dyn ReadMemory {
        self.stack.memory
    }

    fn bias(&self) -> LoadBias {
        self.bias
    }

    fn thread_local(&self, offset: u64) -> Option<Address> {
        (self.stack.thread_local)(self.image, self.bias, offset)
    }

    fn caller(&self) -> Option<Caller<'_>> {
        let caller = StackFrame::new(self.stack, self.index.checked_add(1)?)?;
        let FramePc::ReturnAddress(pc) = caller.frame.pc else { return None };
        Some(Caller {
            info: caller.image.debug_info()?,
            return_address: pc.to_link(caller.bias),
            frame: Box::new(caller),
        })
    }

    fn function_named(&self, linkage_name: &[u8]) -> Option<LinkAddress> {
        let name = std::str::from_utf8(linkage_name).ok()?;
        let symbols = self.image.symbols().by_name(name);
        symbols.iter().find(|symbol| symbol.is_code()).map(|symbol| symbol.address())
    }
}
