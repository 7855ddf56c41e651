//! Objects of a program as text: what the bytes of an object mean by its type. It is handed bytes
//! and something to read memory with, for what pointers point to; where objects are is found out
//! elsewhere.
//!
//! The text is the original's: signed integers are decimal (`0n5`), unsigned ones hexadecimal
//! (`0x5`), pointers have a grave accent in their middle. What has parts stands in braces. Numbers
//! are in `values/number.rs`, what has parts in `values/parts.rs`, Rust's own in `values/rust.rs`.

pub(crate) mod fields;
pub(crate) mod layout;
pub(crate) mod member;
mod number;
pub(crate) mod parts;
mod rust;

use std::cell::Cell;

use dbgbase::{Address, ReadMemory};
use dbgsym::dwarf::{
    BaseEncoding, DebugInfo, Enumeration, ObjectBytes, SourceLanguage, Type, TypeKind, TypeRef,
};

use crate::SymbolAt;

/// What is written for what the compiler did not keep.
pub(crate) const UNAVAILABLE: &str = "<value unavailable>";

/// No type has so many names.
const NAMES_MAX: usize = 16;

/// How much of an object is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ValueLimits {
    /// How deep parts of parts are shown; what lies deeper is `{...}`.
    pub depth_max: u32,
    /// How many elements of an array.
    pub elements_max: u64,
    /// How many characters of a string.
    pub characters_max: u64,
    /// How many values in all.
    pub values_max: u32,
}

impl ValueLimits {
    /// What fits in a line or two.
    pub const LINE: ValueLimits =
        ValueLimits { depth_max: 3, elements_max: 16, characters_max: 128, values_max: 64 };
}

/// A number of a base type as it is shown.
pub(crate) fn base_text(encoding: BaseEncoding, bytes: &[u8]) -> String {
    number::base(encoding, bytes)
}

/// A floating-point number as it is shown.
pub(crate) fn float_text(bytes: &[u8]) -> String {
    number::base(BaseEncoding::Float, bytes)
}

/// The number that the bytes of a pointer or an unsigned integer are.
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    number::unsigned(bytes) as u64
}

/// Finds the symbol that an address lies in.
pub(crate) type NameAt<'a> = dyn Fn(Address) -> Option<SymbolAt> + 'a;

/// Writes objects of one image's types.
pub(crate) struct Values<'a> {
    pub(crate) info: &'a DebugInfo,
    pub(crate) memory: &'a dyn ReadMemory,
    pub(crate) name_at: &'a NameAt<'a>,
    pub(crate) limits: ValueLimits,
    values_left: Cell<u32>,
}

/// The bytes of an object, or of a part of one.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    bytes: &'a [u8],
    /// Which bits of each byte are known.
    known: &'a [u8],
    /// Where it is, if it is in memory in one piece.
    pub(crate) address: Option<Address>,
}

impl<'a> Part<'a> {
    /// A whole object.
    pub(crate) fn new(object: &'a ObjectBytes, address: Option<Address>) -> Part<'a> {
        Part { bytes: &object.bytes, known: &object.known, address }
    }

    /// The `len` bytes from `offset` on, or what there is of them.
    pub(crate) fn slice(&self, offset: u64, len: u64) -> Part<'a> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.bytes.len() - start);
        let cut = |all: &'a [u8]| all.get(start..start + len).unwrap_or_default();
        Part {
            bytes: cut(self.bytes),
            known: cut(self.known),
            address: self.address.map(|address| address.wrapping_offset(offset as i64)),
        }
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The bytes, if there are so many and all are known.
    fn whole(&self, size: Option<u64>) -> Option<&'a [u8]> {
        let is_whole = size.is_none_or(|size| self.len() >= size) && !self.bytes.is_empty();
        (is_whole && self.known.iter().all(|mask| *mask == 0xff)).then_some(self.bytes)
    }
}

