//! Which line of source an address belongs to, over all modules of a process. It opens no source
//! file, and knows what the compiler wrote down, not where the files are now.

use std::fmt;
use std::sync::Arc;

use dbgbase::Address;
use dbgsym::dwarf::{InlinedCall, SourcePattern};

use crate::symbols::ProcessSymbols;
use crate::{Error, ErrorKind, SymbolAt, SymbolKind, SymbolMatch};

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
        let link = address.to_link(module.bias);
        let image = self.debug_image_at(module, link).ok().flatten()?;
        let at = image.debug_info()?.line_at(link)?;
        Some(SourceLine { file: at.file, line: at.line, column: at.column })
    }

    /// The calls that were inlined where `address` is, the innermost first.
    pub(crate) fn inlined_at(&self, address: Address) -> Vec<InlinedAt> {
        let module = self.process.modules.at(address);
        let image = module.and_then(|module| {
            let link = address.to_link(module.bias);
            Some((module, self.debug_image_at(module, link).ok()??))
        });
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

    /// The places of a line of source where a breakpoint at it belongs: one in each function and
    /// inlined copy. `name` is `file:line` or `module!file:line`, the file the last parts of its
    /// path, the line decimal or with `0x`; without one it is the first.
    ///
    /// **Shape**: of the first module that has such a line, or the next one with code behind it.
    /// **Errors**: `UnknownSymbol`; `Cancelled` and those of the connection, if symbols have to be
    /// fetched.
    pub(crate) fn resolve_line(&self, name: &str) -> Result<Vec<SymbolMatch>, Error> {
        let unknown = || {
            let message = format!("no code is known for the line {name}");
            Error::new(ErrorKind::UnknownSymbol, message)
        };
        let (module, place) = match self.qualified(name) {
            Some((module, place)) => (Some(module), place),
            None => (None, name),
        };
        let (file, line) = file_and_line(place).ok_or_else(unknown)?;
        let pattern = SourcePattern::new(file);
        let all = module.is_none().then(|| self.in_search_order());
        for module in module.into_iter().chain(all.into_iter().flatten()) {
            let Some(image) = self.debug_image(module)? else { continue };
            let Some(debug_info) = image.debug_info() else { continue };
            let places = debug_info.places_of(&pattern, line);
            let found = places.into_iter().map(|place| SymbolMatch {
                module: module.name.clone(),
                name: format!("{}:{}", place.file, place.line),
                address: place.address.to_address(module.bias),
                size: 0,
                kind: SymbolKind::Other,
            });
            let found: Vec<_> = found.collect();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(unknown())
    }
}

/// The file and line that a name in graves asks for: `` `file:line` `` or `` `module!file:line` ``.
pub(crate) fn line_asked(name: &str) -> Option<(SourcePattern, u32)> {
    let place = name.strip_prefix('`')?.strip_suffix('`')?;
    let place = place.split_once('!').map_or(place, |(_, place)| place);
    let (file, line) = file_and_line(place)?;
    Some((SourcePattern::new(file), line))
}

/// `file:line`, or `file` for its first line.
fn file_and_line(text: &str) -> Option<(&str, u32)> {
    let (file, line) = text.rsplit_once(':').unwrap_or((text, "1"));
    let line = match line.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => line.parse(),
    };
    Some((file, line.ok()?)).filter(|(file, _)| !file.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_decimal_and_the_first_by_default() {
        let cases = [
            ("main.c:12", Some(("main.c", 12))),
            ("src/main.c:0x10", Some(("src/main.c", 16))),
            ("main.c", Some(("main.c", 1))),
            ("a:b.c:3", Some(("a:b.c", 3))),
            (":3", None),
            ("main.c:", None),
            ("main.c:x", None),
            ("main.c:99999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(file_and_line(text), expected, "{text}");
        }
    }
}
