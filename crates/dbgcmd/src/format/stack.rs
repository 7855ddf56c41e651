//! Stacks in the layouts of the commands `k`, `kn`, `kf`, `kc`. It unwinds nothing.

use dbgbase::Address;
use dbgeng::{Stack, StackEnd, StackFrame};

/// Which columns are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Columns {
    /// The frames' numbers, hexadecimal.
    pub(crate) numbers: bool,
    /// How much stack each frame takes.
    pub(crate) sizes: bool,
    /// Nothing but names, and numbers if those are wanted.
    pub(crate) names_only: bool,
    /// The line of source.
    pub(crate) lines: bool,
}

/// A heading, one line for each frame, and a line that says why the list is not complete if that is
/// not because of a limit.
pub(crate) fn frames(stack: &Stack, columns: Columns) -> String {
    let mut text = heading(columns);
    let mut inner = None;
    for frame in &stack.frames {
        text.push_str(&row(frame, inner, columns));
        inner = Some(frame.sp);
    }
    match &stack.end {
        StackEnd::Outermost | StackEnd::ZeroReturnAddress | StackEnd::FramesMax => {}
        reason => text.push_str(&format!("(no frames beyond this one: {reason})\n")),
    }
    text
}

/// One frame with its number, without a heading.
pub(crate) fn one(frame: &StackFrame, has_lines: bool) -> String {
    row(frame, None, Columns { numbers: true, lines: has_lines, ..Columns::default() })
}

fn heading(columns: Columns) -> String {
    let mut text = String::new();
    if columns.numbers || columns.sizes {
        text.push_str(" # ");
    }
    if columns.sizes {
        text.push_str("  Memory  ");
    }
    if !columns.names_only {
        text.push_str("Child-SP          RetAddr               ");
    }
    text.push_str("Call Site\n");
    text
}

fn row(frame: &StackFrame, inner_sp: Option<Address>, columns: Columns) -> String {
    let mut text = String::new();
    if columns.numbers || columns.sizes {
        text.push_str(&format!("{:02x} ", frame.number));
    }
    if columns.sizes {
        let size = inner_sp.and_then(|inner| frame.sp.offset_from(inner));
        let size = size.map(|size| format!("{size:x}")).unwrap_or_default();
        text.push_str(&format!("{size:>8}  "));
    }
    if !columns.names_only {
        if frame.is_inline {
            text.push_str("(Inline Function) --------`--------     ");
        } else {
            let return_address = frame.return_address.unwrap_or(Address::ZERO);
            text.push_str(&format!("{} {return_address}     ", frame.sp));
        }
    }
    match &frame.symbol {
        Some(symbol) if columns.names_only => {
            text.push_str(&format!("{}!{}", symbol.module, symbol.name));
        }
        Some(symbol) => text.push_str(&symbol.to_string()),
        None => text.push_str(&format!("0x{}", frame.pc)),
    }
    if frame.is_signal_frame {
        text.push_str(" [signal frame]");
    }
    if let Some(source) = frame.source.as_ref().filter(|_| columns.lines && !columns.names_only) {
        text.push_str(&format!(" [{source}]"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgeng::{SymbolAt, UnwindMethod};
    use expect_test::expect;

    fn frame(number: usize, pc: u64, sp: u64, name: Option<&str>) -> StackFrame {
        StackFrame {
            number,
            pc: Address::new(pc),
            return_address: (number < 2).then(|| Address::new(pc + 0x100)),
            sp: Address::new(sp),
            cfa: None,
            symbol: name.map(|name| SymbolAt {
                module: "prog".to_owned(),
                name: name.to_owned(),
                displacement: 0x1c,
                exact: false,
                address: Address::new(pc - 0x1c),
            }),
            source: None,
            method: UnwindMethod::CallFrameInformation,
            is_signal_frame: number == 1,
            is_inline: false,
        }
    }

    fn sample(end: StackEnd) -> Stack {
        Stack {
            frames: vec![
                frame(0, 0x5555_5555_5142, 0x7fff_ffff_e318, Some("inner")),
                frame(1, 0x5555_5555_51c4, 0x7fff_ffff_e320, Some("main")),
                frame(2, 0x7fff_f7df_dd90, 0x7fff_ffff_e3e0, None),
            ],
            end,
        }
    }

    #[test]
    fn every_form_has_its_columns() {
        let stack = sample(StackEnd::Outermost);
        let shown = |columns| frames(&stack, columns);
        expect![[r#"
            Child-SP          RetAddr               Call Site
            00007fff`ffffe318 00005555`55555242     prog!inner+0x1c
            00007fff`ffffe320 00005555`555552c4     prog!main+0x1c [signal frame]
            00007fff`ffffe3e0 00000000`00000000     0x00007fff`f7dfdd90
        "#]]
        .assert_eq(&shown(Columns::default()));
        expect![[r#"
             # Child-SP          RetAddr               Call Site
            00 00007fff`ffffe318 00005555`55555242     prog!inner+0x1c
            01 00007fff`ffffe320 00005555`555552c4     prog!main+0x1c [signal frame]
            02 00007fff`ffffe3e0 00000000`00000000     0x00007fff`f7dfdd90
        "#]]
        .assert_eq(&shown(Columns { numbers: true, ..Columns::default() }));
        expect![[r#"
             #   Memory  Child-SP          RetAddr               Call Site
            00           00007fff`ffffe318 00005555`55555242     prog!inner+0x1c
            01        8  00007fff`ffffe320 00005555`555552c4     prog!main+0x1c [signal frame]
            02       c0  00007fff`ffffe3e0 00000000`00000000     0x00007fff`f7dfdd90
        "#]]
        .assert_eq(&shown(Columns { sizes: true, ..Columns::default() }));
        expect![[r#"
            Call Site
            prog!inner
            prog!main [signal frame]
            0x00007fff`f7dfdd90
        "#]]
        .assert_eq(&shown(Columns { names_only: true, ..Columns::default() }));
    }

    #[test]
    fn a_list_that_is_not_complete_says_so() {
        let shown = |end| frames(&sample(end), Columns::default());
        let unreadable = shown(StackEnd::Unreadable { address: Address::new(0x10) });
        let last = unreadable.lines().last().expect("a line");
        assert!(last.starts_with("(no frames beyond this one: memory at "), "{last}");
        assert_eq!(shown(StackEnd::FramesMax), shown(StackEnd::Outermost));
    }
}
