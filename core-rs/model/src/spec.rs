//! `ModelSpec`: an architecture as a page of data.
//!
//! Every backend has one decoder that obeys a spec; a new architecture is a new table in
//! [`crate::architectures`], never new code in a backend. The vocabulary follows the GGUF
//! specification and the Hugging Face configurations.

use std::sync::Arc;

/// Everything a decoder must know about a model besides its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// The architecture's name as the file gives it: `llama`, `qwen2`, `gemma3`.
    pub architecture: String,
    /// Rows of the embedding, tokens.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Decoder blocks.
    pub layers: usize,
    /// Positions the model was trained for, tokens.
    pub context: usize,
    /// Attention of every layer.
    pub attention: Attention,
    /// How a token's position enters.
    pub position: Position,
    /// Every norm of the model, but for qk-norms, is of this kind.
    pub norm: Norm,
    /// How attention and MLP are joined in a block.
    pub block: Block,
    /// Factor on what attention and MLP add to the residual stream (Granite's
    /// `residual_multiplier`), else 1.
    pub residual_scale: f32,
    /// Feed-forward part.
    pub mlp: Mlp,
    /// Input embedding and output head.
    pub embedding: Embedding,
}

/// Multi-head attention with grouped keys and values.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_size: usize,
    /// Factor on q·k before the soft-max, usually `1 / sqrt(head_size)`.
    pub scale: f32,
    /// `cap * tanh(score / cap)` on the scores, when given.
    pub soft_cap: Option<f32>,
    /// Norms of q and k before rope, of the root-mean-square kind but for [`QkNorm::Each`].
    pub qk_norm: Option<QkNorm>,
    /// Biases on q, k and v.
    pub qkv_bias: bool,
    /// Bias on the output projection.
    pub output_bias: bool,
    /// Sliding window of each layer, `[layers]`: a token sees itself and the `w - 1` before it;
    /// `None` sees all.
    pub windows: Vec<Option<usize>>,
}

/// What a norm of q or k runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// Each head by itself, with weights `[head_size]` that all heads share (Qwen 3, Gemma 3).
    Head,
    /// All heads together, with weights `[heads * head_size]` (`OLMo` 2).
    Row,
    /// Each head by itself, with weights of its own, `[heads, head_size]`; layer norms without
    /// biases (`StableLM` 2 12B).
    Each,
}

/// How positions enter.
#[derive(Clone, Debug, PartialEq)]
pub enum Position {
    /// Rotary embedding, with one set of parameters for each layer, `[layers]`.
    Rope {
        /// Which elements of a head form a pair.
        layout: RopeLayout,
        /// Leading elements of a head that rotate; even.
        dimensions: usize,
        /// Parameters of each layer; a layer with `None` knows no positions (`SmolLM3`'s
        /// `no_rope_layers`).
        layers: Vec<Option<Rope>>,
    },
    /// Attention with linear biases (Press et al. 2021, <https://arxiv.org/abs/2108.12409>):
    /// `factor * slope * distance` is taken off the scaled scores, with the slopes of
    /// [`crate::alibi::slope`].
    Alibi {
        /// 1 for BLOOM; Falcon scales its biases as its scores, by `1 / sqrt(head_size)`.
        factor: f32,
    },
    /// A learned table, added to the embedding; row `position + offset`.
    Learned {
        /// Rows skipped at the front of the table.
        offset: usize,
    },
}

/// Rotary parameters of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base frequency, `theta`.
    pub base: f32,
    /// How long contexts are squeezed in.
    pub scaling: RopeScaling,
}

