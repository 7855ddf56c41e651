//! Names with parameters: what tells functions of the same name apart. It knows symbol tables, in
//! which they are written down; types it does not.

use super::{ProcessSymbols, SymbolMatch};
use crate::{Error, Module};

impl ProcessSymbols<'_> {
    /// The name that means one symbol among those that share its name, if any does: with its
    /// parameters, where the language writes them into names.
    pub(crate) fn full_name(&self, symbol: &SymbolMatch) -> String {
        let module = self.process.modules.named(&symbol.module);
        let image = module.and_then(|module| Some((module, self.image(module).ok()??)));
        let full = image.and_then(|(module, image)| {
            let here = image.symbols().at(symbol.address.to_link(module.bias));
            let found = here.into_iter().find(|one| one.name() == symbol.name)?;
            Some(found.full_name().into_owned())
        });
        full.unwrap_or_else(|| symbol.name.clone())
    }

    /// The symbols called so, parameters included: `ns::f(int, char const*)`.
    pub(super) fn with_parameters(
        &self,
        module: &Module,
        name: &str,
    ) -> Result<Vec<SymbolMatch>, Error> {
        for (at, _) in name.match_indices('(') {
            let path = name.get(..at).unwrap_or_default();
            if path.is_empty() || path.ends_with("::") || path.ends_with("operator") {
                continue;
            }
            let mut found = self.by_plain_name(module, path)?;
            found.retain(|symbol| is_same(&self.full_name(symbol), name));
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }
}

/// Whether two names are the same but for blanks, which people put in other places.
fn is_same(one: &str, other: &str) -> bool {
    let letters = |name: &'_ str| name.chars().filter(|one| *one != ' ').collect::<String>();
    letters(one) == letters(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_do_not_matter() {
        assert!(is_same("f(char const*, int)", "f(char const *,int)"));
        assert!(!is_same("f(int)", "f(long)"));
    }
}
