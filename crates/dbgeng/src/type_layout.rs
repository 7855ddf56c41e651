//! Types and variables by name over all modules of a process, and their members in rows. It knows
//! which module to ask; what a type is and how objects look is known elsewhere.

use std::collections::HashSet;
use std::sync::Arc;

use dbgbase::{Address, LinkAddress, LoadBias, ReadMemory};
use dbgsym::dwarf::{
    Caller, DebugInfo, FrameContext, ObjectBytes, RegisterValue, TypeKind, TypeRef, Variable,
    VariableKind,
};
use dbgsym::{Image, Pattern};

use crate::cxx::Found;
use crate::memory::gather::gathered;
use crate::symbols::ProcessSymbols;
use crate::values::fields::FieldPath;
use crate::values::layout::{LayoutOptions, LayoutRow};
use crate::values::{Part, ValueLimits, Values};
use crate::{Error, ErrorKind, Local, Module, ValuePlace};

/// A list with more elements than this is cut there.
const LIST_LEN_MAX: usize = 4096;
/// Blocks of a function are looked for at so many places.
const PLACES_MAX: usize = 4096;
/// Larger objects are shown as far as that.
const OBJECT_LEN_MAX: u64 = 64 * 1024;

/// A type, or an object of it, in rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeLayout {
    /// The module whose debugging information has it.
    pub module: String,
    /// The type's name as its language writes it; of a variable that of its type.
    pub name: String,
    /// What it is, if the name was that of a variable.
    pub variable: Option<VariableKind>,
    /// Where the object is, if it is in memory.
    pub address: Option<Address>,
    /// How many bytes its objects have, if that is known.
    pub size_bytes: Option<u64>,
    /// How many members it has of its own, or enumerators.
    pub member_count: usize,
    /// The names that its members have, those in bases and in members without a name as well.
    pub member_names: Vec<String>,
    /// Its members; the enumerators of an enumeration; none for other types. Of a variable that is
    /// a pointer or a reference, those of what it leads to.
    pub rows: Vec<LayoutRow>,
    /// The object's value in one line, if there is an object.
    pub value: Option<String>,
    /// Where the object that the rows show is, if they show one.
    pub target: Option<Address>,
    /// The name of its type.
    pub target_name: String,
    /// The type that the rows show.
    pub(crate) ty: Option<TypeRef>,
}

/// What is to be shown in rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayoutQuery {
    /// The name of a variable or a type, `name` or `module!name`, with the scopes around it. Behind
    /// that of a variable there may be members: `first.at`.
    pub name: String,
    /// Whether the name is that of a type, whatever variables there are.
    pub only_types: bool,
    /// Where there is an object of the type.
    pub address: Option<Address>,
    /// What is wanted of it.
    pub options: LayoutOptions,
    /// The member that points to the next element, if the object is the first of a list.
    pub link: Option<FieldPath>,
}

/// A variable's object as it was read.
pub(crate) struct VariableObject<'o> {
    pub(crate) variable: &'o Variable,
    pub(crate) object: Option<ObjectBytes>,
    pub(crate) address: Option<Address>,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) value: String,
}

impl VariableObject<'_> {
    /// Its members, or those of what it points to.
    pub(crate) fn layout(
        self,
        values: &Values<'_>,
        module: &str,
        options: &LayoutOptions,
    ) -> TypeLayout {
        let ty = self.variable.ty;
        let whole = self.object.as_ref().map(|object| Part::new(object, self.address));
        let target = pointed_type(values, ty).filter(|ty| values.is_record(*ty));
        let pointee = target.map(|target| whole.and_then(|whole| values.pointee(whole, target)));
        let (shown, part) = match &pointee {
            Some(found) => {
                let part = found.as_ref().map(|(object, at)| Part::new(object, Some(*at)));
                (target, part)
            }
            None => (ty, whole),
        };
        let rows = match (shown, part) {
            (Some(ty), Some(part)) => values.layout(ty, Some(part), options),
            _ => Vec::new(),
        };
        TypeLayout {
            module: module.to_owned(),
            name: values.info.type_name(ty),
            variable: Some(self.variable.kind),
            address: self.address,
            size_bytes: self.size_bytes,
            member_count: shown.map_or(0, |ty| values.member_count(ty)),
            member_names: values.member_names(shown),
            rows,
            value: Some(self.value),
            target: part.and_then(|part| part.address),
            target_name: values.info.type_name(shown),
            ty: shown,
        }
    }
}

