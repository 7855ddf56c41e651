//! The images a process has mapped, and what the engine knows of each. It keeps what was loaded for
//! an image as long as the image stays mapped; how symbols are found is not its business.

pub(crate) mod name;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use dbgbase::{Address, AddressRange, LoadBias};
use dbgsym::Image;
use dbgwire::verbs::module::ModuleDescription;

/// One image that a process has mapped.
#[derive(Debug)]
pub struct Module {
    /// Its name in expressions, unique in its process: `libc_so`.
    pub name: String,
    /// Its file's path as the target sees it; `[vdso]` for the kernel's.
    pub path: Vec<u8>,
    /// What it spans, gaps included.
    pub range: AddressRange,
    /// What its file's addresses are off by.
    pub bias: LoadBias,
    /// The linker's name for it, if it has one.
    pub build_id: Option<Vec<u8>>,
    /// Whether it is the program itself.
    pub is_program: bool,
    /// Whether it is mapped as long as the process executes this program.
    pub(crate) stays: bool,
    /// Whether files of another build will do for it.
    pub(crate) takes_mismatched: Cell<bool>,
    /// `None` until somebody asks.
    pub(crate) symbols: RefCell<Option<ModuleSymbols>>,
}

/// What was found for a module.
#[derive(Clone, Debug)]
pub(crate) struct ModuleSymbols {
    pub(crate) status: SymbolStatus,
    pub(crate) files: SymbolFiles,
    /// The image, with its debug file if there is one. `None` if nothing was found.
    pub(crate) image: Option<Arc<Image>>,
    /// Whether debugging information was looked for wherever it may be.
    pub(crate) is_complete: bool,
}

/// What else there is to say of the files that a module's symbols came from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SymbolFiles {
    /// The separate debug file.
    pub debug_file: Option<SymbolSource>,
    /// Whether there is debugging information: lines, types, variables.
    pub has_debug_info: bool,
    /// Whether one of the files is another build's, taken because the user wants it so.
    pub is_mismatched: bool,
}

/// A module as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModuleView {
    /// Its name in expressions, unique in its process: `libc_so`.
    pub name: String,
    /// Its file's path as the target sees it; `[vdso]` for the kernel's.
    pub path: Vec<u8>,
    /// What it spans, gaps included.
    pub range: AddressRange,
    /// What its file's addresses are off by.
    pub bias: LoadBias,
    /// The linker's name for it, if it has one.
    pub build_id: Option<Vec<u8>>,
    /// Whether it is the program itself.
    pub is_program: bool,
    /// What the engine has for it.
    pub status: SymbolStatus,
    /// What else there is to say of the files.
    pub files: SymbolFiles,
}

/// What the engine has for a module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SymbolStatus {
    /// Nobody has asked yet.
    Deferred,
    /// Its full symbol table.
    Loaded {
        /// Where from.
        source: SymbolSource,
        /// How many symbols.
        symbols: usize,
    },
    /// The symbols that the dynamic linker uses, and those that the distribution packed into the
    /// stripped image: its functions (minidebuginfo).
    Packed {
        /// Where from.
        source: SymbolSource,
        /// How many symbols.
        symbols: usize,
    },
    /// Only the symbols that the dynamic linker uses.
    Exports {
        /// Where from.
        source: SymbolSource,
        /// How many symbols.
        symbols: usize,
    },
    /// A file was found, but it is not the one that is mapped.
    Mismatched {
        /// Which file.
        file: PathBuf,
    },
    /// Nothing, for this reason.
    Missing(String),
}

/// Where symbols came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SymbolSource {
    /// A file of this machine.
    Local(PathBuf),
    /// A file of the server's machine, as its path there.
    Server(PathBuf),
    /// A server of symbols, if nothing that it gives is kept.
    Url(String),
    /// The memory of the process.
    Memory,
}

impl fmt::Display for SymbolSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SymbolSource::Local(path) => write!(f, "{}", path.display()),
            SymbolSource::Server(path) => write!(f, "{} (of the server)", path.display()),
            SymbolSource::Url(url) => f.write_str(url),
            SymbolSource::Memory => f.write_str("memory of the process"),
        }
    }
}

