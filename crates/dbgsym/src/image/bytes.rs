//! The bytes of an image, shared by everything derived from it. It does not know whether a file
//! mapping, a download or a copy of a target's memory is behind them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are cheap to clone and to cut, and stay while any clone lives.
///
/// The owner must answer with the same bytes each time. Answers that differ (a mapped file that
/// someone rewrites) make facts wrong, never unsafe: every access is checked against the slice it
/// is made on.
#[derive(Clone)]
pub struct ImageBytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl ImageBytes {
    /// Shares all that `owner` holds: a vector, a file mapping.
    pub fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> ImageBytes {
        let range = 0..owner.as_ref().len();
        ImageBytes { owner: Arc::new(owner), range }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        (*self.owner).as_ref().get(self.range.clone()).unwrap_or(&[])
    }

    /// The bytes of a range, sharing the same owner. `None` if the range does not lie inside.
    pub fn slice(&self, range: Range<u64>) -> Option<ImageBytes> {
        let start = self.range.start.checked_add(usize::try_from(range.start).ok()?)?;
        let end = self.range.start.checked_add(usize::try_from(range.end).ok()?)?;
        let inside = start <= end && end <= self.range.end;
        inside.then(|| ImageBytes { owner: Arc::clone(&self.owner), range: start..end })
    }
}

impl From<Vec<u8>> for ImageBytes {
    fn from(bytes: Vec<u8>) -> ImageBytes {
        ImageBytes::new(bytes)
    }
}

impl fmt::Debug for ImageBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageBytes({} bytes)", self.range.len())
    }
}

/// The bytes from `offset` up to the next NUL, or `None` if `offset` lies outside. A string without
/// NUL ends where the bytes end; none is longer than `len_max_bytes`.
pub(crate) fn c_string_at(bytes: &[u8], offset: u64, len_max_bytes: usize) -> Option<&[u8]> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    let rest = rest.get(..len_max_bytes).unwrap_or(rest);
    let len = memchr::memchr(0, rest).unwrap_or(rest.len());
    rest.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_stay_inside_their_parent() {
        let bytes = ImageBytes::from(vec![0, 1, 2, 3, 4, 5]);
        let middle = bytes.slice(1..5).expect("inside");
        assert_eq!(middle.as_slice(), [1, 2, 3, 4]);
        assert_eq!(middle.slice(1..3).expect("inside").as_slice(), [2, 3]);
        assert!(middle.slice(1..5).is_none(), "the parent ends at 4");
        #[expect(clippy::reversed_empty_ranges, reason = "a damaged header may say so")]
        let reversed = 3..1;
        assert!(middle.slice(reversed).is_none());
        assert!(middle.slice(u64::MAX - 1..u64::MAX).is_none());
    }

    #[test]
    fn strings_end_at_nul_at_the_limit_and_at_the_end() {
        let bytes = b"abc\0defgh";
        assert_eq!(c_string_at(bytes, 1, 100), Some(&b"bc"[..]));
        assert_eq!(c_string_at(bytes, 4, 100), Some(&b"defgh"[..]));
        assert_eq!(c_string_at(bytes, 4, 2), Some(&b"de"[..]));
        assert_eq!(c_string_at(bytes, 10, 2), None);
    }
}
