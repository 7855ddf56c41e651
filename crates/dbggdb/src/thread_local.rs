//! The packet `qGetTLSAddr`: where a thread has its copy of a module's thread-local storage. Both C
//! libraries keep a table in each thread (the dynamic thread vector), whose entry for a module has
//! its block:
//!
//! ```text
//!   thread pointer ──► thread block: ... dtv ──► [generation] [block of 1] [block of 2] ...
//! ```
//!
//! glibc tells debuggers where its fields are, by symbols that the debugger looks up
//! (`symbols.rs`); musl's are fixed by its source. A program that is linked statically has its
//! block where the ABI says.

use dbgbase::{Address, TargetId, Tid};

use crate::arguments::Arguments;
use crate::elf_head::{self, PROGRAM_HEADER_LEN};
use crate::error::PacketError;
use crate::memory_cache::PAGE_LEN;
use crate::session::{Handled, Reply, Session};

/// How many links of a list are followed.
const LINKS_MAX: usize = 1 << 16;
/// musl keeps the vector's address behind the thread block's own (`struct pthread`, x86-64).
const MUSL_DTV: i64 = 8;
/// glibc's mark of a block that a thread has not asked for yet.
const UNALLOCATED: u64 = u64::MAX;
/// Where a program's headers are, and how many (getauxval(3)).
const AT_PHDR: u64 = 3;
const AT_PHNUM: u64 = 5;

/// Where a field is, as glibc's `_thread_db_*` say it.
#[derive(Clone, Copy)]
struct Field {
    size_bytes: u64,
    offset: i64,
}

/// A module's storage, as whoever asks names it.
#[derive(Clone, Copy)]
struct Storage {
    id: TargetId,
    thread_pointer: Address,
    /// Where the linker's entry for the module lies; 0 for the program where there is no linker.
    link_map: u64,
}

impl Session {
    /// `qGetTLSAddr:THREAD,OFFSET,LINK-MAP`
    ///
    /// **Cost**: one round trip for each piece of the C library's tables that is not known at this
    /// stop; none for the next variable.
    pub(crate) fn packet_thread_local(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let (id, tid) = self.thread(arguments.until(b','))?;
        let offset = arguments.number(b',', "an offset was expected")?;
        let link_map = arguments.number(b',', "a link map was expected")?;
        arguments.end()?;
        let thread_pointer = self.thread_pointer(id, tid)?;
        let storage = Storage { id, thread_pointer, link_map };
        let is_glibc = self.symbol(id, "_thread_db_link_map_l_tls_modid").is_some();
        let block = if is_glibc {
            self.glibc_block(storage)
        } else if self.has_musl(id)? {
            self.musl_block(storage)
        } else {
            self.program_block(storage)
        };
        let address = block.and_then(|block| block.checked_add(offset));
        let none = || PacketError::message("the thread has no storage of this module (yet)");
        Ok(Reply::from(format!("{:x}", address.ok_or_else(none)?.value())))
    }

    fn thread_pointer(&mut self, id: TargetId, tid: Tid) -> Result<Address, PacketError> {
        let general = self.general(id, tid)?;
        let bases = general.iter().find(|(register, _)| register.name == "fs_base");
        let pointer = bases.map(|(_, value)| value).filter(|value| *value != 0);
        let none = || PacketError::message("the thread has not set up its storage yet");
        pointer.map(Address::new).ok_or_else(none)
    }

    fn symbol(&self, id: TargetId, name: &str) -> Option<Address> {
        self.targets.get(&id)?.symbols.get(name).copied()
    }

    fn has_musl(&self, id: TargetId) -> Result<bool, PacketError> {
        let is_musl = |path: &[u8]| {
            let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            name.starts_with(b"ld-musl") || name == b"libc.so"
        };
        Ok(self.target(id)?.modules.iter().any(|module| is_musl(&module.path)))
    }

    fn glibc_block(&mut self, storage: Storage) -> Option<Address> {
        let Storage { id, thread_pointer, .. } = storage;
        let map = Address::new(storage.link_map);
        let number = match storage.link_map {
            // The program is the first module.
            0 => 1,
            _ => self.field_of(id, map, "_thread_db_link_map_l_tls_modid")?,
        };
        if number == 0 {
            return None;
        }
        let vector = self.field_of(id, thread_pointer, "_thread_db_pthread_dtvp")?;
        if let Some(block) = self.block_in_vector(id, Address::new(vector), number) {
            return Some(block);
        }
        if storage.link_map == 0 {
            return None;
        }
        // Modules that the program started with have their place in each thread from the
        // beginning; others may have none, which is 0 or the highest numbers.
        let place = self.field_of(id, map, "_thread_db_link_map_l_tls_offset")?;
        let has_place = place != 0 && place < UNALLOCATED - 1;
        has_place.then(|| thread_pointer.wrapping_offset(place.cast_signed().wrapping_neg()))
    }

