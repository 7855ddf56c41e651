//! What a process is: everything that /proc says of it, in one answer, for any process that the
//! server may look at. Parts that it may not see are told by their error. It reads, and judges
//! nothing; the files' formats are known to `parse`, containers to `container`.

pub(crate) mod container;
#[cfg(test)]
mod hostile;
mod parse;

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};

use dbgbase::{Address, Pid, ReadMemory, Tid, Unreadable};
use dbgwire::Fault;
use dbgwire::verbs::description::{
    ContainerDescription, DESCRIBED_MAX, DescribeProcess, DescribeProcessReply,
    DescriptorDescription, ENVIRONMENT_LEN_MAX, NamespaceDescription, POINTED_LEN_MAX, PartFault,
    ProcessPart, ProcessPlaces, ProcessSecurity, ThreadStatus,
};
use rustix::time::{ClockId, clock_gettime};

use crate::processes;
use crate::ptrace::elf::MappedImage;
use crate::ptrace::{find_process, procfs};

/// `EIO` of `<errno.h>`, for errors that have no number of their own.
const EIO: i32 = 5;
/// The bits of a file's mode that chmod(2) sets.
const PERMISSIONS: u32 = 0o7777;

/// Describes a process.
///
/// **Errors**: `NoSuchProcess`; `NotPermitted` for one that /proc hides.
pub(crate) fn describe(request: &DescribeProcess) -> Result<DescribeProcessReply, Fault> {
    let pid = Pid::new(request.pid);
    let status = find_process(pid)?;
    // A leader that has ended before the others has nothing to show.
    let living = procfs::living_thread(pid).unwrap_or(Tid::from(pid));
    let folder = format!("/proc/{pid}/task/{living}");
    let clock = Clock::read();
    let mut answer = Answer {
        pid,
        from: request.from,
        folder,
        clock,
        reply: DescribeProcessReply {
            process: processes::one(pid),
            now_ms: clock.now_ms(),
            pids: parse::pids(&status),
            ..Default::default()
        },
        status,
    };
    for part in ProcessPart::ALL.into_iter().filter(|part| request.parts & part.bit() != 0) {
        if let Err(error) = answer.add(part) {
            let errno = error.raw_os_error().unwrap_or(EIO);
            answer.reply.faults.push(PartFault { part: part as i32, errno });
        }
    }
    Ok(answer.reply)
}

/// A reply that is being put together.
struct Answer {
    pid: Pid,
    /// The first descriptor and thread that are wanted.
    from: u32,
    /// The living thread's folder in /proc.
    folder: String,
    /// The leader's status file.
    status: String,
    clock: Clock,
    reply: DescribeProcessReply,
}

impl Answer {
    fn add(&mut self, part: ProcessPart) -> io::Result<()> {
        match part {
            ProcessPart::Unspecified => {}
            ProcessPart::Environment => self.add_environment()?,
            ProcessPart::Auxiliary => {
                let is_narrow = procfs::unsupported_program(self.pid).is_some();
                self.reply.auxiliary = parse::auxiliary(&self.read("auxv")?, is_narrow);
            }
            ProcessPart::Descriptors => self.add_descriptors()?,
            ProcessPart::Limits => {
                let text = self.read("limits")?;
                self.reply.limits = parse::limits(&String::from_utf8_lossy(&text));
            }
            ProcessPart::Threads => self.add_threads()?,
            ProcessPart::Namespaces => self.reply.namespaces = namespaces(&self.folder)?,
            ProcessPart::ControlGroup => {
                self.reply.control_group = container::parse(&self.read("cgroup")?).path;
            }
            ProcessPart::Security => {
                let dumpable = self.is_dumpable();
                self.reply.security =
                    Some(ProcessSecurity { dumpable, ..parse::security(&self.status) });
            }
            ProcessPart::Places => self.add_places()?,
        }
        Ok(())
    }

    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        std::fs::read(format!("{}/{file}", self.folder))
    }

    fn link(&self, file: &str) -> io::Result<Vec<u8>> {
        let target = std::fs::read_link(format!("{}/{file}", self.folder))?;
        Ok(target.into_os_string().into_vec())
    }

    fn cut(&mut self, part: ProcessPart) {
        self.reply.cut |= part.bit();
    }

    fn add_environment(&mut self) -> io::Result<()> {
        let path = format!("{}/environ", self.folder);
        let mut text = procfs::read_head(&path, ENVIRONMENT_LEN_MAX + 1)?;
        if text.len() > ENVIRONMENT_LEN_MAX {
            text.truncate(ENVIRONMENT_LEN_MAX);
            self.cut(ProcessPart::Environment);
        }
        self.reply.environment = parse::environment(&text);
        if self.reply.environment.len() > DESCRIBED_MAX {
            self.reply.environment.truncate(DESCRIBED_MAX);
            self.cut(ProcessPart::Environment);
        }
        Ok(())
    }

    fn add_descriptors(&mut self) -> io::Result<()> {
        let mut len = 0;
        for number in numbers(&format!("{}/fd", self.folder), self.from)? {
            // One that is closed meanwhile is none.
            let Ok(target) = self.link(&format!("fd/{number}")) else { continue };
            len += target.len();
            if self.reply.descriptors.len() == DESCRIBED_MAX || len > POINTED_LEN_MAX {
                self.cut(ProcessPart::Descriptors);
                break;
            }
            let info = self.read(&format!("fdinfo/{number}")).unwrap_or_default();
            let (flags, offset) = parse::descriptor(&String::from_utf8_lossy(&info));
            let descriptor = DescriptorDescription { number, target, flags, offset };
            self.reply.descriptors.push(descriptor);
        }
        Ok(())
    }

    fn add_threads(&mut self) -> io::Result<()> {
        let clock = self.clock;
        for tid in numbers(&format!("/proc/{}/task", self.pid), self.from)? {
            if self.reply.threads.len() == DESCRIBED_MAX {
                self.cut(ProcessPart::Threads);
                break;
            }
            // One that ends meanwhile is none.
            let text = procfs::read(self.pid, &format!("task/{tid}/stat"));
            let Some(stat) = text.ok().and_then(|text| parse::thread_stat(&text)) else { continue };
            self.reply.threads.push(ThreadStatus {
                tid,
                name: stat.name,
                state: u32::from(stat.state),
                user_us: clock.duration_us(stat.user),
                system_us: clock.duration_us(stat.system),
                started_ms: clock.date_ms(stat.start_time),
                cpu: stat.cpu,
                policy: stat.policy,
                realtime_priority: stat.realtime_priority,
                nice: stat.nice,
            });
        }
        Ok(())
    }

    /// Files of a process that is not dumpable are root's (proc(5)); those of root's are in any
    /// case.
    fn is_dumpable(&self) -> Option<bool> {
        let owner = std::fs::metadata(format!("{}/stat", self.folder)).ok()?.uid();
        let effective = *parse::security(&self.status).uids.get(1)?;
        (effective != 0).then_some(owner == effective)
    }

    fn add_places(&mut self) -> io::Result<()> {
        // All have the same rule, but a thread of the kernel has no executable.
        let build_id = || {
            let file = File::open(format!("{}/exe", self.folder)).ok()?;
            Some(MappedImage::at(ImageFile(file), Address::new(0))?.build_id())
        };
        // Through the link, so that it is found in whichever mount namespace it is.
        let file = std::fs::metadata(format!("{}/exe", self.folder)).ok();
        self.reply.places = Some(ProcessPlaces {
            mode: file.as_ref().map_or(0, |file| file.mode() & PERMISSIONS),
            owner: file.as_ref().map_or(0, MetadataExt::uid),
            group: file.as_ref().map_or(0, MetadataExt::gid),
            working_directory: self.link("cwd")?,
            root: self.link("root")?,
            executable: self.link("exe").unwrap_or_default(),
            build_id: build_id().unwrap_or_default(),
        });
        Ok(())
    }
}

