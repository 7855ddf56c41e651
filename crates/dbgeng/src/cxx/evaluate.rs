//! The value of a tree: names, types and memory are asked of the [`Surroundings`], so that it knows
//! neither threads nor modules.

use dbgbase::Address;
use dbgsym::dwarf::ObjectBytes;

use super::convert::Scalar;
use super::error::{CxxError, CxxErrorKind, Outcome, fail};
use super::number::{IntegerType, Number};
use super::value::{Place, Surroundings, Ty, Value};
use super::value::{of_number, of_pointer, of_unsigned, of_variable};
use super::{Binary, Expression, Node, TypeName, Unary, parser};

/// Evaluates expressions.
pub(crate) struct Evaluator<'s> {
    pub(crate) around: &'s dyn Surroundings,
}

impl Evaluator<'_> {
    /// The value of a text.
    pub(crate) fn evaluate(&self, text: &str) -> Outcome<Value> {
        let is_type = |name: &str| {
            self.around.local(name).is_none() && self.around.type_named(name).is_some()
        };
        self.value(&parser::parse(text, &is_type)?)
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

    /// A local, a member of the object that the function is called for, what is visible outside of
    /// functions, a function. Scopes that begin with `::` leave the first two out.
    fn name(&self, name: &str, at: usize) -> Outcome<Value> {
        match name {
            "true" => return Ok(of_number(Number::boolean(true))),
            "false" => return Ok(of_number(Number::boolean(false))),
            "nullptr" | "NULL" => return Ok(of_pointer(0, Ty::Void)),
            _ => {}
        }
        let global = name.strip_prefix("::");
        if global.is_none() && !name.contains('!') {
            if let Some(found) = self.around.local(name) {
                return of_variable(found, at);
            }
            if let Some(this) = self.around.local("this")
                && let Ok(this) = of_variable(this, at)
                && let Ok(member) = self.member(this, name, at)
            {
                return Ok(member);
            }
        }
        let name = global.unwrap_or(name);
        if let Some(found) = self.around.outer(name) {
            return of_variable(found, at);
        }
        match self.around.function(name) {
            Some(address) => {
                Ok(Value { ty: Ty::Function, place: Place::Memory(Address::new(address)) })
            }
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
                None => match self.around.type_named(other.trim_start_matches("::")) {
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

    fn scalar_of(&self, expression: &Expression) -> Outcome<Scalar> {
        let value = self.settled(self.value(expression)?, expression.position)?;
        self.scalar(&value, expression.position)
    }

    /// An object behind all references: its type, its bytes and where it is, to be shown.
    pub(crate) fn object(&self, value: &Value) -> Outcome<(Ty, ObjectBytes, Option<Address>)> {
        let mut value = self.settled(value.clone(), 0)?;
        if let (Ty::Function, Place::Memory(address)) = (&value.ty, &value.place) {
            value = of_pointer(address.value(), Ty::Function);
        }
        let bytes = self.bytes(&value, self.size_of(&value.ty).unwrap_or(0), 0)?;
        let address = match value.place {
            Place::Memory(address) => Some(address),
            _ => None,
        };
        Ok((value.ty, ObjectBytes { known: vec![0xff; bytes.len()], bytes }, address))
    }
}
