//! Names that only debugging information has: functions that have no instructions of their own but
//! were inlined, variables of functions and of files, what a stripped program was. Symbol tables
//! are asked before; here nothing is looked for in them.

use std::cell::Cell;

use dbgbase::{Address, LinkAddress, LoadBias, ReadMemory, Unreadable};
use dbgsym::Pattern;
use dbgsym::dwarf::{
    Caller, DebugInfo, FrameContext, Function, InlinedCall, RegisterValue, Variable,
};

use super::{ProcessSymbols, SymbolKind, SymbolMatch};
use crate::{Error, Module};

impl ProcessSymbols<'_> {
    /// As [`ProcessSymbols::in_debug_info`], for a name that may be any module's: debugging
    /// information of libraries is not fetched for it, because most likely none of them has it.
    pub(super) fn in_near_debug_info(
        &self,
        module: &Module,
        name: &str,
    ) -> Result<Vec<SymbolMatch>, Error> {
        match self.has_near_debug_info(module) {
            true => self.in_debug_info(module, name),
            false => Ok(Vec::new()),
        }
    }

    /// Whether debugging information of a module is asked for names that may be any module's.
    pub(crate) fn has_near_debug_info(&self, module: &Module) -> bool {
        let symbols = module.symbols.borrow();
        let has_some = symbols.as_ref().is_some_and(|symbols| symbols.files.has_debug_info);
        module.is_program || has_some
    }

    /// What a module's debugging information has by this name: functions, or else the places where
    /// they were inlined; and variables with an address.
    ///
    /// **Errors**, **Cost**: as [`ProcessSymbols::indexed_image`].
    pub(super) fn in_debug_info(
        &self,
        module: &Module,
        name: &str,
    ) -> Result<Vec<SymbolMatch>, Error> {
        let Some(image) = self.indexed_image(module)? else { return Ok(Vec::new()) };
        let Some(info) = image.debug_info() else { return Ok(Vec::new()) };
        let functions = info.functions_named(name);
        let mut found: Vec<_> = functions.iter().map(|one| function_match(module, one)).collect();
        if found.is_empty() {
            let calls = info.inlined_calls_named(name);
            found.extend(calls.iter().map(|call| inlined_match(module, call)));
        }
        let variables = info.variables_named(name);
        found.extend(variables.iter().filter_map(|one| variable_match(module, info, one)));
        found.sort_by_key(|found| (found.kind != SymbolKind::Function, found.address));
        found.dedup_by_key(|found| found.address);
        Ok(found)
    }

    /// What a module's debugging information has by names that match, beside what its symbol table
    /// has: variables, and functions if the table lists only what the dynamic linker needs.
    ///
    /// **Errors**, **Cost**: as [`ProcessSymbols::indexed_image`].
    pub(super) fn matching_in_debug_info(
        &self,
        module: &Module,
        pattern: &Pattern,
    ) -> Result<Vec<SymbolMatch>, Error> {
        let Some(image) = self.indexed_image(module)? else { return Ok(Vec::new()) };
        let Some(info) = image.debug_info() else { return Ok(Vec::new()) };
        let variables = info.variables_matching(pattern);
        let variables = variables.iter().filter_map(|one| variable_match(module, info, one));
        let mut found: Vec<_> = variables.collect();
        if !image.has_full_symbols() {
            let functions = info.functions_matching(pattern);
            found.extend(functions.iter().map(|one| function_match(module, one)));
        }
        Ok(found)
    }
}

/// A variable that has an address as long as the module is loaded, or an offset in the module's
/// block of each thread.
pub(super) fn variable_match(
    module: &Module,
    info: &DebugInfo,
    variable: &Variable,
) -> Option<SymbolMatch> {
    let frame = NoFrame { bias: module.bias, offset: Cell::new(None) };
    let nowhere = LinkAddress::new(0);
    let place = info.locate(variable, nowhere, &frame);
    let (address, kind) = match (place, frame.offset.get()) {
        (_, Some(offset)) => (Address::new(offset), SymbolKind::ThreadLocal),
        (Ok(place), None) => (place.address()?, SymbolKind::Data),
        (Err(_), None) => return None,
    };
    Some(SymbolMatch {
        module: module.name.clone(),
        name: variable.name.clone(),
        address,
        size: info.size_in_frame(variable, nowhere, &frame).unwrap_or(0),
        kind,
    })
}

fn function_match(module: &Module, function: &Function) -> SymbolMatch {
    let around = function.ranges.iter().find(|range| range.contains(&function.entry));
    SymbolMatch {
        module: module.name.clone(),
        name: function.name.clone(),
        address: function.entry.to_address(module.bias),
        size: around.and_then(|range| range.end.offset_from(function.entry)).unwrap_or(0),
        kind: SymbolKind::Function,
    }
}

fn inlined_match(module: &Module, call: &InlinedCall) -> SymbolMatch {
    let around = call.ranges.iter().find(|range| range.contains(&call.entry));
    SymbolMatch {
        module: module.name.clone(),
        name: call.name.clone(),
        address: call.entry.to_address(module.bias),
        size: around.and_then(|range| range.end.offset_from(call.entry)).unwrap_or(0),
        kind: SymbolKind::Inlined,
    }
}

/// What variables are located in that need no frame.
struct NoFrame {
    bias: LoadBias,
    /// Where a thread-local variable is in its block.
    offset: Cell<Option<u64>>,
}

impl FrameContext for NoFrame {
    fn register(&self, _: u16) -> Option<RegisterValue> {
        None
    }

    fn cfa(&self) -> Option<Address> {
        None
    }

    fn memory(&self) -> &dyn ReadMemory {
        &NoMemory
    }

    fn bias(&self) -> LoadBias {
        self.bias
    }

    fn thread_local(&self, offset: u64) -> Option<Address> {
        self.offset.set(Some(offset));
        None
    }

    fn caller(&self) -> Option<Caller<'_>> {
        None
    }
}

/// Where a variable is that has an address does not depend on memory.
struct NoMemory;

impl ReadMemory for NoMemory {
    fn read(&self, address: Address, _: &mut [u8]) -> Result<usize, Unreadable> {
        Err(Unreadable { address })
    }
}
