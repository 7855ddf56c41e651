//! Expressions of numbers and registers, and what is wrong with others: there is no program here.

use std::sync::Arc;

use dbgbase::{Address, ReadMemory, Unreadable};
use dbgsym::Image;
use dbgsym::dwarf::TypeRef;
use proptest::prelude::*;

use super::*;
use crate::SymbolAt;
use crate::values::NameAt;

/// Bytes at 0x1000 that count up, two registers, and nothing else.
struct Nothing;

impl ReadMemory for Nothing {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        let start = address.offset_from(Address::new(0x1000)).filter(|start| *start < 256);
        let start = start.ok_or(Unreadable { address })? as usize;
        let len = buffer.len().min(256 - start);
        for (byte, at) in buffer.iter_mut().zip(start..start + len) {
            *byte = at as u8;
        }
        Ok(len)
    }
}

impl Surroundings for Nothing {
    fn local(&self, _name: &str) -> Option<Found> {
        None
    }

    fn outer(&self, _name: &str) -> Option<Found> {
        None
    }

    fn type_named(&self, _name: &str) -> Option<(Arc<Image>, TypeRef)> {
        None
    }

    fn function(&self, name: &str) -> Option<u64> {
        (name == "ns::main" || name == "prog!main").then_some(0x4000)
    }

    fn register(&self, name: &str) -> Option<u64> {
        match name {
            "rax" => Some(u64::MAX),
            "$t1" => Some(7),
            _ => None,
        }
    }

    fn masm(&self, text: &str) -> Option<u64> {
        (text == "poi(main)").then_some(9)
    }

    fn memory(&self) -> &dyn ReadMemory {
        self
    }

    fn name_at(&self) -> &NameAt<'_> {
        &|_: Address| -> Option<SymbolAt> { None }
    }
}

fn evaluate(text: &str) -> Result<String, CxxError> {
    let evaluator = Evaluator { around: &Nothing };
    let value = evaluator.evaluate(text)?;
    let (ty, object, _) = evaluator.object(&value)?;
    Ok(match ty {
        Ty::Integer(ty) => format!("{} {}", ty.name, ty.text(&object.bytes)),
        Ty::Float(size) => format!("float{size} {}", crate::values::float_text(&object.bytes)),
        Ty::Pointer(_) => format!("pointer {:#x}", crate::values::number_of(&object.bytes)),
        _ => "something else".to_owned(),
    })
}

