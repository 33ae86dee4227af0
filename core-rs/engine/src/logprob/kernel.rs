//! The reductions over a row of logits: maximum and sum of exponentials.
//!
//! Each is one plain loop over [`LANES`] independent results in a fixed order, compiled once for
//! each vector width. Nothing is reassociated or fused on the way, so that equal rows give equal
//! bytes on every machine and whatever shares the step.

/// Independent results that run side by side.
const LANES: usize = 16;
/// Most values whose exponentials are summed in f32 before the sum goes into an f64.
pub(crate) const BLOCK: usize = 4096;

/// Defines a function that runs `$body`, an inlined one, with the widest vectors of this machine.
macro_rules! widest {
    ($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty = $body:ident) => {
        $(#[$doc])*
        pub(crate) fn $name($($argument: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn avx512($($argument: $type),*) -> $result {
                    $body($($argument),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) -> $result {
                    $body($($argument),*)
                }
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: this machine has AVX-512F.
                    return unsafe { avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: this machine has AVX2.
                    return unsafe { avx2($($argument),*) };
                }
            }
            $body($($argument),*)
        }
    };
}

widest! {
    /// The largest value that is a number, `-inf` when there is none.
    maximum(row: &[f32]) -> f32 = maximum_by_lanes
}

widest! {
    /// Sum of `exp(value - max)` over at most [`BLOCK`] values; NaN counts nothing.
    sum_exp_block(block: &[f32], max: f32) -> f64 = sum_exp_by_lanes
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled into each vector width")]
fn maximum_by_lanes(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &value| max.max(value))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "it is compiled into each vector width")]
fn sum_exp_by_lanes(block: &[f32], max: f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = block.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += exp(value - max);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += exp(value - max);
    }
    lanes.iter().map(|&lane| f64::from(lane)).sum()
}

/// `exp(x)` for `x <= 0`, to 2 units in the last place; 0 below -87 and for NaN.
///
/// `x` is split into `n ln 2 + r` with `|r| <= ln 2 / 2`; `exp(r)` is its Taylor polynomial of
/// degree 7, and `2^n` goes into the exponent bits.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    /// The leading bits of `ln 2`, few enough that `n` times it is exact, and the rest.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    const LOWEST: f32 = -87.0;

    let clamped = if x > LOWEST { x } else { LOWEST };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut sum = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * r + coefficient;
    }
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x > LOWEST { sum * power } else { 0.0 }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit is what is promised")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_exponential_is_exact_to_two_units_in_the_last_place() {
        for step in 0..870_000 {
            let x = -(step as f32) * 1e-4;
            let want = f64::from(x).exp();
            let error = (f64::from(exp(x)) - want).abs() / want;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "exp({x}): {error:e}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!([exp(-1e9), exp(f32::NEG_INFINITY), exp(f32::NAN)], [0.0; 3]);
    }

    #[test]
    fn the_maximum_passes_over_what_is_not_a_number() {
        assert_eq!(maximum(&[f32::NAN, 3.0, f32::NAN]), 3.0);
        assert_eq!(maximum(&[]), f32::NEG_INFINITY);
    }

    proptest! {
        #[test]
        fn all_vector_widths_give_the_same_bytes(
            block in prop::collection::vec(-90f32..10.0, 0..BLOCK),
        ) {
            let max = maximum(&block);
            prop_assert_eq!(max.to_bits(), maximum_by_lanes(&block).to_bits());
            let sum = sum_exp_block(&block, max);
            prop_assert_eq!(sum.to_bits(), sum_exp_by_lanes(&block, max).to_bits());
        }
    }
}
