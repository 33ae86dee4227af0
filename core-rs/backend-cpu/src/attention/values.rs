//! Weighted values of some rows over one page.

use std::ops::Range;

use tgi_backend::PAGE_TOKENS;

use crate::simd::{LANES, Simd};

/// An element of a page.
pub trait Element: Copy {
    /// Sixteen of them, widened; their scale aside.
    fn widen<S: Simd>(simd: S, x: &[Self; LANES]) -> S::F;
}

impl Element for u16 {
    #[inline(always)]
    fn widen<S: Simd>(simd: S, x: &[Self; LANES]) -> S::F {
        simd.load_f16(x)
    }
}

impl Element for f32 {
    #[inline(always)]
    fn widen<S: Simd>(simd: S, x: &[Self; LANES]) -> S::F {
        simd.load(x)
    }
}

impl Element for i8 {
    #[inline(always)]
    fn widen<S: Simd>(simd: S, x: &[Self; LANES]) -> S::F {
        simd.load_i8(x)
    }
}

/// Vectors of a head that are summed at once.
const VECTORS: usize = 4;

/// `out[row] += sum over slots of weight[row][slot] * value[slot]`, by `fma` in their order.
///
/// `values` is `[slots][padded]`; each of `ROWS` outputs has `padded` elements, of which `columns`
/// are computed. `next` is read soon.
#[inline(always)]
pub fn page_values<S: Simd, T: Element, const ROWS: usize>(
    simd: S,
    weights: [&[f32; PAGE_TOKENS]; ROWS],
    values: &[T],
    next: *const T,
    (padded, columns): (usize, Range<usize>),
    out: &mut [&mut [f32]; ROWS],
) {
    let mut first = columns.start;
    while first + VECTORS * LANES <= columns.end {
        advance::<S, T, ROWS, VECTORS>(simd, weights, (values, next), padded, first, out);
        first += VECTORS * LANES;
    }
    while first < columns.end {
        advance::<S, T, ROWS, 2>(simd, weights, (values, next), padded, first, out);
        first += 2 * LANES;
    }
}

/// The same for some columns only.
#[inline(always)]
fn advance<S: Simd, T: Element, const ROWS: usize, const WIDTH: usize>(
    simd: S,
    weights: [&[f32; PAGE_TOKENS]; ROWS],
    (values, next): (&[T], *const T),
    padded: usize,
    first: usize,
    out: &mut [&mut [f32]; ROWS],
) {
    let mut sums = [[simd.splat(0.0); WIDTH]; ROWS];
    for row in 0..ROWS {
        let vectors = out[row][first..first + WIDTH * LANES].as_chunks::<LANES>().0;
        for column in 0..WIDTH {
            sums[row][column] = simd.load(&vectors[column]);
        }
    }
    for (slot, values) in values.chunks_exact(padded).enumerate() {
        let vectors = values[first..first + WIDTH * LANES].as_chunks::<LANES>().0;
        let ahead = next.wrapping_add(slot * padded + first);
        for line in 0..(WIDTH * LANES * size_of::<T>()).div_ceil(64) {
            simd.prefetch(ahead.cast::<u8>().wrapping_add(line * 64));
        }
        let mut loaded = [simd.splat(0.0); WIDTH];
        for column in 0..WIDTH {
            loaded[column] = T::widen(simd, &vectors[column]);
        }
        for row in 0..ROWS {
            let weight = simd.splat(weights[row][slot % PAGE_TOKENS]);
            for column in 0..WIDTH {
                sums[row][column] = simd.fma(weight, loaded[column], sums[row][column]);
            }
        }
    }
    for row in 0..ROWS {
        let vectors = out[row][first..first + WIDTH * LANES].as_chunks_mut::<LANES>().0;
        for column in 0..WIDTH {
            simd.store(sums[row][column], &mut vectors[column]);
        }
    }
}
