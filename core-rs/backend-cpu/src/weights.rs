//! The weights of a model, re-tiled.

mod load;

use tgi_model::{Model, ModelError, Role, StorageType, TensorInfo};

use crate::lora::Updates;
use crate::matrix::{self, Matrix};
use crate::norm::NormWeights;
use crate::tile::pack::PANEL_ROWS;
pub(crate) use load::{head_order, permute_heads};

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
    /// Before attention, where it has one; behind it where sums are normed.
    pub attention_norm: Option<NormWeights>,
    /// Query projection.
    pub query: Linear,
    /// Key projection.
    pub key: Linear,
    /// Value projection.
    pub value: Linear,
    /// Norms of q: none, one for all heads, or one for each.
    pub query_norm: Vec<NormWeights>,
    /// Norms of k.
    pub key_norm: Vec<NormWeights>,
    /// Output projection of attention.
    pub output: Linear,
    /// After attention.
    pub post_attention_norm: Option<NormWeights>,
    /// Before the MLP, where it has one of its own; behind it where sums are normed.
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

    fn linears(&self) -> impl Iterator<Item = &Linear> {
        let attention = [&self.query, &self.key, &self.value, &self.output];
        let (router, mlps) = match &self.feed_forward {
            FeedForward::Dense(mlp) => (None, std::slice::from_ref(mlp)),
            FeedForward::Experts(experts) => (Some(&experts.router), experts.mlps.as_slice()),
        };
        let of_mlps = mlps.iter().flat_map(|mlp| [&mlp.up, &mlp.down].into_iter().chain(&mlp.gate));
        attention.into_iter().chain(router).chain(of_mlps)
    }

    fn bytes(&self) -> usize {
        let norms = [
            self.attention_norm.as_ref(),
            self.post_attention_norm.as_ref(),
            self.mlp_norm.as_ref(),
            self.post_mlp_norm.as_ref(),
        ];
        let linears = self.linears().map(|linear| {
            let bias = linear.bias.as_ref().map_or(0, |bias| size_of_val(&bias[..]));
            linear.matrix.bytes() + bias
        });
        let of_heads = self.query_norm.iter().chain(&self.key_norm);
        let norms = norms.into_iter().flatten().chain(of_heads).map(norm_bytes);
        linears.sum::<usize>() + norms.sum::<usize>()
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
    /// Before the head, where it has one.
    pub output_norm: Option<NormWeights>,
    /// The head, when it is not the embedding.
    pub head: Option<Box<dyn Matrix>>,
    /// Blocks.
    pub layers: Vec<Layer>,
    /// Whether a matrix multiplies activations as they are: otherwise nobody keeps them.
    pub reads_floats: bool,
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

    fn has_reader_of_floats(&self) -> bool {
        let mut linears = self.layers.iter().flat_map(Layer::linears);
        self.head().reads_floats() || linears.any(|linear| linear.matrix.reads_floats())
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        let tables = [Some(&self.embedding), self.positions.as_ref(), self.head.as_ref()];
        let tables: usize = tables.into_iter().flatten().map(|matrix| matrix.bytes()).sum();
        let layers: usize = self.layers.iter().map(Layer::bytes).sum();
        let norms = self.embedding_norm.iter().chain(&self.output_norm).map(norm_bytes);
        (tables + norms.sum::<usize>() + layers) as u64
    }
}

/// Bytes that [`Weights::load`] takes for the weights of a model.
pub fn loaded_bytes(model: &Model) -> u64 {
    model.tensors().map(|(role, tensor)| tensor_bytes(role, &tensor)).sum()
}

fn tensor_bytes(role: Role, tensor: &TensorInfo) -> u64 {
    let columns = tensor.shape.last().copied().unwrap_or(0);
    let padded = columns.next_multiple_of(PANEL_ROWS) as u64;
    let rows: usize = tensor.shape[..tensor.shape.len() - 1].iter().product();
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
        ) => 2 * 4 * padded * rows as u64,
        (
            Role::AttentionNormBias
            | Role::MlpNormBias
            | Role::EmbeddingNormBias
            | Role::OutputNormBias,
            _,
        ) => 0,
        (_, 1) => 4 * padded,
        _ => matrix::loaded_bytes(tensor.dtype, rows, columns),
    }
}
