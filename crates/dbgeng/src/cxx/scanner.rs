//! Cuts the text of a C++ expression into tokens. It does not know what a name means.

use super::error::{CxxError, CxxErrorKind};
use super::number::{IntegerType, Number};

/// The signs, the longest first.
const SIGNS: [&str; 37] = [
    "<<=", ">>=", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "+", "-", "*", "/", "%", "<", ">", "=", "!", "&", "|", "^",
    "~", "?", ":", ".",
];

/// A piece of the text.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    Number(Number),
    /// With the scopes around it, and the module in front.
    Name(String),
    Register(String),
    /// The text in the parentheses of `@@masm(...)` or `@@(...)`.
    Masm(String),
    /// An operator, a bracket or a parenthesis.
    Sign(&'static str),
}

/// The tokens of a text, each with the place where it begins.
pub(super) fn scan(text: &str) -> Result<Vec<(Token, usize)>, CxxError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, len) = match first {
            '0'..='9' => number(rest, at)?,
            '\'' => character(rest, at)?,
            '@' => marked(rest, at)?,
            '(' => (Token::Sign("("), 1),
            ')' => (Token::Sign(")"), 1),
            '[' => (Token::Sign("["), 1),
            ']' => (Token::Sign("]"), 1),
            '.' if rest.chars().nth(1).is_some_and(|next| next.is_ascii_digit()) => {
                number(rest, at)?
            }
            _ if is_name_start(first) || rest.starts_with("::") => {
                let len = name_len(rest);
                (Token::Name(spaced(rest.get(..len).unwrap_or_default())), len)
            }
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => return Err(CxxError::new(CxxErrorKind::Syntax, at)),
            },
        };
        tokens.push((token, at));
        at += len.max(1);
    }
}

fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || "_$!".contains(character) && character != '!'
}

/// How long the name at the head of a text is: with `module!`, scopes, and template arguments where
/// `::` or the end of the name follows their bracket.
fn name_len(text: &str) -> usize {
    let is_part = |next: char| next.is_alphanumeric() || "_$".contains(next);
    let mut len = 0;
    loop {
        let rest = text.get(len..).unwrap_or_default();
        let word = rest.find(|next| !is_part(next)).unwrap_or(rest.len());
        len += word;
        let rest = text.get(len..).unwrap_or_default();
        if word > 0 && rest.starts_with('!') && !rest.starts_with("!=") {
            len += 1;
        } else if rest.starts_with("::") {
            len += 2;
        } else if let Some(list) = arguments_len(rest).filter(|_| word > 0) {
            len += list;
            if !text.get(len..).unwrap_or_default().starts_with("::") {
                return len;
            }
        } else {
            return len;
        }
    }
}

/// A name as compilers write it down: with a space behind each comma.
fn spaced(name: &str) -> String {
    name.split(',').map(str::trim_start).collect::<Vec<_>>().join(", ")
}

/// How long the list of template arguments at the head of a text is. `a < b` is none: in a list
/// only types, numbers and brackets stand, and behind it no operand.
fn arguments_len(text: &str) -> Option<usize> {
    if !text.starts_with('<') {
        return None;
    }
    let mut open = 0usize;
    for (at, next) in text.char_indices() {
        match next {
            '<' => open += 1,
            '>' => open -= 1,
            _ if next.is_alphanumeric() || "_:,* &".contains(next) => {}
            _ => return None,
        }
        if open == 0 {
            let behind = text.get(at + 1..).unwrap_or_default().trim_start();
            let is_operand = behind
                .starts_with(|next: char| next.is_alphanumeric() || "_@(='~".contains(next))
                || behind.starts_with('-') && !behind.starts_with("->")
                || behind.starts_with('!') && !behind.starts_with("!=");
            return (!is_operand).then_some(at + 1);
        }
    }
    None
}

/// A number: decimal, `0x`, octal; with a point or an exponent; with suffixes.
fn number(text: &str, at: usize) -> Result<(Token, usize), CxxError> {
    let hex = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    let is_digit = |next: char| next.is_ascii_hexdigit() || next == '`';
    let (digits, radix, start) = match hex {
        Some(hex) => (hex.find(|next| !is_digit(next)).unwrap_or(hex.len()), 16, 2),
        None => {
            let all = text.find(|next: char| !next.is_ascii_digit()).unwrap_or(text.len());
            if let Some(float) = float_len(text, all) {
                return floating(text, float, at);
            }
            (all, if text.starts_with('0') && all > 1 { 8 } else { 10 }, 0)
        }
    };
    let written = text.get(start..start + digits).unwrap_or_default().replace('`', "");
    let value = u64::from_str_radix(&written, radix).map_err(|error| {
        let is_long = *error.kind() == std::num::IntErrorKind::PosOverflow;
        let kind = if is_long { CxxErrorKind::Overflow } else { CxxErrorKind::Syntax };
        CxxError::new(kind, at)
    })?;
    let behind = text.get(start + digits..).unwrap_or_default();
    let suffix_len = behind.find(|next: char| !next.is_alphanumeric()).unwrap_or(behind.len());
    let suffix = behind.get(..suffix_len).unwrap_or_default().to_ascii_lowercase();
    let (is_unsigned, is_long) = match suffix.as_str() {
        "" => (false, false),
        "u" => (true, false),
        "l" | "ll" | "i64" => (false, true),
        "ul" | "ull" | "lu" | "llu" | "ui64" => (true, true),
        _ => return Err(CxxError::new(CxxErrorKind::Syntax, at)),
    };
    let fits = |limit: u64| value <= limit && !is_long;
    // C, 6.4.4.1: a decimal number without `u` is never unsigned.
    let ty = if fits(i32::MAX as u64) && !is_unsigned {
        IntegerType::INT
    } else if fits(u64::from(u32::MAX)) && (is_unsigned || radix != 10) {
        IntegerType::UNSIGNED
    } else if !is_unsigned && value <= i64::MAX as u64 {
        IntegerType::LONG
    } else {
        IntegerType::UNSIGNED_LONG
    };
    let number = Number::Integer(ty.wrap(i128::from(value)), ty);
    Ok((Token::Number(number), start + digits + suffix_len))
}

