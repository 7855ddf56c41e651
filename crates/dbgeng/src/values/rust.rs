//! What Rust's compiler describes as structures and people write otherwise: `enum`s with data,
//! tuples, slices, text, and the standard library's growing ones. It knows the layouts that the
//! compiler and the library use; what a part is by itself is shown by `values.rs`.

use dbgbase::Address;
use dbgsym::dwarf::{Member, Record, SourceLanguage, Type, TypeKind, TypeRef, VariantPart};

use super::parts::{OBJECT_LEN_MAX, bits_of};
use super::{Part, UNAVAILABLE, Values, number};

/// Structures nest no deeper in the library's vectors.
const WRAPPERS_MAX: u32 = 8;
/// No more members are looked at in search of one. Each of them may have many that have many.
const VISITS_MAX: u32 = 256;

impl Values<'_> {
    /// Whether a record is shown without the name of its type.
    pub(super) fn is_rust_value(&self, ty: &Type, name: &str) -> bool {
        let TypeKind::Record(record) = &ty.kind else { return false };
        ty.language == SourceLanguage::Rust
            && (record.variant_part.is_some()
                || is_tuple(record)
                || name.starts_with('&')
                || is_text(name)
                || is_vector(name))
    }

    /// Whether a pointer is one that always leads to a value: a reference or a box.
    pub(super) fn is_rust_reference(&self, found: &Type, ty: Option<TypeRef>) -> bool {
        found.language == SourceLanguage::Rust && {
            let name = self.info.type_name(ty);
            name.starts_with('&') || name.starts_with("alloc::boxed::Box<")
        }
    }

    /// The value of a record that is not shown as one. `None` for all others.
    pub(super) fn rust_value(
        &self,
        name: &str,
        record: &Record,
        part: Part<'_>,
        depth: u32,
    ) -> Option<String> {
        if let Some(variants) = &record.variant_part {
            return Some(self.variant(variants, part, depth));
        }
        if name == "()" {
            return Some(name.to_owned());
        }
        if is_text(name) {
            let (start, count, _) = self.run(record, part)?;
            return Some(self.text_of(start, count).unwrap_or_else(|| UNAVAILABLE.to_owned()));
        }
        if name.starts_with("&[") || name.starts_with("&mut [") || is_vector(name) {
            let (start, count, pointed) = self.run(record, part)?;
            return Some(self.slice(
                self.vector_element(name, record, pointed),
                start,
                count,
                depth,
            ));
        }
        if is_tuple(record) && !record.members.is_empty() {
            return Some(self.fields(&record.members, part, depth));
        }
        None
    }

    /// The variant that an object is of.
    fn variant(&self, variants: &VariantPart, part: Part<'_>, depth: u32) -> String {
        let discriminant = variants.discriminant.as_ref().and_then(|member| {
            let bits = self.size_of(member.ty)?.checked_mul(8)?;
            let value = bits_of(part, member.offset_bits?, bits)?;
            Some((value, u32::try_from(bits).ok()?))
        });
        let is_it = |values: &[std::ops::RangeInclusive<i128>]| {
            let Some((value, bits)) = discriminant else { return false };
            let signed = number::sign_extended(value, bits);
            let unsigned = i128::try_from(value).unwrap_or(signed);
            values.iter().any(|range| range.contains(&signed) || range.contains(&unsigned))
        };
        if variants.discriminant.is_some() && discriminant.is_none() {
            return UNAVAILABLE.to_owned();
        }
        let all = &variants.variants;
        let found = all.iter().find(|variant| is_it(&variant.values));
        let found = found.or_else(|| all.iter().find(|variant| variant.values.is_empty()));
        let Some(member) = found.and_then(|variant| variant.members.first()) else {
            return UNAVAILABLE.to_owned();
        };
        let name = member.name.as_deref().unwrap_or_default();
        let Some(TypeKind::Record(inside)) = self.plain(member.ty).map(|ty| ty.kind) else {
            return name.to_owned();
        };
        if inside.members.is_empty() {
            return name.to_owned();
        }
        let size = self.size_of(member.ty).unwrap_or(0);
        let part = part.slice(member.offset_bits.unwrap_or(0) / 8, size);
        match is_tuple(&inside) {
            true => name.to_owned() + &self.fields(&inside.members, part, depth),
            false => format!("{name} {}", self.record(member.ty, &inside, part, depth)),
        }
    }

    /// `(value, value)`.
    fn fields(&self, members: &[Member], part: Part<'_>, depth: u32) -> String {
        if depth > self.limits.depth_max {
            return "(...)".to_owned();
        }
        let values = members.iter().map(|member| self.member_value(member, part, depth + 1));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    }

    /// Where the elements of a slice, a text or a vector are, how many, and what its pointer points
    /// to: the first pointer in it, and its member `len` or `length`.
    fn run(&self, record: &Record, part: Part<'_>) -> Option<(Address, u64, Option<TypeRef>)> {
        let mut visits_left = VISITS_MAX;
        let (start, target) = self.first_pointer(record, part, 0, &mut visits_left)?;
        let mut visits_left = VISITS_MAX;
        let count = self.length(record, part, 0, &mut visits_left)?;
        Some((start, count, target))
    }

    fn first_pointer(
        &self,
        record: &Record,
        part: Part<'_>,
        depth: u32,
        visits_left: &mut u32,
    ) -> Option<(Address, Option<TypeRef>)> {
        record.members.iter().find_map(|member| {
            *visits_left = visits_left.checked_sub(1)?;
            let found = self.plain(member.ty)?;
            let at = part.slice(member.offset_bits? / 8, found.size_bytes?);
            match &found.kind {
                TypeKind::Pointer(target) => {
                    let bytes = at.whole(found.size_bytes)?;
                    Some((Address::new(number::unsigned(bytes) as u64), *target))
                }
                TypeKind::Record(inner) if depth < WRAPPERS_MAX => {
                    self.first_pointer(inner, at, depth + 1, visits_left)
                }
                _ => None,
            }
        })
    }

    fn length(
        &self,
        record: &Record,
        part: Part<'_>,
        depth: u32,
        visits_left: &mut u32,
    ) -> Option<u64> {
        let named = |member: &&Member| matches!(member.name.as_deref(), Some("len" | "length"));
        if let Some(member) = record.members.iter().find(named) {
            let size = self.size_of(member.ty)?;
            let bytes = part.slice(member.offset_bits? / 8, size).whole(Some(size))?;
            return u64::try_from(number::unsigned(bytes)).ok();
        }
        record.members.iter().filter(|_| depth < WRAPPERS_MAX).find_map(|member| {
            *visits_left = visits_left.checked_sub(1)?;
            let found = self.plain(member.ty)?;
            let TypeKind::Record(inner) = &found.kind else { return None };
            let at = part.slice(member.offset_bits? / 8, found.size_bytes?);
            self.length(inner, at, depth + 1, visits_left)
        })
    }

    /// The type of a vector's elements: its own type parameter, as its pointer is to bytes.
    fn vector_element(
        &self,
        name: &str,
        record: &Record,
        pointed: Option<TypeRef>,
    ) -> Option<TypeRef> {
        let parameter = record.template_arguments.first().and_then(|argument| argument.ty);
        if is_vector(name) { parameter.or(pointed) } else { pointed }
    }

    fn slice(&self, ty: Option<TypeRef>, start: Address, count: u64, depth: u32) -> String {
        let heading = format!("{{len={count:#x}}}");
        let size = self.size_of(ty).unwrap_or(0);
        if depth >= self.limits.depth_max {
            return heading;
        }
        let shown = count.min(self.limits.elements_max);
        let len = size.saturating_mul(shown);
        if len > OBJECT_LEN_MAX {
            return heading;
        }
        let object = match len {
            0 => Some(dbgsym::dwarf::ObjectBytes { bytes: Vec::new(), known: Vec::new() }),
            len => self.read(start, len),
        };
        let Some(object) = object else { return format!("{heading} {UNAVAILABLE}") };
        let all = Part::new(&object, Some(start));
        let elements =
            self.elements(count, |index| self.value(ty, all.slice(index * size, size), depth + 1));
        format!("{heading} {elements}")
    }

    /// Text of so many bytes.
    fn text_of(&self, start: Address, count: u64) -> Option<String> {
        let shown = count.min(self.limits.characters_max);
        let bytes = match shown {
            0 => Vec::new(),
            shown => self.read(start, shown)?.bytes,
        };
        // A character that was cut in two is left out, and zeros are characters here.
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text.to_owned(),
            Err(error) if shown < count => {
                let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
                String::from_utf8_lossy(whole).into_owned()
            }
            Err(_) => String::from_utf8_lossy(&bytes).into_owned(),
        };
        let cut = if shown < count { "..." } else { "" };
        Some(format!("\"{}\"{cut}", number::escaped(&text)))
    }
}

/// Whether members are numbered: tuples, and structures that are written like them.
fn is_tuple(record: &Record) -> bool {
    let first = record.members.first().and_then(|member| member.name.as_deref());
    first == Some("__0")
}

fn is_text(name: &str) -> bool {
    matches!(name, "&str" | "&mut str" | "alloc::string::String")
}

fn is_vector(name: &str) -> bool {
    name.starts_with("alloc::vec::Vec<")
}

#[cfg(test)]
#[path = "rust/tests.rs"]
mod tests;
