//! The log-probability of a token in its row of logits.

mod kernel;

pub(crate) use kernel::{BLOCK, exp, maximum, sum_exp_block};

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

/// Sum of `exp(value - max)` over the row; what is not a number counts nothing.
pub(crate) fn sum_exp(row: &[f32], max: f32) -> f64 {
    row.chunks(BLOCK).map(|block| sum_exp_block(block, max)).sum()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit is what is promised")]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
