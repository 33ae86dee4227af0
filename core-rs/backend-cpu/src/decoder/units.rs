//! How a step's attention is cut into pieces of work.

use std::ops::Range;

use tgi_backend::Batch;

use crate::arena::PARTIAL_ROWS;
use crate::attention::{CHUNK, MAX_ROWS};

/// Tokens of one sequence that attend together, for each KV head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Which sequence.
    pub sequence: usize,
    /// Its tokens, as indices into the batch.
    pub tokens: Range<usize>,
    /// Chunks of positions to attend to.
    pub chunks: Range<usize>,
    /// Where its partial results start when the chunks are shared out, in rows of the arena's
    /// partials for KV head 0; `None` when this unit sees all chunks and finishes by itself.
    pub partials: Option<usize>,
}

/// The pieces of one step. Its vectors keep their memory from step to step.
#[derive(Debug, Default)]
pub struct Units {
    /// Pieces, to be run for each KV head.
    pub pieces: Vec<Unit>,
    /// Ranges of `pieces` whose partial results belong together: one for each split token.
    pub splits: Vec<Range<usize>>,
    sequence_of: Vec<usize>,
}

impl Units {
    /// Memory for steps of up to `tokens` tokens.
    pub fn new(tokens: usize) -> Self {
        Self {
            pieces: Vec::with_capacity(tokens + PARTIAL_ROWS),
            splits: Vec::with_capacity(tokens),
            sequence_of: Vec::with_capacity(tokens),
        }
    }

    /// Which sequence a token belongs to.
    pub fn sequence_of(&self, token: usize) -> usize {
        self.sequence_of[token]
    }

    /// Cuts up a batch. `heads` query heads share `kv_heads`; single tokens with long contexts are
    /// split by chunks while there are fewer pieces than `wanted` and memory for partial results.
    pub fn plan(&mut self, batch: &Batch, heads: usize, kv_heads: usize, wanted: usize) {
        self.pieces.clear();
        self.splits.clear();
        self.sequence_of.clear();
        let block = (MAX_ROWS / (heads / kv_heads)).max(1);
        let split_all = batch.sequences.len() * kv_heads < wanted;
        let mut partials = 0;
        for (sequence, span) in batch.sequences.iter().enumerate() {
            self.sequence_of.extend(span.tokens.clone().map(|_| sequence));
            let mut first = span.tokens.start;
            while first < span.tokens.end {
                let tokens = first..span.tokens.end.min(first + block);
                let length = batch.positions[tokens.end - 1] as usize + 1;
                let chunks = length.div_ceil(CHUNK);
                first = tokens.end;
                let rows = heads * chunks;
                if split_all
                    && span.tokens.len() == 1
                    && chunks > 1
                    && partials + rows <= PARTIAL_ROWS
                {
                    let start = self.pieces.len();
                    self.pieces.extend((0..chunks).map(|chunk| Unit {
                        sequence,
                        tokens: tokens.clone(),
                        chunks: chunk..chunk + 1,
                        partials: Some(partials + chunk * heads),
                    }));
                    self.splits.push(start..self.pieces.len());
                    partials += rows;
                } else {
                    let chunks = 0..chunks;
                    self.pieces.push(Unit { sequence, tokens, chunks, partials: None });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(lengths: &[(usize, usize)], heads: usize, kv_heads: usize, wanted: usize) -> Units {
        let mut batch = Batch::default();
        for &(kv_len, tokens) in lengths {
            batch.push_sequence(&vec![0; tokens], &[], kv_len);
        }
        let mut units = Units::new(1024);
        units.plan(&batch, heads, kv_heads, wanted);
        units
    }

    #[test]
    fn every_token_attends_to_every_chunk_once() {
        let units = plan(&[(0, 100), (300, 1), (700, 1), (5, 3)], 9, 3, 16);
        let mut seen = vec![0; 105];
        for unit in &units.pieces {
            for token in unit.tokens.clone() {
                assert_eq!(units.sequence_of(token), unit.sequence);
                seen[token] += unit.chunks.len();
            }
        }
        assert_eq!(seen[100], 301usize.div_ceil(CHUNK));
        assert_eq!(seen[101], 701usize.div_ceil(CHUNK));
        assert!(seen[..100].iter().chain(&seen[102..]).all(|&chunks| chunks == 1));
        assert_eq!(units.splits.len(), 2);
    }

    #[test]
    fn partial_results_do_not_overlap_and_fit() {
        let units = plan(&vec![(5000, 1); 60], 8, 1, 1000);
        let mut starts: Vec<_> = units.pieces.iter().filter_map(|unit| unit.partials).collect();
        starts.sort_unstable();
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 8));
        assert!(starts.last().is_some_and(|last| last + 8 <= PARTIAL_ROWS));
        assert!(units.pieces.iter().any(|unit| unit.partials.is_none()));
    }

    #[test]
    fn many_sequences_are_not_split() {
        assert!(plan(&vec![(5000, 1); 60], 8, 1, 8).splits.is_empty());
    }
}
