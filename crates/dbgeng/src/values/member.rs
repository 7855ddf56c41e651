//! Members by name: where in a record they are, also inside members without a name and inside
//! bases. Of objects it reads where their
//! virtual bases are.

use dbgbase::{Address, LinkAddress};
use dbgsym::dwarf::{Base, TypeKind, TypeRef};

use super::Values;
use super::parts::Alone;

/// Members without a name and bases are not nested deeper.
const DEPTH_MAX: usize = 16;

/// A member that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FoundMember {
    /// Its distance from the record's start.
    pub(crate) offset_bits: u64,
    /// Its type.
    pub(crate) ty: Option<TypeRef>,
    /// How many bits it has, if it is a bit field.
    pub(crate) bit_field_bits: Option<u64>,
}

impl Values<'_> {
    /// The member of a record that has this name: the record's own, else one of a member without a
    /// name, else one of a base. What each object has elsewhere is only found with the `object`.
    pub(crate) fn member(
        &self,
        record: Option<TypeRef>,
        name: &str,
        object: Option<Address>,
    ) -> Option<FoundMember> {
        self.member_below(record, name, object, 0)
    }

    /// How far from an object's start the base of this type is, as its language writes it; zero for
    /// the object's own type. Virtual bases are only found with the `object`.
    pub(crate) fn base_offset(
        &self,
        record: Option<TypeRef>,
        base: &str,
        object: Option<Address>,
    ) -> Option<(u64, Option<TypeRef>)> {
        self.base_below(record, base, object, 0)
    }

    fn base_below(
        &self,
        record: Option<TypeRef>,
        base: &str,
        object: Option<Address>,
        depth: usize,
    ) -> Option<(u64, Option<TypeRef>)> {
        let TypeKind::Record(found) = self.plain(record)?.kind else { return None };
        let plain = record.and_then(|ty| self.info.strip_typedefs(ty));
        if self.info.type_name(plain) == base {
            return Some((0, record));
        }
        if depth >= DEPTH_MAX {
            return None;
        }
        found.bases.iter().enumerate().find_map(|(index, one)| {
            let start = self.base_start(record, index, one, object)?;
            let object = object.map(|object| object.wrapping_offset(start as i64));
            let (offset, ty) = self.base_below(one.ty, base, object, depth + 1)?;
            Some((start.wrapping_add(offset), ty))
        })
    }

    /// How far from an object's start one of its bases begins.
    fn base_start(
        &self,
        record: Option<TypeRef>,
        index: usize,
        base: &Base,
        object: Option<Address>,
    ) -> Option<u64> {
        base.offset_bytes.or_else(|| {
            let frame = Alone(self.memory);
            let pc = LinkAddress::new(0);
            let at = self.info.locate_base(
                self.info.strip_typedefs(record?)?,
                index,
                object?,
                pc,
                &frame,
            );
            Some(at.ok()?.value().wrapping_sub(object?.value()))
        })
    }

    /// The names of all members that [`Values::member`] finds.
    pub(crate) fn member_names(&self, record: Option<TypeRef>) -> Vec<String> {
        let mut names = Vec::new();
        self.add_member_names(record, &mut names, 0);
        names
    }

    fn add_member_names(&self, record: Option<TypeRef>, names: &mut Vec<String>, depth: usize) {
        let record = match self.plain(record).map(|found| found.kind) {
            Some(TypeKind::Record(record)) if depth < DEPTH_MAX => record,
            _ => return,
        };
        for member in &record.members {
            match &member.name {
                Some(name) => names.push(name.clone()),
                None => self.add_member_names(member.ty, names, depth + 1),
            }
        }
        for base in &record.bases {
            self.add_member_names(base.ty, names, depth + 1);
        }
    }

    fn member_below(
        &self,
        record: Option<TypeRef>,
        name: &str,
        object: Option<Address>,
        depth: usize,
    ) -> Option<FoundMember> {
        let TypeKind::Record(found) = self.plain(record)?.kind else { return None };
        let own = found.members.iter().find(|member| member.name.as_deref() == Some(name));
        if let Some(member) = own {
            return Some(FoundMember {
                offset_bits: member.offset_bits?,
                ty: member.ty,
                bit_field_bits: member.bit_field_bits,
            });
        }
        if depth >= DEPTH_MAX {
            return None;
        }
        let inside = |start: u64, ty: Option<TypeRef>| {
            let object = object.map(|object| object.wrapping_offset(start as i64));
            let member = self.member_below(ty, name, object, depth + 1)?;
            let offset_bits = start.checked_mul(8)?.checked_add(member.offset_bits)?;
            Some(FoundMember { offset_bits, ..member })
        };
        let mut unnamed = found.members.iter().filter(|member| member.name.is_none());
        let member = unnamed.find_map(|member| inside(member.offset_bits? / 8, member.ty));
        let mut bases = found.bases.iter().enumerate();
        member.or_else(|| {
            bases.find_map(|(index, base)| {
                inside(self.base_start(record, index, base, object)?, base.ty)
            })
        })
    }
}