/// Rope scalings, as `modeling_rope_utils.py` of Hugging Face transformers has them; what they do
/// to frequencies is in [`crate::rope::RopeTable`].
///
/// Where frequencies depend on the length of the text, a token's are those of the text that ends
/// with it: what decoding token by token gives, however a prompt is cut.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// As trained.
    None,
    /// Positions divided by `factor`.
    Linear {
        /// Stretch of the context.
        factor: f32,
    },
    /// Low frequencies divided by `factor`, high ones kept, a ramp between them (Llama 3.1,
    /// <https://arxiv.org/abs/2407.21783>).
    Llama3 {
        /// Stretch of the context.
        factor: f32,
        /// Turns in the original context below which a frequency is low.
        low: f32,
        /// Turns in the original context above which a frequency is high.
        high: f32,
        /// Positions of the original context.
        original: usize,
    },
    /// The base grows with the text beyond `original` positions (dynamic NTK).
    Dynamic {
        /// Stretch of the context.
        factor: f32,
        /// Positions of the original context.
        original: usize,
    },
    /// `YaRN` (Peng et al. 2023, <https://arxiv.org/abs/2309.00071>).
    Yarn(Yarn),
    /// Each frequency divided by a factor of its own: one list up to `original` positions, another
    /// beyond (`LongRoPE`, Ding et al. 2024, <https://arxiv.org/abs/2402.13753>).
    LongRope {
        /// Divisors up to the original context, `[dimensions / 2]`.
        short: Arc<[f32]>,
        /// Divisors beyond it, `[dimensions / 2]`.
        long: Arc<[f32]>,
        /// Positions of the original context.
        original: usize,
        /// Factor on the turned elements of q and of k.
        amplitude: f32,
    },
    /// Each frequency divided by a factor of its own, `[dimensions / 2]`: how GGUF stores Llama
    /// 3.1's scaling, as tensor `rope_freqs.weight`.
    Divided(Arc<[f32]>),
}

/// Parameters of `YaRN`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Yarn {
    /// Stretch of the context.
    pub factor: f32,
    /// Positions of the original context.
    pub original: usize,
    /// Turns in the original context above which a frequency is kept, usually 32.
    pub beta_fast: f32,
    /// Turns in the original context below which a frequency is divided by the factor, usually 1.
    pub beta_slow: f32,
    /// Whether the ramp between them begins and ends at whole pairs.
    pub truncate: bool,
    /// Factor on the turned elements of q and of k, usually `0.1 ln(factor) + 1`.
    pub amplitude: f32,
}

/// Which two elements of a head rotate together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// `(0, 1), (2, 3), ..`: GGUF's llama, whose q and k rows are permuted so.
    Interleaved,
    /// `(0, n/2), (1, n/2 + 1), ..`: GPT-NeoX and all of Hugging Face.
    Halves,
}

/// A norm's kind and constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Mean taken off or not.
    pub kind: NormKind,
    /// Added under the root.
    pub epsilon: f32,
    /// Added to each weight: 1 for Gemma's own checkpoints, 0 in GGUF, which stores the sum.
    pub weight_offset: f32,
    /// Whether norms have a bias.
    pub bias: bool,
}

/// Root-mean-square or layer norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// `x / sqrt(mean(x^2) + epsilon) * w`.
    Rms,
    /// `(x - mean) / sqrt(variance + epsilon) * w + b`.
    Layer,
}

/// How a block joins attention and MLP to the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `x += attention(norm(x)); x += mlp(norm(x))`, with norms at these places.
    Sequential(Norms),
    /// `x += attention(norm(x)) + mlp(norm(x))`.
    Parallel {
        /// The MLP has a norm of its own (GPT-NeoX, Falcon 40B), else it shares attention's.
        mlp_norm: bool,
    },
    /// `x = norm(x + attention(x)); x = norm(x + mlp(x))`, and no norm before the head: the sums
    /// themselves are normed (OPT 350M, as in the first transformers). The norms have the roles of
    /// those of inputs.
    NormedSums,
}

/// Where a sequential block has its norms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    /// On the inputs of attention and MLP.
    Before,
    /// On their inputs, and on their outputs before they are added (Gemma 2 and 3).
    Around,
    /// On their outputs alone (`OLMo` 2).
    After,
}

impl Norms {
    /// Whether inputs are normed.
    pub fn before(self) -> bool {
        self != Self::After
    }

    /// Whether outputs are normed.
    pub fn after(self) -> bool {
        self != Self::Before
    }
}

/// Feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mlp {
    /// Width between the projections; of one expert where there are some.
    pub intermediate: usize,
    /// Activation function.
    pub activation: Activation,
    /// `down(activation(gate(x)) * up(x))` instead of `down(activation(up(x)))`.
    pub gated: bool,
    /// Biases on the projections.
    pub bias: bool,
    /// Several MLPs of which each token uses a few.
    pub experts: Option<Experts>,
}

