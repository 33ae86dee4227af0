//! The weights of a model, re-tiled.

use tgi_model::spec::{Block, Norm, Position, RopeLayout};
use tgi_model::{Model, ModelError, ModelSpec, Role, StorageType, TensorInfo};

use crate::error::CpuError;
use crate::lora::Updates;
use crate::matrix::{self, Matrix};
use crate::norm::NormWeights;
use crate::slab::Slab;
use crate::tile::pack::PANEL_ROWS;

/// A projection.
pub struct Linear {
    /// Weights.
    pub matrix: Box<dyn Matrix>,
    /// Terms of each output, in whole panels.
    pub bias: Option<Vec<f32>>,
    /// What adapters change.
    pub updates: Updates,
}

/// One MLP.
pub struct Mlp {
    /// Gate projection.
    pub gate: Option<Linear>,
    /// Up projection.
    pub up: Linear,
    /// Down projection.
    pub down: Linear,
}

/// The feed-forward part of a block.
pub enum FeedForward {
    /// One MLP for all tokens.
    Dense(Mlp),
    /// Several, of which each token uses a few.
    Experts(Experts),
}

/// A mixture of experts.
pub struct Experts {
    /// `[experts, hidden]`.
    pub router: Linear,
    /// Without biases.
    pub mlps: Vec<Mlp>,
}

/// One decoder block.
pub struct Layer {
    /// Before attention, where it has one.
    pub attention_norm: Option<NormWeights>,
    /// Query projection.
    pub query: Linear,
    /// Key projection.
    pub key: Linear,
    /// Value projection.
    pub value: Linear,
    /// Norm of each query head.
    pub query_norm: Option<NormWeights>,
    /// Norm of each key head.
    pub key_norm: Option<NormWeights>,
    /// Output projection of attention.
    pub output: Linear,
    /// After attention.
    pub post_attention_norm: Option<NormWeights>,
    /// Before the MLP, where it has one of its own.
    pub mlp_norm: Option<NormWeights>,
    /// MLP, or experts.
    pub feed_forward: FeedForward,
    /// After the MLP.
    pub post_mlp_norm: Option<NormWeights>,
}

impl Layer {
    /// The projections that adapters may change: none of experts.
    pub(crate) fn projections(&mut self) -> impl Iterator<Item = (Role, &mut Linear)> {
        let mlp = match &mut self.feed_forward {
            FeedForward::Dense(Mlp { gate, up, down }) => [
                gate.as_mut().map(|gate| (Role::Gate, gate)),
                Some((Role::Up, up)),
                Some((Role::Down, down)),
            ],
            FeedForward::Experts(_) => [None, None, None],
        };
        let attention = [
            (Role::Query, &mut self.query),
            (Role::Key, &mut self.key),
            (Role::Value, &mut self.value),
            (Role::AttentionOutput, &mut self.output),
        ];
        attention.into_iter().chain(mlp.into_iter().flatten())
    }

    fn bytes(&self) -> usize {
        let attention = [&self.query, &self.key, &self.value, &self.output];
        let (router, mlps) = match &self.feed_forward {
            FeedForward::Dense(mlp) => (None, std::slice::from_ref(mlp)),
            FeedForward::Experts(experts) => (Some(&experts.router), experts.mlps.as_slice()),
        };
        let of_mlps = mlps.iter().flat_map(|mlp| [&mlp.up, &mlp.down].into_iter().chain(&mlp.gate));
        let norms = [
            self.attention_norm.as_ref(),
            self.query_norm.as_ref(),
            self.key_norm.as_ref(),
            self.post_attention_norm.as_ref(),
            self.mlp_norm.as_ref(),
            self.post_mlp_norm.as_ref(),
        ];
        let linears = attention.into_iter().chain(router).chain(of_mlps).map(|linear| {
            let bias = linear.bias.as_ref().map_or(0, |bias| size_of_val(&bias[..]));
            linear.matrix.bytes() + bias
        });
        linears.sum::<usize>() + norms.into_iter().flatten().map(norm_bytes).sum::<usize>()
    }
}

fn norm_bytes(norm: &NormWeights) -> usize {
    size_of_val(&norm.weight[..]) + size_of_val(&norm.bias[..])
}

