//! Files of the server's machine that the debugger has open: what is read ahead of it, what is
//! kept, and what is asked of the server each time. It knows no packet.
//!
//! What may be kept depends on the file:
//!
//! | file | kept |
//! |---|---|
//! | of /proc and /sys, or said to be empty | what it held when it was opened, as one piece |
//! | ELF with a build-id | its pieces, by build-id and length, in memory and on disk |
//! | ELF without | its pieces, as long as it is open |
//! | any other, for reading | what is read ahead, until another packet comes |
//! | one that is written | nothing |
//! | one that this program wrote (`own_files`) | nothing; it is on this machine |
//!
//! An image that this machine has at the same path, by build-id and length, is not fetched.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use dbgbase::TargetId;
use dbgeng::ImageStore;
use dbgeng::client::{CallError, Pending};
use dbgwire::verbs::file::{
    CloseFile, FileAccess, FileStatus, OpenFile, OpenFileReply, ReadFile, StatFile, WriteFile,
};
use dbgwire::verbs::memory::Range;

use crate::elf_head;
use crate::file_blocks::{BLOCK_LEN, FileBlocks, Identity};
use crate::file_protocol::{EACCES, EBADF, EINVAL, EMFILE, ENOENT, OpenFlags, errno};
use crate::local_twin::{HEAD_LEN, LocalTwin};
use crate::own_files;
use crate::session::Session;

/// How many blocks one reader has under way.
const AHEAD_MAX: u64 = 4;
/// How many files are open on the server; others are opened again when they are needed.
const HANDLES_MAX: usize = 40;
/// How many files the debugger has open.
const DESCRIPTORS_MAX: usize = 4096;
/// How much of a file without a length is taken as one piece.
const SNAPSHOT_LEN_MAX: u32 = 4 * 1024 * 1024;

/// A number of the protocol for what went wrong.
pub(crate) type Errno = u32;

/// What holds for files.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// Whether debuggers may write and remove files of the server's machine.
    pub allow_writes: bool,
    /// Where pieces of images are kept.
    pub store: ImageStore,
}

/// The files that the debugger has open.
pub(crate) struct Files {
    pub(crate) settings: FileSettings,
    /// In whose mount namespace paths are looked up; `None` is the server's.
    pub(crate) namespace: Option<TargetId>,
    open: BTreeMap<u32, OpenedFile>,
    blocks: FileBlocks,
    last_descriptor: u32,
    uses: u64,
}

struct OpenedFile {
    path: Vec<u8>,
    /// In whose mount namespace it is: as [`OpenFile::target`].
    target: u32,
    flags: OpenFlags,
    /// What the server calls it, as long as it is open there.
    handle: Option<u32>,
    status: FileStatus,
    last_use: u64,
    contents: Contents,
}

/// What is known of what a file holds.
enum Contents {
    /// Nothing that could be kept.
    Changing,
    /// All that it held.
    Snapshot(Bytes),
    /// What is read ahead.
    Stream(Stream),
    /// An image's pieces.
    Image(Image),
    /// It is on this machine.
    Own(File),
}

/// Reading a file that may change, from its start to its end.
#[derive(Default)]
struct Stream {
    /// Where the piece at hand begins, and the piece.
    start: u64,
    piece: Bytes,
    /// What follows it, under way.
    next: Option<Pending<ReadFile>>,
    /// The packet that was answered from it last.
    packet: u64,
}

struct Image {
    identity: Identity,
    twin: Option<LocalTwin>,
    under_way: BTreeMap<u64, Pending<ReadFile>>,
    /// The block that was read last, and how many are fetched at once.
    last_index: u64,
    ahead: u64,
}

impl Files {
    /// No file is open.
    pub(crate) fn new(settings: FileSettings) -> Files {
        Files {
            settings,
            namespace: None,
            open: BTreeMap::new(),
            blocks: FileBlocks::default(),
            last_descriptor: 0,
            uses: 0,
        }
    }

