//! Packets of the GDB remote protocol, cut out of bytes and put into them. It knows framing,
//! checksums and escapes, not what a packet says. Pure.
//!
//! ```text
//!   $ payload # checksum (two hex digits: the sum of the payload's bytes, modulo 256)
//!   % payload # checksum   a notification: sent by the stub, never acknowledged
//!   + -                    the last packet was received well, or damaged
//!   0x03                   the debugger wants the target to stop
//! ```
//!
//! In a payload, `}` stands before a byte that would be mistaken for framing; that byte is sent
//! with its bit 5 turned over.

/// The longest packet that is taken, without its framing. The debugger is told so.
pub const PACKET_LEN_MAX: usize = 0x2_0000;

/// The bytes that stand for something else in a payload.
const ESCAPE: u8 = b'}';
const ESCAPE_BIT: u8 = 0x20;

/// Something that the debugger sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A packet's payload, its escapes as they came.
    Packet(Vec<u8>),
    /// A packet whose checksum is wrong.
    Damaged,
    /// A packet that is longer than [`PACKET_LEN_MAX`]; it is dropped.
    TooLong,
    /// The wish to stop the target.
    Interrupt,
    /// The last packet that was sent arrived.
    Received,
    /// The last packet that was sent arrived damaged.
    SendAgain,
}

/// Cuts bytes into items. What is no item is passed over, as the protocol wants.
#[derive(Default, Debug)]
pub struct PacketReader {
    state: State,
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Default, Debug)]
enum State {
    /// Between packets.
    #[default]
    Between,
    /// In a payload.
    Payload,
    /// In a payload that has become too long.
    Dropping,
    /// Behind the payload, before the checksum's first digit. Whether the payload was dropped.
    Checksum(bool),
    /// Before the second digit.
    LastDigit(bool, u8),
}

impl PacketReader {
    /// Takes the next byte, and gives the item that it completes.
    pub fn take(&mut self, byte: u8) -> Option<Item> {
        match (self.state, byte) {
            // Another packet begins: the one before was cut off.
            (State::Between | State::Payload | State::Dropping, b'$') => {
                self.payload.clear();
                self.state = State::Payload;
                None
            }
            (State::Between, b'+') => Some(Item::Received),
            (State::Between, b'-') => Some(Item::SendAgain),
            (State::Between, 3) => Some(Item::Interrupt),
            (State::Between, _) => None,
            (State::Payload, b'#') => self.go(State::Checksum(false)),
            (State::Payload, _) if self.payload.len() == PACKET_LEN_MAX => {
                self.payload = Vec::new();
                self.go(State::Dropping)
            }
            (State::Payload, _) => {
                self.payload.push(byte);
                None
            }
            (State::Dropping, b'#') => self.go(State::Checksum(true)),
            (State::Dropping, _) => None,
            (State::Checksum(is_dropped), digit) => self.go(State::LastDigit(is_dropped, digit)),
            (State::LastDigit(is_dropped, first), second) => {
                self.state = State::Between;
                Some(self.finish(is_dropped, first, second))
            }
        }
    }

    fn go(&mut self, state: State) -> Option<Item> {
        self.state = state;
        None
    }

    fn finish(&mut self, is_dropped: bool, first: u8, second: u8) -> Item {
        let payload = std::mem::take(&mut self.payload);
        if is_dropped {
            return Item::TooLong;
        }
        let digits = crate::hex::digit(first).zip(crate::hex::digit(second));
        match digits {
            Some((high, low)) if high << 4 | low == checksum(&payload) => Item::Packet(payload),
            _ => Item::Damaged,
        }
    }
}

/// A payload in its frame, from `$` for a packet or `%` for a notification on.
pub fn frame(lead: u8, payload: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(payload.len() + 4);
    framed.push(lead);
    framed.extend_from_slice(payload);
    framed.extend_from_slice(format!("#{:02x}", checksum(payload)).as_bytes());
    framed
}

/// Appends bytes to a payload, with escapes where they are needed.
pub fn escape_into(payload: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        // `*` would begin a repetition.
        if matches!(byte, b'#' | b'$' | b'*') || *byte == ESCAPE {
            payload.extend([ESCAPE, byte ^ ESCAPE_BIT]);
        } else {
            payload.push(*byte);
        }
    }
}

/// The bytes that a payload stands for.
///
/// **Shape**: `None` if it ends within an escape.
pub fn unescape(payload: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(payload.len());
    let mut rest = payload.iter();
    while let Some(byte) = rest.next() {
        bytes.push(if *byte == ESCAPE { rest.next()? ^ ESCAPE_BIT } else { *byte });
    }
    Some(bytes)
}

fn checksum(payload: &[u8]) -> u8 {
    payload.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
#[path = "packet/tests.rs"]
mod tests;
