//! The object `libraries-svr4`: what the dynamic linker has loaded, in its order. The server tells
//! of that with the stops; nothing is read from the linker's own lists here.
//!
//! **Source**: GDB manual, "Library List Format for SVR4 Targets".

use std::fmt::Write as _;

use dbgwire::verbs::module::{ListModules, ModuleDescription};

use crate::error::PacketError;
use crate::session::Session;
use crate::{hex, xml};

/// Which part of the list is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Part {
    /// Only from the library on whose `struct link_map` lies here.
    start: Option<u64>,
    /// Where that of the library before it lies.
    previous: Option<u64>,
    /// Only of this namespace: where its `struct r_debug` lies.
    namespace: Option<u64>,
}

impl Part {
    /// Reads an annex: `start=ADDRESS;prev=ADDRESS;lmid=ADDRESS`, any of them. What later debuggers
    /// say besides is passed over.
    fn parse(annex: &[u8]) -> Option<Part> {
        let mut part = Part::default();
        for pair in annex.split(|byte| *byte == b';').filter(|pair| !pair.is_empty()) {
            let equals = pair.iter().position(|byte| *byte == b'=')?;
            let (key, value) = pair.split_at(equals);
            let value = hex::number(value.get(1..)?)?;
            match key {
                // 0 is the whole list's start.
                b"start" => part.start = Some(value).filter(|start| *start != 0),
                b"prev" => part.previous = Some(value),
                b"lmid" => part.namespace = Some(value).filter(|namespace| *namespace != 0),
                _ => {}
            }
        }
        Some(part)
    }
}

impl Session {
    /// The list, or the part of it that the annex says.
    ///
    /// **Cost**: none; one round trip for a part that begins with a library that was not listed at
    /// the stop.
    pub(crate) fn libraries_document(&mut self, annex: &[u8]) -> Result<Vec<u8>, PacketError> {
        let part = Part::parse(annex).ok_or(PacketError::Malformed("start, prev and lmid"))?;
        let (id, _) = self.current()?;
        let is_listed = |modules: &[ModuleDescription]| {
            part.start.is_none_or(|start| modules.iter().any(|module| module.link_map == start))
        };
        if !is_listed(&self.target(id)?.modules) {
            // The debugger has seen more of the linker's list than there was when it stopped.
            let reply = self.client.call(&ListModules { target: id.value() })?;
            self.target_mut(id)?.modules = reply.modules;
        }
        Ok(document(&self.target(id)?.modules, part).into_bytes())
    }
}

fn document(modules: &[ModuleDescription], part: Part) -> String {
    let is_wanted = |module: &&ModuleDescription| {
        let is_in = part.namespace.is_none_or(|namespace| module.namespace == namespace);
        module.link_map != 0 && is_in
    };
    let listed: Vec<&ModuleDescription> = modules.iter().filter(is_wanted).collect();
    let first = match part.start {
        None => 0,
        Some(start) => {
            let at = listed.iter().position(|module| module.link_map == start);
            let before = at.and_then(|at| at.checked_sub(1)).and_then(|before| listed.get(before));
            let before = before.map_or(0, |module| module.link_map);
            let follows = part.previous.is_none_or(|previous| previous == before);
            // Who asks with a wrong place is told nothing, and reads the whole list.
            at.filter(|_| follows).unwrap_or(listed.len())
        }
    };
    let mut text = String::from("<library-list-svr4 version=\"1.0\"");
    let program = listed.iter().find(|module| module.is_program);
    if let Some(program) = program.filter(|_| part.start.is_none()) {
        let _ = write!(text, " main-lm=\"{:#x}\"", program.link_map);
    }
    text.push_str(">\n");
    for module in listed.get(first..).unwrap_or_default().iter().filter(|it| !it.is_program) {
        let name = xml::escape(&String::from_utf8_lossy(&module.path));
        let _ = writeln!(
            text,
            "<library name=\"{name}\" lm=\"{:#x}\" l_addr=\"{:#x}\" l_ld=\"{:#x}\" \
             lmid=\"{:#x}\"/>",
            module.link_map, module.bias, module.dynamic, module.namespace,
        );
    }
    text.push_str("</library-list-svr4>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(path: &str, link_map: u64) -> ModuleDescription {
        ModuleDescription {
            bias: link_map << 12,
            path: path.into(),
            is_program: path == "/program",
            link_map,
            dynamic: (link_map << 12) + 0x800,
            namespace: 0x900,
            ..ModuleDescription::default()
        }
    }

    #[test]
    fn lists_begin_where_they_are_asked_to() {
        let modules =
            [module("/program", 1), module("/a&b", 2), module("/c", 3), module("/unlisted", 0)];
        let whole = document(&modules, Part::default());
        let expected = concat!(
            "<library-list-svr4 version=\"1.0\" main-lm=\"0x1\">\n",
            "<library name=\"/a&amp;b\" lm=\"0x2\" l_addr=\"0x2000\" l_ld=\"0x2800\"",
            " lmid=\"0x900\"/>\n",
            "<library name=\"/c\" lm=\"0x3\" l_addr=\"0x3000\" l_ld=\"0x3800\" lmid=\"0x900\"/>\n",
            "</library-list-svr4>\n"
        );
        assert_eq!(whole, expected);
        let part = |annex: &str| document(&modules, Part::parse(annex.as_bytes()).expect("a part"));
        assert_eq!(part("start=0;prev=0"), whole);
        let tail = part("start=3;prev=2");
        assert!(tail.contains("/c") && !tail.contains("/a") && !tail.contains("main-lm"), "{tail}");
        assert!(!part("start=3;prev=1").contains("<library "));
        assert!(!part("start=7;prev=1").contains("<library "));
        assert!(!part("lmid=77").contains("<library "));
        assert_eq!(part("lmid=900"), whole);
    }

    #[test]
    fn an_annex_is_pairs() {
        assert_eq!(Part::parse(b""), Some(Part::default()));
        assert_eq!(Part::parse(b"start=1f;later=2").and_then(|part| part.start), Some(0x1f));
        assert_eq!(Part::parse(b"start"), None);
        assert_eq!(Part::parse(b"start="), None);
        assert_eq!(Part::parse(b"prev=x"), None);
    }
}
