//! Weights of experts on the device, and how rows are multiplied with those that they use.

use tgi_cuda_kernels::signatures::{
    EXPERT_GEMM_ROWS, ExpertMatmulParams, GEMV_ROWS, GroupPlacesParams, Kernel, MatmulParams,
    Weights, expert_tiles,
};
use tgi_model::Role;

use crate::CudaError;
use crate::device::{Device, Region};
use crate::launch::launch;
use crate::matrix::Multiplier;
use crate::routing::Routing;
use crate::weights::{Loader, held_bytes};

/// `[experts, outputs, inputs]`, in parts of one form each.
pub(crate) struct ExpertMatrix {
    parts: Vec<ExpertPart>,
    /// Rows of an expert.
    outputs: usize,
    /// Columns.
    inputs: usize,
}

/// A projection of experts, by the expert's number.
pub(crate) type ExpertRole = fn(u32) -> Role;

/// The same rows of some experts, `[experts, outputs, inputs]`.
#[derive(Clone, Copy)]
struct ExpertPart {
    weights: Weights,
    region: Region,
    /// Experts before them.
    first_expert: usize,
    experts: usize,
    /// Rows of an expert before them.
    first: usize,
    outputs: usize,
}

/// A step's places.
#[derive(Clone, Copy)]
pub(crate) struct ExpertPlaces {
    /// How many.
    pub count: usize,
    /// Over how many experts.
    pub experts: usize,
}

/// Rows on both sides of a product.
#[derive(Clone, Copy)]
pub(crate) struct PlaceRows {
    /// `[count / share, inputs]`.
    pub x: Region,
    /// `[count, outputs]`, written.
    pub y: Region,
    /// Successive places that read one row.
    pub share: usize,
}

/// A step's places by expert, listed for the kernels that need it.
pub(crate) struct PlaceLists<'a> {
    routing: &'a Routing,
    places: ExpertPlaces,
    /// Of the tiles that are listed.
    tile_rows: Option<u32>,
}

impl<'a> PlaceLists<'a> {
    /// Of picks that lie in `routing`.
    pub fn new(routing: &'a Routing, places: ExpertPlaces) -> Self {
        Self { routing, places, tile_rows: None }
    }

    /// Lists tiles of so many rows, unless they are listed; gives their number.
    fn list<D: Device>(&mut self, device: &mut D, tile_rows: u32) -> Result<u32, CudaError> {
        let ExpertPlaces { count, experts } = self.places;
        let tiles = expert_tiles(count, experts, tile_rows as usize) as u32;
        if self.tile_rows.replace(tile_rows) != Some(tile_rows) {
            let params = GroupPlacesParams {
                picks: self.routing.picks.address,
                places: self.routing.places.address,
                tile_experts: self.routing.tile_experts.address,
                count: count as u32,
                experts: experts as u32,
                tiles,
                tile_rows,
            };
            launch(device, Kernel::GroupPlaces, params.launch(), &params)?;
        }
        Ok(tiles)
    }

    /// The argument with lists of tiles of so many rows.
    fn params<D: Device>(
        &mut self,
        device: &mut D,
        tile_rows: u32,
        params: ExpertMatmulParams,
    ) -> Result<ExpertMatmulParams, CudaError> {
        let tiles = self.list(device, tile_rows)?;
        let Routing { places, tile_experts, .. } = self.routing;
        Ok(ExpertMatmulParams {
            places: places.address,
            tile_experts: tile_experts.address,
            tiles,
            ..params
        })
    }
}

impl Multiplier {
    /// Writes `x W^T` of all places.
    pub fn run_experts<D: Device>(
        &self,
        device: &mut D,
        matrix: &ExpertMatrix,
        lists: &mut PlaceLists,
        rows: PlaceRows,
    ) -> Result<(), CudaError> {
        let ExpertPlaces { count, experts } = lists.places;
        for part in &matrix.parts {
            // The kernel for a few rows reads weights once for as many as a tile has.
            if self.takes_gemv(part.weights, count.div_ceil(experts), matrix.inputs) {
                let kernel = Kernel::ExpertGemv(part.weights, self.element);
                let params = self.expert_params(matrix, part, rows);
                let params = lists.params(device, GEMV_ROWS, params)?;
                launch(device, kernel, params.launch_gemv(), &params)?;
            } else {
                self.unpacked_experts(device, matrix, part, &mut |device, part| {
                    let params = self.expert_params(matrix, part, rows);
                    let params = lists.params(device, EXPERT_GEMM_ROWS, params)?;
                    let kernel = Kernel::ExpertGemm(self.element);
                    launch(device, kernel, params.launch_gemm(), &params)
                })?;
            }
        }
        Ok(())
    }

