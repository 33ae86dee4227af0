//! Work on whole rows of the residual stream: embedding and norms.

use tgi_model::spec::{Block, Norm, Position};

use super::row_norms::NormInPlace;
use super::{Rows, Source, Step, input, part};
use crate::activation::quantize;
use crate::arena::{Activations, FEW_ROWS};
use crate::isa::Kernel;
use crate::matrix::Input;
use crate::norm::{NormWeights, norm};
use crate::pool::Team;
use crate::simd::{LANES, Simd};

/// Adds `norm(y)` to `x`.
struct JoinRow<'a> {
    spec: &'a Norm,
    weights: &'a NormWeights,
    y: &'a [f32],
    x: &'a mut [f32],
    /// Working memory, as long as `x`.
    terms: &'a mut [f32],
}

impl Kernel for JoinRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        norm(simd, self.spec, self.weights, self.y, self.terms);
        let terms = self.terms.as_chunks::<LANES>().0;
        for (x, term) in self.x.as_chunks_mut::<LANES>().0.iter_mut().zip(terms) {
            simd.store(simd.add(simd.load(x), simd.load(term)), x);
        }
    }
}

/// `out = norm(x)`.
struct NormRow<'a> {
    spec: &'a Norm,
    weights: &'a NormWeights,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for NormRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        norm(simd, self.spec, self.weights, self.x, self.out);
    }
}

/// Quantizes a part of one row to every `rows`th block.
pub struct QuantizeRow<'a> {
    /// The part, whole blocks.
    pub values: &'a [f32],
    /// Where the blocks go.
    pub to: &'a Activations,
    /// First block of the part.
    pub first: usize,
    /// Which row.
    pub row: usize,
    /// Of how many.
    pub rows: usize,
}

impl Kernel for QuantizeRow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (block, halves) in self.values.as_chunks::<LANES>().0.chunks_exact(2).enumerate() {
            let value = quantize(simd, simd.load(&halves[0]), simd.load(&halves[1]));
            let index = (self.first + block) * self.rows + self.row;
            // SAFETY: a part of a row is written by the one item that has it.
            unsafe { self.to.blocks.write(index..index + 1)[0] = value };
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
                if let Some(weights) = &self.weights.embedding_norm {
                    self.isa.run(NormInPlace { spec: &self.spec.norm, weights, x: row });
                }
                self.turn(token);
            }
        });
    }

    /// Norms the first `count` rows of the residual stream, after `pending` has joined it; without
    /// weights it takes them as they are.
    ///
    /// Few rows are left to whoever reads them: each thread norms them for itself, which takes less
    /// time than a region.
    pub(super) fn norm<'w>(
        &'w self,
        team: &Team,
        (rows, count): (&Rows, usize),
        pending: Option<&NormWeights>,
        weights: Option<&'w NormWeights>,
    ) -> Source<'w> {
        let reads_once = matches!(self.spec.block, Block::Sequential(_));
        if pending.is_none() && reads_once && count <= FEW_ROWS {
            return Source::Residual { weights, count };
        }
        let items = self.items(count);
        team.region(items, |item| {
            for row in part(count, items, item) {
                let token = rows.tokens[row] as usize;
                if let Some(pending) = pending {
                    self.join_row(team, pending, token);
                }
                self.norm_row(team, weights, token, &self.arena.normed, (row, count));
            }
        });
        Source::Ready { from: &self.arena.normed, stride: count }
    }

    /// Adds the normed `y` of a token to its residual stream; where sums are normed, `y` is part of
    /// the stream already.
    fn join_row(&self, team: &Team, weights: &NormWeights, token: usize) {
        let (arena, width) = (self.arena, self.arena.widths.hidden);
        let range = token * width..(token + 1) * width;
        // SAFETY: a token's rows are touched by the one item that has the token; the scratch row
        // is this thread's own.
        let (x, y, worker) = unsafe {
            (arena.x.write(range.clone()), arena.y.read(range), arena.workers.get(team.worker))
        };
        if self.spec.block == Block::NormedSums {
            return self.isa.run(NormInPlace { spec: &self.spec.norm, weights, x });
        }
        let terms = &mut worker.row[..];
        self.isa.run(JoinRow { spec: &self.spec.norm, weights, y, x, terms });
    }

    /// Norms the residual stream of a token to row `place.0` of `place.1`.
    fn norm_row(
        &self,
        team: &Team,
        weights: Option<&NormWeights>,
        token: usize,
        to: &Activations,
        (row, rows): (usize, usize),
    ) {
        let (arena, width) = (self.arena, self.arena.widths.hidden);
        // SAFETY: nobody writes a token's residual stream while it is normed, but the item that
        // norms it; a row of `to` is written by one item or belongs to this thread; so does the
        // scratch row.
        let (x, out, worker) = unsafe {
            (
                arena.x.read(token * width..(token + 1) * width),
                to.floats.write(row * width..(row + 1) * width),
                arena.workers.get(team.worker),
            )
        };
        let values = &mut worker.row[..];
        match weights {
            Some(weights) => {
                self.isa.run(NormRow { spec: &self.spec.norm, weights, x, out: values });
            }
            None => values.copy_from_slice(x),
        }
        self.isa.run(QuantizeRow { values, to, first: 0, row, rows });
        if self.keeps_floats() {
            out.copy_from_slice(values);
        }
    }

    /// The activations of `source`; `is_ready` says whether this thread has normed them before in
    /// the same region.
    pub(super) fn read<'s>(
        &'s self,
        team: &Team,
        source: &Source<'s>,
        rows: &Rows,
        is_ready: &mut bool,
    ) -> Input<'s> {
        match *source {
            // SAFETY: an earlier region wrote the activations.
            Source::Ready { from, stride } => unsafe { input(from, stride) },
            Source::Residual { weights, count } => {
                // SAFETY: this thread's own memory.
                let own = unsafe { &*self.arena.own_normed.get(team.worker) };
                if !*is_ready {
                    for row in 0..count {
                        let token = rows.tokens[row] as usize;
                        self.norm_row(team, weights, token, own, (row, count));
                    }
                    *is_ready = true;
                }
                // SAFETY: this thread wrote them.
                unsafe { input(own, count) }
            }
        }
    }
}
