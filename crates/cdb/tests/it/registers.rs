//! Floating-point and vector registers, on a program that holds known values in all of them.

use testkit::{Guard, Process, Testee};

use crate::console::Console;

struct Scene {
    process: Process,
    cdb: Console,
    level: u64,
    _guard: Guard,
}

impl Scene {
    /// Attached to threads that all hold their values, at the first of them.
    fn attached(threads: usize) -> Scene {
        let guard = Guard::new();
        let testee = Testee::build("vectors", &[]);
        let mut process = guard.start(testee.path(), &[&threads.to_string()]);
        assert_eq!(process.read_line(), "ready");
        let pid = process.pid().to_string();
        let mut cdb = Console::start(&guard, &["-p", &pid]);
        cdb.command("~0s");
        let level = cdb.command("? dwo(level)");
        let level = level.trim().chars().last().and_then(|digit| digit.to_digit(10));
        Scene { process, cdb, level: level.expect("a number").into(), _guard: guard }
    }

    fn ask(&mut self, command: &str) -> String {
        self.cdb.command(command).trim().to_owned()
    }

    /// Detaches. What the program says when it has compared its values.
    fn end(self) -> String {
        let Scene { mut process, cdb, .. } = self;
        let (_, status) = cdb.finish("qd");
        assert_eq!(status, 0);
        process.close_input();
        process.read_rest()
    }
}

#[test]
fn registers_are_shown_in_the_forms_of_their_kinds() {
    let mut scene = Scene::attached(0);
    // The first byte of xmm0 is 1, and each is 3 more than the one before.
    assert_eq!(scene.ask("r xmm0:uq"), "xmm0=2e2b2825221f1c19 1613100d0a070401");
    assert_eq!(scene.ask("r @xmm0:3uw"), "xmm0=100d 0a07 0401");
    assert_eq!(scene.ask("r xmm0:2ib"), "xmm0=4 1");
    assert_eq!(scene.ask("r xmm0"), "xmm0=3.8916554e-11 2.1563393e-18 1.187963e-25 6.5007666e-33");
    let st = "st1= 1.500000000000000000000e+0000  (0:3fff:c000000000000000)";
    assert_eq!(scene.ask("r st1"), st);
    assert_eq!(scene.ask("r fpcw, mxcsr"), "fpcw=037f mxcsr=00001f80");
    assert_eq!(scene.ask("r st1, xmm0:2ib"), format!("{st}\nxmm0=4 1"));
    assert_eq!(scene.ask("? @mxcsr + 1"), "Evaluate expression: 8065 = 00000000`00001f81");
    assert_eq!(scene.ask("r rsp:2ub").len(), "rsp=00 00".len());
    if scene.level >= 2 {
        let upper = scene.ask("r ymm0:uq");
        assert_eq!(
            upper,
            "ymm0=5e5b5855524f4c49 4643403d3a373431 2e2b2825221f1c19 1613100d0a070401"
        );
    }
    if scene.level == 3 {
        assert_eq!(scene.ask("r k1, k7"), "k1=0000000000000002 k7=0000000000000008");
        let zmm = scene.ask("r zmm31:2uq");
        assert_eq!(zmm, format!("zmm31={}", words_from(31 * 7 + 1)));
    }
    assert_eq!(scene.end(), "changed 0\n");
}

/// The lowest 16 bytes of a vector whose first byte is this, as two words.
fn words_from(first: u8) -> String {
    let byte = |n: u8| format!("{:02x}", first.wrapping_add(n.wrapping_mul(3)));
    let word = |bytes: std::ops::Range<u8>| bytes.rev().map(byte).collect::<String>();
    format!("{} {}", word(8..16), word(0..8))
}

#[test]
fn what_is_set_is_what_the_program_has_in_the_end() {
    let mut scene = Scene::attached(1);
    scene.ask("r xmm0=1.5 -2");
    let upper = "3.8916554e-11 2.1563393e-18";
    assert_eq!(scene.ask("r xmm0"), format!("xmm0={upper} 1.5 -2"));
    scene.ask("r xmm1:uq=1 2, xmm2:d=0.1, st0=-0.1, st1=0:3fff:c000000000000001, mxcsr=5f80");
    assert_eq!(scene.ask("r xmm1:uq"), "xmm1=0000000000000001 0000000000000002");
    assert_eq!(scene.ask("r xmm2:1d"), "xmm2=0.1");
    let st0 = "st0=-1.000000000000000000014e-0001  (1:3ffb:cccccccccccccccd)";
    assert_eq!(scene.ask("r st0"), st0);
    let st1 = "st1= 1.500000000000000000108e+0000  (0:3fff:c000000000000001)";
    assert_eq!(scene.ask("r st1"), st1);
    assert_eq!(scene.ask("r mxcsr"), "mxcsr=00005f80");
    scene.ask("r xmm3:ub=@rsp&0");
    assert!(scene.ask("r xmm3:4ub").ends_with(" 00"));
    if scene.level == 3 {
        scene.ask("r k2=@k1+5, zmm9:uq=1 2 3 4 5 6 7 8");
        assert_eq!(scene.ask("r k2"), "k2=0000000000000007");
        assert_eq!(scene.ask("r ymm9:1uq"), "ymm9=0000000000000008");
    }
    let name = ["sse_ended", "avx_ended", "avx512_ended"][scene.level as usize - 1];
    scene.ask(&format!("~0 bp {name}"));
    scene.process.close_input();
    let stop = scene.ask("g");
    assert!(stop.contains("Breakpoint 0 hit"), "{stop}");
    let low = scene.ask("dd after L4");
    assert!(low.contains("c0000000 3fc00000"), "{low}");
    let second = scene.ask("dq after+40 L2");
    assert!(second.contains("00000000`00000002 00000000`00000001"), "{second}");
    let mxcsr = scene.ask("dd after+0n2240 L1");
    assert!(mxcsr.contains(" 00005f80"), "{mxcsr}");
    scene.ask("bc *");
    assert_eq!(scene.end(), "changed 1\n");
}

