//! `docs/protocol.md` against the code: its tables of fields, numbers and limits say what the types
//! do, and its transcripts are the samples, byte for byte. It does not judge the prose.

use std::collections::{BTreeMap, BTreeSet};

use dbgbase::Arch;
use dbgwire::Verb;
use dbgwire::agent::{CODE_LEN_MAX, PRINTED_LEN_MAX, STACK_DEPTH_MAX};
use dbgwire::error::{ErrorCode, Fault, FaultMessage};
use dbgwire::event::{ConditionFault, ConditionTrouble, Modules, SignalDetail, StopKind};
use dbgwire::frame::{FRAME_LEN_MAX, FrameKind, HEADER_LEN, HELLO_LEN_MAX};
use dbgwire::handshake::{Hello, Refusal, Welcome};
use dbgwire::message::{self, DETAIL_LEN_MAX};
use dbgwire::table::{EVENTS, VERBS};
use dbgwire::verbs::bulk::{
    BULK_WRITE_LEN_MAX, DIFFERENCES_MAX, HITS_MAX, PATTERN_LEN_MAX, SCAN_LEN_MAX, STRING_LEN_MAX,
    STRINGS_LEN_MAX, SearchKind,
};
use dbgwire::verbs::description::{
    AuxiliaryEntry, ContainerDescription, DESCRIBED_MAX, DescriptorDescription,
    ENVIRONMENT_LEN_MAX, NamespaceDescription, POINTED_LEN_MAX, PartFault, ProcessPart,
    ProcessPlaces, ProcessSecurity, ResourceLimit, ThreadStatus,
};
use dbgwire::verbs::file::{FileAccess, FileStatus, OPEN_FILES_MAX, TRANSFER_LEN_MAX};
use dbgwire::verbs::inject::{
    CALL_ARGUMENTS_MAX, CALL_BYTES_LEN_MAX, FUNCTION_ARGUMENTS_MAX, PATIENCE_MS,
};
use dbgwire::verbs::memory::{RANGES_MAX, READ_LEN_MAX, REGIONS_MAX, Range, Region, WRITE_LEN_MAX};
use dbgwire::verbs::module::ModuleDescription;
use dbgwire::verbs::process::{
    ARGUMENTS_LEN_MAX, Attach, PROCESSES_MAX, ProcessDescription, Terminal,
};
use dbgwire::verbs::registers::{
    ExtendedPatch, REGISTERS_LEN_MAX, RegisterValue, STACKS_LEN_MAX, ThreadRegisters,
};
use dbgwire::verbs::resume::{
    ChildPolicy, RunKind, SIGNAL_INFO_LEN, SYSCALLS_MAX, SignalPolicy, StopMode, ThreadAction,
};
use dbgwire::verbs::server::{XsaveComponent, XsaveLayout};
use dbgwire::verbs::site::{COMMANDS_MAX, SITES_MAX, Site, SiteFault, SiteKind, SiteState};
use dbgwire::verbs::terminal::INPUT_LEN_MAX;
use dbgwire::verbs::thread::{HoldChange, ThreadDescription};
use dbgwire::verbs::window::{STOP_LEN_MAX, WINDOWS_MAX, Window, WindowBase};
use dbgwire::version::{Capabilities, PREFACE, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};

use crate::samples::{self, Sample, field_names};
use crate::wire::{self, WireType};

const DOCUMENT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.md"));

/// A line of a table, its cells trimmed.
pub(crate) type Cells = Vec<String>;

/// A heading and what stands below it, up to the next heading.
struct Section {
    title: &'static str,
    body: &'static str,
}

fn sections() -> Vec<Section> {
    let starts: Vec<usize> = DOCUMENT.match_indices("\n#").map(|(at, _)| at + 1).collect();
    let ends = starts.iter().copied().skip(1).chain([DOCUMENT.len()]);
    let section = |(start, end): (&usize, usize)| {
        let (title, body) = DOCUMENT[*start..end].split_once('\n').expect("a line below");
        Section { title: title.trim_start_matches('#').trim(), body }
    };
    starts.iter().zip(ends).map(section).collect()
}

