//! This crate against the truth of other tools, on files that compilers made and on those that this
//! process has loaded. Needs gcc, g++, rustc, binutils and gdb.

#![expect(
    clippy::disallowed_methods,
    reason = "compilers and debuggers are what this is tested on"
)]

use dbgsym::{Image, ImageBytes};

// What the tests stand on: compiled programs, what binutils say, core files.
mod binutils;
mod core_file;
mod debug_builds;
mod programs;
mod replay;
#[allow(dead_code, reason = "unit tests use all of it")]
#[path = "../../src/synthetic.rs"]
mod synthetic;

// The tests, one file for each part of the crate.
mod corpus;
mod corruption;
mod debug_corruption;
mod disassembly;
mod functions;
mod images;
mod lines;
mod mini_debug;
mod names;
mod operators;
mod places;
mod split;
mod stacks;
mod symbols;
mod tail_calls;
mod types;
mod variable_corruption;
mod variables;
mod widths;
