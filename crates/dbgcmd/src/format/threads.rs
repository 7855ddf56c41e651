//! Threads and debugged processes in the layouts of the commands `~` and `|`. It knows no engine.

use dbgbase::{Address, Pid, Tid};

/// What stands in front of a thread or process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// It is the current one.
    Current,
    /// The last event happened in it.
    Event,
    /// Neither.
    None,
}

impl Mark {
    /// The mark for one that is current, or where the last event was, or both.
    pub(crate) fn new(is_current: bool, is_event: bool) -> Mark {
        if is_current {
            Mark::Current
        } else if is_event {
            Mark::Event
        } else {
            Mark::None
        }
    }

    fn letter(self) -> char {
        match self {
            Mark::Current => '.',
            Mark::Event => '#',
            Mark::None => ' ',
        }
    }
}

/// A row of `~`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ThreadRow {
    /// What stands in front.
    pub(crate) mark: Mark,
    /// The thread's number.
    pub(crate) number: u32,
    /// Its process's id.
    pub(crate) pid: Pid,
    /// Its id.
    pub(crate) tid: Tid,
    /// Its thread pointer, which stands where the original has the thread environment block.
    pub(crate) thread_pointer: Option<Address>,
    /// Its name; empty if it is not known.
    pub(crate) name: String,
    /// How often it has been suspended and not resumed.
    pub(crate) suspends: u32,
    /// Whether it is frozen.
    pub(crate) is_frozen: bool,
}

/// The line of one thread. Ids are hexadecimal. The debugger's own hold counts as one suspend, as
/// the original's does.
pub(crate) fn thread(row: &ThreadRow) -> String {
    let block = row.thread_pointer.map_or_else(|| "?".to_owned(), |address| address.to_string());
    let name = if row.name.is_empty() { String::new() } else { format!(" {:?}", row.name) };
    let frozen = if row.is_frozen { "Frozen" } else { "Unfrozen" };
    let suspends = u64::from(row.suspends) + 1;
    format!(
        "{}{:>3}  Id: {:x}.{:x} Suspend: {suspends} Teb: {block} {frozen}{name}\n",
        row.mark.letter(),
        row.number,
        row.pid,
        row.tid
    )
}

/// The line of one process. Its id is hexadecimal.
pub(crate) fn process(mark: Mark, number: u32, pid: Pid, origin: &str, name: &str) -> String {
    format!("{}{number:>3}\tid: {pid:x}\t{origin}\tname: {name}\n", mark.letter())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_one_line() {
        let row = ThreadRow {
            mark: Mark::new(true, true),
            number: 0,
            pid: Pid::new(0x1a2b),
            tid: Tid::new(0x1a2c),
            thread_pointer: Some(Address::new(0x7fff_f7d8_a740)),
            name: "worker".to_owned(),
            suspends: 0,
            is_frozen: false,
        };
        assert_eq!(
            thread(&row),
            ".  0  Id: 1a2b.1a2c Suspend: 1 Teb: 00007fff`f7d8a740 Unfrozen \"worker\"\n"
        );
        let mark = Mark::new(false, true);
        let row = ThreadRow { mark, thread_pointer: None, name: String::new(), ..row };
        assert_eq!(thread(&row), "#  0  Id: 1a2b.1a2c Suspend: 1 Teb: ? Unfrozen\n");
        let row = ThreadRow { suspends: 2, is_frozen: true, ..row };
        assert_eq!(thread(&row), "#  0  Id: 1a2b.1a2c Suspend: 3 Teb: ? Frozen\n");
    }

    #[test]
    fn a_process_has_one_line() {
        assert_eq!(
            process(Mark::new(false, false), 12, Pid::new(0x1a2b), "create", "ls"),
            "  12\tid: 1a2b\tcreate\tname: ls\n"
        );
        assert_eq!(
            process(Mark::Current, 0, Pid::new(1), "attach", "init"),
            ".  0\tid: 1\tattach\tname: init\n"
        );
    }
}
