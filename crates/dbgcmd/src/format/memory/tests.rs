//! Each layout on bytes that are known.

use expect_test::expect;

use super::*;

fn no_symbols(_address: Address) -> Option<SymbolAt> {
    None
}

/// The rows of `name` for these bytes at 7ffe`00001000, as the command shows them.
fn shown(name: &str, bytes: &[Option<u8>]) -> String {
    let layout = Layout::named(name).expect(name);
    let mut text = layout.heading();
    let mut address = Address::new(0x7ffe_0000_1000);
    for row in bytes.chunks(layout.columns * layout.size_bytes) {
        text.push_str(&layout.row(address, row, &no_symbols));
        address = address.wrapping_offset(row.len() as i64);
    }
    text
}

fn sample(count: usize) -> Vec<Option<u8>> {
    (0..count).map(|index| Some(0x3b + index as u8 * 3)).collect()
}

#[test]
fn bytes_and_characters() {
    expect![[r#"
        00007ffe`00001000  3b 3e 41 44 47 4a 4d 50-53 56 59 5c 5f 62 65 68  ;>ADGJMPSVY\_beh
        00007ffe`00001010  6b 6e 71 74                                      knqt
    "#]]
    .assert_eq(&shown("db", &sample(20)));
}

#[test]
fn what_cannot_be_read_is_a_question_mark() {
    let mut bytes = sample(16);
    for byte in &mut bytes[10..] {
        *byte = None;
    }
    expect![[r#"
        00007ffe`00001000  3b 3e 41 44 47 4a 4d 50-53 56 ?? ?? ?? ?? ?? ??  ;>ADGJMPSV??????
    "#]]
    .assert_eq(&shown("db", &bytes));
    expect![[r#"
        00007ffe`00001000  44413e3b 504d4a47 ???????? ????????
    "#]]
    .assert_eq(&shown("dd", &bytes));
    expect![[r#"
        00007ffe`00001000  504d4a47`44413e3b ????????`????????
    "#]]
    .assert_eq(&shown("dq", &bytes));
    expect![[r#"
        00007ffe`00001000  ";>ADGJMPSV??????"
    "#]]
    .assert_eq(&shown("da", &bytes));
}

#[test]
fn numbers_of_every_size() {
    expect![[r#"
        00007ffe`00001000  3e3b 4441 4a47 504d 5653 5c59 625f 6865
    "#]]
    .assert_eq(&shown("dw", &sample(16)));
    expect![[r#"
        00007ffe`00001000  3e3b 4441 4a47 504d 5653 5c59 625f 6865  ;>ADGJMPSVY\_beh
        00007ffe`00001010  6e6b 7471                                knqt
    "#]]
    .assert_eq(&shown("dW", &sample(20)));
    expect![[r#"
        00007ffe`00001000  44413e3b 504d4a47 5c595653 6865625f  ;>ADGJMPSVY\_beh
        00007ffe`00001010  74716e6b                             knqt
    "#]]
    .assert_eq(&shown("dc", &sample(20)));
    expect![[r#"
        00007ffe`00001000  504d4a47`44413e3b 6865625f`5c595653
    "#]]
    .assert_eq(&shown("dp", &sample(16)));
}

#[test]
fn bits() {
    expect![[r#"
                           76543210 76543210 76543210 76543210
                           -------- -------- -------- --------
        00007ffe`00001000  00111011 00111110 01000001 01000100  3b 3e 41 44
        00007ffe`00001004  01000111                             47
    "#]]
    .assert_eq(&shown("dyb", &sample(5)));
    expect![[r#"
                            3          2          1          0
                           10987654 32109876 54321098 76543210
                           -------- -------- -------- --------
        00007ffe`00001000  01000100 01000001 00111110 00111011  44413e3b
    "#]]
    .assert_eq(&shown("dyd", &sample(4)));
}

#[test]
fn floating_point() {
    let bytes = |bytes: &[u8]| bytes.iter().map(|byte| Some(*byte)).collect::<Vec<_>>();
    let mut singles = Vec::new();
    for number in [1.5f32, -0.1, 1e30, 0.0] {
        singles.extend(bytes(&number.to_le_bytes()));
    }
    expect![[r#"
        00007ffe`00001000               1.5             -0.1            1e+30                0
    "#]]
    .assert_eq(&shown("df", &singles));
    let mut doubles = bytes(&3.25f64.to_le_bytes());
    doubles.extend([None; 8]);
    expect![[r#"
        00007ffe`00001000                    3.25       ????????????????
    "#]]
    .assert_eq(&shown("dD", &doubles));
}

#[test]
fn text_shows_what_can_be_shown() {
    let narrow: Vec<Option<u8>> = b"a \"b\"\x07\xe4".iter().map(|byte| Some(*byte)).collect();
    expect![[r#"
        00007ffe`00001000  "a "b".."
    "#]]
    .assert_eq(&shown("da", &narrow));
    let wide: Vec<Option<u8>> =
        "hé€\u{1}".encode_utf16().flat_map(u16::to_le_bytes).map(Some).collect();
    expect![[r#"
        00007ffe`00001000  "h..."
    "#]]
    .assert_eq(&shown("du", &wide));
    let greek: Vec<Option<u8>> = "λ".encode_utf16().flat_map(u16::to_le_bytes).map(Some).collect();
    expect![[r#"
        00007ffe`00001000  "λ"
    "#]]
    .assert_eq(&shown("du", &greek));
}

#[test]
fn words_with_symbols() {
    let layout = Layout::named("dps").expect("dps");
    let symbol_at = |address: Address| {
        (address == Address::new(0x5555_5555_5142)).then(|| SymbolAt {
            module: "prog".to_owned(),
            name: "main".to_owned(),
            displacement: 9,
            exact: false,
            address: Address::new(0x5555_5555_5139),
        })
    };
    let word: Vec<Option<u8>> =
        0x5555_5555_5142u64.to_le_bytes().iter().map(|byte| Some(*byte)).collect();
    assert_eq!(
        layout.row(Address::new(0x1000), &word, &symbol_at),
        "00000000`00001000  00005555`55555142 prog!main+0x9\n"
    );
    assert_eq!(
        layout.row(Address::new(0x1000), &[None; 8], &symbol_at),
        "00000000`00001000  ????????`????????\n"
    );
}

#[test]
fn layouts_are_sound() {
    for layout in LAYOUTS {
        assert_eq!(Layout::named(layout.name), Some(layout));
        assert!(layout.columns > 0 && layout.count > 0);
        assert!(matches!(layout.size_bytes, 1 | 2 | 4 | 8));
    }
}
