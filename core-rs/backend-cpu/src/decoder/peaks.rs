//! The most likely token of each row that asks for it, found by all threads.

use tgi_backend::Peak;

use super::{Step, part};
use crate::isa::Kernel;
use crate::math::exp;
use crate::pool::Team;
use crate::simd::{LANES, Simd};

/// Columns whose maximum and sum are found together. The cut depends on the vocabulary alone, so
/// that a row's bytes do not depend on the threads.
const BLOCK: usize = 4096;

/// Maximum of a block, and the sum of `exp(logit - maximum)` over it.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockPeak {
    max: f32,
    sum: f32,
}

/// Blocks of a row.
pub fn blocks(vocab: usize) -> usize {
    vocab.div_ceil(BLOCK)
}

struct FindPeak<'a>(&'a [f32]);

impl Kernel for FindPeak<'_> {
    type Output = BlockPeak;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> BlockPeak {
        let (chunks, rest) = self.0.as_chunks::<LANES>();
        let mut last = [f32::NEG_INFINITY; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let mut max = simd.load(&last);
        for chunk in chunks {
            max = simd.max(simd.load(chunk), max);
        }
        let max = simd.largest(max);
        let mut sum = exp(simd, simd.sub(simd.load(&last), simd.splat(max)));
        for chunk in chunks {
            sum = simd.add(sum, exp(simd, simd.sub(simd.load(chunk), simd.splat(max))));
        }
        BlockPeak { max, sum: simd.sum(sum) }
    }
}

impl Step<'_> {
    /// Finds maximum and sum of every block of the rows that ask for their peak.
    pub(super) fn peaks(&self, team: &Team) {
        let (vocab, blocks) = (self.spec.vocab, blocks(self.spec.vocab));
        let work = self.batch.peak_rows.len() * blocks;
        if work == 0 {
            return;
        }
        let items = self.items(work);
        team.region(items, |item| {
            for piece in part(work, items, item) {
                let (place, block) = (piece / blocks, piece % blocks);
                let row = self.batch.peak_rows[place] as usize * vocab;
                let columns = row + block * BLOCK..row + vocab.min((block + 1) * BLOCK);
                // SAFETY: an earlier region wrote the logits; a piece is found by one item.
                unsafe {
                    let found = self.isa.run(FindPeak(self.arena.logits.read(columns)));
                    self.arena.block_peaks.set(piece, found);
                }
            }
        });
    }
}

/// Joins the blocks of a row, `[vocab]`. None where no logit is the largest number of the row.
pub fn join(row: &[f32], blocks: &[BlockPeak]) -> Option<Peak> {
    let max = blocks.iter().fold(f32::NEG_INFINITY, |max, block| max.max(block.max));
    let first = blocks.iter().position(|block| block.max >= max).filter(|_| max.is_finite())?;
    let inside = row[first * BLOCK..].iter().position(|&logit| logit >= max)?;
    let share = |block: &BlockPeak| f64::from(block.sum) * f64::from(block.max - max).exp();
    let sum_exp: f64 = blocks.iter().map(share).sum();
    (sum_exp >= 1.0).then_some(Peak { id: (first * BLOCK + inside) as u32, sum_exp })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::isa::Isa;

    fn peak(isa: Isa, row: &[f32]) -> Option<Peak> {
        let found: Vec<_> = row.chunks(BLOCK).map(|block| isa.run(FindPeak(block))).collect();
        assert_eq!(found.len(), blocks(row.len()));
        join(row, &found)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..<_>::default() })]

        #[test]
        fn a_peak_is_the_first_largest_logit_on_every_instruction_set(
            row in prop::collection::vec((-30i8..30).prop_map(f32::from), 1..10_000),
        ) {
            let found = peak(Isa::best(), &row).unwrap();
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let id = row.iter().position(|&logit| logit >= max).unwrap();
            let sum: f64 = row.iter().map(|&logit| f64::from(logit - max).exp()).sum();
            prop_assert_eq!(found.id as usize, id);
            prop_assert!((found.sum_exp / sum - 1.0).abs() < 1e-5, "{} {}", found.sum_exp, sum);
            for isa in Isa::available() {
                prop_assert_eq!(peak(isa, &row), Some(found), "{}", isa.name());
            }
        }
    }

    #[test]
    fn a_row_without_a_finite_largest_logit_has_no_peak() {
        for row in [vec![f32::NEG_INFINITY; 20], vec![f32::INFINITY; 20], vec![f32::NAN; 20]] {
            assert_eq!(peak(Isa::best(), &row), None);
        }
    }
}
