//! Files of the server's machine, fetched in pieces that are all under way at once. It does not
//! know what a file is for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dbgbase::TargetId;
use dbgwire::verbs::file::{CloseFile, FileAccess, OpenFile, ReadFile, TRANSFER_LEN_MAX};
use dbgwire::verbs::memory::Range;

use super::store::Store;
use crate::client::{CallError, Client};
use crate::{Error, ErrorKind};

/// The longest file that is fetched.
const FILE_LEN_MAX: u64 = 1 << 30;
/// One piece.
const PIECE_LEN: u32 = 512 * 1024;
/// How many pieces are under way at once.
const PIECES_UNDER_WAY: usize = 16;

/// How far a transfer has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferProgress<'a> {
    /// The file's path on the server's machine, or its URL.
    pub path: &'a [u8],
    /// Where it comes from.
    pub origin: TransferOrigin,
    /// How many bytes are here.
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
}

/// Fetches a whole file, as `target` sees it or, without one, as the server does.
///
/// **Errors**: `NotFound`, `NotPermitted` … as the server says; `LimitReached` above 1 GiB;
/// `Cancelled` once the user wants it; those of the connection.
/// **Cost**: two round trips, and the time the bytes take.
pub(crate) fn download(
    client: &Client,
    target: Option<TargetId>,
    path: &[u8],
    store: &Store,
) -> Result<Vec<u8>, Error> {
    let open = OpenFile {
        path: path.to_vec(),
        target: target.map_or(0, TargetId::value),
        access: FileAccess::Read as i32,
        mode: 0,
    };
    let opened = client.call(&open)?;
    let result = if opened.size > FILE_LEN_MAX {
        let message = format!(
            "{} has {} bytes; at most {FILE_LEN_MAX} are fetched",
            String::from_utf8_lossy(path),
            opened.size
        );
        Err(Error::new(ErrorKind::LimitReached, message))
    } else {
        let mut report = |done_bytes| {
            let (origin, total_bytes) = (TransferOrigin::Server, opened.size);
            store.report(TransferProgress { path, origin, done_bytes, total_bytes });
        };
        pieces(client, opened.file, opened.size, store.cancelled(), &mut report)
            .map_err(Error::from)
    };
    client.post(&CloseFile { file: opened.file });
    result
}

fn pieces(
    client: &Client,
    file: u32,
    size: u64,
    cancelled: &AtomicBool,
    report: &mut dyn FnMut(u64),
) -> Result<Vec<u8>, CallError> {
    let piece_len = client.bulk_len_max(TRANSFER_LEN_MAX).min(PIECE_LEN);
    // Drawing from this sends; so only as much is under way as is drawn.
    let mut asked = (0..size).step_by(piece_len as usize).map(|offset| {
        let len = u32::try_from(size - offset).unwrap_or(u32::MAX).min(piece_len);
        let ranges = vec![Range { address: offset, len }];
        (len, client.send(&ReadFile { file, ranges }, Bytes::new()))
    });
    let mut under_way: VecDeque<_> = asked.by_ref().take(PIECES_UNDER_WAY).collect();
    let mut bytes = Vec::new();
    while let Some((len, pending)) = under_way.pop_front() {
        let (_, tail) = pending.wait_unless(cancelled)?;
        if cancelled.load(Ordering::Acquire) {
            return Err(CallError::Cancelled);
        }
        bytes.extend_from_slice(&tail);
        report(bytes.len() as u64);
        if tail.len() < len as usize {
            break; // The file has become shorter since it was opened.
        }
        under_way.extend(asked.next());
    }
    Ok(bytes)
}
