//! Merging of partial soft-maxes.

use crate::math::exp;
use crate::simd::{LANES, Simd};

/// The scalar part of a soft-max over some positions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Partial {
    /// Largest score.
    pub largest: f32,
    /// Sum of `e^(score - largest)`; zero when the row sees none of the positions.
    pub sum: f32,
}

/// `e^x` of one value.
#[inline(always)]
fn exp_one<S: Simd>(simd: S, x: f32) -> f32 {
    let mut out = [0.0; LANES];
    simd.store(exp(simd, simd.splat(x)), &mut out);
    out[0]
}

impl Partial {
    /// Merges the partial of a later chunk; `values` and `later_values` are the weighted values.
    #[inline(always)]
    pub fn merge<S: Simd>(
        &mut self,
        simd: S,
        values: &mut [f32],
        later: Self,
        later_values: &[f32],
    ) {
        if later.sum == 0.0 {
            return;
        }
        if self.sum == 0.0 {
            *self = later;
            values.copy_from_slice(later_values);
            return;
        }
        let largest = if later.largest > self.largest { later.largest } else { self.largest };
        let ours = exp_one(simd, self.largest - largest);
        let theirs = exp_one(simd, later.largest - largest);
        *self = Self { largest, sum: (self.sum * ours) + (later.sum * theirs) };
        let (ours, theirs) = (simd.splat(ours), simd.splat(theirs));
        let later = later_values.as_chunks::<LANES>().0;
        for (value, later) in values.as_chunks_mut::<LANES>().0.iter_mut().zip(later) {
            let scaled = simd.mul(simd.load(value), ours);
            simd.store(simd.fma(simd.load(later), theirs, scaled), value);
        }
    }

    /// Divides the weighted values by the sum: the row's attention.
    #[inline(always)]
    pub fn finish<S: Simd>(self, simd: S, values: &mut [f32]) {
        let inverse = simd.splat(if self.sum > 0.0 { 1.0 / self.sum } else { 0.0 });
        for value in values.as_chunks_mut::<LANES>().0 {
            simd.store(simd.mul(simd.load(value), inverse), value);
        }
    }
}
