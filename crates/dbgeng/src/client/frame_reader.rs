//! Frames out of a link. Small frames are read many at a time; the bytes of big ones go straight
//! to where they stay. It knows nothing of what a frame says.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use dbglink::LinkReader;
use dbgwire::{Deframer, Frame, FrameError};

/// How much is read at a time. What a frame lacks beyond this is read without a copy.
const BUFFER_LEN: usize = 32 * 1024;

/// The reading half of a connection.
pub(super) struct FrameReader<R = LinkReader> {
    link: R,
    deframer: Deframer,
    buffer: Box<[u8]>,
    /// The bytes in the buffer that the deframer has not had yet: from here…
    start: usize,
    /// …up to here.
    end: usize,
}

/// Why no frame can be read any more.
#[derive(Debug)]
pub(super) enum ReadFailure {
    /// The link fails.
    Link(io::Error),
    /// What came are no frames.
    NoFrames(FrameError),
    /// The peer hung up inside a frame.
    CutOff,
}

impl fmt::Display for ReadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadFailure::Link(error) => write!(f, "reading from the server: {error}"),
            ReadFailure::NoFrames(error) => error.fmt(f),
            ReadFailure::CutOff => {
                f.write_str("the server closed the connection in the middle of a message")
            }
        }
    }
}

impl<R: Read> FrameReader<R> {
    /// At the very start of a connection.
    pub(super) fn new(link: R) -> FrameReader<R> {
        let buffer = vec![0; BUFFER_LEN].into_boxed_slice();
        FrameReader { link, deframer: Deframer::new(), buffer, start: 0, end: 0 }
    }

    /// What the frames come from.
    pub(super) fn link(&self) -> &R {
        &self.link
    }

    /// Sets how long frames may be from the next on.
    pub(super) fn set_length_max(&mut self, length_max: u32) {
        self.deframer.set_length_max(length_max);
    }

    /// The next frame, or `None` if the peer hung up in an orderly way.
    ///
    /// **Errors**: [`ReadFailure`]; nothing can be read after one.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, ReadFailure> {
        loop {
            let want = self.deframer.want();
            let count = if self.start < self.end {
                let ready = self.buffer.get(self.start..self.end).unwrap_or_default();
                let count = want.len().min(ready.len());
                if let (Some(to), Some(from)) = (want.get_mut(..count), ready.get(..count)) {
                    to.copy_from_slice(from);
                }
                self.start += count;
                count
            } else if want.len() >= BUFFER_LEN {
                match read(&mut self.link, want)? {
                    0 => return self.hung_up(),
                    count => count,
                }
            } else {
                (self.start, self.end) = (0, read(&mut self.link, &mut self.buffer)?);
                if self.end == 0 {
                    return self.hung_up();
                }
                continue;
            };
            let frame = self.deframer.filled(count).map_err(ReadFailure::NoFrames)?;
            if frame.is_some() {
                return Ok(frame);
            }
        }
    }

    fn hung_up(&self) -> Result<Option<Frame>, ReadFailure> {
        if self.deframer.is_between_frames() { Ok(None) } else { Err(ReadFailure::CutOff) }
    }
}

fn read(link: &mut impl Read, buffer: &mut [u8]) -> Result<usize, ReadFailure> {
    loop {
        match link.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result.map_err(ReadFailure::Link),
        }
    }
}
