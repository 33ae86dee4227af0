//! Rotary position embedding (Su et al. 2021, <https://arxiv.org/abs/2104.09864>) and its scalings,
//! as `modeling_rope_utils.py` of Hugging Face transformers computes them.

use std::f64::consts::TAU;

use crate::spec::{Rope, RopeScaling, Yarn};

/// Frequencies of one set of rope parameters.
#[derive(Clone, Debug)]
pub struct RopeTable {
    /// Angle per position of each pair, radians, `[dimensions / 2]`.
    frequencies: Vec<f32>,
    /// What replaces them where the text is longer than the original context.
    beyond: Option<Beyond>,
    amplitude: f32,
}

/// Frequencies beyond the original context.
#[derive(Clone, Debug)]
struct Beyond {
    /// Positions of the original context.
    original: usize,
    kind: BeyondKind,
}

#[derive(Clone, Debug)]
enum BeyondKind {
    /// These.
    Fixed(Vec<f32>),
    /// Those of a base that grows with the position.
    Growing { base: f64, factor: f64 },
}

impl RopeTable {
    /// For heads whose leading `dimensions` elements rotate.
    ///
    /// Pair `i` turns by `base^(-2i / dimensions)` a position, less by the scaling.
    pub fn new(rope: &Rope, dimensions: usize) -> Self {
        let base = f64::from(rope.base);
        let plain = || (0..dimensions / 2).map(|pair| frequency(base, pair, dimensions));
        let divided = |by: &[f32]| {
            plain().zip(by).map(|(frequency, by)| (frequency / f64::from(*by)) as f32).collect()
        };
        let (mut beyond, mut amplitude) = (None, 1.0);
        let frequencies = match &rope.scaling {
            RopeScaling::None => plain().map(|frequency| frequency as f32).collect(),
            RopeScaling::Linear { factor } => divided(&vec![*factor; dimensions / 2]),
            RopeScaling::Divided(by) => divided(by),
            &RopeScaling::Llama3 { factor, low, high, original } => {
                let [factor, low, high] = [factor, low, high].map(f64::from);
                let scale = |frequency| llama3(frequency, factor, (low, high), original) as f32;
                plain().map(scale).collect()
            }
            &RopeScaling::Dynamic { factor, original } => {
                let kind = BeyondKind::Growing { base, factor: f64::from(factor) };
                beyond = Some(Beyond { original, kind });
                plain().map(|frequency| frequency as f32).collect()
            }
            RopeScaling::Yarn(yarn) => {
                amplitude = yarn.amplitude;
                yarn_frequencies(yarn, base, dimensions)
            }
            RopeScaling::LongRope { short, long, original, amplitude: factor } => {
                amplitude = *factor;
                let kind = BeyondKind::Fixed(divided(long));
                beyond = Some(Beyond { original: *original, kind });
                divided(short)
            }
        };
        Self { frequencies, beyond, amplitude }
    }

    /// Angle per position of each pair for a token at `position`, radians, `dimensions / 2` of
    /// them. The token turns by its position times that.
    pub fn frequencies(&self, position: usize) -> impl Iterator<Item = f32> + '_ {
        let pairs = self.frequencies.len();
        let beyond = self.beyond.as_ref().filter(|beyond| position >= beyond.original);
        let (fixed, growing) = match beyond {
            None => (&self.frequencies, None),
            Some(Beyond { kind: BeyondKind::Fixed(long), .. }) => (long, None),
            Some(Beyond { original, kind: BeyondKind::Growing { base, factor } }) => {
                let stretch = (position + 1) as f64 / *original as f64;
                let power = (2 * pairs) as f64 / (2.0 * pairs as f64 - 2.0);
                let base = base * (factor * stretch - (factor - 1.0)).powf(power);
                (&self.frequencies, Some(base))
            }
        };
        let of_pair = move |(pair, fixed): (usize, &f32)| match growing {
            None => *fixed,
            Some(base) => frequency(base, pair, 2 * pairs) as f32,
        };
        fixed.iter().enumerate().map(of_pair)
    }

    /// Factor on the cosines and sines, and so on the turned elements; usually 1.
    pub fn amplitude(&self) -> f32 {
        self.amplitude
    }
}

fn frequency(base: f64, pair: usize, dimensions: usize) -> f64 {
    base.powf(-2.0 * pair as f64 / dimensions as f64)
}

