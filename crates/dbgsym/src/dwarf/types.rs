//! Types: what they are, how large, and what they consist of, at which offsets. It knows how
//! compilers describe them; `types/print.rs` writes them as source text, and values are read and
//! shown elsewhere.

mod layout;
mod print;
mod read;

use std::ops::RangeInclusive;

use gimli::constants as dw;

use super::unit::{EntryId, SourceLanguage};
use super::{DebugInfo, OpenUnits};
use crate::Pattern;

pub(super) use layout::size_of_variable;

/// What may stand before the name of a type in C.
const KEYWORDS: [&str; 4] = ["struct ", "class ", "union ", "enum "];

/// A type of a [`DebugInfo`]. `Option<TypeRef>` is `None` for C's `void`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeRef(pub(super) EntryId);

impl TypeRef {
    /// Its entry.
    pub fn entry(self) -> EntryId {
        self.0
    }
}

/// A type.
#[derive(Clone, PartialEq, Debug)]
pub struct Type {
    /// Its name without the scopes around it; `None` if it has none. That of a type that is written
    /// with others (`int *`) is made by [`DebugInfo::type_name`].
    pub name: Option<String>,
    /// What it is.
    pub kind: TypeKind,
    /// How many bytes an object has. `None` if that is unknown (declarations, functions) or known
    /// only to the running program (arrays of variable length).
    pub size_bytes: Option<u64>,
    /// Whether this is only a declaration, and no definition was found.
    pub is_declaration: bool,
    /// What it is written in.
    pub language: SourceLanguage,
    /// The line of its declaration.
    pub line: Option<u64>,
}

/// What a type is.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum TypeKind {
    /// A number, a character, a truth value.
    Base(BaseEncoding),
    /// A pointer.
    Pointer(Option<TypeRef>),
    /// A C++ reference.
    Reference(Option<TypeRef>),
    /// A C++ reference to what may be moved from.
    RvalueReference(Option<TypeRef>),
    /// A pointer to a member of a C++ class.
    MemberPointer {
        /// The class.
        class: Option<TypeRef>,
        /// The type of the member; for functions, the function's type.
        target: Option<TypeRef>,
    },
    /// A type with a qualifier.
    Qualified(Qualifier, Option<TypeRef>),
    /// Another name for a type.
    Typedef(Option<TypeRef>),
    /// Members side by side or over each other.
    Record(Record),
    /// Names for numbers.
    Enumeration(Enumeration),
    /// Elements in a row.
    Array(Array),
    /// A function.
    Function(FunctionType),
    /// One that the language does not specify: C++'s type of `nullptr`.
    Unspecified,
    /// One that is described in a way not known here.
    Unknown,
}

/// How the bytes of a number are to be read (DWARF 5, 5.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum BaseEncoding {
    /// A signed integer in two's complement.
    Signed,
    /// An unsigned integer.
    Unsigned,
    /// A signed character.
    SignedChar,
    /// An unsigned character.
    UnsignedChar,
    /// A character of Unicode: UTF-8, -16 or -32 by its size.
    Unicode,
    /// A truth value.
    Boolean,
    /// A binary floating point number.
    Float,
    /// Two floating point numbers, real and imaginary.
    ComplexFloat,
    /// A decimal floating point number.
    DecimalFloat,
    /// An address.
    Address,
    /// One that is not known here, with its number in DWARF.
    Other(u8),
}

/// What qualifies a type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Qualifier {
    /// `const`.
    Const,
    /// `volatile`.
    Volatile,
    /// `restrict`.
    Restrict,
    /// `_Atomic`.
    Atomic,
}

/// Which keyword declares a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordKind {
    /// `struct`, and all records of languages other than C and C++.
    Struct,
    /// `class`.
    Class,
    /// `union`.
    Union,
}

/// A structure, class or union; a Rust `enum` with data is a structure with a variant part.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// Its keyword.
    pub kind: RecordKind,
    /// The bases, in the order of their declaration.
    pub bases: Vec<Base>,
    /// The members that each object has, in the order of their declaration.
    pub members: Vec<Member>,
    /// The part that differs from object to object.
    pub variant_part: Option<VariantPart>,
    /// The members that all objects share. Their places are those of global variables.
    pub static_members: Vec<StaticMember>,
    /// The names of its functions, without overloads and in the order of their declaration.
    pub functions: Vec<String>,
    /// Types and values that a template was instantiated with.
    pub template_arguments: Vec<TemplateArgument>,
}

/// A base of a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Base {
    /// Its type.
    pub ty: Option<TypeRef>,
    /// Where it begins; `None` if each object tells by itself, as with virtual bases.
    pub offset_bytes: Option<u64>,
    /// Whether it is a virtual base.
    pub is_virtual: bool,
}

/// A member of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its name; `None` for anonymous structures and unions.
    pub name: Option<String>,
    /// Its type.
    pub ty: Option<TypeRef>,
    /// Where it begins, in bits from the lowest bit of the record. `None` if each object tells by
    /// itself.
    pub offset_bits: Option<u64>,
    /// How many bits it has, if it is a bit field.
    pub bit_field_bits: Option<u64>,
    /// Whether the compiler added it: pointers to tables of virtual functions, discriminants.
    pub is_artificial: bool,
}

/// A member that all objects of a record share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticMember {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Option<TypeRef>,
}

/// What a template was instantiated with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateArgument {
    /// The parameter's name.
    pub name: Option<String>,
    /// The type, or the type of the value.
    pub ty: Option<TypeRef>,
    /// The value; `None` if the argument is a type, or not a number.
    pub value: Option<i128>,
}

