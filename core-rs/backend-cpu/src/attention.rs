//! Attention over KV pages.
//!
//! The positions of a sequence are cut into chunks of [`CHUNK`], counted from position 0. A row
//! (one query head of one token) gets a partial result from each chunk that it sees: the largest
//! score, the sum of the exponentials, and the weighted values (the soft-max of Milakov and
//! Gimelshein, 2018). Partial results merge in the order of the chunks. So a row's arithmetic
//! depends on its position and on what it sees, never on which rows or threads share the work.

mod cache;
mod int8;
mod merge;
mod rows;
mod scores;
mod values;

pub use cache::{KvCache, WriteSlot};
pub use int8::QuantizeQueries;
pub use merge::Partial;
pub use rows::{AttendChunk, Row, Scratch};

use std::ops::Range;

use tgi_backend::PAGE_TOKENS;

use crate::options::KvFormat;

/// Positions of a chunk: whole pages.
pub const CHUNK: usize = 4 * PAGE_TOKENS;

/// Elements of a head that share a scale in int8 pages.
pub const SPAN: usize = 32;

/// Rows that one call handles at most.
pub const MAX_ROWS: usize = 32;

/// Sizes of the KV pages of one layer; a head of a page has as many elements in each format.
#[derive(Clone, Copy, Debug)]
pub struct KvShape {
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_size: usize,
    /// The same in whole vectors.
    pub padded: usize,
    /// Number format.
    pub format: KvFormat,
}

impl KvShape {
    /// Elements of the keys, or of the values, of one head of a page.
    pub fn head(&self) -> usize {
        self.padded * PAGE_TOKENS
    }

    /// Scales of the keys, or of the values, of one head of an int8 page: `[span][slot]`.
    pub fn scales(&self) -> usize {
        self.padded.div_ceil(SPAN) * PAGE_TOKENS
    }

    /// Where part `index` of them lies: part `2 * head` are those of a head's keys, the next those
    /// of its values.
    pub fn scales_of(&self, index: usize) -> Range<usize> {
        index * self.scales()..(index + 1) * self.scales()
    }

    /// Which head this is, counted over all pages.
    pub fn index(&self, page: u32, kv_head: usize) -> usize {
        page as usize * self.kv_heads + kv_head
    }
}
