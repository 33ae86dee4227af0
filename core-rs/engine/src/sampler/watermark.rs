use super::mersenne::MersenneTwister;
use crate::request::Watermark;

/// TGI's key (`server/text_generation_server/utils/watermark.py`).
const HASH_KEY: u64 = 15_485_863;

/// TGI's watermark: the token before seeds a permutation of the vocabulary, and the logits of its
/// first part are lifted. The parts are TGI's to the token, so that its detectors find them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Green {
    mark: Watermark,
    previous: u32,
}

impl Green {
    pub(super) fn new(mark: Watermark, prompt: &[u32]) -> Self {
        Self { mark, previous: prompt.last().copied().unwrap_or_default() }
    }

    /// `id` is the token before from now on.
    pub(super) fn push(&mut self, id: u32) {
        self.previous = id;
    }

    /// Lifts the green part of a row, `[vocab]`; `permutation` is working memory.
    pub(super) fn lift(&self, row: &mut [f32], permutation: &mut Vec<u32>) {
        let seed = HASH_KEY.wrapping_mul(u64::from(self.previous));
        let green = (row.len() as f64 * f64::from(self.mark.gamma)) as usize;
        permute(seed, row.len(), green, permutation);
        for &id in &permutation[..green] {
            row[id as usize] += self.mark.delta;
        }
    }
}

/// The first `count` numbers of `torch.randperm(length)` on a CPU generator with this seed.
fn permute(seed: u64, length: usize, count: usize, permutation: &mut Vec<u32>) {
    let mut twister = MersenneTwister::new(seed);
    permutation.clear();
    permutation.extend(0..length as u32);
    for place in 0..count.min(length.saturating_sub(1)) {
        let other = place + twister.draw() as usize % (length - place);
        permutation.swap(place, other);
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "equal to the last bit is what is promised")]
mod tests {
    use super::*;

    /// `torch.manual_seed(0); torch.randperm(10)`.
    #[test]
    fn permutations_are_those_of_torch() {
        let mut permutation = Vec::new();
        permute(0, 10, 10, &mut permutation);
        assert_eq!(permutation, [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]);
    }

    #[test]
    fn the_token_before_chooses_which_half_is_lifted() {
        let mark = Watermark { gamma: 0.5, delta: 2.0 };
        let mut green = Green::new(mark, &[1, 2]);
        let lifted = |green: &Green| {
            let mut row = vec![1.0; 1000];
            green.lift(&mut row, &mut Vec::new());
            assert!(row.iter().all(|&logit| logit == 1.0 || logit == 3.0));
            row.iter().map(|&logit| logit == 3.0).collect::<Vec<_>>()
        };
        let first = lifted(&green);
        assert_eq!(first.iter().filter(|&&green| green).count(), 500);
        green.push(3);
        assert_ne!(lifted(&green), first);
        green.push(2);
        assert_eq!(lifted(&green), first);
    }

    #[test]
    fn all_or_nothing_can_be_green() {
        for (gamma, lifted) in [(0.0, 0), (1.0, 100)] {
            let green = Green::new(Watermark { gamma, delta: 1.0 }, &[7]);
            let mut row = vec![0.0; 100];
            green.lift(&mut row, &mut Vec::new());
            assert_eq!(row.iter().filter(|&&logit| logit == 1.0).count(), lifted);
        }
    }
}
