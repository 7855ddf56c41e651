//! Damaged descriptions of variables and types, asked for a frame that answers everything: fewer
//! facts, never a panic, an endless loop, or memory beyond what the file is worth.

use std::collections::BTreeSet;
use std::time::Instant;

use dbgbase::{Address, LinkAddress, LoadBias, ReadMemory, Unreadable};
use dbgsym::dwarf::{
    Caller, DebugInfo, FrameContext, Location, RegisterValue, TypeKind, TypeRef, Variable,
};
use dbgsym::{Image, ImageBytes, Pattern};

use crate::corruption::Random;
use crate::debug_corruption::{TIME_MAX, addresses, damage, sections};
use crate::programs::Workshop;

/// A frame that knows all registers and was called from everywhere, as often as anyone asks.
struct Endless<'a> {
    info: &'a DebugInfo,
    return_address: LinkAddress,
}

impl ReadMemory for Endless<'_> {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        if address.value() < 0x1000 {
            return Err(Unreadable { address });
        }
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = (address.value() as usize + index) as u8;
        }
        Ok(buffer.len())
    }
}

impl FrameContext for Endless<'_> {
    fn register(&self, dwarf: u16) -> Option<RegisterValue> {
        Some(RegisterValue::from(0x7fff_0000 + u64::from(dwarf) * 8))
    }

    fn cfa(&self) -> Option<Address> {
        Some(Address::new(0x7fff_1000))
    }

    fn memory(&self) -> &dyn ReadMemory {
        self
    }

    fn bias(&self) -> LoadBias {
        LoadBias::new(0x5555_0000)
    }

    fn thread_local(&self, offset: u64) -> Option<Address> {
        Address::new(0x7f00_0000).checked_add(offset)
    }

    fn caller(&self) -> Option<Caller<'_>> {
        let caller = Endless { info: self.info, return_address: self.return_address };
        Some(Caller {
            info: self.info,
            return_address: self.return_address,
            frame: Box::new(caller),
        })
    }
}

/// Everything about a variable. How many facts there were.
fn look_at_variable(info: &DebugInfo, variable: &Variable, frame: &Endless<'_>) -> usize {
    let pc = frame.return_address;
    let size = info.size_in_frame(variable, pc, frame);
    let Ok(place) = info.locate(variable, pc, frame) else { return usize::from(size.is_some()) };
    let bytes = place.read(frame, size.unwrap_or(8).min(1 << 20));
    for piece in place.pieces() {
        if let Location::ImplicitPointer { target, .. } = piece.location {
            let _ = info.locate(&info.pointee(variable, target), pc, frame);
        }
    }
    1 + usize::from(bytes.is_ok())
}

/// All types that can be reached.
fn look_at_types(info: &DebugInfo, from: impl Iterator<Item = TypeRef>) -> usize {
    let mut seen = BTreeSet::new();
    let mut open: Vec<TypeRef> = from.collect();
    while let Some(ty) = open.pop() {
        if !seen.insert(ty) {
            continue;
        }
        let found = info.type_of(ty);
        let name = info.type_name(Some(ty));
        assert!(name.len() < 1 << 20);
        open.extend(info.strip_typedefs(ty));
        match found.kind {
            TypeKind::Pointer(target)
            | TypeKind::Reference(target)
            | TypeKind::RvalueReference(target)
            | TypeKind::Qualified(_, target)
            | TypeKind::Typedef(target) => open.extend(target),
            TypeKind::Array(array) => open.extend(array.element),
            TypeKind::Function(function) => open.extend(function.parameters.iter().flatten()),
            TypeKind::Record(record) => {
                open.extend(record.members.iter().filter_map(|member| member.ty));
                let variants = record.variant_part.iter().flat_map(|part| &part.variants);
                let members = variants.flat_map(|variant| &variant.members);
                open.extend(members.filter_map(|member| member.ty));
            }
            _ => {}
        }
    }
    seen.len()
}

fn look_at(file: Vec<u8>, addresses: &[u64]) -> usize {
    let begun = Instant::now();
    let Ok(image) = Image::parse(ImageBytes::from(file)) else { return 0 };
    let Some(info) = image.debug_info() else { return 0 };
    let mut facts = 0;
    for address in addresses {
        let pc = LinkAddress::new(*address);
        let frame = Endless { info, return_address: pc };
        let variables = info.variables_at(pc);
        for variable in &variables {
            facts += look_at_variable(info, variable, &frame);
        }
        facts += look_at_types(info, variables.iter().filter_map(|variable| variable.ty));
    }
    if let Some(first) = addresses.first() {
        let found = info.enumerator_named("GREEN", LinkAddress::new(*first));
        facts += usize::from(found.is_some());
    }
    let frame = Endless { info, return_address: LinkAddress::new(0) };
    for variable in info.variables_matching(&Pattern::new("*")) {
        facts += look_at_variable(info, &variable, &frame);
    }
    facts += look_at_types(info, info.types_matching(&Pattern::new("*")).into_iter());
    assert!(begun.elapsed() < TIME_MAX, "it took {:?}", begun.elapsed());
    facts
}

fn damage_often(name: &str, flags: &[&str], count: usize) {
    let workshop = Workshop::new();
    let path = workshop.compile("damaged", name, flags);
    let whole = std::fs::read(&path).expect("it was compiled");
    let (ranges, addresses) = (sections(&path), addresses(&path));
    let addresses: Vec<u64> = addresses.iter().step_by(addresses.len() / 16 + 1).copied().collect();
    let sound = look_at(whole.clone(), &addresses);
    assert!(sound > 100, "only {sound}");
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut understood = 0;
    for _ in 0..count {
        let mut bytes = whole.clone();
        damage(&mut bytes, &ranges, &mut random);
        understood += look_at(bytes, &addresses);
    }
    assert!(understood > count * sound / 4, "{understood} of {count} times {sound}");
}

#[test]
fn damaged_variables_do_no_harm() {
    damage_often("variables.c", &["-g", "-O2", "-gdwarf-4", "-lm"], 120);
    damage_often("variables.c", &["-g", "-O2", "-gdwarf-5", "-lm"], 120);
}

#[test]
fn damaged_types_do_no_harm() {
    damage_often("variables.cpp", &["-g", "-O1"], 8);
}
