//! The layout of a type: its members in rows, with their offsets and types, or with the values that
//! an object has. Single values are written by `values.rs`; which members are wanted, `fields.rs`
//! knows.

use dbgbase::Address;
use dbgsym::dwarf::{Array, ElementCount, Member, ObjectBytes, Record, TypeKind, TypeRef};

use super::fields::{FieldPath, Selection};
use super::{Part, Values, number};

/// More rows than this are not made.
const ROWS_MAX: usize = 4096;

/// What is wanted of a layout.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LayoutOptions {
    /// The members that are wanted; all if none is named.
    pub fields: Vec<FieldPath>,
    /// How deep members of members have rows of their own.
    pub depth_max: usize,
    /// Whether what pointers to records point to counts as a member of a member.
    pub follows_pointers: bool,
    /// How many elements of each array have rows of their own; `None` for arrays in one row.
    pub elements_max: Option<u64>,
}

/// What a row shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RowKind {
    /// A member, or a base.
    Member,
    /// An element of an array; its name is its index.
    Element,
    /// A name of an enumeration.
    Enumerator,
}

/// One line of a layout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayoutRow {
    /// What it shows.
    pub kind: RowKind,
    /// How deep it is: 0 for the type's own members.
    pub depth: usize,
    /// Its distance from the start of the record it is in, in bytes; `None` for enumerators, and
    /// for what each object has elsewhere.
    pub offset_bytes: Option<u64>,
    /// Its name; that of a base is its type.
    pub name: String,
    /// Its value, or without an object its type; of an enumerator the number.
    pub text: String,
}

/// Rows that are being made.
struct Table<'o> {
    rows: Vec<LayoutRow>,
    options: &'o LayoutOptions,
    /// The records that the rows are in, so that types that lead back to themselves end.
    open: Vec<TypeRef>,
}

/// Where the next rows belong.
#[derive(Clone, Copy)]
struct Level {
    depth: usize,
    depth_max: usize,
    /// How far the record begins behind the one that the user sees: for members of members that
    /// have no name.
    base: u64,
}

impl Level {
    fn inside(self) -> Level {
        Level { depth: self.depth + 1, base: 0, ..self }
    }
}

