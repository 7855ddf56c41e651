//! What expressions ask, answered by an engine: registers, symbols and memory of the current thread
//! and process, and the pseudo-registers. It computes nothing itself.

use dbgbase::x86_64::DEBUG_REGISTERS;
use dbgbase::x86_64::extended::{ExtendedForm, ExtendedRegister};
use dbgbase::{Address, Arch, ReadMemory, Unreadable, read_u64, x86_64};

use super::{EvalContext, Radix, RegisterMiss, RegisterPart, SymbolMiss};
use crate::{BreakpointId, Engine, ErrorKind, FrameRegisters, SymbolKind, SymbolMatch, ValuePlace};

/// How many user-defined pseudo-registers there are: `$t0` to `$t19`.
pub const USER_REGISTER_COUNT: usize = 20;

/// More frames are not looked at for a return address.
const FRAMES_MAX: usize = 1 << 16;

/// What a front end keeps between expressions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExprSettings {
    /// How digits without a prefix are read.
    pub radix: Radix,
    /// `$t0` to `$t19`.
    pub user_registers: [u64; USER_REGISTER_COUNT],
    /// `$exp`, the last expression's value.
    pub last_value: u64,
    /// `$callret`, what the last function returned that was called.
    pub call_result: Option<u64>,
    /// `$p`, the value that the last display of memory showed last.
    pub last_displayed: u64,
}

impl ExprSettings {
    /// Which of the user-defined pseudo-registers `name` (lower case, with `$`) is.
    pub fn user_register_index(name: &str) -> Option<usize> {
        let digits = name.strip_prefix("$t")?;
        // `$t01` is none.
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        let is_digit = |character: char| character.is_ascii_digit();
        let index: usize = digits.chars().all(is_digit).then(|| digits.parse().ok()).flatten()?;
        (index < USER_REGISTER_COUNT).then_some(index)
    }
}

/// An engine and the settings, as expressions see them. Of a name that several modules have, the
/// first module's counts, the program's before all others, as for the dynamic linker.
#[derive(Clone, Copy)]
pub struct EngineContext<'a> {
    engine: &'a Engine,
    settings: &'a ExprSettings,
    /// Whether the current frame's registers and variables are meant.
    sees_frame: bool,
}

