//! Matrix products of a step.

use std::ops::Range;

use super::{Rows, Step, part};
use crate::arena::{Activations, TOKEN_CHUNK};
use crate::isa::Kernel;
use crate::matrix::Input;
use crate::norm::NormWeights;
use crate::pool::Team;
use crate::product::PanelRow;
use crate::shared::Shared;
use crate::simd::{LANES, Simd};
use crate::weights::Linear;

/// Where a projection finds its input.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// An earlier region wrote it, for `stride` rows.
    Ready {
        /// The activations.
        from: &'a Activations,
        /// Their rows.
        stride: usize,
    },
    /// The first `count` rows of the residual stream, still to be normed.
    Residual {
        /// Of the norm; without them rows are taken as they are.
        weights: Option<&'a NormWeights>,
        /// Rows, at most [`crate::arena::FEW_ROWS`].
        count: usize,
    },
}

/// What happens to the outputs of a projection; with the width of a row.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// They are stored by row.
    Rows(&'a Shared<f32>, usize),
    /// They are stored by token.
    Tokens(&'a Shared<f32>, usize),
    /// They are added by token to what is there.
    Add(&'a Shared<f32>, usize),
    /// The same, each times a factor.
    AddScaled(&'a Shared<f32>, usize, f32),
}

/// A matrix, where its outputs go, and how many rows it multiplies.
pub type Projection<'a> = (&'a Linear, Target<'a>, usize);

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
        rows: &Rows,
        source: &Source,
        projections: &[Projection],
    ) {
        let most = projections.iter().map(|&(.., count)| count).max().unwrap_or(0);
        self.lower(team, (rows, most), source, &projections.iter().map(|&(linear, ..)| linear));
        let panels: usize = projections.iter().map(|(linear, ..)| linear.matrix.panels()).sum();
        let items = self.items(panels);
        let mut is_ready = false;
        team.region(items, |item| {
            let input = self.read(team, source, rows, &mut is_ready);
            let mut range = part(panels, items, item);
            for (slot, projection) in projections.iter().enumerate() {
                let panels = projection.0.matrix.panels();
                for panel in range.start.min(panels)..range.end.min(panels) {
                    self.store(team, rows, (projection, slot), panel, &input);
                }
                range = range.start.saturating_sub(panels)..range.end.saturating_sub(panels);
            }
        });
    }

    /// Multiplies one panel with all rows, and puts the results where they belong.
    fn store(
        &self,
        team: &Team,
        rows: &Rows,
        (&(linear, target, count), slot): (&Projection, usize),
        panel: usize,
        input: &Input,
    ) {
        // SAFETY: this thread's own memory.
        let worker = unsafe { self.arena.workers.get(team.worker) };
        for range in token_chunks(0..count) {
            let results = &mut worker.panels[0][..range.len()];
            linear.matrix.product(self.isa, panel, input, range.clone(), results);
            self.raise(rows, (linear, slot), panel, range.clone(), results, &mut worker.terms);
            for values in results.iter_mut() {
                add_bias(values, linear.bias.as_deref(), panel);
            }
            self.isa.run(Put { rows, target, panel, first: range.start, results });
        }
    }
}

/// Stores or adds the results of one panel for some rows, as `target` says.
pub struct Put<'a> {
    /// What the row numbers mean.
    pub rows: &'a Rows,
    /// Where the results go.
    pub target: Target<'a>,
    /// Which columns they are.
    pub panel: usize,
    /// Number of the first row.
    pub first: usize,
    /// Results, one for each row.
    pub results: &'a [PanelRow],
}

impl Kernel for Put<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (row, values) in (self.first..).zip(self.results) {
            let (buffer, width, place) = match self.target {
                Target::Rows(buffer, width) => (buffer, width, row),
                Target::Tokens(buffer, width)
                | Target::Add(buffer, width)
                | Target::AddScaled(buffer, width, _) => {
                    (buffer, width, self.rows.tokens[row] as usize)
                }
            };
            let columns = values.len() * LANES;
            let start = place * width + self.panel * columns;
            // SAFETY: a panel's columns are written by the one item that has the panel.
            let out = unsafe { buffer.write(start..start + columns) };
            for (out, values) in out.as_chunks_mut::<LANES>().0.iter_mut().zip(values.iter()) {
                let value = simd.load(values);
                let value = match self.target {
                    Target::Rows(..) | Target::Tokens(..) => value,
                    Target::Add(..) => simd.add(simd.load(out), value),
                    Target::AddScaled(_, _, factor) => {
                        simd.add(simd.load(out), simd.mul(simd.splat(factor), value))
                    }
                };
                simd.store(value, out);
            }
        }
    }
}

/// `tokens` in pieces whose results stay in the first-level cache.
pub fn token_chunks(tokens: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = tokens.end;
    tokens.step_by(TOKEN_CHUNK).map(move |first| first..end.min(first + TOKEN_CHUNK))
}
