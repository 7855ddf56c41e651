//! The record of what was changed in targets, kept outside this process so that it survives it.
//!
//! Before a byte of a target changes, what is needed to undo it is written here: into shared memory
//! whose descriptor whoever started the session also holds. It knows layout and order of writing,
//! not targets; who repairs reads it through [`Journal::entries`].
//!
//! ```text
//!   the file: entries of 64 bytes each, in 64-bit little-endian words
//!   word 0      word 1           word 2       word 3    word 4     word 5  words 6, 7
//!   +----------+----------------+------------+---------+----------+-------+----------+
//!   | kind     | pid | tid << 32| start time | address | original | len   | reserved |
//!   +----------+----------------+------------+---------+----------+-------+----------+
//!   kind: 0 free, 1 target created, 2 target attached, 3 bytes changed, 4 signal taken,
//!         5 part of a context,
//!         6 slot written: word 4 is its site, words 5 to 7 are its outline
//! ```
//!
//! Word 0 is written last and cleared last, so that an entry is either whole or free. Of a signal
//! the number is in the place of the address. A context has many words: each part of it has five of
//! them, from word 3 on, and in word 0 above the kind, 16 bits each, its number and how many parts
//! there are. Debug registers and trap flags have no entries: who
//! repairs a target looks for them in every thread. Behind the entries is what tells of the death
//! of the thread that writes them.

mod lifeline;

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dbgbase::{Address, Pid, Signal, Tid};
use rustix::fs::MemfdFlags;

use lifeline::Lifeline;

/// Words in one entry.
const ENTRY_WORDS: usize = 8;
/// Entries in a journal. The file is sparse; unused entries cost no memory.
pub const ENTRIES_MAX: usize = 65_536;
const ENTRIES_LEN: usize = ENTRIES_MAX * ENTRY_WORDS * size_of::<u64>();
const FILE_LEN: usize = ENTRIES_LEN + lifeline::LEN;
/// The most bytes one entry can keep.
pub const BYTES_MAX: usize = 8;

const KIND_FREE: u64 = 0;
const KIND_CREATED: u64 = 1;
const KIND_ATTACHED: u64 = 2;
const KIND_BYTES: u64 = 3;
const KIND_SIGNAL: u64 = 4;
const KIND_CONTEXT: u64 = 5;
const KIND_SLOT: u64 = 6;
/// The bits of word 0 that tell the kind.
const KIND_MASK: u64 = 0xffff;
/// How many words of a context one entry keeps.
pub const CONTEXT_WORDS: usize = 5;

/// What one entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// The session has this process for a target.
    Target {
        /// Which process.
        pid: Pid,
        /// When it started, to tell it from a later one with the same id.
        start_time: u64,
        /// Whether the session created it; otherwise it attached.
        created: bool,
    },
    /// The session has changed bytes of a target's code, or is about to.
    Bytes {
        /// Which process.
        pid: Pid,
        /// When it started.
        start_time: u64,
        /// The first byte's address.
        address: Address,
        /// What was there; the first `len` count.
        original: [u8; BYTES_MAX],
        /// How many bytes, 1 to [`BYTES_MAX`].
        len: usize,
    },
    /// The session has carried an instruction to unused bytes of a target, which were zero, and
    /// threads execute it there.
    Slot {
        /// Which process.
        pid: Pid,
        /// When it started.
        start_time: u64,
        /// The slot's first byte.
        address: Address,
        /// Where the instruction belongs.
        site: Address,
        /// What leads a thread out, as whoever writes it packs it.
        outline: [u64; 3],
    },
    /// A signal on its way to a thread was taken out of the kernel's hands, and waits for the
    /// client to say what becomes of it.
    Signal {
        /// Which process.
        pid: Pid,
        /// When it started.
        start_time: u64,
        /// The thread it is for.
        tid: Tid,
        /// Which signal.
        signal: Signal,
    },
    /// A part of the state to which a thread is put back that is doing something for the debugger.
    /// The parts of one thread belong together.
    Context {
        /// Which process.
        pid: Pid,
        /// When it started.
        start_time: u64,
        /// Which thread.
        tid: Tid,
        /// The part's number, from 0.
        part: u16,
        /// How many parts there are.
        count: u16,
        /// What the part holds.
        words: [u64; CONTEXT_WORDS],
    },
}

