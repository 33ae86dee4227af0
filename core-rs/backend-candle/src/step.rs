//! A batch, turned into tensors once for all layers.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};
use tgi_backend::{Batch, PAGE_TOKENS, SequenceSpan};

use crate::kv::Run;
use crate::lora::AdaptedRows;
use crate::rotary::{Rotary, Rotation};

/// What the layers need of one batch.
pub(crate) struct Step {
    /// Token ids, `[tokens]` in u32.
    pub tokens: Tensor,
    /// Positions, `[tokens]` in u32.
    pub positions: Tensor,
    rotations: Vec<Rotation>,
    runs: Vec<Run>,
    /// For each window of the model, one view a sequence.
    views: Vec<Vec<View>>,
    adapted: Vec<AdaptedRows>,
}

/// What one layer needs of one batch.
#[derive(Clone, Copy)]
pub(crate) struct LayerStep<'a> {
    /// Angles of the tokens, for models with rope.
    pub rotation: Option<&'a Rotation>,
    /// Where the tokens' K and V go.
    pub runs: &'a [Run],
    /// What each sequence sees.
    pub views: &'a [View],
    /// Rows that an adapter changes.
    pub adapted: &'a [AdaptedRows],
}

/// What the tokens of one sequence see in a layer.
pub(crate) struct View {
    /// The tokens, as indices into the batch.
    pub rows: Range<usize>,
    /// Slots of the keys that any of them sees, by position, `[keys]` in u32.
    pub slots: Tensor,
    /// 0 where a token sees a key and minus infinity elsewhere, `[tokens, keys]`; `None` when each
    /// sees all.
    pub mask: Option<Tensor>,
    /// Minus the positions between token and key, `[tokens, keys]`, where positions are linear
    /// biases.
    pub distances: Option<Tensor>,
}

impl Step {
    /// Prepares a checked batch for a model with these ropes and windows.
    pub fn new(
        batch: &Batch,
        ropes: &[Rotary],
        windows: &[Option<usize>],
        has_biases: bool,
        device: &Device,
    ) -> Result<Self> {
        let view = |span, window| View::new(batch, span, (window, has_biases), device);
        let views = |window: &Option<usize>| {
            batch.sequences.iter().map(|span| view(span, *window)).collect::<Result<_>>()
        };
        Ok(Self {
            tokens: Tensor::new(batch.tokens.as_slice(), device)?,
            rotations: ropes
                .iter()
                .map(|rope| rope.at(&batch.positions, device))
                .collect::<Result<_>>()?,
            runs: batch.sequences.iter().flat_map(|span| runs(batch, span)).collect(),
            views: windows.iter().map(views).collect::<Result<_>>()?,
            adapted: AdaptedRows::of(batch),
            positions: Tensor::new(batch.positions.as_slice(), device)?,
        })
    }

    /// The part for a layer with this rope and window, as indices into those given to [`Self::new`].
    pub fn layer(&self, rope: Option<usize>, window: usize) -> LayerStep<'_> {
        LayerStep {
            rotation: rope.map(|rope| &self.rotations[rope]),
            runs: &self.runs,
            views: &self.views[window],
            adapted: &self.adapted,
        }
    }
}

impl View {
    fn new(
        batch: &Batch,
        span: &SequenceSpan,
        (window, has_biases): (Option<usize>, bool),
        device: &Device,
    ) -> Result<Self> {
        let end = span.kv_len + span.tokens.len();
        let first_seen =
            |position: usize| (position + 1).saturating_sub(window.unwrap_or(usize::MAX));
        let start = first_seen(span.kv_len);
        let slots = (start..end).map(|position| slot(batch, span, position) as u32);
        let slots = Tensor::from_iter(slots, device)?;
        let shape = (span.tokens.len(), end - start);
        let distances = if has_biases {
            let row = |query| (start..end).map(move |key| key as f32 - query as f32);
            Some(Tensor::from_iter((span.kv_len..end).flat_map(row), device)?.reshape(shape)?)
        } else {
            None
        };
        if span.tokens.len() == 1 {
            return Ok(Self { rows: span.tokens.clone(), slots, mask: None, distances });
        }
        let row = |query: usize| {
            let seen = first_seen(query)..=query;
            (start..end).map(move |key| if seen.contains(&key) { 0.0 } else { f32::NEG_INFINITY })
        };
        let mask: Vec<f32> = (span.kv_len..end).flat_map(row).collect();
        let mask = Some(Tensor::from_vec(mask, shape, device)?);
        Ok(Self { rows: span.tokens.clone(), slots, mask, distances })
    }
}

