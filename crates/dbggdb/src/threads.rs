//! Packets about threads: which there are, what they are called, which one is meant.

use std::collections::VecDeque;
use std::fmt::Write as _;

use dbgbase::{Pid, TargetId, Tid};
use dbgwire::verbs::thread::ListThreads;

use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::session::{Handled, Reply, Session};
use crate::thread_id::{self, ThreadId, Which};
use crate::{hex, xml};

impl Session {
    /// `H g|c THREAD`
    pub(crate) fn packet_select_thread(&mut self, arguments: &[u8]) -> Handled {
        let Some((what, thread)) = arguments.split_first() else {
            return Err(PacketError::Malformed("g or c was expected"));
        };
        let id = ThreadId::parse(thread).ok_or(PacketError::Malformed("a thread's id"))?;
        match what {
            b'c' => self.selected_to_run = Some(id),
            b'g' => self.select(id)?,
            _ => return Err(PacketError::Malformed("g or c was expected")),
        }
        Ok(Reply::Ok)
    }

    /// Selects a thread; of a process or of several the one that stopped last.
    ///
    /// **Errors**: [`PacketError::UnknownProcess`]. What is selected stays so then.
    pub(crate) fn select(&mut self, id: ThreadId) -> Result<(), PacketError> {
        if let Some(Which::One(pid)) = id.process {
            self.target_of(pid)?;
        }
        let is_of = |target: &&crate::target::Target| match id.process {
            Some(Which::One(pid)) => target.pid == pid,
            _ => true,
        };
        let candidates = self.targets.values().filter(is_of);
        self.selected = match id.thread {
            Which::One(tid) => {
                let pid = match id.process {
                    Some(Which::One(pid)) => Some(pid),
                    _ => {
                        let has =
                            |target: &&crate::target::Target| target.threads.contains_key(&tid);
                        candidates
                            .clone()
                            .find(has)
                            .or(candidates.clone().next())
                            .map(|target| target.pid)
                    }
                };
                pid.map(|pid| (pid, tid))
            }
            Which::Any | Which::All => {
                let latest = candidates.max_by_key(|target| target.stop);
                latest.map(|target| (target.pid, target.event_thread))
            }
        };
        Ok(())
    }

    /// `T THREAD`
    pub(crate) fn packet_is_alive(&mut self, arguments: &[u8]) -> Handled {
        let (id, tid) = self.thread(arguments)?;
        if self.borrowers.contains_key(&Pid::new(tid.value())) {
            return Ok(Reply::Ok);
        }
        self.know_threads(id)?;
        let thread = self.target(id)?.threads.get(&tid);
        let is_there = thread.is_some_and(|thread| !thread.is_ending);
        if is_there { Ok(Reply::Ok) } else { Err(PacketError::UnknownThread) }
    }

    /// `qC`
    pub(crate) fn packet_current_thread(&mut self, _: &[u8]) -> Handled {
        let (id, tid) = self.current()?;
        let pid = self.target(id)?.pid;
        Ok(format!("QC{}", thread_id::format(pid, tid, self.dialogue.multiprocess)).into())
    }

    /// `qfThreadInfo`: as many as fit into a packet.
    ///
    /// **Cost**: none if they are known at this stop, otherwise one round trip for each target.
    pub(crate) fn packet_threads(&mut self, _: &[u8]) -> Handled {
        let ids: Vec<TargetId> = self.targets.keys().copied().collect();
        let is_multiprocess = self.dialogue.multiprocess;
        let mut threads = VecDeque::new();
        for id in ids {
            self.know_threads(id)?;
            let target = self.target(id)?;
            let living = target.living_threads();
            threads.extend(living.map(|tid| thread_id::format(target.pid, *tid, is_multiprocess)));
        }
        for pid in self.followed_borrowers() {
            threads.push_back(thread_id::format(pid, Tid::from(pid), is_multiprocess));
        }
        self.threads_to_list = threads;
        match self.dialogue.dialect {
            // It takes an empty list for that of a process without a name.
            Dialect::Lldb if self.threads_to_list.is_empty() => Ok(Reply::Ok),
            _ => self.packet_more_threads(b""),
        }
    }

