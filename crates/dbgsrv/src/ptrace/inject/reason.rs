//! What ends a call, in words. It knows reasons of stops, not how calls are made.

use dbgbase::{Address, StopReason};

/// What would have been told, as half a sentence.
pub(super) fn describe(reason: &StopReason, at: Option<Address>) -> String {
    let at = at.map_or_else(String::new, |at| format!(" at {at}"));
    match reason {
        StopReason::Breakpoint { .. } => format!("hit a breakpoint{at}"),
        StopReason::Watchpoint { .. } => format!("did what a data breakpoint watches for{at}"),
        StopReason::Signal { signal, address, .. } => {
            let about = address.map_or_else(String::new, |address| format!(", address {address}"));
            format!("got {signal}{at}{about}")
        }
        StopReason::ProgramTrap => format!("executed a trap instruction{at}"),
        StopReason::Exec => "executed another program".to_owned(),
        StopReason::Forked { child, .. } => format!("made process {child}{at}"),
        StopReason::VforkDone { child } => format!("got its memory back from process {child}{at}"),
        StopReason::SyscallEntry { number } => {
            format!("was about to make system call {number}{at}")
        }
        StopReason::SyscallExit { number } => format!("made system call {number}{at}"),
        StopReason::ThreadEnding { .. } => "was about to end".to_owned(),
        StopReason::ThreadBorn => "was born".to_owned(),
        _ => format!("stopped{at}"),
    }
}
