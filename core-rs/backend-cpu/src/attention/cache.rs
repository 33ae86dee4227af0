//! The KV pages of one layer, and how a token's keys and values get there.

use std::ops::Range;

use tgi_backend::PAGE_TOKENS;

use super::KvShape;
use super::int8::quantize_head;
use crate::isa::Kernel;
use crate::options::KvFormat;
use crate::shared::Shared;
use crate::simd::{LANES, Simd};

/// Scales of one head of an int8 page: of its keys, then of its values, one for each slot.
pub const SCALES: usize = 2 * PAGE_TOKENS;
/// Elements of a key that lie together in an int8 page.
pub const GROUP: usize = 4;

/// The pages of one layer. Each array is a sequence of pages, each page a sequence of heads.
pub enum KvCache {
    /// IEEE half precision.
    Half {
        /// `[element][slot]` for each head, so that scores of 32 positions advance together.
        keys: Shared<u16>,
        /// `[slot][element]` for each head.
        values: Shared<u16>,
    },
    /// Bytes, `x ≈ scale * q` with one scale for each slot of a head.
    Int8 {
        /// `q + 128` as `[element / 4][slot][element % 4]` for each head: what one integer dot
        /// product instruction reads.
        keys: Shared<u8>,
        /// `[slot][element]` for each head.
        values: Shared<i8>,
        /// [`SCALES`] for each head.
        scales: Shared<f32>,
    },
}

impl KvCache {
    /// Empty pages.
    pub fn new(shape: KvShape, pages: usize) -> Self {
        let heads = pages * shape.kv_heads;
        let elements = heads * shape.head();
        match shape.format {
            KvFormat::F16 => {
                Self::Half { keys: Shared::new(elements), values: Shared::new(elements) }
            }
            KvFormat::Int8 => Self::Int8 {
                keys: Shared::new(elements),
                values: Shared::new(elements),
                scales: Shared::new(heads * SCALES),
            },
        }
    }

    /// Bytes of one page.
    pub fn page_bytes(shape: KvShape) -> usize {
        let elements = 2 * shape.kv_heads * shape.head();
        match shape.format {
            KvFormat::F16 => elements * size_of::<u16>(),
            KvFormat::Int8 => elements + shape.kv_heads * SCALES * size_of::<f32>(),
        }
    }

    /// Copies page `from` to page `to`.
    pub fn copy_page(&mut self, shape: KvShape, from: usize, to: usize) {
        let elements = shape.kv_heads * shape.head();
        match self {
            Self::Half { keys, values } => {
                copy(keys, elements, from, to);
                copy(values, elements, from, to);
            }
            Self::Int8 { keys, values, scales } => {
                copy(keys, elements, from, to);
                copy(values, elements, from, to);
                copy(scales, shape.kv_heads * SCALES, from, to);
            }
        }
    }
}

fn copy<T: Copy + Default>(pages: &mut Shared<T>, size: usize, from: usize, to: usize) {
    pages.all().copy_within(from * size..(from + 1) * size, to * size);
}

/// Range of part `index` of parts of `size`.
pub fn nth(index: usize, size: usize) -> Range<usize> {
    index * size..(index + 1) * size
}

/// Writes the key and the value of one head of one token.
pub struct WriteSlot<'a> {
    /// Pages of the layer.
    pub cache: &'a KvCache,
    /// Their sizes.
    pub shape: KvShape,
    /// Which page.
    pub page: u32,
    /// Which KV head.
    pub kv_head: usize,
    /// Which slot of the page.
    pub slot: usize,
    /// Whole vectors, zero beyond the head.
    pub key: &'a [f32],
    /// The same of the value.
    pub value: &'a [f32],
}

impl Kernel for WriteSlot<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (padded, slot) = (self.shape.padded, self.slot);
        let head = self.shape.index(self.page, self.kv_head);
        let start = head * self.shape.head();
        let value_at = start + slot * padded..start + (slot + 1) * padded;
        match self.cache {
            KvCache::Half { keys, values } => {
                let mut narrow = [0; LANES];
                for (index, key) in self.key.as_chunks::<LANES>().0.iter().enumerate() {
                    simd.store_f16(simd.load(key), &mut narrow);
                    for (lane, key) in narrow.iter().enumerate() {
                        let at = start + (index * LANES + lane) * PAGE_TOKENS + slot;
                        // SAFETY: a slot belongs to one token of the batch, and a head of a token
                        // to one item of a region.
                        unsafe { keys.set(at, *key) };
                    }
                }
                // SAFETY: as above.
                let out = unsafe { values.write(value_at) }.as_chunks_mut::<LANES>().0;
                for (value, out) in self.value.as_chunks::<LANES>().0.iter().zip(out) {
                    simd.store_f16(simd.load(value), out);
                }
            }
            KvCache::Int8 { keys, values, scales } => {
                let mut bytes = [0; crate::decoder::MAX_HEAD];
                let bytes = &mut bytes[..padded];
                let key_scale = quantize_head(simd, self.key, bytes);
                for (group, key) in bytes.as_chunks::<GROUP>().0.iter().enumerate() {
                    let at = start + (group * PAGE_TOKENS + slot) * GROUP;
                    // SAFETY: as above.
                    let out = unsafe { keys.write(at..at + GROUP) };
                    out.copy_from_slice(&key.map(|q| (q as u8).wrapping_add(128)));
                }
                // SAFETY: as above.
                let out = unsafe { values.write(value_at) };
                let value_scale = quantize_head(simd, self.value, out);
                let at = head * SCALES + slot;
                // SAFETY: as above.
                unsafe {
                    scales.set(at, key_scale);
                    scales.set(at + PAGE_TOKENS, value_scale);
                }
            }
        }
    }
}
