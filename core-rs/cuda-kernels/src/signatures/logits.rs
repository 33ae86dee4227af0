//! From logits to what the engine takes of them.

use super::{Launch, THREADS, params, parts};

/// Logits that a block of [`PeakParams`] searches.
pub const PEAK_CHUNK: u32 = 4096;

/// `logits = soft_cap * tanh(scale * logits / soft_cap)`, in place.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct ScaleLogitsParams {
    /// `f32 [count]`.
    pub logits: u64,
    /// Logits of all rows.
    pub count: u64,
    /// Factor on the logits.
    pub scale: f32,
    /// 0 for none.
    pub soft_cap: f32,
}

impl ScaleLogitsParams {
    /// A thread a logit.
    pub fn launch(&self) -> Launch {
        Launch::new([parts(self.count, THREADS), 1, 1], THREADS, 0)
    }
}

/// The largest logit of a row or of a chunk. A row without any number is all zeros.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DevicePeak {
    /// Sum of `exp(logit - max)`; of the largest ones alone where they are infinite.
    pub sum_exp: f64,
    /// The largest logit; NaN counts as minus infinity.
    pub max: f32,
    /// Its token; of equal ones the lowest.
    pub id: u32,
}

/// Finds the peak of rows, in two kernels: that of chunks, then that of rows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakParams {
    /// `f32 [.., vocab]`.
    pub logits: u64,
    /// Rows of `logits` to search, `u32 [rows]`, or 0 for all in order.
    pub row_list: u64,
    /// [`DevicePeak`]s between the kernels, `[rows, peak_chunks(vocab)]`.
    pub chunks: u64,
    /// [`DevicePeak`]s, `[rows]`.
    pub out: u64,
    /// Rows.
    pub rows: u32,
    /// Width of a row of logits.
    pub vocab: u32,
}

/// Chunks of a row.
pub fn peak_chunks(vocab: u32) -> u32 {
    vocab.div_ceil(PEAK_CHUNK)
}

impl PeakParams {
    /// Of [`super::Kernel::PeakChunks`].
    pub fn launch_chunks(&self) -> Launch {
        Launch::new([peak_chunks(self.vocab), self.rows, 1], THREADS, 0)
    }

    /// Of [`super::Kernel::PeakJoin`]: a thread a row.
    pub fn launch_join(&self) -> Launch {
        Launch::new([parts(u64::from(self.rows), THREADS), 1, 1], THREADS, 0)
    }
}

/// `tokens[targets[i]] = peaks[sources[i]].id`: the next step's tokens without the host.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct HandOverParams {
    /// [`DevicePeak`]s of the step.
    pub peaks: u64,
    /// `u32 [count]`, rows of `peaks`.
    pub sources: u64,
    /// `u32 [count]`, places in `tokens`, none twice.
    pub targets: u64,
    /// Token ids of the next step, `u32`.
    pub tokens: u64,
    /// Tokens to hand over.
    pub count: u32,
    /// 0.
    pub reserved: u32,
}

impl HandOverParams {
    /// A thread a token.
    pub fn launch(&self) -> Launch {
        Launch::new([parts(u64::from(self.count), THREADS), 1, 1], THREADS, 0)
    }
}

params! {
    ScaleLogitsParams: 24,
    DevicePeak: 16,
    PeakParams: 40,
    HandOverParams: 40,
}