impl<'a> EngineContext<'a> {
    /// The view of expressions on `engine`, at its current frame: registers are the frame's, and
    /// its variables hide symbols of the same name.
    pub fn new(engine: &'a Engine, settings: &'a ExprSettings) -> EngineContext<'a> {
        EngineContext { engine, settings, sees_frame: true }
    }

    /// The view at the current thread, of its own registers and without variables of frames: for
    /// what is going to be evaluated elsewhere than where the thread is now.
    pub(crate) fn of_thread(engine: &'a Engine, settings: &'a ExprSettings) -> EngineContext<'a> {
        EngineContext { engine, settings, sees_frame: false }
    }

    fn arch(&self) -> Arch {
        self.engine.server().arch
    }

    /// The pseudo-registers that are not simply another name of a register.
    ///
    /// Thread and process blocks do not exist on Linux: `$teb` and `$thread` are the thread
    /// pointer.
    fn pseudo_register(&self, name: &str) -> Option<u64> {
        if let Some(index) = ExprSettings::user_register_index(name) {
            return self.settings.user_registers.get(index).copied();
        }
        if let Some(number) = name.strip_prefix("$bp") {
            return self.breakpoint_address(number);
        }
        match name {
            "$exp" => Some(self.settings.last_value),
            "$callret" => self.settings.call_result,
            "$p" => Some(self.settings.last_displayed),
            "$ptrsize" => Some(self.arch().pointer_size_bytes()),
            "$pagesize" => Some(4096),
            "$dpid" => Some(u64::from(std::process::id())),
            "$scopeip" => self.register("$ip").ok(),
            "$eventip" => {
                let (process, thread) = self.engine.event_thread()?;
                let registers = self.engine.thread_registers(process, thread).ok()?;
                Some(registers.pc().value())
            }
            "$tpid" => {
                let (process, _) = self.engine.current()?;
                Some(u64::from(self.engine.process(process).ok()?.pid.value()))
            }
            "$tid" => {
                let (process, thread) = self.engine.current()?;
                let process = self.engine.process(process).ok()?;
                Some(u64::from(process.thread(thread).ok()?.tid.value()))
            }
            "$teb" | "$thread" if self.arch() == Arch::X86_64 => {
                Some(self.engine.registers().ok()?.get(x86_64::FS_BASE))
            }
            "$frame" => self.engine.current().map(|_| self.frame() as u64),
            "$ra" => self.return_address(),
            "$exentry" => self.program_entry(),
            _ => None,
        }
    }

    /// The number of the frame that is meant.
    fn frame(&self) -> usize {
        if self.sees_frame { self.engine.current_frame() } else { 0 }
    }

    /// Where the frame returns to. Inlined calls return where what they are inlined into does.
    fn return_address(&self) -> Option<u64> {
        let number = self.frame();
        // A return address is known when the caller is.
        let mut count = number.saturating_add(2);
        loop {
            let stack = self.engine.stack(count).ok()?;
            let is_all = stack.frames.len() < count;
            let frame = stack.frames.iter().skip(number).find(|frame| !frame.is_inline);
            match frame.and_then(|frame| frame.return_address) {
                None if !is_all && count < FRAMES_MAX => count *= 2,
                address => return Some(address?.value()),
            }
        }
    }

    /// The registers of the frame.
    fn registers(&self) -> Option<FrameRegisters> {
        match self.frame() {
            0 => Some(FrameRegisters::from(&self.engine.registers().ok()?)),
            number => self.engine.frame_registers(number).ok(),
        }
    }

    /// The address of a variable of the frame. `None` if it has none of the name.
    fn local(&self, name: &str) -> Option<Result<u64, SymbolMiss>> {
        if !self.sees_frame || name.contains(['!', '`']) {
            return None;
        }
        // A frame without debugging information has no variables.
        let place = self.engine.local_place(self.frame(), name).ok()??;
        Some(match place {
            ValuePlace::Memory(address) => Ok(address.value()),
            _ => Err(SymbolMiss::NotInMemory),
        })
    }

    /// The integers among the extended registers, and the debug registers.
    fn extended_register(&self, name: &str) -> Option<u64> {
        if self.arch() != Arch::X86_64 {
            return None;
        }
        if DEBUG_REGISTERS.contains(&name) {
            let registers = self.engine.extended_registers().ok()?;
            return registers.debug().find(|(known, _)| *known == name).map(|(_, value)| value);
        }
        let register = ExtendedRegister::from_name(name)?;
        if register.form() != ExtendedForm::Integer || !self.engine.server().has_register(register)
        {
            return None;
        }
        Some(self.engine.extended_registers().ok()?.get(register)?.low())
    }

    /// The address of the breakpoint with this number; 0 if there is none.
    fn breakpoint_address(&self, number: &str) -> Option<u64> {
        let id = BreakpointId(number.parse().ok()?);
        let breakpoints = self.engine.breakpoints();
        let breakpoint = breakpoints.iter().find(|breakpoint| breakpoint.id == id);
        let address = breakpoint.and_then(|breakpoint| breakpoint.addresses.first());
        Some(address.map_or(0, |address| address.value()))
    }

    /// The program's entry point: `e_entry`, 24 bytes behind the start of its ELF header.
    fn program_entry(&self) -> Option<u64> {
        const ENTRY_OFFSET_BYTES: u64 = 24;
        let modules = self.engine.modules().ok()?;
        let program = modules.iter().find(|module| module.is_program)?;
        let field = program.range.start().checked_add(ENTRY_OFFSET_BYTES)?;
        let entry = read_u64(&self.engine.memory(), field).ok()?;
        Some(entry.wrapping_add(program.bias.value()))
    }
}

