//! K and V of one layer, in pages.

use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};
use tgi_backend::PAGE_TOKENS;

/// Two arrays of `pages * PAGE_TOKENS` slots; the slot of a token follows from its page table
/// (`PagedAttention`, Kwon et al. 2023, <https://arxiv.org/abs/2309.06180>).
pub(crate) struct KvPages {
    /// `[slots, kv_heads, head_size]`.
    keys: Tensor,
    /// `[slots, kv_heads, head_size]`.
    values: Tensor,
}

/// Rows of a batch that lie side by side in one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Indices into the batch's tokens.
    pub rows: Range<usize>,
    /// Slot of the first.
    pub slot: usize,
}

impl KvPages {
    /// Empty pages for heads of `shape` `[kv_heads, head_size]`.
    pub fn new(pages: usize, shape: [usize; 2], dtype: DType, device: &Device) -> Result<Self> {
        let shape = (pages * PAGE_TOKENS, shape[0], shape[1]);
        Ok(Self {
            keys: Tensor::zeros(shape, dtype, device)?,
            values: Tensor::zeros(shape, dtype, device)?,
        })
    }

    /// Stores K and V of a batch's tokens, each `[tokens, kv_heads, head_size]`, run by run.
    pub fn write(&self, runs: &[Run], keys: &Tensor, values: &Tensor) -> Result<()> {
        let (keys, values) = (keys.contiguous()?, values.contiguous()?);
        for Run { rows, slot } in runs {
            self.keys.slice_set(&keys.narrow(0, rows.start, rows.len())?, 0, *slot)?;
            self.values.slice_set(&values.narrow(0, rows.start, rows.len())?, 0, *slot)?;
        }
        Ok(())
    }

    /// K and V at `slots`, `[count]` in u32; each `[kv_heads, count, head_size]`.
    pub fn read(&self, slots: &Tensor) -> Result<(Tensor, Tensor)> {
        let heads_first =
            |pages: &Tensor| pages.index_select(slots, 0)?.transpose(0, 1)?.contiguous();
        Ok((heads_first(&self.keys)?, heads_first(&self.values)?))
    }

    /// Copies a whole page onto another.
    pub fn copy_page(&self, from: usize, to: usize) -> Result<()> {
        for pages in [&self.keys, &self.values] {
            let page = pages.narrow(0, from * PAGE_TOKENS, PAGE_TOKENS)?;
            pages.slice_set(&page.force_contiguous()?, 0, to * PAGE_TOKENS)?;
        }
        Ok(())
    }
}
