//! What the caller chooses, and what it costs.

use tgi_model::{Model, ModelSpec};

use crate::arena::Arena;
use crate::weights::loaded_bytes;

/// Number format of the KV cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvFormat {
    /// IEEE half precision.
    #[default]
    F16,
    /// Single precision: for comparisons, at twice the size.
    F32,
    /// Bytes with a scale for each token, head and 32 elements: little more than half the size.
    Int8,
}

impl KvFormat {
    /// Whether it is [`KvFormat::Int8`].
    pub fn is_int8(self) -> bool {
        self == Self::Int8
    }
}

/// Choices fixed at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuOptions {
    /// KV pages.
    pub pages: usize,
    /// Most tokens in one step.
    pub batch_tokens: usize,
    /// Most wanted logit rows in one step.
    pub logit_rows: usize,
    /// Threads that compute; `None` takes one for each core.
    pub threads: Option<usize>,
    /// Number format of the KV cache.
    pub kv: KvFormat,
}

impl CpuOptions {
    /// Threads that compute.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.threads.unwrap_or_else(cores).clamp(1, 256)
    }
}

/// Bytes of K and V of one token, over all layers.
pub fn kv_bytes_per_token(spec: &ModelSpec, format: KvFormat) -> u64 {
    Arena::kv_bytes_per_token(spec, format)
}

/// Bytes of the re-tiled weights, exactly: K-quants grow by up to a tenth (`Q2_K` by half), and
/// rows are padded to whole panels.
pub fn weight_bytes(model: &Model) -> u64 {
    loaded_bytes(model)
}

/// Bytes of everything else that is taken at load: activations, logits, working memory.
pub fn arena_bytes(spec: &ModelSpec, options: &CpuOptions) -> u64 {
    Arena::bytes(spec, options)
}
