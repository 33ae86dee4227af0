//! Copies and fillings of device memory.

use super::{Launch, THREADS, params, parts};

/// Copies a page of all layers: in each of `chunks` arrays of pages, `chunk_stride` bytes apart,
/// page `from` to page `to`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CopyPageParams {
    /// First array of pages, 16-byte aligned.
    pub base: u64,
    /// From one array to the next, bytes; a multiple of 16.
    pub chunk_stride: u64,
    /// Bytes of a page in one array, `kv_heads * 32 * head_size` elements; a multiple of 16.
    pub page_bytes: u64,
    /// Arrays: keys and values of each layer.
    pub chunks: u32,
    /// Page to read.
    pub from: u32,
    /// Page to write.
    pub to: u32,
    /// 0.
    pub reserved: u32,
}

impl CopyPageParams {
    /// A thread for 16 bytes.
    pub fn launch(&self) -> Launch {
        Launch::new([parts(self.page_bytes / 16, THREADS), self.chunks, 1], THREADS, 0)
    }
}

/// Fills with even random numbers between `-amplitude` and `amplitude`: weights to measure with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct FillParams {
    /// `T [count]`.
    pub out: u64,
    /// Elements.
    pub count: u64,
    /// An element depends on the seed and its place alone.
    pub seed: u64,
    /// Largest magnitude.
    pub amplitude: f32,
    /// 0.
    pub reserved: u32,
}

impl FillParams {
    /// A thread an element.
    pub fn launch(&self) -> Launch {
        Launch::new([parts(self.count, THREADS), 1, 1], THREADS, 0)
    }
}

params! {
    CopyPageParams: 40,
    FillParams: 32,
}
