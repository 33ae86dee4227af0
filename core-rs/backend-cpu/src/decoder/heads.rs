//! From projections to queries, keys and values: qk-norm, rope, scale, and the write to KV pages.

use tgi_backend::PAGE_TOKENS;
use tgi_model::ModelSpec;
use tgi_model::rope::RopeTable;
use tgi_model::spec::{Norm, NormKind, Position, QkNorm, Rope};

use super::{LayerAt, Step};
use crate::attention::WriteSlot;
use crate::isa::Kernel;
use crate::norm::{NormWeights, norm};
use crate::simd::Simd;

/// The distinct ropes of a model.
pub struct RopeTables {
    /// Each distinct rope.
    pub tables: Vec<RopeTable>,
    /// Which of them each layer uses.
    of_layer: Vec<Option<usize>>,
}

impl RopeTables {
    /// Those of a model; none without rope.
    pub fn new(spec: &ModelSpec) -> Self {
        let Position::Rope { dimensions, layers, .. } = &spec.position else {
            return Self { tables: Vec::new(), of_layer: Vec::new() };
        };
        let mut distinct: Vec<&Rope> = Vec::new();
        for rope in layers.iter().flatten() {
            if !distinct.contains(&rope) {
                distinct.push(rope);
            }
        }
        let place = |rope: &Option<Rope>| {
            let rope = rope.as_ref()?;
            distinct.iter().position(|&other| other == rope)
        };
        Self {
            of_layer: layers.iter().map(place).collect(),
            tables: distinct.iter().map(|rope| RopeTable::new(rope, *dimensions)).collect(),
        }
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

impl Step<'_> {
    /// Fills the cosines and sines of one token.
    pub(super) fn turn(&self, token: usize) {
        let pairs = self.arena.widths.pairs;
        let position = self.batch.positions[token];
        for (table, [cosines, sines]) in self.ropes.tables.iter().zip(&self.arena.turns) {
            let range = token * pairs..(token + 1) * pairs;
            // SAFETY: a token's angles are written by the one item that has the token.
            let (cosines, sines) = unsafe { (cosines.write(range.clone()), sines.write(range)) };
            let frequencies = table.frequencies(position as usize);
            let amplitude = table.amplitude();
            for ((frequency, cos), sin) in frequencies.zip(cosines).zip(sines) {
                let (sine, cosine) = (position as f32 * frequency).sin_cos();
                (*sin, *cos) = (sine * amplitude, cosine * amplitude);
            }
        }
    }

    /// Makes the query of one head of a row, ready to be multiplied with keys.
    pub(super) fn query(&self, at: LayerAt, row: usize, head: usize, out: &mut [f32]) {
        let size = self.spec.attention.head_size;
        let from = row * self.arena.widths.query + head * size;
        // SAFETY: the projections are from an earlier region.
        let source = unsafe { self.arena.projected[0].read(from..from + size) };
        let (spec, norm) = self.head_norm(&at.layer.query_norm, head);
        self.isa.run(TurnHead {
            norm: norm.map(|weights| (&spec, weights)),
            turns: self.turns_of(at.rows.tokens[row] as usize, at.index),
            scale: self.spec.attention.scale,
            head: source,
            out,
        });
    }

    /// Writes the key and the value of one head of a row to its page.
    pub(super) fn write_key(&self, at: LayerAt, row: usize, head: usize) {
        let (arena, size) = (self.arena, self.spec.attention.head_size);
        let padded = arena.widths.head;
        let token = at.rows.tokens[row] as usize;
        let from = row * arena.widths.key + head * size;
        // SAFETY: the projections are from an earlier region.
        let [key, value] =
            unsafe { [1, 2].map(|kind| arena.projected[kind].read(from..from + size)) };
        let [mut turned, mut padded_value] = [[0.0; MAX_HEAD]; 2];
        let (spec, norm) = self.head_norm(&at.layer.key_norm, head);
        self.isa.run(TurnHead {
            norm: norm.map(|weights| (&spec, weights)),
            turns: self.turns_of(token, at.index),
            scale: 1.0,
            head: key,
            out: &mut turned[..padded],
        });
        padded_value[..size].copy_from_slice(value);
        let (page, slot) = self.place(token);
        self.isa.run(WriteSlot {
            cache: &arena.kv[at.index],
            shape: arena.shape,
            page,
            kv_head: head,
            slot,
            key: &turned[..padded],
            value: &padded_value[..padded],
        });
    }

    /// Kind and weights of a head's norm, if norms run over heads.
    fn head_norm<'w>(
        &self,
        weights: &'w [NormWeights],
        head: usize,
    ) -> (Norm, Option<&'w NormWeights>) {
        let weights = match self.spec.attention.qk_norm {
            Some(QkNorm::Head) => weights.first(),
            Some(QkNorm::Each) => weights.get(head),
            Some(QkNorm::Row) | None => None,
        };
        (self.qk_norm(), weights)
    }

    /// Kind of the qk-norms.
    pub(super) fn qk_norm(&self) -> Norm {
        let kind = match self.spec.attention.qk_norm {
            Some(QkNorm::Each) => NormKind::Layer,
            _ => NormKind::Rms,
        };
        Norm { kind, bias: false, ..self.spec.norm }
    }

    fn turns_of(&self, token: usize, index: usize) -> Option<[&[f32]; 2]> {
        let [cosines, sines] = &self.arena.turns[(*self.ropes.of_layer.get(index)?)?];
        let pairs = self.arena.widths.pairs;
        let range = token * pairs..(token + 1) * pairs;
        // SAFETY: the step's first region wrote them.
        Some(unsafe { [cosines.read(range.clone()), sines.read(range)] })
    }

    /// Page and slot of a token.
    fn place(&self, token: usize) -> (u32, usize) {
        let sequence = &self.batch.sequences[self.plan.sequence_of(token)];
        let position = self.batch.positions[token] as usize;
        let page = self.batch.page_table[sequence.pages.start + position / PAGE_TOKENS];
        (page, position % PAGE_TOKENS)
    }
}
