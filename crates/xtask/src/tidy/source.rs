//! One Rust file as the rules see it: a flat row of tokens with their lines, each marked if it is
//! test code or documentation, and the syntax tree. Ordinary comments are not in it. It knows no
//! rule.

mod test_code;
#[cfg(test)]
mod tests;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use test_code::Extent;

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A word: name or keyword.
    Word,
    /// One character of punctuation, or a bracket.
    Sign,
    /// A string, character or number as it is written.
    Literal,
}

/// One token. Brackets are tokens, too.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// As it is written.
    pub(crate) text: String,
    /// The line of its first character, counted from 1.
    pub(crate) line: usize,
    /// Whether it is compiled for tests only.
    pub(crate) test: bool,
    /// Whether it belongs to a documentation comment.
    pub(crate) doc: bool,
}

impl Token {
    /// Whether this is the word or sign `text`.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text == text
    }

    /// The contents of a plain string literal without escapes.
    pub(crate) fn string(&self) -> Option<&str> {
        if self.kind != Kind::Literal {
            return None;
        }
        self.text.strip_prefix('"')?.strip_suffix('"')
    }
}

/// A `mod name;`: the module is in a file of its own.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct ChildModule {
    /// Its name.
    pub(crate) name: String,
    /// Its `#[path = "…"]`, if it has one.
    pub(crate) path: Option<String>,
    /// Whether it is compiled for tests only.
    pub(crate) test: bool,
}

/// A Rust file.
pub(crate) struct Source {
    /// The syntax tree.
    pub(crate) ast: syn::File,
    /// Every token in its order.
    pub(crate) tokens: Vec<Token>,
    /// The modules it declares and does not hold, at its top level.
    pub(crate) children: Vec<ChildModule>,
}

/// Where and why a file is no Rust.
#[derive(Clone, Debug)]
pub(crate) struct ParseError {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What the parser says.
    pub(crate) message: String,
}

impl Source {
    /// Reads a whole file.
    pub(crate) fn parse(text: &str) -> Result<Source, ParseError> {
        let stream: TokenStream = text.parse().map_err(|error: proc_macro2::LexError| {
            ParseError { line: error.span().start().line, message: error.to_string() }
        })?;
        let ast: syn::File = syn::parse2(stream.clone()).map_err(|error| ParseError {
            line: error.span().start().line,
            message: error.to_string(),
        })?;
        let extents = test_code::extents(&ast);
        let mut tokens = Vec::new();
        flatten(stream, &extents, false, &mut tokens);
        let children = children(&ast);
        Ok(Source { ast, tokens, children })
    }

    /// Declares the whole file test code.
    pub(crate) fn mark_as_test(&mut self) {
        for token in &mut self.tokens {
            token.test = true;
        }
    }

    /// The tokens that are compiled into the product, without documentation.
    pub(crate) fn product_code(&self) -> Vec<&Token> {
        self.tokens.iter().filter(|token| !token.test && !token.doc).collect()
    }

    /// The tokens of product and tests, without documentation.
    pub(crate) fn code(&self) -> Vec<&Token> {
        self.tokens.iter().filter(|token| !token.doc).collect()
    }
}

fn children(ast: &syn::File) -> Vec<ChildModule> {
    let modules = ast.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    });
    let child = |module: &syn::ItemMod| ChildModule {
        name: module.ident.to_string(),
        path: module.attrs.iter().find_map(path_attribute),
        test: test_code::is_test_only(&module.attrs),
    };
    modules.map(child).collect()
}

fn path_attribute(attribute: &syn::Attribute) -> Option<String> {
    let syn::Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &pair.value else {
        return None;
    };
    pair.path.is_ident("path").then(|| path.value())
}

fn flatten(stream: TokenStream, extents: &[Extent], in_doc: bool, tokens: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (index, tree) in trees.iter().enumerate() {
        let start = tree.span().start();
        let test = extents.iter().any(|extent| extent.contains(start));
        let doc = in_doc || is_doc(&trees, index);
        let mut push = |kind, text: String, line| {
            tokens.push(Token { kind, text, line, test, doc });
        };
        match tree {
            TokenTree::Ident(word) => push(Kind::Word, word.to_string(), start.line),
            TokenTree::Punct(sign) => push(Kind::Sign, sign.as_char().to_string(), start.line),
            TokenTree::Literal(literal) => push(Kind::Literal, literal.to_string(), start.line),
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                push(Kind::Sign, open.to_owned(), start.line);
                flatten(group.stream(), extents, doc, tokens);
                let line = group.span_close().start().line;
                tokens.push(Token { kind: Kind::Sign, text: close.to_owned(), line, test, doc });
            }
        }
    }
}

/// Whether the tree at `index` is `#`, `!` or `[doc = "…"]` of a documentation comment, which the
/// lexer turns into such an attribute.
fn is_doc(trees: &[TokenTree], index: usize) -> bool {
    let is_sign =
        |tree: &TokenTree, sign| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == sign);
    let is_doc_group = |tree: &TokenTree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
            let words: Vec<String> =
                group.stream().into_iter().take(2).map(|tree| tree.to_string()).collect();
            words == ["doc", "="]
        }
        _ => false,
    };
    match &trees[index..] {
        [hash, bang, group, ..] if is_sign(hash, '#') && is_sign(bang, '!') => is_doc_group(group),
        [sign, group, ..] if is_sign(sign, '#') || is_sign(sign, '!') => is_doc_group(group),
        [group, ..] => {
            is_doc_group(group) && index > 0 && matches!(&trees[index - 1], TokenTree::Punct(_))
        }
        [] => false,
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        // Invisible groups exist in the output of macros only.
        Delimiter::None => ("", ""),
    }
}
