//! Telling a peer that it is not let in, in the words of the protocol's greeting. It knows how that
//! is said, not why.

use std::io::Write;

use dbglink::Link;
use dbgwire::ErrorCode;
use dbgwire::handshake::Refusal;
use dbgwire::version::{PROTOCOL_VERSION, PROTOCOL_VERSION_MIN};

/// Refuses whoever is at the other end of a link, which ends by that.
pub(crate) fn refuse(link: Link, code: ErrorCode, detail: &str) {
    let refusal = Refusal {
        code: code.number(),
        detail: detail.to_owned(),
        version_min: PROTOCOL_VERSION_MIN,
        version_max: PROTOCOL_VERSION,
    };
    let (_, mut writer) = link.split();
    // A peer that is gone need not be told.
    let _ = writer.write_all(&refusal.encode());
}