/// What a pointer or a reference leads to.
fn pointed_type(values: &Values<'_>, ty: Option<TypeRef>) -> Option<TypeRef> {
    match values.plain(ty)?.kind {
        TypeKind::Pointer(target)
        | TypeKind::Reference(target)
        | TypeKind::RvalueReference(target) => target,
        _ => None,
    }
}

/// What a variable that needs no frame may ask.
struct Frameless<'a> {
    memory: &'a dyn ReadMemory,
    bias: LoadBias,
    thread_local: &'a dyn Fn(u64) -> Option<Address>,
}

impl FrameContext for Frameless<'_> {
    fn register(&self, _dwarf: u16) -> Option<RegisterValue> {
        None
    }

    fn cfa(&self) -> Option<Address> {
        None
    }

    fn memory(&self) -> &dyn ReadMemory {
        self.memory
    }

    fn bias(&self) -> LoadBias {
        self.bias
    }

    fn thread_local(&self, offset: u64) -> Option<Address> {
        (self.thread_local)(offset)
    }

    fn caller(&self) -> Option<Caller<'_>> {
        None
    }
}

impl ProcessSymbols<'_> {
    /// What code at `pc` calls `name`, or `module!name`: a variable that lives as long as the
    /// program or a thread, or else a type, and the object of it at an address. `None` if nothing
    /// is.
    pub(crate) fn named_layout(
        &self,
        query: &LayoutQuery,
        name: &str,
        pc: Option<Address>,
        thread_local: &dyn Fn(&Module, u64) -> Option<Address>,
        options: &LayoutOptions,
    ) -> Result<Option<TypeLayout>, Error> {
        let (meant, name) = self.split(name);
        for (module, pc) in self.nearest_first(meant, pc) {
            let is_meant = meant.is_some() || pc.is_some();
            let Some(image) = self.image_with_names(module, is_meant)? else { continue };
            let Some(info) = image.debug_info() else { continue };
            if !query.only_types && query.address.is_none() {
                let thread_local = |offset: u64| thread_local(module, offset);
                let variables = variables_near(info, name, pc);
                let found = self.variable(module, info, &variables, &thread_local, options)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
            if let Some(ty) = type_near(info, name, pc) {
                return self.layout(module, info, ty, query.address, options).map(Some);
            }
        }
        Ok(None)
    }

    fn variable(
        &self,
        module: &Module,
        info: &DebugInfo,
        variables: &[Variable],
        thread_local: &dyn Fn(u64) -> Option<Address>,
        options: &LayoutOptions,
    ) -> Result<Option<TypeLayout>, Error> {
        if variables.is_empty() {
            return Ok(None);
        }
        let name_at = |address: Address| self.at(address);
        gathered(&self.process.memory, self.client, |memory| {
            let frame = Frameless { memory, bias: module.bias, thread_local };
            let values = Values::new(info, memory, &name_at, ValueLimits::LINE);
            let mut best = None;
            for variable in variables {
                let found = object(&values, variable, &frame);
                // A declaration has no place.
                let is_better = found.object.is_some();
                if is_better || best.is_none() {
                    best = Some(found);
                }
                if is_better {
                    break;
                }
            }
            best.map(|best| best.layout(&values, &module.name, options))
        })
    }

    /// What code at `pc` sees of this name outside of functions, as an object: a variable that
    /// lives as long as the program or a thread, or a name of a number. What is nearest to the code
    /// comes first: what its file has for itself, then its module.
    pub(crate) fn object_named(
        &self,
        name: &str,
        pc: Option<Address>,
        thread_local: &dyn Fn(&Module, u64) -> Option<Address>,
    ) -> Result<Option<Found>, Error> {
        let (meant, name) = self.split(name);
        let name_at = |address: Address| self.at(address);
        for (module, pc) in self.nearest_first(meant, pc) {
            let is_meant = meant.is_some() || pc.is_some();
            let Some(image) = self.image_with_names(module, is_meant)? else { continue };
            let Some(info) = image.debug_info() else { continue };
            let variables = variables_near(info, name, pc);
            let thread_local = |offset: u64| thread_local(module, offset);
            let found = gathered(&self.process.memory, self.client, |memory| {
                let frame = Frameless { memory, bias: module.bias, thread_local: &thread_local };
                let values = Values::new(info, memory, &name_at, ValueLimits::LINE);
                let mut found = variables.iter().map(|variable| object(&values, variable, &frame));
                let found = found.find(|found| found.object.is_some())?;
                let bytes = found.object.filter(ObjectBytes::is_complete);
                let bytes = bytes.map(|object| object.bytes);
                Some((found.variable.ty, found.address, bytes))
            })?;
            if let Some((ty, address, bytes)) = found {
                return Ok(Some(Found { image, ty, address, bytes }));
            }
            if let Some((ty, number)) = pc.and_then(|pc| info.enumerator_named(name, pc)) {
                let bytes = Some(number.to_le_bytes().to_vec());
                return Ok(Some(Found { image, ty: Some(ty), address: None, bytes }));
            }
        }
        Ok(None)
    }

    /// The type that code at `pc` calls so, and the image that has it.
    pub(crate) fn type_named(
        &self,
        name: &str,
        pc: Option<Address>,
    ) -> Result<Option<(Arc<Image>, TypeRef)>, Error> {
        let (meant, name) = self.split(name);
        for (module, pc) in self.nearest_first(meant, pc) {
            let is_meant = meant.is_some() || pc.is_some();
            let Some(image) = self.image_with_names(module, is_meant)? else { continue };
            let Some(info) = image.debug_info() else { continue };
            if let Some(ty) = type_near(info, name, pc) {
                return Ok(Some((image, ty)));
            }
        }
        Ok(None)
    }

    /// The modules that may have a name, that of the code at `pc` first, with the code's place in
    /// it.
    fn nearest_first(
        &self,
        module: Option<&str>,
        pc: Option<Address>,
    ) -> Vec<(&Module, Option<LinkAddress>)> {
        let near = pc.and_then(|pc| self.process.modules.at(pc));
        let is_near = |other: &Module| near.is_some_and(|near| std::ptr::eq(near, other));
        let mut found: Vec<_> = self
            .candidates(module)
            .map(|one| (one, pc.filter(|_| is_near(one)).map(|pc| pc.to_link(one.bias))))
            .collect();
        found.sort_by_key(|(_, pc)| pc.is_none());
        found
    }

    /// A module's image in which a name is looked for. Debugging information of libraries is not
    /// fetched for a name that may be any module's: most likely none of them has it.
    fn image_with_names(
        &self,
        module: &Module,
        is_meant: bool,
    ) -> Result<Option<Arc<Image>>, Error> {
        if !is_meant {
            self.image(module)?;
            if !self.has_near_debug_info(module) {
                return Ok(None);
            }
        }
        self.indexed_image(module)
    }

    /// The parameters and locals of the function at an address, with those of calls that are
    /// inlined into it, whether or not a thread is there. Only those that need no frame have
    /// values.
    pub(crate) fn code_variables(
        &self,
        address: Address,
        thread_local: &dyn Fn(&Module, u64) -> Option<Address>,
    ) -> Result<Vec<Local>, Error> {
        let unknown = || {
            let message = format!("no debugging information is known for the code at {address}");
            Error::new(ErrorKind::NotFound, message)
        };
        let module = self.process.modules.at(address).ok_or_else(unknown)?;
        let pc = address.to_link(module.bias);
        let image = self.debug_image_at(module, pc)?;
        let info = image.as_deref().and_then(Image::debug_info).ok_or_else(unknown)?;
        let function = info.function_at(pc).ok_or_else(unknown)?;
        // Blocks begin where a line does.
        let rows = function.ranges.iter().flat_map(|range| info.line_rows(range.clone()));
        let mut places: Vec<LinkAddress> = rows.map(|row| row.address).collect();
        places.insert(0, function.entry);
        places.dedup();
        let mut variables: Vec<Variable> = Vec::new();
        for at in places.into_iter().take(PLACES_MAX) {
            for variable in info.variables_at(at) {
                let is_known = variables.iter().any(|known| known.entry() == variable.entry());
                if !is_known && !variable.name.is_empty() {
                    variables.push(variable);
                }
            }
        }
        let name_at = |address: Address| self.at(address);
        let thread_local = |offset: u64| thread_local(module, offset);
        let ask = || {
            gathered(&self.process.memory, self.client, |memory| {
                let frame = Frameless { memory, bias: module.bias, thread_local: &thread_local };
                let values = Values::new(info, memory, &name_at, ValueLimits::LINE);
                let local = |variable: &Variable| {
                    let found = object(&values, variable, &frame);
                    let is_known = found.object.is_some();
                    let value = if is_known { found.value } else { "<no frame>".to_owned() };
                    Local {
                        name: variable.name.clone(),
                        kind: variable.kind,
                        type_name: info.type_name(variable.ty),
                        size_bytes: found.size_bytes,
                        place: found.address.map_or(ValuePlace::Unknown, ValuePlace::Memory),
                        value,
                        bytes: found.object.map(|object| object.bytes),
                        is_shadowed: variable.is_shadowed,
                    }
                };
                variables.iter().map(local).collect()
            })
        };
        let found = ask()?;
        // Types whose definitions are elsewhere are found by their names.
        if self.index_if_lacking(address)? { ask() } else { Ok(found) }
    }

    /// The names of the types that a pattern matches, `module!name`, and their sizes.
    pub(crate) fn type_names(&self, pattern: &str) -> Result<Vec<(String, Option<u64>)>, Error> {
        let (modules, names) = pattern.split_once('!').unwrap_or(("*", pattern));
        let (modules, names) = (Pattern::new(modules), Pattern::new(names));
        let mut found = Vec::new();
        for module in self.candidates(None).filter(|module| modules.matches(&module.name)) {
            self.finder.check_cancelled()?;
            let Some(image) = self.indexed_image(module)? else { continue };
            let Some(info) = image.debug_info() else { continue };
            found.extend(info.types_matching(&names).into_iter().map(|ty| {
                let name = format!("{}!{}", module.name, info.type_name(Some(ty)));
                (name, info.type_of(ty).size_bytes)
            }));
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
        options: &LayoutOptions,
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
                variable: None,
                address,
                size_bytes,
                member_count: values.member_count(ty),
                member_names: values.member_names(Some(ty)),
                rows: values.layout(ty, part, options),
                value: part.map(|part| values.variable(Some(ty), part)),
                target: address,
                target_name: info.type_name(Some(ty)),
                ty: Some(ty),
            }
        })
    }

    /// The elements of a list that follow the one that `first` shows, by the member that points to
    /// the next one.
    pub(crate) fn list_layouts(
        &self,
        first: &TypeLayout,
        link: &FieldPath,
        options: &LayoutOptions,
    ) -> Result<Vec<TypeLayout>, Error> {
        let no_link = |why: &str| Error::new(ErrorKind::NotFound, why);
        let names =
            link.names().ok_or_else(|| no_link("the name of a list's member is a whole one"))?;
        let (Some(ty), Some(start)) = (first.ty, first.target) else {
            return Err(no_link("a list begins at an object; give its address"));
        };
        let module = self.process.modules.named(&first.module);
        let module = module.ok_or_else(|| no_link("the module of the list is gone"))?;
        let image = self.indexed_image(module)?;
        let info = image.as_deref().and_then(Image::debug_info);
        let info = info.ok_or_else(|| no_link("the module of the list has no types"))?;
        let name_at = |address: Address| self.at(address);
        let (mut found, mut seen) = (Vec::new(), HashSet::from([start]));
        let mut at = start;
        while found.len() < LIST_LEN_MAX {
            self.finder.check_cancelled()?;
            let next = gathered(&self.process.memory, self.client, |memory| {
                next_of(&Values::new(info, memory, &name_at, ValueLimits::LINE), ty, at, &names)
            })?;
            let next = next.map_err(no_link)?;
            if next == Address::ZERO || !seen.insert(next) {
                break;
            }
            found.push(self.layout(module, info, ty, Some(next), options)?);
            at = next;
        }
        Ok(found)
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

/// The variables of a module with this name, those of the file of the code at `pc` first.
fn variables_near(info: &DebugInfo, name: &str, pc: Option<LinkAddress>) -> Vec<Variable> {
    let mut variables = info.variables_named(name);
    if let Some(pc) = pc {
        variables.sort_by_key(|variable| !info.is_beside(variable.entry(), pc));
    }
    variables
}

/// The type with this name; of several the one of the file of the code at `pc`.
fn type_near(info: &DebugInfo, name: &str, pc: Option<LinkAddress>) -> Option<TypeRef> {
    let found = info.types_named(name);
    let is_beside = |ty: &&TypeRef| pc.is_some_and(|pc| info.is_beside(ty.entry(), pc));
    found.iter().find(is_beside).or(found.first()).copied()
}

/// A variable that needs no frame.
fn object<'o>(
    values: &Values<'_>,
    variable: &'o Variable,
    frame: &Frameless<'_>,
) -> VariableObject<'o> {
    let pc = LinkAddress::new(0);
    let size_bytes = values.info.size_in_frame(variable, pc, frame);
    let located = values.info.locate(variable, pc, frame);
    let address = located.as_ref().ok().and_then(|place| place.address());
    let size = size_bytes.unwrap_or(0).min(OBJECT_LEN_MAX);
    let object = located.and_then(|place| place.read(frame, size));
    let value = match &object {
        Ok(object) => values.variable(variable.ty, Part::new(object, address)),
        Err(error) => crate::locals::unavailable(*error),
    };
    VariableObject { variable, object: object.ok(), address, size_bytes, value }
}