    fn get(&mut self, descriptor: u32) -> Result<&mut OpenedFile, Errno> {
        self.uses += 1;
        let uses = self.uses;
        let file = self.open.get_mut(&descriptor).ok_or(EBADF)?;
        file.last_use = uses;
        Ok(file)
    }

    /// Adds a file of this machine; its descriptor.
    fn add_own(&mut self, path: &[u8], flags: OpenFlags, own: File) -> Result<u32, Errno> {
        let status = own_files::status(&own).map_err(|_| ENOENT)?;
        self.last_descriptor += 1;
        let file = OpenedFile {
            path: path.to_vec(),
            target: 0,
            flags,
            handle: None,
            status,
            last_use: self.uses,
            contents: Contents::Own(own),
        };
        self.open.insert(self.last_descriptor, file);
        Ok(self.last_descriptor)
    }

    /// Somebody writes into a file: nothing of it is known any more.
    fn forget_contents(&mut self, status: &FileStatus) {
        let place = |status: &FileStatus| (status.device, status.inode);
        let same = self.open.values_mut().filter(|file| place(&file.status) == place(status));
        for file in same {
            if let Contents::Image(image) = &file.contents {
                self.blocks.forget(&image.identity);
            }
            file.contents = Contents::Changing;
        }
    }
}

impl Session {
    /// Opens a file; its descriptor.
    ///
    /// **Cost**: two round trips for reading, the second for its head or all that it holds; one for
    /// writing.
    pub(crate) fn open_file(
        &mut self,
        path: &[u8],
        flags: OpenFlags,
        mode: u32,
    ) -> Result<u32, Errno> {
        if !flags.is_reading() && !self.files.settings.allow_writes {
            return Err(EACCES);
        }
        if self.files.open.len() >= DESCRIPTORS_MAX {
            return Err(EMFILE);
        }
        let own = own_files::open(path).filter(|_| flags.is_reading());
        if let Some(own) = own.filter(|_| self.files.namespace.is_none()) {
            return self.files.add_own(path, flags, own);
        }
        self.make_room();
        let target = self.files.namespace.map_or(0, TargetId::value);
        let request = OpenFile {
            path: path.to_vec(),
            target,
            access: flags.access as i32,
            mode,
            append: flags.append,
            create: flags.create,
            truncate: flags.truncate,
            exclusive: flags.exclusive,
        };
        let reply = self.client.call(&request).map_err(|error| errno(&error))?;
        let status = status_of(&reply);
        let contents = if flags.is_reading() {
            self.look_at(path, &reply)
        } else {
            self.files.forget_contents(&status);
            Contents::Changing
        };
        self.files.last_descriptor += 1;
        let descriptor = self.files.last_descriptor;
        let mut file = OpenedFile {
            path: path.to_vec(),
            target,
            // What made it once is not to happen again.
            flags: OpenFlags { create: false, truncate: false, exclusive: false, ..flags },
            handle: Some(reply.file),
            status,
            last_use: self.files.uses,
            contents,
        };
        if let Contents::Image(image) = &mut file.contents
            && image.identity == Identity::Descriptor(0)
        {
            image.identity = Identity::Descriptor(descriptor);
        }
        if file.is_known() {
            self.close_handle(&mut file);
        }
        self.files.open.insert(descriptor, file);
        Ok(descriptor)
    }

    /// Finds out what may be kept of a file that was just opened.
    ///
    /// **Cost**: one round trip.
    fn look_at(&mut self, path: &[u8], reply: &OpenFileReply) -> Contents {
        let is_made_up =
            reply.size == 0 || path.starts_with(b"/proc/") || path.starts_with(b"/sys/");
        let head_len = if is_made_up {
            self.client.bulk_len_max(SNAPSHOT_LEN_MAX)
        } else {
            reply.size.min(HEAD_LEN as u64) as u32
        };
        // One of /proc may have no beginning, as a process's memory.
        let Ok(head) = self.read_handle(reply.file, 0, head_len) else { return Contents::Changing };
        if is_made_up {
            let is_all = head.len() < head_len as usize;
            return if is_all { Contents::Snapshot(head) } else { Contents::Changing };
        }
        if !head.starts_with(b"\x7fELF") {
            return Contents::Stream(Stream::default());
        }
        let build_id = elf_head::build_id(&head);
        let twin = build_id.as_ref().and_then(|id| LocalTwin::find(path, id, reply.size));
        let identity = match build_id {
            Some(id) => Identity::Build { id, len: reply.size },
            None => Identity::Descriptor(0),
        };
        let under_way = BTreeMap::new();
        Contents::Image(Image { identity, twin, under_way, last_index: u64::MAX, ahead: 1 })
    }

