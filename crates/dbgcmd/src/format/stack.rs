//! Stacks in the layouts of the commands `k`, `kn`, `kf`, `kc`, `kb`, `kp`, `kP`. It unwinds
//! nothing.

use dbgbase::Address;
use dbgeng::{Local, Stack, StackEnd, StackFrame, UnwindMethod};

/// How parameters are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Parameters {
    /// Not at all.
    #[default]
    None,
    /// The first three, as numbers in columns.
    Three,
    /// With types and values behind the function's name.
    Line,
    /// The same, each on a line of its own.
    Lines,
}

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
    /// Parameters.
    pub(crate) parameters: Parameters,
}

/// What stands before the first frame that is a guess, in the original's words.
const GUESSES_FOLLOW: &str =
    "WARNING: Stack unwind information not available. Following frames may be wrong.\n";

/// A heading, one line for each frame, and a line that says why the list is not complete if that is
/// not because of a limit. Before the first frame that is a guess a line says so. `parameters` are
/// those of the first frames.
pub(crate) fn frames(
    stack: &Stack,
    parameters: &[Vec<Local>],
    shows_inlined: bool,
    columns: Columns,
) -> String {
    let mut text = heading(columns);
    let mut inner = None;
    let mut is_certain = true;
    for (index, frame) in stack.frames.iter().enumerate() {
        if frame.is_inline && !shows_inlined {
            continue;
        }
        if is_certain && guess(frame).is_some() {
            is_certain = false;
            text.push_str(GUESSES_FOLLOW);
        }
        let parameters = parameters.get(index).map(Vec::as_slice).unwrap_or_default();
        text.push_str(&row(frame, parameters, inner, columns));
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
    row(frame, &[], None, Columns { numbers: true, lines: has_lines, ..Columns::default() })
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
        text.push_str(match columns.parameters {
            Parameters::Three => {
                "RetAddr               : Args to Child                                         : "
            }
            _ => "Child-SP          RetAddr               ",
        });
    }
    text.push_str("Call Site\n");
    text
}

fn row(
    frame: &StackFrame,
    parameters: &[Local],
    inner_sp: Option<Address>,
    columns: Columns,
) -> String {
    let mut text = String::new();
    if columns.numbers || columns.sizes {
        text.push_str(&format!("{:02x} ", frame.number));
    }
    if columns.sizes {
        let size = inner_sp.and_then(|inner| frame.sp.offset_from(inner));
        let size = size.map(|size| format!("{size:x}")).unwrap_or_default();
        text.push_str(&format!("{size:>8}  "));
    }
    let return_address = match frame.is_inline {
        true => NO_NUMBER.to_owned(),
        false => frame.return_address.unwrap_or(Address::ZERO).to_string(),
    };
    if !columns.names_only {
        match columns.parameters {
            Parameters::Three => {
                let three: Vec<_> = (0..3).map(|index| number(parameters.get(index))).collect();
                text.push_str(&format!("{return_address}     : {} : ", three.join(" ")));
            }
            _ if frame.is_inline => {
                text.push_str(&format!("(Inline Function) {return_address}     "));
            }
            _ => text.push_str(&format!("{} {return_address}     ", frame.sp)),
        }
    }
    let listed = list(parameters, columns.parameters);
    match &frame.symbol {
        Some(symbol) => {
            text.push_str(&symbol.module);
            if !symbol.name.is_empty() {
                text.push_str(&format!("!{}{listed}", symbol.name));
            }
            if symbol.displacement > 0 && !columns.names_only {
                text.push_str(&format!("+{:#x}", symbol.displacement));
            }
        }
        None => text.push_str(&format!("0x{}", frame.pc)),
    }
    if frame.is_signal_frame {
        text.push_str(" [signal frame]");
    }
    if let Some(guess) = guess(frame) {
        text.push_str(guess);
    }
    if let Some(source) = frame.source.as_ref().filter(|_| columns.lines && !columns.names_only) {
        text.push_str(&format!(" [{source}]"));
    }
    text.push('\n');
    text
}

/// How a frame was found that nothing certain tells.
fn guess(frame: &StackFrame) -> Option<&'static str> {
    match frame.method {
        UnwindMethod::Prologue => Some(" [by instructions]"),
        UnwindMethod::FramePointer => Some(" [by frame pointer]"),
        UnwindMethod::Innermost
        | UnwindMethod::CallFrameInformation
        | UnwindMethod::SignalContext => None,
    }
}

/// What stands for a number that is not known.
const NO_NUMBER: &str = "--------`--------";

