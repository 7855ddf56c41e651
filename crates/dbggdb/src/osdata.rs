//! The object `osdata`: tables about the server's machine, as `info os` shows them. Here is what is
//! asked of the server for them; what the kernel's files say is read in `osdata/tables.rs`.
//!
//! **Source**: GDB manual, "Operating System Information".

mod tables;

use std::collections::BTreeMap;

use bytes::Bytes;
use dbgwire::verbs::description::{DescribeProcess, DescribeProcessReply, ProcessPart};
use dbgwire::verbs::file::{CloseFile, OpenFile, ReadFile};
use dbgwire::verbs::memory::Range;
use dbgwire::verbs::process::ProcessDescription;

use crate::error::PacketError;
use crate::session::Session;
use tables::{Names, Table};

/// How many files are open at once, beside those of the debugger.
const FILES_AT_ONCE: usize = 20;
/// How much of a file is read.
const FILE_LEN_MAX: u32 = 4 * 1024 * 1024;

impl Session {
    /// The table of this name; of no name the list of them.
    ///
    /// **Shape**: a name that is not known has an empty document, as gdbserver has it.
    /// **Cost**: two round trips; of process groups two for each 20 processes.
    pub(crate) fn osdata_document(&mut self, annex: &[u8]) -> Result<Vec<u8>, PacketError> {
        let table = match annex {
            b"" | b"types" => tables::types(),
            b"processes" => self.processes_table()?,
            b"procgroups" => self.groups_table()?,
            b"threads" => self.threads_table()?,
            b"files" => self.files_table()?,
            b"sockets" => self.sockets_table()?,
            b"shm" => self.ipc_table("shm", tables::shared_memory)?,
            b"semaphores" => self.ipc_table("sem", tables::semaphores)?,
            b"msg" => self.ipc_table("msg", tables::message_queues)?,
            b"modules" => tables::modules(&self.kernel_text("/proc/modules")?),
            b"cpus" => tables::cpus(&self.kernel_text("/proc/cpuinfo")?),
            _ => return Ok(Vec::new()),
        };
        Ok(table.document().into_bytes())
    }

    fn processes_table(&mut self) -> Result<Table, PacketError> {
        let described = self.describe_all(ProcessPart::Threads)?;
        let row = |(process, described): &(ProcessDescription, DescribeProcessReply)| {
            let mut cores: Vec<u32> = described.threads.iter().map(|thread| thread.cpu).collect();
            cores.sort_unstable();
            cores.dedup();
            let cores: Vec<String> = cores.iter().map(u32::to_string).collect();
            let pid = process.pid.to_string();
            vec![pid, process.user.clone(), command_line(process), cores.join(",")]
        };
        let rows = described.iter().map(row).collect();
        Ok(Table::new("processes", &["pid", "user", "command", "cores"], rows))
    }

    fn threads_table(&mut self) -> Result<Table, PacketError> {
        let mut rows = Vec::new();
        for (process, described) in self.describe_all(ProcessPart::Threads)? {
            for thread in described.threads {
                let [pid, tid, core] =
                    [process.pid, thread.tid, thread.cpu].map(|it| it.to_string());
                rows.push(vec![pid, process.name.clone(), tid, core]);
            }
        }
        Ok(Table::new("threads", &["pid", "command", "tid", "core"], rows))
    }

    fn files_table(&mut self) -> Result<Table, PacketError> {
        let mut rows = Vec::new();
        for (process, described) in self.describe_all(ProcessPart::Descriptors)? {
            for file in described.descriptors {
                let [pid, number] = [process.pid, file.number].map(|it| it.to_string());
                let name = String::from_utf8_lossy(&file.target).into_owned();
                rows.push(vec![pid, process.name.clone(), number, name]);
            }
        }
        Ok(Table::new("files", &["pid", "command", "file descriptor", "name"], rows))
    }

    fn groups_table(&mut self) -> Result<Table, PacketError> {
        let processes = self.list_processes()?;
        let paths: Vec<String> =
            processes.iter().map(|process| format!("/proc/{}/stat", process.pid)).collect();
        let texts = self.kernel_texts(&paths);
        let names: BTreeMap<u32, &str> =
            processes.iter().map(|process| (process.pid, process.name.as_str())).collect();
        let mut members: Vec<(u32, u32, Vec<String>)> = Vec::new();
        for (process, text) in processes.iter().zip(texts) {
            // Kernel threads are in no group.
            let group = text.as_deref().and_then(tables::process_group).filter(|group| *group != 0);
            let Some(group) = group else { continue };
            let leader = names.get(&group).copied().unwrap_or_default().to_owned();
            let [pgid, pid] = [group, process.pid].map(|id| id.to_string());
            members.push((group, process.pid, vec![pgid, leader, pid, command_line(process)]));
        }
        // The leader is the first of its group.
        members.sort_by_key(|(group, pid, _)| (*group, group != pid, *pid));
        let rows = members.into_iter().map(|(_, _, row)| row).collect();
        let columns = ["pgid", "leader command", "pid", "command line"];
        Ok(Table::new("process groups", &columns, rows))
    }

