//! C++ expressions at the engine's door: what they ask of the current frame and the program, and
//! their values as text.

use std::sync::Arc;

use dbgbase::{Address, ReadMemory};
use dbgsym::Image;
use dbgsym::dwarf::TypeRef;

use crate::cxx::{CxxError, Evaluator, Found, Surroundings, Ty, Value};
use crate::expr::{self, EngineContext, EvalContext as _, ExprSettings};
use crate::locals::StoppedThread;
use crate::values::layout::{LayoutOptions, LayoutRow};
use crate::values::{self, NameAt, Part, ValueLimits, Values};
use crate::{Engine, EngineMemory, Error, SymbolKind};

/// The value of a C++ expression, as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CxxValue {
    /// Its type.
    pub type_name: String,
    /// Its value in one line; of a record, where it is.
    pub text: String,
    /// The members of a record.
    pub rows: Vec<LayoutRow>,
}

impl Engine {
    /// The value of a C++ expression at the current frame, with its type. Without a target there
    /// are only numbers.
    ///
    /// **Errors**: what is wrong with the expression, and where.
    /// **Cost**: none for what is known at this stop; else one round trip for each object that is
    /// read. Loads debugging information until its names are found.
    pub fn evaluate_cxx(&self, text: &str, settings: &ExprSettings) -> Result<CxxValue, CxxError> {
        let name_at = |address: Address| self.symbol_at(address);
        let memory = self.memory();
        let around = Around { engine: self, settings, memory, name_at: &name_at };
        let evaluator = Evaluator { around: &around };
        let value = evaluator.evaluate(text)?;
        show(&evaluator, &value)
    }
}

fn show(evaluator: &Evaluator<'_>, value: &Value) -> Result<CxxValue, CxxError> {
    let (ty, object, address) = evaluator.object(value)?;
    let part = Part::new(&object, address);
    let around = evaluator.around;
    let mut shown = CxxValue { type_name: name_of(&ty), text: String::new(), rows: Vec::new() };
    match &ty {
        Ty::Void | Ty::Function => {}
        Ty::Integer(integer) => shown.text = integer.text(&object.bytes),
        Ty::Float(_) => shown.text = values::float_text(&object.bytes),
        Ty::Rows { .. } => {
            shown.text = address.map(|address| format!("0x{address}")).unwrap_or_default();
        }
        Ty::Pointer(target) => {
            let at = Address::new(values::number_of(&object.bytes));
            let known = match target.as_ref() {
                Ty::Known(image, ty) => image.debug_info().map(|info| (info, *ty)),
                _ => None,
            };
            shown.text = match known {
                Some((info, ty)) => {
                    let limits = ValueLimits::LINE;
                    let values = Values::new(info, around.memory(), around.name_at(), limits);
                    values.pointer(Some(ty), &object.bytes)
                }
                None => match (around.name_at())(at).filter(|symbol| !symbol.name.is_empty()) {
                    Some(symbol) => format!("0x{at} {symbol}"),
                    None => format!("0x{at}"),
                },
            };
        }
        Ty::Known(image, ty) => {
            let Some(info) = image.debug_info() else { return Ok(shown) };
            let values = Values::new(info, around.memory(), around.name_at(), ValueLimits::LINE);
            if values.is_record(*ty) && !values.is_shown_whole(*ty) {
                shown.text = address.map(|address| format!("0x{address}")).unwrap_or_default();
                shown.rows = values.layout(*ty, Some(part), &LayoutOptions::default());
            } else {
                values.refill();
                shown.text = values.value(Some(*ty), part, 0);
            }
        }
    }
    Ok(shown)
}

/// A type as C++ writes it.
fn name_of(ty: &Ty) -> String {
    match ty {
        Ty::Void | Ty::Function => "void".to_owned(),
        Ty::Integer(ty) => ty.name.to_owned(),
        Ty::Float(4) => "float".to_owned(),
        Ty::Float(_) => "double".to_owned(),
        Ty::Pointer(target) => {
            let target = name_of(target);
            let gap = if target.ends_with('*') { "" } else { " " };
            format!("{target}{gap}*")
        }
        Ty::Rows { element, counts } => {
            let counts = counts.iter().map(|count| format!("[{count}]")).collect::<String>();
            format!("{} {counts}", name_of(element))
        }
        Ty::Known(image, ty) => {
            image.debug_info().map(|info| info.type_name(Some(*ty))).unwrap_or_default()
        }
    }
}

struct Around<'a> {
    engine: &'a Engine,
    settings: &'a ExprSettings,
    memory: EngineMemory<'a>,
    name_at: &'a NameAt<'a>,
}

impl Around<'_> {
    /// Asks something of the current frame; `None` without a thread.
    fn in_thread<T>(
        &self,
        ask: impl FnOnce(&StoppedThread<'_>, usize) -> Result<Option<T>, Error>,
    ) -> Option<T> {
        let number = self.engine.current_frame();
        self.engine.with_thread(|thread| ask(thread, number)).ok().flatten()
    }
}

impl Surroundings for Around<'_> {
    fn local(&self, name: &str) -> Option<Found> {
        self.in_thread(|thread, number| thread.object_named(number, name))
    }

    fn outer(&self, name: &str) -> Option<Found> {
        self.in_thread(|thread, number| thread.outer_object_named(number, name))
    }

    fn type_named(&self, name: &str) -> Option<(Arc<Image>, TypeRef)> {
        let pc = self.in_thread(|thread, number| thread.pc_of(number));
        let process = self.engine.current_process().ok()?;
        self.engine.symbols_of(process).type_named(name, pc).ok().flatten()
    }

    fn function(&self, name: &str) -> Option<u64> {
        let found = self.engine.resolve(name).ok()?;
        let functions = [SymbolKind::Function, SymbolKind::IndirectFunction];
        let function = found.iter().find(|symbol| functions.contains(&symbol.kind))?;
        Some(function.address.value())
    }

    fn register(&self, name: &str) -> Option<u64> {
        EngineContext::new(self.engine, self.settings).register(name).ok()
    }

    fn masm(&self, text: &str) -> Option<u64> {
        expr::evaluate(text, &EngineContext::new(self.engine, self.settings)).ok()
    }

    fn memory(&self) -> &dyn ReadMemory {
        &self.memory
    }

    fn name_at(&self) -> &NameAt<'_> {
        self.name_at
    }
}
