//! Types by name over all modules of a process, and objects of them at addresses. It knows which
//! module to ask; what a type is and how objects look is known elsewhere.

use dbgbase::Address;
use dbgsym::Pattern;
use dbgsym::dwarf::{DebugInfo, TypeRef};

use crate::memory::gather::gathered;
use crate::symbols::ProcessSymbols;
use crate::values::layout::LayoutRow;
use crate::values::{Part, ValueLimits, Values};
use crate::{Error, ErrorKind, Module};

/// A type, or an object of it, in rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeLayout {
    /// The module whose debugging information has it.
    pub module: String,
    /// Its name as its language writes it.
    pub name: String,
    /// Where the object is, if it is in memory.
    pub address: Option<Address>,
    /// How many bytes its objects have, if that is known.
    pub size_bytes: Option<u64>,
    /// Its members; the enumerators of an enumeration; none for other types.
    pub rows: Vec<LayoutRow>,
    /// The object's value in one line, if an address was given.
    pub value: Option<String>,
}

impl ProcessSymbols<'_> {
    /// The type called `name`, or `module!name`, and the object of it at an address.
    pub(crate) fn type_layout(
        &self,
        name: &str,
        address: Option<Address>,
        depth_max: usize,
    ) -> Result<TypeLayout, Error> {
        let (module, name) = self.split(name);
        for module in self.candidates(module) {
            let Some(image) = self.indexed_image(module)? else { continue };
            let Some(info) = image.debug_info() else { continue };
            if let Some(ty) = info.types_named(name).into_iter().next() {
                return self.layout(module, info, ty, address, depth_max);
            }
        }
        let message = format!("no type is called {name}");
        Err(Error::new(ErrorKind::UnknownSymbol, message))
    }

    /// The names of the types that a pattern matches, `module!name`.
    pub(crate) fn type_names(&self, pattern: &str) -> Result<Vec<String>, Error> {
        let (modules, names) = pattern.split_once('!').unwrap_or(("*", pattern));
        let (modules, names) = (Pattern::new(modules), Pattern::new(names));
        let mut found = Vec::new();
        for module in self.candidates(None).filter(|module| modules.matches(&module.name)) {
            self.finder.check_cancelled()?;
            let Some(image) = self.indexed_image(module)? else { continue };
            let Some(info) = image.debug_info() else { continue };
            let named = info.types_matching(&names).into_iter();
            found.extend(named.map(|ty| format!("{}!{}", module.name, info.type_name(Some(ty)))));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    fn layout(
        &self,
        module: &Module,
        info: &DebugInfo,
        ty: TypeRef,
        address: Option<Address>,
        depth_max: usize,
    ) -> Result<TypeLayout, Error> {
        let name_at = |address: Address| self.at(address);
        gathered(&self.process.memory, self.client, |memory| {
            let values = Values::new(info, memory, &name_at, ValueLimits::LINE);
            let size_bytes = values.size_of(Some(ty));
            let object = address.map(|address| values.read_head(address, size_bytes.unwrap_or(0)));
            let part = object.as_ref().map(|object| Part::new(object, address));
            TypeLayout {
                module: module.name.clone(),
                name: info.type_name(Some(ty)),
                address,
                size_bytes,
                rows: values.layout(ty, part, depth_max),
                value: part.map(|part| values.variable(Some(ty), part)),
            }
        })
    }

    fn candidates(&self, module: Option<&str>) -> impl Iterator<Item = &Module> {
        let modules = &self.process.modules;
        let others = modules.list().iter().filter(|other| !other.is_program);
        let all = modules.program().into_iter().chain(others);
        all.filter(move |other| module.is_none_or(|name| other.name == name))
    }

    /// The module and the rest of `module!name`.
    fn split<'n>(&self, name: &'n str) -> (Option<&'n str>, &'n str) {
        match name.split_once('!') {
            Some((module, rest)) if self.process.modules.named(module).is_some() => {
                (Some(module), rest)
            }
            _ => (None, name),
        }
    }
}
