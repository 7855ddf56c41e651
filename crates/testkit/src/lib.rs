//! What tests share: debuggees that are built on demand, a process server and a bare client of it,
//! and the guard that proves that a test leaves nothing behind. It knows the protocol, not the
//! engine, and is never part of a program.
//!
//! Everything here fails by panicking with a sentence that says what was waited for: that is how a
//! test fails. A live test begins with a [`Guard`]:
//!
//! ```no_run
//! use testkit::{Guard, Server, Testee};
//!
//! let guard = Guard::new();
//! let server = Server::npipe(&guard, "target/debug/dbgsrv");
//! let mut client = server.connect();
//! let (target, _stop) = client.start(&Testee::build("exits", &[]), &["7"]);
//! client.go(target);
//! assert_eq!(client.wait_exit().shell_status(), 7);
//! ```

#![forbid(unsafe_code)]

mod certificates;
mod client;
mod flaws;
pub mod footprint;
mod hosts;
pub mod meddler;
pub mod memory_file;
mod own_files;
mod ports;
mod private_run;
mod process_guard;
pub mod procfs;
pub mod programs;
mod relay;
mod root;
mod server;
mod stop;
mod testee;
mod two_machines;
mod wait;

pub use certificates::{Side, USER_CERTIFICATES};
pub use client::{Client, LinkEnded, Target, site};
pub use flaws::{Authority, Flaw, Made};
pub use footprint::Footprint;
pub use hosts::Host;
pub use meddler::Meddler;
pub use own_files::{DECOY, OwnFiles, Root};
pub use ports::free_port;
pub use private_run::PrivateRun;
pub use process_guard::{Guard, Process, send_signal};
pub use relay::Relay;
pub use root::{is_root_for, left_out};
pub use server::{Embedded, Server};
pub use stop::{Event, Stop};
pub use testee::Testee;
pub use two_machines::{PASSPHRASE, TwoMachines};
pub use wait::{DEADLINE, until};
