//! Who called whom: the unwinder's frames with names. It knows how to read a stack with few round
//! trips; how a caller is found is the unwinder's business.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use dbgbase::{Address, GeneralRegisters, LoadBias, ReadMemory, Unreadable};
use dbgsym::Image;
use dbgsym::unwind::{Frame, FramePc, walk};

pub use dbgsym::unwind::{FrameRegisters, StackEnd, UnwindMethod};

use crate::memory::PAGE_LEN;
use crate::symbols::ProcessSymbols;
use crate::{Error, Module, SourceLine, SymbolAt};

/// How much of a stack is read at once when something above the known part is needed.
const STACK_RUN_LEN: u64 = 16 * 1024;
/// What lies further above the stack pointer than this is not taken for stack.
const STACK_LEN_MAX: u64 = 64 * 1024 * 1024;

/// The frames of a thread, the innermost first, and why there are no more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stack {
    /// The frames; at least one.
    pub frames: Vec<StackFrame>,
    /// Why the list ends.
    pub end: StackEnd,
}

/// One frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackFrame {
    /// Its number; the innermost is 0.
    pub number: usize,
    /// Where it executes; for callers the address behind the call.
    pub pc: Address,
    /// Where it returns to, if its caller was found.
    pub return_address: Option<Address>,
    /// Its stack pointer, `Child-SP` of the original's lists; 0 if unknown.
    pub sp: Address,
    /// Its canonical frame address (DWARF 5, section 6.4), if known.
    pub cfa: Option<Address>,
    /// The function it executes, with the displacement of `pc`. For callers, the function that
    /// contains the call, even if `pc` lies behind its end.
    pub symbol: Option<SymbolAt>,
    /// The line of source it executes, for callers that of the call.
    pub source: Option<SourceLine>,
    /// How it was found from the frame inside it.
    pub method: UnwindMethod,
    /// Whether it is the trampoline that a signal handler returns to.
    pub is_signal_frame: bool,
    /// Whether it is that of a call that the compiler replaced by the function's instructions. It
    /// has the registers and the stack of the next frame that is not, and returns nowhere.
    pub is_inline: bool,
}

/// Where a stack is to be followed from, instead of where its thread is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StackStart {
    /// The stack pointer.
    pub sp: Address,
    /// Where the first frame executes; as the thread if it is not given.
    pub pc: Option<Address>,
}

impl StackStart {
    /// The registers of a thread that stands there: all others are those of the current frame, as
    /// far as they are known, else those that the thread has now.
    pub(crate) fn apply(self, registers: &mut GeneralRegisters, current: &FrameRegisters) {
        for (id, _, value) in current.iter() {
            if let Some(value) = value {
                registers.set(id, value);
            }
        }
        registers.set(registers.arch().sp(), self.sp.value());
        if let Some(pc) = self.pc {
            registers.set_pc(pc);
        }
    }
}

/// The images of a process, by address, each looked for when it is first asked for.
pub(crate) struct Images<'a> {
    modules: &'a [Module],
    images: Vec<OnceCell<Option<Arc<Image>>>>,
    symbols: ProcessSymbols<'a>,
    /// What kept one from being looked for.
    failure: Cell<Option<Error>>,
}