impl Values<'_> {
    /// The rows of a type, or of an object of it.
    pub(crate) fn layout(
        &self,
        ty: TypeRef,
        object: Option<Part<'_>>,
        options: &LayoutOptions,
    ) -> Vec<LayoutRow> {
        let mut table = Table { rows: Vec::new(), options, open: Vec::new() };
        let level = Level { depth: 0, depth_max: options.depth_max, base: 0 };
        self.add(&mut table, Some(ty), object, level, &Selection::new(&options.fields));
        table.rows
    }

    /// How many members and bases, or enumerators, a type has.
    pub(crate) fn member_count(&self, ty: TypeRef) -> usize {
        match self.plain(Some(ty)).map(|ty| ty.kind) {
            Some(TypeKind::Record(record)) => record.bases.len() + record.members.len(),
            Some(TypeKind::Enumeration(enumeration)) => enumeration.enumerators.len(),
            _ => 0,
        }
    }

    fn add(
        &self,
        table: &mut Table<'_>,
        ty: Option<TypeRef>,
        object: Option<Part<'_>>,
        level: Level,
        wanted: &Selection<'_>,
    ) {
        let Some(plain) = ty.and_then(|ty| self.info.strip_typedefs(ty)) else { return };
        // A pointer inside an object leads to another object, but a type leads to itself.
        if object.is_none() && table.open.contains(&plain) {
            return;
        }
        match self.info.type_of(plain).kind {
            TypeKind::Record(record) => {
                table.open.push(plain);
                self.add_record(table, plain, &record, object, level, wanted);
                table.open.pop();
            }
            TypeKind::Enumeration(enumeration) if level.depth == 0 && object.is_none() => {
                let names = enumeration.enumerators.iter().filter(|one| wanted.has(&one.name));
                let row = |one: &dbgsym::dwarf::Enumerator| LayoutRow {
                    kind: RowKind::Enumerator,
                    depth: 0,
                    offset_bytes: None,
                    name: one.name.clone(),
                    text: format!("0n{}", one.value),
                };
                table.rows.extend(names.map(row));
            }
            TypeKind::Array(array) => self.add_elements(table, &array, object, level),
            TypeKind::Pointer(target)
            | TypeKind::Reference(target)
            | TypeKind::RvalueReference(target)
                if table.options.follows_pointers || !wanted.is_all() || wanted.expands() > 0 =>
            {
                self.add_pointee(table, target, object, level, wanted);
            }
            _ => {}
        }
    }

    /// What a pointer points to, if it is a record.
    fn add_pointee(
        &self,
        table: &mut Table<'_>,
        target: Option<TypeRef>,
        pointer: Option<Part<'_>>,
        level: Level,
        wanted: &Selection<'_>,
    ) {
        let Some(target) = target.filter(|target| self.is_record(*target)) else { return };
        let Some(pointer) = pointer else {
            return self.add(table, Some(target), None, level, wanted);
        };
        if let Some((object, address)) = self.pointee(pointer, target)
            && table.rows.len() < ROWS_MAX
        {
            let part = Part::new(&object, Some(address));
            self.add(table, Some(target), Some(part), level, wanted);
        }
    }

    /// What a pointer points to, as far as it can be read. `None` for null.
    pub(crate) fn pointee(
        &self,
        pointer: Part<'_>,
        target: TypeRef,
    ) -> Option<(ObjectBytes, Address)> {
        let address = Address::new(number::unsigned(pointer.whole(Some(1))?) as u64);
        let size = self.size_of(Some(target))?;
        (address != Address::ZERO).then(|| (self.read_head(address, size), address))
    }

    fn add_record(
        &self,
        table: &mut Table<'_>,
        plain: TypeRef,
        record: &Record,
        object: Option<Part<'_>>,
        level: Level,
        wanted: &Selection<'_>,
    ) {
        for (index, base) in record.bases.iter().enumerate() {
            if table.rows.len() >= ROWS_MAX {
                return;
            }
            let inside = base.offset_bytes.zip(self.size_of(base.ty));
            let part = object.zip(inside).map(|(part, (at, size))| part.slice(at, size));
            let is_known = part.is_some() == object.is_some();
            if !wanted.is_all() {
                // Names of members are those of bases as well.
                let level = Level {
                    base: level.base.wrapping_add(base.offset_bytes.unwrap_or(0)),
                    ..level
                };
                if is_known {
                    self.add(table, base.ty, part, level, wanted);
                }
                continue;
            }
            let text = match object {
                Some(part) => self.base_value(Some(plain), record, index, part, 0),
                None => self.info.type_name(base.ty),
            };
            let name = self.info.type_name(base.ty);
            let offset_bytes = base.offset_bytes;
            let (kind, depth) = (RowKind::Member, level.depth);
            table.rows.push(LayoutRow { kind, depth, offset_bytes, name, text });
            if level.depth < level.depth_max && is_known {
                self.add(table, base.ty, part, level.inside(), wanted);
            }
        }
        let variants = record.variant_part.iter().flat_map(|part| &part.variants);
        let variants = variants.flat_map(|variant| &variant.members);
        let variants = variants.filter(|_| object.is_none());
        for member in record.members.iter().chain(variants) {
            if table.rows.len() >= ROWS_MAX {
                return;
            }
            self.add_member(table, member, object, level, wanted);
        }
        if let (Some(part), true) = (object, record.variant_part.is_some() && wanted.is_all()) {
            let (name, text) = ("variant".to_owned(), self.value(Some(plain), part, 0));
            let (kind, depth) = (RowKind::Member, level.depth);
            table.rows.push(LayoutRow { kind, depth, offset_bytes: Some(0), name, text });
        }
    }

    fn add_member(
        &self,
        table: &mut Table<'_>,
        member: &Member,
        object: Option<Part<'_>>,
        level: Level,
        wanted: &Selection<'_>,
    ) {
        let offset_bytes = member.offset_bits.map(|bits| bits / 8);
        let size = self.size_of(member.ty).unwrap_or(0);
        let part = object.zip(offset_bytes).map(|(part, at)| part.slice(at, size));
        let Some(name) = &member.name else {
            if !wanted.is_all() {
                // Those of a member without a name are the record's own.
                let level = Level { base: level.base + offset_bytes.unwrap_or(0), ..level };
                return self.add(table, member.ty, part, level, wanted);
            }
            let all = Selection::new(&[]);
            return self.push_member(table, member, "<unnamed>", object, part, level, &all);
        };
        if let Some(inner) = wanted.inside(name) {
            self.push_member(table, member, name, object, part, level, &inner);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a row and all that can follow it")]
    fn push_member(
        &self,
        table: &mut Table<'_>,
        member: &Member,
        name: &str,
        object: Option<Part<'_>>,
        part: Option<Part<'_>>,
        level: Level,
        inner: &Selection<'_>,
    ) {
        self.refill();
        let text = match (object, member.offset_bits, member.bit_field_bits) {
            (Some(part), ..) => self.member_value(member, part, 0),
            (None, Some(at), Some(bits)) => {
                let plural = if bits == 1 { "" } else { "s" };
                let ty = self.info.type_name(member.ty);
                format!("Pos {}, {bits} Bit{plural} of {ty}", at % 8)
            }
            (None, ..) => self.info.type_name(member.ty),
        };
        table.rows.push(LayoutRow {
            kind: RowKind::Member,
            depth: level.depth,
            offset_bytes: member.offset_bits.map(|bits| level.base.wrapping_add(bits / 8)),
            name: name.to_owned(),
            text,
        });
        // The dots behind a field's name say how deep it is shown.
        let depth_max = level.depth_max.max(level.depth + inner.expands());
        let level = Level { depth_max, ..level }.inside();
        let is_array =
            self.plain(member.ty).is_some_and(|ty| matches!(ty.kind, TypeKind::Array(_)));
        let is_listed = is_array && table.options.elements_max.is_some();
        if level.depth <= level.depth_max || !inner.is_all() || is_listed {
            self.add(table, member.ty, part, level, inner);
        }
    }

    /// The elements of an array, each in a row.
    fn add_elements(
        &self,
        table: &mut Table<'_>,
        array: &Array,
        object: Option<Part<'_>>,
        level: Level,
    ) {
        let (Some(object), Some(count_max)) = (object, table.options.elements_max) else { return };
        let [first, rest @ ..] = array.dimensions.as_slice() else { return };
        let Some(size) = array.stride_bits.map(|bits| bits / 8).or(self.size_of(array.element))
        else {
            return;
        };
        let inner = rest.iter().try_fold(size, |row, dimension| match dimension.count {
            ElementCount::Known(count) => Some(row.saturating_mul(count)),
            ElementCount::Computed(_) | ElementCount::Unknown => None,
        });
        // Where one row ends and the next begins, only the frame knows.
        let Some(row_len) = inner else { return };
        let count = match first.count {
            ElementCount::Known(count) => count,
            ElementCount::Computed(_) | ElementCount::Unknown => {
                object.len().checked_div(row_len).unwrap_or(0)
            }
        };
        for index in 0..count.min(count_max) {
            if table.rows.len() >= ROWS_MAX {
                return;
            }
            self.refill();
            let part = object.slice(index * row_len, row_len);
            let text = match rest.is_empty() {
                true => self.value(array.element, part, 0),
                false => self.array(array, rest, part, 0),
            };
            table.rows.push(LayoutRow {
                kind: RowKind::Element,
                depth: level.depth,
                offset_bytes: Some(index * row_len),
                name: format!("[{index:02}]"),
                text,
            });
            if level.depth < level.depth_max && rest.is_empty() {
                let all = Selection::new(&[]);
                self.add(table, array.element, Some(part), level.inside(), &all);
            }
        }
    }
}
