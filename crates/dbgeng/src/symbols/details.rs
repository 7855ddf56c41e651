//! What debugging information tells of symbols that were found: parameters of functions, types and
//! values of data. It brings names, types and memory together; how values are written is known
//! elsewhere.

use std::collections::HashMap;
use std::sync::Arc;

use dbgbase::{Address, LinkAddress};
use dbgsym::Image;
use dbgsym::dwarf::{DebugInfo, SourceLanguage, TypeKind, TypeRef, VariableKind};

use super::debug_names::variable_match;
use super::{ProcessSymbols, SymbolKind, SymbolMatch};
use crate::memory::gather::gathered;
use crate::values::{Part, ValueLimits, Values};
use crate::{Error, Module};

/// How many symbols are looked at between two looks at what the user wants.
const CANCELLED_EVERY: usize = 256;
/// Larger objects are shown as far as that.
const OBJECT_LEN_MAX: u64 = 4096;

/// What is known of a symbol beside its name and place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolDetails {
    /// Its address; for data of each thread the current thread's. `None` if that is not known.
    pub address: Option<Address>,
    /// How many bytes it spans; 0 if unknown.
    pub size: u64,
    /// The types of a function's parameters, in parentheses. `None` if they are not known.
    pub parameters: Option<String>,
    /// The type of data. `None` if it is not known.
    pub type_name: Option<String>,
    /// The value of data. `None` if its type is not known.
    pub value: Option<String>,
}

/// Data of which the type is known.
struct Datum {
    index: usize,
    image: Arc<Image>,
    ty: Option<TypeRef>,
}

impl ProcessSymbols<'_> {
    /// What is known of each of these symbols. Their modules' names are indexed if they can be.
    /// `thread_local` finds data of a thread, at an offset in its block for an image.
    ///
    /// **Errors**: `Cancelled`; those of the connection.
    pub(crate) fn details(
        &self,
        symbols: &[SymbolMatch],
        limits: ValueLimits,
        thread_local: &dyn Fn(&Module, &Image, u64) -> Option<Address>,
    ) -> Result<Vec<SymbolDetails>, Error> {
        let mut images: HashMap<&str, Option<(&Module, Arc<Image>)>> = HashMap::new();
        let (mut all, mut data) = (Vec::with_capacity(symbols.len()), Vec::new());
        for (index, symbol) in symbols.iter().enumerate() {
            if index % CANCELLED_EVERY == 0 {
                self.finder.check_cancelled()?;
            }
            let image = match images.get(symbol.module.as_str()) {
                Some(known) => known.clone(),
                None => {
                    let module = self.process.modules.named(&symbol.module);
                    let image = module.map(|module| self.indexed_image(module)).transpose()?;
                    let found = module.zip(image.flatten());
                    images.insert(&symbol.module, found.clone());
                    found
                }
            };
            let mut details = SymbolDetails {
                address: Some(symbol.address),
                size: symbol.size,
                parameters: None,
                type_name: None,
                value: None,
            };
            if let Some((module, image)) = image {
                if symbol.kind == SymbolKind::ThreadLocal {
                    details.address = thread_local(module, &image, symbol.address.value());
                }
                if let Some(info) = image.debug_info() {
                    match symbol.kind {
                        SymbolKind::Data | SymbolKind::ThreadLocal => {
                            if let Some(ty) = type_of(info, module, symbol, &mut details) {
                                data.push(Datum { index, image, ty });
                            }
                        }
                        _ => {
                            let entry = symbol.address.to_link(module.bias);
                            details.parameters = parameters(info, entry);
                        }
                    }
                }
            }
            all.push(details);
        }
        self.read_values(&mut all, &data, limits)?;
        Ok(all)
    }

    fn read_values(
        &self,
        all: &mut [SymbolDetails],
        data: &[Datum],
        limits: ValueLimits,
    ) -> Result<(), Error> {
        let name_at = |address: Address| self.at(address);
        let places: Vec<_> = data
            .iter()
            .map(|one| all.get(one.index).and_then(|known| Some((known.address?, known.size))))
            .collect();
        let values = gathered(&self.process.memory, self.client, |memory| {
            let value = |(datum, place): (&Datum, &Option<(Address, u64)>)| {
                let (address, size) = (*place)?;
                let values = Values::new(datum.image.debug_info()?, memory, &name_at, limits);
                let object = values.read_head(address, size.min(OBJECT_LEN_MAX));
                Some(values.variable(datum.ty, Part::new(&object, Some(address))))
            };
            data.iter().zip(&places).map(value).collect::<Vec<_>>()
        })?;
        for (datum, value) in data.iter().zip(values) {
            if let Some(details) = all.get_mut(datum.index) {
                details.value = value;
            }
        }
        Ok(())
    }
}

/// The type of data, if there is debugging information for it; name and size are filled in.
fn type_of(
    info: &DebugInfo,
    module: &Module,
    symbol: &SymbolMatch,
    details: &mut SymbolDetails,
) -> Option<Option<TypeRef>> {
    let variables = info.variables_named(&symbol.name).into_iter();
    let mut found = variables.filter_map(|one| {
        let found = variable_match(module, info, &one)?;
        (found.address == symbol.address).then_some((one, found.size))
    });
    let (variable, size) = found.next()?;
    details.type_name = Some(info.type_name(variable.ty));
    if size > 0 {
        details.size = size;
    }
    Some(variable.ty)
}

/// The types of the parameters of the function that is entered at `entry`.
fn parameters(info: &DebugInfo, entry: LinkAddress) -> Option<String> {
    let function = info.function_at(entry).filter(|function| function.entry == entry)?;
    let variables = info.variables_at(entry).into_iter();
    let parameters = variables
        .filter(|one| one.call == 0 && one.kind == VariableKind::Parameter && !one.is_artificial);
    let mut types: Vec<_> = parameters.map(|one| info.type_name(one.ty)).collect();
    let is_variadic = |kind: &TypeKind| match kind {
        TypeKind::Function(function) => function.is_variadic,
        _ => false,
    };
    if is_variadic(&info.type_of(function.ty()).kind) {
        types.push("...".to_owned());
    }
    // Nobody writes down what those in assembly take.
    if types.is_empty() && function.language == SourceLanguage::Assembly {
        return None;
    }
    let is_c = matches!(function.language, SourceLanguage::C | SourceLanguage::CPlusPlus);
    Some(match types.is_empty() && is_c {
        true => "(void)".to_owned(),
        false => format!("({})", types.join(", ")),
    })
}
