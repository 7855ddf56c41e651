//! Expressions on a made-up debuggee, and random texts.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Registers, symbols and 16 bytes of memory at 0x1000.
struct Fake {
    radix: Radix,
    registers: HashMap<&'static str, u64>,
    symbols: HashMap<&'static str, u64>,
}

const MEMORY: [u8; 16] =
    [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0x10, 0, 0, 0, 0, 0, 0];

impl Fake {
    fn new(radix: Radix) -> Fake {
        Fake {
            radix,
            registers: HashMap::from([
                ("rax", 0x10),
                ("rsp", 0x1008),
                ("al", 0x42),
                ("$ip", 0x5555_0000),
                ("$t0", 7),
            ]),
            symbols: HashMap::from([
                ("main", 0x4000),
                ("prog!main", 0x4000),
                ("dead", 0x1234),
                ("$weird", 0x99),
                ("operator new(unsigned long)", 0x5000),
                ("ns::cls::~cls", 0x6000),
                ("part.0", 0x7000),
                ("7zip!x", 0x8000),
            ]),
        }
    }
}

impl EvalContext for Fake {
    fn radix(&self) -> Radix {
        self.radix
    }

    fn is_common_register(&self, name: &str) -> bool {
        matches!(name, "rax" | "rsp" | "rip")
    }

    fn register(&self, name: &str) -> Result<u64, RegisterMiss> {
        if name == "lost" {
            return Err(RegisterMiss::NotInFrame);
        }
        self.registers.get(name).copied().ok_or(RegisterMiss::Unknown)
    }

