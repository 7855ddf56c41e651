//! The server's machine and its processes, in the layouts of the commands `vertarget`, `||` and
//! `.tlist`. It knows no engine.

use std::fmt::Write as _;

use dbgeng::ProcessDescription;

use super::bytes;
use super::description::{date, debugger, duration, foreign};

/// The facts of `vertarget`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Machine<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its system and release.
    pub(crate) system: &'a str,
    /// Its CPU.
    pub(crate) arch: &'a str,
    /// How many CPUs.
    pub(crate) cpus: u32,
    /// Milliseconds since it started.
    pub(crate) uptime_ms: u64,
    /// The process server's version.
    pub(crate) server_version: &'a str,
    /// The user id with which the session acts.
    pub(crate) uid: u32,
}

/// The lines of `vertarget`.
pub(crate) fn machine(machine: &Machine<'_>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} ({} procs) {}", machine.system, machine.cpus, machine.arch);
    let _ = writeln!(text, "Machine Name: {}", machine.name);
    let _ = writeln!(text, "System Uptime: {}", duration(machine.uptime_ms));
    let _ = writeln!(
        text,
        "Process server: version {}, acting as user id {}",
        machine.server_version, machine.uid
    );
    text
}

/// The line of one process in `.tlist`. The id can be pasted behind `.attach`.
pub(crate) fn process(process: &ProcessDescription) -> String {
    format!("{:>9} {}\n", format!("0n{}", process.pid), process.name)
}

/// The lines of one process in `.tlist -v`.
pub(crate) fn process_details(process: &ProcessDescription) -> String {
    let mut text = format!(
        "{:>9} Session: {} {}\n",
        format!("0n{}", process.pid),
        process.session,
        process.name
    );
    let arguments: Vec<String> = process.arguments.iter().map(|word| quoted(word)).collect();
    let _ =
        writeln!(text, "{:>9} User: {} Command Line: {}", "", process.user, arguments.join(" "));
    let _ = writeln!(
        text,
        "{:>9} Parent: 0n{} Threads: {} State: {} Started: {}",
        "",
        process.parent,
        process.threads,
        process.state,
        date(process.started_ms)
    );
    if !process.executable.is_empty() {
        let _ = writeln!(text, "{:>9} Executable: {}", "", quoted(&process.executable));
    }
    if let Some(container) = &process.container {
        let _ = writeln!(text, "{:>9} Container: {} {}", "", container.engine, container.id);
    }
    if !process.namespaces.is_empty() {
        let _ = writeln!(text, "{:>9} Namespaces: {}", "", foreign(&process.namespaces));
    }
    if let Some(tracer) = process.tracer {
        let _ = writeln!(text, "{:>9} Debugged by: {}", "", debugger(tracer, &process.debugger));
    }
    text
}

/// An argument of a command line, in quotes if it would not be seen as one word without them.
pub(crate) fn quoted(argument: &[u8]) -> String {
    let text = bytes(argument);
    let is_plain = !text.is_empty()
        && !text.contains(|character: char| {
            character.is_whitespace() || character.is_control() || "\"'\\".contains(character)
        });
    if is_plain { text } else { format!("{text:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::Pid;
    use dbgeng::{Container, Namespace};
    use expect_test::expect;

    fn sample() -> ProcessDescription {
        ProcessDescription {
            pid: Pid::new(4711),
            parent: Pid::new(1),
            name: "bash".to_owned(),
            executable: b"/bin/bash".to_vec(),
            arguments: vec![b"bash".to_vec(), b"-c".to_vec(), b"sleep 5".to_vec(), Vec::new()],
            uid: 0,
            user: "root".to_owned(),
            threads: 1,
            start_time: 5,
            tracer: Some(Pid::new(99)),
            session: 17,
            state: 'S',
            namespaces: vec![Namespace { kind: "uts".to_owned(), inode: 7, is_servers: false }],
            container: Some(Container { engine: "lxc".to_owned(), id: "web".to_owned() }),
            debugger: "by session 3".to_owned(),
            started_ms: 1_000,
        }
    }

    #[test]
    fn processes_are_listed_with_decimal_ids() {
        assert_eq!(process(&sample()), "   0n4711 bash\n");
        // The first line tells how far the others are indented.
        expect![[r#"
            here:
               0n4711 Session: 17 bash
                      User: root Command Line: bash -c "sleep 5" ""
                      Parent: 0n1 Threads: 1 State: S Started: Thu Jan  1 00:00:01 1970 UTC
                      Executable: /bin/bash
                      Container: lxc web
                      Namespaces: of its own: uts:[7]
                      Debugged by: 0n99, by session 3
        "#]]
        .assert_eq(&format!("here:\n{}", process_details(&sample())));
        let plain = ProcessDescription {
            executable: Vec::new(),
            container: None,
            namespaces: Vec::new(),
            tracer: None,
            ..sample()
        };
        assert_eq!(process_details(&plain).lines().count(), 3);
    }

    #[test]
    fn the_machine_has_four_lines() {
        expect![[r#"
            Linux 6.1.0 (2 procs) x86_64
            Machine Name: host
            System Uptime: 3 days 2:11:22.123
            Process server: version 0.1.0, acting as user id 1000
        "#]]
        .assert_eq(&machine(&Machine {
            name: "host",
            system: "Linux 6.1.0",
            arch: "x86_64",
            cpus: 2,
            uptime_ms: ((3 * 24 + 2) * 3600 + 11 * 60 + 22) * 1000 + 123,
            server_version: "0.1.0",
            uid: 1000,
        }));
    }
}