    /// Gives `work` a part in plain weights, blocks unpacked some experts, or some rows of one, at a
    /// time.
    fn unpacked_experts<D: Device>(
        &self,
        device: &mut D,
        matrix: &ExpertMatrix,
        part: &ExpertPart,
        work: &mut impl FnMut(&mut D, &ExpertPart) -> Result<(), CudaError>,
    ) -> Result<(), CudaError> {
        let fitting = match part.weights {
            Weights::Plain(_) => usize::MAX,
            Weights::Blocks(_) => self.unpacked_rows(matrix.inputs),
        };
        let (together, rows) = ((fitting / part.outputs).max(1), fitting.min(part.outputs));
        for expert in (0..part.experts).step_by(together) {
            let experts = together.min(part.experts - expert);
            for row in (0..part.outputs).step_by(rows) {
                let outputs = rows.min(part.outputs - row);
                let elements = [expert * part.outputs + row, experts * outputs];
                let elements = elements.map(|rows| rows * matrix.inputs);
                let (weights, region) =
                    self.unpack(device, (part.weights, part.region), elements)?;
                let (first_expert, first) = (part.first_expert + expert, part.first + row);
                let plain = ExpertPart { weights, region, first_expert, experts, first, outputs };
                work(device, &plain)?;
            }
        }
        Ok(())
    }

    /// The argument without its lists.
    fn expert_params(
        &self,
        matrix: &ExpertMatrix,
        part: &ExpertPart,
        rows: PlaceRows,
    ) -> ExpertMatmulParams {
        let product = MatmulParams {
            weight: part.region.address,
            x: rows.x.address,
            bias: 0,
            out: rows.y.address + (part.first * self.element.bytes()) as u64,
            m: 0,
            n: part.outputs as u32,
            k: matrix.inputs as u32,
            x_stride: matrix.inputs as u32,
            out_stride: matrix.outputs as u32,
            out_f32: 0,
        };
        ExpertMatmulParams {
            product,
            expert_bytes: held_bytes(part.weights, part.outputs * matrix.inputs) as u64,
            share: rows.share as u32,
            first_expert: part.first_expert as u32,
            experts: part.experts as u32,
            ..ExpertMatmulParams::default()
        }
    }
}

impl<D: Device> Loader<'_, D> {
    /// The matrices of `roles`, each with its rows, one behind the other as one `[outputs, inputs]`, and
    /// so for each of `count` experts: in one part where all are held alike.
    pub fn experts(
        &mut self,
        roles: &[(ExpertRole, usize)],
        count: usize,
        inputs: usize,
    ) -> Result<ExpertMatrix, CudaError> {
        let mut stored = Vec::with_capacity(count * roles.len());
        for expert in 0..count as u32 {
            for &(role, rows) in roles {
                let weight = self.source.weight(role(expert), self.layer, &[rows, inputs])?;
                stored.push((weight, rows));
            }
        }
        let runs = self.alike(&stored);
        let (mut parts, mut outputs) = (Vec::new(), 0);
        if runs.len() > 1 && roles.len() > 1 {
            for role in roles {
                let own = self.experts(std::slice::from_ref(role), count, inputs)?;
                let moved = own.parts.iter().map(|part| ExpertPart { first: outputs, ..*part });
                parts.extend(moved);
                outputs += own.outputs;
            }
            return Ok(ExpertMatrix { parts, outputs, inputs });
        }
        outputs = roles.iter().map(|(_, rows)| rows).sum();
        for (weights, places) in runs {
            let [first_expert, experts] = [places.start, places.len()].map(|it| it / roles.len());
            let (region, _) = self.part(&stored[places], weights, inputs)?;
            parts.push(ExpertPart { weights, region, first_expert, experts, first: 0, outputs });
        }
        Ok(ExpertMatrix { parts, outputs, inputs })
    }
}
