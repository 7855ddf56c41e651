//! What parameters were when their function was entered, as the caller's call site tells (DWARF 5,
//! 2.5.1.7 and 3.4; before that GNU's extension of DWARF 4). It finds the call site and makes sure
//! that it called this function, and nobody has called it since: after a tail call it is another.

mod tail_call;

use std::rc::Rc;

use dbgbase::{Address, LinkAddress};
use gimli::{AttributeValue, Expression, Operation, UnitOffset, Value, constants as dw};

use super::super::entry::{self, Entry, having, origins};
use super::super::location::expression_at;
use super::super::unit::EntryId;
use super::super::{OpenUnit, OpenUnits, Reader};
use super::{LocateError, Scene};

/// A parameter of a call site, as an expression or operator names it.
enum Wanted {
    /// The one that is passed in this register.
    Register(u16),
    /// What the one that is passed in this register points to.
    Pointee(u16),
    /// The one of this entry.
    Parameter(EntryId),
}

/// What a call site calls.
enum Target {
    /// The function of this entry of the caller's image.
    Entry(EntryId),
    /// Whatever is at this address.
    Address(Address),
}

impl Scene<'_, '_> {
    /// `DW_OP_entry_value`.
    pub(super) fn entry_value(
        &self,
        expression: Expression<Reader<'_>>,
    ) -> Result<Value, LocateError> {
        let mut operations = expression.operations(self.unit.encoding());
        let first = operations.next().map_err(|_| LocateError::Damaged)?;
        let second = operations.next().map_err(|_| LocateError::Damaged)?;
        match (first, second) {
            (Some(Operation::Register { register }), None) => {
                self.passed(&Wanted::Register(register.0))
            }
            // With a type, as vector registers have it.
            (Some(Operation::RegisterOffset { register, offset: 0, base_type }), None)
                if base_type.0 != 0 =>
            {
                self.passed(&Wanted::Register(register.0))
            }
            (
                Some(Operation::RegisterOffset { register, offset: 0, .. }),
                Some(Operation::Deref { size: 8, space: false, .. }),
            ) => self.passed(&Wanted::Pointee(register.0)),
            _ => Err(LocateError::Unsupported),
        }
    }

    /// `DW_OP_GNU_parameter_ref`.
    pub(super) fn parameter_value(&self, parameter: EntryId) -> Result<Value, LocateError> {
        self.passed(&Wanted::Parameter(parameter))
    }

    fn passed(&self, wanted: &Wanted) -> Result<Value, LocateError> {
        let deeper = self.deeper()?;
        let ours = self.function.ok_or(LocateError::NoEntryValue)?;
        if tail_call::may_come_back(self.units, ours, &|id| self.is_function(ours, self, id)) {
            return Err(LocateError::NoEntryValue);
        }
        let caller = self.frame.caller().ok_or(LocateError::NoEntryValue)?;
        let units = OpenUnits::new(caller.info);
        let call_pc = LinkAddress::new(caller.return_address.value().wrapping_sub(1));
        let function =
            caller.info.function_entry_at(call_pc.value()).ok_or(LocateError::NoEntryValue)?;
        let unit = units.unit(function.unit()).ok_or(LocateError::Damaged)?;
        let sites = call_sites(&unit, function);
        let return_address = Some(caller.return_address.value());
        let site = sites.iter().find(|site| returns_to(&unit, site) == return_address);
        let site = site.ok_or(LocateError::NoEntryValue)?;
        let scene = Scene {
            units: &units,
            unit: Rc::clone(&unit),
            pc: call_pc,
            function: Some(function),
            frame: &*caller.frame,
            object: None,
            starts_at_object: false,
            budget: deeper.budget,
            depth: deeper.depth,
        };
        let target = match scene.target(site)?.ok_or(LocateError::NoEntryValue)? {
            Target::Entry(target) => target,
            // It may lie in another image, as callbacks of libraries do.
            Target::Address(address) if self.begins_at(ours, address) => {
                return scene.argument(site, wanted);
            }
            Target::Address(address) => {
                scene.function_beginning_at(address).ok_or(LocateError::NoEntryValue)?
            }
        };
        if self.is_function(ours, &scene, target) {
            return scene.argument(site, wanted);
        }
        // Another function was called, which may have left by calling this one. It is in the
        // caller's image or, as one that a library exports, in this one.
        match scene.defined(target) {
            Some(target) => self.left_argument(ours, &scene, target, wanted),
            None => {
                let target = self.exported(&scene, target).ok_or(LocateError::NoEntryValue)?;
                // A library's functions have other names inside than outside.
                match target == ours {
                    true => scene.argument(site, wanted),
                    false => self.left_argument(ours, self, target, wanted),
                }
            }
        }
    }

