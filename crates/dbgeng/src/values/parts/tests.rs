//! Arrays of several dimensions, cut into rows.

use std::process::Command;

use dbgbase::Unreadable;
use dbgsym::dwarf::ObjectBytes;
use dbgsym::{Image, ImageBytes};

use super::super::ValueLimits;
use super::*;

struct Nothing;

impl ReadMemory for Nothing {
    fn read(&self, address: Address, _: &mut [u8]) -> Result<usize, Unreadable> {
        Err(Unreadable { address })
    }
}

#[expect(clippy::disallowed_methods, reason = "a compiler is not a debuggee")]
fn program_with_int() -> Image {
    let directory = tempfile::tempdir().expect("a directory");
    let (source, path) = (directory.path().join("prog.c"), directory.path().join("prog"));
    std::fs::write(&source, "int main(void) { return 0; }").expect("written");
    let made = Command::new("gcc").arg("-g").arg("-o").arg(&path).arg(&source).status();
    assert!(made.expect("gcc is installed").success());
    let bytes = std::fs::read(&path).expect("it was compiled");
    Image::parse(ImageBytes::from(bytes)).expect("sound")
}

#[test]
fn rows_are_only_told_apart_if_their_length_is_known() {
    let image = program_with_int();
    let info = image.debug_info().expect("it was built with -g");
    let name_at = |_: Address| None;
    let values = Values::new(info, &Nothing, &name_at, ValueLimits::LINE);
    let element = info.types_named("int").first().copied();
    let bytes: Vec<u8> = (1..=6i32).flat_map(i32::to_le_bytes).collect();
    let known = vec![0xff; bytes.len()];
    let object = ObjectBytes { bytes, known };
    let shown = |counts: [ElementCount; 2]| {
        let dimensions = counts.map(|count| Dimension { lower: 0, count }).to_vec();
        let array = Array { element, dimensions, stride_bits: None, is_vector: false };
        values.refill();
        values.array(&array, &array.dimensions, Part::new(&object, None), 0)
    };
    let (two, three, unknown) =
        (ElementCount::Known(2), ElementCount::Known(3), ElementCount::Unknown);
    assert_eq!(shown([two, three]), "{{0n1, 0n2, 0n3}, {0n4, 0n5, 0n6}}");
    assert_eq!(shown([unknown, two]), "{{0n1, 0n2}, {0n3, 0n4}, {0n5, 0n6}}");
    assert_eq!(shown([two, unknown]), "{...}");
    assert_eq!(shown([unknown, unknown]), "{...}");
}
