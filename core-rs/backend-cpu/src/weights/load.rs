//! From a file's tensors to the weights of a model.

use tgi_model::spec::{Block, Norm, Position, RopeLayout};
use tgi_model::{ModelSpec, Role};

use super::{Experts, FeedForward, Layer, Linear, Mlp, Stored, TensorSource, Weights};
use crate::error::CpuError;
use crate::lora::Updates;
use crate::matrix::{self, Matrix};
use crate::norm::NormWeights;
use crate::slab::Slab;
use crate::tile::pack::PANEL_ROWS;

impl Weights {
    /// Re-tiles everything, with `threads` threads.
    pub fn load(
        spec: &ModelSpec,
        source: &dyn TensorSource,
        threads: usize,
    ) -> Result<Self, CpuError> {
        let loader =
            Loader { spec, source, threads, slab: Slab::default(), scratch: Slab::default() };
        let mut weights = Self {
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
            output_norm: match spec.block {
                Block::NormedSums => None,
                _ => Some(loader.norm(Role::OutputNorm, Role::OutputNormBias, None)?),
            },
            head: if spec.embedding.tied { None } else { Some(loader.matrix(Role::Output, None)?) },
            layers: (0..spec.layers).map(|layer| loader.layer(layer)).collect::<Result<_, _>>()?,
            reads_floats: false,
        };
        weights.reads_floats = weights.has_reader_of_floats();
        Ok(weights)
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
            Block::NormedSums => ([true; 2], false),
        };
        let head_norms = |role| match attention.qk_norm {
            Some(_) => self.head_norms(role, layer),
            None => Ok(Vec::new()),
        };
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
            query_norm: head_norms(Role::QueryNorm)?,
            key_norm: head_norms(Role::KeyNorm)?,
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

    /// The weights of the norms of q or of k, in the same order: a row for each norm.
    fn head_norms(&self, role: Role, layer: usize) -> Result<Vec<NormWeights>, CpuError> {
        let order = self.order();
        let rows = self.rows(role, Some(layer))?;
        let weights = rows.iter().map(|row| self.permute(row, order.as_deref()));
        Ok(weights.map(|weight| norm_weights(&self.spec.norm, &weight, &[])).collect())
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
        Ok(self.rows(role, layer)?.concat())
    }

    /// The rows of a small tensor.
    fn rows(&self, role: Role, layer: Option<usize>) -> Result<Vec<Vec<f32>>, CpuError> {
        let Stored { dtype, rows, columns, bytes } = self.source.stored(role, layer)?;
        let matrix = matrix::load(dtype, rows, columns, &bytes, 1, &self.scratch)?;
        let row = |row| {
            let mut out = vec![0.0; columns];
            matrix.row(row, &mut out);
            out
        };
        Ok((0..rows).map(row).collect())
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
