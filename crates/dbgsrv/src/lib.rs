//! The process server: it runs where the processes are, moves bytes and controls processes for its
//! clients, and knows nothing of symbols.
//!
//! A server is several processes. The listener ([`listener`]) lets clients in, where they have to
//! prove something by a login process for each ([`login`], [`entrance`]), and gives each one a
//! session process of its own ([`spawn`], [`session`]). In that, one thread reads requests and
//! answers them ([`dispatch`]) from a [`Backend`]; the real one ([`ptrace`]) owns a tracer thread.
//! An embedded server ([`local`]) is a session process without a listener.

#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

pub mod agent;
pub mod answer;
pub mod args;
pub mod audit;
pub mod backend;
mod calls;
pub mod command_line;
mod complain;
mod control;
mod crowd;
mod description;
pub mod dispatch;
pub mod entrance;
pub mod error;
mod files;
pub mod firewall;
pub mod guardian;
mod guesses;
#[expect(unsafe_code, reason = "the journal's shared memory is read and written as atomics")]
pub mod journal;
pub mod listener;
pub mod local;
pub mod login;
pub mod logins;
mod memory_shortage;
mod outbox;
mod processes;
#[expect(unsafe_code, reason = "ptrace(2), waitpid(2), fork and exec of debuggees")]
pub mod ptrace;
mod ranges;
mod refuse;
mod sandbox;
pub mod session;
mod sessions;
#[expect(unsafe_code, reason = "adopting the descriptors that a session process inherits")]
pub mod spawn;
pub mod supervisor;
mod task;
mod terminal;

pub use backend::Backend;
pub use error::ServerError;
