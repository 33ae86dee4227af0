//! Norms of rows.

use tgi_model::spec::{Norm, NormKind};

use crate::simd::{LANES, Simd};

/// Weights of one norm, zero beyond its width.
pub struct NormWeights {
    /// Elements that the row really has.
    pub width: usize,
    /// Factors, the specification's offset included.
    pub weight: Vec<f32>,
    /// Terms, zero where the norm has none.
    pub bias: Vec<f32>,
}

/// What is taken off each element, and the factor on the rest.
///
/// Sums run over the vectors in order, lane by lane, and then over the lanes.
#[inline(always)]
fn moments<S: Simd>(simd: S, norm: &Norm, width: usize, x: &[[f32; LANES]]) -> (S::F, S::F) {
    let beyond = (x.len() * LANES - width) as f32;
    let width = width as f32;
    let mut sum = simd.splat(0.0);
    let mut mean = 0.0;
    if norm.kind == NormKind::Layer {
        for x in x {
            sum = simd.add(sum, simd.load(x));
        }
        mean = simd.sum(sum) / width;
        sum = simd.splat(0.0);
    }
    let center = simd.splat(mean);
    for x in x {
        let x = simd.sub(simd.load(x), center);
        sum = simd.fma(x, x, sum);
    }
    let variance = (simd.sum(sum) - beyond * mean * mean) / width;
    (center, simd.splat(1.0 / (variance + norm.epsilon).sqrt()))
}

/// `out = norm(x)`; both as long as the weights, whole vectors, zero beyond the width.
#[inline(always)]
pub fn norm<S: Simd>(simd: S, norm: &Norm, weights: &NormWeights, x: &[f32], out: &mut [f32]) {
    let x = x.as_chunks::<LANES>().0;
    let (center, factor) = moments(simd, norm, weights.width, x);
    let (weight, bias) = (weights.weight.as_chunks().0, weights.bias.as_chunks().0);
    let out = out.as_chunks_mut().0;
    for (((x, weight), bias), out) in x.iter().zip(weight).zip(bias).zip(out) {
        let x = simd.mul(simd.sub(simd.load(x), center), factor);
        simd.store(simd.fma(x, simd.load(weight), simd.load(bias)), out);
    }
}

/// `x = norm(x)`, otherwise as [`norm`].
#[inline(always)]
pub fn norm_in_place<S: Simd>(simd: S, norm: &Norm, weights: &NormWeights, x: &mut [f32]) {
    let x = x.as_chunks_mut::<LANES>().0;
    let (center, factor) = moments(simd, norm, weights.width, x);
    let (weight, bias) = (weights.weight.as_chunks().0, weights.bias.as_chunks().0);
    for ((x, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
        let value = simd.mul(simd.sub(simd.load(x), center), factor);
        simd.store(simd.fma(value, simd.load(weight), simd.load(bias)), x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, Kernel};

    struct Run<'a>(&'a Norm, &'a NormWeights, &'a [f32]);
    impl Kernel for Run<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut out = vec![0.0; self.2.len()];
            norm(simd, self.0, self.1, self.2, &mut out);
            out
        }
    }

    struct RunInPlace<'a>(&'a Norm, &'a NormWeights, &'a [f32]);
    impl Kernel for RunInPlace<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Vec<f32> {
            let mut x = self.2.to_vec();
            norm_in_place(simd, self.0, self.1, &mut x);
            x
        }
    }

    fn weights(width: usize, padded: usize) -> NormWeights {
        let mut weight = vec![0.0; padded];
        let mut bias = vec![0.0; padded];
        for index in 0..width {
            weight[index] = 1.0 + index as f32 * 0.1;
            bias[index] = index as f32 * 0.01;
        }
        NormWeights { width, weight, bias }
    }

    #[test]
    fn both_kinds_follow_their_formula_for_any_width() {
        for (kind, width) in
            [(NormKind::Rms, 20usize), (NormKind::Layer, 20), (NormKind::Layer, 48)]
        {
            let spec = Norm { kind, epsilon: 1e-5, weight_offset: 0.0, bias: true };
            let padded = width.next_multiple_of(32);
            let weights = weights(width, padded);
            let mut x = vec![0.0; padded];
            for (index, x) in x[..width].iter_mut().enumerate() {
                *x = ((index * 7 % 11) as f32) - 3.0;
            }
            let mean = match kind {
                NormKind::Rms => 0.0,
                NormKind::Layer => x.iter().sum::<f32>() / width as f32,
            };
            let square: f32 = x[..width].iter().map(|x| (x - mean).powi(2)).sum();
            let scale = (square / width as f32 + 1e-5).sqrt();
            let first = Isa::best().run(Run(&spec, &weights, &x));
            for (index, out) in first.iter().enumerate() {
                let expected =
                    (x[index] - mean) / scale * weights.weight[index] + weights.bias[index];
                assert!((out - expected).abs() < 1e-5, "{kind:?} {index} {out} {expected}");
            }
            for isa in Isa::available() {
                assert_eq!(isa.run(Run(&spec, &weights, &x)), first, "{isa:?}");
                assert_eq!(isa.run(RunInPlace(&spec, &weights, &x)), first, "{isa:?}");
            }
        }
    }
}