/// What stands below the last heading of this title: parts come behind families of verbs.
pub(crate) fn section(title: &str) -> &'static str {
    let sections = sections();
    let found = sections.iter().rfind(|section| section.title == title);
    found.unwrap_or_else(|| panic!("the document has no section {title:?}")).body
}

/// The tables in a text, each without its heading lines.
pub(crate) fn tables(text: &str) -> Vec<Vec<Cells>> {
    let mut tables: Vec<Vec<Cells>> = Vec::new();
    let mut in_table = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |")) else {
            in_table &= line.starts_with("|---");
            continue;
        };
        if in_table {
            let cells = row.split(" | ").map(|cell| cell.trim().to_owned()).collect();
            tables.last_mut().expect("a table").push(cells);
        } else {
            tables.push(Vec::new());
            in_table = true;
        }
    }
    tables
}

/// A row of a table of fields.
#[derive(Clone, Debug)]
struct Row {
    number: u32,
    name: String,
    /// `optional` and links taken away.
    ty: String,
}

fn rows(table: &[Cells]) -> Vec<Row> {
    let row = |cells: &Cells| {
        let ty = cells[2].trim_start_matches("optional ");
        // A link `[Range](#range)` is its text.
        let ty = ty.replace('[', "").split(']').next().expect("a first part").to_owned();
        let number = cells[0].parse().expect("a number");
        Row { number, name: cells[1].trim_matches('`').to_owned(), ty }
    };
    table.iter().map(row).collect()
}

/// The fields of a verb's request or reply, or of an event. None if the document says so.
fn documented(sample: &Sample) -> Vec<Row> {
    let title = format!("{:#06x} {}", sample.opcode, sample.name);
    let body = section(&title);
    let part = format!("**{:?}**", sample.kind);
    let (_, rest) = body.split_once(&part).unwrap_or_else(|| panic!("{title} has no {part}"));
    if rest.starts_with(": no fields.") {
        return Vec::new();
    }
    assert!(rest.starts_with("\n\n|"), "{title}: a table follows {part}");
    rows(&tables(rest)[0])
}

/// The messages that lie in others, with the names of their fields in the code.
fn parts() -> BTreeMap<&'static str, Vec<String>> {
    BTreeMap::from([
        ("Fault", field_names::<FaultMessage>()),
        ("ProcessDescription", field_names::<ProcessDescription>()),
        ("NamespaceDescription", field_names::<NamespaceDescription>()),
        ("ContainerDescription", field_names::<ContainerDescription>()),
        ("PartFault", field_names::<PartFault>()),
        ("AuxiliaryEntry", field_names::<AuxiliaryEntry>()),
        ("DescriptorDescription", field_names::<DescriptorDescription>()),
        ("ResourceLimit", field_names::<ResourceLimit>()),
        ("ThreadStatus", field_names::<ThreadStatus>()),
        ("ProcessSecurity", field_names::<ProcessSecurity>()),
        ("ProcessPlaces", field_names::<ProcessPlaces>()),
        ("ThreadDescription", field_names::<ThreadDescription>()),
        ("ThreadAction", field_names::<ThreadAction>()),
        ("Site", field_names::<Site>()),
        ("SiteState", field_names::<SiteState>()),
        ("SignalPolicy", field_names::<SignalPolicy>()),
        ("SiteFault", field_names::<SiteFault>()),
        ("Range", field_names::<Range>()),
        ("Region", field_names::<Region>()),
        ("ThreadRegisters", field_names::<ThreadRegisters>()),
        ("Window", field_names::<Window>()),
        ("RegisterValue", field_names::<RegisterValue>()),
        ("ExtendedPatch", field_names::<ExtendedPatch>()),
        ("XsaveLayout", field_names::<XsaveLayout>()),
        ("XsaveComponent", field_names::<XsaveComponent>()),
        ("FileStatus", field_names::<FileStatus>()),
        ("ModuleDescription", field_names::<ModuleDescription>()),
        ("Modules", field_names::<Modules>()),
        ("SignalDetail", field_names::<SignalDetail>()),
        ("ConditionFault", field_names::<ConditionFault>()),
    ])
}

