//! A file of which only parts are here: their bytes in their places, zeros between them. It knows
//! how such a file is kept on this machine, not what is in it.
//!
//! ```text
//! length 8 | number of ranges 4 | start 8, end 8 ... | bytes of the ranges
//! ```

use std::ops::Range;

use dbgsym::{Image, ImageBytes, ImageError};

/// A longer file is not fetched in parts. Zeros take no memory until they are looked at, but no
/// system promises any length.
pub(crate) const FILE_LEN_MAX: u64 = 16 << 30;
/// More ranges than sections would have are damage.
const RANGES_MAX: usize = 100_000;

/// Parts of one file.
pub(crate) struct Parts {
    bytes: Vec<u8>,
    /// In ascending order; none touch.
    known: Vec<Range<u64>>,
}

impl Parts {
    /// A file of which nothing is here. `None` if it is too long.
    pub(crate) fn new(len: u64) -> Option<Parts> {
        let len = usize::try_from(len).ok().filter(|len| *len as u64 <= FILE_LEN_MAX)?;
        Some(Parts { bytes: vec![0; len], known: Vec::new() })
    }

    /// The headers of a file that is here in parts, for another part of it.
    pub(crate) fn headers_of(image: &Image) -> Option<Parts> {
        let bytes = image.bytes().as_slice();
        let len = bytes.len() as u64;
        let mut parts = Parts::new(len)?;
        for range in image.known()?.iter().filter(|range| range.start == 0 || range.end == len) {
            parts.put(range.start, image.bytes().slice(range.clone())?.as_slice());
        }
        Some(parts)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn known(&self) -> &[Range<u64>] {
        &self.known
    }

    /// Puts bytes into their place. Those outside the file are dropped.
    pub(crate) fn put(&mut self, start: u64, bytes: &[u8]) {
        let end = start.saturating_add(bytes.len() as u64);
        let Some(place) = self.bytes.get_mut(start as usize..end as usize) else { return };
        place.copy_from_slice(bytes);
        let at = self.known.partition_point(|range| range.start < start);
        self.known.insert(at, start..end);
        self.known.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
    }

    /// The image that they are parts of.
    ///
    /// **Errors**: as [`Image::parse_part`].
    pub(crate) fn into_image(self) -> Result<Image, ImageError> {
        Image::parse_part(ImageBytes::from(self.bytes), &self.known)
    }

    /// How they are kept.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut kept = Vec::new();
        kept.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        kept.extend_from_slice(&(self.known.len() as u32).to_le_bytes());
        for range in &self.known {
            kept.extend_from_slice(&range.start.to_le_bytes());
            kept.extend_from_slice(&range.end.to_le_bytes());
        }
        for range in &self.known {
            let bytes = self.bytes.get(range.start as usize..range.end as usize);
            kept.extend_from_slice(bytes.unwrap_or_default());
        }
        kept
    }

    /// `None` for what was not written by [`Parts::encode`].
    pub(crate) fn decode(kept: &[u8]) -> Option<Parts> {
        let (len, rest) = kept.split_first_chunk()?;
        let (count, mut rest) = rest.split_first_chunk()?;
        let count = u32::from_le_bytes(*count) as usize;
        let mut ranges = Vec::new();
        for _ in 0..Some(count).filter(|count| *count <= RANGES_MAX)? {
            let (start, behind) = rest.split_first_chunk()?;
            let (end, behind) = behind.split_first_chunk()?;
            ranges.push(u64::from_le_bytes(*start)..u64::from_le_bytes(*end));
            rest = behind;
        }
        let mut parts = Parts::new(u64::from_le_bytes(*len))?;
        for range in ranges {
            let part = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
            let (bytes, behind) = rest.split_at_checked(part)?;
            parts.put(range.start, bytes);
            rest = behind;
        }
        rest.is_empty().then_some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_touch_become_one() {
        let mut parts = Parts::new(100).expect("short enough");
        parts.put(10, b"abc");
        parts.put(50, b"x");
        parts.put(13, b"def");
        parts.put(0, b"0123456789");
        assert_eq!(parts.known(), [0..16, 50..51]);
        assert_eq!(&parts.bytes()[..17], b"0123456789abcdef\0");
        parts.put(98, b"too long");
        assert_eq!(parts.known().len(), 2);
    }

    #[test]
    fn what_is_kept_is_read_again_and_damage_is_not() {
        let mut parts = Parts::new(1 << 30).expect("zeros cost nothing");
        parts.put(5, b"abc");
        parts.put(1 << 29, b"d");
        let kept = parts.encode();
        assert!(kept.len() < 100, "only what is known is kept");
        let again = Parts::decode(&kept).expect("whole");
        assert_eq!(again.known(), parts.known());
        assert_eq!(again.bytes().len(), 1 << 30);
        assert_eq!(&again.bytes()[5..8], b"abc");
        for len in 0..kept.len() {
            assert!(Parts::decode(&kept[..len]).is_none(), "{len}");
        }
        assert!(Parts::decode(&[&kept[..], b"x"].concat()).is_none());
        let mut reversed = kept;
        reversed[12] = 9; // The first range now begins behind its end.
        assert!(Parts::decode(&reversed).is_none());
    }
}
