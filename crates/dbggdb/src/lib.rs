//! The bridge for debuggers that speak the GDB remote protocol: gdb and lldb talk to it as to a
//! stub on their own machine, and it talks to a process server.
//!
//! ```text
//!   gdb, lldb ══ packets ══ debugger ─► session ─► dbgeng::client ══ link ══► process server
//!                                         │
//!                                      packets: the table of what is known
//! ```
//!
//! Reading order: [`packet`] is framing; [`Session`] waits for both sides; `packets.rs` lists the
//! packets, and the rooms behind it have their handlers: `memory`, `registers`, `resume`,
//! `breakpoint_packets`, `threads`, `processes`, `launch`, `transfers`. `stops.rs` turns what the
//! server tells into what the debugger is told. `target` is what is known of a target at its
//! stop; nothing of that is kept when it runs.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod allocations;
mod arguments;
mod argv_launch;
mod attach_by_name;
mod breakpoint_packets;
mod breakpoints;
mod catching;
mod core_file;
mod debugger;
mod dialect;
mod elf_head;
mod error;
mod features;
mod file_blocks;
mod file_packets;
mod file_protocol;
mod files;
mod habits;
mod hex;
mod host;
mod launch;
mod libraries;
mod lldb_greeting;
mod local_twin;
mod memory;
mod memory_cache;
mod memory_region;
mod memory_search;
mod module_info;
mod monitor;
mod non_stop;
mod osdata;
mod overview;
mod own_files;
pub mod packet;
mod packets;
mod process_info;
mod processes;
mod regions;
mod register_info;
mod registers;
mod report;
mod resume;
mod save_core;
mod saved_registers;
mod session;
mod shell;
mod signal_info;
mod signal_number;
mod stops;
mod symbols;
mod target;
mod target_description;
mod thread_id;
mod thread_info;
mod thread_local;
mod thread_suffix;
mod threads;
mod transfers;
mod vforks;
mod xml;

pub use error::PacketError;
pub use files::FileSettings;
pub use launch::{Form, LaunchSettings};
pub use packets::known_packets;
pub use processes::Start;
pub use session::{OtherConnections, Session, SessionError};