/// Frequencies with fewer than `low` turns in the original context are divided, those with more
/// than `high` are not.
fn llama3(frequency: f64, factor: f64, (low, high): (f64, f64), original: usize) -> f64 {
    let turns = original as f64 * frequency / TAU;
    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
    (1.0 - kept) * frequency / factor + kept * frequency
}

fn yarn_frequencies(yarn: &Yarn, base: f64, dimensions: usize) -> Vec<f32> {
    // The pair that makes so many turns in the original context.
    let pair_of = |turns: f32| {
        let turn = yarn.original as f64 / (f64::from(turns) * TAU);
        dimensions as f64 * turn.ln() / (2.0 * base.ln())
    };
    let (mut low, mut high) = (pair_of(yarn.beta_fast), pair_of(yarn.beta_slow));
    if yarn.truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    (low, high) = (low.max(0.0), high.min(dimensions as f64 - 1.0));
    if low == high {
        // As the original does, so that nothing is divided by zero.
        high += 0.001;
    }
    let scaled = |pair: usize| {
        let frequency = frequency(base, pair, dimensions);
        let divided = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
        let factor = f64::from(yarn.factor);
        (frequency / factor * divided + frequency * (1.0 - divided)) as f32
    };
    (0..dimensions / 2).map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn at(base: f32, scaling: RopeScaling, dimensions: usize, position: usize) -> Vec<f32> {
        RopeTable::new(&Rope { base, scaling }, dimensions).frequencies(position).collect()
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn pairs_fall_geometrically_towards_the_base() {
        assert_near(&at(10_000.0, RopeScaling::None, 8, 5), &[1.0, 0.1, 0.01, 0.001]);
    }

    #[test]
    fn linear_scaling_divides_every_frequency() {
        let plain = at(1e6, RopeScaling::None, 256, 0);
        let scaled = at(1e6, RopeScaling::Linear { factor: 8.0 }, 256, 0);
        assert_near(&scaled, &plain.iter().map(|x| x / 8.0).collect::<Vec<_>>());
    }

    #[test]
    fn llama3_keeps_high_frequencies_and_divides_low_ones() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192 };
        let plain = at(500_000.0, RopeScaling::None, 128, 0);
        let scaled = at(500_000.0, scaling, 128, 0);
        assert_near(&scaled[..29], &plain[..29]);
        assert_near(&scaled[35..], &plain[35..].iter().map(|x| x / 8.0).collect::<Vec<_>>());
        assert!(plain[30] / 8.0 < scaled[30] && scaled[30] < plain[30]);
    }

    #[test]
    fn a_growing_base_begins_where_the_original_context_ends() {
        let scaling = RopeScaling::Dynamic { factor: 4.0, original: 16 };
        let plain = at(10_000.0, RopeScaling::None, 8, 0);
        assert_near(&at(10_000.0, scaling.clone(), 8, 15), &plain);
        // 4 * 32 / 16 - 3 = 5, to the power of 8 / 6.
        let grown = at(10_000.0 * 5f32.powf(8.0 / 6.0), RopeScaling::None, 8, 0);
        assert_near(&at(10_000.0, scaling, 8, 31), &grown);
    }

    #[test]
    fn long_texts_have_divisors_of_their_own() {
        let (short, long) = (Arc::from([1.0, 2.0]), Arc::from([4.0, 8.0]));
        let scaling = RopeScaling::LongRope { short, long, original: 10, amplitude: 1.5 };
        assert_near(&at(100.0, scaling.clone(), 4, 9), &[1.0, 0.05]);
        assert_near(&at(100.0, scaling.clone(), 4, 10), &[0.25, 0.0125]);
        let table = RopeTable::new(&Rope { base: 100.0, scaling }, 4);
        assert!((table.amplitude() - 1.5).abs() < f32::EPSILON);
    }

    #[test]
    fn yarn_keeps_fast_pairs_and_divides_slow_ones() {
        let yarn = Yarn {
            factor: 4.0,
            original: 4096,
            beta_fast: 32.0,
            beta_slow: 1.0,
            truncate: true,
            amplitude: 1.0,
        };
        let plain = at(10_000.0, RopeScaling::None, 128, 0);
        let scaled = at(10_000.0, RopeScaling::Yarn(yarn), 128, 0);
        assert_near(&scaled[..20], &plain[..20]);
        assert_near(&scaled[46..], &plain[46..].iter().map(|x| x / 4.0).collect::<Vec<_>>());
    }
}
