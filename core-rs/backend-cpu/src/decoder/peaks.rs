//! The most likely token of a row, from the peaks of the blocks that its logits come in.

use tgi_backend::Peak;

use crate::isa::Kernel;
use crate::math::exp;
use crate::product::PanelRow;
use crate::simd::{LANES, Simd};
use crate::tile::pack::PANEL_ROWS;

/// Panels whose logits are held together until their peaks are found. The cut depends on the
/// vocabulary alone, so that a row's bytes do not depend on the threads.
pub const BLOCK_PANELS: usize = 32;

/// The largest logit of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BlockPeak {
    max: f32,
    /// Sum of `exp(logit - max)` over the block.
    sum: f32,
    /// Token of the largest logit; of equal ones the lowest.
    id: u32,
}

/// Blocks of a row.
pub fn blocks(vocab: usize) -> usize {
    vocab.div_ceil(PANEL_ROWS * BLOCK_PANELS)
}

/// Finds the peak of one row of a block.
pub struct FindPeak<'a> {
    /// The block's logits, `[panels][stride]`, from the row's own on; minus infinity behind the
    /// vocabulary.
    pub panels: &'a [PanelRow],
    /// Rows of a panel.
    pub stride: usize,
    /// Token of the block's first column.
    pub first: usize,
}

impl FindPeak<'_> {
    /// The first column of those of one lane that holds at least `max`; 0 without one.
    #[inline(always)]
    fn place(&self, lane: usize, max: f32) -> usize {
        for (panel, row) in self.panels.iter().step_by(self.stride).enumerate() {
            for (half, lanes) in row.0.iter().enumerate() {
                if lanes[lane] >= max {
                    return panel * PANEL_ROWS + half * LANES + lane;
                }
            }
        }
        0
    }
}

impl Kernel for FindPeak<'_> {
    type Output = BlockPeak;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> BlockPeak {
        let panels = || self.panels.iter().step_by(self.stride);
        let mut lanes = simd.splat(f32::NEG_INFINITY);
        for row in panels() {
            lanes = simd.max(simd.load(&row[0]), simd.max(simd.load(&row[1]), lanes));
        }
        let max = simd.largest(lanes);
        let mut largest = [0.0; LANES];
        simd.store(lanes, &mut largest);
        let mut place = usize::MAX;
        for lane in 0..LANES {
            if largest[lane] >= max {
                place = place.min(self.place(lane, max));
            }
        }
        let (mut sums, shift) = ([simd.splat(0.0); 2], simd.splat(max));
        for row in panels() {
            for (sum, logits) in sums.iter_mut().zip(&row.0) {
                *sum = simd.add(*sum, exp(simd, simd.sub(simd.load(logits), shift)));
            }
        }
        let sum = simd.sum(simd.add(sums[0], sums[1]));
        BlockPeak { max, sum, id: (self.first + place) as u32 }
    }
}

/// Joins the blocks of a row. NaN counts as impossible; none where the largest logit is not finite.
pub fn join(blocks: &[BlockPeak]) -> Option<Peak> {
    let max = blocks.iter().fold(f32::NEG_INFINITY, |max, block| max.max(block.max));
    let first = blocks.iter().find(|block| block.max >= max).filter(|_| max.is_finite())?;
    let share = |block: &BlockPeak| f64::from(block.sum) * f64::from(block.max - max).exp();
    let sum_exp: f64 = blocks.iter().map(share).sum();
    (sum_exp >= 1.0).then_some(Peak { id: first.id, sum_exp })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::isa::Isa;

    /// The row stands second of three.
    fn peak(isa: Isa, row: &[f32]) -> Option<Peak> {
        let width = PANEL_ROWS * BLOCK_PANELS;
        let found: Vec<_> = row
            .chunks(width)
            .enumerate()
            .map(|(block, logits)| {
                let mut panels = Vec::new();
                for columns in logits.chunks(PANEL_ROWS) {
                    let mut own = PanelRow([[f32::NEG_INFINITY; 16]; 2]);
                    own.as_flattened_mut()[..columns.len()].copy_from_slice(columns);
                    panels.extend([PanelRow([[99.0; 16]; 2]), own, PanelRow([[98.0; 16]; 2])]);
                }
                isa.run(FindPeak { panels: &panels[1..], stride: 3, first: block * width })
            })
            .collect();
        assert_eq!(found.len(), blocks(row.len()));
        join(&found)
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

    #[test]
    fn a_logit_that_is_not_a_number_counts_as_impossible() {
        let mut row = vec![1.0; 20];
        row[7] = f32::NAN;
        assert_eq!(peak(Isa::best(), &row), Some(Peak { id: 0, sum_exp: 19.0 }));
    }
}
