//! Ports of this machine that a test may name beforehand. It knows which of them nobody else is
//! given, not what they are for.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// How often this program has asked.
static ASKED: AtomicU32 = AtomicU32::new(0);

/// A port that nobody uses at the moment, and that no other test of this program is given.
///
/// It is none of those that the system gives to whoever connects or asks for any port: one of these
/// might be somebody else's by the time that the test uses it.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u32 = 12_768;
    let start = std::process::id().wrapping_mul(97);
    crate::until("a port", || {
        let at = start.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = FIRST + u16::try_from(at).ok()?;
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok();
        is_free.then_some(port)
    })
}