    /// Some bytes of an open file: fewer than `len` where a piece ends that is at hand, none only
    /// at the file's end.
    ///
    /// **Cost**: none for what is at hand; otherwise one round trip, in which more is read ahead.
    pub(crate) fn read_file(
        &mut self,
        descriptor: u32,
        offset: u64,
        len: u32,
    ) -> Result<Bytes, Errno> {
        let file = self.files.get(descriptor)?;
        match &mut file.contents {
            Contents::Snapshot(all) => Ok(piece(all, offset, len)),
            Contents::Own(own) => {
                let mut bytes = vec![0; len as usize];
                let count = own.read_at(&mut bytes, offset).map_err(|_| EINVAL)?;
                bytes.truncate(count);
                Ok(Bytes::from(bytes))
            }
            Contents::Image(_) => self.read_image(descriptor, offset, len),
            Contents::Stream(_) => self.read_stream(descriptor, offset, len),
            Contents::Changing => {
                let handle = self.handle(descriptor)?;
                self.read_handle(handle, offset, len).map_err(|error| errno(&error))
            }
        }
    }

    fn read_image(&mut self, descriptor: u32, offset: u64, len: u32) -> Result<Bytes, Errno> {
        let file = self.files.get(descriptor)?;
        let size = file.status.size;
        let Contents::Image(image) = &mut file.contents else { return Err(EBADF) };
        if offset >= size {
            return Ok(Bytes::new());
        }
        if let Some(twin) = &image.twin {
            let wanted = u64::from(len).min(size - offset) as usize;
            if let Some(bytes) = twin.read(offset, wanted) {
                return Ok(Bytes::from(bytes));
            }
            image.twin = None;
        }
        let index = offset / BLOCK_LEN;
        let block = self.image_block(descriptor, index)?;
        Ok(piece(&block, offset % BLOCK_LEN, len))
    }

    /// A block of an image, from wherever it is nearest.
    fn image_block(&mut self, descriptor: u32, index: u64) -> Result<Bytes, Errno> {
        let file = self.files.get(descriptor)?;
        let Contents::Image(image) = &mut file.contents else { return Err(EBADF) };
        // Who reads on gets more at once.
        if index != image.last_index {
            let is_next = index.checked_sub(1) == Some(image.last_index);
            image.ahead = if is_next { (image.ahead * 2).min(AHEAD_MAX) } else { 1 };
            image.last_index = index;
        }
        let (identity, ahead, size) = (image.identity.clone(), image.ahead, file.status.size);
        let is_at_hand = self.kept_block(&identity, index).is_some();
        let count = size.div_ceil(BLOCK_LEN);
        if !is_at_hand || ahead > 1 {
            // The next ones are under way while this one is read.
            for index in (index..count).take(if ahead > 1 { ahead as usize + 1 } else { 1 }) {
                self.request_block(descriptor, &identity, index)?;
            }
        }
        if let Some(bytes) = self.kept_block(&identity, index) {
            return Ok(bytes);
        }
        let file = self.files.get(descriptor)?;
        let Contents::Image(image) = &mut file.contents else { return Err(EBADF) };
        let pending = image.under_way.remove(&index).ok_or(EBADF)?;
        let (_, bytes) = pending.wait().map_err(|error| errno(&error))?;
        let wanted = size.saturating_sub(index * BLOCK_LEN).min(BLOCK_LEN);
        if bytes.len() as u64 == wanted {
            self.files.blocks.put(&identity, index, bytes.clone());
            if let Identity::Build { id, len } = &identity {
                self.files.settings.store.put(id, *len, index, &bytes);
            }
        }
        Ok(bytes)
    }

