//! Redaction of what comes in chunks: a secret that is split over them is found as if it were not.

use std::sync::Arc;

use super::{MARK, Redactor};

/// Redacts one body.
#[derive(Debug)]
pub struct Redacting {
    redactor: Arc<Redactor>,
    /// What may be the start of a secret.
    held: Vec<u8>,
    /// How much of it is the end of one whose mark has been given out.
    covered: usize,
}

impl Redacting {
    /// At the start of a body.
    #[must_use]
    pub fn new(redactor: Arc<Redactor>) -> Self {
        Self { redactor, held: Vec::new(), covered: 0 }
    }

    /// Takes a chunk and gives what can be said of it by now; the rest comes with the chunks after it. No more is held
    /// back than what a secret could begin with.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(chunk);
        let until = self.redactor.unfinished(&self.held);
        self.give(until)
    }

    /// The end of the body: what was held back is no secret after all.
    pub fn finish(&mut self) -> Vec<u8> {
        self.give(self.held.len())
    }

    fn give(&mut self, until: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(until);
        let mut covered = self.covered;
        for found in self.redactor.merged(&self.held) {
            if found.start >= until {
                break;
            }
            // One that begins in what is covered already goes on with it: they overlap.
            if found.start >= covered {
                out.extend_from_slice(&self.held[covered..found.start]);
                out.extend_from_slice(MARK.as_bytes());
            }
            covered = covered.max(found.end);
        }
        if covered < until {
            out.extend_from_slice(&self.held[covered..until]);
        }
        self.held.drain(..until);
        self.covered = covered.saturating_sub(until);
        out
    }
}