    /// `qsThreadInfo`: those that did not fit into the packets before.
    ///
    /// **Cost**: none.
    pub(crate) fn packet_more_threads(&mut self, _: &[u8]) -> Handled {
        let part = take_part(&mut self.threads_to_list, self.dialogue.packet_len_max() - 1);
        Ok(Reply::from(if part.is_empty() { "l".to_owned() } else { format!("m{part}") }))
    }

    /// `qThreadExtraInfo,THREAD`
    pub(crate) fn packet_thread_name(&mut self, arguments: &[u8]) -> Handled {
        let (id, tid) = self.thread(arguments)?;
        self.know_threads(id)?;
        let thread = self.target(id)?.threads.get(&tid).ok_or(PacketError::UnknownThread)?;
        let name = thread.name.as_deref().unwrap_or_default();
        Ok(Reply::from(hex::encode(name.as_bytes())))
    }

    /// The object `threads`: ids and names of all.
    pub(crate) fn threads_document(&mut self) -> Result<Vec<u8>, PacketError> {
        let ids: Vec<TargetId> = self.targets.keys().copied().collect();
        let mut text = String::from("<?xml version=\"1.0\"?>\n<threads>\n");
        for id in ids {
            self.know_threads(id)?;
            let target = self.target(id)?;
            for (tid, thread) in target.threads.iter().filter(|(_, thread)| !thread.is_ending) {
                let thread_id = thread_id::format(target.pid, *tid, self.dialogue.multiprocess);
                let name = xml::escape(thread.name.as_deref().unwrap_or_default());
                let _ = writeln!(text, "<thread id=\"{thread_id}\" name=\"{name}\"/>");
            }
        }
        for pid in self.followed_borrowers() {
            let thread = thread_id::format(pid, Tid::from(pid), self.dialogue.multiprocess);
            let _ = writeln!(text, "<thread id=\"{thread}\"/>");
        }
        text.push_str("</threads>\n");
        Ok(text.into_bytes())
    }

    /// The target and the thread that a packet names.
    pub(crate) fn thread(&self, text: &[u8]) -> Result<(TargetId, Tid), PacketError> {
        let id = ThreadId::parse(text).ok_or(PacketError::Malformed("a thread's id"))?;
        let Which::One(tid) = id.thread else {
            return Err(PacketError::Malformed("the id of one thread was expected"));
        };
        let target = match id.process {
            Some(Which::One(pid)) => self.target_of(pid)?,
            _ => {
                let mut targets = self.targets.values();
                let has = targets.find(|target| target.threads.contains_key(&tid));
                match has {
                    Some(target) => target.id,
                    None => self.current()?.0,
                }
            }
        };
        Ok((target, tid))
    }

    /// Makes sure that all threads of a target are known, with their names.
    ///
    /// **Cost**: none if they are known at this stop, else, and while any runs, one round trip.
    pub(crate) fn know_threads(&mut self, id: TargetId) -> Result<(), PacketError> {
        self.overview(id)?;
        let target = self.target_mut(id)?;
        target.habits.note_threads();
        let has_names = target.threads.values().all(|thread| thread.name.is_some());
        // While some run others may begin and end.
        if target.knows_threads && has_names && !target.is_running {
            return Ok(());
        }
        let reply = self.client.call(&ListThreads { target: id.value() })?;
        self.target_mut(id)?.take_threads(reply.threads);
        Ok(())
    }
}

/// Takes words from the front, as many as have room in `len_max` bytes with commas between them.
fn take_part(words: &mut VecDeque<String>, len_max: usize) -> String {
    let mut part = String::new();
    while let Some(word) = words.front().filter(|word| part.len() + 1 + word.len() <= len_max) {
        if !part.is_empty() {
            part.push(',');
        }
        part.push_str(word);
        words.pop_front();
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_told_in_parts_that_fit() {
        let mut words: VecDeque<String> = (0..1000).map(|number| format!("p1.{number}")).collect();
        let all: Vec<String> = words.iter().cloned().collect();
        let mut told = Vec::new();
        while !words.is_empty() {
            let part = take_part(&mut words, 100);
            assert!(!part.is_empty() && part.len() <= 100, "{part}");
            assert!(words.is_empty() || part.len() > 90, "{part} leaves room");
            told.extend(part.split(',').map(str::to_owned));
        }
        assert_eq!(told, all);
        assert_eq!(take_part(&mut words, 100), "");
    }
}
