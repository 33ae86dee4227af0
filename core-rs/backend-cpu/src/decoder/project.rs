//! Matrix products of a step.

use std::ops::Range;

use super::{Step, input, part};
use crate::arena::{Activations, TOKEN_CHUNK};
use crate::matrix::{Input, Matrix};
use crate::pool::Team;
use crate::product::PanelRow;
use crate::shared::Shared;
use crate::weights::Linear;

/// What happens to the outputs of a projection; with the width of a row.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// They are stored.
    Store(&'a Shared<f32>, usize),
    /// They are added to what is there.
    Add(&'a Shared<f32>, usize),
}

/// Adds a bias to the results of one token.
pub fn add_bias(values: &mut PanelRow, bias: Option<&[f32]>, panel: usize) {
    let Some(bias) = bias else { return };
    let values = values.as_flattened_mut();
    let first = panel * values.len();
    for (value, bias) in values.iter_mut().zip(&bias[first..]) {
        *value += bias;
    }
}

impl Step<'_> {
    /// Multiplies the activations with each matrix, in one region.
    pub(super) fn project(
        &self,
        team: &Team,
        linears: &[(&Linear, Target)],
        from: &Activations,
        tokens: usize,
    ) {
        let panels: usize = linears.iter().map(|(linear, _)| linear.matrix.panels()).sum();
        let items = self.items(panels);
        team.region(items, |item| {
            // SAFETY: an earlier region wrote the activations.
            let input = unsafe { input(from, tokens) };
            let mut range = part(panels, items, item);
            for (linear, target) in linears {
                let panels = linear.matrix.panels();
                for panel in range.start.min(panels)..range.end.min(panels) {
                    self.store(team, linear, panel, &input, tokens, *target);
                }
                range = range.start.saturating_sub(panels)..range.end.saturating_sub(panels);
            }
        });
    }

    fn store(
        &self,
        team: &Team,
        linear: &Linear,
        panel: usize,
        input: &Input,
        tokens: usize,
        target: Target,
    ) {
        self.panel(team, &*linear.matrix, panel, input, tokens, |token, values| {
            add_bias(values, linear.bias.as_deref(), panel);
            let values = values.as_flattened();
            let (Target::Store(buffer, width) | Target::Add(buffer, width)) = target;
            let start = token * width + panel * values.len();
            // SAFETY: a panel's columns are written by the one item that has the panel.
            let out = unsafe { buffer.write(start..start + values.len()) };
            match target {
                Target::Store(..) => out.copy_from_slice(values),
                Target::Add(..) => {
                    for (out, value) in out.iter_mut().zip(values) {
                        *out += value;
                    }
                }
            }
        });
    }

    /// Multiplies one panel with all tokens, and hands each token's results to `sink`.
    pub(super) fn panel(
        &self,
        team: &Team,
        matrix: &dyn Matrix,
        panel: usize,
        input: &Input,
        tokens: usize,
        mut sink: impl FnMut(usize, &mut PanelRow),
    ) {
        // SAFETY: this thread's own memory, and `sink` does not touch it.
        let worker = unsafe { self.arena.workers.get(team.worker) };
        for range in token_chunks(tokens) {
            let rows = &mut worker.panels[0][..range.len()];
            matrix.product(self.isa, panel, input, range.clone(), rows);
            for (token, row) in range.zip(rows) {
                sink(token, row);
            }
        }
    }
}

/// `0..tokens` in pieces whose results stay in the first-level cache.
pub fn token_chunks(tokens: usize) -> impl Iterator<Item = Range<usize>> {
    (0..tokens).step_by(TOKEN_CHUNK).map(move |first| first..tokens.min(first + TOKEN_CHUNK))
}