/// All weights.
pub struct Weights {
    /// Token embedding, and the head when it is tied.
    pub embedding: Box<dyn Matrix>,
    /// On the embedding.
    pub embedding_norm: Option<NormWeights>,
    /// Learned positions.
    pub positions: Option<Box<dyn Matrix>>,
    /// Before the head.
    pub output_norm: NormWeights,
    /// The head, when it is not the embedding.
    pub head: Option<Box<dyn Matrix>>,
    /// Blocks.
    pub layers: Vec<Layer>,
}

/// One tensor as it is stored.
#[derive(Clone, Debug)]
pub struct Stored<'a> {
    /// Type of its numbers.
    pub dtype: StorageType,
    /// Rows; 1 for a vector.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Row-major.
    pub bytes: std::borrow::Cow<'a, [u8]>,
}

/// Where tensors come from: a model file, or numbers made up for a test or a benchmark.
pub trait TensorSource: Sync {
    /// The tensor of a role.
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError>;
}

impl TensorSource for Model {
    fn stored(&self, role: Role, layer: Option<usize>) -> Result<Stored<'_>, ModelError> {
        let view = self.tensor(role, layer)?;
        let columns = view.shape.last().copied().unwrap_or(0);
        let rows = view.shape[..view.shape.len().saturating_sub(1)].iter().product();
        Ok(Stored { dtype: view.dtype, rows, columns, bytes: view.bytes })
    }
}

impl Weights {
    /// The head.
    pub fn head(&self) -> &dyn Matrix {
        self.head.as_deref().unwrap_or(&*self.embedding)
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        let tables = [Some(&self.embedding), self.positions.as_ref(), self.head.as_ref()];
        let tables: usize = tables.into_iter().flatten().map(|matrix| matrix.bytes()).sum();
        let layers: usize = self.layers.iter().map(Layer::bytes).sum();
        let embedding_norm = self.embedding_norm.as_ref().map_or(0, norm_bytes);
        (tables + embedding_norm + norm_bytes(&self.output_norm) + layers) as u64
    }

    /// Re-tiles everything, with `threads` threads.
    pub fn load(
        spec: &ModelSpec,
        source: &dyn TensorSource,
        threads: usize,
    ) -> Result<Self, CpuError> {
        let loader =
            Loader { spec, source, threads, slab: Slab::default(), scratch: Slab::default() };
        Ok(Self {
            embedding: loader.matrix(Role::TokenEmbedding, None)?,
            embedding_norm: if spec.embedding.norm {
                Some(loader.norm(Role::EmbeddingNorm, Role::EmbeddingNormBias, None)?)
            } else {
                None
            },
            positions: match spec.position {
                Position::Learned { .. } => Some(loader.matrix(Role::PositionEmbedding, None)?),
                _ => None,
            },
            output_norm: loader.norm(Role::OutputNorm, Role::OutputNormBias, None)?,
            head: if spec.embedding.tied { None } else { Some(loader.matrix(Role::Output, None)?) },
            layers: (0..spec.layers).map(|layer| loader.layer(layer)).collect::<Result<_, _>>()?,
        })
    }
}

struct Loader<'a> {
    spec: &'a ModelSpec,
    source: &'a dyn TensorSource,
    threads: usize,
    slab: Slab,
    /// For what is read once, and freed with the loader.
    scratch: Slab,
}

