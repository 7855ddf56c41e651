//! The command about types: `dt`.

use dbgbase::Address;
use dbgeng::{ErrorKind, FieldPath, LayoutOptions, LayoutQuery, TypeLayout, VariableKind, expr};

use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format;
use crate::format::type_layout::Style;
use crate::registry::{Action, Command, Extent, Shape};

/// The rows of this family.
pub(crate) const COMMANDS: &[Command] = &[Command {
    names: &["dt"],
    syntax: "[-abcdeinortvy] [-s Size] [Module!]Name [[-n | -y] Field ...] [Address] [-l Field]",
    summary: "show a type or a variable",
    manual: "Shows the members of a type with their offsets and types, or with an address the \
        values that the object there has; of an enumeration the names. Types are named with the \
        scopes around them, as in shapes::Point. A variable of the current frame, or of the \
        program, is shown with its values; of a pointer or reference, what it leads to. In C, \
        struct, union or enum before the name tells that a type is meant, and so does -t. Fields \
        choose members: at, at.x, with wildcards w*, with -y by the beginning of the name; a dot \
        behind the last one shows what is inside, two dots what is inside that. A word that is a \
        member's name is one even if it reads as a number or an expression; -n says so of any \
        word. -r shows the members of members and of what pointers point to, -rN down to N levels; \
        -b only what is inside the object. -a shows arrays with each element on a line, -aN so \
        many. -l shows a list: the object, then what the field points to, and so on. -v also shows \
        how many members and bytes there are, -o leaves offsets out, -i the indentation, -c puts \
        all on one line. A name may stand in quotes. A name with wildcards lists the types that \
        match, -s Size only those with so many bytes, -d with their members; -y does so for names \
        that begin with Name.",
    shape: Shape::Letters,
    extent: Extent::Semicolon,
    action: Action::Run(show),
}];

/// How deep `-r` without a number goes.
const DEPTH_MAX: usize = 8;

/// What the options in front of the name ask for.
#[derive(Default)]
struct Options {
    layout: LayoutOptions,
    style: Style,
    only_types: bool,
    is_verbose: bool,
    lists_members: bool,
    is_prefix: bool,
    size: Option<u64>,
    link: Option<FieldPath>,
}

fn show(context: &mut Context<'_>, arguments: &mut Arguments<'_>) -> Result<Outcome, CommandError> {
    let mut options = Options::default();
    while let Some(letters) = arguments.option() {
        options.take(context, arguments, letters)?;
    }
    let mut name = take_name(arguments);
    let is_type = matches!(name, "struct" | "class" | "union" | "enum");
    if is_type {
        // In C these belong to the name; nothing else is called so.
        name = take_name(arguments);
    }
    if name.is_empty() {
        return Err(arguments.syntax_error());
    }
    options.only_types |= is_type;
    let mut query = LayoutQuery {
        name: name.to_owned(),
        only_types: options.only_types,
        address: None,
        options: LayoutOptions::default(),
        link: None,
    };
    let has_wildcards = name.contains(['*', '?']);
    let plain = match options.is_prefix || options.size.is_some() {
        true => Vec::new(),
        false => match context.engine.layouts(&query) {
            // That no type is called so is told when there is nothing else.
            Err(error) if error.kind() == ErrorKind::UnknownSymbol => Vec::new(),
            found => found?,
        },
    };
    if plain.is_empty() && (has_wildcards || options.is_prefix || options.size.is_some()) {
        arguments.finish()?;
        return list(context, name, &options);
    }
    let members = plain.into_iter().next().map(|layout| layout.member_names).unwrap_or_default();
    take_fields(context, arguments, &mut options, &mut query.address, &members)?;
    query.options = std::mem::take(&mut options.layout);
    query.link = options.link.take();
    let layouts = context.engine.layouts(&query)?;
    if let Some(layout) = layouts.first()
        && layout.rows.is_empty()
        && let [_, ..] = query.options.fields.as_slice()
    {
        let name = &layout.name;
        return Err(CommandError::refused(format!(
            "{name} has no such member; 'dt {name}' lists them"
        )));
    }
    let is_list = query.link.is_some();
    let mut text = String::new();
    for layout in &layouts {
        if is_list && let Some(target) = layout.target {
            text.push_str(&format!("{} at 0x{target}\n{}\n", layout.target_name, "-".repeat(45)));
        } else {
            text.push_str(&heading(layout, options.is_verbose));
        }
        text.push_str(&format::type_layout::rows(&layout.rows, options.style));
    }
    context.write(&text);
    Ok(Outcome::Done)
}

