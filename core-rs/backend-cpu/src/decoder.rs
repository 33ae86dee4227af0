//! One step of a model, as its [`ModelSpec`] describes it: a program that all threads walk.
//!
//! Every method here is called by every thread of the team; inside, [`Team::region`] shares the
//! work out. A region's items write disjoint parts of the arena, and read only what earlier
//! regions wrote: that is what the `SAFETY` lines below rely on.

mod attend;
mod experts;
mod gather;
mod heads;
mod logits;
mod lora;
mod mlp;
pub mod peaks;
mod plan;
mod project;
mod route;
mod row_norms;
mod rows;
mod units;

pub use gather::Gathered;
pub use heads::{MAX_HEAD, RopeTables};
pub use plan::{Plan, Rows};
pub use route::Routes;
pub use units::{Cut, Unit};

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
use crate::weights::{FeedForward, Layer, Weights};
use project::{Source, Target};

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
    /// Which rows each layer computes.
    pub plan: &'a Plan,
    /// Instructions to use.
    pub isa: Isa,
    /// Threads of the team.
    pub threads: usize,
}

/// A layer, and the rows that it computes.
#[derive(Clone, Copy)]
struct LayerAt<'a> {
    index: usize,
    layer: &'a Layer,
    rows: &'a Rows,
}

impl Step<'_> {
    /// Walks the whole model; logits and peaks end in the arena.
    pub fn run(&self, team: &Team) {
        self.embed(team);
        let layers = &self.weights.layers;
        let mut pending = None;
        for (index, layer) in layers.iter().enumerate() {
            let is_last = index + 1 == layers.len();
            let rows = if is_last { &self.plan.last } else { &self.plan.all };
            pending = self.block(team, LayerAt { index, layer, rows }, pending);
        }
        self.logits(team, pending);
    }

    /// One block. `pending` is the norm that the projection in `y` awaits before it joins the
    /// residual stream, or that the stream itself awaits where sums are normed; so is the result.
    fn block<'w>(
        &self,
        team: &Team,
        at: LayerAt<'w>,
        pending: Option<&'w NormWeights>,
    ) -> Option<&'w NormWeights> {
        let (arena, layer, rows) = (self.arena, at.layer, at.rows);
        let (tokens, whole) = (rows.tokens.len(), rows.whole);
        let norms_sums = self.spec.block == Block::NormedSums;
        let before = |norm: &'w Option<NormWeights>| norm.as_ref().filter(|_| !norms_sums);
        let mut normed = self.norm(team, (rows, tokens), pending, before(&layer.attention_norm));
        let [query, key, value] = &arena.projected;
        self.project(
            team,
            rows,
            &normed,
            &[
                (&layer.query, Target::Rows(query, arena.widths.query), whole),
                (&layer.key, Target::Rows(key, arena.widths.key), tokens),
                (&layer.value, Target::Rows(value, arena.widths.key), tokens),
            ],
        );
        self.attend(team, at);
        if whole == 0 {
            return None;
        }
        let is_parallel = matches!(self.spec.block, Block::Parallel { .. });
        let mlp_norm = before(&layer.mlp_norm);
        if is_parallel && mlp_norm.is_some() {
            // The MLP reads the residual stream as attention found it.
            normed = self.norm(team, (rows, whole), None, mlp_norm);
        }
        let attended = Source::Ready { from: &arena.attended, stride: whole };
        let joining = self.joining(layer.post_attention_norm.is_some());
        self.project(team, rows, &attended, &[(&layer.output, joining, whole)]);
        if !is_parallel {
            let behind =
                if norms_sums { &layer.attention_norm } else { &layer.post_attention_norm };
            let pending = behind.as_ref();
            normed = self.norm(team, (rows, whole), pending, mlp_norm);
        }
        let joining = self.joining(layer.post_mlp_norm.is_some());
        match &layer.feed_forward {
            FeedForward::Dense(mlp) => {
                self.mlp(team, rows, &normed, mlp);
                let gated = Source::Ready { from: &arena.gated, stride: whole };
                self.project(team, rows, &gated, &[(&mlp.down, joining, whole)]);
            }
            FeedForward::Experts(experts) => self.experts(team, rows, &normed, experts, joining),
        }
        if norms_sums { layer.mlp_norm.as_ref() } else { layer.post_mlp_norm.as_ref() }
    }

    /// Where a block's projection goes: to the residual stream, or to `y` when a norm follows.
    fn joining(&self, has_norm: bool) -> Target<'_> {
        let (arena, width) = (self.arena, self.arena.widths.hidden);
        match (has_norm, self.spec.residual_scale) {
            // The norm's weights hold the factor.
            (true, _) => Target::Tokens(&arena.y, width),
            (false, 1.0) => Target::Add(&arena.x, width),
            (false, factor) => Target::AddScaled(&arena.x, width, factor),
        }
    }

    /// Whether somebody reads activations that are not quantized.
    fn keeps_floats(&self) -> bool {
        self.weights.reads_floats || self.low().is_some()
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
