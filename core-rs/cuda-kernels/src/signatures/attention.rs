//! Attention over paged KV.
//!
//! A row's keys are cut at the multiples of [`SPLIT_TOKENS`], whatever the batch: each split has a
//! soft-max of its own, and the splits are joined in their order. One block walks all of a row's
//! splits, or each split has a block and [`AttentionCombineParams`] joins what they leave; both give
//! the same bytes, so that the choice is one of speed alone.

use super::{Launch, WARP, params};

/// Positions of a split.
pub const SPLIT_TOKENS: u32 = 128;

/// Head sizes that have a kernel on tensor cores.
pub const MMA_HEAD_SIZES: [u32; 6] = [32, 64, 80, 96, 128, 256];

/// Pairs of row and head in a full block of the kernel on tensor cores: four warps of 16.
pub const MMA_PAIRS: u32 = WARPS * WARP_PAIRS;

/// Pairs that a warp has, the rows of a product.
const WARP_PAIRS: u32 = 16;

/// Largest head whose values a warp sums alone; beyond it two warps share the work.
const WARP_HEAD_SIZE: u32 = 128;

/// Warps of a block.
const WARPS: u32 = 4;

/// Positions of keys and values that the kernel on tensor cores holds at a time: a page.
const MMA_TOKENS: u32 = super::PAGE_TOKENS;

/// A run of successive query rows of one sequence, `u32 [4]` on the device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttentionTile {
    /// First row of the batch.
    pub first_row: u32,
    /// Rows; 0 for a tile that only fills up a bucket.
    pub rows: u32,
    /// Position of the first row; the next ones follow.
    pub first_position: u32,
    /// First entry of the sequence's pages in the page table.
    pub pages: u32,
}

/// Attention of the rows of all tiles. A row sees the positions up to its own, the last `window` of
/// them where there is a window; they are in the cache.
///
/// A score is `scale * q·k`, then `soft_cap * tanh(score / soft_cap)`, then less
/// `slope * distance`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionParams {
    /// Queries, `T [rows, q_stride]`, a head after the other.
    pub q: u64,
    /// Keys of the layer, `T [pages, kv_heads, 32, head_size]`, 16-byte aligned.
    pub k_cache: u64,
    /// Values of the layer, likewise.
    pub v_cache: u64,
    /// Page ids, `u32`, of all sequences.
    pub page_table: u64,
    /// [`AttentionTile`]s, `[tiles]`.
    pub tile_list: u64,
    /// What each head takes off for a step of distance, `f32 [heads]`, or 0.
    pub slopes: u64,
    /// `T [rows, heads * head_size]`; written where `splits` is 0.
    pub out: u64,
    /// What the splits leave, `f32 [rows, heads, splits, head_size + 2]`; for `splits` above 0.
    pub partials: u64,
    /// Number of tiles.
    pub tiles: u32,
    /// Most rows that a tile of the list has.
    pub tile_rows: u32,
    /// Query heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv_heads: u32,
    /// Width of a head.
    pub head_size: u32,
    /// From one row of `q` to the next, elements.
    pub q_stride: u32,
    /// Positions that a row sees, itself included; 0 for all.
    pub window: u32,
    /// 0: a block walks all splits. Else a block has one of so many, at least [`splits`] of each
    /// tile.
    pub splits: u32,
    /// Factor on q·k.
    pub scale: f32,
    /// 0 for none.
    pub soft_cap: f32,
}

impl AttentionParams {
    /// Of [`super::Kernel::Attention`]: a block for a tile, a KV head and a split.
    pub fn launch(&self) -> Launch {
        Launch::new([self.tiles, self.kv_heads, self.splits.max(1)], WARPS * WARP, 0)
    }

    /// Of [`super::Kernel::AttentionMma`]: the same for every [`MMA_PAIRS`] pairs of row and head.
    /// Where a tile has fewer, as in decode, blocks are smaller and more of them share a processor.
    pub fn launch_mma(&self) -> Launch {
        let pairs = self.tile_rows * (self.heads / self.kv_heads.max(1));
        let warps = pairs.div_ceil(WARP_PAIRS).clamp(1, WARPS);
        let chunks = pairs.div_ceil(warps * WARP_PAIRS);
        let grid = [self.tiles, self.kv_heads * chunks, self.splits.max(1)];
        // Two stages of keys and values, rows padded by 16 bytes against bank conflicts.
        let shared = 4 * MMA_TOKENS * (self.head_size + 8) * 2;
        let sharers = if self.head_size > WARP_HEAD_SIZE { 2 } else { 1 };
        Launch::new(grid, warps * sharers * WARP, shared)
    }
}

/// Rows of a full tile that fill a block of the kernel on tensor cores.
pub fn mma_tile_rows(heads: u32, kv_heads: u32) -> u32 {
    (MMA_PAIRS / (heads / kv_heads.max(1)).max(1)).max(1)
}

/// Splits that a tile sees, from that of the first position that its first row sees to that of its
/// last row.
pub fn splits(tile: &AttentionTile, window: u32) -> u32 {
    if tile.rows == 0 {
        return 0;
    }
    let first = if window == 0 { 0 } else { (tile.first_position + 1).saturating_sub(window) };
    let last = tile.first_position + tile.rows - 1;
    last / SPLIT_TOKENS - first / SPLIT_TOKENS + 1
}

/// Joins the splits of each row, in their order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct AttentionCombineParams {
    /// [`AttentionParams::partials`].
    pub partials: u64,
    /// [`AttentionParams::tile_list`].
    pub tile_list: u64,
    /// `T [rows, heads * head_size]`.
    pub out: u64,
    /// Number of tiles.
    pub tiles: u32,
    /// Most rows that a tile of the list has.
    pub tile_rows: u32,
    /// Query heads.
    pub heads: u32,
    /// Width of a head.
    pub head_size: u32,
    /// [`AttentionParams::window`].
    pub window: u32,
    /// [`AttentionParams::splits`].
    pub splits: u32,
}

impl AttentionCombineParams {
    /// A block for a row and a head.
    pub fn launch(&self) -> Launch {
        Launch::new([self.tiles, self.heads, self.tile_rows], WARPS * WARP, 0)
    }
}

params! {
    AttentionTile: 16,
    AttentionParams: 104,
    AttentionCombineParams: 48,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_sees_the_splits_of_its_window() {
        let tile = |first_position, rows| AttentionTile { rows, first_position, ..<_>::default() };
        assert_eq!(splits(&tile(0, 0), 0), 0);
        assert_eq!(splits(&tile(127, 1), 0), 1);
        assert_eq!(splits(&tile(127, 2), 0), 2);
        assert_eq!(splits(&tile(1000, 1), 0), 8);
        assert_eq!(splits(&tile(1000, 1), 105), 1);
        assert_eq!(splits(&tile(1000, 1), 106), 2);
    }

    #[test]
    fn a_decode_on_tensor_cores_has_blocks_of_one_warp() {
        let of = |heads, tile_rows| {
            let (tiles, kv_heads, head_size) = (3, 8, 128);
            let params =
                AttentionParams { tiles, tile_rows, heads, kv_heads, head_size, ..<_>::default() };
            let launch = params.launch_mma();
            (launch.grid, launch.block[0])
        };
        assert_eq!(of(32, 1), ([3, 8, 1], 32));
        assert_eq!(of(32, mma_tile_rows(32, 8)), ([3, 8, 1], 128));
        assert_eq!(of(8 * 65, 1), ([3, 16, 1], 128));
    }
}