impl Entry {
    /// Which process it is about, and when that started, to tell it from a later one with the same
    /// id.
    pub fn process(&self) -> (Pid, u64) {
        match *self {
            Entry::Target { pid, start_time, .. }
            | Entry::Bytes { pid, start_time, .. }
            | Entry::Slot { pid, start_time, .. }
            | Entry::Signal { pid, start_time, .. }
            | Entry::Context { pid, start_time, .. } => (pid, start_time),
        }
    }
}

/// An entry's place, to take it back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryIndex(usize);

/// No entry is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalFull;

/// The journal, open in this process.
pub struct Journal {
    file: OwnedFd,
    map: ManuallyDrop<memmap2::MmapRaw>,
    /// Whether a thread of this process is or was the holder: the kernel may look there when it
    /// dies, so the memory stays mapped.
    is_held: AtomicBool,
    free: Vec<usize>,
    used_count: usize,
}

impl Journal {
    /// A new journal in anonymous shared memory.
    ///
    /// **Errors**: of memfd_create(2), ftruncate(2) and mmap(2).
    pub fn create() -> std::io::Result<Journal> {
        let file = rustix::fs::memfd_create("dbgsrv-journal", MemfdFlags::CLOEXEC)?;
        rustix::fs::ftruncate(&file, FILE_LEN as u64)?;
        Journal::open(file)
    }

    /// The journal behind a descriptor that [`Journal::create`]'s process handed over.
    ///
    /// **Errors**: `InvalidData` if it is no journal; those of fstat(2) and mmap(2).
    pub fn open(file: OwnedFd) -> std::io::Result<Journal> {
        if rustix::fs::fstat(&file)?.st_size != FILE_LEN as i64 {
            let kind = std::io::ErrorKind::InvalidData;
            return Err(std::io::Error::new(kind, "the descriptor is not a journal's"));
        }
        let map = memmap2::MmapOptions::new().len(FILE_LEN).map_raw(&file)?;
        Ok(Journal {
            file,
            map: ManuallyDrop::new(map),
            is_held: AtomicBool::new(false),
            free: Vec::new(),
            used_count: 0,
        })
    }

