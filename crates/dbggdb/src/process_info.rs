//! LLDB's questions about processes: the one that is debugged, any other, and which there are.

use std::fmt::Write as _;

use bytes::Bytes;
use dbgwire::verbs::description::{DescribeProcess, DescribeProcessReply, ProcessPart};
use dbgwire::verbs::process::{ListProcesses, ProcessDescription};

use crate::arguments::Arguments;
use crate::error::PacketError;
use crate::hex;
use crate::host::TRIPLE;
use crate::session::{Handled, Reply, Session};

/// Which processes are asked for. What is `None` does not matter.
#[derive(Default, PartialEq, Debug)]
pub(crate) struct Filter {
    name: Option<(NameMatch, Vec<u8>)>,
    pid: Option<u32>,
    parent: Option<u32>,
    uid: Option<u32>,
}

/// How a name is compared with the one that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NameMatch {
    Equals,
    StartsWith,
    EndsWith,
    Contains,
}

impl Session {
    /// `qProcessInfo`: the process that is debugged, its numbers in hex.
    ///
    /// **Cost**: one round trip, which the first time brings what is asked next.
    pub(crate) fn packet_process(&mut self, _: &[u8]) -> Handled {
        let (id, _) = self.current()?;
        // What was said to another packet may be otherwise by now.
        self.target_mut(id)?.described = None;
        self.overview(id)?;
        let target = self.target_mut(id)?;
        let pid = target.pid.value();
        let reply = match target.described.take() {
            Some(described) => described,
            None => self.describe_process(pid)?,
        };
        let mut text = format!("pid:{pid:x};");
        if let Some(process) = &reply.process {
            let _ = write!(text, "parent-pid:{:x};", process.parent);
        }
        if let Some(security) = &reply.security {
            let number = |ids: &[u32], index: usize| ids.get(index).copied().unwrap_or_default();
            let (uids, gids) = (&security.uids, &security.gids);
            let _ = write!(text, "real-uid:{:x};real-gid:{:x};", number(uids, 0), number(gids, 0));
            let (uid, gid) = (number(uids, 1), number(gids, 1));
            let _ = write!(text, "effective-uid:{uid:x};effective-gid:{gid:x};");
        }
        let triple = hex::encode(TRIPLE.as_bytes());
        let _ = write!(text, "triple:{triple};ostype:linux;endian:little;ptrsize:8;");
        Ok(Reply::from(text))
    }

    /// `qProcessInfoPID:PID`: any process, its numbers in decimal.
    ///
    /// **Cost**: one round trip.
    pub(crate) fn packet_process_by_id(&mut self, arguments: &[u8]) -> Handled {
        let pid = decimal(arguments).ok_or(PacketError::Malformed("a process id was expected"))?;
        let reply = self.describe_process(pid)?;
        let process = reply.process.as_ref();
        let process = process.ok_or_else(|| PacketError::message("there is no such process"))?;
        let mut text = describe(process);
        if let Some(security) = &reply.security {
            let names = ["uid", "euid"].iter().zip(&security.uids);
            for (name, id) in names.chain(["gid", "egid"].iter().zip(&security.gids)) {
                let _ = write!(text, "{name}:{id};");
            }
        }
        Ok(Reply::from(text))
    }

    fn describe_process(&mut self, pid: u32) -> Result<DescribeProcessReply, PacketError> {
        let request = DescribeProcess { pid, parts: ProcessPart::Security.bit(), from: 0 };
        Ok(self.client.call(&request)?)
    }

    /// `qfProcessInfo[:KEY:VALUE;...]`: the first of the processes that are asked for.
    ///
    /// **Cost**: a round trip for each 1,024 processes of the machine.
    pub(crate) fn packet_processes(&mut self, arguments: &[u8]) -> Handled {
        let filter = Filter::parse(arguments)?;
        let mut processes = self.list_processes()?;
        processes.retain(|process| filter.matches(process));
        self.listed = processes.into();
        self.packet_more_processes(b"")
    }

    /// `qsProcessInfo`: the next one; an error behind the last.
    pub(crate) fn packet_more_processes(&mut self, _: &[u8]) -> Handled {
        let process = self.listed.pop_front();
        let process = process.ok_or_else(|| PacketError::message("there are no more processes"))?;
        Ok(Reply::from(format!("{}euid:{};", describe(&process), process.uid)))
    }

    /// All processes of the machine.
    pub(crate) fn list_processes(&mut self) -> Result<Vec<ProcessDescription>, PacketError> {
        let mut processes: Vec<ProcessDescription> = Vec::new();
        loop {
            let after = processes.last().map_or(0, |last| last.pid);
            let request = ListProcesses { after, pid: 0, details: true };
            let (reply, _) = self.client.send(&request, Bytes::new()).wait()?;
            let is_more = reply.more && reply.processes.last().is_some_and(|it| it.pid > after);
            processes.extend(reply.processes);
            if !is_more {
                return Ok(processes);
            }
        }
    }
}

