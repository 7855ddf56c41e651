//! Evaluates expressions (DWARF 5, 2.5 and 2.6) for a frame: bytes in, the place of an object or a
//! value out. It knows what operators mean and what bounds them; which expression describes a
//! variable, `location.rs` knows.
//!
//! gimli keeps the stack and does the arithmetic; what it asks for is answered here. Whatever an
//! expression does, it ends: steps, nested evaluations and their depth are bounded.

mod entry_value;

use std::cell::Cell;
use std::rc::Rc;

use dbgbase::{Address, LinkAddress};
use gimli::{
    AttributeValue, DieReference, Evaluation, EvaluationResult, Expression, Operation,
    Piece as GimliPiece, Register, UnitOffset, Value, ValueType, constants as dw,
};

use super::entry::having;
use super::frame_context::FrameContext;
use super::pieces::{LocateError, Location, Piece, Place, read_all};
use super::unit::EntryId;
use super::{OpenUnit, OpenUnits, Reader, location};

/// Expressions of compilers have some ten operators; longer ones run in circles.
const STEPS_MAX: u32 = 10_000;
/// How many expressions one question may lead to: frame bases, entry values, calls.
const EVALUATIONS_MAX: u32 = 256;
/// Entry values that need entry values, as in recursive functions.
const DEPTH_MAX: u32 = 16;
/// gimli keeps a 64-bit address for all that has no type.
const GENERIC_SIZE_BYTES: usize = 8;

/// What an expression is evaluated for.
#[derive(Clone)]
pub(super) struct Scene<'s, 'a> {
    /// The units that are open.
    pub(super) units: &'s OpenUnits<'a>,
    /// The unit that the expression is in.
    pub(super) unit: Rc<OpenUnit<'a>>,
    /// Where the frame stands.
    pub(super) pc: LinkAddress,
    /// The function that the frame executes, with its frame base.
    pub(super) function: Option<EntryId>,
    /// The frame.
    pub(super) frame: &'s dyn FrameContext,
    /// The object whose parts the expression describes (`DW_OP_push_object_address`).
    object: Option<Address>,
    /// Whether the object's address is on the stack from the beginning.
    starts_at_object: bool,
    budget: &'s Budget,
    depth: u32,
}

/// What a question may still cost.
pub(super) struct Budget(Cell<u32>);

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(Cell::new(EVALUATIONS_MAX))
    }

    fn take(&self) -> Result<(), LocateError> {
        let left = self.0.get().checked_sub(1).ok_or(LocateError::TooLong)?;
        self.0.set(left);
        Ok(())
    }
}

/// What an expression computed: where something is, or only a value.
struct Outcome<'e> {
    pieces: Vec<GimliPiece<Reader<'e>>>,
    /// What was left on the stack, with its type.
    top: Option<Value>,
}

impl<'s, 'a> Scene<'s, 'a> {
    pub(super) fn new(
        units: &'s OpenUnits<'a>,
        unit: Rc<OpenUnit<'a>>,
        pc: LinkAddress,
        function: Option<EntryId>,
        frame: &'s dyn FrameContext,
        budget: &'s Budget,
    ) -> Scene<'s, 'a> {
        Scene {
            units,
            unit,
            pc,
            function,
            frame,
            object: None,
            starts_at_object: false,
            budget,
            depth: 0,
        }
    }

    /// The same frame, for an expression in another unit.
    pub(super) fn in_unit(&self, unit: Rc<OpenUnit<'a>>) -> Scene<'s, 'a> {
        Scene { unit, ..self.clone() }
    }

    /// Where a part of `object` begins, which an expression computes from where the object begins
    /// (DWARF 5, 5.7.3).
    pub(super) fn moved(
        &self,
        object: Address,
        expression: Expression<Reader<'_>>,
    ) -> Result<Address, LocateError> {
        let scene = Scene { object: Some(object), starts_at_object: true, ..self.clone() };
        scene.number(expression).map(Address::new)
    }

