//! The model: which kernels a step launches, in which order.

mod adapters;
mod block;
mod experts;
mod load;
mod logits;

use tgi_cuda_kernels::signatures::{
    ActivationKind, AddNormParams, Element, EmbeddingParams, Kernel, NormKind, QkNorm, RopeLayout,
    Weights,
};
use tgi_model::spec::Experts;

use crate::CudaError;
use crate::arena::Arena;
use crate::device::{Device, Region};
use crate::experts::ExpertMatrix;
use crate::kv::KvPages;
use crate::launch::launch;
use crate::matrix::{Matrix, Multiplier};
use crate::step::{Layout, StepShape};

/// All weights, and what a specification says of their use.
pub(crate) struct Decoder {
    embedding: Embedding,
    norm_kind: NormKind,
    epsilon: f32,
    residual_scale: f32,
    attention: Attention,
    mlp: Mlp,
    layers: Vec<Layer>,
    /// Before the head, where it has one.
    norm: Option<Norm>,
    head: Head,
    /// How rows are multiplied.
    pub multiplier: Multiplier,
    hidden: usize,
    vocab: usize,
}

struct Embedding {
    weights: Weights,
    table: Region,
    scale: f32,
    /// Learned positions: the table, its rows, and those skipped.
    positions: Option<(Region, usize, usize)>,
    norm: Option<Norm>,
}

/// What all layers share.
struct Attention {
    heads: usize,
    kv_heads: usize,
    head_size: usize,
    scale: f32,
    soft_cap: f32,
    qk_norm: QkNorm,
    rope_layout: RopeLayout,
    rope_dimensions: usize,
    /// Of linear biases, `f32 [heads]`.
    slopes: Option<Region>,
    /// The kernel, and rows of a full tile.
    kernel: Kernel,
    tile_rows: usize,
}

struct Mlp {
    kind: ActivationKind,
    is_gated: bool,
    width: usize,
    /// Experts of a layer, and how a row uses them.
    experts: Option<Experts>,
}

struct Head {
    /// None of its own: the embedding is the head.
    matrix: Matrix,
    scale: f32,
    soft_cap: f32,
}

/// Weights of a norm; the bias of a layer norm.
#[derive(Clone, Copy)]
struct Norm {
    weight: Region,
    bias: Option<Region>,
}

struct Layer {
    attention_norm: Option<Norm>,
    qkv: Matrix,
    query_norm: Option<Region>,
    key_norm: Option<Region>,
    /// Cosines and sines; a layer without knows no positions.
    rope: Option<Region>,
    window: Option<usize>,
    attention_output: Matrix,
    post_attention_norm: Option<Region>,
    /// Of the sum with what attention adds.
    attention_sum_norm: Option<Norm>,
    /// A parallel block with none takes attention's rows.
    mlp_norm: Option<Norm>,
    feed_forward: FeedForward,
    post_mlp_norm: Option<Region>,
    /// Of the sum with what the MLP adds.
    mlp_sum_norm: Option<Norm>,
    is_parallel: bool,
}

/// Projections of the feed-forward part: gate and up, or up alone, and down.
enum FeedForward {
    Dense { inward: Matrix, down: Matrix },
    Experts { router: Matrix, inward: ExpertMatrix, down: ExpertMatrix },
}

/// What the residual stream still has to be given.
#[derive(Clone, Copy, Default)]
struct Pending {
    delta: Option<Region>,
    second: Option<Region>,
    /// On the first.
    norm: Option<Region>,
    /// On the sum, which the stream goes on with; the next rows are not normed again then.
    sum_norm: Option<Norm>,
}

/// One step's surroundings.
struct Step<'a, D> {
    device: &'a mut D,
    arena: &'a Arena,
    kv: &'a KvPages,
    shape: &'a StepShape,
    layout: Layout,
    element: Element,
}

impl Decoder {
    /// Rows of a full tile of attention.
    pub fn tile_rows(&self) -> usize {
        self.attention.tile_rows
    }

    /// Launches a step whose input lies in the arena; its results come to lie there.
    pub fn run<D: Device>(
        &self,
        device: &mut D,
        (arena, kv): (&Arena, &KvPages),
        shape: &StepShape,
    ) -> Result<(), CudaError> {
        let element = self.multiplier.element;
        let mut step = Step { device, arena, kv, shape, layout: shape.layout(), element };
        self.embed(&mut step)?;
        let mut pending = Pending::default();
        for (number, layer) in self.layers.iter().enumerate() {
            pending = self.block(&mut step, layer, number, pending)?;
        }
        if shape.logits == 0 { Ok(()) } else { self.logits(&mut step, pending) }
    }

    fn embed<D: Device>(&self, step: &mut Step<D>) -> Result<(), CudaError> {
        let Embedding { weights, table, scale, positions, norm } = &self.embedding;
        let (positions_table, position_rows, position_offset) =
            positions.map_or((0, 0, 0), |(table, rows, offset)| (table.address, rows, offset));
        let params = EmbeddingParams {
            tokens: step.input(step.layout.tokens.start),
            positions: step.input(step.layout.positions.start),
            table: table.address,
            position_table: positions_table,
            out: step.arena.residual.address,
            rows: step.shape.rows as u32,
            hidden: self.hidden as u32,
            vocab: self.vocab as u32,
            position_rows: position_rows as u32,
            position_offset: position_offset as u32,
            scale: *scale,
        };
        launch(step.device, Kernel::Embedding(*weights), params.launch(), &params)?;
        let Some(norm) = norm else { return Ok(()) };
        let residual = step.arena.residual;
        let params = AddNormParams {
            out: residual.address,
            ..self.add_norm(step, Pending::default(), Some(*norm), step.shape.rows)
        };
        launch(step.device, Kernel::AddNorm(Element::F32), params.launch(), &params)
    }

    /// Gives the residual stream what is pending, and norms it into `out`.
    fn norm<D: Device>(
        &self,
        step: &mut Step<D>,
        pending: Pending,
        norm: Option<Norm>,
        out: Region,
    ) -> Result<(), CudaError> {
        let (kernel, rows) = (Kernel::AddNorm(step.element), step.shape.rows);
        let params = AddNormParams { out: out.address, ..self.add_norm(step, pending, norm, rows) };
        launch(step.device, kernel, params.launch(), &params)
    }

    /// The argument without its output.
    fn add_norm<D: Device>(
        &self,
        step: &Step<D>,
        pending: Pending,
        norm: Option<Norm>,
        rows: usize,
    ) -> AddNormParams {
        let address = |region: Option<Region>| region.map_or(0, |region| region.address);
        let norm = pending.sum_norm.or(norm);
        AddNormParams {
            residual: step.arena.residual.address,
            delta: address(pending.delta),
            second_delta: address(pending.second),
            delta_weight: address(pending.norm),
            weight: address(norm.map(|norm| norm.weight)),
            bias: address(norm.and_then(|norm| norm.bias)),
            gather: 0,
            out: 0,
            rows: rows as u32,
            hidden: self.hidden as u32,
            kind: self.norm_kind as u32,
            delta_scale: self.residual_scale,
            epsilon: self.epsilon,
            norms_sum: pending.sum_norm.is_some().into(),
        }
    }
}

impl<D: Device> Step<'_, D> {
    /// Address of a part of the input.
    fn input(&self, word: usize) -> u64 {
        Layout::address(self.arena.input, word)
    }
}
