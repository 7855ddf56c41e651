//! What becomes of events and signals in the layout of the command `sx`. It changes nothing.

use dbgbase::{Arch, Signal};
use dbgeng::SyscallFilter;

use crate::filters::{EVENTS, EXCEPTIONS, Event, Filter, Filters, Mode, Subject};

/// The list: events, signals that have names of exceptions, the other ones.
pub(crate) fn list(filters: &Filters, arch: Arch) -> String {
    let mut text = String::new();
    for (name, event, what, _) in EVENTS {
        let filter = filters.get(Subject::Event(*event));
        text.push_str(&format!("{name:>7} - {what} - {}\n", mode(filter.mode)));
        if *event == Event::Syscall && filter.mode != Mode::Ignore {
            text.push_str(&syscalls(&filters.syscalls, arch));
        }
        if let Some(pattern) = filters.pattern(*event) {
            text.push_str(&format!("{:10}(only for {pattern})\n", ""));
        }
        text.push_str(&commands(&filter));
    }
    text.push('\n');
    for (name, signal, what) in EXCEPTIONS {
        text.push_str(&row(
            name,
            &format!("{what} ({signal})"),
            &filters.get(Subject::Signal(*signal)),
        ));
    }
    let is_named = |signal: &Signal| EXCEPTIONS.iter().any(|(_, known, _)| known == signal);
    let is_listed = |signal: &Signal| !is_named(signal) && *signal != Signal::SIGKILL;
    let ordinary = (1..32).filter_map(Signal::new).filter(is_listed);
    for signal in ordinary.chain(filters.other_signals()) {
        let name = signal.to_string();
        let code = name.trim_start_matches("SIG").to_ascii_lowercase();
        text.push_str(&row(&code, &name, &filters.get(Subject::Signal(signal))));
    }
    text + &row("*", "Other signal", &filters.get(Subject::OtherSignals))
}

fn row(name: &str, what: &str, filter: &Filter) -> String {
    let handling = if filter.is_handled { "handled" } else { "not handled" };
    let head = format!("{name:>7} - {what} - {} - {handling}\n", mode(filter.mode));
    head + &commands(filter)
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Break => "break",
        Mode::SecondChance => "second-chance break",
        Mode::Output => "output",
        Mode::Ignore => "ignore",
    }
}

fn commands(filter: &Filter) -> String {
    let line = |what: &str, commands: &str| match commands {
        "" => String::new(),
        commands => format!("{:10}{what}: \"{commands}\"\n", ""),
    };
    line("Command", &filter.command) + &line("Second command", &filter.second_command)
}

fn syscalls(filter: &SyscallFilter, arch: Arch) -> String {
    match filter {
        SyscallFilter::None | SyscallFilter::All => String::new(),
        SyscallFilter::Some(numbers) => {
            let names: Vec<String> = numbers.iter().map(|number| syscall(*number, arch)).collect();
            format!("{:10}(only for {})\n", "", names.join(", "))
        }
    }
}

/// A system call by its name, or its number if it has none.
pub(crate) fn syscall(number: u64, arch: Arch) -> String {
    arch.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::collections::BTreeSet;

    #[test]
    fn the_list_shows_what_is_set() {
        let mut filters = Filters::default();
        let usual = list(&filters, Arch::X86_64);
        for subject in [Subject::Event(Event::Syscall), Subject::Signal(Signal::SIGSEGV)] {
            let (command, second_command) = ("k; g".to_owned(), "r".to_owned());
            let mode = Mode::SecondChance;
            filters.set(subject, Filter { mode, is_handled: true, command, second_command });
        }
        filters.syscalls = SyscallFilter::Some(BTreeSet::from([1, 9999]));
        let real_time = Subject::Signal(Signal::new(36).expect("one"));
        filters.set(real_time, Filter { mode: Mode::Output, ..filters.get(real_time) });
        let changed = list(&filters, Arch::X86_64);
        let news: String = changed
            .lines()
            .filter(|line| !usual.lines().any(|known| known == *line))
            .map(|line| format!("{line}\n"))
            .collect();
        expect![[r#"
            syscall - System call - second-chance break
                      (only for write, 9999)
                      Command: "k; g"
                      Second command: "r"
                 av - Access violation (SIGSEGV) - second-chance break - handled
                      Command: "k; g"
                      Second command: "r"
            rtmin+2 - SIGRTMIN+2 - output - not handled
        "#]]
        .assert_eq(&news);
        let lines: Vec<&str> = usual.lines().collect();
        assert_eq!(lines[0], "     ct - Create thread - ignore");
        assert!(usual.ends_with("      * - Other signal - break - not handled\n"), "{usual}");
        assert!(usual.contains("   usr1 - SIGUSR1 - break - not handled\n"), "{usual}");
        assert!(!usual.contains("SIGKILL"), "{usual}");
    }
}
