//! What a name in the command `r` stands for, as text and as a place to write to.

use dbgbase::x86_64::DEBUG_REGISTERS;
use dbgbase::x86_64::extended::{ExtendedForm, ExtendedRegister, ExtendedValue};
use dbgbase::x86_64::float80::Float80;
use dbgeng::expr::{self, EvalContext as _, ExprSettings, RegisterPart};

use crate::arguments::Arguments;
use crate::commands::Context;
use crate::error::CommandError;
use crate::format;
use crate::format::elements::{self, Element};

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// A general register, or bits of one.
    Part(RegisterPart),
    /// A register of x87, SSE, AVX or AVX-512.
    Extended(ExtendedRegister),
    /// One of `$t0` to `$t19`.
    User(usize),
    /// What can only be read.
    Value(u64),
}

/// The type behind a register's colon: how many elements of which kind.
#[derive(Clone, Copy)]
pub(super) struct Typed {
    count: Option<usize>,
    element: Element,
}

/// Takes `:[Count]Type` if it follows.
pub(super) fn element_type(arguments: &mut Arguments<'_>) -> Result<Option<Typed>, CommandError> {
    if !arguments.take_char(':') {
        return Ok(None);
    }
    let count = arguments.decimal()?.map(|count| count as usize);
    let name = arguments.take_while(|next| next.is_ascii_alphanumeric()).to_ascii_lowercase();
    let unknown = || {
        CommandError::refused(format!(
            "'{name}' is no type of a register; the types are ib ub iw uw id ud iq uq f d"
        ))
    };
    let element = Element::from_name(&name).filter(|_| count != Some(0)).ok_or_else(unknown)?;
    Ok(Some(Typed { count, element }))
}

impl Place {
    /// What `name` (lower case, without `@`) stands for, if it is anything.
    ///
    /// **Errors**: refused for a register that the server's machine does not have.
    pub(super) fn from_name(
        context: &Context<'_>,
        name: &str,
    ) -> Result<Option<Place>, CommandError> {
        let server = context.engine.server();
        if let Some(part) = RegisterPart::from_name(server.arch, name) {
            return Ok(Some(Place::Part(part)));
        }
        if let Some(index) = ExprSettings::user_register_index(name) {
            return Ok(Some(Place::User(index)));
        }
        if server.arch == dbgbase::Arch::X86_64
            && let Some(register) = ExtendedRegister::from_name(name)
        {
            if server.has_register(register) {
                return Ok(Some(Place::Extended(register)));
            }
            return Err(CommandError::refused(format!(
                "The server's machine has no register {name}"
            )));
        }
        Ok(context.expressions().register(name).ok().map(Place::Value))
    }

    /// Whether it has a line of its own.
    pub(super) fn is_wide(self) -> bool {
        matches!(self, Place::Extended(register) if register.form() != ExtendedForm::Integer)
    }

    /// What is shown: `rax=0000000000000001`.
    pub(super) fn text(
        self,
        context: &Context<'_>,
        name: &str,
        typed: Option<Typed>,
    ) -> Result<String, CommandError> {
        if let Some(typed) = self.types(name, typed)? {
            let bytes = self.bytes(context)?;
            let count = typed.count.unwrap_or(bytes.len());
            return Ok(format!("{name}={}", elements::row(&bytes, typed.element, count)));
        }
        let (value, size_bits) = match self {
            Place::Part(part) => match part.read_frame(&context.engine.current_registers()?) {
                Some(value) => (value, part.size_bits),
                None => {
                    let digits = usize::from(part.size_bits).div_ceil(4);
                    return Ok(format!("{name}={}", "-".repeat(digits)));
                }
            },
            Place::User(index) => {
                let value = context.state.expressions.user_registers.get(index);
                (value.copied().unwrap_or_default(), 64)
            }
            Place::Value(value) => (value, 64),
            Place::Extended(register) => {
                let bytes = self.bytes(context)?;
                if register.form() == ExtendedForm::Float80 {
                    return Ok(format!("{name}={}", elements::float80(&bytes)));
                }
                (ExtendedValue::new(&bytes).low(), 8 * register.size_bytes() as u8)
            }
        };
        Ok(format::registers::one(name, value, size_bits))
    }

    /// Gives it the value that follows in `arguments`, or asks for it.
    pub(super) fn assign(
        self,
        context: &mut Context<'_>,
        arguments: &mut Arguments<'_>,
        name: &str,
        typed: Option<Typed>,
    ) -> Result<(), CommandError> {
        let typed = self.types(name, typed)?;
        arguments.skip_blanks();
        let is_number = matches!(self, Place::Extended(register)
            if register.form() == ExtendedForm::Float80);
        if typed.is_none() && !is_number {
            let value = match arguments.is_empty() {
                true => match asked(context) {
                    Some(answer) => expr::evaluate(&answer, &context.expressions())
                        .map_err(|error| CommandError::Expression(error.message(&answer)))?,
                    None => return Ok(()),
                },
                false => arguments.expression(&context.expressions())?,
            };
            return self.set(context, name, &value.to_le_bytes());
        }
        let text = match arguments.take_while(|next| next != ',').trim() {
            "" => match asked(context) {
                Some(answer) => answer,
                None => return Ok(()),
            },
            text => text.to_owned(),
        };
        let bytes = match typed {
            Some(typed) => self.changed(context, name, typed, &text)?,
            None => {
                let number = text.parse::<Float80>().map_err(|_| bad_number(&text))?;
                number.to_bytes().to_vec()
            }
        };
        self.set(context, name, &bytes)
    }

