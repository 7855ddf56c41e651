//! The command that searches memory: `s`. The server searches; what is found is read and shown
//! here.

use dbgbase::{Address, AddressRange};
use dbgeng::{ErrorKind, MemoryHit, MemorySearch, SearchFor};

use super::bulk::{Progress, byte_range};
use super::edit::{self, Unit};
use super::{Context, Outcome};
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::format::memory::Layout;
use crate::format::numbers::printable;
use crate::output::Output;
use crate::registry::{Action, Command, Extent, Shape};

/// Its row.
pub(crate) const COMMAND: Command = Command {
    names: &["s"],
    syntax: "[-[[Flags]]Type] Range Pattern",
    summary: "search memory",
    manual: "Shows where memory has the pattern. Type: b bytes, which is the default; w, d, q \
        numbers of 16, 32, 64 bits at multiples of their size; a an ASCII and u a 16-bit \
        \"string\". Types sa and su take no pattern and find all strings of printable characters, \
        ASCII or 16-bit. Flags, in brackets: s saves what is found, n Count at most so much of it \
        (decimal, by default 1024); r searches only at what was saved and ignores the range; l \
        Length finds only strings of at least so many characters (decimal, by default 3); w \
        searches only writable memory; 1 shows addresses only. What is not mapped is passed over: \
        s -a 0 L?7fffffffffff \"text\" searches everything. The server does the work. Ctrl+C ends \
        it.",
    shape: Shape::Word,
    extent: Extent::Semicolon,
    action: Action::Run(search),
};

/// How many hits `[s]` saves without `[n]`.
const SAVED_DEFAULT: usize = 1024;
/// The shortest string without `[l]`.
const LEN_DEFAULT: u32 = 3;

/// What the brackets hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Flags {
    saves: bool,
    saved_only: bool,
    saved_max: usize,
    len_min: u32,
    is_writable_only: bool,
    addresses_only: bool,
}

/// What is searched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Bytes, or numbers of several.
    Numbers(usize),
    /// An ASCII string.
    Ascii,
    /// A string of 16-bit characters.
    Utf16,
    /// All ASCII strings.
    AnyAscii,
    /// All strings of 16-bit characters.
    AnyUtf16,
}

impl Kind {
    fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "" | "b" => Kind::Numbers(1),
            "w" => Kind::Numbers(2),
            "d" => Kind::Numbers(4),
            "q" => Kind::Numbers(8),
            "a" => Kind::Ascii,
            "u" => Kind::Utf16,
            "sa" => Kind::AnyAscii,
            "su" => Kind::AnyUtf16,
            _ => return None,
        })
    }

    /// What a count in the range counts.
    fn size_bytes(self) -> usize {
        match self {
            Kind::Numbers(size) => size,
            Kind::Ascii | Kind::AnyAscii => 1,
            Kind::Utf16 | Kind::AnyUtf16 => 2,
        }
    }

    /// The display command whose rows show hits.
    fn layout(self) -> Option<Layout> {
        Layout::named(match self {
            Kind::Numbers(2) | Kind::Utf16 => "dW",
            Kind::Numbers(4) => "dc",
            Kind::Numbers(8) => "dq",
            _ => "db",
        })
    }
}

fn search(
    context: &mut Context<'_>,
    arguments: &mut Arguments<'_>,
) -> Result<Outcome, CommandError> {
    let (flags, kind) = options(arguments)?;
    let range = byte_range(context, arguments, kind.size_bytes() as u64)?;
    let what = what(context, arguments, kind, flags)?;
    let mut hits = match &what {
        SearchFor::Pattern { bytes, .. } if flags.saved_only => {
            at_saved(context, kind, flags, bytes)?
        }
        _ => {
            let search = MemorySearch {
                range,
                what,
                alignment: match kind {
                    Kind::Numbers(size) => size as u32,
                    _ => 1,
                },
                is_writable_only: flags.is_writable_only,
            };
            everywhere(context, kind, flags, &search)?
        }
    };
    if flags.saves {
        hits.truncate(flags.saved_max);
        context.state.search_hits = hits;
    }
    Ok(Outcome::Done)
}

/// Takes `-[Flags]Type`, if it is there.
fn options(arguments: &mut Arguments<'_>) -> Result<(Flags, Kind), CommandError> {
    let mut flags = Flags {
        saves: false,
        saved_only: false,
        saved_max: SAVED_DEFAULT,
        len_min: LEN_DEFAULT,
        is_writable_only: false,
        addresses_only: false,
    };
    arguments.skip_blanks();
    if !arguments.take_char('-') {
        return Ok((flags, Kind::Numbers(1)));
    }
    if arguments.take_char('[') {
        loop {
            arguments.skip_blanks();
            if arguments.take_char(']') {
                break;
            }
            let syntax = arguments.syntax_error();
            match arguments.take_str(1) {
                "s" | "S" => flags.saves = true,
                "r" | "R" => flags.saved_only = true,
                "w" | "W" => flags.is_writable_only = true,
                "1" => flags.addresses_only = true,
                "n" | "N" => flags.saved_max = count(arguments)? as usize,
                "l" | "L" => flags.len_min = count(arguments)?,
                _ => return Err(syntax),
            }
        }
    }
    let syntax = arguments.syntax_error();
    if flags.saves && flags.saved_only {
        return Err(CommandError::refused("Flags s and r cannot be used together"));
    }
    let name = arguments.take_while(|character| character.is_ascii_alphanumeric());
    let name = name.to_ascii_lowercase();
    if name == "v" {
        return Err(CommandError::refused("Types are not known to this version"));
    }
    Ok((flags, Kind::named(&name).ok_or(syntax)?))
}