/// An image's file, whose header and notes lie in the file as they do in memory.
struct ImageFile(File);

impl ReadMemory for ImageFile {
    fn read(&self, address: Address, buffer: &mut [u8]) -> Result<usize, Unreadable> {
        match self.0.read_at(buffer, address.value()) {
            Ok(count) if count > 0 || buffer.is_empty() => Ok(count),
            _ => Err(Unreadable { address }),
        }
    }
}

/// The numbers in a folder's names from one on, in ascending order.
fn numbers(folder: &str, from: u32) -> io::Result<Vec<u32>> {
    let entries = std::fs::read_dir(folder)?;
    let number = |entry: io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse().ok().filter(|number| *number >= from)
    };
    let mut numbers: Vec<u32> = entries.filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The namespaces of the process with this folder in /proc, in the order of their kinds' names.
pub(crate) fn namespaces(folder: &str) -> io::Result<Vec<NamespaceDescription>> {
    let mut namespaces = Vec::new();
    for entry in std::fs::read_dir(format!("{folder}/ns"))? {
        let name = entry?.file_name();
        let link = std::fs::read_link(format!("{folder}/ns/{}", name.display()))?;
        let Some((_, inode)) = link.to_str().and_then(parse::namespace) else { continue };
        let ours = std::fs::read_link(format!("/proc/thread-self/ns/{}", name.display()));
        namespaces.push(NamespaceDescription {
            kind: name.to_string_lossy().into_owned(),
            inode,
            is_servers: ours.is_ok_and(|ours| ours == link),
        });
    }
    namespaces.sort_by(|one, other| one.kind.cmp(&other.kind));
    Ok(namespaces)
}

/// The container that a process is in.
pub(crate) fn container_of(pid: Pid) -> Option<ContainerDescription> {
    container::parse(&procfs::read(pid, "cgroup").ok()?).container
}

/// What a clock of the system shows, in microseconds.
fn clock_us(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1000
}

/// What turns clock ticks into times.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    ticks_per_second: u64,
    /// When the machine started, in milliseconds since 1970 by its present clock.
    boot_ms: u64,
}

impl Clock {
    /// The clock as it is now.
    pub(crate) fn read() -> Clock {
        const ATTEMPTS: u32 = 8;
        // The two clocks are not read in one moment; the closest of some attempts counts.
        let attempt = |_| {
            let before = clock_us(ClockId::Boottime);
            let date = clock_us(ClockId::Realtime);
            (clock_us(ClockId::Boottime) - before, date.saturating_sub(before))
        };
        let boot_us = (0..ATTEMPTS).map(attempt).min().map_or(0, |(_, boot_us)| boot_us);
        Clock {
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            boot_ms: boot_us / 1000,
        }
    }

    /// The date that it is, in milliseconds since 1970, as [`Clock::date_ms`] counts them.
    fn now_ms(self) -> u64 {
        self.boot_ms.saturating_add(clock_us(ClockId::Boottime) / 1000)
    }

    /// How long so many ticks are, in microseconds.
    fn duration_us(self, ticks: u64) -> u64 {
        ticks.saturating_mul(1_000_000) / self.ticks_per_second
    }

    /// The date so many ticks after the machine's start, in milliseconds since 1970.
    pub(crate) fn date_ms(self, ticks: u64) -> u64 {
        self.boot_ms.saturating_add(ticks.saturating_mul(1000) / self.ticks_per_second)
    }
}
