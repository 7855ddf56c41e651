//! Names and addresses over all modules of a process. Nothing is loaded before a name or an address
//! inside a module is asked for. How a module's image is found is `search`'s business.

mod debug_names;
mod debuginfod;
mod details;
mod download;
mod name_index;
mod notes;
mod parts;
mod search;
mod signatures;
mod split_files;
mod store;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use dbgbase::{Address, LinkAddress};
use dbgsym::{Image, Pattern, Symbol};

pub use details::SymbolDetails;
pub(crate) use download::download;
pub use download::{TransferOrigin, TransferProgress};
pub use notes::{SearchNote, SearchOutcome};
pub(crate) use search::ImageFinder;
use search::Reach;
pub use search::TransferCallback;
pub(crate) use store::{Store, Wanted};

use crate::client::Client;
use crate::{Error, ErrorKind, Module, ModuleView, Process};

/// What an address is called: the symbol it lies in or behind, or only its module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolAt {
    /// Its module's name.
    pub module: String,
    /// Its name, demangled, without parameters; empty if no symbol covers the address.
    pub name: String,
    /// How far behind the symbol's start, or the module's, the address is.
    pub displacement: u64,
    /// Whether the address is the symbol's own: no displacement.
    pub exact: bool,
    /// Where the symbol, or else the module, begins.
    pub address: Address,
}

/// `module!name` or only `module`, and `+0x12` if the address is behind the start.
impl fmt::Display for SymbolAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.module)?;
        if !self.name.is_empty() {
            write!(f, "!{}", self.name)?;
        }
        if self.displacement > 0 {
            write!(f, "+{:#x}", self.displacement)?;
        }
        Ok(())
    }
}

/// A symbol that was found by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SymbolMatch {
    /// Its module's name.
    pub module: String,
    /// Its name, demangled, without parameters.
    pub name: String,
    /// Where it is. For [`SymbolKind::ThreadLocal`] an offset instead.
    pub address: Address,
    /// How many bytes it spans; 0 if unknown.
    pub size: u64,
    /// What it is.
    pub kind: SymbolKind,
}

/// What a symbol stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A function that chooses the real one when the program starts (`STT_GNU_IFUNC`). The address
    /// is the chooser's: a breakpoint there is reached once at most.
    IndirectFunction,
    /// A function that was inlined: the first instruction of one of its copies.
    Inlined,
    /// Data.
    Data,
    /// Data of each thread; the address is no address but an offset in the module's block.
    ThreadLocal,
    /// Anything else.
    Other,
}

/// The symbols of one process.
#[derive(Clone, Copy)]
pub(crate) struct ProcessSymbols<'a> {
    pub(crate) client: &'a Client,
    pub(crate) finder: &'a ImageFinder,
    pub(crate) process: &'a Process,
}

impl<'a> ProcessSymbols<'a> {
    /// A module's image, looked for when it is first asked for. `None` if it is nowhere.
    ///
    /// **Errors**: `Cancelled`, and those of the connection.
    /// **Cost**: none later, or if this machine has the file; else a transfer.
    pub(crate) fn image(&self, module: &Module) -> Result<Option<Arc<Image>>, Error> {
        if let Some(symbols) = module.symbols.borrow().as_ref() {
            return Ok(symbols.image.clone());
        }
        self.find(module, Reach::Names)
    }

    /// A module's image with its debugging information: lines, types, variables. It is looked for
    /// when it is first asked for, wherever the image is. `None` if there is no image;
    /// [`Image::debug_info`] says whether there is information.
    ///
    /// **Errors**: `Cancelled`, and those of the connection.
    /// **Cost**: none later, or if this machine has the files; else transfers.
    pub(crate) fn debug_image(&self, module: &Module) -> Result<Option<Arc<Image>>, Error> {
        if let Some(symbols) = module.symbols.borrow().as_ref()
            && (symbols.image.is_none() || symbols.files.has_debug_info || symbols.is_complete)
        {
            return Ok(symbols.image.clone());
        }
        self.find(module, Reach::DebugInfo)
    }

    /// The same, with the files that questions about `address` need beside it: what was split off
    /// when compiling, and what several programs share.
    ///
    /// **Errors**: `Cancelled`, and those of the connection.
    /// **Cost**: as [`ProcessSymbols::debug_image`].
    pub(crate) fn debug_image_at(
        &self,
        module: &Module,
        address: LinkAddress,
    ) -> Result<Option<Arc<Image>>, Error> {
        let image = self.debug_image(module)?;
        if let Some(image) = &image {
            self.provide_files_at(module, image, address)?;
        }
        Ok(image)
    }