    /// The place that an expression describes.
    pub(super) fn place(&self, expression: Expression<Reader<'_>>) -> Result<Place, LocateError> {
        if expression.0.slice().is_empty() {
            return Ok(Place::from(Location::OptimisedOut));
        }
        self.with_outcome(expression, |outcome| {
            let pieces: Result<Vec<_>, _> =
                outcome.pieces.iter().map(|piece| self.piece(piece)).collect();
            Ok(Place::new(pieces?))
        })
    }

    /// The number that an expression computes. What is in a register is read.
    pub(super) fn number(&self, expression: Expression<Reader<'_>>) -> Result<u64, LocateError> {
        let value = self.value(expression)?;
        value.to_u64(u64::MAX).map_err(|_| LocateError::Damaged)
    }

    fn value(&self, expression: Expression<Reader<'_>>) -> Result<Value, LocateError> {
        match self.plain_value(expression) {
            Err(LocateError::Unsupported) => {}
            result => return result,
        }
        // What is left on the stack counts as an address, which a floating point number cannot be,
        // unless it is said to be a value.
        let mut code = expression.0.slice().to_vec();
        code.push(dw::DW_OP_stack_value.0);
        self.plain_value(Expression(Reader::new(&code, gimli::LittleEndian)))
    }

    fn plain_value(&self, expression: Expression<Reader<'_>>) -> Result<Value, LocateError> {
        self.with_outcome(expression, |outcome| {
            if let Some(top) = outcome.top {
                return Ok(top);
            }
            match outcome.pieces.as_slice() {
                [GimliPiece { location: gimli::Location::Value { value }, .. }] => Ok(*value),
                [GimliPiece { location: gimli::Location::Register { register }, .. }] => {
                    Ok(Value::Generic(self.register(*register)?.to_u64()))
                }
                [] => Err(LocateError::Damaged),
                _ => Err(LocateError::Unsupported),
            }
        })
    }

    fn with_outcome<T>(
        &self,
        expression: Expression<Reader<'_>>,
        then: impl FnOnce(Outcome<'_>) -> Result<T, LocateError>,
    ) -> Result<T, LocateError> {
        let patched = self.patch(expression)?;
        let Some(patched) = patched else { return then(self.evaluate(expression, &[])?) };
        let reader = Reader::new(&patched.code, gimli::LittleEndian);
        then(self.evaluate(Expression(reader), &patched.values)?)
    }

    fn evaluate<'e>(
        &self,
        expression: Expression<Reader<'e>>,
        values: &'e [(usize, Vec<u8>)],
    ) -> Result<Outcome<'e>, LocateError>
    where
        'a: 'e,
    {
        self.budget.take()?;
        let mut evaluation = expression.evaluation(self.unit.encoding());
        evaluation.set_max_iterations(STEPS_MAX);
        if let Some(object) = self.object {
            evaluation.set_object_address(object.value());
            if self.starts_at_object {
                evaluation.set_initial_value(object.value());
            }
        }
        let mut state = evaluation.evaluate().map_err(obstacle)?;
        // Between two questions there is at least one step, so this ends as well.
        while !matches!(state, EvaluationResult::Complete) {
            state = self.answer(&mut evaluation, state, values)?.map_err(obstacle)?;
        }
        Ok(Outcome { top: evaluation.value_result(), pieces: evaluation.result() })
    }

