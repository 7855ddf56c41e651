//! Breakpoints in the layout of the command `bl`. It sets none.

use dbgeng::{
    Access, BreakpointId, BreakpointLocation, BreakpointView, SourceLine, SymbolAt, Watch,
};

/// The line of one breakpoint. `symbol` and `source` are those of its first address.
pub(crate) fn row(
    breakpoint: &BreakpointView,
    symbol: Option<&SymbolAt>,
    source: Option<&SourceLine>,
) -> String {
    let state = if breakpoint.enabled { 'e' } else { 'd' };
    let unresolved = if breakpoint.addresses.is_empty() { 'u' } else { ' ' };
    let address = match breakpoint.addresses.first() {
        Some(address) => address.to_string(),
        None => " ".repeat(17),
    };
    // Passes are 16-bit numbers in the layout; more digits widen the column.
    let passes = format!("{:04x} ({:04x})", breakpoint.passes_left, breakpoint.passes_initial);
    let thread = match breakpoint.thread {
        Some(thread) => format!("{:>2}:~{:03}", breakpoint.process.0, thread.0),
        None => format!("{:>2}:****", breakpoint.process.0),
    };
    let watch = match breakpoint.watch {
        Some(watch) => format!(" {} {} ", letter(watch), watch.len_bytes),
        None => " ".repeat(5),
    };
    let mut line = format!("{:>2} {state}{unresolved}{address}{watch}{passes} ", breakpoint.id.0);
    match symbol {
        _ if breakpoint.addresses.is_empty() => {
            line.push_str(&format!("{thread} ({})", breakpoint.expression));
        }
        Some(symbol) => line.push_str(&format!("{thread} {symbol}")),
        None => line.push_str(&thread),
    }
    if let Some(source) = source {
        line.push_str(&format!(" [{source}]"));
    }
    if breakpoint.addresses.len() > 1 {
        line.push_str(&format!(" and {} more", breakpoint.addresses.len() - 1));
    }
    if breakpoint.one_shot {
        line.push_str(" /1");
    }
    if let Some(condition) = &breakpoint.condition {
        line.push_str(&format!(" /w \"{}\"", condition.text));
    }
    if !breakpoint.command.is_empty() {
        line.push_str(&format!(" \"{}\"", breakpoint.command));
    }
    line.push('\n');
    line
}

/// The letter of the accesses that are watched for.
fn letter(watch: Watch) -> char {
    match watch.access {
        Access::Execute => 'e',
        Access::Write => 'w',
        Access::ReadWrite => 'r',
    }
}

/// What is told of a breakpoint that was hit. For memory that is watched also which access.
pub(crate) fn hit(id: BreakpointId, breakpoint: Option<&BreakpointView>) -> String {
    let watched = breakpoint.and_then(|breakpoint| {
        let Watch { access, len_bytes } = breakpoint.watch?;
        let what = match access {
            Access::Execute => return None,
            Access::Write => "written",
            Access::ReadWrite => "read or written",
        };
        let bytes = if len_bytes == 1 { "byte" } else { "bytes" };
        let address = breakpoint.addresses.first()?;
        Some(format!(": {len_bytes} {bytes} at {address} {what}"))
    });
    format!("Breakpoint {id} hit{}\n", watched.unwrap_or_default())
}

