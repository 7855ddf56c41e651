//! How large objects are: what types say, what follows from the types they are made of, and what
//! only the running program knows. It follows chains of types and never in circles.

use std::rc::Rc;

use dbgbase::{Address, LinkAddress};
use gimli::{AttributeValue, constants as dw};

use super::super::entry::having;
use super::super::expression::{Budget, Scene};
use super::super::frame_context::FrameContext;
use super::super::location;
use super::super::pieces::LocateError;
use super::super::unit::EntryId;
use super::super::{DebugInfo, OpenUnits, RegisterValue, Variable};
use super::read::Source;
use super::{Array, ElementCount, TypeRef};

/// No type is made of so many others on the way to its size.
const CHAIN_MAX: usize = 64;

/// The size of a type. `None` for `void`, functions, declarations and what only the running program
/// knows.
pub(super) fn size_of(units: &OpenUnits<'_>, ty: Option<TypeRef>) -> Option<u64> {
    size_with(units, ty, &mut |_| None)
}

/// The size of a type, with whatever `computed` tells about dimensions.
fn size_with(
    units: &OpenUnits<'_>,
    ty: Option<TypeRef>,
    computed: &mut dyn FnMut(EntryId) -> Option<u64>,
) -> Option<u64> {
    let mut ty = ty?;
    let mut factor: u64 = 1;
    for _ in 0..CHAIN_MAX {
        ty = units.info().definition_of(units, ty);
        let (unit, entry) = units.entry(ty.0)?;
        let source = Source { unit, entry };
        let told = source.number(dw::DW_AT_byte_size);
        match source.entry.tag() {
            dw::DW_TAG_pointer_type
            | dw::DW_TAG_reference_type
            | dw::DW_TAG_rvalue_reference_type => {
                let size = told.unwrap_or_else(|| units.info().arch().pointer_size_bytes());
                return factor.checked_mul(size);
            }
            // Pointers to functions have the function's address and an adjustment of `this`
            // (Itanium C++ ABI, 2.3).
            dw::DW_TAG_ptr_to_member_type if told.is_none() => {
                let target = source.ty().and_then(|ty| strip(units, ty, true));
                let is_function = target
                    .and_then(|ty| units.entry(ty.0))
                    .is_some_and(|(_, target)| target.tag() == dw::DW_TAG_subroutine_type);
                return factor.checked_mul(if is_function { 16 } else { 8 });
            }
            dw::DW_TAG_array_type if told.is_none() => {
                let array = source.array();
                factor = factor.checked_mul(element_count(&array, computed)?)?;
                if let Some(bits) = array.stride_bits {
                    return factor.checked_mul(bits).map(|bits| bits.div_ceil(8));
                }
                ty = array.element?;
            }
            dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
            | dw::DW_TAG_typedef
            | dw::DW_TAG_template_alias
            | dw::DW_TAG_subrange_type
            | dw::DW_TAG_enumeration_type
                if told.is_none() =>
            {
                ty = source.ty()?;
            }
            _ => return factor.checked_mul(told?),
        }
    }
    None
}

/// How many elements an array has in all its dimensions.
fn element_count(array: &Array, computed: &mut dyn FnMut(EntryId) -> Option<u64>) -> Option<u64> {
    array.dimensions.iter().try_fold(1u64, |all, dimension| {
        all.checked_mul(match dimension.count {
            ElementCount::Known(count) => count,
            ElementCount::Computed(id) => computed(id)?,
            ElementCount::Unknown => 0,
        })
    })
}

/// A type without qualifiers, and without typedefs if wanted. `None` for `void`.
pub(super) fn strip(units: &OpenUnits<'_>, ty: TypeRef, with_typedefs: bool) -> Option<TypeRef> {
    let mut ty = ty;
    for _ in 0..CHAIN_MAX {
        let (unit, entry) = units.entry(ty.0)?;
        match entry.tag() {
            dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type => {}
            dw::DW_TAG_typedef | dw::DW_TAG_template_alias if with_typedefs => {}
            _ => return Some(units.info().definition_of(units, ty)),
        }
        ty = TypeRef(unit.reference_of(&entry, dw::DW_AT_type)?);
    }
    None
}