    fn find(&self, module: &Module, reach: Reach) -> Result<Option<Arc<Image>>, Error> {
        let symbols = self.finder.find(self.client, self.process, module, reach)?;
        let image = symbols.image.clone();
        if let Some(info) = image.as_ref().and_then(|image| image.debug_info()) {
            // Whoever has to wait for it is told how long, and may have enough: `name_index`.
            info.leave_names();
        }
        *module.symbols.borrow_mut() = Some(symbols);
        Ok(image)
    }

    /// A module with its symbols looked for, anew if nothing was found before.
    ///
    /// **Shape**: a module without symbols says so in its status.
    /// **Errors**: `NotFound` if there is no such module; `Cancelled`; those of the connection.
    pub(crate) fn load(&self, module_name: &str) -> Result<ModuleView, Error> {
        let module = self.process.modules.named(module_name).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("there is no module {module_name}"))
        })?;
        let is_missing =
            module.symbols.borrow().as_ref().is_some_and(|symbols| symbols.image.is_none());
        if is_missing {
            *module.symbols.borrow_mut() = None;
        }
        self.debug_image(module)?;
        Ok(module.view())
    }

    /// The symbol that an address lies in, or else the module it lies in, with an empty name.
    pub(crate) fn at(&self, address: Address) -> Option<SymbolAt> {
        let module = self.process.modules.at(address)?;
        // Who asks for the name of an address can do without one.
        let image = self.image(module).ok().flatten();
        let link = address.to_link(module.bias);
        let found = image.as_ref().and_then(|image| image.symbols().containing(link));
        Some(match found {
            Some((symbol, offset)) => symbol_at(module, symbol, offset),
            None => SymbolAt {
                module: module.name.clone(),
                name: String::new(),
                displacement: address.offset_from(module.range.start()).unwrap_or(0),
                exact: false,
                address: module.range.start(),
            },
        })
    }

    /// The symbols at or before an address, and the first one behind it.
    pub(crate) fn near(&self, address: Address) -> (Option<SymbolAt>, Option<SymbolAt>) {
        let Some(module) = self.process.modules.at(address) else { return (None, None) };
        // Who asks for the name of an address can do without one.
        let Ok(Some(image)) = self.image(module) else { return (None, None) };
        let link = address.to_link(module.bias);
        let nearest = image.symbols().nearest(link);
        let before = nearest.before.map(|(symbol, offset)| symbol_at(module, symbol, offset));
        (before, nearest.after.map(|symbol| symbol_at(module, symbol, 0)))
    }

    /// The symbols with this name: `name` or `module!name`; or the places of a line of source, as
    /// `` `module!file:line` `` or `` `file:line` ``. Debugging information is asked for names that
    /// no symbol table has: that of the module, of the program, and of other modules if it is here.
    pub(crate) fn resolve(&self, name: &str) -> Result<Vec<SymbolMatch>, Error> {
        if let Some(line) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')) {
            return self.resolve_line(line);
        }
        if let Some((module, symbol)) = self.qualified(name) {
            let mut found = self.in_module(module, symbol)?;
            if found.is_empty() {
                found = self.in_debug_info(module, symbol)?;
            }
            return if found.is_empty() { Err(self.unknown(symbol, module)) } else { Ok(found) };
        }
        for look in [Self::in_module, Self::in_near_debug_info] {
            for module in self.in_search_order() {
                let found = look(self, module, name)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
        Err(Error::new(ErrorKind::UnknownSymbol, format!("no symbol is called {name}")))
    }

    /// The symbols that a pattern matches: `pattern` or `module pattern!pattern`.
    pub(crate) fn search(&self, pattern: &str) -> Result<Vec<SymbolMatch>, Error> {
        let (modules, names) = pattern.split_once('!').unwrap_or(("*", pattern));
        let (modules, names) = (Pattern::new(modules), Pattern::new(names));
        let is_named = modules.literal().is_some();
        let mut found = Vec::new();
        for module in self.in_search_order().filter(|module| modules.matches(&module.name)) {
            self.finder.check_cancelled()?;
            let Some(image) = self.image(module)? else { continue };
            let symbols = image.symbols().matching(&names);
            let mut matches: Vec<_> = symbols.map(|symbol| symbol_match(module, symbol)).collect();
            let others = match is_named || self.has_near_debug_info(module) {
                true => self.matching_in_debug_info(module, &names)?,
                false => Vec::new(),
            };
            if !others.is_empty() {
                // Their names are better: statics of functions have numbers in symbol tables. Other
                // names of the same place remain.
                let key =
                    |one: &SymbolMatch| (one.address, one.kind, own_name(&one.name).to_owned());
                let known: HashSet<_> = others.iter().map(key).collect();
                matches.retain(|one| !known.contains(&key(one)));
                matches.extend(others);
            }
            matches.sort_by(|a, b| (a.address, &a.name).cmp(&(b.address, &b.name)));
            // Versions of one symbol, and its entries in both tables, are one to the reader.
            matches.dedup_by(|a, b| a.address == b.address && a.name == b.name);
            found.append(&mut matches);
        }
        Ok(found)
    }

    /// The program first, the others in their order.
    pub(crate) fn in_search_order(&self) -> impl Iterator<Item = &'a Module> {
        let modules = &self.process.modules;
        let others = modules.list().iter().filter(|module| !module.is_program);
        modules.program().into_iter().chain(others)
    }

    /// The module and the rest of `module!name`. Names with `!` in them, as C++ operators have, are
    /// told apart by whether there is such a module.
    pub(crate) fn qualified<'n>(&self, name: &'n str) -> Option<(&'a Module, &'n str)> {
        let (module, symbol) = name.split_once('!')?;
        Some((self.process.modules.named(module)?, symbol))
    }

    fn in_module(&self, module: &Module, name: &str) -> Result<Vec<SymbolMatch>, Error> {
        let found = self.by_plain_name(module, name)?;
        if found.is_empty() && name.contains('(') {
            return self.with_parameters(module, name);
        }
        Ok(found)
    }

    fn by_plain_name(&self, module: &Module, name: &str) -> Result<Vec<SymbolMatch>, Error> {
        let Some(image) = self.image(module)? else { return Ok(Vec::new()) };
        let mut found: Vec<SymbolMatch> = Vec::new();
        for symbol in image.symbols().by_name(name) {
            let symbol = symbol_match(module, symbol);
            if !found.contains(&symbol) {
                found.push(symbol);
            }
        }
        Ok(found)
    }

    fn unknown(&self, name: &str, module: &Module) -> Error {
        let message = format!("{} has no symbol {name}", module.name);
        let error = Error::new(ErrorKind::UnknownSymbol, message);
        match module.view().status {
            crate::SymbolStatus::Missing(reason) => error.context(format!("no symbols ({reason})")),
            crate::SymbolStatus::Mismatched { file } => {
                error.context(format!("no symbols ({} is another build)", file.display()))
            }
            _ => error,
        }
    }
}