/// The part of a record that differs from object to object (DWARF 5, 5.7.10).
#[derive(Clone, PartialEq, Debug)]
pub struct VariantPart {
    /// The member that tells which variant an object has; `None` if there is only one.
    pub discriminant: Option<Member>,
    /// The variants.
    pub variants: Vec<Variant>,
}

/// One variant.
#[derive(Clone, PartialEq, Debug)]
pub struct Variant {
    /// The values of the discriminant that stand for it; empty for the one that all others stand
    /// for.
    pub values: Vec<RangeInclusive<i128>>,
    /// What an object has then. Rust has one member, with the variant's name.
    pub members: Vec<Member>,
}

/// Names for numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enumeration {
    /// The type of the numbers, if the information tells.
    pub underlying: Option<TypeRef>,
    /// Whether the names stand in the scope of the type (`enum class`).
    pub is_scoped: bool,
    /// The names.
    pub enumerators: Vec<Enumerator>,
}

/// One name for a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Enumerator {
    /// The name.
    pub name: String,
    /// The number.
    pub value: i128,
}

/// Elements in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Array {
    /// The type of the elements.
    pub element: Option<TypeRef>,
    /// Dimensions, the one that changes slowest first; at least one.
    pub dimensions: Vec<Dimension>,
    /// How far the elements lie apart, if that is not their size.
    pub stride_bits: Option<u64>,
    /// Whether it is a vector of the CPU (GNU's `vector_size`).
    pub is_vector: bool,
}

/// One dimension of an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dimension {
    /// The first index.
    pub lower: i64,
    /// How many elements.
    pub count: ElementCount,
}

/// How many elements a dimension has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ElementCount {
    /// So many.
    Known(u64),
    /// The running program knows: [`DebugInfo::size_in_frame`].
    Computed(EntryId),
    /// None is told: `int [];`.
    Unknown,
}

/// A function's type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionType {
    /// What it returns.
    pub result: Option<TypeRef>,
    /// The types of its parameters; that of `this` is the first one.
    pub parameters: Vec<Option<TypeRef>>,
    /// Whether more arguments may follow (`...`).
    pub is_variadic: bool,
    /// Whether the parameters are told; C's `int f()` tells nothing.
    pub is_prototyped: bool,
}

impl DebugInfo {
    /// What a type is. A declaration is resolved to its definition, in another unit if need be.
    ///
    /// **Cost**: reads the type's entries. A declaration makes the index of names if there is none
    /// yet.
    pub fn type_of(&self, ty: TypeRef) -> Type {
        let units = OpenUnits::new(self);
        read::read(&units, self.definition_of(&units, ty))
    }

    /// The type as it is written in its language: `int (*)[3]`, `std::vector<int>`, `&mut [u8]`.
    pub fn type_name(&self, ty: Option<TypeRef>) -> String {
        print::name(&OpenUnits::new(self), ty)
    }

    /// A type without names that only stand for others (`typedef`), and without qualifiers.
    pub fn strip_typedefs(&self, ty: TypeRef) -> Option<TypeRef> {
        layout::strip(&OpenUnits::new(self), ty, true)
    }

    /// The definitions of types called `name`, with the scopes around it. In C, a keyword may stand
    /// before it: `struct node`.
    ///
    /// **Shape**: each unit of a C program that uses a type may define it. Declarations are not in
    /// the result.
    ///
    /// **Cost**: makes the index of names if there is none yet.
    pub fn types_named(&self, name: &str) -> Vec<TypeRef> {
        let keyword = KEYWORDS.into_iter().find_map(|keyword| name.strip_prefix(keyword));
        let name = keyword.unwrap_or(name);
        let found = self.type_entries_named(&OpenUnits::new(self), name);
        found.into_iter().map(TypeRef).collect()
    }

    /// The definitions of types whose names, with the scopes around them, match `pattern`.
    ///
    /// **Cost**: as [`DebugInfo::types_named`].
    pub fn types_matching(&self, pattern: &Pattern) -> Vec<TypeRef> {
        let found = self.type_entries_matching(&OpenUnits::new(self), pattern);
        found.into_iter().map(TypeRef).collect()
    }

    /// The definition in a unit of its own that an entry stands for, which may say nothing else,
    /// not even its name (DWARF 5, 5.7.1 and 3.1.4).
    fn signed(&self, units: &OpenUnits<'_>, ty: TypeRef) -> Option<TypeRef> {
        let (unit, entry) = units.entry(ty.0)?;
        unit.reference_of(&entry, dw::DW_AT_signature).map(TypeRef)
    }

    /// The definition of a type that is only declared where it is referred to.
    pub(super) fn definition_of(&self, units: &OpenUnits<'_>, ty: TypeRef) -> TypeRef {
        if let Some(definition) = self.signed(units, ty) {
            return definition;
        }
        let Some((_, entry)) = units.entry(ty.0) else { return ty };
        if entry.attr(dw::DW_AT_declaration).is_none() || !self.may_use_names() {
            return ty;
        }
        let Some(name) = super::scope::qualified_name(units, ty.0) else { return ty };
        let mut candidates = self.type_entries_named(units, &name).into_iter();
        let is_same_kind = |id: &EntryId| {
            units.entry(*id).is_some_and(|(_, other)| {
                other.attr(dw::DW_AT_declaration).is_none() && is_alike(other.tag(), entry.tag())
            })
        };
        candidates.find(is_same_kind).map_or(ty, TypeRef)
    }
}

/// Whether a type declared as one may be defined as the other: C++ does not tell `struct` from
/// `class`.
fn is_alike(one: gimli::DwTag, other: gimli::DwTag) -> bool {
    let is_class = |tag| matches!(tag, dw::DW_TAG_structure_type | dw::DW_TAG_class_type);
    one == other || is_class(one) && is_class(other)
}
