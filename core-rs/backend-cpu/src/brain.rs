//! The matrix product of bfloat16, two columns at a time.
//!
//! Weights are as in the file; activations are rounded to bfloat16, ties to even. `VDPBF16PS`
//! takes denormal numbers for zero, which plain `fma` does not, so both must never meet one: a
//! weight or an activation below [`SMALLEST`] becomes zero. All others are multiples of 2^-56
//! (eight bits from 2^-49 up), their products and all sums of products, however rounded, multiples
//! of 2^-112: zero, or far above the smallest normal number, 2^-126.

use std::ops::Range;

use crate::error::CpuError;
use crate::isa::Kernel;
use crate::product::PanelRow;
use crate::simd::{LANES, Simd, prefetch_ahead};
use crate::slab::{Slab, SlabVec};
use crate::tile::pack::PANEL_ROWS;

/// The smallest magnitude that is not taken for zero, 2^-49, as the bits of an `f32`.
const SMALLEST: u32 = (127 - 49) << 23;
/// The infinite exponent of an `f32`.
const INFINITE: u32 = 0x7F80_0000;

/// Rounds to bfloat16, ties to even; infinities and NaN stay what they are.
#[inline(always)]
fn round(x: f32) -> u16 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7FFF_FFFF;
    let up = if magnitude < INFINITE { 0x7FFF + ((bits >> 16) & 1) } else { 0 };
    if magnitude < SMALLEST { 0 } else { ((bits + up) >> 16) as u16 }
}

/// Two columns of a panel: 32 rows of two bfloat16 each, the first column in the low half.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct PairColumn([[u8; 64]; 2]);

impl PairColumn {
    /// Row `row` of both columns, widened.
    pub fn widen_row(&self, row: usize) -> [f32; 2] {
        let lane = &self.0[row / LANES][row % LANES * 4..][..4];
        [f32::from_le_bytes([0, 0, lane[0], lane[1]]), f32::from_le_bytes([0, 0, lane[2], lane[3]])]
    }
}

/// Re-tiles `rows` rows of `columns` columns to `[panels][columns / 2]`, rounded up; missing rows
/// and a missing column are zero.
pub fn pack(
    bytes: &[u8],
    rows: usize,
    columns: usize,
    slab: &Slab,
) -> Result<SlabVec<PairColumn>, CpuError> {
    let pairs = columns.div_ceil(2);
    let length = rows.div_ceil(PANEL_ROWS) * pairs;
    let mut out = slab.filled(length, PairColumn([[0; 64]; 2]))?;
    for (row, values) in bytes.chunks_exact(columns * 2).enumerate().take(rows) {
        let panel = &mut out[row / PANEL_ROWS * pairs..][..pairs];
        let (side, lane) = (row % PANEL_ROWS / LANES, row % LANES);
        for (column, value) in values.as_chunks::<2>().0.iter().enumerate() {
            let value = round(f32::from_le_bytes([0, 0, value[0], value[1]]));
            let at = lane * 4 + column % 2 * 2;
            panel[column / 2].0[side][at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
    }
    Ok(out)
}

/// Pairs of columns whose activations are rounded at once: they stay in the first-level cache.
const CHUNK: usize = 128;

/// `out = x * panel^T` for some tokens; each output is summed by [`Simd::dot_pairs`] in the order
/// of the columns.
pub struct PairProduct<'a> {
    /// The panel, `[columns / 2]`.
    pub panel: &'a [PairColumn],
    /// Columns.
    pub columns: usize,
    /// Activations, `[tokens, stride]`.
    pub x: &'a [f32],
    /// Floats from one token to the next.
    pub stride: usize,
    /// Which tokens.
    pub tokens: Range<usize>,
    /// Results, one for each of `tokens`.
    pub out: &'a mut [PanelRow],
}

impl PairProduct<'_> {
    /// Computes some tokens together; returns how many.
    #[inline(always)]
    fn group<S: Simd, const TOKENS: usize>(&mut self, simd: S, first: usize) -> usize {
        let mut sums = [[simd.splat(0.0); 2]; TOKENS];
        let mut x = [[[0u16; 2]; CHUNK]; TOKENS];
        for (chunk, panel) in self.panel.chunks(CHUNK).enumerate() {
            let columns = chunk * 2 * CHUNK..self.columns.min((chunk + 1) * 2 * CHUNK);
            for (token, x) in x.iter_mut().enumerate() {
                let row = &self.x[(self.tokens.start + first + token) * self.stride..];
                // The column that an odd width lacks has weights of zero.
                for (x, value) in x.as_flattened_mut().iter_mut().zip(&row[columns.clone()]) {
                    *x = round(*value);
                }
            }
            for (index, column) in panel.iter().enumerate() {
                prefetch_ahead(simd, column);
                let w = [simd.bytes(&column.0[0]), simd.bytes(&column.0[1])];
                for token in 0..TOKENS {
                    let [low, high] = x[token][index];
                    let pair = simd.splat_pair(u32::from(low) | u32::from(high) << 16);
                    sums[token][0] = simd.dot_pairs(sums[token][0], w[0], pair);
                    sums[token][1] = simd.dot_pairs(sums[token][1], w[1], pair);
                }
            }
        }
        for token in 0..TOKENS {
            simd.store(sums[token][0], &mut self.out[first + token][0]);
            simd.store(sums[token][1], &mut self.out[first + token][1]);
        }
        TOKENS
    }
}

