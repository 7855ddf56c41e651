//! Cuts a connection string at its colon, commas, equals signs and quotation marks, and checks that
//! the parameters are ones that the transport takes, each once, each with a value where one
//! belongs. It does not know what values mean.

use super::{ParameterName, ParseError, ParseErrorKind, Role, Span, Transport};

/// A connection string in pieces. Every required parameter is there, and no foreign one.
pub(super) struct Split<'a> {
    pub(super) role: Role,
    pub(super) transport: Transport,
    parameters: Vec<Parameter<'a>>,
}

/// A parameter as it was written.
#[derive(Clone, Copy)]
pub(super) struct Parameter<'a> {
    pub(super) name: ParameterName,
    /// The text between the quotation marks, if there are any. Empty for a flag.
    pub(super) value: &'a str,
    /// Name and value.
    span: Span,
}

impl<'a> Split<'a> {
    /// Cuts `text` and checks everything but the values.
    pub(super) fn new(role: Role, text: &'a str) -> Result<Split<'a>, ParseError> {
        let whole = Span { start: 0, end: text.len() };
        let nowhere = |kind| ParseError { kind, role, transport: None, parameter: None, at: whole };
        if text.contains(|c: char| c.is_control()) {
            return Err(nowhere(ParseErrorKind::ControlCharacter));
        }
        let Some((word, rest)) = text.split_once(':') else {
            // A word that needs no colon may have been given parameters, which it does not take.
            let word = text.split(',').next().unwrap_or_default();
            return Err(nowhere(others(word).unwrap_or(ParseErrorKind::NoTransport)));
        };
        let at_word = Span { start: 0, end: word.len() };
        let Some(forward) = Transport::from_word(word, false) else {
            let kind = others(word).unwrap_or(ParseErrorKind::UnknownTransport);
            return Err(ParseError { at: at_word, ..nowhere(kind) });
        };
        let mut split = Split { role, transport: forward, parameters: Vec::new() };
        let mut start = word.len() + 1;
        for piece in Commas(Some(rest)) {
            let span = Span { start, end: start + piece.len() };
            split.parameters.push(split.parameter(piece, span)?);
            start = span.end + 1;
        }
        let reverse = split.find(ParameterName::Clicon).is_some();
        split.transport = Transport::from_word(word, reverse).unwrap_or(forward);
        split.check()?;
        Ok(split)
    }

    /// The parameter, if the string has it.
    pub(super) fn find(&self, name: ParameterName) -> Option<Parameter<'a>> {
        self.parameters.iter().find(|parameter| parameter.name == name).copied()
    }

    /// The error `kind` about this parameter as it was written.
    pub(super) fn error(&self, kind: ParseErrorKind, parameter: Parameter<'a>) -> ParseError {
        ParseError { at: parameter.span, ..self.error_without(kind, Some(parameter.name)) }
    }

    /// The error `kind` about a parameter that is not there, or about the string as a whole.
    pub(super) fn error_without(
        &self,
        kind: ParseErrorKind,
        parameter: Option<ParameterName>,
    ) -> ParseError {
        let at = Span { start: 0, end: 0 };
        ParseError { kind, role: self.role, transport: Some(self.transport), parameter, at }
    }

    /// Cuts one parameter into name and value.
    fn parameter(&self, piece: &'a str, at: Span) -> Result<Parameter<'a>, ParseError> {
        let (name_text, value_text) = match piece.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (piece, None),
        };
        let name = ParameterName::from_name(name_text);
        let error = |kind| ParseError { at, ..self.error_without(kind, name) };
        let at_name = Span { start: at.start, end: at.start + name_text.len() };
        if piece.is_empty() {
            return Err(error(ParseErrorKind::EmptyParameter));
        }
        if name_text.trim() != name_text {
            return Err(ParseError { at: at_name, ..error(ParseErrorKind::Blank) });
        }
        let Some(known) = name else {
            return Err(ParseError { at: at_name, ..error(ParseErrorKind::UnknownParameter) });
        };
        let value = match (known.is_flag(), value_text) {
            (true, None) => "",
            (true, Some(_)) => return Err(error(ParseErrorKind::FlagWithValue)),
            (false, None) => return Err(error(ParseErrorKind::EmptyValue)),
            (false, Some(text)) => unquote(known, text).map_err(error)?,
        };
        Ok(Parameter { name: known, value, span: at })
    }

    fn check(&self) -> Result<(), ParseError> {
        let accepted = self.transport.parameters(self.role);
        for (index, parameter) in self.parameters.iter().enumerate() {
            let name = parameter.name;
            if self.parameters.iter().take(index).any(|earlier| earlier.name == name) {
                return Err(self.error(ParseErrorKind::Repeated, *parameter));
            }
            if !accepted.iter().any(|accepted| accepted.name == name) {
                let kind = match (self.role, name) {
                    (Role::Server, ParameterName::Hidden) if self.transport.is_reverse() => {
                        ParseErrorKind::HiddenWithClicon
                    }
                    _ => ParseErrorKind::ForeignParameter,
                };
                return Err(self.error(kind, *parameter));
            }
        }
        let missing = accepted.iter().find(|a| a.required && self.find(a.name).is_none());
        missing.map_or(Ok(()), |missing| {
            Err(self.error_without(ParseErrorKind::Missing, Some(missing.name)))
        })
    }
}

/// What is to be said of a transport of ours that does not stand in this place, but on the other
/// side.
fn others(word: &str) -> Option<ParseErrorKind> {
    match word.to_ascii_lowercase().as_str() {
        "exec" => Some(ParseErrorKind::ExecIsForClients),
        "stdio" => Some(ParseErrorKind::StdioIsForServers),
        _ => None,
    }
}

/// Removes the quotation marks around a value and checks for blanks and stray marks.
fn unquote(name: ParameterName, text: &str) -> Result<&str, ParseErrorKind> {
    let value = match text.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').ok_or(ParseErrorKind::Quote)?,
        None if text.trim() != text => return Err(ParseErrorKind::Blank),
        None => text,
    };
    if name == ParameterName::Pipe && text.contains('"') {
        return Err(ParseErrorKind::PipeName(super::PipeNameFault::Quote));
    }
    match value {
        _ if value.contains('"') => Err(ParseErrorKind::Quote),
        "" => Err(ParseErrorKind::EmptyValue),
        _ => Ok(value),
    }
}

/// The pieces of a text between its commas, of which those within quotation marks do not count.
struct Commas<'a>(Option<&'a str>);

impl<'a> Iterator for Commas<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.0?;
        let mut quoted = false;
        let comma = rest.find(|c: char| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let Some((piece, behind)) = comma.and_then(|at| rest.split_at_checked(at)) else {
            self.0 = None;
            return Some(rest);
        };
        self.0 = behind.strip_prefix(',');
        Some(piece)
    }
}
