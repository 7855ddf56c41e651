//! Which line of source an address belongs to, over all modules of a process. It opens no source
//! file, and knows what the compiler wrote down, not where the files are now.

use std::fmt;
use std::sync::Arc;

use dbgbase::Address;

use dbgsym::dwarf::InlinedCall;

use crate::SymbolAt;
use crate::symbols::ProcessSymbols;

/// A line of source that an instruction belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceLine {
    /// The full path of the file where the compiler saw it.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1; 0 if unknown.
    pub column: u32,
}

/// `/src/main.c @ 12`, as the debuggers of Windows write it.
impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} @ {}", self.file, self.line)
    }
}

/// A call that was replaced by the instructions of the function called.
pub(crate) struct InlinedAt {
    /// The function called, with the displacement from the call's first instruction.
    pub(crate) symbol: SymbolAt,
    /// Where the call is in the source.
    pub(crate) call_site: Option<SourceLine>,
}

impl ProcessSymbols<'_> {
    /// The line of an address. Who asks for it can do without: what keeps symbols from being loaded
    /// is not told here.
    pub(crate) fn line_at(&self, address: Address) -> Option<SourceLine> {
        let module = self.process.modules.at(address)?;
        let image = self.debug_image(module).ok().flatten()?;
        let at = image.debug_info()?.line_at(address.to_link(module.bias))?;
        Some(SourceLine { file: at.file, line: at.line, column: at.column })
    }

    /// The calls that were inlined where `address` is, the innermost first.
    pub(crate) fn inlined_at(&self, address: Address) -> Vec<InlinedAt> {
        let module = self.process.modules.at(address);
        let image = module.and_then(|module| Some((module, self.debug_image(module).ok()??)));
        let Some((module, image)) = image else { return Vec::new() };
        let Some(debug_info) = image.debug_info() else { return Vec::new() };
        let calls = debug_info.inlined_at(address.to_link(module.bias)).into_iter().rev();
        let inlined = |call: InlinedCall| {
            let entry = call.entry.to_address(module.bias);
            // A call may have instructions in front of its first one.
            let displacement = address.offset_from(entry).unwrap_or(0);
            let symbol = SymbolAt {
                module: module.name.clone(),
                name: call.name,
                displacement,
                exact: displacement == 0,
                address: entry,
            };
            let call_site = call.call_site.map(|place| SourceLine {
                file: place.file,
                line: place.line,
                column: place.column,
            });
            InlinedAt { symbol, call_site }
        };
        calls.map(inlined).collect()
    }
}