    fn sockets_table(&mut self) -> Result<Table, PacketError> {
        let names = ["tcp", "udp", "tcp6", "udp6"];
        let paths = names.map(|name| format!("/proc/net/{name}"));
        let users = self.names("/etc/passwd");
        let texts = self.kernel_texts(&paths);
        let texts = names.into_iter().zip(texts);
        let rows = texts
            .flat_map(|(name, text)| tables::sockets(name, &text.unwrap_or_default(), &users))
            .collect();
        Ok(tables::sockets_table(rows))
    }

    /// A table of one of the files of /proc/sysvipc.
    fn ipc_table(
        &mut self,
        file: &str,
        table: fn(&str, &tables::Who) -> Table,
    ) -> Result<Table, PacketError> {
        let processes = self.list_processes()?;
        let commands = processes.into_iter().map(|process| (process.pid, process.name)).collect();
        let (users, groups) = (self.names("/etc/passwd"), self.names("/etc/group"));
        let who = tables::Who { users, groups, commands };
        Ok(table(&self.kernel_text(&format!("/proc/sysvipc/{file}"))?, &who))
    }

    /// Who has which number, by a file as passwd(5) and group(5) describe it.
    fn names(&mut self, path: &str) -> Names {
        tables::names(&self.kernel_text(path).unwrap_or_default())
    }

    /// All processes, with one part of what can be told of each. Those that end meanwhile are left
    /// out.
    fn describe_all(
        &mut self,
        part: ProcessPart,
    ) -> Result<Vec<(ProcessDescription, DescribeProcessReply)>, PacketError> {
        let processes = self.list_processes()?;
        let describe = |process: &ProcessDescription| {
            let request = DescribeProcess { pid: process.pid, parts: part.bit(), from: 0 };
            self.client.send(&request, Bytes::new())
        };
        let pending: Vec<_> = processes.iter().map(describe).collect();
        let described = processes.into_iter().zip(pending);
        let told = described.filter_map(|(process, it)| Some((process, it.wait().ok()?.0)));
        Ok(told.collect())
    }

    /// What a file of the kernel's says; empty if it does not exist.
    fn kernel_text(&mut self, path: &str) -> Result<String, PacketError> {
        let texts = self.kernel_texts(&[path.to_owned()]);
        Ok(texts.into_iter().flatten().next().unwrap_or_default())
    }

    /// What files of the server's machine say, those that can be read.
    fn kernel_texts(&mut self, paths: &[String]) -> Vec<Option<String>> {
        let mut texts = Vec::new();
        for paths in paths.chunks(FILES_AT_ONCE) {
            let open = |path: &String| {
                let request = OpenFile { path: path.clone().into_bytes(), ..OpenFile::default() };
                self.client.send(&request, Bytes::new())
            };
            let opened: Vec<_> = paths.iter().map(open).collect();
            let read = |file: u32| {
                let len = self.client.bulk_len_max(FILE_LEN_MAX);
                let ranges = vec![Range { address: 0, len }];
                let pending = self.client.send(&ReadFile { file, ranges }, Bytes::new());
                self.client.post(&CloseFile { file });
                pending
            };
            let files = opened.into_iter().map(|it| it.wait().ok().map(|(reply, _)| reply.file));
            let files: Vec<Option<u32>> = files.collect();
            let pending: Vec<_> = files.into_iter().map(|file| file.map(read)).collect();
            texts.extend(pending.into_iter().map(|it| {
                let (_, bytes) = it?.wait().ok()?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            }));
        }
        texts
    }
}

/// A process's arguments in one line, or its name in brackets as ps(1) has it.
fn command_line(process: &ProcessDescription) -> String {
    if process.arguments.is_empty() {
        return format!("[{}]", process.name);
    }
    let words: Vec<_> =
        process.arguments.iter().map(|word| String::from_utf8_lossy(word)).collect();
    words.join(" ")
}