impl Module {
    /// The module as it stands.
    ///
    /// **Cost**: none; nothing is loaded.
    pub fn view(&self) -> ModuleView {
        let symbols = self.symbols.borrow();
        let status = symbols.as_ref().map(|symbols| symbols.status.clone());
        let files = symbols.as_ref().map(|symbols| symbols.files.clone());
        ModuleView {
            name: self.name.clone(),
            path: self.path.clone(),
            range: self.range,
            bias: self.bias,
            build_id: self.build_id.clone(),
            is_program: self.is_program,
            status: status.unwrap_or(SymbolStatus::Deferred),
            files: files.unwrap_or_default(),
        }
    }

    /// Whether the server describes this same module.
    fn is(&self, described: &ModuleDescription) -> bool {
        self.range.start().value() == described.base
            && self.range.len_bytes() == described.size
            && self.bias.value() == described.bias
            && self.path == described.path
            && self.build_id.as_deref().unwrap_or_default() == described.build_id
    }
}

impl ModuleSymbols {
    /// Nothing was found, and this is what to say of it.
    pub(crate) fn missing(status: SymbolStatus) -> ModuleSymbols {
        ModuleSymbols { status, files: SymbolFiles::default(), image: None, is_complete: true }
    }
}

/// The modules of one process: the program first, then the others in the server's order, which is
/// that in which the program looks symbols up.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    list: Vec<Module>,
}

impl Modules {
    /// All of them.
    pub(crate) fn list(&self) -> &[Module] {
        &self.list
    }

    /// The program itself.
    pub(crate) fn program(&self) -> Option<&Module> {
        self.list.iter().find(|module| module.is_program)
    }

    /// Whether more is mapped than the program and what the kernel gives each: of a program that
    /// has just been executed, its dynamic linker.
    pub(crate) fn has_linker(&self) -> bool {
        self.list.iter().any(|module| !module.is_program && !module.path.starts_with(b"["))
    }

    /// The module that spans an address.
    pub(crate) fn at(&self, address: Address) -> Option<&Module> {
        self.list.iter().find(|module| module.range.contains(address))
    }

    /// The module with this name, in any case of letters.
    pub(crate) fn named(&self, name: &str) -> Option<&Module> {
        self.list.iter().find(|module| module.name.eq_ignore_ascii_case(name))
    }

    /// Takes the server's list. Modules that are still there keep what was loaded for them.
    /// Descriptions that pass the end of the address space are left out.
    pub(crate) fn update(&mut self, described: Vec<ModuleDescription>) {
        let mut old = std::mem::take(&mut self.list);
        let mut taken = HashSet::new();
        for description in described {
            let base = Address::new(description.base);
            let Some(range) = AddressRange::with_len(base, description.size) else { continue };
            let name = name::unique_name(&description.path, base, &mut taken);
            let known = old.iter().position(|module| module.is(&description));
            let known = known.map(|at| old.swap_remove(at));
            let stays = known.as_ref().is_some_and(|known| known.stays);
            let takes_mismatched = known.as_ref().is_some_and(|it| it.takes_mismatched.get());
            self.list.push(Module {
                name,
                range,
                bias: LoadBias::new(description.bias),
                build_id: Some(description.build_id).filter(|id| !id.is_empty()),
                path: description.path,
                is_program: description.is_program,
                stays: stays || description.is_program,
                takes_mismatched: Cell::new(takes_mismatched),
                symbols: known.map(|known| known.symbols).unwrap_or_default(),
            });
        }
    }

    /// None of them is ever unloaded.
    pub(crate) fn all_stay(&mut self) {
        for module in &mut self.list {
            module.stays = true;
        }
    }

    /// Forgets what was not found in full, so that it is looked for again.
    pub(crate) fn retry_unloaded(&self) {
        for module in &self.list {
            let mut symbols = module.symbols.borrow_mut();
            let is_full = |symbols: &ModuleSymbols| {
                let has_names = matches!(symbols.status, SymbolStatus::Loaded { .. });
                has_names && symbols.files.has_debug_info && !symbols.files.is_mismatched
            };
            if !symbols.as_ref().is_some_and(is_full) {
                *symbols = None;
            }
        }
    }
}

#[cfg(test)]
#[path = "modules/tests.rs"]
mod tests;
