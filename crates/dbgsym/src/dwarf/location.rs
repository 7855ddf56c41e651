//! Which expression describes a variable at an address: its only one, or that of a location list
//! (DWARF 5, 2.6.2; DWARF 4, 2.6.2). It knows attributes; what expressions compute, `expression.rs`
//! knows.

use dbgbase::LinkAddress;
use gimli::{AttributeValue, DwAt, Expression, constants as dw};

use super::entry::{Entry, origins};
use super::expression::Scene;
use super::pieces::{LocateError, Location, Place};
use super::unit::EntryId;
use super::{OpenUnit, Reader};

/// No list of a compiler is so long.
const LOCATIONS_MAX: usize = 1 << 16;

/// The expression that the attribute `name` of an entry has at `pc`. `None` if there is none there.
pub(super) fn expression_at<'a>(
    unit: &OpenUnit<'a>,
    entry: &Entry<'a>,
    name: DwAt,
    pc: LinkAddress,
) -> Result<Option<Expression<Reader<'a>>>, LocateError> {
    let Some(value) = entry.attr_value(name) else { return Ok(None) };
    if let AttributeValue::Exprloc(expression) = value {
        return Ok(Some(expression));
    }
    if let AttributeValue::Block(code) = value {
        return Ok(Some(Expression(code)));
    }
    let list = unit.refs().attr_locations(value).map_err(|_| LocateError::Damaged)?;
    let Some(mut list) = list else { return Err(LocateError::Damaged) };
    // The default is for where no other row is (DWARF 5, 2.6.2).
    let mut default = None;
    for _ in 0..LOCATIONS_MAX {
        let row = match list.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(default),
            // What comes before the damage is sound.
            Err(_) => return default.map(Some).ok_or(LocateError::Damaged),
        };
        let (begin, end) = (row.range.begin, row.range.end);
        if (begin, end) == (0, u64::MAX) {
            default = Some(row.data);
        } else if (begin..end).contains(&pc.value()) {
            return Ok(Some(row.data));
        }
    }
    Err(LocateError::TooLong)
}

/// Where a variable is in a scene. A variable that nothing describes there was optimised out.
pub(super) fn place_of(scene: &Scene<'_, '_>, variable: EntryId) -> Result<Place, LocateError> {
    for (_, unit, entry) in origins(scene.units, variable) {
        if let Some(value) = entry.attr_value(dw::DW_AT_const_value) {
            let bytes = constant(&unit, value).ok_or(LocateError::Damaged)?;
            return Ok(Place::from(Location::Value(bytes)));
        }
        if entry.has_attr(dw::DW_AT_location) {
            let expression = expression_at(&unit, &entry, dw::DW_AT_location, scene.pc)?;
            let Some(expression) = expression else { break };
            return scene.in_unit(unit).place(expression);
        }
    }
    Ok(Place::from(Location::OptimisedOut))
}

/// The bytes of a constant (DWARF 5, 2.19).
fn constant<'a>(unit: &OpenUnit<'a>, value: AttributeValue<Reader<'a>>) -> Option<Vec<u8>> {
    match value {
        AttributeValue::Block(bytes) | AttributeValue::Exprloc(Expression(bytes)) => {
            Some(bytes.slice().to_vec())
        }
        AttributeValue::Addr(_) | AttributeValue::DebugAddrIndex(_) => {
            let address = unit.refs().attr_address(value).ok().flatten()?;
            Some(address.to_le_bytes().to_vec())
        }
        AttributeValue::Sdata(number) => {
            // Sixteen bytes of sign: the largest integers that have a constant here.
            Some(i128::from(number).to_le_bytes().to_vec())
        }
        AttributeValue::Data16(number) => Some(number.to_le_bytes().to_vec()),
        AttributeValue::String(_)
        | AttributeValue::DebugStrRef(_)
        | AttributeValue::DebugLineStrRef(_)
        | AttributeValue::DebugStrOffsetsIndex(_) => {
            let mut text = unit.refs().attr_string(value).ok()?.slice().to_vec();
            text.push(0);
            Some(text)
        }
        value => Some(value.udata_value()?.to_le_bytes().to_vec()),
    }
}
