//! Functions of single elements, on sixteen lanes.

use tgi_model::spec::Activation;

use crate::simd::Simd;

/// `e^x`, relative error below 2e-7; exactly zero below -88, and largest at 88.
///
/// Cody and Waite's reduction to `|r| <= ln 2 / 2`, then the Taylor series to the sixth power.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::F) -> S::F {
    let x = simd.min(simd.max(x, simd.splat(-88.0)), simd.splat(88.0));
    let n = simd.round(simd.mul(x, simd.splat(std::f32::consts::LOG2_E)));
    let whole = simd.float(n);
    let r = simd.fma(whole, simd.splat(-0.693_359_4), x);
    let r = simd.fma(whole, simd.splat(2.121_944_4e-4), r);
    let mut sum = simd.splat(1.0 / 720.0);
    for factor in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = simd.fma(sum, r, simd.splat(factor));
    }
    simd.mul(sum, simd.exp2i(n))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: S::F) -> S::F {
    let one = simd.splat(1.0);
    let power = exp(simd, simd.sub(simd.splat(0.0), x));
    simd.div(one, simd.add(one, power))
}

/// `tanh x`, as `2 sigmoid(2x) - 1`.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::F) -> S::F {
    let twice = sigmoid(simd, simd.add(x, x));
    simd.fma(simd.splat(2.0), twice, simd.splat(-1.0))
}

/// `cap * tanh(x / cap)`.
#[inline(always)]
pub fn soft_cap<S: Simd>(simd: S, x: S::F, cap: f32) -> S::F {
    simd.mul(simd.splat(cap), tanh(simd, simd.div(x, simd.splat(cap))))
}

/// `erf x`, absolute error below 5e-7 (Abramowitz and Stegun, 7.1.26).
#[inline(always)]
fn erf<S: Simd>(simd: S, x: S::F) -> S::F {
    let (zero, one) = (simd.splat(0.0), simd.splat(1.0));
    let size = simd.max(x, simd.sub(zero, x));
    let t = simd.div(one, simd.fma(simd.splat(0.327_591_1), size, one));
    let mut sum = simd.splat(1.061_405_4);
    for factor in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = simd.fma(sum, t, simd.splat(factor));
    }
    let tail = simd.mul(simd.mul(sum, t), exp(simd, simd.sub(zero, simd.mul(x, x))));
    // The sign of x, times what is left; at 0 the factor does not matter.
    let sign = simd.div(x, simd.max(size, simd.splat(f32::MIN_POSITIVE)));
    simd.mul(sign, simd.sub(one, tail))
}

/// The activation function.
#[inline(always)]
pub fn activate<S: Simd>(simd: S, activation: Activation, x: S::F) -> S::F {
    match activation {
        Activation::Silu => simd.mul(x, sigmoid(simd, x)),
        Activation::GeluTanh => {
            // 0.5 (1 + tanh y) = sigmoid(2y), with y = sqrt(2/pi) (x + 0.044715 x^3).
            let cubic =
                simd.fma(simd.mul(x, x), simd.splat(1.595_769 * 0.044_715), simd.splat(1.595_769));
            simd.mul(x, sigmoid(simd, simd.mul(x, cubic)))
        }
        Activation::GeluErf => {
            let half = simd.mul(x, simd.splat(0.5));
            let erf = erf(simd, simd.mul(x, simd.splat(std::f32::consts::FRAC_1_SQRT_2)));
            simd.fma(half, erf, half)
        }
        Activation::Relu => simd.max(x, simd.splat(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{Isa, Kernel};
    use crate::simd::LANES;
    use proptest::prelude::*;

    enum Function {
        Exp,
        Tanh,
        Of(Activation),
    }

    struct Apply<'a>(&'a Function, &'a [f32; LANES]);
    impl Kernel for Apply<'_> {
        type Output = [f32; LANES];
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> [f32; LANES] {
            let x = simd.load(self.1);
            let y = match self.0 {
                Function::Exp => exp(simd, x),
                Function::Tanh => tanh(simd, x),
                Function::Of(activation) => activate(simd, *activation, x),
            };
            let mut out = [0.0; LANES];
            simd.store(y, &mut out);
            out
        }
    }

    /// Simpson's rule on `2 / sqrt(pi) * e^(-t^2)`.
    fn erf_by_integration(x: f64) -> f64 {
        let (steps, f) = (2000, |t: f64| (-t * t).exp());
        let h = x / f64::from(steps);
        let inner: f64 =
            (1..steps).map(|i| f(f64::from(i) * h) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
        (f(0.0) + inner + f(x)) * h / 3.0 * std::f64::consts::FRAC_2_SQRT_PI
    }

    fn exact(function: &Function, x: f64) -> f64 {
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        match function {
            Function::Exp => x.exp(),
            Function::Tanh => x.tanh(),
            Function::Of(Activation::Silu) => x * sigmoid(x),
            Function::Of(Activation::GeluTanh) => {
                let y = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + y.tanh())
            }
            Function::Of(Activation::GeluErf) => {
                0.5 * x * (1.0 + erf_by_integration(x / 2f64.sqrt()))
            }
            Function::Of(Activation::Relu) => x.max(0.0),
        }
    }

    proptest! {
        #[test]
        fn functions_are_near_exact_and_the_same_on_every_instruction_set(
            values in prop::array::uniform16(-20.0f32..20.0)
        ) {
            let functions = [
                Function::Exp, Function::Tanh, Function::Of(Activation::Silu),
                Function::Of(Activation::GeluTanh), Function::Of(Activation::GeluErf),
                Function::Of(Activation::Relu),
            ];
            for function in &functions {
                let first = Isa::best().run(Apply(function, &values));
                for isa in Isa::available() {
                    let out = isa.run(Apply(function, &values));
                    prop_assert_eq!(out.map(f32::to_bits), first.map(f32::to_bits));
                }
                for (x, y) in values.iter().zip(first) {
                    let exact = exact(function, f64::from(*x));
                    let error = (f64::from(y) - exact).abs();
                    prop_assert!(error <= 1e-5 * exact.abs().max(0.2), "{} {} {}", x, y, exact);
                }
            }
        }
    }

    #[test]
    fn the_exponential_of_minus_infinity_is_zero() {
        let out = Isa::best().run(Apply(&Function::Exp, &[f32::NEG_INFINITY; LANES]));
        assert_eq!(out.map(f32::to_bits), [0; LANES]);
    }
}
