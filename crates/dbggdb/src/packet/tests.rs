//! Framing, with whole, damaged and overlong packets.

use super::*;

fn read(bytes: &[u8]) -> Vec<Item> {
    let mut reader = PacketReader::default();
    bytes.iter().filter_map(|byte| reader.take(*byte)).collect()
}

#[test]
fn what_is_framed_is_read() {
    let mut bytes = frame(b'$', b"qSupported");
    bytes.extend(b"+");
    bytes.extend(frame(b'$', b""));
    bytes.push(3);
    assert_eq!(
        read(&bytes),
        [
            Item::Packet(b"qSupported".to_vec()),
            Item::Received,
            Item::Packet(Vec::new()),
            Item::Interrupt,
        ]
    );
}

#[test]
fn the_manuals_example_of_a_checksum() {
    assert_eq!(frame(b'$', b"OK"), b"$OK#9a");
    assert_eq!(frame(b'%', b"Stop:T05"), b"%Stop:T05#99".to_vec());
}

#[test]
fn damage_is_told_and_the_next_packet_is_read() {
    assert_eq!(read(b"$g#00$g#67"), [Item::Damaged, Item::Packet(b"g".to_vec())]);
    assert_eq!(read(b"$g#zz"), [Item::Damaged]);
    assert_eq!(read(b"$m12$g#67"), [Item::Packet(b"g".to_vec())]);
    assert_eq!(read(b"noise$g#67-"), [Item::Packet(b"g".to_vec()), Item::SendAgain]);
}

#[test]
fn an_interrupt_inside_a_packet_is_a_byte_of_it() {
    assert_eq!(read(&frame(b'$', &[b'X', 3])), [Item::Packet(vec![b'X', 3])]);
}

#[test]
fn a_packet_may_have_its_full_length_and_no_more() {
    let longest = vec![b'x'; PACKET_LEN_MAX];
    assert_eq!(read(&frame(b'$', &longest)), [Item::Packet(longest.clone())]);
    let mut bytes = frame(b'$', &[longest, vec![b'x']].concat());
    bytes.extend(b"$g#67");
    assert_eq!(read(&bytes), [Item::TooLong, Item::Packet(b"g".to_vec())]);
}

#[test]
fn every_byte_survives_its_escape() {
    let all: Vec<u8> = (0..=255).collect();
    let mut payload = Vec::new();
    escape_into(&mut payload, &all);
    assert_eq!(unescape(&payload), Some(all));
    assert!(!payload.iter().any(|byte| b"#$*".contains(byte)));
    assert_eq!(unescape(b"a}"), None);
}
