//! The feed-forward part of a layer with experts.

use tgi_cuda_kernels::signatures::{CombineExpertsParams, Kernel, RouteParams};

use super::{Decoder, Step};
use crate::CudaError;
use crate::device::{Device, Region};
use crate::experts::{ExpertMatrix, ExpertPlaces, PlaceLists, PlaceRows};
use crate::launch::launch;
use crate::matrix::{Matrix, Rows};

impl Decoder {
    /// From the normed rows to `out`.
    pub(super) fn use_experts<D: Device>(
        &self,
        step: &mut Step<D>,
        router: &Matrix,
        (inward, down): (&ExpertMatrix, &ExpertMatrix),
        out: Region,
    ) -> Result<(), CudaError> {
        let Some(experts) = self.mlp.experts else { return Ok(()) };
        let (arena, rows) = (step.arena, step.shape.rows);
        let routing = &arena.routing;
        let scored = Rows { count: rows, x: arena.normed, y: routing.scores, is_f32: true };
        self.multiplier.run(step.device, router, scored)?;
        let params = RouteParams {
            scores: routing.scores.address,
            slots: step.input(step.layout.slots.start),
            picks: routing.picks.address,
            weights: routing.weights.address,
            rows: rows as u32,
            experts: experts.count as u32,
            used: experts.used as u32,
            normalized: experts.normalized.into(),
        };
        launch(step.device, Kernel::Route, params.launch(), &params)?;
        let places = ExpertPlaces { count: rows * experts.used, experts: experts.count };
        let mut lists = PlaceLists::new(routing, places);
        let read = PlaceRows { x: arena.normed, y: arena.inner, share: experts.used };
        self.multiplier.run_experts(step.device, inward, &mut lists, read)?;
        self.activate(step, places.count)?;
        let read = PlaceRows { x: arena.activated, y: routing.products, share: 1 };
        self.multiplier.run_experts(step.device, down, &mut lists, read)?;
        let params = CombineExpertsParams {
            products: routing.products.address,
            picks: routing.picks.address,
            weights: routing.weights.address,
            out: out.address,
            rows: rows as u32,
            used: experts.used as u32,
            hidden: self.hidden as u32,
            reserved: 0,
        };
        launch(step.device, Kernel::CombineExperts(step.element), params.launch(), &params)
    }
}
