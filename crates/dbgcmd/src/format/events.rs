//! What happened to a target, as lines of text. Where the original speaks of exceptions, these
//! lines speak of signals. It waits for nothing.

use dbgbase::{Address, Arch, ExitStatus, Pid, Signal, Tid};
use dbgeng::{StopCause, Undecided};

use super::filters::syscall;

/// What is told of a stop; nothing for a step and an address that was run to, for breakpoints,
/// whose hits `breakpoints` knows to tell, and for modules, which `modules` does.
pub(crate) fn stopped(pid: Pid, tid: Tid, cause: &StopCause, arch: Arch) -> String {
    let who = format!("({pid:x}.{tid:x})");
    match cause {
        StopCause::InitialBreak => format!("{who}: Initial breakpoint: the program is loaded\n"),
        StopCause::Attached => format!("{who}: Attached\n"),
        StopCause::Interrupted => format!("{who}: Break-in\n"),
        StopCause::Breakpoints(_)
        | StopCause::TemporaryBreakpoint
        | StopCause::Step
        | StopCause::ModulesChanged => String::new(),
        StopCause::Signal { signal, code, address, sender, is_second_chance } => {
            let origin = origin(*signal, *code, *address, *sender);
            format!("{who}: {signal} - {origin} ({})\n", chance(*is_second_chance))
        }
        StopCause::ProgramTrap => {
            format!("{who}: Break instruction of the program - SIGTRAP (first chance)\n")
        }
        StopCause::Exec => format!("{who}: A new program was executed\n"),
        cause => format!("{who}: {}\n", event(cause, arch)),
    }
}

/// What is told of an event that only filters make one.
fn event(cause: &StopCause, arch: Arch) -> String {
    match cause {
        StopCause::SyscallEntry { number, arguments } => {
            let values: Vec<String> = arguments.iter().map(|value| format!("{value:x}")).collect();
            format!("System call {}({})", syscall(*number, arch), values.join(", "))
        }
        StopCause::SyscallExit { number, result } => {
            format!("System call {} returns {result}", syscall(*number, arch))
        }
        StopCause::Forked { child, borrows: false } => format!("Fork of process {child}"),
        StopCause::Forked { child, borrows: true } => {
            format!("Fork of process {child}, which borrows the memory")
        }
        StopCause::ThreadBorn => "Create thread".to_owned(),
        StopCause::ThreadEnding(ExitStatus::Exited(status)) => {
            format!("Exit thread, status {status}")
        }
        StopCause::ThreadEnding(ExitStatus::Killed(signal)) => format!("Exit thread, by {signal}"),
        StopCause::Born => "Create process".to_owned(),
        StopCause::ModulesChanged => "Load or unload module".to_owned(),
        _ => String::new(),
    }
}

fn chance(is_second: bool) -> &'static str {
    if is_second { "!!! second chance !!!" } else { "first chance" }
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
pub(crate) fn last(pid: Pid, tid: Tid, cause: &StopCause, arch: Arch) -> String {
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
        StopCause::Signal { signal, code, address, sender, is_second_chance } => {
            let origin = origin(*signal, *code, *address, *sender);
            format!("{signal} - {origin} ({})", chance(*is_second_chance))
        }
        StopCause::ProgramTrap => "Break instruction of the program - SIGTRAP".to_owned(),
        StopCause::Exec => "A new program was executed".to_owned(),
        cause => event(cause, arch),
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
            is_second_chance: signal == Signal::SIGUSR2,
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
            StopCause::SyscallEntry { number: 1, arguments: [1, 0x1000, 12, 0, 0, 0] },
            StopCause::SyscallExit { number: 9999, result: -38 },
            StopCause::Forked { child: Pid::new(4711), borrows: false },
            StopCause::Forked { child: Pid::new(4711), borrows: true },
            StopCause::ThreadBorn,
            StopCause::ThreadEnding(ExitStatus::Exited(0)),
            StopCause::ThreadEnding(ExitStatus::Killed(Signal::SIGTERM)),
            StopCause::Born,
            StopCause::ModulesChanged,
        ]
    }

    #[test]
    fn every_stop_is_told() {
        let text: String = all_causes()
            .iter()
            .map(|cause| stopped(Pid::new(0x1a2b), Tid::new(0x1a2c), cause, Arch::X86_64))
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
            (1a2b.1a2c): SIGUSR2 - code 99 (!!! second chance !!!)
            (1a2b.1a2c): Break instruction of the program - SIGTRAP (first chance)
            (1a2b.1a2c): A new program was executed
            (1a2b.1a2c): System call write(1, 1000, c, 0, 0, 0)
            (1a2b.1a2c): System call 9999 returns -38
            (1a2b.1a2c): Fork of process 4711
            (1a2b.1a2c): Fork of process 4711, which borrows the memory
            (1a2b.1a2c): Create thread
            (1a2b.1a2c): Exit thread, status 0
            (1a2b.1a2c): Exit thread, by SIGTERM
            (1a2b.1a2c): Create process
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn the_last_event_has_one_line() {
        let text: String = all_causes()
            .iter()
            .map(|cause| last(Pid::new(0x1a2b), Tid::new(0x1a2c), cause, Arch::X86_64) + "\n")
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
