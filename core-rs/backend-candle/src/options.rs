//! What the caller decides.

use candle_core::{DType, Device};

/// Sizes and place of a [`crate::CandleBackend`].
#[derive(Clone, Debug)]
pub struct CandleOptions {
    /// KV pages, each of [`tgi_backend::PAGE_TOKENS`] tokens.
    pub pages: usize,
    /// Most tokens in one step, over all sequences.
    pub batch_tokens: usize,
    /// Most wanted logit rows in one step.
    pub logit_rows: usize,
    /// Where weights, pages and activations live.
    pub device: Device,
    /// Type of weights, pages and activations; f32 on the CPU. Norms, rope, soft-max and logits
    /// are computed in f32 whatever it is.
    pub dtype: DType,
}

impl CandleOptions {
    /// f32 on the CPU.
    pub fn cpu(pages: usize, batch_tokens: usize, logit_rows: usize) -> Self {
        Self { pages, batch_tokens, logit_rows, device: Device::Cpu, dtype: DType::F32 }
    }
}