impl Loader<'_> {
    fn layer(&self, layer: usize) -> Result<Layer, CpuError> {
        let (spec, at) = (self.spec, Some(layer));
        let attention = &spec.attention;
        let (before, after) = match spec.block {
            Block::Sequential(norms) => ([norms.before(); 2], norms.after()),
            Block::Parallel { mlp_norm } => ([true, mlp_norm], false),
        };
        let head_norm = |role| attention.qk_norm.map(|_| self.head_norm(role, layer)).transpose();
        let post_norm = |role| after.then(|| self.post_norm(role, layer)).transpose();
        let optional =
            |wanted: bool, role, bias| wanted.then(|| self.norm(role, bias, at)).transpose();
        Ok(Layer {
            attention_norm: optional(before[0], Role::AttentionNorm, Role::AttentionNormBias)?,
            query: self.heads(Role::Query, Role::QueryBias, layer)?,
            key: self.heads(Role::Key, Role::KeyBias, layer)?,
            value: self.linear(
                Role::Value,
                attention.qkv_bias.then_some(Role::ValueBias),
                layer,
            )?,
            query_norm: head_norm(Role::QueryNorm)?,
            key_norm: head_norm(Role::KeyNorm)?,
            output: self.linear(
                Role::AttentionOutput,
                attention.output_bias.then_some(Role::AttentionOutputBias),
                layer,
            )?,
            post_attention_norm: post_norm(Role::PostAttentionNorm)?,
            mlp_norm: optional(before[1], Role::MlpNorm, Role::MlpNormBias)?,
            feed_forward: self.feed_forward(layer)?,
            post_mlp_norm: post_norm(Role::PostMlpNorm)?,
        })
    }

    fn feed_forward(&self, layer: usize) -> Result<FeedForward, CpuError> {
        let spec = &self.spec.mlp;
        let Some(experts) = spec.experts else {
            let biases = [Role::GateBias, Role::UpBias, Role::DownBias];
            let biases = biases.map(|role| spec.bias.then_some(role));
            let roles = [Role::Gate, Role::Up, Role::Down];
            return Ok(FeedForward::Dense(self.mlp(roles, biases, layer)?));
        };
        let mlp = |expert| {
            let roles =
                [Role::ExpertGate(expert), Role::ExpertUp(expert), Role::ExpertDown(expert)];
            self.mlp(roles, [None; 3], layer)
        };
        Ok(FeedForward::Experts(Experts {
            router: self.linear(Role::Router, None, layer)?,
            mlps: (0..experts.count as u32).map(mlp).collect::<Result<_, _>>()?,
        }))
    }

    fn mlp(
        &self,
        [gate, up, down]: [Role; 3],
        [gate_bias, up_bias, down_bias]: [Option<Role>; 3],
        layer: usize,
    ) -> Result<Mlp, CpuError> {
        let gated = self.spec.mlp.gated;
        Ok(Mlp {
            gate: gated.then(|| self.linear(gate, gate_bias, layer)).transpose()?,
            up: self.linear(up, up_bias, layer)?,
            down: self.linear(down, down_bias, layer)?,
        })
    }

    /// A norm after attention or MLP, which has no bias of its own in any architecture. Its weights
    /// take up the residual stream's factor.
    fn post_norm(&self, role: Role, layer: usize) -> Result<NormWeights, CpuError> {
        let mut norm = self.norm(role, None, Some(layer))?;
        for weight in &mut norm.weight {
            *weight *= self.spec.residual_scale;
        }
        Ok(norm)
    }

    fn matrix(&self, role: Role, layer: Option<usize>) -> Result<Box<dyn Matrix>, CpuError> {
        self.re_tile(&self.source.stored(role, layer)?)
    }

    fn re_tile(&self, stored: &Stored) -> Result<Box<dyn Matrix>, CpuError> {
        let Stored { dtype, rows, columns, bytes } = stored;
        matrix::load(*dtype, *rows, *columns, bytes, self.threads, &self.slab)
    }

    fn linear(&self, role: Role, bias: Option<Role>, layer: usize) -> Result<Linear, CpuError> {
        let matrix = self.matrix(role, Some(layer))?;
        let bias = bias.map(|bias| self.vector(bias, Some(layer))).transpose()?;
        Ok(Linear { matrix, bias: bias.map(in_panels), updates: Updates::default() })
    }

    /// A query or key projection, its rows in the order that rope by halves wants.
    fn heads(&self, role: Role, bias: Role, layer: usize) -> Result<Linear, CpuError> {
        let stored = self.source.stored(role, Some(layer))?;
        let order = self.order();
        let bias = if self.spec.attention.qkv_bias {
            let bias = self.vector(bias, Some(layer))?;
            Some(in_panels(self.permute(&bias, order.as_deref())))
        } else {
            None
        };
        if order.is_none() {
            return Ok(Linear {
                matrix: self.re_tile(&stored)?,
                bias,
                updates: Updates::default(),
            });
        }
        let bytes = stored.bytes.len() / stored.rows.max(1);
        let rows: Vec<&[u8]> = stored.bytes.chunks_exact(bytes.max(1)).collect();
        let permuted = self.permute(&rows, order.as_deref()).concat();
        let stored = Stored { bytes: permuted.into(), ..stored };
        Ok(Linear { matrix: self.re_tile(&stored)?, bias, updates: Updates::default() })
    }

    /// The weights of a qk-norm, in the same order.
    fn head_norm(&self, role: Role, layer: usize) -> Result<NormWeights, CpuError> {
        let weight = self.permute(&self.vector(role, Some(layer))?, self.order().as_deref());
        Ok(norm_weights(&self.spec.norm, &weight, &[]))
    }

    fn order(&self) -> Option<Vec<usize>> {
        head_order(self.spec)
    }

    fn permute<T: Copy>(&self, rows: &[T], order: Option<&[usize]>) -> Vec<T> {
        permute_heads(self.spec, rows, order)
    }

    fn norm(
        &self,
        role: Role,
        bias: impl Into<Option<Role>>,
        layer: Option<usize>,
    ) -> Result<NormWeights, CpuError> {
        let weight = self.vector(role, layer)?;
        let bias = match bias.into() {
            Some(bias) if self.spec.norm.bias => self.vector(bias, layer)?,
            _ => Vec::new(),
        };
        Ok(norm_weights(&self.spec.norm, &weight, &bias))
    }

    fn vector(&self, role: Role, layer: Option<usize>) -> Result<Vec<f32>, CpuError> {
        let stored = self.source.stored(role, layer)?;
        let matrix =
            matrix::load(stored.dtype, 1, stored.columns, &stored.bytes, 1, &self.scratch)?;
        let mut out = vec![0.0; stored.columns];
        matrix.row(0, &mut out);
        Ok(out)
    }
}

