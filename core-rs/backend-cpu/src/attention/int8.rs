//! Heads in bytes: quantization, and scores by integer dot products.

use tgi_backend::PAGE_TOKENS;

use super::cache::GROUP;
use super::{MAX_ROWS, SPAN, Scratch};
use crate::isa::Kernel;
use crate::simd::{LANES, Simd};

/// Spans of the widest head.
const MAX_SPANS: usize = crate::decoder::MAX_HEAD / SPAN;
/// Heads without a larger element count as zero.
const LEAST: f32 = 1e-30;

/// Quantizes a head or a span of it, whole vectors, symmetrically: `x ≈ scale * q` with `scale = max |x| / 127`.
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
    /// Minus the sums of the parts, by row and span.
    negated_sums: [[[i32; 2]; MAX_SPANS]; MAX_ROWS],
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
            for (part, q) in [high, low].into_iter().enumerate() {
                for (span, q) in q.chunks(SPAN).enumerate() {
                    negated_sums[row][span][part] = -q.iter().map(|&q| i32::from(q)).sum::<i32>();
                }
            }
        }
    }
}

/// `out[row][slot] = query[first + row] · key[slot]`; within a span both parts are summed exactly,
/// then span follows span.
///
/// `keys` is `[elements / 4][PAGE_TOKENS][4]`, `scales` `[spans][PAGE_TOKENS]`; `next` is read
/// soon.
#[inline(always)]
pub fn page_scores<S: Simd, const ROWS: usize>(
    simd: S,
    queries: &Queries,
    first: usize,
    (keys, scales): (&[u8], &[f32]),
    next: *const u8,
    out: [&mut [f32; PAGE_TOKENS]; ROWS],
) {
    const BYTES: usize = SPAN * PAGE_TOKENS;
    let mut totals = [[simd.splat(0.0); 2]; ROWS];
    let scales = scales.as_chunks::<PAGE_TOKENS>().0;
    for (span, (keys, scales)) in keys.chunks(BYTES).zip(scales).enumerate() {
        let sums = span_sums::<S, ROWS>(simd, queries, (first, span), keys, next);
        let scales = scales.as_chunks::<LANES>().0;
        for row in 0..ROWS {
            for half in 0..2 {
                let [high, low] = &sums[row];
                let (high, low) = (simd.float(high[half]), simd.float(low[half]));
                let sum = simd.fma(high, simd.splat(128.0), low);
                totals[row][half] = simd.fma(sum, simd.load(&scales[half]), totals[row][half]);
            }
        }
    }
    for (row, out) in out.into_iter().enumerate() {
        let step = simd.splat(queries.scales[first + row]);
        for (half, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            simd.store(simd.mul(totals[row][half], step), out);
        }
    }
}

/// Dot products of one span: `[row][part][half of the slots]`.
#[inline(always)]
fn span_sums<S: Simd, const ROWS: usize>(
    simd: S,
    queries: &Queries,
    (first, span): (usize, usize),
    keys: &[u8],
    next: *const u8,
) -> [[[S::I; 2]; 2]; ROWS] {
    const LINE: usize = GROUP * LANES;
    let mut quads = [[&[][..]; 2]; ROWS];
    let mut sums = [[[simd.splat_i(0); 2]; 2]; ROWS];
    for row in 0..ROWS {
        let row_start = (first + row) * queries.padded;
        let range = row_start + span * SPAN..row_start + queries.padded.min((span + 1) * SPAN);
        for part in 0..2 {
            quads[row][part] = queries.parts[part][range.clone()].as_chunks::<GROUP>().0;
            let negated = queries.negated_sums[first + row][span][part];
            sums[row][part] = [simd.biased_start(negated); 2];
        }
    }
    let next = next.wrapping_add(span * SPAN * PAGE_TOKENS);
    for (group, slots) in keys.as_chunks::<{ 2 * LINE }>().0.iter().enumerate() {
        simd.prefetch(next.wrapping_add(group * 2 * LINE));
        simd.prefetch(next.wrapping_add((group * 2 + 1) * LINE));
        let halves = slots.as_chunks::<LINE>().0;
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
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    struct Quantize<'a>(&'a [f32], [Vec<i8>; 2]);
    impl Kernel for Quantize<'_> {
        type Output = (f32, [Vec<i8>; 2]);
        #[inline(always)]
        fn run<S: Simd>(mut self, simd: S) -> Self::Output {
            let [high, low] = &mut self.1;
            (quantize_query(simd, self.0, [high, low]), self.1)
        }
    }

    #[test]
    fn a_query_keeps_fifteen_bits_on_every_instruction_set() {
        for size in [1e-35, 1e-3, 40.0f32] {
            let query: Vec<f32> = (0..64).map(|i| ((i * 37 % 64) as f32 - 31.5) * size).collect();
            for isa in Isa::available() {
                let (scale, [high, low]) = isa.run(Quantize(&query, [vec![0; 64], vec![0; 64]]));
                for (x, (high, low)) in query.iter().zip(high.iter().zip(&low)) {
                    let near = scale * (128.0 * f32::from(*high) + f32::from(*low));
                    let step = if size < 1e-30 { 32.0 * size } else { 32.0 * size / 16_000.0 };
                    assert!((x - near).abs() <= step, "{isa:?} {x} {near}");
                }
            }
        }
    }
}
