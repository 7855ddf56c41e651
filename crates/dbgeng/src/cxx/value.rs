//! Values with their types, and what an expression asks of the program's side. It computes nothing.

use std::sync::Arc;

use dbgbase::{Address, ReadMemory};
use dbgsym::Image;
use dbgsym::dwarf::TypeRef;

use super::error::{CxxErrorKind, Outcome, fail};
use super::number::{IntegerType, Number};
use crate::values::NameAt;

/// What the program's side answers.
pub(crate) trait Surroundings {
    /// A variable of the function that code at the current place is in.
    ///
    /// **Shape**: `None` if none is called so; one without value has neither place nor bytes.
    fn local(&self, name: &str) -> Option<Found>;

    /// What that code sees of a name outside of functions: a variable, or a name of a number.
    ///
    /// **Shape**: as of [`Surroundings::local`].
    fn outer(&self, name: &str) -> Option<Found>;

    /// The type that code at the current place calls so.
    fn type_named(&self, name: &str) -> Option<(Arc<Image>, TypeRef)>;

    /// Where a function begins.
    fn function(&self, name: &str) -> Option<u64>;

    /// A register of the current frame.
    fn register(&self, name: &str) -> Option<u64>;

    /// What the other evaluator makes of a text.
    fn masm(&self, text: &str) -> Option<u64>;

    /// The program's memory.
    fn memory(&self) -> &dyn ReadMemory;

    /// The symbol around an address.
    fn name_at(&self) -> &NameAt<'_>;
}

/// A variable that was found.
pub(crate) struct Found {
    /// The image whose types are its.
    pub(crate) image: Arc<Image>,
    pub(crate) ty: Option<TypeRef>,
    /// Where it is, if it is in memory.
    pub(crate) address: Option<Address>,
    /// Its bytes, if all are known.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// A type.
#[derive(Clone)]
pub(crate) enum Ty {
    Void,
    /// That of a function of which only the address is known.
    Function,
    Integer(IntegerType),
    Float(u8),
    Pointer(Box<Ty>),
    /// What is left of an array with several dimensions.
    Rows {
        element: Box<Ty>,
        counts: Vec<u64>,
    },
    /// One of the program's.
    Known(Arc<Image>, TypeRef),
}

/// A value, or where one is.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) ty: Ty,
    pub(crate) place: Place,
}

/// Where a value is.
#[derive(Clone)]
pub(crate) enum Place {
    Memory(Address),
    Bytes(Vec<u8>),
    Number(Number),
}

pub(super) fn known(image: &Arc<Image>, ty: Option<TypeRef>) -> Ty {
    let is_void =
        |ty: TypeRef| image.debug_info().is_none_or(|info| info.strip_typedefs(ty).is_none());
    match ty.filter(|ty| !is_void(*ty)) {
        Some(ty) => Ty::Known(Arc::clone(image), ty),
        None => Ty::Void,
    }
}

pub(super) fn of_number(number: Number) -> Value {
    let ty = match number {
        Number::Integer(_, ty) => Ty::Integer(ty),
        Number::Float(_, size) => Ty::Float(size),
    };
    Value { ty, place: Place::Number(number) }
}

pub(super) fn of_unsigned(value: u64) -> Value {
    of_number(Number::Integer(i128::from(value), IntegerType::UNSIGNED_LONG))
}

pub(super) fn of_pointer(address: u64, target: Ty) -> Value {
    let place = of_unsigned(address).place;
    Value { ty: Ty::Pointer(Box::new(target)), place }
}

pub(super) fn of_variable(found: Found, at: usize) -> Outcome<Value> {
    let ty = known(&found.image, found.ty);
    match (found.address, found.bytes) {
        (Some(address), _) => Ok(Value { ty, place: Place::Memory(address) }),
        (None, Some(bytes)) => Ok(Value { ty, place: Place::Bytes(bytes) }),
        (None, None) => fail(CxxErrorKind::NoValue, at),
    }
}
