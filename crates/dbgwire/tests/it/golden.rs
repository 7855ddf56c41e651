//! The exact bytes of every message, in `golden.txt`. A difference there is a change of the
//! protocol: new fields may come, none may move. `UPDATE_EXPECT=1 cargo test` rewrites the file.

use std::fmt::Write;

use dbgwire::error::{ErrorCode, Fault};
use dbgwire::frame::{FrameKind, HEADER_LEN};
use dbgwire::message;
use dbgwire::table::{EVENTS, Row, VERBS};
use dbgwire::verbs::process::Attach;
use dbgwire::{Verb, WireEvent};
use expect_test::{expect, expect_file};

use crate::replay;
use crate::samples::{self, Sample};
use crate::wire;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The header's parts on a line, then a line for each field of the message, then the tail.
fn show(sample: &Sample) -> String {
    let kind = format!("{:?}", sample.kind).to_lowercase();
    let mut text = format!("{:#06x} {} {kind}\n", sample.opcode, sample.name);
    let header = &sample.bytes[..HEADER_LEN];
    let parts: Vec<String> =
        [&header[..4], &header[4..5], &header[5..6], &header[6..8], &header[8..12], &header[12..]]
            .map(hex)
            .into();
    writeln!(text, "  {}", parts.join(" ")).expect("a string takes all");
    for field in wire::fields(sample.message()) {
        writeln!(text, "  {:>2}: {}", field.number, hex(field.bytes)).expect("a string takes all");
    }
    if !sample.tail().is_empty() {
        writeln!(text, "  tail: {}", hex(sample.tail())).expect("a string takes all");
    }
    text
}

#[test]
fn every_message_has_its_bytes() {
    let text: Vec<String> = samples::all().iter().map(show).collect();
    expect_file!["golden.txt"].assert_eq(&text.join("\n"));
}

#[test]
fn a_fault_has_these_bytes() {
    let fault = Fault::new(ErrorCode::NotPermitted, "no").with_errno(1);
    let encoded = message::fault(3, Attach::OPCODE, &fault);
    expect!["08000000030003020300000000000000080610011a026e6f"].assert_eq(&hex(&encoded.head));
}

#[test]
fn every_sample_decodes_to_what_was_encoded() {
    for sample in samples::all() {
        let shown = match sample.kind {
            FrameKind::Reply => replay::show_reply(&sample.frame()).expect("a reply"),
            _ => samples::decoded(&sample.frame()),
        };
        assert_eq!(shown, sample.debug, "{}", sample.name);
    }
}

#[test]
fn every_row_of_the_table_has_a_sample() {
    let samples = samples::all();
    let names = |rows: &[Row], kind: FrameKind| {
        for row in rows {
            let is_of_row = |sample: &&Sample| sample.kind == kind && sample.opcode == row.opcode;
            let sample = samples.iter().find(is_of_row);
            assert_eq!(sample.map(|sample| sample.name), Some(row.name), "{kind:?}");
        }
    };
    names(VERBS, FrameKind::Request);
    names(VERBS, FrameKind::Reply);
    names(EVENTS, FrameKind::Event);
    let checked: Vec<&str> = VERBS.iter().map(|row| row.name).collect();
    assert_eq!(replay::VERBS_CHECKED, checked);
}

#[test]
fn samples_set_every_field() {
    let samples = samples::all();
    for sample in &samples {
        // An event may have several samples, which together set every field.
        let same = samples
            .iter()
            .filter(|other| (other.kind, other.opcode) == (sample.kind, sample.opcode));
        let mut numbers: Vec<u32> = same
            .flat_map(|sample| wire::fields(sample.message()))
            .map(|field| field.number)
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), sample.fields.len(), "{} {:?}", sample.name, sample.kind);
    }
}

#[test]
fn opcodes_and_names_are_used_once() {
    let rows: Vec<&Row> = VERBS.iter().chain(EVENTS).collect();
    for (index, row) in rows.iter().enumerate() {
        for other in &rows[index + 1..] {
            assert_ne!(row.opcode, other.opcode, "{} and {}", row.name, other.name);
            assert_ne!(row.name, other.name);
        }
        assert!(row.since >= 1 && !row.purpose.is_empty(), "{}", row.name);
    }
    let is_event = |row: &Row| row.opcode & 0x8000 != 0;
    assert!(EVENTS.iter().all(is_event) && !VERBS.iter().any(is_event));
}

#[test]
fn rows_say_what_the_traits_say() {
    let row = |opcode| VERBS.iter().chain(EVENTS).find(|row| row.opcode == opcode);
    let attach = row(Attach::OPCODE).expect("in the table");
    assert_eq!(
        (attach.name, attach.idempotent, attach.since),
        (Attach::NAME, Attach::IDEMPOTENT, Attach::SINCE)
    );
    let ended = row(dbgwire::event::Exited::OPCODE).expect("in the table");
    assert_eq!(ended.name, dbgwire::event::Exited::NAME);
}
