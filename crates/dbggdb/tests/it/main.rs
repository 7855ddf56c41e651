//! The bridge as its users start it: raw packets, real gdb, real lldb, on real programs.

#![forbid(unsafe_code)]

// A debugger that sends what the test says; used by most others.
mod stub;
// Real gdb, run by commands.
mod gdb;

// Memory, registers, threads, breakpoints, stops: packet by packet.
mod packets;
// A dialogue for each packet that is known.
mod every_packet;
// Processes that a program makes, and programs that it executes.
mod forks;
// How programs are started, taken and left.
mod launching;
// Servers that ask who is there, that call, that a command leads to.
mod entrances;
// System calls, signals, threads that begin and end, watched memory.
mod events;
// What people do with gdb.
mod gdb_sessions;
// Threads that stop one by one, with gdb.
mod non_stop;
// The same packet by packet.
mod non_stop_packets;
// Debuggers that connect.
mod listening;
// A process server as WinDbg takes one.
mod windbg;
// What debuggers' questions cost in round trips.
mod costs;
// Files of the server's machine.
mod files;
// Objects of qXfer, and what looks through much memory.
mod objects;
// Variables that each thread has for itself.
mod storage;
// Packets that no debugger sends.
mod hostile;
mod replay; // What must hold for any packets; the fuzz target uses the same file.
// Real lldb, run by commands.
mod lldb;
// What people do with lldb.
mod lldb_sessions;
// Core files that lldb saves.
mod lldb_cores;
// LLDB's packets, one by one.
mod lldb_packets;
// LLDB that knows the machine as a platform.
mod lldb_platform;
// A server at a pipe of another machine.
mod far_away;
// The same over every kind of link, and several debuggers at once.
mod links;