impl Options {
    /// Takes one word of options: `r2`, `ny`, `a`.
    fn take(
        &mut self,
        context: &Context<'_>,
        arguments: &mut Arguments<'_>,
        letters: &str,
    ) -> Result<(), CommandError> {
        let mut rest = letters;
        while let Some(letter) = rest.chars().next() {
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            let digits = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
            let (count, behind) = rest.split_at_checked(digits).unwrap_or_default();
            if matches!(letter, 'a' | 'c' | 'r') {
                rest = behind;
            }
            match letter {
                'a' => self.layout.elements_max = Some(count.parse().unwrap_or(u64::MAX)),
                'b' => self.layout.depth_max = DEPTH_MAX,
                'c' => self.style.is_compact = true,
                'd' => self.lists_members = true,
                'e' | 't' => self.only_types = true,
                'i' => self.style.hides_depth = true,
                'l' => self.link = Some(FieldPath::new(arguments.word(), false)),
                'n' => {}
                'o' => self.style.hides_offsets = true,
                'r' => {
                    self.layout.depth_max =
                        count.parse().map_or(DEPTH_MAX, |n: usize| n.min(DEPTH_MAX));
                    self.layout.follows_pointers = true;
                }
                's' => self.size = Some(arguments.expression(&context.expressions())?),
                'v' => self.is_verbose = true,
                'y' => self.is_prefix = true,
                _ => {
                    let refusal = format!("'dt -{letter}' is not available; see '.help dt'");
                    return Err(CommandError::refused(refusal));
                }
            }
        }
        Ok(())
    }
}

/// Words behind which a type's name goes on: `&mut dyn Trait`, `const char`.
const LEADING_WORDS: [&str; 8] =
    ["&mut", "*mut", "*const", "&dyn", "dyn", "const", "volatile", "+"];
/// Words of which a type's name may have several: `unsigned long int`.
const PLAIN_WORDS: [&str; 8] =
    ["unsigned", "signed", "long", "short", "int", "char", "double", "_Complex"];

/// Takes the name of a type or variable. What stands in brackets belongs to it with its blanks and
/// commas; in C and Rust some names have blanks elsewhere. Any name can stand in quotes.
fn take_name<'t>(arguments: &mut Arguments<'t>) -> &'t str {
    if let Ok(Some(quoted)) = arguments.quoted() {
        return quoted;
    }
    let rest = arguments.raw_rest();
    let mut len = word_len(rest);
    loop {
        let behind = rest.get(len..).unwrap_or_default();
        let next_at = len + behind.len() - behind.trim_start_matches(' ').len();
        let next = rest.get(next_at..).unwrap_or_default();
        let next = next.get(..word_len(next)).unwrap_or_default();
        let last =
            rest.get(..len).unwrap_or_default().rsplit([' ', '!']).next().unwrap_or_default();
        let is_plain = |word: &str| PLAIN_WORDS.contains(&word);
        let goes_on =
            LEADING_WORDS.contains(&last) || is_plain(last) && is_plain(next) || next == "+";
        if !goes_on || next.is_empty() {
            return arguments.take_str(len);
        }
        len = next_at + next.len();
    }
}

