//! LLDB's wish for a core file. It is written on the debugger's machine, which is this one: LLDB
//! copies it to where it was asked for, or has it sent by `vFile`.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dbgbase::TargetId;
use dbgeng::client::Pending;
use dbgwire::verbs::description::{DescribeProcess, ProcessPart};
use dbgwire::verbs::memory::{RANGES_MAX, READ_LEN_MAX, Range, ReadMemory};
use dbgwire::verbs::resume::ReadSignalInfo;

use crate::core_file::{self, CoreProcess, CoreThread, Segment};
use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::memory_cache::PAGE_LEN;
use crate::own_files;
use crate::report::News;
use crate::session::{Handled, Reply, Session};
use crate::signal_number;

/// How many requests for memory are under way at once.
const REQUESTS_AT_ONCE: usize = 4;

/// The last component of the XSAVE area that is written: protection keys. GDB takes an area that
/// has matrix tiles behind it for a damaged one.
const COMPONENT_MAX: u32 = 9;

/// Core files that were written for the debugger. They go with the session.
#[derive(Default, Debug)]
pub(crate) struct CoreFiles {
    paths: Vec<PathBuf>,
}

impl Drop for CoreFiles {
    fn drop(&mut self) {
        for path in &self.paths {
            own_files::remove(path);
        }
    }
}

/// Memory that is being read.
struct Reading {
    pending: Pending<ReadMemory>,
    ranges: Vec<Range>,
    offset: u64,
}

impl Session {
    /// `qSaveCore[;path-hint:PATH]`: LLDB copies the file that the answer names.
    ///
    /// **Cost**: three round trips, and one for each 4 MiB of memory, four at a time.
    pub(crate) fn packet_save_core(&mut self, _: &[u8]) -> Handled {
        let (id, _) = self.current()?;
        if self.target(id)?.is_running {
            return Err(PacketError::Running);
        }
        let process = self.core_process(id)?;
        let head = core_file::head(&process);
        let (head, segments) = head.map_err(|error| PacketError::message(error.to_string()))?;
        let failed = |error: io::Error| PacketError::message(format!("the core file: {error}"));
        let (file, path) = self.core_file(process.process.pid).map_err(failed)?;
        file.write_all_at(&head, 0).map_err(failed)?;
        let end = segments.last().map_or(0, |last| last.offset + last.len);
        // What cannot be read is a hole, and reads as zeros.
        file.set_len(end.max(head.len() as u64)).map_err(failed)?;
        self.copy_memory(id, &segments, &file)?;
        let path = hex::encode(path.as_os_str().as_encoded_bytes());
        Ok(Reply::from(format!("core-path:{path};")))
    }

    /// A new file that only its owner reads.
    fn core_file(&mut self, pid: u32) -> io::Result<(File, PathBuf)> {
        /// How many this process has written, in all its sessions.
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let name = format!("dbggdb-{}-{number}-of-{pid}.core", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path)?;
        own_files::add(&path);
        self.core_files.paths.push(path.clone());
        Ok((file, path))
    }

    /// What the file tells of a process beside its memory.
    fn core_process(&mut self, id: TargetId) -> Result<CoreProcess, PacketError> {
        self.know_threads_wholly(id)?;
        let target = self.target(id)?;
        let (pid, event) = (target.pid.value(), target.event_thread);
        let parts = ProcessPart::Auxiliary.bit() | ProcessPart::Security.bit();
        let describe = DescribeProcess { pid, parts, from: 0 };
        let described = self.client.send(&describe, Bytes::new());
        let information = ReadSignalInfo { target: id.value(), tid: event.value() };
        let information = self.client.send(&information, Bytes::new());
        let (described, _) = described.wait()?;
        let signal = match target.last_report.as_ref().map(|report| &report.news) {
            Some(News::Stopped(Some(signal))) => {
                u16::from(signal_number::to_debugger(*signal, Dialect::Lldb))
            }
            _ => 0,
        };
        let tids: Vec<_> = target.threads.keys().copied().collect();
        let others = tids.into_iter().filter(|tid| *tid != event);
        let mut threads = Vec::new();
        for tid in std::iter::once(event).chain(others) {
            let extended = self.extended(id, tid)?;
            let general = self.general(id, tid)?;
            threads.push(CoreThread { tid: tid.value(), general, extended });
        }
        let gids = described.security.map(|security| security.gids).unwrap_or_default();
        Ok(CoreProcess {
            process: described.process.unwrap_or_default(),
            gid: gids.first().copied().unwrap_or_default(),
            auxiliary: described.auxiliary,
            regions: self.regions(id)?.to_vec(),
            threads,
            // A stop without a signal has none.
            signal_info: information.wait().map(|(_, tail)| tail.to_vec()).unwrap_or_default(),
            signal,
            xsave: self.xsave(),
        })
    }

    /// The enabled components of the XSAVE area that debuggers know, and where the last one ends.
    fn xsave(&self) -> (u64, usize) {
        let Some(layout) = &self.server.info.xsave else { return (3, 0) };
        let known = layout.components.iter().filter(|part| part.feature <= COMPONENT_MAX);
        let ends = known.map(|part| part.offset.saturating_add(part.size));
        let xcr0 = layout.xcr0 & ((2 << COMPONENT_MAX) - 1);
        (xcr0, ends.max().unwrap_or_default() as usize)
    }

    fn copy_memory(
        &mut self,
        id: TargetId,
        segments: &[Segment],
        file: &File,
    ) -> Result<(), PacketError> {
        let len_max = u64::from(self.client.bulk_len_max(READ_LEN_MAX));
        let len_max = len_max.min(RANGES_MAX as u64 * PAGE_LEN).max(PAGE_LEN);
        let mut under_way: VecDeque<Reading> = VecDeque::new();
        for segment in segments {
            let mut done = 0;
            while done < segment.len {
                let len = len_max.min(segment.len - done);
                let ranges = pages(segment.address + done, len);
                let request = ReadMemory { target: id.value(), ranges: ranges.clone() };
                let pending = self.client.send(&request, Bytes::new());
                under_way.push_back(Reading { pending, ranges, offset: segment.offset + done });
                done += len;
                if under_way.len() >= REQUESTS_AT_ONCE
                    && let Some(first) = under_way.pop_front()
                {
                    first.write(file)?;
                }
            }
        }
        under_way.into_iter().try_for_each(|reading| reading.write(file))
    }
}

impl Reading {
    /// Waits for the bytes and writes them.
    fn write(self, file: &File) -> Result<(), PacketError> {
        let (reply, tail) = self.pending.wait()?;
        let mut rest = &*tail;
        let mut offset = self.offset;
        for (range, count) in self.ranges.iter().zip(&reply.lengths) {
            let Some((bytes, behind)) = rest.split_at_checked(*count as usize) else { break };
            rest = behind;
            // A hole reads as zeros, too, and takes no room: most of a stack is one.
            if bytes.iter().any(|byte| *byte != 0) {
                let written = file.write_all_at(bytes, offset);
                written.map_err(|error| PacketError::message(format!("the core file: {error}")))?;
            }
            offset += u64::from(range.len);
        }
        Ok(())
    }
}

/// A range for each page, so that what lies behind a hole is read as well.
fn pages(address: u64, len: u64) -> Vec<Range> {
    let starts = (0..len).step_by(PAGE_LEN as usize);
    let page = |at: u64| Range { address: address + at, len: (len - at).min(PAGE_LEN) as u32 };
    starts.map(page).collect()
}
