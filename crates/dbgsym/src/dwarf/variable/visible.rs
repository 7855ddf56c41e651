//! Which variables code at an address sees. It walks down from the function through the blocks and
//! inlined calls around the address, as the compiler wrote them down (DWARF 5, 3.3 to 3.5).

use std::collections::HashSet;
use std::rc::Rc;

use dbgbase::LinkAddress;
use gimli::{AttributeValue, constants as dw};

use super::super::entry::{self, Entry};
use super::super::unit::EntryId;
use super::super::{OpenUnit, OpenUnits};
use super::{Variable, VariableKind};

/// Blocks and inlined calls that nest deeper are damage.
const DEPTH_MAX: usize = 512;

pub(super) fn at(units: &OpenUnits<'_>, pc: LinkAddress) -> Vec<Variable> {
    let Some(function) = units.info().function_entry_at(pc.value()) else { return Vec::new() };
    let mut walk = Walk {
        units,
        pc,
        function,
        found: Vec::new(),
        abstract_blocks: Vec::new(),
        copied: HashSet::new(),
    };
    let mut block = Some(Block { id: function, call: 0, scope_depth: 0 });
    for _ in 0..DEPTH_MAX {
        let Some(current) = block.take() else { break };
        block = walk.enter(&current);
    }
    let mut found = walk.found;
    // Parameters are declared in the outermost block, maybe behind locals.
    found.sort_by_key(|variable| {
        (variable.call, variable.kind != VariableKind::Parameter, variable.scope_depth)
    });
    mark_shadowed(&mut found);
    found
}

/// Among variables of one name, blocks further in come later.
fn mark_shadowed(variables: &mut [Variable]) {
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    let mut by_depth: Vec<usize> = (0..variables.len()).collect();
    // What was left out hides nothing.
    by_depth.sort_by_key(|index| {
        let variable = variables.get(*index);
        variable.map_or((false, 0), |variable| (!variable.is_left_out, variable.scope_depth))
    });
    for index in by_depth.into_iter().rev() {
        let Some(variable) = variables.get_mut(index) else { continue };
        variable.is_shadowed = !seen.insert((variable.call, variable.name.clone()));
    }
}

/// A function, a block or an inlined call around the address.
struct Block {
    id: EntryId,
    call: usize,
    scope_depth: usize,
}

struct Walk<'w, 'a> {
    units: &'w OpenUnits<'a>,
    pc: LinkAddress,
    function: EntryId,
    found: Vec<Variable>,
    /// Of the call that is being walked: the abstract instances of its blocks, and how deep these
    /// lie.
    abstract_blocks: Vec<(EntryId, usize)>,
    /// What of the abstract instances has a copy.
    copied: HashSet<EntryId>,
}

impl<'a> Walk<'_, 'a> {
    /// Collects what is declared in a block; the block in it that is around the address.
    fn enter(&mut self, block: &Block) -> Option<Block> {
        let (unit, entry) = self.units.entry(block.id)?;
        let mut inner = None;
        let of = unit.reference_of(&entry, dw::DW_AT_abstract_origin);
        self.abstract_blocks.extend(of.map(|of| (of, block.scope_depth)));
        for child in entry::children(&unit, entry.offset()) {
            self.copied.extend(unit.reference_of(&child, dw::DW_AT_abstract_origin));
            let id = unit.entry_id(child.offset());
            match child.tag() {
                dw::DW_TAG_formal_parameter | dw::DW_TAG_variable => {
                    self.add(&unit, &child, block);
                }
                // GNU's template parameter packs: their parameters are the function's.
                dw::DW_TAG_GNU_formal_parameter_pack => {
                    for parameter in entry::children(&unit, child.offset()) {
                        self.add(&unit, &parameter, block);
                    }
                }
                dw::DW_TAG_lexical_block if inner.is_none() && self.is_around(&unit, &child) => {
                    inner =
                        Some(Block { id, call: block.call, scope_depth: block.scope_depth + 1 });
                }
                dw::DW_TAG_inlined_subroutine
                    if inner.is_none() && self.is_around(&unit, &child) =>
                {
                    inner = Some(Block { id, call: block.call + 1, scope_depth: 0 });
                }
                _ => {}
            }
        }
        if inner.as_ref().is_none_or(|inner| inner.call != block.call) {
            self.add_uncopied(block.call);
        }
        inner
    }

    fn is_around(&self, unit: &OpenUnit<'a>, entry: &Entry<'a>) -> bool {
        let pc = self.pc.value();
        unit.ranges_of(entry).iter().any(|range| range.contains(&pc))
    }

    /// What the abstract instances of this call's blocks declare, and nothing is left of in the
    /// copy (DWARF 5, 3.3.8.2). It was optimised out, maybe with the whole block around it.
    fn add_uncopied(&mut self, call: usize) {
        let copied = std::mem::take(&mut self.copied);
        let mut blocks = std::mem::take(&mut self.abstract_blocks);
        let mut count = 0;
        while let Some((id, scope_depth)) = blocks.pop() {
            count += 1;
            let Some((unit, entry)) = self.units.entry(id) else { continue };
            if count > DEPTH_MAX {
                break;
            }
            for child in entry::children(&unit, entry.offset()) {
                let id = unit.entry_id(child.offset());
                if copied.contains(&id) {
                    continue;
                }
                if child.tag() == dw::DW_TAG_lexical_block {
                    blocks.push((id, scope_depth + 1));
                }
                let before = self.found.len();
                self.add(&unit, &child, &Block { id, call, scope_depth });
                for variable in self.found.iter_mut().skip(before) {
                    variable.is_left_out = true;
                }
            }
        }
    }

    fn add(&mut self, unit: &Rc<OpenUnit<'a>>, entry: &Entry<'a>, block: &Block) {
        let is_parameter = entry.tag() == dw::DW_TAG_formal_parameter;
        if !is_parameter && entry.tag() != dw::DW_TAG_variable {
            return;
        }
        // `extern int x;` in a block declares what is defined elsewhere.
        if entry.has_attr(dw::DW_AT_declaration) {
            return;
        }
        let kind = match is_parameter {
            true => VariableKind::Parameter,
            false if is_static(entry) => VariableKind::LocalStatic,
            false => VariableKind::Local,
        };
        let mut variable = Variable::new(self.units, unit.entry_id(entry.offset()), kind);
        // Bounds of arrays, parameters that nothing can be asked about.
        if variable.name.is_empty() {
            return;
        }
        variable.call = block.call;
        variable.scope_depth = block.scope_depth;
        variable.function = Some(self.function);
        self.found.push(variable);
    }
}

/// Whether a local has an address of its own.
fn is_static(entry: &Entry<'_>) -> bool {
    let Some(AttributeValue::Exprloc(code)) = entry.attr_value(dw::DW_AT_location) else {
        return false;
    };
    let first = code.0.slice().first().map(|byte| gimli::DwOp(*byte));
    matches!(first, Some(dw::DW_OP_addr | dw::DW_OP_addrx | dw::DW_OP_GNU_addr_index))
}
