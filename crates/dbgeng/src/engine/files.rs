//! Where files with symbols and sources come from: paths, environment, notes of searches, and the
//! text of sources. It only routes to the files of those names.

use std::sync::Arc;

use crate::sources::{SourcePath, SourceWanted};
use crate::symbol_path::SymbolPath;
use crate::{
    Engine, Error, ErrorKind, SearchNote, SourceFile, SymbolEnvironment, TransferCallback,
};

impl Engine {
    /// Sets the symbol path: directories of this machine, servers, and where what they give is
    /// kept, as `docs/symbols.md` describes it. What was not found in full is looked for again.
    ///
    /// **Cost**: none.
    pub fn set_symbol_path(&mut self, path: &str) {
        self.finder.set_path(SymbolPath::new(path));
        self.sources.forget();
        self.look_again();
    }

    /// The symbol path, as it was set; empty at the beginning.
    ///
    /// **Cost**: none.
    pub fn symbol_path(&self) -> &str {
        self.finder.store().path().text()
    }

    /// The symbol path with every default spelt out.
    ///
    /// **Cost**: none.
    pub fn expanded_symbol_path(&self) -> String {
        let store = self.finder.store();
        store.path().expanded(store.environment())
    }

    /// Sets where files are kept and which servers are asked beside those of the symbol path. At
    /// the beginning nothing is kept and nobody is asked.
    ///
    /// **Cost**: none.
    pub fn set_symbol_environment(&mut self, environment: SymbolEnvironment) {
        self.finder.set_environment(environment);
        self.sources.forget();
        self.look_again();
    }

    /// Forgets the symbols of a module, or of all, so that they are looked for when they are next
    /// needed. With `takes_mismatched`, files of another build will do from now on, where there is
    /// nothing better; [`crate::ModuleView::files`] tells of them.
    ///
    /// **Errors**: `NotFound` if no module has the name; `NoTarget`; `NotConnected`.
    /// **Cost**: none.
    pub fn reload_symbols(
        &self,
        module: Option<&str>,
        takes_mismatched: bool,
    ) -> Result<(), Error> {
        let process = self.current_process()?;
        let modules = match module {
            Some(name) => vec![process.modules.named(name).ok_or_else(|| {
                Error::new(ErrorKind::NotFound, format!("there is no module {name}"))
            })?],
            None => process.modules.list().iter().collect(),
        };
        self.finder.forget();
        self.sources.forget();
        for module in modules {
            module.takes_mismatched.set(takes_mismatched);
            *module.symbols.borrow_mut() = None;
        }
        Ok(())
    }

    /// Where symbols were looked for since this was last asked, and what was there. Only the last
    /// 1,000 places are remembered.
    ///
    /// **Cost**: none.
    pub fn take_search_notes(&self) -> Vec<SearchNote> {
        self.finder.store().notes.take()
    }

    fn look_again(&self) {
        for process in self.processes.values() {
            process.modules.retry_unloaded();
        }
    }

    /// Sets who is told how far transfers of files have got. It is called in the engine's own
    /// thread, after each piece.
    ///
    /// **Cost**: none.
    pub fn set_transfer_progress(&mut self, progress: Option<TransferCallback>) {
        self.finder.store_mut().set_progress(progress);
    }

    /// Sets the source path: directories of this machine, prefixes that stand for others
    /// (`FROM=TO`), servers, as `docs/symbols.md` describes it. Files are looked for again.
    ///
    /// **Cost**: none.
    pub fn set_source_path(&mut self, path: &str) {
        self.sources.set_path(SourcePath::new(path));
    }

    /// The source path, as it was set; empty at the beginning.
    ///
    /// **Cost**: none.
    pub fn source_path(&self) -> &str {
        self.sources.path().text()
    }

    /// The text of a source file. `compiled` is its full path as the compiler saw it, `module` the
    /// module of the current process that it was compiled into.
    ///
    /// **Shape**: `None` if the file is nowhere.
    /// **Errors**: `Cancelled`; those of the connection. Without a target or module, only this
    /// machine is searched.
    /// **Cost**: none later. If this machine has the file, none; else two round trips, and then an
    /// HTTP request for each server that the user has named.
    pub fn source_file(
        &self,
        compiled: &str,
        module: Option<&str>,
    ) -> Result<Option<Arc<SourceFile>>, Error> {
        let process = self.current_process().ok();
        let module = process.zip(module).and_then(|(process, name)| process.modules.named(name));
        let wanted = SourceWanted {
            compiled,
            build_id: module.and_then(|module| module.build_id.as_deref()),
            target: process.map(|process| process.target),
        };
        self.sources.find(&self.client, self.finder.store(), wanted)
    }
}
