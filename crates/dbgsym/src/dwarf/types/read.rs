//! From an entry to a [`Type`]. It knows the attributes of types (DWARF 5, chapter 5); sizes that
//! follow from other types, `layout.rs` finds.

use std::ops::RangeInclusive;
use std::rc::Rc;

use gimli::{AttributeValue, DwAt, DwTag, Operation, constants as dw};

use super::super::entry::{self, Entry};
use super::super::unit::SourceLanguage;
use super::super::{OpenUnit, OpenUnits, Reader};
use super::{
    Array, Base, BaseEncoding, Dimension, ElementCount, Enumeration, Enumerator, FunctionType,
    Member, Qualifier, Record, RecordKind, StaticMember, TemplateArgument, Type, TypeKind, TypeRef,
    Variant, VariantPart, layout,
};

/// Lists of one variant's discriminants are short.
const DISCRIMINANTS_MAX: usize = 1 << 12;

pub(super) fn read(units: &OpenUnits<'_>, ty: TypeRef) -> Type {
    let Some((unit, entry)) = units.entry(ty.0) else {
        return Type {
            name: None,
            kind: TypeKind::Unknown,
            size_bytes: None,
            is_declaration: true,
            language: SourceLanguage::Other,
            line: None,
        };
    };
    let source = Source { unit, entry };
    Type {
        name: source.text(dw::DW_AT_name),
        kind: source.kind(),
        size_bytes: layout::size_of(units, Some(ty)),
        is_declaration: source.has_flag(dw::DW_AT_declaration),
        language: source.unit.language(),
        line: source.number(dw::DW_AT_decl_line),
    }
}

/// An entry to be read.
pub(super) struct Source<'a> {
    pub(super) unit: Rc<OpenUnit<'a>>,
    pub(super) entry: Entry<'a>,
}