    /// A module's block by a thread's vector, if that is as new as the module.
    fn block_in_vector(&mut self, id: TargetId, vector: Address, number: u64) -> Option<Address> {
        let entries = self.field(id, "_thread_db_dtv_dtv")?;
        let entry = |number: u64| {
            let distance = number.checked_mul(entries.size_bytes)?.cast_signed();
            Some(vector.wrapping_offset(entries.offset.wrapping_add(distance)))
        };
        let generation = self.field_of(id, entry(0)?, "_thread_db_dtv_t_counter")?;
        // The entry in front of the generation counts those behind it.
        let first = entry(0)?.wrapping_offset(entries.size_bytes.cast_signed().wrapping_neg());
        let count = self.field_of(id, first, "_thread_db_dtv_t_counter")?;
        if number > count || self.generation_of(id, number).is_some_and(|since| generation < since)
        {
            return None;
        }
        let block = self.field_of(id, entry(number)?, "_thread_db_dtv_t_pointer_val")?;
        (block != UNALLOCATED && block != 0).then(|| Address::new(block))
    }

    /// Since which generation of vectors a number is that of its module: older ones may have an
    /// entry of another one, which is gone.
    fn generation_of(&mut self, id: TargetId, number: u64) -> Option<u64> {
        let global = self.symbol(id, "_rtld_global")?;
        let head = "_thread_db_rtld_global__dl_tls_dtv_slotinfo_list";
        let slot_len = self.symbol(id, "_thread_db_sizeof_dtv_slotinfo")?;
        let slot_len = self.word(id, slot_len, 4)?;
        let slots = self.field(id, "_thread_db_dtv_slotinfo_list_slotinfo")?.offset;
        let mut list = Address::new(self.field_of(id, global, head)?);
        let mut number = number;
        for _ in 0..LINKS_MAX {
            if list == Address::ZERO {
                return None;
            }
            let len = self.field_of(id, list, "_thread_db_dtv_slotinfo_list_len")?;
            if number < len {
                let slot = number.checked_mul(slot_len)?.cast_signed();
                let slot = list.wrapping_offset(slots.wrapping_add(slot));
                return self.field_of(id, slot, "_thread_db_dtv_slotinfo_gen");
            }
            number -= len;
            list = Address::new(self.field_of(id, list, "_thread_db_dtv_slotinfo_list_next")?);
        }
        None
    }

    /// musl numbers modules with storage in the order of its list, and unloads none.
    fn musl_block(&mut self, storage: Storage) -> Option<Address> {
        let Storage { id, thread_pointer, link_map } = storage;
        let modules = self.targets.get(&id)?.modules.iter();
        let listed: Vec<(Address, u64)> = modules
            .filter(|module| module.link_map != 0)
            .map(|module| (Address::new(module.base), module.link_map))
            .collect();
        let mut number = 0u64;
        for (base, of) in listed {
            let head = self.read_memory(id, base, PAGE_LEN).ok()?;
            let has_storage = elf_head::storage(&head).is_some();
            number += u64::from(has_storage);
            if of == link_map {
                if !has_storage {
                    return None;
                }
                let vector = self.word(id, thread_pointer.wrapping_offset(MUSL_DTV), 8)?;
                let vector = Address::new(vector);
                if number > self.word(id, vector, 8)? {
                    return None;
                }
                let entry = vector.wrapping_offset(number.checked_mul(8)?.cast_signed());
                return self.word(id, entry, 8).filter(|block| *block != 0).map(Address::new);
            }
        }
        // Without a linker there is only the program.
        self.program_block(storage)
    }

    /// The program's own block: it ends at the thread pointer (ELF Handling For Thread-Local
    /// Storage, variant II).
    fn program_block(&mut self, storage: Storage) -> Option<Address> {
        let Storage { id, thread_pointer, link_map } = storage;
        let program = self.targets.get(&id)?.program()?.link_map;
        if link_map != 0 && link_map != program {
            return None;
        }
        let table = self.own_headers(id)?;
        let own = elf_head::storage_of_table(&table)?;
        let len = own.len.checked_next_multiple_of(own.align.max(1))?;
        thread_pointer.checked_sub(len)
    }

    /// The table of program headers that the kernel told the program of.
    fn own_headers(&mut self, id: TargetId) -> Option<Vec<u8>> {
        let auxiliary = self.auxiliary(id).ok()?;
        let value = |key| auxiliary.iter().find(|entry| entry.key == key).map(|it| it.value);
        let len = value(AT_PHNUM)?.min(PAGE_LEN) * PROGRAM_HEADER_LEN as u64;
        self.read_memory(id, Address::new(value(AT_PHDR)?), len).ok()
    }

    /// What glibc says of a field: its size in bits, how many there are, its offset.
    fn field(&mut self, id: TargetId, name: &str) -> Option<Field> {
        let at = self.symbol(id, name)?;
        let size_bits = self.word(id, at, 4)?;
        let offset = self.word(id, at.wrapping_offset(8), 4)? as u32;
        Some(Field { size_bytes: size_bits / 8, offset: i64::from(offset.cast_signed()) })
    }

    fn field_of(&mut self, id: TargetId, record: Address, name: &str) -> Option<u64> {
        let field = self.field(id, name)?;
        self.word(id, record.wrapping_offset(field.offset), field.size_bytes.min(8))
    }

    fn word(&mut self, id: TargetId, at: Address, len: u64) -> Option<u64> {
        let bytes = self.read_memory(id, at, len).ok()?;
        let is_whole = bytes.len() as u64 == len && len > 0;
        let value = || bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        is_whole.then(value)
    }
}
