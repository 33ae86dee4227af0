//! Why the core cannot be opened, and the error numbers of the ABI.

use tgi_backend_candle::CandleError;
use tgi_backend_cpu::CpuError;
#[cfg(feature = "cuda")]
use tgi_backend_cuda::CudaError;
use tgi_engine::EngineError;
use tgi_model::ModelError;

use crate::device::{DEVICES, GPU_BACKENDS};

/// Error numbers that the exports return negated; the names are those of `errno.h`.
pub mod errno {
    /// The engine takes no more requests now.
    pub const EAGAIN: i32 = 11;
    /// What shall compute is not there: a driver, a GPU, kernels for it.
    pub const ENODEV: i32 = 19;
    /// Another poll is under way.
    pub const EBUSY: i32 = 16;
    /// The argument cannot be read.
    pub const EINVAL: i32 = 22;
    /// The core is not open.
    pub const EPIPE: i32 = 32;
}

/// Why [`crate::open`] failed; every message is one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is no JSON, or not of the right shape.
    #[error("Cannot read the engine configuration: {0}")]
    Config(#[from] serde_json::Error),
    /// Limits contradict each other, in TGI's words.
    #[error("{0}")]
    Argument(String),
    /// No such backend in this library.
    #[error(
        "Cannot open backend {0:?}: this library has {backends}; set --backend",
        backends = BACKENDS
    )]
    Backend(String),
    /// No such number format.
    #[error(
        "Cannot hold weights in dtype {0:?}: this library knows `float32`, `float16` and \
         `bfloat16`; set --dtype"
    )]
    Dtype(String),
    /// No such quantizer.
    #[error(
        "Cannot quantize to {0:?}: this library knows {known}; set --quantize",
        known = tgi_model::WeightFormat::quantized_names()
    )]
    Quantize(String),
    /// The backend has no such number format for K and V.
    #[error(
        "Cannot keep the KV cache in `{format}` with backend {backend:?}: only `cpu` has it; set \
         --kv-cache-dtype to auto or --backend to cpu"
    )]
    KvCacheDtype {
        /// As given.
        format: &'static str,
        /// As given.
        backend: String,
    },
    /// No such device in this library.
    #[error("Cannot compute on {0:?}: this library computes on {devices}; set --device", devices = devices())]
    Device(String),
    /// The backend computes on the processor alone.
    #[error(
        "Cannot compute on a GPU with backend {0:?}: {GPU_BACKENDS}; set --backend or --device"
    )]
    NotOnGpu(String),
    /// The backend computes on GPUs alone.
    #[error("Cannot compute on the processor with backend {0:?}; set --device to cuda")]
    OnlyOnGpu(String),
    /// An adapter cannot be served beside the model.
    #[error("Cannot load the adapter `{id}`: {error} (--lora-adapters)")]
    Adapter {
        /// Its name.
        id: String,
        /// Why not.
        error: ModelError,
    },
    /// A backend with weights was asked for without a file.
    #[error("Cannot open backend {0:?} without a model file; set --model-id")]
    NoModel(String),
    /// A sequence may not be longer than the model's positions.
    #[error(
        "Cannot serve sequences of {given} tokens: the model knows {context} positions; set \
         --max-total-tokens to {context} or less"
    )]
    Context {
        /// `max_total_tokens` as given.
        given: usize,
        /// Positions of the model.
        context: usize,
    },
    /// The plan does not fit into what is free.
    #[error(
        "Cannot plan the memory: weights {weights} + KV cache {kv} ({tokens} tokens) + arena \
         {arena} need {needed}, {available} are available; {fix}"
    )]
    Memory {
        /// Weights.
        weights: Mebibytes,
        /// KV pages.
        kv: Mebibytes,
        /// Tokens that the KV pages hold.
        tokens: usize,
        /// Activations and logits.
        arena: Mebibytes,
        /// Sum of the three.
        needed: Mebibytes,
        /// What this process may still take.
        available: Mebibytes,
        /// The flag to change.
        fix: String,
    },
    /// The model file.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The candle backend.
    #[error(transparent)]
    Candle(#[from] CandleError),
    /// The GPU backend.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// The CPU backend.
    #[error(transparent)]
    Cpu(#[from] CpuError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// One engine a process.
    #[error("Cannot open a second core in this process; close the first one before")]
    AlreadyOpen,
}

impl OpenError {
    /// The error's number of [`errno`], where it has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            #[cfg(feature = "cuda")]
            Self::Cuda(error) if error.is_about_the_device() => Some(errno::ENODEV),
            _ => None,
        }
    }
}

/// The backends of this library, for people.
const BACKENDS: &str = if cfg!(feature = "cuda") {
    "`cpu`, `cuda`, `candle` and `scripted`"
} else {
    "`cpu`, `candle` and `scripted`"
};

/// [`DEVICES`] for people.
fn devices() -> String {
    DEVICES.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// A number of bytes that prints as MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mebibytes(pub u64);

impl std::fmt::Display for Mebibytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.1} MiB", self.0 as f64 / f64::from(1 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_print_as_mebibytes() {
        assert_eq!(Mebibytes(1_572_864).to_string(), "1.5 MiB");
    }
}
