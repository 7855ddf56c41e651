//! What has parts: records with their bases, members and bit fields, and arrays. What a part is by
//! itself is shown by `values.rs`.

use dbgbase::{Address, LinkAddress, LoadBias, ReadMemory};
use dbgsym::dwarf::{
    Array, Base, Caller, Dimension, ElementCount, FrameContext, Member, Record, RegisterValue,
    TypeKind, TypeRef,
};

use super::{Part, UNAVAILABLE, Values, number};

/// Objects that are reached through references and are larger are not read.
pub(super) const OBJECT_LEN_MAX: u64 = 64 * 1024;

/// An object in memory, for what only the object itself tells: where its virtual bases are.
pub(super) struct Alone<'a>(pub(super) &'a dyn ReadMemory);

impl FrameContext for Alone<'_> {
    fn register(&self, _dwarf: u16) -> Option<RegisterValue> {
        None
    }

    fn cfa(&self) -> Option<Address> {
        None
    }

    fn memory(&self) -> &dyn ReadMemory {
        self.0
    }

    fn bias(&self) -> LoadBias {
        LoadBias::default()
    }

    fn thread_local(&self, _offset: u64) -> Option<Address> {
        None
    }

    fn caller(&self) -> Option<Caller<'_>> {
        None
    }
}