impl Kernel for PairProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let mut first = 0;
        // Two sums a token, and weights beside them.
        let largest = S::REGISTERS / 4;
        while first < self.tokens.len() {
            first += match (self.tokens.len() - first).min(largest) {
                8.. => self.group::<S, 8>(simd, first),
                4.. => self.group::<S, 4>(simd, first),
                2.. => self.group::<S, 2>(simd, first),
                _ => self.group::<S, 1>(simd, first),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;
    use proptest::prelude::*;

    /// The portable kernel, which is the definition, and each other one on the same numbers.
    fn agree(columns: usize, tokens: usize, weights: &[u16], x: &[f32]) {
        let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        let panel = pack(&bytes, PANEL_ROWS, columns, &Slab::default()).expect("memory");
        let mut expected: Option<Vec<u32>> = None;
        for isa in Isa::available().into_iter().rev() {
            let mut out = vec![PanelRow::default(); tokens];
            isa.run(PairProduct {
                panel: &panel,
                columns,
                x,
                stride: columns,
                tokens: 0..tokens,
                out: &mut out,
            });
            let bits: Vec<u32> =
                out.iter().flat_map(|row| row.as_flattened()).map(|x| x.to_bits()).collect();
            assert_eq!(expected.get_or_insert_with(|| bits.clone()), &bits, "{isa:?}");
        }
    }

    /// A finite bfloat16 of any exponent up to 2^60, so that no sum overflows.
    fn any_size() -> impl Strategy<Value = u16> {
        (any::<bool>(), 0u16..187, 0u16..128)
            .prop_map(|(sign, exponent, bits)| u16::from(sign) << 15 | exponent << 7 | bits)
    }

    fn widen(x: u16) -> f32 {
        f32::from_bits(u32::from(x) << 16)
    }

    proptest! {
        #[test]
        fn numbers_of_any_size_give_the_same_bytes_everywhere(
            columns in 1usize..300, tokens in 1usize..12, seed in prop::collection::vec(any_size(), 997)
        ) {
            let pick = |index: usize| seed[index % seed.len()];
            let weights: Vec<u16> = (0..columns * PANEL_ROWS).map(|index| pick(index * 7)).collect();
            let x: Vec<f32> = (0..columns * tokens)
                .map(|index| widen(pick(index * 11 + 5)) * (1.0 + (index % 9) as f32 / 300.0))
                .collect();
            agree(columns, tokens, &weights, &x);
        }

        #[test]
        fn numbers_that_cancel_give_the_same_bytes_everywhere(
            exponents in prop::collection::vec(70u16..90, 64), columns in 2usize..64
        ) {
            // Around the threshold; every second product takes most of the one before it away.
            let weight = |index: usize| exponents[index / 2 % 64] << 7 | (index as u16 % 2) << 15;
            let weights: Vec<u16> = (0..columns * PANEL_ROWS).map(weight).collect();
            let x: Vec<f32> = (0..columns * 3).map(|index| widen(exponents[index % 64] << 7)).collect();
            agree(columns, 3, &weights, &x);
        }

        #[test]
        fn rounding_is_to_nearest_even(bits: u32) {
            let x = f32::from_bits(bits);
            let expected = half::bf16::from_f32(x);
            let rounded = widen(round(x));
            if x.is_nan() {
                prop_assert!(rounded.is_nan() || bits & 0x7F_0000 == 0);
            } else if x.abs() < f32::from_bits(SMALLEST) {
                prop_assert_eq!(rounded.to_bits(), 0);
            } else {
                prop_assert_eq!(rounded.to_bits(), expected.to_f32().to_bits());
            }
        }
    }
}
