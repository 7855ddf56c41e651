//! Where a thread has its copy of a module's thread-local storage: of the program by the ABI, of
//! libraries by what the C library's dynamic linker wrote down. Both glibc and musl keep a table in
//! each thread (the dynamic thread vector), whose entry for a library has its block:
//!
//! ```text
//!   thread pointer ──► thread block: ... dtv ──► [generation] [block of 1] [block of 2] ...
//! ```
//!
//! glibc tells debuggers where its fields are, in symbols called `_thread_db_*`; musl's are fixed
//! by its source. Symbols are found elsewhere.

use dbgbase::{Address, Arch};
use dbgsym::Image;

use crate::Module;
use crate::symbols::ProcessSymbols;

/// What is in front of a table of a chain, and how many links it has at most.
const LINKS_MAX: usize = 1 << 16;
/// Offsets in `struct r_debug` and `struct link_map` (link.h), the same in both libraries.
const R_MAP: i64 = 8;
const L_ADDR: i64 = 0;
const L_NEXT: i64 = 24;
/// musl keeps the table's address behind the thread block's own (`struct pthread`, x86-64).
const MUSL_DTV: i64 = 8;
/// glibc's mark of a block that a thread has not asked for yet.
const UNALLOCATED: u64 = u64::MAX;

/// Where a field is, as glibc's `_thread_db_*` say it.
#[derive(Clone, Copy)]
struct Field {
    size_bytes: u64,
    offset: i64,
}

