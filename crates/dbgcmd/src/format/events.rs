//! What happened to a target, as lines of text. Where the original speaks of exceptions, these
//! lines speak of signals. It waits for nothing.

use dbgbase::{Address, ExitStatus, Pid, Signal, Tid};
use dbgeng::{StopCause, Undecided};

/// What is told of a stop; nothing for a step, for an address that was run to, and for breakpoints,
/// whose hits `breakpoints` knows to tell.
pub(crate) fn stopped(pid: Pid, tid: Tid, cause: &StopCause) -> String {
    let who = format!("({pid:x}.{tid:x})");
    match cause {
        StopCause::InitialBreak => format!("{who}: Initial breakpoint: the program is loaded\n"),
        StopCause::Attached => format!("{who}: Attached\n"),
        StopCause::Interrupted => format!("{who}: Break-in\n"),
        StopCause::Breakpoints(_) | StopCause::TemporaryBreakpoint | StopCause::Step => {
            String::new()
        }
        StopCause::Signal { signal, code, address, sender } => {
            let origin = origin(*signal, *code, *address, *sender);
            format!("{who}: {signal} - {origin} (first chance)\n")
        }
        StopCause::ProgramTrap => {
            format!("{who}: Break instruction of the program - SIGTRAP (first chance)\n")
        }
        StopCause::Exec => format!("{who}: A new program was executed\n"),
    }
}

/// What is told of breakpoints that stop the targets because their conditions have no value.
pub(crate) fn undecided(breakpoints: &[Undecided]) -> String {
    let line = |undecided: &Undecided| {
        let Undecided { breakpoint, why } = undecided;
        format!("The condition of breakpoint {breakpoint} has no value: {why}\n")
    };
    breakpoints.iter().map(line).collect()
}

/// What is told of a process that has ended. Its id is decimal, as for ps(1).
pub(crate) fn exited(pid: Pid, status: ExitStatus) -> String {
    match status {
        ExitStatus::Exited(status) => format!("Process {pid} exited with status {status}"),
        ExitStatus::Killed(signal) => format!("Process {pid} was ended by {signal}"),
    }
}

/// What is told of a process that the server has let go.
pub(crate) fn left(pid: Pid, why: &str) -> String {
    format!("Process {pid} is no longer debugged, and runs on: {why}")
}

/// The event for `.lastevent`.
pub(crate) fn last(pid: Pid, tid: Tid, cause: &StopCause) -> String {
    let what = match cause {
        StopCause::InitialBreak => "Initial breakpoint".to_owned(),
        StopCause::Attached => "Attached".to_owned(),
        StopCause::Interrupted => "Break-in".to_owned(),
        StopCause::Breakpoints(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!("Hit breakpoint {}", ids.join(", "))
        }
        StopCause::TemporaryBreakpoint => "Reached the address that was run to".to_owned(),
        StopCause::Step => "Single step".to_owned(),
        StopCause::Signal { signal, code, address, sender } => {
            format!("{signal} - {} (first chance)", origin(*signal, *code, *address, *sender))
        }
        StopCause::ProgramTrap => "Break instruction of the program - SIGTRAP".to_owned(),
        StopCause::Exec => "A new program was executed".to_owned(),
    };
    format!("{pid:x}.{tid:x}: {what}")
}