impl Values<'_> {
    /// `{Base={...} member=value}`.
    pub(super) fn record(
        &self,
        ty: Option<TypeRef>,
        record: &Record,
        part: Part<'_>,
        depth: u32,
    ) -> String {
        if depth >= self.limits.depth_max {
            return "{...}".to_owned();
        }
        let mut shown: Vec<String> = Vec::new();
        for (index, base) in record.bases.iter().enumerate() {
            let value = self.base_value(ty, record, index, part, depth + 1);
            shown.push(format!("{}={value}", self.info.type_name(base.ty)));
        }
        for member in &record.members {
            let is_table = member.name.as_deref().is_some_and(|name| name.starts_with("_vptr"));
            if is_table && member.is_artificial {
                continue;
            }
            let value = self.member_value(member, part, depth + 1);
            shown.push(match &member.name {
                Some(name) => format!("{name}={value}"),
                None => value,
            });
        }
        format!("{{{}}}", shown.join(" "))
    }

    /// The part of an object that one of its bases is.
    pub(crate) fn base_value(
        &self,
        ty: Option<TypeRef>,
        record: &Record,
        index: usize,
        part: Part<'_>,
        depth: u32,
    ) -> String {
        let Some(base) = record.bases.get(index) else { return UNAVAILABLE.to_owned() };
        if let Some(offset) = base.offset_bytes {
            let size = self.size_of(base.ty).unwrap_or(0);
            return self.value(base.ty, part.slice(offset, size), depth);
        }
        let object = ty.and_then(|ty| self.virtual_base(ty, index, base, part));
        match &object {
            Some((address, bytes)) => self.value(base.ty, Part::new(bytes, Some(*address)), depth),
            None => UNAVAILABLE.to_owned(),
        }
    }

    /// A base that each object knows the place of.
    pub(crate) fn virtual_base(
        &self,
        ty: TypeRef,
        index: usize,
        base: &Base,
        part: Part<'_>,
    ) -> Option<(Address, dbgsym::dwarf::ObjectBytes)> {
        let frame = Alone(self.memory);
        let pc = LinkAddress::new(0);
        let address = self.info.locate_base(ty, index, part.address?, pc, &frame).ok()?;
        let size = self.size_of(base.ty).filter(|size| *size <= OBJECT_LEN_MAX)?;
        Some((address, self.read(address, size)?))
    }

    /// A member of an object.
    pub(crate) fn member_value(&self, member: &Member, part: Part<'_>, depth: u32) -> String {
        let Some(offset_bits) = member.offset_bits else { return UNAVAILABLE.to_owned() };
        if let Some(bits) = member.bit_field_bits {
            return self.bit_field(member.ty, offset_bits, bits, part);
        }
        // A last member without length has no bytes of the object.
        let size = self.size_of(member.ty).unwrap_or(0);
        self.value(member.ty, part.slice(offset_bits / 8, size), depth)
    }

    fn bit_field(
        &self,
        ty: Option<TypeRef>,
        offset_bits: u64,
        bits: u64,
        part: Part<'_>,
    ) -> String {
        let Some(value) = bits_of(part, offset_bits, bits) else {
            return UNAVAILABLE.to_owned();
        };
        let (Some(found), Ok(bits)) = (self.plain(ty), u32::try_from(bits)) else {
            return UNAVAILABLE.to_owned();
        };
        let size = found.size_bytes.unwrap_or(16).min(16) as usize;
        let extended = match &found.kind {
            TypeKind::Base(encoding) if is_signed(*encoding) => {
                number::sign_extended(value, bits) as u128
            }
            TypeKind::Enumeration(enumeration) if self.has_sign(enumeration) => {
                number::sign_extended(value, bits) as u128
            }
            _ => value,
        };
        let bytes = extended.to_le_bytes();
        let bytes = bytes.get(..size).unwrap_or(&bytes);
        self.value(ty, Part { bytes, known: &[0xff; 16], address: None }, 0)
    }

    /// `{element, element, ...}`, or text for characters.
    pub(super) fn array(
        &self,
        array: &Array,
        dimensions: &[Dimension],
        part: Part<'_>,
        depth: u32,
    ) -> String {
        let Some((first, rest)) = dimensions.split_first() else {
            return self.value(array.element, part, depth + 1);
        };
        let stride = array.stride_bits.map(|bits| bits / 8);
        let Some(element) = stride.or_else(|| self.size_of(array.element)) else {
            return UNAVAILABLE.to_owned();
        };
        let inner = rest.iter().try_fold(element, |row, dimension| match dimension.count {
            ElementCount::Known(count) => Some(row.saturating_mul(count)),
            ElementCount::Computed(_) | ElementCount::Unknown => None,
        });
        // Where one row ends and the next begins, only the frame knows.
        let Some(row) = inner else { return "{...}".to_owned() };
        let told = match first.count {
            ElementCount::Known(count) => Some(count),
            ElementCount::Computed(_) | ElementCount::Unknown => None,
        };
        // Of objects without bytes all are there.
        let there = part.len().checked_div(row).or(told).unwrap_or(0);
        let count = told.unwrap_or(there);
        if rest.is_empty()
            && let Some(width) = self.character_width(array.element)
            && let Some(bytes) = part.whole(None)
            && (number::is_text(bytes) || !self.is_byte(array.element))
        {
            let len = (self.limits.characters_max * width) as usize;
            let cut = bytes.get(..len).unwrap_or(bytes);
            return number::quoted(cut, width, cut.len() < bytes.len() || there < count);
        }
        if depth >= self.limits.depth_max {
            return "{...}".to_owned();
        }
        self.elements(count, |index| match index < there {
            true if rest.is_empty() => {
                self.value(array.element, part.slice(index * row, element), depth + 1)
            }
            true => self.array(array, rest, part.slice(index * row, row), depth + 1),
            false => UNAVAILABLE.to_owned(),
        })
    }

    /// Whether a type is that of bytes as well as of characters: `unsigned char`, `uint8_t`.
    fn is_byte(&self, ty: Option<TypeRef>) -> bool {
        let kind = self.plain(ty).map(|ty| ty.kind);
        kind == Some(TypeKind::Base(dbgsym::dwarf::BaseEncoding::UnsignedChar))
    }

    /// The first elements of so many, in braces.
    pub(super) fn elements(&self, count: u64, element: impl Fn(u64) -> String) -> String {
        let shown = count.min(self.limits.elements_max);
        let mut texts: Vec<String> = (0..shown).map(element).collect();
        if shown < count {
            texts.push("...".to_owned());
        }
        format!("{{{}}}", texts.join(", "))
    }
}

pub(super) fn is_signed(encoding: dbgsym::dwarf::BaseEncoding) -> bool {
    use dbgsym::dwarf::BaseEncoding::{Signed, SignedChar};
    matches!(encoding, Signed | SignedChar)
}

/// Some bits of an object as a number, the lowest first. `None` if not all are known, or they are
/// more than a number has.
pub(crate) fn bits_of(part: Part<'_>, offset_bits: u64, bits: u64) -> Option<u128> {
    if bits > 128 {
        return None;
    }
    (0..bits).try_fold(0, |value, index| {
        let at = offset_bits.checked_add(index)?;
        let byte = usize::try_from(at / 8).ok()?;
        let is_known = part.known.get(byte)? >> (at % 8) & 1 == 1;
        let bit = u128::from(part.bytes.get(byte)? >> (at % 8) & 1);
        is_known.then_some(value | bit << index)
    })
}

#[cfg(test)]
#[path = "parts/tests.rs"]
mod tests;
