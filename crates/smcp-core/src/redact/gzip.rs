//! Unpacking a gzip body chunk by chunk, so that it can be looked through.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;
use smcp_types::{Error, Refusal, Result};

/// How much is unpacked in one step: what comes of it is at most about a thousand times as much.
const STEP: usize = 1 << 10;

/// Unpacks one body.
#[derive(Debug, Default)]
pub struct Gunzip(Option<MultiGzDecoder<Vec<u8>>>);

impl Gunzip {
    /// Takes a chunk and hands on what it unpacks to, piece by piece, until the receiver has had enough.
    ///
    /// # Errors
    /// It is no gzip, or what the receiver says.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let decoder = self.0.get_or_insert_with(|| MultiGzDecoder::new(Vec::new()));
        for piece in chunk.chunks(STEP) {
            decoder.write_all(piece).map_err(|_| broken())?;
            each(decoder.get_ref())?;
            decoder.get_mut().clear();
        }
        Ok(())
    }

    /// The end of the body.
    ///
    /// # Errors
    /// It ends before the gzip does, or what the receiver says.
    pub fn finish(self, mut each: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        match self.0 {
            Some(decoder) => each(&decoder.finish().map_err(|_| broken())?),
            // Of no bytes at all: answers without a body say so too.
            None => Ok(()),
        }
    }
}

fn broken() -> Error {
    Error::Unavailable(Refusal::new("the other side sent a gzip body that does not unpack"))
}
