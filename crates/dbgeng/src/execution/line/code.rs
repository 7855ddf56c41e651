//! The code of one function as steps by line see it: its instructions, where statements begin and
//! which inlined calls are around them. It decides nothing about a step.

use std::ops::Range;
use std::sync::Arc;

use dbgbase::{Address, LinkAddress, LoadBias};
use dbgsym::Image;
use dbgsym::disasm::{INSTRUCTION_LEN_MAX_BYTES, Instruction, InstructionKind, decode};
use dbgsym::dwarf::{DebugInfo, InlinedCall, LineRow, SourcePattern};
use dbgsym::unwind::{FrameAddressRule, LandingPad};

use crate::Error;
use crate::disassembly::instruction_at;
use crate::step::flow::Code;
use crate::step::line::{CallHere, Line, LineGoal, Scope, arrival};
use crate::symbols::ProcessSymbols;

/// The code of a function.
pub(super) struct FunctionCode<'a> {
    symbols: ProcessSymbols<'a>,
    image: Arc<Image>,
    bias: LoadBias,
    ranges: Vec<Range<LinkAddress>>,
}

/// The same as a walk of a step sees it.
pub(super) struct Walked<'c> {
    code: &'c FunctionCode<'c>,
    goal: LineGoal,
    scope: &'c Scope,
}

impl<'a> FunctionCode<'a> {
    /// The function around an address. `None` if it has no lines.
    ///
    /// **Errors**: `Cancelled`, and those of the connection, if symbols have to be fetched.
    pub(super) fn around(
        symbols: ProcessSymbols<'a>,
        address: Address,
    ) -> Result<Option<FunctionCode<'a>>, Error> {
        let Some(module) = symbols.process.modules.at(address) else { return Ok(None) };
        let (bias, link) = (module.bias, address.to_link(module.bias));
        let Some(image) = symbols.debug_image_at(module, link)? else { return Ok(None) };
        let Some(info) = image.debug_info() else { return Ok(None) };
        let Some(line) = info.line_at(link) else { return Ok(None) };
        let ranges = match info.function_at(link) {
            Some(function) => function.ranges,
            // Written in assembly: the linker knows it.
            None => vec![symbol_range(&image, link).unwrap_or(line.range)],
        };
        Ok(Some(FunctionCode { symbols, image, bias, ranges }))
    }

    fn info(&self) -> Option<&DebugInfo> {
        self.image.debug_info()
    }

    pub(super) fn address(&self, link: LinkAddress) -> Address {
        link.to_address(self.bias)
    }

    /// Whether an address is among link addresses.
    pub(super) fn is_among(&self, address: Address, links: &Range<LinkAddress>) -> bool {
        links.contains(&address.to_link(self.bias))
    }

    /// What a step of the line at `pc` is about, if so many of the innermost inlined calls there
    /// have not been entered.
    pub(super) fn scope(&self, pc: Address, calls_ahead: usize) -> Scope {
        let link = pc.to_link(self.bias);
        let Some(info) = self.info() else { return Scope::default() };
        let mut calls = info.inlined_at(link);
        let ahead = calls.split_off(calls.len().saturating_sub(calls_ahead));
        let line = match ahead.first() {
            Some(call) => call_site(call),
            None => info.line_at(link).map(|at| (at.file, at.line)),
        };
        Scope { calls: calls.into_iter().map(|call| call.id).collect(), line }
    }

    pub(super) fn frame_address_rule(&self, at: Address) -> Option<FrameAddressRule> {
        self.image.frame_address_rule(at.to_link(self.bias))
    }

    /// Where exceptions may take the function.
    pub(super) fn landing_pads(&self) -> Vec<LandingPad> {
        let parts = self.ranges.iter().flat_map(|range| self.image.landing_pads(range.start));
        parts.collect()
    }

    /// The code as a step with this goal walks through it.
    pub(super) fn walked<'c>(&'c self, goal: LineGoal, scope: &'c Scope) -> Walked<'c> {
        Walked { code: self, goal, scope }
    }

    /// Whether an address belongs to the function.
    pub(super) fn is_inside(&self, at: Address) -> bool {
        self.ranges.iter().any(|range| self.is_among(at, range))
    }
}

impl Walked<'_> {
    /// Whether an instruction belongs to the line that is stepped, statement or not; for who steps
    /// over calls also if it is in one that is inlined there.
    pub(super) fn is_of_line(&self, at: Address) -> bool {
        let link = at.to_link(self.code.bias);
        let Some(info) = self.code.info() else { return false };
        let calls = info.inlined_at(link);
        let outer = calls.iter().map(|call| &call.id).zip(&self.scope.calls);
        if outer.filter(|(call, id)| call == id).count() < self.scope.calls.len() {
            return false;
        }
        let line = match calls.get(self.scope.calls.len()) {
            Some(_) if self.goal == LineGoal::Into => return false,
            Some(call) => call_site(call),
            None => info.line_at(link).map(|at| (at.file, at.line)),
        };
        line == self.scope.line
    }
}

