//! The frame whose variables are meant, and those variables. It only routes.

use dbgbase::{Address, RegisterDescription};

use crate::engine::ChosenFrame;
use crate::locals::StoppedThread;
use crate::{Engine, Error, ErrorKind, Local, StackFrame, TypeLayout, ValueLimits};

impl Engine {
    /// The number of the current frame: the one that was chosen, until the thread changes or
    /// anything runs; else 0.
    ///
    /// **Cost**: none.
    pub fn current_frame(&self) -> usize {
        let (Some(chosen), Ok((process, thread))) = (self.context.frame, self.current_thread())
        else {
            return 0;
        };
        let here = ((process.number, thread.number), process.stop);
        let is_here = (chosen.thread, chosen.stop) == here && !process.is_running();
        if is_here { chosen.number } else { 0 }
    }

    /// Makes a frame of the current thread the current one, by the number that it has in
    /// [`Engine::stack`].
    ///
    /// **Errors**: `NotFound` if the stack has no such frame; `NoTarget`, `NotStopped`; those of
    /// the connection.
    /// **Cost**: as [`Engine::stack`].
    pub fn set_current_frame(&mut self, number: usize) -> Result<StackFrame, Error> {
        let frame = self.frame(number)?;
        let (process, thread) = self.current_thread()?;
        let (thread, stop) = ((process.number, thread.number), process.stop);
        self.context.frame = Some(ChosenFrame { thread, stop, number });
        Ok(frame)
    }

    /// One frame of the current thread.
    ///
    /// **Errors**: as [`Engine::set_current_frame`].
    /// **Cost**: as [`Engine::stack`].
    pub fn frame(&self, number: usize) -> Result<StackFrame, Error> {
        // A return address is known when the caller is.
        let stack = self.stack(number.saturating_add(2))?;
        stack.frames.into_iter().nth(number).ok_or_else(|| {
            let message = format!("the stack has no frame {number:#x}");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// The parameters and locals that a frame of the current thread sees, with their values: those
    /// of the function, or of the inlined call that the frame is. Parameters come first, then the
    /// locals of its blocks, outermost first.
    ///
    /// **Shape**: empty for functions that have none. What the compiler did not keep is there, and
    /// says so.
    /// **Errors**: `NotFound` if the stack has no such frame, or no debugging information is known
    /// for its code; `NoTarget`, `NotStopped`; `Cancelled`; those of the connection.
    /// **Cost**: none if the part of the stack that came with the stop has them, or it is known for
    /// other reasons. Else one round trip for all that lies elsewhere, and one more for what is
    /// pointed to from there. One more if vector registers are needed that are not known yet. Loads
    /// the symbols of the frame's module, as [`Engine::load_symbols`].
    pub fn locals(&self, number: usize, limits: ValueLimits) -> Result<Vec<Local>, Error> {
        self.with_thread(|thread| thread.locals(number, limits))
    }

    /// The general registers of a frame: as they will be when control comes back to it. Inlined
    /// calls have those of the function they are inlined into.
    ///
    /// **Shape**: in the order of the CPU's manual; `None` for those that calls further in may have
    /// changed.
    /// **Errors**: as [`Engine::set_current_frame`].
    /// **Cost**: as [`Engine::stack`].
    pub fn frame_registers(
        &self,
        number: usize,
    ) -> Result<Vec<(&'static RegisterDescription, Option<u64>)>, Error> {
        self.with_thread(|thread| thread.frame_registers(number))
    }

    /// The type with this name, `name` or `module!name`, with the scopes around it: its members,
    /// and their values in the object at `address`. A bare name is looked for in the program, then
    /// in the other modules. Records inside are expanded so deep.
    ///
    /// **Errors**: `UnknownSymbol`; `NoTarget`, `NotStopped`; `Cancelled`; those of the connection.
    /// **Cost**: loads debugging information until the name is found. None for a type; for an
    /// object one round trip if it is not known, and one more for what it points to.
    pub fn type_layout(
        &self,
        name: &str,
        address: Option<Address>,
        depth_max: usize,
    ) -> Result<TypeLayout, Error> {
        let process = self.current_process()?;
        process.check_still()?;
        self.symbols_of(process).type_layout(name, address, depth_max)
    }

    /// The names of the types that a pattern with wildcards matches, `module!name`, sorted.
    ///
    /// **Errors**: `NoTarget`; `Cancelled`; those of the connection.
    /// **Cost**: loads the debugging information of all modules that match.
    pub fn type_names(&self, pattern: &str) -> Result<Vec<String>, Error> {
        self.symbols_of(self.current_process()?).type_names(pattern)
    }

    /// The members of a variable of a frame, with their values; those of what it points to if it
    /// is a pointer or a reference. `None` if the frame has none of the name.
    ///
    /// **Errors**, **Cost**: as [`Engine::locals`].
    pub fn local_layout(
        &self,
        number: usize,
        name: &str,
        depth_max: usize,
    ) -> Result<Option<TypeLayout>, Error> {
        self.with_thread(|thread| thread.layout(number, name, depth_max))
    }

    /// Asks something of the current thread, which stands still.
    pub(crate) fn with_thread<T>(
        &self,
        ask: impl FnOnce(&StoppedThread<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (process, thread) = self.current_still()?;
        let registers = process.registers.read(&self.client, thread.tid)?;
        let extended = || self.extended_registers().ok();
        let symbols = self.symbols_of(process);
        ask(&StoppedThread { symbols, registers, extended: &extended })
    }
}