/// Where the next element of a list is: what the member points to is the element, or, if it is a
/// part of one, the element around it.
fn next_of(
    values: &Values<'_>,
    ty: TypeRef,
    at: Address,
    names: &[&str],
) -> Result<Address, &'static str> {
    let strip = |ty: Option<TypeRef>| ty.and_then(|ty| values.info.strip_typedefs(ty));
    let mut inside = vec![(0, strip(Some(ty)))];
    let (mut offset, mut current) = (0, Some(ty));
    for name in names {
        let found =
            values.member(current, name, None).filter(|found| found.bit_field_bits.is_none());
        let found = found.ok_or("the type has no such member to follow")?;
        offset = u64::wrapping_add(offset, found.offset_bits / 8);
        current = found.ty;
        inside.push((offset, strip(current)));
    }
    let target = match values.plain(current).map(|found| found.kind) {
        Some(TypeKind::Pointer(target)) => strip(target),
        _ => return Err("the member to follow is no pointer"),
    };
    let size = values.size_of(current).unwrap_or(8);
    let pointer = values.read(at.wrapping_offset(offset as i64), size);
    let pointer = pointer.ok_or("the list leads to memory that cannot be read")?;
    let next = crate::values::number_of(&pointer.bytes);
    if next == 0 {
        return Ok(Address::ZERO);
    }
    let around = inside.iter().find(|(_, ty)| *ty == target && ty.is_some());
    let offset = around.map_or(0, |(offset, _)| *offset);
    Ok(Address::new(next).wrapping_offset((offset as i64).wrapping_neg()))
}
