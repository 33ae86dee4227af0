//! Scores of some rows against one page of keys.

use tgi_backend::PAGE_TOKENS;

use super::values::Element;
use crate::simd::{LANES, Simd};

/// `out[row][slot] = query[row] · key[slot]` for the slots of the first `VECTORS` vectors, summed by
/// `fma` in the order of the elements.
///
/// `keys` is `[head_size][PAGE_TOKENS]`; each of `ROWS` queries has at least `head_size` elements.
/// `next` is read soon.
#[inline(always)]
pub fn page_scores<S: Simd, T: Element, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    queries: [&[f32]; ROWS],
    keys: &[T],
    next: *const T,
    out: [&mut [f32; PAGE_TOKENS]; ROWS],
) {
    let mut sums = [[simd.splat(0.0); VECTORS]; ROWS];
    let keys = keys.as_chunks::<PAGE_TOKENS>().0;
    let mut elements = [&[][..]; ROWS];
    for row in 0..ROWS {
        elements[row] = &queries[row][..keys.len()];
    }
    for (index, slots) in keys.iter().enumerate() {
        simd.prefetch(next.wrapping_add(index * PAGE_TOKENS));
        let vectors = slots.as_chunks::<LANES>().0;
        let mut keys = [simd.splat(0.0); VECTORS];
        for vector in 0..VECTORS {
            keys[vector] = T::widen(simd, &vectors[vector]);
        }
        for row in 0..ROWS {
            let query = simd.splat(elements[row][index]);
            for vector in 0..VECTORS {
                sums[row][vector] = simd.fma(query, keys[vector], sums[row][vector]);
            }
        }
    }
    for (out, sums) in out.into_iter().zip(sums) {
        for (out, sum) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(sums) {
            simd.store(sum, out);
        }
    }
}
