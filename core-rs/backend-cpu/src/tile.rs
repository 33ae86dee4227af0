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

pub use quants::{Eight, Five, Four, Indexed, Quants, Six, Three, Two};
pub use scales::{Affine, Biased, Scales, Symmetric};

use crate::activation::BLOCK;
use crate::simd::LANES;

/// Two tiles with the same columns; the second continues the rows of the first.
///
/// Quantized weights come first, so that every vector of them is one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Pair<Q, C> {
    /// Quantized weights.
    pub quants: [Q; 2],
    /// Their scales.
    pub scales: [C; 2],
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

/// A pair of tiles of any type.
pub trait AnyPair: Copy + Send + Sync + 'static {
    /// Quantized weights of a tile.
    type Quants: Quants;
    /// Scales of a tile.
    type Scales: Scales;
    /// Both parts of both tiles.
    fn parts(&self) -> [(&Self::Quants, &Self::Scales); 2];
    /// Packs sixteen rows and the next sixteen.
    fn pack(rows: &[[RowBlock; LANES]; 2]) -> Self;
}

impl<Q: Quants, C: Scales> AnyPair for Pair<Q, C> {
    type Quants = Q;
    type Scales = C;

    #[inline(always)]
    fn parts(&self) -> [(&Q, &C); 2] {
        [(&self.quants[0], &self.scales[0]), (&self.quants[1], &self.scales[1])]
    }

    fn pack(rows: &[[RowBlock; LANES]; 2]) -> Self {
        Self { quants: rows.each_ref().map(Q::pack), scales: rows.each_ref().map(C::pack) }
    }
}

/// `Q4_0`: `d * (q - 8)`.
pub type Q4_0 = Pair<Four, Symmetric<1, 3>>;
/// `Q4_1` and `Q4_K`: `d * q + m`.
pub type Q4_1 = Pair<Four, Affine<1>>;
/// `Q5_0`: `d * (q - 16)`.
pub type Q5_0 = Pair<Five, Symmetric<1, 4>>;
/// `Q5_1` and `Q5_K`: `d * q + m`.
pub type Q5_1 = Pair<Five, Affine<1>>;
/// `Q8_0`: `d * (q - 128)`.
pub type Q8_0 = Pair<Eight, Biased>;
/// `IQ4_NL`: `d * value[q]`, the values kept with 128 added.
pub type Iq4Nl = Pair<Indexed, Biased>;
/// `Q2_K`: `d * q + m`, for each 16 columns.
pub type Q2K = Pair<Two, Affine<2>>;
/// `Q3_K`: `d * (q - 4)`, for each 16 columns.
pub type Q3K = Pair<Three, Symmetric<2, 2>>;
/// `Q6_K`: `d * (q - 32)`, for each 16 columns.
pub type Q6K = Pair<Six, Symmetric<2, 5>>;
