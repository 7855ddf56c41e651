//! Byte pipes between a smart client and a process server: how their addresses are written, how one
//! is opened, and the pipe itself. This crate never sees a message: what the bytes mean
//! and who may do what are decided above it.
//!
//! Reading order: [`connect_string`] (the written form, pure), [`Link`] (a pipe and its two
//! halves), [`connect`] and [`listen`] (from the written form to a pipe), [`LinkError`]. Then one
//! file for each transport: `unix` for `npipe:` and `ssh` for that of other machines, `tcp` for
//! `tcp:`, `reverse` for `clicon=`, `vsock`, `exec` for `exec:` and `stdio`, [`tls`] for what is
//! put around them as `spipe:` and `ssl:`, `pair` for a pipe within one machine without a name,
//! `handed` for sockets that somebody else has opened. [`Route`] is for clients that need another
//! link when one is lost. [`registry`] is beside all that: which servers there are.
//!
//! ```no_run
//! use dbglink::{ClientEndpoint, RunDir, ServerEndpoint};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server: ServerEndpoint = "npipe:pipe=build_%d".parse()?;
//! let listener = dbglink::listen(&server, &RunDir::of_this_user())?;
//! println!("{}", listener.endpoint().listing()); // npipe:Pipe=build_4711
//! let link = listener.accept()?;
//!
//! let client: ClientEndpoint = "tcp:server=box17,port=1025".parse()?;
//! let link = dbglink::connect(&client, &RunDir::of_this_user(), Duration::from_secs(10))?;
//! let (reader, writer) = link.split();
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod command_line;
mod connect;
pub mod connect_string;
mod error;
mod exec;
mod handed;
mod link;
mod listen;
mod pair;
mod peer;
pub mod registry;
mod relays;
mod reverse;
mod route;
mod run_dir;
mod secret;
mod ssh;
mod tcp;
pub mod tcp_owner;
mod this_machine;
pub mod tls;
mod unix;
mod user_name;
mod vsock;

pub use command_line::{Arguments, hide_passwords};
pub use connect::connect;
pub use connect_string::{ClientEndpoint, ParseError, ServerEndpoint};
pub use error::{
    CallFault, ConnectFault, HandedFault, LinkError, PipeFault, PortFault, RunDirFault, VsockFault,
};
pub use exec::adopt_stdio;
pub use handed::listen_on;
pub use link::{Link, LinkReader, LinkShutdown, LinkWriter};
pub use listen::{Listener, listen};
pub use peer::PeerInfo;
pub use relays::finish_links;
pub use reverse::{Awaited, await_server, call_client};
pub use route::Route;
pub use run_dir::RunDir;
pub use secret::{Secret, SecretError, read_password};
pub use ssh::{FAR_END_MARK, SshFault, serve_far_end};
pub use this_machine::is_this_machine;
pub use user_name::{UserNames, user_name};