impl<'a> Images<'a> {
    pub(crate) fn new(symbols: ProcessSymbols<'a>) -> Images<'a> {
        let modules = symbols.process.modules.list();
        let images = modules.iter().map(|_| OnceCell::new()).collect();
        Images { modules, images, symbols, failure: Cell::new(None) }
    }

    /// The image around an address, and the bias it was loaded with.
    pub(crate) fn at(&self, address: Address) -> Option<(&Image, LoadBias)> {
        let at = self.modules.iter().position(|module| module.range.contains(address))?;
        let module = self.modules.get(at)?;
        let image = self.images.get(at)?.get_or_init(|| match self.symbols.image(module) {
            Ok(image) => image,
            Err(error) => {
                self.failure.set(Some(error));
                None
            }
        });
        Some((image.as_deref()?, module.bias))
    }

    /// The error if an image could not be looked for.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

/// Unwinds from these registers on. Calls that are inlined have no frame here.
pub(crate) fn unwind(
    images: &Images<'_>,
    registers: &GeneralRegisters,
    frames_max: usize,
) -> Result<(Vec<Frame>, StackEnd), Error> {
    let memory = StackMemory { symbols: images.symbols, sp: registers.sp() };
    let locate = |address: Address| images.at(address);
    let found = walk(registers, &locate, &memory, frames_max.max(1));
    images.check()?;
    Ok(found)
}

/// Walks a stack from these registers on. So many of the inlined calls at their pc have not been
/// entered yet.
pub(crate) fn walk_stack(
    symbols: ProcessSymbols<'_>,
    registers: &GeneralRegisters,
    calls_ahead: usize,
    frames_max: usize,
) -> Result<Stack, Error> {
    let (frames, end) = unwind(&Images::new(symbols), registers, frames_max)?;
    let callers = frames.iter().skip(1).map(|frame| Some(frame.pc.address())).chain([None]);
    let ahead = std::iter::once(calls_ahead).chain(std::iter::repeat(0));
    let mut described: Vec<StackFrame> = frames
        .iter()
        .zip(callers)
        .zip(ahead)
        .flat_map(|((frame, caller), ahead)| describe(symbols, frame, caller, ahead))
        .collect();
    for (number, frame) in described.iter_mut().enumerate() {
        frame.number = number;
    }
    Ok(Stack { frames: described, end })
}

/// A frame as it is shown: those of the calls that are inlined at its place, the innermost first,
/// then itself. The innermost `calls_ahead` have none yet.
fn describe(
    symbols: ProcessSymbols<'_>,
    frame: &Frame,
    return_address: Option<Address>,
    calls_ahead: usize,
) -> Vec<StackFrame> {
    let at = frame.pc.lookup_pc();
    let shown = |symbol: Option<SymbolAt>, source, is_inline: bool| StackFrame {
        number: 0,
        pc: frame.pc.address(),
        return_address: return_address.filter(|_| !is_inline),
        sp: frame.registers.sp().unwrap_or(Address::ZERO),
        cfa: frame.cfa,
        symbol: symbol.map(|symbol| where_it_goes_on(symbol, frame)),
        source,
        method: frame.method,
        is_signal_frame: frame.is_signal_frame && !is_inline,
        is_inline,
    };
    // The line is that of the innermost; whoever called is at the place of the call.
    let mut source = symbols.line_at(at);
    let mut frames = Vec::new();
    for (index, call) in symbols.inlined_at(at).into_iter().enumerate() {
        let within = std::mem::replace(&mut source, call.call_site);
        if index >= calls_ahead {
            frames.push(shown(Some(call.symbol), within, true));
        }
    }
    frames.push(shown(symbols.at(at), source, false));
    frames
}

/// A caller is looked up by the call, and shown by where execution goes on.
fn where_it_goes_on(mut symbol: SymbolAt, frame: &Frame) -> SymbolAt {
    if let FramePc::ReturnAddress(_) = frame.pc {
        symbol.displacement += 1;
        symbol.exact = false;
    }
    symbol
}

/// The target's memory, read ahead where it is stack.
struct StackMemory<'a> {
    symbols: ProcessSymbols<'a>,
    sp: Address,
}

impl ReadMemory for StackMemory<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let (memory, client) = (&self.symbols.process.memory, self.symbols.client);
        if memory.read_known(address, buffer) < buffer.len() {
            let is_stack = address.offset_from(self.sp).is_some_and(|above| above < STACK_LEN_MAX);
            if is_stack {
                let start = address.align_down(PAGE_LEN);
                // If this fails, so does the read that follows, and that is told.
                let _ = memory.fetch(client, start, STACK_RUN_LEN);
            }
        }
        memory.read(client, address, buffer).map_err(|_| Unreadable { address })
    }
}