/// How many bytes of a text belong to its first word, in which blanks and commas may stand in
/// brackets.
fn word_len(text: &str) -> usize {
    let mut open = 0usize;
    let mut before = ' ';
    let end = text.find(|next: char| {
        match next {
            '<' | '(' | '{' | '[' => open += 1,
            // Not that of `->`.
            '>' if before != '-' => open = open.saturating_sub(1),
            ')' | '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        before = next;
        open == 0 && (next.is_whitespace() || next == ',')
    });
    end.unwrap_or(text.len())
}

/// Takes what follows the name: members, an address, the member that links a list.
fn take_fields(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
    options: &mut Options,
    address: &mut Option<Address>,
    members: &[String],
) -> Result<(), CommandError> {
    loop {
        arguments.skip_separator();
        if arguments.is_empty() {
            return Ok(());
        }
        let (mut is_field, mut is_prefix) = (false, false);
        while let Some(option) = arguments.option() {
            let unknown = arguments.syntax_error();
            match option {
                "l" => options.link = Some(FieldPath::new(arguments.word(), false)),
                "n" => is_field = true,
                "y" | "ny" | "yn" => (is_field, is_prefix) = (true, true),
                _ => return Err(unknown),
            }
        }
        arguments.skip_separator();
        if arguments.is_empty() {
            return if is_field { Err(arguments.syntax_error()) } else { Ok(()) };
        }
        let rest = arguments.rest();
        if is_field || is_member(context, rest, members) {
            options.layout.fields.push(FieldPath::new(arguments.word(), is_prefix));
        } else if address.is_none() {
            *address = Some(arguments.address(&context.expressions())?);
        } else {
            return Err(arguments.syntax_error());
        }
    }
}

/// Whether a member's name comes next: one that there is, one with wildcards, or a word that is no
/// address.
fn is_member(context: &Context<'_>, rest: &str, members: &[String]) -> bool {
    let word = rest.split([' ', ',']).next().unwrap_or_default();
    let first = word.split(['.', '-']).next().unwrap_or_default();
    if members.iter().any(|member| member == first) {
        return true;
    }
    let is_word = word.starts_with(|first: char| first.is_alphabetic() || "_*?".contains(first));
    let evaluated = expr::evaluate_head(word, &context.expressions());
    is_word && !evaluated.is_ok_and(|(_, len)| len == word.len())
}

/// The types whose names match.
fn list(context: &mut Context<'_>, name: &str, options: &Options) -> Result<Outcome, CommandError> {
    let pattern = if options.is_prefix { format!("{name}*") } else { name.to_owned() };
    let mut names = context.engine.type_names(&pattern)?;
    names.retain(|(_, size)| options.size.is_none_or(|wanted| *size == Some(wanted)));
    if names.is_empty() {
        return Err(CommandError::refused(format!("No type matches {pattern}")));
    }
    let mut text = String::new();
    for (name, size) in &names {
        if !options.lists_members {
            let size = size.filter(|_| options.is_verbose || options.size.is_some());
            let size = size.map(|size| format!(", 0x{size:x} bytes")).unwrap_or_default();
            text.push_str(&format!("          {name}{size}\n"));
            continue;
        }
        // In C the keyword is no part of the name by which a type is found.
        let (module, plain) = name.split_once('!').unwrap_or(("", name));
        let plain = ["struct ", "union ", "enum ", "class "]
            .iter()
            .find_map(|keyword| plain.strip_prefix(keyword))
            .unwrap_or(plain);
        let query = LayoutQuery {
            name: format!("{module}!{plain}"),
            only_types: true,
            address: None,
            options: options.layout.clone(),
            link: None,
        };
        if let Some(layout) = context.engine.layouts(&query)?.first() {
            text.push_str(&heading(layout, options.is_verbose));
            text.push_str(&format::type_layout::rows(&layout.rows, options.style));
        }
    }
    context.write(&text);
    Ok(Outcome::Done)
}

/// What stands above the members.
fn heading(layout: &TypeLayout, is_verbose: bool) -> String {
    let name = &layout.name;
    let mut text = match layout.variable {
        None => format!("{}!{name}\n", layout.module),
        Some(kind) => {
            let kind = if kind == VariableKind::Global { "Global" } else { "Local" };
            let place = layout.address.map(|address| format!(" @ 0x{address}"));
            format!("{kind} var{} Type {name}\n", place.unwrap_or_default())
        }
    };
    if let Some(size) = layout.size_bytes.filter(|_| is_verbose) {
        text.push_str(&match layout.member_count {
            0 => format!("0x{size:x} bytes\n"),
            count => format!("{name}, 0n{count} elements, 0x{size:x} bytes\n"),
        });
    }
    // Of a pointer both are shown: where it points to, and what is there.
    let pointer =
        layout.target.filter(|target| layout.variable.is_some() && layout.address != Some(*target));
    match (&layout.value, pointer) {
        (_, Some(target)) if !layout.rows.is_empty() => text.push_str(&format!("0x{target}\n")),
        (Some(value), _) if layout.rows.is_empty() => text.push_str(&format!("{value}\n")),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_may_have_blanks() {
        for (text, name) in [
            ("node at", "node"),
            ("node,at", "node"),
            ("prog!pair<int, char*> first", "prog!pair<int, char*>"),
            ("unsigned long int 1000", "unsigned long int"),
            ("long at", "long"),
            ("prog!unsigned char x", "prog!unsigned char"),
            ("&mut dyn core::fmt::Write + Send pointer", "&mut dyn core::fmt::Write + Send"),
            ("*const [u8; 4] x", "*const [u8; 4]"),
            ("(i32, bool) x", "(i32, bool)"),
            ("first->at x", "first->at"),
            ("\"prog![u8; 4]\" x", "prog![u8; 4]"),
            ("", ""),
        ] {
            let mut arguments = Arguments::new(text, "dt", 0);
            assert_eq!(take_name(&mut arguments), name, "{text}");
        }
    }
}
