//! Scores of some rows against one page of keys.

use tgi_backend::PAGE_TOKENS;

use super::values::Element;
use crate::simd::{LANES, Simd};

/// `out[row][slot] = query[row] · key[slot]`, summed by `fma` in the order of the elements.
///
/// `keys` is `[head_size][PAGE_TOKENS]`; each of `ROWS` queries has at least `head_size` elements.
/// `next` is read soon.
#[inline(always)]
pub fn page_scores<S: Simd, T: Element, const ROWS: usize>(
    simd: S,
    queries: [&[f32]; ROWS],
    keys: &[T],
    next: *const T,
    out: [&mut [f32; PAGE_TOKENS]; ROWS],
) {
    let mut sums = [[simd.splat(0.0); 2]; ROWS];
    let keys = keys.as_chunks::<PAGE_TOKENS>().0;
    let mut elements = [&[][..]; ROWS];
    for row in 0..ROWS {
        elements[row] = &queries[row][..keys.len()];
    }
    for (index, slots) in keys.iter().enumerate() {
        simd.prefetch(next.wrapping_add(index * PAGE_TOKENS));
        let halves = slots.as_chunks::<LANES>().0;
        let keys = [T::widen(simd, &halves[0]), T::widen(simd, &halves[1])];
        for row in 0..ROWS {
            let query = simd.splat(elements[row][index]);
            sums[row][0] = simd.fma(query, keys[0], sums[row][0]);
            sums[row][1] = simd.fma(query, keys[1], sums[row][1]);
        }
    }
    for (out, sums) in out.into_iter().zip(sums) {
        let halves = out.as_chunks_mut::<LANES>().0;
        simd.store(sums[0], &mut halves[0]);
        simd.store(sums[1], &mut halves[1]);
    }
}
