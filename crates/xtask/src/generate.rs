//! Documents that are made from the code: a table of them, written by `cargo xtask gen` and checked
//! by CI. It knows no document's contents.

mod errors;

use std::path::Path;

use anyhow::{Context, Result, bail};

/// A generated file and who makes its text.
struct Document {
    path: &'static str,
    render: fn(&Path) -> Result<String>,
}

const DOCUMENTS: &[Document] = &[Document { path: "docs/errors.md", render: errors::render }];

/// Writes every document.
pub(crate) fn write(root: &Path) -> Result<()> {
    for document in DOCUMENTS {
        let text = text(root, document)?;
        std::fs::write(root.join(document.path), text)
            .with_context(|| format!("{} cannot be written", document.path))?;
        println!("wrote {}", document.path);
    }
    Ok(())
}

/// Fails if a document is not what would be written.
pub(crate) fn check(root: &Path) -> Result<()> {
    for document in DOCUMENTS {
        let present = std::fs::read_to_string(root.join(document.path)).unwrap_or_default();
        if present != text(root, document)? {
            bail!("{} is stale (run cargo xtask gen)", document.path);
        }
    }
    println!("{} generated documents are fresh", DOCUMENTS.len());
    Ok(())
}

fn text(root: &Path, document: &Document) -> Result<String> {
    (document.render)(root).with_context(|| format!("{} cannot be made", document.path))
}
