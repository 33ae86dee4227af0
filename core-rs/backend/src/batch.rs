use std::ops::Range;

use crate::{BackendError, Capacity, Draw, PAGE_TOKENS, SeenToken};

/// One sequence's share of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceSpan {
    /// Its tokens, as a range into [`Batch::tokens`].
    pub tokens: Range<usize>,
    /// Its page table, as a range into [`Batch::page_table`]: entry `i` holds the positions
    /// `i * PAGE_TOKENS..(i + 1) * PAGE_TOKENS`.
    pub pages: Range<usize>,
    /// Tokens whose K and V are in its pages before the step.
    pub kv_len: usize,
    /// The adapter that changes the model for it; none is the model itself.
    pub adapter: Option<u32>,
}

/// What one step computes: prefill chunks, decodes and speculated rows, mixed freely.
///
/// The vectors are reused from step to step, so that a steady state allocates nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Token ids, flat over all sequences, `[tokens]`.
    pub tokens: Vec<u32>,
    /// Position of each token in its sequence, `[tokens]`.
    pub positions: Vec<u32>,
    /// One span a sequence; they cover `tokens` in order, without gaps.
    pub sequences: Vec<SequenceSpan>,
    /// Page ids, flat over all sequences.
    pub page_table: Vec<u32>,
    /// Indices into `tokens` whose logits are wanted, ascending.
    pub logit_rows: Vec<u32>,
    /// Indices into `logit_rows`, ascending, of which only [`crate::Peak`]s are wanted. A backend
    /// gives the peak or the logits of such a row.
    pub peak_rows: Vec<u32>,
    /// How tokens are chosen of further rows, ascending by row. A backend gives the token or the
    /// logits of such a row.
    pub draws: Vec<Draw>,
    /// The tokens that draws have seen.
    pub seen: Vec<SeenToken>,
    /// Empty, or for each of `tokens` the row of the step begun before whose token takes its place,
    /// or [`Batch::KNOWN`]. See [`crate::Ahead`].
    pub handed: Vec<u32>,
}

