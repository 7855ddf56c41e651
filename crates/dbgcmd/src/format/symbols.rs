//! Symbols in the layouts of `x` and `bm`. It knows neither where they come from nor how values are
//! written.

use dbgbase::Address;
use dbgeng::{SourceLine, SymbolDetails, SymbolKind, SymbolMatch};

/// What is shown of each symbol, beside its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SymbolColumns {
    /// Its address.
    pub(crate) has_address: bool,
    /// Parameters of functions, and values of data.
    pub(crate) has_details: bool,
    /// The type of data.
    pub(crate) has_types: bool,
    /// What it is, and its size.
    pub(crate) is_verbose: bool,
    /// Whether names stand in quotation marks, so that commands take them as they are.
    pub(crate) is_quoted: bool,
    /// Whether parameters follow without a blank.
    pub(crate) is_tight: bool,
}

impl SymbolColumns {
    /// Those of `x` without options.
    pub(crate) const PLAIN: SymbolColumns = SymbolColumns {
        has_address: true,
        has_details: true,
        has_types: false,
        is_verbose: false,
        is_quoted: false,
        is_tight: false,
    };
}

/// One line of `x`.
pub(crate) fn row(symbol: &SymbolMatch, details: &SymbolDetails, columns: SymbolColumns) -> String {
    let mut text = String::new();
    let is_known = details.parameters.is_some() || details.type_name.is_some();
    if columns.is_verbose {
        let origin = if is_known { "prv" } else { "pub" };
        text.push_str(&format!("{origin} {:<6} ", kind(symbol.kind)));
    }
    if columns.has_address {
        text.push_str(&address(details.address));
        text.push(' ');
    }
    if columns.is_verbose {
        text.push_str(&format!("{:>4x} ", details.size));
    }
    if let Some(name) = details.type_name.as_ref().filter(|_| columns.has_types) {
        text.push_str(name);
        text.push(' ');
    }
    text.push_str(&name(&symbol.module, &symbol.name, columns.is_quoted));
    if columns.has_details {
        match symbol.kind {
            SymbolKind::Data | SymbolKind::ThreadLocal => {
                let value = details.value.as_deref();
                text.push_str(&format!(" = {}", value.unwrap_or("<no type information>")));
            }
            SymbolKind::Other => {}
            _ => {
                text.push_str(if columns.is_tight { "" } else { " " });
                let parameters = details.parameters.as_deref();
                text.push_str(parameters.unwrap_or("(<no parameter info>)"));
            }
        }
    }
    text.push('\n');
    text
}

/// `module!name`, or `@!"module!name"`.
pub(crate) fn name(module: &str, name: &str, is_quoted: bool) -> String {
    match is_quoted {
        true => format!("@!\"{module}!{name}\""),
        false => format!("{module}!{name}"),
    }
}

/// One of the things that an ambiguous name may mean. `name` has parameters if they tell it from
/// the others.
pub(crate) fn choice(
    symbol: &SymbolMatch,
    name: &str,
    details: Option<&SymbolDetails>,
    source: Option<&SourceLine>,
) -> String {
    let mut text = format!("Matched: {} {}!{name}", symbol.address, symbol.module);
    if symbol.kind == SymbolKind::Inlined {
        text.push_str(" (inlined)");
    } else if let Some(parameters) = details.and_then(|details| details.parameters.as_ref())
        && !name.contains('(')
    {
        text.push_str(&format!(" {parameters}"));
    }
    if let Some(source) = source {
        text.push_str(&format!(" [{source}]"));
    }
    text.push('\n');
    text
}

fn address(address: Option<Address>) -> String {
    address.map_or_else(|| " ".repeat(17), |address| address.to_string())
}

fn kind(kind: SymbolKind) -> &'static str {
    match kind {
        SymbolKind::Function => "func",
        SymbolKind::IndirectFunction => "ifunc",
        SymbolKind::Inlined => "inline",
        SymbolKind::Data => "global",
        SymbolKind::ThreadLocal => "tls",
        SymbolKind::Other => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn symbol(name: &str, kind: SymbolKind) -> SymbolMatch {
        let address = Address::new(0x5555_5555_5139);
        SymbolMatch { module: "prog".to_owned(), name: name.to_owned(), address, size: 0x20, kind }
    }

    fn details(parameters: Option<&str>, data: Option<(&str, &str)>) -> SymbolDetails {
        SymbolDetails {
            address: Some(Address::new(0x5555_5555_5139)),
            size: 0x20,
            parameters: parameters.map(str::to_owned),
            type_name: data.map(|(name, _)| name.to_owned()),
            value: data.map(|(_, value)| value.to_owned()),
        }
    }

    #[test]
    fn every_column_has_its_place() {
        let all = [
            (symbol("main", SymbolKind::Function), details(Some("(int, char **)"), None)),
            (symbol("f", SymbolKind::Function), details(None, None)),
            (symbol("count", SymbolKind::Data), details(None, Some(("int", "0n5")))),
            (symbol("table", SymbolKind::Data), details(None, None)),
            (symbol("label", SymbolKind::Other), details(None, None)),
            (
                symbol("mine", SymbolKind::ThreadLocal),
                SymbolDetails { address: None, ..details(None, None) },
            ),
        ];
        let shown = |columns: SymbolColumns| {
            all.iter().map(|(symbol, details)| row(symbol, details, columns)).collect::<String>()
        };
        let plain = SymbolColumns::PLAIN;
        expect![[r#"
            00005555`55555139 prog!main (int, char **)
            00005555`55555139 prog!f (<no parameter info>)
            00005555`55555139 prog!count = 0n5
            00005555`55555139 prog!table = <no type information>
            00005555`55555139 prog!label
                              prog!mine = <no type information>
        "#]]
        .assert_eq(&shown(plain));
        let all_columns = SymbolColumns { has_types: true, is_verbose: true, ..plain };
        expect![[r#"
            prv func   00005555`55555139   20 prog!main (int, char **)
            pub func   00005555`55555139   20 prog!f (<no parameter info>)
            prv global 00005555`55555139   20 int prog!count = 0n5
            pub global 00005555`55555139   20 prog!table = <no type information>
            pub        00005555`55555139   20 prog!label
            pub tls                        20 prog!mine = <no type information>
        "#]]
        .assert_eq(&shown(all_columns));
        let names = SymbolColumns { has_address: false, has_details: false, ..plain };
        let quoted = SymbolColumns { is_quoted: true, ..names };
        assert!(shown(quoted).starts_with("@!\"prog!main\"\n@!\"prog!f\"\n"));
        let tight = SymbolColumns { is_tight: true, has_address: false, ..plain };
        assert!(shown(tight).starts_with("prog!main(int, char **)\n"));
    }

    #[test]
    fn choices_say_what_tells_them_apart() {
        let source = SourceLine { file: "/src/a.c".into(), line: 6, column: 1 };
        let known = details(Some("(int)"), None);
        let mut text = choice(&symbol("f", SymbolKind::Function), "f", Some(&known), Some(&source));
        text += &choice(&symbol("f", SymbolKind::Function), "f(char)", Some(&known), None);
        text += &choice(&symbol("g", SymbolKind::Inlined), "g", None, Some(&source));
        expect![[r#"
            Matched: 00005555`55555139 prog!f (int) [/src/a.c @ 6]
            Matched: 00005555`55555139 prog!f(char)
            Matched: 00005555`55555139 prog!g (inlined) [/src/a.c @ 6]
        "#]]
        .assert_eq(&text);
    }
}
