//! What a debugger must leave as it found it, seen from outside: code, signals, tracer,
//! descriptors, debug registers and trap flags. It uses no debugger of the project.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use dbgbase::{Address, Pid, Tid};

use crate::procfs::{self, Mapping};
use crate::{Guard, Testee, memory_file};

/// Fields of a thread's status file that only the program itself may change.
const FIELDS: [&str; 8] =
    ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "TracerPid", "Seccomp", "Cpus_allowed"];

/// A process as others find it. Two of the same process are equal if nothing was left behind in
/// between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Footprint {
    /// Where code differs from its file.
    pub changed_code: Vec<ChangedByte>,
    /// What the kernel says of each thread.
    pub threads: BTreeMap<Tid, Vec<String>>,
    /// Whether the process is stopped by a signal.
    pub is_stopped: bool,
    /// Its open descriptors.
    pub descriptors: Vec<String>,
    /// Debug registers and trap flag of each thread, as `peek_registers` prints them.
    pub registers: Vec<String>,
}

/// A byte of code that is another one than in its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangedByte {
    /// Where.
    pub address: Address,
    /// What is there.
    pub found: u8,
    /// What the file has.
    pub expected: u8,
}

impl Footprint {
    /// Takes the footprint of a process that nobody traces. Its threads are neither born nor die
    /// meanwhile, and none is changing its signal mask.
    ///
    /// **Panics** if it is traced, or ends.
    #[track_caller]
    pub fn take(guard: &Guard, pid: Pid) -> Footprint {
        // Taken first: who has just been let go by a tracer is on its way back into its stop.
        let is_stopped = procfs::state(pid, Tid::from(pid)) == Some('T');
        let peek = Testee::build("peek_registers", &[]);
        let printed = guard.output(peek.path(), &[&pid.to_string()]);
        let mut registers: Vec<String> = printed.lines().map(str::to_owned).collect();
        registers.sort();
        let describe = |tid: Tid| {
            let field = |name: &&str| {
                let value = procfs::status(pid, tid, name).unwrap_or_default();
                format!("{name} {value}")
            };
            (tid, FIELDS.iter().map(field).collect())
        };
        Footprint {
            changed_code: changed_code(pid),
            threads: procfs::tids(pid).into_iter().map(describe).collect(),
            is_stopped,
            descriptors: procfs::descriptors(pid),
            registers,
        }
    }
}

/// Where the code that a process has mapped differs from its files. Relocations do not touch code.
///
/// **Panics** if the process has no code, because then it has ended.
#[track_caller]
pub fn changed_code(pid: Pid) -> Vec<ChangedByte> {
    let is_code =
        |mapping: &Mapping| mapping.permissions.contains('x') && mapping.name.starts_with('/');
    let code: Vec<Mapping> = procfs::mappings(pid).into_iter().filter(is_code).collect();
    assert!(!code.is_empty(), "process {pid} has ended");
    code.iter().flat_map(|mapping| changed_bytes(pid, mapping)).collect()
}

#[track_caller]
fn changed_bytes(pid: Pid, mapping: &Mapping) -> Vec<ChangedByte> {
    let len = mapping.end.value() - mapping.start.value();
    let found = memory_file::read(pid, mapping.start, len as usize);
    let file = File::open(&mapping.name).expect("the file of a mapping");
    // Behind its end, the last page of a file is filled up with zeros.
    let mut expected = vec![0; len as usize];
    let mut count = 0;
    while let Ok(more @ 1..) = file.read_at(&mut expected[count..], mapping.offset + count as u64) {
        count += more;
    }
    if found == expected {
        return Vec::new();
    }
    let pairs = found.into_iter().zip(expected).enumerate();
    pairs
        .filter(|(_, (found, expected))| found != expected)
        .map(|(index, (found, expected))| ChangedByte {
            address: Address::new(mapping.start.value() + index as u64),
            found,
            expected,
        })
        .collect()
}
