//! Products with weight matrices.

use super::{Launch, THREADS, WARP, params, parts};

/// Rows that a block of the GEMV kernels has; more rows take more blocks.
pub const GEMV_ROWS: u32 = 8;

/// What `k` of [`super::Kernel::Gemm`] must be a multiple of, for rows that start at 16 bytes.
pub const GEMM_K_MULTIPLE: u32 = 8;

/// Columns of `out` that a block of the GEMV kernels has, one a warp.
pub(super) const GEMV_WARPS: u32 = 8;

/// Rows and columns of `out` that a block of the GEMM kernel has.
pub(super) const GEMM_TILE: [u32; 2] = [64, 128];

/// `out = x · weightᵀ + bias`.
///
/// An element of `out` is summed in an order that depends on `k` alone: in each of the kernels a row
/// gives the same bytes alone and among others. GEMV and GEMM differ in their last bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MatmulParams {
    /// `[n, k]`, of the instance's weights, 16-byte aligned; `k` in whole blocks.
    pub weight: u64,
    /// `T [m, x_stride]`, 16-byte aligned.
    pub x: u64,
    /// `f32 [n]`, or 0.
    pub bias: u64,
    /// `T [m, out_stride]`, or `f32` where `out_f32` is set.
    pub out: u64,
    /// Rows of `x`.
    pub m: u32,
    /// Rows of `weight`.
    pub n: u32,
    /// Width of both.
    pub k: u32,
    /// From one row of `x` to the next, elements; for GEMM a multiple of [`GEMM_K_MULTIPLE`].
    pub x_stride: u32,
    /// From one row of `out` to the next, elements.
    pub out_stride: u32,
    /// Not 0 when `out` is `f32`, as logits are.
    pub out_f32: u32,
}

impl MatmulParams {
    /// Of [`super::Kernel::Gemv`] and [`super::Kernel::GemvBlocks`].
    pub fn launch_gemv(&self) -> Launch {
        let grid = [self.n.div_ceil(GEMV_WARPS), self.m.div_ceil(GEMV_ROWS), 1];
        Launch::new(grid, GEMV_WARPS * WARP, 0)
    }

    /// Of [`super::Kernel::Gemm`].
    pub fn launch_gemm(&self) -> Launch {
        let grid = [self.n.div_ceil(GEMM_TILE[1]), self.m.div_ceil(GEMM_TILE[0]), 1];
        Launch::new(grid, THREADS, 0)
    }
}

/// Unpacks blocks.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct DequantizeParams {
    /// Blocks of the instance's type.
    pub blocks: u64,
    /// `T [count]`.
    pub out: u64,
    /// Weights, whole blocks.
    pub count: u64,
}

impl DequantizeParams {
    /// A thread for 8 weights.
    pub fn launch(&self) -> Launch {
        Launch::new([parts(self.count / 8, THREADS), 1, 1], THREADS, 0)
    }
}

params! {
    MatmulParams: 56,
    DequantizeParams: 24,
}
