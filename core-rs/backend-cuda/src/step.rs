//! A batch, as the kernels read it: one piece of host memory, copied once.

use std::ops::Range;

use tgi_backend::{Batch, PAGE_TOKENS, SequenceSpan};
use tgi_cuda_kernels::signatures::{AttentionTile, NO_ADAPTER, splits};

use crate::device::Region;

/// The slot of a row that only fills up.
const NO_SLOT: u32 = u32::MAX;

/// Sizes of a step: everything that its launches depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StepShape {
    /// Rows, those that fill up included.
    pub rows: usize,
    /// Rows whose logits are wanted.
    pub logits: usize,
    /// Tiles of attention, those that fill up included.
    pub tiles: usize,
    /// Most rows of a tile.
    pub tile_rows: usize,
    /// Splits that attention is launched with; 0 for one block.
    pub splits: u32,
    /// Whether the wanted rows are some of all; else they are the first ones in order.
    pub is_gathered: bool,
    /// Whether peaks are wanted.
    pub has_peaks: bool,
    /// Whether a row may have an adapter.
    pub is_adapted: bool,
}

impl StepShape {
    /// One token each for `rows` sequences, with logits and peaks of all.
    pub fn decode(rows: usize, splits: u32) -> Self {
        Self {
            rows,
            logits: rows,
            tiles: rows,
            tile_rows: 1,
            splits,
            is_gathered: false,
            has_peaks: true,
            is_adapted: false,
        }
    }

    /// Where each part of the input lies, in words of 4 bytes; the page tables come last.
    pub fn layout(&self) -> Layout {
        let wanted = if self.is_gathered { self.logits } else { 0 };
        let tokens = 0..self.rows;
        let positions = tokens.end..tokens.end + self.rows;
        let slots = positions.end..positions.end + self.rows;
        let adapted = if self.is_adapted { self.rows } else { 0 };
        let adapters = slots.end..slots.end + adapted;
        let wanted = adapters.end..adapters.end + wanted;
        let first_tile = wanted.end.next_multiple_of(TILE_WORDS);
        let tiles = first_tile..first_tile + TILE_WORDS * self.tiles;
        Layout { tokens, positions, slots, adapters, wanted, pages: tiles.end, tiles }
    }
}

/// Words of an [`AttentionTile`].
const TILE_WORDS: usize = 4;

/// Places of a step's input, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub tokens: Range<usize>,
    pub positions: Range<usize>,
    pub slots: Range<usize>,
    /// Of a step with adapters.
    pub adapters: Range<usize>,
    pub wanted: Range<usize>,
    pub tiles: Range<usize>,
    /// Where page tables begin.
    pub pages: usize,
}

impl Layout {
    /// Address of a part that begins at `word`.
    pub fn address(input: Region, word: usize) -> u64 {
        input.address + (word * size_of::<u32>()) as u64
    }
}

/// Whether every sequence has one token, and the logits of all are wanted.
pub(crate) fn is_decode(batch: &Batch) -> bool {
    batch.tokens.len() == batch.sequences.len() && batch.logit_rows.len() == batch.tokens.len()
}

/// Whether a sequence has an adapter.
pub(crate) fn is_adapted(batch: &Batch) -> bool {
    batch.sequences.iter().any(|span| span.adapter.is_some())
}

/// The tiles of a sequence's rows, with its pages from entry `first_page` of the page table on.
fn tiles(
    span: &SequenceSpan,
    tile_rows: usize,
    first_page: usize,
) -> impl Iterator<Item = AttentionTile> {
    let (start, length, done) = (span.tokens.start, span.tokens.len(), span.kv_len);
    (0..length).step_by(tile_rows.max(1)).map(move |first| AttentionTile {
        first_row: (start + first) as u32,
        rows: tile_rows.min(length - first) as u32,
        first_position: (done + first) as u32,
        pages: first_page as u32,
    })
}

/// Tiles of a batch, and the most splits that one of them sees.
pub(crate) fn count_tiles(batch: &Batch, tile_rows: usize) -> (usize, u32) {
    let of_sequence = |span| tiles(span, tile_rows, 0);
    let all = batch.sequences.iter().flat_map(of_sequence);
    all.fold((0, 0), |(count, most), tile| (count + 1, most.max(splits(&tile, 0))))
}

