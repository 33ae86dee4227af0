/// Words of state.
const WORDS: usize = 624;

/// The Mersenne Twister MT19937 of Matsumoto and Nishimura (1998), seeded as `PyTorch` seeds it:
/// TGI's watermark is drawn from it.
pub(super) struct MersenneTwister {
    state: [u32; WORDS],
    next: usize,
}

impl MersenneTwister {
    /// Only the low 32 bits of the seed count.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = [seed as u32; WORDS];
        for index in 1..WORDS {
            let before = state[index - 1];
            state[index] =
                1_812_433_253_u32.wrapping_mul(before ^ before >> 30).wrapping_add(index as u32);
        }
        Self { state, next: WORDS }
    }

    /// The next 32 random bits.
    pub(super) fn draw(&mut self) -> u32 {
        if self.next == WORDS {
            self.turn();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9D2C_5680;
        word ^= word << 15 & 0xEFC6_0000;
        word ^ word >> 18
    }

    fn turn(&mut self) {
        for index in 0..WORDS {
            let upper = self.state[index] & 0x8000_0000;
            let lower = self.state[(index + 1) % WORDS] & 0x7FFF_FFFF;
            let joined = upper | lower;
            let twist = if joined & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.state[index] = self.state[(index + 397) % WORDS] ^ joined >> 1 ^ twist;
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The C++ standard requires the 10000th number of the default seed.
    #[test]
    fn the_published_numbers_come_out() {
        let mut twister = MersenneTwister::new(5489);
        let numbers: Vec<u32> = (0..10_000).map(|_| twister.draw()).collect();
        assert_eq!((numbers[0], numbers[9999]), (3_499_211_612, 4_123_659_995));
    }

    #[test]
    fn only_the_low_half_of_the_seed_counts() {
        let first = |seed| MersenneTwister::new(seed).draw();
        assert_eq!(first(7), first(7 | 1 << 40));
        assert_ne!(first(7), first(8));
    }
}
