//! What the layers of a step compute: which rows, in which order, and how attention is cut up.

use tgi_backend::Batch;

use super::units::{Cut, Units};

/// The rows of a layer: the batch's tokens, those first that go through the whole of it.
#[derive(Debug, Default)]
pub struct Rows {
    /// Token of each row.
    pub tokens: Vec<u32>,
    /// Rows that go through the whole layer; of the others only K and V are computed.
    pub whole: usize,
    /// Pieces of their attention.
    pub units: Units,
}

impl Rows {
    fn new(tokens: usize) -> Self {
        Self { tokens: Vec::with_capacity(tokens), whole: 0, units: Units::new(tokens) }
    }

    /// All tokens, as they stand in the batch.
    fn plan_all(&mut self, batch: &Batch, cut: &Cut) {
        self.tokens.clear();
        self.tokens.extend(0..batch.tokens.len() as u32);
        self.whole = self.tokens.len();
        let spans = batch.sequences.iter().map(|span| span.tokens.clone());
        self.units.plan(batch, &self.tokens, spans, cut);
    }

    /// The wanted ones, and behind them the others.
    fn plan_wanted(&mut self, batch: &Batch, cut: &Cut) {
        let wanted = &batch.logit_rows;
        self.whole = wanted.len();
        self.tokens.clear();
        self.tokens.extend(wanted);
        let mut next = wanted.iter().copied().peekable();
        let all = 0..batch.tokens.len() as u32;
        self.tokens.extend(all.filter(|token| next.next_if_eq(token).is_none()));
        let mut start = 0;
        let spans = batch.sequences.iter().map(|span| {
            let first = start;
            start += wanted[first..].partition_point(|&row| (row as usize) < span.tokens.end);
            first..start
        });
        self.units.plan(batch, &self.tokens, spans, cut);
    }
}

/// The plan of one step. Its vectors keep their memory from step to step.
#[derive(Debug)]
pub struct Plan {
    /// Rows of every layer but the last.
    pub all: Rows,
    /// Rows of the last layer: what it makes of a token matters only if its logits are wanted.
    pub last: Rows,
    sequence_of: Vec<usize>,
    /// Whether some sequence has an adapter.
    pub is_adapted: bool,
    /// Of each wanted row, its place among those that ask for their peak.
    peak_places: Vec<Option<usize>>,
}

impl Plan {
    /// Memory for steps of up to `tokens` tokens.
    pub fn new(tokens: usize) -> Self {
        Self {
            all: Rows::new(tokens),
            last: Rows::new(tokens),
            sequence_of: Vec::with_capacity(tokens),
            is_adapted: false,
            peak_places: Vec::with_capacity(tokens),
        }
    }

    /// Plans a step.
    pub fn make(&mut self, batch: &Batch, cut: &Cut) {
        self.sequence_of.clear();
        for (sequence, span) in batch.sequences.iter().enumerate() {
            self.sequence_of.extend(span.tokens.clone().map(|_| sequence));
        }
        self.is_adapted = batch.sequences.iter().any(|span| span.adapter.is_some());
        self.peak_places.clear();
        self.peak_places.resize(batch.logit_rows.len(), None);
        for (place, &row) in batch.peak_rows.iter().enumerate() {
            self.peak_places[row as usize] = Some(place);
        }
        self.all.plan_all(batch, cut);
        self.last.plan_wanted(batch, cut);
    }

    /// Place of a wanted row among those that ask for their peak, if it does.
    pub fn peak_place(&self, row: usize) -> Option<usize> {
        self.peak_places[row]
    }

    /// Which sequence a token belongs to.
    pub fn sequence_of(&self, token: usize) -> usize {
        self.sequence_of[token]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(lengths: &[(usize, usize)], wanted: &[u32]) -> Plan {
        let mut batch = Batch::default();
        for &(kv_len, tokens) in lengths {
            batch.push_sequence(&vec![0; tokens], &[], kv_len);
        }
        batch.logit_rows.extend(wanted);
        let mut plan = Plan::new(1024);
        plan.make(&batch, &Cut { heads: 4, kv_heads: 2, wanted: 8 });
        plan
    }

    #[test]
    fn wanted_rows_stand_first_and_each_token_has_one_row() {
        let plan = plan(&[(0, 4), (10, 1), (0, 3)], &[1, 3, 7]);
        assert_eq!(plan.last.tokens, [1, 3, 7, 0, 2, 4, 5, 6]);
        assert_eq!((plan.last.whole, plan.all.whole), (3, 8));
        assert_eq!(plan.all.tokens, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!([0, 3, 4, 5].map(|token| plan.sequence_of(token)), [0, 0, 1, 2]);
    }

    #[test]
    fn only_wanted_rows_attend_in_the_last_layer() {
        let plan = plan(&[(0, 4), (10, 1), (0, 3)], &[1, 3, 7]);
        let rows: Vec<_> =
            plan.last.units.pieces.iter().map(|unit| (unit.sequence, unit.rows.clone())).collect();
        assert_eq!(rows, [(0, 0..2), (2, 2..3)]);
    }

    #[test]
    fn pieces_write_their_own_keys_only_when_no_token_of_the_sequence_is_elsewhere() {
        assert!(plan(&[(900, 1), (10, 2)], &[0, 1, 2]).last.units.own_keys);
        assert!(plan(&[(900, 1), (10, 2)], &[0]).all.units.own_keys);
        assert!(!plan(&[(900, 1), (10, 2)], &[0, 2]).last.units.own_keys);
        assert!(!plan(&[(0, 100)], &[99]).all.units.own_keys);
    }
}
