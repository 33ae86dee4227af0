//! What each kernel takes and how it is launched.
//!
//! A kernel has one argument: a struct of this module, by value, of the same layout as its twin in
//! `kernels/params.h`. Device pointers are `u64`, 0 where there is nothing. Shapes are row-major.
//! `T` is the [`Element`] of the instance: activations, KV and plain weights are `T`; the residual
//! stream, logits, norm weights, biases and tables are `f32`.
//!
//! Every dimension of a kernel's data is in its argument, and blocks beyond it do nothing.

mod attention;
mod experts;
mod kernel;
mod logits;
mod low_rank;
mod matmul;
mod memory;
mod rows;
mod sample;

pub use attention::{
    AttentionCombineParams, AttentionParams, AttentionTile, MMA_HEAD_SIZES, MMA_PAIRS,
    SPLIT_TOKENS, mma_tile_rows, splits,
};
pub use experts::{
    CombineExpertsParams, EXPERT_GEMM_ROWS, ExpertMatmulParams, GroupPlacesParams, MAX_EXPERTS,
    MAX_USED_EXPERTS, NO_EXPERT, NO_PLACE, RouteParams, expert_tiles,
};
pub use kernel::{Blocks, Element, Kernel, Weights};
pub use logits::{
    DevicePeak, HandOverParams, PEAK_CHUNK, PeakParams, ScaleLogitsParams, peak_chunks,
};
pub use low_rank::{LowRankParams, LowRankUpdate, MAX_RANK, NO_ADAPTER};
pub use matmul::{DequantizeParams, GEMM_K_MULTIPLE, GEMV_ROWS, MatmulParams};
pub use memory::{CopyPageParams, FillParams};
pub use rows::{
    ActivationKind, ActivationParams, AddNormParams, EmbeddingParams, NormKind, QkNorm,
    RopeKvParams, RopeLayout,
};
pub use sample::{DeviceSample, DeviceTop, SampleParams, SampleSettings, SeenToken, TopParams};

/// Tokens in one KV page.
pub const PAGE_TOKENS: u32 = 32;

/// Largest head that attention takes, elements.
pub const MAX_HEAD_SIZE: u32 = 512;

/// Threads of most blocks.
const THREADS: u32 = 256;

/// Threads of a warp.
const WARP: u32 = 32;

/// Geometry of a launch, as the driver takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks in x, y, z. Where one is 0 there is nothing to launch.
    pub grid: [u32; 3],
    /// Threads of a block in x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory of a block, bytes. Above 48 KiB the function's
    /// `MAX_DYNAMIC_SHARED_SIZE_BYTES` attribute must be raised to it.
    pub shared_bytes: u32,
}

impl Launch {
    const fn new(grid: [u32; 3], threads: u32, shared_bytes: u32) -> Self {
        Self { grid, block: [threads, 1, 1], shared_bytes }
    }

    /// Whether there is nothing to launch.
    pub fn is_empty(&self) -> bool {
        self.grid.contains(&0)
    }
}

/// Marks the arguments of kernels.
///
/// # Safety
/// The type is `#[repr(C)]`, plain numbers without padding, and its twin in `kernels/params.h` has
/// the same layout.
pub unsafe trait Params: Copy {}

/// Implements [`Params`] and pins the size to what `kernels/params.h` asserts.
macro_rules! params {
    ($($name:ident: $bytes:literal),* $(,)?) => {$(
        const _: () = assert!(size_of::<$name>() == $bytes);
        // SAFETY: `#[repr(C)]` numbers; the sizes agree, so that there is no padding.
        unsafe impl $crate::signatures::Params for $name {}
    )*};
}
use params;

/// `count` split in parts of `part`, the last one not whole; at most what a grid takes in x.
fn parts(count: u64, part: u32) -> u32 {
    count.div_ceil(u64::from(part)).min(i32::MAX as u64) as u32
}
