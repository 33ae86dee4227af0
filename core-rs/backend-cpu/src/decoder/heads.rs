//! From projections to queries, keys and values: qk-norm, rope, scale, and the write to KV pages.

use tgi_backend::PAGE_TOKENS;
use tgi_model::spec::{Norm, Position, Rope};
use tgi_model::{ModelSpec, rope};

use super::{Step, part};
use crate::isa::Kernel;
use crate::norm::{NormWeights, norm};
use crate::pool::Team;
use crate::simd::{LANES, Simd};
use crate::weights::Layer;

/// The distinct ropes of a model.
pub struct RopeTables {
    /// Angle per position of each pair, of each distinct rope.
    pub frequencies: Vec<Vec<f32>>,
    /// Which of them each layer uses.
    pub of_layer: Vec<usize>,
}

impl RopeTables {
    /// Those of a model; none without rope.
    pub fn new(spec: &ModelSpec) -> Self {
        let Position::Rope { dimensions, layers, .. } = &spec.position else {
            return Self { frequencies: Vec::new(), of_layer: Vec::new() };
        };
        let mut distinct: Vec<Rope> = Vec::new();
        let mut of_layer = Vec::new();
        for rope in layers {
            let known = distinct.iter().position(|other| other == rope);
            of_layer.push(known.unwrap_or(distinct.len()));
            if known.is_none() {
                distinct.push(*rope);
            }
        }
        let frequencies =
            distinct.iter().map(|rope| rope::inverse_frequencies(rope, *dimensions)).collect();
        Self { frequencies, of_layer }
    }
}

/// Copies one head, normed when it has a norm, and turns its first pairs.
struct TurnHead<'a> {
    norm: Option<(&'a Norm, &'a NormWeights)>,
    /// Cosines and sines.
    turns: Option<[&'a [f32]; 2]>,
    scale: f32,
    head: &'a [f32],
    /// Whole vectors; zero beyond the head.
    out: &'a mut [f32],
}

impl Kernel for TurnHead<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let out = self.out;
        out[..self.head.len()].copy_from_slice(self.head);
        out[self.head.len()..].fill(0.0);
        if let Some((spec, weights)) = self.norm {
            let mut normed = [0.0; MAX_HEAD];
            let normed = &mut normed[..out.len()];
            norm(simd, spec, weights, out, normed);
            out.copy_from_slice(normed);
        }
        if let Some([cosines, sines]) = self.turns {
            let (first, rest) = out.split_at_mut(cosines.len());
            for (((a, b), cos), sin) in first.iter_mut().zip(rest).zip(cosines).zip(sines) {
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
        for x in out {
            *x *= self.scale;
        }
    }
}

/// Widest head, elements.
pub const MAX_HEAD: usize = 512;

/// Narrows a head to half precision.
struct Narrow<'a> {
    head: &'a [f32],
    out: &'a mut [u16],
}

impl Kernel for Narrow<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let out = self.out.as_chunks_mut::<LANES>().0;
        for (vector, out) in self.head.as_chunks::<LANES>().0.iter().zip(out) {
            simd.store_f16(simd.load(vector), out);
        }
    }
}

impl Step<'_> {
    /// Fills the cosines and sines of one token.
    pub(super) fn turn(&self, token: usize) {
        let pairs = self.arena.widths.pairs;
        let position = self.batch.positions[token] as f32;
        for (frequencies, [cosines, sines]) in self.ropes.frequencies.iter().zip(&self.arena.turns)
        {
            let range = token * pairs..(token + 1) * pairs;
            // SAFETY: a token's angles are written by the one item that has the token.
            let (cosines, sines) = unsafe { (cosines.write(range.clone()), sines.write(range)) };
            for ((frequency, cos), sin) in frequencies.iter().zip(cosines).zip(sines) {
                (*sin, *cos) = (position * frequency).sin_cos();
            }
        }
    }

    /// Makes the queries, and writes keys and values to the pages.
    pub(super) fn heads(&self, team: &Team, index: usize, layer: &Layer) {
        let items = self.items(self.tokens());
        team.region(items, |item| {
            for token in part(self.tokens(), items, item) {
                self.query_heads(token, index, layer);
                self.key_heads(token, index, layer);
            }
        });
    }

    fn query_heads(&self, token: usize, index: usize, layer: &Layer) {
        let (arena, attention) = (self.arena, &self.spec.attention);
        let (padded, size) = (arena.widths.head, attention.head_size);
        for head in 0..attention.heads {
            let from = token * arena.widths.query + head * size;
            let to = (token * attention.heads + head) * padded;
            // SAFETY: the projections are from an earlier region; a token's queries are written
            // by the one item that has the token.
            let (source, out) = unsafe {
                (arena.projected[0].read(from..from + size), arena.queries.write(to..to + padded))
            };
            self.isa.run(TurnHead {
                norm: layer.query_norm.as_ref().map(|weights| (&self.spec.norm, weights)),
                turns: self.turns_of(token, index),
                scale: attention.scale,
                head: source,
                out,
            });
        }
    }

    fn key_heads(&self, token: usize, index: usize, layer: &Layer) {
        let (arena, attention) = (self.arena, &self.spec.attention);
        let (padded, size) = (arena.widths.head, attention.head_size);
        let (page, slot) = self.place(token);
        for head in 0..attention.kv_heads {
            let from = token * arena.widths.key + head * size;
            let start = arena.shape.head(page, head);
            let mut turned = [0.0; MAX_HEAD];
            let turned = &mut turned[..padded];
            let mut narrow = [0; MAX_HEAD];
            // SAFETY: the projections are from an earlier region. A slot belongs to one token of
            // the batch, so its keys and values are written by the one item that has the token.
            let (key, value, values) = unsafe {
                (
                    arena.projected[1].read(from..from + size),
                    arena.projected[2].read(from..from + size),
                    arena.values[index].write(start + slot * padded..start + (slot + 1) * padded),
                )
            };
            self.isa.run(TurnHead {
                norm: layer.key_norm.as_ref().map(|weights| (&self.spec.norm, weights)),
                turns: self.turns_of(token, index),
                scale: 1.0,
                head: key,
                out: turned,
            });
            self.isa.run(Narrow { head: turned, out: &mut narrow });
            for (element, key) in narrow[..size].iter().enumerate() {
                let at = start + element * PAGE_TOKENS + slot;
                // SAFETY: as above.
                unsafe { arena.keys[index].set(at, *key) };
            }
            turned[..size].copy_from_slice(value);
            turned[size..].fill(0.0);
            self.isa.run(Narrow { head: turned, out: values });
        }
    }

    fn turns_of(&self, token: usize, index: usize) -> Option<[&[f32]; 2]> {
        let [cosines, sines] = &self.arena.turns[*self.ropes.of_layer.get(index)?];
        let pairs = self.arena.widths.pairs;
        let range = token * pairs..(token + 1) * pairs;
        // SAFETY: the step's first region wrote them.
        Some(unsafe { [cosines.read(range.clone()), sines.read(range)] })
    }

    /// Page and slot of a token.
    fn place(&self, token: usize) -> (u32, usize) {
        let sequence = &self.batch.sequences[self.units.sequence_of(token)];
        let position = self.batch.positions[token] as usize;
        let page = self.batch.page_table[sequence.pages.start + position / PAGE_TOKENS];
        (page, position % PAGE_TOKENS)
    }
}
