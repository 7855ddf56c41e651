//! Writes types as their language does. It knows how C's declarators nest around a name; what a
//! type is, `read.rs` knows.

use super::super::unit::SourceLanguage;
use super::super::{OpenUnits, scope};
use super::read;
use super::{Array, ElementCount, FunctionType, Qualifier, Type, TypeKind, TypeRef};

/// A type that is made of more others than this is cut.
const PARTS_MAX: u32 = 2000;
/// Types that nest deeper are cut.
const DEPTH_MAX: u32 = 64;

/// What is written for what is cut.
const CUT: &str = "...";

pub(super) fn name(units: &OpenUnits<'_>, ty: Option<TypeRef>) -> String {
    let mut writer = Writer { units, parts_left: PARTS_MAX };
    let language = ty.and_then(|ty| Some(units.unit(ty.0.unit())?.language()));
    writer.name(ty, language.unwrap_or(SourceLanguage::C), 0)
}

/// What stands before and behind the name that is declared: `int (*` and `)[3]`.
struct Declarator {
    before: String,
    behind: String,
    /// Whether the type so far ends in something that binds less than what comes behind a name:
    /// `*`.
    is_pointer: bool,
}

impl Declarator {
    fn plain(name: String) -> Declarator {
        Declarator { before: name, behind: String::new(), is_pointer: false }
    }
}

struct Writer<'w, 'a> {
    units: &'w OpenUnits<'a>,
    parts_left: u32,
}

impl Writer<'_, '_> {
    fn name(&mut self, ty: Option<TypeRef>, language: SourceLanguage, depth: u32) -> String {
        let Declarator { before, behind, .. } = self.declarator(ty, language, depth);
        let touches = behind.is_empty() || behind.starts_with(')') || before.ends_with(['*', '&']);
        if touches { before + &behind } else { format!("{before} {behind}") }
    }

    fn declarator(
        &mut self,
        ty: Option<TypeRef>,
        language: SourceLanguage,
        depth: u32,
    ) -> Declarator {
        let Some(ty) = ty else {
            let void = if language == SourceLanguage::Rust { "()" } else { "void" };
            return Declarator::plain(void.to_owned());
        };
        self.parts_left = self.parts_left.saturating_sub(1);
        if self.parts_left == 0 || depth >= DEPTH_MAX {
            return Declarator::plain(CUT.to_owned());
        }
        let ty = self.units.info().signed(self.units, ty).unwrap_or(ty);
        let found = read::read(self.units, ty);
        if found.language == SourceLanguage::Rust || found.language == SourceLanguage::Go {
            return Declarator::plain(self.rust(ty, &found, depth));
        }
        self.c(ty, &found, depth + 1)
    }

    fn c(&mut self, ty: TypeRef, found: &Type, depth: u32) -> Declarator {
        let language = found.language;
        match &found.kind {
            TypeKind::Pointer(target) => self.pointer(*target, "*", language, depth),
            TypeKind::Reference(target) => self.pointer(*target, "&", language, depth),
            TypeKind::RvalueReference(target) => self.pointer(*target, "&&", language, depth),
            TypeKind::MemberPointer { class, target } => {
                let class = self.name(*class, language, depth);
                self.member_pointer(*target, &format!("{class}::*"), language, depth)
            }
            TypeKind::Qualified(qualifier, target) => {
                self.qualified(*qualifier, *target, language, depth)
            }
            TypeKind::Array(array) => self.array(array, language, depth),
            TypeKind::Function(function) => self.function(function, language, depth),
            _ => Declarator::plain(self.named(ty, found, depth)),
        }
    }

    /// `*` binds less than `[3]` and `(int)`, so it is put in parentheses before those.
    fn pointer(
        &mut self,
        target: Option<TypeRef>,
        sign: &str,
        language: SourceLanguage,
        depth: u32,
    ) -> Declarator {
        let mut inner = self.declarator(target, language, depth);
        let needs_parentheses = !inner.is_pointer && !inner.behind.is_empty();
        let space = if inner.is_pointer && !inner.before.ends_with("const") { "" } else { " " };
        inner.before.push_str(space);
        if needs_parentheses {
            inner.before.push('(');
            inner.behind.insert(0, ')');
        }
        inner.before.push_str(sign);
        inner.is_pointer = true;
        inner
    }

    fn member_pointer(
        &mut self,
        target: Option<TypeRef>,
        sign: &str,
        language: SourceLanguage,
        depth: u32,
    ) -> Declarator {
        // The type of a member function has the type of `this` as its first parameter.
        let stripped = target.and_then(|ty| super::layout::strip(self.units, ty, true));
        let found = stripped.map(|ty| read::read(self.units, ty));
        if let Some(Type { kind: TypeKind::Function(mut function), .. }) = found {
            if !function.parameters.is_empty() {
                function.parameters.remove(0);
            }
            let mut inner = self.function(&function, language, depth);
            inner.before.push_str(&format!(" ({sign}"));
            inner.behind.insert(0, ')');
            inner.is_pointer = true;
            return inner;
        }
        self.pointer(target, sign, language, depth)
    }

    fn qualified(
        &mut self,
        qualifier: Qualifier,
        target: Option<TypeRef>,
        language: SourceLanguage,
        depth: u32,
    ) -> Declarator {
        let word = match qualifier {
            Qualifier::Const => "const",
            Qualifier::Volatile => "volatile",
            Qualifier::Restrict if language == SourceLanguage::C => "restrict",
            Qualifier::Restrict => "__restrict",
            Qualifier::Atomic => "_Atomic",
        };
        let mut inner = self.declarator(target, language, depth);
        // `const` comes first, whatever the order in which they were written down.
        let is_const = qualifier == Qualifier::Const;
        if inner.is_pointer {
            let at = match inner.before.strip_suffix(" volatile") {
                Some(rest) if is_const => rest.len(),
                _ => inner.before.len(),
            };
            inner.before.insert_str(at, &format!(" {word}"));
        } else {
            let at = if inner.before.starts_with("const ") && !is_const { 6 } else { 0 };
            inner.before.insert_str(at, &format!("{word} "));
        }
        inner
    }

