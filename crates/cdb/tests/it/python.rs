//! A program that nobody built for debugging: attach to a running python3, look at all its stacks,
//! stop it in the C library by name, and leave it as it was.

use testkit::{Footprint, Guard, until};

use crate::console::Console;

/// Three threads that sleep in the C library, and a dialogue: each line it reads it answers.
const SCRIPT: &str = "
import sys, threading, time
for _ in range(3):
    threading.Thread(target=lambda: time.sleep(1000), daemon=True).start()
print('ready', flush=True)
for line in sys.stdin:
    print(line.strip().upper(), flush=True)
";

#[test]
fn a_running_python_is_looked_at_and_left() {
    let guard = Guard::new();
    let mut python = guard.start("python3", &["-u", "-c", SCRIPT]);
    assert_eq!(python.read_line(), "ready");
    let pid = python.pid();
    until("four threads", || {
        (std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.count() == 4).then_some(())
    });
    let before = Footprint::take(&guard, pid);

    let mut cdb = Console::start(&guard, &["-p", &pid.to_string()]);
    assert_eq!(cdb.prompt, "0:000", "{}", cdb.banner);
    let threads = cdb.command("~");
    assert_eq!(threads.lines().count(), 4, "{threads}");

    // Every stack ends where threads begin.
    let stacks = cdb.command("~*k");
    assert_eq!(stacks.matches("Call Site").count(), 4, "{stacks}");
    assert_eq!(stacks.matches("!clone3+").count(), 3, "{stacks}");
    assert_eq!(stacks.matches("!_start+").count(), 1, "{stacks}");
    assert!(stacks.contains("libc_so!"), "{stacks}");

    // The next line that it reads brings it into write(2), wherever it slept before.
    cdb.command("bp libc_so!write");
    cdb.type_line("g");
    python.write_line("first");
    let stop = cdb.read_to_prompt();
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    assert!(stop.contains("libc_so!") && stop.contains("write"), "{stop}");
    let stack = cdb.command("k");
    assert!(stack.contains("!_start+"), "{stack}");

    cdb.command("bc *");
    let detached = cdb.command(".detach");
    assert!(detached.contains("Detached"), "{detached}");
    assert_eq!(cdb.prompt, "NoTarget");
    assert_eq!(python.read_line(), "FIRST");
    python.write_line("second");
    assert_eq!(python.read_line(), "SECOND");
    let (_, status) = cdb.finish("q");
    assert_eq!(status, 0);
    assert_eq!(Footprint::take(&guard, pid), before);

    python.close_input();
    python.wait();
}
