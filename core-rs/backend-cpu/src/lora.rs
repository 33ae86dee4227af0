//! Low-rank updates of projections (Hu et al. 2021, <https://arxiv.org/abs/2106.09685>), re-tiled:
//! `y += up (down x)`, in f32.

use candle_core::quantized::GgmlDType;
use tgi_model::{Adapter, LowRank, ModelSpec, Role};

use crate::error::CpuError;
use crate::matrix::{self, Matrix};
use crate::shared::Shared;
use crate::slab::Slab;
use crate::tile::pack::PANEL_ROWS;
use crate::weights::{Layer, head_order, permute_heads};

/// Most projections that share an input: query, key and value.
const SLOTS: usize = 3;

/// One adapter's update of one projection.
pub struct Update {
    /// `[rank, inputs]`.
    pub down: Box<dyn Matrix>,
    /// `[outputs, rank]`.
    pub up: Box<dyn Matrix>,
}

/// Updates of one projection, by the number of the adapter.
#[derive(Default)]
pub struct Updates(Vec<Option<Update>>);

impl Updates {
    /// That of an adapter, if it changes the projection.
    pub fn of(&self, adapter: u32) -> Option<&Update> {
        self.0.get(adapter as usize).and_then(Option::as_ref)
    }
}

/// Outputs of `down`, `[tokens][slots][rank]`: projections that share an input have a slot each.
pub struct LowRows {
    /// All of them.
    pub values: Shared<f32>,
    /// Floats of a slot: the largest rank, in whole panels.
    pub rank: usize,
}

impl LowRows {
    /// Floats of a token.
    pub fn width(&self) -> usize {
        SLOTS * self.rank
    }

    /// Room for steps of up to `tokens` tokens.
    pub fn new(adapters: &[Adapter], tokens: usize) -> Self {
        let rank = padded_rank(adapters);
        Self { values: Shared::new(tokens * SLOTS * rank), rank }
    }
}

fn padded_rank(adapters: &[Adapter]) -> usize {
    let rank = adapters.iter().map(Adapter::rank).max().unwrap_or(0);
    rank.next_multiple_of(PANEL_ROWS)
}

/// Bytes that adapters take once loaded.
pub fn adapter_bytes(adapters: &[Adapter]) -> u64 {
    let bytes = |update: &LowRank| {
        let (inputs, outputs) = (update.down.len() / update.rank, update.up.len() / update.rank);
        matrix::loaded_bytes(GgmlDType::F32, update.rank, inputs)
            + matrix::loaded_bytes(GgmlDType::F32, outputs, update.rank)
    };
    adapters.iter().flat_map(Adapter::updates).map(bytes).sum()
}

/// Bytes that they take in steps of up to `tokens` tokens.
pub fn adapter_arena_bytes(adapters: &[Adapter], tokens: usize) -> u64 {
    (tokens * SLOTS * padded_rank(adapters) * size_of::<f32>()) as u64
}

/// Puts an adapter behind those that the layers have.
///
/// # Errors
/// [`CpuError::Memory`] without memory.
pub fn adapt(layers: &mut [Layer], spec: &ModelSpec, adapter: &Adapter) -> Result<(), CpuError> {
    let (slab, order) = (Slab::default(), head_order(spec));
    for (number, layer) in layers.iter_mut().enumerate() {
        for (role, linear) in layer.projections() {
            let order = order.as_deref().filter(|_| matches!(role, Role::Query | Role::Key));
            let load = |update: &LowRank| {
                let rows: Vec<&[f32]> = update.up.chunks_exact(update.rank).collect();
                let up = permute_heads(spec, &rows, order).concat();
                Ok::<_, CpuError>(Update {
                    down: load(&update.down, update.rank, &slab)?,
                    up: load(&up, up.len() / update.rank, &slab)?,
                })
            };
            let update = adapter.update(role, number).map(load).transpose()?;
            linear.updates.0.push(update);
        }
    }
    Ok(())
}

/// Re-tiles a matrix of this many rows.
fn load(values: &[f32], rows: usize, slab: &Slab) -> Result<Box<dyn Matrix>, CpuError> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    matrix::load(GgmlDType::F32, rows, values.len() / rows.max(1), &bytes, 1, slab)
}
