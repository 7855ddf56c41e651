//! LLDB's way to say which thread a packet is about: `;thread:ID;` at its end, in place of an `H`
//! before it. It knows the form, and the packets that may have it by their names only.

use crate::error::PacketError;
use crate::session::{Handled, Session};
use crate::thread_id::ThreadId;

/// The packets that may end so (lldb-gdb-remote.txt, "QThreadSuffixSupported").
const PACKETS: [&str; 6] = ["g", "G", "p", "P", "QSaveRegisterState", "QRestoreRegisterState"];

/// What a packet says, and the thread that it says it about.
pub(crate) fn split<'a>(name: &str, arguments: &'a [u8]) -> (&'a [u8], Option<&'a [u8]>) {
    const MARK: &[u8] = b"thread:";
    if !PACKETS.contains(&name) {
        return (arguments, None);
    }
    let Some(at) = arguments.windows(MARK.len()).position(|window| window == MARK) else {
        return (arguments, None);
    };
    let (before, mark) = arguments.split_at(at);
    let thread = mark.strip_prefix(MARK).unwrap_or_default();
    let thread = thread.strip_suffix(b";").unwrap_or(thread);
    (before.strip_suffix(b";").unwrap_or(before), Some(thread))
}

impl Session {
    /// Carries out a packet about a thread, which is not selected any longer afterwards.
    pub(crate) fn handle_about(
        &mut self,
        thread: &[u8],
        handler: impl FnOnce(&mut Session) -> Handled,
    ) -> Handled {
        let id = ThreadId::parse(thread).ok_or(PacketError::Malformed("a thread's id"))?;
        let before = self.selected;
        self.select(id)?;
        let handled = handler(self);
        self.selected = before;
        handled
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_suffix_is_no_argument() {
        let split = |name, text: &'static str| super::split(name, text.as_bytes());
        assert_eq!(split("g", ";thread:1f;"), (&b""[..], Some(&b"1f"[..])));
        assert_eq!(split("p", "10;thread:p1.1f;"), (&b"10"[..], Some(&b"p1.1f"[..])));
        assert_eq!(split("P", "10=00;thread:1f"), (&b"10=00"[..], Some(&b"1f"[..])));
        assert_eq!(split("QSaveRegisterState", "thread:1f;"), (&b""[..], Some(&b"1f"[..])));
        assert_eq!(split("p", "10"), (&b"10"[..], None));
        assert_eq!(split("m", "10;thread:1f;"), (&b"10;thread:1f;"[..], None));
    }
}