const ENUMERATIONS: [&str; 12] = [
    "WindowBase",
    "StopKind",
    "RunKind",
    "SiteKind",
    "HoldChange",
    "SearchKind",
    "ChildPolicy",
    "ProcessPart",
    "StopMode",
    "Terminal",
    "FileAccess",
    "ConditionTrouble",
];

fn wire_type(ty: &str) -> WireType {
    match ty {
        "bool" | "uint32" | "uint64" | "int32" | "int64" | "sint64" => WireType::Varint,
        "fixed64" => WireType::Eight,
        "string" | "bytes" => WireType::Length,
        _ if ty.starts_with("repeated ") || parts().contains_key(ty) => WireType::Length,
        _ if ENUMERATIONS.contains(&ty) => WireType::Varint,
        _ => panic!("the document's type {ty:?} is not known"),
    }
}

fn names(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.name.as_str()).collect()
}

/// Checks an encoded message against its table, and the parts in it against theirs; notes which
/// fields of parts were seen.
fn check(what: &str, message: &[u8], rows: &[Row], seen: &mut BTreeSet<(String, u32)>) {
    for field in wire::fields(message) {
        let row = rows.iter().find(|row| row.number == field.number);
        let row = row.unwrap_or_else(|| panic!("{what}: field {} is missing", field.number));
        assert_eq!(field.wire_type, wire_type(&row.ty), "{what}: {}", row.name);
        seen.insert((what.to_owned(), field.number));
        let part = row.ty.trim_start_matches("repeated ");
        if parts().contains_key(part) {
            check(part, field.value(), &self::rows(&tables(section(part))[0]), seen);
        }
    }
}

#[test]
fn tables_of_fields_say_what_is_encoded() {
    let mut seen = BTreeSet::new();
    for sample in samples::all() {
        let rows = documented(&sample);
        assert_eq!(names(&rows), sample.fields, "{} {:?}", sample.name, sample.kind);
        let what = format!("{} {:?}", sample.name, sample.kind);
        check(&what, sample.message(), &rows, &mut seen);
    }
    for (part, fields) in parts() {
        let rows = rows(&tables(section(part))[0]);
        assert_eq!(names(&rows), fields, "{part}");
        for row in rows {
            // The only kind of site is the default, which is not sent.
            let is_never_sent = part == "Site" && row.name == "kind";
            let was_seen = is_never_sent || seen.contains(&(part.to_owned(), row.number));
            assert!(was_seen, "no sample holds {part}.{}", row.name);
        }
    }
}

fn greetings() -> (Hello, Welcome, Refusal) {
    let hello = Hello {
        capabilities: Capabilities::RESUME.0,
        stack_window_len: 4096,
        resume_token: vec![0xaa, 0xbb],
        frames_arrived: 12,
        ..Hello::new("cdb 0.1.0")
    };
    let welcome = Welcome {
        version: PROTOCOL_VERSION,
        program: "dbgsrv 0.1.0".into(),
        capabilities: Capabilities::END_SERVER.with(Capabilities::FILE_WRITE).0,
        arch: "x86_64".into(),
        frame_len_max: FRAME_LEN_MAX,
        session: 3,
        resume_token: vec![0xaa, 0xbb],
        lease_s: 60,
        requests_arrived: 9,
    };
    let refusal = Refusal {
        code: ErrorCode::NotPermitted.number(),
        detail: "only uid 0 and 1000 may connect".into(),
        version_min: 1,
        version_max: 3,
    };
    (hello, welcome, refusal)
}

