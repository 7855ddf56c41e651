//! What commands print, on a program whose stack, symbols and bytes are known.

use testkit::{Guard, Testee};

use crate::console::Console;

struct Scene {
    testee: Testee,
    cdb: Console,
    guard: Guard,
}

impl Scene {
    /// Stopped in `inner` for the first time.
    fn in_inner() -> Scene {
        let guard = Guard::new();
        let testee = Testee::build("depths", &[]);
        let path = testee.path().to_str().expect("a path in the target folder");
        let mut cdb = Console::start(&guard, &[path]);
        cdb.command("bp inner");
        let stop = cdb.command("g");
        assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
        Scene { testee, cdb, guard }
    }

    fn end(self) {
        let (_, status) = self.cdb.finish("q");
        assert_eq!(status, 0);
        drop(self.guard);
    }

    /// The module's name in WinDbg's form.
    fn module(&self) -> String {
        let name = self.testee.path().file_name().expect("a file").to_str().expect("text");
        name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_")
    }

    fn evaluate(&mut self, expression: &str) -> u64 {
        let text = self.cdb.command(&format!("? {expression}"));
        let number = text.trim().rsplit_once("= ").expect("a value").1.replace('`', "");
        u64::from_str_radix(&number, 16).expect("a number")
    }
}

#[test]
fn a_stop_shows_registers_symbol_and_instruction() {
    let mut scene = Scene::in_inner();
    let registers = scene.cdb.command("r");
    let lines: Vec<&str> = registers.lines().collect();
    assert!(lines[0].starts_with("rax=") && lines[0].contains(" rbx="), "{registers}");
    assert!(registers.contains("iopl=0 "), "{registers}");
    assert!(registers.contains(" efl="), "{registers}");
    let module = scene.module();
    let source = scene.testee.source().display().to_string();
    assert!(registers.contains(&format!("{module}!inner [{source} @ ")), "{registers}");
    let pc = scene.evaluate("@rip");
    assert_eq!(pc, scene.evaluate("inner"));
    let high_low = format!("{:08x}`{:08x} ", pc >> 32, pc & 0xffff_ffff);
    assert!(lines.last().expect("lines").starts_with(&high_low), "{registers}");
    scene.end();
}

#[test]
fn registers_and_flags_are_shown_and_set() {
    let mut scene = Scene::in_inner();
    scene.cdb.command("r rax=1234");
    assert_eq!(scene.cdb.command("r rax").trim(), "rax=0000000000001234");
    scene.cdb.command("r rax=@rax+0n10, rbx=poi(@rsp)");
    assert_eq!(scene.evaluate("@rax"), 0x123e);
    assert_eq!(scene.evaluate("@rbx"), scene.evaluate("poi(@rsp)"));
    scene.cdb.command("r zf=1");
    assert_eq!(scene.cdb.command("r zf").trim(), "zf=1");
    scene.cdb.command("r $t3=55");
    assert_eq!(scene.evaluate("@$t3 * 2"), 0xaa);
    scene.end();
}

#[test]
fn memory_is_shown_in_every_width_and_edited() {
    let mut scene = Scene::in_inner();
    let greeting = scene.evaluate("greeting");
    let bytes = scene.cdb.command("db greeting L12");
    assert!(bytes.contains("68 65 6c 6c 6f 20 66 72-6f 6d 20 64 65 70 74 68"), "{bytes}");
    assert!(bytes.contains("hello from depth"), "{bytes}");
    let text = scene.cdb.command("da greeting");
    assert!(text.contains("\"hello from depths\""), "{text}");
    let words = scene.cdb.command("dd greeting L2");
    assert!(words.contains("6c6c6568 7266206f"), "{words}");
    let quads = scene.cdb.command("dq greeting L1");
    assert!(quads.contains("7266206f`6c6c6568"), "{quads}");
    scene.cdb.command("eb greeting 48 'E'");
    assert!(scene.cdb.command("da greeting").contains("\"HEllo from depths\""));
    scene.cdb.command("eza greeting \"changed\"");
    assert!(scene.cdb.command("da greeting").contains("\"changed\""));
    scene.cdb.command("ed calls 0n41");
    assert_eq!(scene.evaluate("dwo(calls)"), 41);
    assert_eq!(scene.evaluate("poi(greeting) & ff"), u64::from(b'c'));
    let _ = greeting;
    // A breakpoint's trap instruction is not shown.
    let code = scene.cdb.command("db inner L1");
    assert!(!code.contains(" cc "), "{code}");
    scene.end();
}

