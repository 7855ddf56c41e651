//! docs/errors.md, from the rows and their documentation in dbgwire's `error_codes!`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;

const SOURCE: &str = "crates/dbgwire/src/error.rs";
const MACRO: &str = "error_codes";

/// The document's text.
pub(super) fn render(root: &Path) -> Result<String> {
    let path = root.join(SOURCE);
    let source =
        std::fs::read_to_string(path).with_context(|| format!("{SOURCE} cannot be read"))?;
    document(&source)
}

/// `/// What it means.` and `Name = 7`.
struct Row {
    meaning: String,
    name: String,
    number: u32,
}

impl Parse for Row {
    fn parse(input: ParseStream) -> syn::Result<Row> {
        let attributes = input.call(syn::Attribute::parse_outer)?;
        let name: syn::Ident = input.parse()?;
        input.parse::<syn::Token![=]>()?;
        let number: syn::LitInt = input.parse()?;
        let lines: Vec<String> = attributes.iter().filter_map(documentation).collect();
        Ok(Row { meaning: lines.join(" "), name: name.to_string(), number: number.base10_parse()? })
    }
}

fn documentation(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => {
            Some(text.value().trim().to_owned())
        }
        _ => None,
    }
}

fn document(source: &str) -> Result<String> {
    let file = syn::parse_file(source).with_context(|| format!("{SOURCE} is no Rust"))?;
    let invocation = file.items.iter().find_map(|item| match item {
        syn::Item::Macro(item) if item.mac.path.is_ident(MACRO) => Some(&item.mac),
        _ => None,
    });
    let invocation = invocation.with_context(|| format!("{SOURCE} has no {MACRO}!"))?;
    let rows = invocation
        .parse_body_with(Punctuated::<Row, syn::Token![,]>::parse_terminated)
        .with_context(|| format!("{MACRO}! has rows of another form"))?;
    let mut text = format!(
        "# Errors\n\n\
         What a process server answers instead of a reply. Clients branch on the number, which is\n\
         never reused; the text beside it is for people.\n\n\
         <!-- Made from {SOURCE} by `cargo xtask gen`. -->\n\n\
         | number | name | meaning |\n|---|---|---|\n"
    );
    for row in rows {
        ensure!(!row.meaning.is_empty(), "{} is not documented", row.name);
        let meaning = row.meaning.replace('|', "\\|");
        text.push_str(&format!("| {} | `{}` | {meaning} |\n", row.number, row.name));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_table() {
        let source = "error_codes! {\n/// Some\n/// words.\nInternal = 1,\n/// More.\nBad = 2,\n}";
        let text = document(source).expect("a good sample");
        assert!(text.ends_with("| 1 | `Internal` | Some words. |\n| 2 | `Bad` | More. |\n"));
        assert!(text.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn what_has_no_table_or_no_words_is_an_error() {
        assert!(document("fn f() {}").is_err());
        assert!(document("error_codes! { Internal = 1, }").is_err());
        assert!(document("error_codes! { Internal }").is_err());
    }
}
