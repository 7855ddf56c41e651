//! ELF files with damaged debugging information: every question must be answered, with less.

#![no_main]

use dbgbase::LinkAddress;
use dbgsym::dwarf::{SourcePattern, TypeKind};
use dbgsym::{Image, ImageBytes, Pattern};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Image::parse(ImageBytes::from(bytes.to_vec())) else { return };
    let Some(info) = image.debug_info() else { return };
    let start = image.section(".text").map_or(image.link_start(), |section| section.address);
    for step in 0..16 {
        let address = LinkAddress::new(start.value().wrapping_add(step * 37));
        let _ = (info.line_at(address), info.function_at(address), info.inlined_at(address));
        let _ = info.wanted_files_at(address);
    }
    let _ = (info.source_files().count(), info.wanted_files());
    let _ = info.places_of(&SourcePattern::new("inlined.c"), 1);
    for step in 0..16 {
        let address = LinkAddress::new(start.value().wrapping_add(step * 37));
        for variable in info.variables_at(address) {
            let _ = info.type_name(variable.ty);
            let Some(ty) = variable.ty.map(|ty| info.type_of(ty)) else { continue };
            assert!(!matches!(ty.kind, TypeKind::Array(array) if array.dimensions.is_empty()));
        }
    }
    let _ = info.functions_matching(&Pattern::new("*"));
    let _ = info.inlined_calls_named("clamp");
    if let Some(stored) = info.stored_name_index() {
        assert!(info.load_name_index(&stored).is_ok(), "what was made can be read");
    }
});
