//! Parameters and locals in the layout of `dv`. It knows neither where they come from nor how
//! values are written.

use dbgbase::Address;
use dbgeng::{Local, ValuePlace, VariableKind};

/// How wide a column of names is.
const NAME_LEN: usize = 15;
/// How wide a column of places is: an address, a register's name.
const PLACE_LEN: usize = 17;
/// A variable whose distance from the stack pointer is larger is not told by it.
const DISTANCE_MAX: u64 = 16 * 1024 * 1024;

/// What is shown of each variable, beside its name and value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Columns {
    /// Whether it is a parameter or a local.
    pub(crate) has_kinds: bool,
    /// Where it is.
    pub(crate) has_places: bool,
    /// Its place relative to this stack pointer.
    pub(crate) sp: Option<Address>,
    /// Its type.
    pub(crate) has_types: bool,
}

/// One line.
pub(crate) fn row(local: &Local, columns: Columns) -> String {
    let mut text = String::new();
    if columns.has_kinds {
        text.push_str(match local.kind {
            VariableKind::Parameter => "prv param  ",
            VariableKind::Local => "prv local  ",
            VariableKind::LocalStatic | VariableKind::Global => "prv static ",
        });
    }
    if columns.has_places {
        text.push_str(&format!("{:<PLACE_LEN$} ", place(&local.place)));
        if let Some(sp) = columns.sp {
            text.push_str(&format!("{:<14} ", from_sp(&local.place, sp)));
        }
    }
    match columns.has_types {
        true => text.push_str(&format!("{} {}", local.type_name, local.name)),
        false => text.push_str(&format!("{:>NAME_LEN$}", local.name)),
    }
    format!("{text} = {}\n", local.value)
}

fn place(place: &ValuePlace) -> String {
    match place {
        ValuePlace::Memory(address) => address.to_string(),
        ValuePlace::Register(name) => format!("@{name}"),
        ValuePlace::Pieces => "<in pieces>".to_owned(),
        ValuePlace::Computed => "<computed>".to_owned(),
        ValuePlace::OptimisedOut => "<optimised out>".to_owned(),
        ValuePlace::Unknown => "<unknown>".to_owned(),
    }
}

fn from_sp(place: &ValuePlace, sp: Address) -> String {
    let ValuePlace::Memory(address) = place else { return String::new() };
    match (address.offset_from(sp), sp.offset_from(*address)) {
        (Some(above), _) if above < DISTANCE_MAX => format!("@sp+0x{above:04x}"),
        (_, Some(below)) if below < DISTANCE_MAX => format!("@sp-0x{below:04x}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn local(name: &str, kind: VariableKind, place: ValuePlace) -> Local {
        Local {
            name: name.to_owned(),
            kind,
            type_name: "int".to_owned(),
            size_bytes: Some(4),
            place,
            value: "0n5".to_owned(),
            bytes: Some(vec![5, 0, 0, 0]),
            is_shadowed: false,
        }
    }

    #[test]
    fn every_column_has_its_place() {
        let sp = Address::new(0x7fff_ffff_e318);
        let all = [
            local("count", VariableKind::Parameter, ValuePlace::Register("rax".to_owned())),
            local("sum", VariableKind::Local, ValuePlace::Memory(Address::new(0x7fff_ffff_e320))),
            local("low", VariableKind::Local, ValuePlace::Memory(Address::new(0x7fff_ffff_e310))),
            local("seen", VariableKind::LocalStatic, ValuePlace::Memory(Address::new(0x40_4010))),
            // As wide as its column, so that the indentation of the others is seen.
            local("optimised_away_", VariableKind::Local, ValuePlace::OptimisedOut),
        ];
        let shown = |columns| all.iter().map(|one| row(one, columns)).collect::<String>();
        expect![[r#"
                      count = 0n5
                        sum = 0n5
                        low = 0n5
                       seen = 0n5
            optimised_away_ = 0n5
        "#]]
        .assert_eq(&shown(Columns::default()));
        let columns = Columns { has_kinds: true, has_places: true, sp: Some(sp), has_types: true };
        expect![[r#"
            prv param  @rax                             int count = 0n5
            prv local  00007fff`ffffe320 @sp+0x0008     int sum = 0n5
            prv local  00007fff`ffffe310 @sp-0x0008     int low = 0n5
            prv static 00000000`00404010                int seen = 0n5
            prv local  <optimised out>                  int optimised_away_ = 0n5
        "#]]
        .assert_eq(&shown(columns));
    }
}