#[test]
fn the_handshake_is_documented() {
    let (hello, welcome, refusal) = greetings();
    let tables = tables(section("Handshake"));
    let messages = [
        (field_names::<Hello>(), hello.encode()),
        (field_names::<Welcome>(), welcome.encode()),
        (field_names::<Refusal>(), refusal.encode()),
    ];
    for ((fields, bytes), table) in messages.iter().zip(&tables) {
        let rows = rows(table);
        assert_eq!(&names(&rows), fields);
        let mut seen = BTreeSet::new();
        check("greeting", &bytes[PREFACE.len() + HEADER_LEN..], &rows, &mut seen);
        assert_eq!(seen.len(), rows.len());
    }
    let bits: Vec<(u64, &str)> = tables[3]
        .iter()
        .map(|row| (row[0].parse().expect("a bit"), row[1].trim_matches('`')))
        .collect();
    let expected = [
        (Capabilities::END_SERVER, "END_SERVER"),
        (Capabilities::FILE_WRITE, "FILE_WRITE"),
        (Capabilities::SHARED_TERMINAL, "SHARED_TERMINAL"),
        (Capabilities::PTY, "PTY"),
        (Capabilities::RESUME, "RESUME"),
    ];
    let bit = |capability: Capabilities| u64::from(capability.0.trailing_zeros());
    assert_eq!(bits, expected.map(|(capability, name)| (bit(capability), name)));
}

/// The bytes that a section's transcripts show, in one piece for each sender's turn.
fn transcript(body: &str) -> Vec<Vec<u8>> {
    let mut turns: Vec<Vec<u8>> = Vec::new();
    let blocks = body.split("```text\n").skip(1).filter_map(|block| block.split("```").next());
    for line in blocks.flat_map(str::lines) {
        let line = match ["client", "server"].iter().find_map(|who| line.strip_prefix(who)) {
            Some(rest) => {
                turns.push(Vec::new());
                rest
            }
            None => line,
        };
        // Behind two blanks the words begin. A line of words alone has no bytes.
        let hex = line.trim_start().split("  ").next().unwrap_or_default();
        let bytes: Option<Vec<u8>> =
            hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
        if let Some(turn) = turns.last_mut() {
            turn.extend(bytes.unwrap_or_default());
        }
    }
    turns
}

#[test]
fn transcripts_show_the_samples() {
    let mut samples = samples::all();
    let fault = Fault::new(ErrorCode::NotPermitted, "attach to 4711: not permitted").with_errno(1);
    let fault = message::fault(6, Attach::OPCODE, &fault).head;
    assert_eq!(transcript(section("Fault")), [fault]);

    let (hello, welcome, refusal) = greetings();
    let greetings = [hello.encode(), welcome.encode(), refusal.encode()];
    assert_eq!(transcript(section("Handshake")), greetings);

    samples.sort_by_key(|sample| sample.opcode);
    for same in samples.chunk_by(|one, other| one.opcode == other.opcode) {
        let title = format!("{:#06x} {}", same[0].opcode, same[0].name);
        let expected: Vec<&[u8]> = same.iter().map(|sample| &sample.bytes[..]).collect();
        assert_eq!(transcript(section(&title)), expected, "{title}");
    }
}

#[test]
fn every_verb_and_event_has_its_row_and_section() {
    let repeat = |row: &dbgwire::table::Row| match (row.opcode & 0x8000 != 0, row.idempotent) {
        (true, _) => ("–", "**Since"),
        (_, true) => ("idempotent", "**Idempotent, since"),
        (_, false) => ("once", "**Once, since"),
    };
    let rows: Vec<_> = VERBS.iter().chain(EVENTS).collect();
    let expected: Vec<Cells> = rows
        .iter()
        .map(|row| {
            let title = format!("{:#06x}-{}", row.opcode, row.name.to_lowercase());
            vec![
                format!("{:#06x}", row.opcode),
                format!("[{}](#{title})", row.name),
                repeat(row).0.to_owned(),
                row.since.to_string(),
                row.purpose.to_owned(),
            ]
        })
        .collect();
    assert_eq!(tables(section("All verbs and events"))[0], expected);
    for row in &rows {
        let title = format!("{:#06x} {}", row.opcode, row.name);
        let body = section(&title);
        let begin = format!("{} version {}.**", repeat(row).1, row.since);
        assert!(body.trim_start().starts_with(&begin), "{title} does not begin with {begin}");
        let without = ["**If not implemented**: ", "**If the client does not know it**: "];
        assert!(without.iter().any(|text| body.contains(text)), "{title} lacks {without:?}");
    }
    let is_about = |section: &&Section| section.title.starts_with("0x");
    assert_eq!(sections().iter().filter(is_about).count(), rows.len());
}