/// A mixture of experts (Shazeer et al. 2017, <https://arxiv.org/abs/1701.06538>): a token's MLP
/// is the sum of those with the largest routing weights, each times its weight. Routing weights
/// are the soft-max of `router(x)` over all experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// Experts of a layer.
    pub count: usize,
    /// Those that a token uses.
    pub used: usize,
    /// Weights of the used ones are divided by their sum.
    pub normalized: bool,
}

/// Activation functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU by tanh.
    GeluTanh,
    /// GELU by erf.
    GeluErf,
    /// `max(x, 0)`.
    Relu,
}

/// Input embedding and output head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Embedding {
    /// The head is the embedding itself.
    pub tied: bool,
    /// Factor on the embedding of each token (Gemma: `sqrt(hidden)`), else 1.
    pub scale: f32,
    /// A norm on the embedding of each token (BLOOM).
    pub norm: bool,
    /// Factor on the logits, else 1.
    pub logit_scale: f32,
    /// `cap * tanh(logit / cap)` on the logits, when given.
    pub logit_soft_cap: Option<f32>,
}

/// What a tensor is for. With a layer's number it names one tensor of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// `[vocab, hidden]`.
    TokenEmbedding,
    /// `[positions, hidden]`.
    PositionEmbedding,
    /// `[hidden]`, on the embedding.
    EmbeddingNorm,
    /// `[hidden]`.
    EmbeddingNormBias,
    /// `[hidden]`.
    OutputNorm,
    /// `[hidden]`.
    OutputNormBias,
    /// `[vocab, hidden]`; absent when tied.
    Output,
    /// `[hidden]`, before attention.
    AttentionNorm,
    /// `[hidden]`.
    AttentionNormBias,
    /// `[heads * head_size, hidden]`.
    Query,
    /// `[heads * head_size]`.
    QueryBias,
    /// `[kv_heads * head_size, hidden]`.
    Key,
    /// `[kv_heads * head_size]`.
    KeyBias,
    /// `[kv_heads * head_size, hidden]`.
    Value,
    /// `[kv_heads * head_size]`.
    ValueBias,
    /// `[head_size]`, `[heads * head_size]` or `[heads, head_size]`, by [`QkNorm`].
    QueryNorm,
    /// `[head_size]`, `[kv_heads * head_size]` or `[kv_heads, head_size]`.
    KeyNorm,
    /// `[hidden, heads * head_size]`.
    AttentionOutput,
    /// `[hidden]`.
    AttentionOutputBias,
    /// `[hidden]`, after attention.
    PostAttentionNorm,
    /// `[hidden]`, before the MLP.
    MlpNorm,
    /// `[hidden]`.
    MlpNormBias,
    /// `[intermediate, hidden]`.
    Gate,
    /// `[intermediate]`.
    GateBias,
    /// `[intermediate, hidden]`.
    Up,
    /// `[intermediate]`.
    UpBias,
    /// `[hidden, intermediate]`.
    Down,
    /// `[hidden]`.
    DownBias,
    /// `[hidden]`, after the MLP.
    PostMlpNorm,
    /// `[experts, hidden]`.
    Router,
    /// `[intermediate, hidden]`, of one expert.
    ExpertGate(u32),
    /// `[intermediate, hidden]`, of one expert.
    ExpertUp(u32),
    /// `[hidden, intermediate]`, of one expert.
    ExpertDown(u32),
}

impl Role {
    /// The expert whose tensor it is.
    pub fn expert(self) -> Option<u32> {
        match self {
            Self::ExpertGate(expert) | Self::ExpertUp(expert) | Self::ExpertDown(expert) => {
                Some(expert)
            }
            _ => None,
        }
    }
}

/// The items that differ, and for each item its place among them: layers share ropes and windows.
pub fn distinct<'a, T: PartialEq>(items: impl Iterator<Item = &'a T>) -> (Vec<&'a T>, Vec<usize>) {
    let mut different: Vec<&T> = Vec::new();
    let place = |item| {
        different.iter().position(|known| *known == item).unwrap_or_else(|| {
            different.push(item);
            different.len() - 1
        })
    };
    let places = items.map(place).collect();
    (different, places)
}

#[cfg(test)]
mod tests {
    use super::distinct;

    #[test]
    fn equal_items_share_a_place() {
        assert_eq!(distinct([7, 7, 9, 7].iter()), (vec![&7, &9], vec![0, 0, 1, 0]));
        assert_eq!(distinct::<u8>([].iter()), (vec![], vec![]));
    }
}