/// How long a floating-point number is whose first digits are so many; `None` if it is none.
fn float_len(text: &str, digits: usize) -> Option<usize> {
    let run = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len())
    };
    let byte = |at: usize| text.as_bytes().get(at).copied().unwrap_or_default();
    let mut len = digits;
    let has_point = byte(len) == b'.';
    if has_point {
        len += 1 + run(len + 1);
    }
    let has_exponent = matches!(byte(len), b'e' | b'E') && {
        let sign = usize::from(matches!(byte(len + 1), b'+' | b'-'));
        run(len + 1 + sign) > 0
    };
    if has_exponent {
        let sign = usize::from(matches!(byte(len + 1), b'+' | b'-'));
        len += 1 + sign + run(len + 1 + sign);
    }
    (has_point || has_exponent).then_some(len)
}

fn floating(text: &str, len: usize, at: usize) -> Result<(Token, usize), CxxError> {
    let value = text.get(..len).unwrap_or_default().parse::<f64>();
    let value = value.map_err(|_| CxxError::new(CxxErrorKind::Syntax, at))?;
    let is_single = text.get(len..).unwrap_or_default().starts_with(['f', 'F']);
    let size_bytes = if is_single { 4 } else { 8 };
    Ok((Token::Number(Number::Float(value, size_bytes)), len + usize::from(is_single)))
}

/// `'x'`, `'\n'`, `'\x41'`, `'\101'`.
fn character(text: &str, at: usize) -> Result<(Token, usize), CxxError> {
    let error = CxxError::new(CxxErrorKind::Syntax, at);
    let mut inside = text.chars().skip(1);
    let first = inside.next().ok_or(error)?;
    let (value, len) = match first {
        '\\' => escaped(text.get(2..).unwrap_or_default()).ok_or(error)?,
        plain if plain.is_ascii() && plain != '\'' => (plain as u8, 1),
        _ => return Err(error),
    };
    if text.as_bytes().get(1 + len) != Some(&b'\'') {
        return Err(error);
    }
    // C, 6.4.4.4: the value is that of an object of type `char`.
    let value = IntegerType::CHAR.wrap(i128::from(value));
    Ok((Token::Number(Number::Integer(value, IntegerType::CHAR)), len + 2))
}

/// The character that stands behind a backslash, and how long both are together.
fn escaped(text: &str) -> Option<(u8, usize)> {
    let digits = |text: &str, radix: u32, len_max: usize| {
        let is_digit = |next: char| next.is_digit(radix);
        let len = text.find(|next| !is_digit(next)).unwrap_or(text.len()).min(len_max);
        let value = u8::from_str_radix(text.get(..len)?, radix).ok()?;
        Some((value, len))
    };
    if let Some(hex) = text.strip_prefix('x') {
        return digits(hex, 16, usize::MAX).map(|(value, len)| (value, len + 2));
    }
    if let Some((value, len)) = digits(text, 8, 3) {
        return Some((value, len + 1));
    }
    let value = match text.chars().next()? {
        'a' => 7,
        'b' => 8,
        't' => b'\t',
        'n' => b'\n',
        'v' => 11,
        'f' => 12,
        'r' => b'\r',
        'e' => 27,
        quoted @ ('\\' | '\'' | '"' | '?') => quoted as u8,
        _ => return None,
    };
    Some((value, 2))
}

/// `@rax`, `@$t0`, `@@masm(...)`.
fn marked(text: &str, at: usize) -> Result<(Token, usize), CxxError> {
    let error = CxxError::new(CxxErrorKind::Syntax, at);
    if let Some(switch) = text.strip_prefix("@@") {
        let inside = switch.strip_prefix("masm").unwrap_or(switch);
        let inside = inside.strip_prefix('(').ok_or(error)?;
        let mut open = 1usize;
        let end = inside.find(|next: char| {
            match next {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            open == 0
        });
        let masm = inside.get(..end.ok_or(error)?).unwrap_or_default();
        let len = text.len() - inside.len() + masm.len() + 1;
        return Ok((Token::Masm(masm.to_owned()), len));
    }
    let name = text.get(1..).unwrap_or_default();
    let len = name.find(|next: char| !next.is_ascii_alphanumeric() && !"_$".contains(next));
    match name.get(..len.unwrap_or(name.len())).unwrap_or_default() {
        "" => Err(error),
        name => Ok((Token::Register(name.to_ascii_lowercase()), name.len() + 1)),
    }
}
