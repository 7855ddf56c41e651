//! Variables: the parameters and locals that a piece of code sees, and those that live as long as
//! the program, by name. It knows how scopes nest and what hides what; where a variable is,
//! `location.rs` and `expression.rs` find out.

mod visible;

use dbgbase::LinkAddress;
use gimli::constants as dw;

use super::entry::{self, having};
use super::expression::{Budget, Scene};
use super::frame_context::FrameContext;
use super::location;
use super::pieces::{LocateError, Place};
use super::unit::EntryId;
use super::{DebugInfo, OpenUnits, TypeRef, scope};
use crate::Pattern;

/// What a variable is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum VariableKind {
    /// A parameter of a function or of an inlined call.
    Parameter,
    /// A local of a block.
    Local,
    /// One of a block that lives as long as the program (`static`).
    LocalStatic,
    /// One outside of functions, or a static member of a class.
    Global,
}

/// A variable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    /// Its name, for globals with the scopes around it. Empty for parameters that have none.
    pub name: String,
    /// What it is.
    pub kind: VariableKind,
    /// Its type; `None` if that is not told.
    pub ty: Option<TypeRef>,
    /// The line of its declaration.
    pub line: Option<u64>,
    /// Which call it belongs to: 0 is the function itself, 1 the outermost call that is inlined
    /// around the pc, and so on.
    pub call: usize,
    /// How many blocks of that call are around it: 0 for its parameters and its outermost locals.
    pub scope_depth: usize,
    /// Whether another one of the same name in a block further in hides it.
    pub is_shadowed: bool,
    /// Whether the compiler added it: `this`, ranges of `for` loops.
    pub is_artificial: bool,
    entry: EntryId,
    /// Whether the compiler left it out of this copy of its function.
    is_left_out: bool,
    /// The function that the code is in.
    function: Option<EntryId>,
}

impl Variable {
    /// Its entry.
    pub fn entry(&self) -> EntryId {
        self.entry
    }

    /// The entry of the function whose frame it is in; inlined calls have that of the function they
    /// are inlined into. `None` for those that no frame is needed for.
    pub fn function(&self) -> Option<EntryId> {
        self.function
    }

    fn new(units: &OpenUnits<'_>, entry: EntryId, kind: VariableKind) -> Variable {
        let line = having(units, entry, dw::DW_AT_decl_line)
            .and_then(|(_, found)| found.attr(dw::DW_AT_decl_line)?.udata_value());
        let ty = having(units, entry, dw::DW_AT_type)
            .and_then(|(unit, found)| unit.reference_of(&found, dw::DW_AT_type));
        Variable {
            name: entry::name_of(units, entry).unwrap_or_default(),
            kind,
            ty: ty.map(TypeRef),
            line,
            call: 0,
            scope_depth: 0,
            is_shadowed: false,
            is_artificial: having(units, entry, dw::DW_AT_artificial).is_some(),
            entry,
            is_left_out: false,
            function: None,
        }
    }
}

impl DebugInfo {
    /// The parameters and locals that code at `pc` sees: of the function, then of each call that is
    /// inlined around `pc`, outermost first. Of each the parameters come first, then the locals of
    /// its blocks, outermost first, in the order of their declaration.
    ///
    /// Give the address that [`FramePc::lookup_pc`](crate::unwind::FramePc::lookup_pc) tells.
    ///
    /// **Shape**: empty where no function is. A variable is there in its whole block, before its
    /// declaration as well; those that were optimised out are there.
    /// **Cost**: the first call in a unit reads all its entries, later ones those of one function.
    pub fn variables_at(&self, pc: LinkAddress) -> Vec<Variable> {
        visible::at(&OpenUnits::new(self), pc)
    }

    /// Variables that live as long as the program and are called `name`, with the scopes around it:
    /// globals, those of one file, of namespaces, static members, statics of functions.
    ///
    /// **Cost**: makes the index of names if there is none yet.
    pub fn variables_named(&self, name: &str) -> Vec<Variable> {
        let units = OpenUnits::new(self);
        let found = self.variable_entries_named(&units, name);
        found.into_iter().map(|id| global(&units, id)).collect()
    }

    /// Variables that live as long as the program and whose qualified names match `pattern`.
    ///
    /// **Cost**: as [`DebugInfo::variables_named`].
    pub fn variables_matching(&self, pattern: &Pattern) -> Vec<Variable> {
        let units = OpenUnits::new(self);
        let found = self.variable_entries_matching(&units, pattern);
        found.into_iter().map(|id| global(&units, id)).collect()
    }

    /// Where a variable is when `frame` stands at `pc`.
    ///
    /// **Shape**: a variable that was optimised out has a place, which says so.
    /// **Errors**: a [`LocateError`] that says what is missing.
    /// **Cost**: reads from the frame's memory what the location asks for, mostly nothing.
    /// **Source**: DWARF 5, 2.6.
    pub fn locate(
        &self,
        variable: &Variable,
        pc: LinkAddress,
        frame: &dyn FrameContext,
    ) -> Result<Place, LocateError> {
        let units = OpenUnits::new(self);
        let unit = units.unit(variable.entry.unit()).ok_or(LocateError::Damaged)?;
        let budget = Budget::new();
        let scene = Scene::new(&units, unit, pc, variable.function, frame, &budget);
        location::place_of(&scene, variable.entry)
    }

    /// The variable that an implicit pointer in the place of another one points to: it is nowhere,
    /// but [`DebugInfo::locate`] may know its value.
    pub fn pointee(&self, pointer: &Variable, target: EntryId) -> Variable {
        let units = OpenUnits::new(self);
        let mut variable = Variable::new(&units, target, VariableKind::Local);
        variable.function = pointer.function;
        variable.call = pointer.call;
        variable
    }
}

fn global(units: &OpenUnits<'_>, id: EntryId) -> Variable {
    let mut variable = Variable::new(units, id, VariableKind::Global);
    if entry::is_in_function(units, id) {
        variable.kind = VariableKind::LocalStatic;
    }
    if let Some(name) = scope::qualified_name(units, id) {
        variable.name = name;
    }
    variable
}
