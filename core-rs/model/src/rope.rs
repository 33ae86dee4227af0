//! Rotary position embedding (Su et al. 2021, <https://arxiv.org/abs/2104.09864>).

use crate::spec::{Rope, RopeScaling};

/// Angle per position of each pair of elements, radians, `[dimensions / 2]`.
///
/// Pair `i` turns by `base^(-2i / dimensions)` a position, less by the scaling.
pub fn inverse_frequencies(rope: &Rope, dimensions: usize) -> Vec<f32> {
    let stretch = match rope.scaling {
        RopeScaling::None => 1.0,
        RopeScaling::Linear { factor } => f64::from(factor),
    };
    let frequency = |pair: usize| {
        let exponent = 2.0 * pair as f64 / dimensions as f64;
        (f64::from(rope.base).powf(-exponent) / stretch) as f32
    };
    (0..dimensions / 2).map(frequency).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(base: f32, scaling: RopeScaling) -> Rope {
        Rope { base, scaling }
    }

    #[test]
    fn the_first_pair_turns_by_one_radian_a_position() {
        let frequencies = inverse_frequencies(&rope(10_000.0, RopeScaling::None), 64);
        assert_eq!(frequencies.len(), 32);
        assert!((frequencies[0] - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn pairs_fall_geometrically_towards_the_base() {
        let frequencies = inverse_frequencies(&rope(10_000.0, RopeScaling::None), 8);
        for (frequency, expected) in frequencies.iter().zip([1.0, 0.1, 0.01, 0.001]) {
            assert!((frequency / expected - 1.0).abs() < 1e-6, "{frequency} {expected}");
        }
    }

    #[test]
    fn linear_scaling_divides_every_frequency() {
        let plain = inverse_frequencies(&rope(1e6, RopeScaling::None), 256);
        let scaled = inverse_frequencies(&rope(1e6, RopeScaling::Linear { factor: 8.0 }), 256);
        for (plain, scaled) in plain.iter().zip(scaled) {
            assert!((plain / scaled - 8.0).abs() < 1e-4);
        }
    }
}
