//! Looking into the current target, and changing it: registers, memory, modules, symbols, code,
//! stack. It only routes to the files of those names.

use dbgbase::x86_64::extended::{ExtendedRegister, ExtendedValue};
use dbgbase::{Address, GeneralRegisters, RegisterId, Tid};

use crate::memory::list_regions;
use crate::stack::walk_stack;
use crate::{
    DisassembledInstruction, Engine, EngineMemory, Error, ExtendedRegisters, ModuleView, Process,
    ProcessNumber, Region, SourceLine, Stack, StackStart, SymbolAt, SymbolMatch, ThreadNumber,
};

impl Engine {
    /// The registers of the current thread.
    ///
    /// **Errors**: `NoTarget`, `NotStopped`, `NoSuchThread`; those of the connection.
    /// **Cost**: none for the event thread; else as [`Engine::thread_registers`].
    pub fn registers(&self) -> Result<GeneralRegisters, Error> {
        let (process, thread) = self.current_still()?;
        process.registers.read(&self.client, thread.tid)
    }

    /// The registers of a thread.
    ///
    /// **Errors**: `NoSuchProcess`, `NoSuchThread`, `NotStopped`; those of the connection.
    /// **Cost**: none if they are known; else one round trip, after which those of all threads of
    /// the process are known until it runs.
    pub fn thread_registers(
        &self,
        process: ProcessNumber,
        thread: ThreadNumber,
    ) -> Result<GeneralRegisters, Error> {
        self.check_connected()?;
        let process = self.process(process)?;
        process.check_still()?;
        let thread = process.thread(thread)?;
        process.registers.read(&self.client, thread.tid)
    }

    /// Sets a register of the current thread.
    ///
    /// **Shape**: the kernel may keep bits that programs must not change; what is read afterwards
    /// is what it made of the value.
    /// **Errors**: `NotFound` for a register the CPU does not have; `NoTarget`, `NotStopped`; those
    /// of the connection.
    /// **Cost**: one round trip.
    pub fn set_register(&mut self, id: RegisterId, value: u64) -> Result<(), Error> {
        let (process, thread) = self.current_still()?;
        process.registers.write(&self.client, thread.tid, id, value)
    }

    /// The registers of the current thread beyond the general ones: floating point, vectors, debug
    /// registers.
    ///
    /// **Errors**: `NoTarget`, `NotStopped`, `NoSuchThread`; those of the connection.
    /// **Cost**: none if they are known; else one round trip for the first thread of a stop. The
    /// second thread costs one more (and another one for every 4 MiB), after which those of all
    /// threads of the process are known until it runs.
    pub fn extended_registers(&self) -> Result<ExtendedRegisters, Error> {
        let (process, thread) = self.current_still()?;
        self.extended_of(process, thread.tid)
    }

    /// The registers of a thread beyond the general ones.
    ///
    /// **Errors**: `NoSuchProcess`, `NoSuchThread`, `NotStopped`; those of the connection.
    /// **Cost**: as [`Engine::extended_registers`].
    pub fn thread_extended_registers(
        &self,
        process: ProcessNumber,
        thread: ThreadNumber,
    ) -> Result<ExtendedRegisters, Error> {
        self.check_connected()?;
        let process = self.process(process)?;
        process.check_still()?;
        self.extended_of(process, process.thread(thread)?.tid)
    }

    fn extended_of(&self, process: &Process, tid: Tid) -> Result<ExtendedRegisters, Error> {
        let tids = process.threads.list().iter().map(|thread| thread.tid);
        process.registers.read_extended(&self.client, &self.server.xsave, tid, tids)
    }

    /// Sets a register of the current thread beyond the general ones. What `value` has too few
    /// bytes for becomes 0; other registers, also those that are wider ones' parts, keep theirs.
    ///
    /// **Errors**: `NotFound` for a register the server's machine does not have; `ServerRefused`
    /// for a value that cannot be, as of `mxcsr`; `NoTarget`, `NotStopped`; those of the
    /// connection.
    /// **Cost**: one round trip; for an MMX register one more if it was not known.
    pub fn set_extended_register(
        &mut self,
        register: ExtendedRegister,
        value: &ExtendedValue,
    ) -> Result<(), Error> {
        let (process, thread) = self.current_still()?;
        let layout = &self.server.xsave;
        process.registers.write_extended(&self.client, layout, thread.tid, register, value)
    }