    fn array(&mut self, array: &Array, language: SourceLanguage, depth: u32) -> Declarator {
        let mut inner = self.declarator(array.element, language, depth);
        let bounds: String = array
            .dimensions
            .iter()
            .map(|dimension| match dimension.count {
                ElementCount::Known(count) => format!("[{count}]"),
                ElementCount::Computed(_) | ElementCount::Unknown => "[]".to_owned(),
            })
            .collect();
        if array.is_vector {
            let count = bounds.trim_matches(['[', ']']);
            inner.before.push_str(&format!(" __attribute__ ((vector_size({count})))"));
            return inner;
        }
        inner.behind.insert_str(0, &bounds);
        inner.is_pointer = false;
        inner
    }

    fn function(
        &mut self,
        function: &FunctionType,
        language: SourceLanguage,
        depth: u32,
    ) -> Declarator {
        let mut inner = self.declarator(function.result, language, depth);
        let mut words: Vec<String> =
            function.parameters.iter().map(|ty| self.name(*ty, language, depth)).collect();
        if function.is_variadic {
            words.push(CUT.to_owned());
        }
        if words.is_empty() && (language != SourceLanguage::C || function.is_prototyped) {
            words.push("void".to_owned());
        }
        inner.behind.insert_str(0, &format!("({})", words.join(", ")));
        inner.is_pointer = false;
        inner
    }

    /// A type that has a name, or is written by its keyword.
    fn named(&mut self, ty: TypeRef, found: &Type, depth: u32) -> String {
        let keyword = match &found.kind {
            TypeKind::Record(record) => record.kind.keyword(),
            TypeKind::Enumeration(_) => "enum",
            _ => "",
        };
        let Some(name) = scope::qualified_name(self.units, ty.0) else {
            return match &found.kind {
                TypeKind::Record(_) | TypeKind::Enumeration(_) => format!("{keyword} {{{CUT}}}"),
                TypeKind::Unspecified => "decltype(nullptr)".to_owned(),
                _ => "?".to_owned(),
            };
        };
        if let TypeKind::Base(_) = found.kind {
            return short_base_name(&name);
        }
        if found.language == SourceLanguage::CPlusPlus {
            return name + &self.template_arguments(ty, found, depth);
        }
        if keyword.is_empty() { name } else { format!("{keyword} {name}") }
    }

    /// What clang leaves out of names if it is told to.
    fn template_arguments(&mut self, ty: TypeRef, found: &Type, depth: u32) -> String {
        let TypeKind::Record(record) = &found.kind else { return String::new() };
        let has_them = found.name.as_ref().is_some_and(|name| name.contains('<'));
        if has_them || record.template_arguments.is_empty() {
            return String::new();
        }
        let words: Vec<String> = record
            .template_arguments
            .iter()
            .filter(|argument| argument.ty != Some(ty))
            .map(|argument| match argument.value {
                Some(value) => value.to_string(),
                None => self.name(argument.ty, found.language, depth),
            })
            .collect();
        format!("<{}>", words.join(", "))
    }

    /// Rust's compiler names nearly all types, those that are written with others as well.
    fn rust(&mut self, ty: TypeRef, found: &Type, depth: u32) -> String {
        let language = found.language;
        match &found.kind {
            TypeKind::Array(array) => {
                let mut name = self.name(array.element, language, depth + 1);
                for dimension in array.dimensions.iter().rev() {
                    name = match dimension.count {
                        ElementCount::Known(count) => format!("[{name}; {count}]"),
                        ElementCount::Computed(_) | ElementCount::Unknown => format!("[{name}]"),
                    };
                }
                name
            }
            TypeKind::Pointer(target) if found.name.is_none() => {
                format!("*mut {}", self.name(*target, language, depth + 1))
            }
            TypeKind::Function(function) => {
                let words: Vec<String> = function
                    .parameters
                    .iter()
                    .map(|ty| self.name(*ty, language, depth + 1))
                    .collect();
                let result = match function.result {
                    None => String::new(),
                    some => format!(" -> {}", self.name(some, language, depth + 1)),
                };
                format!("fn({}){result}", words.join(", "))
            }
            _ => scope::qualified_name(self.units, ty.0).unwrap_or_else(|| "?".to_owned()),
        }
    }
}

/// GCC writes `long unsigned int`; people write `unsigned long`.
fn short_base_name(name: &str) -> String {
    let words: Vec<&str> = name.split(' ').collect();
    let is_short = words.len() < 2 || !words.iter().any(|word| matches!(*word, "long" | "short"));
    if is_short || words.contains(&"double") {
        return name.to_owned();
    }
    let mut short: Vec<&str> = words.iter().copied().filter(|word| *word == "unsigned").collect();
    short.extend(words.iter().filter(|word| !matches!(**word, "unsigned" | "int" | "signed")));
    short.join(" ")
}

impl super::RecordKind {
    /// The keyword that declares one in C and C++.
    pub fn keyword(self) -> &'static str {
        match self {
            super::RecordKind::Struct => "struct",
            super::RecordKind::Class => "class",
            super::RecordKind::Union => "union",
        }
    }
}
