//! The frame whose variables are meant, and those variables. It only routes.

use std::borrow::Cow;

use dbgbase::Address;

use crate::engine::ChosenFrame;
use crate::locals::StoppedThread;
use crate::{
    Engine, Error, ErrorKind, FieldPath, FrameRegisters, LayoutQuery, Local, Module, StackFrame,
    StackStart, TypeLayout, ValueLimits, ValuePlace,
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

    /// The parameters and locals of the function around an address, with those of the calls that
    /// are inlined into it, whether or not a thread is there.
    ///
    /// **Shape**: only those that need no frame have values.
    /// **Errors**: `NotFound` if no debugging information is known for the code; `NoTarget`,
    /// `NotStopped`; `Cancelled`; those of the connection.
    /// **Cost**: as [`Engine::locals`].
    pub fn code_variables(&self, address: Address) -> Result<Vec<Local>, Error> {
        self.with_thread(|thread| {
            let thread_local = |module: &Module, offset: u64| thread.thread_local(module, offset);
            thread.symbols.code_variables(address, &thread_local)
        })
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
            let is_here = registers.pc() == thread.registers.pc();
            let calls_ahead = if is_here { thread.calls_ahead } else { 0 };
            StoppedThread { registers, calls_ahead, ..*thread }.parameters(frames_max, limits)
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

    /// The members of a variable or a type, with the values that an object has. A variable of the
    /// current frame comes first; then what the program has, then the other modules. What a
    /// variable that is a pointer or a reference leads to is shown for it.
    ///
    /// **Shape**: one layout; for a list one for each element.
    /// **Errors**: `UnknownSymbol`; `NotFound` for a list that does not begin with an object or has
    /// no such member; `NoTarget`, `NotStopped`; `Cancelled`; those of the connection.
    /// **Cost**: loads debugging information until the name is found. None for a type; for an
    /// object one round trip if it is not known, and one more for what it points to. The same for
    /// each element of a list.
    pub fn layouts(&self, query: &LayoutQuery) -> Result<Vec<TypeLayout>, Error> {
        self.with_thread(|thread| {
            let first = thread.named(self.current_frame(), query, &query.name, &query.options)?;
            let first = match first {
                Some(first) => Some(first),
                None => self.parts_of_variable(thread, query)?,
            };
            let first = first.ok_or_else(|| {
                let name = &query.name;
                let message = match query.only_types || query.address.is_some() {
                    true => format!("no type is called {name}"),
                    false => format!("no type or variable is called {name}"),
                };
                Error::new(ErrorKind::UnknownSymbol, message)
            })?;
            let mut all = vec![first];
            if let (Some(link), Some(first)) = (&query.link, all.first()) {
                let rest = thread.symbols.list_layouts(first, link, &query.options)?;
                all.extend(rest);
            }
            Ok(all)
        })
    }

    /// What is called `variable.member.member`.
    fn parts_of_variable(
        &self,
        thread: &StoppedThread<'_>,
        query: &LayoutQuery,
    ) -> Result<Option<TypeLayout>, Error> {
        let dot = query.name.find("->").into_iter().chain(query.name.find('.')).min();
        let split = dot.and_then(|dot| query.name.split_at_checked(dot));
        let Some((name, members)) = split.filter(|(name, _)| !name.is_empty()) else {
            return Ok(None);
        };
        let members = members.trim_start_matches("->").trim_start_matches('.');
        let mut options = query.options.clone();
        if options.fields.is_empty() && !members.is_empty() {
            options.fields.push(FieldPath::new(members, false));
        }
        let found = thread.named(self.current_frame(), query, name, &options)?;
        if let Some(found) = found.as_ref().filter(|found| found.target.is_some())
            && found.rows.is_empty()
            && !options.fields.is_empty()
        {
            let message = format!("there is no member {members} in {}", found.target_name);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(found)
    }

    /// The names of the types that a pattern with wildcards matches, `module!name`, sorted, and how
    /// many bytes their objects have.
    ///
    /// **Errors**: `NoTarget`; `Cancelled`; those of the connection.
    /// **Cost**: loads the debugging information of all modules that match.
    pub fn type_names(&self, pattern: &str) -> Result<Vec<(String, Option<u64>)>, Error> {
        self.symbols_of(self.current_process()?).type_names(pattern)
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
