//! Types as gdb describes them: names, sizes, members with their offsets and bit fields, bases,
//! enumerators, what they refer to. The types are those of the variables that `variables.rs` stops
//! at.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use dbgsym::dwarf::{
    DebugInfo, ElementCount, Enumeration, Record, SourceLanguage, Type, TypeKind, TypeRef,
};

use crate::programs::{Workshop, image};
use crate::variables::Tally;

/// What gdb says about types, by the keys that `variables.py` gives them.
pub(crate) struct GdbTypes {
    types: HashMap<String, GdbType>,
    /// Pairs that were compared.
    done: RefCell<HashSet<(TypeRef, String)>>,
}

#[derive(Default, Debug)]
struct GdbType {
    code: String,
    size: u64,
    target: String,
    text: String,
    /// Name, bit offset, bit size, whether it is a base, key of the type.
    fields: Vec<(String, Option<u64>, u64, bool, String)>,
    enumerators: Vec<(String, i128)>,
}

impl GdbTypes {
    pub(crate) fn new(facts: &[Vec<String>]) -> GdbTypes {
        let mut types: HashMap<String, GdbType> = HashMap::new();
        for words in facts {
            let Some(key) = words.get(1) else { continue };
            let known = types.entry(key.clone()).or_default();
            match words[0].as_str() {
                "type" => {
                    known.code = words[2].clone();
                    known.size = words[3].parse().unwrap_or(0);
                    known.target = words[4].clone();
                    known.text = words[5].clone();
                }
                "field" => {
                    let name = if words[2] == "-" { "" } else { &words[2] };
                    known.fields.push((
                        name.to_owned(),
                        words[3].parse().ok(),
                        words[4].parse().expect("a number"),
                        words[5] == "1",
                        words[7].clone(),
                    ));
                }
                "enum" => {
                    let value = words[3].parse().expect("a number");
                    known.enumerators.push((words[2].clone(), value));
                }
                _ => {}
            }
        }
        GdbTypes { types, done: RefCell::default() }
    }

    /// What differs between a type and gdb's of this key, and in what both refer to.
    pub(crate) fn compare(
        &self,
        info: &DebugInfo,
        ty: Option<TypeRef>,
        key: &str,
        tally: &mut Tally,
    ) -> Option<String> {
        let mut open = vec![(ty, key.to_owned())];
        while let Some((ty, key)) = open.pop() {
            // Arrays of variable length have other types at each stop.
            if key == "?" {
                continue;
            }
            let (Some(ty), Some(theirs)) = (ty, self.types.get(&key)) else {
                if ty.is_some() || key != "-" {
                    return Some(format!("{ty:?} is not gdb's {key}"));
                }
                continue;
            };
            if !self.done.borrow_mut().insert((ty, key)) {
                continue;
            }
            tally.count("types");
            let ours = info.type_of(ty);
            let name = info.type_name(Some(ty));
            if let Err(difference) = compare_one(info, &ours, &name, theirs, &mut open, tally) {
                return Some(format!("{difference}: {name}, {ours:?}, {theirs:?}"));
            }
        }
        None
    }
}

