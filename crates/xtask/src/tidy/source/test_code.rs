//! Which parts of a file are compiled for tests only: items under `#[cfg(test)]` and functions
//! under `#[test]`. It looks at one file; the tree of files follows `mod` declarations.

use proc_macro2::LineColumn;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, Meta};

/// A run of characters, its ends included.
pub(super) struct Extent {
    start: LineColumn,
    end: LineColumn,
}

impl Extent {
    /// Whether the character at `position` is inside.
    pub(super) fn contains(&self, position: LineColumn) -> bool {
        self.start <= position && position <= self.end
    }
}

/// Where the test code of a file is.
pub(super) fn extents(ast: &syn::File) -> Vec<Extent> {
    let mut finder = Finder { extents: Vec::new() };
    if is_test_only(&ast.attrs) {
        finder.add(ast);
    }
    finder.visit_file(ast);
    finder.extents
}

/// Whether the attributes say that what follows is compiled for tests only.
pub(super) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.parse_args::<Meta>().is_ok_and(|condition| implies_test(&condition))
        }
        _ => false,
    })
}

fn implies_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) => {
            let parts = list.parse_args_with(
                syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated,
            );
            let Ok(parts) = parts else { return false };
            match list.path.get_ident().map(ToString::to_string).as_deref() {
                Some("all") => parts.iter().any(implies_test),
                Some("any") => !parts.is_empty() && parts.iter().all(implies_test),
                _ => false,
            }
        }
        Meta::NameValue(_) => false,
    }
}

struct Finder {
    extents: Vec<Extent>,
}

impl Finder {
    fn add(&mut self, part: &impl Spanned) {
        let span = part.span();
        self.extents.push(Extent { start: span.start(), end: span.end() });
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test_only(item_attributes(item)) {
            self.add(item);
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => return,
        };
        if is_test_only(attributes) {
            self.add(item);
        } else {
            visit::visit_impl_item(self, item);
        }
    }
}

fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
