use super::Sampled;
use crate::warpers::{Candidate, Ranked};

/// Working memory of a sampling thread, and the top tokens of the last row.
#[derive(Debug)]
pub struct Scratch {
    pub(super) candidates: Vec<Candidate>,
    pub(super) ranked: Vec<Ranked>,
    /// A number for each block of the row.
    pub(super) blocks: Vec<f32>,
    pub(super) block_sums: Vec<f64>,
    pub(super) top: Vec<Sampled>,
    /// The row as it came.
    pub(super) raw: Vec<f32>,
    pub(super) permutation: Vec<u32>,
}

impl Scratch {
    /// Takes the memory for rows of `vocab` logits: 32 bytes a token.
    pub fn new(vocab: usize) -> Self {
        Self {
            candidates: Vec::with_capacity(vocab),
            ranked: Vec::with_capacity(vocab),
            blocks: Vec::with_capacity(vocab / 256 + 1),
            block_sums: Vec::with_capacity(vocab / 4096 + 1),
            top: Vec::with_capacity(64),
            raw: Vec::with_capacity(vocab),
            permutation: Vec::with_capacity(vocab),
        }
    }

    /// The most likely tokens at the place of the last sampled row, best first: as many as the
    /// request asks for, fewer when fewer survive the warpers.
    pub fn top(&self) -> &[Sampled] {
        &self.top
    }
}
