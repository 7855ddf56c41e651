//! Greetings of this version, of later ones and of strangers. It knows no verb.

use bytes::Bytes;
use expect_test::expect;

use super::*;
use crate::frame::{Deframer, HEADER_LEN, HELLO_LEN_MAX};

fn hello() -> Hello {
    Hello {
        version_min: 1,
        version_max: 1,
        program: "cdb 0.1.0".into(),
        capabilities: Capabilities::SHARED_TERMINAL.0,
        stack_window_len: 4096,
        resume_token: vec![0xaa, 0xbb],
        frames_arrived: 12,
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        program: "dbgsrv 0.1.0".into(),
        capabilities: Capabilities::END_SERVER.with(Capabilities::FILE_WRITE).0,
        arch: "x86_64".into(),
        frame_len_max: FRAME_LEN_MAX,
        session: 3,
        resume_token: vec![0xaa, 0xbb],
        lease_s: 60,
        requests_arrived: 0,
    }
}

/// The frame that a peer gets when these opening bytes are written.
fn received(bytes: &[u8]) -> Frame {
    let mut deframer = Deframer::new();
    let mut rest = bytes;
    let mut found = None;
    while !rest.is_empty() {
        assert_eq!(found, None, "bytes behind the frame");
        let room = deframer.want();
        let count = room.len().min(rest.len());
        room[..count].copy_from_slice(&rest[..count]);
        rest = &rest[count..];
        found = deframer.filled(count).expect("a good frame");
    }
    found.expect("a whole frame")
}

fn frame(kind: FrameKind, opcode: u16, message: &[u8]) -> Frame {
    let message = Bytes::copy_from_slice(message);
    Frame { kind, opcode, id: 0, message, tail: Bytes::new() }
}

/// Preface, header and message in hex, a line for each.
fn hex(bytes: &[u8]) -> String {
    let (preface, rest) = bytes.split_at(PREFACE.len());
    let (header, message) = rest.split_at(HEADER_LEN);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}\n{}\n{}\n", hex(preface), hex(header), hex(message))
}

