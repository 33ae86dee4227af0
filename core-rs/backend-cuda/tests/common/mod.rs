//! What the tests of this crate share: an emulated device, models on it, a way to run a sequence.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod emulated;
#[path = "../../../backend-candle/tests/common/random_model.rs"]
pub mod random_model;

use std::path::{Path, PathBuf};

use emulated::Emulated;
use tgi_backend::{Backend, Batch, PAGE_TOKENS};
use tgi_backend_cuda::{CudaBackend, CudaError, CudaOptions, Element, Stored, WeightSource};
use tgi_cuda_kernels::emulate::Order;
use tgi_model::{ModelError, ModelSpec, Role};

/// A folder of the repository's `tests/`.
pub fn repository_tests(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(folder)
}

/// f32, own kernels, as a host emulates them in bearable time.
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

/// Specifications of random models that this backend computes.
pub fn specs() -> Vec<ModelSpec> {
    random_model::specs().into_iter().filter(|spec| spec.mlp.experts.is_none()).collect()
}

/// Logits after the last `wanted` of `tokens`, which follow `done` others on pages 0, 1, ..
pub fn forward(
    backend: &mut dyn Backend,
    tokens: &[u32],
    done: usize,
    wanted: usize,
) -> Vec<Vec<f32>> {
    let mut batch = Batch::default();
    let pages: Vec<u32> = (0..((done + tokens.len()).div_ceil(PAGE_TOKENS)) as u32).collect();
    batch.push_sequence(tokens, &pages, done);
    batch.logit_rows.extend((tokens.len() - wanted..tokens.len()).map(|row| row as u32));
    rows(backend, &batch)
}

/// Logits of all wanted rows, copied.
pub fn rows(backend: &mut dyn Backend, batch: &Batch) -> Vec<Vec<f32>> {
    let logits = backend.forward(batch).unwrap();
    (0..logits.rows()).map(|row| logits.row(row).to_vec()).collect()
}

/// The id of the largest logit, the first among equals.
pub fn best(logits: &[f32]) -> u32 {
    let largest = |best: usize, id: usize| if logits[id] > logits[best] { id } else { best };
    (0..logits.len()).reduce(largest).unwrap() as u32
}

/// The largest distance between numbers at the same place; a NaN is no small one.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |most, it| if it <= most { most } else { it })
}