    /// The type that counts: the one that was typed, or that of vectors.
    fn types(self, name: &str, typed: Option<Typed>) -> Result<Option<Typed>, CommandError> {
        let has_elements = match self {
            Place::Part(part) => part.size_bits % 8 == 0,
            Place::Extended(register) => register.form() != ExtendedForm::Float80,
            Place::User(_) | Place::Value(_) => false,
        };
        match typed {
            Some(typed) if has_elements && typed.element.size_bytes() <= self.size_bytes() => {
                Ok(Some(typed))
            }
            Some(_) => Err(CommandError::refused(format!(
                "{name} cannot be shown as elements of that type"
            ))),
            None => {
                let is_vector = matches!(self, Place::Extended(register)
                    if register.form() == ExtendedForm::Vector);
                Ok(is_vector.then_some(Typed { count: None, element: Element::Float }))
            }
        }
    }

    fn size_bytes(self) -> usize {
        match self {
            Place::Part(part) => usize::from(part.size_bits / 8),
            Place::Extended(register) => register.size_bytes(),
            Place::User(_) | Place::Value(_) => 8,
        }
    }

    /// Its bytes, the lowest first.
    fn bytes(self, context: &Context<'_>) -> Result<Vec<u8>, CommandError> {
        match self {
            Place::Extended(register) => {
                if context.engine.is_in_caller()? {
                    return Err(lost(&register.name()));
                }
                let value = context.engine.extended_registers()?.get(register);
                let value = value.ok_or_else(|| {
                    let name = register.name();
                    CommandError::refused(format!("{name} of this thread cannot be read"))
                })?;
                Ok(value.bytes().to_vec())
            }
            Place::Part(part) => {
                let value = part.read_frame(&context.engine.current_registers()?);
                let value = value.ok_or_else(|| lost("the register"))?.to_le_bytes();
                Ok(value.into_iter().take(self.size_bytes()).collect())
            }
            Place::User(_) | Place::Value(_) => Ok(Vec::new()),
        }
    }

    /// Its bytes with the lowest elements replaced by those in `text`, the last of which is the
    /// lowest.
    fn changed(
        self,
        context: &Context<'_>,
        name: &str,
        typed: Typed,
        text: &str,
    ) -> Result<Vec<u8>, CommandError> {
        let mut bytes = self.bytes(context)?;
        let size = typed.element.size_bytes();
        let count_max = typed.count.unwrap_or(usize::MAX).min(bytes.len() / size);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() > count_max {
            let count = words.len();
            let sentence = format!("{name} has {count_max} such elements; {count} are given");
            return Err(CommandError::refused(sentence));
        }
        for (place, word) in bytes.chunks_mut(size).zip(words.iter().rev()) {
            place.copy_from_slice(&element(context, typed.element, word)?);
        }
        Ok(bytes)
    }

    fn set(self, context: &mut Context<'_>, name: &str, bytes: &[u8]) -> Result<(), CommandError> {
        let value = ExtendedValue::new(bytes);
        let is_of_frame = matches!(self, Place::Part(_) | Place::Extended(_));
        if is_of_frame && context.engine.is_in_caller()? {
            let number = context.engine.current_frame();
            return Err(CommandError::refused(format!(
                "Registers of frame {number:x} can be read, but not set; .frame 0 goes back to \
                 the thread's own"
            )));
        }
        match self {
            Place::Part(part) => {
                let whole = context.engine.registers()?.get(part.register);
                let whole = part.replace(whole, value.low());
                context.engine.set_register(part.register, whole)?;
            }
            Place::Extended(register) => {
                let bytes = bytes.get(..register.size_bytes()).unwrap_or(bytes);
                context.engine.set_extended_register(register, &ExtendedValue::new(bytes))?;
            }
            Place::User(index) => {
                if let Some(register) = context.state.expressions.user_registers.get_mut(index) {
                    *register = value.low();
                }
            }
            Place::Value(_) if DEBUG_REGISTERS.contains(&name) => {
                return Err(CommandError::refused(format!(
                    "{name} can be read, but not set: the process server uses the debug registers"
                )));
            }
            Place::Value(_) => {
                return Err(CommandError::refused(format!("{name} can be read, but not set")));
            }
        }
        Ok(())
    }
}

/// The refusal to show what calls further in may have changed.
fn lost(name: &str) -> CommandError {
    CommandError::refused(format!(
        "{name} is not preserved for this frame; after .frame 0 registers are the thread's"
    ))
}

/// The bytes of one element, as it is typed.
fn element(context: &Context<'_>, element: Element, word: &str) -> Result<Vec<u8>, CommandError> {
    if matches!(element, Element::Float | Element::Double) {
        return element.read_number(word).ok_or_else(|| bad_number(word));
    }
    let value = expr::evaluate(word, &context.expressions())
        .map_err(|error| CommandError::Expression(error.message(word)))?;
    Ok(value.to_le_bytes().into_iter().take(element.size_bytes()).collect())
}

fn bad_number(text: &str) -> CommandError {
    CommandError::refused(format!(
        "'{text}' is no floating-point number; they are decimal, as 1.5, -2e10, inf, nan"
    ))
}

/// Asks for a value, if somebody can be asked. An empty answer keeps the old value.
fn asked(context: &mut Context<'_>) -> Option<String> {
    let answer = context.output.input().and_then(|input| input.read_line("Input> "))?;
    (!answer.trim().is_empty()).then_some(answer)
}
