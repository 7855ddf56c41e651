//! Files of the server's machine, fetched in pieces that are all under way at once: whole, or the
//! ranges that somebody needs. It does not know what a file is for.

use std::collections::VecDeque;
use std::ops::Range as Span;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use dbgbase::TargetId;
use dbgwire::verbs::file::{CloseFile, FileAccess, OpenFile, ReadFile, TRANSFER_LEN_MAX};
use dbgwire::verbs::memory::{RANGES_MAX, Range};

use super::store::Store;
use crate::client::{CallError, Client};
use crate::{Error, ErrorKind};

/// The longest file that is fetched whole.
const FILE_LEN_MAX: u64 = 1 << 30;
/// One piece.
const PIECE_LEN: u32 = 512 * 1024;
/// How many pieces are under way at once.
const PIECES_UNDER_WAY: usize = 16;

/// How far a transfer, or other long work on symbols, has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferProgress<'a> {
    /// The file's path on the server's machine, or its URL. For names the module's path.
    pub path: &'a [u8],
    /// Where it comes from.
    pub origin: TransferOrigin,
    /// How many bytes are here, or done with.
    pub done_bytes: u64,
    /// How many there are altogether; 0 if nobody says.
    pub total_bytes: u64,
}

/// Where a file comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferOrigin {
    /// The machine of the process server.
    Server,
    /// A server of symbols.
    Url,
    /// This machine: the names in a file's debugging information are put in order.
    Names,
}

/// A file of the server's machine that is open for reading, until this is dropped.
pub(crate) struct RemoteFile<'a> {
    client: &'a Client,
    store: &'a Store,
    path: Vec<u8>,
    file: u32,
    size: u64,
}

impl<'a> RemoteFile<'a> {
    /// Opens a file, as `target` sees it or, without one, as the server does.
    ///
    /// **Errors**: `NotFound`, `NotPermitted` … as the server says; those of the connection.
    /// **Cost**: one round trip.
    pub(crate) fn open(
        client: &'a Client,
        store: &'a Store,
        target: Option<TargetId>,
        path: &[u8],
    ) -> Result<RemoteFile<'a>, Error> {
        let open = OpenFile {
            path: path.to_vec(),
            target: target.map_or(0, TargetId::value),
            access: FileAccess::Read as i32,
            ..OpenFile::default()
        };
        let opened = client.call(&open)?;
        let (file, size) = (opened.file, opened.size);
        Ok(RemoteFile { client, store, path: path.to_vec(), file, size })
    }

    /// Its path on the server's machine.
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// How many bytes it had when it was opened.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// All of it.
    ///
    /// **Errors**: `LimitReached` above 1 GiB; `Cancelled` once the user wants it; those of the
    /// connection.
    /// **Cost**: one round trip, and the time the bytes take.
    pub(crate) fn whole(&self) -> Result<Vec<u8>, Error> {
        if self.size > FILE_LEN_MAX {
            let message = format!(
                "{} has {} bytes; at most {FILE_LEN_MAX} are fetched",
                String::from_utf8_lossy(&self.path),
                self.size
            );
            return Err(Error::new(ErrorKind::LimitReached, message));
        }
        let mut bytes = Vec::new();
        // A file that has become shorter since it was opened ends early.
        self.read(std::slice::from_ref(&(0..self.size)), &mut |_, piece| {
            bytes.extend_from_slice(piece);
        })?;
        Ok(bytes)
    }

    /// Reads ranges; `take` is given where each piece of them begins, and its bytes, in order.
    ///
    /// **Errors**: `Cancelled` once the user wants it; those of the connection.
    /// **Cost**: one round trip, and the time the bytes take.
    pub(crate) fn read(
        &self,
        ranges: &[Span<u64>],
        take: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<(), Error> {
        let total_bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
        let piece_len = self.client.bulk_len_max(TRANSFER_LEN_MAX).min(PIECE_LEN);
        // Drawing from this sends; so only as much is under way as is drawn.
        let mut asked = requests(ranges, piece_len).into_iter().map(|ranges| {
            let read = ReadFile { file: self.file, ranges: ranges.clone() };
            (ranges, self.client.send(&read, Bytes::new()))
        });
        let mut under_way: VecDeque<_> = asked.by_ref().take(PIECES_UNDER_WAY).collect();
        let mut done_bytes = 0;
        while let Some((ranges, pending)) = under_way.pop_front() {
            let (reply, tail) = pending.wait_unless(self.store.cancelled())?;
            if self.store.cancelled().load(Ordering::Acquire) {
                return Err(CallError::Cancelled.into());
            }
            let mut rest = &tail[..];
            for (range, len) in ranges.iter().zip(reply.lengths) {
                let Some((bytes, behind)) = rest.split_at_checked(len as usize) else { break };
                take(range.address, bytes);
                rest = behind;
            }
            done_bytes += tail.len() as u64;
            let (path, origin) = (&self.path[..], TransferOrigin::Server);
            self.store.report(TransferProgress { path, origin, done_bytes, total_bytes });
            under_way.extend(asked.next());
        }
        Ok(())
    }
}

impl Drop for RemoteFile<'_> {
    fn drop(&mut self) {
        self.client.post(&CloseFile { file: self.file });
    }
}

/// What each request asks for: at most `len_max` bytes in at most as many ranges as one may have.
fn requests(ranges: &[Span<u64>], len_max: u32) -> Vec<Vec<Range>> {
    let mut requests: Vec<Vec<Range>> = Vec::new();
    let mut left = 0;
    for range in ranges {
        let mut start = range.start;
        while start < range.end {
            let is_full = requests.last().is_none_or(|last| last.len() == RANGES_MAX);
            if left == 0 || is_full {
                requests.push(Vec::new());
                left = len_max;
            }
            let len = u32::try_from(range.end - start).unwrap_or(u32::MAX).min(left);
            if let Some(request) = requests.last_mut() {
                request.push(Range { address: start, len });
            }
            start += u64::from(len);
            left -= len;
        }
    }
    requests
}

/// Fetches a whole file, as `target` sees it or, without one, as the server does.
///
/// **Errors**: those of [`RemoteFile::open`] and [`RemoteFile::whole`].
/// **Cost**: two round trips, and the time the bytes take.
pub(crate) fn download(
    client: &Client,
    target: Option<TargetId>,
    path: &[u8],
    store: &Store,
) -> Result<Vec<u8>, Error> {
    RemoteFile::open(client, store, target, path)?.whole()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(ranges: &[Span<u64>], len_max: u32) -> Vec<Vec<(u64, u32)>> {
        let requests = requests(ranges, len_max).into_iter();
        requests.map(|one| one.iter().map(|range| (range.address, range.len)).collect()).collect()
    }

    #[test]
    fn ranges_share_requests_as_far_as_they_fit() {
        assert!(asked(&[], 10).is_empty() && asked(&[5..5, 6..6], 10).is_empty());
        assert_eq!(asked(&[0..25, 25..25], 10), [vec![(0, 10)], vec![(10, 10)], vec![(20, 5)]]);
        assert_eq!(
            asked(&[0..3, 100..104, 200..205], 10),
            [vec![(0, 3), (100, 4), (200, 3)], vec![(203, 2)]]
        );
        let many: Vec<Span<u64>> = (0..3000).map(|at| at * 2..at * 2 + 1).collect();
        let sizes: Vec<usize> = asked(&many, 1 << 20).iter().map(Vec::len).collect();
        assert_eq!(sizes, [RANGES_MAX, RANGES_MAX, 3000 - 2 * RANGES_MAX]);
    }
}