    fn symbol(&self, name: &str) -> Result<u64, SymbolMiss> {
        if name == "twice" {
            return Err(SymbolMiss::Ambiguous);
        }
        self.symbols.get(name).copied().ok_or(SymbolMiss::Unknown)
    }

    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let bytes = address
            .offset_from(Address::new(0x1000))
            .and_then(|offset| MEMORY.get(usize::try_from(offset).ok()?..))
            .and_then(|tail| tail.get(..buffer.len()))
            .ok_or(Unreadable { address })?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

fn value(text: &str) -> u64 {
    let context = Fake::new(Radix::Hexadecimal);
    evaluate(text, &context).unwrap_or_else(|error| panic!("{text}: {}", error.message(text)))
}

fn message(text: &str) -> String {
    let context = Fake::new(Radix::Hexadecimal);
    let error = evaluate(text, &context).expect_err(text);
    error.message(text)
}

#[test]
fn operators_bind_as_documented() {
    assert_eq!(value("2+3*4"), 14);
    assert_eq!(value("(2+3)*4"), 20);
    // Shifts are weaker than sums, comparisons weaker than shifts, `and` weaker still.
    assert_eq!(value("1<<2+1"), 8);
    assert_eq!(value("1<<4 == 10"), 1);
    assert_eq!(value("3 & 1 == 1"), 1);
    assert_eq!(value("1 | 2 ^ 3 & 2"), 1);
    assert_eq!(value("10-3-2"), 0xb);
    assert_eq!(value("20/4/2"), 4);
    assert_eq!(value("-1+2"), 1);
    assert_eq!(value("not 0+1"), 2);
}

#[test]
fn every_operator_computes() {
    let cases = [
        ("7 mod 4", 3),
        ("7%4", 3),
        ("7 MOD 4", 3),
        ("f0 >> 4", 0xf),
        ("-10 >> 4", 0x0fff_ffff_ffff_ffff),
        ("-10 >>> 4", u64::MAX),
        ("1 << 40", 0),
        ("-1 >>> 99", u64::MAX),
        ("3 = 3", 1),
        ("3 == 4", 0),
        ("3 != 4", 1),
        ("rax!=10", 0),
        ("3 < 4", 1),
        ("3 > 4", 0),
        ("4 <= 4", 1),
        ("3 >= 4", 0),
        ("6 and 3", 2),
        ("6 xor 3", 5),
        ("6 or 3", 7),
        ("6&3", 2),
        ("6^3", 5),
        ("6|3", 7),
        ("not 0", 1),
        ("not 5", 0),
        ("hi 12345678", 0x1234),
        ("low 12345678", 0x5678),
        ("- - 5", 5),
        ("+5", 5),
        ("ffffffff`ffffffff + 1", 0),
        ("0 - 1", u64::MAX),
    ];
    for (text, expected) in cases {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn memory_is_read_in_its_sizes() {
    assert_eq!(value("by 1000"), 0x11);
    assert_eq!(value("wo(1000)"), 0x2211);
    assert_eq!(value("dwo(1000)"), 0x4433_2211);
    assert_eq!(value("qwo(1000)"), 0x8877_6655_4433_2211);
    assert_eq!(value("poi(rsp)"), 0x1000);
    assert_eq!(value("by(poi(rsp)+1)"), 0x22);
    assert_eq!(value("POI rsp + 1"), 0x1001);
}

#[test]
fn names_are_registers_numbers_or_symbols() {
    assert_eq!(value("rax"), 0x10);
    assert_eq!(value("RAX"), 0x10);
    assert_eq!(value("@rax"), 0x10);
    assert_eq!(value("@al"), 0x42);
    assert_eq!(value("."), 0x5555_0000);
    assert_eq!(value(".+4"), 0x5555_0004);
    assert_eq!(value("$ip"), 0x5555_0000);
    assert_eq!(value("$t0 + @$t0"), 14);
    assert_eq!(value("$weird"), 0x99);
    assert_eq!(value("main+4"), 0x4004);
    assert_eq!(value("prog!main"), 0x4000);
    assert_eq!(value("dead"), 0xdead);
    assert_eq!(value("!dead"), 0x1234);
    assert_eq!(value("@!\"operator new(unsigned long)\""), 0x5000);
    assert_eq!(value("ns::cls::~cls"), 0x6000);
    assert_eq!(value("part.0+1"), 0x7001);
    assert_eq!(value("7zip!x"), 0x8000);
    assert_eq!(value("@@masm(1+2)*2"), 6);
    let decimal = Fake::new(Radix::Decimal);
    assert_eq!(evaluate("dead", &decimal), Ok(0x1234));
    assert_eq!(evaluate("10+0x10", &decimal), Ok(26));
}

#[test]
fn errors_speak_as_the_original() {
    let cases = [
        ("foo", "Couldn't resolve error at 'foo'"),
        ("1+foo+2", "Couldn't resolve error at 'foo+2'"),
        ("twice", "Ambiguous symbol error at 'twice'"),
        ("@foo", "Bad register error at '@foo'"),
        (
            "@lost",
            "Register not preserved for this frame at '@lost'; after .frame 0 registers are the \
             thread's",
        ),
        ("rip", "Bad register error at 'rip'"),
        ("1+", "Numeric expression missing from '<EOL>'"),
        ("", "Numeric expression missing from '<EOL>'"),
        ("()", "Numeric expression missing from ')'"),
        ("(1", "Syntax error at '<EOL>'"),
        ("1)", "Extra character error in ')'"),
        ("1 2", "Extra character error in '2'"),
        ("12xyz", "Syntax error at '12xyz'"),
        ("1 + \"a\"", "Syntax error at '\"a\"'"),
        ("by 2000", "Memory access error at 'by 2000'"),
        ("1/0", "Operand error at '/0'"),
        ("1 mod 0", "Operand error at 'mod 0'"),
        ("10000000000000000", "Overflow error at '10000000000000000'"),
        ("@@(1)", "The C++ expression evaluator is not available, at '@@(1)'"),
        ("@@c++(1)", "The C++ expression evaluator is not available, at '@@c++(1)'"),
        ("`a.c:3`", "Couldn't resolve error at '`a.c:3`'"),
        ("`a.c:3", "Syntax error at '`a.c:3'"),
        ("@!\"a", "Syntax error at '@!\"a'"),
        ("@", "Syntax error at '@'"),
    ];
    for (text, expected) in cases {
        assert_eq!(message(text), expected, "{text}");
    }
}

#[test]
fn the_head_of_a_text_is_one_expression() {
    let context = Fake::new(Radix::Hexadecimal);
    let head = |text| evaluate_head(text, &context).expect(text);
    assert_eq!(head("main+4 L10"), (0x4004, 6));
    assert_eq!(head("  1 2"), (1, 3));
    assert_eq!(head("1,2"), (1, 1));
    assert_eq!(head("main \"k; g\""), (0x4000, 4));
    assert_eq!(head("(1+2) ;"), (3, 5));
    assert_eq!(head("1 - 2 3"), (u64::MAX, 5));
}

#[test]
fn length_and_depth_are_bounded() {
    let context = Fake::new(Radix::Hexadecimal);
    let nested = |depth| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(evaluate(&nested(DEPTH_MAX), &context), Ok(1));
    let kind = |text: &str| evaluate(text, &context).map_err(|error| error.kind());
    assert_eq!(kind(&nested(DEPTH_MAX + 1)), Err(ExprErrorKind::TooDeep));
    assert_eq!(kind(&"-".repeat(TEXT_LEN_MAX)), Err(ExprErrorKind::TooDeep));
    assert_eq!(kind(&"1".repeat(TEXT_LEN_MAX + 1)), Err(ExprErrorKind::TooLong));
    // A long chain is not a deep one.
    let chain = format!("1{}", "+1".repeat(2047));
    assert_eq!(evaluate(&chain, &context), Ok(2048));
}

proptest! {
    #[test]
    fn any_text_has_a_value_or_an_error(text in "\\PC{0,200}") {
        let context = Fake::new(Radix::Hexadecimal);
        match evaluate_head(&text, &context) {
            Ok((_, len)) => prop_assert!(text.is_char_boundary(len)),
            Err(error) => {
                prop_assert!(text.is_char_boundary(error.position()));
                prop_assert!(!error.message(&text).is_empty());
            }
        }
    }

    #[test]
    fn text_that_looks_like_an_expression_does_not_panic(
        text in "([0-9a-fxn`()+*/<>=!&|^.@$ -]|poi|by|mod|main|rax|\\$t0){0,60}"
    ) {
        let context = Fake::new(Radix::Hexadecimal);
        let head = evaluate_head(&text, &context);
        if let Ok(value) = evaluate(&text, &context) {
            prop_assert_eq!(head.map(|(value, _)| value), Ok(value));
        }
    }

    #[test]
    fn a_written_number_reads_back(number: u64) {
        let context = Fake::new(Radix::Hexadecimal);
        for text in [
            format!("{number:x}"),
            format!("0n{number}"),
            format!("0t{number:o}"),
            format!("0y{number:b}"),
            Address::new(number).to_string(),
        ] {
            prop_assert_eq!(evaluate(&text, &context), Ok(number), "{}", text);
        }
    }
}
