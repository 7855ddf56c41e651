//! cdb as its users start it, on real programs and a real process server.

#![forbid(unsafe_code)]

// Searching, filling, comparing, copying memory, and the map of it.
mod bulk;
// Stacks and variables all over programs, against gdb.
mod agreement;
// Functions of the program that are called, and memory that is allocated in it.
mod calls;
// Sessions that go on after a lost link.
mod comeback;
// Certificates that will not do.
mod certificates;
// A dialogue with the program; used by all others.
mod console;
// Which servers are listed.
mod discovery;
// What is wrong before a session begins, as it is told.
mod entrances;
// The worked examples of the documentation.
mod examples;
// Breakpoints that stop only where an expression holds.
mod conditions;
// What a process is and has, and when its threads ran.
mod description;
// What is printed in which form, on a program with a known stack.
mod forms;
// A server at a pipe of another machine.
mod far_away;
// Breakpoints that the CPU watches for, and passes.
mod hardware;
// Somebody in the middle.
mod hostile_wire;
// Threads that are suspended, frozen, or run alone.
mod holds;
// Processes that targets make.
mod children;
// What becomes of events and signals.
mod filters;
// What the engine asks the server for.
mod costs;
// C++ expressions.
mod cxx;
// The current frame.
mod frames;
// Variables of frames.
mod locals;
// Other languages: C++, Rust, assembly.
mod languages;
// The same session over every transport, in both directions, near and far.
mod matrix;
// Names that symbol tables do not have, or have several times.
mod names;
// Steps by line that leave their line in unusual ways.
mod leaps;
// Libraries that come and go.
mod loading;
// Somebody else's TLS.
mod openssl;
// This machine by all that it is called.
mod own_names;
// Where passwords are, besides in who knows them.
mod passwords;
// A person at a terminal; used by others.
mod person;
// Programs of other people: a running python3.
mod python;
// Floating-point and vector registers.
mod registers;
// A server at a pipe or a port, and clients that lack the program's files.
mod remote;
// Starting, ending, Ctrl+C, and what is said when something is wrong.
mod startup;
// Crowds at a server's door.
mod sieges;
// Servers that call in vain.
mod in_vain;
// Separate debug files, and servers of them.
mod symbol_files;
// Where certificates are kept, and how they are called.
mod stores;
// Variables that each thread has for itself.
mod storage;
// Terminals of programs on another machine.
mod terminal;
// Types and objects by members.
mod members;
// Steps by line of source.
mod stepping;
// The same session over every transport.
mod transports;
// A server and its client on two machines.
mod two_hosts;
// Stacks at every instruction.
mod unwinding;
