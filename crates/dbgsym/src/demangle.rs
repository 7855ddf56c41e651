//! From mangled names to the names people wrote: C++ (Itanium C++ ABI, 5.1) and Rust (legacy and
//! v0, RFC 2603). It knows names only, no symbol tables. Names that claim more than they are, in
//! depth or in length, stay as they are.

use std::borrow::Cow;
use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

/// A mangled name can refer to its own parts, and so grow without end when written out.
const TEXT_LEN_MAX_BYTES: usize = 64 * 1024;

/// A name that cannot be read is looked at in so many parts at most, and only up to this length.
const PARTS_MAX: usize = 64;
const READ_IN_PARTS_LEN_MAX: usize = 4096;

/// Whether `raw` begins as mangled names do. It may still turn out to be none.
pub fn is_mangled(raw: &str) -> bool {
    raw.starts_with("_Z")
        || raw
            .strip_prefix("_R")
            .is_some_and(|rest| rest.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase()))
}

/// The whole name: `ns::f<int>(int, char) const`, `core::fmt::write` (Rust's hash is dropped). A
/// suffix of the compiler is named: `f(int) [clone .cold]`.
///
/// **Shape**: borrowed if `raw` is no mangled name.
pub fn demangle(raw: &str) -> Cow<'_, str> {
    write_out(raw, DemangleOptions::new()).map_or(Cow::Borrowed(raw), Cow::Owned)
}

/// The name without parameters, return type and qualifiers behind the parameters: `ns::f<int>`.
/// This is what people type, and what stacks and listings show.
///
/// Template arguments stay, because `f<int>` and `f<char>` are two places;
/// [`without_template_arguments`] removes them. So do a compiler's suffixes, because
/// `f [clone .cold]` is not where `f` begins.
///
/// **Shape**: borrowed if `raw` is no mangled name.
pub fn demangled_path(raw: &str) -> Cow<'_, str> {
    let options = DemangleOptions::new().no_params().no_return_type();
    let whole = write_out(raw, options);
    let Some(mut path) = whole.or_else(|| name_alone(raw, options)) else {
        return Cow::Borrowed(raw);
    };
    let suffix_at = path.find(" [clone ").unwrap_or(path.len());
    let suffix = path.split_off(suffix_at);
    let plain_len = without_qualifiers(&path).len();
    path.truncate(plain_len);
    path.push_str(&suffix);
    Cow::Owned(path)
}

fn write_out(raw: &str, options: DemangleOptions) -> Option<String> {
    if !is_mangled(raw) {
        return None;
    }
    let mut text = Limited(String::new());
    if raw.starts_with("_R") || has_rust_hash(raw) {
        let name = rustc_demangle::try_demangle(raw).ok()?;
        write!(text, "{name:#}").ok()?;
        return Some(text.0);
    }
    // Compilers add `.cold`, `.isra.0` and the like behind the mangled name.
    let (stem, suffix) = raw.split_at(raw.find('.').unwrap_or(raw.len()));
    Symbol::new(stem.as_bytes()).ok()?.structured_demangle(&mut text, &options).ok()?;
    let mut text = without_empty_packs(text.0);
    if !suffix.is_empty() {
        text.push_str(&format!(" [clone {suffix}]"));
    }
    Some(text)
}

/// The demangler leaves the comma in front of arguments that there are none of: `make<D, >`.
fn without_empty_packs(text: String) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, behind)) = rest.split_once(", >") {
        kept.push_str(before);
        // A pointer to the comma of a class may be an argument, too.
        kept.push_str(if kept.ends_with("operator") { ", >" } else { ">" });
        rest = behind;
    }
    kept.push_str(rest);
    kept
}

/// The name of a function whose parameters or result cannot be read, as the conditions on which
/// templates exist: the shortest beginning that is a name, if it ends where a list or scope does.
fn name_alone(raw: &str, options: DemangleOptions) -> Option<String> {
    if !raw.starts_with("_Z") || raw.len() > READ_IN_PARTS_LEN_MAX || has_rust_hash(raw) {
        return None;
    }
    let (stem, suffix) = raw.split_at(raw.find('.').unwrap_or(raw.len()));
    let ends = stem.match_indices('E').map(|(at, _)| at + 1).take(PARTS_MAX);
    let mut names = ends.filter_map(|end| write_out(stem.get(..end)?, options));
    let name = names.next()?;
    Some(if suffix.is_empty() { name } else { format!("{name} [clone {suffix}]") })
}

