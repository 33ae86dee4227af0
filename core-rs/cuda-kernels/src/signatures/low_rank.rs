//! Low-rank updates of projections (Hu et al. 2021, <https://arxiv.org/abs/2106.09685>).
//!
//! A row's terms are summed in one order whatever rows stand beside it.

use super::matmul::GEMV_WARPS;
use super::{GEMV_ROWS, Launch, THREADS, WARP, params};

/// Largest rank of an update.
pub const MAX_RANK: u32 = 1024;

/// The adapter of a row that has none.
pub const NO_ADAPTER: u32 = u32::MAX;

/// One adapter's update of one projection: `out += up (down x)`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LowRankUpdate {
    /// `T [rank, inputs]`, 16-byte aligned.
    pub down: u64,
    /// `T [outputs, rank]`.
    pub up: u64,
    /// At most [`MAX_RANK`]; 0 where the adapter leaves the projection alone.
    pub rank: u32,
    /// Columns of `out` before those of the projection.
    pub first: u32,
    /// Columns of the projection.
    pub outputs: u32,
    /// 0.
    pub reserved: u32,
}

/// The updates of projections that share an input, for each row those of its adapter.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LowRankParams {
    /// `T [rows, inputs]`, 16-byte aligned.
    pub x: u64,
    /// `T [rows, out_stride]`; changed.
    pub out: u64,
    /// Adapter of each row, `u32 [rows]`; [`NO_ADAPTER`] for none.
    pub adapters: u64,
    /// [`LowRankUpdate`]s, `[count, slots]`.
    pub updates: u64,
    /// Between the two kernels, `f32 [rows, slots, rank]`.
    pub low: u64,
    /// Tokens of the step.
    pub rows: u32,
    /// Adapters.
    pub count: u32,
    /// Projections that share the input.
    pub slots: u32,
    /// The largest of the ranks.
    pub rank: u32,
    /// Width of `x`.
    pub inputs: u32,
    /// Width of `out`.
    pub out_stride: u32,
    /// The most columns that a projection has.
    pub outputs: u32,
    /// 0.
    pub reserved: u32,
}

impl LowRankParams {
    fn launch(&self, columns: u32, of_block: u32) -> Launch {
        let tiles = self.rows.div_ceil(GEMV_ROWS);
        Launch::new([tiles, self.slots, columns.div_ceil(of_block)], THREADS, 0)
    }

    /// Of [`super::Kernel::LowRankDown`]: `low = down x`.
    pub fn launch_down(&self) -> Launch {
        self.launch(self.rank, GEMV_WARPS)
    }

    /// Of [`super::Kernel::LowRankUp`]: `out += up low`.
    pub fn launch_up(&self) -> Launch {
        self.launch(self.outputs, THREADS)
    }
}

const _: () = assert!(GEMV_WARPS * WARP == THREADS);

params! {
    LowRankUpdate: 32,
    LowRankParams: 72,
}