/// The size of a variable's type.
pub(in super::super) fn size_of_variable(units: &OpenUnits<'_>, id: EntryId) -> Option<u64> {
    let (unit, entry) = having(units, id, dw::DW_AT_type)?;
    size_of(units, unit.reference_of(&entry, dw::DW_AT_type).map(TypeRef))
}

impl DebugInfo {
    /// The size of a variable's type in a frame: as [`Type::size_bytes`](super::Type::size_bytes),
    /// and for arrays whose length the program computes as well.
    pub fn size_in_frame(
        &self,
        variable: &Variable,
        pc: LinkAddress,
        frame: &dyn FrameContext,
    ) -> Option<u64> {
        let units = OpenUnits::new(self);
        let budget = Budget::new();
        let unit = units.unit(variable.entry().unit())?;
        let scene = Scene::new(&units, unit, pc, variable.function(), frame, &budget);
        size_with(&units, variable.ty, &mut |id| count_in(&scene, id).ok())
    }

    /// Where a base of an object at `object` begins: for virtual bases, which each object tells by
    /// itself.
    ///
    /// **Shape**: `index` counts [`Record::bases`](super::Record::bases).
    /// **Errors**: as [`DebugInfo::locate`].
    pub fn locate_base(
        &self,
        record: TypeRef,
        index: usize,
        object: Address,
        pc: LinkAddress,
        frame: &dyn FrameContext,
    ) -> Result<Address, LocateError> {
        let units = OpenUnits::new(self);
        let record = self.definition_of(&units, record);
        let (unit, entry) = units.entry(record.0).ok_or(LocateError::Damaged)?;
        let source = Source { unit, entry };
        let is_base = |child: &Source<'_>| child.entry.tag() == dw::DW_TAG_inheritance;
        let base = source.children().filter(is_base).nth(index).ok_or(LocateError::Damaged)?;
        let budget = Budget::new();
        let scene = Scene::new(&units, base.unit, pc, None, frame, &budget);
        match base.entry.attr_value(dw::DW_AT_data_member_location) {
            Some(AttributeValue::Exprloc(code)) => scene.moved(object, code),
            Some(value) => {
                let offset = value.udata_value().ok_or(LocateError::Damaged)?;
                Ok(object.wrapping_offset(offset as i64))
            }
            None => Ok(object),
        }
    }
}

/// How many elements a dimension has in a scene.
fn count_in(scene: &Scene<'_, '_>, dimension: EntryId) -> Result<u64, LocateError> {
    let (unit, entry) = scene.units.entry(dimension).ok_or(LocateError::Damaged)?;
    let source = Source { unit, entry };
    let scene = scene.in_unit(Rc::clone(&source.unit));
    if let Some(value) = source.entry.attr_value(dw::DW_AT_count) {
        return bound(&scene, value);
    }
    let upper = source.entry.attr_value(dw::DW_AT_upper_bound).ok_or(LocateError::Damaged)?;
    let count = bound(&scene, upper)?.wrapping_sub(source.lower_bound() as u64).wrapping_add(1);
    Ok(u64::try_from(count as i64).unwrap_or(0))
}

/// A bound of a dimension: a number, code that computes it, or a variable that has it.
fn bound<'a>(
    scene: &Scene<'_, 'a>,
    value: AttributeValue<super::super::Reader<'a>>,
) -> Result<u64, LocateError> {
    if let AttributeValue::Exprloc(code) = value {
        return scene.number(code);
    }
    if let Some(id) = scene.unit.reference(value) {
        return variable_number(scene, id);
    }
    value.udata_value().ok_or(LocateError::Damaged)
}

fn variable_number(scene: &Scene<'_, '_>, id: EntryId) -> Result<u64, LocateError> {
    let size = size_of_variable(scene.units, id).filter(|size| *size <= 8);
    let object =
        location::place_of(scene, id)?.read(scene.frame, size.ok_or(LocateError::Unsupported)?)?;
    if !object.is_complete() {
        return Err(LocateError::NoEntryValue);
    }
    Ok(RegisterValue::new(&object.bytes).to_u64())
}