#[test]
fn sets_of_registers_are_chosen_by_mask() {
    let mut scene = Scene::attached(0);
    let stack = scene.ask("rF");
    assert!(stack.starts_with("fpcw=037f    fpsw=0000    fptw=0000\nst0= 5.0000"), "{stack}");
    assert_eq!(stack.matches("\nst").count(), 8);
    assert_eq!(scene.ask("rM 4"), stack);
    let vectors = scene.ask("rX");
    assert_eq!(vectors.matches("\nxmm").count(), 15, "{vectors}");
    assert!(vectors.contains("\nmxcsr=00001f80\n"), "{vectors}");
    let default = scene.ask("rm");
    assert!(default.starts_with("Register output mask is a:\n       2 - Integer"), "{default}");
    assert!(scene.ask("rm ?").contains("\n      40 - SSE XMM registers\n"));
    assert_eq!(scene.ask("rm 100048"), "Ignored invalid bits 100000");
    let chosen = scene.ask("r");
    assert!(chosen.starts_with("cs=0033 ") && chosen.contains("\nxmm0="), "{chosen}");
    assert!(!chosen.contains("rax="), "{chosen}");
    assert!(scene.ask("rM 20").starts_with("dr0=0000000000000000 dr1=0000000000000000 dr2="));
    assert!(scene.ask("rM 10").starts_with("mm0=8000000000000000 mm1=c000000000000000 "));
    if scene.level == 3 {
        assert_eq!(scene.ask("rZI").matches("\nzmm").count(), 31);
        assert!(scene.ask("rK").starts_with("k0=0000000000000001 k1=0000000000000002 "));
    }
    assert_eq!(scene.end(), "changed 0\n");
}

#[test]
fn each_thread_has_its_own() {
    let mut scene = Scene::attached(20);
    let all = scene.ask("~*r st0");
    for index in 0..=20_u32 {
        // 0.5 and the thread's index.
        let (digits, exponent) = match index {
            0 => ("5.0".to_owned(), "e-0001"),
            1..10 => (format!("{index}.5"), "e+0000"),
            _ => (format!("{}.{}5", index / 10, index % 10), "e+0001"),
        };
        let value = format!("{digits:0<23}{exponent}");
        assert_eq!(all.matches(&format!("st0= {value} ")).count(), 1, "{value} in {all}");
    }
    assert_eq!(scene.end(), "changed 0\n");
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let mut scene = Scene::attached(0);
    for (command, answer) in [
        ("r xmm32", "Bad register error in 'xmm32'"),
        ("r xmm0:zz", "'zz' is no type of a register; the types are ib ub iw uw id ud iq uq f d"),
        ("r xmm0:0f", "'f' is no type of a register; the types are ib ub iw uw id ud iq uq f d"),
        ("r xmm0=1 2 3 4 5", "xmm0 has 4 such elements; 5 are given"),
        ("r xmm0:2ud=1 2 3", "xmm0 has 2 such elements; 3 are given"),
        ("r zf:ub", "zf cannot be shown as elements of that type"),
        ("r al:uq", "al cannot be shown as elements of that type"),
        ("r st0:d", "st0 cannot be shown as elements of that type"),
        ("r dr7=1", "dr7 can be read, but not set: the process server uses the debug registers"),
        (
            "r xmm0=0x10",
            "'0x10' is no floating-point number; they are decimal, as 1.5, -2e10, inf, nan",
        ),
        (
            "r st0=abc",
            "'abc' is no floating-point number; they are decimal, as 1.5, -2e10, inf, nan",
        ),
    ] {
        assert_eq!(scene.ask(command), answer, "{command}");
    }
    let refused = scene.ask("r mxcsr=ffffffff");
    assert!(refused.contains(" cannot have 0xffffffff in mxcsr: "), "{refused}");
    assert!(scene.ask("rM").contains("Syntax error in 'rM'"));
    assert_eq!(scene.end(), "changed 0\n");
}
