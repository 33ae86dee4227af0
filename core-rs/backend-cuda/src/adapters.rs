//! `LoRA` adapters on the device: low-rank updates of projections, in the type of activations.

use tgi_cuda_kernels::signatures::{Element, LowRankUpdate, MAX_RANK};
use tgi_model::{Adapter, LowRank};

use crate::device::{Device, Region};
use crate::matrix::Matrix;
use crate::weights::convert;
use crate::{CudaError, CudaOptions};

/// Projections that share an input, at most: query, key and value.
const SLOTS: usize = 3;

/// Projections of a layer.
const PROJECTIONS: usize = 7;

/// Where matrices may begin, bytes.
const ALIGNMENT: usize = 16;

/// What adapters change of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Updates {
    /// [`LowRankUpdate`]s, `[adapters, slots]`.
    pub table: Region,
    /// Adapters.
    pub count: usize,
    /// Projections that the matrix is made of.
    pub slots: usize,
    /// The largest rank.
    pub rank: usize,
    /// The most rows that a projection has.
    pub outputs: usize,
}

/// Bytes that adapters take on the device, for a model of so many layers.
pub fn adapter_bytes(adapters: &[Adapter], layers: usize, element: Element) -> u64 {
    let matrix = |values: &[f32]| (values.len() * element.bytes()).next_multiple_of(ALIGNMENT);
    let updates = adapters.iter().flat_map(Adapter::updates);
    let matrices: usize = updates.map(|update| matrix(&update.down) + matrix(&update.up)).sum();
    (matrices + adapters.len() * layers * PROJECTIONS * size_of::<LowRankUpdate>()) as u64
}

/// Bytes of what updates leave between their kernels, for steps of up to `rows` rows.
pub(crate) fn low_bytes(rows: usize, options: &CudaOptions) -> usize {
    rows * SLOTS * options.adapter_rank * size_of::<f32>()
}

/// Puts adapters on a device.
pub(crate) struct AdapterLoader<'a, D> {
    device: &'a mut D,
    adapters: &'a [Adapter],
    element: Element,
    /// Memory that nothing lies in yet.
    free: Region,
}

impl<'a, D: Device> AdapterLoader<'a, D> {
    /// Takes the memory for all of them.
    pub fn new(
        device: &'a mut D,
        adapters: &'a [Adapter],
        (layers, element): (usize, Element),
    ) -> Result<Self, CudaError> {
        if let Some(rank) = adapters.iter().map(Adapter::rank).find(|&it| it > MAX_RANK as usize) {
            let text = format!("an adapter of rank {rank}, expected 1 to {MAX_RANK}");
            return Err(CudaError::Options(text));
        }
        let bytes = adapter_bytes(adapters, layers, element) as usize;
        let free = device.allocate("adapters", bytes)?;
        Ok(Self { device, adapters, element, free })
    }

    /// Gives a matrix of a layer what the adapters change of it.
    pub fn adapt(&mut self, matrix: &mut Matrix, layer: usize) -> Result<(), CudaError> {
        let updates = |role| self.adapters.iter().filter_map(move |it| it.update(role, layer));
        let ranks = matrix.roles.iter().flat_map(|&(role, _)| updates(role)).map(|it| it.rank);
        let Some(rank) = ranks.max() else { return Ok(()) };
        let mut table = Vec::with_capacity(self.adapters.len() * matrix.roles.len());
        for adapter in self.adapters {
            let mut first = 0;
            for &(role, outputs) in &matrix.roles {
                let update = adapter.update(role, layer);
                let loaded = update.map(|it| self.load(it, (first, outputs))).transpose()?;
                table.push(loaded.unwrap_or_default());
                first += outputs;
            }
        }
        let words: Vec<u64> = table.iter().flat_map(words).collect();
        matrix.updates = Some(Updates {
            table: self.put(bytemuck::cast_slice(&words))?,
            count: self.adapters.len(),
            slots: matrix.roles.len(),
            rank,
            outputs: matrix.roles.iter().map(|&(_, outputs)| outputs).max().unwrap_or(0),
        });
        Ok(())
    }

    fn load(
        &mut self,
        update: &LowRank,
        (first, outputs): (usize, usize),
    ) -> Result<LowRankUpdate, CudaError> {
        let [down, up] = [&update.down, &update.up].map(|values| convert(values, self.element));
        Ok(LowRankUpdate {
            down: self.put(&down)?.address,
            up: self.put(&up)?.address,
            rank: update.rank as u32,
            first: first as u32,
            outputs: outputs as u32,
            reserved: 0,
        })
    }

    fn put(&mut self, bytes: &[u8]) -> Result<Region, CudaError> {
        let whole = bytes.len().next_multiple_of(ALIGNMENT);
        let place = self.free.part(0, bytes.len());
        self.free = self.free.part(whole, self.free.bytes - whole);
        self.device.upload(bytes, place)?;
        Ok(place)
    }
}

/// An update as the device has it.
fn words(update: &LowRankUpdate) -> [u64; 4] {
    let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    let &LowRankUpdate { down, up, rank, first, outputs, reserved } = update;
    [down, up, pair(rank, first), pair(outputs, reserved)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_lies_as_its_struct_does() {
        let update =
            LowRankUpdate { down: 1 << 40, up: 7, rank: 16, first: 3, outputs: 9, reserved: 0 };
        assert_eq!(words(&update), [1 << 40, 7, 16 | 3 << 32, 9]);
    }
}
