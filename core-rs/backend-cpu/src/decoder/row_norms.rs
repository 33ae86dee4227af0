//! Norms over all heads of q and of k together (`OLMo` 2, <https://arxiv.org/abs/2501.00656>).

use tgi_model::spec::Norm;

use super::{LayerAt, Step, part};
use crate::isa::Kernel;
use crate::norm::{NormWeights, norm_in_place};
use crate::pool::Team;
use crate::shared::Shared;
use crate::simd::Simd;

/// `x = norm(x)`.
pub struct NormInPlace<'a> {
    /// Kind of the norm.
    pub spec: &'a Norm,
    /// Its weights.
    pub weights: &'a NormWeights,
    /// Whole vectors, zero beyond the weights' width.
    pub x: &'a mut [f32],
}

impl Kernel for NormInPlace<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        norm_in_place(simd, self.spec, self.weights, self.x);
    }
}

impl Step<'_> {
    /// Norms the query projections of the whole rows and the key projections of all, in place.
    pub(super) fn norm_projected(&self, team: &Team, at: LayerAt) {
        let (arena, rows, layer) = (self.arena, at.rows, at.layer);
        let [query, key, _] = &arena.projected;
        let items = self.items(rows.tokens.len());
        team.region(items, |item| {
            for row in part(rows.tokens.len(), items, item) {
                if row < rows.whole {
                    self.norm_row_of(layer.query_norm.first(), query, arena.widths.query, row);
                }
                self.norm_row_of(layer.key_norm.first(), key, arena.widths.key, row);
            }
        });
    }

    fn norm_row_of(
        &self,
        weights: Option<&NormWeights>,
        values: &Shared<f32>,
        width: usize,
        row: usize,
    ) {
        let Some(weights) = weights else { return };
        // SAFETY: a row is touched by the one item that has it.
        let x = unsafe { values.write(row * width..(row + 1) * width) };
        self.isa.run(NormInPlace { spec: &self.qk_norm(), weights, x });
    }
}
