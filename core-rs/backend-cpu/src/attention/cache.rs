//! The KV pages of one layer, and how a token's keys and values get there.

use tgi_backend::PAGE_TOKENS;

use super::int8::quantize_head;
use super::{KvShape, SPAN};
use crate::isa::Kernel;
use crate::options::KvFormat;
use crate::shared::{Plain, Shared};
use crate::simd::{LANES, Simd};

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
    /// Single precision, laid out like [`KvCache::Half`].
    Single {
        /// `[element][slot]` for each head.
        keys: Shared<f32>,
        /// `[slot][element]` for each head.
        values: Shared<f32>,
    },
    /// Bytes, `x ≈ scale * q` with one scale for each [`SPAN`] elements of a slot of a head.
    Int8 {
        /// `q + 128` as `[element / 4][slot][element % 4]` for each head: what one integer dot
        /// product instruction reads.
        keys: Shared<u8>,
        /// `[slot][element]` for each head.
        values: Shared<i8>,
        /// For each head those of its keys, then those of its values, `[span][slot]`.
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
            KvFormat::F32 => {
                Self::Single { keys: Shared::new(elements), values: Shared::new(elements) }
            }
            KvFormat::Int8 => Self::Int8 {
                keys: Shared::new(elements),
                values: Shared::new(elements),
                scales: Shared::new(heads * 2 * shape.scales()),
            },
        }
    }

    /// Bytes of one page.
    pub fn page_bytes(shape: KvShape) -> usize {
        let elements = 2 * shape.kv_heads * shape.head();
        match shape.format {
            KvFormat::F16 => elements * size_of::<u16>(),
            KvFormat::F32 => elements * size_of::<f32>(),
            KvFormat::Int8 => elements + shape.kv_heads * 2 * shape.scales() * size_of::<f32>(),
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
            Self::Single { keys, values } => {
                copy(keys, elements, from, to);
                copy(values, elements, from, to);
            }
            Self::Int8 { keys, values, scales } => {
                copy(keys, elements, from, to);
                copy(values, elements, from, to);
                copy(scales, shape.kv_heads * 2 * shape.scales(), from, to);
            }
        }
    }
}

fn copy<T: Plain>(pages: &mut Shared<T>, size: usize, from: usize, to: usize) {
    pages.all().copy_within(from * size..(from + 1) * size, to * size);
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
            KvCache::Single { keys, values } => {
                for (index, key) in self.key.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { keys.set(start + index * PAGE_TOKENS + slot, *key) };
                }
                // SAFETY: as above.
                unsafe { values.write(value_at) }.copy_from_slice(self.value);
            }
            KvCache::Int8 { keys, values, scales } => {
                let scales_at = head * 2 * self.shape.scales() + slot;
                let mut bytes = [0; SPAN];
                for (span, key) in self.key.chunks(SPAN).enumerate() {
                    let bytes = &mut bytes[..key.len()];
                    let scale = quantize_head(simd, key, bytes);
                    // SAFETY: as above.
                    unsafe { scales.set(scales_at + span * PAGE_TOKENS, scale) };
                    for (group, key) in bytes.as_chunks::<GROUP>().0.iter().enumerate() {
                        let group = span * SPAN / GROUP + group;
                        let at = start + (group * PAGE_TOKENS + slot) * GROUP;
                        // SAFETY: as above.
                        let out = unsafe { keys.write(at..at + GROUP) };
                        out.copy_from_slice(&key.map(|q| (q as u8).wrapping_add(128)));
                    }
                }
                // SAFETY: as above.
                let out = unsafe { values.write(value_at) };
                let spans = self.value.chunks(SPAN).zip(out.chunks_mut(SPAN));
                for (span, (value, out)) in spans.enumerate() {
                    let scale = quantize_head(simd, value, out);
                    let at = scales_at + self.shape.scales() + span * PAGE_TOKENS;
                    // SAFETY: as above.
                    unsafe { scales.set(at, scale) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_bytes_takes_nine_sixteenths_of_one_in_half_precision() {
        let shape = |format| KvShape { kv_heads: 3, head_size: 64, padded: 64, format };
        let half = KvCache::page_bytes(shape(KvFormat::F16));
        assert_eq!(half, 2 * 3 * 64 * PAGE_TOKENS * 2);
        assert_eq!(KvCache::page_bytes(shape(KvFormat::Int8)), half * 9 / 16);
    }
}
