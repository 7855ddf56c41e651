//! The packet `qSymbol`: the debugger offers to look up symbols of the current process, and is
//! asked for those by which glibc says where it keeps threads' storage. What they mean is not known
//! here.

use dbgbase::Address;

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};

/// What is asked for, in this order. Where the first one is missing, the others are as well.
pub(crate) const WANTED: [&str; 13] = [
    "_thread_db_link_map_l_tls_modid",
    "_thread_db_link_map_l_tls_offset",
    "_thread_db_pthread_dtvp",
    "_thread_db_dtv_dtv",
    "_thread_db_dtv_t_pointer_val",
    "_thread_db_dtv_t_counter",
    "_thread_db_rtld_global__dl_tls_dtv_slotinfo_list",
    "_thread_db_dtv_slotinfo_list_len",
    "_thread_db_dtv_slotinfo_list_next",
    "_thread_db_dtv_slotinfo_list_slotinfo",
    "_thread_db_dtv_slotinfo_gen",
    "_thread_db_sizeof_dtv_slotinfo",
    "_rtld_global",
];

impl Session {
    /// `qSymbol::` offers, `qSymbol:ADDRESS:NAME` answers; without an address there is none of that
    /// name. The last answer is followed by `OK`.
    ///
    /// **Cost**: none.
    pub(crate) fn packet_symbol(&mut self, arguments: &[u8]) -> Handled {
        let mut arguments = Arguments::new(arguments);
        let address = arguments.until(b':');
        let name = arguments.bytes(b':', "a name in digits")?;
        arguments.end()?;
        // LLDB finds threads' storage by itself.
        if self.dialogue.dialect == Dialect::Lldb {
            return Ok(Reply::Ok);
        }
        let Ok((id, _)) = self.current() else { return Ok(Reply::Ok) };
        let symbols = &mut self.target_mut(id)?.symbols;
        let Some(index) = WANTED.iter().position(|wanted| wanted.as_bytes() == name) else {
            // An offer; what is known already stays.
            let is_known = WANTED.iter().all(|wanted| symbols.contains_key(wanted));
            let first = WANTED.first().filter(|_| name.is_empty() && !is_known);
            return Ok(first.map_or(Reply::Ok, |first| question(first)));
        };
        let wanted = WANTED.get(index).copied().unwrap_or_default();
        if address.is_empty() {
            symbols.remove(wanted);
            if index == 0 {
                return Ok(Reply::Ok);
            }
        } else {
            let address = hex::number(address).ok_or(PacketError::Malformed("an address"))?;
            symbols.insert(wanted, Address::new(address));
        }
        Ok(WANTED.get(index + 1).map_or(Reply::Ok, |next| question(next)))
    }
}

fn question(name: &str) -> Reply {
    Reply::from(format!("qSymbol:{}", hex::encode(name.as_bytes())))
}