/// Where a sequence keeps a position.
fn slot(batch: &Batch, span: &SequenceSpan, position: usize) -> usize {
    let page = batch.page_table[span.pages.start + position / PAGE_TOKENS];
    page as usize * PAGE_TOKENS + position % PAGE_TOKENS
}

/// The new tokens of a sequence, page by page.
fn runs<'a>(batch: &'a Batch, span: &'a SequenceSpan) -> impl Iterator<Item = Run> + 'a {
    let end = span.kv_len + span.tokens.len();
    let row = move |position: usize| span.tokens.start + position - span.kv_len;
    (span.kv_len / PAGE_TOKENS..end.div_ceil(PAGE_TOKENS)).map(move |page| {
        let first = span.kv_len.max(page * PAGE_TOKENS);
        let last = end.min((page + 1) * PAGE_TOKENS);
        Run { rows: row(first)..row(last), slot: slot(batch, span, first) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(tokens: usize, pages: &[u32], kv_len: usize) -> Batch {
        let mut batch = Batch::default();
        batch.push_sequence(&[0, 0], &[9], 0);
        batch.push_sequence(&vec![0; tokens], pages, kv_len);
        batch
    }

    fn view(batch: &Batch, window: Option<usize>) -> (Vec<u32>, Option<Vec<Vec<f32>>>) {
        let view = View::new(batch, &batch.sequences[1], (window, false), &Device::Cpu).unwrap();
        (view.slots.to_vec1().unwrap(), view.mask.map(|mask| mask.to_vec2().unwrap()))
    }

    #[test]
    fn a_chunk_is_written_page_by_page() {
        let batch = batch(40, &[7, 3], 30 - 6);
        let found: Vec<Run> = runs(&batch, &batch.sequences[1]).collect();
        let expected = [Run { rows: 2..10, slot: 7 * 32 + 24 }, Run { rows: 10..42, slot: 3 * 32 }];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_decoded_token_sees_its_window_and_needs_no_mask() {
        let batch = batch(1, &[5, 2], 33);
        let (slots, mask) = view(&batch, Some(4));
        assert_eq!(slots, [5 * 32 + 30, 5 * 32 + 31, 2 * 32, 2 * 32 + 1]);
        assert_eq!(mask, None);
        assert_eq!(view(&batch, None).0.len(), 34);
    }

    #[test]
    fn distances_reach_back_from_each_token() {
        let batch = batch(2, &[0], 1);
        let view = View::new(&batch, &batch.sequences[1], (None, true), &Device::Cpu).unwrap();
        let distances = view.distances.unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(distances, [[-1.0, 0.0, 1.0], [-2.0, -1.0, 0.0]]);
    }

    #[test]
    fn tokens_of_a_chunk_see_what_is_before_them() {
        let hidden = f32::NEG_INFINITY;
        let (slots, mask) = view(&batch(2, &[0], 2), None);
        assert_eq!(slots, [0, 1, 2, 3]);
        assert_eq!(mask.unwrap(), [[0.0, 0.0, 0.0, hidden], [0.0; 4]]);
    }

    #[test]
    fn a_window_hides_old_keys_from_the_later_tokens_of_a_chunk() {
        let hidden = f32::NEG_INFINITY;
        let (slots, mask) = view(&batch(2, &[0], 2), Some(2));
        assert_eq!(slots, [1, 2, 3]);
        assert_eq!(mask.unwrap(), [[0.0, 0.0, hidden], [hidden, 0.0, 0.0]]);
    }
}
