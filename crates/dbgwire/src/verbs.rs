//! The messages of all verbs, a file for each family. They are promises to peers of other versions:
//! fields are added, never renumbered. They hold plain numbers; `convert` makes the vocabulary's
//! types of them.

pub mod bulk;
pub mod description;
pub mod file;
pub mod inject;
pub mod memory;
pub mod module;
pub mod process;
pub mod registers;
pub mod resume;
pub mod server;
pub mod site;
pub mod terminal;
pub mod thread;
pub mod window;
