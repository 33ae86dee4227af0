//! The reductions over a row of logits: maximum, sum of exponentials, log-softmax.
//!
//! All of them walk the row in one fixed order, whatever the machine and whatever shares the step,
//! so that equal rows give equal bytes. They are plain loops over [`LANES`] independent sums,
//! which a compiler turns into vector code; nothing is reassociated or fused on the way.

/// Independent sums that run side by side.
const LANES: usize = 16;
/// Values whose exponentials are summed in f32 before the sum goes into an f64.
pub(crate) const BLOCK: usize = 4096;

/// The natural logarithm of the probability that the untouched row gives to `id`.
///
/// `logits` is `[vocab]`. An id outside of the row is impossible: `-inf`.
pub fn prompt_logprob(logits: &[f32], id: u32) -> f32 {
    let Some(&logit) = logits.get(id as usize) else {
        return f32::NEG_INFINITY;
    };
    let max = maximum(logits);
    log_probability(logit, max, sum_exp(logits, max))
}

/// `logit` as a log-probability, in a row with this maximum and [`sum_exp`].
pub(crate) fn log_probability(logit: f32, max: f32, sum: f64) -> f32 {
    (f64::from(logit - max) - sum.ln()) as f32
}

/// The largest value that is a number, `-inf` when there is none.
pub(crate) fn maximum(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = if value > *lane { value } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |max, &value| max.max(value))
}

/// Sum of `exp(value - max)` over the row; what is not a number counts nothing.
pub(crate) fn sum_exp(row: &[f32], max: f32) -> f64 {
    row.chunks(BLOCK).map(|block| sum_exp_block(block, max)).sum()
}

/// The same over at most [`BLOCK`] values.
pub(crate) fn sum_exp_block(block: &[f32], max: f32) -> f64 {
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
    fn log_probabilities_of_a_known_row() {
        let row = [1.0f32.ln(), 2.0f32.ln(), 5.0f32.ln()];
        for (id, share) in [(0, 0.125f32), (1, 0.25), (2, 0.625)] {
            assert!((prompt_logprob(&row, id) - share.ln()).abs() < 1e-6);
        }
        assert_eq!(prompt_logprob(&row, 3), f32::NEG_INFINITY);
        assert_eq!(prompt_logprob(&[0.0, f32::NEG_INFINITY], 1), f32::NEG_INFINITY);
    }

    #[test]
    fn rows_that_are_not_numbers_do_not_panic() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let _ = prompt_logprob(&[value; 40], 7);
            assert_eq!(prompt_logprob(&[value, 0.0], 9), f32::NEG_INFINITY);
        }
        assert_eq!(maximum(&[f32::NAN, 3.0, f32::NAN]), 3.0);
        assert_eq!(maximum(&[]), f32::NEG_INFINITY);
    }

    proptest! {
        #[test]
        fn sums_match_double_precision(row in prop::collection::vec(-40f32..40.0, 1..9000)) {
            let max = maximum(&row);
            prop_assert_eq!(max, row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let want: f64 = row.iter().map(|&value| f64::from(value - max).exp()).sum();
            prop_assert!((sum_exp(&row, max) / want - 1.0).abs() < 1e-6);
        }
    }
}