/// The command that sets a breakpoint, as a line.
pub(crate) fn command(breakpoint: &BreakpointView) -> String {
    let mut line = String::new();
    if let Some(thread) = breakpoint.thread {
        line.push_str(&format!("~{} ", thread.0));
    }
    let (name, place) = match &breakpoint.location {
        BreakpointLocation::Address(address) => ("bp", format!("0x{address}")),
        BreakpointLocation::Symbol(line) if line.starts_with('`') => ("bu", line.clone()),
        BreakpointLocation::Symbol(symbol) => ("bu", format!("@!\"{symbol}\"")),
    };
    match breakpoint.watch {
        Some(watch) => {
            let (letter, len_bytes) = (letter(watch), watch.len_bytes);
            line.push_str(&format!("ba{} {letter}{len_bytes}", breakpoint.id.0));
        }
        None => line.push_str(&format!("{name}{}", breakpoint.id.0)),
    }
    if breakpoint.one_shot {
        line.push_str(" /1");
    }
    if let Some(condition) = &breakpoint.condition {
        line.push_str(&format!(" /w \"{}\"", condition.text));
    }
    line.push_str(&format!(" {place}"));
    if breakpoint.passes_initial > 1 {
        line.push_str(&format!(" 0x{:x}", breakpoint.passes_initial));
    }
    if !breakpoint.command.is_empty() {
        line.push_str(&format!(" \"{}\"", breakpoint.command));
    }
    line.push_str(";\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbgbase::Address;
    use dbgeng::{Condition, ProcessNumber, ThreadNumber};
    use expect_test::expect;

    fn sample(id: u32) -> BreakpointView {
        BreakpointView {
            id: BreakpointId(id),
            process: ProcessNumber(0),
            enabled: true,
            addresses: vec![Address::new(0x5555_5555_5225)],
            passes_left: 1,
            passes_initial: 1,
            hits: 0,
            thread: None,
            expression: "main".to_owned(),
            location: BreakpointLocation::Address(Address::new(0x5555_5555_5225)),
            command: String::new(),
            one_shot: false,
            condition: None,
            is_condition_served: false,
            watch: None,
        }
    }

    fn watching(access: Access, len_bytes: u32) -> Option<Watch> {
        Some(Watch { access, len_bytes })
    }

    #[test]
    fn the_list_has_its_columns() {
        let symbol = SymbolAt {
            module: "prog".to_owned(),
            name: "main".to_owned(),
            displacement: 0,
            exact: true,
            address: Address::new(0x5555_5555_5225),
        };
        let mut text = row(&sample(0), Some(&symbol), None);
        text += &row(
            &BreakpointView {
                enabled: false,
                passes_left: 3,
                passes_initial: 5,
                thread: Some(ThreadNumber(2)),
                command: "k; g".to_owned(),
                ..sample(1)
            },
            Some(&symbol),
            None,
        );
        text += &row(
            &BreakpointView {
                addresses: Vec::new(),
                expression: "libfoo_so!foo".to_owned(),
                ..sample(2)
            },
            None,
            None,
        );
        let condition = Some(Condition::new("rdi == 5"));
        text += &row(&BreakpointView { one_shot: true, condition, ..sample(10) }, None, None);
        text +=
            &row(&BreakpointView { watch: watching(Access::Write, 4), ..sample(11) }, None, None);
        expect![[r#"
             0 e 00005555`55555225     0001 (0001)  0:**** prog!main
             1 d 00005555`55555225     0003 (0005)  0:~002 prog!main "k; g"
             2 eu                      0001 (0001)  0:**** (libfoo_so!foo)
            10 e 00005555`55555225     0001 (0001)  0:**** /1 /w "rdi == 5"
            11 e 00005555`55555225 w 4 0001 (0001)  0:****
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn commands_set_what_is_there() {
        let mut text = command(&sample(0));
        text += &command(&BreakpointView {
            one_shot: true,
            passes_left: 3,
            passes_initial: 0x15,
            thread: Some(ThreadNumber(2)),
            command: "k; g".to_owned(),
            condition: Some(Condition::new("poi(rsp) != 0")),
            location: BreakpointLocation::Symbol("prog!f(int)".to_owned()),
            ..sample(7)
        });
        let watch = watching(Access::ReadWrite, 8);
        text += &command(&BreakpointView { watch, passes_initial: 2, ..sample(8) });
        expect![[r#"
            bp0 0x00005555`55555225;
            ~2 bu7 /1 /w "poi(rsp) != 0" @!"prog!f(int)" 0x15 "k; g";
            ba8 r8 0x00005555`55555225 0x2;
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn hits_tell_what_was_watched() {
        let told = |watch| hit(BreakpointId(3), Some(&BreakpointView { watch, ..sample(3) }));
        assert_eq!(told(None), "Breakpoint 3 hit\n");
        assert_eq!(told(watching(Access::Execute, 1)), "Breakpoint 3 hit\n");
        assert_eq!(
            told(watching(Access::Write, 4)),
            "Breakpoint 3 hit: 4 bytes at 00005555`55555225 written\n"
        );
        assert_eq!(
            told(watching(Access::ReadWrite, 1)),
            "Breakpoint 3 hit: 1 byte at 00005555`55555225 read or written\n"
        );
    }
}
