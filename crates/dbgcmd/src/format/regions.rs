//! The memory map as `!address` and `!vprot` show it: what each region is used for, and the words
//! of the original for its type and protection. It is handed what is mapped and asks nobody.

use std::fmt::Write as _;

use dbgbase::{Address, AddressRange};
use dbgeng::{ModuleView, Region};

/// What a region is used for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Usage {
    /// Nothing is mapped.
    Free,
    /// A part of a program or library.
    Image,
    /// Another file.
    MappedFile,
    /// Memory that processes share and that has no file of a disk.
    Shared,
    /// The heap that grows by brk(2).
    Heap,
    /// A thread's stack.
    Stack,
    /// What the kernel maps into every process.
    Kernel,
    /// Anything else of the process alone: mmap(2) without a file.
    Private,
}

impl Usage {
    /// All, as they are listed.
    pub(crate) const ALL: [Usage; 8] = [
        Usage::Free,
        Usage::Image,
        Usage::MappedFile,
        Usage::Shared,
        Usage::Heap,
        Usage::Stack,
        Usage::Kernel,
        Usage::Private,
    ];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Usage::Free => "Free",
            Usage::Image => "Image",
            Usage::MappedFile => "MappedFile",
            Usage::Shared => "Shared",
            Usage::Heap => "Heap",
            Usage::Stack => "Stack",
            Usage::Kernel => "Kernel",
            Usage::Private => "Private",
        }
    }
}

/// A region and what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    /// What the kernel says; of a gap, only its range.
    pub(crate) region: Region,
    /// What for.
    pub(crate) usage: Usage,
    /// The name of its module.
    pub(crate) module: Option<String>,
    /// The operating system's id of the thread whose stack it is.
    pub(crate) tid: Option<u32>,
}

impl Described {
    /// What a region is used for. `stacks` has the stack pointers of threads.
    pub(crate) fn new(
        region: Region,
        modules: &[ModuleView],
        stacks: &[(Address, u32)],
    ) -> Described {
        let start = region.range.start();
        let module = modules.iter().find(|module| module.range.contains(start));
        let stack = stacks.iter().find(|(sp, _)| region.range.contains(*sp));
        let is_named = |start: &[u8]| region.name.starts_with(start);
        let has_no_disk = [&b"/memfd:"[..], b"/dev/shm/", b"/dev/zero", b"/SYSV"];
        // A module's range may hold gaps that something else was mapped into.
        let is_of = |module: &ModuleView| region.name.is_empty() || region.name == module.path;
        let usage = if is_named(b"[stack") || (stack.is_some() && !is_named(b"/")) {
            Usage::Stack
        } else if is_named(b"[v") {
            Usage::Kernel
        } else if is_named(b"[heap") {
            Usage::Heap
        } else if has_no_disk.iter().any(|start| is_named(start)) {
            Usage::Shared
        } else if module.is_some_and(is_of) {
            Usage::Image
        } else if is_named(b"/") {
            Usage::MappedFile
        } else if region.is_shared {
            Usage::Shared
        } else {
            Usage::Private
        };
        let is_image = matches!(usage, Usage::Image | Usage::Kernel);
        Described {
            module: module.filter(|_| is_image).map(|module| module.name.clone()),
            tid: stack.filter(|_| usage == Usage::Stack).map(|(_, tid)| *tid),
            usage,
            region,
        }
    }

    /// A gap between regions.
    pub(crate) fn free(range: AddressRange) -> Described {
        let region = Region {
            range,
            is_readable: false,
            is_writable: false,
            is_executable: false,
            is_shared: false,
            offset: 0,
            name: Vec::new(),
        };
        Described { region, usage: Usage::Free, module: None, tid: None }
    }

