//! Weights re-tiled for the integer kernels: tiles of 16 output rows x 32 columns.
//!
//! Lane `r` of every vector of a tile belongs to output row `r`, so that one dot-product
//! instruction advances sixteen outputs and nothing is ever summed across lanes. The bit width is
//! the file's; a scale covers 16 or 32 columns of a row and is kept in half precision. K-quants'
//! two-level scales are multiplied out at load (error at most 2^-11 of the scale).

pub mod blocks;
pub mod pack;
mod quants;
mod scales;

pub use quants::{Eight, Five, Four, Quants, Six, Three, Two};
pub use scales::{Affine, Biased, Scales, Symmetric};

use crate::activation::BLOCK;
use crate::simd::LANES;

/// Sixteen rows x 32 columns.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Tile<Q, C> {
    /// Quantized weights.
    pub quants: Q,
    /// Their scales.
    pub scales: C,
}

/// Unpacked content of one row of a tile, as decoded from a file's block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowBlock {
    /// Unsigned quantized weights.
    pub q: [u8; BLOCK],
    /// Scale of each half.
    pub scale: [f32; 2],
    /// What is added, of each half.
    pub offset: [f32; 2],
}

/// A tile of any type.
pub trait AnyTile: Copy + Send + Sync + 'static {
    /// Its quantized weights.
    type Quants: Quants;
    /// Its scales.
    type Scales: Scales;
    /// Both parts.
    fn parts(&self) -> (&Self::Quants, &Self::Scales);
    /// Packs sixteen rows.
    fn pack(rows: &[RowBlock; LANES]) -> Self;
}

impl<Q: Quants, C: Scales> AnyTile for Tile<Q, C> {
    type Quants = Q;
    type Scales = C;

    fn parts(&self) -> (&Q, &C) {
        (&self.quants, &self.scales)
    }

    fn pack(rows: &[RowBlock; LANES]) -> Self {
        Self { quants: Q::pack(rows), scales: C::pack(rows) }
    }
}

/// `Q4_0`: `d * (q - 8)`.
pub type Q4_0 = Tile<Four, Symmetric<1, 3>>;
/// `Q4_1` and `Q4_K`: `d * q + m`.
pub type Q4_1 = Tile<Four, Affine<1>>;
/// `Q5_0`: `d * (q - 16)`.
pub type Q5_0 = Tile<Five, Symmetric<1, 4>>;
/// `Q5_1` and `Q5_K`: `d * q + m`.
pub type Q5_1 = Tile<Five, Affine<1>>;
/// `Q8_0`: `d * (q - 128)`.
pub type Q8_0 = Tile<Eight, Biased>;
/// `Q2_K`: `d * q + m`, for each 16 columns.
pub type Q2K = Tile<Two, Affine<2>>;
/// `Q3_K`: `d * (q - 4)`, for each 16 columns.
pub type Q3K = Tile<Three, Symmetric<2, 2>>;
/// `Q6_K`: `d * (q - 32)`, for each 16 columns.
pub type Q6K = Tile<Six, Symmetric<2, 5>>;