/// A string that refuses to grow beyond the limit.
struct Limited(String);

impl Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > TEXT_LEN_MAX_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Legacy Rust names are C++ names whose last component is `h` and 16 hexadecimal digits:
/// `_ZN4core3fmt5write17h0123456789abcdefE`, perhaps with a suffix behind the `E`.
fn has_rust_hash(raw: &str) -> bool {
    let is_hash = |rest: &str| {
        let bytes = rest.as_bytes();
        bytes.get(..16).is_some_and(|hash| hash.iter().all(u8::is_ascii_hexdigit))
            && bytes.get(16) == Some(&b'E')
            && matches!(bytes.get(17), None | Some(b'.'))
    };
    raw.starts_with("_ZN")
        && raw.match_indices("17h").any(|(at, _)| raw.get(at + 3..).is_some_and(is_hash))
}

/// Cuts ` const`, ` &` and the like, which the demangler leaves behind some functions without
/// parameters. Behind a conversion (`operator int const`) they belong to the name.
fn without_qualifiers(path: &str) -> &str {
    if path.contains("operator ") {
        return path;
    }
    let mut path = path;
    while let Some(shorter) = [" const", " volatile", " &&", " &"]
        .iter()
        .find_map(|qualifier| path.strip_suffix(qualifier))
    {
        path = shorter;
    }
    path
}

/// The path with every list of template arguments removed: `std::vector<int>::push_back` becomes
/// `std::vector::push_back`, Rust's `f::<T>` becomes `f`. The operators `<`, `<<`, `->` and their
/// kin stay, and so does Rust's `<T as Trait>` where it begins a path.
///
/// **Shape**: borrowed if there is nothing to remove.
pub fn without_template_arguments(path: &str) -> Cow<'_, str> {
    if !path.contains('<') {
        return Cow::Borrowed(path);
    }
    let mut kept = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let operator_len = operator_len(&kept, rest);
        if operator_len > 0 {
            let (operator, behind) = rest.split_at(operator_len);
            kept.push_str(operator);
            // `operator<< <int>` keeps its own `<`s apart from the list by a blank.
            rest = behind.strip_prefix(' ').filter(|list| list.starts_with('<')).unwrap_or(behind);
            if let Some(list_len) = list_len(rest) {
                rest = rest.get(list_len..).unwrap_or_default();
            }
            continue;
        }
        let follows_name =
            kept.ends_with(|last: char| last.is_alphanumeric() || "_]".contains(last));
        let is_turbofish = kept.ends_with("::");
        match list_len(rest) {
            Some(list_len) if first == '<' && (follows_name || is_turbofish) => {
                if is_turbofish {
                    kept.truncate(kept.len() - 2);
                }
                rest = rest.get(list_len..).unwrap_or_default();
            }
            _ => {
                kept.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    if kept == path { Cow::Borrowed(path) } else { Cow::Owned(kept) }
}

/// How long the operator's sign at the start of `rest` is, if `kept` ends with `operator`; else 0.
fn operator_len(kept: &str, rest: &str) -> usize {
    let is_operator = kept.strip_suffix("operator").is_some_and(|before| {
        !before.ends_with(|last: char| last.is_alphanumeric() || last == '_')
    });
    if !is_operator {
        return 0;
    }
    ["<=>", "<<=", ">>=", "->*", "<<", ">>", "<=", ">=", "->", "<", ">"]
        .iter()
        .find(|sign| rest.starts_with(**sign))
        .map_or(0, |sign| sign.len())
}

/// How long the bracketed list at the start of `text` is. `None` if it does not begin with `<` or
/// is not closed.
fn list_len(text: &str) -> Option<usize> {
    if !text.starts_with('<') {
        return None;
    }
    let mut depth = 0usize;
    let mut previous = ' ';
    for (at, letter) in text.char_indices() {
        match letter {
            '<' => depth += 1,
            // The arrow of a Rust function type, `fn() -> T`, closes nothing.
            '>' if previous != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
        previous = letter;
    }
    None
}

#[cfg(test)]
#[path = "demangle/tests.rs"]
mod tests;