    /// The original's word for what is behind it.
    pub(crate) fn kind(&self) -> &'static str {
        match self.usage {
            Usage::Free => "MEM_FREE",
            Usage::Image => "MEM_IMAGE",
            Usage::MappedFile | Usage::Shared => "MEM_MAPPED",
            _ => "MEM_PRIVATE",
        }
    }

    /// The original's word for its protection.
    pub(crate) fn protection(&self) -> &'static str {
        let region = &self.region;
        match (region.is_readable, region.is_writable, region.is_executable) {
            (_, true, true) => "PAGE_EXECUTE_READWRITE",
            (true, false, true) => "PAGE_EXECUTE_READ",
            (false, false, true) => "PAGE_EXECUTE",
            (_, true, false) => "PAGE_READWRITE",
            (true, false, false) => "PAGE_READONLY",
            (false, false, false) => "PAGE_NOACCESS",
        }
    }

    /// The kernel's letters for its protection.
    fn letters(&self) -> String {
        let region = &self.region;
        let letter = |is: bool, letter: char| if is { letter } else { '-' };
        if self.usage == Usage::Free {
            return "----".to_owned();
        }
        [
            letter(region.is_readable, 'r'),
            letter(region.is_writable, 'w'),
            letter(region.is_executable, 'x'),
            if region.is_shared { 's' } else { 'p' },
        ]
        .iter()
        .collect()
    }

    /// The module, thread and file in words.
    fn details(&self) -> String {
        let name = String::from_utf8_lossy(&self.region.name);
        let mut words = Vec::new();
        words.extend(self.module.clone());
        words.extend(self.tid.map(|tid| format!("thread {tid}")));
        words.extend((!name.is_empty()).then(|| name.into_owned()));
        words.join("  ")
    }
}

/// The lines above the table.
pub(crate) fn heading() -> String {
    let titles = format!(
        "{:<17} {:<17} {:<17} {:<4} {:<11} {}",
        "BaseAddress", "EndAddress+1", "RegionSize", "Prot", "Type", "Usage"
    );
    format!("{titles}\n{}\n", "-".repeat(90))
}

/// A region in the table.
pub(crate) fn row(region: &Described) -> String {
    let range = region.region.range;
    let size = Address::new(range.len_bytes());
    let row = format!(
        "{} {} {size} {} {:<11} {:<10} {}",
        range.start(),
        range.end(),
        region.letters(),
        region.kind(),
        region.usage.name(),
        region.details()
    );
    format!("{}\n", row.trim_end())
}

/// A region with a separator between the columns.
pub(crate) fn separated(region: &Described, separator: char) -> String {
    let range = region.region.range;
    let quoted = |text: String| match separator {
        ',' => format!("\"{}\"", text.replace('"', "\"\"")),
        _ => text.replace(['\t', '\n'], " "),
    };
    let cells = [
        format!("0x{:x}", range.start()),
        format!("0x{:x}", range.end()),
        format!("0x{:x}", range.len_bytes()),
        region.letters(),
        region.kind().to_owned(),
        region.protection().to_owned(),
        region.usage.name().to_owned(),
        quoted(region.details()),
    ];
    format!("{}\n", cells.join(&separator.to_string()))
}

/// The heading of such a table.
pub(crate) fn separated_heading(separator: char) -> String {
    let titles = [
        "BaseAddress",
        "EndAddress+1",
        "RegionSize",
        "Prot",
        "Type",
        "Protect",
        "Usage",
        "Comment",
    ];
    format!("{}\n", titles.join(&separator.to_string()))
}

/// One region in full.
pub(crate) fn details(region: &Described) -> String {
    let range = region.region.range;
    let mut text = String::new();
    let mut line = |title: &str, value: String| {
        let _ = writeln!(text, "{:<24}{value}", format!("{title}:"));
    };
    line("Usage", region.usage.name().to_owned());
    line("Base Address", range.start().to_string());
    line("End Address", range.end().to_string());
    let len = range.len_bytes();
    line("Region Size", format!("{} ({})", Address::new(len), size(len)));
    let state = if region.usage == Usage::Free { "MEM_FREE" } else { "MEM_COMMIT" };
    line("State", state.to_owned());
    line("Protect", format!("{} ({})", region.protection(), region.letters()));
    line("Type", region.kind().to_owned());
    if !region.region.name.is_empty() {
        let name = String::from_utf8_lossy(&region.region.name).into_owned();
        let is_file = name.starts_with('/');
        line(if is_file { "Mapped File" } else { "Name" }, name);
        if is_file {
            line("File Offset", format!("{:x}", region.region.offset));
        }
    }
    if let Some(module) = &region.module {
        line("Module Name", module.clone());
    }
    if let Some(tid) = region.tid {
        line("Thread", tid.to_string());
    }
    text
}