    /// Reads memory of the current process. While it runs, too; then nothing is kept.
    ///
    /// **Shape**: how many bytes of the head could be read.
    /// **Errors**: `Unreadable` if not even the first could be; `NoTarget`; those of the
    /// connection.
    /// **Cost**: none if all is known at this stop; else one round trip, and for long ranges one
    /// more for every 8 MiB.
    pub fn read_memory(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Error> {
        self.current_process()?.memory.read(&self.client, address, buffer)
    }

    /// The current process's memory for whoever reads through [`dbgbase::ReadMemory`].
    ///
    /// **Cost**: as [`Engine::read_memory`].
    pub fn memory(&self) -> EngineMemory<'_> {
        EngineMemory { engine: self }
    }

    /// Writes memory of the current process, also into read-only pages.
    ///
    /// **Shape**: how many bytes of the head were written.
    /// **Errors**: `Unwritable` if not even the first could be; `NoTarget`; those of the
    /// connection.
    /// **Cost**: one round trip for every 4 MiB.
    pub fn write_memory(&mut self, address: Address, bytes: &[u8]) -> Result<usize, Error> {
        self.current_process()?.memory.write(&self.client, address, bytes)
    }

    /// What the current process has mapped, in ascending order.
    ///
    /// **Errors**: `NoTarget`; those of the connection.
    /// **Cost**: one round trip for every 8,192 regions.
    pub fn regions(&self) -> Result<Vec<Region>, Error> {
        list_regions(&self.client, self.current_process()?.target)
    }

    /// The modules of the current process: the program first, then the others in the order of the
    /// dynamic linker, then those that it does not list, by address.
    ///
    /// **Shape**: as of the last stop, or newer if the server has told since.
    /// **Errors**: `NoTarget`, `NotConnected`.
    /// **Cost**: none; no symbols are loaded.
    pub fn modules(&self) -> Result<Vec<ModuleView>, Error> {
        Ok(self.current_process()?.modules().iter().map(crate::Module::view).collect())
    }

    /// The module of the current process that spans an address.
    ///
    /// **Cost**: none; no symbols are loaded.
    pub fn module_at(&self, address: Address) -> Option<ModuleView> {
        self.current_process().ok()?.modules.at(address).map(crate::Module::view)
    }

    /// Loads the symbols of a module now; if nothing was found before, it is looked for again.
    ///
    /// **Shape**: what was found is in the view's status; a module without symbols is no error.
    /// **Errors**: `NotFound` if no module has the name; `Cancelled`; `NoTarget`; those of the
    /// connection.
    /// **Cost**: none if they are loaded, or if this machine has the module's file; else two round
    /// trips and the time the file takes.
    pub fn load_symbols(&self, module_name: &str) -> Result<ModuleView, Error> {
        self.symbols_of(self.current_process()?).load(module_name)
    }

    /// The symbol that an address lies in, or else only the module it lies in.
    ///
    /// **Shape**: `None` outside modules. Between symbols, and where a module has none, the name is
    /// empty and the displacement counts from the module's start.
    /// **Cost**: loads the module's symbols, as [`Engine::load_symbols`].
    pub fn symbol_at(&self, address: Address) -> Option<SymbolAt> {
        self.symbols_of(self.current_process().ok()?).at(address)
    }

    /// The line of source that an address belongs to. For a return address ask for the byte before
    /// it. Where the current thread stands in front of inlined calls it is that of the first call.
    ///
    /// **Shape**: `None` if no debugging information is found for it.
    /// **Cost**: loads the module's symbols, as [`Engine::load_symbols`].
    pub fn source_line(&self, address: Address) -> Option<SourceLine> {
        let symbols = self.symbols_of(self.current_process().ok()?);
        let is_current = || self.registers().is_ok_and(|registers| registers.pc() == address);
        match self.calls_ahead().checked_sub(1).filter(|_| is_current()) {
            Some(first) => symbols.inlined_at(address).into_iter().nth(first)?.call_site,
            None => symbols.line_at(address),
        }
    }

