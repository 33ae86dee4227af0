//! K and V in pages.

use tgi_backend::PAGE_TOKENS;
use tgi_cuda_kernels::signatures::{CopyPageParams, Element, Kernel};
use tgi_model::ModelSpec;

use crate::CudaError;
use crate::device::{Device, Region};
use crate::launch::launch;

/// One array of pages for the keys of each layer and one for its values, side by side; a page is
/// `[kv_heads, PAGE_TOKENS, head_size]`.
pub(crate) struct KvPages {
    all: Region,
    array_bytes: usize,
    page_bytes: usize,
    layers: usize,
}

impl KvPages {
    /// Takes `pages` pages.
    pub fn new<D: Device>(
        device: &mut D,
        spec: &ModelSpec,
        pages: usize,
        element: Element,
    ) -> Result<Self, CudaError> {
        let width = spec.attention.kv_heads * spec.attention.head_size;
        let page_bytes = PAGE_TOKENS * width * element.bytes();
        let array_bytes = pages * page_bytes;
        let all = device.allocate("the KV cache", 2 * spec.layers * array_bytes)?;
        Ok(Self { all, array_bytes, page_bytes, layers: spec.layers })
    }

    /// Keys and values of a layer.
    pub fn layer(&self, layer: usize) -> [Region; 2] {
        [2 * layer, 2 * layer + 1]
            .map(|array| self.all.part(array * self.array_bytes, self.array_bytes))
    }

    /// Copies a page of all layers.
    pub fn copy_page<D: Device>(
        &self,
        device: &mut D,
        from: u32,
        to: u32,
    ) -> Result<(), CudaError> {
        let params = CopyPageParams {
            base: self.all.address,
            chunk_stride: self.array_bytes as u64,
            page_bytes: self.page_bytes as u64,
            chunks: 2 * self.layers as u32,
            from,
            to,
            reserved: 0,
        };
        launch(device, Kernel::CopyPage, params.launch(), &params)
    }
}