    /// A block that was fetched before, by this session or another one.
    fn kept_block(&mut self, identity: &Identity, index: u64) -> Option<Bytes> {
        if let Some(bytes) = self.files.blocks.get(identity, index) {
            return Some(bytes);
        }
        let Identity::Build { id, len } = identity else { return None };
        let bytes = Bytes::from(self.files.settings.store.get(id, *len, index)?);
        self.files.blocks.put(identity, index, bytes.clone());
        Some(bytes)
    }

    /// Asks the server for a block, unless it is there or under way.
    fn request_block(
        &mut self,
        descriptor: u32,
        identity: &Identity,
        index: u64,
    ) -> Result<(), Errno> {
        let file = self.files.get(descriptor)?;
        let Contents::Image(image) = &mut file.contents else { return Err(EBADF) };
        if image.under_way.contains_key(&index) || self.kept_block(identity, index).is_some() {
            return Ok(());
        }
        let handle = self.handle(descriptor)?;
        let pending = self.send_read(handle, index * BLOCK_LEN, BLOCK_LEN as u32);
        let file = self.files.get(descriptor)?;
        let Contents::Image(image) = &mut file.contents else { return Err(EBADF) };
        image.under_way.insert(index, pending);
        Ok(())
    }

    fn read_stream(&mut self, descriptor: u32, offset: u64, len: u32) -> Result<Bytes, Errno> {
        let packet = self.debugger.packets();
        let handle = self.handle(descriptor)?;
        let file = self.files.get(descriptor)?;
        let Contents::Stream(stream) = &mut file.contents else { return Err(EBADF) };
        // What was read ahead is as new as the packet before.
        let is_reading_on = packet == stream.packet + 1;
        let mut stream = if is_reading_on { std::mem::take(stream) } else { Stream::default() };
        let end = stream.start + stream.piece.len() as u64;
        if !(stream.start..end).contains(&offset) {
            let next = stream.next.take().filter(|_| offset == end && end != 0);
            let pending = next.unwrap_or_else(|| self.send_read(handle, offset, BLOCK_LEN as u32));
            let behind = offset.saturating_add(BLOCK_LEN);
            // Only who has come here by reading on is going to read further.
            let next = is_reading_on.then(|| self.send_read(handle, behind, BLOCK_LEN as u32));
            let (_, piece) = pending.wait().map_err(|error| errno(&error))?;
            let is_end = (piece.len() as u64) < BLOCK_LEN;
            stream = Stream { start: offset, piece, next: next.filter(|_| !is_end), packet };
        }
        stream.packet = packet;
        let bytes = piece(&stream.piece, offset - stream.start, len);
        if let Contents::Stream(kept) = &mut self.files.get(descriptor)?.contents {
            *kept = stream;
        }
        Ok(bytes)
    }

    /// Writes into an open file; how many bytes.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn write_file(
        &mut self,
        descriptor: u32,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<usize, Errno> {
        let file = self.files.get(descriptor)?;
        if file.flags.access == FileAccess::Read {
            return Err(EBADF);
        }
        let status = file.status;
        self.files.forget_contents(&status);
        let count = bytes.len();
        let request = WriteFile { file: self.handle(descriptor)?, offset };
        let written = self.client.send(&request, Bytes::from(bytes)).wait();
        written.map_err(|error| errno(&error))?;
        Ok(count)
    }

    /// Closes a file.
    ///
    /// **Cost**: none.
    pub(crate) fn close_file(&mut self, descriptor: u32) -> Result<(), Errno> {
        let mut file = self.files.open.remove(&descriptor).ok_or(EBADF)?;
        if let Contents::Image(image) = &file.contents
            && matches!(image.identity, Identity::Descriptor(_))
        {
            self.files.blocks.forget(&image.identity);
        }
        self.close_handle(&mut file);
        Ok(())
    }