#[test]
fn the_stack_is_shown_in_its_forms() {
    let mut scene = Scene::in_inner();
    let module = scene.module();
    let stack = scene.cdb.command("k");
    assert!(stack.starts_with("Child-SP          RetAddr               Call Site"), "{stack}");
    let numbered = scene.cdb.command("kn");
    let heading = " # Child-SP          RetAddr               Call Site";
    assert!(numbered.contains(heading), "{numbered}");
    let names: Vec<String> = numbered
        .lines()
        .filter_map(|line| line.split_once('!'))
        .map(|(_, name)| name.split(['+', ' ']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names[..4], ["inner", "middle", "outer", "main"], "{numbered}");
    assert_eq!(names.last().map(String::as_str), Some("_start"), "{numbered}");
    assert!(scene.cdb.command("k 2").lines().count() == 3);
    assert!(numbered.contains(&format!("{module}!inner")), "{numbered}");
    scene.end();
}

#[test]
fn code_is_shown_and_stepped_as_objdump_has_it() {
    let mut scene = Scene::in_inner();
    let instructions = scene.testee.instructions("inner", "middle");
    let start = scene.evaluate("inner");
    let shown = scene.cdb.command("u inner");
    assert!(shown.lines().next().is_some_and(|line| line.contains("!inner [")), "{shown}");
    let base = start - instructions[0].0.value();
    for (line, (address, _)) in shown.lines().skip(1).zip(&instructions) {
        let at = base + address.value();
        let wanted = format!("{:08x}`{:08x} ", at >> 32, at & 0xffff_ffff);
        assert!(line.starts_with(&wanted), "{line} should begin with {wanted}");
    }
    for (address, _) in instructions.iter().skip(1).take(5) {
        scene.cdb.command("t");
        assert_eq!(scene.evaluate("@rip"), base + address.value());
    }
    scene.end();
}

#[test]
fn p_steps_over_calls_and_t_into_them() {
    let mut scene = Scene::in_inner();
    scene.cdb.command("bc *");
    scene.cdb.command("g outer");
    assert_eq!(scene.evaluate("@rip"), scene.evaluate("outer"));
    let sp = scene.evaluate("@rsp");
    // Over the call of middle, and back in outer, whatever happens below.
    let mut calls = 0;
    for _ in 0..40 {
        let line = scene.cdb.command("u . L1");
        let is_call = line.contains("call");
        let before = scene.evaluate("@rsp");
        scene.cdb.command("p");
        if is_call {
            calls += 1;
            assert_eq!(scene.evaluate("@rsp"), before, "{line}");
        }
        if line.contains(" ret") {
            break;
        }
        assert!(scene.cdb.command("ln @rip").contains("outer"), "{line}");
    }
    assert_eq!(calls, 1);
    assert_eq!(scene.evaluate("@rsp"), sp + 8);
    assert!(scene.cdb.command("ln @rip").contains("main"));
    scene.cdb.command("g middle");
    for _ in 0..40 {
        let line = scene.cdb.command("u . L1");
        scene.cdb.command("t");
        if line.contains("call") {
            assert_eq!(scene.evaluate("@rip"), scene.evaluate("inner"));
            scene.end();
            return;
        }
    }
    panic!("middle calls nothing");
}

#[test]
fn breakpoints_are_listed_counted_disabled_and_cleared() {
    let mut scene = Scene::in_inner();
    scene.cdb.command("bp outer \".echo seen in outer; g\"");
    scene.cdb.command("bp middle 2");
    let list = scene.cdb.command("bl");
    let module = scene.module();
    assert_eq!(list.lines().count(), 3, "{list}");
    for name in ["inner", "outer", "middle"] {
        assert!(list.contains(&format!("{module}!{name}")), "{list}");
    }
    assert!(list.contains("0002 (0002)"), "{list}");
    scene.cdb.command("bd 0");
    assert!(scene.cdb.command("bl").lines().any(|line| line.trim_start().starts_with("0 d")));
    // Twice through outer, which only echoes; the second hit of middle stops.
    let stop = scene.cdb.command("g");
    assert_eq!(stop.matches("seen in outer").count(), 2, "{stop}");
    assert!(stop.contains("Breakpoint 2 hit"), "{stop}");
    scene.cdb.command("be 0");
    let stop = scene.cdb.command("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    scene.cdb.command("bc *");
    assert_eq!(scene.cdb.command("bl").trim(), "");
    let end = scene.cdb.command("g");
    assert!(end.contains("exited"), "{end}");
    scene.end();
}

#[test]
fn modules_and_symbols_are_found() {
    let mut scene = Scene::in_inner();
    let module = scene.module();
    let list = scene.cdb.command("lm");
    assert!(list.starts_with("start             end                 module name"), "{list}");
    for name in [module.as_str(), "libc_so", "ld_linux_x86_64_so"] {
        assert!(list.lines().any(|line| line.contains(&format!(" {name} "))), "{list}");
    }
    let near = scene.cdb.command("ln inner+2");
    assert!(near.contains("inner+0x2"), "{near}");
    let found = scene.cdb.command(&format!("x {module}!*ut?r"));
    let [line] = found.lines().collect::<Vec<_>>()[..] else { panic!("{found}") };
    assert!(line.contains(&format!("{module}!outer (")), "{found}");
    let libc = scene.cdb.command("x libc_so!puts");
    assert!(libc.contains("libc_so!puts"), "{libc}");
    scene.cdb.command("bc *;bp libc_so!puts;bp write");
    let stop = scene.cdb.command("g");
    assert!(stop.contains("hit"), "{stop}");
    scene.end();
}

#[test]
fn threads_and_processes_are_listed() {
    let mut scene = Scene::in_inner();
    let pid = scene.evaluate("@$tpid");
    let threads = scene.cdb.command("~");
    assert!(threads.starts_with(&format!(".  0  Id: {pid:x}.{pid:x} Suspend: ")), "{threads}");
    let processes = scene.cdb.command("|");
    assert!(processes.starts_with(&format!(".  0\tid: {pid:x}\t")), "{processes}");
    scene.end();
}
