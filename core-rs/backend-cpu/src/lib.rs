//! The fast CPU backend: own kernels, thread pool and arena.
//!
//! | module | job |
//! |---|---|
//! | [`isa`], [`simd`] | arithmetic on sixteen lanes, the same bytes on every instruction set |
//! | [`tile`], [`matrix`], [`product`], [`brain`], [`dense`] | re-tiled weights and the matrix product |
//! | [`activation`] | what the integer kernels multiply weights with |
//! | [`weights`], `lora` | a model's tensors, and adapters beside them, loaded |
//! | `attention`, `math`, `norm` | the rest of the arithmetic |
//! | `pool`, `shared`, `arena`, [`slab`], `mapping` | threads and memory |
//! | `decoder` | one step, as the specification describes it |
//! | `backend` | all of it behind the engine's trait |

#![allow(
    clippy::inline_always,
    reason = "only inlined code is compiled with the instructions of its caller"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over registers of constant number read best by index"
)]

pub mod activation;
mod arena;
mod attention;
mod backend;
pub mod brain;
mod decoder;
pub mod dense;
mod error;
pub mod isa;
mod lora;
mod mapping;
mod math;
pub mod matrix;
mod norm;
mod options;
mod pool;
pub mod product;
mod shared;
pub mod simd;
pub mod slab;
pub mod tile;
pub mod weights;

pub use backend::CpuBackend;
pub use error::CpuError;
pub use lora::{adapter_arena_bytes, adapter_bytes};
pub use options::{CpuOptions, KvFormat, arena_bytes, kv_bytes_per_token, weight_bytes};
