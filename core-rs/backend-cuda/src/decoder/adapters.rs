//! What adapters add to projections.

use tgi_cuda_kernels::signatures::{Kernel, LowRankParams};
use tgi_model::Adapter;

use super::{Decoder, FeedForward, Step};
use crate::CudaError;
use crate::adapters::{AdapterLoader, Updates};
use crate::device::Device;
use crate::launch::launch;
use crate::matrix::{Matrix, Rows};

impl Decoder {
    /// Puts adapters beside the model.
    pub fn adapt<D: Device>(
        &mut self,
        device: &mut D,
        adapters: &[Adapter],
    ) -> Result<(), CudaError> {
        if adapters.is_empty() {
            return Ok(());
        }
        let place = (self.layers.len(), self.multiplier.element);
        let mut loader = AdapterLoader::new(device, adapters, place)?;
        for (number, layer) in self.layers.iter_mut().enumerate() {
            loader.adapt(&mut layer.qkv, number)?;
            loader.adapt(&mut layer.attention_output, number)?;
            // Experts have no adapters.
            if let FeedForward::Dense { inward, down } = &mut layer.feed_forward {
                loader.adapt(inward, number)?;
                loader.adapt(down, number)?;
            }
        }
        Ok(())
    }
}

/// Adds to the rows of a product what their adapters change.
pub(super) fn add_updates<D: Device>(
    step: &mut Step<D>,
    (matrix, updates): (&Matrix, &Updates),
    rows: Rows,
) -> Result<(), CudaError> {
    let params = LowRankParams {
        x: rows.x.address,
        out: rows.y.address,
        adapters: step.input(step.layout.adapters.start),
        updates: updates.table.address,
        low: step.arena.low.address,
        rows: rows.count as u32,
        count: updates.count as u32,
        slots: updates.slots as u32,
        rank: updates.rank as u32,
        inputs: matrix.inputs as u32,
        out_stride: matrix.outputs as u32,
        outputs: updates.outputs as u32,
        reserved: 0,
    };
    let kernel = Kernel::LowRankDown(step.element);
    launch(step.device, kernel, params.launch_down(), &params)?;
    launch(step.device, Kernel::LowRankUp(step.element), params.launch_up(), &params)
}
