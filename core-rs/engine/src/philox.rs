//! Random numbers as a function of their place: Philox4x32-10 of Salmon, Moraes, Dror and Shaw,
//! "Parallel random numbers: as easy as 1, 2, 3" (2011).
//!
//! A token's number depends on the seed and the token's position alone. Batching, preemption and
//! speculation therefore cannot change it, and a sequence carries no generator state.

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Fractions of the golden ratio and of the square root of 3, added to the key after each round.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One block of four random words.
pub(crate) fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let low = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let high = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The number in `0.0..1.0` that belongs to `position` under `seed`: 53 random bits.
pub(crate) fn uniform(seed: u64, position: u32) -> f64 {
    let [low, high, ..] = philox4x32([position, 0, 0, 0], [seed as u32, (seed >> 32) as u32]);
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors that the Random123 library ships for `philox4x32 10`.
    #[test]
    fn the_published_known_answers_come_out() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn numbers_fill_the_unit_interval_evenly() {
        let mut bins = [0u32; 16];
        for position in 0..16_000 {
            let value = uniform(42, position);
            assert!((0.0..1.0).contains(&value));
            bins[(value * 16.0) as usize] += 1;
        }
        let deviation: f64 =
            bins.iter().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
        assert!(deviation < 37.7, "chi-square of 15 degrees, 0.1 %: {deviation}");
    }

    #[test]
    fn both_halves_of_the_seed_and_the_position_count() {
        let base = uniform(1, 0);
        assert_ne!(uniform(1, 1).to_bits(), base.to_bits());
        assert_ne!(uniform(2, 0).to_bits(), base.to_bits());
        assert_ne!(uniform(1 | 1 << 32, 0).to_bits(), base.to_bits());
        assert_eq!(uniform(1, 0).to_bits(), base.to_bits());
    }
}
