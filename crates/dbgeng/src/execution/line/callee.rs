//! What is called: whether a step into it ends there, and where.

use dbgbase::{Address, Arch, LinkAddress, LoadBias};
use dbgsym::disasm::{Instruction, InstructionKind};
use dbgsym::unwind::FrameAddressRule;
use dbgsym::{Image, Symbol, SymbolBinding, SymbolKind};

use super::code::{calls_here, instruction_in};
use super::{Draft, Stepper};
use crate::Error;
use crate::step::guard::Guard;
use crate::step::line::Meaning;

/// What the linker's stubs are called.
const STUB_SUFFIX: &str = "@plt";
/// Stubs and thunks on the way to a function.
const DETOURS_MAX: usize = 3;
/// The instructions of the longest of them.
const DETOUR_LEN_MAX: usize = 8;

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
    /// The function that begins at an address, if it has lines; that to which it leads, if it is a
    /// stub of the linker or a thunk.
    pub(super) fn callee(&self, address: Address) -> Result<Option<Callee>, Error> {
        let mut address = address;
        for _ in 0..=DETOURS_MAX {
            let Some(module) = self.symbols.process.modules.at(address) else { return Ok(None) };
            let link = address.to_link(module.bias);
            let Some(image) = self.symbols.debug_image_at(module, link)? else { return Ok(None) };
            if let Some(callee) = callee_in(&image, module.bias, link) {
                return Ok(Some(callee));
            }
            let names = image.symbols().at(link);
            let stub = names.iter().find(|symbol| symbol.kind() == SymbolKind::PltEntry);
            let next = match stub {
                Some(stub) => self.behind_stub(&stub.raw_name(), &image, address)?,
                None if names.iter().any(is_thunk) => {
                    jump(&image, module.bias, address).and_then(|jump| jump.target())
                }
                None => None,
            };
            let Some(next) = next else { return Ok(None) };
            address = next;
        }
        Ok(None)
    }

    /// Where a stub of the linker leads: to the first function with its name that other modules can
    /// see. Where that is none, or one that has chosen the real one, the stub's slot tells, once
    /// the dynamic linker has filled it.
    fn behind_stub(
        &self,
        name: &str,
        image: &Image,
        address: Address,
    ) -> Result<Option<Address>, Error> {
        let name = name.strip_suffix(STUB_SUFFIX).unwrap_or(name);
        for module in self.symbols.in_search_order() {
            // A step does not fail because of symbols that it might not need.
            let Ok(Some(image)) = self.symbols.image(module) else { continue };
            let found = image.symbols().by_linker_name(name);
            let is_seen = |symbol: &Symbol<'_>| {
                let is_stub = symbol.kind() == SymbolKind::PltEntry;
                symbol.is_code() && !is_stub && symbol.binding() != SymbolBinding::Local
            };
            let Some(function) = found.into_iter().find(is_seen) else { continue };
            if function.kind() == SymbolKind::Function {
                return Ok(Some(function.address().to_address(module.bias)));
            }
            break;
        }
        let Some(module) = self.symbols.process.modules.at(address) else { return Ok(None) };
        let slot = jump(image, module.bias, address).and_then(|jump| jump.data_address());
        let Some(slot) = slot else { return Ok(None) };
        let mut bytes = [0; 8];
        let len = self.symbols.process.memory.read(self.symbols.client, slot, &mut bytes)?;
        Ok((len == bytes.len()).then(|| Address::new(u64::from_le_bytes(bytes))))
    }
}

/// The function with lines that begins at an address.
fn callee_in(image: &Image, bias: LoadBias, link: LinkAddress) -> Option<Callee> {
    let info = image.debug_info()?;
    let function = info.function_at(link).filter(|function| function.entry == link)?;
    let body = info.body_of(&function);
    info.line_at(body)?;
    let calls = calls_here(info, body);
    Some(Callee {
        body: body.to_address(bias),
        calls_ahead: calls.iter().rev().take_while(|call| call.begins).count(),
        rule: image.frame_address_rule(body),
    })
}

/// Whether a symbol names code that corrects a pointer to an object and jumps to the function that
/// overrides another (Itanium C++ ABI, 5.1.4.1).
fn is_thunk(symbol: &Symbol<'_>) -> bool {
    let name = symbol.raw_name();
    ["_ZTh", "_ZTv", "_ZTc"].iter().any(|prefix| name.starts_with(prefix))
}

/// The jump that a stub or a thunk ends with.
fn jump(image: &Image, bias: LoadBias, address: Address) -> Option<Instruction> {
    let mut at = address;
    for _ in 0..DETOUR_LEN_MAX {
        let instruction = instruction_in(image, bias, at)?;
        if instruction.kind() != InstructionKind::Other {
            return (instruction.kind() == InstructionKind::Jump).then_some(instruction);
        }
        at = instruction.fallthrough();
    }
    None
}
