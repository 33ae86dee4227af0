//! Work on whole rows of the batch: embedding, norms, rope, activation.

use super::{Launch, THREADS, WARP, params, parts};

/// Writes `scale * table[token] + position_table[position + offset]` to the residual stream.
///
/// A token beyond the table, which no checked batch has, gives zeros.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddingParams {
    /// Token ids, `u32 [rows]`.
    pub tokens: u64,
    /// Positions, `u32 [rows]`; read with a position table only.
    pub positions: u64,
    /// Embedding, `[vocab, hidden]`, of the instance's weights.
    pub table: u64,
    /// Learned positions, `f32 [position_rows, hidden]`, or 0.
    pub position_table: u64,
    /// Residual stream, `f32 [rows, hidden]`, written.
    pub out: u64,
    /// Tokens of the step.
    pub rows: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Rows of `table`.
    pub vocab: u32,
    /// Rows of `position_table`.
    pub position_rows: u32,
    /// Rows skipped at the front of `position_table`.
    pub position_offset: u32,
    /// Factor on the token's embedding.
    pub scale: f32,
}

impl EmbeddingParams {
    /// A block a row.
    pub fn launch(&self) -> Launch {
        Launch::new([self.rows, 1, 1], THREADS, 0)
    }
}

/// Values of [`AddNormParams::kind`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// `x / sqrt(mean(x^2) + epsilon) * weight`.
    Rms = 0,
    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias`.
    Layer = 1,
}

/// `residual += delta_scale * (norm(delta) + second_delta); out = norm(residual)`, and with
/// `norms_sum` `residual = norm(residual)` too.
///
/// `delta` is normed where it has weights, with the same kind and epsilon. Row `i` of `out` comes
/// from row `gather[i]` of the residual stream and of the deltas; without `gather` from row `i`.
/// The instance for `f32` may have `out` equal to `residual` when there is no `gather`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AddNormParams {
    /// Residual stream, `f32 [.., hidden]`; written where there is a delta.
    pub residual: u64,
    /// What attention or MLP adds, `T [.., hidden]`, or 0.
    pub delta: u64,
    /// Another such, of a parallel block, or 0.
    pub second_delta: u64,
    /// Weights of the norm on `delta`, `f32 [hidden]`, or 0 for no such norm.
    pub delta_weight: u64,
    /// Weights of the norm, `f32 [hidden]`, any offset included, or 0 to take rows as they are.
    pub weight: u64,
    /// Bias of the norm, `f32 [hidden]`, or 0.
    pub bias: u64,
    /// Rows to take, `u32 [rows]`, no row twice, or 0 for all in order.
    pub gather: u64,
    /// Normed rows, `T [rows, hidden]`, or 0 to add only.
    pub out: u64,
    /// Rows.
    pub rows: u32,
    /// Width of the residual stream, at most [`AddNormParams::MAX_HIDDEN`].
    pub hidden: u32,
    /// A [`NormKind`], of both norms.
    pub kind: u32,
    /// Factor on what is added.
    pub delta_scale: f32,
    /// Added under the root.
    pub epsilon: f32,
    /// Not 0 where the residual stream takes the normed rows in place of the sums; `out` is not 0
    /// there.
    pub norms_sum: u32,
}

/// Threads of a block of [`AddNormParams`], and how many elements each can hold.
const NORM_THREADS: u32 = 1024;

impl AddNormParams {
    /// Widest residual stream that the kernel takes.
    pub const MAX_HIDDEN: u32 = 16 * NORM_THREADS;

    /// A block a row.
    pub fn launch(&self) -> Launch {
        Launch::new([self.rows, 1, 1], NORM_THREADS, 0)
    }
}

/// Values of [`RopeKvParams::qk_norm`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// No norm.
    None = 0,
    /// Each head by itself; weights `[head_size]`.
    Head = 1,
    /// All heads together; weights `[heads * head_size]` and `[kv_heads * head_size]`.
    Row = 2,
    /// Each head by itself, its mean taken off; weights as for [`QkNorm::Row`].
    Each = 3,
}

/// Values of [`RopeKvParams::layout`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayout {
    /// Pairs `(0, n/2), (1, n/2 + 1), ..`: GPT-NeoX and all of Hugging Face.
    Halves = 0,
    /// Pairs `(0, 1), (2, 3), ..`: GPT-J and GGUF's llama.
    Interleaved = 1,
}

/// Norms q and k, turns them by their positions, and writes k and v to their pages.
///
/// A row that only fills up a bucket has no q written.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RopeKvParams {
    /// Projections, `T [rows, stride]`: q of all heads, then k, then v.
    pub qkv: u64,
    /// Queries, `T [rows, heads * head_size]`, written.
    pub q: u64,
    /// Keys of the layer, `T [pages, kv_heads, 32, head_size]`.
    pub k_cache: u64,
    /// Values of the layer, likewise.
    pub v_cache: u64,
    /// Cosines and sines, amplitude included, `f32 [positions, rope_dims / 2, 2]`, or 0 for a layer
    /// without positions.
    pub cos_sin: u64,
    /// Positions, `u32 [rows]`, below the table's.
    pub positions: u64,
    /// Where the row's k and v go, `u32 [rows]`: `page * 32 + position % 32`; `u32::MAX` for rows
    /// that only fill up a bucket.
    pub slots: u64,
    /// Weights of the norm of q, `f32`, or 0.
    pub q_norm: u64,
    /// Weights of the norm of k, `f32`, or 0.
    pub k_norm: u64,
    /// Tokens of the step.
    pub rows: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Width of a head, at most [`super::MAX_HEAD_SIZE`].
    pub head_size: u32,
    /// From one row of `qkv` to the next, elements.
    pub stride: u32,
    /// Leading elements of a head that turn; even.
    pub rope_dims: u32,
    /// A [`RopeLayout`].
    pub layout: u32,
    /// A [`QkNorm`].
    pub qk_norm: u32,
    /// Added under the root of the norms.
    pub epsilon: f32,
    /// 0.
    pub reserved: u32,
}

/// Heads that a block of [`RopeKvParams`] has, one a warp.
const ROPE_WARPS: u32 = 4;

impl RopeKvParams {
    /// A block for four heads of a row.
    pub fn launch(&self) -> Launch {
        let heads = self.heads + 2 * self.kv_heads;
        Launch::new([self.rows, heads.div_ceil(ROPE_WARPS), 1], ROPE_WARPS * WARP, 0)
    }
}

/// Values of [`ActivationParams::kind`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationKind {
    /// `x * sigmoid(x)`.
    Silu = 0,
    /// GELU by tanh.
    GeluTanh = 1,
    /// GELU by erf.
    GeluErf = 2,
    /// `max(x, 0)`.
    Relu = 3,
}

/// `out = activation(gate) * up`, or `out = activation(x)` where it is not gated.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ActivationParams {
    /// `T [rows, 2 * width]`, gate before up, or `T [rows, width]`; 16-byte aligned.
    pub input: u64,
    /// `T [rows, width]`, 16-byte aligned; may be `input` where it is not gated.
    pub out: u64,
    /// Tokens of the step.
    pub rows: u32,
    /// Width between the projections.
    pub width: u32,
    /// An [`ActivationKind`].
    pub kind: u32,
    /// Not 0 for gate and up.
    pub gated: u32,
}

impl ActivationParams {
    /// A thread for 8 elements.
    pub fn launch(&self) -> Launch {
        let blocks = parts(u64::from(self.width), 8 * THREADS);
        Launch::new([self.rows, blocks, 1], THREADS, 0)
    }
}

params! {
    EmbeddingParams: 64,
    AddNormParams: 88,
    RopeKvParams: 112,
    ActivationParams: 32,
}