    /// What a file that is open is.
    ///
    /// **Cost**: none where nothing can have changed that is of use to debuggers; otherwise one
    /// round trip.
    pub(crate) fn file_status(&mut self, descriptor: u32) -> Result<FileStatus, Errno> {
        let file = self.files.get(descriptor)?;
        if matches!(file.contents, Contents::Snapshot(_) | Contents::Image(_) | Contents::Own(_)) {
            return Ok(file.status);
        }
        let handle = self.handle(descriptor)?;
        self.ask_status(StatFile { file: handle, ..StatFile::default() })
    }

    /// What the server calls an open file; it is opened again if it had to make room.
    fn handle(&mut self, descriptor: u32) -> Result<u32, Errno> {
        let file = self.files.get(descriptor)?;
        if let Some(handle) = file.handle {
            return Ok(handle);
        }
        let was = file.status;
        let request = OpenFile {
            path: file.path.clone(),
            target: file.target,
            access: file.flags.access as i32,
            append: file.flags.append,
            ..OpenFile::default()
        };
        self.make_room();
        let reply = self.client.call(&request).map_err(|error| errno(&error))?;
        let status = status_of(&reply);
        let identity = |status: &FileStatus| {
            (status.device, status.inode, status.size, status.modified_s, status.modified_ns)
        };
        let file = self.files.get(descriptor)?;
        if matches!(file.contents, Contents::Image(_)) && identity(&status) != identity(&was) {
            // Another file has its name: the one that was open is gone.
            self.client.post(&CloseFile { file: reply.file });
            return Err(EBADF);
        }
        file.handle = Some(reply.file);
        Ok(reply.file)
    }

    /// Closes the file on the server that was used least, if many are open there. Those that are
    /// written stay: what was done to them could not be done again.
    fn make_room(&mut self) {
        let open = self.files.open.iter().filter(|(_, file)| file.handle.is_some());
        if open.clone().count() < HANDLES_MAX {
            return;
        }
        let candidates = open.filter(|(_, file)| file.flags.access == FileAccess::Read);
        let oldest = candidates.min_by_key(|(_, file)| file.last_use);
        let Some(descriptor) = oldest.map(|(descriptor, _)| *descriptor) else { return };
        let handle = self.files.open.get_mut(&descriptor).and_then(|file| file.handle.take());
        if let Some(file) = handle {
            self.client.post(&CloseFile { file });
        }
    }

    fn close_handle(&self, file: &mut OpenedFile) {
        if let Some(file) = file.handle.take() {
            self.client.post(&CloseFile { file });
        }
    }

    fn read_handle(&self, handle: u32, offset: u64, len: u32) -> Result<Bytes, CallError> {
        self.send_read(handle, offset, len).wait().map(|(_, bytes)| bytes)
    }

    fn send_read(&self, handle: u32, offset: u64, len: u32) -> Pending<ReadFile> {
        let len = len.min(self.client.bulk_len_max(len));
        let ranges = vec![Range { address: offset, len }];
        self.client.send(&ReadFile { file: handle, ranges }, Bytes::new())
    }
}

impl OpenedFile {
    /// Whether the server need not be asked for anything that it holds.
    fn is_known(&self) -> bool {
        match &self.contents {
            Contents::Snapshot(_) | Contents::Own(_) => true,
            Contents::Image(image) => image.twin.is_some(),
            Contents::Stream(_) | Contents::Changing => false,
        }
    }
}

/// What a server says of a file that it has opened; older ones say less.
fn status_of(reply: &OpenFileReply) -> FileStatus {
    const REGULAR: u32 = 0o100_444;
    reply.status.unwrap_or(FileStatus {
        mode: REGULAR,
        size: reply.size,
        modified_s: reply.modified_s,
        ..FileStatus::default()
    })
}

/// At most `len` bytes from `offset` on.
fn piece(bytes: &Bytes, offset: u64, len: u32) -> Bytes {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let end = start.saturating_add(len as usize).min(bytes.len());
    bytes.slice(start..end)
}