    /// Writes an entry. When this returns it is in the shared memory, whole.
    pub fn add(&mut self, entry: Entry) -> Result<EntryIndex, JournalFull> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.used_count < ENTRIES_MAX => {
                self.used_count += 1;
                self.used_count - 1
            }
            None => return Err(JournalFull),
        };
        let [kind, words @ ..] = to_words(entry);
        for (word, value) in words.into_iter().enumerate() {
            self.store(index, word + 1, value);
        }
        self.store(index, 0, kind);
        Ok(EntryIndex(index))
    }

    /// Takes an entry back, once what it says has been undone.
    pub fn remove(&mut self, entry: EntryIndex) {
        self.store(entry.0, 0, KIND_FREE);
        self.free.push(entry.0);
    }

    /// Changes the bytes that an entry keeps, because the program's own have changed.
    pub fn set_original(&mut self, entry: EntryIndex, original: [u8; BYTES_MAX]) {
        self.store(entry.0, 4, u64::from_le_bytes(original));
    }

    /// Every entry that is not free. Any process that holds the descriptor may read while another
    /// writes; an entry is then seen whole or not at all, if no writer is alive.
    pub fn entries(&self) -> Vec<Entry> {
        (0..ENTRIES_MAX)
            .map(|index| std::array::from_fn(|word| self.load(index, word)))
            .take_while(|words: &[u64; ENTRY_WORDS]| words.iter().any(|word| *word != 0))
            .filter_map(from_words)
            .collect()
    }

    /// From now on the calling thread is the one whose death [`Journal::wait_for_death`] waits for;
    /// before, it may have been another one.
    ///
    /// **Threads**: the memory stays mapped from now on, also after the journal is dropped.
    pub fn hold(&self) {
        self.is_held.store(true, Ordering::Relaxed);
        self.lifeline().hold();
    }

    /// Waits, in another process, until the thread that holds the journal has died, whatever killed
    /// it. While no thread holds it, `is_over` is asked now and then whether any ever will.
    pub fn wait_for_death(&self, is_over: impl Fn() -> bool) {
        self.lifeline().wait(is_over);
    }

    fn store(&self, index: usize, word: usize, value: u64) {
        if let Some(cell) = self.words().get(index * ENTRY_WORDS + word) {
            cell.store(value.to_le(), Ordering::SeqCst);
        }
    }

    fn load(&self, index: usize, word: usize) -> u64 {
        let cell = self.words().get(index * ENTRY_WORDS + word);
        cell.map_or(0, |cell| u64::from_le(cell.load(Ordering::SeqCst)))
    }

    fn lifeline(&self) -> &Lifeline {
        // SAFETY: the mapping is FILE_LEN bytes long, page-aligned, readable and writable, and
        // lives as long as `self`; behind the entries there is room for this, which is made of
        // atomics and has no invalid values.
        unsafe { &*self.map.as_mut_ptr().add(ENTRIES_LEN).cast::<Lifeline>() }
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is FILE_LEN bytes long, page-aligned, readable and writable, lives as
        // long as `self`, and is only ever accessed as atomics, here and in every other process.
        unsafe {
            std::slice::from_raw_parts(
                self.map.as_mut_ptr().cast::<AtomicU64>(),
                ENTRIES_MAX * ENTRY_WORDS,
            )
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !*self.is_held.get_mut() {
            // SAFETY: the map is dropped once, here, and not used again.
            unsafe { ManuallyDrop::drop(&mut self.map) };
        }
    }
}

impl AsFd for Journal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn to_words(entry: Entry) -> [u64; ENTRY_WORDS] {
    match entry {
        Entry::Target { pid, start_time, created } => {
            let kind = if created { KIND_CREATED } else { KIND_ATTACHED };
            [kind, u64::from(pid.value()), start_time, 0, 0, 0, 0, 0]
        }
        Entry::Bytes { pid, start_time, address, original, len } => [
            KIND_BYTES,
            u64::from(pid.value()),
            start_time,
            address.value(),
            u64::from_le_bytes(original),
            len as u64,
            0,
            0,
        ],
        Entry::Slot { pid, start_time, address, site, outline: [head, target, checksum] } => [
            KIND_SLOT,
            u64::from(pid.value()),
            start_time,
            address.value(),
            site.value(),
            head,
            target,
            checksum,
        ],
        Entry::Signal { pid, start_time, tid, signal } => {
            let ids = u64::from(pid.value()) | u64::from(tid.value()) << 32;
            [KIND_SIGNAL, ids, start_time, signal.number() as u64, 0, 0, 0, 0]
        }
        Entry::Context { pid, start_time, tid, part, count, words } => {
            let kind = KIND_CONTEXT | u64::from(part) << 16 | u64::from(count) << 32;
            let ids = u64::from(pid.value()) | u64::from(tid.value()) << 32;
            let [a, b, c, d, e] = words;
            [kind, ids, start_time, a, b, c, d, e]
        }
    }
}