impl ProcessSymbols<'_> {
    /// Where a thread has the byte at `offset` of a module's storage.
    ///
    /// **Shape**: `None` if the module has none, or the thread has not used it yet.
    /// **Cost**: none for the program; for libraries one round trip for each page of the linker's
    /// tables that is not known at this stop.
    pub(crate) fn thread_local(
        &self,
        module: &Module,
        image: &Image,
        thread_pointer: Address,
        offset: u64,
    ) -> Option<Address> {
        if !image.has_thread_locals() {
            return None;
        }
        if let Some(address) = image.thread_local_address(thread_pointer, offset) {
            return Some(address);
        }
        if image.arch() != Arch::X86_64 {
            return None;
        }
        let block = match self.linker_symbol("_thread_db_link_map_l_tls_modid") {
            Some(_) => self.glibc_block(module, thread_pointer),
            None => self.musl_block(module, thread_pointer),
        };
        block?.checked_add(offset)
    }

    fn glibc_block(&self, module: &Module, thread_pointer: Address) -> Option<Address> {
        let map = self.link_map(self.linker_symbol("_r_debug")?, module)?;
        let number = self.field_of(map, self.field("_thread_db_link_map_l_tls_modid")?)?;
        let vector = self.field_of(thread_pointer, self.field("_thread_db_pthread_dtvp")?)?;
        let entries = self.field("_thread_db_dtv_dtv")?;
        let entry = |number: u64| {
            let distance = number.checked_mul(entries.size_bytes)?.cast_signed();
            Some(Address::new(vector).wrapping_offset(entries.offset.wrapping_add(distance)))
        };
        let generation = self.field_of(entry(0)?, self.field("_thread_db_dtv_t_counter")?)?;
        // The entry in front of the generation counts those behind it.
        let first = entry(0)?.wrapping_offset(-entries.size_bytes.cast_signed());
        let count = self.field_of(first, self.field("_thread_db_dtv_t_counter")?)?;
        let is_fresh = self.generation_of(number).is_none_or(|of_module| generation >= of_module);
        if number <= count && is_fresh {
            let block = self.field("_thread_db_dtv_t_pointer_val")?;
            let block = self.field_of(entry(number)?, block)?;
            if block != UNALLOCATED && block != 0 {
                return Some(Address::new(block));
            }
        }
        // Libraries that the program started with have their place in each thread from the
        // beginning; others may have none, which is 0 or the highest number.
        let place = self.field_of(map, self.field("_thread_db_link_map_l_tls_offset")?)?;
        let has_place = place != 0 && place < UNALLOCATED - 1;
        has_place.then(|| thread_pointer.wrapping_offset(place.cast_signed().wrapping_neg()))
    }

    /// Since which generation of tables a number is that of its library: older ones may have an
    /// entry of another one, which is gone.
    fn generation_of(&self, number: u64) -> Option<u64> {
        let global = self.linker_symbol("_rtld_global")?;
        let head = self.field("_thread_db_rtld_global__dl_tls_dtv_slotinfo_list")?;
        let slot_len = self.word(self.linker_symbol("_thread_db_sizeof_dtv_slotinfo")?, 4)?;
        let mut list = Address::new(self.field_of(global, head)?);
        let mut first = 0;
        for _ in 0..LINKS_MAX {
            if list == Address::ZERO {
                return None;
            }
            let len = self.field_of(list, self.field("_thread_db_dtv_slotinfo_list_len")?)?;
            if number - first < len {
                let slots = self.field("_thread_db_dtv_slotinfo_list_slotinfo")?.offset;
                let slot = (number - first).checked_mul(slot_len)?.cast_signed();
                let slot = list.wrapping_offset(slots.wrapping_add(slot));
                return self.field_of(slot, self.field("_thread_db_dtv_slotinfo_gen")?);
            }
            first += len;
            let next = self.field("_thread_db_dtv_slotinfo_list_next")?;
            list = Address::new(self.field_of(list, next)?);
        }
        None
    }

    /// musl numbers libraries with storage in the order of its list, and unloads none.
    fn musl_block(&self, module: &Module, thread_pointer: Address) -> Option<Address> {
        let debug = self.word(self.linker_symbol("_dl_debug_addr")?, 8)?;
        let mut map = Address::new(self.word(Address::new(debug).wrapping_offset(R_MAP), 8)?);
        let modules = self.process.modules.list();
        let mut number = 0;
        for _ in 0..LINKS_MAX {
            if map == Address::ZERO {
                return None;
            }
            let bias = self.word(map.wrapping_offset(L_ADDR), 8)?;
            let here = modules.iter().find(|module| module.bias.value() == bias);
            let image = here.and_then(|here| self.image(here).ok().flatten());
            number += u64::from(image.is_some_and(|image| image.has_thread_locals()));
            if bias == module.bias.value() {
                break;
            }
            map = Address::new(self.word(map.wrapping_offset(L_NEXT), 8)?);
        }
        let vector = Address::new(self.word(thread_pointer.wrapping_offset(MUSL_DTV), 8)?);
        if number > self.word(vector, 8)? {
            return None;
        }
        let entry = vector.wrapping_offset(number.checked_mul(8)?.cast_signed());
        self.word(entry, 8).filter(|block| *block != 0).map(Address::new)
    }

    /// The linker's entry for a module.
    fn link_map(&self, debug: Address, module: &Module) -> Option<Address> {
        let mut map = Address::new(self.word(debug.wrapping_offset(R_MAP), 8)?);
        for _ in 0..LINKS_MAX {
            if map == Address::ZERO {
                return None;
            }
            if self.word(map.wrapping_offset(L_ADDR), 8)? == module.bias.value() {
                return Some(map);
            }
            map = Address::new(self.word(map.wrapping_offset(L_NEXT), 8)?);
        }
        None
    }

    /// A symbol of the C library or its dynamic linker. Their files have it, whatever is known of
    /// them beside.
    fn linker_symbol(&self, name: &str) -> Option<Address> {
        let is_linkers = |module: &&Module| {
            let path = String::from_utf8_lossy(&module.path);
            let file = path.rsplit('/').next().unwrap_or_default();
            ["libc.", "ld-", "ld.", "libc-"].iter().any(|start| file.starts_with(start))
        };
        let mut libraries = self.process.modules.list().iter().filter(is_linkers);
        libraries.find_map(|module| {
            let image = self.image(module).ok().flatten()?;
            let symbol = image.symbols().by_name(name).into_iter().next()?;
            Some(symbol.address().to_address(module.bias))
        })
    }

    /// What glibc says of a field: its size in bits, how many there are, its offset.
    fn field(&self, name: &str) -> Option<Field> {
        let at = self.linker_symbol(name)?;
        let size_bits = self.word(at, 4)?;
        let offset = self.word(at.wrapping_offset(8), 4)? as u32;
        Some(Field { size_bytes: size_bits / 8, offset: i64::from(offset.cast_signed()) })
    }

    fn field_of(&self, record: Address, field: Field) -> Option<u64> {
        self.word(record.wrapping_offset(field.offset), field.size_bytes.min(8) as usize)
    }

    fn word(&self, at: Address, size_bytes: usize) -> Option<u64> {
        let mut bytes = [0; 8];
        let wanted = bytes.get_mut(..size_bytes)?;
        let count = self.process.memory.read(self.client, at, wanted).ok()?;
        (count == size_bytes).then(|| u64::from_le_bytes(bytes))
    }
}
