//! Attention with linear biases (Press et al. 2021, <https://arxiv.org/abs/2108.12409>).

/// What is taken off a head's score for each position between key and query, as Hugging Face's
/// BLOOM extends the paper's slopes to numbers of heads that are no power of two.
pub fn slope(head: usize, heads: usize) -> f32 {
    let power = if heads.is_power_of_two() { heads } else { heads.next_power_of_two() / 2 };
    let exponent = if head < power {
        8.0 * (head + 1) as f32 / power as f32
    } else {
        4.0 * (2 * (head - power) + 1) as f32 / power as f32
    };
    (-exponent).exp2()
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn slopes_fall_from_a_half_to_a_256th() {
        assert!((slope(0, 8) - 0.5).abs() < 1e-6);
        assert!((slope(7, 8) - 1.0 / 256.0).abs() < 1e-9);
    }

    #[test]
    fn heads_beyond_a_power_of_two_lie_between_the_others() {
        assert!((slope(8, 12) - 2f32.powf(-0.5)).abs() < 1e-6);
        assert!((slope(11, 12) - 2f32.powf(-3.5)).abs() < 1e-6);
    }
}