fn from_words(words: [u64; ENTRY_WORDS]) -> Option<Entry> {
    let [kind, ids, start_time, address, original, len, sixth, seventh] = words;
    let pid = Pid::new(ids as u32);
    match kind & KIND_MASK {
        KIND_CREATED | KIND_ATTACHED => {
            Some(Entry::Target { pid, start_time, created: kind == KIND_CREATED })
        }
        KIND_BYTES => Some(Entry::Bytes {
            pid,
            start_time,
            address: Address::new(address),
            original: original.to_le_bytes(),
            len: usize::try_from(len).ok().filter(|len| (1..=BYTES_MAX).contains(len))?,
        }),
        KIND_SLOT => Some(Entry::Slot {
            pid,
            start_time,
            address: Address::new(address),
            site: Address::new(original),
            outline: [len, sixth, seventh],
        }),
        KIND_SIGNAL => Some(Entry::Signal {
            pid,
            start_time,
            tid: Tid::new((ids >> 32) as u32),
            signal: Signal::new(i32::try_from(address).ok()?)?,
        }),
        KIND_CONTEXT => Some(Entry::Context {
            pid,
            start_time,
            tid: Tid::new((ids >> 32) as u32),
            part: (kind >> 16) as u16,
            count: (kind >> 32) as u16,
            words: [address, original, len, sixth, seventh],
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(address: u64) -> Entry {
        Entry::Bytes {
            pid: Pid::new(42),
            start_time: 7,
            address: Address::new(address),
            original: [0x55, 0, 0, 0, 0, 0, 0, 0],
            len: 1,
        }
    }

    #[test]
    fn a_second_holder_of_the_descriptor_sees_every_entry() {
        let mut journal = Journal::create().expect("memfd");
        let target = Entry::Target { pid: Pid::new(42), start_time: 7, created: true };
        journal.add(target).expect("room");
        let first = journal.add(bytes(0x1000)).expect("room");
        journal.add(bytes(0x2000)).expect("room");
        let copy = journal.as_fd().try_clone_to_owned().expect("dup");
        let reader = Journal::open(copy).expect("a journal");
        assert_eq!(reader.entries(), [target, bytes(0x1000), bytes(0x2000)]);
        journal.remove(first);
        assert_eq!(reader.entries(), [target, bytes(0x2000)]);
        journal.add(bytes(0x3000)).expect("room");
        assert_eq!(reader.entries(), [target, bytes(0x3000), bytes(0x2000)]);
    }

    #[test]
    fn a_signal_is_read_as_it_was_written() {
        let mut journal = Journal::create().expect("memfd");
        let (pid, tid) = (Pid::new(42), Tid::new(4_000_000_000));
        let entry = Entry::Signal { pid, start_time: 7, tid, signal: Signal::SIGTERM };
        journal.add(entry).expect("room");
        assert_eq!(journal.entries(), [entry]);
        assert_eq!(entry.process(), (pid, 7));
    }

    #[test]
    fn a_slot_is_read_as_it_was_written() {
        let mut journal = Journal::create().expect("memfd");
        let entry = Entry::Slot {
            pid: Pid::new(42),
            start_time: 7,
            address: Address::new(0x2fd0),
            site: Address::new(0x1000),
            outline: [1, u64::MAX, 3],
        };
        journal.add(entry).expect("room");
        assert_eq!(journal.entries(), [entry]);
    }

    #[test]
    fn the_death_of_the_holder_is_noticed() {
        let journal = Journal::create().expect("memfd");
        let copy = journal.as_fd().try_clone_to_owned().expect("dup");
        let reader = Journal::open(copy).expect("a journal");
        reader.wait_for_death(|| true);
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let holder = std::thread::spawn(move || {
            journal.hold();
            hold.send(()).expect("somebody listens");
            let _ = hold.send(());
        });
        held.recv().expect("it is held");
        reader.wait_for_death(|| panic!("it is held"));
        holder.join().expect("it has ended");
        reader.wait_for_death(|| panic!("it was held"));
    }

    #[test]
    fn a_full_journal_refuses() {
        let mut journal = Journal::create().expect("memfd");
        for index in 0..ENTRIES_MAX {
            journal.add(bytes(index as u64)).expect("room");
        }
        assert_eq!(journal.add(bytes(0)), Err(JournalFull));
    }

    #[test]
    fn other_files_are_no_journals() {
        let file = rustix::fs::memfd_create("other", MemfdFlags::CLOEXEC).expect("memfd");
        assert!(Journal::open(file).is_err());
    }
}
