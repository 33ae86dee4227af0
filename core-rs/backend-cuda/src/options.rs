//! What the caller decides.

use tgi_backend::PAGE_TOKENS;
use tgi_cuda_kernels::signatures::Element;
use tgi_model::{Adapter, ModelSpec};

/// Sizes and ways of a [`crate::CudaBackend`], fixed at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CudaOptions {
    /// KV pages, each of [`tgi_backend::PAGE_TOKENS`] tokens.
    pub pages: usize,
    /// Most tokens in one step, over all sequences.
    pub batch_tokens: usize,
    /// Most wanted logit rows in one step.
    pub logit_rows: usize,
    /// Longest sequence, tokens.
    pub longest: usize,
    /// Type of activations, KV and plain weights. Sums, the residual stream, norms, soft-max and
    /// logits are f32 whatever it is.
    pub element: Element,
    /// Whether equal rows must give equal bytes whatever shares their step: then every product takes
    /// one kernel for any number of rows.
    pub is_batch_invariant: bool,
    /// Whether decode steps are captured as graphs at load.
    pub has_graphs: bool,
    /// Largest rank of the adapters beside the model; 0 without any.
    pub adapter_rank: usize,
}

impl CudaOptions {
    /// Positions that a sequence can have: those that the model knows, as far as it may have them
    /// and pages hold them.
    pub(crate) fn positions(&self, spec: &ModelSpec) -> usize {
        spec.context.min(self.longest).min(self.pages * PAGE_TOKENS)
    }

    /// The same with room for these adapters.
    #[must_use]
    pub fn with_adapters(self, adapters: &[Adapter]) -> Self {
        let adapter_rank = adapters.iter().map(Adapter::rank).max().unwrap_or(0);
        Self { adapter_rank, ..self }
    }

    /// Sequences as long as the pages, bf16, cuBLASLt where there is one, graphs.
    pub fn new(pages: usize, batch_tokens: usize, logit_rows: usize) -> Self {
        Self {
            pages,
            batch_tokens,
            logit_rows,
            longest: pages * PAGE_TOKENS,
            element: Element::Bf16,
            is_batch_invariant: false,
            has_graphs: true,
            adapter_rank: 0,
        }
    }
}
