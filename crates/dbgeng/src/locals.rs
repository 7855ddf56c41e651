//! The parameters and locals of a frame: what they are called, of which type they are, where they
//! are, and their values. It brings a stopped thread's stack and the debugging information
//! together; what an expression computes and what bytes mean is known elsewhere.

use dbgbase::x86_64::extended::ExtendedRegister;
use dbgbase::{Address, Arch, GeneralRegisters, LoadBias, ReadMemory, x86_64};
use dbgsym::Image;
use dbgsym::dwarf::{
    DebugInfo, LocateError, Location, Place, RegisterValue, Stack, StackFrame as SymbolFrame,
    TypeKind, TypeRef, Variable,
};
use dbgsym::unwind::{Frame, FrameRegisters};

pub use dbgsym::dwarf::VariableKind;

use crate::cxx::Found;
use crate::memory::gather::gathered;
use crate::stack::{Images, unwind};
use crate::symbols::ProcessSymbols;
use crate::type_layout::VariableObject;
use crate::values::layout::LayoutOptions;
use crate::values::{Part, UNAVAILABLE, ValueLimits, Values};
use crate::{Error, ErrorKind, ExtendedRegisters, LayoutQuery, Module, TypeLayout};

/// So many frames further out are looked at if a parameter is only known as what a caller passed.
const CALLERS_MAX: usize = 32;
/// Of longer arrays only so much is read.
const ARRAY_LEN_MAX: u64 = 4096;
/// Larger objects are shown as far as that.
const OBJECT_LEN_MAX: u64 = 64 * 1024;
/// The registers of vectors in DWARF (psABI for AMD64, 3.36): `xmm0` to `xmm15`.
const DWARF_XMM: std::ops::Range<u16> = 17..33;
/// Those of x87: `st0` to `st7`.
const DWARF_X87: std::ops::Range<u16> = 33..41;

/// A parameter or local of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Local {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: VariableKind,
    /// Its type as its language writes it.
    pub type_name: String,
    /// How many bytes it has; `None` if that is not known.
    pub size_bytes: Option<u64>,
    /// Where it is.
    pub place: ValuePlace,
    /// Its value as the original shows one, or why there is none.
    pub value: String,
    /// Its bytes; `None` if some are unknown.
    pub bytes: Option<Vec<u8>>,
    /// Whether another one of the same name in a block further in hides it.
    pub is_shadowed: bool,
}

/// Where a value is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ValuePlace {
    /// In memory.
    Memory(Address),
    /// In a register.
    Register(String),
    /// In several registers, or partly in memory.
    Pieces,
    /// Nowhere; it follows from other things.
    Computed,
    /// Nowhere: the compiler did not keep it.
    OptimisedOut,
    /// It could not be found out.
    Unknown,
}

/// A variable's type, where it is, and its bytes.
type VariableParts = (Option<TypeRef>, Option<Address>, Option<Vec<u8>>);

/// A frame among those that [`Engine::stack`](crate::Engine::stack) counts.
struct Chosen {
    /// Which of the frames that have a stack of their own.
    index: usize,
    /// Which call that is inlined there, as [`Variable::call`] counts.
    call: usize,
}

/// A stopped thread.
#[derive(Clone, Copy)]
pub(crate) struct StoppedThread<'a> {
    pub(crate) symbols: ProcessSymbols<'a>,
    pub(crate) registers: GeneralRegisters,
    /// How many of the inlined calls where it is it has not entered.
    pub(crate) calls_ahead: usize,
    /// Its registers beyond the general ones.
    pub(crate) extended: &'a dyn Fn() -> Option<ExtendedRegisters>,
}

/// A frame with all that is needed to find its variables.
pub(crate) struct FrameView<'v, 's> {
    pub(crate) info: &'v DebugInfo,
    pub(crate) frame: &'v SymbolFrame<'s>,
    pub(crate) values: Values<'v>,
    call: usize,
}