impl<'a> Source<'a> {
    pub(super) fn text(&self, name: DwAt) -> Option<String> {
        let text = self.unit.text_of(&self.entry, name)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    pub(super) fn number(&self, name: DwAt) -> Option<u64> {
        self.entry.attr(name)?.udata_value()
    }

    fn has_flag(&self, name: DwAt) -> bool {
        matches!(self.entry.attr_value(name), Some(AttributeValue::Flag(true)))
    }

    pub(super) fn ty(&self) -> Option<TypeRef> {
        self.unit.reference_of(&self.entry, dw::DW_AT_type).map(TypeRef)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = Source<'a>> {
        let children = entry::children(&self.unit, self.entry.offset());
        let unit = Rc::clone(&self.unit);
        children.into_iter().map(move |entry| Source { unit: Rc::clone(&unit), entry })
    }

    fn kind(&self) -> TypeKind {
        let qualified = |qualifier| TypeKind::Qualified(qualifier, self.ty());
        match self.entry.tag() {
            dw::DW_TAG_base_type => TypeKind::Base(self.encoding()),
            dw::DW_TAG_pointer_type => TypeKind::Pointer(self.ty()),
            dw::DW_TAG_reference_type => TypeKind::Reference(self.ty()),
            dw::DW_TAG_rvalue_reference_type => TypeKind::RvalueReference(self.ty()),
            dw::DW_TAG_ptr_to_member_type => {
                let class = self.unit.reference_of(&self.entry, dw::DW_AT_containing_type);
                TypeKind::MemberPointer { class: class.map(TypeRef), target: self.ty() }
            }
            dw::DW_TAG_const_type => qualified(Qualifier::Const),
            dw::DW_TAG_volatile_type => qualified(Qualifier::Volatile),
            dw::DW_TAG_restrict_type => qualified(Qualifier::Restrict),
            dw::DW_TAG_atomic_type => qualified(Qualifier::Atomic),
            dw::DW_TAG_typedef | dw::DW_TAG_template_alias => TypeKind::Typedef(self.ty()),
            dw::DW_TAG_structure_type | dw::DW_TAG_interface_type => {
                TypeKind::Record(self.record(RecordKind::Struct))
            }
            dw::DW_TAG_class_type => TypeKind::Record(self.record(RecordKind::Class)),
            dw::DW_TAG_union_type => TypeKind::Record(self.record(RecordKind::Union)),
            dw::DW_TAG_enumeration_type => TypeKind::Enumeration(self.enumeration()),
            dw::DW_TAG_array_type => TypeKind::Array(self.array()),
            dw::DW_TAG_subroutine_type | dw::DW_TAG_subprogram => {
                TypeKind::Function(self.function())
            }
            dw::DW_TAG_unspecified_type => TypeKind::Unspecified,
            _ => TypeKind::Unknown,
        }
    }

    pub(super) fn encoding(&self) -> BaseEncoding {
        let Some(AttributeValue::Encoding(encoding)) = self.entry.attr_value(dw::DW_AT_encoding)
        else {
            return BaseEncoding::Other(0);
        };
        match encoding {
            dw::DW_ATE_signed => BaseEncoding::Signed,
            dw::DW_ATE_unsigned => BaseEncoding::Unsigned,
            dw::DW_ATE_signed_char => BaseEncoding::SignedChar,
            dw::DW_ATE_unsigned_char => BaseEncoding::UnsignedChar,
            dw::DW_ATE_UTF | dw::DW_ATE_UCS | dw::DW_ATE_ASCII => BaseEncoding::Unicode,
            dw::DW_ATE_boolean => BaseEncoding::Boolean,
            dw::DW_ATE_float => BaseEncoding::Float,
            dw::DW_ATE_complex_float => BaseEncoding::ComplexFloat,
            dw::DW_ATE_decimal_float => BaseEncoding::DecimalFloat,
            dw::DW_ATE_address => BaseEncoding::Address,
            other => BaseEncoding::Other(other.0),
        }
    }

    fn record(&self, kind: RecordKind) -> Record {
        let mut record = Record {
            kind,
            bases: Vec::new(),
            members: Vec::new(),
            variant_part: None,
            static_members: Vec::new(),
            functions: Vec::new(),
            template_arguments: Vec::new(),
        };
        for child in self.children() {
            match child.entry.tag() {
                dw::DW_TAG_inheritance => record.bases.push(child.base()),
                // Up to DWARF 4, members that all objects share are members as well.
                dw::DW_TAG_member | dw::DW_TAG_variable if child.is_shared() => {
                    let name = child.text(dw::DW_AT_name);
                    record
                        .static_members
                        .extend(name.map(|name| StaticMember { name, ty: child.ty() }));
                }
                dw::DW_TAG_member => record.members.push(child.member()),
                dw::DW_TAG_variant_part => record.variant_part = Some(child.variant_part()),
                dw::DW_TAG_subprogram => {
                    let name = child.text(dw::DW_AT_name);
                    let is_new = |name: &String| !record.functions.contains(name);
                    record.functions.extend(name.filter(is_new));
                }
                tag => record.template_arguments.extend(child.template_argument(tag)),
            }
        }
        record
    }

    /// Whether a member is one that all objects share.
    fn is_shared(&self) -> bool {
        let is_external =
            || self.has_flag(dw::DW_AT_external) && self.has_flag(dw::DW_AT_declaration);
        self.entry.tag() == dw::DW_TAG_variable || is_external()
    }

    fn base(&self) -> Base {
        let virtuality = self.entry.attr_value(dw::DW_AT_virtuality);
        let is_virtual =
            matches!(virtuality, Some(AttributeValue::Virtuality(dw::DW_VIRTUALITY_virtual)));
        let offset_bits = self.offset_bits();
        Base { ty: self.ty(), offset_bytes: offset_bits.map(|bits| bits / 8), is_virtual }
    }

    fn member(&self) -> Member {
        Member {
            name: self.text(dw::DW_AT_name).filter(|name| !name.is_empty()),
            ty: self.ty(),
            offset_bits: self.offset_bits(),
            bit_field_bits: self.number(dw::DW_AT_bit_size),
            is_artificial: self.has_flag(dw::DW_AT_artificial),
        }
    }

    /// Where a member begins (DWARF 5, 5.7.6). Members of unions need not say it.
    fn offset_bits(&self) -> Option<u64> {
        if let Some(bits) = self.number(dw::DW_AT_data_bit_offset) {
            return Some(bits);
        }
        let bytes = match self.entry.attr_value(dw::DW_AT_data_member_location) {
            None => 0,
            Some(AttributeValue::Exprloc(expression)) => {
                let mut operations = expression.operations(self.unit.encoding());
                match (operations.next().ok()??, operations.next().ok()?) {
                    (Operation::PlusConstant { value }, None) => value,
                    _ => return None,
                }
            }
            Some(value) => value.udata_value()?,
        };
        let bits = bytes.checked_mul(8)?;
        // Up to DWARF 3, bits of a field are counted from the highest of the bytes it is stored in.
        let from_top = self.entry.attr_value(dw::DW_AT_bit_offset).and_then(signed_by_form);
        let (Some(from_top), Some(size)) = (from_top, self.number(dw::DW_AT_bit_size)) else {
            return Some(bits);
        };
        let storage_bytes = self
            .number(dw::DW_AT_byte_size)
            .or_else(|| layout::size_of(&OpenUnits::new(self.unit.info()), self.ty()))?;
        // It is negative if the field reaches beyond them.
        let lowest = storage_bytes.checked_mul(8)?.wrapping_sub(size);
        Some(bits.wrapping_add(lowest).wrapping_sub(from_top as u64))
    }

    fn variant_part(&self) -> VariantPart {
        let discriminant = self.unit.reference_of(&self.entry, dw::DW_AT_discr);
        let discriminant = discriminant.and_then(|id| {
            let entry = self.unit.entry(id.offset()).ok()?;
            Some(Source { unit: Rc::clone(&self.unit), entry }.member())
        });
        let variants = self.children().filter(|child| child.entry.tag() == dw::DW_TAG_variant);
        VariantPart { discriminant, variants: variants.map(|variant| variant.variant()).collect() }
    }

    fn variant(&self) -> Variant {
        let mut values = Vec::new();
        if let Some(value) = self.entry.attr_value(dw::DW_AT_discr_value) {
            values.extend(integer(value).map(|value| value..=value));
        }
        if let Some(AttributeValue::Block(list)) = self.entry.attr_value(dw::DW_AT_discr_list) {
            values.extend(discriminants(list));
        }
        let members = self.children().filter(|child| child.entry.tag() == dw::DW_TAG_member);
        Variant { values, members: members.map(|member| member.member()).collect() }
    }

    pub(super) fn template_argument(&self, tag: DwTag) -> Option<TemplateArgument> {
        let value = match tag {
            dw::DW_TAG_template_type_parameter => None,
            dw::DW_TAG_template_value_parameter => {
                self.entry.attr_value(dw::DW_AT_const_value).and_then(integer)
            }
            _ => return None,
        };
        Some(TemplateArgument { name: self.text(dw::DW_AT_name), ty: self.ty(), value })
    }

    fn enumeration(&self) -> Enumeration {
        let is_enumerator = |child: &Source<'_>| child.entry.tag() == dw::DW_TAG_enumerator;
        let enumerators = self.children().filter(is_enumerator).filter_map(|child| {
            let value = child.entry.attr_value(dw::DW_AT_const_value).and_then(integer)?;
            Some(Enumerator { name: child.text(dw::DW_AT_name)?, value })
        });
        Enumeration {
            underlying: self.ty(),
            is_scoped: self.has_flag(dw::DW_AT_enum_class),
            enumerators: enumerators.collect(),
        }
    }

    pub(super) fn array(&self) -> Array {
        let dimensions = self.children().filter_map(|child| match child.entry.tag() {
            dw::DW_TAG_subrange_type | dw::DW_TAG_enumeration_type => Some(child.dimension()),
            dw::DW_TAG_generic_subrange => Some(child.dimension()),
            _ => None,
        });
        let mut dimensions: Vec<_> = dimensions.collect();
        if dimensions.is_empty() {
            dimensions.push(Dimension { lower: 0, count: ElementCount::Unknown });
        }
        let stride_bytes = || self.number(dw::DW_AT_byte_stride)?.checked_mul(8);
        Array {
            element: self.ty(),
            dimensions,
            stride_bits: self.number(dw::DW_AT_bit_stride).or_else(stride_bytes),
            is_vector: self.has_flag(dw::DW_AT_GNU_vector),
        }
    }

    fn dimension(&self) -> Dimension {
        let lower = self.lower_bound();
        if let Some(count) = self.entry.attr(dw::DW_AT_count) {
            let known = count.udata_value().map(ElementCount::Known);
            return Dimension { lower, count: known.unwrap_or_else(|| self.computed()) };
        }
        let Some(upper) = self.entry.attr_value(dw::DW_AT_upper_bound) else {
            return Dimension { lower, count: ElementCount::Unknown };
        };
        let count = match signed_by_form(upper) {
            Some(upper) => {
                let count = upper.wrapping_sub(lower).wrapping_add(1);
                ElementCount::Known(u64::try_from(count).unwrap_or(0))
            }
            None => self.computed(),
        };
        Dimension { lower, count }
    }

    pub(super) fn lower_bound(&self) -> i64 {
        self.entry.attr_value(dw::DW_AT_lower_bound).and_then(signed_by_form).unwrap_or(0)
    }

    fn computed(&self) -> ElementCount {
        ElementCount::Computed(self.unit.entry_id(self.entry.offset()))
    }

    pub(super) fn function(&self) -> FunctionType {
        let mut parameters = Vec::new();
        let mut is_variadic = false;
        for child in self.children() {
            match child.entry.tag() {
                dw::DW_TAG_formal_parameter => parameters.push(child.ty()),
                dw::DW_TAG_unspecified_parameters => is_variadic = true,
                _ => {}
            }
        }
        let is_prototyped = self.has_flag(dw::DW_AT_prototyped);
        FunctionType { result: self.ty(), parameters, is_variadic, is_prototyped }
    }
}

/// A number that may be negative. Only some forms have a sign: the last index of `char a[256]` is
/// written in one byte, all of whose bits are set. But where GCC fills eight bytes with ones it
/// means -1, the last index of `int a[0]`.
fn signed_by_form(value: AttributeValue<Reader<'_>>) -> Option<i64> {
    match value {
        AttributeValue::Sdata(number) => Some(number),
        value => value.udata_value().map(|number| number as i64),
    }
}

/// A number that a constant attribute has. Its form tells whether it has a sign.
pub(super) fn integer(value: AttributeValue<Reader<'_>>) -> Option<i128> {
    match value {
        AttributeValue::Sdata(number) => Some(i128::from(number)),
        AttributeValue::Data16(number) => Some(number as i128),
        AttributeValue::Block(bytes) if bytes.slice().len() <= 16 => {
            let mut number = [0; 16];
            for (target, source) in number.iter_mut().zip(bytes.slice()) {
                *target = *source;
            }
            Some(i128::from_le_bytes(number))
        }
        value => value.udata_value().map(i128::from),
    }
}

/// A list of discriminants: a kind, and one number or two (DWARF 5, 7.5.5 and 7.5.10).
fn discriminants(list: Reader<'_>) -> Vec<RangeInclusive<i128>> {
    use gimli::Reader as _;
    let mut list = list;
    let mut found = Vec::new();
    let mut next = || -> gimli::Result<RangeInclusive<i128>> {
        let is_range = list.read_u8()? == dw::DW_DSC_range.0;
        let low = i128::from(list.read_uleb128()?);
        let high = if is_range { i128::from(list.read_uleb128()?) } else { low };
        Ok(low..=high)
    };
    while found.len() < DISCRIMINANTS_MAX {
        let Ok(range) = next() else { break };
        found.push(range);
    }
    found
}
