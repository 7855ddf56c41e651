//! Types that are called like the library's and are others.

use std::process::Command;

use dbgbase::{ReadMemory, Unreadable};
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

/// A vector without a pointer and a length, but with a hundred million members of members.
fn source() -> String {
    let level = |at: u32| {
        let members: String = (0..10).map(|member| format!("m{member}: W{},", at + 1)).collect();
        format!("#[derive(Clone, Copy)] pub struct W{at} {{ {members} }}")
    };
    let levels: String = (0..8).map(level).collect();
    format!(
        "pub mod vec {{
             {levels}
             #[derive(Clone, Copy)] pub struct W8;
             pub struct Vec<T> {{ pub wide: W0, pub element: T }}
         }}
         #[no_mangle] pub extern \"C\" fn keep(vector: &vec::Vec<u8>) -> u8 {{ vector.element }}"
    )
}

#[expect(clippy::disallowed_methods, reason = "a compiler is not a debuggee")]
fn library() -> Image {
    let directory = tempfile::tempdir().expect("a directory");
    let (source_file, path) = (directory.path().join("lib.rs"), directory.path().join("lib.so"));
    std::fs::write(&source_file, source()).expect("written");
    let flags = ["--crate-name", "alloc", "--crate-type", "cdylib", "-g", "-Cpanic=abort", "-o"];
    let made = Command::new("rustc").args(flags).arg(&path).arg(&source_file).output();
    let made = made.expect("rustc is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let bytes = std::fs::read(&path).expect("it was compiled");
    Image::parse(ImageBytes::from(bytes)).expect("sound")
}

#[test]
fn a_search_for_members_ends() {
    let image = library();
    let info = image.debug_info().expect("it was built with -g");
    let name_at = |_: Address| None;
    let values = Values::new(info, &Nothing, &name_at, ValueLimits::LINE);
    let vector = info.types_named("alloc::vec::Vec<u8>").first().copied();
    assert!(vector.is_some(), "it is there");
    let object = ObjectBytes { bytes: vec![7], known: vec![0xff] };
    let shown = values.variable(vector, Part::new(&object, None));
    assert!(shown.contains("wide={"), "{shown}");
}