/// A parameter as a number, if it is one, or the first bytes of a larger one.
fn number(parameter: Option<&Local>) -> String {
    let bytes = parameter.and_then(|parameter| parameter.bytes.as_deref());
    let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return NO_NUMBER.to_owned() };
    let mut value = [0; 8];
    for (byte, known) in value.iter_mut().zip(bytes) {
        *byte = *known;
    }
    Address::new(u64::from_le_bytes(value)).to_string()
}

/// Parameters in parentheses.
fn list(parameters: &[Local], form: Parameters) -> String {
    let separator = match form {
        Parameters::Line => ", ",
        Parameters::Lines => ",\n\t\t\t",
        Parameters::None | Parameters::Three => return String::new(),
    };
    let shown: Vec<_> = parameters
        .iter()
        .map(|local| format!("{} {} = {}", local.type_name, local.name, local.value))
        .collect();
    let lead = if form == Parameters::Lines && !shown.is_empty() { "\n\t\t\t" } else { "" };
    format!("({lead}{})", shown.join(separator))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgeng::{SymbolAt, ValuePlace, VariableKind};
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
        let shown = |columns| frames(&stack, &[], true, columns);
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
    fn parameters_stand_in_columns_or_in_parentheses() {
        let local = |name: &str, value: &str, bytes: Option<Vec<u8>>| Local {
            name: name.to_owned(),
            kind: VariableKind::Parameter,
            type_name: "int".to_owned(),
            size_bytes: Some(4),
            place: ValuePlace::Unknown,
            value: value.to_owned(),
            bytes,
            is_shadowed: false,
        };
        let parameters =
            [vec![local("first", "0n5", Some(vec![5, 0, 0, 0])), local("lost", "<none>", None)]];
        let mut stack = sample(StackEnd::Outermost);
        stack.frames[1].is_inline = true;
        let shown = |form, shows_inlined| {
            let columns = Columns { parameters: form, ..Columns::default() };
            frames(&stack, &parameters, shows_inlined, columns)
        };
        let three = shown(Parameters::Three, true);
        let rows: Vec<_> = three.lines().filter_map(|row| row.split_once(" : ")).collect();
        let none = "--------`-------- --------`-------- --------`--------";
        let first = "00000000`00000005 --------`-------- --------`--------";
        let expected = [
            (
                "RetAddr              ",
                "Args to Child                                        ",
                "Call Site",
            ),
            ("00005555`55555242    ", first, "prog!inner+0x1c"),
            ("--------`--------    ", none, "prog!main+0x1c [signal frame]"),
            ("00000000`00000000    ", none, "0x00007fff`f7dfdd90"),
        ];
        assert_eq!(rows.len(), expected.len(), "{three}");
        for ((address, rest), (expected, numbers, place)) in rows.into_iter().zip(expected) {
            assert_eq!((address, rest), (expected, format!("{numbers} : {place}").as_str()));
        }
        let line = shown(Parameters::Line, false);
        let row = "prog!inner(int first = 0n5, int lost = <none>)+0x1c";
        let inlined = "(Inline Function)";
        assert!(line.contains(row) && !line.contains(inlined), "{line}");
        let lines = shown(Parameters::Lines, false);
        let parts = "prog!inner(\n\t\t\tint first = 0n5,\n\t\t\tint lost = <none>)+0x1c\n";
        assert!(lines.contains(parts), "{lines}");
    }

    #[test]
    fn guesses_say_that_they_are() {
        let mut stack = sample(StackEnd::Outermost);
        stack.frames[1].method = UnwindMethod::Prologue;
        stack.frames[2].method = UnwindMethod::FramePointer;
        expect![[r#"
            Child-SP          RetAddr               Call Site
            00007fff`ffffe318 00005555`55555242     prog!inner+0x1c
            WARNING: Stack unwind information not available. Following frames may be wrong.
            00007fff`ffffe320 00005555`555552c4     prog!main+0x1c [signal frame] [by instructions]
            00007fff`ffffe3e0 00000000`00000000     0x00007fff`f7dfdd90 [by frame pointer]
        "#]]
        .assert_eq(&frames(&stack, &[], true, Columns::default()));
    }

    #[test]
    fn a_list_that_is_not_complete_says_so() {
        let shown = |end| frames(&sample(end), &[], true, Columns::default());
        let unreadable = shown(StackEnd::Unreadable { address: Address::new(0x10) });
        let last = unreadable.lines().last().expect("a line");
        assert!(last.starts_with("(no frames beyond this one: memory at "), "{last}");
        assert_eq!(shown(StackEnd::FramesMax), shown(StackEnd::Outermost));
    }
}
