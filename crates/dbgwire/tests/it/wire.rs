//! Protobuf's encoding written and read by hand, so that tests can build messages that no type of
//! the product can hold, and take apart those it makes. It knows no message.

/// What the last three bits of a tag say of the value ("Message Structure" of protobuf's
/// encoding guide).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum WireType {
    Varint,
    Eight,
    Length,
    Four,
}

/// One field as it lies in a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) wire_type: WireType,
    /// Tag and value.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Field<'a> {
    /// What stands behind tag and length of a field that has a length.
    pub(crate) fn value(&self) -> &'a [u8] {
        assert_eq!(self.wire_type, WireType::Length);
        let mut rest = self.bytes;
        varint(&mut rest);
        varint(&mut rest);
        rest
    }
}

/// A message under construction.
#[derive(Clone, Default, Debug)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    fn raw_varint(mut self, mut value: u64) -> Writer {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn tag(self, number: u32, wire_type: u64) -> Writer {
        self.raw_varint(u64::from(number) << 3 | wire_type)
    }

    fn raw(mut self, bytes: &[u8]) -> Writer {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn varint(self, number: u32, value: u64) -> Writer {
        self.tag(number, 0).raw_varint(value)
    }

    pub(crate) fn eight(self, number: u32, value: u64) -> Writer {
        self.tag(number, 1).raw(&value.to_le_bytes())
    }

    pub(crate) fn four(self, number: u32, value: u32) -> Writer {
        self.tag(number, 5).raw(&value.to_le_bytes())
    }

    pub(crate) fn bytes(self, number: u32, value: &[u8]) -> Writer {
        self.claimed(number, value.len() as u64, value)
    }

    /// Bytes whose length is said to be `len`, true or not.
    pub(crate) fn claimed(self, number: u32, len: u64, value: &[u8]) -> Writer {
        self.tag(number, 2).raw_varint(len).raw(value)
    }

    /// A group, which only old protobuf writes.
    pub(crate) fn group(self, number: u32, inside: &[u8]) -> Writer {
        self.tag(number, 3).raw(inside).tag(number, 4)
    }

    /// The start of a group that is not ended.
    pub(crate) fn group_start(self, number: u32) -> Writer {
        self.tag(number, 3)
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a whole varint");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint has at most ten bytes");
}

/// Takes apart a well-formed message without groups.
pub(crate) fn fields(message: &[u8]) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let before = rest;
        let tag = varint(&mut rest);
        let (wire_type, skip) = match tag & 7 {
            0 => {
                varint(&mut rest);
                (WireType::Varint, 0)
            }
            1 => (WireType::Eight, 8),
            2 => (WireType::Length, varint(&mut rest) as usize),
            5 => (WireType::Four, 4),
            other => panic!("wire type {other} is not in use"),
        };
        rest = &rest[skip..];
        let bytes = &before[..before.len() - rest.len()];
        fields.push(Field { number: (tag >> 3) as u32, wire_type, bytes });
    }
    fields
}
