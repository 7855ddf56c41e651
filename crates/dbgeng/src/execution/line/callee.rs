//! What is called: whether a step into it ends there, and where.

use dbgbase::{Address, Arch};
use dbgsym::SymbolKind;
use dbgsym::unwind::FrameAddressRule;

use super::code::calls_here;
use super::{Draft, Stepper};
use crate::Error;
use crate::step::guard::Guard;
use crate::step::line::Meaning;

/// What the linker's stubs are called.
const STUB_SUFFIX: &str = "@plt";

/// A function with lines.
pub(super) struct Callee {
    /// Behind the instructions that set up its frame.
    pub(super) body: Address,
    /// The inlined calls that begin there.
    pub(super) calls_ahead: usize,
    rule: Option<FrameAddressRule>,
}

impl Callee {
    /// Where a step into it ends, for a call that comes back to this address.
    pub(super) fn end(&self, arch: Arch, return_address: Address) -> Draft {
        Draft {
            address: self.body,
            meaning: Meaning::End { calls_ahead: self.calls_ahead },
            guard: Guard::returns_to(arch, self.rule, return_address),
        }
    }
}

impl Stepper<'_> {
    /// The function that begins at an address, if it has lines; that which a stub of the linker
    /// leads to, if it is one.
    pub(super) fn callee(&self, address: Address) -> Result<Option<Callee>, Error> {
        let address = self.behind_stub(address).unwrap_or(address);
        let Some(module) = self.symbols.process.modules.at(address) else { return Ok(None) };
        let link = address.to_link(module.bias);
        let Some(image) = self.symbols.debug_image_at(module, link)? else { return Ok(None) };
        let Some(info) = image.debug_info() else { return Ok(None) };
        let function = info.function_at(link).filter(|function| function.entry == link);
        let body = function.map(|function| info.body_of(&function));
        let Some(body) = body.filter(|body| info.line_at(*body).is_some()) else {
            return Ok(None);
        };
        let calls = calls_here(info, body);
        let ahead = calls.iter().rev().take_while(|call| call.begins);
        Ok(Some(Callee {
            body: body.to_address(module.bias),
            calls_ahead: ahead.count(),
            rule: image.frame_address_rule(body),
        }))
    }

    /// What the dynamic linker binds a stub to, if there is one at the address. What has no name
    /// here has no lines either, and a step does not fail because of symbols it might not need.
    fn behind_stub(&self, address: Address) -> Option<Address> {
        let module = self.symbols.process.modules.at(address)?;
        let image = self.symbols.image(module).ok().flatten()?;
        let here = image.symbols().at(address.to_link(module.bias));
        let stub = here.iter().find(|symbol| symbol.kind() == SymbolKind::PltEntry)?.raw_name();
        let name = stub.strip_suffix(STUB_SUFFIX).unwrap_or(&stub);
        self.symbols.in_search_order().find_map(|module| {
            let image = self.symbols.image(module).ok().flatten()?;
            let named = image.symbols().by_linker_name(name);
            let function = named.iter().find(|symbol| symbol.kind() == SymbolKind::Function)?;
            Some(function.address().to_address(module.bias))
        })
    }
}
