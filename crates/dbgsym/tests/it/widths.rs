//! How long arrays are and where bit fields lie, in every form that compilers write it down in.

use dbgsym::dwarf::{DebugInfo, ElementCount, TypeKind, TypeRef};

use crate::programs::{Workshop, image};

const FORMATS: [&[&str]; 4] = [
    &["-gdwarf-5"],
    &["-gdwarf-4"],
    &["-gdwarf-4", "-gstrict-dwarf"],
    &["-gdwarf-3", "-gstrict-dwarf"],
];

/// Asks something of the program compiled with each format.
fn in_all_formats(check: impl Fn(&DebugInfo, &str)) {
    for flags in FORMATS {
        let workshop = Workshop::new();
        let flags = [flags, &["-g", "-w"]].concat();
        let image = image(&workshop.compile("widths", "widths.c", &flags));
        check(image.debug_info().expect("it was built with -g"), &flags.join(" "));
    }
}

fn type_of(info: &DebugInfo, name: &str) -> TypeRef {
    let found = info.variables_named(name);
    found.first().and_then(|variable| variable.ty).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_last_index_has_no_sign() {
    in_all_formats(|info, flags| {
        for (name, counts, size) in [
            ("below", &[128][..], 128),
            ("byte", &[129], 129),
            ("last_byte", &[256], 256),
            ("above", &[257], 257),
            ("word", &[40_000], 80_000),
            ("last_word", &[65_536], 131_072),
            ("rows", &[3, 200], 600),
        ] {
            let ty = info.type_of(type_of(info, name));
            let TypeKind::Array(array) = &ty.kind else { panic!("{name} is {ty:?}") };
            let found: Vec<_> = array.dimensions.iter().map(|one| one.count).collect();
            let expected: Vec<_> = counts.iter().map(|count| ElementCount::Known(*count)).collect();
            assert_eq!(found, expected, "{name}, {flags}");
            assert_eq!(ty.size_bytes, Some(size), "{name}, {flags}");
        }
        assert_eq!(info.type_of(type_of(info, "none")).size_bytes, Some(0), "{flags}");
    });
}

#[test]
fn bit_fields_that_cross_their_units_begin_where_they_begin() {
    in_all_formats(|info, flags| {
        for (name, expected) in [
            ("packed", &[(0, 30), (30, 30), (60, 4), (64, 50), (114, 7)][..]),
            ("plain", &[(0, 3), (3, 5), (8, 33)]),
        ] {
            let ty = info.type_of(type_of(info, name));
            let TypeKind::Record(record) = &ty.kind else { panic!("{name} is {ty:?}") };
            let place =
                |member: &dbgsym::dwarf::Member| (member.offset_bits, member.bit_field_bits);
            let found: Vec<_> = record.members.iter().map(place).collect();
            let expected: Vec<_> = expected.iter().map(|(at, n)| (Some(*at), Some(*n))).collect();
            assert_eq!(found, expected, "{name}, {flags}");
        }
    });
}