impl Code for Walked<'_> {
    /// The image has the program's own bytes, without a round trip.
    fn instruction(&self, at: Address) -> Option<Instruction> {
        let FunctionCode { symbols, image, bias, .. } = self.code;
        instruction_in(image, *bias, at)
            .or_else(|| instruction_at(*symbols, image.arch(), at, 64).ok())
    }

    fn is_inside(&self, at: Address) -> bool {
        self.code.is_inside(at)
    }

    fn end_at(&self, at: Address) -> Option<usize> {
        let link = at.to_link(self.code.bias);
        let info = self.code.info()?;
        let line = statement(info, link)?;
        arrival(self.goal, self.scope, &calls_here(info, link), &line)
    }
}

/// An instruction as an image has it.
pub(super) fn instruction_in(image: &Image, bias: LoadBias, at: Address) -> Option<Instruction> {
    let bytes = image.bytes_at(at.to_link(bias))?;
    let head = bytes.as_slice();
    let head = head.get(..INSTRUCTION_LEN_MAX_BYTES).unwrap_or(head);
    let instruction = decode(image.arch(), head, at).ok()?;
    (instruction.kind() != InstructionKind::Invalid).then_some(instruction)
}

/// The inlined calls around an instruction, outermost first.
pub(super) fn calls_here(info: &DebugInfo, link: LinkAddress) -> Vec<CallHere> {
    let calls = info.inlined_at(link);
    let mut before = None;
    let mut is_first_of_piece = |call: &InlinedCall| {
        let before = before
            .get_or_insert_with(|| info.inlined_at(LinkAddress::new(link.value().wrapping_sub(1))));
        before.iter().all(|other| other.id != call.id)
    };
    let here = |call: &InlinedCall| CallHere {
        id: call.id,
        begins: call.entry == link || is_first_of_piece(call),
        call_site: call_site(call),
    };
    calls.iter().map(here).collect()
}

/// How many of the inlined calls that begin at `address` are ahead of a thread that has stopped
/// there because of a line: the place is that of the line, or of the next one with code, and what
/// is inlined there comes behind it.
pub(super) fn calls_ahead_of_line(
    symbols: ProcessSymbols<'_>,
    address: Address,
    file: &SourcePattern,
    line: u32,
) -> Option<usize> {
    let module = symbols.process.modules.at(address)?;
    let link = address.to_link(module.bias);
    let image = symbols.debug_image_at(module, link).ok().flatten()?;
    let info = image.debug_info()?;
    let calls = calls_here(info, link);
    let own = info.line_at(link).map(|at| (at.file, at.line));
    let begin = calls.into_iter().rev().take_while(|call| call.begins);
    let shown = std::iter::once(own).chain(begin.map(|call| call.call_site));
    let meant = shown.enumerate().filter_map(|(ahead, shown)| {
        let (_, at) = shown.filter(|(path, at)| file.matches(path) && *at >= line)?;
        Some((at, ahead))
    });
    meant.min_by_key(|(at, _)| *at).map(|(_, ahead)| ahead)
}

/// How many of the inlined calls that begin at `address` are ahead of a thread that has stopped
/// there because of breakpoints at functions with these names, or, without any, because it was let
/// run to there: all if a function around them is meant, those further in if it is one of them.
/// `None` if no function that is meant begins there, or nobody has asked for the module's symbols.
pub(super) fn calls_ahead_of_function(
    symbols: ProcessSymbols<'_>,
    address: Address,
    names: &[String],
) -> Option<usize> {
    let module = symbols.process.modules.at(address)?;
    module.symbols.borrow().as_ref()?;
    let link = address.to_link(module.bias);
    let image = symbols.debug_image_at(module, link).ok().flatten()?;
    let info = image.debug_info()?;
    let begin = calls_here(info, link).into_iter().rev().take_while(|call| call.begins).count();
    let is_meant = |function: &str| names.iter().any(|name| is_called(name, function));
    let calls = info.inlined_at(link).into_iter().rev().take(begin);
    if let Some(ahead) = calls.map(|call| call.name).position(|name| is_meant(&name)) {
        return Some(ahead);
    }
    let function = info.function_at(link).filter(|function| function.entry == link)?;
    let is_one = names.is_empty()
        || is_meant(&function.name)
        || image
            .symbols()
            .at(link)
            .iter()
            .any(|symbol| is_meant(&symbol.name()) || is_meant(&symbol.full_name()));
    is_one.then_some(begin)
}

/// Whether `name`, with its module or without, is that of a function.
fn is_called(name: &str, function: &str) -> bool {
    let module = name.strip_suffix(function);
    module.is_some_and(|module| module.is_empty() || module.ends_with('!'))
}

fn call_site(call: &InlinedCall) -> Option<Line> {
    call.call_site.as_ref().map(|place| (Arc::clone(&place.file), place.line))
}

/// The line of the statement that begins at an address, where a step may end. Of several rows for
/// it the last one that begins a statement counts, as it does for the line of the address.
fn statement(info: &DebugInfo, link: LinkAddress) -> Option<Line> {
    let rows = info.line_rows(link..LinkAddress::new(link.value().checked_add(1)?));
    let begins = |row: &LineRow| row.address == link && row.is_statement && row.line != 0;
    rows.into_iter().rev().find(begins).map(|row| (row.file, row.line))
}

fn symbol_range(image: &Image, link: LinkAddress) -> Option<Range<LinkAddress>> {
    let (symbol, _) = image.symbols().containing(link)?;
    let end = symbol.address().value().checked_add(symbol.size_bytes())?;
    let range = symbol.address()..LinkAddress::new(end);
    range.contains(&link).then_some(range)
}
