//! What the tests of this crate share: models on a device.
#![allow(dead_code, reason = "each test file uses its own part")]

#[path = "../../../../backend-candle/tests/common/adapters.rs"]
pub mod adapters;
#[path = "../../../../backend-cpu/tests/common/checkpoints.rs"]
pub mod checkpoints;
pub mod decoding;
#[cfg(not(feature = "gpu"))]
pub mod emulated;
#[path = "../../../../backend-candle/tests/common/ragged.rs"]
pub mod ragged;
#[path = "../../../../backend-candle/tests/common/mod.rs"]
mod reference;
#[path = "../../../../engine/tests/common/step_by_step.rs"]
pub mod step_by_step;

pub use reference::*;
use tgi_backend_cuda::{CudaBackend, CudaError, CudaOptions, Element, Stored, WeightSource};
use tgi_model::{ModelError, ModelSpec, Role};

/// f32, without graphs.
pub fn options(pages: usize, rows: usize) -> CudaOptions {
    CudaOptions { element: Element::F32, has_graphs: false, ..CudaOptions::new(pages, rows, rows) }
}

/// What the suite runs on: a GPU with the feature `gpu`, else the emulated device.
#[cfg(feature = "gpu")]
pub type Machine = tgi_backend_cuda::Driver;

/// What the suite runs on: a GPU with the feature `gpu`, else the emulated device.
#[cfg(not(feature = "gpu"))]
pub type Machine = emulated::Emulated;

/// The first GPU, with cuBLASLt where it is found.
#[cfg(feature = "gpu")]
pub fn device() -> Machine {
    tgi_backend_cuda::Driver::open(0, true).unwrap()
}

/// A device on which a few rows leave most multiprocessors idle.
#[cfg(not(feature = "gpu"))]
pub fn device() -> Machine {
    emulated::Emulated::new(132, tgi_cuda_kernels::emulate::Order::Forward)
}

/// A device that does nothing before it is waited for, where one can be had.
#[cfg_attr(feature = "gpu", expect(unused_mut, reason = "a GPU is as slow as it is"))]
pub fn slow_device() -> Machine {
    let mut device = device();
    #[cfg(not(feature = "gpu"))]
    {
        device.is_lazy = true;
    }
    device
}

/// The weights of [`random_model::weights`].
pub struct RandomModel;

impl WeightSource for RandomModel {
    fn weight(
        &self,
        role: Role,
        layer: Option<usize>,
        shape: &[usize],
    ) -> Result<Stored<'_>, ModelError> {
        Ok(Stored::Floats(random_model::weights(role, layer, shape)))
    }
}

/// A model on the device.
pub fn load(
    spec: &ModelSpec,
    source: &dyn WeightSource,
    options: &CudaOptions,
) -> Result<CudaBackend<Machine>, CudaError> {
    CudaBackend::load(device(), spec, source, options, &mut |_| {})
}

/// A random model on the device.
pub fn random(spec: &ModelSpec, options: &CudaOptions) -> CudaBackend<Machine> {
    load(spec, &RandomModel, options).unwrap()
}

/// Specifications of random models.
pub fn specs() -> Vec<ModelSpec> {
    random_model::specs().into()
}
