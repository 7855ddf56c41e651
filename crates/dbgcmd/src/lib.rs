//! The command language of the original's debuggers: a line of text in, what it does on an engine,
//! text out. It knows no terminal, no file and no socket; the engine knows none of its words.
//!
//! ```text
//! "bp main; g" ──syntax──► commands ──registry──► commands/*.rs ──► dbgeng
//!                                                     │
//!                                                  format/*.rs ──► Output
//! ```
//!
//! Reading order: [`Interpreter`], then the registry, then a file in `commands` and the file in
//! `format` that makes its text.

#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod error;
mod filters;
mod format;
mod help;
mod interpreter;
mod output;
mod registry;
mod run;
mod state;
mod syntax;
mod wildcard;

pub use help::{command_names, commands_markdown};
pub use interpreter::{Ending, Flow, Interpreter};
pub use output::{InputSource, Output};
pub use state::Settings;
