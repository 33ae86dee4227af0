//! Activations as the integer kernels read them: blocks of 32 `i8` with one `f32` scale.

use crate::simd::{LANES, Simd};

/// Elements of a block.
pub const BLOCK: usize = 32;

/// Thirty-two activations of one token, `x[i] ≈ scale * q[i]`, one cache line.
///
/// Symmetric, scale `max |x| / 127`, as ggml's `Q8_1`, but with the scale in `f32`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub struct ActivationBlock {
    /// Quantized values in groups of four, in `-127..=127`.
    pub q: [[i8; 4]; 8],
    /// Size of one step.
    pub scale: f32,
    /// Minus the sum of `q`: of all, of the first 16, of the last 16.
    pub negated_sums: [i32; 3],
    /// `scale` times the sum of `q`: of all, of the first 16, of the last 16.
    pub sums: [f32; 3],
}

/// Index into the sums of a block: of all of it, or of one half when scales cover 16 weights.
pub const fn part(subs: usize, sub: usize) -> usize {
    if subs == 1 { 0 } else { 1 + sub }
}

/// Quantizes 32 values.
#[inline(always)]
pub fn quantize<S: Simd>(simd: S, low: S::F, high: S::F) -> ActivationBlock {
    let zero = simd.splat(0.0);
    let largest =
        simd.max(simd.max(low, simd.sub(zero, low)), simd.max(high, simd.sub(zero, high)));
    let largest = simd.largest(largest);
    let scale = largest / 127.0;
    let inverse = simd.splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
    let low = simd.round(simd.mul(low, inverse));
    let high = simd.round(simd.mul(high, inverse));
    let mut q = [[0i8; LANES]; 2];
    simd.store_i8(low, &mut q[0]);
    simd.store_i8(high, &mut q[1]);
    let sums = [simd.sum_i(low), simd.sum_i(high)];
    let sums = [sums[0] + sums[1], sums[0], sums[1]];
    let mut groups = [[0i8; 4]; 8];
    for (group, values) in groups.iter_mut().zip(q.as_flattened().as_chunks::<4>().0) {
        *group = *values;
    }
    ActivationBlock {
        q: groups,
        scale,
        negated_sums: [-sums[0], -sums[1], -sums[2]],
        sums: [scale * sums[0] as f32, scale * sums[1] as f32, scale * sums[2] as f32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, Kernel};
    use proptest::prelude::*;

    struct Quantize<'a>(&'a [f32; 32]);
    impl Kernel for Quantize<'_> {
        type Output = ActivationBlock;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> ActivationBlock {
            let halves = self.0.as_chunks::<LANES>().0;
            quantize(simd, simd.load(&halves[0]), simd.load(&halves[1]))
        }
    }

    fn bits(block: &ActivationBlock) -> impl PartialEq + std::fmt::Debug {
        (block.q, block.scale.to_bits(), block.negated_sums, block.sums.map(f32::to_bits))
    }

    proptest! {
        #[test]
        fn a_block_is_near_its_values_and_the_same_on_every_instruction_set(
            values in prop::array::uniform32(-100.0f32..100.0)
        ) {
            let blocks: Vec<_> =
                Isa::available().into_iter().map(|isa| isa.run(Quantize(&values))).collect();
            for block in &blocks {
                prop_assert_eq!(bits(block), bits(&blocks[0]));
            }
            let q = blocks[0].q.as_flattened();
            for (q, value) in q.iter().zip(values) {
                prop_assert!((f32::from(*q) * blocks[0].scale - value).abs() <= blocks[0].scale * 0.5001);
            }
            let sum: i32 = q[16..].iter().map(|&q| i32::from(q)).sum();
            prop_assert_eq!(blocks[0].negated_sums[part(2, 1)], -sum);
        }
    }

    #[test]
    fn zeros_quantize_to_zeros() {
        let block = Isa::best().run(Quantize(&[0.0; 32]));
        assert_eq!((block.q, block.scale, block.sums), ([[0; 4]; 8], 0.0, [0.0; 3]));
    }
}
