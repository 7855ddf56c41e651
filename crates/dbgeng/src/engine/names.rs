//! What can be asked of symbols that were found by name. It only routes.

use dbgbase::{Address, Arch, x86_64};
use dbgsym::Image;

use crate::{Engine, Error, Module, SymbolDetails, SymbolKind, SymbolMatch, ValueLimits};

impl Engine {
    /// The name by which a symbol can be told from others that share its name, without its module:
    /// `f(int)`. Where names do not hold parameters, as in C, the name itself.
    ///
    /// **Cost**: none; its module's symbols are loaded.
    pub fn full_symbol_name(&self, symbol: &SymbolMatch) -> String {
        match self.current_process() {
            Ok(process) => self.symbols_of(process).full_name(symbol),
            Err(_) => symbol.name.clone(),
        }
    }

    /// What debugging information tells of symbols: types, parameters, values.
    ///
    /// **Shape**: in their order.
    /// **Errors**: `Cancelled`; `NoTarget`, `NotStopped`; those of the connection.
    /// **Cost**: loads the debugging information of their modules, and indexes its names, as
    /// [`Engine::resolve`]. None for functions; for data one round trip if it is not known, and one
    /// more for what it points to.
    pub fn symbol_details(
        &self,
        symbols: &[SymbolMatch],
        limits: ValueLimits,
    ) -> Result<Vec<SymbolDetails>, Error> {
        let process = self.current_process()?;
        process.check_still()?;
        let pointer = self.thread_pointer();
        let all = self.symbols_of(process);
        let thread_local = |module: &Module, image: &Image, offset: u64| {
            all.thread_local(module, image, pointer?, offset)
        };
        self.symbols_of(process).details(symbols, limits, &thread_local)
    }

    /// Where the current thread has data that each thread has for itself.
    ///
    /// **Shape**: `None` for other symbols, and for those of libraries that the thread has not used
    /// yet: they get their place when it does.
    /// **Cost**: none for the program's; for libraries one round trip for each page of the dynamic
    /// linker's tables that is not known at this stop. Its module's symbols are loaded.
    pub fn thread_local_address(&self, symbol: &SymbolMatch) -> Option<Address> {
        if symbol.kind != SymbolKind::ThreadLocal {
            return None;
        }
        let process = self.current_process().ok()?;
        let module: &Module = process.modules.named(&symbol.module)?;
        let image = self.symbols_of(process).image(module).ok()??;
        let (pointer, offset) = (self.thread_pointer()?, symbol.address.value());
        self.symbols_of(process).thread_local(module, &image, pointer, offset)
    }

    fn thread_pointer(&self) -> Option<Address> {
        let registers = self.registers().ok()?;
        (registers.arch() == Arch::X86_64).then(|| Address::new(registers.get(x86_64::FS_BASE)))
    }
}