fn count(arguments: &mut Arguments<'_>) -> Result<u32, CommandError> {
    arguments.skip_blanks();
    let syntax = arguments.syntax_error();
    arguments.decimal()?.ok_or(syntax)
}

/// Takes what is searched for.
fn what(
    context: &Context<'_>,
    arguments: &mut Arguments<'_>,
    kind: Kind,
    flags: Flags,
) -> Result<SearchFor, CommandError> {
    arguments.skip_separator();
    let len_min = flags.len_min;
    let bytes = match kind {
        Kind::AnyAscii | Kind::AnyUtf16 => {
            arguments.finish()?;
            if flags.saved_only {
                let sentence = "Flag r needs a pattern; all strings are not one";
                return Err(CommandError::refused(sentence));
            }
            return Ok(match kind {
                Kind::AnyAscii => SearchFor::Ascii { len_min },
                _ => SearchFor::Utf16 { len_min },
            });
        }
        Kind::Ascii | Kind::Utf16 => {
            let string = arguments.quoted()?.ok_or_else(|| arguments.syntax_error())?;
            match kind {
                Kind::Ascii => string.as_bytes().to_vec(),
                _ => string.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            }
        }
        Kind::Numbers(size) => edit::values(context, arguments, Unit::Integer(size))?,
    };
    if bytes.is_empty() {
        return Err(arguments.syntax_error());
    }
    arguments.finish()?;
    Ok(SearchFor::Pattern { bytes, mask: Vec::new() })
}

/// Has the server search, and shows what it finds when it finds it. The first hits, which may be
/// saved.
fn everywhere(
    context: &mut Context<'_>,
    kind: Kind,
    flags: Flags,
    search: &MemorySearch,
) -> Result<Vec<Address>, CommandError> {
    let mut saved = Vec::new();
    let mut progress = Progress::begin("searching", search.range);
    let mut shown = Ok(());
    let (engine, output) = (&*context.engine, &mut *context.output);
    let result = engine.search_memory(search, &mut |hits, reached| {
        if let Some(line) = progress.reach(reached) {
            output.progress(&line);
        }
        let room = flags.saved_max.saturating_sub(saved.len());
        saved.extend(hits.iter().take(room).map(|hit| hit.address));
        if shown.is_ok() {
            shown = show(engine, output, kind, flags, &hits);
        }
    });
    match result {
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            Err(CommandError::refused("Interrupted"))
        }
        other => other.map_err(CommandError::from).and(shown.map(|()| saved)),
    }
}

/// Looks only at what was saved.
fn at_saved(
    context: &mut Context<'_>,
    kind: Kind,
    flags: Flags,
    pattern: &[u8],
) -> Result<Vec<Address>, CommandError> {
    let saved = &context.state.search_hits;
    let len = pattern.len() as u64;
    let ranges: Vec<AddressRange> =
        saved.iter().filter_map(|hit| AddressRange::with_len(*hit, len)).collect();
    let found = context.engine.read_ranges(&ranges)?;
    let hits: Vec<MemoryHit> = ranges
        .iter()
        .zip(found)
        .filter(|(_, bytes)| bytes == pattern)
        .map(|(range, _)| MemoryHit { address: range.start(), text: Default::default() })
        .collect();
    show(context.engine, context.output, kind, flags, &hits)?;
    Ok(hits.into_iter().map(|hit| hit.address).collect())
}

/// Shows hits, each in a row.
fn show(
    engine: &dbgeng::Engine,
    output: &mut dyn Output,
    kind: Kind,
    flags: Flags,
    hits: &[MemoryHit],
) -> Result<(), CommandError> {
    let mut text = String::new();
    let layout = kind.layout().filter(|_| !flags.addresses_only);
    if flags.addresses_only {
        hits.iter().for_each(|hit| text.push_str(&format!("0x{}\n", hit.address)));
    } else if matches!(kind, Kind::AnyAscii | Kind::AnyUtf16) {
        for hit in hits {
            let characters = hit.text.iter().step_by(kind.size_bytes());
            let string: String = characters.map(|byte| printable(*byte)).collect();
            text.push_str(&format!("{}  \"{string}\"\n", hit.address));
        }
    } else if let Some(layout) = layout {
        let row_len = layout.columns * layout.size_bytes;
        let range = |hit: &MemoryHit| {
            let room = (u64::MAX - hit.address.value()).min(row_len as u64);
            AddressRange::with_len(hit.address, room)
        };
        let ranges: Vec<AddressRange> = hits.iter().filter_map(range).collect();
        for (range, bytes) in ranges.iter().zip(engine.read_ranges(&ranges)?) {
            let mut row: Vec<Option<u8>> = bytes.into_iter().map(Some).collect();
            row.resize(row_len, None);
            text.push_str(&layout.row(range.start(), &row, &|_| None));
        }
    }
    output.write(&text);
    Ok(())
}
