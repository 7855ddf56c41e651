//! What objects are as numbers and pointers, and what casts make of them. It asks the program for
//! types and memory; it does not know what expressions are.

use std::sync::Arc;

use dbgbase::Address;
use dbgsym::Image;
use dbgsym::dwarf::{BaseEncoding, ElementCount, TypeKind, TypeRef};

use super::error::{CxxError, CxxErrorKind, Outcome, fail};
use super::evaluate::Evaluator;
use super::number::{IntegerType, Number};
use super::value::{Place, Ty, Value, known, of_number};
use crate::values::{ValueLimits, Values, number_of};

/// References are not followed further than this.
const REFERENCES_MAX: usize = 8;
/// Larger objects are not copied.
const OBJECT_LEN_MAX: u64 = 64 * 1024;
/// What members are looked for with.
const LIMITS: ValueLimits = ValueLimits::LINE;

/// What can be computed with.
pub(super) enum Scalar {
    Number(Number),
    Pointer(u64, Ty),
}

/// A type whose objects can be computed with.
pub(super) enum ScalarType {
    Integer(IntegerType),
    Float(u8),
    Pointer(Ty),
}

impl Evaluator<'_> {
    /// What references lead to.
    pub(super) fn settled(&self, value: Value, at: usize) -> Outcome<Value> {
        let mut value = value;
        for _ in 0..REFERENCES_MAX {
            let Ty::Known(image, ty) = &value.ty else { return Ok(value) };
            let kind = image.debug_info().and_then(|info| {
                let plain = info.strip_typedefs(*ty)?;
                Some(info.type_of(plain).kind)
            });
            let (Some(TypeKind::Reference(target)) | Some(TypeKind::RvalueReference(target))) =
                kind
            else {
                return Ok(value);
            };
            let address = Address::new(number_of(&self.bytes(&value, 8, at)?));
            value = Value { ty: known(image, target), place: Place::Memory(address) };
        }
        Ok(value)
    }

    pub(super) fn bytes(&self, value: &Value, size: u64, at: usize) -> Outcome<Vec<u8>> {
        let size = usize::try_from(size.min(OBJECT_LEN_MAX)).unwrap_or(0);
        match &value.place {
            Place::Bytes(bytes) => Ok(bytes.iter().copied().take(size).collect()),
            Place::Number(Number::Integer(number, _)) => {
                Ok(number.to_le_bytes().into_iter().take(size).collect())
            }
            Place::Number(Number::Float(number, 4)) => Ok((*number as f32).to_le_bytes().to_vec()),
            Place::Number(Number::Float(number, _)) => Ok(number.to_le_bytes().to_vec()),
            Place::Memory(address) => {
                let mut bytes = vec![0; size];
                let count = self.around.memory().read(*address, &mut bytes).unwrap_or(0);
                if count < size { fail(CxxErrorKind::Memory, at) } else { Ok(bytes) }
            }
        }
    }

    /// A value as what can be computed with; an array as the address of its first element, a
    /// function as its own.
    pub(super) fn scalar(&self, value: &Value, at: usize) -> Outcome<Scalar> {
        if let Some((element, counts)) = self.rows_of(&value.ty) {
            let Place::Memory(address) = value.place else {
                return fail(CxxErrorKind::NoAddress, at);
            };
            return Ok(Scalar::Pointer(address.value(), row_of(element, &counts)));
        }
        if let (true, Place::Memory(address)) = (self.is_function(&value.ty), &value.place) {
            return Ok(Scalar::Pointer(address.value(), value.ty.clone()));
        }
        let conflict = CxxError::new(CxxErrorKind::TypeConflict, at);
        let size = self.size_of(&value.ty).ok_or(conflict)?;
        let ty = self.scalar_type(&value.ty).ok_or(conflict)?;
        let bytes = self.bytes(value, size, at)?;
        Ok(match ty {
            ScalarType::Pointer(target) => Scalar::Pointer(number_of(&bytes), target),
            ScalarType::Integer(ty) => Scalar::Number(integer(&bytes, ty)),
            ScalarType::Float(_) => Scalar::Number(float(&bytes).ok_or(conflict)?),
        })
    }

    /// How objects of a type are read; `None` if they cannot be computed with.
    pub(super) fn scalar_type(&self, ty: &Ty) -> Option<ScalarType> {
        let (image, ty) = match ty {
            Ty::Void | Ty::Function | Ty::Rows { .. } => return None,
            Ty::Pointer(target) => return Some(ScalarType::Pointer((**target).clone())),
            Ty::Integer(ty) => return Some(ScalarType::Integer(*ty)),
            Ty::Float(size) => return Some(ScalarType::Float(*size)),
            Ty::Known(image, ty) => (image, *ty),
        };
        let info = image.debug_info()?;
        let plain = info.type_of(info.strip_typedefs(ty)?);
        let size = plain.size_bytes.unwrap_or(0);
        let is_signed = match &plain.kind {
            TypeKind::Pointer(target) => return Some(ScalarType::Pointer(known(image, *target))),
            TypeKind::Base(BaseEncoding::Float) => {
                let size = u8::try_from(size).ok().filter(|size| matches!(size, 4 | 8));
                return size.map(ScalarType::Float);
            }
            TypeKind::Base(BaseEncoding::Boolean) => {
                return Some(ScalarType::Integer(IntegerType::BOOL));
            }
            TypeKind::Base(BaseEncoding::Signed | BaseEncoding::SignedChar) => true,
            TypeKind::Base(
                BaseEncoding::Unsigned
                | BaseEncoding::UnsignedChar
                | BaseEncoding::Unicode
                | BaseEncoding::Address,
            ) => false,
            TypeKind::Enumeration(names) => self.values(image)?.has_sign(names),
            _ => return None,
        };
        IntegerType::of(size, is_signed).map(ScalarType::Integer)
    }

    fn is_function(&self, ty: &Ty) -> bool {
        match ty {
            Ty::Function => true,
            Ty::Known(image, ty) => image.debug_info().is_some_and(|info| {
                let plain = info.strip_typedefs(*ty).map(|plain| info.type_of(plain).kind);
                matches!(plain, Some(TypeKind::Function(_)))
            }),
            _ => false,
        }
    }

    pub(super) fn values<'i>(&'i self, image: &'i Image) -> Option<Values<'i>> {
        let info = image.debug_info()?;
        Some(Values::new(info, self.around.memory(), self.around.name_at(), LIMITS))
    }

    pub(super) fn cast(&self, ty: Ty, value: &Value, at: usize) -> Outcome<Value> {
        let conflict = CxxError::new(CxxErrorKind::TypeConflict, at);
        let value = self.settled(value.clone(), at)?;
        let to = self.scalar_type(&ty).ok_or(conflict)?;
        let number = match (self.scalar(&value, at)?, &to) {
            (Scalar::Number(number), _) => number,
            (Scalar::Pointer(address, from), ScalarType::Pointer(to)) => {
                address_number(self.moved_to_base(address, &from, to))
            }
            (Scalar::Pointer(address, _), _) => address_number(address),
        };
        let number = match to {
            ScalarType::Integer(to) => number.to_integer(to),
            ScalarType::Float(size) => number.to_float(size),
            ScalarType::Pointer(_) => number.to_integer(IntegerType::UNSIGNED_LONG),
        };
        let place = match (&ty, self.size_of(&ty)) {
            (Ty::Known(..), Some(size)) => {
                Place::Bytes(self.bytes(&of_number(number), size, at)?)
            }
            _ => Place::Number(number),
        };
        Ok(Value { ty, place })
    }

    /// A pointer to an object as one to a base of it, or to the object that it is a base of
    /// (C++, expr.static.cast). Null stays null.
    fn moved_to_base(&self, address: u64, from: &Ty, to: &Ty) -> u64 {
        let (Ty::Known(from_image, from), Ty::Known(to_image, to)) = (from, to) else {
            return address;
        };
        let (Some(from_name), Some(to_name)) = (name_of(from_image, *from), name_of(to_image, *to))
        else {
            return address;
        };
        if address == 0 || from_name == to_name {
            return address;
        }
        let offset = |image: &Arc<Image>, ty: TypeRef, base: &str, object: Option<Address>| {
            self.values(image)?.base_offset(Some(ty), base, object).map(|(offset, _)| offset)
        };
        if let Some(up) = offset(from_image, *from, &to_name, Some(Address::new(address))) {
            return address.wrapping_add(up);
        }
        offset(to_image, *to, &from_name, None).map_or(address, |down| address.wrapping_sub(down))
    }

    /// The element and the lengths of an array's dimensions; `None` for other types.
    pub(super) fn rows_of(&self, ty: &Ty) -> Option<(Ty, Vec<u64>)> {
        match ty {
            Ty::Rows { element, counts } => Some(((**element).clone(), counts.clone())),
            Ty::Known(image, ty) => {
                let info = image.debug_info()?;
                let TypeKind::Array(array) = info.type_of(info.strip_typedefs(*ty)?).kind else {
                    return None;
                };
                let count = |count: &ElementCount| match count {
                    ElementCount::Known(count) => *count,
                    ElementCount::Computed(_) | ElementCount::Unknown => 0,
                };
                let counts = array.dimensions.iter().map(|one| count(&one.count)).collect();
                Some((known(image, array.element), counts))
            }
            _ => None,
        }
    }

    pub(crate) fn size_of(&self, ty: &Ty) -> Option<u64> {
        match ty {
            Ty::Void | Ty::Function => None,
            Ty::Integer(ty) => Some(u64::from(ty.size_bytes)),
            Ty::Float(size) => Some(u64::from(*size)),
            Ty::Pointer(_) => Some(8),
            Ty::Rows { element, counts } => counts
                .iter()
                .try_fold(self.size_of(element)?, |size, count| size.checked_mul(*count)),
            Ty::Known(image, ty) => {
                let info = image.debug_info()?;
                info.type_of(info.strip_typedefs(*ty)?).size_bytes
            }
        }
    }
}

/// What the rows of an array are.
pub(super) fn row_of(element: Ty, counts: &[u64]) -> Ty {
    match counts.split_first() {
        Some((_, [])) | None => element,
        Some((_, rest)) => Ty::Rows { element: Box::new(element), counts: rest.to_vec() },
    }
}

fn address_number(address: u64) -> Number {
    Number::Integer(i128::from(address), IntegerType::UNSIGNED_LONG)
}

/// What a type is called, without typedefs and qualifiers.
fn name_of(image: &Image, ty: TypeRef) -> Option<String> {
    let info = image.debug_info()?;
    Some(info.type_name(Some(info.strip_typedefs(ty)?)))
}

fn integer(bytes: &[u8], ty: IntegerType) -> Number {
    let raw = bytes.iter().take(16).rev().fold(0u128, |value, byte| value << 8 | u128::from(*byte));
    Number::Integer(ty.wrap(raw.cast_signed()), ty)
}

fn float(bytes: &[u8]) -> Option<Number> {
    Some(match bytes.len() {
        4 => Number::Float(f64::from(f32::from_le_bytes(bytes.try_into().ok()?)), 4),
        8 => Number::Float(f64::from_le_bytes(bytes.try_into().ok()?), 8),
        _ => return None,
    })
}
