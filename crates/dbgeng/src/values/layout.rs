//! The layout of a type: its members in rows, with their offsets and types, or with the values that
//! an object has. Single values are written by `values.rs`.

use dbgsym::dwarf::{Member, Record, TypeKind, TypeRef};

use super::{Part, Values};

/// More rows than this are not made.
const ROWS_MAX: usize = 4096;

/// One line of a layout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayoutRow {
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

impl Values<'_> {
    /// The rows of a type, or of an object of it. Records inside are expanded down to `depth_max`.
    pub(crate) fn layout(
        &self,
        ty: TypeRef,
        object: Option<Part<'_>>,
        depth_max: usize,
    ) -> Vec<LayoutRow> {
        let mut rows = Vec::new();
        self.add(&mut rows, Some(ty), object, 0, depth_max);
        rows
    }

    fn add(
        &self,
        rows: &mut Vec<LayoutRow>,
        ty: Option<TypeRef>,
        object: Option<Part<'_>>,
        depth: usize,
        depth_max: usize,
    ) {
        let Some(found) = self.plain(ty) else { return };
        match &found.kind {
            TypeKind::Record(record) => self.add_record(rows, ty, record, object, depth, depth_max),
            TypeKind::Enumeration(enumeration) if depth == 0 && object.is_none() => {
                let row = |one: &dbgsym::dwarf::Enumerator| LayoutRow {
                    depth,
                    offset_bytes: None,
                    name: one.name.clone(),
                    text: format!("0n{}", one.value),
                };
                rows.extend(enumeration.enumerators.iter().map(row));
            }
            _ => {}
        }
    }

    fn add_record(
        &self,
        rows: &mut Vec<LayoutRow>,
        ty: Option<TypeRef>,
        record: &Record,
        object: Option<Part<'_>>,
        depth: usize,
        depth_max: usize,
    ) {
        let plain = ty.and_then(|ty| self.info.strip_typedefs(ty));
        for (index, base) in record.bases.iter().enumerate() {
            if rows.len() >= ROWS_MAX {
                return;
            }
            let text = match object {
                Some(part) => self.base_value(plain, record, index, part, 0),
                None => self.info.type_name(base.ty),
            };
            let name = self.info.type_name(base.ty);
            rows.push(LayoutRow { depth, offset_bytes: base.offset_bytes, name, text });
            let inside = base.offset_bytes.zip(self.size_of(base.ty));
            let part = object.zip(inside).map(|(part, (at, size))| part.slice(at, size));
            if depth < depth_max && part.is_some() == object.is_some() {
                self.add(rows, base.ty, part, depth + 1, depth_max);
            }
        }
        let variants = record.variant_part.iter().flat_map(|part| &part.variants);
        let variants = variants.flat_map(|variant| &variant.members);
        let variants = variants.filter(|_| object.is_none());
        for member in record.members.iter().chain(variants) {
            if rows.len() >= ROWS_MAX {
                return;
            }
            self.add_member(rows, member, object, depth, depth_max);
        }
        if let (Some(part), true) = (object, record.variant_part.is_some()) {
            let (name, text) = ("variant".to_owned(), self.value(ty, part, 0));
            rows.push(LayoutRow { depth, offset_bytes: Some(0), name, text });
        }
    }

    fn add_member(
        &self,
        rows: &mut Vec<LayoutRow>,
        member: &Member,
        object: Option<Part<'_>>,
        depth: usize,
        depth_max: usize,
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
        let offset_bytes = member.offset_bits.map(|bits| bits / 8);
        let name = member.name.clone().unwrap_or_else(|| "<unnamed>".to_owned());
        rows.push(LayoutRow { depth, offset_bytes, name, text });
        if depth < depth_max {
            let size = self.size_of(member.ty).unwrap_or(0);
            let part = object.zip(offset_bytes).map(|(part, at)| part.slice(at, size));
            self.add(rows, member.ty, part, depth + 1, depth_max);
        }
    }
}