    /// The value that a function passed which left by calling `ours`, this scene's. `called` is the
    /// first that left so, of the image of `images`.
    fn left_argument<'a>(
        &self,
        ours: EntryId,
        images: &Scene<'_, 'a>,
        called: EntryId,
        wanted: &Wanted,
    ) -> Result<Value, LocateError> {
        let is_ours = |target| self.is_function(ours, images, target);
        let define = |target| images.defined(target).unwrap_or(target);
        let tail = tail_call::last(images.units, called, &is_ours, &define);
        let tail = tail.ok_or(LocateError::NoEntryValue)?;
        let frame = tail_call::LeftFrame(self.frame);
        let deeper = self.deeper()?;
        let left: Scene<'_, 'a> = Scene {
            units: images.units,
            unit: tail.unit,
            pc: images.pc,
            function: Some(tail.function),
            frame: &frame,
            object: None,
            starts_at_object: false,
            budget: deeper.budget,
            depth: deeper.depth,
        };
        left.argument(&tail.site, wanted)
    }

    /// The function that an entry of this image is or declares, if it is in this image.
    fn defined(&self, entry: EntryId) -> Option<EntryId> {
        let defined = tail_call::definition(self.units, entry);
        if entry::entry_pc(self.units, defined).is_some() {
            return Some(defined);
        }
        self.function_named(&linkage_name(self.units, entry)?)
    }

    /// The function of this image that an entry of another one declares.
    fn exported(&self, other: &Scene<'_, '_>, declared: EntryId) -> Option<EntryId> {
        self.function_named(&linkage_name(other.units, declared)?)
    }

    fn function_named(&self, linkage_name: &[u8]) -> Option<EntryId> {
        let start = self.frame.function_named(linkage_name)?;
        self.units.info().function_entry_at(start.value())
    }

    /// The value that a call site gives a parameter.
    fn argument(&self, site: &Entry<'_>, wanted: &Wanted) -> Result<Value, LocateError> {
        let parameters = entry::children(&self.unit, site.offset());
        let found = parameters.iter().find(|parameter| self.is_wanted(parameter, wanted));
        let found = found.ok_or(LocateError::NoEntryValue)?;
        let names = match wanted {
            Wanted::Pointee(_) => [dw::DW_AT_call_data_value, dw::DW_AT_GNU_call_site_data_value],
            _ => [dw::DW_AT_call_value, dw::DW_AT_GNU_call_site_value],
        };
        for name in names {
            if let Some(expression) = expression_at(&self.unit, found, name, self.pc)? {
                return self.value(expression);
            }
        }
        Err(LocateError::NoEntryValue)
    }

    fn is_wanted(&self, parameter: &Entry<'_>, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Register(number) | Wanted::Pointee(number) => {
                let value = parameter.attr_value(dw::DW_AT_location);
                let Some(AttributeValue::Exprloc(expression)) = value else { return false };
                let first = expression.operations(self.unit.encoding()).next();
                matches!(first, Ok(Some(Operation::Register { register })) if register.0 == *number)
            }
            Wanted::Parameter(id) => {
                let of = [dw::DW_AT_call_parameter, dw::DW_AT_abstract_origin];
                let values = of.into_iter().filter_map(|name| parameter.attr_value(name));
                let mut offsets = values.filter_map(|value| match value {
                    AttributeValue::UnitRef(UnitOffset(offset)) => Some(offset),
                    _ => None,
                });
                id.unit() == self.unit.id() && offsets.any(|offset| offset == id.offset().0)
            }
        }
    }

    /// The function that a call site of this scene calls: the one it names, or the address that it
    /// computes.
    fn target(&self, site: &Entry<'_>) -> Result<Option<Target>, LocateError> {
        if let Some(named) = named_target(&self.unit, site) {
            return Ok(Some(Target::Entry(named)));
        }
        for name in [dw::DW_AT_call_target, dw::DW_AT_GNU_call_site_target] {
            let Some(AttributeValue::Exprloc(code)) = site.attr_value(name) else { continue };
            let code = Reader::new(code.0.slice(), gimli::LittleEndian);
            let address = Address::new(self.number(Expression(code))?);
            return Ok(Some(Target::Address(address)));
        }
        Ok(None)
    }

    /// Whether the code of a function of this image begins at an address.
    fn begins_at(&self, function: EntryId, address: Address) -> bool {
        entry::entry_pc(self.units, function) == Some(address.to_link(self.frame.bias()))
    }

    /// The function of this image whose code begins at an address.
    fn function_beginning_at(&self, address: Address) -> Option<EntryId> {
        let link = address.to_link(self.frame.bias());
        let found = self.units.info().function_entry_at(link.value());
        found.filter(|function| self.begins_at(*function, address))
    }

    /// Whether `target`, of the caller's image, is this scene's function or its declaration.
    fn is_function(&self, function: EntryId, caller: &Scene<'_, '_>, target: EntryId) -> bool {
        if std::ptr::eq(self.units.info(), caller.units.info()) {
            let mut ours = origins(self.units, function).map(|(id, _, _)| id);
            let theirs: Vec<_> = origins(caller.units, target).map(|(id, _, _)| id).collect();
            if ours.any(|id| theirs.contains(&id)) {
                return true;
            }
        }
        let ours = linkage_name(self.units, function);
        ours.is_some() && ours == linkage_name(caller.units, target)
    }
}