impl<'a> Values<'a> {
    pub(crate) fn new(
        info: &'a DebugInfo,
        memory: &'a dyn ReadMemory,
        name_at: &'a NameAt<'a>,
        limits: ValueLimits,
    ) -> Values<'a> {
        let values_left = Cell::new(limits.values_max);
        Values { info, memory, name_at, limits, values_left }
    }

    /// So many values may be shown again.
    pub(crate) fn refill(&self) {
        self.values_left.set(self.limits.values_max);
    }

    /// A variable's value. Before braces stands the type.
    pub(crate) fn variable(&self, ty: Option<TypeRef>, part: Part<'_>) -> String {
        self.refill();
        let text = self.value(ty, part, 0);
        let Some(found) = self.plain(ty) else { return text };
        let name = || self.info.type_name(ty);
        match &found.kind {
            TypeKind::Record(_) if self.is_rust_value(&found, &name()) => text,
            TypeKind::Record(record) if found.language == SourceLanguage::CPlusPlus => {
                let (keyword, name) = (record.kind.keyword(), name());
                // Those without a name, as of lambdas, begin with it.
                match name.starts_with(keyword) {
                    true => format!("{name} {text}"),
                    false => format!("{keyword} {name} {text}"),
                }
            }
            TypeKind::Record(_) if found.language == SourceLanguage::Rust => {
                format!("struct {} {text}", name())
            }
            TypeKind::Record(_) | TypeKind::Array(_) => format!("{} {text}", name()),
            _ => text,
        }
    }

    /// A type without typedefs and qualifiers.
    pub(crate) fn plain(&self, ty: Option<TypeRef>) -> Option<Type> {
        let ty = self.info.strip_typedefs(ty?)?;
        Some(self.info.type_of(ty))
    }

    /// Whether a type has members.
    pub(crate) fn is_record(&self, ty: TypeRef) -> bool {
        self.plain(Some(ty)).is_some_and(|ty| matches!(ty.kind, TypeKind::Record(_)))
    }

    /// Whether a record is shown as one value and not by its members: Rust's own.
    pub(crate) fn is_shown_whole(&self, ty: TypeRef) -> bool {
        let name = self.info.type_name(Some(ty));
        self.plain(Some(ty)).is_some_and(|found| self.is_rust_value(&found, &name))
    }

    /// The size of a type's objects.
    pub(crate) fn size_of(&self, ty: Option<TypeRef>) -> Option<u64> {
        self.plain(ty)?.size_bytes
    }

    /// The value of an object, or of a part at this depth.
    pub(crate) fn value(&self, ty: Option<TypeRef>, part: Part<'_>, depth: u32) -> String {
        let left = self.values_left.get();
        if left == 0 {
            return "...".to_owned();
        }
        self.values_left.set(left - 1);
        let Some(found) = self.plain(ty) else { return UNAVAILABLE.to_owned() };
        if let TypeKind::Record(record) = &found.kind {
            let name = || self.info.type_name(ty);
            if found.language == SourceLanguage::Rust
                && let Some(text) = self.rust_value(&name(), record, part, depth)
            {
                return text;
            }
            let plain = ty.and_then(|ty| self.info.strip_typedefs(ty));
            return self.record(plain, record, part, depth);
        }
        if let TypeKind::Array(array) = &found.kind {
            return self.array(array, &array.dimensions, part, depth);
        }
        if found.size_bytes == Some(0) && found.language == SourceLanguage::Rust {
            return "()".to_owned();
        }
        if found.kind == TypeKind::Unspecified {
            return "nullptr".to_owned();
        }
        let Some(bytes) = part.whole(found.size_bytes) else { return UNAVAILABLE.to_owned() };
        match &found.kind {
            // Nothing but the name tells it from x87's `long double`, which has as many bytes.
            TypeKind::Base(BaseEncoding::Float | BaseEncoding::ComplexFloat)
                if found.name.as_ref().is_some_and(|name| name.contains("loat128")) =>
            {
                number::hexadecimal(bytes)
            }
            TypeKind::Base(_) if self.is_wide(ty) => number::base(BaseEncoding::Unicode, bytes),
            TypeKind::Base(encoding) => number::base(*encoding, bytes),
            TypeKind::Pointer(target) if self.is_rust_reference(&found, ty) => {
                self.reference(*target, bytes, depth)
            }
            TypeKind::Pointer(target) => self.pointer(*target, bytes),
            TypeKind::Reference(target) | TypeKind::RvalueReference(target) => {
                self.reference(*target, bytes, depth)
            }
            TypeKind::MemberPointer { .. } => self.member_pointer(bytes),
            TypeKind::Enumeration(enumeration) => self.enumeration(enumeration, bytes),
            _ => number::hexadecimal(bytes),
        }
    }

    /// Whether a number is a character, although its encoding does not say so: C's wide characters
    /// are typedefs of numbers, and C++'s `wchar_t` is described as one.
    fn is_wide(&self, ty: Option<TypeRef>) -> bool {
        let mut ty = ty;
        for _ in 0..NAMES_MAX {
            let Some(found) = ty.map(|ty| self.info.type_of(ty)) else { return false };
            if let Some("wchar_t" | "char16_t" | "char32_t") = found.name.as_deref() {
                return true;
            }
            ty = match found.kind {
                TypeKind::Typedef(inner) | TypeKind::Qualified(_, inner) => inner,
                _ => return false,
            };
        }
        false
    }

    /// An address, and what is known of it: the text for pointers to characters, else the symbol.
    pub(crate) fn pointer(&self, target: Option<TypeRef>, bytes: &[u8]) -> String {
        let address = Address::new(number::unsigned(bytes) as u64);
        let shown = format!("0x{address}");
        if address == Address::ZERO {
            return shown;
        }
        if let Some(width) = self.character_width(target) {
            return match self.text_at(address, width) {
                Some(text) => format!("{shown} {text}"),
                None => format!("{shown} \"--- memory read error at address 0x{address} ---\""),
            };
        }
        match self.symbol(address) {
            Some(symbol) => format!("{shown} {symbol}"),
            None => shown,
        }
    }

    fn symbol(&self, address: Address) -> Option<SymbolAt> {
        (self.name_at)(address).filter(|symbol| !symbol.name.is_empty())
    }

    /// How many bytes a character has, if the type is one that strings are made of.
    fn character_width(&self, ty: Option<TypeRef>) -> Option<u64> {
        let found = self.plain(ty)?;
        let TypeKind::Base(encoding) = found.kind else { return None };
        let is_character = match encoding {
            BaseEncoding::SignedChar | BaseEncoding::UnsignedChar => true,
            BaseEncoding::Unicode => found.language != SourceLanguage::Rust,
            _ => self.is_wide(ty),
        };
        found.size_bytes.filter(|size| is_character && matches!(size, 1 | 2 | 4))
    }

    /// The text at an address, up to its end or the longest that is shown. `None` if its first
    /// character cannot be read.
    fn text_at(&self, address: Address, width: u64) -> Option<String> {
        let mut bytes = vec![0; (self.limits.characters_max * width) as usize];
        let count = self.memory.read(address, &mut bytes).ok()?;
        let is_cut = count == bytes.len();
        bytes.truncate(count);
        Some(number::quoted(&bytes, width, is_cut))
    }

    /// What a pointer to this type points to, which is in no memory.
    pub(crate) fn pointed(&self, ty: Option<TypeRef>, part: Part<'_>) -> String {
        match (self.character_width(ty), part.whole(None)) {
            (Some(width), Some(bytes)) => number::quoted(bytes, width, false),
            _ => self.value(ty, part.slice(0, self.size_of(ty).unwrap_or(u64::MAX)), 1),
        }
    }

    /// Where a reference leads to, and the value there.
    fn reference(&self, target: Option<TypeRef>, bytes: &[u8], depth: u32) -> String {
        let address = Address::new(number::unsigned(bytes) as u64);
        let shown = format!("0x{address}");
        let size = self.size_of(target).filter(|size| (1..=parts::OBJECT_LEN_MAX).contains(size));
        let Some(object) = size.and_then(|size| self.read(address, size)) else { return shown };
        let value = self.value(target, Part::new(&object, Some(address)), depth + 1);
        format!("{shown} {value}")
    }

    /// An object in memory, if all of it can be read.
    pub(crate) fn read(&self, address: Address, size: u64) -> Option<ObjectBytes> {
        let mut bytes = vec![0; usize::try_from(size).ok()?];
        let count = self.memory.read(address, &mut bytes).ok()?;
        let known = vec![0xff; bytes.len()];
        (count == bytes.len()).then_some(ObjectBytes { bytes, known })
    }

    /// An object in memory as far as it can be read.
    pub(crate) fn read_head(&self, address: Address, size: u64) -> ObjectBytes {
        let size = size.min(parts::OBJECT_LEN_MAX) as usize;
        let mut bytes = vec![0; size];
        let count = self.memory.read(address, &mut bytes).unwrap_or(0);
        let known = (0..size).map(|at| if at < count { 0xff } else { 0 }).collect();
        ObjectBytes { bytes, known }
    }

    /// The offset of a member; of a function its address and what is added to `this` (Itanium C++
    /// ABI, 2.3).
    fn member_pointer(&self, bytes: &[u8]) -> String {
        let Some((first, second)) = bytes.split_at_checked(8).filter(|(_, rest)| !rest.is_empty())
        else {
            return number::base(BaseEncoding::Signed, bytes);
        };
        let mut shown = self.pointer(None, first);
        let adjustment = number::signed(second);
        if adjustment != 0 {
            shown += &format!(" this+{adjustment:#x}");
        }
        shown
    }

    /// Whether an enumeration's numbers may be negative: the type that they have says it, or else
    /// that one is.
    pub(crate) fn has_sign(&self, enumeration: &Enumeration) -> bool {
        match self.plain(enumeration.underlying).map(|found| found.kind) {
            Some(TypeKind::Base(encoding)) => parts::is_signed(encoding),
            _ => enumeration.enumerators.iter().any(|one| one.value < 0),
        }
    }

    /// The name of a number and the number; several names if it is made of their bits.
    fn enumeration(&self, enumeration: &Enumeration, bytes: &[u8]) -> String {
        let value = match self.has_sign(enumeration) {
            true => number::signed(bytes),
            false => i128::try_from(number::unsigned(bytes)).unwrap_or(i128::MAX),
        };
        if let Some(one) = enumeration.enumerators.iter().find(|one| one.value == value) {
            return format!("{} (0n{value})", one.name);
        }
        match number::flags(enumeration, value) {
            Some(names) => format!("{names} ({value:#x})"),
            None => format!("0n{value} (No matching name)"),
        }
    }
}
