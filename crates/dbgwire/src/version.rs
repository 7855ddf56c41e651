//! Which versions of the protocol there are, and how two peers settle on one. It knows no bytes but
//! the preface.

/// What each side sends first, so that another protocol's program is recognised at once.
pub const PREFACE: [u8; 8] = *b"dbgsrv\r\n";

/// The newest version this build speaks.
pub const PROTOCOL_VERSION: u32 = 1;
/// The oldest version this build still speaks: the two before the newest, once they exist.
pub const PROTOCOL_VERSION_MIN: u32 = 1;

/// The newest version in both ranges, or `None` if they do not overlap. A range whose ends are
/// swapped overlaps nothing.
pub fn negotiate(ours: (u32, u32), theirs: (u32, u32)) -> Option<u32> {
    let oldest = ours.0.max(theirs.0);
    let newest = ours.1.min(theirs.1);
    (oldest <= newest).then_some(newest)
}

/// Optional powers of a peer, one bit each, announced in the handshake. Unknown bits are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// The server can end itself by the EndServer verb.
    pub const END_SERVER: Capabilities = Capabilities(1 << 0);
    /// The server takes WriteFile and opens files for writing.
    pub const FILE_WRITE: Capabilities = Capabilities(1 << 1);
    /// Launched programs share the terminal of the client; otherwise they have none or a pty.
    pub const SHARED_TERMINAL: Capabilities = Capabilities(1 << 2);
    /// Launched programs can have a pseudo-terminal whose other side is the client's.
    pub const PTY: Capabilities = Capabilities(1 << 3);

    /// The client gives receipts, says farewell, and may take its session up again on a new link.
    pub const RESUME: Capabilities = Capabilities(1 << 4);

    /// Both sets together.
    pub const fn with(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }

    /// Whether all of `wanted` are there.
    pub const fn has(self, wanted: Capabilities) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_wins() {
        assert_eq!(negotiate((1, 3), (2, 5)), Some(3));
        assert_eq!(negotiate((2, 5), (1, 3)), Some(3));
        assert_eq!(negotiate((1, 1), (1, 1)), Some(1));
        assert_eq!(negotiate((1, 1), (2, 2)), None);
        assert_eq!(negotiate((1, 1), (5, 0)), None);
    }
}
