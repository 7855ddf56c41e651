//! What debuggers ask first about a target that they have not seen, fetched at once: its threads,
//! its auxiliary vector, and the memory in which they look for the dynamic linker's lists. LLDB
//! also asks whose process it is and what is mapped.

use std::collections::BTreeSet;

use bytes::Bytes;
use dbgbase::{Address, TargetId, Tid};
use dbgwire::verbs::description::{AuxiliaryEntry, DescribeProcess, ProcessPart};
use dbgwire::verbs::memory::{ListRegions, Range, ReadMemory};
use dbgwire::verbs::thread::{ListThreads, ThreadDescription};

use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::memory_cache::PAGE_LEN;
use crate::session::Session;
use crate::target::{Target, Thread};

/// How much of the stack debuggers look at in the end.
const STACK_LEN: u64 = 4 * PAGE_LEN;

impl Session {
    /// Fetches what is asked first, unless that has been done since the target began or executed a
    /// program.
    ///
    /// **Cost**: one round trip the first time, then none.
    pub(crate) fn overview(&mut self, id: TargetId) -> Result<(), PacketError> {
        let target = self.target_mut(id)?;
        if target.is_running || !std::mem::replace(&mut target.is_unseen, false) {
            return Ok(());
        }
        let pages = pages(target);
        let ranges: Vec<Range> =
            pages.iter().map(|page| Range { address: *page, len: PAGE_LEN as u32 }).collect();
        let pid = target.pid.value();
        let is_lldb = self.dialogue.dialect == Dialect::Lldb;
        let parts =
            ProcessPart::Auxiliary.bit() | if is_lldb { ProcessPart::Security.bit() } else { 0 };
        let describe = DescribeProcess { pid, parts, from: 0 };
        let threads = self.client.send(&ListThreads { target: id.value() }, Bytes::new());
        let described = self.client.send(&describe, Bytes::new());
        let read = ReadMemory { target: id.value(), ranges: ranges.clone() };
        let read = self.client.send(&read, Bytes::new());
        let list = ListRegions { target: id.value(), from: 0 };
        let regions = is_lldb.then(|| self.client.send(&list, Bytes::new()));
        let (threads, _) = threads.wait()?;
        // The auxiliary vector may be closed to the server while the memory is not.
        let described = described.wait();
        let (lengths, tail) = read.wait()?;
        let regions = regions.and_then(|regions| regions.wait().ok());
        let target = self.target_mut(id)?;
        target.take_threads(threads.threads);
        if let Ok((described, _)) = described {
            target.auxiliary = Some(described.auxiliary.clone());
            target.described = is_lldb.then_some(described);
        }
        target.take_memory(&ranges, &lengths.lengths, &tail);
        target.regions = regions.filter(|(list, _)| !list.more).map(|(list, _)| list.regions);
        Ok(())
    }

    /// The auxiliary vector that the kernel gave the program.
    ///
    /// **Cost**: none once it is known, otherwise one round trip.
    pub(crate) fn auxiliary(&mut self, id: TargetId) -> Result<Vec<AuxiliaryEntry>, PacketError> {
        self.overview(id)?;
        if let Some(entries) = &self.target(id)?.auxiliary {
            return Ok(entries.clone());
        }
        let pid = self.target(id)?.pid.value();
        let request = DescribeProcess { pid, parts: ProcessPart::Auxiliary.bit(), from: 0 };
        let reply = self.client.call(&request)?;
        self.target_mut(id)?.auxiliary = Some(reply.auxiliary.clone());
        Ok(reply.auxiliary)
    }
}

impl Target {
    /// Takes note of all threads.
    pub(crate) fn take_threads(&mut self, threads: Vec<ThreadDescription>) {
        let mut known = std::mem::take(&mut self.threads);
        for described in threads {
            let tid = Tid::new(described.tid);
            // One that nobody has told of does what most do.
            let unknown = Thread { is_running: self.is_running, ..Thread::default() };
            let mut thread = known.remove(&tid).unwrap_or(unknown);
            thread.name = Some(described.name);
            self.threads.insert(tid, thread);
        }
        self.knows_threads = true;
    }

    /// Takes note of memory that was read in whole pages.
    pub(crate) fn take_memory(&mut self, ranges: &[Range], lengths: &[u32], tail: &[u8]) {
        let mut rest = tail;
        for (range, count) in ranges.iter().zip(lengths) {
            let Some((bytes, behind)) = rest.split_at_checked(*count as usize) else { return };
            rest = behind;
            if bytes.is_empty() {
                self.memory.insert_hole(Address::new(range.address));
            } else {
                self.memory.insert(Address::new(range.address), bytes);
            }
        }
    }
}

/// The pages that debuggers read to find out what a process has mapped: the program's headers and
/// dynamic section, the linker's list, and the end of the stack.
fn pages(target: &Target) -> BTreeSet<u64> {
    let mut pages = BTreeSet::new();
    let mut add = |address: u64, len: u64| {
        let first = address / PAGE_LEN;
        // Addresses come from the target; a list of no more than a few pages each cannot overflow.
        pages.extend(
            (first..=first.saturating_add(len / PAGE_LEN))
                .filter_map(|page| (address != 0).then(|| page.checked_mul(PAGE_LEN)).flatten()),
        );
    };
    for module in &target.modules {
        if module.is_program {
            add(module.base, 0);
            add(module.dynamic, PAGE_LEN);
            add(module.namespace, 0);
        }
        add(module.link_map, 0);
        // What has no file is read where it is mapped.
        if !module.path.starts_with(b"/") {
            add(module.base, 0);
        }
    }
    let thread = target.threads.get(&target.event_thread);
    if let Some(general) = thread.and_then(|thread| thread.general) {
        add(general.sp().value(), STACK_LEN);
    }
    pages
}
