//! dbgsrvctl as its users start it, beside real servers with real sessions.

#![forbid(unsafe_code)]

// Stores, and what is in them.
mod certificates;
// Servers, sessions and targets, as they come and go.
mod list;
// What is said of wrong command lines.
mod usage;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_dbgsrvctl");