impl StoppedThread<'_> {
    /// The parameters and locals that a frame sees.
    pub(crate) fn locals(&self, number: usize, limits: ValueLimits) -> Result<Vec<Local>, Error> {
        self.in_frame(number, limits, |view| view.locals())
    }

    /// The members of a variable.
    pub(crate) fn layout(
        &self,
        number: usize,
        name: &str,
        options: &LayoutOptions,
    ) -> Result<Option<TypeLayout>, Error> {
        let module = self.pc_of(number)?.and_then(|pc| self.symbols.process.modules.at(pc));
        let module = module.map(|module| module.name.as_str()).unwrap_or_default();
        self.in_frame(number, ValueLimits::LINE, |view| view.layout(name, module, options))
    }

    /// A variable of a frame, or what else is called so.
    pub(crate) fn named(
        &self,
        number: usize,
        query: &LayoutQuery,
        name: &str,
        options: &LayoutOptions,
    ) -> Result<Option<TypeLayout>, Error> {
        if !query.only_types && query.address.is_none() && !name.contains('!') {
            match self.layout(number, name, options) {
                // A frame without debugging information has no variables.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Ok(None) => {}
                found => return found,
            }
        }
        let thread_local = |module: &Module, offset: u64| self.thread_local(module, offset);
        self.symbols.named_layout(query, name, self.pc_of(number)?, &thread_local, options)
    }

    /// A variable of a frame, as an object.
    pub(crate) fn object_named(&self, number: usize, name: &str) -> Result<Option<Found>, Error> {
        let found = self.in_frame(number, ValueLimits::LINE, |view| view.object(name))?;
        let (Some((ty, address, bytes)), Some(pc)) = (found, self.pc_of(number)?) else {
            return Ok(None);
        };
        let module = self.symbols.process.modules.at(pc);
        let image = module.map(|module| self.symbols.debug_image(module)).transpose()?.flatten();
        Ok(image.map(|image| Found { image, ty, address, bytes }))
    }

    /// What the code of a frame sees of this name outside of functions, as an object. Code of
    /// which nothing is known sees what is visible everywhere.
    pub(crate) fn outer_object_named(
        &self,
        number: usize,
        name: &str,
    ) -> Result<Option<Found>, Error> {
        let thread_local = |module: &Module, offset: u64| self.thread_local(module, offset);
        self.symbols.object_named(name, self.pc_of(number)?, &thread_local)
    }

    /// Where the code of a frame is.
    pub(crate) fn pc_of(&self, number: usize) -> Result<Option<Address>, Error> {
        let (frames, chosen) = self.frames(number, 0)?;
        Ok(frames.get(chosen.index).map(|frame| frame.pc.lookup_pc()))
    }

    /// Where the thread has the byte at `offset` of a module's thread-local storage.
    pub(crate) fn thread_local(&self, module: &Module, offset: u64) -> Option<Address> {
        let image = self.symbols.image(module).ok()??;
        let base =
            (self.registers.arch() == Arch::X86_64).then(|| self.registers.get(x86_64::FS_BASE))?;
        self.symbols.thread_local(module, &image, Address::new(base), offset)
    }

    /// The parameters of the first frames.
    pub(crate) fn parameters(
        &self,
        frames_max: usize,
        limits: ValueLimits,
    ) -> Result<Vec<Vec<Local>>, Error> {
        let images = Images::new(self.symbols);
        let frames_max = frames_max.max(1);
        let (frames, _) = unwind(&images, &self.registers, frames_max + CALLERS_MAX)?;
        let mut chosen = Vec::new();
        for (index, frame) in frames.iter().enumerate() {
            let ahead = if index == 0 { self.calls_ahead } else { 0 };
            let inlined = self.symbols.inlined_at(frame.pc.lookup_pc()).len();
            let inlined = inlined.saturating_sub(ahead);
            chosen.extend((0..=inlined).rev().map(|call| Chosen { index, call }));
            if chosen.len() >= frames_max {
                break;
            }
        }
        chosen.truncate(frames_max);
        let found = self.ask(&frames, &chosen, limits, |view| {
            let (mut locals, _) = view.locals();
            locals.retain(|local| local.kind == VariableKind::Parameter);
            locals
        })?;
        Ok(found.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// The registers of a frame, and whether another function that it called is further in.
    pub(crate) fn frame_registers(&self, number: usize) -> Result<(FrameRegisters, bool), Error> {
        let (frames, chosen) = self.frames(number, 0)?;
        let registers = match frames.get(chosen.index) {
            Some(frame) => frame.registers,
            None => FrameRegisters::unknown(self.registers.arch()),
        };
        Ok((registers, chosen.index > 0))
    }

    /// Where a variable of a frame is; `None` if the frame has none of the name.
    pub(crate) fn place_of(&self, number: usize, name: &str) -> Result<Option<ValuePlace>, Error> {
        self.in_frame(number, ValueLimits::LINE, |view| view.place_of(name))
    }

    /// Asks something of a frame. `compute` may be called several times.
    ///
    /// **Errors**: `NotFound` if there is no such frame, or no debugging information for it; those
    /// of the connection.
    pub(crate) fn in_frame<T>(
        &self,
        number: usize,
        limits: ValueLimits,
        compute: impl Fn(&FrameView<'_, '_>) -> (T, bool),
    ) -> Result<T, Error> {
        let mut callers = 1;
        loop {
            let (frames, chosen) = self.frames(number, callers)?;
            let (result, lacks_callers) = self.at(&frames, &chosen, limits, &compute)?;
            let may_have_more = frames.len() == chosen.index + 1 + callers;
            if !lacks_callers || !may_have_more || callers > 1 {
                return Ok(result);
            }
            callers = CALLERS_MAX;
        }
    }

    /// The frames up to so many behind the one with this number, and which of them that is.
    fn frames(&self, number: usize, callers: usize) -> Result<(Vec<Frame>, Chosen), Error> {
        let images = Images::new(self.symbols);
        let (frames, _) = unwind(&images, &self.registers, number.saturating_add(1 + callers))?;
        let mut first = 0;
        for (index, frame) in frames.iter().enumerate() {
            let ahead = if index == 0 { self.calls_ahead } else { 0 };
            let inlined = self.symbols.inlined_at(frame.pc.lookup_pc()).len();
            let inlined = inlined.saturating_sub(ahead);
            if number <= first + inlined {
                let mut frames = frames;
                frames.truncate(index + 1 + callers);
                return Ok((frames, Chosen { index, call: inlined - (number - first) }));
            }
            first += inlined + 1;
        }
        let message = format!("the stack has no frame {number:#x}");
        Err(Error::new(ErrorKind::NotFound, message))
    }

    fn at<T>(
        &self,
        frames: &[Frame],
        chosen: &Chosen,
        limits: ValueLimits,
        compute: &impl Fn(&FrameView<'_, '_>) -> (T, bool),
    ) -> Result<(T, bool), Error> {
        let found = self.ask(frames, std::slice::from_ref(chosen), limits, compute)?;
        found.into_iter().next().flatten().ok_or_else(|| {
            let message = "no debugging information is known for the code of this frame";
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// Asks the same of several of these frames; there is no answer where nothing is known of the
    /// code. What memory they need is read at once.
    fn ask<T>(
        &self,
        frames: &[Frame],
        chosen: &[Chosen],
        limits: ValueLimits,
        compute: impl Fn(&FrameView<'_, '_>) -> T,
    ) -> Result<Vec<Option<T>>, Error> {
        let symbols = self.symbols;
        for frame in chosen.iter().filter_map(|chosen| frames.get(chosen.index)) {
            if let Some(module) = symbols.process.modules.at(frame.pc.lookup_pc()) {
                symbols.debug_image(module)?;
            }
        }
        let images = Images::new(symbols);
        let unsaved = |dwarf: u16| self.unsaved(dwarf);
        let modules = symbols.process.modules.list();
        let thread_local = |_: &Image, bias: LoadBias, offset: u64| {
            // Programs may be loaded where their file says, libraries each elsewhere.
            let is_it = |module: &&Module| module.bias == bias;
            let program = symbols.process.modules.program().filter(is_it);
            self.thread_local(program.or_else(|| modules.iter().find(is_it))?, offset)
        };
        let name_at = |address: Address| symbols.at(address);
        let ask = |memory: &dyn ReadMemory, chosen: &Chosen| {
            let images = &images;
            let locate = |address: Address| images.at(address);
            let stack = Stack {
                frames,
                locate: &locate,
                memory,
                unsaved: &unsaved,
                thread_local: &thread_local,
            };
            let frame = SymbolFrame::new(stack, chosen.index)?;
            let info = frame.image().debug_info()?;
            let values = Values::new(info, memory, &name_at, limits);
            Some(compute(&FrameView { info, frame: &frame, values, call: chosen.call }))
        };
        loop {
            let found = gathered(&symbols.process.memory, symbols.client, |memory| {
                chosen.iter().map(|chosen| ask(memory, chosen)).collect()
            })?;
            images.check()?;
            let mut pcs = chosen.iter().filter_map(|chosen| frames.get(chosen.index));
            // Types whose definitions are elsewhere are found by their names.
            if !pcs.try_fold(false, |any, frame| {
                Ok::<_, Error>(symbols.index_if_lacking(frame.pc.lookup_pc())? || any)
            })? {
                return Ok(found);
            }
        }
    }

    /// A register that no frame saves.
    fn unsaved(&self, dwarf: u16) -> Option<RegisterValue> {
        if self.registers.arch() != Arch::X86_64 {
            return None;
        }
        let register = ExtendedRegister::from_name(&vector_name(dwarf)?)?;
        let value = (self.extended)()?.get(register)?;
        Some(RegisterValue::new(value.bytes()))
    }
}

/// The name of a vector or x87 register by its number in DWARF.
fn vector_name(dwarf: u16) -> Option<String> {
    if DWARF_XMM.contains(&dwarf) {
        return Some(format!("xmm{}", dwarf - DWARF_XMM.start));
    }
    DWARF_X87.contains(&dwarf).then(|| format!("st{}", dwarf - DWARF_X87.start))
}

impl FrameView<'_, '_> {
    /// The variables of the call, and whether one is only known further out.
    fn locals(&self) -> (Vec<Local>, bool) {
        let mut lacks_callers = false;
        let mut variables = self.variables();
        variables.retain(|variable| !variable.name.is_empty());
        let locals = variables.into_iter().map(|variable| {
            let (local, lacks) = self.local(&variable);
            lacks_callers |= lacks;
            local
        });
        (locals.collect(), lacks_callers)
    }

    /// The variables of the call.
    pub(crate) fn variables(&self) -> Vec<Variable> {
        let mut variables = self.info.variables_at(self.frame.lookup_pc());
        variables.retain(|variable| variable.call == self.call);
        variables
    }

    /// The variable with this name that those in inner blocks do not hide.
    fn named(&self, name: &str) -> Option<Variable> {
        let mut variables = self.variables();
        let at = variables.iter().rposition(|variable| variable.name == name)?;
        Some(variables.swap_remove(at))
    }

    /// A variable as an object: its type, where it is, its bytes; and whether that is only known
    /// further out.
    fn object(&self, name: &str) -> (Option<VariableParts>, bool) {
        let Some(variable) = self.named(name) else { return (None, false) };
        let pc = self.frame.lookup_pc();
        let size = self.info.size_in_frame(&variable, pc, self.frame).unwrap_or(0);
        let place = self.info.locate(&variable, pc, self.frame);
        let lacks_callers = matches!(place, Err(LocateError::NoEntryValue));
        let address = place.as_ref().ok().and_then(Place::address);
        let size = size.min(OBJECT_LEN_MAX);
        let object = place.ok().and_then(|place| place.read(self.frame, size).ok());
        let bytes = object.filter(|object| object.is_complete()).map(|object| object.bytes);
        (Some((variable.ty, address, bytes)), lacks_callers)
    }

    /// Where a variable is, and whether that is only known further out.
    fn place_of(&self, name: &str) -> (Option<ValuePlace>, bool) {
        let Some(variable) = self.named(name) else { return (None, false) };
        let located = self.info.locate(&variable, self.frame.lookup_pc(), self.frame);
        let lacks_callers = matches!(located, Err(LocateError::NoEntryValue));
        let place = located.as_ref().map_or(ValuePlace::Unknown, |place| self.place(place));
        (Some(place), lacks_callers)
    }

    fn local(&self, variable: &Variable) -> (Local, bool) {
        let located = self.info.locate(variable, self.frame.lookup_pc(), self.frame);
        let lacks_callers = matches!(located, Err(LocateError::NoEntryValue));
        let (value, bytes) = match &located {
            Ok(place) => self.value(variable, place),
            Err(LocateError::NoEntryValue) => (UNAVAILABLE.to_owned(), None),
            Err(error) => (unavailable(*error), None),
        };
        let local = Local {
            name: variable.name.clone(),
            kind: variable.kind,
            type_name: self.info.type_name(variable.ty),
            size_bytes: self.info.size_in_frame(variable, self.frame.lookup_pc(), self.frame),
            place: located.as_ref().map_or(ValuePlace::Unknown, |place| self.place(place)),
            value,
            bytes,
            is_shadowed: variable.is_shadowed,
        };
        (local, lacks_callers)
    }

    /// The members of a variable, or of what it points to.
    fn layout(
        &self,
        name: &str,
        module: &str,
        options: &LayoutOptions,
    ) -> (Option<TypeLayout>, bool) {
        let Some(variable) = &self.named(name) else { return (None, false) };
        let (local, lacks_callers) = self.local(variable);
        let pc = self.frame.lookup_pc();
        let place = self.info.locate(variable, pc, self.frame);
        let size = local.size_bytes.unwrap_or(0).min(OBJECT_LEN_MAX);
        let object = VariableObject {
            variable,
            object: place.as_ref().ok().and_then(|place| place.read(self.frame, size).ok()),
            address: place.ok().and_then(|place| place.address()),
            size_bytes: local.size_bytes,
            value: local.value,
        };
        (Some(object.layout(&self.values, module, options)), lacks_callers)
    }

    fn place(&self, place: &Place) -> ValuePlace {
        if place.is_optimised_out() {
            return ValuePlace::OptimisedOut;
        }
        match place.whole() {
            Some(Location::Memory(address)) => ValuePlace::Memory(*address),
            Some(Location::Register(number)) => {
                let arch = self.frame.frame().registers.arch();
                let general = arch.register_by_dwarf(*number).and_then(|id| arch.describe(id));
                let name = general.map(|register| register.name.to_owned());
                let name = name.or_else(|| vector_name(*number));
                ValuePlace::Register(name.unwrap_or_else(|| format!("dwarf{number}")))
            }
            Some(_) => ValuePlace::Computed,
            None => ValuePlace::Pieces,
        }
    }

    fn value(&self, variable: &Variable, place: &Place) -> (String, Option<Vec<u8>>) {
        if let Some(Location::ImplicitPointer { target, byte_offset }) = place.whole() {
            return (self.implicit_pointer(variable, *target, *byte_offset), None);
        }
        let size = self.info.size_in_frame(variable, self.frame.lookup_pc(), self.frame);
        // What has no bytes has its value everywhere, as Rust's `()`.
        if place.is_optimised_out() && size != Some(0) {
            return (UNAVAILABLE.to_owned(), None);
        }
        let is_array = self
            .values
            .plain(variable.ty)
            .is_some_and(|found| matches!(found.kind, TypeKind::Array(_)));
        let size = size.unwrap_or(0);
        let read = size.min(if is_array { ARRAY_LEN_MAX } else { OBJECT_LEN_MAX });
        match place.read(self.frame, read) {
            Ok(object) => {
                let part = Part::new(&object, place.address());
                let shown = self.values.variable(variable.ty, part);
                let is_whole = read == size && object.is_complete();
                (shown, is_whole.then_some(object.bytes))
            }
            Err(error) => (unavailable(error), None),
        }
    }

    /// A pointer to what is nowhere, but has a value.
    fn implicit_pointer(
        &self,
        pointer: &Variable,
        target: dbgsym::dwarf::EntryId,
        offset: i64,
    ) -> String {
        let target = self.info.pointee(pointer, target);
        let pc = self.frame.lookup_pc();
        let size = self.info.size_in_frame(&target, pc, self.frame);
        let object = self.info.locate(&target, pc, self.frame).ok().and_then(|place| {
            // What has no type, as a string constant, is as long as its bytes.
            let size = size.or(match place.whole() {
                Some(Location::Value(bytes)) => Some(bytes.len() as u64),
                _ => None,
            });
            place.read(self.frame, size?).ok()
        });
        let ty = self.pointed_type(pointer.ty).or(target.ty);
        let value = object.map(|object| {
            let offset = u64::try_from(offset).unwrap_or(u64::MAX);
            self.values.pointed(ty, Part::new(&object, None).slice(offset, u64::MAX))
        });
        let value = value.unwrap_or_else(|| UNAVAILABLE.to_owned());
        format!("<pointer to {value}, which is not in memory>")
    }

    fn pointed_type(&self, ty: Option<TypeRef>) -> Option<TypeRef> {
        match self.values.plain(ty)?.kind {
            TypeKind::Pointer(target)
            | TypeKind::Reference(target)
            | TypeKind::RvalueReference(target) => target,
            _ => None,
        }
    }
}

/// What is shown instead of a value.
pub(crate) fn unavailable(error: LocateError) -> String {
    match error {
        LocateError::Unreadable(address) => format!("<memory access error at 0x{address}>"),
        error => format!("<value unavailable: {error}>"),
    }
}
