//! Instructions and the symbols they lie in, in the layout of command `u`. It disassembles nothing.

use std::fmt::Write as _;

use dbgbase::Address;
use dbgeng::{DisassembledInstruction, SourceLine, SymbolAt, SymbolMatch};

/// The line above instructions: `prog!main+0x4 [/src/prog.c @ 12]:`. Nothing where no symbol is
/// known.
pub(crate) fn symbol_line(symbol: Option<&SymbolAt>, source: Option<&SourceLine>) -> String {
    match (symbol, source) {
        (Some(symbol), Some(source)) => format!("{symbol} [{source}]:\n"),
        (Some(symbol), None) => format!("{symbol}:\n"),
        (None, _) => String::new(),
    }
}

/// The line of one instruction.
pub(crate) fn instruction(instruction: &DisassembledInstruction) -> String {
    let mut bytes = String::new();
    for byte in &instruction.bytes {
        let _ = write!(bytes, "{byte:02x}");
    }
    let mut line = format!(
        "{} {bytes:<15} {:<7} {}",
        instruction.address, instruction.mnemonic, instruction.operands
    );
    // Operands may name the symbol already.
    if !instruction.operands.contains(&instruction.comment) {
        let _ = write!(line, "  ; {}", instruction.comment);
    }
    format!("{}\n", line.trim_end())
}

/// The line for an address whose memory cannot be read.
pub(crate) fn unreadable(address: Address) -> String {
    format!("{address} ??              ???\n")
}

/// The lines of command `ln`: the line of source of an address, the symbol at or before it and the
/// one behind, each with its own address, and which of them lie at the address itself.
pub(crate) fn nearest(
    before: Option<&SymbolAt>,
    after: Option<&SymbolAt>,
    exact: &[SymbolMatch],
    source: Option<&SourceLine>,
) -> String {
    let mut pair = String::new();
    if let Some(symbol) = before {
        let _ = write!(pair, "({})   {symbol}", symbol.address);
    }
    if let Some(symbol) = after {
        let _ = write!(pair, "   |  ({})   {symbol}", symbol.address);
    }
    let mut text = source.map(|source| format!("[{source}]\n")).unwrap_or_default();
    if !pair.is_empty() {
        text.push_str(&pair);
        text.push('\n');
    }
    if !exact.is_empty() {
        text.push_str("Exact matches:\n");
    }
    for symbol in exact {
        let _ = writeln!(text, "    {}!{}", symbol.module, symbol.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgeng::InstructionKind;
    use expect_test::expect;

    fn sample(bytes: &[u8], mnemonic: &str, operands: &str, comment: &str) -> String {
        instruction(&DisassembledInstruction {
            address: Address::new(0x7ffd_aaa0_b0e0),
            bytes: bytes.to_vec(),
            mnemonic: mnemonic.to_owned(),
            operands: operands.to_owned(),
            comment: comment.to_owned(),
            kind: InstructionKind::Other,
            target: None,
        })
    }

    fn symbol(name: &str, address: u64, displacement: u64) -> SymbolAt {
        SymbolAt {
            module: "prog".to_owned(),
            name: name.to_owned(),
            displacement,
            exact: displacement == 0,
            address: Address::new(address),
        }
    }

    #[test]
    fn instructions_stand_in_columns() {
        let mut text = symbol_line(Some(&symbol("main", 0x7ffd_aaa0_b0b0, 0x30)), None);
        text += &sample(&[0xcc], "int", "3", "");
        text += &sample(&[0x48, 0x83, 0xec, 0x28], "sub", "rsp,28h", "");
        text += &sample(&[0xc3], "ret", "", "");
        text += &sample(&[0x48, 0x8d, 0x05, 1, 0, 0, 0], "lea", "rax,[rip+1]", "prog!table");
        text += &sample(&[0x11; 11], "mov", "qword ptr [rsp+80h],1", "");
        text += &unreadable(Address::ZERO);
        expect![[r#"
            prog!main+0x30:
            00007ffd`aaa0b0e0 cc              int     3
            00007ffd`aaa0b0e0 4883ec28        sub     rsp,28h
            00007ffd`aaa0b0e0 c3              ret
            00007ffd`aaa0b0e0 488d0501000000  lea     rax,[rip+1]  ; prog!table
            00007ffd`aaa0b0e0 1111111111111111111111 mov     qword ptr [rsp+80h],1
            00000000`00000000 ??              ???
        "#]]
        .assert_eq(&text);
        assert_eq!(symbol_line(None, None), "");
    }

    #[test]
    fn nearest_symbols_stand_side_by_side() {
        let address = Address::new(0x5555_5555_5142);
        let exact = SymbolMatch {
            module: "prog".to_owned(),
            name: "main".to_owned(),
            address,
            size: 4,
            kind: dbgeng::SymbolKind::Function,
        };
        let source = SourceLine { file: "/src/prog.c".into(), line: 12, column: 1 };
        expect![[r#"
            (00005555`55555139)   prog!main+0x9   |  (00005555`55555180)   prog!foo
        "#]]
        .assert_eq(&nearest(
            Some(&symbol("main", 0x5555_5555_5139, 9)),
            Some(&symbol("foo", 0x5555_5555_5180, 0)),
            &[],
            None,
        ));
        expect![[r#"
            [/src/prog.c @ 12]
            (00005555`55555142)   prog!main
            Exact matches:
                prog!main
        "#]]
        .assert_eq(&nearest(
            Some(&symbol("main", 0x5555_5555_5142, 0)),
            None,
            &[exact],
            Some(&source),
        ));
    }
}
