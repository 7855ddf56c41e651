//! Which expressions become code, and what code.

use super::*;
use crate::expr::{Radix, RegisterMiss, SymbolMiss};
use dbgbase::{Address, Unreadable};

/// Names that are known; nothing can be read.
struct Names;

impl EvalContext for Names {
    fn radix(&self) -> Radix {
        Radix::default()
    }

    fn is_common_register(&self, name: &str) -> bool {
        RegisterPart::is_common(Arch::X86_64, name)
    }

    fn register(&self, name: &str) -> Result<u64, RegisterMiss> {
        match name {
            "$ptrsize" => Ok(8),
            "$t0" | "$tid" | "$ip" => Ok(1),
            _ => Err(RegisterMiss::Unknown),
        }
    }

    fn symbol(&self, name: &str) -> Result<u64, SymbolMiss> {
        match name {
            "counter" => Ok(0x4010),
            "twice" => Err(SymbolMiss::Ambiguous),
            _ => Err(SymbolMiss::Unknown),
        }
    }

    fn read(&self, address: Address, _buffer: &mut [u8]) -> Result<(), Unreadable> {
        Err(Unreadable { address })
    }
}

fn compile(text: &str) -> Result<Option<Vec<Instruction>>, ExprErrorKind> {
    let program = Program::compile_whole(text, Radix::default()).expect("an expression");
    let code = program.agent_code(Arch::X86_64, &Names).map_err(|error| error.kind())?;
    Ok(code.map(|code| {
        let mut instructions = Vec::new();
        let mut offset = 0;
        while let Some((instruction, next)) = code.at(offset) {
            instructions.push(instruction);
            offset = next;
        }
        assert_eq!(instructions.pop(), Some(Instruction::End));
        instructions
    }))
}

#[test]
fn what_the_server_can_know_is_compiled() {
    use Instruction::*;
    let cases: [(&str, &[Instruction]); 16] = [
        ("rdi == 5", &[Register(5), Constant(5), Equal]),
        ("@edi", &[Register(5), ExtendZero(32)]),
        ("@ah", &[Register(0), Constant(8), ShiftRightUnsigned, ExtendZero(8)]),
        ("@zf", &[Register(17), Constant(6), ShiftRightUnsigned, ExtendZero(1)]),
        ("efl & 0n100", &[Register(17), ExtendZero(32), Constant(100), And]),
        ("@$ip", &[Register(16)]),
        ("@$teb", &[Register(58)]),
        ("@$ptrsize", &[Constant(8)]),
        ("dwo(counter) > 3", &[Constant(0x4010), Read32, Constant(3), Swap, LessUnsigned]),
        ("by(rsp)", &[Register(7), Read8]),
        ("wo(rsp)", &[Register(7), Read16]),
        ("-1", &[Constant(1), Constant(0), Swap, Subtract]),
        ("not rax", &[Register(0), LogicalNot]),
        ("low rax", &[Register(0), ExtendZero(16)]),
        ("rax >= 2", &[Register(0), Constant(2), LessUnsigned, LogicalNot]),
        ("rax != 2", &[Register(0), Constant(2), Equal, LogicalNot]),
    ];
    for (text, expected) in cases {
        assert_eq!(compile(text), Ok(Some(expected.to_vec())), "{text}");
    }
}

#[test]
fn what_only_the_engine_knows_is_not() {
    for text in ["@$t0 == 1", "@$tid", "$t0 + rax", "rax + @$tid * poi(rsp)"] {
        assert_eq!(compile(text), Ok(None), "{text}");
    }
    // Too long, and too deep a stack.
    let long = vec!["@ah"; 1000].join("+");
    assert_eq!(compile(&long), Ok(None));
    let nested = format!("{}1{}", "1|(1^(1&(1<(1<<(1+(1*(".repeat(9), ")))))))".repeat(9));
    assert_eq!(compile(&nested).map(|code| code.is_some()), Ok(true));
    let nested = format!("{}1{}", "1|1^1&1<1<<1+1*(".repeat(50), ")".repeat(50));
    assert_eq!(compile(&nested), Ok(None));
}

#[test]
fn names_that_nothing_has_are_mistakes() {
    assert_eq!(compile("@foo == 1"), Err(ExprErrorKind::BadRegister));
    assert_eq!(compile("foo == 1"), Err(ExprErrorKind::Unresolved));
    assert_eq!(compile("twice"), Err(ExprErrorKind::Ambiguous));
    assert_eq!(compile("@$t0 + foo"), Err(ExprErrorKind::Unresolved));
}