fn compare_one(
    info: &DebugInfo,
    ours: &Type,
    name: &str,
    theirs: &GdbType,
    open: &mut Vec<(Option<TypeRef>, String)>,
    tally: &mut Tally,
) -> Result<(), String> {
    let is_computed = |ty: &Type| match &ty.kind {
        TypeKind::Array(array) => array
            .dimensions
            .iter()
            .any(|dimension| matches!(dimension.count, ElementCount::Computed(_))),
        _ => false,
    };
    if is_computed(ours) {
        return Ok(());
    }
    let is_pointer = matches!(ours.kind, TypeKind::Pointer(_));
    if is_pointer && ours.language == SourceLanguage::Rust {
        tally.exclude("pointers of Rust, which gdb writes as `*mut`");
    } else if matches!(ours.kind, TypeKind::MemberPointer { .. }) {
        tally.exclude("pointers to members, which gdb writes with `this`");
    } else if plain(name) != plain(&theirs.text) {
        return Err("is written otherwise".to_owned());
    }
    // gdb gives functions and declarations the size 1 or 0.
    if ours.size_bytes.is_some_and(|size| size != theirs.size) {
        return Err("has another size".to_owned());
    }
    match &ours.kind {
        TypeKind::Pointer(target)
        | TypeKind::Reference(target)
        | TypeKind::RvalueReference(target)
        | TypeKind::Typedef(target)
            if theirs.target != "-" || target.is_none() =>
        {
            open.push((*target, theirs.target.clone()));
        }
        TypeKind::Array(array) if array.dimensions.len() == 1 => {
            open.push((array.element, theirs.target.clone()));
        }
        TypeKind::Function(function) => open.push((function.result, theirs.target.clone())),
        TypeKind::Enumeration(enumeration) => {
            tally.count("enumerations");
            compare_enumerators(enumeration, theirs)?;
        }
        TypeKind::Record(record) if record.variant_part.is_some() => {
            tally.exclude("variants, which gdb resolves for each object");
        }
        TypeKind::Record(record) => open.extend(compare_fields(info, record, theirs, tally)?),
        _ => {}
    }
    Ok(())
}

fn compare_enumerators(ours: &Enumeration, theirs: &GdbType) -> Result<(), String> {
    // gdb puts the scope before the names, and has 64 bits with a sign for each.
    let last = |name: &str| name.rsplit("::").next().unwrap_or_default().to_owned();
    let ours: Vec<_> =
        ours.enumerators.iter().map(|one| (one.name.clone(), one.value as i64)).collect();
    let theirs: Vec<_> =
        theirs.enumerators.iter().map(|(name, value)| (last(name), *value as i64)).collect();
    if ours == theirs { Ok(()) } else { Err("has other enumerators".to_owned()) }
}

/// The types of the fields, if all else agrees.
fn compare_fields(
    info: &DebugInfo,
    record: &Record,
    theirs: &GdbType,
    tally: &mut Tally,
) -> Result<Vec<(Option<TypeRef>, String)>, String> {
    let bases = record.bases.iter().map(|base| {
        let name = base.ty.map(|ty| info.type_name(Some(ty))).unwrap_or_default();
        ((plain(&name), base.offset_bytes.map(|bytes| bytes * 8), 0, true), base.ty)
    });
    let members = record.members.iter().map(|member| {
        let name = member.name.as_deref().unwrap_or_default();
        let bits = member.bit_field_bits.unwrap_or(0);
        ((plain(name), member.offset_bits, bits, false), member.ty)
    });
    let ours: Vec<_> = bases.chain(members).collect();
    if ours.len() != theirs.fields.len() {
        return Err(format!("has {} fields", ours.len()));
    }
    let mut types = Vec::new();
    for ((ours, ty), theirs) in ours.into_iter().zip(&theirs.fields) {
        let (name, offset_bits, bit_field_bits, is_base, key) = theirs.clone();
        if ours != (plain(&name), offset_bits, bit_field_bits, is_base) {
            return Err(format!("{ours:?} is not {theirs:?}"));
        }
        tally.count("fields");
        types.push((ty, key));
    }
    Ok(types)
}

