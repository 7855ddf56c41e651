//! LLDB's registers one by one, for debuggers that read no `target.xml`: names, places in the reply
//! to `g`, and what unwinders call them. Pure but for the packet.

use std::fmt::Write as _;

use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};
use crate::target_description::{Register, TargetDescription};

impl Session {
    /// `qRegisterInfoNUMBER`: one after the other, until an error says that there are no more.
    pub(crate) fn packet_register_info(&mut self, arguments: &[u8]) -> Handled {
        let number = hex::number(arguments).ok_or(PacketError::Malformed("a register's number"))?;
        let description = &self.server.description;
        if let Some(register) = description.register(number) {
            return Ok(Reply::from(describe(description, register)));
        }
        let last = description.registers().last().map_or(0, |register| u64::from(register.number));
        if number > last {
            return Err(PacketError::message(format!("there is no register {number}")));
        }
        // LLDB stops asking at the first error, and numbers have gaps: what is in one is a part of
        // the first register that nobody sees.
        Ok(Reply::from(format!(
            "name:unused{number};bitsize:8;offset:0;encoding:uint;format:hex;container-regs:0;"
        )))
    }
}

/// A register in the form of the packet.
fn describe(description: &TargetDescription, register: &Register) -> String {
    let before = description.registers().iter().take_while(|other| other.number < register.number);
    let offset: usize = before.map(|other| other.len).sum();
    let (encoding, format) = match register.len {
        10 | 16.. => ("vector", "vector-uint8"),
        _ => ("uint", "hex"),
    };
    let mut text = format!("name:{};", register.name);
    if let Some((other, _)) = roles(&register.name) {
        let _ = write!(text, "alt-name:{other};");
    }
    let bits = 8 * register.len;
    let _ = write!(text, "bitsize:{bits};offset:{offset};encoding:{encoding};format:{format};");
    let _ = write!(text, "set:{};", set(&register.name));
    if let Some(dwarf) = register.dwarf {
        // The psABI numbers registers in .eh_frame as in DWARF.
        let _ = write!(text, "ehframe:{dwarf};dwarf:{dwarf};");
    }
    if let Some((_, role)) = roles(&register.name) {
        let _ = write!(text, "generic:{role};");
    }
    text
}

/// A register's other name and what it is for (System V psABI, x86-64, 3.2).
fn roles(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "rip" => ("pc", "pc"),
        "rsp" => ("sp", "sp"),
        "rbp" => ("fp", "fp"),
        "eflags" => ("flags", "flags"),
        "rdi" => ("arg1", "arg1"),
        "rsi" => ("arg2", "arg2"),
        "rdx" => ("arg3", "arg3"),
        "rcx" => ("arg4", "arg4"),
        "r8" => ("arg5", "arg5"),
        "r9" => ("arg6", "arg6"),
        _ => return None,
    })
}

/// The heading that LLDB shows a register under.
fn set(name: &str) -> &'static str {
    let is = |prefix: &str| name.starts_with(prefix);
    match name {
        "mxcsr" => "Vector Registers",
        "fctrl" | "fstat" | "ftag" | "fiseg" | "fioff" | "foseg" | "fooff" | "fop" => {
            "Floating Point Registers"
        }
        _ if is("st") => "Floating Point Registers",
        _ if is("xmm") || is("ymm") || is("zmm") || is("k") => "Vector Registers",
        _ => "General Purpose Registers",
    }
}
