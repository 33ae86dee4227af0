//! What the tests of this crate share: models on an emulated device.
#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "../../../backend-cpu/tests/common/checkpoints.rs"]
pub mod checkpoints;
pub mod emulated;
#[path = "../../../backend-candle/tests/common/ragged.rs"]
pub mod ragged;
#[path = "../../../backend-candle/tests/common/mod.rs"]
mod reference;

use emulated::Emulated;
pub use reference::*;
use tgi_backend_cuda::{CudaBackend, CudaError, CudaOptions, Element, Stored, WeightSource};
use tgi_cuda_kernels::emulate::Order;
use tgi_model::{ModelError, ModelSpec, Role};

/// f32, without graphs.
pub fn options(pages: usize, rows: usize) -> CudaOptions {
    CudaOptions { element: Element::F32, has_graphs: false, ..CudaOptions::new(pages, rows, rows) }
}

/// A device on which a few rows leave most multiprocessors idle.
pub fn device() -> Emulated {
    Emulated::new(132, Order::Forward)
}

/// The weights of [`random_model::weights`].
pub struct RandomModel;

impl WeightSource for RandomModel {
    fn stored(
        &self,
        role: Role,
        layer: Option<usize>,
        shape: &[usize],
    ) -> Result<Stored<'_>, ModelError> {
        Ok(Stored::Floats(random_model::weights(role, layer, shape)))
    }
}

/// A model on an emulated device.
pub fn load(
    spec: &ModelSpec,
    source: &dyn WeightSource,
    options: &CudaOptions,
) -> Result<CudaBackend<Emulated>, CudaError> {
    CudaBackend::load(device(), spec, source, options, &mut |_| {})
}

/// A random model, emulated.
pub fn emulated(spec: &ModelSpec, options: &CudaOptions) -> CudaBackend<Emulated> {
    load(spec, &RandomModel, options).unwrap()
}

/// Specifications of random models that this backend computes.
pub fn specs() -> Vec<ModelSpec> {
    random_model::specs().into_iter().filter(|spec| spec.mlp.experts.is_none()).collect()
}