    /// Answers what an evaluation asks, and lets it go on.
    fn answer<'e>(
        &self,
        evaluation: &mut Evaluation<Reader<'e>>,
        question: EvaluationResult<Reader<'e>>,
        values: &'e [(usize, Vec<u8>)],
    ) -> Result<gimli::Result<EvaluationResult<Reader<'e>>>, LocateError>
    where
        'a: 'e,
    {
        Ok(match question {
            EvaluationResult::Complete => Ok(EvaluationResult::Complete),
            EvaluationResult::RequiresMemory { address, size, space, base_type } => {
                let value = self.memory(address, size, space, base_type)?;
                evaluation.resume_with_memory(value)
            }
            EvaluationResult::RequiresRegister { register, base_type } => {
                let ty = self.value_type(base_type)?;
                let bytes = self.register(register)?;
                evaluation.resume_with_register(value_of(ty, bytes.as_slice())?)
            }
            EvaluationResult::RequiresFrameBase => {
                evaluation.resume_with_frame_base(self.frame_base()?)
            }
            EvaluationResult::RequiresTls(offset) => {
                let address = self.frame.thread_local(offset);
                let address = address.ok_or(LocateError::NoThreadLocalStorage)?;
                evaluation.resume_with_tls(address.value())
            }
            EvaluationResult::RequiresCallFrameCfa => {
                let cfa = self.frame.cfa().ok_or(LocateError::NoCanonicalFrameAddress)?;
                evaluation.resume_with_call_frame_cfa(cfa.value())
            }
            EvaluationResult::RequiresAtLocation(reference) => {
                evaluation.resume_with_at_location(self.called(reference, values)?)
            }
            EvaluationResult::RequiresEntryValue(wanted) => {
                evaluation.resume_with_entry_value(self.entry_value(wanted)?)
            }
            EvaluationResult::RequiresParameterRef(parameter) => {
                let value = self.parameter_value(self.unit.entry_id(parameter))?;
                let value = value.to_u64(u64::MAX).map_err(|_| LocateError::Unsupported)?;
                evaluation.resume_with_parameter_ref(value)
            }
            EvaluationResult::RequiresRelocatedAddress(link) => {
                evaluation.resume_with_relocated_address(self.relocated(link))
            }
            EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                let value = self.unit.refs().address(index).map_err(|_| LocateError::Damaged)?;
                let value = if relocate { self.relocated(value) } else { value };
                evaluation.resume_with_indexed_address(value)
            }
            EvaluationResult::RequiresBaseType(base_type) => {
                evaluation.resume_with_base_type(self.value_type(base_type)?)
            }
            EvaluationResult::RequiresWasmLocal { .. }
            | EvaluationResult::RequiresWasmGlobal { .. }
            | EvaluationResult::RequiresWasmStack { .. } => {
                return Err(LocateError::Unsupported);
            }
        })
    }

    fn relocated(&self, link: u64) -> u64 {
        LinkAddress::new(link).to_address(self.frame.bias()).value()
    }

    fn register(&self, register: Register) -> Result<super::RegisterValue, LocateError> {
        self.frame.register(register.0).ok_or(LocateError::UnknownRegister(register.0))
    }

    fn memory(
        &self,
        address: u64,
        size: u8,
        space: Option<u64>,
        base_type: UnitOffset<usize>,
    ) -> Result<Value, LocateError> {
        if space.is_some() {
            return Err(LocateError::Unsupported);
        }
        let mut bytes = [0; GENERIC_SIZE_BYTES];
        let target = bytes.get_mut(..usize::from(size)).ok_or(LocateError::Unsupported)?;
        read_all(self.frame, Address::new(address), target)?;
        value_of(self.value_type(base_type)?, &bytes)
    }

    /// The type that a base type has on the stack; zero stands for none in particular.
    fn value_type(&self, base_type: UnitOffset<usize>) -> Result<ValueType, LocateError> {
        if base_type.0 == 0 {
            return Ok(ValueType::Generic);
        }
        let entry = self.unit.entry(base_type).map_err(|_| LocateError::Damaged)?;
        let size = entry.attr(dw::DW_AT_byte_size).and_then(|attribute| attribute.udata_value());
        let Some(AttributeValue::Encoding(encoding)) = entry.attr_value(dw::DW_AT_encoding) else {
            return Err(LocateError::Damaged);
        };
        let encoding = match encoding {
            dw::DW_ATE_signed_char => dw::DW_ATE_signed,
            dw::DW_ATE_unsigned_char
            | dw::DW_ATE_boolean
            | dw::DW_ATE_address
            | dw::DW_ATE_UTF
            | dw::DW_ATE_UCS
            | dw::DW_ATE_ASCII => dw::DW_ATE_unsigned,
            other => other,
        };
        let ty = size.and_then(|size| ValueType::from_encoding(encoding, size));
        ty.ok_or(LocateError::Unsupported)
    }

    /// The frame base of the function (DWARF 5, 3.3.5). LLVM names the register that has it; other
    /// expressions compute it.
    fn frame_base(&self) -> Result<u64, LocateError> {
        let function = self.function.ok_or(LocateError::Damaged)?;
        let (unit, entry) =
            having(self.units, function, dw::DW_AT_frame_base).ok_or(LocateError::Damaged)?;
        let deeper = self.deeper()?;
        let scene = deeper.in_unit(unit);
        let expression =
            location::expression_at(&scene.unit, &entry, dw::DW_AT_frame_base, self.pc)?;
        scene.number(expression.ok_or(LocateError::Damaged)?)
    }

    fn deeper(&self) -> Result<Scene<'s, 'a>, LocateError> {
        let depth = self.depth + 1;
        if depth > DEPTH_MAX {
            return Err(LocateError::TooLong);
        }
        Ok(Scene { depth, object: None, starts_at_object: false, ..self.clone() })
    }

    /// The code that `DW_OP_call2` and its kin execute: the location of another entry.
    fn called<'e>(
        &self,
        reference: DieReference<usize>,
        values: &'e [(usize, Vec<u8>)],
    ) -> Result<Reader<'e>, LocateError>
    where
        'a: 'e,
    {
        let id = match reference {
            DieReference::UnitRef(offset) => Some(self.unit.entry_id(offset)),
            DieReference::DebugInfoRef(offset) => {
                if let Some((_, code)) = values.iter().find(|(target, _)| *target == offset.0) {
                    return Ok(Reader::new(code, gimli::LittleEndian));
                }
                self.unit.info().entry_at(self.unit.id().part(), offset.0)
            }
        };
        // Each call may search a long location list.
        self.budget.take()?;
        let (unit, entry) = id.and_then(|id| self.units.entry(id)).ok_or(LocateError::Damaged)?;
        let code = location::expression_at(&unit, &entry, dw::DW_AT_location, self.pc)?;
        // An entry without location is a call without effect.
        Ok(code.map_or(Reader::new(&[], gimli::LittleEndian), |code| code.0))
    }

    fn piece(&self, piece: &GimliPiece<Reader<'_>>) -> Result<Piece, LocateError> {
        let location = match piece.location {
            gimli::Location::Empty => Location::OptimisedOut,
            gimli::Location::Register { register } => Location::Register(register.0),
            gimli::Location::Address { address } => Location::Memory(Address::new(address)),
            gimli::Location::Value { value } => Location::Value(bytes_of(value)),
            gimli::Location::Bytes { value } => Location::Value(value.slice().to_vec()),
            gimli::Location::ImplicitPointer { value, byte_offset } => {
                let target = self.unit.info().entry_at(self.unit.id().part(), value.0);
                let target = target.ok_or(LocateError::Damaged)?;
                Location::ImplicitPointer { target, byte_offset }
            }
        };
        let skipped_bits = piece.bit_offset.unwrap_or(0);
        Ok(Piece { size_bits: piece.size_in_bits, skipped_bits, location })
    }

    /// Rewrites what gimli does not evaluate: `DW_OP_GNU_uninit` at the end says nothing that is
    /// shown, and `DW_OP_GNU_variable_value` becomes a call of code that pushes the value. `None`
    /// if there is nothing of both.
    fn patch(&self, expression: Expression<Reader<'_>>) -> Result<Option<Patched>, LocateError> {
        let code = expression.0.slice();
        let may_need = [dw::DW_OP_GNU_uninit.0, dw::DW_OP_GNU_variable_value.0];
        if !code.iter().any(|byte| may_need.contains(byte)) {
            return Ok(None);
        }
        let mut patched = Patched { code: code.to_vec(), values: Vec::new() };
        let mut operations = expression.operations(self.unit.encoding());
        let mut at = 0;
        let mut last_uninitialized = None;
        while let Ok(Some(operation)) = operations.next() {
            let end = operations.offset_from(&expression);
            match operation {
                Operation::Uninitialized => {
                    patched.set(at, dw::DW_OP_nop);
                    last_uninitialized = Some(at);
                }
                Operation::VariableValue { offset } => {
                    patched.set(at, dw::DW_OP_call_ref);
                    let target = self.unit.info().entry_at(self.unit.id().part(), offset.0);
                    let value = self.variable_value(target.ok_or(LocateError::Damaged)?)?;
                    let mut push = vec![dw::DW_OP_const8u.0];
                    push.extend(value.to_le_bytes());
                    patched.values.push((offset.0, push));
                }
                _ => {}
            }
            at = end;
        }
        // Behind the name of a register only a piece may stand.
        if last_uninitialized == code.len().checked_sub(1) && code.len() > 1 {
            patched.code.pop();
        }
        Ok(Some(patched))
    }

    /// The value of a variable that is a number (GCC's `DW_OP_GNU_variable_value`).
    fn variable_value(&self, variable: EntryId) -> Result<u64, LocateError> {
        let deeper = self.deeper()?;
        deeper.budget.take()?;
        let place = location::place_of(&deeper, variable)?;
        let size = super::types::size_of_variable(self.units, variable);
        let size = size.filter(|size| *size <= GENERIC_SIZE_BYTES as u64);
        let object = place.read(self.frame, size.ok_or(LocateError::Unsupported)?)?;
        let is_known = object.is_complete();
        is_known.then(|| super::RegisterValue::new(&object.bytes).to_u64()).ok_or(
            // Its bound is unknown then, as if the caller did not tell.
            LocateError::NoEntryValue,
        )
    }
}

