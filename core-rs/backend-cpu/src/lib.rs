//! The fast CPU backend: own kernels, thread pool and arena.
//!
//! - [`isa`] and [`simd`]: arithmetic on sixteen lanes, the same bytes on every instruction set.
//! - [`tile`], [`matrix`], [`product`], [`dense`]: weights as the kernels want them, and the
//!   matrix product.
//! - [`activation`]: what the integer kernels multiply them with.

pub mod activation;
pub mod dense;
mod error;
pub mod isa;
pub mod matrix;
pub mod product;
pub mod simd;
pub mod tile;

pub use error::CpuError;
