//! The process server as its clients see it: the program itself, over real sockets, on real
//! debuggees.

mod abandon; // targets that are left stopped, and taken over
mod activation; // servers that a service manager starts
mod alone; // threads that stop while others run
mod attach; // every thread of a running process, and what may not be attached to
mod audit; // what is written of who was let in and what was done
mod breakpoints; // sites: hit, counted, hidden, moved, filtered
mod bulk; // searching, filling, comparing, copying
mod calls; // sites and steps on system calls
mod carried; // instructions that are executed in another place
mod children; // what a target makes runs clean, and what it becomes is told
mod comeback; // sessions that wait for a client whose link is lost
mod command_line; // what dbgsrv is told, and the programs that it starts
mod conditions; // sites that stop only when a condition holds
mod crowds; // a thousand threads and more
mod deeds; // each request that is told of, as it is told
mod description; // what a process is, and what may be seen of one
mod detach; // leaving a target as it was found, at any moment
mod doors; // who guesses, who calls and is nobody, and what is kept of a password
mod endings; // the table: what ends, and what becomes of targets
mod ends; // exits, kills, threads and leaders that end
mod events; // what stops a target because its client wants to know
mod file_names; // what files are, where links lead, and names that are removed
mod files; // files of the server's machine, and as a target sees them
mod firewall; // a port is opened where it is filtered
mod following; // processes that a target makes become targets
mod functions; // functions that a thread is made to call
mod guardian; // a session process that is killed
mod holds; // threads that are suspended or frozen
mod hostile; // peers that are no clients
mod inject; // system calls that a thread is made to make
mod journal; // a session that is killed at any step can be undone
mod launch; // from a program's file to its initial break, and what keeps it from there
mod liars; // targets of which /proc and memory say what they say of no honest program
mod loading; // modules: their order, and what is told when they come and go
mod login; // clients that have to show who they are
mod logpoints; // sites that print instead of stopping
mod memory; // reading, writing, what is mapped
mod namespaces; // targets in other namespaces than the server
mod overview; // what one request tells of all threads
mod own_files; // targets that see other files than the server does
mod packaging; // units of systemd, and the rights that they leave
mod peculiar; // programs that do what debuggers do, or may do next to nothing
mod refusals; // what may not be attached to, by which rule, and the way out
mod registers; // floating point, vectors, debug registers
mod registry; // which servers others find, and whose a session is
mod running; // resume, interrupt, and what is refused
mod sandbox; // what login processes try in vain
mod sessions; // what becomes of targets when the client, the session or the server ends
mod setuid; // programs that run as their owner, and those that may not be read
mod signals; // told, passed, dropped, and never twice
mod stepping; // one instruction at a time
mod terminal; // a target's own pseudo-terminal, and what becomes of it
mod threads; // sites and many threads
mod vsock; // servers that virtual machines reach
mod watchpoints; // what the CPU watches, in every thread
mod windows; // what stops bring along by their client's wish

use dbgbase::Address;
use testkit::{Client, Guard, Server, Stop, Testee};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_dbgsrv");

/// One test's guard, server and client, in the order in which they are made. Locals are dropped in
/// the other order: the guard comes last and sees whether anything is left.
fn begin() -> (Guard, Server, Client) {
    let guard = Guard::new();
    let server = Server::npipe(&guard, PROGRAM);
    let client = server.connect();
    (guard, server, client)
}

/// Where a symbol of the program is, at a stop that brings the modules.
#[track_caller]
fn address_of(testee: &Testee, stop: &Stop, symbol: &str) -> Address {
    testee.symbol(symbol).to_address(stop.bias())
}
