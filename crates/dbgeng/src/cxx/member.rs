//! Parts of objects: members of records, elements of arrays, bits.

use dbgbase::Address;
use dbgsym::dwarf::{ObjectBytes, TypeKind};

use super::convert::{Scalar, ScalarType, row_of};
use super::error::{CxxError, CxxErrorKind, Outcome, fail};
use super::evaluate::Evaluator;
use super::number::Number;
use super::value::{Place, Ty, Value, known, of_variable};
use crate::values::Part;
use crate::values::member::FoundMember;
use crate::values::parts::bits_of;

impl Evaluator<'_> {
    pub(super) fn index(&self, array: &Value, index: Scalar, at: usize) -> Outcome<Value> {
        let Scalar::Number(Number::Integer(index, _)) = index else {
            return fail(CxxErrorKind::TypeConflict, at);
        };
        let array = self.settled(array.clone(), at)?;
        let (element, counts) = match self.rows_of(&array.ty) {
            Some(rows) => rows,
            None => match self.scalar(&array, at)? {
                Scalar::Pointer(_, Ty::Void) | Scalar::Number(_) => {
                    return fail(CxxErrorKind::TypeConflict, at);
                }
                Scalar::Pointer(address, ty) => {
                    let size = self.size_of(&ty).unwrap_or(1);
                    let distance = index.wrapping_mul(i128::from(size)) as u64;
                    let place = Place::Memory(Address::new(address.wrapping_add(distance)));
                    return Ok(Value { ty, place });
                }
            },
        };
        let ty = row_of(element, &counts);
        let size = self.size_of(&ty).ok_or(CxxError::new(CxxErrorKind::TypeConflict, at))?;
        let distance = index.wrapping_mul(i128::from(size));
        self.part(&array, distance, size, ty, at)
    }

    /// The part of an object at a distance from its start.
    fn part(&self, object: &Value, distance: i128, size: u64, ty: Ty, at: usize) -> Outcome<Value> {
        let place = match &object.place {
            Place::Memory(address) => {
                Place::Memory(Address::new(address.value().wrapping_add(distance as u64)))
            }
            Place::Bytes(bytes) => {
                let start = usize::try_from(distance).unwrap_or(usize::MAX);
                let end = start.saturating_add(usize::try_from(size).unwrap_or(usize::MAX));
                match bytes.get(start..end) {
                    Some(part) => Place::Bytes(part.to_vec()),
                    None => return fail(CxxErrorKind::Operand, at),
                }
            }
            Place::Number(_) => return fail(CxxErrorKind::TypeConflict, at),
        };
        Ok(Value { ty, place })
    }

    /// A member of a record, or of what a pointer leads to: its own or that of a base,
    /// `Base::member` as well; or one that all objects share.
    pub(super) fn member(&self, object: Value, name: &str, at: usize) -> Outcome<Value> {
        let missing = CxxError::new(CxxErrorKind::NoMember, at);
        let mut object = self.settled(object, at)?;
        if let Ok(Scalar::Pointer(address, ty)) = self.scalar(&object, at)
            && self.rows_of(&object.ty).is_none()
        {
            object = Value { ty, place: Place::Memory(Address::new(address)) };
        }
        if let Some((scope, last)) = name.rsplit_once("::") {
            return self.member(self.base(object, scope, at)?, last, at);
        }
        let Ty::Known(image, ty) = &object.ty else { return Err(missing) };
        let values = self.values(image).ok_or(missing)?;
        if let Some(found) = values.member(Some(*ty), name, address_of(&object)) {
            let ty = known(image, found.ty);
            return match found.bit_field_bits {
                Some(bits) => self.bit_field(&object, found, ty, bits, at),
                None => {
                    let size = self.size_of(&ty).unwrap_or(0);
                    self.part(&object, i128::from(found.offset_bits / 8), size, ty, at)
                }
            };
        }
        match values.plain(Some(*ty)).map(|found| found.kind) {
            Some(TypeKind::Record(record))
                if record.static_members.iter().any(|one| one.name == name) =>
            {
                let ty = values.info.strip_typedefs(*ty);
                let whole = format!("{}::{name}", values.info.type_name(ty));
                of_variable(self.around.outer(&whole).ok_or(missing)?, at)
            }
            _ => Err(missing),
        }
    }

    /// The base of an object that is called so; or the object itself, if its type is.
    fn base(&self, object: Value, name: &str, at: usize) -> Outcome<Value> {
        let missing = CxxError::new(CxxErrorKind::NoMember, at);
        let Ty::Known(image, ty) = &object.ty else { return Err(missing) };
        let values = self.values(image).ok_or(missing)?;
        let found = values.base_offset(Some(*ty), name, address_of(&object));
        let (offset, ty) = found.ok_or(missing)?;
        let ty = known(image, ty);
        let size = self.size_of(&ty).unwrap_or(0);
        self.part(&object, i128::from(offset), size, ty, at)
    }

    /// Some bits of an object, as a number of the member's type.
    fn bit_field(
        &self,
        object: &Value,
        found: FoundMember,
        ty: Ty,
        bits: u64,
        at: usize,
    ) -> Outcome<Value> {
        let conflict = CxxError::new(CxxErrorKind::TypeConflict, at);
        if bits > 64 {
            return Err(conflict);
        }
        // As many bytes as its bits touch.
        let (start, first_bit) = (found.offset_bits / 8, found.offset_bits % 8);
        let len = (first_bit + bits).div_ceil(8);
        let storage = self.part(object, i128::from(start), len, Ty::Void, at)?;
        let bytes = self.bytes(&storage, len, at)?;
        let whole = ObjectBytes { known: vec![0xff; bytes.len()], bytes };
        let raw = bits_of(Part::new(&whole, None), first_bit, bits).ok_or(conflict)?;
        let Some(ScalarType::Integer(integer)) = self.scalar_type(&ty) else {
            return Err(conflict);
        };
        let shift = 128 - u32::try_from(bits.max(1)).unwrap_or(128);
        let value = match integer.is_signed {
            true => (raw.cast_signed() << shift) >> shift,
            false => raw.cast_signed(),
        };
        let size = usize::from(integer.size_bytes);
        let bytes = value.to_le_bytes().into_iter().take(size).collect();
        Ok(Value { ty, place: Place::Bytes(bytes) })
    }
}

fn address_of(object: &Value) -> Option<Address> {
    match object.place {
        Place::Memory(address) => Some(address),
        _ => None,
    }
}
