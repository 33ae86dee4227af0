//! The head: logits of the wanted rows, or no more than their peaks.
//!
//! Logits are by far the largest output of a step, `[rows, vocab]`. They are made block by block in
//! memory that stays in the second-level cache; a row that only asks for its peak never leaves it.

use std::ops::Range;

use super::Step;
use super::peaks::{BLOCK_PANELS, FindPeak, blocks};
use super::project::token_chunks;
use crate::isa::Kernel;
use crate::math::soft_cap;
use crate::matrix::Input;
use crate::norm::NormWeights;
use crate::pool::Team;
use crate::product::PanelRow;
use crate::simd::Simd;
use crate::tile::pack::PANEL_ROWS;

/// Applies factor and soft-cap of the logits.
struct FinishLogits<'a> {
    rows: &'a mut [PanelRow],
    scale: f32,
    cap: Option<f32>,
}

impl Kernel for FinishLogits<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for lanes in self.rows.iter_mut().flat_map(|row| &mut row.0) {
            let mut x = simd.mul(simd.load(lanes), simd.splat(self.scale));
            if let Some(cap) = self.cap {
                x = soft_cap(simd, x, cap);
            }
            simd.store(x, lanes);
        }
    }
}

impl Step<'_> {
    /// Norms the wanted rows and multiplies them with the head.
    pub(super) fn logits(&self, team: &Team, pending: Option<&NormWeights>) {
        let wanted = &self.plan.last;
        if wanted.whole == 0 {
            return;
        }
        let output_norm = self.weights.output_norm.as_ref();
        let source = self.norm(team, (wanted, wanted.whole), pending, output_norm);
        let mut is_ready = false;
        team.region(blocks(self.spec.vocab), |block| {
            let input = self.read(team, &source, wanted, &mut is_ready);
            let panels = self.weights.head().panels();
            let first = block * BLOCK_PANELS;
            self.logits_block(team, first..panels.min(first + BLOCK_PANELS), &input);
        });
    }

    /// Computes some panels of the head, for all wanted rows.
    fn logits_block(&self, team: &Team, panels: Range<usize>, input: &Input) {
        let (rows, head) = (self.plan.last.whole, self.weights.head());
        // SAFETY: this thread's own memory.
        let worker = unsafe { self.arena.workers.get(team.worker) };
        let logits = &mut worker.logits[..panels.len() * rows];
        for (panel, out) in panels.clone().zip(logits.chunks_exact_mut(rows)) {
            for range in token_chunks(0..rows) {
                head.product(self.isa, panel, input, range.clone(), &mut out[range]);
            }
            self.finish_logits(panel, out);
        }
        let block = panels.start / BLOCK_PANELS;
        for row in 0..rows {
            match self.plan.peak_place(row) {
                Some(place) => self.find_peak(logits, (row, place), block),
                None => self.keep_logits(logits, row, panels.start),
            }
        }
    }

    fn finish_logits(&self, panel: usize, rows: &mut [PanelRow]) {
        let embedding = &self.spec.embedding;
        let is_plain = embedding.logit_scale.to_bits() == 1.0_f32.to_bits();
        if !is_plain || embedding.logit_soft_cap.is_some() {
            let (scale, cap) = (embedding.logit_scale, embedding.logit_soft_cap);
            self.isa.run(FinishLogits { rows, scale, cap });
        }
        let columns = self.spec.vocab - panel * PANEL_ROWS;
        if columns < PANEL_ROWS {
            for row in rows {
                row.as_flattened_mut()[columns..].fill(f32::NEG_INFINITY);
            }
        }
    }

    /// Finds the peak of a row of a block, whose place among the rows that ask for theirs is
    /// `place`.
    fn find_peak(&self, logits: &[PanelRow], (row, place): (usize, usize), block: usize) {
        let first = block * BLOCK_PANELS * PANEL_ROWS;
        let stride = self.plan.last.whole;
        let found = self.isa.run(FindPeak { panels: &logits[row..], stride, first });
        // SAFETY: the place of a row and a block is written by the one item that has the block.
        unsafe { self.arena.block_peaks.set(place * blocks(self.spec.vocab) + block, found) };
    }

    /// Stores the logits of a row of a block.
    fn keep_logits(&self, logits: &[PanelRow], row: usize, first: usize) {
        let vocab = self.spec.vocab;
        for (index, lanes) in logits[row..].iter().step_by(self.plan.last.whole).enumerate() {
            let column = (first + index) * PANEL_ROWS;
            let start = row * vocab + column;
            let count = PANEL_ROWS.min(vocab - column);
            // SAFETY: a panel's logits are written by the one item that has the panel.
            let out = unsafe { self.arena.logits.write(start..start + count) };
            out.copy_from_slice(&lanes.as_flattened()[..count]);
        }
    }
}
