//! The index of names as bytes, to be kept in a file from one session to the next. Whoever keeps it
//! names the file after the image's build-id and writes it in one step; what is not whole, or of
//! another image, is found out here.
//!
//! ```text
//! 0        8         12        16               24          28
//! +--------+---------+---------+----------------+-----------+------
//! | magic  | version | units   | bytes of .debug_info | rows | rows...
//! +--------+---------+---------+----------------+-----------+------
//! each row:  hash, 4 bytes | kind (upper 2 bits) and unit, 4 | offset in the unit, 4
//! last:      checksum of all before, 8 bytes
//! ```
//!
//! All numbers are little-endian.

use super::super::DebugInfo;
use super::{NameIndex, NameKind, Row};

const MAGIC: &[u8; 8] = b"dbgnames";

/// Counted up whenever the format or what is written down changes.
const VERSION: u32 = 1;

const HEADER_SIZE_BYTES: usize = 28;
const ROW_SIZE_BYTES: usize = 12;
const CHECKSUM_SIZE_BYTES: usize = 8;
const UNIT_BITS: u32 = 30;

/// Why kept bytes are not the index of names of an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The bytes are no index.
    #[error("not an index of names")]
    NotAnIndex,
    /// Another version of this program made it.
    #[error("the index of names has format {0}; this program reads format 1")]
    Version(u32),
    /// It is the index of another image, or of the same with other files beside it.
    #[error("the index of names belongs to another image")]
    OtherImage,
    /// Bytes are missing or were changed.
    #[error("the index of names is damaged; it can be deleted")]
    Damaged,
}

/// What must be the same in the image that an index is used for.
fn identity(info: &DebugInfo) -> (u32, u64) {
    let (units, size) = info.extent();
    (u32::try_from(units).unwrap_or(u32::MAX), size)
}

pub(super) fn encode(index: &NameIndex, info: &DebugInfo) -> Vec<u8> {
    let size = HEADER_SIZE_BYTES + index.rows.len() * ROW_SIZE_BYTES + CHECKSUM_SIZE_BYTES;
    let mut bytes = Vec::with_capacity(size);
    let (units, size_bytes) = identity(info);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(units.to_le_bytes());
    bytes.extend(size_bytes.to_le_bytes());
    bytes.extend(u32::try_from(index.rows.len()).unwrap_or(u32::MAX).to_le_bytes());
    for row in &index.rows {
        bytes.extend(row.hash.to_le_bytes());
        bytes.extend((kind_number(row.kind) << UNIT_BITS | row.unit).to_le_bytes());
        bytes.extend(row.offset.to_le_bytes());
    }
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

pub(super) fn decode(bytes: &[u8], info: &DebugInfo) -> Result<NameIndex, IndexError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(IndexError::NotAnIndex)?;
    let (version, rest) = number(rest)?;
    if version != VERSION {
        return Err(IndexError::Version(version));
    }
    let (content, stored) = bytes.split_last_chunk().ok_or(IndexError::Damaged)?;
    if checksum(content) != u64::from_le_bytes(*stored) {
        return Err(IndexError::Damaged);
    }
    let (units, rest) = number(rest)?;
    let (size, rest) = rest.split_first_chunk().ok_or(IndexError::Damaged)?;
    if (units, u64::from_le_bytes(*size)) != identity(info) {
        return Err(IndexError::OtherImage);
    }
    let (count, rest) = number(rest)?;
    let rows = rest.get(..rest.len().saturating_sub(CHECKSUM_SIZE_BYTES)).unwrap_or_default();
    let (rows, remainder) = rows.as_chunks::<ROW_SIZE_BYTES>();
    if rows.len() != count as usize || !remainder.is_empty() {
        return Err(IndexError::Damaged);
    }
    let rows: Vec<Row> = rows.iter().map(row).collect::<Result<_, _>>()?;
    if !rows.is_sorted() {
        return Err(IndexError::Damaged);
    }
    Ok(NameIndex { rows })
}

fn number(bytes: &[u8]) -> Result<(u32, &[u8]), IndexError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(IndexError::Damaged)?;
    Ok((u32::from_le_bytes(*number), rest))
}

fn row(bytes: &[u8; ROW_SIZE_BYTES]) -> Result<Row, IndexError> {
    let (hash, rest) = number(bytes)?;
    let (unit, rest) = number(rest)?;
    let (offset, _) = number(rest)?;
    let kind = match unit >> UNIT_BITS {
        0 => NameKind::Function,
        1 => NameKind::Inlined,
        2 => NameKind::Variable,
        _ => NameKind::Type,
    };
    Ok(Row { hash, kind, unit: unit & ((1 << UNIT_BITS) - 1), offset })
}

fn kind_number(kind: NameKind) -> u32 {
    match kind {
        NameKind::Function => 0,
        NameKind::Inlined => 1,
        NameKind::Variable => 2,
        NameKind::Type => 3,
    }
}

/// FNV-1a over words of eight bytes, so that it costs less than reading the file does. It finds
/// damage, not forgery: who can write the cache can write anything.
fn checksum(bytes: &[u8]) -> u64 {
    let step =
        |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let (words, rest) = bytes.as_chunks::<8>();
    let start = step(0xcbf2_9ce4_8422_2325, bytes.len() as u64);
    let hash = words.iter().fold(start, |hash, word| step(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)))
}
