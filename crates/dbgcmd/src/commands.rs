//! The commands, one file for each family, and what they are given: the engine, what the
//! interpreter remembers, and the output. A command parses its parameters, asks the engine, and
//! writes what `format` makes of the answer.

pub(crate) mod address_map;
pub(crate) mod allocation;
pub(crate) mod breakpoints;
pub(crate) mod bulk;
pub(crate) mod calls;
pub(crate) mod code;
pub(crate) mod description;
pub(crate) mod display;
pub(crate) mod edit;
pub(crate) mod execution;
pub(crate) mod expressions;
pub(crate) mod filters;
pub(crate) mod locals;
pub(crate) mod matching_breakpoints;
pub(crate) mod modules;
pub(crate) mod registers;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod source;
pub(crate) mod stack;
pub(crate) mod symbol_list;
pub(crate) mod symbols;
pub(crate) mod targets;
pub(crate) mod threads;
pub(crate) mod type_layout;
pub(crate) mod unavailable;

use dbgbase::Address;
use dbgeng::expr::EngineContext;
use dbgeng::{Engine, ProcessNumber, StackFrame, SymbolAt, ThreadNumber};

use crate::error::CommandError;
use crate::output::Output;
use crate::run::Plan;
use crate::state::State;
use crate::{Ending, format};

/// What a command is given.
pub(crate) struct Context<'a> {
    /// The engine.
    pub(crate) engine: &'a mut Engine,
    /// What the interpreter remembers.
    pub(crate) state: &'a mut State,
    /// Where text goes.
    pub(crate) output: &'a mut dyn Output,
    /// Whether a prefix `~T` chose the current thread.
    pub(crate) is_prefixed: bool,
}

/// What is to happen when a command is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// The next command.
    Done,
    /// The targets run.
    Run(Plan),
    /// The session ends.
    Quit(Ending),
    /// Commands are executed for some threads.
    ForThreads(ThreadBatch),
}

/// Commands for some threads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ThreadBatch {
    /// The threads.
    pub(crate) threads: Vec<(ProcessNumber, ThreadNumber)>,
    /// The commands.
    pub(crate) commands: String,
    /// Whether each thread's line is shown above what its commands say.
    pub(crate) has_headings: bool,
    /// Whether commands that care are to act on these threads alone.
    pub(crate) is_prefix: bool,
}

impl Context<'_> {
    /// How expressions see the engine now.
    pub(crate) fn expressions(&self) -> EngineContext<'_> {
        EngineContext::new(self.engine, &self.state.expressions)
    }

    /// Writes text.
    pub(crate) fn write(&mut self, text: &str) {
        self.output.write(text);
    }

    /// Where the current frame goes on.
    pub(crate) fn pc(&self) -> Result<Address, CommandError> {
        let pc = self.engine.current_registers()?.pc();
        pc.ok_or_else(|| {
            CommandError::refused("The instruction pointer of this frame is not known")
        })
    }

    /// The frame that was chosen; `None` for the innermost.
    pub(crate) fn chosen_frame(&self) -> Result<Option<StackFrame>, CommandError> {
        match self.engine.current_frame() {
            0 => Ok(None),
            number => Ok(Some(self.engine.frame(number)?)),
        }
    }

    /// Where the current frame is: the symbol's line and the instruction's.
    pub(crate) fn write_location(&mut self) -> Result<(), CommandError> {
        let pc = self.pc()?;
        let mut text = match self.chosen_frame()? {
            // The call is in front of the instruction, and may be another function's.
            Some(frame) => {
                let source = frame.source.filter(|_| self.state.source.shows_lines);
                format::code::symbol_line(frame.symbol.as_ref(), source.as_ref())
            }
            None => self.symbol_line(self.engine.symbol_at(pc).as_ref(), pc),
        };
        let instruction = self.engine.disassemble(pc, 1).ok();
        match instruction.and_then(|list| list.into_iter().next()) {
            Some(instruction) => text.push_str(&format::code::instruction(&instruction)),
            None => text.push_str(&format::code::unreadable(pc)),
        }
        self.write(&text);
        Ok(())
    }

    /// The line above the instruction at `at`, with the line of source if those are shown.
    pub(crate) fn symbol_line(&self, symbol: Option<&SymbolAt>, at: Address) -> String {
        let source = self.state.source.shows_lines.then(|| self.engine.source_line(at)).flatten();
        format::code::symbol_line(symbol, source.as_ref())
    }

    /// Shows the text of the current line, if it is found. Whether nothing else is to be shown.
    fn write_source_line(&mut self) -> Result<bool, CommandError> {
        let pc = self.engine.registers()?.pc();
        let Some((line, file)) = source::text_of(self, pc)? else { return Ok(false) };
        let number = line.line as usize;
        let text = format::source::rows(&file, number, 1, Some(number));
        self.write(&text);
        Ok(self.state.source.shows_only_text && !text.is_empty())
    }

    /// What a stop shows: the line of source and the registers, if they are switched on, then the
    /// location.
    pub(crate) fn write_state(&mut self) -> Result<(), CommandError> {
        if self.state.source.shows_text && self.write_source_line()? {
            return Ok(());
        }
        if !self.state.hides_registers {
            let text = registers::masked(self.engine, self.state.register_mask)?;
            self.write(&text);
        }
        self.write_location()
    }
}
