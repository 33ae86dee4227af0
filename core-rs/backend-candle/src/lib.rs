//! The reference backend: a decoder in plain candle operations, clear before fast.
//!
//! It obeys a [`tgi_model::ModelSpec`] and nothing else, runs on any candle device, and computes in
//! f32 on the CPU, in f32, bf16 or f16 on a GPU. Faster backends are tested against it. Weights are
//! dequantized at load, so it needs 4 or 2 bytes for each of them. It allocates in every step, and it is not batch-invariant to the
//! byte: candle's matrix product picks its order of additions by the number of rows.
//!
//! | module | job |
//! |---|---|
//! | `backend` | [`CandleBackend`]: the [`tgi_backend::Backend`] |
//! | `decoder`, `block` | the model, and one layer of it |
//! | `attention`, `feed_forward`, `mlp`, `experts`, `norm`, `linear`, `rotary` | the parts of a layer |
//! | `lora` | low-rank updates of projections |
//! | `kv` | K and V in pages |
//! | `step` | a batch, turned into tensors once for all layers |
//! | `loader` | weights by role |
//! | `support` | what a specification may ask for |
//! | [`gpu`] | the GPUs, behind the feature `candle-cuda` |
//! | `sizes` | bytes needed, known before anything is loaded |

mod attention;
mod backend;
mod block;
mod decoder;
mod error;
mod experts;
mod feed_forward;
pub mod gpu;
mod kv;
mod linear;
mod loader;
mod lora;
mod mlp;
mod norm;
mod options;
#[cfg(test)]
#[path = "../tests/common/random_model.rs"]
mod random_model;
mod rotary;
mod sizes;
mod step;
mod support;

pub use backend::CandleBackend;
pub use candle_core::{DType, Device};
pub use error::CandleError;
pub use options::CandleOptions;
pub use sizes::{adapter_bytes, arena_bytes, kv_bytes_per_token, weight_bytes};