#[test]
fn numbers_have_the_types_that_c_gives_them() {
    for (text, expected) in [
        ("1", "int 0n1"),
        ("2147483647", "int 0n2147483647"),
        ("2147483648", "int64 0n2147483648"),
        ("0x80000000", "unsigned int 0x80000000"),
        ("0xffffffff`ffffffff", "unsigned int64 0xffffffffffffffff"),
        ("010", "int 0n8"),
        ("5u", "unsigned int 0x5"),
        ("5L", "int64 0n5"),
        ("5ui64", "unsigned int64 0x5"),
        ("'a'", "char 0n97 'a'"),
        ("'\\n'", "char 0n10 ''"),
        ("'\\x41' + '\\101' + '\\0'", "int 0n130"),
        ("'\\xff'", "char 0n-1 ''"),
        ("1.5", "float8 1.5"),
        (".5e1f", "float4 5"),
        ("1 + 2 * 3", "int 0n7"),
        ("(1 + 2) * 3", "int 0n9"),
        ("7 / 2 * 2.0", "float8 6"),
        ("-7 / 2", "int 0n-3"),
        ("-7 % 3", "int 0n-1"),
        ("1 << 31", "int 0n-2147483648"),
        ("1u << 31 >> 31", "unsigned int 0x1"),
        ("-1 > 0u", "bool true"),
        ("-1 > 0", "bool false"),
        ("'a' + 1", "int 0n98"),
        ("2147483647 + 1", "int 0n-2147483648"),
        ("~0 & 0xff ^ 0xf | 0x100", "int 0n496"),
        ("1 < 2 && 2 < 1 || !0", "bool true"),
        ("0 && 1 / 0", "bool false"),
        ("1 ? 2 : 1 / 0", "int 0n2"),
        ("(char)300", "char 0n44 ','"),
        ("(unsigned short)-1", "unsigned short 0xffff"),
        ("(bool)0.5", "bool true"),
        ("(int)-2.9", "int 0n-2"),
        ("(long long unsigned)1", "unsigned int64 0x1"),
        ("sizeof(long)", "unsigned int64 0x8"),
        ("sizeof(char *) + sizeof 1.0f", "unsigned int64 0xc"),
        ("@rax", "unsigned int64 0xffffffffffffffff"),
        ("(int)@rax + @$t1", "unsigned int64 0x6"),
        ("@@masm(poi(main)) + @@(poi(main))", "unsigned int64 0x12"),
        ("*(char *)0x1041", "char 0n65 'A'"),
        ("*((int *)0x1000 + 1)", "int 0n117835012"),
        ("((unsigned char *)0x1000)[3]", "unsigned char 0x3 ''"),
        ("&((int *)0x1000)[2]", "pointer 0x1008"),
        ("(long *)0x1010 - (long *)0x1000", "int64 0n2"),
        ("(char *)1 == 1", "bool true"),
        ("ns::main", "pointer 0x4000"),
        ("prog!main != nullptr", "bool true"),
        ("!true", "bool false"),
    ] {
        assert_eq!(evaluate(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn errors_name_the_place() {
    for (text, message) in [
        ("1 +", "Syntax error at '<EOL>'"),
        ("1 + )", "Syntax error at ')'"),
        ("(1", "Syntax error at '<EOL>'"),
        ("1 2", "Extra character error at '2'"),
        ("1 # 2", "Syntax error at '# 2'"),
        ("08", "Syntax error at '08'"),
        ("5x", "Syntax error at '5x'"),
        ("'ab'", "Syntax error at ''ab''"),
        ("99999999999999999999", "Overflow error at '99999999999999999999'"),
        ("1 + foo", "Couldn't resolve error at 'foo'"),
        ("1 + @foo", "Bad register error at '@foo'"),
        ("1 / (2 - 2)", "Operand error at '/ (2 - 2)'"),
        ("1 << 32", "Operand error at '<< 32'"),
        ("1.5 % 2", "Type conflict error at '% 2'"),
        ("*5", "Type conflict error at '*5'"),
        ("&5", "Value without address error at '&5'"),
        ("5 . x", "Type does not have given member error at 'x'"),
        ("*(int *)0x10 + 1", "Memory access error at '*(int *)0x10 + 1'"),
        ("(struct foo *)1", "Couldn't find type error at '(struct foo *)1'"),
        ("x = 5", "Assignments and calls are not available, at '= 5'; see ed and .call"),
        ("f(5)", "Assignments and calls are not available, at '(5)'; see ed and .call"),
        ("++x", "Assignments and calls are not available, at '++x'; see ed and .call"),
        ("sizeof(foo)", "Couldn't resolve error at 'foo)'"),
    ] {
        let error = evaluate(text).expect_err(text);
        assert_eq!(error.message(text), message, "{text}");
    }
    let deep = "(".repeat(5000);
    assert_eq!(evaluate(&deep).expect_err("too long").kind(), CxxErrorKind::TooLong);
    let deep = "!".repeat(1000) + "1";
    assert_eq!(evaluate(&deep).expect_err("too deep").kind(), CxxErrorKind::TooLong);
    // Operators in a row nest their operands, although nothing in the text does.
    for more in ["+1", "&&1", "[1]", ".x", "->x", "?1:1", "-(1)"] {
        let deep = format!("(1){}", more.repeat(4000 / more.len()));
        assert_eq!(evaluate(&deep).expect_err("too deep").kind(), CxxErrorKind::TooLong);
    }
    let sum = format!("1{}", "+1".repeat(100));
    assert_eq!(evaluate(&sum).as_deref(), Ok("int 0n101"));
}

#[test]
fn names_have_scopes_modules_and_template_arguments() {
    let name = |text: &str| match parser::parse(text, &|_| false).map(|expression| expression.node)
    {
        Ok(Node::Name(name)) => name,
        other => panic!("{text}: {other:?}"),
    };
    for text in ["a", "ns::a", "::a", "prog!ns::a", "v<int, char*>::x", "f<a::b<1>>", "_x$1"] {
        assert_eq!(name(text), text);
    }
    let node = parser::parse("a < b", &|_| false).map(|expression| expression.node);
    assert!(matches!(node, Ok(Node::Binary(Binary::Less, ..))), "{node:?}");
    let node = parser::parse("a!=b", &|_| false).map(|expression| expression.node);
    assert!(matches!(node, Ok(Node::Binary(Binary::NotEqual, ..))), "{node:?}");
    for text in ["a<b&&c>-1", "a<b && c>!d", "a<b&&c>~d", "a<b&&c>'x'", "a<b&&c>(d)"] {
        let node = parser::parse(text, &|_| false).map(|expression| expression.node);
        assert!(matches!(node, Ok(Node::Binary(Binary::And, ..))), "{text}: {node:?}");
    }
    assert_eq!(name("v<int,char,  long>::x"), "v<int, char, long>::x");
}

#[test]
fn what_a_name_is_decides_what_follows_it() {
    let node =
        |text: &str| parser::parse(text, &|name| name == "type").map(|expression| expression.node);
    for text in ["(type)-1", "(type)(1)", "(type)&x", "(type)*x", "(x)~1", "(x)y", "(x *const)-1"] {
        assert!(matches!(node(text), Ok(Node::Cast(..))), "{text}: {:?}", node(text));
    }
    for text in ["(x)-1", "(x)&y", "(x)*y", "(type)-1 + 1"] {
        assert!(matches!(node(text), Ok(Node::Binary(..))), "{text}: {:?}", node(text));
    }
    assert_eq!(node("(x)(1)").expect_err("a call").kind(), CxxErrorKind::NotAvailable);
}

proptest! {
    #[test]
    fn any_text_has_a_value_or_an_error(text in "[-+*/%<>=!&|^~?:.()\\[\\]@a-c0-9x'u ]{0,40}") {
        if let Err(error) = evaluate(&text) {
            prop_assert!(!error.message(&text).is_empty());
        }
    }

    #[test]
    fn any_bytes_are_refused_in_peace(text in "\\PC{0,60}") {
        let _ = evaluate(&text);
    }
}
