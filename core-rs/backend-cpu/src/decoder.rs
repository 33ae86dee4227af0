//! One step of a model, as its [`ModelSpec`] describes it: a program that all threads walk.
//!
//! Every method here is called by every thread of the team; inside, [`Team::region`] shares the
//! work out. A region's items write disjoint parts of the arena, and read only what earlier
//! regions wrote: that is what the `SAFETY` lines below rely on.

mod attend;
mod heads;
mod mlp;
mod project;
mod rows;
mod units;

pub use heads::{MAX_HEAD, RopeTables};
pub use units::{Unit, Units};

use std::ops::Range;

use tgi_backend::Batch;
use tgi_model::ModelSpec;
use tgi_model::spec::Block;

use crate::arena::{Activations, Arena};
use crate::isa::Isa;
use crate::matrix::Input;
use crate::norm::NormWeights;
use crate::pool::Team;
use crate::product::Blocks;
use crate::weights::{Layer, Weights};
use project::Target;

/// What a step works on.
pub struct Step<'a> {
    /// The architecture.
    pub spec: &'a ModelSpec,
    /// Its weights.
    pub weights: &'a Weights,
    /// Memory.
    pub arena: &'a Arena,
    /// Which rope each layer uses.
    pub ropes: &'a RopeTables,
    /// The tokens.
    pub batch: &'a Batch,
    /// Pieces of attention work.
    pub units: &'a Units,
    /// Instructions to use.
    pub isa: Isa,
    /// Threads of the team.
    pub threads: usize,
}

impl Step<'_> {
    /// Walks the whole model; logits end in the arena.
    pub fn run(&self, team: &Team) {
        self.embed(team);
        let mut pending = None;
        for (index, layer) in self.weights.layers.iter().enumerate() {
            pending = self.block(team, index, layer, pending);
        }
        self.logits(team, pending);
    }

    /// One block. `pending` is the norm that the projection in `y` awaits before it joins the
    /// residual stream; so is the result.
    fn block<'w>(
        &self,
        team: &Team,
        index: usize,
        layer: &'w Layer,
        pending: Option<&'w NormWeights>,
    ) -> Option<&'w NormWeights> {
        let arena = self.arena;
        let (tokens, normed) = (self.tokens(), &arena.normed);
        self.norm(team, pending, &layer.attention_norm);
        self.project(
            team,
            &[
                (&layer.query, Target::Store(&arena.projected[0], arena.widths.query)),
                (&layer.key, Target::Store(&arena.projected[1], arena.widths.key)),
                (&layer.value, Target::Store(&arena.projected[2], arena.widths.key)),
            ],
            normed,
            tokens,
        );
        self.heads(team, index, layer);
        self.attend(team, index);
        self.project(
            team,
            &[(&layer.output, self.joining(layer.post_attention_norm.is_some()))],
            &arena.attended,
            tokens,
        );
        if let (Block::Sequential { .. }, Some(mlp_norm)) = (self.spec.block, &layer.mlp_norm) {
            self.norm(team, layer.post_attention_norm.as_ref(), mlp_norm);
        }
        self.mlp(team, layer);
        self.project(
            team,
            &[(&layer.down, self.joining(layer.post_mlp_norm.is_some()))],
            &arena.gated,
            tokens,
        );
        layer.post_mlp_norm.as_ref()
    }

    /// Where a block's projection goes: to the residual stream, or to `y` when a norm follows.
    fn joining(&self, has_norm: bool) -> Target<'_> {
        let (arena, width) = (self.arena, self.arena.widths.hidden);
        if has_norm { Target::Store(&arena.y, width) } else { Target::Add(&arena.x, width) }
    }

    fn tokens(&self) -> usize {
        self.batch.tokens.len()
    }

    /// Items to cut `units` of work into: enough to share out evenly, few enough to be worth it.
    fn items(&self, units: usize) -> usize {
        if self.threads == 1 { 1.min(units) } else { units.min(self.threads * 6) }
    }
}

/// The activations of some tokens, as an input of a product, in the forms that are there.
///
/// # Safety
/// No thread writes them meanwhile.
unsafe fn input(from: &Activations, tokens: usize) -> Input<'_> {
    // SAFETY: the caller's promise.
    let (blocks, floats) = unsafe {
        (from.blocks.read(0..tokens * from.width / 32), from.floats.read(0..tokens * from.width))
    };
    Input { blocks: Blocks { blocks, stride: tokens }, floats, stride: from.width }
}

/// Part `index` of `parts` nearly equal parts of `0..total`.
fn part(total: usize, parts: usize, index: usize) -> Range<usize> {
    total * index / parts..total * (index + 1) / parts
}
