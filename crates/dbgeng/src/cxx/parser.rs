//! The grammar of C++ expressions, without assignments and calls: precedence climbing over tokens.
//! It looks no name up, but asks which are types: whether `(name)-1` is a cast, C++ decides by
//! what the name is.

use super::error::{CxxError, CxxErrorKind};
use super::number::IntegerType;
use super::scanner::{Token, scan};
use super::{Binary, Expression, Node, TypeName, Unary};

/// How deep brackets and operators may be nested.
const DEPTH_MAX: usize = 64;
/// How deep the tree may be: who walks through it descends as deep. Operators in a row make it as
/// deep as brackets do.
const HEIGHT_MAX: usize = 128;
/// The longest text.
const TEXT_LEN_MAX: usize = 4096;

/// The operators between operands, and how strongly they bind.
const BINARY: [(&str, Binary, u8); 18] = [
    ("*", Binary::Multiply, 10),
    ("/", Binary::Divide, 10),
    ("%", Binary::Remainder, 10),
    ("+", Binary::Add, 9),
    ("-", Binary::Subtract, 9),
    ("<<", Binary::ShiftLeft, 8),
    (">>", Binary::ShiftRight, 8),
    ("<", Binary::Less, 7),
    ("<=", Binary::LessOrEqual, 7),
    (">", Binary::Greater, 7),
    (">=", Binary::GreaterOrEqual, 7),
    ("==", Binary::Equal, 6),
    ("!=", Binary::NotEqual, 6),
    ("&", Binary::BitAnd, 5),
    ("^", Binary::BitXor, 4),
    ("|", Binary::BitOr, 3),
    ("&&", Binary::And, 2),
    ("||", Binary::Or, 1),
];

