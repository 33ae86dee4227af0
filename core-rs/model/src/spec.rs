//! `ModelSpec`: an architecture as a page of data.
//!
//! Every backend has one decoder that obeys a spec; a new architecture is a new table in
//! [`crate::architectures`], never new code in a backend. The vocabulary follows the GGUF
//! specification and the Hugging Face configurations.

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
    /// Norm over each head of q and k before rope, with weights `[head_size]`.
    pub qk_norm: bool,
    /// Biases on q, k and v.
    pub qkv_bias: bool,
    /// Bias on the output projection.
    pub output_bias: bool,
    /// Sliding window of each layer, `[layers]`: a token sees itself and the `w - 1` before it;
    /// `None` sees all.
    pub windows: Vec<Option<usize>>,
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
        /// Parameters of each layer.
        layers: Vec<Rope>,
    },
    /// Attention with linear biases.
    Alibi,
    /// A learned table, added to the embedding; row `position + offset`.
    Learned {
        /// Rows skipped at the front of the table.
        offset: usize,
    },
}

/// Rotary parameters of one layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// Base frequency, `theta`.
    pub base: f32,
    /// How long contexts are squeezed in.
    pub scaling: RopeScaling,
}

/// Rope scalings. Frequencies are those of [`crate::rope::inverse_frequencies`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// As trained.
    None,
    /// Positions divided by `factor`.
    Linear {
        /// Stretch of the context.
        factor: f32,
    },
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
    /// `x += attention(norm(x)); x += mlp(norm(x))`.
    Sequential {
        /// Norms on the outputs of attention and MLP too, before they are added (Gemma 2 and 3).
        post_norms: bool,
    },
    /// `x += attention(norm(x)) + mlp(norm(x))`.
    Parallel,
}

/// Feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mlp {
    /// Width between the projections.
    pub intermediate: usize,
    /// Activation function.
    pub activation: Activation,
    /// `down(activation(gate(x)) * up(x))` instead of `down(activation(up(x)))`.
    pub gated: bool,
    /// Biases on the projections.
    pub bias: bool,
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
    /// `[head_size]`.
    QueryNorm,
    /// `[head_size]`.
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
}