/// A process, without its users.
fn describe(process: &ProcessDescription) -> String {
    let name = match &*process.executable {
        b"" => process.name.as_bytes(),
        path => path,
    };
    let arguments: Vec<String> = process.arguments.iter().map(|word| hex::encode(word)).collect();
    format!(
        "pid:{};ppid:{};name:{};args:{};triple:{};",
        process.pid,
        process.parent,
        hex::encode(name),
        arguments.join("-"),
        hex::encode(TRIPLE.as_bytes())
    )
}

impl Filter {
    /// The filter in a packet. Keys that no process of Linux has are passed over.
    fn parse(text: &[u8]) -> Result<Filter, PacketError> {
        let mut filter = Filter::default();
        let mut how = None;
        let mut arguments = Arguments::new(text);
        while !arguments.rest().is_empty() {
            let key = arguments.until(b':');
            let value = arguments.until(b';');
            let number = || decimal(value).ok_or(PacketError::Malformed("a number was expected"));
            match key {
                b"name_match" => how = Some(NameMatch::parse(value)?),
                b"name" => {
                    let name =
                        hex::bytes(value).ok_or(PacketError::Malformed("a name in digits"))?;
                    filter.name = Some((NameMatch::Equals, name));
                }
                b"pid" => filter.pid = Some(number()?),
                b"parent_pid" => filter.parent = Some(number()?),
                b"euid" | b"uid" => filter.uid = Some(number()?),
                _ => {}
            }
        }
        if let (Some((kind, _)), Some(how)) = (&mut filter.name, how) {
            *kind = how;
        }
        Ok(filter)
    }

    fn matches(&self, process: &ProcessDescription) -> bool {
        let is = |wanted: Option<u32>, value| wanted.is_none_or(|wanted| wanted == value);
        let name = process.executable.rsplit(|byte| *byte == b'/').next();
        let name = name.filter(|name| !name.is_empty()).unwrap_or(process.name.as_bytes());
        let has_name = self.name.as_ref().is_none_or(|(how, wanted)| how.matches(name, wanted));
        has_name
            && is(self.pid, process.pid)
            && is(self.parent, process.parent)
            && is(self.uid, process.uid)
    }
}

impl NameMatch {
    fn parse(word: &[u8]) -> Result<NameMatch, PacketError> {
        match word {
            b"equals" => Ok(NameMatch::Equals),
            b"starts_with" => Ok(NameMatch::StartsWith),
            b"ends_with" => Ok(NameMatch::EndsWith),
            b"contains" => Ok(NameMatch::Contains),
            b"regex" => {
                let text =
                    "regular expressions are not understood here; ask for a part of the name";
                Err(PacketError::message(text))
            }
            _ => Err(PacketError::Malformed("a way to compare names was expected")),
        }
    }

    fn matches(self, name: &[u8], wanted: &[u8]) -> bool {
        match self {
            NameMatch::Equals => name == wanted,
            NameMatch::StartsWith => name.starts_with(wanted),
            NameMatch::EndsWith => name.ends_with(wanted),
            NameMatch::Contains => {
                wanted.is_empty() || name.windows(wanted.len()).any(|window| window == wanted)
            }
        }
    }
}

fn decimal(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> ProcessDescription {
        ProcessDescription {
            pid: 12,
            parent: 1,
            name: "short".to_owned(),
            executable: b"/usr/bin/python3".to_vec(),
            arguments: vec![b"py".to_vec(), b"a".to_vec()],
            uid: 1000,
            ..ProcessDescription::default()
        }
    }

    #[test]
    fn filters_are_read_and_match() {
        let matches =
            |text: &str| Filter::parse(text.as_bytes()).expect("is one").matches(&process());
        for (how, name, expected) in [
            ("equals", "python3", true),
            ("equals", "python", false),
            ("starts_with", "pyt", true),
            ("ends_with", "3", true),
            ("contains", "tho", true),
            ("contains", "", true),
            ("contains", "/usr", false),
        ] {
            let text = format!("name_match:{how};name:{};", hex::encode(name.as_bytes()));
            assert_eq!(matches(&text), expected, "{text}");
        }
        assert!(matches(""));
        assert!(matches("all_users:1;triple:00;pid:12;parent_pid:1;euid:1000;"));
        assert!(!matches("euid:0"));
        for text in ["pid:x", "name:zz", "name_match:other", "name_match:regex;name:2e"] {
            assert!(Filter::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_process_is_described_in_digits() {
        let expected = "pid:12;ppid:1;name:2f7573722f62696e2f707974686f6e33;args:7079-61;";
        assert!(describe(&process()).starts_with(expected));
        let kernel = ProcessDescription { name: "kthreadd".to_owned(), ..Default::default() };
        assert!(describe(&kernel).starts_with("pid:0;ppid:0;name:6b74687265616464;args:;"));
    }
}
