//! From the residual stream to logits and their peaks.

use tgi_cuda_kernels::signatures::{AddNormParams, Kernel, PeakParams, ScaleLogitsParams};

use super::{Decoder, Pending, Step};
use crate::CudaError;
use crate::device::Device;
use crate::launch::launch;
use crate::matrix::Rows;

impl Decoder {
    /// Norm, head, scale and peaks of the wanted rows.
    pub(super) fn logits<D: Device>(
        &self,
        step: &mut Step<D>,
        pending: Pending,
    ) -> Result<(), CudaError> {
        let (arena, shape) = (step.arena, step.shape);
        let gather = if shape.is_gathered { step.input(step.layout.wanted.start) } else { 0 };
        let params = AddNormParams {
            gather,
            out: arena.normed.address,
            ..self.add_norm(step, pending, self.norm, shape.logits)
        };
        launch(step.device, Kernel::AddNorm(step.element), params.launch(), &params)?;
        let logits = arena.logits(shape.logits, self.vocab);
        let rows = Rows { count: shape.logits, x: arena.normed, y: logits, is_f32: true };
        self.multiplier.run(step.device, &self.head.matrix, rows)?;
        if (self.head.scale - 1.0).abs() > 0.0 || self.head.soft_cap > 0.0 {
            let params = ScaleLogitsParams {
                logits: logits.address,
                count: (shape.logits * self.vocab) as u64,
                scale: self.head.scale,
                soft_cap: self.head.soft_cap,
            };
            launch(step.device, Kernel::ScaleLogits, params.launch(), &params)?;
        }
        if !shape.has_peaks {
            return Ok(());
        }
        let params = PeakParams {
            logits: logits.address,
            row_list: 0,
            chunks: arena.chunks.address,
            out: arena.chosen.address,
            rows: shape.logits as u32,
            vocab: self.vocab as u32,
        };
        launch(step.device, Kernel::PeakChunks, params.launch_chunks(), &params)?;
        launch(step.device, Kernel::PeakJoin, params.launch_join(), &params)
    }
}