#[test]
fn a_hello_has_these_bytes_and_comes_back() {
    let bytes = hello().encode();
    expect![[r#"
        6462677372760d0a
        21000000000001000000000000000000
        080110011a0963646220302e312e302104000000000000002880203202aabb380c
    "#]]
    .assert_eq(&hex(&bytes));
    assert_eq!(Hello::decode(&received(&bytes)), Ok(hello()));
}

#[test]
fn a_welcome_has_these_bytes_and_comes_back() {
    let bytes = welcome().encode();
    expect![[r#"
        6462677372760d0a
        2e000000000002000000000000000000
        0801120c64626773727620302e312e3019030000000000000022067838365f3634288080800430033a02aabb403c
    "#]]
    .assert_eq(&hex(&bytes));
    assert_eq!(Welcome::decode(&received(&bytes)), Ok(welcome()));
}

#[test]
fn a_refusal_has_these_bytes_and_comes_back_as_a_fault() {
    let refusal = Refusal {
        code: ErrorCode::NotPermitted.number(),
        detail: "only uid 0 and 1000 may connect".into(),
        version_min: 1,
        version_max: 3,
    };
    let bytes = refusal.encode();
    expect![[r#"
        6462677372760d0a
        27000000000003000000000000000000
        0806121f6f6e6c7920756964203020616e642031303030206d617920636f6e6e65637418012003
    "#]]
    .assert_eq(&hex(&bytes));
    let fault = Fault::new(ErrorCode::NotPermitted, "only uid 0 and 1000 may connect");
    assert_eq!(Welcome::decode(&received(&bytes)), Err(fault));
}

#[test]
fn a_new_hello_offers_what_this_build_speaks() {
    let hello = Hello::new("cdb 0.1.0");
    assert_eq!((hello.version_min, hello.version_max), (PROTOCOL_VERSION_MIN, PROTOCOL_VERSION));
    assert_eq!(hello.program, "cdb 0.1.0");
    assert!(hello.resume_token.is_empty());
    assert_eq!(hello.negotiate(), Ok(PROTOCOL_VERSION));
}

#[test]
fn the_hello_of_a_later_client_is_understood() {
    // Versions 1 to 9, and fields of every wire type that this build does not know.
    let mut message = vec![0x08, 1, 0x10, 9];
    message.extend_from_slice(b"\x1a\x0bcdb 9.0.0.0");
    message.extend_from_slice(&[0x78, 5]); // 15, a varint
    message.extend_from_slice(&[0x81, 0x01, 1, 2, 3, 4, 5, 6, 7, 8]); // 16, eight bytes
    message.extend_from_slice(&[0x8a, 0x01, 3, 7, 7, 7]); // 17, with a length
    message.extend_from_slice(&[0x93, 0x01, 0x08, 1, 0x94, 0x01]); // 18, a group
    message.extend_from_slice(&[0x9d, 0x01, 1, 2, 3, 4]); // 19, four bytes
    let hello = Hello::decode(&frame(FrameKind::Handshake, HELLO, &message)).expect("decodes");
    assert_eq!((hello.version_min, hello.version_max), (1, 9));
    assert_eq!(hello.program, "cdb 9.0.0.0");
    assert_eq!(hello.negotiate(), Ok(1));
}

#[test]
fn ranges_that_do_not_overlap_are_refused_with_both_in_the_text() {
    let later = Hello { version_min: 7, version_max: 9, ..hello() };
    let refusal = later.negotiate().expect_err("no common version");
    assert_eq!((refusal.version_min, refusal.version_max), (1, 1));
    let fault = Welcome::decode(&received(&refusal.encode())).expect_err("a refusal");
    assert_eq!(fault.code, ErrorCode::VersionMismatch);
    assert_eq!(
        fault.detail,
        "the client is not using the same version of the remoting protocol as the server: \
         the client speaks 7 to 9, the server 1 to 1"
    );
}

#[test]
fn ranges_that_are_empty_or_missing_are_refused() {
    for (version_min, version_max) in [(0, 0), (9, 1), (2, 1), (u32::MAX, 0), (u32::MAX, u32::MAX)]
    {
        let strange = Hello { version_min, version_max, ..hello() };
        let refusal = strange.negotiate().expect_err("no common version");
        assert_eq!(refusal.code, ErrorCode::VersionMismatch.number());
        let both = format!("the client speaks {version_min} to {version_max}, the server 1 to 1");
        assert!(refusal.detail.ends_with(&both), "{}", refusal.detail);
    }
    assert_eq!(Hello { version_min: 0, version_max: u32::MAX, ..hello() }.negotiate(), Ok(1));
}

#[test]
fn a_welcome_to_a_version_that_was_not_offered_is_refused() {
    for version in [0, 2, u32::MAX] {
        let strange = Welcome { version, ..welcome() };
        let fault = Welcome::decode(&received(&strange.encode())).expect_err("not spoken");
        assert_eq!(fault.code, ErrorCode::Malformed);
        assert_eq!(fault.detail, "the server's greeting: the field version has no valid value");
    }
}

#[test]
fn a_refusal_for_a_reason_of_a_later_version_is_still_a_refusal() {
    let refusal = Refusal { code: 999, detail: "not today".into(), ..Refusal::default() };
    let fault = Welcome::decode(&received(&refusal.encode())).expect_err("a refusal");
    assert_eq!(fault, Fault::new(ErrorCode::Unknown(999), "not today"));
    let empty = Welcome::decode(&frame(FrameKind::Handshake, REFUSAL, b"")).expect_err("a refusal");
    assert_eq!(empty.to_string(), "error 0");
}

#[test]
fn other_frames_are_no_greeting() {
    let message = hello().encode()[PREFACE.len() + HEADER_LEN..].to_vec();
    for opcode in [WELCOME, REFUSAL, 0, 4, u16::MAX] {
        let other = frame(FrameKind::Handshake, opcode, &message);
        assert_eq!(Hello::decode(&other), Err(DecodeError::Unexpected));
    }
    let kinds = [FrameKind::Request, FrameKind::Reply, FrameKind::Fault, FrameKind::Event];
    for kind in kinds {
        assert_eq!(Hello::decode(&frame(kind, HELLO, &message)), Err(DecodeError::Unexpected));
        for opcode in [WELCOME, REFUSAL] {
            let fault =
                Welcome::decode(&frame(kind, opcode, b"\x08\x01")).expect_err("no greeting");
            assert_eq!(fault.code, ErrorCode::Malformed);
        }
    }
    let fault = Welcome::decode(&frame(FrameKind::Handshake, HELLO, b"")).expect_err("no welcome");
    assert_eq!(fault.detail, "the server's greeting: another message was expected");
}

#[test]
fn greetings_that_do_not_decode_are_malformed() {
    let broken = [0x08, 0x80];
    let frame = |opcode| frame(FrameKind::Handshake, opcode, &broken);
    assert_eq!(Hello::decode(&frame(HELLO)), Err(DecodeError::Malformed));
    for opcode in [WELCOME, REFUSAL] {
        let fault = Welcome::decode(&frame(opcode)).expect_err("broken");
        assert_eq!(fault.code, ErrorCode::Malformed);
    }
}

#[test]
fn the_servers_limit_is_kept_within_ours() {
    let limit = |frame_len_max| Welcome { frame_len_max, ..welcome() }.frame_len_max();
    assert_eq!(limit(0), FRAME_LEN_MAX);
    assert_eq!(limit(4096), 4096);
    assert_eq!(limit(FRAME_LEN_MAX), FRAME_LEN_MAX);
    assert_eq!(limit(u32::MAX), FRAME_LEN_MAX);
}

#[test]
fn capabilities_of_a_later_server_are_kept_and_do_no_harm() {
    let later = Welcome { capabilities: 1 << 63 | Capabilities::FILE_WRITE.0, ..welcome() };
    let read = Welcome::decode(&received(&later.encode())).expect("a welcome").capabilities();
    assert!(read.has(Capabilities::FILE_WRITE));
    assert!(!read.has(Capabilities::END_SERVER));
    assert!(!read.has(Capabilities::FILE_WRITE.with(Capabilities::SHARED_TERMINAL)));
}

#[test]
fn a_refusal_fits_however_long_its_detail_is() {
    let refusal = Refusal { code: 6, detail: "€".repeat(100_000), ..Refusal::default() };
    let fault = Welcome::decode(&received(&refusal.encode())).expect_err("a refusal");
    assert_eq!(fault.detail, "€".repeat(message::DETAIL_LEN_MAX / 3));
    assert!(refusal.encode().len() < HELLO_LEN_MAX as usize);
}

#[test]
fn a_greeting_above_the_limit_is_not_sent() {
    let huge = Hello { program: "x".repeat(HELLO_LEN_MAX as usize), ..hello() };
    assert_eq!(huge.encode(), PREFACE);
}