impl Batch {
    /// The entry of [`Batch::handed`] for a token that the batch itself holds.
    pub const KNOWN: u32 = u32::MAX;

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.page_table.clear();
        self.logit_rows.clear();
        self.peak_rows.clear();
        self.draws.clear();
        self.seen.clear();
        self.handed.clear();
    }

    /// Whether there is nothing to compute.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Appends a sequence: `tokens` follow the `kv_len` tokens already in `pages`.
    ///
    /// Returns the index of its first token in [`Batch::tokens`]; the caller adds the rows that it
    /// wants to [`Batch::logit_rows`] from there.
    pub fn push_sequence(&mut self, tokens: &[u32], pages: &[u32], kv_len: usize) -> usize {
        let first = self.tokens.len();
        self.tokens.extend_from_slice(tokens);
        self.positions.extend((kv_len..kv_len + tokens.len()).map(|position| position as u32));
        let page_start = self.page_table.len();
        self.page_table.extend_from_slice(pages);
        self.sequences.push(SequenceSpan {
            tokens: first..self.tokens.len(),
            pages: page_start..self.page_table.len(),
            kv_len,
            adapter: None,
        });
        first
    }

    /// Sets the adapter of the sequence that was appended last.
    pub fn set_adapter(&mut self, adapter: Option<u32>) {
        if let Some(last) = self.sequences.last_mut() {
            last.adapter = adapter;
        }
    }

    /// Checks every index that a backend will follow: one pass, no allocation.
    ///
    /// # Errors
    /// [`BackendError::Batch`] names the first rule that is broken.
    pub fn check(&self, capacity: &Capacity) -> Result<(), BackendError> {
        let fail = |text: String| Err(BackendError::Batch(text));
        if self.tokens.len() > capacity.batch_tokens {
            return fail(format!("{} tokens, limit {}", self.tokens.len(), capacity.batch_tokens));
        }
        if self.positions.len() != self.tokens.len() {
            return fail(format!(
                "{} positions for {} tokens",
                self.positions.len(),
                self.tokens.len()
            ));
        }
        if let Some(token) = self.tokens.iter().find(|&&token| token as usize >= capacity.vocab) {
            return fail(format!("token id {token}, vocabulary {}", capacity.vocab));
        }
        capacity.check_pages(&self.page_table)?;
        self.check_spans(capacity)?;
        self.check_rows(capacity)?;
        self.check_draws()
    }

    fn check_spans(&self, capacity: &Capacity) -> Result<(), BackendError> {
        let mut next = 0;
        for (index, span) in self.sequences.iter().enumerate() {
            let fail = |text: String| Err(BackendError::Batch(format!("sequence {index}: {text}")));
            if span.tokens.start != next
                || span.tokens.end <= next
                || span.tokens.end > self.tokens.len()
            {
                return fail(format!("tokens {:?} do not follow {next}", span.tokens));
            }
            next = span.tokens.end;
            if span.pages.start > span.pages.end || span.pages.end > self.page_table.len() {
                return fail(format!(
                    "pages {:?}, page table {}",
                    span.pages,
                    self.page_table.len()
                ));
            }
            let Some(length) = span.kv_len.checked_add(span.tokens.len()) else {
                return fail(format!("KV length {} overflows", span.kv_len));
            };
            if length > capacity.context || length > span.pages.len() * PAGE_TOKENS {
                let (pages, context) = (span.pages.len(), capacity.context);
                return fail(format!("length {length}, {pages} pages, context {context}"));
            }
            if let Some(adapter) = span.adapter.filter(|&it| it as usize >= capacity.adapters) {
                return fail(format!("adapter {adapter}, adapters {}", capacity.adapters));
            }
            let positions = &self.positions[span.tokens.clone()];
            if positions
                .iter()
                .zip(span.kv_len..)
                .any(|(&position, want)| position as usize != want)
            {
                return fail(format!("positions do not count up from {}", span.kv_len));
            }
        }
        if next == self.tokens.len() {
            return Ok(());
        }
        Err(BackendError::Batch(format!("{} tokens, the sequences hold {next}", self.tokens.len())))
    }

    fn check_rows(&self, capacity: &Capacity) -> Result<(), BackendError> {
        if self.logit_rows.len() > capacity.logit_rows {
            let (rows, limit) = (self.logit_rows.len(), capacity.logit_rows);
            return Err(BackendError::Batch(format!("{rows} wanted rows, limit {limit}")));
        }
        let ascending = self.logit_rows.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending
            || self.logit_rows.last().is_some_and(|&row| row as usize >= self.tokens.len())
        {
            return Err(BackendError::Batch("wanted rows are not ascending token indices".into()));
        }
        let ascending = self.peak_rows.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending
            || self.peak_rows.last().is_some_and(|&row| row as usize >= self.logit_rows.len())
        {
            return Err(BackendError::Batch("peak rows are not ascending wanted rows".into()));
        }
        Ok(())
    }

    fn check_draws(&self) -> Result<(), BackendError> {
        let ascending = self.draws.windows(2).all(|pair| pair[0].row < pair[1].row);
        let last = self.draws.last();
        if !ascending || last.is_some_and(|draw| draw.row as usize >= self.logit_rows.len()) {
            return Err(BackendError::Batch("draws are not of ascending wanted rows".into()));
        }
        for draw in &self.draws {
            let fail = |text: String| Err(BackendError::Batch(format!("row {}: {text}", draw.row)));
            if self.seen.get(draw.seen.clone()).is_none() {
                return fail(format!("seen tokens {:?} of {}", draw.seen, self.seen.len()));
            }
            if draw.top > Draw::MOST_TOP {
                return fail(format!("{} best tokens, limit {}", draw.top, Draw::MOST_TOP));
            }
        }
        if !self.handed.is_empty() && self.handed.len() != self.tokens.len() {
            let (handed, tokens) = (self.handed.len(), self.tokens.len());
            return Err(BackendError::Batch(format!("{handed} handed tokens of {tokens}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: Capacity = Capacity {
        pages: 4,
        batch_tokens: 64,
        logit_rows: 2,
        vocab: 10,
        context: 100,
        adapters: 2,
    };

    fn valid() -> Batch {
        let mut batch = Batch::default();
        batch.push_sequence(&[1, 2, 3], &[0], 0);
        let first = batch.push_sequence(&[4], &[1, 2], 40);
        batch.set_adapter(Some(1));
        batch.logit_rows.extend([2, first as u32]);
        batch
    }

    fn error_of(change: impl FnOnce(&mut Batch)) -> String {
        let mut batch = valid();
        change(&mut batch);
        batch.check(&CAPACITY).unwrap_err().to_string()
    }

    #[test]
    fn a_ragged_batch_of_prefill_and_decode_is_valid() {
        let batch = valid();
        assert_eq!(batch.positions, [0, 1, 2, 40]);
        assert_eq!(batch.sequences[1].pages, 1..3);
        batch.check(&CAPACITY).unwrap();
    }

    #[test]
    fn a_cleared_batch_is_empty_and_valid() {
        let mut batch = valid();
        batch.clear();
        assert!(batch.is_empty());
        batch.check(&CAPACITY).unwrap();
    }

    #[test]
    fn each_broken_rule_is_named() {
        assert!(error_of(|b| b.tokens[0] = 10).contains("token id 10"));
        assert!(error_of(|b| b.page_table[0] = 4).contains("page 4"));
        assert!(error_of(|b| b.positions[3] = 39).contains("count up from 40"));
        assert!(error_of(|b| b.sequences[1].kv_len = 64).contains("length 65"));
        assert!(error_of(|b| b.set_adapter(Some(2))).contains("sequence 1: adapter 2, adapters 2"));
        assert!(error_of(|b| b.sequences[1].kv_len = usize::MAX).contains("overflows"));
        assert!(error_of(|b| b.sequences[0].tokens = 0..2).contains("do not follow 2"));
        assert!(error_of(|b| b.logit_rows = vec![2, 2]).contains("ascending"));
        assert!(error_of(|b| b.logit_rows = vec![1, 4]).contains("ascending"));
        assert!(error_of(|b| b.logit_rows = vec![0, 1, 2]).contains("3 wanted rows"));
        assert!(error_of(|b| b.draws = vec![Draw::greedy(2, 0)]).contains("ascending wanted rows"));
        assert!(
            error_of(|b| b.draws = vec![Draw { top: 33, ..Draw::greedy(1, 0) }]).contains("33")
        );
        let seen = |b: &mut Batch| b.draws = vec![Draw { seen: 0..1, ..Draw::greedy(0, 0) }];
        assert!(error_of(seen).contains("row 0: seen tokens 0..1 of 0"));
        assert!(error_of(|b| b.handed = vec![0]).contains("1 handed tokens of 4"));
        assert!(
            error_of(|b| b.tokens.push(1)).contains("5 tokens")
                || error_of(|b| b.tokens.push(1)).contains("positions")
        );
    }
}