#[test]
fn errors_and_enumerations_have_their_numbers() {
    let numbers = |table: &[Cells]| -> Vec<(u32, String)> {
        let row = |row: &Cells| (row[0].parse().expect("a number"), row[1].replace('`', ""));
        table.iter().map(row).collect()
    };
    let errors = ErrorCode::ALL.iter().map(|code| (code.number(), format!("{code:?}")));
    assert_eq!(numbers(&tables(section("Fault"))[1]), errors.collect::<Vec<_>>());

    let kinds = [
        FrameKind::Handshake,
        FrameKind::Request,
        FrameKind::Reply,
        FrameKind::Fault,
        FrameKind::Event,
        FrameKind::Receipt,
        FrameKind::Farewell,
    ];
    let kinds = (0..).zip(kinds.map(|kind| format!("{kind:?}")));
    assert_eq!(numbers(&tables(section("Frames"))[0]), kinds.collect::<Vec<_>>());

    let known = |title, name: &dyn Fn(i32) -> Option<String>| {
        let values = (0..).map_while(|number| Some((number as u32, name(number)?)));
        assert_eq!(numbers(&tables(section(title))[0]), values.collect::<Vec<_>>(), "{title}");
    };
    known("StopKind", &|number| StopKind::try_from(number).ok().map(|kind| format!("{kind:?}")));
    known("RunKind", &|number| RunKind::try_from(number).ok().map(|kind| format!("{kind:?}")));
    known("SiteKind", &|number| SiteKind::try_from(number).ok().map(|kind| format!("{kind:?}")));
    known("SearchKind", &|number| {
        SearchKind::try_from(number).ok().map(|kind| format!("{kind:?}"))
    });
    known("Terminal", &|number| Terminal::try_from(number).ok().map(|kind| format!("{kind:?}")));
    known("HoldChange", &|number| {
        HoldChange::try_from(number).ok().map(|kind| format!("{kind:?}"))
    });
    known("ChildPolicy", &|number| {
        ChildPolicy::try_from(number).ok().map(|kind| format!("{kind:?}"))
    });
    known("ProcessPart", &|number| {
        ProcessPart::try_from(number).ok().map(|kind| format!("{kind:?}"))
    });
    known("StopMode", &|number| StopMode::try_from(number).ok().map(|kind| format!("{kind:?}")));
    known("WindowBase", &|number| {
        WindowBase::try_from(number).ok().map(|kind| format!("{kind:?}"))
    });
    known("FileAccess", &|number| {
        FileAccess::try_from(number).ok().map(|kind| format!("{kind:?}"))
    });
    known("ConditionTrouble", &|number| {
        ConditionTrouble::try_from(number).ok().map(|kind| format!("{kind:?}"))
    });
}