/// The name that the linker knows a function by.
fn linkage_name(units: &OpenUnits<'_>, function: EntryId) -> Option<Vec<u8>> {
    [dw::DW_AT_linkage_name, dw::DW_AT_MIPS_linkage_name, dw::DW_AT_name].into_iter().find_map(
        |name| {
            let (unit, entry) = having(units, function, name)?;
            unit.text_of(&entry, name).map(<[u8]>::to_vec)
        },
    )
}

/// The function that a call site names.
fn named_target(unit: &OpenUnit<'_>, site: &Entry<'_>) -> Option<EntryId> {
    [dw::DW_AT_call_origin, dw::DW_AT_abstract_origin].into_iter().find_map(|name| {
        match site.attr_value(name)? {
            AttributeValue::UnitRef(offset) => Some(unit.entry_id(offset)),
            AttributeValue::DebugInfoRef(offset) => {
                unit.info().entry_at(unit.id().part(), offset.0)
            }
            _ => None,
        }
    })
}

/// Where the call of a call site returns to.
fn returns_to<'a>(unit: &OpenUnit<'a>, site: &Entry<'a>) -> Option<u64> {
    let name = match site.tag() {
        dw::DW_TAG_call_site => dw::DW_AT_call_return_pc,
        _ => dw::DW_AT_low_pc,
    };
    unit.refs().attr_address(site.attr_value(name)?).ok().flatten()
}

/// The call sites in a function, those of inlined calls among them.
fn call_sites<'a>(unit: &OpenUnit<'a>, function: EntryId) -> Vec<Entry<'a>> {
    let mut found = Vec::new();
    let Ok(mut entries) = unit.entries_raw(Some(function.offset())) else { return found };
    let mut entry = Entry::null();
    let mut is_first = true;
    while !entries.is_empty() && (is_first || entries.next_depth() > 0) {
        is_first = false;
        match entries.read_entry(&mut entry) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => break,
        }
        if matches!(entry.tag(), dw::DW_TAG_call_site | dw::DW_TAG_GNU_call_site) {
            found.push(entry.clone());
        }
    }
    found
}