/// What a name ends with, without the scopes around it, nor the number that the compiler has put
/// behind it: `calls` of `counter::calls`, and of `calls.0`.
fn own_name(name: &str) -> &str {
    let own = name.rsplit("::").next().unwrap_or(name);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match own.rsplit_once('.') {
        Some((plain, number)) if is_number(number) => plain,
        _ => own,
    }
}

fn symbol_at(module: &Module, symbol: Symbol<'_>, displacement: u64) -> SymbolAt {
    SymbolAt {
        module: module.name.clone(),
        name: symbol.name().into_owned(),
        displacement,
        exact: displacement == 0,
        address: symbol.address().to_address(module.bias),
    }
}

fn symbol_match(module: &Module, symbol: Symbol<'_>) -> SymbolMatch {
    let kind = kind(symbol.kind());
    let address = match kind {
        SymbolKind::ThreadLocal => Address::new(LinkAddress::value(symbol.address())),
        _ => symbol.address().to_address(module.bias),
    };
    SymbolMatch {
        module: module.name.clone(),
        name: symbol.name().into_owned(),
        address,
        size: symbol.size_bytes(),
        kind,
    }
}

fn kind(kind: dbgsym::SymbolKind) -> SymbolKind {
    match kind {
        dbgsym::SymbolKind::Function | dbgsym::SymbolKind::PltEntry => SymbolKind::Function,
        dbgsym::SymbolKind::IndirectFunction => SymbolKind::IndirectFunction,
        dbgsym::SymbolKind::Object => SymbolKind::Data,
        dbgsym::SymbolKind::Tls => SymbolKind::ThreadLocal,
        dbgsym::SymbolKind::NoType => SymbolKind::Other,
    }
}