/// Writes a checked batch into `input` and gives the words that it takes.
pub(crate) fn write(batch: &Batch, shape: &StepShape, input: &mut [u32]) -> usize {
    let layout = shape.layout();
    let filled = batch.tokens.len();
    let mut put = |place: &Range<usize>, values: &[u32], rest: u32| {
        let (own, filling) = input[place.clone()].split_at_mut(values.len());
        own.copy_from_slice(values);
        filling.fill(rest);
    };
    put(&layout.tokens, &batch.tokens, 0);
    put(&layout.positions, &batch.positions, 0);
    if shape.is_gathered {
        put(&layout.wanted, &batch.logit_rows, 0);
    }
    input[layout.slots.start + filled..layout.slots.end].fill(NO_SLOT);
    if shape.is_adapted {
        let adapters = &mut input[layout.adapters.clone()];
        adapters.fill(NO_ADAPTER);
        for span in &batch.sequences {
            adapters[span.tokens.clone()].fill(span.adapter.unwrap_or(NO_ADAPTER));
        }
    }
    let (mut word, mut entry) = (layout.tiles.start, 0);
    for span in &batch.sequences {
        let pages = &batch.page_table[span.pages.clone()];
        for row in span.tokens.clone() {
            let position = batch.positions[row] as usize;
            let page = pages[position / PAGE_TOKENS] as usize;
            input[layout.slots.start + row] = (page * PAGE_TOKENS + position % PAGE_TOKENS) as u32;
        }
        for tile in tiles(span, shape.tile_rows, entry) {
            let values = [tile.first_row, tile.rows, tile.first_position, tile.pages];
            input[word..word + TILE_WORDS].copy_from_slice(&values);
            word += TILE_WORDS;
        }
        // Only pages that hold something: the table may be longer than the sequence.
        let used = (span.kv_len + span.tokens.len()).div_ceil(PAGE_TOKENS);
        let place = layout.pages + entry;
        input[place..place + used].copy_from_slice(&pages[..used]);
        entry += used;
    }
    input[word..layout.tiles.end].fill(0);
    layout.pages + entry
}

#[cfg(test)]
mod tests {
    use tgi_cuda_kernels::signatures::SPLIT_TOKENS;

    use super::*;

    fn batch() -> Batch {
        let mut batch = Batch::default();
        batch.push_sequence(&[5, 6, 7, 8, 9], &[3, 8, 1], 30);
        batch.push_sequence(&[4], &[2], 7);
        batch.logit_rows.extend([4, 5]);
        batch
    }

    fn written(batch: &Batch, shape: &StepShape) -> Vec<u32> {
        let mut input = vec![77; 100];
        let words = write(batch, shape, &mut input);
        input.truncate(words);
        input
    }

    #[test]
    fn a_ragged_step_is_written_once_with_only_the_pages_in_use() {
        let shape = StepShape {
            rows: 8,
            logits: 2,
            tiles: 3,
            tile_rows: 4,
            splits: 0,
            is_gathered: true,
            has_peaks: false,
            is_adapted: true,
        };
        let mut batch = batch();
        batch.set_adapter(Some(1));
        let input = written(&batch, &shape);
        let layout = shape.layout();
        let Layout { tokens, positions, slots, adapters, wanted, tiles, pages } = layout;
        assert_eq!(input[tokens], [5, 6, 7, 8, 9, 4, 0, 0]);
        assert_eq!(input[positions], [30, 31, 32, 33, 34, 7, 0, 0]);
        let none = u32::MAX;
        assert_eq!(input[slots], [126, 127, 256, 257, 258, 71, none, none]);
        assert_eq!(input[adapters], [none, none, none, none, none, 1, none, none]);
        assert_eq!(input[wanted], [4, 5]);
        assert_eq!(tiles.start % 4, 0);
        assert_eq!(input[tiles], [0, 4, 30, 0, 4, 1, 34, 0, 5, 1, 7, 2]);
        assert_eq!(input[pages..], [3, 8, 2]);
    }

    #[test]
    fn a_decode_step_fills_its_bucket_with_rows_that_do_nothing() {
        let mut batch = Batch::default();
        batch.push_sequence(&[9], &[4], 3);
        batch.logit_rows.push(0);
        assert!(is_decode(&batch));
        let shape = StepShape::decode(3, 2);
        let input = written(&batch, &shape);
        let layout = shape.layout();
        assert_eq!(input[layout.slots.clone()], [131, u32::MAX, u32::MAX]);
        assert_eq!(layout.wanted.len(), 0);
        assert_eq!(input[layout.tiles], [0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(input[layout.pages..], [4]);
    }

    #[test]
    fn tiles_and_splits_are_counted_as_they_are_written() {
        assert_eq!(count_tiles(&batch(), 4), (3, 1));
        let mut long = Batch::default();
        let done = 3 * SPLIT_TOKENS as usize;
        long.push_sequence(&[1], &vec![0; done / PAGE_TOKENS + 1], done);
        assert_eq!(count_tiles(&long, 4), (1, 4));
        assert!(!is_decode(&batch()));
    }
}