/// An expression that gimli evaluates, and the code of the calls in it that are not calls.
struct Patched {
    code: Vec<u8>,
    values: Vec<(usize, Vec<u8>)>,
}

impl Patched {
    fn set(&mut self, at: usize, operator: gimli::DwOp) {
        if let Some(byte) = self.code.get_mut(at) {
            *byte = operator.0;
        }
    }
}

fn obstacle(error: gimli::Error) -> LocateError {
    match error {
        gimli::Error::TooManyIterations | gimli::Error::StackFull => LocateError::TooLong,
        gimli::Error::UnsupportedEvaluation
        | gimli::Error::InvalidDerefSize(_)
        | gimli::Error::IntegralTypeRequired
        | gimli::Error::UnsupportedTypeOperation => LocateError::Unsupported,
        _ => LocateError::Damaged,
    }
}

/// The low bytes of a register or of memory as a value of a type.
fn value_of(ty: ValueType, bytes: &[u8]) -> Result<Value, LocateError> {
    let low = super::RegisterValue::new(bytes).to_u64();
    match ty {
        ValueType::Generic => Ok(Value::Generic(low)),
        ty => {
            let low = low.to_le_bytes();
            let reader = Reader::new(&low, gimli::LittleEndian);
            Value::parse(ty, reader).map_err(|_| LocateError::Damaged)
        }
    }
}

fn bytes_of(value: Value) -> Vec<u8> {
    match value {
        Value::Generic(number) => number.to_le_bytes().to_vec(),
        Value::I8(number) => number.to_le_bytes().to_vec(),
        Value::U8(number) => number.to_le_bytes().to_vec(),
        Value::I16(number) => number.to_le_bytes().to_vec(),
        Value::U16(number) => number.to_le_bytes().to_vec(),
        Value::I32(number) => number.to_le_bytes().to_vec(),
        Value::U32(number) => number.to_le_bytes().to_vec(),
        Value::I64(number) => number.to_le_bytes().to_vec(),
        Value::U64(number) => number.to_le_bytes().to_vec(),
        Value::F32(number) => number.to_le_bytes().to_vec(),
        Value::F64(number) => number.to_le_bytes().to_vec(),
    }
}