/// The protection of one region.
pub(crate) fn protection(region: &Described) -> String {
    let range = region.region.range;
    let state = if region.usage == Usage::Free { "MEM_FREE" } else { "MEM_COMMIT" };
    format!(
        "BaseAddress:       {}\n\
         RegionSize:        {}\n\
         State:             {state}\n\
         Protect:           {} ({})\n\
         Type:              {}\n",
        range.start(),
        Address::new(range.len_bytes()),
        region.protection(),
        region.letters(),
        region.kind()
    )
}

/// How much there is of each usage and each protection.
pub(crate) fn summary(regions: &[Described]) -> String {
    let busy: Vec<&Described> =
        regions.iter().filter(|region| region.usage != Usage::Free).collect();
    let all: Vec<&Described> = regions.iter().collect();
    let total = |regions: &[&Described]| -> u64 {
        regions.iter().map(|region| region.region.range.len_bytes()).sum()
    };
    let (busy_len, all_len) = (total(&busy), total(&all));
    let mut text = summary_heading("Usage Summary");
    for usage in Usage::ALL {
        let these: Vec<&Described> =
            all.iter().copied().filter(|region| region.usage == usage).collect();
        let busy_len = if usage == Usage::Free { None } else { Some(busy_len) };
        push_share(&mut text, usage.name(), these.len(), total(&these), busy_len, all_len);
    }
    text.push_str(&summary_heading("Protect Summary (for busy)"));
    let mut words: Vec<&str> = busy.iter().map(|region| region.protection()).collect();
    words.sort_unstable();
    words.dedup();
    for word in words {
        let these: Vec<&Described> =
            busy.iter().copied().filter(|region| region.protection() == word).collect();
        push_share(&mut text, word, these.len(), total(&these), Some(busy_len), all_len);
    }
    text.push_str(
        "\n--- Largest Region by Usage ---- Base Address -------- Region Size ----------\n",
    );
    for usage in Usage::ALL {
        let these = regions.iter().filter(|region| region.usage == usage);
        if let Some(region) = these.max_by_key(|region| region.region.range.len_bytes()) {
            let range = region.region.range;
            let len = range.len_bytes();
            let (start, shown) = (range.start(), Address::new(len));
            let _ = writeln!(text, "{:<31} {start}   {shown} ({})", usage.name(), size(len));
        }
    }
    text
}

fn summary_heading(title: &str) -> String {
    format!(
        "\n{:-<31} RgnCount ----------- Total Size -------- %ofBusy %ofTotal\n",
        format!("--- {title} ")
    )
}

fn push_share(
    text: &mut String,
    name: &str,
    count: usize,
    len: u64,
    busy_len: Option<u64>,
    all_len: u64,
) {
    if count == 0 {
        return;
    }
    let percent = |of: u64| len as f64 * 100.0 / of.max(1) as f64;
    let busy = busy_len.map_or(String::new(), |busy| format!("{:6.2}%", percent(busy)));
    let _ = writeln!(
        text,
        "{name:<31} {count:>8}   {} ({:>11}) {busy:>7} {:6.2}%",
        Address::new(len),
        size(len),
        percent(all_len)
    );
}

/// A number of bytes in the unit that suits it.
fn size(len: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = len as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let unit_name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{len} {unit_name}") } else { format!("{value:.3} {unit_name}") }
}

#[cfg(test)]
#[path = "regions/tests.rs"]
mod tests;
