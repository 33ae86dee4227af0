//! A backend, loaded from a file or from random weights.

use std::path::Path;

use tgi_backend::Backend;
use tgi_backend_candle::{CandleBackend, CandleOptions};
use tgi_backend_cpu::isa::choice::Choice;
use tgi_backend_cpu::weights::TensorSource;
use tgi_backend_cpu::{CpuBackend, CpuOptions};
use tgi_backend_cuda::{CudaBackend, CudaOptions, Driver, Element, Progress, WeightSource};
use tgi_model::{Model, ModelSpec};

use crate::arguments::{Arguments, BackendKind, Source};
use crate::case::Case;
use crate::error::BenchError;
use crate::random::RandomModel;

/// What is measured.
pub struct Subject {
    /// File name without its ending, or the random model's name.
    pub model: String,
    /// Weights as stored, bytes.
    pub weight_bytes: u64,
    /// Computes.
    pub backend: Box<dyn Backend>,
    /// Instruction set of the kernels; of candle, which picks its own, the processor's family.
    pub isa: String,
}

/// Largest step and all pages that any of the tests needs.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    pages: usize,
    batch_tokens: usize,
    streams: usize,
}

impl Sizes {
    fn of(cases: &[Case], chunk: usize) -> Self {
        let most = |size: fn(&Case) -> usize| cases.iter().map(size).max().unwrap_or(1);
        let streams = most(Case::streams);
        Self { pages: most(Case::pages), batch_tokens: chunk.max(streams), streams }
    }
}

impl Subject {
    /// Loads the model with room for all tests.
    ///
    /// # Errors
    /// [`BenchError`]: the model is none, or a test does not fit into its context.
    pub fn load(arguments: &Arguments) -> Result<Self, BenchError> {
        match &arguments.source {
            Source::File(path) => {
                let model = Model::open(path)?;
                let candle = |options: &CandleOptions| Ok(CandleBackend::load(&model, options)?);
                let (name, bytes) = (stem(path), model.tensor_bytes());
                let sources = (&model as &dyn TensorSource, (&model as _, Element::Bf16));
                Self::over(arguments, (name, bytes), &model.spec, sources, &candle)
            }
            Source::Random(model) => {
                let candle = |options: &CandleOptions| candle_of(model, options);
                let (name, bytes) = (model.name.clone(), model.tensor_bytes());
                let source = &**model;
                let sources = (source as &dyn TensorSource, (source as _, model.element()));
                Self::over(arguments, (name, bytes), &model.spec, sources, &candle)
            }
        }
    }

    fn over(
        arguments: &Arguments,
        (model, weight_bytes): (String, u64),
        spec: &ModelSpec,
        (source, on_gpu): (&dyn TensorSource, (&dyn WeightSource, Element)),
        candle: &dyn Fn(&CandleOptions) -> Result<CandleBackend, BenchError>,
    ) -> Result<Self, BenchError> {
        for case in &arguments.cases {
            case.check(spec.context)?;
        }
        let Sizes { pages, batch_tokens, streams } = Sizes::of(&arguments.cases, arguments.chunk);
        let (backend, isa): (Box<dyn Backend>, String) = match arguments.backend {
            BackendKind::Cpu => {
                let (threads, kv) = (arguments.threads, arguments.kv);
                let options = CpuOptions { pages, batch_tokens, logit_rows: streams, threads, kv };
                let isa = Choice::new(arguments.cpu_isa.as_deref())?.isa;
                let backend = CpuBackend::from_source(spec, source, &options, isa)?;
                let isa = backend.isa().to_owned();
                (Box::new(backend), isa)
            }
            BackendKind::Cuda => {
                let options = CudaOptions {
                    element: on_gpu.1,
                    is_batch_invariant: arguments.is_batch_invariant,
                    ..CudaOptions::new(pages, batch_tokens, streams)
                };
                cuda(spec, on_gpu.0, &options)?
            }
            BackendKind::Candle => {
                let options = CandleOptions::cpu(pages, batch_tokens, streams);
                (Box::new(candle(&options)?), std::env::consts::ARCH.to_owned())
            }
        };
        Ok(Self { model, weight_bytes, backend, isa })
    }
}

/// On the first GPU; what multiplies matrices there and how far graphs are goes to the standard error.
fn cuda(
    spec: &ModelSpec,
    source: &dyn WeightSource,
    options: &CudaOptions,
) -> Result<(Box<dyn Backend>, String), BenchError> {
    let driver = Driver::open(0, !options.is_batch_invariant)?;
    let isa = format!("sm_{}", driver.gpu().capability);
    match driver.blas() {
        Ok(path) => eprintln!("products by {}", path.display()),
        Err(reason) => eprintln!("{reason}"),
    }
    let mut progress = |Progress { captured, graphs }| {
        if captured == 0 || captured == graphs {
            eprintln!("captured {captured} of {graphs} graphs");
        }
    };
    let backend = CudaBackend::load(driver, spec, source, options, &mut progress)?;
    Ok((Box::new(backend), isa))
}

fn candle_of(model: &RandomModel, options: &CandleOptions) -> Result<CandleBackend, BenchError> {
    let read = |role, layer, shape: &[usize]| Ok(model.floats(role, layer, shape)?);
    Ok(CandleBackend::from_weights(&model.spec, options, read)?)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