#[test]
fn limits_and_versions_have_their_values() {
    let expected = [
        ("HEADER_LEN", HEADER_LEN),
        ("HELLO_LEN_MAX", HELLO_LEN_MAX as usize),
        ("FRAME_LEN_MAX", FRAME_LEN_MAX as usize),
        ("DETAIL_LEN_MAX", DETAIL_LEN_MAX),
        ("PROCESSES_MAX", PROCESSES_MAX),
        ("ARGUMENTS_LEN_MAX", ARGUMENTS_LEN_MAX),
        ("ENVIRONMENT_LEN_MAX", ENVIRONMENT_LEN_MAX),
        ("POINTED_LEN_MAX", POINTED_LEN_MAX),
        ("DESCRIBED_MAX", DESCRIBED_MAX),
        ("SITES_MAX", SITES_MAX),
        ("SYSCALLS_MAX", SYSCALLS_MAX),
        ("SIGNAL_INFO_LEN", SIGNAL_INFO_LEN),
        ("CODE_LEN_MAX", CODE_LEN_MAX),
        ("STACK_DEPTH_MAX", STACK_DEPTH_MAX),
        ("COMMANDS_MAX", COMMANDS_MAX),
        ("PRINTED_LEN_MAX", PRINTED_LEN_MAX),
        ("CALL_ARGUMENTS_MAX", CALL_ARGUMENTS_MAX),
        ("PATIENCE_MS", PATIENCE_MS as usize),
        ("FUNCTION_ARGUMENTS_MAX", FUNCTION_ARGUMENTS_MAX),
        ("CALL_BYTES_LEN_MAX", CALL_BYTES_LEN_MAX),
        ("RANGES_MAX", RANGES_MAX),
        ("READ_LEN_MAX", READ_LEN_MAX as usize),
        ("WRITE_LEN_MAX", WRITE_LEN_MAX),
        ("REGIONS_MAX", REGIONS_MAX),
        ("PATTERN_LEN_MAX", PATTERN_LEN_MAX),
        ("HITS_MAX", HITS_MAX as usize),
        ("STRING_LEN_MAX", STRING_LEN_MAX),
        ("STRINGS_LEN_MAX", STRINGS_LEN_MAX),
        ("SCAN_LEN_MAX", SCAN_LEN_MAX as usize),
        ("BULK_WRITE_LEN_MAX", BULK_WRITE_LEN_MAX as usize),
        ("DIFFERENCES_MAX", DIFFERENCES_MAX as usize),
        ("REGISTERS_LEN_MAX", REGISTERS_LEN_MAX),
        ("STACKS_LEN_MAX", STACKS_LEN_MAX as usize),
        ("WINDOWS_MAX", WINDOWS_MAX),
        ("STOP_LEN_MAX", STOP_LEN_MAX as usize),
        ("OPEN_FILES_MAX", OPEN_FILES_MAX),
        ("TRANSFER_LEN_MAX", TRANSFER_LEN_MAX as usize),
        ("INPUT_LEN_MAX", INPUT_LEN_MAX),
    ];
    let documented: Vec<(String, usize)> = tables(section("Limits"))[0]
        .iter()
        .map(|row| {
            let value = row[1].replace(',', "").parse().expect("a number");
            (row[0].trim_matches('`').to_owned(), value)
        })
        .collect();
    assert_eq!(documented, expected.map(|(name, value)| (name.to_owned(), value)));

    let preface: Vec<String> = PREFACE.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(section("Preface").contains(&format!("`{}`", preface.join(" "))));
    let versions = format!(
        "The newest version is {PROTOCOL_VERSION}, and the oldest that is still spoken is \
         {PROTOCOL_VERSION_MIN}."
    );
    assert!(section("Agreement").contains(&versions), "{versions}");
}

#[test]
fn registers_are_listed_in_their_order() {
    let documented = &tables(section("General registers"))[0];
    assert_eq!(documented.len(), 2);
    for row in documented {
        let arch = Arch::from_name(&row[0]).expect("a CPU");
        let names: Vec<&str> = arch.general_registers().iter().map(|each| each.name).collect();
        assert_eq!(row[1], names.join(" "));
    }
}

#[test]
fn the_frame_is_drawn_as_in_the_code() {
    let code = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/frame.rs"));
    let drawing: Vec<&str> = code
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.starts_with("  "))
        .collect();
    assert!(drawing.len() >= 5 && section("Frames").contains(&drawing.join("\n")));
}

#[test]
fn links_lead_to_headings() {
    let mut anchors: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for section in sections() {
        let kept = section.title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let count = anchors.entry(anchor.clone()).or_insert(0);
        all.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    let links: Vec<&str> =
        DOCUMENT.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 50);
    for link in links {
        assert!(all.contains(link), "#{link} leads nowhere");
    }
}