/// Which element of a head comes where; none when they keep their places.
///
/// Scores do not change when q and k are permuted alike, so that interleaved pairs can be laid
/// out as halves once, at load.
pub(crate) fn head_order(spec: &ModelSpec) -> Option<Vec<usize>> {
    let Position::Rope { layout: RopeLayout::Interleaved, dimensions, .. } = spec.position else {
        return None;
    };
    let even = (0..dimensions).step_by(2);
    let odd = (1..dimensions).step_by(2);
    Some(even.chain(odd).chain(dimensions..spec.attention.head_size).collect())
}

/// The rows of query or key heads in that order.
pub(crate) fn permute_heads<T: Copy>(
    spec: &ModelSpec,
    rows: &[T],
    order: Option<&[usize]>,
) -> Vec<T> {
    let Some(order) = order else { return rows.to_vec() };
    let heads = rows.chunks_exact(spec.attention.head_size);
    heads.flat_map(|head| order.iter().map(|&from| head[from])).collect()
}

/// Bytes that [`Weights::load`] takes for the weights of a model.
pub fn loaded_bytes(model: &Model) -> u64 {
    model.tensors().map(|(role, tensor)| tensor_bytes(role, &tensor)).sum()
}

fn tensor_bytes(role: Role, tensor: &TensorInfo) -> u64 {
    let columns = tensor.shape.last().copied().unwrap_or(0);
    let padded = columns.next_multiple_of(PANEL_ROWS) as u64;
    match (role, tensor.shape.len()) {
        // A norm's weights and biases are held together, biases even where the file has none.
        (
            Role::AttentionNorm
            | Role::MlpNorm
            | Role::EmbeddingNorm
            | Role::OutputNorm
            | Role::PostAttentionNorm
            | Role::PostMlpNorm
            | Role::QueryNorm
            | Role::KeyNorm,
            _,
        ) => 2 * 4 * padded,
        (
            Role::AttentionNormBias
            | Role::MlpNormBias
            | Role::EmbeddingNormBias
            | Role::OutputNormBias,
            _,
        ) => 0,
        (_, 1) => 4 * padded,
        _ => {
            let rows = tensor.shape[..tensor.shape.len() - 1].iter().product();
            matrix::loaded_bytes(tensor.dtype, rows, columns)
        }
    }
}

/// Pads to whole panels.
fn in_panels(mut values: Vec<f32>) -> Vec<f32> {
    values.resize(values.len().next_multiple_of(PANEL_ROWS), 0.0);
    values
}

fn norm_weights(norm: &Norm, weight: &[f32], bias: &[f32]) -> NormWeights {
    let padded = weight.len().next_multiple_of(PANEL_ROWS);
    let mut out =
        NormWeights { width: weight.len(), weight: vec![0.0; padded], bias: vec![0.0; padded] };
    for (out, weight) in out.weight.iter_mut().zip(weight) {
        *out = weight + norm.weight_offset;
    }
    out.bias[..bias.len()].copy_from_slice(bias);
    out
}
