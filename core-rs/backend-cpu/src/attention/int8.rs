//! Heads in bytes: quantization, and scores by integer dot products.

use tgi_backend::PAGE_TOKENS;

use super::cache::GROUP;
use super::{MAX_ROWS, Scratch};
use crate::isa::Kernel;
use crate::simd::{LANES, Simd};

/// Heads without a larger element count as zero.
const LEAST: f32 = 1e-30;

/// Quantizes a head, whole vectors, symmetrically: `x ≈ scale * q` with `scale = max |x| / 127`.
/// Returns the scale.
#[inline(always)]
pub fn quantize_head<S: Simd>(simd: S, x: &[f32], out: &mut [i8]) -> f32 {
    let x = x.as_chunks::<LANES>().0;
    let zero = simd.splat(0.0);
    let mut largest = zero;
    for x in x {
        let x = simd.load(x);
        largest = simd.max(largest, simd.max(x, simd.sub(zero, x)));
    }
    let largest = simd.largest(largest);
    // Below, the inverse would overflow.
    let largest = if largest > LEAST { largest } else { 0.0 };
    let inverse = simd.splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
    for (x, out) in x.iter().zip(out.as_chunks_mut::<LANES>().0) {
        simd.store_i8(simd.round(simd.mul(simd.load(x), inverse)), out);
    }
    largest / 127.0
}

/// Quantized queries of up to [`MAX_ROWS`] rows: `x ≈ scale * (128 * high + low)`, fifteen bits,
/// so that only the keys' rounding shows in a score.
#[derive(Clone, Debug, Default)]
pub struct Queries {
    /// High and low part, `[rows][padded]`.
    parts: [Vec<i8>; 2],
    /// Elements of a row.
    padded: usize,
    /// Size of one step, by row.
    scales: [f32; MAX_ROWS],
    /// Minus the sums of the parts, by row.
    negated_sums: [[i32; 2]; MAX_ROWS],
}

impl Queries {
    /// Memory for heads of `padded` elements.
    pub fn new(padded: usize) -> Self {
        Self { parts: [0, 1].map(|_| vec![0; MAX_ROWS * padded]), padded, ..Self::default() }
    }
}

/// Quantizes one query to its two parts; returns the scale.
#[inline(always)]
fn quantize_query<S: Simd>(simd: S, x: &[f32], [high, low]: [&mut [i8]; 2]) -> f32 {
    let scale = quantize_head(simd, x, high);
    let inverse = simd.splat(if scale > 0.0 { 1.0 / scale } else { 0.0 });
    let low = low.as_chunks_mut::<LANES>().0;
    for ((x, high), low) in x.as_chunks().0.iter().zip(high.as_chunks().0).zip(low) {
        let rest = simd.sub(simd.mul(simd.load(x), inverse), simd.load_i8(high));
        simd.store_i8(simd.round(simd.mul(rest, simd.splat(128.0))), low);
    }
    scale / 128.0
}

/// Quantizes `rows` queries, `[rows][padded]`, for the chunks that follow.
pub struct QuantizeQueries<'a> {
    /// Scaled queries.
    pub queries: &'a [f32],
    /// How many.
    pub rows: usize,
    /// Where they go.
    pub scratch: &'a mut Scratch,
}

impl Kernel for QuantizeQueries<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Queries { parts: [high, low], padded, scales, negated_sums } =
            &mut self.scratch.queries;
        let parts = high.chunks_exact_mut(*padded).zip(low.chunks_exact_mut(*padded));
        let rows = self.queries.chunks_exact(*padded).zip(parts);
        for (row, (query, (high, low))) in rows.take(self.rows).enumerate() {
            scales[row] = quantize_query(simd, query, [&mut *high, &mut *low]);
            negated_sums[row] =
                [high, low].map(|part| -part.iter().map(|&q| i32::from(q)).sum::<i32>());
        }
    }
}

/// `out[row][slot] = query[first + row] · key[slot]`; both parts of it are summed exactly.
///
/// `keys` is `[elements / 4][PAGE_TOKENS][4]`, `scales` those of the slots; `next` is read soon.
#[inline(always)]
pub fn page_scores<S: Simd, const ROWS: usize>(
    simd: S,
    queries: &Queries,
    first: usize,
    (keys, scales): (&[u8], &[f32; PAGE_TOKENS]),
    next: *const u8,
    out: [&mut [f32; PAGE_TOKENS]; ROWS],
) {
    const BYTES: usize = GROUP * LANES;
    let mut quads = [[&[][..]; 2]; ROWS];
    let mut sums = [[[simd.splat_i(0); 2]; 2]; ROWS];
    for row in 0..ROWS {
        let start = (first + row) * queries.padded;
        for part in 0..2 {
            let q = &queries.parts[part][start..start + queries.padded];
            quads[row][part] = q.as_chunks::<GROUP>().0;
            sums[row][part] = [simd.biased_start(queries.negated_sums[first + row][part]); 2];
        }
    }
    for (group, slots) in keys.as_chunks::<{ 2 * BYTES }>().0.iter().enumerate() {
        simd.prefetch(next.wrapping_add(group * 2 * BYTES));
        simd.prefetch(next.wrapping_add((group * 2 + 1) * BYTES));
        let halves = slots.as_chunks::<BYTES>().0;
        let keys = [simd.bytes(&halves[0]), simd.bytes(&halves[1])];
        for row in 0..ROWS {
            for part in 0..2 {
                let quad = simd.quad(&quads[row][part][group]);
                let sums = &mut sums[row][part];
                sums[0] = simd.dot_biased(sums[0], keys[0], quad);
                sums[1] = simd.dot_biased(sums[1], keys[1], quad);
            }
        }
    }
    let scales = scales.as_chunks::<LANES>().0;
    for (row, out) in out.into_iter().enumerate() {
        let step = simd.splat(queries.scales[first + row]);
        for (half, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let scale = simd.mul(simd.load(&scales[half]), step);
            let [high, low] = sums[row].map(|sums| simd.float(sums[half]));
            let sum = simd.fma(high, simd.splat(128.0), low);
            simd.store(simd.mul(sum, scale), out);
        }
    }
}
