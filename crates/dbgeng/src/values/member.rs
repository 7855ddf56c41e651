//! Members by name: where in a record they are, also inside members without a name and inside
//! bases. It reads no objects.

use dbgsym::dwarf::{TypeKind, TypeRef};

use super::Values;

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
    /// name, else one of a base. `None` as well for what each object has elsewhere.
    pub(crate) fn member(&self, record: Option<TypeRef>, name: &str) -> Option<FoundMember> {
        self.member_below(record, name, 0)
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
        depth: usize,
    ) -> Option<FoundMember> {
        let TypeKind::Record(record) = self.plain(record)?.kind else { return None };
        let own = record.members.iter().find(|member| member.name.as_deref() == Some(name));
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
        let unnamed = record.members.iter().filter(|member| member.name.is_none());
        let unnamed = unnamed.map(|member| (member.offset_bits, member.ty));
        let bases = record.bases.iter().map(|base| (base.offset_bytes.map(|at| 8 * at), base.ty));
        unnamed.chain(bases).find_map(|(offset_bits, ty)| {
            let found = self.member_below(ty, name, depth + 1)?;
            Some(FoundMember { offset_bits: offset_bits? + found.offset_bits, ..found })
        })
    }
}
