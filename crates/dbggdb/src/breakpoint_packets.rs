//! The packets `Z` and `z`: what the debugger wants armed. It is armed with the next resume, so
//! what cannot be armed has to be found out without asking.

use dbgbase::{SiteId, TargetId};
use dbgeng::client::Pending;
use dbgwire::verbs::site::{InsertSites, RemoveSites};

use crate::arguments::Arguments;
use crate::breakpoints::{Kind, Place, Wish};
use crate::error::PacketError;
use crate::hex;
use crate::session::{Handled, Reply, Session};

impl Session {
    /// `Z TYPE,ADDRESS,KIND[;CONDITIONS][;cmds:PERSIST,COMMANDS]`
    pub(crate) fn packet_insert_breakpoint(&mut self, arguments: &[u8]) -> Handled {
        let Some((place, rest)) = place(arguments)? else { return Ok(Reply::Unknown) };
        let wish = wish(rest)?;
        if self.is_borrower_selected() {
            // It has none of its own, and what it borrows has none meanwhile.
            return Ok(Reply::Ok);
        }
        let (id, _) = self.current()?;
        if place.kind == Kind::Software {
            self.check_is_mapped(id, place.address)?;
        }
        let target = self.target_mut(id)?;
        if !target.breakpoints.insert(place, wish) {
            let text = "the CPU can watch four places at once, and no more are free";
            return Err(PacketError::message(text));
        }
        if target.is_running { self.arm_now(id, &place) } else { Ok(Reply::Ok) }
    }

    /// `z TYPE,ADDRESS,KIND`
    pub(crate) fn packet_remove_breakpoint(&mut self, arguments: &[u8]) -> Handled {
        let Some((place, _)) = place(arguments)? else { return Ok(Reply::Unknown) };
        if self.is_borrower_selected() {
            return Ok(Reply::Ok);
        }
        let (id, _) = self.current()?;
        let target = self.target_mut(id)?;
        target.breakpoints.remove(&place);
        if target.is_running { self.arm_now(id, &place) } else { Ok(Reply::Ok) }
    }

    /// Arms what is wanted at once, because no resume will come along. What cannot be armed is
    /// wanted no longer, as the debugger is told so: neither `place` nor any other.
    fn arm_now(&mut self, id: TargetId, place: &Place) -> Handled {
        let target = self.target_mut(id)?;
        let changes = target.breakpoints.take_changes();
        let removed = self.remove_sites(id, [changes.remove_first, changes.remove].concat());
        let mut fault = None;
        if !changes.insert.is_empty() {
            let insert = InsertSites { target: id.value(), sites: changes.insert };
            let reply = self.client.call(&insert)?;
            let breakpoints = &mut self.target_mut(id)?.breakpoints;
            for refused in reply.faults {
                if let Some(place) = breakpoints.place_of(SiteId::new(refused.id)) {
                    breakpoints.remove(&place);
                }
                fault = fault.or(refused.fault);
            }
        }
        if let Some(removed) = removed {
            removed.wait()?;
        }
        let Some(fault) = fault else { return Ok(Reply::Ok) };
        let breakpoints = &mut self.target_mut(id)?.breakpoints;
        breakpoints.remove(place);
        // Some sites of a place may have been inserted.
        let rest = breakpoints.take_changes();
        let rest = [rest.remove_first, rest.remove].concat();
        if let Some(removed) = self.remove_sites(id, rest) {
            removed.wait()?;
        }
        Err(PacketError::message(fault.detail))
    }

    /// Asks for sites to be removed, if there are any.
    fn remove_sites(&self, id: TargetId, ids: Vec<u32>) -> Option<Pending<RemoveSites>> {
        let request = RemoveSites { target: id.value(), ids };
        (!request.ids.is_empty()).then(|| self.client.send(&request, bytes::Bytes::new()))
    }
}

/// The place that a packet names, and what follows it; `None` for a type that no CPU here has.
fn place(arguments: &[u8]) -> Result<Option<(Place, &[u8])>, PacketError> {
    let mut arguments = Arguments::new(arguments);
    let kind = match arguments.until(b',') {
        [number] => Kind::from_number(*number),
        _ => return Err(PacketError::Malformed("a type was expected")),
    };
    let address = arguments.address(b',')?;
    let len = arguments.number(b';', "a kind was expected")?;
    Ok(kind.map(|kind| (Place { kind, address, len }, arguments.rest())))
}

/// What is to be done at a place: `X LENGTH,CODE` for each condition, one behind the other, then
/// `cmds:PERSIST,` and the commands in the same form.
fn wish(rest: &[u8]) -> Result<Wish, PacketError> {
    let mut wish = Wish::default();
    for part in rest.split(|byte| *byte == b';').filter(|part| !part.is_empty()) {
        match part.strip_prefix(b"cmds:") {
            Some(commands) => {
                let mut arguments = Arguments::new(commands);
                arguments.number(b',', "whether commands persist was expected")?;
                wish.commands.extend(agent_code(arguments.rest())?);
            }
            None => wish.conditions.extend(agent_code(part)?),
        }
    }
    Ok(wish)
}

fn agent_code(text: &[u8]) -> Result<Vec<Vec<u8>>, PacketError> {
    let malformed = PacketError::Malformed("agent code was expected");
    let mut expressions = Vec::new();
    let mut arguments = Arguments::new(text);
    while !arguments.rest().is_empty() {
        let rest = arguments.rest();
        let Some(rest) = rest.strip_prefix(b"X") else { return Err(malformed) };
        arguments = Arguments::new(rest);
        let len = arguments.number(b',', "the length of agent code was expected")?;
        let digits = usize::try_from(len).ok().and_then(|len| len.checked_mul(2));
        let split = digits.and_then(|digits| arguments.rest().split_at_checked(digits));
        let Some((code, behind)) = split else { return Err(malformed) };
        let Some(code) = hex::bytes(code) else { return Err(malformed) };
        expressions.push(code);
        arguments = Arguments::new(behind);
    }
    Ok(expressions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_commands_are_read() {
        let wish = wish(b"X3,220127X1,27;cmds:0,X2,2227").expect("is well formed");
        assert_eq!(wish.conditions, [vec![0x22, 1, 0x27], vec![0x27]]);
        assert_eq!(wish.commands, [vec![0x22, 0x27]]);
        assert_eq!(super::wish(b"").expect("is well formed"), Wish::default());
    }

    #[test]
    fn cut_off_code_is_refused() {
        for text in ["X", "X3,22", "X1,zz", "Y1,27", "cmds:", "cmds:0,X", "Xffffffffffffffff,00"] {
            assert!(wish(text.as_bytes()).is_err(), "{text}");
        }
    }
}