/// A type's text without what is a matter of taste: in arguments of templates, how numbers are
/// called and where `const` and blanks stand. What a table of virtual functions points to takes
/// any arguments; gdb says none.
fn plain(text: &str) -> String {
    let same = [
        ("long long unsigned int", "unsigned long long"),
        ("long unsigned int", "unsigned long"),
        ("short unsigned int", "unsigned short"),
        ("long long int", "long long"),
        ("long int", "long"),
        ("short int", "short"),
        ("(...)", "(void)"),
        ("fn (", "fn("),
    ];
    let text = same.iter().fold(text.to_owned(), |text, (long, short)| text.replace(long, short));
    if !text.contains('<') {
        return text;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut words: Vec<&str> =
        text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words.join(" ") + &text.replace(is_word, "").replace(' ', "")
}

/// The only type of this name.
fn named(info: &DebugInfo, name: &str) -> (TypeRef, Type) {
    let found = info.types_named(name);
    let [ty] = found[..] else { panic!("{name}: {found:?}") };
    (ty, info.type_of(ty))
}

fn record(ty: &Type) -> &Record {
    let TypeKind::Record(record) = &ty.kind else { panic!("{ty:?}") };
    record
}

#[test]
fn rust_enums_say_which_variant_an_object_has() {
    let workshop = Workshop::new();
    let image = image(&workshop.compile("variants", "variables.rs", &["-g"]));
    let info = image.debug_info().expect("it was built with -g");
    let (_, shape) = named(info, "variables::Shape");
    let part = record(&shape).variant_part.as_ref().expect("it has variants");
    let discriminant = part.discriminant.as_ref().expect("there are several");
    assert!(discriminant.is_artificial && discriminant.ty.is_some());
    let names: Vec<_> =
        part.variants.iter().map(|variant| variant.members[0].name.as_deref()).collect();
    assert_eq!(names, [Some("Circle"), Some("Rectangle"), Some("Empty")]);
    let values: Vec<_> = part.variants.iter().map(|variant| variant.values.clone()).collect();
    assert_eq!(values, [vec![0..=0], vec![1..=1], vec![2..=2]]);
    let rectangle = part.variants[1].members[0].ty.expect("it has a type");
    assert_eq!(info.type_name(Some(rectangle)), "variables::Shape::Rectangle");
    let rectangle = info.type_of(rectangle);
    let fields: Vec<_> = record(&rectangle).members.iter().map(|m| m.name.as_deref()).collect();
    assert_eq!(fields, [Some("__0"), Some("__1")]);
    // One variant is told by a pointer that is not null; it is the one for all other values.
    let (_, option) =
        named(info, "core::option::Option<alloc::boxed::Box<i32, alloc::alloc::Global>>");
    let part = record(&option).variant_part.as_ref().expect("it has variants");
    let others = part.variants.iter().filter(|variant| variant.values.is_empty());
    assert_eq!(others.count(), 1, "{part:?}");
}

#[test]
fn classes_tell_their_bases_members_functions_and_arguments() {
    let workshop = Workshop::new();
    let image = image(&workshop.compile("classes", "variables.cpp", &["-g", "-O0"]));
    let info = image.debug_info().expect("it was built with -g");
    let (ty, circle) = named(info, "shapes::circle");
    assert_eq!(info.type_name(Some(ty)), "shapes::circle");
    let bases: Vec<_> = record(&circle).bases.iter().collect();
    let names: Vec<_> = bases.iter().map(|base| info.type_name(base.ty)).collect();
    assert_eq!(names, ["shapes::named", "shapes::shape"]);
    assert!(bases[0].is_virtual && bases[0].offset_bytes.is_none());
    assert!(!bases[1].is_virtual && bases[1].offset_bytes == Some(0));
    assert!(record(&circle).functions.contains(&"area".to_owned()));
    let (_, shape) = named(info, "shapes::shape");
    let shared: Vec<_> = record(&shape).static_members.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(shared, ["count"]);
    assert_eq!(info.variables_named("shapes::shape::count").len(), 1);
    let (ty, buffer) = named(info, "buffer<double, 2>");
    let arguments = &record(&buffer).template_arguments;
    assert_eq!(info.type_name(arguments[0].ty), "double");
    assert_eq!(arguments[1].value, Some(2));
    assert_eq!(info.strip_typedefs(ty), Some(ty));
    let (_, kind) = named(info, "shapes::kind");
    let TypeKind::Enumeration(kind) = kind.kind else { panic!("{kind:?}") };
    assert!(kind.is_scoped);
}