const CHANGES: [&str; 13] =
    ["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "++", "--"];
const TYPE_KEYWORDS: [&str; 4] = ["struct", "class", "union", "enum"];
const QUALIFIERS: [&str; 2] = ["const", "volatile"];
const BASIC_WORDS: [&str; 15] = [
    "unsigned", "signed", "char", "short", "int", "long", "bool", "_Bool", "float", "double",
    "void", "__int64", "__int32", "__int16", "__int8",
];

/// The tree of a text that is an expression and nothing else. `is_type` says what a name is; it is
/// asked only where that makes a difference.
pub(super) fn parse(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Expression, CxxError> {
    if text.len() > TEXT_LEN_MAX {
        return Err(CxxError::new(CxxErrorKind::TooLong, TEXT_LEN_MAX));
    }
    let mut parser = Parser { tokens: scan(text)?, next: 0, end: text.len(), is_type };
    let expression = parser.choice(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(Token::Sign(sign)) if CHANGES.contains(sign) || *sign == "(" => {
            Err(parser.error(CxxErrorKind::NotAvailable))
        }
        Some(_) => Err(parser.error(CxxErrorKind::ExtraCharacters)),
    }
}

struct Parser<'t> {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
    is_type: &'t dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, position)| *position)
    }

    fn error(&self, kind: CxxErrorKind) -> CxxError {
        CxxError::new(kind, self.position())
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(next)) if *next == sign)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_next = self.is_sign(sign);
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<(), CxxError> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.error(CxxErrorKind::Syntax)) }
    }

    fn choice(&mut self, depth: usize) -> Result<Expression, CxxError> {
        let condition = self.binary(0, depth)?;
        let position = self.position();
        if !self.take_sign("?") {
            return Ok(condition);
        }
        self.check_depth(depth)?;
        let yes = self.choice(depth + 1)?;
        self.expect(":")?;
        let no = self.choice(depth + 1)?;
        self.built(Node::Choice(Box::new([condition, yes, no])), position)
    }

    /// A part of the tree.
    fn built(&self, node: Node, position: usize) -> Result<Expression, CxxError> {
        let height = 1 + match &node {
            Node::Unary(_, inner)
            | Node::Cast(_, inner)
            | Node::SizeOf(inner)
            | Node::Member(inner, _) => inner.height,
            Node::Binary(_, left, right) | Node::Index(left, right) => {
                left.height.max(right.height)
            }
            Node::Choice(parts) => parts.iter().map(|part| part.height).max().unwrap_or(0),
            _ => 0,
        };
        if height > HEIGHT_MAX {
            return Err(CxxError::new(CxxErrorKind::TooLong, position));
        }
        Ok(Expression { node, position, height })
    }

    fn check_depth(&self, depth: usize) -> Result<(), CxxError> {
        if depth < DEPTH_MAX { Ok(()) } else { Err(self.error(CxxErrorKind::TooLong)) }
    }

    fn binary(&mut self, strength_min: u8, depth: usize) -> Result<Expression, CxxError> {
        let mut left = self.unary(depth)?;
        loop {
            let position = self.position();
            let Some(Token::Sign(sign)) = self.peek() else { return Ok(left) };
            let found = BINARY.iter().find(|(known, ..)| known == sign);
            let Some((_, operator, strength)) = found.filter(|(.., found)| *found >= strength_min)
            else {
                return Ok(left);
            };
            self.next += 1;
            let right = self.binary(strength + 1, depth)?;
            let node = Node::Binary(*operator, Box::new(left), Box::new(right));
            left = self.built(node, position)?;
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, CxxError> {
        self.check_depth(depth)?;
        let position = self.position();
        let Some(token) = self.peek() else { return Err(self.error(CxxErrorKind::Syntax)) };
        let operator = match token {
            Token::Sign("+") => Unary::Plus,
            Token::Sign("-") => Unary::Minus,
            Token::Sign("!") => Unary::Not,
            Token::Sign("~") => Unary::Complement,
            Token::Sign("*") => Unary::Dereference,
            Token::Sign("&") => Unary::AddressOf,
            Token::Sign("++" | "--") => return Err(self.error(CxxErrorKind::NotAvailable)),
            Token::Name(name) if name == "sizeof" => {
                self.next += 1;
                return self.size_of(position, depth);
            }
            Token::Sign("(") => {
                if let Some(ty) = self.cast() {
                    let value = Box::new(self.unary(depth + 1)?);
                    return self.built(Node::Cast(ty, value), position);
                }
                return self.postfix(depth);
            }
            _ => return self.postfix(depth),
        };
        self.next += 1;
        let operand = Box::new(self.unary(depth + 1)?);
        self.built(Node::Unary(operator, operand), position)
    }

    fn size_of(&mut self, position: usize, depth: usize) -> Result<Expression, CxxError> {
        let before = self.next;
        if self.take_sign("(")
            && let Some((ty, is_type)) = self.type_name()
            && self.take_sign(")")
            && is_type
        {
            return self.built(Node::SizeOfType(ty), position);
        }
        self.next = before;
        let operand = Box::new(self.unary(depth + 1)?);
        self.built(Node::SizeOf(operand), position)
    }

    /// Takes `(type)` if that is what comes next.
    fn cast(&mut self) -> Option<TypeName> {
        let before = self.next;
        let taken = self.take_sign("(").then(|| self.type_name()).flatten();
        if let Some((ty, is_type)) = taken
            && self.take_sign(")")
        {
            let is_cast = match self.peek() {
                // No operand follows a value.
                Some(Token::Name(_) | Token::Number(_) | Token::Register(_) | Token::Masm(_))
                | Some(Token::Sign("!" | "~")) => true,
                Some(Token::Sign("(" | "+" | "-" | "*" | "&")) => (self.is_type)(&ty.name),
                _ => false,
            };
            if is_type || is_cast {
                return Some(ty);
            }
        }
        self.next = before;
        None
    }

    /// Takes the name of a type, and whether it can be nothing else.
    fn type_name(&mut self) -> Option<(TypeName, bool)> {
        let mut words: Vec<String> = Vec::new();
        let mut is_type = false;
        while let Some(Token::Name(word)) = self.peek() {
            let word = word.clone();
            match word.as_str() {
                qualifier if QUALIFIERS.contains(&qualifier) => is_type = true,
                keyword if TYPE_KEYWORDS.contains(&keyword) => is_type = true,
                basic if BASIC_WORDS.contains(&basic) => {
                    is_type = true;
                    words.push(word);
                }
                _ if words.is_empty() => words.push(word),
                _ => return None,
            }
            self.next += 1;
        }
        let mut pointers = 0;
        while self.take_sign("*") {
            pointers += 1;
            while let Some(Token::Name(word)) = self.peek()
                && QUALIFIERS.contains(&word.as_str())
            {
                self.next += 1;
            }
        }
        let name = words.join(" ");
        let is_basic = IntegerType::named(&name).is_some();
        (!name.is_empty())
            .then_some((TypeName { name, pointers }, is_type || is_basic || pointers > 0))
    }

    fn postfix(&mut self, depth: usize) -> Result<Expression, CxxError> {
        let mut value = self.primary(depth)?;
        loop {
            let position = self.position();
            if self.take_sign("[") {
                let index = Box::new(self.choice(depth + 1)?);
                self.expect("]")?;
                value = self.built(Node::Index(Box::new(value), index), position)?;
            } else if self.take_sign(".") || self.take_sign("->") {
                let position = self.position();
                let Some(Token::Name(name)) = self.peek() else {
                    return Err(self.error(CxxErrorKind::Syntax));
                };
                let name = name.clone();
                self.next += 1;
                value = self.built(Node::Member(Box::new(value), name), position)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self, depth: usize) -> Result<Expression, CxxError> {
        let position = self.position();
        if self.take_sign("(") {
            let inside = self.choice(depth + 1)?;
            self.expect(")")?;
            return Ok(inside);
        }
        let node = match self.peek() {
            Some(Token::Number(number)) => Node::Number(*number),
            Some(Token::Name(name)) => Node::Name(name.clone()),
            Some(Token::Register(name)) => Node::Register(name.clone()),
            Some(Token::Masm(text)) => Node::Masm(text.clone()),
            _ => return Err(self.error(CxxErrorKind::Syntax)),
        };
        self.next += 1;
        self.built(node, position)
    }
}
