//! The list of modules, as it is told and told again.

use super::*;

fn described(base: u64, path: &str, is_program: bool) -> ModuleDescription {
    ModuleDescription {
        base,
        size: 0x1000,
        bias: base,
        path: path.as_bytes().to_vec(),
        build_id: vec![1, 2],
        is_program,
        ..ModuleDescription::default()
    }
}

fn names(modules: &Modules) -> Vec<&str> {
    modules.list().iter().map(|module| module.name.as_str()).collect()
}

/// Marks a module as one for which symbols were looked for in vain.
fn mark(module: &Module) {
    let status = SymbolStatus::Missing("marked".to_owned());
    *module.symbols.borrow_mut() = Some(ModuleSymbols::missing(status));
}

#[test]
fn modules_are_found_by_address_and_name() {
    let mut modules = Modules::default();
    modules.update(vec![
        described(0x40_0000, "/bin/my-prog", true),
        described(0x7f00_0000, "/lib/libc.so.6", false),
    ]);
    assert_eq!(names(&modules), ["my_prog", "libc_so"]);
    assert_eq!(modules.program().map(|module| module.name.as_str()), Some("my_prog"));
    let name_at = |address| modules.at(Address::new(address)).map(|module| module.name.as_str());
    assert_eq!(name_at(0x40_0fff), Some("my_prog"));
    assert_eq!(name_at(0x40_1000), None);
    assert_eq!(
        modules.named("LIBC_SO").map(|module| module.range.start().value()),
        Some(0x7f00_0000)
    );
    assert!(modules.named("libc").is_none());
}

#[test]
fn what_stays_mapped_keeps_what_was_loaded_for_it() {
    let mut modules = Modules::default();
    modules.update(vec![described(0x1000, "/a", true), described(0x5000, "/b", false)]);
    modules.list().iter().for_each(mark);
    modules.update(vec![
        described(0x1000, "/a", true),
        described(0x3000, "/c", false),
        described(0x6000, "/b", false),
    ]);
    let is_deferred = |module: &Module| module.view().status == SymbolStatus::Deferred;
    let deferred: Vec<_> = modules.list().iter().map(is_deferred).collect();
    assert_eq!(deferred, [false, true, true], "b is mapped elsewhere, so it is another module");
}

#[test]
fn what_was_not_found_is_looked_for_again() {
    let mut modules = Modules::default();
    modules.update(vec![described(0x1000, "/a", true)]);
    modules.list().iter().for_each(mark);
    modules.retry_unloaded();
    assert_eq!(modules.list()[0].view().status, SymbolStatus::Deferred);
}

#[test]
fn modules_that_pass_the_end_of_the_address_space_are_left_out() {
    let mut modules = Modules::default();
    let wild = ModuleDescription { base: u64::MAX, size: 2, ..described(0, "/x", false) };
    modules.update(vec![wild, described(0x1000, "/a", true)]);
    assert_eq!(names(&modules), ["a"]);
}
