//! A mixture of experts (Shazeer et al. 2017, <https://arxiv.org/abs/1701.06538>).
//!
//! Row `r` uses the experts of the places `r * used..(r + 1) * used`. Places are put in tiles of one
//! expert each, in lists whose sizes depend on the number of rows alone: what the rows use is known to
//! the device, and never to the host.

use super::matmul::{GEMM_TILE, GEMV_WARPS};
use super::{Launch, MatmulParams, THREADS, WARP, params, parts};

/// Most experts of a layer.
pub const MAX_EXPERTS: u32 = 512;

/// Most experts that a row uses: a lane of a warp has one.
pub const MAX_USED_EXPERTS: u32 = WARP;

/// The expert of a row that only fills up a bucket, and of a tile that no expert has.
pub const NO_EXPERT: u32 = u32::MAX;

/// Fills up the last tile of an expert.
pub const NO_PLACE: u32 = u32::MAX;

/// Places of a tile of [`super::Kernel::ExpertGemm`].
pub const EXPERT_GEMM_ROWS: u32 = GEMM_TILE[0];

/// Most tiles of `tile_rows` that `places` over `experts` can make.
pub fn expert_tiles(places: usize, experts: usize, tile_rows: usize) -> usize {
    (places + (tile_rows - 1) * experts.min(places)) / tile_rows
}

/// Picks the experts of each row with the largest scores, the first among equals, largest first, and
/// gives each its share of the soft-max: of all experts, or of those that were picked.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteParams {
    /// Of the router, `f32 [rows, experts]`.
    pub scores: u64,
    /// As [`super::RopeKvParams::slots`]: rows that only fill up a bucket use [`NO_EXPERT`].
    pub slots: u64,
    /// `u32 [rows, used]`, written.
    pub picks: u64,
    /// `f32 [rows, used]`, written where there is an expert.
    pub weights: u64,
    /// Tokens of the step.
    pub rows: u32,
    /// Experts of a layer, at most [`MAX_EXPERTS`].
    pub experts: u32,
    /// Experts that a row uses, at most [`MAX_USED_EXPERTS`] and `experts`.
    pub used: u32,
    /// Not 0 for shares of the picked ones.
    pub normalized: u32,
}

/// Rows that a block of [`RouteParams`] has, one a warp.
const ROUTE_WARPS: u32 = 4;

impl RouteParams {
    /// A block for four rows.
    pub fn launch(&self) -> Launch {
        Launch::new([self.rows.div_ceil(ROUTE_WARPS), 1, 1], ROUTE_WARPS * WARP, 0)
    }
}

/// Lists the places of each expert in tiles, in the order of the experts and of the places.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupPlacesParams {
    /// [`RouteParams::picks`].
    pub picks: u64,
    /// Places by tile, `u32 [tiles, tile_rows]`, written where a tile has an expert; its end is filled
    /// up with [`NO_PLACE`].
    pub places: u64,
    /// Expert of each tile, `u32 [tiles]`, written; [`NO_EXPERT`] for those left over.
    pub tile_experts: u64,
    /// Places.
    pub count: u32,
    /// Experts of a layer, at most [`MAX_EXPERTS`].
    pub experts: u32,
    /// At least [`expert_tiles`].
    pub tiles: u32,
    /// Places of a tile.
    pub tile_rows: u32,
}

/// Most threads of a block of [`GroupPlacesParams`].
const GROUP_THREADS: u32 = 1024;

impl GroupPlacesParams {
    /// A block an expert, and one for the tiles left over.
    pub fn launch(&self) -> Launch {
        let threads = self.count.next_multiple_of(WARP).clamp(WARP, GROUP_THREADS);
        Launch::new([self.experts + 1, 1, 1], threads, 0)
    }
}

/// A product of each place's row with the weights of its expert.
///
/// As in [`MatmulParams`], an element is summed in an order that depends on `k` alone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ExpertMatmulParams {
    /// The product; `weight` is that of `first_expert`, and `m` is not read. Place `i` reads row
    /// `i / share` of `x` and writes row `i` of `out`.
    pub product: MatmulParams,
    /// [`GroupPlacesParams::places`].
    pub places: u64,
    /// [`GroupPlacesParams::tile_experts`].
    pub tile_experts: u64,
    /// From one expert's weights to the next one's, bytes; a multiple of 16 for plain weights.
    pub expert_bytes: u64,
    /// [`GroupPlacesParams::tiles`].
    pub tiles: u32,
    /// Successive places that read one row of `x`.
    pub share: u32,
    /// Tiles of experts before it have nothing to do,
    pub first_expert: u32,
    /// and neither have those of experts so many behind it.
    pub experts: u32,
}

impl ExpertMatmulParams {
    /// Of [`super::Kernel::ExpertGemv`].
    pub fn launch_gemv(&self) -> Launch {
        Launch::new([self.tiles, self.product.n.div_ceil(GEMV_WARPS), 1], GEMV_WARPS * WARP, 0)
    }

    /// Of [`super::Kernel::ExpertGemm`].
    pub fn launch_gemm(&self) -> Launch {
        Launch::new([self.tiles, self.product.n.div_ceil(GEMM_TILE[1]), 1], THREADS, 0)
    }
}

/// `out = sum of weight * product` over the places of each row, in their order; zeros for a row without
/// experts.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CombineExpertsParams {
    /// `T [rows * used, hidden]`, 16-byte aligned.
    pub products: u64,
    /// [`RouteParams::picks`].
    pub picks: u64,
    /// [`RouteParams::weights`].
    pub weights: u64,
    /// `T [rows, hidden]`, 16-byte aligned.
    pub out: u64,
    /// Tokens of the step.
    pub rows: u32,
    /// Experts that a row uses.
    pub used: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// 0.
    pub reserved: u32,
}

impl CombineExpertsParams {
    /// A thread for 8 elements.
    pub fn launch(&self) -> Launch {
        let blocks = parts(u64::from(self.hidden), 8 * THREADS);
        Launch::new([self.rows, blocks, 1], THREADS, 0)
    }
}

params! {
    RouteParams: 48,
    GroupPlacesParams: 40,
    ExpertMatmulParams: 96,
    CombineExpertsParams: 48,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_tiles_for_any_distribution_of_places() {
        for (places, experts, tile_rows) in [(1, 8, 8), (16, 8, 8), (17, 3, 8), (200, 7, 64)] {
            let tiles = expert_tiles(places, experts, tile_rows);
            // As many experts as can be have one place, and one has all others.
            let alone = (experts - 1).min(places - 1);
            assert!(tiles >= alone + (places - alone).div_ceil(tile_rows));
            assert!(tiles <= places);
        }
        assert_eq!(expert_tiles(0, 8, 64), 0);
    }
}
