//! The value of a tree: names, types and memory are asked of the [`Surroundings`], so that it knows
//! neither threads nor modules.

use dbgbase::Address;
use dbgsym::dwarf::{BaseEncoding, ElementCount, ObjectBytes, TypeKind};

use super::error::{CxxError, CxxErrorKind, Outcome, fail};
use super::number::{IntegerType, Number};
use super::value::{Place, Surroundings, Ty, Value};
use super::value::{known, of_number, of_pointer, of_unsigned, of_variable};
use super::{Binary, Expression, Node, TypeName, Unary, parser};
use crate::values::parts::bits_of;
use crate::values::{Part, ValueLimits, Values, number_of};

/// References are not followed further than this.
const REFERENCES_MAX: usize = 8;
/// Larger objects are not copied.
const OBJECT_LEN_MAX: u64 = 64 * 1024;

/// What can be computed with.
enum Scalar {
    Number(Number),
    Pointer(u64, Ty),
}

/// Evaluates expressions.
pub(crate) struct Evaluator<'s> {
    pub(crate) around: &'s dyn Surroundings,
}

impl Evaluator<'_> {
    /// The value of a text.
    pub(crate) fn evaluate(&self, text: &str) -> Outcome<Value> {
        self.value(&parser::parse(text)?)
    }

    fn value(&self, expression: &Expression) -> Outcome<Value> {
        let at = expression.position;
        match &expression.node {
            Node::Number(number) => Ok(of_number(*number)),
            Node::Name(name) => self.name(name, at),
            Node::Register(name) => match self.around.register(name) {
                Some(value) => Ok(of_unsigned(value)),
                None => fail(CxxErrorKind::BadRegister, at),
            },
            Node::Masm(text) => match self.around.masm(text) {
                Some(value) => Ok(of_unsigned(value)),
                None => fail(CxxErrorKind::Unresolved, at),
            },
            Node::Unary(operator, operand) => self.unary(*operator, operand, at),
            Node::Binary(Binary::And, left, right) => {
                let is_true = self.is_true(left)? && self.is_true(right)?;
                Ok(of_number(Number::boolean(is_true)))
            }
            Node::Binary(Binary::Or, left, right) => {
                let is_true = self.is_true(left)? || self.is_true(right)?;
                Ok(of_number(Number::boolean(is_true)))
            }
            Node::Binary(operator, left, right) => {
                let (left, right) = (self.scalar_of(left)?, self.scalar_of(right)?);
                self.binary(*operator, left, right, at)
            }
            Node::Choice(parts) => {
                let [condition, yes, no] = parts.as_ref();
                if self.is_true(condition)? { self.value(yes) } else { self.value(no) }
            }
            Node::Member(object, name) => self.member(self.value(object)?, name, at),
            Node::Index(array, index) => {
                let (array, index) = (self.value(array)?, self.scalar_of(index)?);
                self.index(&array, index, at)
            }
            Node::Cast(name, value) => {
                let ty = self.type_of_name(name, at)?;
                self.cast(ty, &self.value(value)?, at)
            }
            Node::SizeOfType(name) => self.size_value(&self.type_of_name(name, at)?, at),
            Node::SizeOf(operand) => match (self.value(operand), &operand.node) {
                (Ok(value), _) => self.size_value(&self.settled(value, at)?.ty, at),
                // A name is that of a variable first.
                (Err(error), Node::Name(name)) if error.kind() == CxxErrorKind::Unresolved => {
                    let name = TypeName { name: name.clone(), pointers: 0 };
                    let ty = self.type_of_name(&name, operand.position).map_err(|_| error)?;
                    self.size_value(&ty, at)
                }
                (Err(error), _) => Err(error),
            },
        }
    }

    fn size_value(&self, ty: &Ty, at: usize) -> Outcome<Value> {
        let size = self.size_of(ty);
        size.map(of_unsigned).ok_or(CxxError::new(CxxErrorKind::TypeConflict, at))
    }

    /// A local, a member of the object that the function is called for, a global, a function.
    fn name(&self, name: &str, at: usize) -> Outcome<Value> {
        match name {
            "true" => return Ok(of_number(Number::boolean(true))),
            "false" => return Ok(of_number(Number::boolean(false))),
            "nullptr" | "NULL" => return Ok(of_pointer(0, Ty::Void)),
            _ => {}
        }
        if let Some(found) = self.around.variable(name) {
            return of_variable(found, at);
        }
        if let Some(this) = self.around.variable("this")
            && let Ok(this) = of_variable(this, at)
            && let Ok(member) = self.member(this, name, at)
        {
            return Ok(member);
        }
        match self.around.function(name) {
            Some(address) => Ok(of_pointer(address, Ty::Void)),
            None => fail(CxxErrorKind::Unresolved, at),
        }
    }

    fn type_of_name(&self, name: &TypeName, at: usize) -> Outcome<Ty> {
        let mut ty = match name.name.as_str() {
            "void" => Ty::Void,
            "float" => Ty::Float(4),
            "double" => Ty::Float(8),
            other => match IntegerType::named(other) {
                Some(ty) => Ty::Integer(ty),
                None => match self.around.type_named(other) {
                    Some((image, ty)) => Ty::Known(image, ty),
                    None => return fail(CxxErrorKind::NoType, at),
                },
            },
        };
        for _ in 0..name.pointers {
            ty = Ty::Pointer(Box::new(ty));
        }
        Ok(ty)
    }

    fn unary(&self, operator: Unary, operand: &Expression, at: usize) -> Outcome<Value> {
        match operator {
            Unary::AddressOf => {
                let value = self.settled(self.value(operand)?, at)?;
                match value.place {
                    Place::Memory(address) => Ok(of_pointer(address.value(), value.ty)),
                    _ => fail(CxxErrorKind::NoAddress, at),
                }
            }
            Unary::Dereference => match self.scalar_of(operand)? {
                Scalar::Pointer(_, Ty::Void) | Scalar::Number(_) => {
                    fail(CxxErrorKind::TypeConflict, at)
                }
                Scalar::Pointer(address, ty) => {
                    Ok(Value { ty, place: Place::Memory(Address::new(address)) })
                }
            },
            Unary::Not => Ok(of_number(Number::boolean(!self.is_true(operand)?))),
            _ => match self.scalar_of(operand)? {
                Scalar::Number(number) => match number.unary(operator) {
                    Some(number) => Ok(of_number(number)),
                    None => fail(CxxErrorKind::TypeConflict, at),
                },
                Scalar::Pointer(..) => fail(CxxErrorKind::TypeConflict, at),
            },
        }
    }

    fn is_true(&self, operand: &Expression) -> Outcome<bool> {
        Ok(match self.scalar_of(operand)? {
            Scalar::Number(number) => number.is_true(),
            Scalar::Pointer(address, _) => address != 0,
        })
    }

    fn binary(&self, operator: Binary, left: Scalar, right: Scalar, at: usize) -> Outcome<Value> {
        let conflict = CxxError::new(CxxErrorKind::TypeConflict, at);
        let step = |ty: &Ty| self.size_of(ty).filter(|size| *size > 0).unwrap_or(1);
        let moved = |address: u64, ty: Ty, count: Number, sign: i128| {
            let Number::Integer(count, _) = count else { return Err(conflict) };
            let distance = sign.wrapping_mul(count).wrapping_mul(i128::from(step(&ty)));
            Ok(of_pointer(address.wrapping_add(distance as u64), ty))
        };
        let (left, right) = match (operator, left, right) {
            (Binary::Add, Scalar::Pointer(address, ty), Scalar::Number(count))
            | (Binary::Add, Scalar::Number(count), Scalar::Pointer(address, ty)) => {
                return moved(address, ty, count, 1);
            }
            (Binary::Subtract, Scalar::Pointer(address, ty), Scalar::Number(count)) => {
                return moved(address, ty, count, -1);
            }
            (Binary::Subtract, Scalar::Pointer(a, ty), Scalar::Pointer(b, _)) => {
                let distance = i128::from(a.wrapping_sub(b).cast_signed()) / i128::from(step(&ty));
                return Ok(of_number(Number::Integer(distance, IntegerType::LONG)));
            }
            (_, Scalar::Number(left), Scalar::Number(right)) => (left, right),
            (
                Binary::Less
                | Binary::LessOrEqual
                | Binary::Greater
                | Binary::GreaterOrEqual
                | Binary::Equal
                | Binary::NotEqual,
                left,
                right,
            ) => {
                let ty = IntegerType::UNSIGNED_LONG;
                let number = |scalar| match scalar {
                    Scalar::Number(number) => number.to_integer(ty),
                    Scalar::Pointer(address, _) => Number::Integer(i128::from(address), ty),
                };
                (number(left), number(right))
            }
            _ => return Err(conflict),
        };
        left.binary(operator, right).map(of_number).map_err(|is_value| {
            let kind = if is_value { CxxErrorKind::Operand } else { CxxErrorKind::TypeConflict };
            CxxError::new(kind, at)
        })
    }

    fn index(&self, array: &Value, index: Scalar, at: usize) -> Outcome<Value> {
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
        let ty = match counts.split_first() {
            Some((_, [])) | None => element,
            Some((_, rest)) => Ty::Rows { element: Box::new(element), counts: rest.to_vec() },
        };
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

    /// The element and the lengths of an array's dimensions; `None` for other types.
    fn rows_of(&self, ty: &Ty) -> Option<(Ty, Vec<u64>)> {
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

    fn member(&self, object: Value, name: &str, at: usize) -> Outcome<Value> {
        let mut object = self.settled(object, at)?;
        if let Ok(Scalar::Pointer(address, ty)) = self.scalar(&object, at)
            && self.rows_of(&object.ty).is_none()
        {
            object = Value { ty, place: Place::Memory(Address::new(address)) };
        }
        let Ty::Known(image, ty) = &object.ty else { return fail(CxxErrorKind::NoMember, at) };
        let Some(info) = image.debug_info() else { return fail(CxxErrorKind::NoMember, at) };
        let values = Values::new(info, self.around.memory(), self.around.name_at(), LIMITS);
        let Some(found) = values.member(Some(*ty), name) else {
            return fail(CxxErrorKind::NoMember, at);
        };
        let member = known(image, found.ty);
        let size = self.size_of(&member).unwrap_or(0);
        let Some(bits) = found.bit_field_bits else {
            return self.part(&object, i128::from(found.offset_bits / 8), size, member, at);
        };
        // As many bytes as its bits touch, as a number of its type.
        let start = found.offset_bits / 8;
        let len = (found.offset_bits % 8 + bits).div_ceil(8);
        let storage = self.part(&object, i128::from(start), len, Ty::Void, at)?;
        let bytes = self.bytes(&storage, len, at)?;
        let whole = ObjectBytes { known: vec![0xff; bytes.len()], bytes };
        let raw = bits_of(Part::new(&whole, None), found.offset_bits % 8, bits);
        let raw = raw.ok_or(CxxError::new(CxxErrorKind::TypeConflict, at))?;
        let zero = Value { ty: member.clone(), place: Place::Bytes(vec![0; size as usize]) };
        let is_signed = matches!(self.scalar(&zero, at)?,
            Scalar::Number(Number::Integer(_, ty)) if ty.is_signed);
        let shift = 128 - u32::try_from(bits.clamp(1, 128)).unwrap_or(128);
        let value = match is_signed {
            true => (raw.cast_signed() << shift) >> shift,
            false => raw.cast_signed(),
        };
        let bytes = value.to_le_bytes().into_iter().take(size as usize).collect();
        Ok(Value { ty: member, place: Place::Bytes(bytes) })
    }

    /// What references lead to.
    fn settled(&self, value: Value, at: usize) -> Outcome<Value> {
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

    fn bytes(&self, value: &Value, size: u64, at: usize) -> Outcome<Vec<u8>> {
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

    fn scalar_of(&self, expression: &Expression) -> Outcome<Scalar> {
        let value = self.settled(self.value(expression)?, expression.position)?;
        self.scalar(&value, expression.position)
    }

    /// A value as what can be computed with; an array as the address of its first element.
    fn scalar(&self, value: &Value, at: usize) -> Outcome<Scalar> {
        if let Some((element, counts)) = self.rows_of(&value.ty) {
            let Place::Memory(address) = value.place else {
                return fail(CxxErrorKind::NoAddress, at);
            };
            let ty = match counts.split_first() {
                Some((_, [])) | None => element,
                Some((_, rest)) => Ty::Rows { element: Box::new(element), counts: rest.to_vec() },
            };
            return Ok(Scalar::Pointer(address.value(), ty));
        }
        let (image, ty) = match &value.ty {
            Ty::Void | Ty::Rows { .. } => return fail(CxxErrorKind::TypeConflict, at),
            Ty::Pointer(target) => {
                let address = number_of(&self.bytes(value, 8, at)?);
                return Ok(Scalar::Pointer(address, (**target).clone()));
            }
            Ty::Integer(ty) => {
                let bytes = self.bytes(value, u64::from(ty.size_bytes), at)?;
                return Ok(Scalar::Number(integer(&bytes, *ty)));
            }
            Ty::Float(size) => {
                let bytes = self.bytes(value, u64::from(*size), at)?;
                return float(&bytes).ok_or(CxxError::new(CxxErrorKind::TypeConflict, at));
            }
            Ty::Known(image, ty) => (image, *ty),
        };
        let conflict = CxxError::new(CxxErrorKind::TypeConflict, at);
        let info = image.debug_info().ok_or(conflict)?;
        let plain = info.type_of(info.strip_typedefs(ty).ok_or(conflict)?);
        let size = plain.size_bytes.unwrap_or(0);
        let is_signed = match &plain.kind {
            TypeKind::Pointer(target) => {
                let address = number_of(&self.bytes(value, size, at)?);
                return Ok(Scalar::Pointer(address, known(image, *target)));
            }
            TypeKind::Base(BaseEncoding::Float) => {
                return float(&self.bytes(value, size, at)?).ok_or(conflict);
            }
            TypeKind::Base(BaseEncoding::Signed | BaseEncoding::SignedChar) => true,
            TypeKind::Base(
                BaseEncoding::Unsigned
                | BaseEncoding::UnsignedChar
                | BaseEncoding::Unicode
                | BaseEncoding::Boolean
                | BaseEncoding::Address,
            ) => false,
            TypeKind::Enumeration(names) => names.enumerators.iter().any(|one| one.value < 0),
            TypeKind::Function(_) => match value.place {
                Place::Memory(address) => return Ok(Scalar::Pointer(address.value(), Ty::Void)),
                _ => return Err(conflict),
            },
            _ => return Err(conflict),
        };
        let ty = match &plain.kind {
            TypeKind::Base(BaseEncoding::Boolean) => Some(IntegerType::BOOL),
            _ => IntegerType::of(size, is_signed),
        };
        let bytes = self.bytes(value, size, at)?;
        Ok(Scalar::Number(integer(&bytes, ty.ok_or(conflict)?)))
    }

    fn cast(&self, ty: Ty, value: &Value, at: usize) -> Outcome<Value> {
        let value = self.settled(value.clone(), at)?;
        let conflict = CxxError::new(CxxErrorKind::TypeConflict, at);
        let number = |scalar| match scalar {
            Scalar::Number(number) => number,
            Scalar::Pointer(address, _) => {
                Number::Integer(i128::from(address), IntegerType::UNSIGNED_LONG)
            }
        };
        let number = number(self.scalar(&value, at)?);
        Ok(match &ty {
            Ty::Integer(to) => of_number(number.to_integer(*to)),
            Ty::Float(size) => of_number(number.to_float(*size)),
            Ty::Pointer(_) => {
                let place = Place::Number(number.to_integer(IntegerType::UNSIGNED_LONG));
                Value { ty, place }
            }
            Ty::Known(..) => {
                // Its own scalar type says how its bytes are made.
                let size = self.size_of(&ty).ok_or(conflict)?;
                let zero = Value { ty: ty.clone(), place: Place::Bytes(vec![0; size as usize]) };
                let to = match self.scalar(&zero, at)? {
                    Scalar::Number(Number::Integer(_, to)) => number.to_integer(to),
                    Scalar::Number(Number::Float(_, size)) => number.to_float(size),
                    Scalar::Pointer(..) => number.to_integer(IntegerType::UNSIGNED_LONG),
                };
                let bytes = self.bytes(&of_number(to), size, at)?;
                Value { ty, place: Place::Bytes(bytes) }
            }
            Ty::Void | Ty::Rows { .. } => return Err(conflict),
        })
    }

    pub(crate) fn size_of(&self, ty: &Ty) -> Option<u64> {
        match ty {
            Ty::Void => None,
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

    /// An object behind all references: its type, its bytes and where it is, to be shown.
    pub(crate) fn object(&self, value: &Value) -> Outcome<(Ty, ObjectBytes, Option<Address>)> {
        let value = self.settled(value.clone(), 0)?;
        let bytes = self.bytes(&value, self.size_of(&value.ty).unwrap_or(0), 0)?;
        let address = match value.place {
            Place::Memory(address) => Some(address),
            _ => None,
        };
        Ok((value.ty, ObjectBytes { known: vec![0xff; bytes.len()], bytes }, address))
    }
}

/// What members are looked for with.
const LIMITS: ValueLimits = ValueLimits::LINE;

fn integer(bytes: &[u8], ty: IntegerType) -> Number {
    let raw = bytes.iter().take(16).rev().fold(0u128, |value, byte| value << 8 | u128::from(*byte));
    Number::Integer(ty.wrap(raw.cast_signed()), ty)
}

fn float(bytes: &[u8]) -> Option<Scalar> {
    let number = match bytes.len() {
        4 => Number::Float(f64::from(f32::from_le_bytes(bytes.try_into().ok()?)), 4),
        8 => Number::Float(f64::from_le_bytes(bytes.try_into().ok()?), 8),
        _ => return None,
    };
    Some(Scalar::Number(number))
}