    /// The symbol at or before an address, and the first one behind it, in the same module.
    ///
    /// **Cost**: loads the module's symbols, as [`Engine::load_symbols`].
    pub fn symbols_near(&self, address: Address) -> (Option<SymbolAt>, Option<SymbolAt>) {
        match self.current_process() {
            Ok(process) => self.symbols_of(process).near(address),
            Err(_) => (None, None),
        }
    }

    /// The symbols with this exact name, `name` or `module!name`, the best first. A bare name is
    /// looked for in the program, then in the other modules; the first that has it decides. Where
    /// no symbol table has it, debugging information is asked: for functions that were inlined
    /// everywhere, for statics of functions. A bare name does not make that of libraries be
    /// fetched.
    ///
    /// **Shape**: never empty; several if functions share the name, or one was inlined in several
    /// places.
    /// **Errors**: `UnknownSymbol`; `Cancelled`; `NoTarget`; those of the connection.
    /// **Cost**: loads symbols until the name is found, as [`Engine::load_symbols`]. The first
    /// question to a module's debugging information loads its index of names, or makes it: some
    /// 100 MB of entries each second and CPU.
    pub fn resolve(&self, name: &str) -> Result<Vec<SymbolMatch>, Error> {
        self.symbols_of(self.current_process()?).resolve(name)
    }

    /// The symbols that a pattern with WinDbg's wildcards matches: `module!name`, either of which
    /// may have some; a bare pattern matches in all modules.
    ///
    /// **Shape**: by module, in each by address; may be empty.
    /// **Errors**: `Cancelled`; `NoTarget`; those of the connection.
    /// **Cost**: loads the symbols of all modules that match, as [`Engine::load_symbols`].
    pub fn search_symbols(&self, pattern: &str) -> Result<Vec<SymbolMatch>, Error> {
        self.symbols_of(self.current_process()?).search(pattern)
    }

    /// Reads `count` instructions of the current process from `address` on. The program's own bytes
    /// are shown; armed breakpoints are hidden.
    ///
    /// **Shape**: fewer if memory ends; what is no instruction is one byte, `???`.
    /// **Errors**: `Unreadable`; `Unsupported` for a CPU whose instructions cannot be read;
    /// `NoTarget`; those of the connection.
    /// **Cost**: none as far as the bytes are known, as around the pc of the event thread; else one
    /// round trip. Loads the symbols of modules that operands refer to.
    pub fn disassemble(
        &self,
        address: Address,
        count: usize,
    ) -> Result<Vec<DisassembledInstruction>, Error> {
        let process = self.current_process()?;
        let symbols = self.symbols_of(process);
        crate::disassembly::disassemble(symbols, self.server.arch, address, count)
    }

    /// How many inlined calls begin where the current thread is and have not been entered yet: a
    /// step by line has ended in front of them. [`Engine::stack`] does not show them, and the line
    /// is that of the call.
    ///
    /// **Cost**: none at the thread that stopped.
    pub fn calls_ahead(&self) -> usize {
        let Ok((process, thread)) = self.current_still() else { return 0 };
        let registers = process.registers.known(thread.tid);
        registers.map_or(0, |registers| process.calls_ahead(thread.tid, registers.pc()))
    }

    /// The stack of the current thread, at most `frames_max` frames.
    ///
    /// **Shape**: at least one frame; and why there are no more.
    /// **Errors**: `NoTarget`, `NotStopped`; `Cancelled`; those of the connection.
    /// **Cost**: none for the part of the stack that came with the stop; else one round trip for
    /// every 16 KiB of stack. Loads the symbols of modules that frames lie in.
    pub fn stack(&self, frames_max: usize) -> Result<Stack, Error> {
        self.stack_from(None, frames_max)
    }

    /// The stack as if the current thread stood elsewhere, with the other registers of the current
    /// frame: for when its own do not lead on.
    ///
    /// **Shape**, **Errors**, **Cost**: as [`Engine::stack`].
    pub fn stack_from(&self, start: Option<StackStart>, frames_max: usize) -> Result<Stack, Error> {
        let (process, thread) = self.current_still()?;
        let mut registers = process.registers.read(&self.client, thread.tid)?;
        if let Some(start) = start {
            start.apply(&mut registers, &self.current_registers()?);
        }
        let calls_ahead = process.calls_ahead(thread.tid, registers.pc());
        walk_stack(self.symbols_of(process), &registers, calls_ahead, frames_max)
    }
}
