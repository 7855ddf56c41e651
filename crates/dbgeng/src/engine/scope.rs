//! The frame whose variables are meant, and those variables. It only routes.

use std::borrow::Cow;

use dbgbase::Address;

use crate::engine::ChosenFrame;
use crate::locals::StoppedThread;
use crate::{
    Engine, Error, ErrorKind, FrameRegisters, Local, StackFrame, StackStart, TypeLayout,
    ValueLimits, ValuePlace,
};

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

    /// The parameters of the first frames of the current thread's stack, or of one that begins
    /// elsewhere, with their values.
    ///
    /// **Shape**: one list for each frame that [`Engine::stack_from`] finds with the same
    /// parameters; empty for those without debugging information.
    /// **Errors**: `NoTarget`, `NotStopped`; `Cancelled`; those of the connection.
    /// **Cost**: as [`Engine::locals`] of one frame.
    pub fn stack_parameters(
        &self,
        start: Option<StackStart>,
        frames_max: usize,
        limits: ValueLimits,
    ) -> Result<Vec<Vec<Local>>, Error> {
        self.with_thread(|thread| {
            let mut registers = thread.registers;
            if let Some(start) = start {
                start.apply(&mut registers, &self.current_registers()?);
            }
            StoppedThread { registers, ..*thread }.parameters(frames_max, limits)
        })
    }

    /// The general registers of a frame: as they will be when control comes back to it. Inlined
    /// calls have those of the function they are inlined into.
    ///
    /// **Shape**: those that calls further in may have changed are unknown.
    /// **Errors**: as [`Engine::set_current_frame`].
    /// **Cost**: as [`Engine::stack`].
    pub fn frame_registers(&self, number: usize) -> Result<FrameRegisters, Error> {
        Ok(self.with_thread(|thread| thread.frame_registers(number))?.0)
    }

    /// The general registers of the current frame; of the innermost, the thread's own.
    ///
    /// **Errors**: `NoTarget`, `NotStopped`; those of the connection.
    /// **Cost**: as [`Engine::registers`] for frame 0, else as [`Engine::stack`].
    pub fn current_registers(&self) -> Result<FrameRegisters, Error> {
        match self.current_frame() {
            0 => Ok(FrameRegisters::from(&self.registers()?)),
            number => self.frame_registers(number),
        }
    }

    /// Whether the current frame waits for a function that it called, so that the thread's
    /// registers are not its own. Inlined calls and what they are inlined into share registers.
    ///
    /// **Errors**, **Cost**: as [`Engine::current_registers`].
    pub fn is_in_caller(&self) -> Result<bool, Error> {
        match self.current_frame() {
            0 => Ok(false),
            number => Ok(self.with_thread(|thread| thread.frame_registers(number))?.1),
        }
    }

    /// Where a variable of a frame is, of several with the name the one in the innermost block.
    ///
    /// **Shape**: `None` if the frame has none of the name.
    /// **Errors**, **Cost**: as [`Engine::locals`], without what variables point to.
    pub fn local_place(&self, number: usize, name: &str) -> Result<Option<ValuePlace>, Error> {
        self.with_thread(|thread| thread.place_of(number, name))
    }

    /// A line of source as [`Engine::resolve`] takes it, in accents, with what is left out filled
    /// in: without a file that of the current frame, in its module. Other names stay as they are.
    ///
    /// **Errors**: `NotFound` if no file is known for the current frame; those of
    /// [`Engine::stack`].
    /// **Cost**: as [`Engine::stack`], if a file is left out; else none.
    pub fn complete_line<'n>(&self, name: &'n str) -> Result<Cow<'n, str>, Error> {
        let Some(line) = name.strip_prefix("`:") else { return Ok(Cow::Borrowed(name)) };
        let frame = self.frame(self.current_frame())?;
        let source = frame.source.ok_or_else(|| {
            let message = "no file of source is known for the current frame; name one, as in \
                           `main.c:12`";
            Error::new(ErrorKind::NotFound, message)
        })?;
        let module = frame.symbol.map(|symbol| symbol.module + "!").unwrap_or_default();
        Ok(Cow::Owned(format!("`{module}{}:{line}", source.file)))
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
        let calls_ahead = process.calls_ahead(thread.tid, registers.pc());
        ask(&StoppedThread { symbols, registers, calls_ahead, extended: &extended })
    }
}
