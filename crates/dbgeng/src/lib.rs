//! The debugger engine: it understands the debuggees that a process server controls. Plain data in
//! and out, blocking, for one owner; it prints nothing and knows no command.
//!
//! ```text
//!   front ends ──► Engine ──► client ══ link ══► process server ──► debuggees
//!                    │
//!                    └─ dbgsym: files, symbols, unwinding, instructions
//! ```
//!
//! Reading order: [`Engine`] is the door. [`Execution`] and [`DebugEvent`] are how targets run and
//! what comes of it; `step` plans a run, `events` judges its stops, `breakpoints` keeps count.
//! [`Process`] holds what is known of a target, each kind of knowledge in a file of its own:
//! `thread`, `registers`, `memory`, `modules`. `symbols`, `disassembly` and `stack` explain it.
//! [`client`] is the raw conversation below. [`expr`] evaluates what people type.
//!
//! What a stop event brings, and what was read since, is kept until the target runs. Each function
//! of the door states its cost in round trips.

#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod breakpoints;
mod call;
pub mod client;
mod cxx;
mod description;
mod disassembly;
mod dispositions;
mod engine;
mod error;
mod events;
mod execution;
pub mod expr;
mod filters;
pub mod hresult;
mod image_store;
mod interrupt;
mod launch;
mod locals;
mod memory;
mod modules;
mod numbers;
mod process;
mod registers;
mod server;
mod source_line;
mod sources;
mod stack;
mod step;
mod symbol_cache;
mod symbol_environment;
mod symbol_files;
mod symbol_path;
mod symbols;
mod terminal;
mod thread;
mod thread_local;
mod type_layout;
mod values;

pub use dbgsym::Pattern as NamePattern;

pub use breakpoints::{
    Access, BreakpointLocation, BreakpointSpec, BreakpointView, Condition, Undecided, Watch,
};
pub use call::{CallArgument, CallResult, FunctionCall};
pub use cxx::{CxxError, CxxErrorKind};
pub use description::{
    Container, Descriptor, Namespace, PartError, ProcessDetails, ProcessPart, ProcessPlaces,
    ProcessSecurity, ResourceLimit, ThreadStatus,
};
pub use disassembly::{DisassembledInstruction, InstructionKind};
pub use engine::{CxxValue, Engine, Hold};
pub use error::{Error, ErrorKind};
pub use events::{DebugEvent, EventKind, StopCause};
pub use execution::{Execution, SignalAction, UNTIL_MAX};
pub use filters::{EventFilters, Interest, SignalFilter, SignalInterest, SyscallFilter};
pub use hresult::hresult;
pub use image_store::ImageStore;
pub use interrupt::Interrupter;
pub use launch::LaunchOptions;
pub use locals::{Local, ValuePlace, VariableKind};
pub use memory::allocation::Protection;
pub use memory::bulk::{MemoryDifference, MemoryHit, MemorySearch, SearchFor};
pub use memory::{EngineMemory, Region};
pub use modules::{Module, ModuleView, SymbolFiles, SymbolSource, SymbolStatus};
pub use numbers::{BreakpointId, ProcessNumber, ThreadNumber};
pub use process::Process;
pub use registers::ExtendedRegisters;
pub use server::{ProcessDescription, ServerDescription};
pub use source_line::SourceLine;
pub use sources::SourceFile;
pub use stack::{FrameRegisters, Stack, StackEnd, StackFrame, StackStart, UnwindMethod};
pub use symbol_environment::SymbolEnvironment;
pub use symbols::{
    SearchNote, SearchOutcome, SymbolAt, SymbolDetails, SymbolKind, SymbolMatch, TransferCallback,
    TransferOrigin, TransferProgress,
};
pub use terminal::{OutputCallback, TerminalInput};
pub use thread::{Thread, ThreadDescription};
pub use type_layout::{LayoutQuery, TypeLayout};
pub use values::ValueLimits;
pub use values::fields::FieldPath;
pub use values::layout::{LayoutOptions, LayoutRow, RowKind};
