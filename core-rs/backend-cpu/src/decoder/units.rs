//! How a layer's attention is cut into pieces of work.

use std::ops::Range;

use tgi_backend::Batch;

use crate::arena::PARTIAL_ROWS;
use crate::attention::{CHUNK, MAX_ROWS};

/// Rows of one sequence that attend together, for each KV head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Which sequence.
    pub sequence: usize,
    /// Its rows, see [`super::Rows`].
    pub rows: Range<usize>,
    /// Chunks of positions to attend to.
    pub chunks: Range<usize>,
    /// Where its partial results start when the chunks are shared out, in rows of the arena's
    /// partials for KV head 0; `None` when this unit sees all chunks and finishes by itself.
    pub partials: Option<usize>,
}

/// What the cutting depends on.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Query heads.
    pub heads: usize,
    /// KV heads that they share.
    pub kv_heads: usize,
    /// Pieces of work, over all KV heads, below which long contexts are split.
    pub wanted: usize,
}

/// The pieces of one layer. Its vectors keep their memory from step to step.
#[derive(Debug, Default)]
pub struct Units {
    /// Pieces, to be run for each KV head.
    pub pieces: Vec<Unit>,
    /// Ranges of `pieces` whose partial results belong together: one for each split row.
    pub splits: Vec<Range<usize>>,
    /// Whether each piece may write K and V of its own tokens: no other piece reads them.
    pub own_keys: bool,
}

impl Units {
    /// Memory for steps of up to `tokens` tokens.
    pub fn new(tokens: usize) -> Self {
        Self {
            pieces: Vec::with_capacity(tokens + PARTIAL_ROWS),
            splits: Vec::with_capacity(tokens),
            own_keys: false,
        }
    }

    /// Cuts up the rows `spans` of each sequence, whose tokens are `tokens`. Single rows with long
    /// contexts are split by chunks while there are fewer pieces than wanted and memory for partial
    /// results.
    pub fn plan(
        &mut self,
        batch: &Batch,
        tokens: &[u32],
        spans: impl Iterator<Item = Range<usize>>,
        cut: &Cut,
    ) {
        self.pieces.clear();
        self.splits.clear();
        self.own_keys = true;
        let block = (MAX_ROWS / (cut.heads / cut.kv_heads)).max(1);
        let split_all = batch.sequences.len() * cut.kv_heads < cut.wanted;
        let mut partials = 0;
        for (sequence, span) in spans.enumerate() {
            let in_step = batch.sequences[sequence].tokens.len();
            self.own_keys &= span.len() == in_step && in_step <= block;
            let is_single = span.len() == 1;
            let mut first = span.start;
            while first < span.end {
                let rows = first..span.end.min(first + block);
                first = rows.end;
                let length = batch.positions[tokens[rows.end - 1] as usize] as usize + 1;
                let chunks = length.div_ceil(CHUNK);
                let needed = cut.heads * chunks;
                if split_all && is_single && chunks > 1 && partials + needed <= PARTIAL_ROWS {
                    let start = self.pieces.len();
                    self.pieces.extend((0..chunks).map(|chunk| Unit {
                        sequence,
                        rows: rows.clone(),
                        chunks: chunk..chunk + 1,
                        partials: Some(partials + chunk * cut.heads),
                    }));
                    self.splits.push(start..self.pieces.len());
                    partials += needed;
                } else {
                    let chunks = 0..chunks;
                    self.pieces.push(Unit { sequence, rows, chunks, partials: None });
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
        let tokens: Vec<u32> = (0..batch.tokens.len() as u32).collect();
        let spans = batch.sequences.iter().map(|span| span.tokens.clone());
        units.plan(&batch, &tokens, spans, &Cut { heads, kv_heads, wanted });
        units
    }

    #[test]
    fn every_row_attends_to_every_chunk_once() {
        let units = plan(&[(0, 100), (300, 1), (700, 1), (5, 3)], 9, 3, 16);
        let mut seen = vec![0; 105];
        for unit in &units.pieces {
            for row in unit.rows.clone() {
                seen[row] += unit.chunks.len();
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