impl EvalContext for EngineContext<'_> {
    fn radix(&self) -> Radix {
        self.settings.radix
    }

    fn is_common_register(&self, name: &str) -> bool {
        RegisterPart::is_common(self.arch(), name)
    }

    fn register(&self, name: &str) -> Result<u64, RegisterMiss> {
        if let Some(part) = RegisterPart::from_name(self.arch(), name) {
            let registers = self.registers().ok_or(RegisterMiss::Unknown)?;
            return part.read_frame(&registers).ok_or(RegisterMiss::NotInFrame);
        }
        if let Some(value) = self.pseudo_register(name) {
            return Ok(value);
        }
        let value = self.extended_register(name).ok_or(RegisterMiss::Unknown)?;
        // Calls may change all of them (System V psABI for AMD64, 3.2.1).
        let is_lost = self.sees_frame && self.engine.is_in_caller().unwrap_or(false);
        let is_debug = DEBUG_REGISTERS.contains(&name);
        if is_lost && !is_debug { Err(RegisterMiss::NotInFrame) } else { Ok(value) }
    }

    fn symbol(&self, name: &str) -> Result<u64, SymbolMiss> {
        let local = name.strip_prefix("$!");
        if let Some(found) = self.local(local.unwrap_or(name)) {
            return found;
        }
        if local.is_some() {
            return Err(SymbolMiss::Unknown);
        }
        let name = self.engine.complete_line(name).map_err(|_unknown| SymbolMiss::Unknown)?;
        let name = name.as_ref();
        let found = match self.engine.resolve(name) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::AmbiguousSymbol => {
                return Err(SymbolMiss::Ambiguous);
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                return Err(SymbolMiss::Cancelled);
            }
            Err(_) => Vec::new(),
        };
        if name.starts_with('`') {
            // A line may have code in several places; an expression means the first.
            return found.first().map(|found| found.address.value()).ok_or(SymbolMiss::Unknown);
        }
        if let Some(address) = choose(&found)? {
            return Ok(address.value());
        }
        if let [data] = found.as_slice() {
            let address = self.engine.thread_local_address(data);
            return address.map(Address::value).ok_or(SymbolMiss::NotInMemory);
        }
        let modules = self.engine.modules().unwrap_or_default();
        let module = modules.iter().find(|module| module.name.eq_ignore_ascii_case(name));
        module.map(|module| module.range.start().value()).ok_or(SymbolMiss::Unknown)
    }

    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let count = self.engine.memory().read(address, buffer)?;
        if count < buffer.len() {
            return Err(Unreadable {
                address: address.wrapping_offset(count.cast_signed() as i64),
            });
        }
        Ok(())
    }
}

/// The address that the first module with one of these symbols gives the name. Offsets in the
/// blocks of threads are no addresses.
fn choose(found: &[SymbolMatch]) -> Result<Option<Address>, SymbolMiss> {
    let mut addresses = found.iter().filter(|symbol| symbol.kind != SymbolKind::ThreadLocal);
    let Some(first) = addresses.next() else {
        return Ok(None);
    };
    let differs =
        |other: &SymbolMatch| other.module == first.module && other.address != first.address;
    if addresses.any(differs) {
        return Err(SymbolMiss::Ambiguous);
    }
    Ok(Some(first.address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(module: &str, address: u64, kind: SymbolKind) -> SymbolMatch {
        SymbolMatch {
            module: module.to_owned(),
            name: "f".to_owned(),
            address: Address::new(address),
            size: 0,
            kind,
        }
    }

    #[test]
    fn the_first_module_gives_the_address() {
        let program = symbol("prog", 0x1000, SymbolKind::Function);
        let library = symbol("libc_so", 0x2000, SymbolKind::Function);
        let thread_local = symbol("prog", 0x10, SymbolKind::ThreadLocal);
        assert_eq!(choose(&[]), Ok(None));
        assert_eq!(choose(std::slice::from_ref(&thread_local)), Ok(None));
        let found = [thread_local, program.clone(), library];
        assert_eq!(choose(&found), Ok(Some(Address::new(0x1000))));
        let twice = [program.clone(), program.clone()];
        assert_eq!(choose(&twice), Ok(Some(Address::new(0x1000))));
        let differs = [program, symbol("prog", 0x1800, SymbolKind::Function)];
        assert_eq!(choose(&differs), Err(SymbolMiss::Ambiguous));
    }

    #[test]
    fn user_registers_have_twenty_names() {
        assert_eq!(ExprSettings::user_register_index("$t0"), Some(0));
        assert_eq!(ExprSettings::user_register_index("$t19"), Some(19));
        for name in ["$t20", "$t", "$t01", "$t+1", "$tid", "t0", "$tpid"] {
            assert_eq!(ExprSettings::user_register_index(name), None, "{name}");
        }
    }
}
