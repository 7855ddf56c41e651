//! LLDB's questions about images: what a file is, where it lies, and where the dynamic linker keeps
//! its list.

use bytes::Bytes;
use dbgbase::{Address, TargetId};
use dbgwire::verbs::file::StatFile;
use dbgwire::verbs::module::ModuleDescription;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::hex;
use crate::host::TRIPLE;
use crate::packet::{escape_into, unescape};
use crate::session::{Handled, Reply, Session};

/// How much of a dynamic section is looked at.
const DYNAMIC_LEN_MAX: u64 = 2048;
/// The tag of the section's last entry.
const DT_NULL: u64 = 0;
/// The tag of the entry that the dynamic linker fills in for debuggers.
const DT_DEBUG: u64 = 21;

/// What is told of an image.
struct Image {
    path: Vec<u8>,
    build_id: String,
    size: u64,
}

impl Session {
    /// `qModuleInfo:PATH;TRIPLE`, both in digits.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn packet_module(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let path = arguments.bytes(b';', "a path in digits was expected")?;
        let image = self.images(vec![path])?.into_iter().next();
        let image = image.ok_or_else(|| PacketError::message("no image has this file"))?;
        let digits = |text: &str| hex::encode(text.as_bytes());
        Ok(Reply::from(format!(
            "uuid:{};triple:{};file_path:{};file_offset:0;file_size:{:x};",
            digits(&image.build_id),
            digits(TRIPLE),
            hex::encode(&image.path),
            image.size
        )))
    }

    /// `jModulesInfo:[{"file":PATH,"triple":TRIPLE},...]`, escaped as bytes are: those that are
    /// known.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn packet_modules(&mut self, arguments: &[u8]) -> Handled {
        let malformed = PacketError::Malformed("an array of files was expected");
        let document = unescape(arguments).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(Value::Array(wanted)) = document else { return Err(malformed) };
        let path = |value: &Value| Some(value.get("file")?.as_str()?.as_bytes().to_vec());
        let images = self.images(wanted.iter().filter_map(path).collect())?;
        let object = |image: Image| {
            json!({
                "file_offset": 0,
                "file_path": String::from_utf8_lossy(&image.path),
                "file_size": image.size,
                "triple": TRIPLE,
                "uuid": image.build_id,
            })
        };
        let objects: Value = images.into_iter().map(object).collect();
        let mut payload = Vec::new();
        escape_into(&mut payload, objects.to_string().as_bytes());
        Ok(Reply::Payload(payload))
    }

    /// The images of the target that have these files.
    fn images(&mut self, paths: Vec<Vec<u8>>) -> Result<Vec<Image>, PacketError> {
        let (id, _) = self.current()?;
        let target = self.target(id)?;
        let of = |path: &Vec<u8>| target.modules.iter().find(|module| module.path == *path);
        let found = paths.iter().filter_map(of).cloned();
        let found: Vec<ModuleDescription> = found.collect();
        let ask = |module: &ModuleDescription| {
            let (path, target) = (module.path.clone(), id.value());
            let request = StatFile { path, target, ..StatFile::default() };
            self.client.send(&request, Bytes::new())
        };
        let asked: Vec<_> = found.iter().map(ask).collect();
        let mut images = Vec::new();
        for (module, asked) in found.into_iter().zip(asked) {
            let status = asked.wait().ok().and_then(|(reply, _)| reply.status);
            // The kernel's image has no file.
            let Some(status) = status else { continue };
            let build_id = hex::encode(&module.build_id);
            images.push(Image { path: module.path, build_id, size: status.size });
        }
        Ok(images)
    }

    /// `qFileLoadAddress:PATH`, in digits: where the file is mapped.
    pub(crate) fn packet_load_address(&mut self, arguments: &[u8]) -> Handled {
        let path = hex::bytes(arguments).ok_or(PacketError::Malformed("a path in digits"))?;
        let module = self.module(|module| module.path == path)?;
        let module = module.ok_or_else(|| PacketError::message("the file is not mapped"))?;
        Ok(Reply::from(format!("{:x}", module.base)))
    }

    /// `qShlibInfoAddr`: where the program says where the dynamic linker's `struct r_debug` is: the
    /// value of its dynamic section's entry `DT_DEBUG`.
    ///
    /// **Cost**: none if that section is known at this stop, otherwise one round trip.
    pub(crate) fn packet_linker(&mut self, _: &[u8]) -> Handled {
        let (id, _) = self.current()?;
        let program = self.module(|module| module.is_program && module.dynamic != 0)?;
        // LLDB looks for it in the file.
        let Some(start) = program.map(|program| program.dynamic) else { return Ok(Reply::Unknown) };
        let section = self.read_memory(id, Address::new(start), DYNAMIC_LEN_MAX)?;
        let (entries, _) = section.as_chunks::<16>();
        let tag = |entry: &[u8; 16]| entry.first_chunk().map(|tag| u64::from_le_bytes(*tag));
        let entries = entries.iter().take_while(|entry| tag(entry) != Some(DT_NULL));
        let mut entries = entries.enumerate();
        let found = entries.find(|(_, entry)| tag(entry) == Some(DT_DEBUG));
        Ok(match found {
            Some((index, _)) => Reply::from(format!("{:x}", start + 16 * index as u64 + 8)),
            None => Reply::Unknown,
        })
    }

    fn module(
        &self,
        is_it: impl Fn(&&ModuleDescription) -> bool,
    ) -> Result<Option<&ModuleDescription>, PacketError> {
        let (id, _): (TargetId, _) = self.current()?;
        Ok(self.target(id)?.modules.iter().find(is_it))
    }
}