/// Where a signal comes from: the name of its `si_code` (sigaction(2)) and what belongs to it.
fn origin(signal: Signal, code: i32, address: Option<Address>, sender: Option<Pid>) -> String {
    let sent = |how: &str| match sender {
        Some(sender) => format!("{how} by process {sender}"),
        None => how.to_owned(),
    };
    let text = match (signal, code) {
        (_, 0) => sent("sent"),
        (_, -1) => sent("queued"),
        (_, -2) => "a timer expired".to_owned(),
        (_, -6) => sent("sent to the thread"),
        (Signal::SIGSEGV, 1) => "address not mapped".to_owned(),
        (Signal::SIGSEGV, 2) => "access not permitted".to_owned(),
        (Signal::SIGSEGV, 3) => "bounds check failed".to_owned(),
        (Signal::SIGSEGV, 4) => "protection key forbids the access".to_owned(),
        (Signal::SIGBUS, 1) => "misaligned address".to_owned(),
        (Signal::SIGBUS, 2) => "no memory behind the address".to_owned(),
        (Signal::SIGBUS, 3) => "error of the object behind the address".to_owned(),
        (Signal::SIGBUS, 4 | 5) => "hardware memory error".to_owned(),
        (Signal::SIGFPE, 1) => "integer division by zero".to_owned(),
        (Signal::SIGFPE, 2) => "integer overflow".to_owned(),
        (Signal::SIGFPE, 3) => "floating-point division by zero".to_owned(),
        (Signal::SIGFPE, 4) => "floating-point overflow".to_owned(),
        (Signal::SIGFPE, 5) => "floating-point underflow".to_owned(),
        (Signal::SIGFPE, 6) => "floating-point inexact result".to_owned(),
        (Signal::SIGFPE, 7) => "floating-point invalid operation".to_owned(),
        (Signal::SIGILL, 1) => "illegal opcode".to_owned(),
        (Signal::SIGILL, 2) => "illegal operand".to_owned(),
        (Signal::SIGILL, 5) => "privileged opcode".to_owned(),
        (Signal::SIGSYS, 1) => "system call refused by seccomp".to_owned(),
        // An address that is not canonical has no place for the kernel to report.
        (Signal::SIGSEGV, 0x80) => {
            return "address not canonical, or general protection".to_owned();
        }
        (_, 0x80) => "sent by the kernel".to_owned(),
        _ => format!("code {code}"),
    };
    match address {
        Some(address) => format!("{text}: {address}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgeng::BreakpointId;
    use expect_test::expect;

    fn all_causes() -> Vec<StopCause> {
        let signal = |signal, code, address: Option<u64>, sender: Option<u32>| StopCause::Signal {
            signal,
            code,
            address: address.map(Address::new),
            sender: sender.map(Pid::new),
        };
        vec![
            StopCause::InitialBreak,
            StopCause::Attached,
            StopCause::Interrupted,
            StopCause::Breakpoints(vec![BreakpointId(0), BreakpointId(3)]),
            StopCause::TemporaryBreakpoint,
            StopCause::Step,
            signal(Signal::SIGSEGV, 1, Some(0x10), None),
            signal(Signal::SIGSEGV, 0x80, Some(0), None),
            signal(Signal::SIGFPE, 1, Some(0x5555_5555_5142), None),
            signal(Signal::SIGUSR1, 0, None, Some(4711)),
            signal(Signal::SIGABRT, -6, None, Some(4711)),
            signal(Signal::SIGUSR2, 99, None, None),
            StopCause::ProgramTrap,
            StopCause::Exec,
        ]
    }

    #[test]
    fn every_stop_is_told() {
        let text: String = all_causes()
            .iter()
            .map(|cause| stopped(Pid::new(0x1a2b), Tid::new(0x1a2c), cause))
            .collect();
        expect![[r#"
            (1a2b.1a2c): Initial breakpoint: the program is loaded
            (1a2b.1a2c): Attached
            (1a2b.1a2c): Break-in
            (1a2b.1a2c): SIGSEGV - address not mapped: 00000000`00000010 (first chance)
            (1a2b.1a2c): SIGSEGV - address not canonical, or general protection (first chance)
            (1a2b.1a2c): SIGFPE - integer division by zero: 00005555`55555142 (first chance)
            (1a2b.1a2c): SIGUSR1 - sent by process 4711 (first chance)
            (1a2b.1a2c): SIGABRT - sent to the thread by process 4711 (first chance)
            (1a2b.1a2c): SIGUSR2 - code 99 (first chance)
            (1a2b.1a2c): Break instruction of the program - SIGTRAP (first chance)
            (1a2b.1a2c): A new program was executed
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn the_last_event_has_one_line() {
        let text: String = all_causes()
            .iter()
            .map(|cause| last(Pid::new(0x1a2b), Tid::new(0x1a2c), cause) + "\n")
            .collect();
        assert_eq!(text.lines().count(), all_causes().len());
        assert!(text.contains("1a2b.1a2c: Hit breakpoint 0, 3\n"));
        assert!(text.contains("1a2b.1a2c: Single step\n"));
    }

    #[test]
    fn the_end_of_a_process_is_told() {
        let pid = Pid::new(4711);
        assert_eq!(exited(pid, ExitStatus::Exited(3)), "Process 4711 exited with status 3");
        assert_eq!(
            exited(pid, ExitStatus::Killed(Signal::SIGKILL)),
            "Process 4711 was ended by SIGKILL"
        );
        let left = "Process 4711 is no longer debugged, and runs on: it is a 32-bit program";
        assert_eq!(super::left(pid, "it is a 32-bit program"), left);
    }
}
