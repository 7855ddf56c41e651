//! The engine against a scripted server: a thread that expects one request after the other, answers
//! each as its script says, and pushes events. A request that the script does not expect fails the
//! test, so every script is also a budget of round trips.

mod elf; // images to look symbols up in
mod peer; // the server's side of a script
mod scene; // what the scripted targets look like

mod breakpoints; // sites travel in Resume; passes, threads, one shot, symbols
mod bulk; // searches, fills, comparisons, copies: how often the server is asked
mod conditions; // conditions of breakpoints: whose business they are
mod connection; // greeting, refusal, pipelining, loss, later versions
mod filters; // what is told of events and signals, and what the server learns of that
mod holds; // threads that stay, or run alone
mod inspection; // registers, memory, code, stack: what they cost
mod locals; // variables of frames: what they cost
mod names; // what only debugging information has, and the index of it
mod parts; // modules read from the server: how much of them, and when
mod registers; // floating point and vectors: what they cost
mod running; // execution, steps, signals, interrupts, ends
mod several; // two processes
mod sources; // where the text of source files comes from
mod symbols; // where images come from
