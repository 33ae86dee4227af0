//! Work on whole rows of the residual stream: embedding, norms, logits.

use tgi_model::spec::Position;

use super::{Step, input, part};
use crate::activation::quantize;
use crate::arena::Activations;
use crate::isa::Kernel;
use crate::math::soft_cap;
use crate::norm::{NormWeights, norm};
use crate::pool::Team;
use crate::simd::{LANES, Simd};

/// Adds `norm(y)` to `x` where `y` awaits a norm, then norms `x`.
struct NormRow<'a> {
    spec: &'a tgi_model::spec::Norm,
    pending: Option<(&'a NormWeights, &'a [f32])>,
    weights: &'a NormWeights,
    x: &'a mut [f32],
    out: &'a mut [f32],
}

impl Kernel for NormRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if let Some((weights, y)) = self.pending {
            norm(simd, self.spec, weights, y, self.out);
            let terms = self.out.as_chunks::<LANES>().0;
            for (x, term) in self.x.as_chunks_mut::<LANES>().0.iter_mut().zip(terms) {
                simd.store(simd.add(simd.load(x), simd.load(term)), x);
            }
        }
        norm(simd, self.spec, self.weights, self.x, self.out);
    }
}

/// Quantizes one token's row to every `stride`th block.
pub struct QuantizeRow<'a> {
    /// The row, whole blocks.
    pub row: &'a [f32],
    /// Where the blocks go.
    pub to: &'a Activations,
    /// Which token of how many.
    pub token: usize,
    /// Tokens of the step.
    pub tokens: usize,
}

impl Kernel for QuantizeRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (block, halves) in self.row.as_chunks::<LANES>().0.chunks_exact(2).enumerate() {
            let value = quantize(simd, simd.load(&halves[0]), simd.load(&halves[1]));
            let index = block * self.tokens + self.token;
            // SAFETY: a token's blocks are written by the one item that has the token.
            unsafe { self.to.blocks.write(index..index + 1)[0] = value };
        }
    }
}

/// Applies the logits' soft-cap.
struct CapRow<'a>(&'a mut [f32], f32);

impl Kernel for CapRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for part in self.0.chunks_mut(LANES) {
            let mut lanes = [0.0; LANES];
            lanes[..part.len()].copy_from_slice(part);
            simd.store(soft_cap(simd, simd.load(&lanes), self.1), &mut lanes);
            part.copy_from_slice(&lanes[..part.len()]);
        }
    }
}

impl Step<'_> {
    /// Writes the token embeddings to the residual stream, and turns rope for each position.
    pub(super) fn embed(&self, team: &Team) {
        let (hidden, width) = (self.spec.hidden, self.arena.widths.hidden);
        let items = self.items(self.tokens());
        team.region(items, |item| {
            for token in part(self.tokens(), items, item) {
                // SAFETY: a token's row is written by the one item that has the token.
                let row = unsafe { self.arena.x.write(token * width..(token + 1) * width) };
                let id = self.batch.tokens[token] as usize;
                self.weights.embedding.row(id, row);
                for x in row.iter_mut() {
                    *x *= self.spec.embedding.scale;
                }
                if let (Position::Learned { offset }, Some(positions)) =
                    (&self.spec.position, &self.weights.positions)
                {
                    // SAFETY: this thread's own memory.
                    let worker = unsafe { self.arena.workers.get(team.worker) };
                    positions.row(self.batch.positions[token] as usize + offset, &mut worker.row);
                    for (x, term) in row[..hidden].iter_mut().zip(&worker.row) {
                        *x += term;
                    }
                }
                self.turn(token);
            }
        });
    }

    /// Norms every row of the residual stream, after `pending` has joined it.
    pub(super) fn norm(&self, team: &Team, pending: Option<&NormWeights>, weights: &NormWeights) {
        let items = self.items(self.tokens());
        team.region(items, |item| {
            for token in part(self.tokens(), items, item) {
                self.norm_row(team, pending, weights, token, (token, self.tokens()));
            }
        });
    }

    /// Norms the row of `token` to place `to.0` of `to.1`.
    fn norm_row(
        &self,
        team: &Team,
        pending: Option<&NormWeights>,
        weights: &NormWeights,
        token: usize,
        to: (usize, usize),
    ) {
        let (arena, width) = (self.arena, self.arena.widths.hidden);
        let range = token * width..(token + 1) * width;
        // SAFETY: a token's rows are touched by the one item that has the token; the scratch row
        // is this thread's own.
        let (x, y, worker) = unsafe {
            (arena.x.write(range.clone()), arena.y.read(range), arena.workers.get(team.worker))
        };
        let pending = pending.map(|pending| (pending, y));
        let out = &mut worker.row[..];
        self.isa.run(NormRow { spec: &self.spec.norm, pending, weights, x, out });
        self.isa.run(QuantizeRow { row: out, to: &arena.normed, token: to.0, tokens: to.1 });
        // SAFETY: as above.
        let floats = unsafe { arena.normed.floats.write(to.0 * width..(to.0 + 1) * width) };
        floats.copy_from_slice(out);
    }

    /// Norms the wanted rows and multiplies them with the head.
    pub(super) fn logits(&self, team: &Team, pending: Option<&NormWeights>) {
        let (arena, wanted) = (self.arena, &self.batch.logit_rows);
        let (rows, vocab) = (wanted.len(), self.spec.vocab);
        team.region(rows, |row| {
            let token = wanted[row] as usize;
            self.norm_row(team, pending, &self.weights.output_norm, token, (row, rows));
        });
        if rows == 0 {
            return;
        }
        let head = self.weights.head();
        let items = head.panels().min(self.threads * 24);
        team.region(items, |item| {
            // SAFETY: the wanted rows were normed in the region before.
            let input = unsafe { input(&arena.normed, rows) };
            for panel in part(head.panels(), items, item) {
                self.panel(team, head, panel, &input, rows, |row, values| {
                    let first = panel * values.as_flattened().len();
                    let count = vocab.min(first + values.as_flattened().len()) - first;
                    let start = row * vocab + first;
                    // SAFETY: a panel's logits are written by the one item that has the panel.
                    let out = unsafe { arena.logits.write(start..start + count) };
                    for (out, value) in out.iter_mut().zip(values.as_flattened()) {
                        *out = value * self.spec.embedding.logit_scale;
                    }
                    if let Some(cap) = self.spec.embedding.logit_soft_cap {
                        self.isa.run(CapRow(out, cap));
                    }
                });
            }
        });
    }
}
