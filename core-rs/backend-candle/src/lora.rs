//! Low-rank updates of projections (Hu et al. 2021, <https://arxiv.org/abs/2106.09685>): for the
//! rows of sequences with an adapter, `y += B A x`.

use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor};
use tgi_backend::Batch;
use tgi_model::{Adapter, LowRank};

use crate::block::Block;

/// The rows of one sequence with an adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdaptedRows {
    /// Its number.
    pub adapter: usize,
    /// The tokens, as indices into the batch.
    pub rows: Range<usize>,
}

impl AdaptedRows {
    /// Those of a batch.
    pub fn of(batch: &Batch) -> Vec<Self> {
        let adapted = |span: &tgi_backend::SequenceSpan| {
            Some(Self { adapter: span.adapter? as usize, rows: span.tokens.clone() })
        };
        batch.sequences.iter().filter_map(adapted).collect()
    }
}

/// One adapter's update of one projection.
pub(crate) struct Update {
    /// `[inputs, rank]`.
    down: Tensor,
    /// `[rank, outputs]`.
    up: Tensor,
}

impl Update {
    fn new(update: &LowRank, dtype: DType, device: &Device) -> Result<Self> {
        let matrix = |values: &[f32], shape: (usize, usize)| {
            Tensor::from_slice(values, shape, device)?.to_dtype(dtype)?.t()
        };
        let (inputs, outputs) = (update.down.len() / update.rank, update.up.len() / update.rank);
        Ok(Self {
            down: matrix(&update.down, (update.rank, inputs))?,
            up: matrix(&update.up, (outputs, update.rank))?,
        })
    }
}

/// Updates of one projection, by the number of the adapter.
#[derive(Default)]
pub(crate) struct Updates(Vec<Option<Update>>);

impl Updates {
    /// Adds the updates to `y`, `[tokens, outputs]`, of the input `x`, `[tokens, inputs]`.
    pub fn add(&self, x: &Tensor, mut y: Tensor, adapted: &[AdaptedRows]) -> Result<Tensor> {
        for AdaptedRows { adapter, rows } in adapted {
            let Some(Update { down, up }) = self.0.get(*adapter).and_then(Option::as_ref) else {
                continue;
            };
            let x = x.narrow(0, rows.start, rows.len())?;
            let term = x.matmul(down)?.matmul(up)?;
            let changed = (y.narrow(0, rows.start, rows.len())? + term)?;
            y = y.slice_scatter0(&changed.contiguous()?, rows.start)?;
        }
        Ok(y)
    }
}

/// Puts an adapter behind those that the blocks have.
pub(crate) fn adapt<'a>(
    blocks: impl Iterator<Item = &'a mut Block>,
    adapter: &Adapter,
    (dtype, device): (DType, &Device),
) -> Result<()> {
    for (layer, block) in blocks.enumerate() {
        for (role, linear) in block.projections() {
            let update = adapter.update(role, layer);
            let update = update.map(|update| Update::new(update, dtype, device)).transpose()?;
            linear.updates.0.push(update);
        }
    }
    Ok(())
}
